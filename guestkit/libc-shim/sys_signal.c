/* SPDX-License-Identifier: Apache-2.0 */
/* System calls of signals: actions, masks, the alternate stack, sending and waiting. */
#include <linux/errno.h>
#include <stddef.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/signal.h"
#include "guestkit/libc-shim/signal_frame.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/timers.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/string.h"
#include "guestkit/user.h"
#include "mote/abi.h"

/* rt_sigprocmask(2) */
enum { MASK_BLOCK, MASK_UNBLOCK, MASK_SET };

static bool is_signal(uint64_t number)
{
	return (int32_t)number >= 1 && (int32_t)number <= SIGNAL_LAST;
}

/* ---- actions and masks ---- */

int64_t sys_rt_sigaction(const uint64_t *arg)
{
	int signal = (int)arg[0];
	struct signal_action changed, old;

	if (arg[3] != SIGNAL_SET_SIZE)
		return -EINVAL;
	if (arg[1] && user_read(&changed, arg[1], sizeof(changed)) < 0)
		return -EFAULT;
	if (!is_signal(arg[0]) || (arg[1] && (signal == SIGNAL_KILL || signal == SIGNAL_STOP)))
		return -EINVAL;
	old = *signal_action(signal);
	if (arg[1])
		signal_set_action(signal, &changed);
	return arg[2] ? user_write(arg[2], &old, sizeof(old)) : 0;
}

int64_t sys_rt_sigprocmask(const uint64_t *arg)
{
	uint64_t old = signal_thread->blocked, set;

	if (arg[3] != SIGNAL_SET_SIZE)
		return -EINVAL;
	if (arg[1]) {
		if (user_read(&set, arg[1], sizeof(set)) < 0)
			return -EFAULT;
		switch ((int)arg[0]) {
		case MASK_BLOCK: signal_set_mask(old | set); break;
		case MASK_UNBLOCK: signal_set_mask(old & ~set); break;
		case MASK_SET: signal_set_mask(set); break;
		default: return -EINVAL;
		}
	}
	return arg[2] ? user_write(arg[2], &old, sizeof(old)) : 0;
}

int64_t sys_rt_sigpending(const uint64_t *arg)
{
	uint64_t set;

	if (arg[1] > SIGNAL_SET_SIZE)
		return -EINVAL;
	set = signal_pending() & signal_thread->blocked;
	return user_write(arg[0], &set, arg[1]);
}

int64_t sys_sigaltstack(const uint64_t *arg)
{
	struct signal_stack old = signal_thread->stack, changed;
	uint64_t rsp = syscall_context->rsp;
	int result;

	old.flags = signal_stack_state(&old, rsp) | (old.flags & STACK_AUTODISARM);
	if (arg[0]) {
		if (user_read(&changed, arg[0], sizeof(changed)) < 0)
			return -EFAULT;
		result = signal_set_stack(&changed, rsp);
		if (result < 0)
			return result;
	}
	return arg[1] ? user_write(arg[1], &old, sizeof(old)) : 0;
}

int64_t sys_rt_sigreturn(const uint64_t *arg)
{
	const struct signal_cause bad_frame = {.code = SIGNAL_CODE_KERNEL,
	                                       .vector = MOTE_CRASH_NO_VECTOR};
	struct signal_stack stack;
	uint64_t mask;

	(void)arg;
	syscall_context_replaced = true;
	if (signal_frame_pop(syscall_context, &stack, &mask) < 0) {
		signal_force(syscall_context, SIGNAL_SEGV, &bad_frame);
	} else {
		signal_set_mask(mask);
		/* As on Linux, a stack that cannot be set is left as it is. */
		(void)signal_set_stack(&stack, syscall_context->rsp);
	}
	return (int64_t)syscall_context->rax;
}

/* ---- sending: the process itself is the only one there is ---- */

static int64_t send(uint64_t number, int code)
{
	const struct signal_cause cause = {.code = code, .vector = MOTE_CRASH_NO_VECTOR};

	if (number == 0)
		return 0; /* whether one could be sent */
	if (!is_signal(number))
		return -EINVAL;
	signal_send((int)number, &cause);
	return 0;
}

