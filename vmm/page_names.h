/* SPDX-License-Identifier: Apache-2.0 */
/* Names for pages of a snapshot: functions and objects of the application and of the kit. */
#ifndef MOTE_VMM_PAGE_NAMES_H
#define MOTE_VMM_PAGE_NAMES_H

#include "snapshot/page_kinds.h"
#include "vmm/elf_symbols.h"

struct page_symbol {
	uint64_t start, end; /* guest-virtual */
	struct text_span name;
};

struct page_names {
	struct page_symbol *symbols; /* by start; owned */
	size_t count, room;
	struct page_program program;
};

/**
 * page_names_load() - Read the symbols of a snapshot's program and kit.
 *
 * The program is the host's file that the snapshot names, which may be gone, or another one by now:
 * what cannot be read has no names. What is mapped stays so.
 */
void page_names_load(struct page_names *names, const struct snapshot *snapshot);

/**
 * page_names_find() - The symbol that a page begins in, or the first one that begins in it.
 *
 * Return: NULL where there is none.
 */
const struct page_symbol *page_names_find(const struct page_names *names, uint64_t va);

#endif
