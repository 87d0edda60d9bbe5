/* SPDX-License-Identifier: Apache-2.0 */
/* Structures that arguments point to, for --strace. */
#include <asm/stat.h>
#include <linux/eventpoll.h>
#include <linux/time_types.h>
#include <linux/utsname.h>

#include "guestkit/libc-shim/signal_abi.h"
#include "guestkit/libc-shim/strace_line.h"
#include "guestkit/user.h"

#define SIGNAL_INFO 4u /* SA_SIGINFO */
#define TYPE_BITS   0170000u

void strace_append_epoll_event(struct strace_line *line, const void *element)
{
	const struct epoll_event *event = element;

	strace_append(line, "{events=");
	strace_append_value(line, STRACE_EVENTS_OF_EPOLL, event->events);
	strace_append(line, ", data={u32=%u, u64=%lu}}", (uint32_t)event->data,
	              (uint64_t)event->data);
}

static bool append_timespec(struct strace_line *line, uint64_t address)
{
	struct __kernel_timespec time;

	if (user_read(&time, address, sizeof time))
		return false;
	strace_append(line, "{tv_sec=%ld, tv_nsec=%ld}", (long)time.tv_sec, (long)time.tv_nsec);
	return true;
}

static bool append_timeval(struct strace_line *line, uint64_t address)
{
	struct __kernel_old_timeval time;

	if (user_read(&time, address, sizeof time))
		return false;
	strace_append(line, "{tv_sec=%ld, tv_usec=%ld}", time.tv_sec, time.tv_usec);
	return true;
}

static bool append_two_timespecs(struct strace_line *line, uint64_t address)
{
	struct __kernel_timespec times[2];

	if (user_read(times, address, sizeof times))
		return false;
	strace_append(line, "[");
	append_timespec(line, address);
	strace_append(line, ", ");
	append_timespec(line, address + sizeof times[0]);
	strace_append(line, "]");
	return true;
}

static bool append_timer(struct strace_line *line, uint64_t address,
                         strace_append_structure *append)
{
	uint64_t times[4]; /* interval and value, as long as each other */

	if (user_read(times, address, sizeof times))
		return false;
	strace_append(line, "{it_interval=");
	append(line, address);
	strace_append(line, ", it_value=");
	append(line, address + sizeof times / 2);
	strace_append(line, "}");
	return true;
}

static bool append_itimerspec(struct strace_line *line, uint64_t address)
{
	return append_timer(line, address, append_timespec);
}

static bool append_itimerval(struct strace_line *line, uint64_t address)
{
	return append_timer(line, address, append_timeval);
}

static bool append_stack(struct strace_line *line, uint64_t address)
{
	struct signal_stack stack;

	if (user_read(&stack, address, sizeof stack))
		return false;
	strace_append(line, "{ss_sp=");
	strace_append_pointer(line, stack.base);
	strace_append(line, ", ss_flags=");
	strace_append_value(line, STRACE_FLAGS_OF_STACK, stack.flags);
	strace_append(line, ", ss_size=%lu}", stack.size);
	return true;
}

static bool append_stat(struct strace_line *line, uint64_t address)
{
	struct stat status;

	if (user_read(&status, address, sizeof status))
		return false;
	strace_append(line, "{st_mode=");
	strace_append_value(line, STRACE_TYPE_OF_FILE, status.st_mode & TYPE_BITS);
	strace_append(line, "|0%02o, ", status.st_mode & 07777);
	if ((status.st_mode & TYPE_BITS) == 0020000 || (status.st_mode & TYPE_BITS) == 0060000)
		strace_append(line, "st_rdev=makedev(0x%lx, 0x%lx), ...}",
		              (uint64_t)status.st_rdev >> 8 & 0xfff,
		              (status.st_rdev & 0xff) | (status.st_rdev >> 12 & 0xfff00));
	else
		strace_append(line, "st_size=%ld, ...}", (long)status.st_size);
	return true;
}

static bool append_signal_set(struct strace_line *line, uint64_t address)
{
	uint64_t set;

	if (user_read(&set, address, sizeof set))
		return false;
	strace_append_signals(line, set);
	return true;
}

static bool append_action(struct strace_line *line, uint64_t address)
{
	struct signal_action action;

	if (user_read(&action, address, sizeof action))
		return false;
	strace_append(line, action.flags & SIGNAL_INFO ? "{sa_sigaction=" : "{sa_handler=");
	if (action.handler < 2)
		strace_append(line, action.handler ? "SIG_IGN" : "SIG_DFL");
	else
		strace_append_pointer(line, action.handler);
	strace_append(line, ", sa_mask=");
	strace_append_signals(line, action.mask);
	strace_append(line, ", sa_flags=");
	strace_append_value(line, STRACE_FLAGS_OF_ACTION, action.flags);
	if (action.restorer) {
		strace_append(line, ", sa_restorer=");
		strace_append_pointer(line, action.restorer);
	}
	strace_append(line, "}");
	return true;
}

static void append_limit(struct strace_line *line, const char *name, uint64_t value)
{
	if (value == UINT64_MAX)
		strace_append(line, "%s=RLIM64_INFINITY", name);
	else if (value > 1024 && value % 1024 == 0)
		strace_append(line, "%s=%lu*1024", name, value / 1024);
	else
		strace_append(line, "%s=%lu", name, value);
}

static bool append_limits(struct strace_line *line, uint64_t address)
{
	uint64_t limits[2];

	if (user_read(limits, address, sizeof limits))
		return false;
	append_limit(line, "{rlim_cur", limits[0]);
	append_limit(line, ", rlim_max", limits[1]);
	strace_append(line, "}");
	return true;
}

static bool append_system_name(struct strace_line *line, uint64_t address)
{
	struct new_utsname name;

	if (user_read(&name, address, sizeof name))
		return false;
	strace_append(line, "{sysname=");
	strace_append_string(line, address, sizeof name.sysname);
	strace_append(line, ", nodename=");
	strace_append_string(line, address + sizeof name.sysname, sizeof name.nodename);
	strace_append(line, ", ...}");
	return true;
}

static bool append_one_epoll_event(struct strace_line *line, uint64_t address)
{
	struct epoll_event event;

	if (user_read(&event, address, sizeof event))
		return false;
	strace_append_epoll_event(line, &event);
	return true;
}

static const struct strace_structure structures[] = {
        {'T', false, append_timespec},
        {'t', true, append_timespec},
        {'3', true, append_timeval},
        {'S', true, append_stat},
        {'G', false, append_signal_set},
        {'H', true, append_signal_set},
        {'K', false, append_action},
        {'L', true, append_action},
        {'N', false, append_limits},
        {'W', true, append_limits},
        {'U', true, append_system_name},
        {'<', false, append_itimerspec},
        {'>', true, append_itimerspec},
        {'[', false, append_itimerval},
        {']', true, append_itimerval},
        {'{', false, append_stack},
        {'}', true, append_stack},
        {'@', false, append_two_timespecs},
        {'4', false, append_one_epoll_event},
};

const struct strace_structure *strace_find_structure(char letter)
{
	for (size_t i = 0; i < sizeof structures / sizeof structures[0]; i++)
		if (structures[i].letter == letter)
			return &structures[i];
	return NULL;
}
