/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of memory that is unmapped and serves again: threads' stacks above all. */
#include "kit_space.h"

#define STACK_PAGES 36
#define STACK_SIZE  (STACK_PAGES * PAGE_SIZE)
#define GUARD       (2 * PAGE_SIZE)

TestSuite(kit_retired, .init = space_start, .timeout = 60);

/* As a system call does before it is served, unless it is mprotect(). */
static void any_call(void)
{
	if (retired_is_reserved)
		retired_settle();
}

static uint64_t reserve(uint64_t size)
{
	any_call();
	return (uint64_t)address_space_map(0, size, PROT_NONE, ANONYMOUS, NULL, 0);
}

static void unmap(uint64_t at, uint64_t size)
{
	any_call();
	cr_assert_eq(address_space_unmap(at, size), 0);
}

static void expect_no_access(uint64_t va)
{
	cr_assert_null(reach(va, 0), "0x%lx can be read", va);
	cr_assert_null(reach(va, ERROR_WRITE), "0x%lx can be written", va);
}

/* A stack's life; its last two pages and the @deep lowest are used. */
static uint64_t use_stack(uint64_t deep)
{
	uint64_t at = reserve(STACK_SIZE), end = at + STACK_SIZE;

	cr_assert_eq(address_space_protect(at + GUARD, STACK_SIZE - GUARD, READ_WRITE), 0);
	for (uint64_t page = 0; page < STACK_PAGES - 2; page++)
		if (page < deep || page >= STACK_PAGES - 4) {
			cr_assert_eq(get(at + GUARD + page * PAGE_SIZE + 5), 0, "page %lu", page);
			put(at + GUARD + page * PAGE_SIZE + 5, 1);
		}
	put(end - 1, 2);
	return at;
}

static void learn_stacks(void)
{
	for (int i = 0; i < EXACT_UNMAPS + KNOWN_COMMITS + 2; i++)
		unmap(use_stack(0), STACK_SIZE);
}

Test(kit_retired, stacks_cost_neither_flush_nor_fault)
{
	size_t flushes, faults, frames;

	learn_stacks();
	flushes = tlb_flushes;
	faults = access_faults;
	frames = page_free_count();
	for (int i = 0; i < 200; i++)
		unmap(use_stack(0), STACK_SIZE);
	cr_assert_eq(tlb_flushes, flushes);
	cr_assert_eq(access_faults, faults);
	cr_assert_eq(page_free_count(), frames);
}

Test(kit_retired, several_stacks_at_a_time)
{
	uint64_t stacks[8];
	size_t flushes = 0, faults = 0;

	learn_stacks();
	for (int round = 0; round < 50; round++) {
		for (size_t i = 0; i < 8; i++)
			stacks[i] = use_stack(0);
		for (size_t i = 0; i < 8; i++)
			unmap(stacks[(i * 5 + (size_t)round) % 8], STACK_SIZE);
		if (round == 1) {
			flushes = tlb_flushes;
			faults = access_faults;
		}
	}
	cr_assert_eq(tlb_flushes, flushes);
	cr_assert_eq(access_faults, faults);
}

Test(kit_retired, guards_are_guards)
{
	learn_stacks();
	for (int i = 0; i < 20; i++) {
		uint64_t at = use_stack(i % 3 ? 0 : 5);

		expect_no_access(at);
		expect_no_access(at + GUARD - 1);
		unmap(at, STACK_SIZE);
	}
	/* A guard that is larger than the last one. */
	for (int i = 0; i < 20; i++) {
		uint64_t at = reserve(STACK_SIZE), guard = GUARD + (uint64_t)i % 5 * PAGE_SIZE;

		cr_assert_eq(address_space_protect(at + guard, STACK_SIZE - guard, READ_WRITE), 0);
		cr_assert_eq(get(at + guard), 0);
		put(at + guard, 1);
		put(at + STACK_SIZE - 1, 1);
		expect_no_access(at + guard - 1);
		unmap(at, STACK_SIZE);
	}
}

