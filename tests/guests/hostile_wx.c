/* SPDX-License-Identifier: Apache-2.0 */
/* Asks for memory that is writable and executable at once, in two ways, and uses what it gets. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static void use(const char *how, unsigned char *code)
{
	if (code == MAP_FAILED) {
		printf("%s: %s\n", how, strerror(errno));
		return;
	}
	code[0] = 0xc3; /* ret */
	((void (*)(void))(uintptr_t)code)();
	printf("%s: executed\n", how);
}

int main(void)
{
	const int all = PROT_READ | PROT_WRITE | PROT_EXEC;
	unsigned char *code;

	use("mmap", mmap(NULL, 4096, all, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	use("mprotect", mprotect(code, 4096, all) ? MAP_FAILED : code);
	return 0;
}
