/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the kit's page frame allocator: against a model, and what it gives back to the
 * host. */
#include <criterion/criterion.h>

#include "kit_arena.h"

#include "guestkit/pages.c"

static void start(void)
{
	arena_make();
	pages_init(ARENA_FREE, ARENA_USABLE, ARENA_FRAMES * PAGE_SIZE);
}

TestSuite(kit_pages, .init = start, .timeout = 60);

/* Who has a frame; 0: nobody. Frames of an owner hold its number in every byte looked at. */
static unsigned owner[ARENA_FRAMES];

static void take(uint64_t physical, size_t count, unsigned who)
{
	cr_assert_eq(physical % PAGE_SIZE, 0);
	cr_assert_geq(physical, ARENA_FREE);
	cr_assert_leq(physical + count * PAGE_SIZE, ARENA_FRAMES * PAGE_SIZE);
	for (size_t frame = physical / PAGE_SIZE; count--; frame++) {
		cr_assert_eq(owner[frame], 0, "frame %zu belongs to %u", frame, owner[frame]);
		owner[frame] = who;
	}
}

static void scribble(uint64_t physical, size_t count, unsigned who)
{
	for (size_t i = 0; i < count; i++)
		memset(direct_map(physical + i * PAGE_SIZE), (int)(who % 255 + 1), 64);
}

static bool is_zero(uint64_t physical, size_t count)
{
	static const unsigned char zeros[PAGE_SIZE];

	for (size_t i = 0; i < count; i++)
		if (memcmp(direct_map(physical + i * PAGE_SIZE), zeros, PAGE_SIZE))
			return false;
	return true;
}

Test(kit_pages, starts_with_everything_free)
{
	size_t total = page_total_count();

	cr_assert_eq(page_free_count(), total);
	/* Two bits a frame are used for the maps themselves. */
	cr_assert_eq(total, ARENA_FRAMES - ARENA_FREE / PAGE_SIZE - 2);
	cr_assert_geq(page_alloc(1), ARENA_FREE + 2 * PAGE_SIZE);
	cr_assert_eq(page_free_count(), total - 1);
	for (size_t i = 0; i < ARENA_FREE; i++)
		cr_assert_eq(arena[i], 0xdd, "what is loaded stays");
}

Test(kit_pages, refuses_what_cannot_be)
{
	cr_assert_eq(page_alloc(0), 0);
	cr_assert_eq(page_alloc(page_total_count() + 1), 0);
	cr_assert_eq(page_alloc(SIZE_MAX), 0);
	cr_assert_eq(page_free_count(), page_total_count());
}

Test(kit_pages, every_frame_can_be_had_and_given_back)
{
	size_t total = page_total_count();
	uint64_t all;

	for (size_t i = 0; i < total; i++)
		take(page_alloc(1), 1, 1);
	cr_assert_eq(page_free_count(), 0);
	cr_assert_eq(page_alloc(1), 0);
	for (size_t frame = ARENA_FRAMES; frame-- > ARENA_FRAMES - total;)
		page_free(frame * PAGE_SIZE, 1);
	cr_assert_eq(page_free_count(), total);
	all = page_alloc(total);
	cr_assert_neq(all, 0, "in one piece again");
	page_free(all, total);
}

Test(kit_pages, fragments_are_no_run)
{
	size_t total = page_total_count();
	uint64_t first = page_alloc(total);

	for (size_t i = 0; i < total; i += 2)
		page_free(first + i * PAGE_SIZE, 1);
	cr_assert_eq(page_alloc(2), 0);
	page_free(first + 1001 * PAGE_SIZE, 1);
	cr_assert_eq(page_alloc(3), first + 1000 * PAGE_SIZE);
}

Test(kit_pages, lowest_frames_are_used_again)
{
	uint64_t a = page_alloc(3), b = page_alloc(3);

	cr_assert_lt(a, b);
	page_free(a, 3);
	cr_assert_eq(page_alloc(3), a);
	page_free(a + PAGE_SIZE, 1);
	cr_assert_eq(page_alloc(1), a + PAGE_SIZE, "a part by itself");
}

