/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the guest's first page tables, and walks those it has made since. */
#include "vmm/page_tables.h"

#include <string.h>

#define LEVELS  4
#define ENTRIES 512

static unsigned level_shift(int level)
{
	return 12 + 9 * (unsigned)level;
}

static unsigned level_index(uint64_t va, int level)
{
	return (va >> level_shift(level)) % ENTRIES;
}

static int take_table(struct page_tables *tables, uint64_t *gpa, struct mote_error *err)
{
	if (!guest_range(tables->memory, (mote_gpa_t){*tables->next}, MOTE_PAGE_SIZE))
		return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
		                      "the guest's memory (%llu KiB) has no room for its page "
		                      "tables. Give it more with --mem",
		                      (unsigned long long)(tables->memory->size >> 10));
	*gpa = *tables->next;
	*tables->next += MOTE_PAGE_SIZE;
	return 0;
}

int page_tables_create(struct page_tables *tables, const struct guest_memory *memory,
                       uint64_t *next, struct mote_error *err)
{
	tables->memory = memory;
	tables->next = next;
	tables->track_access = false;
	return take_table(tables, &tables->root, err);
}

/* The entry for @va in the table of @level, making the tables above it. */
static uint64_t *leaf_entry(struct page_tables *tables, uint64_t va, int level,
                            struct mote_error *err)
{
	uint64_t table = tables->root;

	for (int at = LEVELS - 1;; at--) {
		uint64_t *entries =
		        guest_range(tables->memory, (mote_gpa_t){table}, MOTE_PAGE_SIZE);
		uint64_t *entry = &entries[level_index(va, at)];

		if (at == level)
			return entry;
		if (*entry & PTE_HUGE) {
			mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
			               "guest address 0x%llx is mapped twice",
			               (unsigned long long)va);
			return NULL;
		}
		if (!*entry) {
			if (take_table(tables, &table, err))
				return NULL;
			*entry = table | PTE_PRESENT | PTE_WRITABLE | PTE_USER | PTE_ACCESSED |
			         PTE_DIRTY;
		}
		table = *entry & PTE_ADDRESS;
	}
}

int page_tables_map(struct page_tables *tables, uint64_t va, uint64_t pa, uint64_t length,
                    uint64_t flags, struct mote_error *err)
{
	uint64_t *entry = NULL;

	while (length) {
		bool huge = !((va | pa) % MOTE_HUGE_PAGE_SIZE) && length >= MOTE_HUGE_PAGE_SIZE;
		uint64_t size = huge ? MOTE_HUGE_PAGE_SIZE : MOTE_PAGE_SIZE;

		/* The walk is repeated only where a table begins. */
		if (huge || !entry || !level_index(va, 0))
			entry = leaf_entry(tables, va, huge ? 1 : 0, err);
		else
			entry++;
		if (!entry)
			return -1;
		if (*entry)
			return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
			                      "guest address 0x%llx is mapped twice",
			                      (unsigned long long)va);
		*entry = pa | flags | PTE_PRESENT | (huge ? PTE_HUGE : 0) |
		         (tables->track_access ? 0 : PTE_ACCESSED | PTE_DIRTY);
		if (huge)
			entry = NULL;
		va += size;
		pa += size;
		length -= size;
	}
	return 0;
}

/* Leaf entry for @va, 0 where there is none; *size is what an entry of its level covers. */
static uint64_t walk(const struct guest_memory *memory, uint64_t root, uint64_t va,
                     uint64_t *rights, uint64_t *size)
{
	uint64_t table = root & PTE_ADDRESS;
	uint64_t allowed = PTE_WRITABLE | PTE_USER;
	uint64_t denied = 0;

	for (int level = LEVELS - 1; level >= 0; level--) {
		uint64_t value;

		*size = 1UL << level_shift(level);
		if (guest_read(memory, (mote_gpa_t){table + 8 * level_index(va, level)}, &value,
		               8) ||
		    !(value & PTE_PRESENT))
			return 0;
		allowed &= value;
		denied |= value & PTE_NO_EXEC;
		*rights = PTE_PRESENT | allowed | denied;
		if (level == 0 || (level < 3 && value & PTE_HUGE))
			return value;
		table = value & PTE_ADDRESS;
	}
	return 0;
}

uint64_t page_tables_translate(const struct guest_memory *memory, uint64_t root, uint64_t va,
                               uint64_t *entry, uint64_t *span)
{
	uint64_t size = MOTE_PAGE_SIZE;
	uint64_t value = walk(memory, root, va, entry, &size);

	*span = size - va % size;
	return value ? (value & PTE_ADDRESS & ~(size - 1)) + va % size : UINT64_MAX;
}

bool page_tables_is_accessed(const struct guest_memory *memory, uint64_t root, uint64_t va)
{
	uint64_t rights, size;

	return walk(memory, root, va, &rights, &size) & PTE_ACCESSED;
}

int guest_read_virtual(const struct guest_memory *memory, uint64_t root, uint64_t va, void *buffer,
                       size_t length)
{
	unsigned char *to = buffer;

	while (length) {
		uint64_t entry, span;
		uint64_t gpa = page_tables_translate(memory, root, va, &entry, &span);
		size_t part = length < span ? length : (size_t)span;

		if (gpa == UINT64_MAX || guest_read(memory, (mote_gpa_t){gpa}, to, part))
			return -1;
		va += part;
		to += part;
		length -= part;
	}
	return 0;
}
