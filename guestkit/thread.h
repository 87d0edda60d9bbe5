/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads of the application, on the guest's one vCPU.
 *
 * How it works
 *
 * Each thread has a stack in the kit, on which its system calls and traps are served; its registers
 * as the application left them lie at that stack's end (thread_context()). The kit is never
 * preempted: it switches where a thread sleeps, yields or ends, so its data needs no locks. A
 * thread that computes is diverted into the kit by the VMM when its slice is over
 * (preempt_from_vmm()), and switches there. What the kit's own code leaves alone, vector registers
 * and the bases of FS and GS, is exchanged at a switch.
 */
#ifndef MOTE_GUESTKIT_THREAD_H
#define MOTE_GUESTKIT_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "guestkit/context.h"
#include "guestkit/libc-shim/signal.h"
#include "guestkit/timeouts.h"
#include "mote/abi.h"

#define THREAD_NAME_SIZE 16 /* with the NUL, as TASK_COMM_LEN */
#define THREAD_HELD_MAX  4
#define THREAD_LATE_NS   1000000
#define THREAD_CANARY    0x6d6f74652d746872u

struct file;

enum thread_state {
	THREAD_RUNNABLE, /* running, or in the run queue */
	THREAD_SLEEPING, /* new ones, too */
	THREAD_ENDED,
};

/* What a thread has asked the scheduler for (sys_sched.c): recorded only. */
struct thread_wishes {
	int32_t policy, priority; /* sched_setscheduler(2) */
	bool is_reset_on_fork;
	int32_t nice;
	int32_t io; /* ioprio_set(2) */
};

struct thread {
	uint64_t stack_end; /* where its contexts end */
	uint64_t kit_rsp;   /* while it does not run */
	void *fpu;          /* fpu.h; valid while it does not run */
	uint64_t fs_base, gs_base;

	enum thread_state state;
	bool is_dying;                  /* ends as soon as it would return to the application */
	bool is_context_replaced;       /* by the system call being served (syscall.h) */
	int32_t id;                     /* tid; the first thread has PROCESS_ID */
	struct thread *run_next;        /* in the run queue */
	struct thread *next, *previous; /* in the list of all */

	struct file *held[THREAD_HELD_MAX]; /* descriptors.c: files of the call being served */
	unsigned held_count;

	struct timeout sleep;
	bool has_slept_out; /* the deadline ended the sleep */

	uint64_t switched_in; /* TSC */
	uint64_t ran;         /* TSC ticks until then */

	struct signal_thread signal;
	uint64_t clear_at_exit;      /* address of a tid: CLONE_CHILD_CLEARTID; 0: none */
	uint64_t robust_list;        /* set_robust_list(2): address or 0 */
	char name[THREAD_NAME_SIZE]; /* PR_SET_NAME; empty: the process's */
	struct thread_wishes wishes;
	uint64_t canary; /* the last field: a stack that overflows reaches it first */
};

/* The one that runs; all that live, the oldest first. */
extern struct thread *thread_current, *thread_first;
extern unsigned thread_count;

/* What the application's registers were at its last entry into the kit. */
static inline struct context *thread_context(const struct thread *thread)
{
	return (struct context *)(thread->stack_end - CONTEXT_SIZE);
}

/* ---- thread.c ---- */

/**
 * thread_create() - Make a thread that will go on where the running one is, as clone(2) does.
 *
 * Its context is a copy with RAX 0; so are vector registers, FS, GS and the signal mask. It sleeps:
 * thread_wake() starts it, thread_discard() drops it.
 *
 * Return: the thread, or NULL when memory is short.
 */
struct thread *thread_create(void);
void thread_discard(struct thread *thread);

/* End the running thread, which is not the last one. */
_Noreturn void thread_end(void);

/* End all threads but the running one, which becomes the first; each leaves its system call before.
 */
void thread_end_others(void);

/* The living thread with this number, or NULL. */
struct thread *thread_find(int32_t id);

/* ---- scheduler.c ---- */

/**
 * thread_sleep() - Let others run until thread_wake() or a deadline.
 * @deadline: CLOCK_MONOTONIC ns; MOTE_WAIT_FOREVER: none
 *
 * Return: whether it was woken before the deadline.
 */
bool thread_sleep(uint64_t deadline);

/* Make a sleeping thread runnable; nothing happens to others. */
void thread_wake(struct thread *thread);

/* Whether a thread other than the running one could run. */
bool thread_is_any_runnable(void);

/* Let the other runnable threads run first. */
void thread_yield(void);

/* Stop counting the time that the running thread runs, and go on with it, maybe by another TSC. */
void thread_stop_clock(void);
void thread_resume_clock(void);

/* Nanoseconds that a thread has run. */
uint64_t thread_cpu_time(const struct thread *thread);

/* For thread_end(): go on with another thread for good. */
_Noreturn void thread_switch_for_good(void);

/* See thread_leave_kit(). */
void thread_leave_kit_slowly(void);

/* Does the run page ask for more than the VMM knows of? A timeout may be a millisecond late. */
static inline bool thread_needs_tick(void)
{
	const volatile struct mote_run *run = (const volatile struct mote_run *)MOTE_RUN_VA;
	uint64_t deadline = run->deadline;

	return !run->slicing &&
	       (run->runnable > 1 || (deadline && deadline + THREAD_LATE_NS < run->next_tick));
}

/*
 * On each way out of the kit: do what the VMM wants done before, and tell it what it does not know.
 * Signals are to be delivered afterwards: another thread may have run.
 */
static inline void thread_leave_kit(void)
{
	const volatile struct mote_run *run = (const volatile struct mote_run *)MOTE_RUN_VA;

	if (run->preempt_wanted || thread_needs_tick())
		thread_leave_kit_slowly();
}

#endif
