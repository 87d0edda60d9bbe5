/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of page tables: building them, walking them, and walking hostile ones. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/page_tables.h"

#define SIZE  (4ul << 20)
#define FIRST 0x100000ul /* tables are taken from here on */
#define HUGE  MOTE_HUGE_PAGE_SIZE
#define PAGE  MOTE_PAGE_SIZE

static struct guest_memory memory;
static struct page_tables tables;
static uint64_t next;
static struct mote_error err;

static void make_tables(void)
{
	cr_assert_eq(guest_memory_create(&memory, SIZE, &err), 0);
	next = FIRST;
	cr_assert_eq(page_tables_create(&tables, &memory, &next, &err), 0);
}

TestSuite(page_tables, .init = make_tables);

static uint64_t translate(uint64_t va)
{
	uint64_t entry, span;

	return page_tables_translate(&memory, tables.root, va, &entry, &span);
}

static uint64_t flags_of(uint64_t va)
{
	uint64_t entry = 0, span;

	cr_assert_neq(page_tables_translate(&memory, tables.root, va, &entry, &span), UINT64_MAX);
	return entry;
}

static void map(uint64_t va, uint64_t pa, uint64_t length, uint64_t flags)
{
	cr_assert_eq(page_tables_map(&tables, va, pa, length, flags, &err), 0, "%s", err.text);
}

static uint64_t *entry_at(uint64_t table, unsigned index)
{
	return (uint64_t *)(void *)(memory.host + table + 8ul * index);
}

/* Accessed bits are set, to spare the CPU that, unless they are to be looked at. */
Test(page_tables, accessed_bits_are_left_to_the_cpu_if_tracked)
{
	map(0x400000, 0x1000, PAGE, PTE_USER);
	cr_assert(page_tables_is_accessed(&memory, tables.root, 0x400000));
	tables.track_access = true;
	map(0x401000, 0x2000, PAGE, PTE_USER);
	cr_assert_not(page_tables_is_accessed(&memory, tables.root, 0x401000));
}

Test(page_tables, empty_tables_map_nothing)
{
	cr_assert_eq(tables.root, FIRST);
	cr_assert_eq(next, FIRST + PAGE);
	cr_assert_eq(translate(0), UINT64_MAX);
	cr_assert_eq(translate(0x400000), UINT64_MAX);
	cr_assert_eq(translate(UINT64_MAX), UINT64_MAX);
}

Test(page_tables, one_page)
{
	map(0x400000, 0x5000, PAGE, PTE_USER);
	cr_assert_eq(next, FIRST + 4 * PAGE, "a table for each of four levels");
	cr_assert_eq(translate(0x3fffff), UINT64_MAX);
	cr_assert_eq(translate(0x400000), 0x5000);
	cr_assert_eq(translate(0x400fff), 0x5fff);
	cr_assert_eq(translate(0x401000), UINT64_MAX);
}

Test(page_tables, upper_half)
{
	map(MOTE_WINDOW_VA, 0, 16 * PAGE, PTE_USER);
	map(0xfffffffffffff000, 0x7000, PAGE, PTE_USER);
	cr_assert_eq(translate(MOTE_WINDOW_VA + 0x1234), 0x1234);
	cr_assert_eq(translate(MOTE_WINDOW_VA + 16 * PAGE), UINT64_MAX);
	cr_assert_eq(translate(UINT64_MAX), 0x7fff);
}

Test(page_tables, across_tables_of_every_level)
{
	static const uint64_t borders[] = {HUGE, 1ul << 30, 1ul << 39};

	for (size_t i = 0; i < 3; i++) {
		map(borders[i] - 3 * PAGE, 0x10000, 6 * PAGE, PTE_USER);
		for (uint64_t offset = 0; offset < 6 * PAGE; offset += PAGE / 2)
			cr_assert_eq(translate(borders[i] - 3 * PAGE + offset), 0x10000 + offset);
		cr_assert_eq(translate(borders[i] + 3 * PAGE), UINT64_MAX);
		cr_assert_eq(translate(borders[i] - 3 * PAGE - 1), UINT64_MAX);
	}
}

