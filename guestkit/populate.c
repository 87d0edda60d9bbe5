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
#include "guestkit/write_back.h"

#define EAGER_PAGES      256 /* 1 MiB at mmap */
#define EAGER_FILE_PAGES 512 /* of a private mapping of a file */
#define WINDOW_PAGES     64  /* 256 KiB at a fault */
#define COPY_WINDOW      8   /* pages of a file copied at a fault: KVM brings in as many at once */
#define HUGE_MINIMUM     (2 * HUGE_SIZE) /* of a mapping, for 2 MiB pages */

/* Page-fault error code bits (SDM vol. 3, 4.7). */
#define ERROR_PRESENT 1u
#define ERROR_WRITE   2u
#define ERROR_FETCH   16u

/* A trace wants to know what is used: then the accessed bit is the processor's to set. */
#define ENTRY_BASE (PTE_PRESENT | PTE_USER | PTE_DIRTY | (machine.trace ? 0 : PTE_ACCESSED))

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
	size_t spare;

	pages_collect(false);
	spare = page_available_count() / 16;
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

/* Is there more of the file at @index, as Linux sees it: by its size, if it is a regular one? */
static bool is_in_file(const struct vma *vma, uint64_t index)
{
	const struct inode *inode = vma->file->inode;

	return index < page_round_up(inode->size) / PAGE_SIZE || (inode->mode & 0170000) != 0100000;
}

static uint64_t file_index(const struct vma *vma, uint64_t va)
{
	return (va - vma->start + vma->offset) / PAGE_SIZE;
}

/* The frame of the file at @va itself, so that nothing is copied: false if there is none (yet). */
static bool show_file_page(const struct vma *vma, uint64_t va, bool is_write)
{
	bool is_shared = vma->flags & MAP_SHARED;
	uint64_t rights = populate_rights(vma->prot), physical = 0, *entry;
	uint64_t index = file_index(vma, va);
	int (*page)(struct file *, uint64_t, bool, uint64_t *) = vma->file->ops->page;

	/* What may be written through the mapping must be the file's own, and so must what fills a
	 * hole for all that share it. */
	if (!is_in_file(vma, index) ||
	    page(vma->file, index, is_shared && vma->prot & PROT_WRITE, &physical) ||
	    (!physical && (!is_shared || page(vma->file, index, true, &physical))))
		return false;
	entry = page_table_entry(va, true);
	if (!entry)
		return false;
	*entry = physical | ENTRY_BASE | (is_shared ? rights : rights & ~PTE_WRITABLE);
	if (!is_write && write_back_is_for(vma))
		*entry &= ~PTE_DIRTY;
	/* KVM or the processor marks what is used, as part of a fault: gather.c wants to know. */
	if (physical >= machine.ram_end)
		*entry &= ~PTE_ACCESSED;
	return true;
}

bool populate_copies(const struct vma *vma, uint64_t va, uint64_t end)
{
	size_t count = (end - va) / PAGE_SIZE;
	uint64_t rights = populate_rights(vma->prot), *entry = page_table_entry(va, true);
	uint64_t copies = entry ? page_alloc(count) : 0;
	bool is_replaced = false;
	size_t done = 0;

	if (!copies)
		return false;
	for (; done < count; done++) {
		uint64_t physical = 0, copy = copies + done * PAGE_SIZE;
		uint64_t index = file_index(vma, va + done * PAGE_SIZE);

		if (!is_in_file(vma, index) ||
		    vma->file->ops->page(vma->file, index, false, &physical))
			break;
		if (physical)
			memcpy(direct_map(copy), file_frame(physical), PAGE_SIZE);
		else
			page_clear(copy, 1);
		is_replaced |= entry[done] & PTE_PRESENT;
		entry[done] = 0;
	}
	if (is_replaced)
		page_table_flush();
	for (size_t i = 0; i < done; i++)
		entry[i] = (copies + i * PAGE_SIZE) | ENTRY_BASE | PTE_OWNED | rights;
	if (done < count)
		page_free(copies + done * PAGE_SIZE, count - done);
	return done;
}

/* One page of a file mapping: the file's own frame, or a private copy of it. */
static enum fault_result fill_file_page(const struct vma *vma, uint64_t va, bool is_write)
{
	if (!is_in_file(vma, file_index(vma, va)))
		return FAULT_BEYOND_FILE;
	if ((!is_write || vma->flags & MAP_SHARED) && show_file_page(vma, va, is_write))
		return FAULT_RESOLVED;
	if (vma->flags & MAP_SHARED)
		return FAULT_BEYOND_FILE;
	if (populate_copies(vma, va, va + PAGE_SIZE))
		return FAULT_RESOLVED;
	if (!page_free_count())
		end_out_of_memory();
	return FAULT_BEYOND_FILE;
}

