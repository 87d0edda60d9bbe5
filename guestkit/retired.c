/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anonymous memory that was unmapped and whose page-table entries still stand.
 *
 * How it works
 *
 * Taking an entry away needs a TLB flush, which costs tens of microseconds where CPL 0 is emulated,
 * and the frame's next use a fault. Allocators map and unmap the same few pages thousands of times.
 * So once a program has unmapped more than a few times, small ranges are only noted here: a new
 * mapping in the same place gets the same frames, zeroed. What piles up is cleared in batches, by
 * one flush. Until then a stray access to such memory is not noticed; the first EXACT_UNMAPS calls,
 * and all large ones, are exact.
 */
#include "guestkit/retired.h"

#include "guestkit/page_table.h"
#include "guestkit/pages.h"
#include "guestkit/string.h"

#define EXACT_UNMAPS 32
#define RANGES_MAX   64
#define RANGE_LIMIT  (256 * PAGE_SIZE)  /* larger ranges are cleared at once */
#define TOTAL_LIMIT  (4096 * PAGE_SIZE) /* of all ranges */

static KIT_LARGE struct page_range ranges[RANGES_MAX];
static uint32_t range_count, exact_unmaps;
static uint64_t total;

bool retired_purge(void)
{
	struct page_range purged[RANGES_MAX];
	uint32_t count = range_count;

	if (!count)
		return false;
	/* The list is emptied first: clearing gives frames back, which may lead back here. */
	memcpy(purged, ranges, count * sizeof ranges[0]);
	range_count = 0;
	total = 0;
	page_table_clear_ranges(purged, count);
	return true;
}

bool memory_reclaim(void)
{
	bool has_purged = retired_purge();

	return page_table_sweep() || has_purged;
}

bool retired_take(uint64_t start, uint64_t end)
{
	if (exact_unmaps < EXACT_UNMAPS) {
		exact_unmaps++;
		return false;
	}
	if (end - start > RANGE_LIMIT)
		return false;
	if (range_count == RANGES_MAX || total + (end - start) > TOTAL_LIMIT)
		retired_purge();
	ranges[range_count++] = (struct page_range){start, end};
	total += end - start;
	return true;
}

static bool overlaps(const struct page_range *range, uint64_t start, uint64_t end)
{
	return range->start < end && start < range->end;
}

void retired_claim(uint64_t start, uint64_t end, bool is_alike)
{
	for (uint32_t i = 0; i < range_count; i++) {
		struct page_range *range = &ranges[i];
		struct page_range before, after, claimed;

		if (!overlaps(range, start, end))
			continue;
		before = (struct page_range){range->start, start};
		after = (struct page_range){end, range->end};
		/* A range cut in two needs a second place in the list. */
		if (!is_alike || (before.start < before.end && after.start < after.end &&
		                  range_count == RANGES_MAX)) {
			retired_purge();
			return;
		}
		/* Out of the list first: zeroing may need memory, and then the list is purged. */
		claimed = (struct page_range){range->start > start ? range->start : start,
		                              range->end < end ? range->end : end};
		total -= range->end - range->start;
		*range = ranges[--range_count];
		if (before.start < before.end) {
			ranges[range_count++] = before;
			total += before.end - before.start;
		}
		if (after.start < after.end) {
			ranges[range_count++] = after;
			total += after.end - after.start;
		}
		page_table_zero(claimed.start, claimed.end);
		i = UINT32_MAX; /* the list has changed: from the start again */
	}
}
