/* SPDX-License-Identifier: Apache-2.0 */
/* Names of numbers for --strace: flags, commands, signals, errors. */
#include <asm/ioctls.h>
#include <asm/socket.h>

#include <linux/errno.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/random.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/time.h>
#include <linux/wait.h>

#include "guestkit/libc-shim/strace_line.h"

struct name {
	uint32_t value;
	const char *text;
};

#define N(constant)                 \
	{                           \
		constant, #constant \
	}
#define NV(value, text)     \
	{                   \
		value, text \
	}
#define END             \
	{               \
		0, NULL \
	}
#define ACCESS_MODE     3u
#define SOCKET_TYPE     0xfu
#define MAP_TYPE_BITS   3u
#define FUTEX_OPERATION 0x7fu
#define SIGNAL_FIRST_RT 32u

/* In the order in which strace names them. A value of 0 is named where nothing is set. */
static const struct name protections[] = {NV(0, "PROT_NONE"), N(PROT_READ),      N(PROT_WRITE),
                                          N(PROT_EXEC),       N(PROT_GROWSDOWN), END};
static const struct name mapping_flags[] = {N(MAP_FIXED),
                                            N(MAP_ANONYMOUS),
                                            N(MAP_32BIT),
                                            N(MAP_NORESERVE),
                                            N(MAP_POPULATE),
                                            N(MAP_NONBLOCK),
                                            N(MAP_GROWSDOWN),
                                            N(MAP_DENYWRITE),
                                            N(MAP_LOCKED),
                                            N(MAP_STACK),
                                            N(MAP_HUGETLB),
                                            N(MAP_FIXED_NOREPLACE),
                                            END};
static const struct name mapping_types[] = {N(MAP_SHARED), N(MAP_PRIVATE), N(MAP_SHARED_VALIDATE),
                                            END};
static const struct name remap_flags[] = {N(MREMAP_MAYMOVE), N(MREMAP_FIXED), N(MREMAP_DONTUNMAP),
                                          END};
static const struct name open_modes[] = {N(O_RDONLY), N(O_WRONLY), N(O_RDWR), NV(3, "O_ACCMODE"),
                                         END};
static const struct name open_flags[] = {N(O_CREAT),   N(O_EXCL),      N(O_NOCTTY),
                                         N(O_TRUNC),   N(O_APPEND),    N(O_NONBLOCK),
                                         N(O_SYNC),    N(O_DSYNC),     NV(FASYNC, "O_ASYNC"),
                                         N(O_DIRECT),  N(O_LARGEFILE), N(O_NOFOLLOW),
                                         N(O_NOATIME), N(O_CLOEXEC),   N(O_PATH),
                                         N(O_TMPFILE), N(O_DIRECTORY), END};
static const struct name at_flags[] = {
        N(AT_SYMLINK_NOFOLLOW), N(AT_REMOVEDIR),        N(AT_SYMLINK_FOLLOW),  N(AT_NO_AUTOMOUNT),
        N(AT_EMPTY_PATH),       N(AT_STATX_FORCE_SYNC), N(AT_STATX_DONT_SYNC), END};
static const struct name access_modes[] = {NV(0, "F_OK"), NV(4, "R_OK"), NV(2, "W_OK"),
                                           NV(1, "X_OK"), END};
static const struct name clone_flags[] = {N(CLONE_VM),
                                          N(CLONE_FS),
                                          N(CLONE_FILES),
                                          N(CLONE_SIGHAND),
                                          N(CLONE_PTRACE),
                                          N(CLONE_VFORK),
                                          N(CLONE_PARENT),
                                          N(CLONE_THREAD),
                                          N(CLONE_NEWNS),
                                          N(CLONE_SYSVSEM),
                                          N(CLONE_SETTLS),
                                          N(CLONE_PARENT_SETTID),
                                          N(CLONE_CHILD_CLEARTID),
                                          N(CLONE_DETACHED),
                                          N(CLONE_CHILD_SETTID),
                                          NV(17, "SIGCHLD"),
                                          END};
