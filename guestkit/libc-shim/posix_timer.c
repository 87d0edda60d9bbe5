/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timers of timer_create(2).
 *
 * As on Linux, a timer has one signal pending at most, and a repeating timer stands still while it
 * has: turns that pass meanwhile are counted when the signal is taken, and told with it. So a timer
 * whose signal is blocked costs nothing, however short its interval.
 */
#include "guestkit/libc-shim/posix_timer.h"

#include <linux/errno.h>
#include <linux/time.h>
#include <stddef.h>

#include "guestkit/libc-shim/clock_timer.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/memory.h"
#include "guestkit/thread.h"
#include "guestkit/user.h"
#include "mote/abi.h"

/* sigev_notify */
enum { NOTIFY_SIGNAL = 0, NOTIFY_NONE = 1, NOTIFY_THREAD = 2, NOTIFY_THREAD_ID = 4 };

#define IGNORED_INTERVAL 10000000 /* ns: a timer that nobody hears does not go faster */

/* struct sigevent as the kernel takes it */
struct event {
	uint64_t value;
	int32_t signal;
	int32_t notify;
	int32_t thread;
	int32_t unused[11];
};

_Static_assert(sizeof(struct event) == 64, "struct sigevent");

struct posix_timer {
	struct clock_timer timer; /* first: the two are converted into each other */
	struct posix_timer *next;
	int32_t id;
	struct event event;
	bool is_pending;      /* its signal waits to be taken */
	uint64_t turns;       /* that have passed since it was sent */
	int32_t overrun_last; /* timer_getoverrun(2) */
};

static struct posix_timer *timers;
static uint64_t timer_count;
static int32_t next_id;

static struct posix_timer *find(uint64_t id)
{
	struct posix_timer *timer = timers;

	while (timer && timer->id != (int32_t)id)
		timer = timer->next;
	return timer;
}

/* ---- expiry ---- */

static bool send(struct posix_timer *timer)
{
	struct thread *thread = NULL;
	const struct signal_cause cause = {
	        .code = SIGNAL_CODE_TIMER,
	        .address = timer->event.value,
	        .vector = MOTE_CRASH_NO_VECTOR,
	        .timer = (uint32_t)timer->id + 1,
	};

	if (timer->event.notify == NOTIFY_THREAD_ID) {
		thread = thread_find(timer->event.thread);
		if (!thread)
			return false;
	}
	return signal_send_timer(thread, timer->event.signal, &cause);
}

static void expire(struct clock_timer *clock_timer)
{
	struct posix_timer *timer = (struct posix_timer *)clock_timer;

	timer->turns = 0;
	timer->is_pending = send(timer);
	if (!clock_timer->interval) {
		clock_timer->due = 0;
	} else if (!timer->is_pending) {
		/* Nobody hears it now; the action of its signal may change. */
		clock_timer_forward(clock_timer);
		if (clock_timer->interval < IGNORED_INTERVAL)
			clock_timer->due += IGNORED_INTERVAL;
		clock_timer_arm(clock_timer);
	}
}

void posix_timer_taken(struct signal_cause *cause)
{
	struct posix_timer *timer = find(cause->timer - 1);

	if (!timer || !timer->is_pending)
		return;
	timer->is_pending = false;
	timer->overrun_last = 0;
	if (!timer->timer.interval)
		return;
	timer->turns += clock_timer_forward(&timer->timer);
	if (timer->turns > INT32_MAX)
		timer->overrun_last = INT32_MAX;
	else if (timer->turns > 1)
		timer->overrun_last = (int32_t)timer->turns - 1;
	cause->overrun = (uint32_t)timer->overrun_last;
	clock_timer_arm(&timer->timer);
}

/* ---- system calls ---- */

/* -EOPNOTSUPP for clocks that can only be read. */
static int check_clock(int32_t id)
{
	switch (id) {
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE: return -EOPNOTSUPP;
	default: return clock_kind(id) == CLOCK_KIND_NONE ? -EINVAL : 0;
	}
}

