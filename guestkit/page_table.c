/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application's page tables, edited by the kit at CPL 3 through the direct map.
 *
 * Tables are made where entries need them, marked PTE_OWNED in the entry that points to them (those
 * of the VMM are not), and freed by a sweep over all of them: when as many were made since the last
 * sweep as were left by it, and when memory is short. So their number follows the mappings, at a
 * cost that does not grow with the number of calls.
 */
#include "guestkit/page_table.h"

#include "guestkit/pages.h"
#include "guestkit/string.h"

#define ENTRIES       512
#define USER_ENTRIES  (ENTRIES / 2) /* of the root: the lower half is the application's */
#define SWEEP_MINIMUM 64            /* tables made between two sweeps */
#define ENTRY_TABLE   (PTE_PRESENT | PTE_WRITABLE | PTE_USER | PTE_ACCESSED | PTE_DIRTY | PTE_OWNED)

static uint64_t root_table;
static struct {
	size_t left;     /* tables of our own after the last sweep */
	size_t made;     /* since then */
	uint64_t in_use; /* address whose tables were asked for last: somebody is about to fill them
	                  */
	bool is_held;    /* more than these are about to be filled */
	bool is_promising; /* entries were cleared since the last sweep */
} tables;

/* entry.S */
void tlb_gate(void);

void page_table_init(uint64_t root)
{
	root_table = root;
}

void page_table_flush(void)
{
	tlb_gate();
}

static uint64_t *table_at(uint64_t entry)
{
	return direct_map(entry & PTE_ADDRESS);
}

static unsigned index_at(uint64_t va, int level)
{
	return va >> (12 + 9 * level) & (ENTRIES - 1);
}

/* One huge entry becomes a table of small ones with the same frames and rights. */
static bool split(uint64_t *entry)
{
	uint64_t physical = page_alloc(1);
	uint64_t *table;

	if (!physical)
		return false;
	table = direct_map(physical);
	for (uint64_t i = 0; i < ENTRIES; i++)
		table[i] = (*entry & ~PTE_HUGE) + i * PAGE_SIZE;
	*entry = physical | ENTRY_TABLE;
	tables.made++;
	page_table_flush();
	return true;
}

/* Entry at @level (0: 4 KiB, 1: 2 MiB) for @va. */
static uint64_t *find(uint64_t va, int level, bool make)
{
	uint64_t *table = direct_map(root_table);

	if (make)
		tables.in_use = va;
	for (int at = 3; at > level; at--) {
		uint64_t *entry = &table[index_at(va, at)];

		if (!(*entry & PTE_PRESENT)) {
			uint64_t physical = make ? page_alloc_zeroed(1) : 0;

			if (!physical) {
				tables.is_promising |= make;
				return NULL;
			}
			*entry = physical | ENTRY_TABLE;
			tables.made++;
		} else if (*entry & PTE_HUGE && !split(entry)) {
			return NULL;
		}
		table = table_at(*entry);
	}
	return &table[index_at(va, level)];
}

uint64_t *page_table_entry(uint64_t va, bool make)
{
	return find(va, 0, make);
}

const uint64_t *page_table_look(uint64_t va, uint64_t *size)
{
	const uint64_t *table = direct_map(root_table);

	for (int at = 3;; at--) {
		const uint64_t *entry = &table[index_at(va, at)];

		*size = 1UL << (12 + 9 * at);
		if (at == 0 || !(*entry & PTE_PRESENT) || *entry & PTE_HUGE)
			return entry;
		table = table_at(*entry);
	}
}

bool page_table_map_huge(uint64_t va, uint64_t value)
{
	uint64_t *entry = find(va, 1, true);

	if (!entry || *entry & PTE_PRESENT)
		return false;
	*entry = value | PTE_HUGE;
	return true;
}