static const struct name clocks[] = {
        N(CLOCK_REALTIME),          N(CLOCK_MONOTONIC),     N(CLOCK_PROCESS_CPUTIME_ID),
        N(CLOCK_THREAD_CPUTIME_ID), N(CLOCK_MONOTONIC_RAW), N(CLOCK_REALTIME_COARSE),
        N(CLOCK_MONOTONIC_COARSE),  N(CLOCK_BOOTTIME),      END};
static const struct name mask_actions[] = {NV(0, "SIG_BLOCK"), NV(1, "SIG_UNBLOCK"),
                                           NV(2, "SIG_SETMASK"), END};
static const struct name origins[] = {NV(0, "SEEK_SET"),  NV(1, "SEEK_CUR"),  NV(2, "SEEK_END"),
                                      NV(3, "SEEK_DATA"), NV(4, "SEEK_HOLE"), END};
static const struct name ioctls[] = {
        N(TCGETS),     N(TCSETS),    N(TCSETSW),   N(TCSETSF),  N(TIOCGWINSZ),
        N(TIOCSWINSZ), N(TIOCGPGRP), N(TIOCSPGRP), N(FIONREAD), N(FIONBIO),
        N(FIOCLEX),    N(FIONCLEX),  END};
static const struct name fcntls[] = {
        N(F_DUPFD),         N(F_GETFD),      N(F_SETFD),      N(F_GETFL),  N(F_SETFL),
        N(F_GETLK),         N(F_SETLK),      N(F_SETLKW),     N(F_SETOWN), N(F_GETOWN),
        N(F_DUPFD_CLOEXEC), N(F_SETPIPE_SZ), N(F_GETPIPE_SZ), END};
static const struct name advices[] = {N(MADV_NORMAL),
                                      N(MADV_RANDOM),
                                      N(MADV_SEQUENTIAL),
                                      N(MADV_WILLNEED),
                                      N(MADV_DONTNEED),
                                      N(MADV_FREE),
                                      N(MADV_DONTFORK),
                                      N(MADV_DOFORK),
                                      N(MADV_HUGEPAGE),
                                      N(MADV_NOHUGEPAGE),
                                      N(MADV_DONTDUMP),
                                      N(MADV_COLLAPSE),
                                      END};
static const struct name resources[] = {
        N(RLIMIT_CPU),      N(RLIMIT_FSIZE), N(RLIMIT_DATA),   N(RLIMIT_STACK),
        N(RLIMIT_CORE),     N(RLIMIT_RSS),   N(RLIMIT_NPROC),  N(RLIMIT_NOFILE),
        N(RLIMIT_MEMLOCK),  N(RLIMIT_AS),    N(RLIMIT_LOCKS),  N(RLIMIT_SIGPENDING),
        N(RLIMIT_MSGQUEUE), N(RLIMIT_NICE),  N(RLIMIT_RTPRIO), END};
static const struct name futexes[] = {N(FUTEX_WAIT),
                                      N(FUTEX_WAKE),
                                      N(FUTEX_REQUEUE),
                                      N(FUTEX_CMP_REQUEUE),
                                      N(FUTEX_WAKE_OP),
                                      N(FUTEX_LOCK_PI),
                                      N(FUTEX_UNLOCK_PI),
                                      N(FUTEX_TRYLOCK_PI),
                                      N(FUTEX_WAIT_BITSET),
                                      N(FUTEX_WAKE_BITSET),
                                      END};
static const struct name prctls[] = {
        N(PR_SET_PDEATHSIG),    N(PR_GET_PDEATHSIG),    N(PR_GET_DUMPABLE),   N(PR_SET_DUMPABLE),
        N(PR_GET_KEEPCAPS),     N(PR_SET_KEEPCAPS),     N(PR_SET_NAME),       N(PR_GET_NAME),
        N(PR_CAPBSET_READ),     N(PR_SET_TIMERSLACK),   N(PR_GET_TIMERSLACK), N(PR_SET_VMA),
        N(PR_SET_NO_NEW_PRIVS), N(PR_GET_NO_NEW_PRIVS), N(PR_SET_SECCOMP),    END};
