/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which thread runs: a run queue in turn, slices that the VMM ends, and sleep.
 *
 * The run page tells the VMM how many threads are runnable and when something is due. While it
 * ticks, arming a slice or a timeout costs a store; the first time, and after it has stopped for
 * want of anything to do, one hypercall.
 */
#include <stddef.h>

#include "guestkit/clock.h"
#include "guestkit/fpu.h"
#include "guestkit/hypercall.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/memory.h"
#include "guestkit/patch.h"
#include "guestkit/process_end.h"
#include "guestkit/snapshot.h"
#include "guestkit/thread.h"
#include "guestkit/trap.h"
#include "guestkit/virtio.h"

/* entry.S */
void thread_switch_stack(uint64_t *rsp_of_old, uint64_t rsp_of_new);
extern uint64_t thread_stack_end;

void preempt_from_vmm(struct context *context);
void thread_started(struct context *context);

static volatile struct mote_run *const run = (volatile struct mote_run *)MOTE_RUN_VA;

/* Runnable threads but the one that runs, in turn. run->runnable counts that one, too. */
static struct thread *queue_first, *queue_last;

static bool is_idle; /* none runs: the one that ran last waits for one that can */

static void queue_add(struct thread *thread)
{
	thread->run_next = NULL;
	if (queue_first)
		queue_last->run_next = thread;
	else
		queue_first = thread;
	queue_last = thread;
	run->runnable++;
}

static struct thread *queue_take(void)
{
	struct thread *thread = queue_first;

	queue_first = thread->run_next;
	return thread;
}

bool thread_is_any_runnable(void)
{
	return queue_first;
}

/* ---- switching ---- */

uint64_t thread_cpu_time(const struct thread *thread)
{
	uint64_t ran = thread->ran;

	if (thread == thread_current && !is_idle)
		ran += clock_tsc() - thread->switched_in;
	return clock_ticks_to_ns(ran);
}

void thread_stop_clock(void)
{
	if (!is_idle)
		thread_current->ran += clock_tsc() - thread_current->switched_in;
}

void thread_resume_clock(void)
{
	thread_current->switched_in = clock_tsc();
}

/* Returns when the old thread is switched to again. */
static void switch_to(struct thread *new)
{
	struct thread *old = thread_current;

	if (old->canary != THREAD_CANARY)
		end_kit_crash(thread_context(old), MOTE_CRASH_NO_VECTOR, 0, (uint64_t)old);
	if (old->state != THREAD_ENDED) {
		fpu_save(old->fpu);
		__asm__ volatile("rdfsbase %0" : "=r"(old->fs_base));
		__asm__ volatile("rdgsbase %0" : "=r"(old->gs_base));
	}
	fpu_load(new->fpu);
	__asm__ volatile("wrfsbase %0" : : "r"(new->fs_base));
	__asm__ volatile("wrgsbase %0" : : "r"(new->gs_base));
	thread_current = new;
	signal_thread = &new->signal;
	thread_stack_end = new->stack_end;
	thread_switch_stack(&old->kit_rsp, new->kit_rsp);
}

/* Run other threads until the running one, which sleeps or waits its turn, is chosen again. */
static void schedule(void)
{
	uint64_t now = clock_tsc();
	struct thread *next;

	thread_current->ran += now - thread_current->switched_in;
	if (!queue_first) {
		is_idle = true;
		shim_idle();
		is_idle = false;
		now = clock_tsc();
	}
	next = queue_take();
	next->switched_in = now;
	if (next != thread_current)
		switch_to(next);
}

void thread_switch_for_good(void)
{
	run->runnable--;
	schedule();
	__builtin_unreachable();
}

/* ---- sleeping and waking ---- */

static void end_sleep(struct timeout *timeout)
{
	struct thread *thread = (struct thread *)((char *)timeout - offsetof(struct thread, sleep));

	thread->has_slept_out = true;
	thread_wake(thread);
}

bool thread_sleep(uint64_t deadline)
{
	struct thread *thread = thread_current;

	thread->has_slept_out = false;
	if (deadline != MOTE_WAIT_FOREVER) {
		thread->sleep.expire = end_sleep;
		timeout_set(&thread->sleep, deadline);
	}
	thread->state = THREAD_SLEEPING;
	run->runnable--;
	schedule();
	return !thread->has_slept_out;
}

void thread_wake(struct thread *thread)
{
	if (thread->state != THREAD_SLEEPING)
		return;
	thread->state = THREAD_RUNNABLE;
	timeout_cancel(&thread->sleep);
	queue_add(thread);
}

void thread_yield(void)
{
	if (!queue_first)
		return;
	run->runnable--;
	queue_add(thread_current);
	schedule();
}

/* ---- preemption ---- */

/* The VMM has ticked: serve what is due, and let the next thread run. */
static void preempt(void)
{
	run->preempt_wanted = 0;
	timeouts_serve();
	if (shim_console_input.first || virtio_events())
		shim_look_at_host();
	thread_yield();
}

void thread_leave_kit_slowly(void)
{
	if (run->preempt_wanted)
		preempt();
	snapshot_take(MOTE_SNAPSHOT_OUTSIDE);
	if (thread_needs_tick())
		hypercall(MOTE_HC_tick, 0, 0, 0);
}

/* The VMM has stopped the running thread in application code. */
void preempt_from_vmm(struct context *context)
{
	patch_leave_stub(context);
	run->preempt_wanted = 1;
	thread_leave_kit_slowly();
	signal_deliver(context);
}

/* A new thread is about to run for the first time, behind the clone that made it. */
void thread_started(struct context *context)
{
	signal_deliver(context);
	patch_resume(context);
}
