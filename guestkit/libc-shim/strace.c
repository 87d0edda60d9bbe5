/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --strace: a line on stderr for each system call, in the form of strace(1).
 *
 * How it works
 *
 * syscall_table.h has a letter for each argument. Before the call its first arguments are written
 * down, up to the one that the call fills in; after it the rest, the result and the time. So a line
 * is printed when its call has ended, in one piece, whatever other threads did meanwhile. A call
 * that does not return is printed before.
 */
#include "guestkit/libc-shim/strace.h"

#include <asm/unistd_64.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/prctl.h>

#include "guestkit/clock.h"
#include "guestkit/hypercall.h"
#include "guestkit/libc-shim/strace_line.h"
#include "guestkit/machine.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "guestkit/thread.h"
#include "guestkit/trace_ring.h"
#include "mote/abi.h"

#define LINE_MAX     4096
#define BEGIN_MAX    1024 /* of it, before the call: on the thread's stack in the kit */
#define RESULT_AT    40   /* column */
#define ERROR_LAST   4095
#define SOL_SOCKET   1
#define FUTEX_KIND   0x7f
#define CREATES_FILE (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))

static const struct call {
	uint16_t number;
	const char *name, *arguments;
} calls[] = {
#define SYSCALL(number, name, arguments) {number, #name, arguments},
#include "guestkit/libc-shim/syscall_table.h"
#undef SYSCALL
};

#define CALLS      (sizeof calls / sizeof calls[0])
#define NOT_SERVED CALLS
_Static_assert(CALLS < STRACE_CALLS_MAX, "each has a row in the summary, and one for all others");

static unsigned find_call(uint64_t number)
{
	unsigned index = 0;

	while (index < CALLS && calls[index].number != number)
		index++;
	return index;
}

static const char *name_of(unsigned index)
{
	return index < CALLS ? calls[index].name : "(not served)";
}

static bool does_not_return(uint64_t number)
{
	return number == __NR_exit || number == __NR_exit_group || number == __NR_rt_sigreturn;
}

/* ---- arguments ---- */

/* Arguments that a call has with these others only, as its callers leave them out. */
static bool is_left_out(uint64_t number, unsigned index, const uint64_t *arg)
{
	int command = (int)arg[1];

	switch (number) {
	case __NR_open: return index == 2 && !(arg[1] & CREATES_FILE);
	case __NR_openat: return index == 3 && !(arg[2] & CREATES_FILE);
	case __NR_mremap: return index == 4 && !(arg[3] & MREMAP_FIXED);
	case __NR_prctl: return index > 1 && (arg[0] == PR_SET_NAME || arg[0] == PR_GET_NAME);
	case __NR_fcntl:
		return index == 2 &&
		       (command == F_GETFD || command == F_GETFL || command == F_GETOWN);
	case __NR_futex:
		command &= FUTEX_KIND;
		return (command == FUTEX_WAKE && index > 2) ||
		       ((command == FUTEX_WAIT || command == FUTEX_LOCK_PI) && index > 3);
	}
	return false;
}

/* The last argument of fcntl, by its command. */
static void append_fcntl(struct strace_line *line, const uint64_t *arg)
{
	int command = (int)arg[-1];

	if (command == F_SETFL)
		strace_append_value(line, 'O', arg[0]);
	else if (command == F_SETFD)
		strace_append(line, arg[0] == FD_CLOEXEC ? "FD_CLOEXEC" : "%ld", (long)arg[0]);
	else if (command == F_DUPFD || command == F_DUPFD_CLOEXEC || command == F_SETPIPE_SZ)
		strace_append(line, "%d", (int)arg[0]);
	else
		strace_append(line, "0x%lx", arg[0]);
}

static void append_argument(struct strace_line *line, char letter, const uint64_t *arg,
                            bool has_out, int64_t result)
{
	if (strace_append_value(line, letter, arg[0]) ||
	    strace_append_pointee(line, letter, arg, has_out, result))
		return;
	switch (letter) {
	case 'd':
	case 'f': strace_append(line, "%d", (int)arg[0]); break;
	case 'a':
		if ((int)arg[0] == AT_FDCWD)
			strace_append(line, "AT_FDCWD");
		else
			strace_append(line, "%d", (int)arg[0]);
		break;
	case 'Y': strace_append(line, "%ld", (long)arg[0]); break;
	case 'u': strace_append(line, "%lu", arg[0]); break;
	case 'o': strace_append(line, "0%02lo", arg[0] & 0xffffffff); break;
	case '~':
		if (arg[-1] == SOL_SOCKET)
			strace_append_value(line, STRACE_OPTION_OF_SOCKET, arg[0]);
		else
			strace_append(line, "%d", (int)arg[0]);
		break;
	case 'y': append_fcntl(line, arg); break;
	default: strace_append(line, arg[0] ? "0x%lx" : "0", arg[0]); break;
	}
}

/* Append arguments from @*next on; those that the call fills in only when it has been made. */
static void append_arguments(struct strace_line *line, unsigned index, uint64_t number,
                             const uint64_t *arg, unsigned *next, bool is_over, int64_t result)
{
	const char *letters = index < CALLS ? calls[index].arguments : "xxxxxx";
	bool has_out = result >= 0 || result < -ERROR_LAST;

	for (; letters[*next]; ++*next) {
		if (is_left_out(number, *next, arg))
			continue;
		if (!is_over && strace_is_out(letters[*next]))
			return;
		strace_append(line, "%s", *next ? ", " : "");
		append_argument(line, letters[*next], &arg[*next], has_out, result);
	}
}

/* ---- results ---- */

static bool is_address(uint64_t number)
{
	return number == __NR_mmap || number == __NR_brk || number == __NR_mremap;
}

