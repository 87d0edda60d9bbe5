/* SPDX-License-Identifier: Apache-2.0 */
/* A compute benchmark of two to three seconds: the same checksum inside a microVM and outside. */

/*
 * Four kinds of work, so that any that runs slower in a guest shows: integer arithmetic (registers
 * only), floating point (SSE), dependent loads over 8 MiB (caches and the TLB), and malloc and free
 * of mixed sizes (memory that comes and goes). Nothing depends on time, addresses or random data:
 * the checksums are the same in every run, and a run that prints others is not counted.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTEGER_STEPS 250000000UL
#define FLOAT_SIZE    192
#define FLOAT_ROUNDS  120
#define WALK_BYTES    (8UL << 20)
#define WALK_STEPS    9000000UL
#define HEAP_SLOTS    1024
#define HEAP_STEPS    6000000UL
#define HEAP_LARGEST  4096

/* xorshift64: the source of every choice made here. */
static uint64_t next(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return x;
}

static uint64_t run_integer(void)
{
	uint64_t state = 0x9e3779b97f4a7c15;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < INTEGER_STEPS; i++)
		sum = sum * 31 + (next(&state) >> 32);
	return sum;
}

/* Multiplies square matrices, each product scaled back so that the values stay finite. */
static uint64_t run_float(void)
{
	static double a[FLOAT_SIZE][FLOAT_SIZE];
	static double b[FLOAT_SIZE][FLOAT_SIZE];
	static double c[FLOAT_SIZE][FLOAT_SIZE];
	uint64_t state = 42;
	double trace = 0;
	uint64_t bits;

	for (int i = 0; i < FLOAT_SIZE; i++) {
		for (int j = 0; j < FLOAT_SIZE; j++) {
			a[i][j] = (double)(next(&state) >> 11) * 0x1p-53;
			b[i][j] = (double)(next(&state) >> 11) * 0x1p-53;
		}
	}
	for (int round = 0; round < FLOAT_ROUNDS; round++) {
		memset(c, 0, sizeof c);
		for (int i = 0; i < FLOAT_SIZE; i++)
			for (int k = 0; k < FLOAT_SIZE; k++)
				for (int j = 0; j < FLOAT_SIZE; j++)
					c[i][j] += a[i][k] * b[k][j];
		for (int i = 0; i < FLOAT_SIZE; i++)
			for (int j = 0; j < FLOAT_SIZE; j++)
				a[i][j] = c[i][j] * (2.0 / FLOAT_SIZE);
	}
	for (int i = 0; i < FLOAT_SIZE; i++)
		trace += a[i][i];
	memcpy(&bits, &trace, sizeof bits);
	return bits;
}

/* Follows one cycle through all of an array (Sattolo's algorithm makes it), each load waiting for
 * the last. */
static uint64_t run_walk(void)
{
	size_t count = WALK_BYTES / sizeof(uint32_t);
	uint32_t *order = malloc(WALK_BYTES);
	uint64_t state = 7;
	uint64_t sum = 0;
	uint32_t at = 0;

	if (!order)
		abort();
	for (size_t i = 0; i < count; i++)
		order[i] = (uint32_t)i;
	for (size_t i = count - 1; i > 0; i--) {
		size_t j = next(&state) % i;
		uint32_t swap = order[i];

		order[i] = order[j];
		order[j] = swap;
	}
	for (uint64_t i = 0; i < WALK_STEPS; i++) {
		at = order[at];
		sum = sum * 3 + at;
	}
	free(order);
	return sum;
}

static uint64_t run_heap(void)
{
	static unsigned char *slots[HEAP_SLOTS];
	uint64_t state = 99;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < HEAP_STEPS; i++) {
		size_t slot = next(&state) % HEAP_SLOTS;
		size_t size = 1 + next(&state) % HEAP_LARGEST;

		if (slots[slot])
			sum = sum * 7 + slots[slot][0];
		free(slots[slot]);
		slots[slot] = malloc(size);
		if (!slots[slot])
			abort();
		slots[slot][0] = (unsigned char)i;
		slots[slot][size - 1] = (unsigned char)i;
	}
	for (size_t i = 0; i < HEAP_SLOTS; i++)
		free(slots[i]);
	return sum;
}

int main(void)
{
	printf("integer %016llx\n", (unsigned long long)run_integer());
	printf("float   %016llx\n", (unsigned long long)run_float());
	printf("walk    %016llx\n", (unsigned long long)run_walk());
	printf("heap    %016llx\n", (unsigned long long)run_heap());
	return 0;
}
