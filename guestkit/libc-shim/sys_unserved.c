/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that programs and libraries try at their start and do well without: ENOSYS, but not a line
 * on standard error as for others.
 */
#include <linux/errno.h>

#include "guestkit/libc-shim/syscall.h"

int64_t sys_io_setup(const uint64_t *arg)
{
	(void)arg;
	return -ENOSYS;
}

int64_t sys_io_uring_setup(const uint64_t *arg)
{
	(void)arg;
	return -ENOSYS;
}

/* There are no processes to watch. */
int64_t sys_pidfd_open(const uint64_t *arg)
{
	(void)arg;
	return -ENOSYS;
}