Test(page_tables, huge_pages_where_both_addresses_align)
{
	uint64_t before;

	map(8 * HUGE - PAGE, 4 * HUGE - PAGE, 2 * HUGE + 2 * PAGE, PTE_USER);
	for (uint64_t offset = 0; offset < 2 * HUGE + 2 * PAGE; offset += PAGE)
		cr_assert_eq(translate(8 * HUGE - PAGE + offset + 5), 4 * HUGE - PAGE + offset + 5);
	cr_assert_eq(translate(10 * HUGE + PAGE), UINT64_MAX);
	/* Root, pointers, directory, and tables for the single pages before and behind. */
	cr_assert_eq(next, FIRST + 5 * PAGE);
	before = next;
	map(16 * HUGE, 4 * HUGE + PAGE, HUGE, PTE_USER);
	cr_assert_eq(next, before + PAGE, "the physical address does not align: one table");
	cr_assert_eq(translate(17 * HUGE - 1), 5 * HUGE + PAGE - 1);
}

Test(page_tables, spans)
{
	uint64_t entry, span;

	map(0x400000, 0x5000, PAGE, PTE_USER);
	map(2 * HUGE + HUGE, 4 * HUGE, HUGE, PTE_USER);
	page_tables_translate(&memory, tables.root, 0x400123, &entry, &span);
	cr_assert_eq(span, PAGE - 0x123);
	page_tables_translate(&memory, tables.root, 0x401001, &entry, &span);
	cr_assert_eq(span, PAGE - 1, "a hole in the last table");
	page_tables_translate(&memory, tables.root, 3 * HUGE + 0x1234, &entry, &span);
	cr_assert_eq(span, HUGE - 0x1234);
	page_tables_translate(&memory, tables.root, 5 * HUGE + 1, &entry, &span);
	cr_assert_eq(span, HUGE - 1, "a hole in the directory");
	page_tables_translate(&memory, tables.root, (1ul << 30) + 1, &entry, &span);
	cr_assert_eq(span, (1ul << 30) - 1);
	page_tables_translate(&memory, tables.root, (1ul << 39) + 1, &entry, &span);
	cr_assert_eq(span, (1ul << 39) - 1);
}

Test(page_tables, flags)
{
	static const uint64_t cases[] = {PTE_USER, PTE_USER | PTE_WRITABLE | PTE_NO_EXEC,
	                                 PTE_USER | PTE_NO_EXEC, 0, PTE_NO_EXEC | PTE_WRITABLE};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint64_t va = 0x400000 + i * PAGE, huge = (16 + i) * HUGE;

		map(va, 0x5000, PAGE, cases[i]);
		map(huge, 0, HUGE, cases[i]);
		cr_assert_eq(flags_of(va), PTE_PRESENT | cases[i], "page %zu", i);
		cr_assert_eq(flags_of(huge), PTE_PRESENT | cases[i], "huge page %zu", i);
	}
}

/* A guest may take rights away on any level. */
Test(page_tables, rights_are_those_that_all_levels_give)
{
	static const uint64_t denied[] = {PTE_NO_EXEC, PTE_WRITABLE, PTE_USER};

	map(0x400000, 0x5000, PAGE, PTE_USER | PTE_WRITABLE);
	for (size_t i = 0; i < 3; i++) {
		uint64_t table = tables.root;
		uint64_t expected = PTE_PRESENT | PTE_USER | PTE_WRITABLE;

		for (int level = 3; level >= 0; level--) {
			uint64_t *entry = entry_at(table, 0x400000 >> (12 + 9 * level) & 511);

			*entry ^= denied[i];
			cr_assert_eq(flags_of(0x400000), expected ^ denied[i], "level %d", level);
			*entry ^= denied[i];
			table = *entry & PTE_ADDRESS;
		}
	}
}

/* So that the CPU does not dirty the tables while it walks them. */
Test(page_tables, accessed_and_dirty_are_set_on_all_levels)
{
	uint64_t table = tables.root;

	map(0x400000, 0x5000, PAGE, PTE_USER);
	for (int level = 3; level >= 0; level--) {
		uint64_t entry = *entry_at(table, 0x400000 >> (12 + 9 * level) & 511);

		cr_assert_eq(entry & (PTE_ACCESSED | PTE_DIRTY), PTE_ACCESSED | PTE_DIRTY);
		table = entry & PTE_ADDRESS;
	}
	cr_assert(page_tables_is_accessed(&memory, tables.root, 0x400fff));
	cr_assert_not(page_tables_is_accessed(&memory, tables.root, 0x401000));
}

