/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of resets in place: which pages go back, which are watched anew, and when KVM forgets.
 */
#define _GNU_SOURCE 1
#include <criterion/criterion.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "snapshot/reset.h"

static int fake_ioctl(int fd, unsigned long request, void *argument);
static const unsigned char *fake_page(const struct snapshot *snapshot, uint64_t frame);

#define ioctl(fd, request, argument) fake_ioctl(fd, request, argument)
#define snapshot_page                fake_page
#include "snapshot/golden_tables.c"
#undef LEVELS
#undef ENTRIES
#include "snapshot/page_copy.c"
#include "snapshot/reset.c"
#undef FRAME_OF
#include "snapshot/oracle.c"
#undef ioctl

#define FRAMES     10240ul /* 40 MiB */
#define SLOT_2     512ul   /* first frame of the second slot */
#define SLOT_END   10000ul /* not of whole words */
#define PAGE       MOTE_PAGE_SIZE
#define TABLE(n)   (100 + (n))
#define ENTRY(n)   ((n)*PAGE | PTE_PRESENT | PTE_WRITABLE | PTE_USER)
#define FLUSH_NONE UINT64_MAX

static unsigned char *golden;
static struct kvm kvm;
static struct guest_memory memory;
static struct snapshot_machine machine;
static struct snapshot snapshot;
static struct reset reset;
static struct mote_error err;

/* What KVM's side of it is: a bit a page, as the log has them. */
static uint64_t log_bits[FRAMES / 64];
static unsigned clears, moves;
static uint64_t flush_gpa = FLUSH_NONE;

static int fake_ioctl(int fd, unsigned long request, void *argument)
{
	(void)fd;
	if (request == KVM_GET_DIRTY_LOG) {
		const struct kvm_dirty_log *log = argument;
		uint64_t first = log->slot ? SLOT_2 / 64 : 0;
		uint64_t end = log->slot ? (SLOT_END + 63) / 64 : SLOT_2 / 64;

		memcpy(log->dirty_bitmap, log_bits + first, (end - first) * 8);
	} else if (request == KVM_CLEAR_DIRTY_LOG) {
		const struct kvm_clear_dirty_log *log = argument;
		uint64_t slot_pages = log->slot ? SLOT_END - SLOT_2 : SLOT_2;
		uint64_t first = (log->slot ? SLOT_2 : 0) + log->first_page;
		const uint64_t *bits = log->dirty_bitmap;

		/* As KVM checks it. */
		cr_assert_eq(log->first_page % 64, 0);
		cr_assert_leq(log->first_page + log->num_pages, slot_pages);
		cr_assert(log->num_pages % 64 == 0 ||
		          log->first_page + log->num_pages == slot_pages);
		clears++;
		for (uint64_t i = 0; i < (log->num_pages + 63) / 64; i++)
			log_bits[first / 64 + i] &= ~bits[i];
	} else if (request == KVM_SET_USER_MEMORY_REGION) {
		const struct kvm_userspace_memory_region *slot = argument;

		cr_assert_eq(slot->slot, KVM_FLUSH_SLOT);
		cr_assert(slot->flags & KVM_MEM_READONLY);
		cr_assert_neq(slot->guest_phys_addr, flush_gpa, "it must move");
		moves += flush_gpa != FLUSH_NONE;
		flush_gpa = slot->guest_phys_addr;
	}
	return 0;
}

static const unsigned char *fake_page(const struct snapshot *unused, uint64_t frame)
{
	(void)unused;
	return golden + frame * PAGE;
}

