/* SPDX-License-Identifier: Apache-2.0 */
/* System calls of threads and children, where there is one thread and there are no children. */
#include <linux/errno.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include <stdbool.h>
#include <stddef.h>

#include "guestkit/clock.h"
#include "guestkit/console.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/user.h"
#include "mote/abi.h"

#define CPU_MASK_SIZE    8 /* bytes that the kernel's mask has */
#define ROBUST_LIST_SIZE 24
#define SECONDS_MAX      (INT64_MAX / (int64_t)SYSTEM_NANOSECONDS)

static bool is_self(uint64_t pid)
{
	return (int32_t)pid == 0 || (int32_t)pid == PROCESS_ID;
}

/* ---- scheduling ---- */

int64_t sys_sched_yield(const uint64_t *arg)
{
	(void)arg;
	return 0;
}

int64_t sys_sched_getaffinity(const uint64_t *arg)
{
	static const uint64_t mask = 1;
	uint32_t size = (uint32_t)arg[1];

	if (size < CPU_MASK_SIZE || size % sizeof(mask) != 0)
		return -EINVAL;
	if (!is_self(arg[0]))
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
	if (!is_self(arg[0]))
		return -ESRCH;
	return mask & 1 ? 0 : -EINVAL;
}

/* ---- threads ---- */

/* The word is cleared when a thread ends that others outlive: there is none. */
int64_t sys_set_tid_address(const uint64_t *arg)
{
	(void)arg;
	return PROCESS_ID;
}

int64_t sys_set_robust_list(const uint64_t *arg)
{
	return arg[1] == ROBUST_LIST_SIZE ? 0 : -EINVAL;
}

/* C libraries go on without it. */
int64_t sys_rseq(const uint64_t *arg)
{
	(void)arg;
	return -ENOSYS;
}

/* ---- futex ---- */

/* CLOCK_MONOTONIC ns of the timeout at @address, which may be 0: none. */
static int64_t read_deadline(uint64_t address, uint32_t operation, uint64_t *deadline)
{
	struct {
		int64_t seconds, nanoseconds;
	} time;
	uint64_t now = clock_monotonic();
	uint64_t span;

	*deadline = MOTE_WAIT_FOREVER;
	if (!address)
		return 0;
	if (user_read(&time, address, sizeof(time)) < 0)
		return -EFAULT;
	if (time.seconds < 0 || (uint64_t)time.nanoseconds >= SYSTEM_NANOSECONDS)
		return -EINVAL;
	if (time.seconds >= SECONDS_MAX)
		return 0;
	span = (uint64_t)time.seconds * SYSTEM_NANOSECONDS + (uint64_t)time.nanoseconds;
	if ((operation & FUTEX_CMD_MASK) == FUTEX_WAIT) {
		*deadline = now + span; /* relative */
	} else if (operation & FUTEX_CLOCK_REALTIME) {
		uint64_t realtime = clock_realtime();

		*deadline = span > realtime ? now + (span - realtime) : now;
	} else {
		*deadline = span;
	}
	return 0;
}

/* No other thread can wake the caller: a signal or the timeout ends the wait. */
static int64_t futex_wait(const uint64_t *arg, uint32_t operation)
{
	uint64_t deadline;
	uint32_t value;
	int64_t result = read_deadline(arg[3], operation, &deadline);

	if (result < 0)
		return result;
	if (arg[0] % sizeof(value) != 0)
		return -EINVAL;
	if (user_read(&value, arg[0], sizeof(value)) < 0)
		return -EFAULT;
	if (value != (uint32_t)arg[2])
		return -EAGAIN;
	for (;;) {
		result = shim_wait(deadline, 0);
		if (result < 0)
			return result;
		if (deadline != MOTE_WAIT_FOREVER && clock_monotonic() >= deadline)
			return -ETIMEDOUT;
	}
}

static int64_t futex_compare(const uint64_t *arg)
{
	uint32_t value;

	if (arg[0] % sizeof(value) != 0)
		return -EINVAL;
	if (user_read(&value, arg[0], sizeof(value)) < 0)
		return -EFAULT;
	return value == (uint32_t)arg[5] ? 0 : -EAGAIN;
}

int64_t sys_futex(const uint64_t *arg)
{
	uint32_t operation = (uint32_t)arg[1];
	uint32_t command = operation & FUTEX_CMD_MASK;

	if ((operation & FUTEX_CLOCK_REALTIME) && command != FUTEX_WAIT_BITSET)
		return -ENOSYS;
	if ((command == FUTEX_WAIT_BITSET || command == FUTEX_WAKE_BITSET) && (uint32_t)arg[5] == 0)
		return -EINVAL;
	switch (command) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET: return futex_wait(arg, operation);
	case FUTEX_CMP_REQUEUE: return futex_compare(arg);
	case FUTEX_WAKE:
	case FUTEX_WAKE_BITSET:
	case FUTEX_REQUEUE: return arg[0] % sizeof(uint32_t) == 0 ? 0 : -EINVAL;
	}
	return -ENOSYS;
}

/* ---- children ---- */

int64_t sys_wait4(const uint64_t *arg)
{
	const uint32_t known = WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WALL | __WCLONE;

	if ((uint32_t)arg[2] & ~known)
		return -EINVAL;
	return (int32_t)arg[0] == INT32_MIN ? -ESRCH : -ECHILD;
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

/* fork() of the C libraries, or a thread; threads are not served yet, which pthread_create()
 * reports. */
int64_t sys_clone(const uint64_t *arg)
{
	static bool is_told;

	if (!(arg[0] & CLONE_THREAD))
		return sys_fork(arg);
	if (!is_told)
		kit_print("mote: guest: this program starts threads, and a guest has one for now; "
		          "see docs/programs.md\n");
	is_told = true;
	return -ENOSYS;
}

/* The C libraries fall back to clone(). */
int64_t sys_clone3(const uint64_t *arg)
{
	(void)arg;
	return -ENOSYS;
}

int64_t sys_vfork(const uint64_t *arg)
{
	return sys_fork(arg);
}
