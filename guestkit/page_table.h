/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application's page tables, edited by the kit at CPL 3 through the direct map.
 *
 * Making an entry present, or giving it more rights, takes effect at once. Taking rights away needs
 * page_table_flush() before anything relies on it (docs/decisions/002-page-tables.md).
 */
#ifndef MOTE_GUESTKIT_PAGE_TABLE_H
#define MOTE_GUESTKIT_PAGE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "guestkit/memory.h"

/* Entry bits: Intel SDM vol. 3, 4.5; bits 9 to 11 are software's. */
#define PTE_PRESENT  (1UL << 0)
#define PTE_WRITABLE (1UL << 1)
#define PTE_USER     (1UL << 2)
#define PTE_ACCESSED (1UL << 5)
#define PTE_DIRTY    (1UL << 6)
#define PTE_HUGE     (1UL << 7)
#define PTE_OWNED                                                                       \
	(1UL << 9) /* the frame belongs to the mapping, or is a table that the kit made \
	            */
#define PTE_NO_EXEC (1UL << 63)
#define PTE_ADDRESS 0x000ffffffffff000UL

#define HUGE_PAGES 512UL /* frames in a 2 MiB page */
#define HUGE_SIZE  MOTE_HUGE_PAGE_SIZE

/* @root: CR3 */
void page_table_init(uint64_t root);

/* The 4 KiB entry for @va; tables are made if @make. NULL: no table, or out of memory. A huge page
 * there is split first (@make or not). */
uint64_t *page_table_entry(uint64_t va, bool make);

/* The entry for @va whatever its level, for a look: *size is what it covers. NULL where no table
 * is. */
const uint64_t *page_table_look(uint64_t va, uint64_t *size);

/**
 * page_table_cut() - Split the huge page that straddles @va, if there is one.
 *
 * Ranges that are cleared, protected or moved need it at both borders: then these cannot fail half
 * way.
 *
 * Return: false when there is no memory for it; nothing has changed then.
 */
bool page_table_cut(uint64_t va);

/* Map 2 MiB at @va (aligned) unless anything is mapped there. Return whether it was done. */
bool page_table_map_huge(uint64_t va, uint64_t entry);

/**
 * page_table_gather() - Make one huge page of 512 small ones; flushes.
 * @va: of the first, aligned; all have to be there, the mapping's own, writable and not executable
 *
 * Their bytes move to other frames, in a row.
 *
 * Return: false, and nothing has changed: they are not such, or no frames are free in a row.
 */
bool page_table_gather(uint64_t va);

struct page_range {
	uint64_t start, end;
};

/**
 * page_table_clear_ranges() - Unmap ranges and free the frames that the mappings own.
 * @ranges: cut at their borders
 *
 * Flushes the TLB itself, once for many, before any frame is free for use again.
 */
void page_table_clear_ranges(const struct page_range *ranges, size_t count);
void page_table_clear(uint64_t start, uint64_t end);

/* The same for what the mapping does not own: pages of a file, not private copies of them. */
void page_table_clear_shared(uint64_t start, uint64_t end);

/* Free tables that have no entries left; flushes. Return whether there were any. */
bool page_table_sweep(void);

/* Write zeros to what is present in [start, end), whose borders need not be cut. */
void page_table_zero(uint64_t start, uint64_t end);

/* Change rights of what is present in [start, end): @rights of PTE_WRITABLE and PTE_NO_EXEC, or no
 * access at all when !@is_accessible. Frames not owned stay read-only. Flushes if rights were taken
 * away. */
void page_table_protect(uint64_t start, uint64_t end, bool is_accessible, uint64_t rights);

/* Move the entries of [from, from + length) to @to, where nothing is mapped; flushes. False, and
 * nothing has moved: no memory for tables. */
bool page_table_move(uint64_t from, uint64_t to, uint64_t length);

/* Frames that mappings own; frames that the tables of our own take. */
size_t page_table_owned(void);
size_t page_table_tables(void);

void page_table_flush(void);

#endif
