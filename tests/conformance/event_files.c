/* SPDX-License-Identifier: Apache-2.0 */
/* Events that are read from descriptors: eventfd, timerfd, signalfd. */
#include "harness.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>

#define MS 1000000L

static uint64_t value, one = 1, most = UINT64_MAX - 1, too_much = UINT64_MAX, zero;
static char buffer[4096];

static int poll_once(int file, int timeout)
{
	struct pollfd entry = {file, POLLIN | POLLOUT | POLLPRI, 0};

	poll(&entry, 1, timeout);
	return entry.revents;
}

/* ---- eventfd ---- */

CASE(eventfd_flags)
{
	CALL(eventfd, 0);
	CALL(eventfd2, 1, EFD_CLOEXEC | EFD_NONBLOCK);
	CALL(eventfd2, 1, EFD_SEMAPHORE);
	CALL(eventfd2, 1, 2);
	CALL(eventfd2, 1, O_APPEND);
	CALL(eventfd2, 1, -1);
	CALL(fcntl, 3, F_GETFD);
	CALL(fcntl, 3, F_GETFL);
	CALL(fcntl, 4, F_GETFD);
	CALL(fcntl, 4, F_GETFL);
}

CASE(eventfd_counts)
{
	int counter = eventfd(3, EFD_NONBLOCK);

	CALL(read, counter, &value, 8);
	VALUE(value);
	CALL(read, counter, &value, 8);
	CALL(write, counter, &one, 8);
	CALL(write, counter, &one, 8);
	CALL(read, counter, &value, 8);
	VALUE(value);
	CALL(write, counter, &zero, 8);
	CALL(read, counter, &value, 8);
}

CASE(eventfd_initial_is_unsigned)
{
	int counter = eventfd(0xffffffff, EFD_NONBLOCK);

	CALL(read, counter, &value, 8);
	VALUE(value);
}

CASE(eventfd_sizes)
{
	int counter = eventfd(3, EFD_NONBLOCK);

	CALL(read, counter, &value, 7);
	CALL(read, counter, &value, 0);
	CALL(write, counter, &one, 7);
	CALL(write, counter, &one, 0);
	CALL(read, counter, buffer, sizeof buffer);
	CALL(read, counter, &value, 8);
	VALUE(value);
}

CASE(eventfd_bad_pointers)
{
	int counter = eventfd(3, EFD_NONBLOCK);

	CALL(write, counter, NULL, 8);
	CALL(write, counter, KIT_DATA, 8);
	CALL(write, counter, edge(7), 8);
	CALL(read, counter, unmapped(), 8);
	CALL(read, counter, &value, 8);
	CALL(write, counter, &one, 8);
	CALL(read, counter, KIT_DATA, 8);
	CALL(read, counter, &value, 8);
}

CASE(eventfd_semaphore)
{
	int counter = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE);

	for (int i = 0; i < 3; i++) {
		value = 99;
		CALL(read, counter, &value, 8);
		VALUE(value);
	}
}

CASE(eventfd_overflow)
{
	int counter = eventfd(0, EFD_NONBLOCK);

	VALUE(poll_once(counter, 0));
	CALL(write, counter, &too_much, 8);
	CALL(write, counter, &most, 8);
	VALUE(poll_once(counter, 0));
	CALL(write, counter, &one, 8);
	CALL(write, counter, &zero, 8);
	CALL(read, counter, &value, 8);
	VALUE(value == most);
	VALUE(poll_once(counter, 0));
}

CASE(eventfd_vectors)
{
	int counter = eventfd(0, EFD_NONBLOCK);
	struct iovec both[2] = {{&one, 8}, {&one, 8}};
	struct iovec large[2] = {{buffer, 16}, {buffer + 16, 8}};
	struct iovec small[2] = {{buffer, 4}, {buffer + 4, 3}};

	CALL(writev, counter, both, 2);
	CALL(readv, counter, large, 2);
	VALUE(buffer[0]);
	CALL(writev, counter, both, 1);
	CALL(readv, counter, small, 2);
}

