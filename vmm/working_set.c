/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records what a start from a snapshot touches, so that the next ones have it from the beginning.
 *
 * How it works
 *
 * A page that the guest touches for the first time costs a fault in KVM, and one more where it is
 * written after it was read: microseconds each. Brought in at once, as the guest's own, it costs a
 * tenth of that, and KVM maps its neighbours with it.
 *
 * The first start from a snapshot finds out which pages these are. The accessed bits of its page
 * tables are cleared before it runs, and whoever walks the tables, CPU or KVM, sets those of what
 * the guest reaches. What is written, by the guest or for it, is the file's no longer, and
 * /proc/self/pagemap says so.
 */
#include "vmm/working_set.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "snapshot/golden_tables.h"
#include "vmm/page_tables.h"

#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_SWAPPED (1ull << 62)
#define PAGEMAP_FILE    (1ull << 61)
#define PAGEMAP_CHUNK   512 /* entries read at once */

#define ENTRIES    512
#define GROUP      8
#define FRAMES_MAX 8192 /* more than a snapshot has room for */

/*
 * Pages that are only read are left to all clones of a snapshot together, unless they are more than
 * that: then their faults take longer than anyone would call a start. Where KVM shadows page tables
 * it depends on their neighbours: a page by itself costs a fault in any case (complete_group()).
 */
#define READ_SHARED 64

struct working_set {
	int pagemap;
	bool is_shadowing;
	bool is_large;                               /* many pages are only read */
	uint64_t frames;                             /* that have slots at the start */
	uint64_t words;                              /* of a bit a frame */
	uint64_t *tables, *read, *grouped, *written; /* a bit a frame */
	uint32_t list[FRAMES_MAX];
};

static bool has_bit(const uint64_t *map, uint64_t frame)
{
	return map[frame / 64] >> frame % 64 & 1;
}

static void set_bit(uint64_t *map, uint64_t frame)
{
	map[frame / 64] |= 1ull << frame % 64;
}

/* ---- before the start ---- */

void working_set_prepare(struct vm *vm)
{
	struct working_set *set;
	int pagemap;

	/* Of a start that is reset, the oracle would find the accessed bits. */
	if (!vm->snapshot->record || vm->options->count != 1 || vm->host.can_reset)
		return;
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		return;
	set = calloc(1, sizeof *set);
	if (!set) {
		close(pagemap);
		return;
	}
	set->pagemap = pagemap;
	set->is_shadowing = kvm_is_shadowing(kvm_backend());
	vm->working_set = set;
}

/* The entries of a page table; NULL where it lies outside of RAM. */
static uint64_t *table_entries(const struct vm *vm, uint64_t frame)
{
	return guest_range(&vm->memory, (mote_gpa_t){frame * MOTE_PAGE_SIZE}, MOTE_PAGE_SIZE);
}

static void clear_accessed(const struct vm *vm)
{
	const struct working_set *set = vm->working_set;

	for (uint64_t frame = 0; frame < set->frames; frame++) {
		uint64_t *entries = has_bit(set->tables, frame) ? table_entries(vm, frame) : NULL;

		for (unsigned i = 0; entries && i < ENTRIES; i++)
			if (entries[i] & PTE_ACCESSED && entries[i] & PTE_PRESENT)
				entries[i] &= ~PTE_ACCESSED;
	}
}

/* #syscalls:load mmap */
void working_set_begin(struct vm *vm)
{
	struct working_set *set = vm->working_set;
	struct mote_error ignored;
	uint64_t *maps;

	if (!set)
		return;
	vm->working_set = NULL;
	set->frames = vm->snapshot->machine->ram_end / MOTE_PAGE_SIZE;
	/* A table may lie, or be said to lie, anywhere in RAM. */
	set->words = vm->memory.size / MOTE_PAGE_SIZE / 64 + 1;
	maps = mmap(NULL, 4 * set->words * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	            -1, 0);
	if (!vm->snapshot->can_record || maps == MAP_FAILED ||
	    golden_tables_find(vm->snapshot, vm->memory.size, maps, &ignored))
		return;
	set->tables = maps;
	set->read = maps + set->words;
	set->grouped = maps + 2 * set->words;
	set->written = maps + 3 * set->words;
	vm->working_set = set;
	clear_accessed(vm);
}