Test(kit_retired, reservations_of_other_programs_are_without_access)
{
	for (int i = 0; i < 100; i++) {
		uint64_t at = map_anywhere(STACK_PAGES);

		put(at + 5 * PAGE_SIZE, 1);
		unmap(at, STACK_SIZE);
		cr_assert_eq(reserve(STACK_SIZE), at);
		expect_no_access(at + 5 * PAGE_SIZE);
		unmap(at, STACK_SIZE);
	}
}

/* What follows a reservation is not what is expected: before it is served, the pages are gone. */
Test(kit_retired, expectations_that_are_disappointed)
{
	for (int kind = 0; kind < 6; kind++) {
		uint64_t at;

		learn_stacks();
		at = reserve(STACK_SIZE);
		cr_assert(reach(at + STACK_SIZE - 1, 0), "the page still stands");
		switch (kind) {
		case 0: any_call(); break;
		case 1: expect_no_access(at); break; /* a page fault */
		case 2: address_space_protect(at, STACK_SIZE, PROT_READ); break;
		case 3: address_space_protect(at + GUARD, GUARD, READ_WRITE); break;
		case 4: address_space_protect(at + GUARD, STACK_SIZE - GUARD, PROT_NONE); break;
		default: cr_assert(memory_reclaim());
		}
		if (kind != 2)
			expect_no_access(at + STACK_SIZE - 1);
		else
			cr_assert_eq(get(at + STACK_SIZE - 1), 0);
		cr_assert_eq(address_space_protect(at, STACK_SIZE, READ_WRITE), 0);
		cr_assert_eq(get(at + STACK_SIZE - 1), 0);
		unmap(at, STACK_SIZE);
		/* And it has to be learnt anew. */
		if (kind < 5)
			expect_no_access(reserve(STACK_SIZE) + STACK_SIZE - 1);
		any_call();
	}
}

/* The other way of making a stack: all of it, then a guard taken out. */
Test(kit_retired, guards_taken_out_of_mappings)
{
	size_t flushes = 0;

	for (int i = 0; i < 200; i++) {
		uint64_t at = map_anywhere(STACK_PAGES);

		cr_assert_eq(address_space_protect(at, GUARD, PROT_NONE), 0);
		cr_assert_eq(get(at + GUARD), 0);
		put(at + GUARD, 1);
		expect_no_access(at + GUARD - 1);
		unmap(at, STACK_SIZE);
		if (i == EXACT_UNMAPS + 2)
			flushes = tlb_flushes;
	}
	cr_assert_eq(tlb_flushes, flushes);
}

/* Mappings inside of 2 MiB pages that were unmapped. */
Test(kit_retired, parts_of_huge_pages)
{
	const uint64_t size = 3 * HUGE_SIZE;

	for (int i = 0; i < EXACT_UNMAPS + 100; i++) {
		uint64_t at = map_anywhere(3 * HUGE_PAGES), part, length;

		for (uint64_t page = 0; page < 3 * HUGE_PAGES; page += 64)
			put(at + page * PAGE_SIZE, 1);
		unmap(at, size);
		part = at + (uint64_t)(i * 37 % 1000) * PAGE_SIZE;
		length = (uint64_t)(1 + i % 9 * 77) * PAGE_SIZE;
		if (i % 7 == 0)
			use_up(0);
		address_space_map(part, length, i % 3 ? READ_WRITE : PROT_NONE,
		                  ANONYMOUS | MAP_FIXED, NULL, 0);
		if (i % 7 == 0)
			give_back();
		if (i % 5 == 0)
			memory_reclaim();
		if (i % 3 == 0)
			expect_no_access(part + length - 1);
		for (uint64_t page = 0; i % 3 && page < length; page += PAGE_SIZE) {
			cr_assert_eq(get(part + page), 0);
			put(part + page, 1);
		}
		if (i % 5 == 0) {
			expect_no_access(part - 1);
			expect_no_access(part + length);
		}
		unmap(part, length);
	}
}

