/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Things to do at a moment: sleeps that end, timers that expire.
 *
 * The next moment is published in the run page, so that the VMM diverts a guest that computes; a
 * guest with nothing to do sleeps until it.
 */
#ifndef MOTE_GUESTKIT_TIMEOUTS_H
#define MOTE_GUESTKIT_TIMEOUTS_H

#include <stdbool.h>
#include <stdint.h>

struct timeout {
	void (*expire)(struct timeout *timeout); /* it is no longer set; may be set anew */
	uint64_t deadline;                       /* CLOCK_MONOTONIC, ns; valid while it is set */
	bool is_set;
	bool needs_running;    /* counts CPU time: does not wake a guest in which no thread runs */
	bool follows_realtime; /* for a moment of CLOCK_REALTIME: may expire before it */
	struct timeout *next, *previous;
};

/* Set, or set anew. @timeout->expire has been filled by the owner; the rest is zero at first. */
void timeout_set(struct timeout *timeout, uint64_t deadline);

/* Nothing happens where it is not set. */
void timeout_cancel(struct timeout *timeout);

/* Expire what is due. Cheap when nothing is set. */
void timeouts_serve(void);

/* CLOCK_REALTIME has been set: what follows it expires at the next timeouts_serve(), and its owner
 * sets it anew where its moment has not come. */
void timeouts_follow_realtime(void);

/* When the guest has to be awake: CLOCK_MONOTONIC ns; MOTE_WAIT_FOREVER: nothing is set. */
uint64_t timeouts_next(void);

#endif
