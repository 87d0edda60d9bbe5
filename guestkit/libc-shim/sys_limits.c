/* SPDX-License-Identifier: Apache-2.0 */
/* System calls on what the process may use and has used: rlimits, rusage, times. */
#include <linux/errno.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/vfs.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "guestkit/thread.h"
#include "guestkit/user.h"

#define STACK_DEFAULT   0x800000 /* 8 MiB */
#define MEMLOCK_DEFAULT 0x800000
#define MSGQUEUE_BYTES  819200
#define PROCESSES       1 /* fork() is not served */
#define SIGNALS_PENDING 1024
#define MICROSECOND     1000 /* ns */
#define BOTH(value)              \
	{                        \
		(value), (value) \
	}

static struct process_limit limits[PROCESS_LIMITS] = {
        [RESOURCE_CPU] = BOTH(PROCESS_UNLIMITED),
        [RESOURCE_FSIZE] = BOTH(PROCESS_UNLIMITED),
        [RESOURCE_DATA] = BOTH(PROCESS_UNLIMITED),
        [RESOURCE_STACK] = {STACK_DEFAULT, PROCESS_UNLIMITED},
        [RESOURCE_CORE] = {0, PROCESS_UNLIMITED},
        [RESOURCE_RSS] = BOTH(PROCESS_UNLIMITED),
        [RESOURCE_NPROC] = BOTH(PROCESSES),
        [RESOURCE_NOFILE] = BOTH(VFS_OPEN_MAX),
        [RESOURCE_MEMLOCK] = BOTH(MEMLOCK_DEFAULT),
        [RESOURCE_AS] = BOTH(PROCESS_UNLIMITED),
        [RESOURCE_LOCKS] = BOTH(PROCESS_UNLIMITED),
        [RESOURCE_SIGPENDING] = BOTH(SIGNALS_PENDING),
        [RESOURCE_MSGQUEUE] = BOTH(MSGQUEUE_BYTES),
        [RESOURCE_NICE] = BOTH(0),
        [RESOURCE_RTPRIO] = BOTH(0),
        [RESOURCE_RTTIME] = BOTH(PROCESS_UNLIMITED),
};

const struct process_limit *process_limit(unsigned resource)
{
	return &limits[resource];
}

/* The checks of Linux' do_prlimit(), in its order. */
static int64_t set_limit(uint32_t resource, const struct process_limit *wanted)
{
	if (wanted->soft > wanted->hard)
		return -EINVAL;
	if (resource == RESOURCE_NOFILE && wanted->hard > VFS_OPEN_MAX)
		return -EPERM;
	if (wanted->hard > limits[resource].hard && process_identity.uid != 0)
		return -EPERM;
	limits[resource] = *wanted;
	if (resource == RESOURCE_NOFILE)
		descriptor_limit = (unsigned)wanted->soft;
	return 0;
}

int64_t sys_getrlimit(const uint64_t *arg)
{
	uint32_t resource = (uint32_t)arg[0];

	if (resource >= PROCESS_LIMITS)
		return -EINVAL;
	return user_write(arg[1], &limits[resource], sizeof(limits[resource]));
}

int64_t sys_setrlimit(const uint64_t *arg)
{
	uint32_t resource = (uint32_t)arg[0];
	struct process_limit wanted;

	if (user_read(&wanted, arg[1], sizeof(wanted)) < 0)
		return -EFAULT;
	return resource < PROCESS_LIMITS ? set_limit(resource, &wanted) : -EINVAL;
}

int64_t sys_prlimit64(const uint64_t *arg)
{
	int32_t pid = (int32_t)arg[0];
	uint32_t resource = (uint32_t)arg[1];
	struct process_limit wanted, old;
	int64_t result;

	if (arg[2] && user_read(&wanted, arg[2], sizeof(wanted)) < 0)
		return -EFAULT;
	if (pid != 0 && pid != PROCESS_ID)
		return -ESRCH;
	if (resource >= PROCESS_LIMITS)
		return -EINVAL;
	old = limits[resource];
	result = arg[2] ? set_limit(resource, &wanted) : 0;
	if (result < 0 || !arg[3])
		return result;
	return user_write(arg[3], &old, sizeof(old));
}

/* ---- use ---- */

uint64_t process_cpu_time(void)
{
	uint64_t alive = clock_monotonic() - process.start_monotonic;

	return alive > process.waited ? alive - process.waited : 0;
}

uint64_t process_resident(void)
{
	return (page_total_count() - page_free_count()) * PAGE_SIZE;
}

uint64_t process_resident_peak(void)
{
	static uint64_t peak;
	uint64_t now = process_resident();

	if (now > peak)
		peak = now;
	return peak;
}

/* struct rusage, whose other members Linux leaves at 0 as well or counts what is not here. */
struct resource_use {
	int64_t user_seconds, user_microseconds;
	int64_t system_seconds, system_microseconds;
	int64_t resident_kib; /* largest */
	int64_t others[13];
};

_Static_assert(sizeof(struct resource_use) == 144, "struct rusage");

int64_t sys_getrusage(const uint64_t *arg)
{
	enum { SELF = 0, CHILDREN = -1, THREAD = 1 };
	int32_t who = (int32_t)arg[0];
	struct resource_use use = {0};
	uint64_t time = who == THREAD ? thread_cpu_time(thread_current) : process_cpu_time();

	if (who != SELF && who != CHILDREN && who != THREAD)
		return -EINVAL;
	if (who != CHILDREN) {
		use.user_seconds = (int64_t)(time / SYSTEM_NANOSECONDS);
		use.user_microseconds = (int64_t)(time % SYSTEM_NANOSECONDS / MICROSECOND);
		use.resident_kib = (int64_t)(process_resident_peak() / 1024);
	}
	return user_write(arg[1], &use, sizeof(use));
}

int64_t sys_times(const uint64_t *arg)
{
	const uint64_t tick = SYSTEM_NANOSECONDS / SYSTEM_TICKS;
	int64_t times[4] = {(int64_t)(process_cpu_time() / tick)}; /* user; system; children's */

	if (arg[0] && user_write(arg[0], times, sizeof(times)) < 0)
		return -EFAULT;
	return (int64_t)(clock_boottime() / tick);
}
