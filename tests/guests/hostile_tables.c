/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns the page tables, which the kit keeps writable, against itself:
 *   scribble       overwrites the root table
 *   unbacked GPA   maps and reads guest-physical memory that is not there
 *   stub BYTE      overwrites the ring-0 stub with a byte, then traps into it
 *   tables         overwrites GDT, TSS and IDT, then traps
 *   all            overwrites everything in the direct map
 *   apic           maps the local APIC and sends itself every interrupt there is
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostile.h"

static void fill(uint64_t gpa, uint64_t pages, unsigned char byte)
{
	for (uint64_t page = 0; page < pages; page++) {
		volatile unsigned char *at = map_physical(gpa + page * MOTE_PAGE_SIZE);

		/* One virtual address serves one page: the old translation might still be used. */
		for (unsigned i = 0; i < MOTE_PAGE_SIZE; i++)
			at[i] = byte;
	}
	__asm__ volatile("ud2");
}

/* Registers and bits: Intel SDM, volume 3, chapter "Advanced Programmable Interrupt Controller". */
static void attack_apic(void)
{
	volatile unsigned char *page = map_physical(0xfee00000);
	const uint32_t modes[] = {0x000, 0x200, 0x400,
	                          0x500, 0x600, 0x700}; /* fixed, SMI, NMI, ... */

	*(volatile uint32_t *)(page + 0xf0) = 0x1ff;    /* spurious vector: enable */
	*(volatile uint32_t *)(page + 0x3e0) = 0;       /* timer: divide by 2 */
	*(volatile uint32_t *)(page + 0x320) = 0x20020; /* timer: periodic, vector 32 */
	*(volatile uint32_t *)(page + 0x380) = 1000;    /* timer: initial count */
	for (unsigned i = 0; i < sizeof modes / sizeof modes[0]; i++)
		for (unsigned vector = 0; vector < 256; vector++)
			*(volatile uint32_t *)(page + 0x300) = 0x44000 | modes[i] | vector;
	for (unsigned at = 0; at < 4096; at += 16) {
		(void)*(volatile uint32_t *)(page + at);
		*(volatile uint32_t *)(page + at) = 0xffffffff;
		(void)*(volatile uint64_t *)(page + at + 5);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "scribble";
	uint64_t number = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;

	if (!strcmp(what, "scribble")) {
		for (int i = 0; i < 512; i++)
			physical(boot_record()->page_table)[i] = 0x5a5a5a5a5a5a5a5a;
	} else if (!strcmp(what, "unbacked")) {
		(void)*map_physical(number);
	} else if (!strcmp(what, "stub")) {
		fill(MOTE_RING0_VA - MOTE_WINDOW_VA, 1, (unsigned char)number);
	} else if (!strcmp(what, "tables")) {
		fill(MOTE_CPU_TABLES_VA - MOTE_WINDOW_VA, 1, (unsigned char)number);
	} else if (!strcmp(what, "apic")) {
		attack_apic();
	} else if (!strcmp(what, "all")) {
		for (uint64_t at = boot_record()->direct_start; at < boot_record()->ram_end;
		     at += 8)
			*physical(at) = 0xf4f4f4f4f4f4f4f4;
	}
	puts("survived");
	return 0;
}