CASE(eventfd_other_calls)
{
	int counter = eventfd(0, EFD_NONBLOCK);

	CALL(pread64, counter, &value, 8, 0);
	CALL(pwrite64, counter, &one, 8, 0);
	CALL(ftruncate, counter, 0);
	CALL(ioctl, counter, TIOCGWINSZ, buffer);
	CALL(getdents64, counter, buffer, sizeof buffer);
	CALL(mmap, NULL, 4096, PROT_READ, MAP_PRIVATE, counter, 0);
	CALL(fchdir, counter);
}

CASE(anonymous_files_look)
{
	static const char *const kinds[] = {"eventfd", "timerfd", "signalfd"};
	int files[3] = {eventfd(0, 0), timerfd_create(CLOCK_MONOTONIC, 0), 0};
	struct stat status;
	struct statfs system;
	sigset_t none;
	char name[64];

	sigemptyset(&none);
	files[2] = signalfd(-1, &none, 0);
	for (int i = 0; i < 3; i++) {
		ssize_t length;

		sprintf(name, "/proc/self/fd/%d", files[i]);
		length = readlink(name, buffer, sizeof buffer);
		say("%s: %.*s", kinds[i], (int)length, buffer);
		CALL(fstat, files[i], &status);
		VALUE(status.st_mode);
		VALUE(status.st_size);
		VALUE(status.st_nlink);
		CALL(open, name, O_RDWR);
		fstatfs(files[i], &system);
		VALUE(system.f_type);
	}
}

static int shared;

static void *read_and_say(void *unused)
{
	uint64_t got = 0;

	say("read: %ld", (long)read(shared, &got, 8));
	say("got %llu", (unsigned long long)got);
	return unused;
}

static void *write_and_say(void *unused)
{
	say("write: %ld", (long)write(shared, &most, 8));
	return unused;
}

CASE(eventfd_read_waits)
{
	pthread_t thread;

	shared = eventfd(0, 0);
	pthread_create(&thread, NULL, read_and_say, NULL);
	pause_for(20);
	say("write");
	eventfd_write(shared, 5);
	pthread_join(thread, NULL);
}

CASE(eventfd_write_waits)
{
	pthread_t thread;

	shared = eventfd(1, 0);
	pthread_create(&thread, NULL, write_and_say, NULL);
	pause_for(20);
	say("read");
	read(shared, &value, 8);
	pthread_join(thread, NULL);
	read(shared, &value, 8);
	VALUE(value == most);
}

static void on_signal(int number)
{
	(void)number;
}

static void alarm_in(long milliseconds, int flags)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
	struct itimerval soon = {.it_value.tv_usec = milliseconds * 1000};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
}

CASE(eventfd_read_is_interrupted)
{
	int counter = eventfd(0, 0);

	alarm_in(10, 0);
	CALL(read, counter, &value, 8);
}

static void on_signal_write(int number)
{
	(void)number;
	eventfd_write(shared, 4);
}

CASE(eventfd_read_is_restarted)
{
	struct sigaction action = {.sa_handler = on_signal_write, .sa_flags = SA_RESTART};
	struct itimerval soon = {.it_value.tv_usec = 10000};

	shared = eventfd(0, 0);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	CALL(read, shared, &value, 8);
	VALUE(value);
}

/* ---- timerfd ---- */

static int timer(long first, long interval, int flags)
{
	int file = timerfd_create(CLOCK_MONOTONIC, flags);
	struct itimerspec times = {{0, interval}, {0, first}};

	timerfd_settime(file, 0, &times, NULL);
	return file;
}