static void refuse_map(uint64_t va, uint64_t pa, uint64_t length, uint64_t address)
{
	char text[80];

	memset(&err, 0, sizeof err);
	snprintf(text, sizeof text, "guest address 0x%lx is mapped twice", address);
	cr_assert_lt(page_tables_map(&tables, va, pa, length, PTE_USER, &err), 0);
	cr_assert_eq(err.code, MOTE_STATUS_CANNOT_RUN);
	cr_assert_str_eq(err.text, text);
}

Test(page_tables, double_mappings_are_refused)
{
	map(0x400000, 0x5000, 2 * PAGE, PTE_USER);
	map(4 * HUGE, 0, HUGE, PTE_USER);
	refuse_map(0x400000, 0x5000, PAGE, 0x400000);
	refuse_map(0x401000, 0x9000, PAGE, 0x401000);
	refuse_map(0x3ff000, 0x9000, 2 * PAGE, 0x400000);
	refuse_map(4 * HUGE, 0, HUGE, 4 * HUGE);
	refuse_map(4 * HUGE + PAGE, 0x9000, PAGE, 4 * HUGE + PAGE);
	refuse_map(2 * HUGE, 0, HUGE, 2 * HUGE); /* 0x400000: has a table of its own */
	cr_assert_eq(translate(0x401000), 0x6000, "what was there stays");
	cr_assert_eq(translate(4 * HUGE + PAGE), PAGE);
}

static void expect_no_room(void)
{
	cr_assert_eq(err.code, MOTE_STATUS_CANNOT_RUN);
	cr_assert_str_eq(err.text, "the guest's memory (4096 KiB) has no room for its page tables. "
	                           "Give it more with --mem");
}

Test(page_tables, no_room_for_the_root)
{
	next = SIZE;
	cr_assert_lt(page_tables_create(&tables, &memory, &next, &err), 0);
	expect_no_room();
	cr_assert_eq(next, SIZE);
}

Test(page_tables, no_room_for_a_table)
{
	for (uint64_t room = 0; room < 3; room++) {
		memset(entry_at(tables.root, 0), 0, PAGE);
		memset(&err, 0, sizeof err);
		next = SIZE - room * PAGE;
		memset(memory.host + next, 0, room * PAGE);
		cr_assert_lt(page_tables_map(&tables, 0x400000, 0, PAGE, PTE_USER, &err), 0);
		expect_no_room();
		cr_assert_eq(next, SIZE);
	}
	memset(entry_at(tables.root, 0), 0, PAGE);
	next = SIZE - 3 * PAGE;
	memset(memory.host + next, 0, 3 * PAGE);
	map(0x400000, 0, PAGE, PTE_USER);
}

/* Random mappings against an array that remembers. */
Test(page_tables, random_mappings_agree_with_a_model)
{
	enum { PAGES = 4096 };
	static uint64_t model[PAGES]; /* physical plus 1; 0: none */
	const uint64_t base = (1ul << 39) - HUGE * 4;

	srandom(1);
	for (int round = 0; round < 2000; round++) {
		uint64_t first = (uint64_t)random() % PAGES;
		uint64_t count = 1 + (uint64_t)random() % 16;
		uint64_t pa = (uint64_t)random() % 0x10000 * PAGE;
		bool is_free = true;

		if (count > PAGES - first)
			count = PAGES - first;
		for (uint64_t i = first; i < first + count; i++)
			is_free = is_free && !model[i];
		if (!is_free)
			continue;
		map(base + first * PAGE, pa, count * PAGE, PTE_USER);
		for (uint64_t i = 0; i < count; i++)
			model[first + i] = pa + i * PAGE + 1;
	}
	for (uint64_t i = 0; i < PAGES; i++)
		cr_assert_eq(translate(base + i * PAGE), model[i] - 1, "page %lu", i);
}

/* ---- tables that a hostile guest wrote ---- */