/* Its own number and group, and those that mean all that may be signalled. */
int64_t sys_kill(const uint64_t *arg)
{
	int32_t pid = (int32_t)arg[0];
	uint64_t number = (uint32_t)arg[1];

	if (number != 0 && !is_signal(number))
		return -EINVAL;
	if (pid != 0 && pid != -1 && pid != PROCESS_ID && pid != -PROCESS_ID)
		return -ESRCH;
	return send(number, SIGNAL_CODE_USER);
}

int64_t sys_tkill(const uint64_t *arg)
{
	int32_t thread = (int32_t)arg[0];
	uint64_t number = (uint32_t)arg[1];

	if (thread <= 0 || (number != 0 && !is_signal(number)))
		return -EINVAL;
	return thread == PROCESS_ID ? send(number, SIGNAL_CODE_TKILL) : -ESRCH;
}

int64_t sys_tgkill(const uint64_t *arg)
{
	int32_t process_id = (int32_t)arg[0];

	if (process_id <= 0)
		return -EINVAL;
	if (process_id != PROCESS_ID && (int32_t)arg[1] > 0)
		return -ESRCH;
	return sys_tkill(arg + 1);
}

/* ---- waiting ---- */

int64_t sys_pause(const uint64_t *arg)
{
	(void)arg;
	return shim_wait_forever();
}

int64_t sys_rt_sigsuspend(const uint64_t *arg)
{
	uint64_t mask;

	if (arg[1] != SIGNAL_SET_SIZE)
		return -EINVAL;
	if (user_read(&mask, arg[0], sizeof(mask)) < 0)
		return -EFAULT;
	signal_set_mask_for_call(mask);
	return shim_wait_forever();
}

/* CLOCK_MONOTONIC ns of the timeout at @address, which may be 0: none. */
static int64_t read_timeout(uint64_t address, uint64_t *deadline)
{
	struct {
		int64_t seconds, nanoseconds;
	} timeout;
	uint64_t span;

	*deadline = MOTE_WAIT_FOREVER;
	if (!address)
		return 0;
	if (user_read(&timeout, address, sizeof(timeout)) < 0)
		return -EFAULT;
	if (timeout.seconds < 0 || (uint64_t)timeout.nanoseconds >= SYSTEM_NANOSECONDS)
		return -EINVAL;
	if (__builtin_mul_overflow((uint64_t)timeout.seconds, SYSTEM_NANOSECONDS, &span) ||
	    __builtin_add_overflow(span, (uint64_t)timeout.nanoseconds, &span) ||
	    __builtin_add_overflow(span, clock_monotonic(), deadline))
		*deadline = MOTE_WAIT_FOREVER;
	return 0;
}

/* Return: the number of the signal that was taken, -EAGAIN after the timeout, or -EINTR. */
static int64_t take_before(uint64_t set, uint64_t deadline, struct signal_info *info)
{
	int64_t result = 0;
	int signal;

	timers_serve();
	signal = signal_take(set, info);
	if (signal)
		return signal;
	signal_thread->awaited = set;
	while (result == 0 && clock_monotonic() < deadline)
		result = shim_wait(deadline, 0);
	signal_thread->awaited = 0;
	signal = signal_take(set, info);
	if (signal)
		return signal;
	return result < 0 ? result : -EAGAIN;
}

int64_t sys_rt_sigtimedwait(const uint64_t *arg)
{
	uint64_t set, deadline;
	struct signal_info info;
	int64_t result;

	if (arg[3] != SIGNAL_SET_SIZE)
		return -EINVAL;
	if (user_read(&set, arg[0], sizeof(set)) < 0)
		return -EFAULT;
	result = read_timeout(arg[2], &deadline);
	if (result < 0)
		return result;
	set &= ~(signal_bit(SIGNAL_KILL) | signal_bit(SIGNAL_STOP));
	result = take_before(set, deadline, &info);
	if (result > 0 && arg[1] && user_write(arg[1], &info, sizeof(info)) < 0)
		return -EFAULT;
	return result;
}
