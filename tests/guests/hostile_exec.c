/* SPDX-License-Identifier: Apache-2.0 */
/* Executes what is data: `hostile_exec stack|heap|data|mmap`. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static unsigned char data[16];

__attribute__((noinline)) static void jump(const unsigned char *to)
{
	void (*volatile function)(void) = (void (*)(void))(uintptr_t)to;

	function();
}

int main(int argc, char **argv)
{
	const char *where = argc > 1 ? argv[1] : "data";
	unsigned char stack[16], *to = data;

	if (!strcmp(where, "stack"))
		to = stack;
	else if (!strcmp(where, "heap"))
		to = malloc(16);
	else if (!strcmp(where, "mmap"))
		to = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	to[0] = 0xc3; /* ret */
	jump(to);
	return 0;
}
