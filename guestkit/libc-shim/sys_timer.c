/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interval timers of the process: alarm, setitimer, getitimer.
 *
 * ITIMER_VIRTUAL and ITIMER_PROF both count the CPU time of the process, which does not advance in
 * a sleep: their timeouts are set for the earliest moment at which they can fall due, and set anew
 * where the CPU time has lagged behind.
 */
#include <linux/errno.h>
#include <stddef.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/signal.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/timeouts.h"
#include "guestkit/user.h"
#include "mote/abi.h"

#define NS_PER_US 1000ull
#define US_PER_S  1000000ull
#define ALARM_MAX 0x7fffffffu  /* seconds */
#define SPAN_MAX  (1ull << 62) /* ns: more than a century; sums with the clock stay in range */

/* The numbers of setitimer(2) */
enum { TIMER_REAL, TIMER_VIRTUAL, TIMER_PROF, TIMERS };

struct timer {
	struct timeout timeout;
	uint64_t due;      /* ns on the timer's clock; 0: not set */
	uint64_t interval; /* ns; 0: once */
};

/* struct itimerval */
struct timer_value {
	struct {
		int64_t seconds, microseconds;
	} interval, value;
};

static struct timer timers[TIMERS];

static uint64_t timer_clock(unsigned which)
{
	return which == TIMER_REAL ? clock_monotonic() : process_cpu_time();
}

static void expire(struct timeout *timeout);

/* Have the timer looked at when it may be due. */
static void arm(unsigned which)
{
	struct timer *timer = &timers[which];
	uint64_t clock = timer_clock(which);

	timer->timeout.expire = expire;
	timer->timeout.needs_running = which != TIMER_REAL;
	if (!timer->due)
		timeout_cancel(&timer->timeout);
	else
		timeout_set(&timer->timeout,
		            clock_monotonic() + (timer->due > clock ? timer->due - clock : 0));
}

static void expire(struct timeout *timeout)
{
	static const unsigned char signal[TIMERS] = {SIGNAL_ALRM, SIGNAL_VTALRM, SIGNAL_PROF};
	const struct signal_cause cause = {.code = SIGNAL_CODE_KERNEL,
	                                   .vector = MOTE_CRASH_NO_VECTOR};
	struct timer *timer = (struct timer *)timeout;
	unsigned which = (unsigned)(timer - timers);
	uint64_t now = timer_clock(which);

	if (now >= timer->due) {
		/* Turns that were missed are one: a standard signal does not queue. */
		timer->due = timer->interval
		                     ? now + timer->interval - (now - timer->due) % timer->interval
		                     : 0;
		signal_send(signal[which], &cause);
	}
	arm(which);
}

/* ns left, at least 1 if the timer is set: it has not been served yet. */
static uint64_t timer_left(unsigned which)
{
	uint64_t due = timers[which].due, now;

	if (!due)
		return 0;
	now = timer_clock(which);
	return due > now ? due - now : 1;
}

/* @value, @interval: ns, at most SPAN_MAX; a value of 0 stops the timer. */
static void timer_set(unsigned which, uint64_t value, uint64_t interval)
{
	timers[which].due = value ? timer_clock(which) + value : 0;
	timers[which].interval = interval;
	arm(which);
}

int64_t sys_alarm(const uint64_t *arg)
{
	uint32_t seconds = (uint32_t)arg[0] < ALARM_MAX ? (uint32_t)arg[0] : ALARM_MAX;
	uint64_t left = timer_left(TIMER_REAL);
	uint64_t old = left / SYSTEM_NANOSECONDS;

	timer_set(TIMER_REAL, seconds * SYSTEM_NANOSECONDS, 0);
	/* Rounded, but never down to "none was set". */
	if (left % SYSTEM_NANOSECONDS >= SYSTEM_NANOSECONDS / 2 || (old == 0 && left > 0))
		old++;
	return (int64_t)old;
}

static void timer_get(unsigned which, struct timer_value *value)
{
	uint64_t left = (timer_left(which) + NS_PER_US - 1) / NS_PER_US;
	uint64_t interval = timers[which].interval / NS_PER_US;

	value->value.seconds = (int64_t)(left / US_PER_S);
	value->value.microseconds = (int64_t)(left % US_PER_S);
	value->interval.seconds = (int64_t)(interval / US_PER_S);
	value->interval.microseconds = (int64_t)(interval % US_PER_S);
}

static int to_span(int64_t seconds, int64_t microseconds, uint64_t *span)
{
	if (seconds < 0 || microseconds < 0 || microseconds >= (int64_t)US_PER_S)
		return -EINVAL;
	if ((uint64_t)seconds >= SPAN_MAX / SYSTEM_NANOSECONDS)
		*span = SPAN_MAX;
	else
		*span = (uint64_t)seconds * SYSTEM_NANOSECONDS + (uint64_t)microseconds * NS_PER_US;
	return 0;
}

int64_t sys_getitimer(const uint64_t *arg)
{
	uint32_t which = (uint32_t)arg[0];
	struct timer_value value;

	if (which >= TIMERS)
		return -EINVAL;
	timeouts_serve();
	timer_get(which, &value);
	return user_write(arg[1], &value, sizeof(value));
}

/* A null pointer to the new value stops the timer, as on Linux. */
int64_t sys_setitimer(const uint64_t *arg)
{
	uint32_t which = (uint32_t)arg[0];
	struct timer_value value = {0}, old;
	uint64_t span, interval;

	if (arg[1] && user_read(&value, arg[1], sizeof(value)) < 0)
		return -EFAULT;
	if (which >= TIMERS || to_span(value.value.seconds, value.value.microseconds, &span) < 0 ||
	    to_span(value.interval.seconds, value.interval.microseconds, &interval) < 0)
		return -EINVAL;
	timeouts_serve();
	timer_get(which, &old);
	timer_set(which, span, interval);
	if (arg[2] && user_write(arg[2], &old, sizeof(old)) < 0)
		return -EFAULT;
	return 0;
}