Test(page_tables, root_outside_ram)
{
	static const uint64_t roots[] = {SIZE, SIZE - 8, 1ul << 40, PTE_ADDRESS, UINT64_MAX};
	uint64_t entry, span;

	memset(memory.host, 0, SIZE);
	for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
		cr_assert_eq(page_tables_translate(&memory, roots[i], 0x400000, &entry, &span),
		             UINT64_MAX);
		cr_assert_not(page_tables_is_accessed(&memory, roots[i], 0x400000));
	}
}

Test(page_tables, flag_bits_of_cr3_are_ignored)
{
	uint64_t entry, span;

	map(0x400000, 0x5000, PAGE, PTE_USER);
	cr_assert_eq(page_tables_translate(&memory, tables.root | 0xfff | 1ul << 63, 0x400000,
	                                   &entry, &span),
	             0x5000);
}

Test(page_tables, tables_outside_ram)
{
	static const uint64_t outside[] = {SIZE, 1ul << 40, PTE_ADDRESS};

	for (size_t i = 0; i < 3; i++) {
		uint64_t table = tables.root;

		memset(entry_at(table, 0), 0, PAGE);
		next = FIRST + PAGE;
		memset(memory.host + next, 0, 16 * PAGE);
		map(0x400000, 0x5000, PAGE, PTE_USER);
		for (int level = 3; level > 0; level--) {
			uint64_t *entry = entry_at(table, 0x400000 >> (12 + 9 * level) & 511);
			uint64_t saved = *entry;

			*entry = outside[i] | PTE_PRESENT | PTE_USER;
			cr_assert_eq(translate(0x400000), UINT64_MAX);
			*entry = saved;
			table = saved & PTE_ADDRESS;
		}
		cr_assert_eq(translate(0x400000), 0x5000);
	}
}

Test(page_tables, leaf_outside_ram_is_an_address_and_not_read)
{
	char byte;

	map(0x400000, SIZE, PAGE, PTE_USER);
	map(0x402000, PTE_ADDRESS, PAGE, PTE_USER);
	cr_assert_eq(translate(0x400010), SIZE + 0x10);
	cr_assert_eq(guest_read_virtual(&memory, tables.root, 0x400000, &byte, 1), -1);
	cr_assert_eq(guest_read_virtual(&memory, tables.root, 0x402fff, &byte, 1), -1);
}

/* A table that is its own child at every level ends in itself after four. */
Test(page_tables, loops_end)
{
	*entry_at(tables.root, 511) = tables.root | PTE_PRESENT | PTE_USER | PTE_WRITABLE;
	cr_assert_eq(translate(UINT64_MAX), tables.root + 0xfff);
	*entry_at(tables.root, 0) = tables.root | PTE_PRESENT;
	cr_assert_eq(translate(0x123), tables.root + 0x123);
	cr_assert_eq(flags_of(0x123), PTE_PRESENT, "the narrowest of all levels");
}

Test(page_tables, huge_bit_at_every_level)
{
	uint64_t *root = entry_at(tables.root, 0);
	uint64_t entry, span;

	map(0x400000, 0x5000, PAGE, PTE_USER);
	*root |= PTE_HUGE; /* reserved there: the CPU faults, the walk goes on */
	cr_assert_eq(translate(0x400000), 0x5000);
	*root &= ~PTE_HUGE;

	uint64_t *pointer = entry_at(*root & PTE_ADDRESS, 0);
	uint64_t saved = *pointer;

	/* Low bits of the address are reserved in a huge leaf and must not leak through. */
	*pointer = 0x7fff000 | PTE_PRESENT | PTE_HUGE | PTE_USER;
	cr_assert_eq(page_tables_translate(&memory, tables.root, 0x400123, &entry, &span),
	             0x400123);
	cr_assert_eq(span, (1ul << 30) - 0x400123);
	*pointer = saved;

	uint64_t *directory = entry_at(saved & PTE_ADDRESS, 2);
	uint64_t *leaf = entry_at(*directory & PTE_ADDRESS, 0);

	*leaf |= PTE_HUGE; /* PAT there */
	cr_assert_eq(translate(0x400abc), 0x5abc);
	*directory |= PTE_HUGE;
	cr_assert_eq(translate(0x400abc), (*directory & PTE_ADDRESS & ~(HUGE - 1)) + 0xabc);
}

