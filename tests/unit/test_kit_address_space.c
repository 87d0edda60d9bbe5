/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the application's address space: what happens when memory is short, and what stays
 * behind. */
#include "kit_space.h"

TestSuite(kit_address_space, .init = space_start, .timeout = 60);

/* Eight MiB that are 2 MiB pages, a stamp in each page. */
static uint64_t map_huge(void)
{
	uint64_t at = map_anywhere(4 * HUGE_PAGES), size;

	for (uint64_t page = 0; page < 4 * HUGE_PAGES; page++)
		put(at + page * PAGE_SIZE, (unsigned char)(page % 251));
	page_table_look(at, &size);
	cr_assert_eq(size, HUGE_SIZE);
	return at;
}

static void expect_stamps(uint64_t at, uint64_t first, uint64_t end)
{
	for (uint64_t page = first; page < end; page++)
		cr_assert_eq(get(at + page * PAGE_SIZE), page % 251, "page %lu", page);
}

Test(kit_address_space, splitting_a_huge_page_without_memory)
{
	uint64_t at = map_huge();
	size_t mappings = vma_count();

	use_up(0);
	cr_assert_eq(address_space_unmap(at + PAGE_SIZE, PAGE_SIZE), -ENOMEM);
	cr_assert_eq(address_space_unmap(at + HUGE_SIZE, HUGE_SIZE + PAGE_SIZE), -ENOMEM);
	cr_assert_eq(address_space_protect(at + 5 * PAGE_SIZE, HUGE_SIZE, PROT_READ), -ENOMEM);
	cr_assert_eq(address_space_map(at + PAGE_SIZE, PAGE_SIZE, PROT_READ, ANONYMOUS | MAP_FIXED,
	                               NULL, 0),
	             -ENOMEM);
	cr_assert_eq(vma_count(), mappings);
	expect_stamps(at, 0, 4 * HUGE_PAGES);
	put(at + 5 * PAGE_SIZE, 5);
	give_back();
	cr_assert_eq(address_space_unmap(at + PAGE_SIZE, PAGE_SIZE), 0);
	cr_assert_null(reach(at + PAGE_SIZE, 0));
	cr_assert_eq(last_fault, FAULT_NOT_MAPPED);
	cr_assert_eq(address_space_protect(at + 5 * PAGE_SIZE, HUGE_SIZE, PROT_READ), 0);
	cr_assert_null(reach(at + 5 * PAGE_SIZE, ERROR_WRITE));
	cr_assert_null(reach(at + HUGE_SIZE + 4 * PAGE_SIZE, ERROR_WRITE));
	put(at + HUGE_SIZE + 5 * PAGE_SIZE, (HUGE_PAGES + 5) % 251);
	expect_stamps(at, 2, 4 * HUGE_PAGES);
}

Test(kit_address_space, dropping_a_part_of_a_huge_page_without_memory)
{
	uint64_t at = map_huge();

	use_up(0);
	cr_assert_eq(address_space_advise(at + 7 * PAGE_SIZE, HUGE_SIZE, MADV_DONTNEED), 0);
	for (uint64_t page = 7; page < HUGE_PAGES + 7; page++)
		cr_assert_eq(get(at + page * PAGE_SIZE), 0);
	expect_stamps(at, 0, 7);
	expect_stamps(at, HUGE_PAGES + 7, 4 * HUGE_PAGES);
}

Test(kit_address_space, tables_follow_the_mappings)
{
	for (uint64_t i = 1; i < 0x7000; i++) {
		uint64_t hint = i << 32;

		cr_assert_eq(address_space_map(hint, PAGE_SIZE, READ_WRITE, ANONYMOUS, NULL, 0),
		             (int64_t)hint);
		cr_assert_eq(get(hint), 0);
		put(hint, 1);
		cr_assert_eq(address_space_unmap(hint, PAGE_SIZE), 0);
		cr_assert_gt(page_free_count(), page_total_count() - 1500, "round %lu", i);
	}
	memory_reclaim();
	/* The root, a path of three that was made last, and the list of mappings. */
	cr_assert_geq(page_free_count(), page_total_count() - 8);
	cr_assert_not(memory_reclaim());
}

/* The same when all of memory is needed for tables and pages: they are taken back then. */
Test(kit_address_space, tables_serve_again_when_memory_is_short)
{
	for (uint64_t i = 1; i < 200; i++) {
		put((uint64_t)address_space_map(i << 32, PAGE_SIZE, READ_WRITE, ANONYMOUS, NULL, 0),
		    1);
		cr_assert_eq(address_space_unmap(i << 32, PAGE_SIZE), 0);
		if (i == 40)
			use_up(8);
	}
}