Test(kit_pages, asks_for_memory_before_it_is_used_and_seldom)
{
	uint64_t last = 0;

	for (uint64_t physical; (physical = page_alloc(1)); last = physical)
		memset(direct_map(physical), 1, PAGE_SIZE); /* aborts where nothing is usable */
	cr_assert_eq(last, (ARENA_FRAMES - 1) * PAGE_SIZE);
	cr_assert_geq(arena_grown, 1);
	cr_assert_leq(arena_grown, 5, "twice as much each time");
}

Test(kit_pages, small_needs_ask_for_nothing)
{
	cr_assert(page_alloc(500));
	cr_assert_eq(arena_grown, 0);
}

Test(kit_pages, alignment)
{
	for (size_t align = 1; align <= 512; align *= 2) {
		uint64_t physical = page_alloc_aligned(align, align);

		cr_assert_neq(physical, 0);
		cr_assert_eq(physical / PAGE_SIZE % align, 0);
		take(physical, align, (unsigned)align);
		take(page_alloc(1), 1, 1000);
	}
}

Test(kit_pages, zeroed_frames_read_as_zeros)
{
	uint64_t physical = page_alloc_zeroed(10);

	cr_assert(is_zero(physical, 10), "never used");
	memset(direct_map(physical), 0xaa, 10 * PAGE_SIZE);
	page_free(physical, 10);
	cr_assert_eq(page_alloc_zeroed(10), physical);
	cr_assert(is_zero(physical, 10), "used before");
}

Test(kit_pages, gives_back_what_was_used_and_is_free)
{
	uint64_t a = page_alloc(100), b = page_alloc(50);

	memset(direct_map(a), 1, 100 * PAGE_SIZE);
	memset(direct_map(b), 2, 50 * PAGE_SIZE);
	page_free(a, 100);
	pages_give_back(SIZE_MAX);
	cr_assert_eq(arena_discards, 1);
	cr_assert_eq(arena_discarded_frames, 100);
	cr_assert(is_zero(a, 100));
	cr_assert_eq(*(unsigned char *)direct_map(b), 2);
	pages_give_back(SIZE_MAX);
	cr_assert_eq(arena_discards, 1, "nothing left to give");
	cr_assert_eq(page_alloc(100), a);
	cr_assert(is_zero(a, 100), "as new: nothing to clear");
}

Test(kit_pages, gives_back_in_batches)
{
	uint64_t first = page_alloc(2000);

	for (size_t i = 0; i < 2000; i += 2)
		page_free(first + i * PAGE_SIZE, 1);
	pages_give_back(SIZE_MAX);
	cr_assert_eq(arena_discards, 2, "1000 ranges, 512 a call");
	cr_assert_eq(arena_discarded_frames, 1000);
}

Test(kit_pages, much_that_is_free_goes_back_by_itself)
{
	uint64_t first = page_alloc(STALE_KEPT + 1);

	page_free(first, STALE_KEPT);
	cr_assert_eq(arena_discards, 0);
	page_free(first + STALE_KEPT * PAGE_SIZE, 1);
	cr_assert_eq(arena_discarded_frames, STALE_KEPT + 1);
}

Test(kit_pages, frames_in_use_again_are_not_counted_as_free)
{
	for (size_t i = 0; i < STALE_KEPT + 10; i++)
		page_free(page_alloc(1), 1);
	cr_assert_eq(pages_stale(), 1);
	cr_assert_eq(arena_discards, 0, "one frame, however often it was used");
}

Test(kit_pages, gives_back_the_highest)
{
	uint64_t first = page_alloc(1000);

	memset(direct_map(first), 1, 1000 * PAGE_SIZE);
	page_free(first, 1000);
	pages_give_back(300);
	cr_assert_eq(arena_discards, 1);
	cr_assert(is_zero(first + 700 * PAGE_SIZE, 300));
	cr_assert_not(is_zero(first + 699 * PAGE_SIZE, 1));
	cr_assert_eq(pages_stale(), 700);
}

