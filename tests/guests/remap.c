/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thousands of random mmap, munmap, mprotect, mremap, madvise and writes, each checked against a
 * model.
 *
 * usage: remap [ROUNDS [SEED]]. A stale translation shows as a page that holds what it held before,
 * or that can be written although it may not. Of plain memory that was unmapped in small pieces,
 * Mote notices a stray access late (docs/memory.md): such pages are not touched until they are
 * mapped again.
 */
#define _GNU_SOURCE /* mremap */
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE       4096UL
#define PAGES      2048UL
#define FILE_PAGES 16UL
#define LATE_LIMIT 4096 /* pages: larger ranges are unmapped at once */
#define FILE_STAMP 0xf11e0000UL
#define READ_WRITE (PROT_READ | PROT_WRITE)

struct page {
	bool is_mapped, is_fault_sure;
	int prot;
	uint64_t stamp; /* what it holds */
	uint64_t base;  /* what it holds once its own contents are dropped */
};

static struct page model[PAGES];
static unsigned char *region;
static int file;
static uint64_t seed, next_stamp = 1;
static unsigned long round_number, fault_count, check_count;
static sigjmp_buf escape;
static volatile sig_atomic_t fault_code;
static void *volatile fault_address;

static uint64_t random_below(uint64_t limit)
{
	seed = seed * 6364136223846793005UL + 1442695040888963407UL;
	return (seed >> 33) % limit;
}

static volatile uint64_t *word_of(size_t page)
{
	return (volatile uint64_t *)(region + page * PAGE + page % 500 * 8);
}

static void handler(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	fault_code = info->si_code;
	fault_address = info->si_addr;
	siglongjmp(escape, 1);
}

static void wrong(const char *what, size_t page)
{
	printf("round %lu, page %zu: %s\n", round_number, page, what);
	exit(1);
}

static void need(bool is_ok, const char *what, size_t page)
{
	if (!is_ok)
		wrong(what, page);
}

static void expect_fault(size_t page, bool is_write)
{
	volatile uint64_t *word = word_of(page);

	if (!sigsetjmp(escape, 0)) {
		if (is_write)
			*word = 1;
		else
			(void)*word;
		wrong(is_write ? "could be written" : "could be read", page);
	}
	fault_count++;
	need(fault_address == (const volatile void *)word, "fault at another address", page);
	need(fault_code == (model[page].is_mapped ? SEGV_ACCERR : SEGV_MAPERR), "wrong si_code",
	     page);
}

static void check(size_t page)
{
	const struct page *p = &model[page];

	check_count++;
	if (!p->is_mapped) {
		if (p->is_fault_sure)
			expect_fault(page, random_below(2));
		return;
	}
	if (!(p->prot & PROT_READ)) {
		expect_fault(page, random_below(2));
		return;
	}
	if (sigsetjmp(escape, 0))
		wrong("cannot be read", page);
	need(*word_of(page) == p->stamp, "holds something else", page);
	if (!(p->prot & PROT_WRITE))
		expect_fault(page, true);
}

static void set_pages(size_t first, size_t count, int prot, bool is_file)
{
	for (size_t i = 0; i < count; i++)
		model[first + i] = (struct page){
		        .is_mapped = true,
		        .prot = prot,
		        .stamp = is_file ? FILE_STAMP + i : 0,
		        .base = is_file ? FILE_STAMP + i : 0,
		};
}

static bool are_mapped(size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++)
		if (!model[i].is_mapped)
			return false;
	return true;
}

