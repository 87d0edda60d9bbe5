/* SPDX-License-Identifier: Apache-2.0 */
/* Timers of timer_create, with signals that tell of them. */
#include "harness.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <time.h>

#define MS 1000000L

/* The kernel's numbers, past the C library: its own number of a timer differs. */
typedef int timer_number;

static volatile int count, last_code, last_overrun, last_value, last_signal;
static volatile int last_timer;
static timer_number timer = -1;

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)context;
	count++;
	last_signal = number;
	last_code = info->si_code;
	last_overrun = info->si_overrun;
	last_value = info->si_value.sival_int;
	last_timer = info->si_timerid;
}

static void handle(int number, int flags)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags};

	count = 0;
	sigaction(number, &action, NULL);
}

static void block(int how, int number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(how, &set, NULL);
}

static int create(clockid_t clock, int notify, int number)
{
	struct sigevent event = {.sigev_notify = notify, .sigev_signo = number};

	event.sigev_value.sival_int = 1234;
	return (int)syscall(SYS_timer_create, clock, &event, &timer);
}

static int set(long first, long interval)
{
	struct itimerspec times = {{interval / (1000 * MS), interval % (1000 * MS)},
	                           {first / (1000 * MS), first % (1000 * MS)}};

	return (int)syscall(SYS_timer_settime, timer, 0, &times, NULL);
}

static void drop(void)
{
	syscall(SYS_timer_delete, timer);
	timer = -1;
}

static void say_last(void)
{
	say("%s code %d value %d timer %s", signal_name(last_signal), last_code, last_value,
	    last_timer == timer ? "right" : "wrong");
}

CASE(create_errors)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};

	CALL(timer_create, 99, NULL, &timer);
	CALL(timer_create, -1, NULL, &timer);
	CALL(timer_create, CLOCK_MONOTONIC_RAW, NULL, &timer);
	CALL(timer_create, CLOCK_REALTIME_COARSE, NULL, &timer);
	CALL(timer_create, CLOCK_MONOTONIC_COARSE, NULL, &timer);
	CALL(timer_create, CLOCK_MONOTONIC, LOW, &timer);
	CALL(timer_create, 99, LOW, &timer);
	CALL(timer_create, CLOCK_MONOTONIC, NULL, NULL);
	CALL(timer_create, CLOCK_MONOTONIC, NULL, KIT_DATA);
	event.sigev_signo = 0;
	CALL(timer_create, CLOCK_MONOTONIC, &event, &timer);
	event.sigev_signo = 65;
	CALL(timer_create, CLOCK_MONOTONIC, &event, &timer);
	event.sigev_signo = -1;
	CALL(timer_create, CLOCK_MONOTONIC, &event, &timer);
	event.sigev_signo = SIGUSR1;
	event.sigev_notify = 3;
	CALL(timer_create, CLOCK_MONOTONIC, &event, &timer);
	event.sigev_notify = 5;
	CALL(timer_create, CLOCK_MONOTONIC, &event, &timer);
	event.sigev_notify = SIGEV_THREAD_ID;
	event.sigev_notify_thread_id = 99999999;
	CALL(timer_create, CLOCK_MONOTONIC, &event, &timer);
	event.sigev_notify_thread_id = 0;
	CALL(timer_create, CLOCK_MONOTONIC, &event, &timer);
}

CASE(create_on_every_clock)
{
	static const int clocks[] = {CLOCK_REALTIME,           CLOCK_MONOTONIC,
	                             CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
	                             CLOCK_BOOTTIME,           CLOCK_TAI};

	for (size_t i = 0; i < COUNT(clocks); i++) {
		SHOW(create(clocks[i], SIGEV_NONE, 0));
		drop();
	}
}

CASE(calls_on_no_timer)
{
	struct itimerspec times = {{0, 0}, {1, 0}}, bad = {{0, 0}, {0, 1000 * MS}};

	CALL(timer_settime, 12345, 0, &times, NULL);
	CALL(timer_settime, 12345, 0, NULL, NULL);
	CALL(timer_settime, 12345, 0, LOW, NULL);
	CALL(timer_settime, 12345, 0, &bad, NULL);
	CALL(timer_settime, -1, 0, &times, NULL);
	CALL(timer_gettime, 12345, &times);
	CALL(timer_gettime, 12345, NULL);
	CALL(timer_getoverrun, 12345);
	CALL(timer_delete, 12345);
	CALL(timer_delete, -1);
}

CASE(settime_errors)
{
	struct itimerspec times = {{0, 0}, {100, 0}}, bad = {{0, 0}, {0, 1000 * MS}};
	struct itimerspec negative = {{0, 0}, {-1, 0}}, bad_interval = {{0, 1000 * MS}, {1, 0}};

	create(CLOCK_MONOTONIC, SIGEV_NONE, 0);
	CALL(timer_settime, timer, 0, NULL, NULL);
	CALL(timer_settime, timer, 0, LOW, NULL);
	CALL(timer_settime, timer, 0, edge(31), NULL);
	CALL(timer_settime, timer, 0, &bad, NULL);
	CALL(timer_settime, timer, 0, &negative, NULL);
	CALL(timer_settime, timer, 0, &bad_interval, NULL);
	CALL(timer_settime, timer, 2, &times, NULL);
	CALL(timer_settime, timer, 0, &times, KIT_DATA);
	CALL(timer_gettime, timer, KIT_DATA);
	CALL(timer_gettime, timer, edge(31));
	drop();
}