static const struct name waits[] = {N(WNOHANG), N(WUNTRACED), N(WCONTINUED), END};
static const struct name epoll_operations[] = {N(EPOLL_CTL_ADD), N(EPOLL_CTL_DEL), N(EPOLL_CTL_MOD),
                                               END};
static const struct name epoll_flags[] = {NV(O_CLOEXEC, "EPOLL_CLOEXEC"), END};
static const struct name eventfd_flags[] = {NV(1, "EFD_SEMAPHORE"), NV(O_CLOEXEC, "EFD_CLOEXEC"),
                                            NV(O_NONBLOCK, "EFD_NONBLOCK"), END};
static const struct name timerfd_flags[] = {NV(O_CLOEXEC, "TFD_CLOEXEC"),
                                            NV(O_NONBLOCK, "TFD_NONBLOCK"), END};
static const struct name random_flags[] = {N(GRND_NONBLOCK), N(GRND_RANDOM), END};
static const struct name poll_events[] = {
        NV(1, "POLLIN"),      NV(2, "POLLPRI"),      NV(4, "POLLOUT"),
        NV(8, "POLLERR"),     NV(16, "POLLHUP"),     NV(32, "POLLNVAL"),
        NV(64, "POLLRDNORM"), NV(256, "POLLWRNORM"), END};
static const struct name epoll_events[] = {NV(1, "EPOLLIN"),
                                           NV(2, "EPOLLPRI"),
                                           NV(4, "EPOLLOUT"),
                                           NV(8, "EPOLLERR"),
                                           NV(16, "EPOLLHUP"),
                                           NV(0x2000, "EPOLLRDHUP"),
                                           NV(1u << 30, "EPOLLONESHOT"),
                                           NV(1u << 31, "EPOLLET"),
                                           END};
static const struct name action_flags[] = {
        NV(0x04000000, "SA_RESTORER"),  NV(0x08000000, "SA_ONSTACK"), NV(0x10000000, "SA_RESTART"),
        NV(1, "SA_NOCLDSTOP"),          NV(2, "SA_NOCLDWAIT"),        NV(0x40000000, "SA_NODEFER"),
        NV(0x80000000, "SA_RESETHAND"), NV(4, "SA_SIGINFO"),          END};
static const struct name families[] = {NV(0, "AF_UNSPEC"), NV(1, "AF_UNIX"),     NV(2, "AF_INET"),
                                       NV(10, "AF_INET6"), NV(16, "AF_NETLINK"), END};
static const struct name file_types[] = {NV(0010000, "S_IFIFO"),  NV(0020000, "S_IFCHR"),
                                         NV(0040000, "S_IFDIR"),  NV(0060000, "S_IFBLK"),
                                         NV(0100000, "S_IFREG"),  NV(0120000, "S_IFLNK"),
                                         NV(0140000, "S_IFSOCK"), END};
static const struct name arch_prctls[] = {NV(0x1001, "ARCH_SET_GS"), NV(0x1002, "ARCH_SET_FS"),
                                          NV(0x1003, "ARCH_GET_FS"), NV(0x1004, "ARCH_GET_GS"),
                                          END};

static const struct name timers[] = {NV(0, "ITIMER_REAL"), NV(1, "ITIMER_VIRTUAL"),
                                     NV(2, "ITIMER_PROF"), END};
static const struct name stack_flags[] = {NV(1, "SS_ONSTACK"), NV(2, "SS_DISABLE"),
                                          NV(1u << 31, "SS_AUTODISARM"), END};
static const struct name socket_types[] = {NV(1, "SOCK_STREAM"), NV(2, "SOCK_DGRAM"),
                                           NV(3, "SOCK_RAW"), NV(5, "SOCK_SEQPACKET"), END};
static const struct name socket_flags[] = {NV(O_CLOEXEC, "SOCK_CLOEXEC"),
                                           NV(O_NONBLOCK, "SOCK_NONBLOCK"), END};
