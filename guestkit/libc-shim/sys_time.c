/* SPDX-License-Identifier: Apache-2.0 */
/* System calls of clocks and of sleeping for a time. */
#include <linux/errno.h>
#include <linux/time.h>
#include <stdbool.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/clock_id.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/time_value.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/thread.h"
#include "guestkit/user.h"
#include "mote/abi.h"

#define NS_PER_US     1000
#define RESOLUTION_NS 1

static int write_time(uint64_t to, uint64_t nanoseconds)
{
	const struct time_value value = {(int64_t)(nanoseconds / SYSTEM_NANOSECONDS),
	                                 (int64_t)(nanoseconds % SYSTEM_NANOSECONDS)};

	return user_write(to, &value, sizeof(value));
}

/* ---- reading clocks; the vDSO spares most programs these ---- */

int64_t sys_clock_gettime(const uint64_t *arg)
{
	int32_t id = (int32_t)arg[0];
	enum clock_kind kind = clock_kind(id);

	return kind == CLOCK_KIND_NONE ? -EINVAL : write_time(arg[1], clock_kind_now(kind, id));
}

/* The host's clock is the guest's: nobody may set it, root included. */
int64_t sys_clock_settime(const uint64_t *arg)
{
	uint64_t time;
	int result;

	if ((int32_t)arg[0] != CLOCK_REALTIME)
		return -EINVAL;
	result = time_read_span(arg[1], &time);
	return result < 0 ? result : -EPERM;
}

int64_t sys_clock_getres(const uint64_t *arg)
{
	if (clock_kind((int32_t)arg[0]) == CLOCK_KIND_NONE)
		return -EINVAL;
	return arg[1] ? write_time(arg[1], RESOLUTION_NS) : 0;
}

int64_t sys_gettimeofday(const uint64_t *arg)
{
	static const int32_t zone[2]; /* struct timezone: UTC */
	uint64_t now = clock_realtime();
	const int64_t value[2] = {(int64_t)(now / SYSTEM_NANOSECONDS),
	                          (int64_t)(now % SYSTEM_NANOSECONDS / NS_PER_US)};

	if (arg[0] && user_write(arg[0], value, sizeof(value)) < 0)
		return -EFAULT;
	return arg[1] ? user_write(arg[1], zone, sizeof(zone)) : 0;
}

int64_t sys_time(const uint64_t *arg)
{
	int64_t now = (int64_t)(clock_realtime() / SYSTEM_NANOSECONDS);

	if (arg[0] && user_write(arg[0], &now, sizeof(now)) < 0)
		return -EFAULT;
	return now;
}

/* ---- sleeping ---- */

/* CLOCK_MONOTONIC ns at which a clock shows @time, or earlier. The CPU time of a process stands
 * still while its only thread sleeps. */
static uint64_t monotonic_at(enum clock_kind kind, uint64_t time)
{
	uint64_t now = clock_kind_now(kind, 0), deadline;

	if (time <= now)
		return 0;
	if ((kind == CLOCK_KIND_CPU && thread_count == 1) ||
	    __builtin_add_overflow(clock_monotonic(), time - now, &deadline))
		return MOTE_WAIT_FOREVER;
	return deadline;
}

/* Sleep until a clock shows @time: 0 or -EINTR. */
static int64_t sleep_until(enum clock_kind kind, uint64_t time)
{
	for (;;) {
		uint64_t deadline = monotonic_at(kind, time);
		int result;

		if (!deadline)
			return 0;
		result = kind == CLOCK_KIND_REALTIME ? shim_wait_realtime(time)
		                                     : shim_wait(deadline);
		if (result == -EINTR)
			return result;
	}
}

/* Sleep for @span ns; what is left after a signal goes to @remainder, unless that is 0. */
static int64_t sleep_for(enum clock_kind kind, uint64_t span, uint64_t remainder)
{
	uint64_t end, now;
	int64_t result;

	if (__builtin_add_overflow(clock_kind_now(kind, 0), span, &end))
		end = UINT64_MAX;
	result = sleep_until(kind, end);
	if (result != -EINTR || !remainder)
		return result;
	now = clock_kind_now(kind, 0);
	if (now >= end)
		return 0;
	return write_time(remainder, end - now) < 0 ? -EFAULT : result;
}

int64_t sys_nanosleep(const uint64_t *arg)
{
	uint64_t span;
	int result = time_read_span(arg[0], &span);

	return result < 0 ? result : sleep_for(CLOCK_KIND_MONOTONIC, span, arg[1]);
}

/* Clocks that can be read but not slept on, as on Linux; a thread cannot wait for its own CPU time.
 */
static int check_sleep_clock(int32_t id)
{
	switch (id) {
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_THREAD_CPUTIME_ID: return -EOPNOTSUPP;
	default: break;
	}
	switch (clock_kind(id)) {
	case CLOCK_KIND_NONE:
	case CLOCK_KIND_THREAD_CPU: return -EINVAL;
	default: return 0;
	}
}

int64_t sys_clock_nanosleep(const uint64_t *arg)
{
	enum clock_kind kind = clock_kind((int32_t)arg[0]);
	bool is_absolute = arg[1] & TIMER_ABSTIME;
	uint64_t time;
	int result = check_sleep_clock((int32_t)arg[0]);

	if (result == 0)
		result = time_read_span(arg[2], &time);
	if (result < 0)
		return result;
	if (is_absolute)
		return sleep_until(kind, time);
	/* Only an absolute sleep follows a clock that is set. */
	return sleep_for(kind == CLOCK_KIND_REALTIME ? CLOCK_KIND_MONOTONIC : kind, time, arg[3]);
}
