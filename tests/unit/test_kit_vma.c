/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the list of mappings: joining, splitting, searching, against a page-by-page model.
 */
#define MOTE_HOSTED
#include <criterion/criterion.h>

#include "tests/unit/kit_fakes.h"

#include "guestkit/vma.c"

#define PAGES 300ul
#define BASE  (16 * PAGE_SIZE) /* lowest address that is handed out */
#define READ  1u
#define WRITE 3u

/* Files are told apart by address; references are counted. */
static struct file *const files = (struct file *)0x1000;
static int references[2];

static struct file *file_number(size_t number)
{
	return (struct file *)((char *)files + number * 16);
}

struct file *file_get(struct file *file)
{
	references[((char *)file - (char *)files) / 16]++;
	return file;
}

void file_put(struct file *file)
{
	references[((char *)file - (char *)files) / 16]--;
}

static uint64_t at(uint64_t page)
{
	return BASE + page * PAGE_SIZE;
}

static void insert(uint64_t start, uint64_t end, uint32_t prot, struct file *file, uint64_t offset)
{
	struct vma vma = {.start = at(start),
	                  .end = at(end),
	                  .prot = prot,
	                  .flags = 2,
	                  .file = file ? file_get(file) : NULL,
	                  .offset = offset};

	cr_assert_eq(vma_insert(&vma), 0);
}

static void expect(size_t index, uint64_t start, uint64_t end)
{
	cr_assert_lt(index, vma_count());
	cr_assert_eq(vma_at(index)->start, at(start), "mapping %zu", index);
	cr_assert_eq(vma_at(index)->end, at(end), "mapping %zu", index);
}

Test(kit_vma, nothing_is_mapped)
{
	cr_assert_eq(vma_count(), 0);
	cr_assert_null(vma_find(0));
	cr_assert_null(vma_find(UINT64_MAX));
	cr_assert_not(vma_overlaps(0, UINT64_MAX));
	cr_assert_eq(vma_total(), 0);
	cr_assert_eq(vma_find_free(PAGE_SIZE, at(10), PAGE_SIZE), at(9));
}

Test(kit_vma, find_and_overlap_at_the_borders)
{
	insert(2, 4, READ, NULL, 0);
	insert(6, 7, READ, NULL, 0);
	cr_assert_null(vma_find(at(2) - 1));
	cr_assert_eq(vma_find(at(2)), vma_at(0));
	cr_assert_eq(vma_find(at(4) - 1), vma_at(0));
	cr_assert_null(vma_find(at(4)));
	cr_assert_eq(vma_find(at(6)), vma_at(1));
	cr_assert_not(vma_overlaps(at(4), at(6)));
	cr_assert(vma_overlaps(at(4), at(6) + 1));
	cr_assert(vma_overlaps(at(4) - 1, at(5)));
	cr_assert_not(vma_overlaps(at(7), UINT64_MAX));
	cr_assert_eq(vma_total(), 3 * PAGE_SIZE);
}

Test(kit_vma, equal_neighbours_join)
{
	insert(1, 2, READ, NULL, 0);
	insert(3, 4, READ, NULL, 0);
	insert(2, 3, READ, NULL, 0);
	cr_assert_eq(vma_count(), 1);
	expect(0, 1, 4);
}

Test(kit_vma, different_neighbours_do_not)
{
	insert(1, 2, READ, NULL, 0);
	insert(2, 3, WRITE, NULL, 0);
	insert(3, 4, WRITE, file_number(0), 0);
	insert(4, 5, WRITE, file_number(1), PAGE_SIZE);
	insert(5, 6, WRITE, file_number(1), 3 * PAGE_SIZE); /* not what follows in the file */
	cr_assert_eq(vma_count(), 5);
	insert(6, 7, WRITE, file_number(1), 4 * PAGE_SIZE);
	cr_assert_eq(vma_count(), 5);
	cr_assert_eq(references[0], 1);
	cr_assert_eq(references[1], 2);
}

Test(kit_vma, split_keeps_the_files_offset_and_counts_references)
{
	insert(0, 10, READ, file_number(0), 5 * PAGE_SIZE);
	cr_assert_eq(vma_reserve(2), 0);
	vma_split(at(4));
	cr_assert_eq(vma_count(), 2);
	expect(0, 0, 4);
	expect(1, 4, 10);
	cr_assert_eq(vma_at(1)->offset, 9 * PAGE_SIZE);
	cr_assert_eq(references[0], 2);
	vma_split(at(4));
	vma_split(at(0));
	vma_split(at(10));
	cr_assert_eq(vma_count(), 2, "borders are there already");
	vma_set_prot(at(0), at(10), READ);
	cr_assert_eq(vma_count(), 1, "alike again");
	cr_assert_eq(references[0], 1);
}