/* The host backs memory by 2 MiB where it can: what is beside a frame costs it as well. */
Test(kit_pages, gives_back_what_was_never_used_beside_it)
{
	uint64_t first = page_alloc(600), last = 1023 * PAGE_SIZE;

	cr_assert_lt(page_alloc(100) + 100 * PAGE_SIZE, last); /* in the way */
	page_free(first, 600);
	pages.usable = ARENA_FRAMES;
	arena_usable = ARENA_FRAMES * PAGE_SIZE;
	arena[last] = 1;
	arena[last + PAGE_SIZE] = 1;
	page_free(first + 650 * PAGE_SIZE, 50);
	pages_give_back(50);
	cr_assert_eq(arena[last], 0);
	cr_assert_eq(arena[last + PAGE_SIZE], 1, "in the next 2 MiB");
	cr_assert_eq(pages_stale(), 600);
}

Test(kit_pages, counts_what_nobody_took)
{
	uint64_t first = page_alloc(1000);

	page_free(first, STALE_PILE);
	cr_assert_eq(arena_piles, 0);
	page_free(first + STALE_PILE * PAGE_SIZE, 1000 - STALE_PILE);
	cr_assert_eq(arena_piles, 1);
	pages_stale_unused();
	cr_assert_eq(page_alloc(400), first);
	page_free(first, 400);
	cr_assert_eq(pages_stale(), 1000);
	cr_assert_eq(pages_stale_unused(), 600);
	cr_assert_eq(pages_stale_unused(), 1000);
}

Test(kit_pages, frames_kept_back_are_asked_for_when_memory_is_short)
{
	size_t total = page_total_count();
	uint64_t all = page_alloc(total);

	cr_assert_eq(page_alloc(1), 0);
	cr_assert_eq(arena_reclaims, 1);
	arena_kept = all + 10 * PAGE_SIZE;
	arena_kept_count = 3;
	cr_assert_eq(page_alloc(4), 0, "still too few");
	cr_assert_eq(page_alloc(3), all + 10 * PAGE_SIZE);
	arena_kept_count = 3;
	cr_assert_eq(page_alloc(2), all + 10 * PAGE_SIZE);
	cr_assert_eq(arena_reclaims, 4);
	cr_assert_eq(page_alloc(1), all + 12 * PAGE_SIZE);
	cr_assert_eq(arena_reclaims, 4, "not while there is enough");
}

Test(kit_pages, copies_of_files_go_when_nothing_else_is_left)
{
	size_t total = page_total_count();
	uint64_t all = page_alloc(total);

	arena_kept = all + 10 * PAGE_SIZE;
	arena_kept_count = 3;
	arena_cached = all + 20 * PAGE_SIZE;
	arena_cached_count = 5;
	cr_assert_eq(page_alloc(3), all + 10 * PAGE_SIZE);
	cr_assert_eq(arena_cached_count, 5, "not before");
	cr_assert_eq(page_alloc(4), all + 20 * PAGE_SIZE);
	cr_assert_eq(arena_cached_count, 0);
	cr_assert_eq(page_alloc(2), 0);
}

/* Random operations against a list of who has what. */
Test(kit_pages, random_operations_agree_with_a_model)
{
	enum { HELD = 400 };
	static struct {
		uint64_t physical;
		size_t count;
	} held[HELD];
	size_t used = 0;

	srandom(3);
	for (unsigned round = 1; round < 60000; round++) {
		size_t slot = (size_t)random() % HELD, part;
		unsigned who = (unsigned)slot + 1;

		cr_assert_eq(page_free_count(), page_total_count() - used);
		if (random() % 1000 == 0)
			pages_give_back(SIZE_MAX);
		if (!held[slot].count) {
			size_t count = 1 + (size_t)random() % (random() % 8 ? 8 : 200);
			size_t align = 1ul << random() % 4;
			bool is_zeroed = random() % 2;
			uint64_t physical = is_zeroed ? page_alloc_zeroed(count)
			                              : page_alloc_aligned(count, align);

			if (!physical)
				continue;
			cr_assert(is_zeroed ? is_zero(physical, count)
			                    : physical / PAGE_SIZE % align == 0);
			take(physical, count, who);
			scribble(physical, count, who);
			held[slot].physical = physical;
			held[slot].count = count;
			used += count;
			continue;
		}
		/* Give back the last part of it, or all. */
		part = random() % 4 ? held[slot].count : 1 + (size_t)random() % held[slot].count;
		for (size_t i = held[slot].count - part; i < held[slot].count; i++) {
			uint64_t physical = held[slot].physical + i * PAGE_SIZE;

			cr_assert_eq(owner[physical / PAGE_SIZE], who);
			cr_assert_eq(*(unsigned char *)direct_map(physical), who % 255 + 1);
			owner[physical / PAGE_SIZE] = 0;
		}
		held[slot].count -= part;
		used -= part;
		page_free(held[slot].physical + held[slot].count * PAGE_SIZE, part);
	}
}

