/* SPDX-License-Identifier: Apache-2.0 */
/* Tells what the pages of a snapshot are by where its page tables map them. */
#include "snapshot/page_kinds.h"

#include <stdlib.h>
#include <string.h>

#include "snapshot/format.h"
#include "snapshot/golden_tables.h"
#include "vmm/page_tables.h"

#define ENTRIES    512
#define STACK_MOST (8ull << 20)

/* Entries looked at: tables may share tables, and then have more leaves than there is RAM. */
#define STEPS_MOST(frames) (4 * (frames) + (1u << 18))

static const char *const names[] = {
#define X(identifier, name, meaning) name,
        PAGE_KINDS(X)
#undef X
};

static const char *const meanings[] = {
#define X(identifier, name, meaning) meaning,
        PAGE_KINDS(X)
#undef X
};

const char *page_kind_name(enum page_kind kind)
{
	return names[kind];
}

const char *page_kind_meaning(enum page_kind kind)
{
	return meanings[kind];
}

struct walk {
	const struct snapshot *snapshot;
	const struct page_program *program;
	struct page_use *uses;
	uint64_t frames;
	uint64_t steps; /* left */
};

static enum page_kind kind_at(const struct walk *walk, uint64_t va, uint64_t entry)
{
	const struct mote_kit_note *kit = &walk->snapshot->machine->kit;

	if (va >= MOTE_WINDOW_VA)
		return va + MOTE_PAGE_SIZE > kit->text_start && va < kit->text_end
		               ? PAGE_KIND_KIT_TEXT
		               : PAGE_KIND_KIT_DATA;
	if (!(entry & PTE_NO_EXEC))
		return PAGE_KIND_TEXT;
	if (va >= walk->program->start && va < walk->program->end)
		return PAGE_KIND_DATA;
	return va < MOTE_STACK_TOP && va >= MOTE_STACK_TOP - STACK_MOST ? PAGE_KIND_STACK
	                                                                : PAGE_KIND_HEAP;
}

/* @entry maps pages from @va on. An application's mapping says more than any other. */
static void note(struct walk *walk, uint64_t va, uint64_t entry, uint64_t pages)
{
	uint64_t frame = (entry & PTE_ADDRESS) / MOTE_PAGE_SIZE;

	if (va >= MOTE_DIRECT_VA && va < MOTE_WINDOW_VA)
		return;
	for (uint64_t i = 0; i < pages && frame + i < walk->frames; i++) {
		struct page_use *use = &walk->uses[frame + i];
		uint64_t at = va + i * MOTE_PAGE_SIZE;

		if (use->va && (use->va < MOTE_USER_END || at >= MOTE_USER_END))
			continue;
		*use = (struct page_use){at, kind_at(walk, at, entry)};
	}
}

/* @level: 3 for the root's; @flags: restrictions of the levels above */
static void walk_table(struct walk *walk, uint64_t frame, int level, uint64_t va, uint64_t flags)
{
	uint64_t span = (uint64_t)MOTE_PAGE_SIZE << 9 * level;
	uint64_t entries[ENTRIES];

	if (frame >= walk->frames)
		return;
	memcpy(entries, snapshot_page(walk->snapshot, frame), sizeof entries);
	for (unsigned i = 0; i < ENTRIES && walk->steps; i++, va += span) {
		uint64_t entry = entries[i] | (flags & PTE_NO_EXEC);

		if (level == 3 && i == ENTRIES / 2)
			va |= 0xffff000000000000u;
		if (!(entry & PTE_PRESENT))
			continue;
		walk->steps--;
		if (level == 0 || (level < 3 && entry & PTE_HUGE))
			note(walk, va, entry, span / MOTE_PAGE_SIZE);
		else
			walk_table(walk, (entry & PTE_ADDRESS) / MOTE_PAGE_SIZE, level - 1, va,
			           entry);
	}
}

static int mark_tables(struct walk *walk, struct mote_error *err)
{
	uint64_t *tables = calloc((walk->frames + 63) / 64, sizeof *tables);
	int status = -1;

	if (!tables)
		return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for page tables");
	if (golden_tables_find(walk->snapshot, walk->frames * MOTE_PAGE_SIZE, tables, err) == 0) {
		for (uint64_t frame = 0; frame < walk->frames; frame++)
			if (tables[frame / 64] >> frame % 64 & 1)
				walk->uses[frame].kind = PAGE_KIND_TABLES;
		status = 0;
	}
	free(tables);
	return status;
}

int page_kinds_find(const struct snapshot *snapshot, const struct page_program *program,
                    struct page_use *uses, struct mote_error *err)
{
	struct walk walk = {
	        .snapshot = snapshot,
	        .program = program,
	        .uses = uses,
	        .frames = snapshot->machine->ram_size / MOTE_PAGE_SIZE,
	};

	walk.steps = STEPS_MOST(walk.frames);
	walk_table(&walk, (snapshot->machine->page_table & PTE_ADDRESS) / MOTE_PAGE_SIZE, 3, 0, 0);
	return mark_tables(&walk, err);
}