static const struct name message_flags[] = {NV(1, "MSG_OOB"),
                                            NV(2, "MSG_PEEK"),
                                            NV(4, "MSG_DONTROUTE"),
                                            NV(8, "MSG_CTRUNC"),
                                            NV(0x20, "MSG_TRUNC"),
                                            NV(0x40, "MSG_DONTWAIT"),
                                            NV(0x80, "MSG_EOR"),
                                            NV(0x100, "MSG_WAITALL"),
                                            NV(0x4000, "MSG_NOSIGNAL"),
                                            NV(0x8000, "MSG_MORE"),
                                            NV(0x40000000, "MSG_CMSG_CLOEXEC"),
                                            END};
static const struct name shutdowns[] = {NV(0, "SHUT_RD"), NV(1, "SHUT_WR"), NV(2, "SHUT_RDWR"),
                                        END};
static const struct name levels[] = {NV(0, "SOL_IP"),   NV(1, "SOL_SOCKET"), NV(6, "SOL_TCP"),
                                     NV(17, "SOL_UDP"), NV(41, "SOL_IPV6"),  END};
static const struct name socket_options[] = {N(SO_DEBUG),        N(SO_REUSEADDR),
                                             N(SO_TYPE),         N(SO_ERROR),
                                             N(SO_DONTROUTE),    N(SO_BROADCAST),
                                             N(SO_SNDBUF),       N(SO_RCVBUF),
                                             N(SO_KEEPALIVE),    N(SO_OOBINLINE),
                                             N(SO_LINGER),       N(SO_REUSEPORT),
                                             N(SO_PASSCRED),     N(SO_PEERCRED),
                                             N(SO_RCVLOWAT),     N(SO_SNDLOWAT),
                                             N(SO_RCVTIMEO_OLD), N(SO_SNDTIMEO_OLD),
                                             N(SO_ACCEPTCONN),   N(SO_PROTOCOL),
                                             N(SO_DOMAIN),       END};

enum value_kind { FLAGS, ONE_OF };

static const struct value_names {
	char letter;
	enum value_kind kind;
	const struct name *names;
} all_names[] = {
        {'m', FLAGS, protections},
        {'R', FLAGS, remap_flags},
        {'F', FLAGS, at_flags},
        {'A', FLAGS, access_modes},
        {'C', FLAGS, clone_flags},
        {'k', ONE_OF, clocks},
        {'h', ONE_OF, mask_actions},
        {'w', ONE_OF, origins},
        {'i', ONE_OF, ioctls},
        {'c', ONE_OF, fcntls},
        {'v', ONE_OF, advices},
        {'l', ONE_OF, resources},
        {'q', ONE_OF, prctls},
        {'r', FLAGS, waits},
        {'E', ONE_OF, epoll_operations},
        {'e', FLAGS, open_flags},
        {'5', FLAGS, random_flags},
        {'7', FLAGS, epoll_flags},
        {'8', FLAGS, eventfd_flags},
        {'9', FLAGS, timerfd_flags},
        {STRACE_EVENTS_OF_POLL, FLAGS, poll_events},
        {STRACE_EVENTS_OF_EPOLL, FLAGS, epoll_events},
        {STRACE_FLAGS_OF_ACTION, FLAGS, action_flags},
        {'D', ONE_OF, families},
        {STRACE_TYPE_OF_FILE, ONE_OF, file_types},
        {'Q', ONE_OF, arch_prctls},
        {'&', FLAGS, message_flags},
        {'^', ONE_OF, shutdowns},
        {'=', ONE_OF, levels},
        {STRACE_OPTION_OF_SOCKET, ONE_OF, socket_options},
        {'-', ONE_OF, timers},
        {STRACE_FLAGS_OF_STACK, FLAGS, stack_flags},
};

static const char *find_name(const struct name *names, uint64_t value)
{
	for (; names->text; names++)
		if (names->value == value)
			return names->text;
	return NULL;
}

static void append_one(struct strace_line *line, const struct name *names, uint64_t value)
{
	const char *text = find_name(names, value);

	if (text)
		strace_append(line, "%s", text);
	else
		strace_append(line, "0x%lx", value);
}