/* More than the list holds, in pieces that are split and claimed in part. */
Test(kit_retired, random_pieces_read_as_zeros)
{
	const uint64_t base = 1ul << 40, count = 400;
	static bool is_mapped[400];

	srandom(6);
	for (int round = 0; round < 20000; round++) {
		uint64_t first = (uint64_t)random() % count,
		         end = first + 1 + (uint64_t)random() % 9;
		uint64_t at = base + first * PAGE_SIZE;
		int prot = random() % 4 ? READ_WRITE : PROT_NONE;

		end = end < count ? end : count;
		if (random() % 2) {
			unmap(at, (end - first) * PAGE_SIZE);
			memset(is_mapped + first, false, end - first);
			continue;
		}
		cr_assert_eq(address_space_map(at, (end - first) * PAGE_SIZE, (uint32_t)prot,
		                               ANONYMOUS | MAP_FIXED, NULL, 0),
		             (int64_t)at);
		for (uint64_t page = first; page < end; page++) {
			is_mapped[page] = prot != PROT_NONE;
			if (prot == PROT_NONE) {
				expect_no_access(base + page * PAGE_SIZE);
				continue;
			}
			cr_assert_eq(get(base + page * PAGE_SIZE), 0, "round %d", round);
			put(base + page * PAGE_SIZE, 1);
		}
	}
	memory_reclaim();
	for (uint64_t page = 0; page < count; page++)
		if (!is_mapped[page])
			expect_no_access(base + page * PAGE_SIZE);
}

/* ---- entries made ahead ---- */

static uint64_t map(uint64_t size)
{
	return (uint64_t)address_space_map(0, size, READ_WRITE, ANONYMOUS, NULL, 0);
}

/* What a request after a snapshot maps, touches and unmaps: neither tables nor flushes. */
Test(kit_retired, requests_find_their_memory_mapped)
{
	const uint64_t size = 40 * PAGE_SIZE;
	uint64_t first = map(size), heap = 1ul << 30, second;
	size_t faults, flushes, tables_made;

	put(first, 1);
	address_space_set_break(heap);
	address_space_map_ahead();
	faults = access_faults;
	flushes = tlb_flushes;
	tables_made = tables.made;
	for (int i = 0; i < 3; i++) {
		second = map(size);
		cr_assert_eq(second, first - size);
		for (uint64_t page = 0; page < size; page += PAGE_SIZE) {
			cr_assert_eq(get(second + page + 7), 0);
			put(second + page + 7, 9);
		}
		unmap(second, size);
	}
	cr_assert_eq(address_space_break(heap + size), heap + size);
	put(heap + size - 1, 1);
	cr_assert_eq(access_faults, faults);
	cr_assert_eq(tlb_flushes, flushes);
	cr_assert_eq(tables.made, tables_made);
}

Test(kit_retired, other_mappings_do_not_get_what_was_made_ahead)
{
	uint64_t first = map(PAGE_SIZE), at;

	put(first, 1);
	address_space_map_ahead();
	at = reserve(8 * PAGE_SIZE);
	cr_assert_eq(at, first - 8 * PAGE_SIZE);
	for (uint64_t page = 0; page < 8; page++)
		expect_no_access(at + page * PAGE_SIZE);
	at = (uint64_t)address_space_map(at - 50 * PAGE_SIZE, 4 * PAGE_SIZE, PROT_READ,
	                                 ANONYMOUS | MAP_FIXED, NULL, 0);
	cr_assert_null(reach(at, ERROR_WRITE));
	cr_assert_eq(get(at), 0);
}

Test(kit_retired, what_was_made_ahead_goes_when_memory_is_short)
{
	size_t before = page_free_count(), left;

	address_space_map_ahead();
	cr_assert_lt(page_free_count(), before);
	memory_reclaim();
	cr_assert_lt(page_free_count(), before, "there is enough: it stays");
	left = page_free_count();
	cr_assert(page_alloc(left));
	cr_assert(page_alloc(1), "it gave way");
	address_space_map_ahead();
	cr_assert_eq(address_space_clear(), 0);
	memory_reclaim();
	cr_assert_eq(page_table_owned(), 0);
}
