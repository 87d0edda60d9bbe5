/* SPDX-License-Identifier: Apache-2.0 */
/* Which pages of a snapshot are its page tables. */
#include "snapshot/golden_tables.h"

#include <string.h>
#include <sys/mman.h>

#include "vmm/page_tables.h"

#define LEVELS  4
#define ENTRIES 512

/* Adds to @next what the entries of a table of @level lead to. */
static void look_into(const void *table, int level, uint64_t frames, uint64_t *next)
{
	uint64_t entries[ENTRIES];

	memcpy(entries, table, sizeof entries);
	for (unsigned i = 0; i < ENTRIES; i++) {
		uint64_t frame = (entries[i] & PTE_ADDRESS) / MOTE_PAGE_SIZE;

		if (entries[i] & PTE_PRESENT && frame < frames &&
		    !(level < LEVELS - 1 && entries[i] & PTE_HUGE))
			next[frame / 64] |= 1ull << frame % 64;
	}
}

/* Level by level, all tables of one before the next: a page may be a table of several levels. */
int golden_tables_find(const struct snapshot *snapshot, uint64_t ram_size, uint64_t *found,
                       struct mote_error *err)
{
	uint64_t frames = ram_size / MOTE_PAGE_SIZE, words = (frames + 63) / 64;
	uint64_t root = (snapshot->machine->page_table & PTE_ADDRESS) / MOTE_PAGE_SIZE;
	uint64_t *levels = mmap(NULL, LEVELS * words * 8, PROT_READ | PROT_WRITE,
	                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t *tables = levels;

	if (levels == MAP_FAILED)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "no memory for page tables");
	if (root < frames)
		tables[root / 64] |= 1ull << root % 64;
	for (int level = LEVELS - 1; level >= 0; level--, tables += words)
		for (uint64_t i = 0; i < words; i++) {
			found[i] |= tables[i];
			for (uint64_t bits = tables[i]; level && bits; bits &= bits - 1)
				look_into(snapshot_page(snapshot,
				                        i * 64 + (uint64_t)__builtin_ctzll(bits)),
				          level, frames, tables + words);
		}
	munmap(levels, LEVELS * words * 8);
	return 0;
}
