/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thousands of random changes of an address space against a model, with and without memory to make
 * them: what fails changes nothing, nothing is lost, and in the end every frame is free again.
 */
#include "kit_space.h"

#define PAGES (4 * HUGE_PAGES)
#define BASE  (1ul << 40)
#define STAMP 5 /* the byte of a page that is written and looked at */

TestSuite(kit_space_random, .init = space_start, .timeout = 120);

static struct page {
	bool is_mapped;
	uint32_t prot;
	unsigned char stamp;
} model[PAGES];

static bool is_short; /* memory is used up: nothing may be touched */

static uint64_t at(uint64_t page)
{
	return BASE + page * PAGE_SIZE;
}

static uint64_t below(uint64_t limit)
{
	return (uint64_t)random() % limit;
}

static bool are_mapped(uint64_t first, uint64_t end)
{
	for (uint64_t page = first; page < end; page++)
		if (!model[page].is_mapped)
			return false;
	return true;
}

static void check(uint64_t page)
{
	const struct page *p = &model[page];

	if (is_short)
		return;
	if (!p->is_mapped) {
		cr_assert(!vma_find(at(page)));
		return;
	}
	if (p->prot == PROT_NONE) {
		cr_assert_null(reach(at(page), 0), "page %lu", page);
		return;
	}
	cr_assert_eq(get(at(page) + STAMP), p->stamp, "page %lu", page);
	if (p->prot == PROT_READ)
		cr_assert_null(reach(at(page), ERROR_WRITE));
}

static void set(uint64_t first, uint64_t end, struct page value)
{
	for (uint64_t page = first; page < end; page++)
		model[page] = value;
}

/* Of a call that may fail for want of memory, and then has changed nothing. */
static bool has_worked(int64_t result)
{
	cr_assert(result >= 0 || (is_short && result == -ENOMEM), "%ld", result);
	return result >= 0;
}

static void do_map(uint64_t first, uint64_t end, uint32_t prot)
{
	if (has_worked(address_space_map(at(first), (end - first) * PAGE_SIZE, prot,
	                                 ANONYMOUS | MAP_FIXED, NULL, 0)))
		set(first, end, (struct page){true, prot, 0});
}

static void do_unmap(uint64_t first, uint64_t end)
{
	if (has_worked(address_space_unmap(at(first), (end - first) * PAGE_SIZE)))
		set(first, end, (struct page){0});
}

static void do_protect(uint64_t first, uint64_t end)
{
	static const uint32_t rights[] = {PROT_NONE, PROT_READ, READ_WRITE, READ_WRITE};
	uint32_t prot = rights[below(4)];

	if (!are_mapped(first, end) ||
	    !has_worked(address_space_protect(at(first), (end - first) * PAGE_SIZE, prot)))
		return;
	for (uint64_t page = first; page < end; page++)
		model[page].prot = prot;
}

static void do_drop(uint64_t first, uint64_t end)
{
	if (!are_mapped(first, end))
		return;
	cr_assert_eq(address_space_advise(at(first), (end - first) * PAGE_SIZE, MADV_DONTNEED), 0);
	for (uint64_t page = first; page < end; page++)
		model[page].stamp = 0;
}

/* Pages of one mapping go elsewhere. */
static void do_move(uint64_t first, uint64_t end)
{
	uint64_t count = end - first, to = below(PAGES - count + 1);
	bool keeps = below(4) == 0;
	uint32_t flags = MREMAP_MAYMOVE | MREMAP_FIXED | (keeps ? MREMAP_DONTUNMAP : 0);
	const struct vma *vma = vma_find(at(first));
	int64_t result;

	if (!vma || vma->end < at(end) || (to < end && first < to + count))
		return;
	result =
	        address_space_remap(at(first), count * PAGE_SIZE, count * PAGE_SIZE, flags, at(to));
	if (!has_worked(result)) {
		/* The target may be gone, as on Linux; what was to move is not. */
		if (!vma_overlaps(at(to), at(to + count)))
			set(to, to + count, (struct page){0});
		return;
	}
	for (uint64_t i = 0; i < count; i++) {
		model[to + i] = model[first + i];
		model[first + i].stamp = 0;
		model[first + i].is_mapped = keeps;
	}
}

static void do_write(uint64_t first, uint64_t end)
{
	for (uint64_t page = first; page < end && !is_short; page++)
		if (model[page].is_mapped && model[page].prot == READ_WRITE)
			put(at(page) + STAMP, model[page].stamp = (unsigned char)(1 + below(255)));
}

/* A snapshot is about to be taken: what was mapped is as it was. */
static void do_map_ahead(void)
{
	space.map_limit = at(1 + below(PAGES));
	space.heap_break = at(below(PAGES));
	address_space_map_ahead();
	pages_keep();
}

static void do_something(void)
{
	uint64_t count = 1 + below(below(16) ? 24 : PAGES - 1);
	uint64_t first = below(PAGES - count + 1), end = first + count;

	if (below(64) == 0)
		do_map_ahead();
	switch (below(10)) {
	case 0: do_map(first, end, READ_WRITE); break;
	case 1: do_map(first, end, below(2) ? PROT_READ : PROT_NONE); break;
	case 2: do_unmap(first, end); break;
	case 3: do_protect(first, end); break;
	case 4: do_drop(first, end); break;
	case 5: do_move(first, end); break;
	default: do_write(first, end);
	}
	check(first);
	check(end - 1);
	check(below(PAGES));
}

Test(kit_space_random, agrees_with_a_model)
{
	size_t used;

	srandom(7);
	cr_assert_eq(vma_reserve(4000), 0); /* the list grows no more */
	used = page_total_count() - page_free_count();
	for (int round = 0; round < 20000; round++) {
		if (round % 200 == 150) {
			use_up(below(3));
			is_short = true;
		}
		if (round % 200 == 0) {
			give_back();
			is_short = false;
		}
		if (round % 777 == 0)
			do_map(0, PAGES, READ_WRITE); /* from time to time 2 MiB pages */
		do_something();
	}
	give_back();
	is_short = false;
	for (uint64_t page = 0; page < PAGES; page++)
		check(page);
	do_unmap(0, PAGES);
	retired_drop_ahead();
	memory_reclaim();
	cr_assert_eq(vma_count(), 0);
	cr_assert_eq(page_table_owned(), 0);
	cr_assert_leq(page_table_tables(), 3, "the path that was made last");
	cr_assert_eq(page_total_count() - page_free_count(),
	             used + page_table_tables() + kept_map_pages(pages.kept_end));
}
