/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pages of guest memory a traced guest used, and which the host backs, and since when.
 *
 * How it works. Two things are looked at, since neither says all. The accessed bits of the guest's
 * page tables, which a traced run leaves clear, say what the guest used, but not through the direct
 * map, whose pages are large. /proc/self/pagemap says what the host backs: also what mote wrote
 * itself, and what the host brought in beside what was asked for. Both are read at exits, so "when"
 * is known to lie between two of these.
 *
 * Page tables are the guest's: the walk reads each table once, checks where it lies, and gives up
 * after TABLES_MAX of them.
 */
#include "vmm/trace_pages.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/page_tables.h"

#define PAGEMAP_PRESENT (1ull << 63)
#define CHUNK           512 /* pagemap entries read at once */
#define ENTRIES         512 /* of a table */
#define LEVELS          4
#define TABLES_MAX      16384
#define PAGE_IS_HUGE    1ull /* in va, which is of a whole page */

int trace_pages_prepare(struct trace_pages *pages, const struct guest_memory *memory,
                        const uint64_t *end, int pagemap_fd, struct mote_error *err)
{
	size_t size = memory->size / MOTE_PAGE_SIZE * sizeof *pages->page;

	/* Zeros that cost the host nothing until they are used. */
	pages->page = mmap(NULL, size, PROT_READ | PROT_WRITE,
	                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (pages->page == MAP_FAILED)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "no memory for a trace");
	pages->memory = memory;
	pages->end = end;
	pages->pagemap_fd = pagemap_fd;
	return 0;
}

void trace_pages_close(struct trace_pages *pages)
{
	if (pages->memory)
		munmap(pages->page, pages->memory->size / MOTE_PAGE_SIZE * sizeof *pages->page);
	pages->memory = NULL;
}

static void note_used(struct trace_pages *pages, uint64_t gpa, uint64_t va, uint32_t count)
{
	struct trace_page *page;

	if (gpa >= pages->memory->size)
		return;
	page = &pages->page[gpa / MOTE_PAGE_SIZE];
	if (page->used)
		return;
	page->used = pages->sample;
	page->va = va | (count > 1 ? PAGE_IS_HUGE : 0);
}

/* What is mapped for its own sake: not the direct map, and not the root image, which is no RAM. */
static bool is_own_mapping(uint64_t va)
{
	return va < MOTE_USER_END || va >= MOTE_WINDOW_VA;
}

/* @va: of the table's first entry. Returns what is left of @budget. */
static unsigned look_at_table(struct trace_pages *pages, uint64_t table, int level, uint64_t va,
                              unsigned budget)
{
	uint64_t entries[ENTRIES], size = MOTE_PAGE_SIZE << 9 * level;

	if (!budget || guest_read(pages->memory, (mote_gpa_t){table}, entries, sizeof entries))
		return 0;
	budget--;
	for (uint64_t i = 0; i < ENTRIES && budget; i++) {
		uint64_t entry = entries[i], at = va + i * size;
		bool is_page = level == 0 || entry & PTE_HUGE;

		if (!(entry & PTE_PRESENT))
			continue;
		if (level == LEVELS - 1 && i >= ENTRIES / 2)
			at |= 0xffff000000000000u;
		if (!is_page)
			budget = look_at_table(pages, entry & PTE_ADDRESS, level - 1, at, budget);
		else if (level <= 1 && entry & PTE_ACCESSED && is_own_mapping(at))
			note_used(pages, entry & PTE_ADDRESS, at, level ? TRACE_HUGE_PAGES : 1);
	}
	return budget;
}

/* #syscalls:run pread64 */
static void look_at_backing(struct trace_pages *pages)
{
	uint64_t first = (uint64_t)pages->memory->host / MOTE_PAGE_SIZE;
	uint64_t count = *pages->end / MOTE_PAGE_SIZE;
	uint64_t entries[CHUNK];

	for (uint64_t at = 0; pages->pagemap_fd >= 0 && at < count; at += CHUNK) {
		uint64_t some = count - at < CHUNK ? count - at : CHUNK;

		if (pread(pages->pagemap_fd, entries, some * 8, (off_t)((first + at) * 8)) !=
		    (ssize_t)(some * 8))
			return;
		for (uint64_t i = 0; i < some; i++)
			if (entries[i] & PAGEMAP_PRESENT && !pages->page[at + i].backed)
				pages->page[at + i].backed = pages->sample;
	}
}

void trace_pages_sample(struct trace_pages *pages)
{
	pages->sample++;
	look_at_backing(pages);
	/* Before the guest has run, nothing was used by it. */
	if (pages->sample > 1 && pages->root)
		look_at_table(pages, pages->root, LEVELS - 1, 0, TABLES_MAX);
}

/* Whether the host backs @page now. */
static bool is_backed(const struct trace_pages *pages, uint64_t page)
{
	uint64_t entry;
	off_t at = (off_t)(((uint64_t)pages->memory->host / MOTE_PAGE_SIZE + page) * 8);

	return pread(pages->pagemap_fd, &entry, sizeof entry, at) == sizeof entry &&
	       entry & PAGEMAP_PRESENT;
}

void trace_pages_report(const struct trace_pages *pages,
                        void (*emit)(void *ctx, const struct trace_record *record), void *ctx)
{
	uint64_t count = *pages->end / MOTE_PAGE_SIZE;

	for (uint64_t i = 0; i < count; i++) {
		const struct trace_page *page = &pages->page[i];
		struct trace_record record = {.kind = TRACE_PAGE};

		if (!page->used && !page->backed)
			continue;
		record.code = (page->backed == 1 ? TRACE_PAGE_BEFORE : 0) |
		              (page->used ? TRACE_PAGE_USED : 0) |
		              (is_backed(pages, i) ? TRACE_PAGE_BACKED : 0);
		record.word[0] = i * MOTE_PAGE_SIZE;
		record.word[1] = page->va & ~PAGE_IS_HUGE;
		record.word[2] = page->used;
		record.word[3] = page->backed;
		record.word[4] = page->va & PAGE_IS_HUGE ? TRACE_HUGE_PAGES : 1;
		emit(ctx, &record);
	}
}