bool populate_private_code(uint64_t address)
{
	const struct vma *vma = vma_find(address);

	return vma && vma->file && !(vma->flags & MAP_SHARED) &&
	       (vma->prot & (PROT_WRITE | PROT_EXEC)) == PROT_EXEC && spare_pages(1) &&
	       fill_file_page(vma, address & PAGE_MASK, true) == FAULT_RESOLVED;
}

static bool is_absent(uint64_t va)
{
	uint64_t size;

	return !(*page_table_look(va, &size) & PTE_PRESENT);
}

/* Pages of a file that are not there, for reading: no frame of ours is spent on them. */
static void show_file(const struct vma *vma, uint64_t start, uint64_t end)
{
	for (uint64_t va = start; va < end; va += PAGE_SIZE)
		if (is_absent(va))
			show_file_page(vma, va, false);
}

/* The part of [address's aligned window of @count pages that a mapping has. */
static void window_of(const struct vma *vma, uint64_t address, uint64_t count, uint64_t *start,
                      uint64_t *end)
{
	uint64_t window = count * PAGE_SIZE;

	*start = address & ~(window - 1);
	*end = *start + window;
	*start = *start > vma->start ? *start : vma->start;
	*end = *end < vma->end ? *end : vma->end;
}

/* Does the page show what programs hardly ever change? A copy of another page would miss what is
 * written to the file before the program writes to the page. */
static bool is_of_image(const struct vma *vma, uint64_t va)
{
	uint64_t physical = 0;

	return !vma->file->ops->page(vma->file, file_index(vma, va), false, &physical) &&
	       physical >= machine.ram_end;
}

static bool is_copied(uint64_t va)
{
	uint64_t size;

	return *page_table_look(va, &size) & PTE_OWNED;
}

/* Where pages from @va on end that have not been copied, within one page table. */
static uint64_t uncopied_end(uint64_t va, uint64_t end)
{
	uint64_t table_end = (va | (HUGE_SIZE - 1)) + 1;

	end = end < table_end ? end : table_end;
	while (va < end && !is_copied(va))
		va += PAGE_SIZE;
	return va;
}

/* The pages behind one that was copied at a write. */
static void copy_on(const struct vma *vma, uint64_t address)
{
	uint64_t start, end;

	window_of(vma, address, COPY_WINDOW, &start, &end);
	start = (address & PAGE_MASK) + PAGE_SIZE;
	end = uncopied_end(start, end);
	if (start < end && is_of_image(vma, start) && spare_pages(COPY_WINDOW) == COPY_WINDOW)
		populate_copies(vma, start, end);
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
	if (result == FAULT_RESOLVED && !(vma->flags & MAP_SHARED)) {
		uint64_t start, end;

		window_of(vma, address, HUGE_PAGES, &start, &end); /* one page table */
		if (is_write)
			copy_on(vma, address);
		else
			show_file(vma, start, end);
	}
	return result;
}

/* A private mapping of a file: what a program writes to is copied at once, the rest is shown. */
static void fill_file(const struct vma *vma, uint64_t start, uint64_t end)
{
	bool is_writable = vma->prot & PROT_WRITE;

	if (vma->flags & MAP_SHARED || (end - start) / PAGE_SIZE > spare_pages(EAGER_FILE_PAGES))
		return;
	if (!is_writable)
		show_file(vma, start, end);
	while (is_writable && start < end) {
		uint64_t part = uncopied_end(start, end);

		if (start < part &&
		    (!is_of_image(vma, start) || !populate_copies(vma, start, part)))
			break;
		start = part > start ? part : start + PAGE_SIZE;
	}
}

void populate_new(uint64_t start, uint64_t end, bool all)
{
	for (size_t i = vma_index(start); i < vma_count() && vma_at(i)->start < end; i++) {
		struct vma vma = *vma_at(i);
		uint64_t from = vma.start > start ? vma.start : start;
		uint64_t to = vma.end < end ? vma.end : end;
		size_t most = all ? page_free_count() / 2 : spare_pages(EAGER_PAGES);

		if (!vma.prot)
			continue;
		if (vma.file) {
			fill_file(&vma, from, to);
			continue;
		}
		if ((to - from) / PAGE_SIZE > most) {
			if (!all)
				continue;
			to = from + most * PAGE_SIZE;
		}
		fill_anonymous(from, to, populate_rights(vma.prot));
	}
}

bool populate_plain(uint64_t start, uint64_t end)
{
	return fill_anonymous(start, end, populate_rights(PROT_READ | PROT_WRITE));
}