CASE(signal_with_a_value)
{
	handle(SIGUSR1, 0);
	SHOW(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1));
	SHOW(set(5 * MS, 0));
	pause();
	VALUE(count);
	say_last();
	pause_for(10);
	VALUE(count);
	CALL(timer_getoverrun, timer);
	drop();
}

CASE(default_event)
{
	handle(SIGALRM, 0);
	CALL(timer_create, CLOCK_REALTIME, NULL, &timer);
	set(5 * MS, 0);
	pause();
	VALUE(count);
	VALUE(last_signal);
	VALUE(last_value == timer);
	drop();
}

CASE(real_time_signal)
{
	handle(SIGRTMIN + 3, 0);
	create(CLOCK_BOOTTIME, SIGEV_SIGNAL, SIGRTMIN + 3);
	set(5 * MS, 0);
	pause();
	say_last();
	drop();
}

CASE(repeats)
{
	handle(SIGUSR1, 0);
	create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
	set(5 * MS, 5 * MS);
	while (count < 5)
		pause();
	set(0, 0);
	count = 0;
	pause_for(15);
	VALUE(count);
	drop();
}

CASE(program_that_computes_is_interrupted)
{
	long start = now();

	handle(SIGUSR1, 0);
	create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
	set(10 * MS, 0);
	while (!count && now() - start < 5000)
		;
	VALUE(count);
	drop();
}

CASE(overrun_while_blocked)
{
	struct itimerspec left;

	handle(SIGUSR1, 0);
	block(SIG_BLOCK, SIGUSR1);
	create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
	set(20 * MS, 20 * MS); /* long enough for a slow machine */
	pause_for(250);
	VALUE(count);
	CALL(timer_gettime, timer, &left);
	VALUE(left.it_value.tv_nsec > 0 && left.it_value.tv_nsec <= 20 * MS);
	CALL(timer_getoverrun, timer);
	block(SIG_UNBLOCK, SIGUSR1);
	VALUE(count);
	VALUE(last_overrun >= 10 && last_overrun < 1000);
	VALUE(syscall(SYS_timer_getoverrun, timer) == last_overrun);
	drop();
}

CASE(overrun_of_a_short_interval)
{
	handle(SIGUSR1, 0);
	block(SIG_BLOCK, SIGUSR1);
	create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
	set(1, 1);
	pause_for(20);
	set(1000000 * MS, 0);
	block(SIG_UNBLOCK, SIGUSR1);
	VALUE(count);
	CALL(timer_getoverrun, timer);
	drop();
}

CASE(gettime_of_states)
{
	struct itimerspec left, times = {{3, 4}, {100, 0}}, stop = {{3, 4}, {0, 0}}, old;

	create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
	CALL(timer_gettime, timer, &left);
	VALUE(left.it_value.tv_sec + left.it_value.tv_nsec + left.it_interval.tv_sec);
	CALL(timer_settime, timer, 0, &times, &old);
	VALUE(old.it_value.tv_sec);
	CALL(timer_gettime, timer, &left);
	VALUE(left.it_value.tv_sec);
	VALUE(left.it_interval.tv_sec);
	VALUE(left.it_interval.tv_nsec);
	CALL(timer_settime, timer, 0, &stop, &old);
	VALUE(old.it_value.tv_sec);
	VALUE(old.it_interval.tv_sec);
	CALL(timer_gettime, timer, &left);
	VALUE(left.it_value.tv_sec + left.it_value.tv_nsec);
	VALUE(left.it_interval.tv_sec);
	drop();
}

CASE(gettime_once_expired)
{
	struct itimerspec left;

	block(SIG_BLOCK, SIGUSR1);
	create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
	set(MS, 0);
	pause_for(5);
	CALL(timer_gettime, timer, &left);
	VALUE(left.it_value.tv_sec + left.it_value.tv_nsec);
	drop();
}

CASE(silent_timer)
{
	struct itimerspec left;

	create(CLOCK_MONOTONIC, SIGEV_NONE, 0);
	set(MS, 0);
	pause_for(5);
	CALL(timer_gettime, timer, &left);
	VALUE(left.it_value.tv_sec + left.it_value.tv_nsec);
	set(2 * MS, 10 * MS);
	pause_for(25);
	CALL(timer_gettime, timer, &left);
	VALUE(left.it_value.tv_nsec > 0 && left.it_value.tv_nsec <= 10 * MS);
	CALL(timer_getoverrun, timer);
	drop();
}