/* ---- after it ---- */

/* The page of RAM that an entry of a table leads to, if that is one page; else UINT64_MAX. */
static uint64_t entry_target(const struct working_set *set, uint64_t entry)
{
	uint64_t target = (entry & PTE_ADDRESS) / MOTE_PAGE_SIZE;

	return entry & PTE_PRESENT && !(entry & PTE_HUGE) && target < set->frames ? target
	                                                                          : UINT64_MAX;
}

/*
 * A group of entries of one table. KVM that shadows page tables maps all of them when one faults,
 * up to the first whose page is not there for writing: so a group is best there as a whole.
 */
static void look_at_group(struct working_set *set, const uint64_t *entries, const uint64_t *before)
{
	(void)before;
	unsigned accessed = 0;

	for (unsigned i = 0; i < GROUP; i++) {
		uint64_t target = entry_target(set, entries[i]);

		if (target == UINT64_MAX || !(entries[i] & PTE_ACCESSED))
			continue;
		set_bit(set->read, target);
		accessed++;
	}
	for (unsigned i = 0; accessed > 1 && i < GROUP; i++)
		if (entry_target(set, entries[i]) != UINT64_MAX)
			set_bit(set->grouped, entry_target(set, entries[i]));
}

/*
 * Whether @extra pages are worth it that one fault maps a group of which @accessed entries were
 * used. A page takes a sixth of the time of a fault, but clones of a small guest have hardly more
 * for themselves than these.
 */
static bool is_worth(const struct working_set *set, unsigned accessed, unsigned extra)
{
	return set->is_large ? extra <= 2 * (accessed - 1) : extra < accessed / 2;
}

/*
 * Adds what is missing from a group so that one fault maps it, if that is not much. KVM begins at
 * the first entry, and stops at one that is not there or was never used.
 */
static void complete_group(struct working_set *set, const uint64_t *entries, const uint64_t *before)
{
	const uint64_t used = PTE_PRESENT | PTE_ACCESSED;
	unsigned accessed = 0, missing = 0, end = 0, extra = 0;

	for (unsigned i = 0; i < GROUP && (before[i] & used) == used; i++) {
		uint64_t target = entry_target(set, before[i]);

		if (target == UINT64_MAX || has_bit(set->tables, target))
			break;
		missing += !has_bit(set->written, target);
		if (entries[i] & PTE_ACCESSED) {
			accessed++;
			extra = missing;
			end = i + 1;
		}
	}
	for (unsigned i = 0; i < end && is_worth(set, accessed, extra); i++)
		set_bit(set->written, entry_target(set, before[i]));
}

/* The tables that were there at the start, in groups: as they are, and as the snapshot has them. */
static void for_each_group(const struct vm *vm,
                           void (*look)(struct working_set *set, const uint64_t *entries,
                                        const uint64_t *before))
{
	struct working_set *set = vm->working_set;
	uint64_t entries[ENTRIES], before[ENTRIES];

	for (uint64_t frame = 0; frame < set->frames; frame++) {
		if (!has_bit(set->tables, frame) ||
		    guest_read(&vm->memory, (mote_gpa_t){frame * MOTE_PAGE_SIZE}, entries,
		               sizeof entries))
			continue;
		memcpy(before, snapshot_page(vm->snapshot, frame), sizeof before);
		for (unsigned i = 0; i < ENTRIES; i += GROUP)
			look(set, entries + i, before + i);
	}
}

/* Whether the guest has written a table, apart from the bits that are written for it. */
static bool is_table_changed(const struct vm *vm, uint64_t frame)
{
	const uint64_t kept = ~(PTE_ACCESSED | PTE_DIRTY);
	uint64_t now[ENTRIES], before[ENTRIES];

	memcpy(before, snapshot_page(vm->snapshot, frame), sizeof before);
	if (guest_read(&vm->memory, (mote_gpa_t){frame * MOTE_PAGE_SIZE}, now, sizeof now))
		return false;
	for (unsigned i = 0; i < ENTRIES; i++)
		if ((now[i] ^ before[i]) & kept)
			return true;
	return false;
}