CASE(timerfd_create_arguments)
{
	CALL(timerfd_create, CLOCK_REALTIME, 0);
	CALL(timerfd_create, CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	CALL(timerfd_create, CLOCK_BOOTTIME, 0);
	CALL(timerfd_create, CLOCK_PROCESS_CPUTIME_ID, 0);
	CALL(timerfd_create, CLOCK_THREAD_CPUTIME_ID, 0);
	CALL(timerfd_create, CLOCK_MONOTONIC_RAW, 0);
	CALL(timerfd_create, CLOCK_TAI, 0);
	CALL(timerfd_create, 12, 0);
	CALL(timerfd_create, -1, 0);
	CALL(timerfd_create, CLOCK_MONOTONIC, 1);
	CALL(fcntl, 4, F_GETFL);
	CALL(fcntl, 4, F_GETFD);
}

CASE(timerfd_settime_errors)
{
	int file = timerfd_create(CLOCK_MONOTONIC, 0), counter = eventfd(0, 0);
	struct itimerspec good = {{0, 0}, {1, 0}}, bad = {{0, 0}, {1, 1000 * MS}};
	struct itimerspec negative = {{0, 0}, {-1, 0}}, bad_interval = {{0, -1}, {1, 0}};

	CALL(timerfd_settime, 77, 0, &good, NULL);
	CALL(timerfd_settime, counter, 0, &good, NULL);
	CALL(timerfd_settime, file, 4, &good, NULL);
	CALL(timerfd_settime, file, -1, &good, NULL);
	CALL(timerfd_settime, file, 0, &bad, NULL);
	CALL(timerfd_settime, file, 0, &negative, NULL);
	CALL(timerfd_settime, file, 0, &bad_interval, NULL);
	CALL(timerfd_settime, file, 0, NULL, NULL);
	CALL(timerfd_settime, 77, 0, LOW, NULL);
	CALL(timerfd_settime, 77, 4, &bad, NULL);
	CALL(timerfd_settime, file, 0, edge(31), NULL);
	CALL(timerfd_settime, file, 0, &good, LOW);
	CALL(timerfd_settime, file, 0, &good, read_only(0));
	CALL(timerfd_gettime, 77, &good);
	CALL(timerfd_gettime, counter, &good);
	CALL(timerfd_gettime, file, NULL);
	CALL(timerfd_gettime, file, edge(31));
	CALL(timerfd_settime, file, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &good, NULL);
}

CASE(timerfd_reads)
{
	int file = timer(0, 0, TFD_NONBLOCK);

	CALL(read, file, &value, 8);
	CALL(read, file, &value, 7);
	CALL(write, file, &value, 8);
	CALL(pread64, file, &value, 8, 0);
	VALUE(poll_once(file, 0));
	file = timer(5 * MS, 0, 0);
	VALUE(poll_once(file, 0));
	CALL(read, file, &value, 8);
	VALUE(value);
	VALUE(poll_once(file, 0));
}

CASE(timerfd_bad_read_takes_the_count)
{
	int file = timer(1, 0, TFD_NONBLOCK);

	pause_for(5);
	CALL(read, file, KIT_DATA, 8);
	CALL(read, file, &value, 8);
}

CASE(timerfd_repeats)
{
	int file = timer(5 * MS, 5 * MS, 0);
	long start = now();
	long total = 0;

	for (int i = 0; i < 5; i++) {
		CALL(read, file, &value, 8);
		total += (long)value;
	}
	VALUE(total >= 5 && total <= (now() - start) / 5 + 1);
}

CASE(timerfd_counts_missed_turns)
{
	int file = timer(2 * MS, 10 * MS, 0);
	struct itimerspec left;

	pause_for(57);
	CALL(read, file, &value, 8);
	VALUE(value >= 6);
	CALL(timerfd_gettime, file, &left);
	VALUE(left.it_interval.tv_nsec);
	VALUE(left.it_value.tv_nsec > 0 && left.it_value.tv_nsec <= 10 * MS);
}

CASE(timerfd_gettime_of_states)
{
	int file = timerfd_create(CLOCK_MONOTONIC, 0);
	struct itimerspec left, wanted = {{7, 8}, {100, 0}}, stopped = {{7, 8}, {0, 0}};

	CALL(timerfd_gettime, file, &left);
	VALUE(left.it_value.tv_sec + left.it_value.tv_nsec + left.it_interval.tv_sec);
	CALL(timerfd_settime, file, 0, &wanted, NULL);
	CALL(timerfd_gettime, file, &left);
	VALUE(left.it_value.tv_sec);
	VALUE(left.it_interval.tv_sec);
	VALUE(left.it_interval.tv_nsec);
	CALL(timerfd_settime, file, 0, &stopped, &left);
	VALUE(left.it_value.tv_sec);
	VALUE(left.it_interval.tv_sec);
	CALL(timerfd_gettime, file, &left);
	VALUE(left.it_value.tv_sec + left.it_value.tv_nsec);
	VALUE(left.it_interval.tv_sec);
}

CASE(timerfd_gettime_once_expired)
{
	int file = timer(MS, 0, 0);
	struct itimerspec left;

	pause_for(5);
	CALL(timerfd_gettime, file, &left);
	VALUE(left.it_value.tv_sec + left.it_value.tv_nsec);
	CALL(read, file, &value, 8);
	VALUE(value);
}

CASE(timerfd_settime_forgets_ticks)
{
	int file = timer(MS, 0, TFD_NONBLOCK);
	struct itimerspec later = {{0, 0}, {100, 0}}, old;

	pause_for(5);
	VALUE(poll_once(file, 0));
	CALL(timerfd_settime, file, 0, &later, &old);
	VALUE(old.it_value.tv_sec + old.it_value.tv_nsec);
	VALUE(poll_once(file, 0));
	CALL(read, file, &value, 8);
}

CASE(timerfd_absolute)
{
	static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};

	for (size_t i = 0; i < COUNT(clocks); i++) {
		int file = timerfd_create(clocks[i], 0);
		struct itimerspec when = {0}, left;

		clock_gettime(clocks[i], &when.it_value);
		when.it_value.tv_sec += 100;
		CALL(timerfd_settime, file, TFD_TIMER_ABSTIME, &when, NULL);
		CALL(timerfd_gettime, file, &left);
		VALUE(left.it_value.tv_sec);
		when.it_value.tv_sec = 0;
		when.it_value.tv_nsec = 1;
		CALL(timerfd_settime, file, TFD_TIMER_ABSTIME, &when, NULL);
		CALL(read, file, &value, 8);
		VALUE(value);
	}
}

