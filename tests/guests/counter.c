/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts, a line each 10 ms: `counter sleep` sleeps between, `counter compute` computes.
 * `counter memory MIB` fills memory first, and says with each line whether it still holds what it
 * did.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STEP_MS 10

static long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static unsigned char *fill(size_t size)
{
	unsigned char *bytes = malloc(size);

	for (size_t at = 0; bytes && at < size; at += 256)
		bytes[at] = (unsigned char)(at / 256 * 7 + 1);
	return bytes;
}

static int is_intact(const unsigned char *bytes, size_t size)
{
	for (size_t at = 0; at < size; at += 256)
		if (bytes[at] != (unsigned char)(at / 256 * 7 + 1))
			return 0;
	return 1;
}

int main(int argc, char **argv)
{
	int computes = argc > 1 && !strcmp(argv[1], "compute");
	size_t size = argc > 2 ? strtoul(argv[2], NULL, 10) << 20 : 0;
	const unsigned char *bytes = fill(size);

	for (unsigned long count = 0;; count++) {
		long next = milliseconds() + STEP_MS;

		if (printf("%lu%s\n", count, is_intact(bytes, size) ? "" : " damaged") < 0 ||
		    fflush(stdout))
			return 1;
		while (computes && milliseconds() < next)
			;
		if (!computes)
			usleep(STEP_MS * 1000);
	}
}
