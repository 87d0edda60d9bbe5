/* SPDX-License-Identifier: Apache-2.0 */
/* Reads, writes or calls an address: `hostile_address read|write|call ADDRESS`. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "hostile.h"

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
	use(argv[1], parse_address(argv[2]));
	return 0;
}