CASE(timerfd_absolute_repeating_from_the_past)
{
	int file = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	struct itimerspec when = {.it_interval = {0, 200 * MS}};

	/* 0.7 seconds ago */
	clock_gettime(CLOCK_MONOTONIC, &when.it_value);
	when.it_value.tv_sec -= 1;
	when.it_value.tv_nsec += 300 * MS;
	if (when.it_value.tv_nsec >= 1000 * MS) {
		when.it_value.tv_nsec -= 1000 * MS;
		when.it_value.tv_sec++;
	}
	CALL(timerfd_settime, file, TFD_TIMER_ABSTIME, &when, NULL);
	CALL(read, file, &value, 8);
	VALUE(value);
	CALL(timerfd_gettime, file, &when);
	VALUE(when.it_value.tv_sec);
	VALUE(when.it_value.tv_nsec > 0 && when.it_value.tv_nsec <= 100 * MS);
}

CASE(timerfd_far_future)
{
	int file = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	struct itimerspec far = {{0, 0}, {INT64_MAX, 999999999}}, left;

	CALL(timerfd_settime, file, 0, &far, NULL);
	CALL(timerfd_gettime, file, &left);
	VALUE(left.it_value.tv_sec > 8000000000);
	CALL(timerfd_settime, file, TFD_TIMER_ABSTIME, &far, NULL);
	CALL(timerfd_gettime, file, &left);
	VALUE(left.it_value.tv_sec > 8000000000);
	CALL(read, file, &value, 8);
}

