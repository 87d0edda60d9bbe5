/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program uses, before a snapshot: where starts from it have it at few faults.
 *
 * How it works
 *
 * A start from a snapshot touches what the program has, page by page, and each page is a fault in
 * KVM. Of a program that runs, most memory was taken in small pieces, a few hundred KiB at a time,
 * so its frames lie anywhere. A snapshot is the moment to move them: what fills 2 MiB goes to
 * frames in a row, behind one entry. Then the VMM can put 2 MiB into place by one page of the
 * host's, KVM maps it at one fault, and the CPU needs one entry of its TLB for it.
 *
 * Only whole 2 MiB inside one mapping are moved. So a huge page never lies under two of them, nor
 * under memory that is mapped ahead, and a request that begins with a reset unmaps what it has
 * mapped without a huge page to split.
 *
 * Pages of the root image are the host's, and KVM maps them one by one, where it maps eight pages
 * of RAM at one fault, if all are there. So what the program has used of the image, several pages
 * of eight, is copied to RAM: then it belongs to the snapshot, and to its working set if the first
 * start uses it again. What was used the accessed bits say, which populate.c leaves to the
 * processor; behind a snapshot they are set, since requests are to write no page tables.
 */
#include "guestkit/gather.h"

#include <linux/mman.h>

#include "guestkit/machine.h"
#include "guestkit/page_table.h"
#include "guestkit/pages.h"
#include "guestkit/populate.h"
#include "guestkit/vma.h"

#define HUGE_MOST   16   /* 2 MiB pages: moving one takes a millisecond */
#define COPIES_MOST 2048 /* pages of the root image */
#define SHARE       16   /* of free memory, no more than that at a time */
#define GROUP       8    /* entries that KVM looks at when one of them faults */

static bool is_spare(size_t frames)
{
	return page_free_count() / SHARE >= frames;
}

static void gather_anonymous(void)
{
	unsigned left = HUGE_MOST;

	for (size_t i = 0; i < vma_count(); i++) {
		const struct vma *vma = vma_at(i);
		uint64_t va = (vma->start + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1);

		if (vma->file || vma->flags & (MAP_SHARED | VMA_STACK | VMA_IMAGE))
			continue;
		for (; va + HUGE_SIZE <= vma->end; va += HUGE_SIZE) {
			if (!left || !is_spare(HUGE_PAGES))
				return;
			left -= page_table_gather(va);
		}
	}
}

static bool is_of_root(uint64_t entry)
{
	return entry & PTE_PRESENT && !(entry & PTE_OWNED) &&
	       (entry & PTE_ADDRESS) >= machine.ram_end;
}

/* Entries of the pages [va, end) of a mapping, all of one group: how many of the image were used.
 */
static unsigned take_used(uint64_t *entries, size_t count)
{
	unsigned used = 0;

	for (size_t i = 0; i < count; i++) {
		if (!is_of_root(entries[i]))
			continue;
		used += (entries[i] & PTE_ACCESSED) != 0;
		if (!machine.trace)
			entries[i] |= PTE_ACCESSED;
	}
	return used;
}

/* Copy what a group has of the image: how many pages. */
static size_t copy_group(const struct vma *vma, uint64_t va, const uint64_t *entries, size_t count)
{
	size_t copied = 0;

	for (size_t i = 0, end; i < count; i = end + 1) {
		for (end = i; end < count && is_of_root(entries[end]); end++)
			;
		if (end > i && is_spare(GROUP) &&
		    populate_copies(vma, va + i * PAGE_SIZE, va + end * PAGE_SIZE))
			copied += end - i;
	}
	return copied;
}

/* Return: how many pages may be copied still, of @left. */
static size_t gather_file(const struct vma *vma, size_t left)
{
	bool may_copy = !(vma->flags & MAP_SHARED) && vma->prot;

	for (uint64_t va = vma->start, end; va < vma->end; va = end) {
		uint64_t *entries = page_table_entry(va, false);
		size_t count;

		end = (va | (GROUP * PAGE_SIZE - 1)) + 1;
		end = end < vma->end ? end : vma->end;
		count = (end - va) / PAGE_SIZE;
		if (entries && take_used(entries, count) > 1 && may_copy && left >= count)
			left -= copy_group(vma, va, entries, count);
	}
	return left;
}

void gather_memory(bool is_running)
{
	static bool is_done;
	/* A second time, bytes would move that a snapshot may have already, as the base of this. */
	bool may_move = is_running && !is_done;
	size_t left = may_move ? COPIES_MOST : 0;

	is_done |= is_running;
	if (may_move)
		gather_anonymous();
	for (size_t i = 0; i < vma_count(); i++)
		if (vma_at(i)->file)
			left = gather_file(vma_at(i), left);
}
