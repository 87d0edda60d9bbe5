/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared mappings of files whose frames are copies: what was written through them goes back.
 *
 * How it works
 *
 * The CPU marks a page-table entry dirty when it writes through it (SDM vol. 3, 4.8). The entries
 * of such a mapping begin without that mark (populate.c), so those that have it since are the pages
 * to be stored: nothing else remembers them. So whoever takes such entries away comes here first.
 * An entry loses its mark before its page is stored and the TLB is flushed before the program runs
 * again, so that the next write sets it anew.
 */
#include "guestkit/write_back.h"

#include "guestkit/page_table.h"

bool write_back_is_needed;

/* If the page at @va was written to, forget that. */
static bool take_mark(uint64_t va)
{
	uint64_t size, *entry = (uint64_t *)(size_t)page_table_look(va, &size);

	if ((*entry & (PTE_PRESENT | PTE_DIRTY)) != (PTE_PRESENT | PTE_DIRTY))
		return false;
	__atomic_fetch_and(entry, ~PTE_DIRTY, __ATOMIC_RELAXED);
	return true;
}

/* Store what was written to in [start, end) of a mapping. The file system may not sleep, so the
 * mapping stays. */
static int write_part(const struct vma *vma, uint64_t start, uint64_t end, bool *has_taken)
{
	int status = 0;

	while (start < end) {
		uint64_t first = (vma->offset + (start - vma->start)) / PAGE_SIZE, count = 0;

		while (start < end && take_mark(start)) {
			start += PAGE_SIZE;
			count++;
		}
		if (count) {
			int result = vma->file->ops->write_back(vma->file, first, count);

			status = status ? status : result;
			*has_taken = true;
		} else {
			start += PAGE_SIZE;
		}
	}
	return status;
}

/* The same for [start, end) of all mappings, or of those of one file. */
static int write_all(const struct inode *inode, uint64_t start, uint64_t end)
{
	bool has_taken = false;
	int status = 0;

	if (!write_back_is_needed)
		return 0;
	for (size_t i = vma_index(start); i < vma_count() && vma_at(i)->start < end; i++) {
		const struct vma vma = *vma_at(i);
		int result;

		if (!write_back_is_for(&vma) || (inode && vma.file->inode != inode))
			continue;
		result = write_part(&vma, vma.start > start ? vma.start : start,
		                    vma.end < end ? vma.end : end, &has_taken);
		status = status ? status : result;
	}
	if (has_taken)
		page_table_flush();
	return status;
}

int write_back_range(uint64_t start, uint64_t end)
{
	return write_all(NULL, start, end);
}

int memory_file_write_back(struct inode *inode)
{
	return write_all(inode, 0, MOTE_USER_END);
}

int memory_write_back_all(void)
{
	return write_all(NULL, 0, MOTE_USER_END);
}

bool memory_file_is_mapped(const struct inode *inode)
{
	for (size_t i = 0; i < vma_count(); i++)
		if (vma_at(i)->file && vma_at(i)->file->inode == inode)
			return true;
	return false;
}
