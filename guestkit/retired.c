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
 *
 * C libraries make a thread's stack in two steps: a mapping without access, and mprotect() of all
 * but the guard in front as the very next call. Of a program that has done so KNOWN_COMMITS times
 * in a row it is expected again: then a reservation over noted ranges leaves their entries, zeroed,
 * until the program's next call or page fault. If that is the mprotect(), they serve again;
 * otherwise they are cleared before it is served, and the program has to show its habit anew.
 *
 * Before a snapshot entries are made ahead (populate_ahead()): where the next mappings and the next
 * piece of the heap will be, with frames that nobody has touched. Requests that begin with a reset
 * find their memory mapped, and write no page tables; nor do they for what they unmap, which is
 * only noted from then on. Such entries stay until they are covered or memory is short.
 */
#include "guestkit/retired.h"

#include "guestkit/page_table.h"
#include "guestkit/pages.h"

#define EXACT_UNMAPS  32
#define KNOWN_COMMITS 8
#define RANGES_MAX    256
#define RANGE_LIMIT   (4096 * PAGE_SIZE) /* larger ranges are cleared at once */
#define TOTAL_LIMIT   (8192 * PAGE_SIZE) /* of all ranges, and no more than ... */
#define TOTAL_SHARE   8                  /* ... a part of all memory: it does not count as free */
#define SHORT_SHARE   32                 /* of all memory: with less that is free it is short */
#define TOTAL_PILE    (64 * PAGE_SIZE)   /* worth a look after a while */

bool retired_is_reserved;

static KIT_LARGE struct page_range ranges[RANGES_MAX];
static uint32_t range_count, exact_unmaps, commits;
static uint64_t total;
static bool has_served;
static struct page_range reserved;             /* while retired_is_reserved */
static struct page_range ahead[RETIRED_AHEAD]; /* all of it present, and zeros; or empty */

bool retired_is_unused(void)
{
	bool had_use = has_served;

	has_served = false;
	return !had_use;
}

bool retired_purge(void)
{
	uint32_t count = range_count;

	range_count = 0;
	total = 0;
	page_table_clear_ranges(ranges, count);
	return count > 0;
}

/* ---- entries made ahead ---- */

void retired_note_ahead(size_t index, uint64_t start, uint64_t end)
{
	exact_unmaps = EXACT_UNMAPS;
	ahead[index] = (struct page_range){start, end};
}

bool retired_drop_ahead(void)
{
	bool had_any = false;

	for (size_t i = 0; i < RETIRED_AHEAD; i++) {
		struct page_range range = ahead[i];

		ahead[i] = (struct page_range){0, 0};
		if (range.start == range.end)
			continue;
		page_table_clear(range.start, range.end);
		had_any = true;
	}
	return had_any;
}

/* A new mapping covers [start, end): one that is alike takes what is there as its own. What is left
 * of the range on both sides cannot be remembered in one piece: the part above goes. */
static void claim_ahead(struct page_range *range, uint64_t start, uint64_t end, bool is_alike)
{
	struct page_range old = *range;

	if (old.start >= end || start >= old.end)
		return;
	if (!is_alike)
		page_table_clear(old.start > start ? old.start : start,
		                 old.end < end ? old.end : end);
	*range = (struct page_range){old.start, start};
	if (start <= old.start)
		*range = (struct page_range){end < old.end ? end : old.end, old.end};
	else if (end < old.end)
		page_table_clear(end, old.end);
}

static void claim_all_ahead(uint64_t start, uint64_t end, bool is_alike)
{
	for (size_t i = 0; i < RETIRED_AHEAD; i++)
		claim_ahead(&ahead[i], start, end, is_alike);
}

static bool is_memory_short(void)
{
	return page_free_count() < page_total_count() / SHORT_SHARE;
}

bool memory_reclaim(void)
{
	bool has_purged = retired_purge();

	if (is_memory_short() && retired_drop_ahead())
		has_purged = true;
	return page_table_sweep() || has_purged;
}

