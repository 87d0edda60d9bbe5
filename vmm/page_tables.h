/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the guest's first page tables, before it runs; after that only the guest writes them. */
#ifndef MOTE_VMM_PAGE_TABLES_H
#define MOTE_VMM_PAGE_TABLES_H

#include "vmm/guest_memory.h"

/* x86-64 page-table entry bits (Intel SDM vol. 3, 4.5). */
#define PTE_PRESENT  (1UL << 0)
#define PTE_WRITABLE (1UL << 1)
#define PTE_USER     (1UL << 2)
#define PTE_ACCESSED (1UL << 5)
#define PTE_DIRTY    (1UL << 6)
#define PTE_HUGE     (1UL << 7)
#define PTE_NO_EXEC  (1UL << 63)
#define PTE_ADDRESS  0x000ffffffffff000UL

struct page_tables {
	const struct guest_memory *memory;
	uint64_t root;  /* guest-physical */
	uint64_t *next; /* guest-physical address of the next unused page; shared with the caller */
	bool track_access; /* leave accessed bits to the CPU, for --stats */
};

/**
 * page_tables_create() - Make an empty root table.
 * @next: bump pointer to unused, zero guest pages; tables are taken from it
 */
int page_tables_create(struct page_tables *tables, const struct guest_memory *memory,
                       uint64_t *next, struct mote_error *err);

/**
 * page_tables_map() - Map [va, va + length) to [pa, pa + length), 2 MiB at a time where it aligns.
 * @va, @pa, @length: page-aligned; @va canonical
 * @flags: PTE_WRITABLE, PTE_USER, PTE_NO_EXEC; the rest is set here. Accessed and dirty are set in
 *	   advance, so that the CPU does not write them under nested paging.
 *
 * Fails when a page is mapped already, or RAM for tables runs out.
 */
int page_tables_map(struct page_tables *tables, uint64_t va, uint64_t pa, uint64_t length,
                    uint64_t flags, struct mote_error *err);

/**
 * page_tables_translate() - Walk tables that the guest may have changed.
 * @root:  guest-physical address of the root table
 * @va:    its low 48 bits count
 * @entry: where something is mapped, set to the flags of the leaf: permissions are the intersection
 * over all levels
 * @span:  set to the bytes from @va to the end of the leaf page, or of the hole
 *
 * Return: guest-physical address, or UINT64_MAX where nothing is mapped or a table lies outside
 * RAM.
 */
uint64_t page_tables_translate(const struct guest_memory *memory, uint64_t root, uint64_t va,
                               uint64_t *entry, uint64_t *span);

/* Whether the accessed bit of the 4 KiB page at @va is set. */
bool page_tables_is_accessed(const struct guest_memory *memory, uint64_t root, uint64_t va);

/* Copy from guest-virtual memory. Return 0, or -1 when a part is not mapped or not in RAM. */
int guest_read_virtual(const struct guest_memory *memory, uint64_t root, uint64_t va, void *buffer,
                       size_t length);

#endif