Test(kit_address_space, growing_beyond_all_of_memory)
{
	uint64_t at = map_anywhere(4);
	uint64_t all = page_total_count() * PAGE_SIZE;

	cr_assert_eq(address_space_remap(at, 4 * PAGE_SIZE, all + 5 * PAGE_SIZE, MREMAP_MAYMOVE, 0),
	             -ENOMEM);
	cr_assert_gt(address_space_remap(at, 4 * PAGE_SIZE, all, MREMAP_MAYMOVE, 0), 0);
	cr_assert_eq(address_space_map(0, all + PAGE_SIZE, READ_WRITE, ANONYMOUS, NULL, 0),
	             -ENOMEM);
	at = (uint64_t)address_space_map(0, all + PAGE_SIZE, PROT_NONE, ANONYMOUS, NULL, 0);
	cr_assert_eq(address_space_protect(at, all + PAGE_SIZE, READ_WRITE), -ENOMEM);
	cr_assert_eq(address_space_protect(at, all, READ_WRITE), 0);
	at = (uint64_t)address_space_map(0, 2 * all, READ_WRITE, ANONYMOUS | MAP_NORESERVE, NULL,
	                                 0);
	cr_assert_gt(address_space_remap(at, 2 * all, 4 * all, MREMAP_MAYMOVE, 0), 0);
}

/* Many pages, and memory for some of the tables only. */
Test(kit_address_space, moving_is_all_or_nothing)
{
	const uint64_t from = 3ul << 39, to = (5ul << 39) + PAGE_SIZE;
	const uint64_t length = 6 * HUGE_SIZE;
	bool has_failed = false, has_moved = false;

	cr_assert_eq(address_space_map(from, length, READ_WRITE, ANONYMOUS | MAP_FIXED, NULL, 0),
	             (int64_t)from);
	for (uint64_t page = 0; page < length / PAGE_SIZE; page++)
		put(from + page * PAGE_SIZE, (unsigned char)(page % 251));
	for (size_t left = 0; !has_moved; left++) {
		int64_t result;

		use_up(left);
		result = address_space_remap(from, length, length, MREMAP_MAYMOVE | MREMAP_FIXED,
		                             to);
		give_back();
		has_moved = result == (int64_t)to;
		has_failed |= !has_moved;
		expect_stamps(has_moved ? to : from, 0, length / PAGE_SIZE);
		cr_assert_null(reach(has_moved ? from : to, 0));
	}
	cr_assert(has_failed);
}

/* What aligns moves as it is. */
Test(kit_address_space, huge_pages_move_whole)
{
	uint64_t at = map_huge(), size;
	const uint64_t to = 5ul << 39;

	cr_assert_eq(address_space_remap(at, 4 * HUGE_SIZE, 4 * HUGE_SIZE,
	                                 MREMAP_MAYMOVE | MREMAP_FIXED, to),
	             (int64_t)to);
	page_table_look(to, &size);
	cr_assert_eq(size, HUGE_SIZE);
	expect_stamps(to, 0, 4 * HUGE_PAGES);
	cr_assert_null(reach(at, 0));
}

Test(kit_address_space, moving_shrinks_and_grows)
{
	const uint64_t to = 5ul << 39;
	uint64_t at = map_huge(), length = 4 * HUGE_SIZE;

	for (uint64_t less = PAGE_SIZE; less < 200 * PAGE_SIZE; less += 33 * PAGE_SIZE) {
		cr_assert_eq(address_space_remap(at, length, length - less,
		                                 MREMAP_MAYMOVE | MREMAP_FIXED, to),
		             (int64_t)to);
		length -= less;
		expect_stamps(to, 0, length / PAGE_SIZE);
		cr_assert_null(reach(at, 0));
		cr_assert_null(reach(to + length, 0));
		cr_assert_eq(address_space_remap(to, length, length + less,
		                                 MREMAP_MAYMOVE | MREMAP_FIXED, at),
		             (int64_t)at);
		expect_stamps(at, 0, length / PAGE_SIZE);
		cr_assert_eq(get(at + length), 0);
		cr_assert_null(reach(to, 0));
		cr_assert_eq(address_space_unmap(at + length, less), 0);
	}
}

Test(kit_address_space, below_2_gib_or_not_at_all)
{
	const uint64_t limit = 1ul << 31;
	int64_t at;

	at = address_space_map(0, PAGE_SIZE, READ_WRITE, ANONYMOUS | MAP_32BIT, NULL, 0);
	cr_assert(at > 0 && (uint64_t)at < limit);
	cr_assert_eq(address_space_map(0, limit, PROT_NONE, ANONYMOUS | MAP_32BIT, NULL, 0),
	             -ENOMEM);
	for (at = 16 * PAGE_SIZE; (uint64_t)at < limit; at += 1l << 24)
		address_space_map((uint64_t)at, 1ul << 24, PROT_NONE, ANONYMOUS | MAP_FIXED, NULL,
		                  0);
	cr_assert_eq(address_space_map(0, PAGE_SIZE, READ_WRITE, ANONYMOUS | MAP_32BIT, NULL, 0),
	             -ENOMEM);
}

