/* SPDX-License-Identifier: Apache-2.0 */
/* What a program says about its mappings: madvise(2), mlock(2). */
#include <linux/errno.h>
#include <linux/mman.h>

#include "guestkit/address_space.h"
#include "guestkit/memory.h"
#include "guestkit/page_table.h"
#include "guestkit/patch.h"
#include "guestkit/populate.h"
#include "guestkit/write_back.h"

/* Freeing fewer pages is not worth a flush when the program may use them again. */
#define FREE_MINIMUM (64 * PAGE_SIZE)

static bool is_shared_memory(const struct vma *vma)
{
	return vma->flags & MAP_SHARED && !vma->file;
}

/* Drop what a private mapping holds: it reads as zeros, or as its file, again. */
static void drop_pages(uint64_t start, uint64_t end)
{
	for (size_t i = vma_index(start); i < vma_count() && vma_at(i)->start < end; i++) {
		const struct vma *vma = vma_at(i);
		uint64_t from = vma->start > start ? vma->start : start;
		uint64_t to = vma->end < end ? vma->end : end;

		/* The image's frames hold the only copy of its data. */
		if (vma->flags & VMA_IMAGE || is_shared_memory(vma))
			continue;
		(void)write_back_range(from, to);
		patch_forget(from, to);
		/* This may not fail: without memory to split a huge page, zeros must do. */
		if (page_table_cut(from) && page_table_cut(to))
			page_table_clear(from, to);
		else
			page_table_zero(from, to);
	}
}

/* What the advice needs of each mapping: 0, or the errno that Linux gives. */
static int check_mapping(const struct vma *vma, int advice)
{
	switch (advice) {
	case MADV_FREE:
	case MADV_WIPEONFORK: return vma->file || vma->flags & MAP_SHARED ? -EINVAL : 0;
	case MADV_POPULATE_READ: return vma->prot ? 0 : -EINVAL;
	case MADV_POPULATE_WRITE: return vma->prot & PROT_WRITE ? 0 : -EINVAL;
	default: return 0;
	}
}

static void apply(uint64_t start, uint64_t end, int advice)
{
	switch (advice) {
	case MADV_DONTNEED: drop_pages(start, end); break;
	case MADV_FREE:
		if (end - start >= FREE_MINIMUM)
			drop_pages(start, end);
		break;
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE: populate_new(start, end, true); break;
	default: break;
	}
}

static bool is_known(int advice)
{
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_FREE:
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
	/* Nothing to do: */
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_WILLNEED:
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_COLLAPSE:
	case MADV_DONTDUMP:
	case MADV_DODUMP:
	case MADV_COLD:
	case MADV_PAGEOUT: return true;
	default: return false;
	}
}

int address_space_advise(uint64_t start, uint64_t length, int advice)
{
	uint64_t end = start + page_round_up(length);
	bool is_populating = advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE;
	int status = 0;

	if (!is_known(advice) || start % PAGE_SIZE || page_round_up(length) < length || end < start)
		return -EINVAL;
	/* Mapping by mapping; a hole is told in the end, but stops populating. */
	while (start < end) {
		const struct vma *vma;
		size_t index = vma_index(start);
		uint64_t to;

		if (index == vma_count() || vma_at(index)->start >= end)
			return -ENOMEM;
		vma = vma_at(index);
		if (vma->start > start) {
			if (is_populating)
				return -ENOMEM;
			status = -ENOMEM;
			start = vma->start;
		}
		if (check_mapping(vma, advice))
			return check_mapping(vma, advice);
		to = vma->end < end ? vma->end : end;
		apply(start, to, advice);
		start = to;
	}
	return status;
}

int address_space_lock(uint64_t start, uint64_t length, bool populate)
{
	uint64_t end = page_round_up(start + length);

	start &= PAGE_MASK;
	if (end < start)
		return -EINVAL;
	if (!vma_covers(start, end))
		return -ENOMEM;
	if (populate)
		populate_new(start, end, true);
	return 0;
}
