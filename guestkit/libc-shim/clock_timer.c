/* SPDX-License-Identifier: Apache-2.0 */
/* A timer on one of the clocks: what timerfd_create(2) and timer_create(2) have in common. */
#include "guestkit/libc-shim/clock_timer.h"

#include <linux/errno.h>
#include <stddef.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/time_value.h"
#include "guestkit/user.h"

static uint64_t limited(uint64_t time)
{
	return time < CLOCK_TIMER_MAX ? time : CLOCK_TIMER_MAX;
}

int clock_timer_read(uint64_t address, struct clock_timer_value *value)
{
	uint64_t interval, first;
	int result = time_read_span(address, &interval);

	if (result == 0)
		result = time_read_span(address + sizeof(struct time_value), &first);
	if (result == 0)
		*value = (struct clock_timer_value){limited(interval), limited(first)};
	return result;
}

int clock_timer_write(uint64_t address, const struct clock_timer_value *value)
{
	const struct time_value times[2] = {
	        {(int64_t)(value->interval / SYSTEM_NANOSECONDS),
	         (int64_t)(value->interval % SYSTEM_NANOSECONDS)},
	        {(int64_t)(value->value / SYSTEM_NANOSECONDS),
	         (int64_t)(value->value % SYSTEM_NANOSECONDS)},
	};

	return user_write(address, times, sizeof(times));
}

static enum clock_kind kind_of(const struct clock_timer *timer)
{
	enum clock_kind kind = clock_kind(timer->clock);

	return kind == CLOCK_KIND_REALTIME && timer->is_relative ? CLOCK_KIND_MONOTONIC : kind;
}

uint64_t clock_timer_now(const struct clock_timer *timer)
{
	return clock_kind_now(kind_of(timer), timer->clock);
}

void clock_timer_set(struct clock_timer *timer, const struct clock_timer_value *value,
                     bool is_absolute)
{
	clock_timer_disarm(timer);
	timer->interval = value->interval;
	timer->is_relative = !is_absolute;
	timer->due = value->value;
	if (value->value && !is_absolute)
		timer->due = limited(clock_timer_now(timer) + value->value);
}

/* The moment has come, unless the clock has been set back, or is one of CPU time that lagged. */
static void check(struct timeout *timeout)
{
	struct clock_timer *timer = (struct clock_timer *)timeout;

	if (kind_of(timer) == CLOCK_KIND_NONE)
		return; /* its thread has ended */
	if (clock_timer_now(timer) < timer->due)
		clock_timer_arm(timer);
	else
		timer->expire(timer);
}

void clock_timer_arm(struct clock_timer *timer)
{
	enum clock_kind kind = kind_of(timer);
	uint64_t now;

	if (kind == CLOCK_KIND_NONE)
		return;
	now = clock_timer_now(timer);
	timer->timeout.expire = check;
	timer->timeout.needs_running = kind == CLOCK_KIND_CPU || kind == CLOCK_KIND_THREAD_CPU;
	timer->timeout.follows_realtime = kind == CLOCK_KIND_REALTIME;
	timeout_set(&timer->timeout,
	            limited(clock_monotonic() + (timer->due > now ? timer->due - now : 0)));
}

void clock_timer_disarm(struct clock_timer *timer)
{
	timeout_cancel(&timer->timeout);
}

uint64_t clock_timer_forward(struct clock_timer *timer)
{
	uint64_t now, turns;

	if (!timer->interval || kind_of(timer) == CLOCK_KIND_NONE)
		return 0;
	now = clock_timer_now(timer);
	if (now < timer->due)
		return 0;
	turns = (now - timer->due) / timer->interval + 1;
	timer->due = limited(timer->due + turns * timer->interval);
	return turns;
}
