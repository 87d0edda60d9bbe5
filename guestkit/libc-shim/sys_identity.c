/* SPDX-License-Identifier: Apache-2.0 */
/* System calls on who the process is: user, groups, process and session numbers. */
#include <linux/errno.h>
#include <stdbool.h>

#include "guestkit/libc-shim/capability.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/memory.h"
#include "guestkit/user.h"

/*
 * The process is number 1, has no parent, and leads its process group and its session, as the
 * first process of a container does. It starts as root; nothing is gained by that, because the VMM
 * is the boundary, but a program may drop it and must then not get it back.
 */

struct process process;
struct process_identity process_identity;

#define NO_ID UINT32_MAX /* no valid user or group number */

static bool is_self(uint64_t pid)
{
	return (int32_t)pid == 0 || (int32_t)pid == PROCESS_ID;
}

/* ---- users and groups ---- */

int64_t sys_getuid(const uint64_t *arg)
{
	(void)arg;
	return process_identity.uid;
}

int64_t sys_geteuid(const uint64_t *arg)
{
	return sys_getuid(arg);
}

int64_t sys_getgid(const uint64_t *arg)
{
	(void)arg;
	return process_identity.gid;
}

int64_t sys_getegid(const uint64_t *arg)
{
	return sys_getgid(arg);
}

static int64_t set_id(uint32_t *id, uint32_t wanted)
{
	if (wanted == NO_ID)
		return -EINVAL;
	if (process_identity.uid != 0 && wanted != *id)
		return -EPERM;
	*id = wanted;
	return 0;
}

int64_t sys_setuid(const uint64_t *arg)
{
	bool was_root = process_identity.uid == 0;
	int64_t result = set_id(&process_identity.uid, (uint32_t)arg[0]);

	if (was_root && process_identity.uid != 0)
		capability_leave_root();
	return result;
}

int64_t sys_setgid(const uint64_t *arg)
{
	return set_id(&process_identity.gid, (uint32_t)arg[0]);
}

int64_t sys_getgroups(const uint64_t *arg)
{
	int32_t size = (int32_t)arg[0];
	uint32_t count = process_identity.group_count;

	if (size < 0 || (size > 0 && (uint32_t)size < count))
		return -EINVAL;
	if (size > 0 && user_write(arg[1], process_identity.groups, count * sizeof(uint32_t)) < 0)
		return -EFAULT;
	return count;
}

int64_t sys_setgroups(const uint64_t *arg)
{
	uint32_t count = (uint32_t)arg[0];
	uint32_t *groups = NULL;

	if (process_identity.uid != 0)
		return -EPERM;
	if (count > SYSTEM_GROUPS_MAX)
		return -EINVAL;
	if (count > 0) {
		groups = heap_alloc(count * sizeof(*groups));
		if (!groups)
			return -ENOMEM;
		if (user_read(groups, arg[1], count * sizeof(*groups)) < 0) {
			heap_free(groups);
			return -EFAULT;
		}
	}
	heap_free(process_identity.groups);
	process_identity.groups = groups;
	process_identity.group_count = count;
	return 0;
}

/* ---- process, process group, session ---- */

int64_t sys_getpid(const uint64_t *arg)
{
	(void)arg;
	return PROCESS_ID;
}

int64_t sys_getppid(const uint64_t *arg)
{
	(void)arg;
	return 0;
}

int64_t sys_getpgrp(const uint64_t *arg)
{
	return sys_getpid(arg);
}

int64_t sys_getpgid(const uint64_t *arg)
{
	return is_self(arg[0]) ? PROCESS_ID : -ESRCH;
}

int64_t sys_getsid(const uint64_t *arg)
{
	return sys_getpgid(arg);
}

/* A session's leader stays in its group: setpgid(2), EPERM. */
int64_t sys_setpgid(const uint64_t *arg)
{
	if ((int32_t)arg[1] < 0)
		return -EINVAL;
	return is_self(arg[0]) ? -EPERM : -ESRCH;
}

int64_t sys_setsid(const uint64_t *arg)
{
	(void)arg;
	return -EPERM; /* it leads a group already */
}