Test(page_tables, entries_without_the_present_bit)
{
	map(0x400000, 0x5000, PAGE, PTE_USER);
	*entry_at(tables.root, 0) &= ~PTE_PRESENT;
	cr_assert_eq(translate(0x400000), UINT64_MAX);
	*entry_at(tables.root, 0) = UINT64_MAX & ~PTE_PRESENT;
	cr_assert_eq(translate(0x400000), UINT64_MAX);
}

/* Whatever the tables hold: no crash, and an answer inside the 52 bits of a physical address. */
Test(page_tables, random_tables)
{
	srandom(2);
	for (uint64_t i = 0; i < SIZE / 8; i++) {
		uint64_t value = (uint64_t)random() % SIZE | (uint64_t)random() % 4 << 62;

		if (random() % 8 == 0)
			value |= (uint64_t)random() << 20;
		memcpy(memory.host + 8 * i, &value, 8);
	}
	for (int round = 0; round < 100000; round++) {
		uint64_t va = (uint64_t)random() << 33 ^ (uint64_t)random() << 12, entry, span;
		uint64_t pa = page_tables_translate(&memory, FIRST, va, &entry, &span);
		char bytes[64];

		cr_assert(pa == UINT64_MAX || pa < 1ul << 52);
		cr_assert(span > 0 && span <= 1ul << 39);
		guest_read_virtual(&memory, FIRST, va + PAGE - 32, bytes, sizeof bytes);
	}
}

/* ---- guest_read_virtual() ---- */

Test(page_tables, read_virtual_across_scattered_frames)
{
	static const uint64_t frames[] = {0x9000, 0x3000, 0x7000};
	char text[2 * PAGE + 2];

	for (size_t i = 0; i < 3; i++) {
		map(0x400000 + i * PAGE, frames[i], PAGE, PTE_USER);
		memset(memory.host + frames[i], 'a' + (int)i, PAGE);
	}
	cr_assert_eq(guest_read_virtual(&memory, tables.root, 0x400fff, text, PAGE + 2), 0);
	cr_assert_eq(text[0], 'a');
	cr_assert_eq(text[1], 'b');
	cr_assert_eq(text[PAGE], 'b');
	cr_assert_eq(text[PAGE + 1], 'c');
	cr_assert_eq(guest_read_virtual(&memory, tables.root, 0x402fff, text, 1), 0);
	cr_assert_eq(guest_read_virtual(&memory, tables.root, 0x402fff, text, 2), -1);
}

Test(page_tables, read_virtual_meets_a_hole)
{
	char text[3 * PAGE];

	map(0x400000, 0x9000, PAGE, PTE_USER);
	map(0x402000, 0x3000, PAGE, PTE_USER);
	cr_assert_eq(guest_read_virtual(&memory, tables.root, 0x400000, text, PAGE), 0);
	cr_assert_eq(guest_read_virtual(&memory, tables.root, 0x400000, text, 3 * PAGE), -1);
	cr_assert_eq(guest_read_virtual(&memory, tables.root, 0x3fffff, text, 2), -1);
}

Test(page_tables, read_virtual_of_a_huge_page_that_leaves_ram)
{
	char text[2];

	map(4 * HUGE, SIZE - HUGE, 2 * HUGE, PTE_USER);
	cr_assert_eq(guest_read_virtual(&memory, tables.root, 5 * HUGE - 2, text, 2), 0);
	cr_assert_eq(guest_read_virtual(&memory, tables.root, 5 * HUGE - 1, text, 2), -1);
}

Test(page_tables, read_virtual_of_nothing_and_over_the_top)
{
	char text[2] = "x";

	cr_assert_eq(guest_read_virtual(&memory, tables.root, 0x400000, text, 0), 0);
	map(0xfffffffffffff000, 0x9000, PAGE, PTE_USER);
	cr_assert_eq(guest_read_virtual(&memory, tables.root, UINT64_MAX, text, 1), 0);
	cr_assert_eq(guest_read_virtual(&memory, tables.root, UINT64_MAX, text, 2), -1);
}