static int check_event(const struct event *event)
{
	switch (event->notify) {
	case NOTIFY_NONE: return 0;
	case NOTIFY_THREAD_ID:
		if (!thread_find(event->thread))
			return -EINVAL;
		break;
	case NOTIFY_SIGNAL:
	case NOTIFY_THREAD: break;
	default: return -EINVAL;
	}
	return event->signal >= 1 && event->signal <= SIGNAL_LAST ? 0 : -EINVAL;
}

int64_t sys_timer_create(const uint64_t *arg)
{
	struct event event = {.signal = SIGNAL_ALRM, .value = (uint32_t)next_id};
	int32_t clock = (int32_t)arg[0];
	struct posix_timer *timer;
	int result;

	if (arg[1] && user_read(&event, arg[1], sizeof(event)) < 0)
		return -EFAULT;
	result = check_clock(clock);
	if (result < 0)
		return result;
	if (timer_count >= process_limit(RESOURCE_SIGPENDING)->soft)
		return -EAGAIN;
	result = check_event(&event);
	if (result < 0)
		return result;
	if (user_write(arg[2], &next_id, sizeof(next_id)) < 0)
		return -EFAULT;
	timer = heap_alloc(sizeof(*timer));
	if (!timer)
		return -EAGAIN;
	timer->timer.clock =
	        clock == CLOCK_THREAD_CPUTIME_ID ? clock_of_thread(thread_current->id) : clock;
	timer->timer.expire = expire;
	timer->id = next_id;
	timer->event = event;
	timer->next = timers;
	timers = timer;
	timer_count++;
	do
		next_id = next_id == INT32_MAX ? 0 : next_id + 1;
	while (find((uint32_t)next_id));
	return 0;
}

/* What is left of the turn, and the interval; 1 ns where the signal is on its way. */
static struct clock_timer_value remaining(struct posix_timer *timer)
{
	struct clock_timer *clock = &timer->timer;
	struct clock_timer_value value = {.interval = clock->interval};
	bool is_silent = timer->event.notify == NOTIFY_NONE;
	uint64_t now;

	timeouts_serve();
	if (!clock->due)
		return value;
	if (timer->is_pending || is_silent)
		timer->turns += clock_timer_forward(clock);
	now = clock_timer_now(clock);
	if (clock->due > now)
		value.value = clock->due - now;
	else if (!is_silent)
		value.value = 1;
	return value;
}

int64_t sys_timer_gettime(const uint64_t *arg)
{
	struct posix_timer *timer = find(arg[0]);
	struct clock_timer_value value;

	if (!timer)
		return -EINVAL;
	value = remaining(timer);
	return clock_timer_write(arg[1], &value);
}

static void stop(struct posix_timer *timer)
{
	clock_timer_disarm(&timer->timer);
	signal_forget_timer((uint32_t)timer->id + 1);
	timer->is_pending = false;
	timer->turns = 0;
	timer->overrun_last = 0;
}

int64_t sys_timer_settime(const uint64_t *arg)
{
	struct clock_timer_value value, old;
	struct posix_timer *timer;
	int result;

	if (!arg[2])
		return -EINVAL;
	result = clock_timer_read(arg[2], &value);
	if (result < 0)
		return result;
	timer = find(arg[0]);
	if (!timer)
		return -EINVAL;
	old = remaining(timer);
	stop(timer);
	if (!value.value)
		value.interval = 0;
	clock_timer_set(&timer->timer, &value, (int)arg[1] & TIMER_ABSTIME);
	if (value.value && timer->event.notify != NOTIFY_NONE)
		clock_timer_arm(&timer->timer);
	timeouts_serve(); /* it may be due already */
	return arg[3] ? clock_timer_write(arg[3], &old) : 0;
}

int64_t sys_timer_getoverrun(const uint64_t *arg)
{
	const struct posix_timer *timer = find(arg[0]);

	return timer ? timer->overrun_last : -EINVAL;
}

static void delete (struct posix_timer *timer)
{
	struct posix_timer **link = &timers;

	stop(timer);
	while (*link != timer)
		link = &(*link)->next;
	*link = timer->next;
	timer_count--;
	heap_free(timer);
}

int64_t sys_timer_delete(const uint64_t *arg)
{
	struct posix_timer *timer = find(arg[0]);

	if (!timer)
		return -EINVAL;
	delete (timer);
	return 0;
}

void posix_timers_delete(void)
{
	while (timers)
		delete (timers);
}
