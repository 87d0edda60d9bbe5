/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the cases of a conformance program; see harness.h.
 *
 * usage: PROGRAM list           prints the names of the cases
 *        PROGRAM FIRST [LAST]   runs cases by their place in the list, in the current folder
 *        PROGRAM child ...      is how a case executes its own program again
 *
 * A line "== NAME" stands before what a case prints. The last line is "== END" when there are no
 * more cases, or "== NEXT" when the next one needs a process of its own.
 */
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>

/* Beyond these a case closes for itself. */
#define DESCRIPTORS 64

extern const struct test_case *const __start_cases[], *const __stop_cases[];

static char scratch[PATH_MAX];

void say(const char *format, ...)
{
	char line[1024];
	va_list list;
	int length;

	va_start(list, format);
	length = vsnprintf(line, sizeof line - 1, format, list);
	va_end(list);
	if (length > (int)sizeof line - 2)
		length = sizeof line - 2;
	line[length] = '\n';
	/* At once, so that the lines before a crash are seen. */
	if (write(STDOUT_FILENO, line, (size_t)length + 1) < 0)
		_exit(99);
}

const char *error_name(int error)
{
	static const char *const names[] = {
	        [0] = "0",
#define NAME(name) [name] = #name
	        NAME(EPERM),
	        NAME(ENOENT),
	        NAME(ESRCH),
	        NAME(EINTR),
	        NAME(EIO),
	        NAME(ENXIO),
	        NAME(E2BIG),
	        NAME(ENOEXEC),
	        NAME(EBADF),
	        NAME(ECHILD),
	        NAME(EAGAIN),
	        NAME(ENOMEM),
	        NAME(EACCES),
	        NAME(EFAULT),
	        NAME(ENOTBLK),
	        NAME(EBUSY),
	        NAME(EEXIST),
	        NAME(EXDEV),
	        NAME(ENODEV),
	        NAME(ENOTDIR),
	        NAME(EISDIR),
	        NAME(EINVAL),
	        NAME(ENFILE),
	        NAME(EMFILE),
	        NAME(ENOTTY),
	        NAME(ETXTBSY),
	        NAME(EFBIG),
	        NAME(ENOSPC),
	        NAME(ESPIPE),
	        NAME(EROFS),
	        NAME(EMLINK),
	        NAME(EPIPE),
	        NAME(EDOM),
	        NAME(ERANGE),
	        NAME(EDEADLK),
	        NAME(ENAMETOOLONG),
	        NAME(ENOLCK),
	        NAME(ENOSYS),
	        NAME(ENOTEMPTY),
	        NAME(ELOOP),
	        NAME(ENODATA),
	        NAME(EOVERFLOW),
	        NAME(EILSEQ),
	        NAME(EUSERS),
	        NAME(ENOTSOCK),
	        NAME(EDESTADDRREQ),
	        NAME(EMSGSIZE),
	        NAME(EPROTOTYPE),
	        NAME(ENOPROTOOPT),
	        NAME(EPROTONOSUPPORT),
	        NAME(ESOCKTNOSUPPORT),
	        NAME(EOPNOTSUPP),
	        NAME(EPFNOSUPPORT),
	        NAME(EAFNOSUPPORT),
	        NAME(EADDRINUSE),
	        NAME(EADDRNOTAVAIL),
	        NAME(ENETDOWN),
	        NAME(ENETUNREACH),
	        NAME(ECONNABORTED),
	        NAME(ECONNRESET),
	        NAME(ENOBUFS),
	        NAME(EISCONN),
	        NAME(ENOTCONN),
	        NAME(ESHUTDOWN),
	        NAME(ETOOMANYREFS),
	        NAME(ETIMEDOUT),
	        NAME(ECONNREFUSED),
	        NAME(EHOSTUNREACH),
	        NAME(EALREADY),
	        NAME(EINPROGRESS),
	        NAME(ESTALE),
	        NAME(ECANCELED),
	        NAME(EOWNERDEAD),
	        NAME(ENOTRECOVERABLE),
#undef NAME
	};
	static char number[32];

	if (error >= 0 && (size_t)error < COUNT(names) && names[error])
		return names[error];
	snprintf(number, sizeof number, "error %d", error);
	return number;
}

const char *signal_name(int number)
{
	static const char *const names[] = {
	        "none",     "SIGHUP",  "SIGINT",  "SIGQUIT", "SIGILL",  "SIGTRAP",   "SIGABRT",
	        "SIGBUS",   "SIGFPE",  "SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2",   "SIGPIPE",
	        "SIGALRM",  "SIGTERM", "SIGSTK",  "SIGCHLD", "SIGCONT", "SIGSTOP",   "SIGTSTP",
	        "SIGTTIN",  "SIGTTOU", "SIGURG",  "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF",
	        "SIGWINCH", "SIGIO",   "SIGPWR",  "SIGSYS",
	};
	static char other[32];

	if (number >= 0 && (size_t)number < COUNT(names))
		return names[number];
	snprintf(other, sizeof other, "signal %d", number);
	return other;
}

