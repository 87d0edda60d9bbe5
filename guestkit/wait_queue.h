/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wait queues: how what has changed reaches those who wait for it.
 *
 * Whatever can become ready (a pipe, a socket, an event counter) has a wait queue and wakes it when
 * its state changes. A waiter is told by a function of its own: a sleeping thread becomes runnable,
 * an epoll set notes which of its files to look at. A waiter learns what may have come (POLL*
 * bits), and looks again to be sure. The kit is not preempted, so between a look and the sleep
 * nothing is missed.
 */
#ifndef MOTE_GUESTKIT_WAIT_QUEUE_H
#define MOTE_GUESTKIT_WAIT_QUEUE_H

#include <stdint.h>

struct wait_queue;

struct waiter {
	void (*notify)(struct waiter *waiter, uint32_t events);
	struct wait_queue *queue; /* NULL: in none */
	struct waiter *next, *previous;
};

/* All zeros is an empty queue. It must be empty when its memory is freed. */
struct wait_queue {
	struct waiter *first, *last;
};

/* Join a queue, at its end, or before all others; @waiter->notify is set and it is in no queue. */
void wait_queue_add(struct wait_queue *queue, struct waiter *waiter);
void wait_queue_add_first(struct wait_queue *queue, struct waiter *waiter);

/* Leave the queue; nothing happens where it is in none. */
void wait_queue_remove(struct waiter *waiter);

/**
 * wait_queue_wake_for() - Tell every waiter.
 * @events: POLL* bits that may be there now and were not before: an edge-triggered registration
 *          of epoll(7) reports the file again only for one that it asked for
 *
 * Each may remove itself, and no other, meanwhile. They stay in the queue.
 */
void wait_queue_wake_for(struct wait_queue *queue, uint32_t events);

/* The same where anything may have changed. */
static inline void wait_queue_wake(struct wait_queue *queue)
{
	wait_queue_wake_for(queue, UINT32_MAX);
}

#endif
