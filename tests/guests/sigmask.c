/* SPDX-License-Identifier: Apache-2.0 */
/* Signals that a program sends itself: order, masks, pending ones, nesting, one-shot handlers. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t depth;

static void report(const char *what, int result)
{
	printf("%s: %d, %s\n", what, result, strerror(errno));
}

static void nested(int number)
{
	sigset_t mask;

	depth++;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	printf("signal %d at depth %d, itself blocked: %d\n", number, (int)depth,
	       sigismember(&mask, number));
	if (number == SIGUSR1)
		raise(SIGUSR2);
	if (number == SIGWINCH && depth < 3)
		raise(SIGWINCH);
	depth--;
}

static void install(int number, int flags)
{
	struct sigaction action = {.sa_handler = nested, .sa_flags = flags};

	sigaction(number, &action, NULL);
}

static void masks(void)
{
	sigset_t set, pending;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR2);
	raise(SIGUSR2);
	sigpending(&pending);
	printf("pending: %d, other: %d\n", sigismember(&pending, SIGUSR2),
	       sigismember(&pending, SIGUSR1));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigpending(&pending);
	printf("pending: %d\n", sigismember(&pending, SIGUSR2));
}

static void one_shot(void)
{
	struct sigaction now;

	install(SIGHUP, SA_RESETHAND);
	raise(SIGHUP);
	sigaction(SIGHUP, NULL, &now);
	printf("reset to default: %d\n", now.sa_handler == SIG_DFL);
}

static void synchronous(void)
{
	struct timespec short_time = {.tv_nsec = 1000000};
	siginfo_t info = {0};
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	raise(SIGTERM);
	printf("waited for: %d\n", sigtimedwait(&set, &info, &short_time));
	report("waited in vain", sigtimedwait(&set, &info, &short_time));
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void suspended(void)
{
	sigset_t usr1, none;

	sigemptyset(&usr1);
	sigemptyset(&none);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	raise(SIGUSR1);
	report("suspended", sigsuspend(&none));
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
}

static void alarmed(void)
{
	struct timespec left = {0}, time = {.tv_sec = 5};

	install(SIGALRM, 0);
	alarm(1);
	report("slept", nanosleep(&time, &left));
	printf("left: %s\n", left.tv_sec == 3 || left.tv_sec == 4 ? "about 4 s" : "wrong");
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0); /* handlers print too */
	install(SIGUSR1, 0);
	install(SIGUSR2, 0);
	install(SIGWINCH, SA_NODEFER);
	raise(SIGUSR1);
	raise(SIGWINCH);
	masks();
	one_shot();
	synchronous();
	suspended();
	alarmed();
	signal(SIGUSR1, SIG_IGN);
	raise(SIGUSR1);
	kill(getpid(), SIGCHLD); /* ignored by default */
	puts("end");
	return 0;
}
