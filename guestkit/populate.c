/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives frames to mapped pages: at mmap for small mappings, at a page fault a window at a time.
 *
 * A page fault costs 20 to 30 us where CPL 0 is emulated, an entry in a page table nanoseconds, and
 * a frame that nobody touches costs the host nothing. So frames are handed out in advance as long
 * as the guest has plenty, in runs that are physically contiguous, which lets the host back several
 * at one fault. Big anonymous mappings get 2 MiB pages: one fault of the host for 512 pages.
 */
#include "guestkit/populate.h"

#include <linux/mman.h>

#include "guestkit/address_space.h"
#include "guestkit/libc-shim/vfs.h"
#include "guestkit/machine.h"
#include "guestkit/page_table.h"
#include "guestkit/pages.h"
#include "guestkit/process_end.h"
#include "guestkit/retired.h"
#include "guestkit/string.h"

#define EAGER_PAGES  256 /* 1 MiB at mmap */
#define WINDOW_PAGES 64  /* 256 KiB at a fault */
#define FILE_WINDOW  16
#define HUGE_MINIMUM (2 * HUGE_SIZE) /* of a mapping, for 2 MiB pages */

/* Page-fault error code bits (SDM vol. 3, 4.7). */
#define ERROR_PRESENT 1u
#define ERROR_WRITE   2u
#define ERROR_FETCH   16u

#define ENTRY_BASE (PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY)

uint64_t populate_rights(uint32_t prot)
{
	return (prot & PROT_WRITE ? PTE_WRITABLE : 0) | (prot & PROT_EXEC ? 0 : PTE_NO_EXEC);
}

/* Where the kit reads a frame of a file: RAM through the direct map, else the root image. */
static const void *file_frame(uint64_t physical)
{
	return physical < machine.ram_end
	               ? direct_map(physical)
	               : (const void *)(MOTE_ROOT_VA + (physical - machine.root_physical));
}

/* How many pages may be given in advance with memory as it is now. */
static size_t spare_pages(size_t wanted)
{
	size_t spare = page_free_count() / 16;

	return wanted < spare ? wanted : spare;
}

/* Absent entries in a row from @va, at most @most: their number; *entry is the first. */
static size_t absent_run(uint64_t va, uint64_t end, size_t most, uint64_t **entry)
{
	size_t count = 0;

	*entry = page_table_entry(va, true);
	if (!*entry)
		return 0;
	while (count < most && va + count * PAGE_SIZE < end && !((*entry)[count] & PTE_PRESENT)) {
		count++;
		if ((va / PAGE_SIZE + count) % HUGE_PAGES == 0)
			break; /* the next entry is in another table */
	}
	return count;
}

/* Zeroed frames for the absent pages of [va, end), in runs. Return false when memory is short. */
static bool fill_anonymous(uint64_t va, uint64_t end, uint64_t rights)
{
	while (va < end) {
		uint64_t *entry;
		uint64_t physical = 0, size;
		size_t count;

		if (*page_table_look(va, &size) & PTE_HUGE && size > PAGE_SIZE) {
			va = (va & ~(size - 1)) + size;
			continue;
		}
		count = absent_run(va, end, (end - va) / PAGE_SIZE, &entry);
		if (!entry)
			return false;
		if (!count) {
			va += PAGE_SIZE;
			continue;
		}
		for (; count; count /= 2) {
			physical = page_alloc_zeroed(count);
			if (physical)
				break;
		}
		if (!physical)
			return false;
		for (size_t i = 0; i < count; i++)
			entry[i] = (physical + i * PAGE_SIZE) | ENTRY_BASE | PTE_OWNED | rights;
		va += count * PAGE_SIZE;
	}
	return true;
}

/* One page of a file mapping: the file's own frame, or a private copy of it. */
static enum fault_result fill_file_page(const struct vma *vma, uint64_t va, bool is_write)
{
	bool is_shared = vma->flags & MAP_SHARED;
	uint64_t index = (va - vma->start + vma->offset) / PAGE_SIZE;
	uint64_t rights = populate_rights(vma->prot);
	uint64_t *entry = page_table_entry(va, true);
	uint64_t physical = 0, copy;

	if (!entry)
		end_out_of_memory();
	if (index >= page_round_up(vma->file->inode->size) / PAGE_SIZE &&
	    (vma->file->inode->mode & 0170000) == 0100000)
		return FAULT_BEYOND_FILE;
	if (vma->file->ops->page(vma->file, index, is_shared, &physical))
		return FAULT_BEYOND_FILE;
	if (is_shared || (physical && !is_write)) {
		*entry = physical | ENTRY_BASE | (is_shared ? rights : rights & ~PTE_WRITABLE);
		return FAULT_RESOLVED;
	}
	copy = physical ? page_alloc(1) : page_alloc_zeroed(1);
	if (!copy)
		end_out_of_memory();
	if (physical)
		memcpy(direct_map(copy), file_frame(physical), PAGE_SIZE);
	if (*entry &
	    PTE_PRESENT) { /* the file's frame was there, read-only: another one replaces it */
		*entry = 0;
		page_table_flush();
	}
	*entry = copy | ENTRY_BASE | PTE_OWNED | rights;
	return FAULT_RESOLVED;
}

