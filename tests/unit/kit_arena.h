/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest RAM for unit tests of the kit's own allocators: an array stands for RAM, the memory
 * hypercall makes more of it usable, and the discard hypercall gives pages of it back. To be
 * included once, before the kit's sources. With ARENA_WITH_MEMORY_MANAGER, memory_reclaim() is the
 * real one.
 */
#ifndef MOTE_TESTS_KIT_ARENA_H
#define MOTE_TESTS_KIT_ARENA_H

#define MOTE_HOSTED
#define MOTE_GUESTKIT_HYPERCALL_H /* its place is taken by hypercall() below */

#include <stdlib.h>
#include <string.h>

#include "guestkit/pages.h"

#define ARENA_FRAMES 20000ul
#define ARENA_USABLE (1000 * PAGE_SIZE) /* at first */
#define ARENA_FREE   (37 * PAGE_SIZE)   /* free_start: below it is what the VMM has loaded */

static unsigned char *arena;                 /* physical 0 */
static uint64_t arena_usable = ARENA_USABLE; /* the guest may touch what lies below */
static size_t arena_grown;
static size_t arena_discards, arena_discarded_frames;
static const unsigned char *arena_golden; /* what a discard brings back; NULL: zeros */

void *direct_map(uint64_t physical)
{
	if (physical < ARENA_FREE || physical >= arena_usable)
		abort();
	return arena + physical;
}

uint64_t direct_physical(const void *address)
{
	return (uint64_t)((const unsigned char *)address - arena);
}

static uint64_t kit_physical(const void *object)
{
	return (uint64_t)object;
}

static int64_t hypercall(uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
	const struct mote_range *ranges = (const struct mote_range *)a;

	if (number == MOTE_HC_memory) {
		if (a <= arena_usable || a > ARENA_FRAMES * PAGE_SIZE || b || c)
			abort();
		arena_grown++;
		arena_usable = a > 2 * arena_usable ? a : 2 * arena_usable;
		if (arena_usable > ARENA_FRAMES * PAGE_SIZE)
			arena_usable = ARENA_FRAMES * PAGE_SIZE;
		return (int64_t)(arena_usable / PAGE_SIZE);
	}
	if (number != MOTE_HC_discard || !b || b > MOTE_DISCARD_MAX || c)
		abort();
	arena_discards++;
	for (uint64_t i = 0; i < b; i++) {
		if ((ranges[i].start | ranges[i].end) % PAGE_SIZE || ranges[i].start < ARENA_FREE ||
		    ranges[i].end > ARENA_FRAMES * PAGE_SIZE || ranges[i].start >= ranges[i].end)
			abort();
		if (arena_golden)
			memcpy(arena + ranges[i].start, arena_golden + ranges[i].start,
			       ranges[i].end - ranges[i].start);
		else
			memset(arena + ranges[i].start, 0, ranges[i].end - ranges[i].start);
		arena_discarded_frames += (ranges[i].end - ranges[i].start) / PAGE_SIZE;
	}
	return 0;
}

/* Frames that a file system has copies in, until they are asked for. */
static uint64_t arena_cached;
static size_t arena_cached_count;

bool memory_reclaim_cache(void)
{
	size_t count = arena_cached_count;

	arena_cached_count = 0;
	if (count)
		page_free(arena_cached, count);
	return count > 0;
}

#ifndef ARENA_WITH_MEMORY_MANAGER
/* Frames that somebody keeps back until they are asked for: a range to be freed, or no frames. */
static uint64_t arena_kept;
static size_t arena_kept_count, arena_reclaims;

bool memory_reclaim(void)
{
	size_t count = arena_kept_count;

	arena_reclaims++;
	arena_kept_count = 0;
	if (count)
		page_free(arena_kept, count);
	return count > 0;
}

static size_t arena_piles;

void pages_piled_up(void)
{
	arena_piles++;
}
#endif

static void arena_make(void)
{
	arena = calloc(ARENA_FRAMES, PAGE_SIZE);
	if (!arena)
		abort();
	memset(arena, 0xdd, ARENA_FREE);
}

#endif