long make_call(long number, const long *a)
{
	register long r10 __asm__("r10") = a[3];
	register long r8 __asm__("r8") = a[4];
	register long r9 __asm__("r9") = a[5];
	long result;

	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
	errno = 0;
	if ((unsigned long)result < -4095UL)
		return result;
	errno = (int)-result;
	return -1;
}

long report(const char *what, long result)
{
	int error = errno;

	if (result == -1 && error)
		say("%s = -1 %s", what, error_name(error));
	else
		say("%s = %ld", what, result);
	errno = error;
	return result;
}

long report_ok(const char *what, long result)
{
	int error = errno;

	say("%s: %s", what, result == -1 && error ? error_name(error) : "ok");
	errno = error;
	return result;
}

int report_error(const char *what, int error)
{
	say("%s: %s", what, error_name(error));
	return error;
}

void *pages(size_t count)
{
	char *start = mmap(NULL, (count + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (start == MAP_FAILED || mprotect(start + PAGE, count * PAGE, PROT_READ | PROT_WRITE)) {
		say("no memory for the case");
		_exit(99);
	}
	return start + PAGE;
}

/* Small mappings may stay accessible for a while when a program unmaps many; large ones never do.
 */
void *unmapped(void)
{
	char *start = mmap(NULL, 4UL << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(start, 4UL << 20);
	return start + (2UL << 20);
}

void *read_only(int byte)
{
	void *page = pages(1);

	memset(page, byte, PAGE);
	mprotect(page, PAGE, PROT_READ);
	return page;
}

void *edge(size_t count)
{
	return (char *)pages(1) + PAGE - count;
}

void pause_for(unsigned milliseconds)
{
	struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000L};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

int make_file(const char *name, size_t size)
{
	int file = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
	char block[2600];

	for (size_t i = 0; i < sizeof block; i++)
		block[i] = (char)('a' + i % 26);
	while (size) {
		size_t part = size < sizeof block ? size : sizeof block;

		if (write(file, block, part) != (ssize_t)part)
			say("%s: cannot be made", name);
		size -= part;
	}
	lseek(file, 0, SEEK_SET);
	return file;
}

/* Removes what is in the current folder, which may hold folders. */
static void remove_all(void)
{
	DIR *folder = opendir(".");
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (!unlink(entry->d_name) || errno != EISDIR)
			continue;
		if (rmdir(entry->d_name) && !chdir(entry->d_name)) {
			remove_all();
			if (chdir(".."))
				_exit(99);
			rmdir(entry->d_name);
		}
	}
	if (folder)
		closedir(folder);
}

/* Undoes what a case may have left. */
static void clear(void)
{
	static const struct itimerval never;
	const stack_t none = {.ss_flags = SS_DISABLE};
	sigset_t no_signals;

	for (int which = ITIMER_REAL; which <= ITIMER_PROF; which++)
		setitimer(which, &never, NULL);
	/* Ignored first, so that what is pending goes; the C library keeps 32 to 34 for itself. */
	for (int number = 1; number <= SIGRTMAX; number++)
		if (number < 32 || number > 34)
			signal(number, SIG_IGN);
	sigemptyset(&no_signals);
	sigprocmask(SIG_SETMASK, &no_signals, NULL);
	for (int number = 1; number <= SIGRTMAX; number++)
		if (number < 32 || number > 34)
			signal(number, SIG_DFL);
	sigaltstack(&none, NULL);
	for (int file = 3; file < DESCRIPTORS; file++)
		close(file);
	umask(022);
	if (chdir(scratch))
		_exit(99);
	remove_all();
}

/* What whoever started the tests ignores, and a guest does not; the C library's own signals, too.
 */
static void forget_ignored_signals(void)
{
	const unsigned long by_default[4] = {0}; /* struct sigaction of rt_sigaction(2) */

	for (int number = 1; number <= SIGRTMAX; number++)
		syscall(SYS_rt_sigaction, number, by_default, NULL, 8);
}

int main(int count, char **arguments)
{
	long cases = __stop_cases - __start_cases, last = cases - 1, first;

	forget_ignored_signals();

	if (count < 2) {
		fprintf(stderr, "usage: %s list | FIRST [LAST]\n", arguments[0]);
		return 2;
	}
	if (!strcmp(arguments[1], "list")) {
		for (long i = 0; i < cases; i++)
			puts(__start_cases[i]->name);
		return 0;
	}
	if (!strcmp(arguments[1], "child") && child_main)
		return child_main(count, arguments);
	first = strtol(arguments[1], NULL, 10);
	if (count > 2)
		last = strtol(arguments[2], NULL, 10);
	if (!getcwd(scratch, sizeof scratch))
		return 2;
	for (int file = DESCRIPTORS; file < 1024; file++)
		close(file); /* what came from a caller */
	for (long i = first; i <= last && i < cases; i++) {
		const struct test_case *this = __start_cases[i];

		if (this->is_alone && i != first) {
			say("== NEXT");
			return 0;
		}
		clear();
		say("== %s", this->name);
		this->run();
		if (this->is_alone && i != last) {
			say("== NEXT");
			return 0;
		}
	}
	clear();
	say("== END");
	return 0;
}
