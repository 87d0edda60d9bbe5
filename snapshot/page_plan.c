/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the pages that a snapshot has to store, and joins them to extents. */

/*
 * How it works. One pass over the candidates marks the pages to store and counts the gaps between
 * them by length. An extent costs a mapping at each restore, a stored gap costs bytes once: gaps
 * are stored, shortest first, until there are EXTENTS_WANTED extents or they cost more than
 * GAP_PERCENT and GAP_PAGES.
 */
#include "snapshot/page_plan.h"

#define EXTENTS_WANTED 4
#define GAP_PERCENT    5
#define GAP_PAGES      64

typedef uint64_t page_lane __attribute__((vector_size(16), may_alias));
#define LANES (SNAPSHOT_PAGE / sizeof(page_lane))

static bool lane_is_zero(page_lane lane)
{
	return (lane[0] | lane[1]) == 0;
}

/* Both page-aligned. The C library's memcmp() goes byte by byte. */
static bool is_same(const void *a, const void *b)
{
	const page_lane *x = a, *y = b;

	for (size_t i = 0; i < LANES; i += 4)
		if (!lane_is_zero((x[i] ^ y[i]) | (x[i + 1] ^ y[i + 1]) | (x[i + 2] ^ y[i + 2]) |
		                  (x[i + 3] ^ y[i + 3])))
			return false;
	return true;
}

static bool is_zero(const void *page)
{
	const page_lane *x = page;

	for (size_t i = 0; i < LANES; i += 4)
		if (!lane_is_zero(x[i] | x[i + 1] | x[i + 2] | x[i + 3]))
			return false;
	return true;
}

/* The first frame from @from on whose bit is @wanted; @end if there is none. */
static uint64_t next_bit(const uint64_t *bits, uint64_t from, uint64_t end, bool wanted)
{
	while (from < end) {
		uint64_t word = (wanted ? bits[from / 64] : ~bits[from / 64]) >> from % 64;

		if (word) {
			from += (unsigned)__builtin_ctzll(word);
			return from < end ? from : end;
		}
		from = (from | 63) + 1;
	}
	return end;
}

static void set_bit(uint64_t *bits, uint64_t frame)
{
	bits[frame / 64] |= 1ull << frame % 64;
}

/* @before: the last frame that is stored so far; UINT64_MAX: none */
static void store(struct page_plan *plan, uint64_t frame, uint64_t before)
{
	uint64_t gap = frame - before - 1;

	set_bit(plan->stored, frame);
	plan->pages++;
	if (before != UINT64_MAX && gap == 0)
		return;
	plan->runs++;
	if (before != UINT64_MAX && gap <= PAGE_PLAN_GAP_MAX)
		plan->gaps[gap]++;
}

static void choose_gaps(struct page_plan *plan)
{
	uint64_t extents = plan->runs, cost = 0, limit = plan->pages * GAP_PERCENT / 100;

	limit = limit > GAP_PAGES ? limit : GAP_PAGES;

	for (uint64_t gap = 1; gap <= PAGE_PLAN_GAP_MAX && extents > EXTENTS_WANTED; gap++) {
		cost += plan->gaps[gap] * gap;
		if (cost > limit)
			break;
		extents -= plan->gaps[gap];
		plan->gap_max = gap;
	}
}

void page_plan_scan(struct page_plan *plan, const struct snapshot_content *content)
{
	const uint64_t *candidates = content->candidates;
	uint64_t last = UINT64_MAX;

	for (uint64_t frame = next_bit(candidates, 0, plan->frames, true); frame < plan->frames;
	     frame = next_bit(candidates, frame + 1, plan->frames, true)) {
		const unsigned char *page = content->memory->host + frame * SNAPSHOT_PAGE;

		if (content->base && is_same(page, snapshot_page(content->base, frame)))
			continue;
		if (!is_zero(page)) {
			store(plan, frame, last);
			last = frame;
		} else if (content->base) {
			set_bit(plan->hidden, frame);
		}
	}
	choose_gaps(plan);
}

static void put(struct snapshot_file_extent *extents, size_t number, uint64_t start, uint64_t end)
{
	if (extents)
		extents[number] = (struct snapshot_file_extent){.frame = (uint32_t)start,
		                                                .pages = (uint32_t)(end - start)};
}

/* The runs of hidden pages in [from, end). Return: the number of extents then. */
static size_t put_hidden(const struct page_plan *plan, struct snapshot_file_extent *extents,
                         size_t count, uint64_t from, uint64_t end)
{
	if (!plan->hidden)
		return count;
	for (from = next_bit(plan->hidden, from, end, true); from < end;
	     from = next_bit(plan->hidden, from, end, true)) {
		uint64_t start = from;

		from = next_bit(plan->hidden, start, end, false);
		put(extents, count++, start, from);
	}
	return count;
}

/* The end of the run that starts at @start, with the runs behind gaps that are stored. */
static uint64_t end_of_run(const struct page_plan *plan, uint64_t start)
{
	uint64_t end, next = start;

	do {
		end = next_bit(plan->stored, next, plan->frames, false);
		next = next_bit(plan->stored, end, plan->frames, true);
	} while (next < plan->frames && next - end <= plan->gap_max);
	return end;
}

size_t page_plan_extents(const struct page_plan *plan, struct snapshot_file_extent *extents,
                         uint64_t *pages)
{
	uint64_t frame = 0;
	size_t count = 0;

	*pages = 0;
	for (;;) {
		uint64_t start = next_bit(plan->stored, frame, plan->frames, true);

		count = put_hidden(plan, extents, count, frame, start);
		if (start == plan->frames)
			return count;
		frame = end_of_run(plan, start);
		put(extents, count, start, frame);
		/* A mark for the writer, who puts the offset here. */
		if (extents)
			extents[count].offset = 1;
		count++;
		*pages += frame - start;
	}
}
