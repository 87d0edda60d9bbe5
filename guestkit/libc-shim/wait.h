/* SPDX-License-Identifier: Apache-2.0 */
/* Sleeping: how a system call waits for something. */
#ifndef MOTE_LIBC_SHIM_WAIT_H
#define MOTE_LIBC_SHIM_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "guestkit/wait_queue.h"

#define SHIM_FOREVER UINT64_MAX /* no deadline; MOTE_WAIT_FOREVER */

/**
 * shim_wait() - Let the calling thread sleep until it is woken, a deadline, or a signal.
 * @deadline: CLOCK_MONOTONIC in ns; SHIM_FOREVER: none
 *
 * It is woken by thread_wake(), most often through waiters that it has put into wait queues. A
 * return of 0 says no more than "look again": the caller looks at what it
 * waits for and, if need be, calls once more, which gives -EINTR where a signal was the reason.
 *
 * Return: 0 when it was woken, -ETIMEDOUT when the deadline passed, -EINTR when a signal was
 * pending before the sleep that is to end it.
 */
int shim_wait(uint64_t deadline);

/**
 * shim_wait_realtime() - The same until CLOCK_REALTIME shows @time, though it be set meanwhile.
 * @time: ns since the epoch; SHIM_FOREVER: no limit
 */
int shim_wait_realtime(uint64_t time);

/* Sleep until a signal is pending: -EINTR. */
int shim_wait_forever(void);

/**
 * shim_wait_on() - The same until a queue is woken.
 * @queue: of the object that the caller waits for
 *
 * To be called in a loop that looks at the object's state.
 */
int shim_wait_on(struct wait_queue *queue, uint64_t deadline);

/* A waiter that wakes a thread; for those who wait on several queues at once. */
struct thread_waiter {
	struct waiter waiter;
	struct thread *thread;
};

/* Prepare one for the calling thread; then wait_queue_add(queue, &waiter->waiter). */
void thread_waiter_init(struct thread_waiter *waiter);

/* Woken when stdin has become readable, or is at its end; and how often it has been read. */
extern struct wait_queue shim_console_input;
extern uint64_t shim_console_reads;

/* Whether it is now: one exit. */
bool shim_console_is_readable(void);

/* Take what the VMM has: input for those that wait for it, a new size of the terminal, news of
 * devices. One exit. */
void shim_look_at_host(void);

/**
 * shim_glance() - A system call has found nothing and will not sleep for it.
 *
 * A program that only looks, again and again, would hear of devices at the VMM's ticks only. From
 * the eighth such call since the last look at the host on, and each 50 us at most, the host is
 * asked: one exit. The first ones are free, since event loops read until there is nothing left.
 *
 * Return: whether it was, and the caller is to look again.
 */
bool shim_glance(void);

/* Sleep until there is news of a device, or the deadline; no thread runs meanwhile. */
void shim_wait_for_host(uint64_t deadline);

/* For the scheduler: sleep until there is a runnable thread. */
void shim_idle(void);

/**
 * shim_wait_mask() - Change the signal mask until this system call returns (ppoll, pselect6).
 * @mask: as rt_sigprocmask takes it
 *
 * The old mask comes back behind the handlers of the signals that ended the call, as sigsuspend
 * does it, or at once where there are none.
 */
void shim_wait_mask(uint64_t mask);

#endif
