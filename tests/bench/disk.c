/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a file or disk past the caches, natively and inside.
 *
 * usage: disk sequential|random|cached FILE
 *
 * sequential: 1 MiB at a time, MiB a second; random: 4 KiB at a time, one after the other, reads a
 * second; cached: 4 KiB after 4 KiB through the caches, MiB a second. Prints one number.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LONG  (1u << 20)
#define SHORT 4096u
#define READS 4000

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void read_at(int file, void *buffer, size_t length, off_t offset)
{
	if (pread(file, buffer, length, offset) != (ssize_t)length) {
		perror("pread");
		exit(1);
	}
}

int main(int argc, char **argv)
{
	bool is_cached = argc == 3 && !strcmp(argv[1], "cached");
	int file = argc == 3 ? open(argv[2], O_RDONLY | (is_cached ? 0 : O_DIRECT)) : -1;
	off_t size = file < 0 ? -1 : lseek(file, 0, SEEK_END);
	void *buffer = aligned_alloc(LONG, LONG);
	uint64_t state = 88172645463325252u;
	double start;

	if (size < (off_t)LONG || !buffer) {
		fprintf(stderr, "disk: cannot open %s so\n", argc == 3 ? argv[2] : "it");
		return 1;
	}
	memset(buffer, 1, LONG);
	if (!is_cached)
		read_at(file, buffer, LONG, 0);
	start = now();
	if (is_cached || !strcmp(argv[1], "sequential")) {
		off_t step = is_cached ? SHORT : LONG;

		for (off_t at = 0; at + step <= size; at += step)
			read_at(file, buffer, (size_t)step, at);
		printf("%.0f\n", (double)(size / LONG) / (now() - start));
		return 0;
	}
	for (int i = 0; i < READS; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		read_at(file, buffer, SHORT, (off_t)(state % (uint64_t)(size / SHORT)) * SHORT);
	}
	printf("%.0f\n", READS / (now() - start));
	return 0;
}