/* ---- a host that takes free frames another way ---- */

static struct mote_range reported[2 * MOTE_DISCARD_MAX];
static size_t reported_count, reports_most;

static size_t fake_report(const struct mote_range *ranges, size_t count)
{
	size_t taken = count < reports_most ? count : reports_most;

	memcpy(reported + reported_count, ranges, taken * sizeof *ranges);
	reported_count += taken;
	return taken;
}

static size_t frames_of(const struct mote_range *range)
{
	return (range->end - range->start) / PAGE_SIZE;
}

static void fake_collect(bool now)
{
	while (now && reported_count) {
		const struct mote_range *range = &reported[--reported_count];

		memset(arena + range->start, 0, range->end - range->start);
		pages_restore(range->start, frames_of(range), true);
	}
}

static bool fake_relieve(size_t count)
{
	size_t before = page_free_count();

	(void)count;
	fake_collect(true);
	return page_free_count() > before;
}

static const struct pages_host fake_host = {fake_report, fake_collect, fake_relieve};

Test(kit_pages, highest_frames_are_withdrawn_and_restored)
{
	size_t total = page_free_count(), count;
	uint64_t first = pages_highest(100, &count);

	cr_assert_eq(count, 100);
	cr_assert_eq(first, (ARENA_FRAMES - 100) * PAGE_SIZE);
	pages_withdraw(first, count);
	cr_assert_eq(page_free_count(), total - 100);
	cr_assert_eq(page_available_count(), total);
	cr_assert_eq(pages_highest(1, &count), first - PAGE_SIZE);
	cr_assert_eq(count, 1);
	pages_restore(first + 50 * PAGE_SIZE, 50, true);
	cr_assert_eq(pages_highest(100, &count), first + 50 * PAGE_SIZE);
	cr_assert_eq(count, 50);
	pages_restore(first, 50, false);
	cr_assert_eq(page_free_count(), total);
	cr_assert_eq(page_available_count(), total);
	cr_assert_eq(pages_stale(), 50);
	while (pages_highest(SIZE_MAX, &count), count)
		pages_withdraw(pages_highest(SIZE_MAX, &count), count);
	cr_assert_eq(page_free_count(), 0);
	cr_assert_eq(page_alloc(1), 0);
}

Test(kit_pages, free_frames_are_reported)
{
	uint64_t frames[10];
	size_t total;

	pages_set_host(&fake_host);
	reports_most = SIZE_MAX;
	for (size_t i = 0; i < 10; i++)
		frames[i] = page_alloc(1);
	total = page_free_count();
	for (size_t i = 0; i < 10; i += 2) {
		memset(direct_map(frames[i]), 'x', PAGE_SIZE);
		page_free(frames[i], 1);
	}
	pages_give_back(SIZE_MAX);
	cr_assert_eq(arena_discards, 0);
	cr_assert_eq(reported_count, 5);
	cr_assert_eq(pages_stale(), 0);
	cr_assert_lt(page_free_count(), total + 5);
	cr_assert_eq(page_available_count(), total + 5);
	cr_assert_neq(page_alloc(1), frames[0]); /* the host is not done with it */
	fake_collect(true);
	cr_assert_eq(page_free_count(), total + 4);
	cr_assert_eq(page_alloc_zeroed(1), frames[0]);
	cr_assert_eq(*(char *)direct_map(frames[0]), 0);
}

/* Ranges that touch each other are no part of each other. */
Test(kit_pages, what_is_not_taken_is_discarded)
{
	size_t total = page_free_count();
	uint64_t first = page_alloc(300);

	pages_set_host(&fake_host);
	reports_most = 3;
	for (size_t i = 0; i < 300; i += 2)
		page_free(first + i * PAGE_SIZE, 1);
	pages_give_back(SIZE_MAX);
	cr_assert_eq(reported_count, 3);
	cr_assert_eq(arena_discards, 1);
	for (size_t i = 1; i < 300; i += 2)
		page_free(first + i * PAGE_SIZE, 1);
	pages_give_back(SIZE_MAX);
	fake_collect(true);
	cr_assert_eq(page_free_count(), total);
	cr_assert_eq(page_available_count(), total);
	for (size_t i = 0; i < reported_count; i++)
		cr_assert_lt(reported[i].start, reported[i].end);
}