bool page_table_gather(uint64_t va)
{
	const uint64_t rights = PTE_PRESENT | PTE_WRITABLE | PTE_USER | PTE_OWNED | PTE_NO_EXEC;
	const uint64_t marks = PTE_ACCESSED | PTE_DIRTY;
	uint64_t *entry = find(va, 1, false), *table, physical, marked = 0;

	if (!entry || (*entry & (PTE_PRESENT | PTE_OWNED | PTE_HUGE)) != (PTE_PRESENT | PTE_OWNED))
		return false;
	table = table_at(*entry);
	for (unsigned i = 0; i < ENTRIES; i++) {
		if ((table[i] & ~(PTE_ADDRESS | marks)) != rights)
			return false;
		marked |= table[i] & marks;
	}
	physical = page_alloc_aligned(HUGE_PAGES, HUGE_PAGES);
	if (!physical)
		return false;
	for (uint64_t i = 0; i < ENTRIES; i++)
		memcpy(direct_map(physical + i * PAGE_SIZE), direct_map(table[i] & PTE_ADDRESS),
		       PAGE_SIZE);
	*entry = physical | rights | marked | PTE_HUGE;
	page_table_flush();
	for (unsigned i = 0; i < ENTRIES; i++)
		page_free(table[i] & PTE_ADDRESS, 1);
	page_free(direct_physical(table), 1);
	if (tables.made)
		tables.made--;
	else
		tables.left--;
	return true;
}

bool page_table_cut(uint64_t va)
{
	uint64_t size;
	uint64_t *entry = (uint64_t *)(size_t)page_table_look(va, &size);

	return !(*entry & PTE_PRESENT) || va % size == 0 || split(entry);
}

/* Calls @visit for each present leaf in [start, end), whose borders are cut. */
static void for_each_leaf(uint64_t start, uint64_t end,
                          void (*visit)(uint64_t *entry, uint64_t size, void *argument),
                          void *argument)
{
	uint64_t size;

	for (uint64_t va = start; va < end; va = (va & ~(size - 1)) + size) {
		uint64_t *entry = (uint64_t *)(size_t)page_table_look(va, &size);

		if (*entry & PTE_PRESENT)
			visit(entry, size, argument);
	}
}

/* Frames whose entries are gone, until the flush that makes them safe to use again. Empty outside
 * of the functions below, none of which is called by another before it has finished. */
static KIT_LARGE struct {
	struct {
		uint64_t physical;
		size_t count;
	} runs[64];
	size_t count;
	bool is_flush_due;
} clearing;

static void finish_clearing(void)
{
	if (clearing.is_flush_due)
		page_table_flush();
	for (size_t i = 0; i < clearing.count; i++)
		page_free(clearing.runs[i].physical, clearing.runs[i].count);
	clearing.count = 0;
	clearing.is_flush_due = false;
}

/* The entry that led to @count frames at @physical is gone. */
static void free_later(uint64_t physical, size_t count)
{
	size_t last = clearing.count - 1;

	if (clearing.count &&
	    clearing.runs[last].physical + clearing.runs[last].count * PAGE_SIZE == physical) {
		clearing.runs[last].count += count;
		return;
	}
	if (clearing.count == sizeof clearing.runs / sizeof clearing.runs[0])
		finish_clearing();
	clearing.runs[clearing.count].physical = physical;
	clearing.runs[clearing.count++].count = count;
}

static void clear_leaf(uint64_t *entry, uint64_t size, void *argument)
{
	uint64_t old = *entry;

	(void)argument;
	*entry = 0;
	tables.is_promising = true;
	/* What could not be reached is in no TLB: the flush has been when access was taken away. */
	clearing.is_flush_due |= (old & PTE_USER) != 0;
	if (old & PTE_OWNED)
		free_later(old & PTE_ADDRESS & ~(size - 1), size / PAGE_SIZE);
}

/* Frees the tables below @table, which is of @level and begins at @base, that have no entries left.
 * Return whether it has none itself. */
static bool sweep_table(uint64_t *table, int level, uint64_t base)
{
	bool is_empty = true;

	for (uint64_t i = 0; i < (level == 3 ? USER_ENTRIES : ENTRIES); i++) {
		uint64_t entry = table[i], size = 1UL << (12 + 9 * level);
		uint64_t va = base + i * size;

		if (!(entry & PTE_PRESENT))
			continue;
		if (!level)
			return false;
		if (!(entry & PTE_HUGE) && sweep_table(table_at(entry), level - 1, va) &&
		    entry & PTE_OWNED && tables.in_use / size != va / size) {
			table[i] = 0;
			clearing.is_flush_due = true;
			free_later(entry & PTE_ADDRESS, 1);
			tables.left--;
		} else {
			is_empty = false;
		}
	}
	return is_empty;
}

bool page_table_sweep(void)
{
	size_t before;

	if (!tables.is_promising || tables.is_held)
		return false;
	before = tables.left += tables.made;
	tables.made = 0;
	sweep_table(direct_map(root_table), 3, 0);
	finish_clearing();
	tables.is_promising = false;
	return tables.left < before;
}