CASE(timerfd_two_at_once)
{
	int late = timer(30 * MS, 0, 0), early = timer(10 * MS, 0, 0);
	struct pollfd both[2] = {{late, POLLIN, 0}, {early, POLLIN, 0}};

	SHOW(poll(both, 2, -1));
	VALUE(both[0].revents);
	VALUE(both[1].revents);
	read(early, &value, 8);
	SHOW(poll(both, 2, -1));
	VALUE(both[0].revents);
}

CASE(timerfd_closed_while_set)
{
	int file = timer(5 * MS, 5 * MS, 0);

	close(file);
	pause_for(15);
	CALL(read, file, &value, 8);
}

CASE(timerfd_copy_shares_the_timer)
{
	int file = timer(MS, 0, TFD_NONBLOCK), copy = dup(file);

	close(file);
	pause_for(5);
	CALL(read, copy, &value, 8);
	CALL(read, copy, &value, 8);
}

CASE(timerfd_read_is_interrupted)
{
	int file = timer(10000 * MS / 100, 0, 0);

	alarm_in(10, 0);
	CALL(read, file, &value, 8);
}

/* ---- signalfd ---- */

static struct signalfd_siginfo records[4];

static int signals(int flags, int first, int second)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, first);
	if (second)
		sigaddset(&set, second);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, flags);
}

static void show(const struct signalfd_siginfo *record)
{
	say("%s code %d pid %d uid %d int %d ptr %d overrun %d tid %d",
	    signal_name((int)record->ssi_signo), record->ssi_code,
	    record->ssi_pid == (uint32_t)getpid() ? 1 : (int)record->ssi_pid,
	    (int)record->ssi_uid - (int)getuid(), record->ssi_int, (int)record->ssi_ptr,
	    (int)record->ssi_overrun, (int)record->ssi_tid);
}

CASE(signalfd_arguments)
{
	uint64_t mask = 1 << (SIGUSR1 - 1);
	int counter = eventfd(0, 0);

	CALL(signalfd4, -1, &mask, 8, 0);
	CALL(signalfd4, -1, &mask, 8, SFD_NONBLOCK | SFD_CLOEXEC);
	CALL(signalfd, -1, &mask, 8);
	CALL(signalfd4, -1, &mask, 4, 0);
	CALL(signalfd4, -1, &mask, 16, 0);
	CALL(signalfd4, -1, NULL, 8, 0);
	CALL(signalfd4, -1, LOW, 8, 1);
	CALL(signalfd4, -1, &mask, 8, 1);
	CALL(signalfd4, 77, &mask, 8, 0);
	CALL(signalfd4, 77, &mask, 8, 1);
	CALL(signalfd4, counter, &mask, 8, 0);
	CALL(signalfd4, 4, &mask, 8, 0);
	CALL(signalfd4, -2, &mask, 8, 0);
	CALL(fcntl, 5, F_GETFL);
	CALL(fcntl, 5, F_GETFD);
}

CASE(signalfd_reads)
{
	int file = signals(SFD_NONBLOCK, SIGUSR1, SIGUSR2);

	CALL(read, file, records, 128);
	CALL(read, file, records, 127);
	VALUE(poll_once(file, 0));
	kill(getpid(), SIGUSR1);
	VALUE(poll_once(file, 0));
	CALL(read, file, records, sizeof records);
	show(&records[0]);
	VALUE(poll_once(file, 0));
	CALL(read, file, records, 128);
	CALL(write, file, records, 128);
	CALL(pread64, file, records, 128, 0);
}

CASE(signalfd_several_at_once)
{
	int file = signals(SFD_NONBLOCK, SIGUSR1, SIGUSR2);

	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR1);
	CALL(read, file, records, 300);
	show(&records[0]);
	show(&records[1]);
	CALL(read, file, records, 300);
}

