/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the kit's heap on the kit's page frames: sizes, zeros, resizing, and no overlaps.
 */
#include <criterion/criterion.h>

#include "kit_arena.h"

#include "guestkit/pages.c"

#include "guestkit/heap.c"

static void start(void)
{
	arena_make();
	pages_init(ARENA_FREE, ARENA_USABLE, ARENA_FRAMES * PAGE_SIZE);
}

TestSuite(kit_heap, .init = start, .timeout = 60);

static bool is_all(const unsigned char *bytes, size_t size, unsigned char value)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != value)
			return false;
	return true;
}

Test(kit_heap, blocks_are_aligned_and_zero_at_every_size)
{
	for (size_t size = 0; size < 3 * PAGE_SIZE; size += size < 2100 ? 1 : 61) {
		unsigned char *block = heap_alloc(size);

		cr_assert(block);
		cr_assert_eq((uint64_t)block % 16, 0);
		cr_assert(is_all(block, size, 0), "%zu bytes", size);
		memset(block, 0xbb, size);
		if (size % 3)
			heap_free(block); /* the next of its size gets dirty memory */
	}
}

Test(kit_heap, nothing_to_free)
{
	heap_free(NULL);
	cr_assert_eq(page_free_count(), page_total_count());
}

Test(kit_heap, large_blocks_give_their_pages_back)
{
	void *block = heap_alloc(100 * PAGE_SIZE);

	cr_assert_eq(page_free_count(), page_total_count() - 101, "and one for the header");
	heap_free(block);
	cr_assert_eq(page_free_count(), page_total_count());
}

Test(kit_heap, small_blocks_are_used_again)
{
	void *first = heap_alloc(100), *second = heap_alloc(100);

	cr_assert_neq(first, second);
	heap_free(first);
	cr_assert_eq(heap_alloc(110), first, "of the same class");
}

Test(kit_heap, sizes_that_cannot_be)
{
	cr_assert_null(heap_alloc(ARENA_FRAMES * PAGE_SIZE));
	cr_assert_null(heap_alloc((1ul << 32) + 1));
	cr_assert_null(heap_alloc(SIZE_MAX));
	cr_assert_null(heap_alloc(SIZE_MAX - 15));
	cr_assert_eq(page_free_count(), page_total_count());
	void *block = heap_alloc(100);

	for (size_t size = SIZE_MAX - 20; size; size++)
		cr_assert_null(heap_resize(block, size));
}

Test(kit_heap, memory_that_runs_out)
{
	size_t count = 0;
	void *last = NULL, *block;

	while ((block = heap_alloc(2000))) {
		last = block;
		count++;
	}
	cr_assert_geq(count, 2 * page_total_count(), "two in a page");
	cr_assert_leq(count, 2 * page_total_count() + 2, "and in the first page, which is its own");
	cr_assert_eq(page_free_count(), 0);
	cr_assert_null(heap_resize(last, 3000));
	cr_assert(is_all(last, 2000, 0), "still there");
	heap_free(last);
	cr_assert_eq(heap_alloc(2000), last);
}

Test(kit_heap, resize_of_nothing_allocates)
{
	unsigned char *block = heap_resize(NULL, 50);

	cr_assert(block && is_all(block, 50, 0));
}

Test(kit_heap, resize_keeps_content_and_zeroes_what_is_new)
{
	unsigned char *block = heap_alloc(10);

	memset(block, 0xcc, 10);
	for (size_t size = 10; size < 3 * PAGE_SIZE; size += size / 3 + 1) {
		block = heap_resize(block, size);
		cr_assert(block);
		cr_assert(is_all(block, 10, 0xcc), "%zu bytes", size);
		cr_assert(is_all(block + 10, size - 10, 0), "%zu bytes", size);
	}
}

Test(kit_heap, bytes_cut_off_come_back_as_zeros)
{
	for (size_t size = 20; size < 3 * PAGE_SIZE; size = size * 3 / 2) {
		unsigned char *block = heap_alloc(size);

		memset(block, 0xcc, size);
		block = heap_resize(block, size / 2);
		block = heap_resize(block, size);
		cr_assert(is_all(block, size / 2, 0xcc));
		cr_assert(is_all(block + size / 2, size - size / 2, 0), "%zu bytes", size);
	}
}

/* Random operations: every block keeps its own byte from first to last. */
Test(kit_heap, random_operations_keep_blocks_apart)
{
	enum { HELD = 500 };
	static struct {
		unsigned char *block;
		size_t size;
	} held[HELD];

	srandom(4);
	for (int round = 0; round < 100000; round++) {
		size_t slot = (size_t)random() % HELD;
		size_t size = (size_t)random() % (random() % 16 ? 600 : 20000);
		unsigned char value = (unsigned char)(slot % 255 + 1);
		unsigned char *block = held[slot].block;
		size_t kept = size < held[slot].size ? size : held[slot].size;

		cr_assert(is_all(block, held[slot].size, value), "round %d", round);
		if (block && random() % 2) {
			heap_free(block);
			held[slot].block = NULL;
			held[slot].size = 0;
			continue;
		}
		block = heap_resize(block, size);
		cr_assert(block);
		cr_assert(is_all(block, kept, value), "round %d", round);
		cr_assert(is_all(block + kept, size - kept, 0), "round %d", round);
		memset(block, value, size);
		held[slot].block = block;
		held[slot].size = size;
	}
}