Test(kit_pages, reported_frames_come_back_when_memory_is_short)
{
	size_t total = page_free_count();
	uint64_t all = page_alloc(total);

	pages_set_host(&fake_host);
	reports_most = SIZE_MAX;
	cr_assert(all);
	page_free(all, total - 1);
	pages_give_back(SIZE_MAX);
	cr_assert(page_alloc(total - 1));
}

/* ---- snapshots ---- */

/* From now on this is a guest that was started from a snapshot of what is there. */
static void become_restored(void)
{
	unsigned char *golden = malloc(ARENA_FRAMES * PAGE_SIZE);

	pages_give_back(SIZE_MAX);
	pages_keep();
	arena_usable = pages_trim() * PAGE_SIZE;
	memcpy(golden, arena, ARENA_FRAMES * PAGE_SIZE);
	arena_golden = golden;
}

Test(kit_pages, discarded_frames_that_a_snapshot_has_are_no_zeros)
{
	uint64_t used = page_alloc(300), unused = page_alloc(200), later;

	scribble(used, 300, 1);
	scribble(unused, 200, 2);
	page_free(unused, 200);
	become_restored();
	page_free(used, 300);
	pages_give_back(SIZE_MAX);
	cr_assert_not(is_zero(used, 300), "the host brings the snapshot's bytes back");
	later = page_alloc_zeroed(300);
	cr_assert_eq(later, used);
	cr_assert(is_zero(later, 300));
	scribble(later, 300, 3);
	page_free(later, 300);
	cr_assert(is_zero(page_alloc_zeroed(800), 800));
}

Test(kit_pages, snapshots_of_what_was_started_from_one)
{
	uint64_t first = page_alloc(100), second;

	scribble(first, 100, 1);
	become_restored();
	page_free(first, 100);
	pages_give_back(SIZE_MAX);
	second = page_alloc(5000);
	scribble(second, 5000, 2);
	become_restored();
	page_free(second, 5000);
	pages_give_back(SIZE_MAX);
	cr_assert(is_zero(page_alloc_zeroed(6000), 6000));
}

Test(kit_pages, snapshot_without_memory_to_remember)
{
	size_t total = page_total_count();
	uint64_t all = page_alloc(total);

	scribble(all, total, 1);
	become_restored();
	page_free(all, total);
	pages_give_back(SIZE_MAX);
	cr_assert(is_zero(page_alloc_zeroed(total), total));
}

Test(kit_pages, snapshot_keeps_usable_what_is_in_use_and_some_more)
{
	uint64_t low = page_alloc(3000), high = page_alloc(12000);
	size_t before = pages.usable, usable;

	cr_assert_geq(before, 15000);
	cr_assert_eq(pages_trim(), before, "all of it is in use");
	page_free(high, 12000);
	pages_give_back(SIZE_MAX);
	usable = pages_trim();
	cr_assert_lt(usable, before);
	cr_assert_gt(usable, (low / PAGE_SIZE) + 3000 + 1000, "a little is left to take");
	cr_assert_eq(pages_trim(), usable);
	/* And what is not is asked for again: the arena aborts at a touch of other pages. */
	arena_usable = usable * PAGE_SIZE;
	arena_grown = 0;
	high = page_alloc(1000);
	cr_assert_eq(arena_grown, 0);
	scribble(high, 1000, 1);
	high = page_alloc_zeroed(9000);
	cr_assert_eq(arena_grown, 1);
	cr_assert(is_zero(high, 9000));
	scribble(high, 9000, 1);
}

Test(kit_pages, snapshot_of_a_kit_that_has_taken_nothing)
{
	size_t usable = pages_trim();

	cr_assert_leq(usable, ARENA_USABLE / PAGE_SIZE);
	cr_assert_gt(usable, pages.hint);
}
