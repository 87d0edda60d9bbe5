/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes memory: `allocate use MIB` reserves that much and writes to all of it, `allocate churn MIB`
 * uses that much in all, but gives each MiB back; `allocate ask MIB` asks for it in all the ways
 * that can be refused.
 */
#define _GNU_SOURCE /* mremap */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static char *reserve(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED) {
		perror("mmap");
		exit(3);
	}
	return memory;
}

static void tell(const char *what, int is_given)
{
	printf("%s: %s\n", what, is_given ? "given" : strerror(errno));
}

static void ask(size_t size)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, flags, -1, 0);
	long brk = syscall(SYS_brk, 0);
	char *none = mmap(NULL, size, PROT_NONE, flags, -1, 0);

	void *block = malloc(size);

	tell("malloc", block != NULL);
	free(block);
	tell("mmap", mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED);
	tell("mremap", mremap(page, 4096, size, MREMAP_MAYMOVE) != MAP_FAILED);
	tell("mprotect", mprotect(none, size, PROT_READ | PROT_WRITE) == 0);
	errno = ENOMEM; /* the call itself has no error */
	tell("brk", syscall(SYS_brk, brk + (long)size) != brk);
	tell("reading", mmap(NULL, size, PROT_READ, flags, -1, 0) != MAP_FAILED);
}

int main(int argc, char **argv)
{
	size_t mib = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;

	if (argc > 2 && !strcmp(argv[1], "use")) {
		char *memory = reserve(mib << 20);

		memset(memory, 0x5a, mib << 20);
	}
	for (size_t i = 0; argc > 2 && !strcmp(argv[1], "churn") && i < mib; i++) {
		char *memory = reserve(1 << 20);

		if (memory[0] != 0 || memory[(1 << 20) - 1] != 0) {
			puts("memory is not zeroed");
			return 1;
		}
		memset(memory, 0x5a, 1 << 20);
		munmap(memory, 1 << 20);
	}
	if (argc > 2 && !strcmp(argv[1], "ask"))
		ask(mib << 20);
	puts("done");
	return 0;
}