bool populate_private_code(uint64_t address)
{
	const struct vma *vma = vma_find(address);

	return vma && vma->file && !(vma->flags & MAP_SHARED) &&
	       (vma->prot & (PROT_WRITE | PROT_EXEC)) == PROT_EXEC && spare_pages(1) &&
	       fill_file_page(vma, address & PAGE_MASK, true) == FAULT_RESOLVED;
}

/* The neighbours of a page of a file, for reading: no frame of ours is spent on them. */
static void read_around(const struct vma *vma, uint64_t address)
{
	uint64_t start = address & ~(FILE_WINDOW * PAGE_SIZE - 1);
	uint64_t end = start + FILE_WINDOW * PAGE_SIZE;
	uint64_t size;

	start = start > vma->start ? start : vma->start;
	end = end < vma->end ? end : vma->end;
	for (uint64_t va = start; va < end; va += PAGE_SIZE) {
		uint64_t index = (va - vma->start + vma->offset) / PAGE_SIZE;
		uint64_t physical = 0;
		uint64_t *entry;

		if (*page_table_look(va, &size) & PTE_PRESENT ||
		    index >= page_round_up(vma->file->inode->size) / PAGE_SIZE ||
		    vma->file->ops->page(vma->file, index, false, &physical) || !physical)
			continue;
		entry = page_table_entry(va, true);
		if (!entry)
			return;
		*entry = physical | ENTRY_BASE | (populate_rights(vma->prot) & ~PTE_WRITABLE);
	}
}

static bool try_huge(const struct vma *vma, uint64_t address)
{
	uint64_t start = address & ~(HUGE_SIZE - 1);
	uint64_t physical;

	if (vma->end - vma->start < HUGE_MINIMUM || start < vma->start ||
	    start + HUGE_SIZE > vma->end || spare_pages(HUGE_PAGES) < HUGE_PAGES)
		return false;
	physical = page_alloc_aligned(HUGE_PAGES, HUGE_PAGES);
	if (!physical)
		return false;
	if (!page_table_map_huge(start,
	                         physical | ENTRY_BASE | PTE_OWNED | populate_rights(vma->prot))) {
		page_free(physical, HUGE_PAGES);
		return false;
	}
	page_clear(physical, HUGE_PAGES);
	return true;
}

static void fault_anonymous(const struct vma *vma, uint64_t address)
{
	uint64_t rights = populate_rights(vma->prot);
	uint64_t page = address & PAGE_MASK;
	size_t window = spare_pages(WINDOW_PAGES);
	uint64_t start, end;

	if (try_huge(vma, address))
		return;
	if (!fill_anonymous(page, page + PAGE_SIZE, rights))
		end_out_of_memory();
	if (window < WINDOW_PAGES)
		return;
	start = page & ~(WINDOW_PAGES * PAGE_SIZE - 1);
	end = start + WINDOW_PAGES * PAGE_SIZE;
	fill_anonymous(start > vma->start ? start : vma->start, end < vma->end ? end : vma->end,
	               rights);
}

/* The entry permits what faulted: the CPU had an older one, since widening does not flush (SDM vol.
 * 3, 4.10.4.3). */
static bool is_allowed(uint64_t address, uint64_t error)
{
	uint64_t size;
	uint64_t entry = *page_table_look(address, &size);

	return entry & PTE_PRESENT && entry & PTE_USER &&
	       (!(error & ERROR_WRITE) || entry & PTE_WRITABLE) &&
	       (!(error & ERROR_FETCH) || !(entry & PTE_NO_EXEC));
}

enum fault_result address_space_fault(uint64_t address, uint64_t error)
{
	const struct vma *vma = address < MOTE_USER_END ? vma_find(address) : NULL;
	bool is_write = error & ERROR_WRITE;
	uint32_t needed = is_write ? PROT_WRITE : error & ERROR_FETCH ? PROT_EXEC : PROT_READ;
	enum fault_result result;

	if (retired_is_reserved)
		retired_settle();
	if (!vma)
		return FAULT_NOT_MAPPED;
	/* x86 has no write-only and no execute-only pages. */
	if (!(vma->prot & needed) && !(needed == PROT_READ && vma->prot))
		return FAULT_PROTECTED;
	if (error & ERROR_PRESENT && is_allowed(address, error))
		return FAULT_RESOLVED;
	if (!vma->file) {
		if (error & ERROR_PRESENT)
			return FAULT_PROTECTED;
		fault_anonymous(vma, address);
		return FAULT_RESOLVED;
	}
	result = fill_file_page(vma, address & PAGE_MASK, is_write);
	if (result == FAULT_RESOLVED && !is_write && !(vma->flags & MAP_SHARED))
		read_around(vma, address);
	return result;
}

void populate_new(uint64_t start, uint64_t end, bool all)
{
	for (size_t i = vma_index(start); i < vma_count() && vma_at(i)->start < end; i++) {
		struct vma vma = *vma_at(i);
		uint64_t from = vma.start > start ? vma.start : start;
		uint64_t to = vma.end < end ? vma.end : end;
		size_t most = all ? page_free_count() / 2 : spare_pages(EAGER_PAGES);

		if (vma.file || !vma.prot)
			continue;
		if ((to - from) / PAGE_SIZE > most) {
			if (!all)
				continue;
			to = from + most * PAGE_SIZE;
		}
		fill_anonymous(from, to, populate_rights(vma.prot));
	}
}
