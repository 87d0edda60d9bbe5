/* SPDX-License-Identifier: Apache-2.0 */
/* System calls of threads, and of children, of which there are none. */
#include <linux/errno.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include <stdbool.h>
#include <stddef.h>

#include "guestkit/console.h"
#include "guestkit/libc-shim/futex.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/process_leave.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/process_end.h"
#include "guestkit/thread.h"
#include "guestkit/user.h"

#define CPU_MASK_SIZE 8 /* bytes that the kernel's mask has */

static bool is_thread(uint64_t id)
{
	return (int32_t)id == 0 || thread_find((int32_t)id);
}

/* ---- scheduling ---- */

int64_t sys_sched_yield(const uint64_t *arg)
{
	(void)arg;
	thread_yield();
	return 0;
}

int64_t sys_sched_getaffinity(const uint64_t *arg)
{
	static const uint64_t mask = 1;
	uint32_t size = (uint32_t)arg[1];

	if (size < CPU_MASK_SIZE || size % sizeof(mask) != 0)
		return -EINVAL;
	if (!is_thread(arg[0]))
		return -ESRCH;
	if (user_write(arg[2], &mask, sizeof(mask)) < 0)
		return -EFAULT;
	return sizeof(mask);
}

int64_t sys_sched_setaffinity(const uint64_t *arg)
{
	uint32_t size = (uint32_t)arg[1];
	uint64_t mask = 0;

	if (user_read(&mask, arg[2], size < sizeof(mask) ? size : sizeof(mask)) < 0)
		return -EFAULT;
	if (!is_thread(arg[0]))
		return -ESRCH;
	return mask & 1 ? 0 : -EINVAL;
}

/* ---- threads ---- */

int64_t sys_set_tid_address(const uint64_t *arg)
{
	thread_current->clear_at_exit = arg[0];
	return thread_current->id;
}

/* C libraries go on without it. */
int64_t sys_rseq(const uint64_t *arg)
{
	(void)arg;
	return -ENOSYS;
}

/* What a thread shares with its creator, and what it may ask for besides. */
#define THREAD_SHARES (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
#define THREAD_ASKS                                                                         \
	(CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID |          \
	 CLONE_CHILD_CLEARTID | CLONE_DETACHED | CLONE_PTRACE | CLONE_UNTRACED | CLONE_IO | \
	 CSIGNAL)

static int64_t clone_thread(uint64_t flags, const uint64_t *arg)
{
	uint64_t stack = arg[1], parent_tid = arg[2], child_tid = arg[3], tls = arg[4];
	struct thread *thread;
	int32_t id;

	if ((flags & CLONE_SETTLS) && tls >= MOTE_USER_END)
		return -EPERM;
	thread = thread_create();
	if (!thread)
		return -EAGAIN;
	id = thread->id;
	if ((flags & CLONE_PARENT_SETTID) && user_write(parent_tid, &id, sizeof(id)) < 0) {
		thread_discard(thread);
		return -EFAULT;
	}
	if (flags & CLONE_CHILD_SETTID)
		(void)user_write(child_tid, &id, sizeof(id)); /* as on Linux, no error */
	if (flags & CLONE_CHILD_CLEARTID)
		thread->clear_at_exit = child_tid;
	if (flags & CLONE_SETTLS)
		thread->fs_base = tls;
	if (stack)
		thread_context(thread)->rsp = stack;
	thread_wake(thread);
	return id;
}

int64_t sys_clone(const uint64_t *arg)
{
	uint64_t flags = (uint32_t)arg[0];

	if ((flags & (CLONE_SIGHAND | CLONE_VM)) == CLONE_SIGHAND)
		return -EINVAL;
	if ((flags & (CLONE_FS | CLONE_NEWNS)) == (CLONE_FS | CLONE_NEWNS))
		return -EINVAL;
	if (!(flags & CLONE_THREAD))
		return sys_fork(arg);
	if ((flags & THREAD_SHARES) != THREAD_SHARES ||
	    flags & ~(uint64_t)(THREAD_SHARES | THREAD_ASKS))
		return -EINVAL;
	return clone_thread(flags, arg);
}

/* The C libraries fall back to clone(). */
int64_t sys_clone3(const uint64_t *arg)
{
	(void)arg;
	return -ENOSYS;
}

int64_t sys_gettid(const uint64_t *arg)
{
	(void)arg;
	return thread_current->id;
}

/* The process ends with its last thread, by the status of the first. */
int64_t sys_exit(const uint64_t *arg)
{
	static int first_status = -1;

	if (thread_current->id == PROCESS_ID)
		first_status = (int)arg[0] & 0xff;
	if (thread_count == 1) {
		process_leave();
		end_exit(first_status >= 0 ? first_status : (int)arg[0]);
	}
	futex_thread_end(thread_current);
	thread_end();
}

/* ---- children ---- */

int64_t sys_wait4(const uint64_t *arg)
{
	const uint32_t known = WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WALL | __WCLONE;

	if ((uint32_t)arg[2] & ~known)
		return -EINVAL;
	return (int32_t)arg[0] == INT32_MIN ? -ESRCH : -ECHILD;
}

int64_t sys_waitid(const uint64_t *arg)
{
	const uint32_t events = WEXITED | WSTOPPED | WCONTINUED;
	const uint32_t known = events | WNOHANG | WNOWAIT | __WNOTHREAD | __WALL | __WCLONE;
	uint32_t options = (uint32_t)arg[3];
	int32_t id = (int32_t)arg[1];

	if (options & ~known || !(options & events))
		return -EINVAL;
	switch ((uint32_t)arg[0]) {
	case P_ALL: break;
	case P_PID:
		if (id <= 0)
			return -EINVAL;
		break;
	case P_PGID:
		if (id < 0)
			return -EINVAL;
		break;
	case P_PIDFD: return id < 0 ? -EINVAL : -EBADF;
	default: return -EINVAL;
	}
	return -ECHILD;
}

int64_t sys_fork(const uint64_t *arg)
{
	static bool is_told;

	(void)arg;
	if (!is_told)
		kit_print("mote: guest: this program calls fork(), and a microVM runs one process; "
		          "see docs/programs.md\n");
	is_told = true;
	return -ENOSYS;
}

int64_t sys_vfork(const uint64_t *arg)
{
	return sys_fork(arg);
}
