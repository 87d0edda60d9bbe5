/* SPDX-License-Identifier: Apache-2.0 */
/* Reads, writes or calls an address: `hostile_address read|write|call ADDRESS [COUNT]`. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((noinline)) static void use(const char *how, uintptr_t address)
{
	void (*volatile function)(void) = (void (*)(void))address;

	if (!strcmp(how, "read"))
		(void)*(volatile char *)address;
	else if (!strcmp(how, "write"))
		*(volatile char *)address = 0x5a;
	else
		function();
	puts("used");
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	use(argv[1], strtoull(argv[2], NULL, 0));
	return 0;
}