static void do_map(size_t first, size_t count, int prot)
{
	void *at = region + first * PAGE;

	need(mmap(at, count * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at,
	     "mmap", first);
	set_pages(first, count, prot, false);
}

/* A private mapping of the file, whose stamps are where word_of() looks. */
static void do_map_file(size_t first, size_t count)
{
	void *at = region + first * PAGE;
	uint64_t stamp;

	count = count < FILE_PAGES ? count : FILE_PAGES;
	for (size_t i = 0; i < count; i++) {
		off_t offset = (off_t)(i * PAGE + (first + i) % 500 * 8);

		stamp = FILE_STAMP + i;
		need(pwrite(file, &stamp, sizeof stamp, offset) == sizeof stamp, "pwrite", first);
	}
	need(mmap(at, count * PAGE, READ_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0) == at,
	     "mmap of a file", first);
	set_pages(first, count, READ_WRITE, true);
}

static bool is_plain(const struct page *page)
{
	return page->is_mapped && page->prot == READ_WRITE && !page->base;
}

static void do_unmap(size_t first, size_t count)
{
	size_t end = first + count, run;

	need(munmap(region + first * PAGE, count * PAGE) == 0, "munmap", first);
	for (size_t i = first; i < end; i += run) {
		bool is_fault_sure = model[i].is_mapped || model[i].is_fault_sure;

		run = 1;
		if (is_plain(&model[i])) {
			while (i + run < end && is_plain(&model[i + run]))
				run++;
			is_fault_sure = run > LATE_LIMIT;
		}
		for (size_t page = i; page < i + run; page++)
			model[page] = (struct page){.is_fault_sure = is_fault_sure};
	}
}

static void do_protect(size_t first, size_t count)
{
	static const int rights[] = {PROT_NONE, PROT_READ, READ_WRITE, READ_WRITE};
	int prot = rights[random_below(4)];

	if (!are_mapped(first, count))
		return;
	need(mprotect(region + first * PAGE, count * PAGE, prot) == 0, "mprotect", first);
	for (size_t i = first; i < first + count; i++)
		model[i].prot = prot;
}

static void write_stamp(size_t page)
{
	if (sigsetjmp(escape, 0))
		wrong("cannot be written", page);
	*word_of(page) = model[page].stamp = next_stamp++;
}

static void do_write(size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++)
		if (model[i].is_mapped && model[i].prot == READ_WRITE)
			write_stamp(i);
}

static void do_drop(size_t first, size_t count)
{
	if (!are_mapped(first, count))
		return;
	need(madvise(region + first * PAGE, count * PAGE, MADV_DONTNEED) == 0, "madvise", first);
	for (size_t i = first; i < first + count; i++)
		model[i].stamp = model[i].base;
}

/* One page of anonymous memory goes elsewhere; the word that is looked at goes along. */
static void do_move(size_t from)
{
	size_t to = (from + 500 * (1 + random_below(3))) % PAGES;
	void *target = region + to * PAGE;

	if (!model[from].is_mapped || model[from].base || to % 500 != from % 500)
		return;
	need(mremap(region + from * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target) ==
	             target,
	     "mremap", from);
	model[to] = model[from];
	model[from] = (struct page){.is_fault_sure = true};
}

static void do_something(void)
{
	size_t most = random_below(32) ? 16 : 1500;
	size_t count = 1 + random_below(most);
	size_t first = random_below(PAGES - count + 1);

	switch (random_below(9)) {
	case 0: do_map(first, count, READ_WRITE); break;
	case 1: do_map(first, count, random_below(2) ? PROT_READ : PROT_NONE); break;
	case 2: do_map_file(first, count); break;
	case 3: do_unmap(first, count); break;
	case 4: do_protect(first, count); break;
	case 5: do_drop(first, count); break;
	case 6: do_move(first); break;
	default: do_write(first, count);
	}
	check(first);
	check(first + count - 1);
	for (int i = 0; i < 6; i++)
		check(random_below(PAGES));
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER};
	char file_name[] = "/tmp/remap.XXXXXX";
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 4000;

	seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
	sigaction(SIGSEGV, &action, NULL);
	file = mkstemp(file_name);
	need(file >= 0 && unlink(file_name) == 0 &&
	             ftruncate(file, (off_t)(FILE_PAGES * PAGE)) == 0,
	     "file", 0);
	region = mmap(NULL, PAGES * PAGE, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need(region != MAP_FAILED, "mmap", 0);
	set_pages(0, PAGES, READ_WRITE, false);
	for (round_number = 0; round_number < rounds; round_number++)
		do_something();
	for (size_t page = 0; page < PAGES; page++)
		check(page);
	printf("%lu rounds, %lu checks, %lu faults\n", rounds, check_count, fault_count);
	return 0;
}
