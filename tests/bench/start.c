/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest of the benchmarks of snapshots.
 *
 * usage: start [end|idle|change] [MIB]
 *
 * It fills MIB MiB of memory, no two pages of them alike, and comes to the snapshot point. Behind
 * it `end` ends with status 0, at once: such a start is a start and nothing else. `idle` says so,
 * and sleeps. `change` reads numbers, a line each, writes so many pages, evenly spread, and says
 * so.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mote/guest.h"

#define PAGE 4096

static void fill(unsigned char *page, uint64_t number)
{
	uint64_t *words = (uint64_t *)page;

	for (size_t i = 0; i < PAGE / sizeof *words; i++) {
		number = number * 6364136223846793005 + 1442695040888963407;
		words[i] = number;
	}
}

static int change(unsigned char *memory, size_t pages)
{
	static uint64_t number = UINT32_MAX;
	char line[32];

	while (fgets(line, sizeof line, stdin)) {
		size_t count = strtoul(line, NULL, 10);

		if (count > pages)
			return 1;
		for (size_t i = 0; i < count; i++)
			fill(memory + i * (pages / count) * PAGE, ++number);
		printf("changed %zu\n", count);
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "end";
	size_t pages = argc > 2 ? strtoul(argv[2], NULL, 10) << 8 : 0;
	unsigned char *memory = malloc(pages * PAGE + 1);

	if (!memory)
		return 1;
	for (size_t i = 0; i < pages; i++)
		fill(memory + i * PAGE, i);
	mote_snapshot_point();
	if (strcmp(what, "end") == 0)
		_exit(0);
	printf("ready\n");
	fflush(stdout);
	if (strcmp(what, "change") == 0)
		return change(memory, pages);
	for (;;)
		pause();
}
