/* SPDX-License-Identifier: Apache-2.0 */
/* The end of the process, and the registers that only a system call can set. */
#include <asm/prctl.h>
#include <linux/errno.h>

#include "guestkit/libc-shim/process_leave.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/memory.h"
#include "guestkit/process_end.h"
#include "guestkit/user.h"

int64_t sys_exit_group(const uint64_t *arg)
{
	process_leave();
	end_exit((int)arg[0]);
}

/* FS and GS belong to the application, which may also use wrfsbase itself. */
int64_t sys_arch_prctl(const uint64_t *arg)
{
	uint64_t base;

	switch (arg[0]) {
	case ARCH_SET_FS:
	case ARCH_SET_GS:
		if (arg[1] >= MOTE_USER_END)
			return -EPERM;
		if (arg[0] == ARCH_SET_FS)
			__asm__ volatile("wrfsbase %0" : : "r"(arg[1]));
		else
			__asm__ volatile("wrgsbase %0" : : "r"(arg[1]));
		return 0;
	case ARCH_GET_FS:
		__asm__ volatile("rdfsbase %0" : "=r"(base));
		return user_write(arg[1], &base, sizeof base);
	case ARCH_GET_GS:
		__asm__ volatile("rdgsbase %0" : "=r"(base));
		return user_write(arg[1], &base, sizeof base);
	case ARCH_GET_CPUID: return 1;
	default: return -EINVAL;
	}
}
