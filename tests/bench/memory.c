/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What programs do with memory, timed within the process: `memory OPERATION [FILE]` prints
 * nanoseconds for each operation. memory.sh runs it inside a microVM and outside, in turn.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE   4096UL
#define ROUNDS 5            /* the fastest counts */
#define BYTES  (10UL << 20) /* of a file, and of what is copied */
#define PAGES  (BYTES / PAGE)

static const char *file_name;
static unsigned char *from, *to;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static uint64_t random_state = 88172645463325252;

static uint64_t next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void need(int is_ok, const char *what)
{
	if (is_ok)
		return;
	perror(what);
	exit(1);
}

/* ---- malloc and free: a thousand blocks at a time, mostly small ---- */

static void run_malloc(void)
{
	static unsigned char *blocks[1000];

	for (long i = 0; i < 1000000; i++) {
		uint64_t number = next();
		unsigned char **block = &blocks[number % 1000];
		size_t size = 1 + (number >> 32) % (number >> 20 & 63 ? 1000 : 40000);

		free(*block);
		*block = malloc(size);
		need(*block != NULL, "malloc");
		(*block)[0] = (*block)[size - 1] = 1;
	}
}

/* ---- memory that is taken, used once, and given back ---- */

static void run_buffers(void)
{
	for (size_t size = BYTES / 64; size <= BYTES; size *= 2) {
		unsigned char *block = malloc(size);

		need(block != NULL, "malloc");
		memset(block, 1, size);
		__asm__ volatile("" : : "r"(block) : "memory");
		free(block);
	}
}

/* ---- qsort ---- */

static int compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

static void run_qsort(void)
{
	uint32_t *numbers = (uint32_t *)(void *)from;

	for (size_t i = 0; i < BYTES / sizeof *numbers / 4; i++)
		numbers[i] = (uint32_t)next();
	qsort(numbers, BYTES / sizeof *numbers / 4, sizeof *numbers, compare);
}

/* ---- copying, and reading a file of the same size ---- */

static void run_memcpy(void)
{
	memcpy(to, from, BYTES);
	__asm__ volatile("" : : "r"(to) : "memory");
}

static void run_read(void)
{
	int file = open(file_name, O_RDONLY);
	size_t done = 0;
	ssize_t got;

	need(file >= 0, file_name);
	while ((got = read(file, to + done, BYTES - done)) > 0)
		done += (size_t)got;
	need(done == BYTES, "read");
	close(file);
}

static void run_map(void)
{
	int file = open(file_name, O_RDONLY);
	volatile unsigned char *content;
	unsigned sum = 0;

	need(file >= 0, file_name);
	content = mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE, file, 0);
	need(content != MAP_FAILED, "mmap");
	for (size_t page = 0; page < PAGES; page++)
		sum += content[page * PAGE];
	need(sum > 0, "content");
	munmap((void *)(uintptr_t)content, BYTES);
	close(file);
}

static const struct {
	const char *name;
	void (*run)(void);
	long count; /* operations in a round */
	int rounds;
} operations[] = {
        {"malloc", run_malloc, 1000000, ROUNDS}, {"buffers", run_buffers, 1, 4 * ROUNDS},
        {"qsort", run_qsort, 1, ROUNDS},         {"memcpy", run_memcpy, PAGES, 4 * ROUNDS},
        {"read_first", run_read, PAGES, 1},      {"read_again", run_read, PAGES, 4 * ROUNDS},
        {"map_first", run_map, PAGES, 1},
};

int main(int argc, char **argv)
{
	file_name = argc > 2 ? argv[2] : "";
	from = malloc(BYTES);
	to = malloc(BYTES);
	need(from && to, "malloc");
	memset(from, 1, BYTES);
	memset(to, 1, BYTES);
	for (size_t i = 0; argc > 1 && i < sizeof operations / sizeof operations[0]; i++) {
		double best = 0;

		if (strcmp(argv[1], operations[i].name))
			continue;
		for (int round = 0; round < operations[i].rounds; round++) {
			double start = now(), took;

			operations[i].run();
			took = (now() - start) / (double)operations[i].count;
			if (!round || took < best)
				best = took;
		}
		printf("%.1f\n", best);
		return 0;
	}
	return 2;
}