/* @rest: something stands before, with which these are one set */
static void append_flags(struct strace_line *line, const struct name *names, uint64_t value,
                         bool rest)
{
	const char *zero = find_name(names, 0);

	if (!value && !rest)
		strace_append(line, "%s", zero ? zero : "0");
	for (; names->text; names++) {
		if (!names->value || (value & names->value) != names->value)
			continue;
		strace_append(line, "%s%s", rest ? "|" : "", names->text);
		value &= ~(uint64_t)names->value;
		rest = true;
	}
	if (value)
		strace_append(line, "%s0x%lx", rest ? "|" : "", value);
}

static void append_futex(struct strace_line *line, uint64_t operation)
{
	append_one(line, futexes, operation & FUTEX_OPERATION);
	if (operation & FUTEX_PRIVATE_FLAG)
		strace_append(line, "_PRIVATE");
	if (operation & FUTEX_CLOCK_REALTIME)
		strace_append(line, "|FUTEX_CLOCK_REALTIME");
}

bool strace_append_value(struct strace_line *line, char letter, uint64_t value)
{
	value = (uint32_t)value;
	switch (letter) {
	case 'g': strace_append_signal(line, value, true); return true;
	case 'n': append_futex(line, value); return true;
	case '%':
		append_one(line, socket_types, value & SOCKET_TYPE);
		append_flags(line, socket_flags, value & ~(uint64_t)SOCKET_TYPE, true);
		return true;
	case 'O':
		append_one(line, open_modes, value & ACCESS_MODE);
		append_flags(line, open_flags, value & ~(uint64_t)ACCESS_MODE, true);
		return true;
	case 'M':
		append_one(line, mapping_types, value & MAP_TYPE_BITS);
		append_flags(line, mapping_flags, value & ~(uint64_t)MAP_TYPE_BITS, true);
		return true;
	}
	for (size_t i = 0; i < sizeof all_names / sizeof all_names[0]; i++) {
		if (all_names[i].letter != letter)
			continue;
		if (all_names[i].kind == FLAGS)
			append_flags(line, all_names[i].names, value, false);
		else
			append_one(line, all_names[i].names, value);
		return true;
	}
	return false;
}

void strace_append_signal(struct strace_line *line, uint64_t number, bool has_prefix)
{
	static const char names[][8] = {"0",     "HUP",  "INT",    "QUIT", "ILL",  "TRAP",   "ABRT",
	                                "BUS",   "FPE",  "KILL",   "USR1", "SEGV", "USR2",   "PIPE",
	                                "ALRM",  "TERM", "STKFLT", "CHLD", "CONT", "STOP",   "TSTP",
	                                "TTIN",  "TTOU", "URG",    "XCPU", "XFSZ", "VTALRM", "PROF",
	                                "WINCH", "IO",   "PWR",    "SYS"};

	if (!number || number > 64)
		strace_append(line, "%d", (int)number);
	else if (number < SIGNAL_FIRST_RT)
		strace_append(line, "%s%s", has_prefix ? "SIG" : "", names[number]);
	else if (number == SIGNAL_FIRST_RT)
		strace_append(line, "%s", has_prefix ? "SIGRTMIN" : "RTMIN");
	else
		strace_append(line, "%sRT_%lu", has_prefix ? "SIG" : "", number - SIGNAL_FIRST_RT);
}

void strace_append_signals(struct strace_line *line, uint64_t set)
{
	const char *between = "";
	unsigned count = 0;
	bool is_most;

	for (uint64_t left = set; left; left &= left - 1)
		count++;
	is_most = 3 * count >= 2 * 64;
	strace_append(line, is_most ? "~[" : "[");
	for (unsigned number = 1; number <= 64; number++) {
		if ((set >> (number - 1) & 1) == is_most)
			continue;
		strace_append(line, "%s", between);
		strace_append_signal(line, number, false);
		between = " ";
	}
	strace_append(line, "]");
}

void strace_append_error(struct strace_line *line, uint64_t number)
{
	static const struct {
		int number;
		const char *name, *text;
	} errors[] = {
#define ERROR(name, text) {name, #name, text},
#include "guestkit/libc-shim/strace_errors.h"
#undef ERROR
	};

	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		if ((uint64_t)errors[i].number != number)
			continue;
		strace_append(line, "%s (%s)", errors[i].name, errors[i].text);
		return;
	}
	strace_append(line, "error %lu", number);
}