static void append_result(struct strace_line *line, uint64_t number, const uint64_t *arg,
                          int64_t result)
{
	bool is_poll = number == __NR_poll || number == __NR_ppoll;

	if (result < 0 && result >= -ERROR_LAST) {
		strace_append(line, "-1 ");
		strace_append_error(line, (uint64_t)-result);
	} else if (is_address(number)) {
		strace_append(line, "0x%lx", (uint64_t)result);
	} else if (number == __NR_umask) {
		strace_append(line, "0%02lo", (uint64_t)result);
	} else if (number == __NR_fcntl && (int)arg[1] == F_GETFL) {
		strace_append(line, "0x%lx (flags ", (uint64_t)result);
		strace_append_value(line, 'O', (uint64_t)result);
		strace_append(line, ")");
	} else if (number == __NR_fcntl && (int)arg[1] == F_GETFD && result == FD_CLOEXEC) {
		strace_append(line, "0x1 (flags FD_CLOEXEC)");
	} else {
		strace_append(line, "%ld", result);
	}
	if (result == 0 && (is_poll || number == __NR_select || number == __NR_pselect6))
		strace_append(line, " (Timeout)");
	if (result > 0 && is_poll)
		strace_append_polled(line, arg[0], arg[1]);
}

/* ---- lines ---- */

static void print(struct strace_line *line)
{
	/* What was too long is cut; its end is not. */
	line->text[line->length < line->size - 1 ? line->length : line->size - 2] = '\n';
	hypercall(MOTE_HC_console_write, 2, kit_physical(line->text),
	          line->length < line->size - 1 ? line->length + 1 : line->size - 1);
}

static KIT_LARGE char line_text[LINE_MAX];

/* The line in which a thread's call is told: nothing sleeps while it is written. */
static struct strace_line start_line(void)
{
	struct strace_line line = {line_text, sizeof line_text, 0};

	line.text[0] = '\0';
	if (thread_count > 1)
		strace_append(&line, "[pid %5d] ", thread_current->id);
	return line;
}

static void append_equals(struct strace_line *line, size_t start)
{
	strace_append(line, ")");
	while (line->length - start < RESULT_AT - 1 && line->length < line->size - 1)
		strace_append(line, " ");
	strace_append(line, " = ");
}

/* A call may end on another host, with another TSC: in a start from a snapshot. */
static uint64_t nanoseconds_since(uint64_t tsc)
{
	uint64_t now = clock_tsc();

	return now > tsc ? clock_ticks_to_ns(now - tsc) : 0;
}

static int64_t call_and_print(uint64_t number, const uint64_t *arg,
                              int64_t (*call)(uint64_t number, const uint64_t *arg))
{
	char begin_text[BEGIN_MAX];
	struct strace_line begin = {begin_text, sizeof begin_text, 0}, line;
	unsigned index = find_call(number), next = 0;
	bool returns = !does_not_return(number);
	uint64_t before, ns = 0;
	int64_t result = 0;
	size_t start;

	if (index < CALLS)
		strace_append(&begin, "%s(", calls[index].name);
	else
		strace_append(&begin, "syscall_0x%lx(", number);
	append_arguments(&begin, index, number, arg, &next, false, 0);
	if (returns) {
		before = clock_tsc();
		result = call(number, arg);
		ns = nanoseconds_since(before);
	}
	line = start_line();
	start = line.length;
	strace_append(&line, "%s", begin.text);
	append_arguments(&line, index, number, arg, &next, true, result);
	append_equals(&line, start);
	if (returns) {
		append_result(&line, number, arg, result);
		strace_append(&line, " <%lu.%06lu>", ns / 1000000000, ns / 1000 % 1000000);
	} else {
		strace_append(&line, "?");
	}
	print(&line);
	return returns ? result : call(number, arg);
}

static int64_t call_and_count(uint64_t number, const uint64_t *arg,
                              int64_t (*call)(uint64_t number, const uint64_t *arg))
{
	unsigned index = find_call(number);
	uint64_t before = clock_tsc();
	int64_t result;

	if (does_not_return(number)) {
		strace_summary_count(index, 0, 0);
		return call(number, arg);
	}
	result = call(number, arg);
	strace_summary_count(index, result, nanoseconds_since(before));
	return result;
}

/* For --trace: the application's registers are where its thread left them. */
static int64_t call_and_tell(uint64_t number, const uint64_t *arg,
                             int64_t (*call)(uint64_t number, const uint64_t *arg))
{
	uint64_t start = clock_tsc(), rip = thread_context(thread_current)->rip;
	int64_t result;

	if (does_not_return(number)) {
		trace_ring_add((uint32_t)number, start, 0, 0, rip);
		return call(number, arg);
	}
	result = call(number, arg);
	trace_ring_add((uint32_t)number & ~MOTE_TRACE_FAULT, start, clock_tsc(), (uint64_t)result,
	               rip);
	return result;
}

int64_t strace_call(uint64_t number, const uint64_t *arg,
                    int64_t (*call)(uint64_t number, const uint64_t *arg))
{
	if (machine.strace == STRACE_RING)
		return call_and_tell(number, arg, call);
	return machine.strace == STRACE_SUMMARY ? call_and_count(number, arg, call)
	                                        : call_and_print(number, arg, call);
}

void strace_end(uint64_t status)
{
	struct strace_line line;

	if (machine.strace == STRACE_SUMMARY)
		strace_summary_print(name_of);
	if (machine.strace != STRACE_LINES)
		return;
	line = start_line();
	if (status & MOTE_EXIT_SIGNAL) {
		strace_append(&line, "+++ killed by ");
		strace_append_signal(&line, status & 0x7f, true);
		strace_append(&line, " +++");
	} else {
		strace_append(&line, "+++ exited with %d +++", (int)(status & 0xff));
	}
	print(&line);
}