/* ---- before a snapshot ---- */

/* Adjoining mappings of 64 pages, @count of them, a stamp in each page: the lowest address. */
static uint64_t map_pieces(size_t count)
{
	uint64_t top = map_anywhere(64), at = top;

	while (--count)
		at = map_anywhere(64);
	cr_assert_lt(at, top);
	for (uint64_t page = 0; at + page * PAGE_SIZE < top + 64 * PAGE_SIZE; page++)
		put(at + page * PAGE_SIZE, (unsigned char)(page % 251));
	return at;
}

static uint64_t size_at(uint64_t va)
{
	uint64_t size;

	page_table_look(va, &size);
	return size;
}

Test(kit_address_space, small_pages_are_gathered)
{
	uint64_t at, end, first;
	size_t free, tables_before;

	cr_assert_eq(address_space_add_stack(MOTE_STACK_TOP, 8ul << 20), 0);
	at = map_pieces(36);
	end = at + 36ul * 64 * PAGE_SIZE;
	first = (at + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1);
	free = page_free_count();
	tables_before = page_table_tables();

	cr_assert_eq(end % HUGE_SIZE, 0, "mappings begin below a border");
	gather_memory(true);
	for (uint64_t va = first; va < end; va += HUGE_SIZE)
		cr_assert_eq(size_at(va), HUGE_SIZE);
	if (at < first)
		cr_assert_eq(size_at(at), PAGE_SIZE);
	expect_stamps(at, 0, 36ul * 64);
	cr_assert_eq(page_free_count(), free + (end - first) / HUGE_SIZE);
	cr_assert_eq(page_table_tables(), tables_before - (end - first) / HUGE_SIZE);
	/* They are like any others. */
	put(first, 77);
	cr_assert_eq(get(first), 77);
	cr_assert_eq(address_space_unmap(first + PAGE_SIZE, PAGE_SIZE), 0);
	cr_assert_null(reach(first + PAGE_SIZE, 0));
	cr_assert_eq(get(first + 2 * PAGE_SIZE), (first - at) / PAGE_SIZE % 251 + 2);
	cr_assert_eq(address_space_unmap(at, end - at), 0);
	cr_assert_eq(page_table_owned(), 0);
}

Test(kit_address_space, what_is_not_alike_is_not_gathered)
{
	uint64_t at = map_pieces(48), first = (at + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1);
	uint64_t size = 48ul * 64 * PAGE_SIZE;

	/* A page that cannot be written, a hole, and a border of two mappings. */
	cr_assert_eq(address_space_protect(first + 5 * PAGE_SIZE, PAGE_SIZE, PROT_READ), 0);
	cr_assert_eq(address_space_unmap(first + HUGE_SIZE + 5 * PAGE_SIZE, PAGE_SIZE), 0);
	gather_memory(true);
	for (uint64_t va = first; va < first + 2 * HUGE_SIZE; va += HUGE_SIZE)
		cr_assert_eq(size_at(va), PAGE_SIZE);
	for (uint64_t va = first + 2 * HUGE_SIZE; va + HUGE_SIZE <= at + size; va += HUGE_SIZE)
		cr_assert_eq(size_at(va), HUGE_SIZE);
	cr_assert_null(reach(first + 5 * PAGE_SIZE, ERROR_WRITE));
	expect_stamps(at, 0, (first - at) / PAGE_SIZE + HUGE_PAGES + 5);
	expect_stamps(at, (first - at) / PAGE_SIZE + HUGE_PAGES + 6, size / PAGE_SIZE);
}

Test(kit_address_space, memory_is_gathered_once)
{
	uint64_t at;

	gather_memory(true);
	at = map_pieces(36);
	gather_memory(true);
	cr_assert_eq(size_at((at + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1)), PAGE_SIZE);
}

Test(kit_address_space, without_memory_nothing_is_gathered)
{
	uint64_t at = map_pieces(36), first = (at + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1);

	use_up(0);
	cr_assert_not(page_table_gather(first));
	give_back();
	cr_assert(page_table_gather(first));
	cr_assert_not(page_table_gather(first), "it is one page");
	cr_assert_not(page_table_gather(first + (1ul << 40)), "nothing is there");
	expect_stamps(at, 0, 36ul * 64);
}

/* ---- pages of the root image ---- */

