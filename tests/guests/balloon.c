/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program in a guest with a memory balloon. `balloon look` waits until the balloon is full and
 * prints free and available MiB; `balloon need MIB` then takes that much, checks it, and prints
 * free MiB after it has given all back; `balloon free MIB` uses and frees that much, says so and
 * sleeps until its standard input ends; `balloon churn MIB` does that again and again, checking
 * that new memory reads as zeros.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static unsigned long meminfo(const char *name)
{
	char line[128];
	unsigned long value, found = 0;
	FILE *file = fopen("/proc/meminfo", "r");

	while (file && fgets(line, sizeof line, file))
		if (!strncmp(line, name, strlen(name)) &&
		    sscanf(line + strlen(name), ": %lu", &value) == 1)
			found = value / 1024;
	if (file)
		fclose(file);
	return found;
}

static unsigned char *take(size_t size)
{
	unsigned char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
	                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED) {
		perror("mmap");
		exit(3);
	}
	return memory;
}

/* Use @size bytes, which read as zeros at first, and give them back. */
static void use(size_t size)
{
	unsigned char *memory = take(size);

	for (size_t at = 0; at < size; at += 4096) {
		if (memory[at] || memory[at + 4095]) {
			printf("old bytes at %zu\n", at);
			exit(1);
		}
		memset(memory + at, (int)(at >> 12) | 1, 4096);
	}
	for (size_t at = 0; at < size; at += 4096)
		if (memory[at] != (unsigned char)(at >> 12 | 1)) {
			printf("lost bytes at %zu\n", at);
			exit(1);
		}
	munmap(memory, size);
}

int main(int argc, char **argv)
{
	size_t size = argc > 2 ? strtoul(argv[2], NULL, 0) << 20 : 0;
	char byte;

	if (argc < 2)
		return 2;
	usleep(100000);
	if (!strcmp(argv[1], "look")) {
		printf("%lu %lu\n", meminfo("MemFree"), meminfo("MemAvailable"));
	} else if (!strcmp(argv[1], "need")) {
		use(size);
		printf("%lu\n", meminfo("MemFree"));
	} else if (!strcmp(argv[1], "free")) {
		use(size);
		printf("free\n");
		fflush(stdout);
		while (read(0, &byte, 1) > 0)
			;
	} else if (!strcmp(argv[1], "churn")) {
		for (int i = 0; i < 12; i++) {
			use(size);
			if (i % 4 == 0)
				usleep(2000);
		}
		printf("done\n");
	}
	return 0;
}
