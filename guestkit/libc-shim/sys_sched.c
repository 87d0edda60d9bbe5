/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that ask for a share of the CPU or the disk, and membarrier.
 *
 * Policies, priorities and niceness are recorded, so that a program finds what it has set; the
 * scheduler does not look at them.
 */
#include <linux/errno.h>
#include <linux/ioprio.h>
#include <linux/membarrier.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/memory.h"
#include "guestkit/thread.h"
#include "guestkit/user.h"

#define KEEP_POLICY                      (-1)
#define REALTIME_MAX                     99 /* of sched_priority; the least is 1 */
#define NICE_LEAST                       (-20)
#define NICE_MOST                        19
#define NICE_BASE                        20 /* getpriority(2) answers with this less the niceness */
#define SLICE                            10000000 /* ns: how long a thread runs while others wait */
#define SLICE_ROUND                      100000000 /* the same for SCHED_RR */
#define MEMBARRIER_CMD_GET_REGISTRATIONS (1 << 9)  /* Linux 6.3; not in older headers */
#define MEMBARRIER_KNOWN                                                               \
	(MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED |                     \
	 MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED | \
	 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED | MEMBARRIER_CMD_GET_REGISTRATIONS)

/* Of the thread with a number, 0 for the caller's; or NULL. */
static struct thread_wishes *wishes_of(int32_t id)
{
	struct thread *thread = id == 0 ? thread_current : thread_find(id);

	return thread ? &thread->wishes : NULL;
}

/* ---- policies ---- */

