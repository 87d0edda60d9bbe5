/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kit's memory manager for unit tests: all of it, on an array that stands for RAM, with a TLB
 * that forgets nothing before it is flushed. To be included once, first.
 */
#ifndef MOTE_TESTS_KIT_SPACE_H
#define MOTE_TESTS_KIT_SPACE_H

#define ARENA_WITH_MEMORY_MANAGER
#include <criterion/criterion.h>
#include <linux/mman.h>
#include <stdio.h>

#include "kit_arena.h"

#include "guestkit/console.h"
#include "guestkit/pages.c"

#include "guestkit/page_table.c"

#include "guestkit/heap.c"

#include "guestkit/vma.c"

#include "guestkit/retired.c"

#include "guestkit/write_back.c"

#include "guestkit/populate.c"

#include "guestkit/address_space.c"

#include "guestkit/advise.c"

#include "guestkit/give_back.c"

#include "guestkit/gather.c"

#define READ_WRITE (PROT_READ | PROT_WRITE)
#define ANONYMOUS  (MAP_PRIVATE | MAP_ANONYMOUS)

struct machine machine;
static struct process_limit address_limit = {PROCESS_UNLIMITED, PROCESS_UNLIMITED};

/* ---- what the memory manager calls ---- */

static struct {
	uint64_t page, entry;
} tlb[4096];
static size_t tlb_flushes;

void tlb_gate(void)
{
	memset(tlb, 0, sizeof tlb);
	tlb_flushes++;
}

void patch_forget(uint64_t start, uint64_t end)
{
	(void)start;
	(void)end;
}

static uint64_t now_ns = 1;

uint64_t clock_monotonic(void)
{
	return now_ns;
}

static struct timeout *set_timeout;

void timeout_set(struct timeout *due, uint64_t deadline)
{
	due->deadline = deadline;
	due->is_set = true;
	set_timeout = due;
}

/* Time goes by: the timeout expires, if it is set. */
static __attribute__((unused)) bool let_expire(void)
{
	if (!timeout.is_set)
		return false;
	now_ns = set_timeout->deadline;
	set_timeout->is_set = false;
	set_timeout->expire(set_timeout);
	return true;
}

const struct process_limit *process_limit(unsigned resource)
{
	(void)resource;
	return &address_limit;
}

void kit_print(const char *format, ...)
{
	(void)format;
}

void end_out_of_memory(void)
{
	fputs("guest is out of memory\n", stderr);
	abort();
}

struct file *file_get(struct file *file)
{
	file->references++;
	return file;
}

void file_put(struct file *file)
{
	file->references--;
}

/* ---- a program's accesses ---- */

static enum fault_result last_fault;
static size_t access_faults;

static bool is_permitted(uint64_t entry, uint64_t error)
{
	return entry & PTE_PRESENT && entry & PTE_USER &&
	       (!(error & ERROR_WRITE) || entry & PTE_WRITABLE) &&
	       (!(error & ERROR_FETCH) || !(entry & PTE_NO_EXEC));
}

/* The byte that an access reaches, @error being 0, ERROR_WRITE or ERROR_FETCH; NULL: last_fault. */
static unsigned char *reach(uint64_t va, uint64_t error)
{
	for (int tries = 0; tries < 3; tries++) {
		size_t slot = va / PAGE_SIZE % 4096;
		uint64_t entry, size;

		if (tlb[slot].page != va / PAGE_SIZE || !is_permitted(tlb[slot].entry, error)) {
			entry = *page_table_look(va, &size);
			if (size > PAGE_SIZE)
				entry = (entry & ~PTE_HUGE) + (va % size & PAGE_MASK);
			tlb[slot].page = va / PAGE_SIZE;
			tlb[slot].entry = entry;
		}
		if (is_permitted(tlb[slot].entry, error))
			return (unsigned char *)direct_map(tlb[slot].entry & PTE_ADDRESS) +
			       va % PAGE_SIZE;
		access_faults++;
		last_fault = address_space_fault(
		        va, error | (tlb[slot].entry & PTE_PRESENT ? ERROR_PRESENT : 0));
		if (last_fault != FAULT_RESOLVED)
			return NULL;
	}
	cr_assert_fail("the fault at 0x%lx comes again and again", va);
	return NULL;
}

static __attribute__((unused)) void put(uint64_t va, unsigned char value)
{
	unsigned char *byte = reach(va, ERROR_WRITE);

	cr_assert(byte, "0x%lx cannot be written", va);
	*byte = value;
}

static __attribute__((unused)) unsigned char get(uint64_t va)
{
	const unsigned char *byte = reach(va, 0);

	cr_assert(byte, "0x%lx cannot be read", va);
	return *byte;
}

/* A private anonymous mapping, wherever it fits. */
static __attribute__((unused)) uint64_t map_anywhere(uint64_t count)
{
	int64_t at = address_space_map(0, count * PAGE_SIZE, READ_WRITE, ANONYMOUS, NULL, 0);

	cr_assert_gt(at, 0);
	return (uint64_t)at;
}

/* ---- memory that runs out ---- */

static uint64_t hoard[ARENA_FRAMES];
static size_t hoarded;

/* Take all frames but @left. */
static __attribute__((unused)) void use_up(size_t left)
{
	uint64_t frame;

	while ((frame = page_alloc(1)))
		hoard[hoarded++] = frame;
	while (left--)
		page_free(hoard[--hoarded], 1);
}

static __attribute__((unused)) void give_back(void)
{
	while (hoarded)
		page_free(hoard[--hoarded], 1);
}

static void space_start(void)
{
	arena_make();
	pages_init(ARENA_FREE, ARENA_USABLE, ARENA_FRAMES * PAGE_SIZE);
	machine.ram_end = ARENA_FRAMES * PAGE_SIZE;
	page_table_init(page_alloc_zeroed(1));
	address_space_init(false);
}

#endif