#define IMAGE_PAGES    64
#define IMAGE_PHYSICAL (ARENA_FRAMES * PAGE_SIZE)

static unsigned char image[IMAGE_PAGES * PAGE_SIZE];

static int image_page(struct file *file, uint64_t index, bool make, uint64_t *physical)
{
	(void)file;
	(void)make;
	*physical = IMAGE_PHYSICAL + index * PAGE_SIZE;
	return 0;
}

static const struct file_ops image_ops = {.page = image_page};
static struct inode image_inode = {.mode = 0100644, .size = sizeof image};
static struct file image_file = {.ops = &image_ops, .inode = &image_inode};

/* A mapping of the image, each page of which begins with its number: nothing of it was used. */
static uint64_t map_image(uint32_t flags)
{
	int64_t at;

	for (size_t i = 0; i < IMAGE_PAGES; i++)
		image[i * PAGE_SIZE] = (unsigned char)i;
	machine.root_physical = IMAGE_PHYSICAL + MOTE_ROOT_VA - (uint64_t)image;
	/* Not below 2 GiB, where the kit maps code that it may rewrite: at a border of groups. */
	at = address_space_map(1ul << 40, sizeof image, PROT_READ | PROT_EXEC, flags, &image_file,
	                       0);
	cr_assert_eq(at, 1l << 40);
	for (uint64_t va = (uint64_t)at; va < (uint64_t)at + sizeof image; va += PAGE_SIZE) {
		address_space_fault(va, 0);
		cr_assert_eq(*page_table_entry(va, false) & PTE_ACCESSED, 0);
	}
	return (uint64_t)at;
}

static void use_page(uint64_t va)
{
	*page_table_entry(va, false) |= PTE_ACCESSED;
}

static bool is_copy(uint64_t va)
{
	uint64_t entry = *page_table_entry(va, false);

	cr_assert(entry & PTE_ACCESSED, "the processor is to write nothing");
	cr_assert_not(entry & (PTE_WRITABLE | PTE_NO_EXEC));
	cr_assert_eq((entry & PTE_ADDRESS) < IMAGE_PHYSICAL, (entry & PTE_OWNED) != 0);
	return entry & PTE_OWNED;
}

Test(kit_address_space, used_pages_of_the_image_are_copied)
{
	uint64_t at = map_image(MAP_PRIVATE);
	size_t free = page_free_count();

	use_page(at + 1 * PAGE_SIZE); /* two of the first group */
	use_page(at + 6 * PAGE_SIZE);
	use_page(at + 9 * PAGE_SIZE); /* one of the second */
	use_page(at + 63 * PAGE_SIZE);
	use_page(at + 62 * PAGE_SIZE);
	gather_memory(true);
	for (uint64_t page = 0; page < IMAGE_PAGES; page++)
		cr_assert_eq(is_copy(at + page * PAGE_SIZE), page < 8 || page >= 56, "page %lu",
		             page);
	for (uint64_t page = 0; page < 8; page++)
		cr_assert_eq(get(at + page * PAGE_SIZE), page);
	cr_assert_eq(get(at + 63 * PAGE_SIZE), 63);
	cr_assert_eq(page_free_count(), free - 16);
	cr_assert_eq(address_space_unmap(at, sizeof image), 0);
	cr_assert_eq(page_free_count(), free);
}

Test(kit_address_space, image_stays_where_nothing_may_be_copied)
{
	uint64_t at = map_image(MAP_SHARED);
	size_t free = page_free_count();

	for (uint64_t page = 0; page < IMAGE_PAGES; page++)
		use_page(at + page * PAGE_SIZE);
	gather_memory(true);
	for (uint64_t page = 0; page < IMAGE_PAGES; page++)
		cr_assert_not(is_copy(at + page * PAGE_SIZE));
	cr_assert_eq(page_free_count(), free);
}

Test(kit_address_space, program_that_has_not_run_uses_nothing)
{
	uint64_t at = map_image(MAP_PRIVATE);
	size_t free = page_free_count();

	use_page(at);
	use_page(at + PAGE_SIZE);
	gather_memory(false);
	for (uint64_t page = 0; page < IMAGE_PAGES; page++)
		cr_assert_not(is_copy(at + page * PAGE_SIZE));
	cr_assert_eq(page_free_count(), free);
	gather_memory(true);
	cr_assert(is_copy(at));
}

Test(kit_address_space, image_stays_without_memory)
{
	uint64_t at = map_image(MAP_PRIVATE);

	use_page(at);
	use_page(at + PAGE_SIZE);
	use_up(4);
	gather_memory(true);
	for (uint64_t page = 0; page < IMAGE_PAGES; page++)
		cr_assert_not(is_copy(at + page * PAGE_SIZE));
}