static bool is_realtime(int32_t policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

int64_t sys_sched_get_priority_max(const uint64_t *arg)
{
	switch ((int32_t)arg[0]) {
	case SCHED_FIFO:
	case SCHED_RR: return REALTIME_MAX;
	case SCHED_NORMAL:
	case SCHED_BATCH:
	case SCHED_IDLE:
	case SCHED_DEADLINE: return 0;
	default: return -EINVAL;
	}
}

int64_t sys_sched_get_priority_min(const uint64_t *arg)
{
	int64_t most = sys_sched_get_priority_max(arg);

	return most > 0 ? 1 : most;
}

/* Deadlines are not served: what SCHED_DEADLINE promises nobody here could keep. */
static int64_t apply(struct thread_wishes *changed, const struct thread_wishes *wanted)
{
	int32_t policy = wanted->policy, priority = wanted->priority;

	if (!is_realtime(policy) && policy != SCHED_NORMAL && policy != SCHED_BATCH &&
	    policy != SCHED_IDLE)
		return -EINVAL;
	if (priority < 0 || priority > REALTIME_MAX || is_realtime(policy) != (priority != 0))
		return -EINVAL;
	if ((is_realtime(policy) || wanted->nice < changed->nice) && process_identity.uid != 0)
		return -EPERM;
	*changed = *wanted;
	return 0;
}

static int64_t set_policy(uint64_t thread, int32_t policy, uint64_t user_priority)
{
	struct thread_wishes *changed = wishes_of((int32_t)thread), wanted;
	int32_t priority;

	if (!user_priority || (int32_t)thread < 0)
		return -EINVAL;
	if (user_read(&priority, user_priority, sizeof(priority)) < 0)
		return -EFAULT;
	if (!changed)
		return -ESRCH;
	wanted = *changed;
	wanted.priority = priority;
	if (policy != KEEP_POLICY) {
		wanted.policy = policy & ~SCHED_RESET_ON_FORK;
		wanted.is_reset_on_fork = policy & SCHED_RESET_ON_FORK;
	}
	return apply(changed, &wanted);
}

int64_t sys_sched_setscheduler(const uint64_t *arg)
{
	return (int32_t)arg[1] < 0 ? -EINVAL : set_policy(arg[0], (int32_t)arg[1], arg[2]);
}

int64_t sys_sched_setparam(const uint64_t *arg)
{
	return set_policy(arg[0], KEEP_POLICY, arg[1]);
}

int64_t sys_sched_getscheduler(const uint64_t *arg)
{
	const struct thread_wishes *asked = wishes_of((int32_t)arg[0]);

	if ((int32_t)arg[0] < 0)
		return -EINVAL;
	if (!asked)
		return -ESRCH;
	return asked->policy | (asked->is_reset_on_fork ? SCHED_RESET_ON_FORK : 0);
}

int64_t sys_sched_getparam(const uint64_t *arg)
{
	const struct thread_wishes *asked = wishes_of((int32_t)arg[0]);

	if (!arg[1] || (int32_t)arg[0] < 0)
		return -EINVAL;
	return asked ? user_write(arg[1], &asked->priority, sizeof(asked->priority)) : -ESRCH;
}

int64_t sys_sched_rr_get_interval(const uint64_t *arg)
{
	const struct thread_wishes *asked = wishes_of((int32_t)arg[0]);
	int64_t slice[2] = {0, SLICE}; /* struct timespec */

	if ((int32_t)arg[0] < 0)
		return -EINVAL;
	if (!asked)
		return -ESRCH;
	if (is_realtime(asked->policy))
		slice[1] = asked->policy == SCHED_RR ? SLICE_ROUND : 0;
	return user_write(arg[1], slice, sizeof(slice));
}

/* ---- the same in one structure, which grows with the kernel ---- */

static int32_t limit_nice(int32_t nice)
{
	return nice < NICE_LEAST ? NICE_LEAST : nice > NICE_MOST ? NICE_MOST : nice;
}

/* Read a struct sched_attr of any size: -E2BIG, and the size there is, for what is unknown in it.
 */
static int64_t read_attributes(uint64_t address, struct sched_attr *attributes)
{
	const uint32_t known = sizeof(*attributes);
	uint32_t size;

	if (user_read(&size, address, sizeof(size)) < 0)
		return -EFAULT;
	if (!size)
		size = SCHED_ATTR_SIZE_VER0;
	if (size < SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE)
		return user_write(address, &known, sizeof(known)) < 0 ? -EFAULT : -E2BIG;
	*attributes = (struct sched_attr){0};
	if (user_read(attributes, address, size < known ? size : known) < 0)
		return -EFAULT;
	for (uint32_t i = known; i < size; i++) {
		unsigned char unknown;

		if (user_read(&unknown, address + i, 1) < 0)
			return -EFAULT;
		if (unknown)
			return user_write(address, &known, sizeof(known)) < 0 ? -EFAULT : -E2BIG;
	}
	return 0;
}

int64_t sys_sched_setattr(const uint64_t *arg)
{
	const uint64_t known =
	        SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_KEEP_POLICY | SCHED_FLAG_KEEP_PARAMS;
	struct thread_wishes *changed = wishes_of((int32_t)arg[0]), wanted;
	struct sched_attr attributes;
	int64_t result;

	if (!arg[1] || (int32_t)arg[0] < 0 || (uint32_t)arg[2])
		return -EINVAL;
	result = read_attributes(arg[1], &attributes);
	if (result < 0)
		return result;
	if ((int32_t)attributes.sched_policy < 0)
		return -EINVAL;
	if (!changed)
		return -ESRCH;
	if (attributes.sched_flags & ~known)
		return -EINVAL;
	wanted = *changed;
	wanted.is_reset_on_fork = attributes.sched_flags & SCHED_FLAG_RESET_ON_FORK;
	if (!(attributes.sched_flags & SCHED_FLAG_KEEP_POLICY))
		wanted.policy = (int32_t)attributes.sched_policy;
	if (!(attributes.sched_flags & SCHED_FLAG_KEEP_PARAMS)) {
		wanted.priority = (int32_t)attributes.sched_priority;
		if (!is_realtime(wanted.policy))
			wanted.nice = limit_nice(attributes.sched_nice);
	}
	return apply(changed, &wanted);
}

int64_t sys_sched_getattr(const uint64_t *arg)
{
	const struct thread_wishes *asked = wishes_of((int32_t)arg[0]);
	uint32_t size = (uint32_t)arg[2];
	struct sched_attr attributes = {0};

	if (!arg[1] || (int32_t)arg[0] < 0 || size < SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE ||
	    (uint32_t)arg[3])
		return -EINVAL;
	if (!asked)
		return -ESRCH;
	attributes.size = size < sizeof(attributes) ? size : sizeof(attributes);
	attributes.sched_policy = (uint32_t)asked->policy;
	attributes.sched_flags = asked->is_reset_on_fork ? SCHED_FLAG_RESET_ON_FORK : 0;
	attributes.sched_priority = (uint32_t)asked->priority;
	if (!is_realtime(asked->policy))
		attributes.sched_nice = asked->nice;
	return user_write(arg[1], &attributes, attributes.size);
}

/* ---- niceness and its like for disks: of a thread, a process group or a user ---- */

/*
 * Whom getpriority(2) means. The one group and the one user that there are have all threads.
 * @first: set to one thread, or to the first of all, of which @is_all tells
 */
static int find_threads(int32_t which, int32_t who, struct thread **first, bool *is_all)
{
	enum { THREAD, GROUP, USER };
	bool is_known;

	*is_all = which != THREAD;
	switch (which) {
	case THREAD:
		*first = who == 0 ? thread_current : thread_find(who);
		return *first ? 0 : -ESRCH;
	case GROUP: is_known = who == 0 || who == PROCESS_ID; break;
	case USER: is_known = who == 0 || (uint32_t)who == process_identity.real_uid; break;
	default: return -EINVAL;
	}
	*first = thread_first;
	return is_known ? 0 : -ESRCH;
}

/* The least nice of them. */
int64_t sys_getpriority(const uint64_t *arg)
{
	struct thread *thread;
	bool is_all;
	int result = find_threads((int32_t)arg[0], (int32_t)arg[1], &thread, &is_all);
	int32_t least = NICE_MOST;

	if (result < 0)
		return result;
	do {
		if (thread->wishes.nice < least)
			least = thread->wishes.nice;
		thread = thread->next;
	} while (is_all && thread);
	return NICE_BASE - least;
}

int64_t sys_setpriority(const uint64_t *arg)
{
	struct thread *thread;
	bool is_all;
	int32_t nice = limit_nice((int32_t)arg[2]);
	int result = find_threads((int32_t)arg[0], (int32_t)arg[1], &thread, &is_all);

	if (result < 0)
		return result;
	do {
		if (nice < thread->wishes.nice && process_identity.uid != 0)
			result = -EACCES;
		else
			thread->wishes.nice = nice;
		thread = thread->next;
	} while (is_all && thread);
	return result;
}

/* IOPRIO_WHO_* are the numbers of getpriority(2) plus 1. Of several threads the oldest tells. */
int64_t sys_ioprio_get(const uint64_t *arg)
{
	struct thread *thread;
	bool is_all;
	int result = find_threads((int32_t)arg[0] - IOPRIO_WHO_PROCESS, (int32_t)arg[1], &thread,
	                          &is_all);

	return result < 0 ? result : thread->wishes.io;
}

/* A class and a level in it, that of a class that is none must be 0. */
static int check_io_priority(int32_t priority)
{
	switch (priority >> IOPRIO_CLASS_SHIFT & IOPRIO_CLASS_MASK) {
	case IOPRIO_CLASS_RT: return process_identity.uid == 0 ? 0 : -EPERM;
	case IOPRIO_CLASS_BE:
	case IOPRIO_CLASS_IDLE: return 0;
	case IOPRIO_CLASS_NONE: return priority & ((1 << IOPRIO_CLASS_SHIFT) - 1) ? -EINVAL : 0;
	default: return -EINVAL;
	}
}

int64_t sys_ioprio_set(const uint64_t *arg)
{
	struct thread *thread;
	bool is_all;
	int result = check_io_priority((int32_t)arg[2]);

	if (result == 0)
		result = find_threads((int32_t)arg[0] - IOPRIO_WHO_PROCESS, (int32_t)arg[1],
		                      &thread, &is_all);
	if (result < 0)
		return result;
	do {
		thread->wishes.io = (int32_t)arg[2];
		thread = thread->next;
	} while (is_all && thread);
	return 0;
}

/* ---- the one processor ---- */

int64_t sys_getcpu(const uint64_t *arg)
{
	static const uint32_t first;

	if (arg[0] && user_write(arg[0], &first, sizeof(first)) < 0)
		return -EFAULT;
	return arg[1] ? user_write(arg[1], &first, sizeof(first)) : 0;
}

/*
 * Threads take turns on one processor, which sees its own memory in order: there is nothing to wait
 * for. Kinds that make the processor forget code it has fetched ahead, or that restart rseq(2)
 * sections, are not offered.
 */
int64_t sys_membarrier(const uint64_t *arg)
{
	static int32_t registered;
	int32_t command = (int32_t)arg[0];

	if ((uint32_t)arg[1])
		return -EINVAL;
	switch (command) {
	case MEMBARRIER_CMD_QUERY: return MEMBARRIER_KNOWN;
	case MEMBARRIER_CMD_GLOBAL:
	case MEMBARRIER_CMD_GLOBAL_EXPEDITED: return 0;
	case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED: registered |= command; return 0;
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
		return registered & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED ? 0 : -EPERM;
	case MEMBARRIER_CMD_GET_REGISTRATIONS: return registered;
	default: return -EINVAL;
	}
}
