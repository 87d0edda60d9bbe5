/* SPDX-License-Identifier: Apache-2.0 */
/* A timer on one of the clocks: what timerfd_create(2) and timer_create(2) have in common. */
#ifndef MOTE_LIBC_SHIM_CLOCK_TIMER_H
#define MOTE_LIBC_SHIM_CLOCK_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "guestkit/libc-shim/clock_id.h"
#include "guestkit/timeouts.h"

/* Times beyond are this one: 292 years. */
#define CLOCK_TIMER_MAX INT64_MAX

/* struct itimerspec in nanoseconds, each at most CLOCK_TIMER_MAX */
struct clock_timer_value {
	uint64_t interval; /* 0: once */
	uint64_t value;    /* 0: not set */
};

struct clock_timer {
	struct timeout timeout; /* first: the two are converted into each other */
	/* Filled by the owner: the moment has come. It is not armed any more; due stays. */
	void (*expire)(struct clock_timer *timer);
	int32_t clock;     /* clockid_t, of an existing clock */
	uint64_t due;      /* ns on that clock; 0: not set */
	uint64_t interval; /* ns; 0: once */
	bool is_relative;  /* a CLOCK_REALTIME that is set meanwhile does not matter */
};

/* Read a struct itimerspec of the application: 0, -EFAULT, or -EINVAL. */
int clock_timer_read(uint64_t address, struct clock_timer_value *value);

/* Write one: 0 or -EFAULT. */
int clock_timer_write(uint64_t address, const struct clock_timer_value *value);

/* Set, or stop with a value of 0. @is_absolute: the value is a time on the clock. */
void clock_timer_set(struct clock_timer *timer, const struct clock_timer_value *value,
                     bool is_absolute);

/* What the timer's clock shows, ns. */
uint64_t clock_timer_now(const struct clock_timer *timer);

/* Have expire() called when the timer is due, at once where it is already. */
void clock_timer_arm(struct clock_timer *timer);
void clock_timer_disarm(struct clock_timer *timer);

/* Move a repeating timer that is due on to its first turn after now; returns how many turns. */
uint64_t clock_timer_forward(struct clock_timer *timer);

#endif
