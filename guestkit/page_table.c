/* SPDX-License-Identifier: Apache-2.0 */
/* The application's page tables, edited by the kit at CPL 3 through the direct map. */
#include "guestkit/page_table.h"

#include "guestkit/pages.h"
#include "guestkit/string.h"

#define ENTRIES 512

static uint64_t root_table;

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
	uint64_t *table = direct_map(physical);

	if (!physical)
		return false;
	for (uint64_t i = 0; i < ENTRIES; i++)
		table[i] = (*entry & ~PTE_HUGE) + i * PAGE_SIZE;
	*entry = physical | PTE_PRESENT | PTE_WRITABLE | PTE_USER | PTE_ACCESSED | PTE_DIRTY;
	page_table_flush();
	return true;
}

/* Entry at @level (0: 4 KiB, 1: 2 MiB) for @va. */
static uint64_t *find(uint64_t va, int level, bool make)
{
	uint64_t *table = direct_map(root_table);

	for (int at = 3; at > level; at--) {
		uint64_t *entry = &table[index_at(va, at)];

		if (!(*entry & PTE_PRESENT)) {
			uint64_t physical = make ? page_alloc_zeroed(1) : 0;

			if (!physical)
				return NULL;
			*entry = physical | PTE_PRESENT | PTE_WRITABLE | PTE_USER | PTE_ACCESSED |
			         PTE_DIRTY;
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

/* Calls @visit for each present leaf that begins in [start, end); huge pages that stick out are
 * split. */
static void for_each_leaf(uint64_t start, uint64_t end,
                          void (*visit)(uint64_t *entry, uint64_t size, void *argument),
                          void *argument)
{
	uint64_t size;

	for (uint64_t va = start; va < end; va = (va & ~(size - 1)) + size) {
		uint64_t *entry = (uint64_t *)(size_t)page_table_look(va, &size);

		if (!(*entry & PTE_PRESENT))
			continue;
		if (size > PAGE_SIZE && (va % size || end - va < size)) {
			if (!split(entry))
				return;
			size = PAGE_SIZE;
			entry = find(va, 0, false);
		}
		visit(entry, size, argument);
	}
}

/* Frames whose entries are gone, until the flush that makes them safe to use again. */
struct clearing {
	struct {
		uint64_t physical;
		size_t count;
	} runs[64];
	size_t count;
	bool is_flush_due;
};

static void finish_clearing(struct clearing *clearing)
{
	if (clearing->is_flush_due)
		page_table_flush();
	for (size_t i = 0; i < clearing->count; i++)
		page_free(clearing->runs[i].physical, clearing->runs[i].count);
	clearing->count = 0;
	clearing->is_flush_due = false;
}

static void clear_leaf(uint64_t *entry, uint64_t size, void *argument)
{
	struct clearing *clearing = argument;
	uint64_t physical = *entry & PTE_ADDRESS & ~(size - 1);
	size_t count = size / PAGE_SIZE;
	size_t last = clearing->count - 1;
	bool is_owned = *entry & PTE_OWNED;

	*entry = 0;
	clearing->is_flush_due = true;
	if (!is_owned)
		return;
	if (clearing->count &&
	    clearing->runs[last].physical + clearing->runs[last].count * PAGE_SIZE == physical) {
		clearing->runs[last].count += count;
		return;
	}
	if (clearing->count == sizeof clearing->runs / sizeof clearing->runs[0])
		finish_clearing(clearing);
	clearing->is_flush_due = true;
	clearing->runs[clearing->count].physical = physical;
	clearing->runs[clearing->count++].count = count;
}

void page_table_clear_ranges(const struct page_range *ranges, size_t count)
{
	struct clearing clearing = {.count = 0};

	for (size_t i = 0; i < count; i++)
		for_each_leaf(ranges[i].start, ranges[i].end, clear_leaf, &clearing);
	finish_clearing(&clearing);
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
	struct clearing clearing = {.count = 0};

	for_each_leaf(start, end, clear_shared_leaf, &clearing);
	finish_clearing(&clearing);
}

static void zero_leaf(uint64_t *entry, uint64_t size, void *argument)
{
	(void)argument;
	memset(direct_map(*entry & PTE_ADDRESS & ~(size - 1)), 0, size);
}

void page_table_zero(uint64_t start, uint64_t end)
{
	for_each_leaf(start, end, zero_leaf, NULL);
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

bool page_table_move(uint64_t from, uint64_t to, uint64_t length)
{
	bool is_done = true;

	for (uint64_t at = 0; at < length; at += PAGE_SIZE) {
		uint64_t size;
		uint64_t *old;
		uint64_t *new;

		if (!(*page_table_look(from + at, &size) & PTE_PRESENT))
			continue;
		old = page_table_entry(from + at, false);
		new = old ? page_table_entry(to + at, true) : NULL;
		if (!new) {
			is_done = false;
			break;
		}
		*new = *old;
		*old = 0;
	}
	page_table_flush();
	return is_done;
}