CASE(absolute)
{
	struct itimerspec times = {0}, left;

	handle(SIGUSR1, 0);
	create(CLOCK_REALTIME, SIGEV_SIGNAL, SIGUSR1);
	clock_gettime(CLOCK_REALTIME, &times.it_value);
	times.it_value.tv_sec += 100;
	CALL(timer_settime, timer, TIMER_ABSTIME, &times, NULL);
	CALL(timer_gettime, timer, &left);
	VALUE(left.it_value.tv_sec);
	times.it_value.tv_sec -= 200;
	CALL(timer_settime, timer, TIMER_ABSTIME, &times, NULL);
	pause_for(5);
	VALUE(count);
	drop();
}

CASE(deleted_while_set)
{
	handle(SIGUSR1, 0);
	create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
	set(5 * MS, 5 * MS);
	CALL(timer_delete, timer);
	pause_for(15);
	VALUE(count);
	CALL(timer_delete, timer);
}

CASE(ignored_signal)
{
	signal(SIGUSR1, SIG_IGN);
	create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
	set(MS, 5 * MS);
	pause_for(20);
	handle(SIGUSR1, 0);
	while (!count)
		pause_for(1);
	say_last();
	drop();
}

CASE(two_timers_one_signal)
{
	timer_number first;

	handle(SIGUSR1, 0);
	block(SIG_BLOCK, SIGUSR1);
	create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
	set(MS, 0);
	first = timer;
	create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
	set(MS, 0);
	pause_for(10);
	block(SIG_UNBLOCK, SIGUSR1);
	VALUE(count);
	drop();
	timer = first;
	drop();
}

CASE(timer_beside_a_sent_signal)
{
	handle(SIGUSR1, 0);
	block(SIG_BLOCK, SIGUSR1);
	kill(getpid(), SIGUSR1);
	create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
	set(MS, 0);
	pause_for(10);
	block(SIG_UNBLOCK, SIGUSR1);
	VALUE(count);
	drop();
}

CASE(read_by_signalfd)
{
	struct signalfd_siginfo record;
	sigset_t usr1;
	int file;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	file = signalfd(-1, &usr1, 0);
	create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
	set(5 * MS, 0);
	CALL(read, file, &record, sizeof record);
	VALUE(record.ssi_code);
	VALUE(record.ssi_int);
	VALUE(record.ssi_ptr);
	VALUE(record.ssi_overrun);
	VALUE(record.ssi_tid == (uint32_t)timer);
	VALUE(record.ssi_pid);
	drop();
}

CASE(waited_for)
{
	siginfo_t info;
	sigset_t usr1;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
	set(5 * MS, 5 * MS);
	for (int i = 0; i < 3; i++)
		SHOW(sigwaitinfo(&usr1, &info));
	VALUE(info.si_code);
	VALUE(info.si_value.sival_int);
	drop();
}

CASE(sleep_is_interrupted)
{
	struct timespec sleep = {5, 0};

	handle(SIGUSR1, SA_RESTART);
	create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1);
	set(10 * MS, 0);
	SHOW(nanosleep(&sleep, &sleep));
	VALUE(sleep.tv_sec);
	drop();
}

static volatile int got_it;
static volatile pid_t other_thread;
static volatile int is_over;

static void on_thread_signal(int number)
{
	(void)number;
	got_it = (pid_t)syscall(SYS_gettid) == other_thread;
}

static void *wait_for_signal(void *unused)
{
	other_thread = (pid_t)syscall(SYS_gettid);
	while (!is_over)
		pause_for(1);
	return unused;
}

CASE(signal_for_a_thread)
{
	struct sigaction action = {.sa_handler = on_thread_signal};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
	pthread_t thread;

	got_it = is_over = other_thread = 0;
	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&thread, NULL, wait_for_signal, NULL);
	while (!other_thread)
		pause_for(1);
	event.sigev_notify_thread_id = other_thread;
	CALL(timer_create, CLOCK_MONOTONIC, &event, &timer);
	set(5 * MS, 0);
	pause_for(30);
	VALUE(got_it);
	is_over = 1;
	pthread_join(thread, NULL);
	drop();
}

static void on_notify(union sigval value)
{
	last_value = value.sival_int;
	count++;
}

CASE(notify_by_a_thread)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_notify};
	struct itimerspec times = {{0, 0}, {0, 5 * MS}};
	timer_t made;

	count = 0;
	event.sigev_value.sival_int = 77;
	SHOW(timer_create(CLOCK_MONOTONIC, &event, &made));
	SHOW(timer_settime(made, 0, &times, NULL));
	for (int i = 0; i < 500 && !count; i++)
		pause_for(2);
	VALUE(count);
	VALUE(last_value);
	SHOW(timer_delete(made));
}

CASE(process_time)
{
	long start = now();

	handle(SIGUSR1, 0);
	create(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, SIGUSR1);
	set(20 * MS, 0);
	pause_for(40);
	VALUE(count);
	while (!count && now() - start < 5000)
		;
	VALUE(count);
	say_last();
	drop();
}

CASE(thread_time)
{
	long start = now();

	handle(SIGUSR1, 0);
	create(CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, SIGUSR1);
	set(20 * MS, 0);
	pause_for(40);
	VALUE(count);
	while (!count && now() - start < 5000)
		;
	VALUE(count);
	drop();
}
