/* SPDX-License-Identifier: Apache-2.0 */
/* What hostile guests share: addresses by name, hypercalls of their own, page tables. */
#ifndef TESTS_GUESTS_HOSTILE_H
#define TESTS_GUESTS_HOSTILE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../include/mote/abi.h"

/* Reads a number, or a name of the layout with an offset behind it: kit+0x100. */
static inline uint64_t parse_address(const char *text)
{
	static const struct {
		const char *name;
		uint64_t address;
	} names[] = {
	        {"tables", MOTE_CPU_TABLES_VA}, {"stub", MOTE_RING0_VA}, {"boot", MOTE_BOOT_VA},
	        {"clock", MOTE_CLOCK_VA},       {"run", MOTE_RUN_VA},    {"kit", MOTE_KIT_VA},
	        {"direct", MOTE_DIRECT_VA},     {"root", MOTE_ROOT_VA},
	};

	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		size_t length = strlen(names[i].name);

		if (!strncmp(text, names[i].name, length))
			return names[i].address + strtoull(text + length, NULL, 0);
	}
	return strtoull(text, NULL, 0);
}

static inline int hypercall(uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
	int result;

	__asm__ volatile("in %[port], %%eax"
	                 : "=a"(result)
	                 : "a"(number), "D"(a), "S"(b), "d"(c), [port] "i"(MOTE_HYPERCALL_PORT)
	                 : "memory");
	return result;
}

static inline const volatile struct mote_boot *boot_record(void)
{
	return (const volatile struct mote_boot *)MOTE_BOOT_VA;
}

/* A page table, or any memory, through the kit's direct map. */
static inline volatile uint64_t *physical(uint64_t gpa)
{
	return (volatile uint64_t *)(MOTE_DIRECT_VA + gpa);
}

#define ENTRY_ADDRESS 0x000ffffffffff000UL
#define ENTRY_PRESENT 1UL
#define ENTRY_ALL     7UL /* present, writable, user */
#define ENTRY_HUGE    0x80UL

/* Where a page that was used lies in guest-physical memory, by the guest's own page tables. */
static inline uint64_t guest_physical(const volatile void *pointer)
{
	uint64_t va = (uint64_t)pointer, table = boot_record()->page_table;

	for (int shift = 39; shift >= 12; shift -= 9) {
		uint64_t entry = physical(table)[va >> shift & 511];

		if (!(entry & ENTRY_PRESENT))
			return 0;
		if (shift == 12 || entry & ENTRY_HUGE)
			return ((entry & ENTRY_ADDRESS) >> shift << shift) |
			       (va & ((1UL << shift) - 1));
		table = entry & ENTRY_ADDRESS;
	}
	return 0;
}

/* Maps a guest-physical page at a virtual address that nothing uses, and returns that. */
static inline volatile unsigned char *map_physical(uint64_t gpa)
{
	static uint64_t tables[3][512] __attribute__((aligned(4096)));
	const uint64_t va = 0x600000000000;

	for (int i = 0; i < 3; i++)
		tables[i][511] = 1; /* so that the page is there */
	physical(boot_record()->page_table)[va >> 39] = guest_physical(tables[0]) | ENTRY_ALL;
	tables[0][va >> 30 & 511] = guest_physical(tables[1]) | ENTRY_ALL;
	tables[1][va >> 21 & 511] = guest_physical(tables[2]) | ENTRY_ALL;
	tables[2][va >> 12 & 511] = (gpa & ENTRY_ADDRESS) | ENTRY_ALL;
	return (volatile unsigned char *)(va | (gpa & 4095));
}

#endif
