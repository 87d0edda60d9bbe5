/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the memory of a VM back to what a snapshot has, in place. reset.h says how it works. */
#include "snapshot/reset.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "snapshot/golden_tables.h"

#define FRAME_OF(va) (((va)-MOTE_WINDOW_VA) / MOTE_PAGE_SIZE)

/* Of KVM_FLUSH_SLOT, by turns: in the guest-physical gap behind the registers of devices. */
#define FLUSH_GPA(has_moved) \
	(MOTE_DEVICES_GPA + (MOTE_DEVICES_MAX + ((has_moved) ? 1 : 0)) * MOTE_PAGE_SIZE)

static uint64_t words_of(const struct guest_memory *memory)
{
	return (memory->size / MOTE_PAGE_SIZE + 63) / 64;
}

/* Zeros that cost the host nothing until they are used. */
static void *take(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void unmap(void *memory, size_t size)
{
	if (memory)
		munmap(memory, size);
}

/* ---- translations that KVM has made from page tables ---- */

/* #syscalls:snapshot ioctl(KVM_SET_USER_MEMORY_REGION) */
static int place_flush_slot(struct reset *reset, struct mote_error *err)
{
	struct kvm_userspace_memory_region slot = {
	        .slot = KVM_FLUSH_SLOT,
	        .flags = KVM_MEM_READONLY,
	        .guest_phys_addr = FLUSH_GPA(reset->has_moved),
	        .memory_size = MOTE_PAGE_SIZE,
	        .userspace_addr = (uint64_t)reset->flush_page,
	};

	if (ioctl(reset->kvm->vm, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "cannot reset a VM: KVM_SET_USER_MEMORY_REGION");
	return 0;
}

/*
 * KVM forgets all that it knows of the guest's page tables when any slot goes or moves
 * (Documentation/virt/kvm/api.rst, KVM_X86_QUIRK_SLOT_ZAP_ALL): a slot of one page, of zeros that
 * nothing can write to, is there for that. Nested tables say nothing of the guest's own.
 */
static int forget_translations(struct reset *reset, struct mote_error *err)
{
	reset->counts.flushes++;
	reset->was_flushed = true;
	if (!reset->is_shadowing)
		return 0;
	reset->has_moved = !reset->has_moved;
	return place_flush_slot(reset, err);
}

/* ---- preparation ---- */

/* #syscalls:load ioctl(KVM_ENABLE_CAP) */
static int start_logging(struct reset *reset, struct mote_error *err)
{
	struct kvm_enable_cap manual = {.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
	                                .args = {KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE}};

	if (ioctl(reset->kvm->vm, KVM_ENABLE_CAP, &manual) < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "cannot reset a VM: this KVM cannot leave the dirty log to "
		                        "its user");
	reset->kvm->is_logging = true;
	return reset->is_shadowing ? place_flush_slot(reset, err) : 0;
}

int reset_prepare(struct reset *reset, struct kvm *kvm, struct guest_memory *memory,
                  const struct snapshot *snapshot, struct mote_error *err)
{
	uint64_t words = words_of(memory), frames = words * 64;

	reset->kvm = kvm;
	reset->memory = memory;
	reset->snapshot = snapshot;
	reset->copy_back = page_copy_choose();
	reset->dirty = take(words * 8);
	reset->watch = take(words * 8);
	reset->tables = take(words * 8);
	reset->golden = take(frames * sizeof *reset->golden);
	reset->quiet = take(frames);
	reset->flush_page = take(MOTE_PAGE_SIZE);
	memory->touched = take(words * 8);
	memory->touched_end = &reset->touched_end;
	if (!reset->dirty || !reset->watch || !reset->tables || !reset->golden || !reset->quiet ||
	    !reset->flush_page || !memory->touched)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "no memory for resets");
	return golden_tables_find(snapshot, memory->size, reset->tables, err) ||
	                       start_logging(reset, err)
	               ? -1
	               : 0;
}

/* The set of pages that KVM lets be written stays: they are compared like all others. */
int reset_change(struct reset *reset, const struct snapshot *snapshot, struct mote_error *err)
{
	reset->snapshot = snapshot;
	reset->is_changed = true;
	return forget_translations(reset, err);
}

/* #syscalls:snapshot mmap munmap */
static int learn_snapshot(struct reset *reset, struct mote_error *err)
{
	uint64_t words = words_of(reset->memory);

	reset->is_changed = false;
	memset(reset->tables, 0, words * 8);
	memset(reset->golden, 0, words * 64 * sizeof *reset->golden);
	memset(reset->quiet, 0, words * 64);
	return golden_tables_find(reset->snapshot, reset->memory->size, reset->tables, err);
}

void reset_free(struct reset *reset)
{
	uint64_t words, frames;

	if (!reset->memory)
		return; /* it was not begun */
	words = words_of(reset->memory);
	frames = words * 64;
	unmap(reset->dirty, words * 8);
	unmap(reset->watch, words * 8);
	unmap(reset->tables, words * 8);
	unmap(reset->golden, frames * sizeof *reset->golden);
	unmap(reset->quiet, frames);
	unmap(reset->flush_page, MOTE_PAGE_SIZE);
	unmap(reset->memory->touched, words * 8);
	reset->memory->touched = NULL;
}

/* ---- the set of a round ---- */

static uint64_t slot_end(const struct kvm *kvm, unsigned slot)
{
	return slot + 1 < kvm->ram_slots ? kvm->ram_slot[slot + 1] : kvm->ram_end;
}

/* Slots begin at whole 2 MiB, so each has words of its own. */
/* #syscalls:snapshot ioctl(KVM_GET_DIRTY_LOG) */
static int read_log(struct reset *reset, struct mote_error *err)
{
	const struct kvm *kvm = reset->kvm;

	for (unsigned i = 0; i < kvm->ram_slots; i++) {
		struct kvm_dirty_log log = {.slot = i,
		                            .dirty_bitmap = reset->dirty +
		                                            kvm->ram_slot[i] / MOTE_PAGE_SIZE / 64};

		if (ioctl(kvm->vm, KVM_GET_DIRTY_LOG, &log) < 0)
			return mote_error_errno(err, MOTE_STATUS_FAILED,
			                        "cannot reset a VM: KVM_GET_DIRTY_LOG");
	}
	return 0;
}

/* Which pages a round is about: bits in reset->dirty. */
struct set {
	uint64_t words; /* behind these there are none */
	uint64_t count;
	bool has_tables; /* pages of page tables */
};

static void touch(struct guest_memory *memory, uint64_t frame)
{
	memory->touched[frame / 64] |= 1ull << frame % 64;
}

static void add_word(struct reset *reset, struct set *set, uint64_t i)
{
	uint64_t bits = reset->dirty[i];

	if (!bits)
		return;
	reset->memory->touched[i] = 0;
	set->words = i + 1;
	set->count += (uint64_t)__builtin_popcountll(bits);
	set->has_tables |= (bits & reset->tables[i]) != 0;
	reset->watch[i] |= bits & reset->tables[i];
}

/* KVM's and the VMM's. What the VMM touched may lie behind the last slot, as a rule nothing does.
 */
static struct set join(struct reset *reset)
{
	uint64_t *touched = reset->memory->touched, *dirty = reset->dirty;
	uint64_t logged = (reset->kvm->ram_end / MOTE_PAGE_SIZE + 63) / 64, i;
	struct set set = {0};

	touch(reset->memory, FRAME_OF(MOTE_CLOCK_VA));
	touch(reset->memory, FRAME_OF(MOTE_RUN_VA));
	for (i = 0; i < logged; i++) {
		dirty[i] |= touched[i];
		add_word(reset, &set, i);
	}
	for (; i < reset->touched_end; i++) {
		dirty[i] = touched[i];
		add_word(reset, &set, i);
	}
	reset->touched_end = 0;
	return set;
}

/* ---- pages ---- */

static const void *golden_page(struct reset *reset, uint64_t frame)
{
	const void **golden = &reset->golden[frame];

	if (!*golden)
		*golden = snapshot_page(reset->snapshot, frame);
	return *golden;
}

static void watch(struct reset *reset, uint64_t frame)
{
	reset->watch[frame / 64] |= 1ull << frame % 64;
}

static void put_back(struct reset *reset, uint64_t frame)
{
	void *page = reset->memory->host + frame * MOTE_PAGE_SIZE;

	reset->counts.pages++;
	if (reset->copy_back(page, golden_page(reset, frame))) {
		reset->quiet[frame] = 0;
		reset->counts.changed++;
	} else if (++reset->quiet[frame] == RESET_AGE) {
		reset->quiet[frame] = 0;
		reset->counts.aged++;
		watch(reset, frame);
	}
}

/* A run of pages that leave the set. */
/* #syscalls:snapshot madvise(MADV_DONTNEED) */
static int discard(struct reset *reset, uint64_t first, uint64_t end)
{
	reset->counts.remapped += end - first;
	memset(reset->quiet + first, 0, end - first);
	return madvise(reset->memory->host + first * MOTE_PAGE_SIZE, (end - first) * MOTE_PAGE_SIZE,
	               MADV_DONTNEED);
}

/*
 * Gives the host back what is to be watched anew, but for page tables. What comes back is the
 * snapshot's: its file where that is mapped, else zeros.
 */
static int give_back(struct reset *reset, const struct set *set)
{
	uint64_t first = 0, end = 0;

	for (uint64_t i = 0; i < set->words; i++)
		for (uint64_t bits = reset->watch[i] & ~reset->tables[i]; bits; bits &= bits - 1) {
			uint64_t frame = i * 64 + (uint64_t)__builtin_ctzll(bits);

			if (frame != end && end && discard(reset, first, end))
				return -1;
			if (frame != end || !end)
				first = frame;
			end = frame + 1;
		}
	return end ? discard(reset, first, end) : 0;
}

/* Has KVM watch pages anew, a slot at a time. */
/* #syscalls:snapshot ioctl(KVM_CLEAR_DIRTY_LOG) */
static int watch_again(struct reset *reset, struct mote_error *err)
{
	const struct kvm *kvm = reset->kvm;

	for (unsigned i = 0; i < kvm->ram_slots; i++) {
		uint64_t base = kvm->ram_slot[i] / MOTE_PAGE_SIZE / 64;
		uint64_t pages = (slot_end(kvm, i) - kvm->ram_slot[i]) / MOTE_PAGE_SIZE;
		uint64_t words = (pages + 63) / 64, first = 0, end = words;
		uint64_t *bits = reset->watch + base;

		while (first < words && !bits[first])
			first++;
		if (first == words)
			continue;
		while (!bits[end - 1])
			end--;
		struct kvm_clear_dirty_log log = {
		        .slot = i,
		        .first_page = first * 64,
		        .num_pages = (uint32_t)((end * 64 < pages ? end * 64 : pages) - first * 64),
		        .dirty_bitmap = bits + first};

		if (ioctl(kvm->vm, KVM_CLEAR_DIRTY_LOG, &log) < 0)
			return mote_error_errno(err, MOTE_STATUS_FAILED,
			                        "cannot reset a VM: KVM_CLEAR_DIRTY_LOG");
		memset(bits + first, 0, (end - first) * 8);
	}
	return 0;
}

int reset_memory(struct reset *reset, struct mote_error *err)
{
	uint64_t aged = reset->counts.aged;
	struct set set;
	bool is_large;

	if ((reset->is_changed && learn_snapshot(reset, err)) || read_log(reset, err))
		return -1;
	set = join(reset);
	is_large = set.count > RESET_COPY_MAX;
	for (uint64_t i = 0; i < set.words; i++) {
		uint64_t bits = is_large ? reset->dirty[i] & reset->tables[i] : reset->dirty[i];

		if (is_large)
			reset->watch[i] |= reset->dirty[i];
		for (; bits; bits &= bits - 1)
			put_back(reset, i * 64 + (uint64_t)__builtin_ctzll(bits));
	}
	reset->counts.rounds++;
	reset->was_flushed = false;
	if ((is_large || aged != reset->counts.aged) && give_back(reset, &set))
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "cannot reset a VM: giving memory back");
	if ((is_large || set.has_tables || aged != reset->counts.aged) && watch_again(reset, err))
		return -1;
	return set.has_tables ? forget_translations(reset, err) : 0;
}