static unsigned char *map(void)
{
	return mmap(NULL, FRAMES * PAGE, PROT_READ | PROT_WRITE,
	            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static uint64_t *golden_table(uint64_t frame)
{
	return (uint64_t *)(void *)(golden + frame * PAGE);
}

/* Four tables, frames TABLE(0) to TABLE(3). */
static void start(void)
{
	golden = map();
	memory = (struct guest_memory){.host = map(), .size = FRAMES * PAGE};
	for (uint64_t i = 0; i < 3; i++)
		golden_table(TABLE(i))[i] = ENTRY(TABLE(i + 1));
	golden_table(TABLE(3))[7] = ENTRY(20);
	memset(golden + 20 * PAGE, 0x20, PAGE);
	memcpy(memory.host, golden, 200 * PAGE);
	kvm = (struct kvm){
	        .ram_slots = 2, .ram_slot = {0, SLOT_2 * PAGE}, .ram_end = SLOT_END * PAGE};
	machine.page_table = TABLE(0) * PAGE;
	snapshot.machine = &machine;
	reset.is_shadowing = true;
	cr_assert_eq(reset_prepare(&reset, &kvm, &memory, &snapshot, &err), 0, "%s", err.text);
	cr_assert(kvm.is_logging);
}

static void stop(void)
{
	reset_free(&reset);
	cr_assert_null(memory.touched);
}

TestSuite(reset, .init = start, .fini = stop, .timeout = 60);

static unsigned char *page(uint64_t frame)
{
	return memory.host + frame * PAGE;
}

static void guest_writes(uint64_t frame, unsigned char byte)
{
	page(frame)[77] = byte;
	log_bits[frame / 64] |= 1ull << frame % 64;
}

static bool is_watched(uint64_t frame)
{
	return !(log_bits[frame / 64] >> frame % 64 & 1);
}

static bool is_golden(uint64_t frame)
{
	return !memcmp(page(frame), golden + frame * PAGE, PAGE);
}

static void round_of(void)
{
	cr_assert_eq(reset_memory(&reset, &err), 0, "%s", err.text);
}

Test(reset, what_was_written_or_touched_goes_back)
{
	struct mote_error unused;

	(void)unused;
	guest_writes(5, 1);
	guest_writes(SLOT_2, 1);
	guest_writes(SLOT_END - 1, 1);
	cr_assert_eq(guest_write(&memory, (mote_gpa_t){9 * PAGE + 4000}, golden + 20 * PAGE, 200),
	             0);
	cr_assert_eq(guest_write(&memory, (mote_gpa_t){(FRAMES - 1) * PAGE}, golden + 20 * PAGE, 1),
	             0);
	page(30)[1] = 1; /* nobody knows of it */
	round_of();
	cr_assert(is_golden(5) && is_golden(SLOT_2) && is_golden(SLOT_END - 1));
	cr_assert(is_golden(9) && is_golden(10), "both pages of a write");
	cr_assert(is_golden(FRAMES - 1), "behind the last slot");
	cr_assert(!is_golden(30));
	cr_assert_eq(reset.counts.changed, 6);
	cr_assert_eq(moves, 0);
	cr_assert(!reset.was_flushed);
	cr_assert(!is_watched(5), "stays in the set");
	round_of();
	cr_assert_eq(reset.counts.changed, 6);
}

/* The guest may write them through page tables of its own. */
Test(reset, the_contracts_pages_go_back_always)
{
	page(FRAME_OF(MOTE_CLOCK_VA))[4000] = 1;
	page(FRAME_OF(MOTE_RUN_VA))[4000] = 1;
	round_of();
	cr_assert(is_golden(FRAME_OF(MOTE_CLOCK_VA)) && is_golden(FRAME_OF(MOTE_RUN_VA)));
}

Test(reset, a_page_leaves_the_set_after_quiet_rounds)
{
	guest_writes(SLOT_END - 1, 1);
	round_of();
	for (int i = 0; i < RESET_AGE - 1; i++)
		round_of();
	cr_assert(!is_watched(SLOT_END - 1));
	guest_writes(SLOT_END - 1, 1); /* begins anew */
	round_of();
	for (int i = 0; i < RESET_AGE - 1; i++)
		round_of();
	cr_assert(!is_watched(SLOT_END - 1));
	round_of();
	cr_assert(is_watched(SLOT_END - 1));
	cr_assert(is_golden(SLOT_END - 1));
	cr_assert_geq(reset.counts.remapped, 1, "and goes back to the host");
	guest_writes(SLOT_END - 1, 2);
	round_of();
	cr_assert(is_golden(SLOT_END - 1));
}

Test(reset, a_written_page_table_has_kvm_forget)
{
	for (uint64_t i = 0; i < 4; i++) {
		guest_writes(TABLE(i), 1);
		guest_writes(60, 1);
		round_of();
		cr_assert_eq(moves, i + 1);
		cr_assert(reset.was_flushed);
		cr_assert(is_golden(TABLE(i)) && is_golden(60));
		cr_assert(is_watched(TABLE(i)) && !is_watched(60));
		round_of();
		cr_assert_eq(moves, i + 1, "its bit tells of one round");
		cr_assert(!reset.was_flushed);
	}
}

/* An entry that was used and written back: memory says nothing of it. */
Test(reset, so_does_one_with_the_same_bytes)
{
	log_bits[TABLE(3) / 64] |= 1ull << TABLE(3) % 64;
	round_of();
	cr_assert_eq(moves, 1);
	cr_assert_eq(memory.touched[TABLE(2) / 64], 0);
	cr_assert_not_null(guest_range(&memory, (mote_gpa_t){TABLE(2) * PAGE}, 8));
	round_of();
	cr_assert_eq(moves, 2, "the VMM itself may have written it");
}

Test(reset, nested_tables_need_no_slot)
{
	reset.is_shadowing = false;
	guest_writes(TABLE(1), 1);
	round_of();
	cr_assert_eq(moves, 0);
	cr_assert(reset.was_flushed);
}

Test(reset, a_large_set_is_given_back)
{
	for (uint64_t i = 0; i <= RESET_COPY_MAX; i++)
		guest_writes(600 + i, 3);
	guest_writes(600 + RESET_COPY_MAX + 100, 3);
	/* The set has the contract's two pages, too, which are zero here. */
	round_of();
	cr_assert_eq(reset.counts.remapped, RESET_COPY_MAX + 4);
	for (uint64_t i = 0; i <= RESET_COPY_MAX; i++)
		cr_assert(is_golden(600 + i) && is_watched(600 + i));
	cr_assert(is_golden(600 + RESET_COPY_MAX + 100));
	round_of();
	cr_assert_eq(reset.counts.remapped, RESET_COPY_MAX + 4);
}

Test(reset, another_snapshot_has_other_tables)
{
	golden_table(TABLE(0))[0] = ENTRY(200);
	golden_table(200)[0] = ENTRY(201);
	cr_assert_eq(reset_change(&reset, &snapshot, &err), 0);
	cr_assert_eq(moves, 1);
	guest_writes(TABLE(1), 1);
	round_of();
	cr_assert_eq(moves, 1, "no table any more");
	guest_writes(201, 1);
	round_of();
	cr_assert_eq(moves, 2);
}

/* ---- page tables ---- */

static bool is_table(uint64_t frame)
{
	return reset.tables[frame / 64] >> frame % 64 & 1;
}

static void find_again(void)
{
	memset(reset.tables, 0, FRAMES / 8);
	cr_assert_eq(golden_tables_find(&snapshot, memory.size, reset.tables, &err), 0);
}

Test(reset, tables_are_found)
{
	cr_assert(is_table(TABLE(0)) && is_table(TABLE(3)));
	cr_assert(!is_table(20), "what they map");
	golden_table(TABLE(2))[9] = ENTRY(300) | PTE_HUGE;
	golden_table(TABLE(2))[10] = ENTRY(301) & ~PTE_PRESENT;
	find_again();
	cr_assert(!is_table(300) && !is_table(301));
}

/* Tables that lead to themselves, and out of RAM; one that is of two levels. */
Test(reset, hostile_tables_end)
{
	for (unsigned i = 0; i < 512; i++)
		golden_table(TABLE(0))[i] = ENTRY(i % 2 ? TABLE(0) : FRAMES + i * 1000000ul);
	find_again();
	cr_assert(is_table(TABLE(0)));
	memset(golden_table(TABLE(0)), 0, PAGE);
	golden_table(TABLE(0))[0] = ENTRY(TABLE(1));
	golden_table(TABLE(0))[1] = ENTRY(TABLE(3));
	golden_table(TABLE(3))[7] = ENTRY(400);
	golden_table(400)[1] = ENTRY(401);
	find_again();
	cr_assert(is_table(400) && is_table(401), "as a table of the second level, too");
	machine.page_table = FRAMES * PAGE;
	find_again();
	cr_assert(!is_table(TABLE(0)));
}

/* ---- copying, and the oracle ---- */

static void check_copy(page_copy_back *copy)
{
	static unsigned char a[PAGE] __attribute__((aligned(4096)));
	static unsigned char b[PAGE] __attribute__((aligned(4096)));

	memset(b, 0x11, sizeof b);
	memset(a, 0x11, sizeof a);
	cr_assert(!copy(a, b));
	for (unsigned i = 0; i < PAGE; i++) {
		a[i] ^= 0x80;
		cr_assert(copy(a, b), "byte %u", i);
		cr_assert_eq(memcmp(a, b, PAGE), 0);
	}
	memset(a, 0, sizeof a);
	cr_assert(copy(a, b));
	cr_assert_eq(memcmp(a, b, PAGE), 0);
}

Test(reset, each_way_of_copying)
{
	check_copy(page_copy_choose());
	check_copy(copy_back16);
	if (__builtin_cpu_supports("avx2"))
		check_copy(copy_back32);
	if (__builtin_cpu_supports("avx512bw"))
		check_copy(copy_back64);
}

Test(reset, the_oracle_finds_a_byte)
{
	struct oracle_difference difference;

	page(FRAME_OF(MOTE_CLOCK_VA))[3] = 1;
	page(FRAME_OF(MOTE_RUN_VA))[sizeof(struct mote_run) - 1] = 1;
	cr_assert(oracle_check_memory(&snapshot, &memory, &difference), "the contract's");
	page(FRAMES - 1)[PAGE - 1] = 0x42;
	cr_assert(!oracle_check_memory(&snapshot, &memory, &difference));
	cr_assert_eq(difference.gpa, FRAMES * PAGE - 1);
	cr_assert_eq(difference.found, 0x42);
	cr_assert_eq(difference.golden, 0);
	page(FRAMES - 1)[PAGE - 1] = 0;
	page(FRAME_OF(MOTE_RUN_VA))[sizeof(struct mote_run)] = 1;
	cr_assert(!oracle_check_memory(&snapshot, &memory, &difference), "behind what is excepted");
}
