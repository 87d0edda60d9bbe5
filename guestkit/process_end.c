/* SPDX-License-Identifier: Apache-2.0 */
/* The ends of a guest. */
#include "guestkit/process_end.h"

#include "guestkit/clock.h"
#include "guestkit/console.h"
#include "guestkit/hypercall.h"
#include "guestkit/libc-shim/page_tree.h"
#include "guestkit/libc-shim/strace.h"
#include "guestkit/machine.h"
#include "guestkit/memory.h"
#include "guestkit/page_table.h"
#include "guestkit/string.h"
#include "guestkit/trap.h"
#include "guestkit/vma.h"
#include "guestkit/write_back.h"

static _Noreturn void end(uint64_t status)
{
	if (write_back_is_needed)
		memory_write_back_all();
	if (machine.strace)
		strace_end(status);
	((struct mote_run *)MOTE_RUN_VA)->stamp[MOTE_STAMP_EXIT] = clock_tsc();
	for (;;)
		hypercall_turn(MOTE_HC_exit, status, 0, 0);
}

void end_exit(int status)
{
	end((uint64_t)status & 0xff);
}

void end_by_signal(int signal)
{
	end(MOTE_EXIT_SIGNAL | (uint64_t)signal);
}

static uint64_t fs_base(void)
{
	uint64_t base;

	__asm__ volatile("rdfsbase %0" : "=r"(base));
	return base;
}

static _Noreturn void crash(const struct mote_crash *report)
{
	static struct mote_crash record;

	record = *report;
	if (write_back_is_needed && !record.in_kit)
		memory_write_back_all();
	if (machine.strace && !record.in_kit)
		strace_end(MOTE_EXIT_SIGNAL | record.signal);
	((struct mote_run *)MOTE_RUN_VA)->stamp[MOTE_STAMP_EXIT] = clock_tsc();
	for (;;)
		hypercall_turn(MOTE_HC_crash, kit_physical(&record), 0, 0);
}

static void fill(struct mote_crash *report, const struct context *c)
{
	const uint64_t gpr[16] = {c->rax, c->rbx, c->rcx, c->rdx, c->rsi, c->rdi, c->rbp, c->rsp,
	                          c->r8,  c->r9,  c->r10, c->r11, c->r12, c->r13, c->r14, c->r15};

	memcpy(report->gpr, gpr, sizeof gpr);
	report->rip = c->rip;
	report->rflags = c->rflags;
	report->fs_base = fs_base();
}

void end_by_crash(const struct context *context, int signal, uint32_t vector, uint64_t error,
                  uint64_t address, const char *reason)
{
	struct mote_crash report = {
	        .signal = (uint32_t)signal, .vector = vector, .error = error, .address = address};

	fill(&report, context);
	if (reason)
		kit_format(report.reason, sizeof report.reason, "%s", reason);
	crash(&report);
}

void end_kit_crash(const struct context *context, uint32_t vector, uint64_t error, uint64_t address)
{
	struct mote_crash report = {
	        .signal = 11, .vector = vector, .error = error, .address = address, .in_kit = 1};

	fill(&report, context);
	crash(&report);
}

void end_out_of_memory(void)
{
	const size_t kib = PAGE_SIZE / 1024;
	size_t total = page_total_count(), used = total - page_free_count();
	size_t program = page_table_owned(), tables = page_table_tables(), files = page_tree_total;

	kit_print("mote: guest: out of memory: %lu of %lu KiB in use: %lu by the program (%lu are "
	          "mapped), %lu by its page tables, %lu by files in memory, %lu by the kit. "
	          "Give it more with --mem\n",
	          used * kib, total * kib, program * kib, vma_total() / 1024, tables * kib,
	          files * kib, (used - program - tables - files) * kib);
	end(MOTE_EXIT_OUT_OF_MEMORY);
}