void page_table_clear_ranges(const struct page_range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for_each_leaf(ranges[i].start, ranges[i].end, clear_leaf, NULL);
	finish_clearing();
	if (tables.made >= SWEEP_MINIMUM && tables.made >= tables.left)
		page_table_sweep();
}

void page_table_clear(uint64_t start, uint64_t end)
{
	const struct page_range range = {start, end};

	page_table_clear_ranges(&range, 1);
}

static void clear_shared_leaf(uint64_t *entry, uint64_t size, void *argument)
{
	if (!(*entry & PTE_OWNED))
		clear_leaf(entry, size, argument);
}

void page_table_clear_shared(uint64_t start, uint64_t end)
{
	for_each_leaf(start, end, clear_shared_leaf, NULL);
	finish_clearing();
}

void page_table_zero(uint64_t start, uint64_t end)
{
	uint64_t size, next;

	for (uint64_t va = start; va < end; va = next) {
		uint64_t entry = *page_table_look(va, &size);

		next = (va & ~(size - 1)) + size;
		next = next < end ? next : end;
		if (entry & PTE_PRESENT)
			memset((char *)direct_map(entry & PTE_ADDRESS & ~(size - 1)) + va % size, 0,
			       next - va);
	}
}

struct protection {
	uint64_t set;
	bool is_accessible;
	bool is_flush_due;
};

static void protect_leaf(uint64_t *entry, uint64_t size, void *argument)
{
	struct protection *protection = argument;
	uint64_t old = *entry;
	uint64_t new = (old & ~(PTE_WRITABLE | PTE_NO_EXEC | PTE_USER)) | protection->set;

	(void)size;
	if (protection->is_accessible)
		new |= PTE_USER;
	/* A frame of the root image or of a private file page that is not copied yet. */
	if (!(old & (PTE_OWNED | MOTE_PTE_IMAGE)) && !(old & PTE_WRITABLE))
		new &= ~PTE_WRITABLE;
	if ((old & ~new &(PTE_WRITABLE | PTE_USER)) || (new & ~old &PTE_NO_EXEC))
		protection->is_flush_due = true;
	*entry = new;
}

void page_table_protect(uint64_t start, uint64_t end, bool is_accessible, uint64_t rights)
{
	struct protection protection = {.set = rights, .is_accessible = is_accessible};

	for_each_leaf(start, end, protect_leaf, &protection);
	if (protection.is_flush_due)
		page_table_flush();
}

/* Whether everything that moves has a table to go to, and no huge page needs to be split on the
 * way. What is made for that serves later or is swept. */
static bool prepare_move(uint64_t from, uint64_t to, uint64_t length)
{
	uint64_t size;

	for (uint64_t at = 0; at < length; at = ((from + at) & ~(size - 1)) + size - from) {
		uint64_t *entry = (uint64_t *)(size_t)page_table_look(from + at, &size);

		if (!(*entry & PTE_PRESENT))
			continue;
		if (size > PAGE_SIZE && (to + at) % size == 0) {
			const uint64_t *target = find(to + at, 1, true);

			if (target && !(*target & PTE_PRESENT))
				continue;
		}
		if (size > PAGE_SIZE && !split(entry))
			return false;
		size = PAGE_SIZE;
		if (!find(to + at, 0, true))
			return false;
	}
	return true;
}

bool page_table_move(uint64_t from, uint64_t to, uint64_t length)
{
	uint64_t size;
	bool has_moved = false, is_ready;

	tables.is_held = true;
	is_ready = prepare_move(from, to, length);
	tables.is_held = false;
	if (!is_ready)
		return false;
	for (uint64_t at = 0; at < length; at = ((from + at) & ~(size - 1)) + size - from) {
		uint64_t *old = (uint64_t *)(size_t)page_table_look(from + at, &size);

		if (!(*old & PTE_PRESENT))
			continue;
		*find(to + at, size > PAGE_SIZE, false) = *old;
		*old = 0;
		has_moved = tables.is_promising = true;
	}
	if (has_moved)
		page_table_flush();
	return true;
}

static void count_leaf(uint64_t *entry, uint64_t size, void *argument)
{
	if (*entry & PTE_OWNED)
		*(size_t *)argument += size / PAGE_SIZE;
}

size_t page_table_owned(void)
{
	size_t count = 0;

	for_each_leaf(0, MOTE_USER_END, count_leaf, &count);
	return count;
}

size_t page_table_tables(void)
{
	return tables.left + tables.made;
}