static uint64_t total_limit(void)
{
	uint64_t share = page_total_count() / TOTAL_SHARE * PAGE_SIZE;

	return share < TOTAL_LIMIT ? share : TOTAL_LIMIT;
}

/* Make a noted range longer by one that adjoins it. Return whether there is such a range. */
static bool join(uint64_t start, uint64_t end)
{
	for (uint32_t i = 0; i < range_count; i++) {
		if (ranges[i].end == start)
			ranges[i].end = end;
		else if (ranges[i].start == end)
			ranges[i].start = start;
		else
			continue;
		return true;
	}
	return false;
}

/* Note a range; an empty one is nothing. */
static void add(uint64_t start, uint64_t end)
{
	if (start >= end)
		return;
	if (total + (end - start) > total_limit())
		retired_purge();
	if (!join(start, end)) {
		if (range_count == RANGES_MAX)
			retired_purge();
		ranges[range_count++] = (struct page_range){start, end};
	}
	total += end - start;
	if (total > TOTAL_PILE)
		pages_piled_up();
}

bool retired_take(uint64_t start, uint64_t end)
{
	if (exact_unmaps < EXACT_UNMAPS) {
		exact_unmaps++;
		return false;
	}
	if (end - start > RANGE_LIMIT || end - start > total_limit())
		return false;
	add(start, end);
	return true;
}

static bool overlaps(const struct page_range *range, uint64_t start, uint64_t end)
{
	return range->start < end && start < range->end;
}

static bool is_any_in(uint64_t start, uint64_t end)
{
	for (uint32_t i = 0; i < range_count; i++)
		if (overlaps(&ranges[i], start, end))
			return true;
	return false;
}

/* Zero what of the noted ranges lies in [start, end): the number of bytes. */
static uint64_t zero(uint64_t start, uint64_t end)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < range_count; i++) {
		uint64_t from = ranges[i].start > start ? ranges[i].start : start;
		uint64_t to = ranges[i].end < end ? ranges[i].end : end;

		if (from >= to)
			continue;
		page_table_zero(from, to);
		bytes += to - from;
	}
	return bytes;
}

/* [start, end) is mapped again: what sticks out of it stays noted. */
static void forget(uint64_t start, uint64_t end)
{
	/* Downwards: what comes in place of a range, and what is added behind, does not overlap. */
	has_served = true;
	for (uint32_t i = range_count; i-- > 0;) {
		struct page_range range;

		if (i >= range_count) /* adding has purged */
			return;
		range = ranges[i];
		if (!overlaps(&range, start, end))
			continue;
		ranges[i] = ranges[--range_count];
		total -= range.end - range.start;
		add(range.start, start);
		add(end, range.end);
	}
}

uint64_t retired_claim(uint64_t start, uint64_t end, bool is_alike)
{
	uint64_t bytes = 0;

	claim_all_ahead(start, end, is_alike);
	if (!is_any_in(start, end))
		return 0;
	/* Borders of what stays noted must be cut. */
	if (is_alike && page_table_cut(start) && page_table_cut(end)) {
		bytes = zero(start, end);
		forget(start, end);
	} else {
		retired_purge();
	}
	return bytes;
}

void retired_reserve(uint64_t start, uint64_t end)
{
	claim_all_ahead(start, end, false);
	reserved = (struct page_range){start, end};
	retired_is_reserved = true;
	if (commits >= KNOWN_COMMITS)
		zero(start, end);
	else if (is_any_in(start, end))
		retired_purge();
}

bool retired_commit(uint64_t start, uint64_t end)
{
	if (!retired_is_reserved)
		return false;
	if (start < reserved.start || end != reserved.end || is_any_in(reserved.start, start)) {
		retired_settle();
		return false;
	}
	retired_is_reserved = false;
	commits++;
	forget(start, end);
	return true;
}

void retired_settle(void)
{
	retired_is_reserved = false;
	commits = 0;
	if (is_any_in(reserved.start, reserved.end))
		retired_purge();
}
