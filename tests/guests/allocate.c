/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes memory: `allocate use MIB` reserves that much and writes to all of it, `allocate churn MIB`
 * uses that much in all, but gives each MiB back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

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
	puts("done");
	return 0;
}
