/* SPDX-License-Identifier: Apache-2.0 */
/* System calls of signals: actions, masks, the alternate stack, sending and waiting. */
#include <linux/errno.h>
#include <stddef.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/signal.h"
#include "guestkit/libc-shim/signal_frame.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/time_value.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/thread.h"
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
	uint64_t rsp = thread_context(thread_current)->rsp;
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
	struct context *context = thread_context(thread_current);
	struct signal_stack stack;
	uint64_t mask;

	(void)arg;
	thread_current->is_context_replaced = true;
	if (signal_frame_pop(context, &stack, &mask) < 0) {
		signal_force(context, SIGNAL_SEGV, &bad_frame);
	} else {
		signal_set_mask(mask);
		/* As on Linux, a stack that cannot be set is left as it is. */
		(void)signal_set_stack(&stack, context->rsp);
	}
	return (int64_t)context->rax;
}

/* ---- sending ---- */

/* Its own number and group, and those that mean all that may be signalled. */
static bool is_own_process(int32_t pid)
{
	return pid == 0 || pid == -1 || pid == PROCESS_ID || pid == -PROCESS_ID;
}

int64_t sys_kill(const uint64_t *arg)
{
	const struct signal_cause cause = {.code = SIGNAL_CODE_USER,
	                                   .vector = MOTE_CRASH_NO_VECTOR};
	uint32_t number = (uint32_t)arg[1];

	if (number != 0 && !is_signal(number))
		return -EINVAL;
	if (!is_own_process((int32_t)arg[0]))
		return -ESRCH;
	if (number)
		signal_send((int)number, &cause);
	return 0;
}

static int64_t send_to_thread(int32_t id, uint32_t number, const struct signal_cause *cause)
{
	struct thread *thread = thread_find(id);

	if (!thread)
		return -ESRCH;
	return number ? signal_send_to(thread, (int)number, cause) : 0;
}

int64_t sys_tkill(const uint64_t *arg)
{
	const struct signal_cause cause = {.code = SIGNAL_CODE_TKILL,
	                                   .vector = MOTE_CRASH_NO_VECTOR};
	uint32_t number = (uint32_t)arg[1];

	if ((int32_t)arg[0] <= 0 || (number != 0 && !is_signal(number)))
		return -EINVAL;
	return send_to_thread((int32_t)arg[0], number, &cause);
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

/* The cause of a signal that its sender describes; it may not pretend to be the kernel, but to
 * itself. */
static int64_t read_cause(uint64_t address, uint32_t number, struct signal_cause *cause)
{
	struct signal_info info;

	if (user_read(&info, address, sizeof(info)) < 0)
		return -EFAULT;
	if (number != 0 && !is_signal(number))
		return -EINVAL;
	*cause = (struct signal_cause){.code = info.code,
	                               .address = info.code > 0 ? info.address : info.sender.value,
	                               .vector = MOTE_CRASH_NO_VECTOR};
	return 0;
}

int64_t sys_rt_sigqueueinfo(const uint64_t *arg)
{
	uint32_t number = (uint32_t)arg[1];
	struct signal_cause cause;
	int64_t result = read_cause(arg[2], number, &cause);

	if (result < 0)
		return result;
	if ((int32_t)arg[0] != PROCESS_ID)
		return -ESRCH;
	return number ? signal_send((int)number, &cause) : 0;
}

int64_t sys_rt_tgsigqueueinfo(const uint64_t *arg)
{
	uint32_t number = (uint32_t)arg[2];
	struct signal_cause cause;
	int64_t result = read_cause(arg[3], number, &cause);

	if (result < 0)
		return result;
	if ((int32_t)arg[0] <= 0 || (int32_t)arg[1] <= 0)
		return -EINVAL;
	if ((int32_t)arg[0] != PROCESS_ID)
		return -ESRCH;
	return send_to_thread((int32_t)arg[1], number, &cause);
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

/* Return: the number of the signal that was taken, -EAGAIN after the timeout, or -EINTR. */
static int64_t take_before(uint64_t set, uint64_t deadline, struct signal_info *info)
{
	int64_t result = 0;
	int signal = signal_take(set, info);

	signal_thread->awaited = set;
	while (!signal && result == 0) {
		result = shim_wait(deadline);
		signal = signal_take(set, info);
	}
	signal_thread->awaited = 0;
	return signal ? signal : result == -ETIMEDOUT ? -EAGAIN : result;
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
	result = time_read_timeout(arg[2], &deadline);
	if (result < 0)
		return result;
	set &= ~(signal_bit(SIGNAL_KILL) | signal_bit(SIGNAL_STOP));
	result = take_before(set, deadline, &info);
	if (result > 0 && arg[1] && user_write(arg[1], &info, sizeof(info)) < 0)
		return -EFAULT;
	return result;
}