/* #syscalls:run pread64 */
static void find_written(const struct vm *vm)
{
	const struct working_set *set = vm->working_set;
	uint64_t first = (uint64_t)vm->memory.host / MOTE_PAGE_SIZE;
	uint64_t entries[PAGEMAP_CHUNK];

	for (uint64_t frame = 0; frame < set->frames; frame += PAGEMAP_CHUNK) {
		size_t count =
		        set->frames - frame < PAGEMAP_CHUNK ? set->frames - frame : PAGEMAP_CHUNK;

		if (pread(set->pagemap, entries, count * 8, (off_t)((first + frame) * 8)) !=
		    (ssize_t)(count * 8))
			return;
		for (size_t i = 0; i < count; i++)
			if (entries[i] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED) &&
			    !(entries[i] & PAGEMAP_FILE) &&
			    (!has_bit(set->tables, frame + i) || is_table_changed(vm, frame + i)))
				set_bit(set->written, frame + i);
	}
}

static uint64_t count_only_read(const struct working_set *set)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < set->words; i++)
		count += (uint64_t)__builtin_popcountll(set->read[i] & ~set->tables[i] &
		                                        ~set->written[i]);
	return count;
}

/*
 * Give the tables their accessed bits back, as the snapshot has them: in a snapshot of this guest
 * each bit that the CPU has yet to set would be a page that each start from it writes. Entries that
 * are not as clear_accessed() left them are the guest's, and may be no entries any more.
 */
static void restore_accessed(const struct vm *vm)
{
	const struct working_set *set = vm->working_set;

	for (uint64_t frame = 0; frame < set->frames; frame++) {
		uint64_t *entries = has_bit(set->tables, frame) ? table_entries(vm, frame) : NULL;
		uint64_t before[ENTRIES];

		if (!entries)
			continue;
		memcpy(before, snapshot_page(vm->snapshot, frame), sizeof before);
		for (unsigned i = 0; i < ENTRIES; i++)
			if (before[i] & PTE_PRESENT && before[i] & PTE_ACCESSED &&
			    entries[i] == (before[i] & ~PTE_ACCESSED))
				entries[i] = before[i];
	}
}

static void record(struct vm *vm)
{
	struct working_set *set = vm->working_set;
	size_t count = 0;

	for_each_group(vm, look_at_group);
	find_written(vm);
	set->is_large = count_only_read(set) > READ_SHARED;
	if (set->is_shadowing) {
		for_each_group(vm, complete_group);
	} else if (set->is_large) {
		for (uint64_t i = 0; i < set->words; i++)
			set->written[i] |= (set->read[i] | set->grouped[i]) & ~set->tables[i];
	}
	for (uint64_t frame = 0; frame < set->frames && count < FRAMES_MAX; frame++)
		if (has_bit(set->written, frame))
			set->list[count++] = (uint32_t)frame;
	snapshot_record(vm->snapshot, set->list, count);
}

void working_set_watch(struct vm *vm, bool is_over)
{
	if (!vm->working_set ||
	    (!is_over && clock_microseconds(&vm->clock, vm->moment[VM_MOMENT_RUN],
	                                    clock_host_tsc()) < WORKING_SET_US))
		return;
	record(vm);
	working_set_stop(vm);
}

/* Its memory stays: the end of the process is quicker. */
void working_set_stop(struct vm *vm)
{
	if (vm->working_set && !vm->is_over)
		restore_accessed(vm);
	vm->working_set = NULL;
}

void working_set_close(struct vm *vm)
{
	struct working_set *set = vm->working_set;

	vm->working_set = NULL;
	if (!set)
		return;
	close(set->pagemap);
	if (set->tables)
		munmap(set->tables, 4 * set->words * 8);
	free(set);
}
