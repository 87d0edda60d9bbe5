/* SPDX-License-Identifier: Apache-2.0 */
/* System calls on the numbers of the process, its group and its session. */
#include <linux/errno.h>
#include <stdbool.h>

#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/syscall.h"

/*
 * The process is number 1, has no parent, and leads its process group and its session, as the
 * first process of a container does.
 */

struct process process;

static bool is_self(uint64_t pid)
{
	return (int32_t)pid == 0 || (int32_t)pid == PROCESS_ID;
}

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
	int32_t group = (int32_t)(arg[1] ? arg[1] : arg[0]);

	if (group < 0)
		return -EINVAL;
	return is_self(arg[0]) ? -EPERM : -ESRCH;
}

int64_t sys_setsid(const uint64_t *arg)
{
	(void)arg;
	return -EPERM; /* it leads a group already */
}
