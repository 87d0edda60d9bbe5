/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at all of its memory from inside, at each start from its snapshot:
 *   reset_memory canary  finds a secret that another start has left anywhere, then leaves one in
 *                        every page that it can write to
 *   reset_memory walk    writes through physical memory and reads through each mapping: whether the
 *                        processor translates as the page tables say; then changes these, by the
 *                        kit and behind its back
 *
 * Prints nothing but "FAILED: ...", and how much it has seen when the snapshot is taken.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hostile.h"
#include "mote/guest.h"

#define LINE     64
#define MAPPINGS 8
#define LENGTH   (16 * MOTE_PAGE_SIZE)

/* The present leaves that CPL 3 may use. */
struct leaf {
	uint64_t va, gpa, size;
	bool is_writable;
};

static unsigned char *mappings[MAPPINGS];
static unsigned long pages, failures;

static void failed(const char *what, uint64_t at)
{
	if (!failures++) {
		printf("FAILED: %s at 0x%llx\n", what, (unsigned long long)at);
		fflush(stdout);
	}
}

static bool is_usable(uint64_t gpa)
{
	return gpa >= boot_record()->direct_start && gpa < boot_record()->ram_usable;
}

static void walk(uint64_t table, int level, uint64_t base, uint64_t rights,
                 void (*visit)(const struct leaf *leaf))
{
	for (uint64_t i = 0; i < 512; i++) {
		uint64_t entry = physical(table)[i], size = 1UL << (12 + 9 * level);
		uint64_t va = base + i * size;

		if (!(entry & ENTRY_PRESENT) || !(entry & 4))
			continue;
		if (level == 3 && i >= 256)
			va |= 0xffff000000000000;
		if (level && !(entry & ENTRY_HUGE))
			walk(entry & ENTRY_ADDRESS, level - 1, va, rights & entry, visit);
		else
			visit(&(struct leaf){va, entry & ENTRY_ADDRESS & ~(size - 1), size,
			                     rights & entry & 2});
	}
}

static void walk_all(void (*visit)(const struct leaf *leaf))
{
	walk(boot_record()->page_table & ENTRY_ADDRESS, 3, 0, 2, visit);
}

/* Calls @visit page by page for what of a leaf has memory. */
static void for_each_page(const struct leaf *leaf,
                          void (*visit)(unsigned char *page, const struct leaf *leaf))
{
	for (uint64_t at = 0; at < leaf->size; at += MOTE_PAGE_SIZE)
		if (leaf->gpa + at < boot_record()->ram_usable)
			visit((unsigned char *)(leaf->va + at), leaf);
}

/* ---- canary ---- */

/* Made from a key, so that it stands nowhere but where a start has put it. */
static unsigned char canary_key[LINE];

static unsigned char canary_at(int i)
{
	return (unsigned char)((canary_key[i] ^ 0x5c) << 1);
}

static void look_for_canary(unsigned char *page, const struct leaf *leaf)
{
	pages++;
	for (int line = 0; line < (int)MOTE_PAGE_SIZE; line += LINE) {
		int i = 0;

		while (i < 16 && page[line + i] == canary_at(i))
			i++;
		if (i == 16)
			failed("a secret of another start", (uint64_t)page + (uint64_t)line);
	}
	(void)leaf;
}

static void scan_leaf(const struct leaf *leaf)
{
	for_each_page(leaf, look_for_canary);
}

/* In the last line of zeros: what is in use stays, so that the kit can end this start. */
static void leave_canary(unsigned char *page, const struct leaf *leaf)
{
	for (int line = MOTE_PAGE_SIZE - LINE; leaf->is_writable && line >= 0; line -= LINE) {
		int i = 0;

		while (i < LINE && !page[line + i])
			i++;
		if (i < LINE)
			continue;
		for (i = 0; i < LINE; i++)
			page[line + i] = canary_at(i);
		return;
	}
}

/* Physical memory only: each page once. The kit's own memory lies before it. */
static void plant_leaf(const struct leaf *leaf)
{
	if (leaf->va >= MOTE_DIRECT_VA && leaf->va < MOTE_ROOT_VA)
		for_each_page(leaf, leave_canary);
}

static void canary(void)
{
	pages = 0;
	walk_all(scan_leaf);
	walk_all(plant_leaf);
}

/* ---- walk ---- */

