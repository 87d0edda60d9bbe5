/* SPDX-License-Identifier: Apache-2.0 */
/* Signals of the application: actions, masks, pending signals, delivery. */
#ifndef MOTE_LIBC_SHIM_SIGNAL_H
#define MOTE_LIBC_SHIM_SIGNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "guestkit/context.h"
#include "guestkit/libc-shim/signal_abi.h"
#include "guestkit/wait_queue.h"

struct thread;

/* How a signal came to be, as siginfo_t tells the handler. */
struct signal_cause {
	int code;         /* si_code: SI_USER, SI_KERNEL, SEGV_MAPERR... */
	uint64_t address; /* si_addr of a fault, or si_value */
	uint32_t vector;  /* x86 exception, or MOTE_CRASH_NO_VECTOR */
	uint64_t error;   /* exception error code */
	/* Number plus 1 of the timer that sent it (posix_timer.h), 0: none; and turns it missed. */
	uint32_t timer, overrun;
};

/**
 * signal_send() - Make a signal pending for the process: whichever thread can takes it.
 * signal_send_to() - The same for one thread.
 *
 * Nothing happens where the signal is ignored, or a standard one and pending already. A thread that
 * can take it wakes.
 *
 * Return: 0, or -EAGAIN: too many real-time signals are pending.
 */
int signal_send(int signal, const struct signal_cause *cause);
int signal_send_to(struct thread *thread, int signal, const struct signal_cause *cause);

/**
 * signal_send_timer() - Send the signal of a timer, which cause->timer names.
 * @thread: NULL: the process
 *
 * Unlike others it becomes pending beside a standard signal of the same number. Once it is taken or
 * dropped, posix_timer_taken() is called.
 *
 * Return: false: it is ignored, or too many are pending.
 */
bool signal_send_timer(struct thread *thread, int signal, const struct signal_cause *cause);

/* Drop what is pending of a timer, without posix_timer_taken(). @timer: as in a cause */
void signal_forget_timer(uint32_t timer);

/* Send one to the running thread, as kill(2) would: SIGPIPE. */
void signal_send_self(int signal);

/**
 * signal_force() - A fault of the application: deliver at once, blocked or ignored or not.
 * @context: where it struck; changed to enter the handler, or the guest ends with a crash report
 */
void signal_force(struct context *context, int signal, const struct signal_cause *cause);

/* Whether a signal is pending that will run a handler or end the guest: it interrupts a sleep
 * (-EINTR). */
bool signal_is_pending(void);

/**
 * signal_deliver() - Before returning to the application: enter handlers of pending signals.
 * @context: changed to enter the handler; number and RAX are those of the system call served, so
 *           that one that was interrupted (-EINTR) can be restarted, or number is CONTEXT_TRAP
 *
 * May not return: the default action of a signal ends the guest.
 * Return: whether the context was changed (then all registers must be restored).
 */
bool signal_deliver(struct context *context);

/* ---- for the system calls that deal in signals ---- */

struct pending_signal;

/* Signals that are pending; of those in the set without an entry the cause is not known. */
struct signal_queue {
	uint64_t set;
	struct pending_signal *first, *last; /* oldest first; heap */
};

/* What each thread has of its own. A mask has the bit signal_bit() of each blocked signal. */
struct signal_thread {
	uint64_t blocked;
	uint64_t saved_mask; /* blocked once this system call is over, if has_saved_mask */
	uint64_t awaited; /* rt_sigtimedwait(2) waits for these: they end a sleep, blocked or not */
	bool has_saved_mask;
	bool is_final;             /* this system call is not restarted, whatever it is */
	struct signal_stack stack; /* sigaltstack(2) */
	struct signal_queue pending;
};

/* Another program runs: handlers are forgotten, what is ignored stays, masks and what is pending
 * too. */
void signal_reset(void);

/* A thread is no more: drop what is pending for it, and let others take what it would have. */
void signal_thread_end(struct signal_thread *thread);

/* Woken whenever a signal has become pending (signalfd). */
extern struct wait_queue signal_arrival;

/* The running thread's. */
extern struct signal_thread *signal_thread;

/* Block exactly these; SIGKILL and SIGSTOP are left out. */
void signal_set_mask(uint64_t mask);

/**
 * signal_set_mask_for_call() - Block exactly these until the system call ends.
 *
 * A handler that interrupts the call (-EINTR) returns to the mask as it was before; if the call
 * ends in another way, that mask is back before signals are delivered.
 */
void signal_set_mask_for_call(uint64_t mask);

/**
 * signal_action() - What is done on a signal.
 * @signal: 1 to SIGNAL_LAST
 */
const struct signal_action *signal_action(int signal);

/* Change it, and drop the signal where it is pending and now ignored; not of SIGKILL or SIGSTOP. */
void signal_set_action(int signal, const struct signal_action *action);

/* Signals that are pending for the running thread or the process, blocked or not. */
uint64_t signal_pending(void);

/**
 * signal_take() - Remove a pending signal, the most urgent, instead of delivering it.
 * @set:  of these only
 * @info: filled, if there is one
 *
 * Return: its number, or 0.
 */
int signal_take(uint64_t set, struct signal_info *info);

/**
 * signal_set_stack() - Set the alternate stack.
 * @rsp: where the thread's stack pointer is
 *
 * Return: 0, -EPERM while it is in use, -EINVAL for bad flags, -ENOMEM when too small.
 */
int signal_set_stack(const struct signal_stack *stack, uint64_t rsp);

#endif