Test(kit_vma, remove_puts_references)
{
	insert(0, 2, READ, file_number(0), 0);
	insert(3, 5, READ, file_number(1), 0);
	insert(6, 8, READ, NULL, 0);
	vma_remove(at(0), at(5));
	cr_assert_eq(vma_count(), 1);
	expect(0, 6, 8);
	cr_assert_eq(references[0] + references[1], 0);
	vma_remove(at(0), at(6));
	vma_remove(at(8), at(PAGES));
	cr_assert_eq(vma_count(), 1);
}

Test(kit_vma, too_many_are_refused)
{
	struct vma one = {.end = PAGE_SIZE};

	for (uint64_t i = 0; i < VMA_MAX; i++) {
		one.start = at(2 * i);
		one.end = at(2 * i + 1);
		cr_assert_eq(vma_insert(&one), 0);
	}
	one.start = at(2 * VMA_MAX);
	one.end = at(2 * VMA_MAX + 1);
	cr_assert_eq(vma_insert(&one), -ENOMEM);
	cr_assert_eq(vma_reserve(1), -ENOMEM);
	cr_assert_eq(vma_count(), VMA_MAX);
}

/* What every page is: the model. */
static struct page {
	uint32_t prot; /* 0: not mapped */
	struct file *file;
	uint64_t offset;
} model[PAGES];

static bool is_mapped(uint64_t first, uint64_t end)
{
	for (uint64_t page = first; page < end; page++)
		if (model[page].prot)
			return true;
	return false;
}

static void check_pages(void)
{
	uint64_t total = 0;

	for (uint64_t page = 0; page < PAGES; page++) {
		const struct vma *vma = vma_find(at(page) + 7);

		total += model[page].prot ? PAGE_SIZE : 0;
		cr_assert_eq(vma != NULL, model[page].prot != 0, "page %lu", page);
		if (!vma)
			continue;
		cr_assert_eq(vma->prot, model[page].prot);
		cr_assert_eq(vma->file, model[page].file);
		if (vma->file)
			cr_assert_eq(vma->offset + (at(page) - vma->start), model[page].offset);
	}
	cr_assert_eq(vma_total(), total);
}

static void check_list(void)
{
	int counted[2] = {0};

	for (size_t i = 0; i < vma_count(); i++) {
		const struct vma *vma = vma_at(i);

		cr_assert_lt(vma->start, vma->end);
		cr_assert(i == 0 || vma_at(i - 1)->end <= vma->start);
		for (size_t number = 0; number < 2; number++)
			counted[number] += vma->file == file_number(number);
	}
	cr_assert_eq(memcmp(counted, references, sizeof counted), 0);
}

/* The highest free place, found by looking at every page. */
static void check_free(uint64_t length, uint64_t limit, uint64_t align)
{
	uint64_t expected = 0;

	for (uint64_t first = limit - length + 1; length <= limit && first-- > 0 && !expected;)
		if (at(first) % (align * PAGE_SIZE) == 0 && !is_mapped(first, first + length))
			expected = at(first);
	cr_assert_eq(vma_find_free(length * PAGE_SIZE, at(limit), align * PAGE_SIZE), expected,
	             "%lu pages below page %lu at multiples of %lu", length, limit, align);
}

static void change(uint64_t first, uint64_t end)
{
	uint32_t prot = random() % 2 ? READ : WRITE;

	cr_assert_eq(vma_reserve(2), 0);
	vma_split(at(first));
	vma_split(at(end));
	if (random() % 2) {
		vma_set_prot(at(first), at(end), prot);
		for (uint64_t page = first; page < end; page++)
			model[page].prot = model[page].prot ? prot : 0;
		return;
	}
	vma_remove(at(first), at(end));
	memset(&model[first], 0, (end - first) * sizeof model[0]);
}

static void map(uint64_t first, uint64_t end)
{
	struct file *file = random() % 3 ? file_number((size_t)random() % 2) : NULL;
	uint64_t offset = (uint64_t)random() % 4 ? first * PAGE_SIZE : 0;
	uint32_t prot = random() % 2 ? READ : WRITE;

	insert(first, end, prot, file, offset);
	for (uint64_t page = first; page < end; page++)
		model[page] = (struct page){prot, file, offset + (page - first) * PAGE_SIZE};
}

Test(kit_vma, random_operations_agree_with_a_model, .timeout = 60)
{
	srandom(5);
	for (int round = 0; round < 20000; round++) {
		uint64_t first = (uint64_t)random() % PAGES;
		uint64_t end = first + 1 + (uint64_t)random() % (random() % 8 ? 8 : 100);

		if (end > PAGES)
			end = PAGES;
		cr_assert_eq(vma_overlaps(at(first), at(end)), is_mapped(first, end));
		if (is_mapped(first, end))
			change(first, end);
		else
			map(first, end);
		check_list();
		if (round % 16)
			continue;
		check_pages();
		check_free(1 + (uint64_t)random() % 20, 1 + (uint64_t)random() % PAGES,
		           1ul << random() % 4);
	}
}
