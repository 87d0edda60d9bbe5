/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks, sleeping, and timers that send signals. */
#include "harness.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
	(void)number;
	signals++;
}

/* The signal that is blocked until then, so that it cannot come too early. */
static void wait_blocked(void)
{
	const unsigned long none = 0;

	CALL(rt_sigsuspend, &none, 8);
}

static void block(int number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void handle(int number, int flags)
{
	struct sigaction action = {.sa_handler = count_signal, .sa_flags = flags};

	sigaction(number, &action, NULL);
	signals = 0;
}

/* ---- clocks ---- */

CASE(clock_gettime_errors)
{
	struct timespec time;

	CALL(clock_gettime, CLOCK_REALTIME, &time);
	CALL(clock_gettime, CLOCK_MONOTONIC, &time);
	CALL(clock_gettime, CLOCK_PROCESS_CPUTIME_ID, &time);
	CALL(clock_gettime, CLOCK_THREAD_CPUTIME_ID, &time);
	CALL(clock_gettime, CLOCK_MONOTONIC_RAW, &time);
	CALL(clock_gettime, CLOCK_REALTIME_COARSE, &time);
	CALL(clock_gettime, CLOCK_MONOTONIC_COARSE, &time);
	CALL(clock_gettime, CLOCK_BOOTTIME, &time);
	CALL(clock_gettime, CLOCK_TAI, &time);
	CALL(clock_gettime, 10, &time);
	CALL(clock_gettime, 12, &time);
	CALL(clock_gettime, 100, &time);
	CALL(clock_gettime, INT_MAX, &time);
	CALL(clock_gettime, INT_MIN, &time);
	CALL(clock_gettime, CLOCK_REALTIME, NULL);
	CALL(clock_gettime, CLOCK_REALTIME, KIT);
	CALL(clock_gettime, CLOCK_REALTIME, edge(8));
}

CASE(clock_gettime_by_the_library)
{
	struct timespec time, later;

	for (clockid_t clock = CLOCK_REALTIME; clock <= CLOCK_BOOTTIME; clock++) {
		say("clock %d", clock);
		SHOW(clock_gettime(clock, &time));
		SHOW(clock_gettime(clock, &later));
		VALUE(later.tv_sec > time.tv_sec ||
		      (later.tv_sec == time.tv_sec && later.tv_nsec >= time.tv_nsec));
		VALUE(later.tv_nsec >= 0 && later.tv_nsec < 1000000000);
	}
	SHOW(clock_gettime(50, &time));
}

CASE(clocks_agree)
{
	struct timespec direct, library;
	struct timeval day;
	time_t seconds;

	make_call(SYS_clock_gettime, (const long[]){CLOCK_REALTIME, (long)&direct, 0, 0, 0, 0});
	clock_gettime(CLOCK_REALTIME, &library);
	gettimeofday(&day, NULL);
	seconds = time(NULL);
	VALUE(library.tv_sec - direct.tv_sec <= 1 && library.tv_sec >= direct.tv_sec);
	VALUE(day.tv_sec - direct.tv_sec <= 1 && day.tv_sec >= direct.tv_sec);
	VALUE(seconds - direct.tv_sec <= 1);
	make_call(SYS_clock_gettime, (const long[]){CLOCK_MONOTONIC, (long)&direct, 0, 0, 0, 0});
	clock_gettime(CLOCK_MONOTONIC, &library);
	VALUE(library.tv_sec - direct.tv_sec <= 1 && library.tv_sec >= direct.tv_sec);
}

CASE(clock_getres)
{
	struct timespec time = {-1, -1};

	CALL(clock_getres, CLOCK_REALTIME, &time);
	say("%ld.%09ld", (long)time.tv_sec, time.tv_nsec);
	CALL(clock_getres, CLOCK_MONOTONIC, &time);
	say("%ld.%09ld", (long)time.tv_sec, time.tv_nsec);
	CALL(clock_getres, CLOCK_PROCESS_CPUTIME_ID, &time);
	say("%ld.%09ld", (long)time.tv_sec, time.tv_nsec);
	CALL(clock_getres, CLOCK_REALTIME, NULL);
	CALL(clock_getres, CLOCK_REALTIME, KIT);
	CALL(clock_getres, 100, &time);
	CALL(clock_getres, 100, NULL);
	CALL(clock_getres, -5, &time);
}

CASE(clock_settime_errors)
{
	struct timespec time = {1, 0};

	CALL(clock_settime, CLOCK_MONOTONIC, &time);
	CALL(clock_settime, CLOCK_PROCESS_CPUTIME_ID, &time);
	CALL(clock_settime, 100, &time);
	CALL(clock_settime, CLOCK_REALTIME, KIT);
	time.tv_nsec = 1000000000;
	CALL(clock_settime, CLOCK_REALTIME, &time);
	time.tv_nsec = -1;
	CALL(clock_settime, CLOCK_REALTIME, &time);
}

CASE(gettimeofday_and_time)
{
	struct timeval day;
	struct timezone zone;
	long seconds;

	CALL(gettimeofday, &day, &zone);
	CALL(gettimeofday, NULL, NULL);
	CALL(gettimeofday, NULL, &zone);
	CALL(gettimeofday, KIT, NULL);
	CALL(gettimeofday, &day, KIT);
	CALL_OK(time, &seconds);
	CALL_OK(time, NULL);
	CALL_OK(time, KIT);
}

CASE(cpu_time_goes_on_with_work)
{
	struct timespec before, after;
	volatile unsigned long work = 0;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	for (unsigned long i = 0; i < 3000000; i++)
		work += i;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	VALUE(after.tv_sec > before.tv_sec || after.tv_nsec > before.tv_nsec);
}

CASE(times_and_getrusage)
{
	struct tms times_used;
	struct rusage usage;

	CALL_OK(times, &times_used);
	CALL_OK(times, NULL);
	CALL_OK(times, KIT);
	CALL(getrusage, RUSAGE_SELF, &usage);
	VALUE(usage.ru_maxrss > 0);
	CALL(getrusage, RUSAGE_CHILDREN, &usage);
	VALUE(usage.ru_utime.tv_sec + usage.ru_utime.tv_usec);
	CALL(getrusage, 1, &usage); /* RUSAGE_THREAD */
	CALL(getrusage, 2, &usage);
	CALL(getrusage, -2, &usage);
	CALL(getrusage, RUSAGE_SELF, KIT);
}

/* ---- sleeping ---- */

CASE(nanosleep)
{
	struct timespec time = {0, 2000000}, left = {7, 7};
	long start = now();

	CALL(nanosleep, &time, &left);
	VALUE(now() - start >= 2);
	say("%ld %ld", (long)left.tv_sec, left.tv_nsec);
	time.tv_nsec = 1000000000;
	CALL(nanosleep, &time, NULL);
	time.tv_nsec = -1;
	CALL(nanosleep, &time, NULL);
	time = (struct timespec){-1, 0};
	CALL(nanosleep, &time, NULL);
	time = (struct timespec){0, 0};
	CALL(nanosleep, &time, NULL);
	CALL(nanosleep, NULL, NULL);
	CALL(nanosleep, KIT, NULL);
	CALL(nanosleep, &time, KIT);
}

CASE(nanosleep_interrupted)
{
	struct itimerval timer = {{0, 300000}, {0, 10000}};
	struct timespec time = {5, 0}, left = {0, 0};

	handle(SIGALRM, SA_RESTART); /* which nanosleep does not heed */
	setitimer(ITIMER_REAL, &timer, NULL);
	CALL(nanosleep, &time, &left);
	VALUE(signals > 0);
	VALUE(left.tv_sec);
	setitimer(ITIMER_REAL, &timer, NULL);
	CALL(nanosleep, &time, KIT);
}

CASE(clock_nanosleep)
{
	struct timespec time = {0, 1000000}, at;
	long start = now();

	CALL(clock_nanosleep, CLOCK_MONOTONIC, 0, &time, NULL);
	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_nsec += 5000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_nsec -= 1000000000;
		at.tv_sec++;
	}
	CALL(clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	VALUE(now() - start >= 5);
	CALL(clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	clock_gettime(CLOCK_REALTIME, &at);
	CALL(clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL);
	CALL(clock_nanosleep, CLOCK_BOOTTIME, 0, &time, NULL);
	CALL(clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &time, NULL);
	CALL(clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, &time, NULL);
	CALL(clock_nanosleep, 100, 0, &time, NULL);
	CALL(clock_nanosleep, CLOCK_MONOTONIC, 0, KIT, NULL);
	time.tv_nsec = -1;
	CALL(clock_nanosleep, CLOCK_MONOTONIC, 0, &time, NULL);
	CALL(clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

CASE(clock_nanosleep_interrupted)
{
	struct itimerval timer = {{0, 300000}, {0, 10000}};
	struct timespec at, left = {3, 3};

	handle(SIGALRM, 0);
	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += 5;
	setitimer(ITIMER_REAL, &timer, NULL);
	CALL(clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &at, &left);
	say("%ld %ld", (long)left.tv_sec, left.tv_nsec); /* untouched */
}

CASE(pause)
{
	struct itimerval timer = {{0, 300000}, {0, 5000}};

	handle(SIGALRM, SA_RESTART);
	setitimer(ITIMER_REAL, &timer, NULL);
	CALL(pause);
	VALUE(signals > 0);
}

/* ---- interval timers ---- */

CASE(alarm)
{
	handle(SIGALRM, 0);
	CALL(alarm, 100);
	CALL(alarm, 200);
	CALL(alarm, 0);
	CALL(alarm, 0);
	CALL(alarm, UINT_MAX);
	SHOW(alarm(0) > 0);
	VALUE(signals);
}

CASE(setitimer_errors)
{
	struct itimerval timer = {{0, 0}, {100, 0}}, old;

	CALL(setitimer, ITIMER_REAL, &timer, &old);
	say("%ld %ld", (long)old.it_value.tv_sec, (long)old.it_value.tv_usec);
	CALL(setitimer, 3, &timer, NULL);
	CALL(setitimer, -1, &timer, NULL);
	CALL(setitimer, ITIMER_REAL, KIT, NULL);
	CALL(setitimer, ITIMER_REAL, &timer, KIT);
	timer.it_value.tv_usec = 1000000;
	CALL(setitimer, ITIMER_REAL, &timer, NULL);
	timer.it_value.tv_usec = -1;
	CALL(setitimer, ITIMER_REAL, &timer, NULL);
	timer.it_value = (struct timeval){-1, 0};
	CALL(setitimer, ITIMER_REAL, &timer, NULL);
	CALL(getitimer, ITIMER_REAL, &old);
	VALUE(old.it_value.tv_sec > 90);
	CALL(getitimer, 3, &old);
	CALL(getitimer, ITIMER_REAL, KIT);
	CALL(getitimer, ITIMER_VIRTUAL, &old);
	VALUE(old.it_value.tv_sec);
	timer.it_value = (struct timeval){0, 0};
	CALL(setitimer, ITIMER_REAL, &timer, &old);
	CALL(getitimer, ITIMER_REAL, &old);
	VALUE(old.it_value.tv_sec + old.it_value.tv_usec);
}

CASE(setitimer_repeats)
{
	struct itimerval timer = {{0, 2000}, {0, 2000}};

	handle(SIGALRM, 0);
	setitimer(ITIMER_REAL, &timer, NULL);
	for (int i = 0; i < 3; i++)
		CALL(pause);
	VALUE(signals >= 3);
}

CASE(setitimer_while_computing)
{
	struct itimerval timer = {{0, 0}, {0, 3000}};
	struct timespec start, time;

	handle(SIGALRM, 0);
	setitimer(ITIMER_REAL, &timer, NULL);
	clock_gettime(CLOCK_MONOTONIC, &start);
	do /* without a system call: the library reads the clock */
		clock_gettime(CLOCK_MONOTONIC, &time);
	while (!signals && time.tv_sec - start.tv_sec < 3);
	VALUE(signals);
}

CASE(setitimer_of_cpu_time)
{
	struct itimerval timer = {{0, 0}, {0, 10000}};
	volatile unsigned long work = 0;
	long start = now();

	handle(SIGVTALRM, 0);
	SHOW(setitimer(ITIMER_VIRTUAL, &timer, NULL));
	while (!signals && now() - start < 3000)
		work++;
	VALUE(signals);
	handle(SIGPROF, 0);
	SHOW(setitimer(ITIMER_PROF, &timer, NULL));
	while (!signals && now() - start < 6000)
		work++;
	VALUE(signals);
}

/* ---- POSIX timers ---- */

CASE(timer_create)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec time = {{0, 0}, {0, 3000000}}, left;
	int timer = -1;

	handle(SIGUSR1, 0);
	block(SIGUSR1);
	if (CALL(timer_create, CLOCK_MONOTONIC, &event, &timer))
		return;
	CALL(timer_settime, timer, 0, &time, NULL);
	wait_blocked();
	VALUE(signals);
	CALL(timer_gettime, timer, &left);
	VALUE(left.it_value.tv_sec + left.it_value.tv_nsec);
	CALL(timer_getoverrun, timer);
	CALL(timer_delete, timer);
	CALL(timer_delete, timer);
	CALL(timer_gettime, timer, &left);
}

CASE(timer_errors)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec time = {{0, 0}, {100, 0}};
	int timer = -1;

	CALL(timer_create, 100, &event, &timer);
	CALL(timer_create, CLOCK_MONOTONIC, KIT, &timer);
	CALL(timer_create, CLOCK_MONOTONIC, &event, KIT);
	event.sigev_signo = 99;
	CALL(timer_create, CLOCK_MONOTONIC, &event, &timer);
	event.sigev_notify = 77;
	CALL(timer_create, CLOCK_MONOTONIC, &event, &timer);
	CALL(timer_create, CLOCK_REALTIME, NULL, &timer);
	CALL(timer_settime, timer, 0, &time, NULL);
	CALL(timer_settime, timer, 0, NULL, NULL);
	CALL(timer_settime, timer, 0, KIT, NULL);
	time.it_value.tv_nsec = 1000000000;
	CALL(timer_settime, timer, 0, &time, NULL);
	CALL(timer_settime, 12345, 0, &time, NULL);
	CALL(timer_getoverrun, 12345);
	CALL(timer_gettime, timer, KIT);
	CALL(timer_delete, timer);
}

CASE(timer_absolute_and_repeating)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec time = {{0, 2000000}, {0, 0}}, old;
	int timer = -1;

	handle(SIGUSR1, 0);
	CALL(timer_create, CLOCK_MONOTONIC, &event, &timer);
	clock_gettime(CLOCK_MONOTONIC, &time.it_value);
	CALL(timer_settime, timer, TIMER_ABSTIME, &time, NULL);
	for (int i = 0; i < 200 && signals < 3; i++)
		pause_for(1);
	VALUE(signals >= 3);
	time.it_value = (struct timespec){0, 0};
	CALL(timer_settime, timer, 0, &time, &old);
	VALUE(old.it_interval.tv_nsec);
	CALL(timer_delete, timer);
}

static volatile int value_seen, code_seen;

static void note_value(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	value_seen = info->si_value.sival_int;
	code_seen = info->si_code;
}

CASE(timer_value_and_none)
{
	struct sigaction action = {.sa_sigaction = note_value, .sa_flags = SA_SIGINFO};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3};
	struct itimerspec time = {{0, 0}, {0, 1000000}}, left;
	int timer = -1, silent = -1;

	event.sigev_value.sival_int = 4711;
	sigaction(SIGRTMIN + 3, &action, NULL);
	block(SIGRTMIN + 3);
	if (CALL(timer_create, CLOCK_MONOTONIC, &event, &timer))
		return;
	CALL(timer_settime, timer, 0, &time, NULL);
	wait_blocked();
	VALUE(value_seen);
	VALUE(code_seen == SI_TIMER);
	event.sigev_notify = SIGEV_NONE;
	CALL(timer_create, CLOCK_MONOTONIC, &event, &silent);
	CALL(timer_settime, silent, 0, &time, NULL);
	pause_for(3);
	CALL(timer_gettime, silent, &left);
	VALUE(left.it_value.tv_sec + left.it_value.tv_nsec);
	CALL(timer_delete, timer);
	CALL(timer_delete, silent);
}