CASE(signalfd_one_at_a_time)
{
	int file = signals(SFD_NONBLOCK, SIGUSR1, SIGUSR2);

	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGUSR1);
	CALL(read, file, records, 255);
	show(&records[0]);
	CALL(read, file, records, 255);
	show(&records[0]);
}

CASE(signalfd_thread_signal)
{
	int file = signals(SFD_NONBLOCK, SIGUSR1, 0);

	raise(SIGUSR1);
	CALL(read, file, records, 128);
	show(&records[0]);
}

CASE(signalfd_value)
{
	int file = signals(SFD_NONBLOCK, SIGRTMIN + 5, 0);

	sigqueue(getpid(), SIGRTMIN + 5, (union sigval){.sival_int = 42});
	sigqueue(getpid(), SIGRTMIN + 5, (union sigval){.sival_int = 43});
	CALL(read, file, records, sizeof records);
	show(&records[0]);
	show(&records[1]);
}

CASE(signalfd_interval_timer)
{
	int file = signals(0, SIGALRM, 0);
	struct itimerval soon = {.it_value.tv_usec = 5000};

	setitimer(ITIMER_REAL, &soon, NULL);
	CALL(read, file, records, 128);
	show(&records[0]);
}

CASE(signalfd_only_its_signals)
{
	int file = signals(SFD_NONBLOCK, SIGUSR1, SIGUSR2);
	uint64_t mask = 1 << (SIGUSR2 - 1);

	CALL(signalfd4, file, &mask, 8, 0);
	kill(getpid(), SIGUSR1);
	CALL(read, file, records, 128);
	VALUE(poll_once(file, 0));
	mask |= 1 << (SIGUSR1 - 1);
	CALL(signalfd4, file, &mask, 8, 0);
	VALUE(poll_once(file, 0));
	CALL(read, file, records, 128);
	show(&records[0]);
}

CASE(signalfd_bad_read_takes_the_signal)
{
	int file = signals(SFD_NONBLOCK, SIGUSR1, SIGUSR2);

	kill(getpid(), SIGUSR1);
	CALL(read, file, KIT_DATA, 128);
	CALL(read, file, records, 128);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR2);
	CALL(read, file, edge(128), 256);
}

CASE(signalfd_read_waits)
{
	int file = signals(0, SIGALRM, 0);
	struct itimerval soon = {.it_value.tv_usec = 10000};

	setitimer(ITIMER_REAL, &soon, NULL);
	VALUE(poll_once(file, 1000));
	CALL(read, file, records, 128);
	VALUE(records[0].ssi_signo);
}

CASE(signalfd_read_is_interrupted)
{
	int file = signals(0, SIGUSR1, 0);

	alarm_in(10, 0);
	CALL(read, file, records, 128);
}

CASE(signalfd_and_sigtimedwait)
{
	int file = signals(SFD_NONBLOCK, SIGUSR1, 0);
	struct timespec none = {0, 0};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	kill(getpid(), SIGUSR1);
	SHOW(sigtimedwait(&set, NULL, &none));
	CALL(read, file, records, 128);
}

CASE(signalfd_kill_cannot_be_read)
{
	uint64_t mask = 1 << (SIGKILL - 1) | 1 << (SIGSTOP - 1);

	CALL(signalfd4, -1, &mask, 8, SFD_NONBLOCK);
	CALL(read, 3, records, 128);
}

static void *signal_later(void *unused)
{
	pause_for(20);
	kill(getpid(), SIGUSR1);
	return unused;
}

CASE(signalfd_wakes_a_thread)
{
	pthread_t thread;
	int file = signals(0, SIGUSR1, 0);

	pthread_create(&thread, NULL, signal_later, NULL);
	CALL(read, file, records, 128);
	show(&records[0]);
	pthread_join(thread, NULL);
}