/* One word of the page, written at its physical address; not of the stack this runs on. */
static void compare_page(unsigned char *page, const struct leaf *leaf)
{
	uint64_t gpa = leaf->gpa + ((uint64_t)page - leaf->va);
	volatile uint64_t *direct = physical(gpa) + 511, *mapped = (uint64_t *)(void *)page + 511;
	uint64_t old, tag = gpa ^ 0x7a67000000000000;

	if (!is_usable(gpa) || (leaf->va >= MOTE_DIRECT_VA && leaf->va < MOTE_ROOT_VA))
		return;
	pages++;
	old = *direct;
	*direct = tag;
	if (*mapped != tag)
		failed("a mapping leads elsewhere than its page table says", (uint64_t)page);
	*direct = old;
}

static void compare_leaf(const struct leaf *leaf)
{
	for_each_page(leaf, compare_page);
}

static sigjmp_buf after_fault;

static void fault(int number)
{
	siglongjmp(after_fault, number);
}

/* What the last start may have mapped here must be gone. */
static void expect_no_mapping(volatile unsigned char *at)
{
	if (!sigsetjmp(after_fault, 1)) {
		(void)*at;
		failed("something is mapped where nothing is", (uint64_t)at);
	}
}

static void expect_read_only(volatile unsigned char *at)
{
	if (!sigsetjmp(after_fault, 1)) {
		*at = 1;
		failed("a page is writable that is not", (uint64_t)at);
	}
}

static volatile uint64_t *entry_of(const void *at)
{
	uint64_t va = (uint64_t)at, table = boot_record()->page_table;
	volatile uint64_t *entry = NULL;

	for (int shift = 39; shift >= 12; shift -= 9) {
		entry = &physical(table & ENTRY_ADDRESS)[va >> shift & 511];
		table = *entry;
	}
	return entry;
}

/* Mappings 0 to 3 stay, 4 and 5 are read-only, 6 and 7 are not there. */
static void change_mappings(void)
{
	volatile uint64_t *a = entry_of(mappings[0]), *b = entry_of(mappings[1]);
	uint64_t kept = *a;

	mprotect(mappings[4], LENGTH, PROT_READ | PROT_WRITE);
	memset(mappings[4], 4, LENGTH);
	mprotect(mappings[2], LENGTH, PROT_NONE);
	for (int i = 6; i < MAPPINGS; i++) {
		mmap(mappings[i], LENGTH, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		memset(mappings[i], i, LENGTH);
	}
	/* Behind the kit's back: two pages exchange their frames, one becomes writable. */
	*a = *b;
	*b = kept;
	*entry_of(mappings[5]) |= 2;
	mremap(mappings[3], LENGTH, LENGTH, MREMAP_MAYMOVE | MREMAP_FIXED, mappings[6]);
	(void)*(volatile unsigned char *)mappings[0];
	(void)*(volatile unsigned char *)mappings[6];
	mappings[5][0] = 5;
	/* And some of it is taken back, so that memory is as it was. */
	*b = *a;
	*a = kept;
}

static void check_walk(void)
{
	pages = 0;
	walk_all(compare_leaf);
	for (int i = 6; i < MAPPINGS; i++)
		expect_no_mapping(mappings[i] + 5);
	expect_read_only(mappings[4]);
	expect_read_only(mappings[5]);
	for (int i = 0; i < 6; i++)
		if (mappings[i][LENGTH - 1] != 0x30 + i)
			failed("a mapping has other bytes", (uint64_t)mappings[i]);
}

static void prepare(void)
{
	signal(SIGSEGV, fault);
	for (int i = 0; i < MAPPINGS; i++) {
		/* Each with a page table of its own: some KVMs look at a whole one anew. */
		mappings[i] = mmap((void *)(0x200000000 + i * MOTE_HUGE_PAGE_SIZE), LENGTH,
		                   PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		                   -1, 0);
		memset(mappings[i], 0x30 + i, LENGTH);
	}
	mprotect(mappings[4], LENGTH, PROT_READ);
	mprotect(mappings[5], LENGTH, PROT_READ);
	munmap(mappings[6], LENGTH);
	munmap(mappings[7], LENGTH);
}

int main(int argc, char **argv)
{
	bool is_canary = argc > 1 && !strcmp(argv[1], "canary");
	int restored;

	for (int i = 0; i < LINE; i++)
		canary_key[i] = (unsigned char)(i * 37 + 11);
	prepare();
	restored = mote_snapshot_point();
	if (is_canary) {
		canary();
	} else {
		check_walk();
		change_mappings();
	}
	if (pages < 64)
		failed("hardly anything was looked at", pages);
	if (restored != MOTE_POINT_RESTORED)
		printf("%lu pages\n", pages);
	fflush(stdout);
	_exit(failures ? 9 : 0);
}
