/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots: the hypercall, and what a start from one begins with.
 *
 * How it works
 *
 * The hypercall is the one place from which a guest starts again. What the kit itself never
 * touches, vector registers and the bases of FS and GS, is kept in memory across it: so memory and
 * general registers are all that the VMM must put back to begin a request anew.
 *
 * Behind it the seed of the new generation comes first: nothing random is given out before
 * (random.c). Then what follows the clock, and what the VMM says is different now. This is on the
 * path of each request that begins with a reset: it makes no exit unless something was replaced,
 * writes no page table, and what can wait until it is asked for (boot id, ports) compares
 * snapshot_starts.
 */
#include "guestkit/snapshot.h"

#include <linux/errno.h>

#include "guestkit/clock.h"
#include "guestkit/fpu.h"
#include "guestkit/function.h"
#include "guestkit/hypercall.h"
#include "guestkit/libc-shim/console_file.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/signal.h"
#include "guestkit/libc-shim/timerfd.h"
#include "guestkit/machine.h"
#include "guestkit/random.h"
#include "guestkit/selectors.h"
#include "guestkit/string.h"
#include "guestkit/thread.h"
#include "guestkit/timeouts.h"

#define CUTS_MAX 4 /* calls in a row that ask to cut */

/* A kit without devices has none to renew. */
#pragma weak net_request_begin
#pragma weak function_offer_buffer
#pragma weak snapshot_cut
#pragma weak snapshot_renew_devices

uint32_t snapshot_starts;

static int restore_signal;

static volatile struct mote_run *const run = (volatile struct mote_run *)MOTE_RUN_VA;

void snapshot_set_signal(int signal)
{
	restore_signal = signal;
}

/* ---- a new start ---- */

_Static_assert(sizeof((struct mote_generation *)0)->seed == RANDOM_SEED_SIZE, "as random.c has it");

/* The seed first: until its id is taken nothing random is given out. */
static void begin_generation(void)
{
	struct mote_generation *generation = &((struct mote_run *)MOTE_RUN_VA)->generation;

	run->stamp[MOTE_STAMP_KIT] = clock_tsc();
	random_seed_later(generation->seed);
	memset(generation->seed, 0, sizeof generation->seed);
	memcpy(generation->taken, generation->id, sizeof generation->taken);
	snapshot_starts++;
}

/* The run page is another one, or one that another request has used. */
static void renew_run_page(uint32_t runnable)
{
	run->runnable = runnable;
	run->preempt_wanted = 0;
	run->slicing = 0; /* by the VMM, but this one has not begun to */
	run->stamp[MOTE_STAMP_EXIT] = 0;
}

/* Timers on a clock that goes on where it was go on; CLOCK_REALTIME was set. */
static void renew_clocks(void)
{
	timeouts_follow_realtime();
	timerfd_clock_was_set();
}

/* Others may have been given, and then /proc shows these. */
static void renew_strings(void)
{
	process.command_line =
	        (struct process_bytes){machine.arguments.strings, machine.arguments.size};
	process.environment =
	        (struct process_bytes){machine.environment.strings, machine.environment.size};
}

static void renew_devices(const struct mote_generation *generation)
{
	const char *arguments = machine.arguments.strings;
	const char *environment = machine.environment.strings;

	if (!snapshot_renew_devices)
		return;
	snapshot_renew_devices(generation->tree_size, generation->flags);
	if (arguments != machine.arguments.strings || environment != machine.environment.strings)
		renew_strings();
}

static void begin_again(enum mote_snapshot_point point, uint32_t runnable)
{
	const struct signal_cause restored = {.code = SIGNAL_CODE_KERNEL,
	                                      .vector = MOTE_CRASH_NO_VECTOR};
	const struct mote_generation *generation = &((struct mote_run *)MOTE_RUN_VA)->generation;

	renew_run_page(runnable);
	renew_clocks();
	console_files_renew(generation->console);
	renew_devices(generation);
	timeouts_serve();
	if (restore_signal && point != MOTE_SNAPSHOT_MARK)
		signal_send(restore_signal, &restored);
	if (point == MOTE_SNAPSHOT_LISTEN && generation->request && net_request_begin)
		net_request_begin(generation->request,
		                  generation->flags & MOTE_GENERATION_MORE_BODY);
	run->stamp[MOTE_STAMP_APPLICATION] = clock_tsc();
}

/* ---- taking ---- */

static void renew_fpu(void)
{
	if (!fpu_lost_features())
		return;
	for (struct thread *thread = thread_first; thread; thread = thread->next)
		fpu_trim(thread->fpu);
}

_Static_assert(MOTE_HC_SNAPSHOT == MOTE_HC_snapshot, "entry.S knows it by its number");

/* The area of a thread holds nothing while it runs, or was the last to run. */
static int64_t call(enum mote_snapshot_point point, size_t problems)
{
	struct thread *thread = thread_current;
	struct selectors selectors;
	int64_t result;

	fpu_save(thread->fpu);
	selectors_save(&selectors);
	result = hypercall_turn(MOTE_HC_snapshot, point, kit_physical(snapshot_problems), problems);
	if (result == MOTE_SNAPSHOT_RESTORED) {
		begin_generation();
		renew_fpu();
	}
	fpu_load(thread->fpu);
	selectors_load(&selectors);
	return result;
}

int64_t snapshot_take_now(enum mote_snapshot_point point)
{
	int64_t result = MOTE_SNAPSHOT_CUT;
	uint32_t runnable;
	uint64_t before;

	if (point == MOTE_SNAPSHOT_LISTEN && function_offer_buffer)
		function_offer_buffer();
	for (unsigned i = 0; result == MOTE_SNAPSHOT_CUT && i < CUTS_MAX; i++) {
		size_t problems;

		if (i && snapshot_cut)
			snapshot_cut();
		problems = snapshot_prepare(point != MOTE_SNAPSHOT_MAIN);
		thread_stop_clock();
		before = clock_monotonic();
		runnable = run->runnable;
		result = call(point, problems);
		thread_resume_clock();
		process.waited += clock_monotonic() - before;
	}
	if (result == MOTE_SNAPSHOT_RESTORED)
		begin_again(point, runnable);
	return result == MOTE_SNAPSHOT_CUT ? -EBUSY : result;
}
