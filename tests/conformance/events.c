/* SPDX-License-Identifier: Apache-2.0 */
/* epoll, eventfd, timerfd and inotify. */
#include "harness.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>

static char buffer[100000];

static int epoll(void)
{
	return (int)make_call(SYS_epoll_create1, (const long[6]){0});
}

static long add(int set, int file, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u64 = (uint64_t)file};

	return epoll_ctl(set, EPOLL_CTL_ADD, file, &event);
}

/* Prints what is ready, without waiting. */
static void show(int set)
{
	struct epoll_event events[10];
	int count = epoll_wait(set, events, 10, 0);

	if (count <= 0)
		say("ready: %d %s", count, count ? error_name(errno) : "");
	for (int i = 0; i < count; i++)
		say("ready: descriptor %d, events %x", (int)events[i].data.u64, events[i].events);
}

static void poll_one(int file, short events)
{
	struct pollfd entry = {file, events, 0};
	int count = poll(&entry, 1, 0);

	say("poll: %d, %x", count, (unsigned short)entry.revents);
}

/* ---- epoll ---- */

CASE(epoll_create)
{
	CALL(epoll_create, 1);
	CALL(epoll_create, 0);
	CALL(epoll_create, -1);
	CALL(epoll_create1, 0);
	CALL(epoll_create1, EPOLL_CLOEXEC);
	CALL(fcntl, 5, F_GETFD);
	CALL(epoll_create1, 1);
	CALL(read, 3, buffer, 10);
	CALL(write, 3, buffer, 10);
	CALL(lseek, 3, 0, SEEK_SET);
	CALL(fcntl, 3, F_GETFL);
}

CASE(epoll_ctl_errors)
{
	struct epoll_event event = {.events = EPOLLIN};
	int set = epoll(), ends[2], file = make_file("file", 1);

	pipe(ends);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, ends[0], &event);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, ends[0], &event);
	CALL(epoll_ctl, set, EPOLL_CTL_MOD, ends[1], &event);
	CALL(epoll_ctl, set, EPOLL_CTL_DEL, ends[1], &event);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, 77, &event);
	CALL(epoll_ctl, 77, EPOLL_CTL_ADD, ends[1], &event);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, set, &event);
	CALL(epoll_ctl, file, EPOLL_CTL_ADD, ends[1], &event);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, file, &event);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, open(".", O_RDONLY), &event);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, open("/dev/null", O_RDONLY), &event);
	CALL(epoll_ctl, set, 9, ends[1], &event);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, ends[1], KIT);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, ends[1], NULL);
	CALL(epoll_ctl, set, EPOLL_CTL_DEL, ends[0], NULL);
	CALL(epoll_ctl, set, EPOLL_CTL_DEL, ends[0], KIT);
}

CASE(epoll_wait_errors)
{
	struct epoll_event events[4];
	int set = epoll();
	unsigned long none = 0;

	CALL(epoll_wait, set, events, 4, 0);
	CALL(epoll_wait, set, events, 0, 0);
	CALL(epoll_wait, set, events, -1, 0);
	CALL(epoll_wait, set, events, INT_MAX, 0);
	CALL(epoll_wait, set, KIT, 4, 0);
	CALL(epoll_wait, set, LOW, 4, 0);
	CALL(epoll_wait, 77, events, 4, 0);
	CALL(epoll_wait, 0, events, 4, 0);
	CALL(epoll_wait, set, events, 4, 2);
	CALL(epoll_pwait, set, events, 4, 0, &none, 8);
	CALL(epoll_pwait, set, events, 4, 0, &none, 4);
	CALL(epoll_pwait, set, events, 4, 0, KIT, 8);
	CALL(epoll_pwait2, set, events, 4, KIT, NULL, 8);
}

CASE(epoll_bad_buffer_with_events)
{
	int set = epoll(), ends[2];

	pipe(ends);
	add(set, ends[1], EPOLLOUT);
	CALL(epoll_wait, set, LOW, 4, 0);
	CALL(epoll_wait, set, read_only(0), 4, 0);
	show(set);
}

CASE(epoll_level)
{
	int set = epoll(), ends[2];

	pipe(ends);
	SHOW(add(set, ends[0], EPOLLIN));
	show(set);
	write(ends[1], "ab", 2);
	show(set);
	show(set);
	read(ends[0], buffer, 1);
	show(set);
	read(ends[0], buffer, 1);
	show(set);
	close(ends[1]);
	show(set);
}

CASE(epoll_edge)
{
	int set = epoll(), ends[2];

	pipe(ends);
	write(ends[1], "a", 1);
	SHOW(add(set, ends[0], EPOLLIN | EPOLLET));
	show(set);
	show(set);
	write(ends[1], "b", 1);
	show(set);
	show(set);
	read(ends[0], buffer, 2);
	show(set);
	write(ends[1], "c", 1);
	show(set);
	close(ends[1]);
	show(set);
	show(set);
}

CASE(epoll_edge_of_a_writer)
{
	int set = epoll(), ends[2];

	pipe2(ends, O_NONBLOCK);
	SHOW(add(set, ends[1], EPOLLOUT | EPOLLET));
	show(set);
	show(set);
	write(ends[1], buffer, sizeof buffer);
	show(set);
	read(ends[0], buffer, sizeof buffer);
	show(set);
	show(set);
}

CASE(epoll_oneshot)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = 99};
	int set = epoll(), ends[2];

	pipe(ends);
	write(ends[1], "a", 1);
	SHOW(add(set, ends[0], EPOLLIN | EPOLLONESHOT));
	show(set);
	show(set);
	write(ends[1], "b", 1);
	show(set);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, ends[0], &event);
	CALL(epoll_ctl, set, EPOLL_CTL_MOD, ends[0], &event);
	show(set);
	show(set);
}

CASE(epoll_modify_and_remove)
{
	struct epoll_event event = {.events = EPOLLOUT, .data.u64 = 5};
	int set = epoll(), ends[2];

	pipe(ends);
	SHOW(add(set, ends[1], EPOLLIN));
	show(set);
	CALL(epoll_ctl, set, EPOLL_CTL_MOD, ends[1], &event);
	show(set);
	event.events = 0;
	CALL(epoll_ctl, set, EPOLL_CTL_MOD, ends[1], &event);
	show(set);
	close(ends[0]);
	show(set);
	CALL(epoll_ctl, set, EPOLL_CTL_DEL, ends[1], &event);
	show(set);
}

CASE(epoll_several)
{
	int set = epoll(), one[2], two[2];
	struct epoll_event event;

	pipe(one);
	pipe(two);
	add(set, one[0], EPOLLIN);
	add(set, two[0], EPOLLIN);
	add(set, one[1], EPOLLIN);
	write(two[1], "x", 1);
	write(one[1], "x", 1);
	show(set);
	/* One at a time: each has its turn. */
	for (int i = 0; i < 4; i++) {
		SHOW(epoll_wait(set, &event, 1, 0));
		VALUE(event.data.u64);
	}
}

CASE(epoll_after_close)
{
	int set = epoll(), ends[2], copy;

	pipe(ends);
	write(ends[1], "x", 1);
	add(set, ends[0], EPOLLIN);
	copy = dup(ends[0]);
	close(ends[0]);
	show(set); /* the other descriptor keeps it */
	close(copy);
	show(set);
}

CASE(epoll_nested)
{
	int outer = epoll(), inner = epoll(), ends[2];

	pipe(ends);
	SHOW(add(inner, ends[0], EPOLLIN));
	SHOW(add(outer, inner, EPOLLIN));
	show(outer);
	poll_one(inner, POLLIN);
	write(ends[1], "x", 1);
	poll_one(inner, POLLIN | POLLOUT);
	poll_one(outer, POLLIN);
	show(outer);
	show(inner);
	read(ends[0], buffer, 1);
	show(outer);
	SHOW(add(inner, outer, EPOLLIN));
}

CASE(epoll_nested_too_deep)
{
	int sets[8];

	for (int i = 0; i < 8; i++)
		sets[i] = epoll();
	for (int i = 0; i < 7; i++)
		SHOW(add(sets[i + 1], sets[i], EPOLLIN));
}

CASE(epoll_exclusive)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE};
	int set = epoll(), ends[2];

	pipe(ends);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, ends[0], &event);
	CALL(epoll_ctl, set, EPOLL_CTL_MOD, ends[0], &event);
	event.events |= EPOLLONESHOT;
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, ends[1], &event);
	event.events = EPOLLIN | EPOLLEXCLUSIVE;
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, epoll(), &event);
	write(ends[1], "x", 1);
	show(set);
}

CASE(epoll_waits)
{
	struct epoll_event events[2];
	int set = epoll(), ends[2];
	long begin = now();

	pipe(ends);
	add(set, ends[0], EPOLLIN);
	CALL(epoll_wait, set, events, 2, 5);
	VALUE(now() - begin >= 5);
	CALL(epoll_pwait2, set, events, 2, &((const struct timespec[]){{0}})[0], NULL, 8);
}

static int late_pipe[2];

static void *write_late(void *argument)
{
	(void)argument;
	pause_for(5);
	write(late_pipe[1], "x", 1);
	return NULL;
}

CASE(epoll_woken_by_a_thread)
{
	struct epoll_event events[2];
	int set = epoll();
	pthread_t thread;

	pipe(late_pipe);
	add(set, late_pipe[0], EPOLLIN);
	pthread_create(&thread, NULL, write_late, NULL);
	CALL(epoll_wait, set, events, 2, -1);
	pthread_join(thread, NULL);
}

static void *add_late(void *argument)
{
	pause_for(5);
	write(late_pipe[1], "x", 1);
	add(*(int *)argument, late_pipe[0], EPOLLIN);
	return NULL;
}

CASE(epoll_added_while_waiting)
{
	struct epoll_event events[2];
	int set = epoll();
	pthread_t thread;

	pipe(late_pipe);
	pthread_create(&thread, NULL, add_late, &set);
	CALL(epoll_wait, set, events, 2, 3000);
	pthread_join(thread, NULL);
}

static volatile int signals;

static void note(int number)
{
	(void)number;
	signals++;
}

CASE(epoll_interrupted)
{
	struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
	struct epoll_event event;
	int set = epoll();
	unsigned long none = 0;
	sigset_t blocked;

	signals = 0;
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	ualarm(3000, 300000);
	CALL(epoll_wait, set, &event, 1, 5000);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	raise(SIGUSR1);
	CALL(epoll_pwait, set, &event, 1, 5000, &none, 8);
	VALUE(signals);
}

/* ---- eventfd ---- */

static long put(int file, uint64_t value)
{
	return write(file, &value, sizeof value);
}

static void take(int file)
{
	uint64_t value = 0;
	long result = read(file, &value, sizeof value);

	if (result < 0)
		say("read: %s", error_name(errno));
	else
		say("read: %ld, value %llu", result, (unsigned long long)value);
}

CASE(eventfd_counts)
{
	int file = (int)CALL(eventfd2, 3, EFD_NONBLOCK);

	take(file);
	take(file);
	SHOW(put(file, 5));
	SHOW(put(file, 6));
	take(file);
	SHOW(put(file, 0));
	take(file);
	SHOW(put(file, UINT64_MAX));
	SHOW(put(file, UINT64_MAX - 1));
	SHOW(put(file, 1));
	poll_one(file, POLLIN | POLLOUT);
	take(file);
	poll_one(file, POLLIN | POLLOUT);
}

CASE(eventfd_semaphore)
{
	int file = (int)CALL(eventfd2, 2, EFD_SEMAPHORE | EFD_NONBLOCK);

	take(file);
	take(file);
	take(file);
	SHOW(put(file, 2));
	poll_one(file, POLLIN);
	take(file);
	poll_one(file, POLLIN);
}

CASE(eventfd_errors)
{
	int file = (int)CALL(eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);

	CALL(eventfd2, 0, 0x1234);
	CALL(eventfd, 7);
	CALL(eventfd2, -1, 0);
	CALL(fcntl, file, F_GETFD);
	CALL(read, file, buffer, 7);
	CALL(write, file, buffer, 7);
	CALL(read, file, KIT, 8);
	CALL(write, file, KIT, 8);
	put(file, 1);
	CALL(read, file, KIT, 8);
	CALL(read, file, buffer, 100);
	CALL(lseek, file, 0, SEEK_SET);
	CALL(pread64, file, buffer, 8, 0);
	CALL(ftruncate, file, 0);
}

static void *put_late(void *argument)
{
	pause_for(5);
	put(*(int *)argument, 9);
	return NULL;
}

CASE(eventfd_blocks)
{
	int file = (int)CALL(eventfd2, 0, 0);
	pthread_t thread;

	pthread_create(&thread, NULL, put_late, &file);
	take(file);
	pthread_join(thread, NULL);
}

CASE(eventfd_edge)
{
	int file = (int)CALL(eventfd2, 0, EFD_NONBLOCK), set = epoll();

	add(set, file, EPOLLIN | EPOLLET);
	show(set);
	put(file, 1);
	show(set);
	show(set);
	put(file, 1);
	show(set);
	take(file);
	put(file, 1);
	show(set);
}

/* ---- timerfd ---- */

CASE(timerfd_errors)
{
	struct itimerspec time = {{0, 0}, {100, 0}};
	int file = (int)CALL(timerfd_create, CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	CALL(timerfd_create, CLOCK_PROCESS_CPUTIME_ID, 0);
	CALL(timerfd_create, 99, 0);
	CALL(timerfd_create, CLOCK_REALTIME, 0x1234);
	CALL(timerfd_create, CLOCK_BOOTTIME, 0);
	CALL(timerfd_settime, file, 0, &time, NULL);
	CALL(timerfd_settime, file, 0x100, &time, NULL);
	CALL(timerfd_settime, 77, 0, &time, NULL);
	CALL(timerfd_settime, 0, 0, &time, NULL);
	CALL(timerfd_settime, file, 0, KIT, NULL);
	CALL(timerfd_settime, file, 0, &time, KIT);
	CALL(timerfd_gettime, file, KIT);
	CALL(timerfd_gettime, 77, &time);
	CALL(timerfd_gettime, 0, &time);
	time.it_value.tv_nsec = 1000000000;
	CALL(timerfd_settime, file, 0, &time, NULL);
	time.it_value.tv_nsec = 0;
	time.it_interval.tv_nsec = -1;
	CALL(timerfd_settime, file, 0, &time, NULL);
	CALL(read, file, buffer, 8);
	CALL(read, file, buffer, 7);
	CALL(write, file, buffer, 8);
	CALL(lseek, file, 0, SEEK_SET);
}

CASE(timerfd_once)
{
	struct itimerspec time = {{0, 0}, {0, 3000000}}, left;
	int file = (int)CALL(timerfd_create, CLOCK_MONOTONIC, 0);

	CALL(timerfd_settime, file, 0, &time, NULL);
	poll_one(file, POLLIN);
	take(file);
	CALL(timerfd_gettime, file, &left);
	VALUE(left.it_value.tv_sec + left.it_value.tv_nsec);
	poll_one(file, POLLIN);
}

CASE(timerfd_repeats)
{
	struct itimerspec time = {{0, 2000000}, {0, 2000000}}, old;
	int file = (int)CALL(timerfd_create, CLOCK_MONOTONIC, 0);
	uint64_t count = 0;

	CALL(timerfd_settime, file, 0, &time, NULL);
	pause_for(15);
	CALL(read, file, &count, 8);
	VALUE(count >= 6);
	CALL(timerfd_gettime, file, &old);
	VALUE(old.it_interval.tv_nsec);
	time.it_value = (struct timespec){0, 0};
	CALL(timerfd_settime, file, 0, &time, &old);
	VALUE(old.it_interval.tv_nsec);
	CALL(timerfd_gettime, file, &old);
	VALUE(old.it_interval.tv_nsec + old.it_value.tv_nsec);
}

CASE(timerfd_absolute)
{
	struct itimerspec time = {{0, 0}, {0, 0}};
	int file = (int)CALL(timerfd_create, CLOCK_REALTIME, TFD_NONBLOCK);

	clock_gettime(CLOCK_REALTIME, &time.it_value);
	time.it_value.tv_sec -= 5;
	CALL(timerfd_settime, file, TFD_TIMER_ABSTIME, &time, NULL);
	take(file);
	time.it_value.tv_sec += 100;
	CALL(timerfd_settime, file, TFD_TIMER_ABSTIME, &time, NULL);
	take(file);
	CALL(timerfd_gettime, file, &time);
	VALUE(time.it_value.tv_sec > 90 && time.it_value.tv_sec < 100);
}

CASE(timerfd_in_epoll)
{
	struct itimerspec time = {{0, 0}, {0, 3000000}};
	int file = (int)CALL(timerfd_create, CLOCK_MONOTONIC, TFD_NONBLOCK), set = epoll();
	struct epoll_event event;

	add(set, file, EPOLLIN);
	CALL(timerfd_settime, file, 0, &time, NULL);
	show(set);
	CALL(epoll_wait, set, &event, 1, -1);
	take(file);
	show(set);
}

CASE(timerfd_set_again)
{
	struct itimerspec time = {{0, 0}, {0, 1000000}};
	int file = (int)CALL(timerfd_create, CLOCK_MONOTONIC, TFD_NONBLOCK);

	CALL(timerfd_settime, file, 0, &time, NULL);
	pause_for(3);
	time.it_value.tv_sec = 50;
	CALL(timerfd_settime, file, 0, &time, NULL); /* takes back what was due */
	take(file);
}

/* ---- inotify ---- */

CASE(inotify)
{
	int file = (int)CALL(inotify_init1, IN_NONBLOCK | IN_CLOEXEC);

	if (file < 0)
		return;
	CALL(inotify_add_watch, file, ".", IN_CREATE);
	CALL(read, file, buffer, 1000);
	make_file("new", 1);
	CALL(read, file, buffer, 1000);
	CALL(inotify_rm_watch, file, 1);
	CALL(inotify_rm_watch, file, 99);
}

CASE(inotify_errors)
{
	CALL(inotify_init1, 0x1234);
	CALL(inotify_add_watch, 77, ".", IN_CREATE);
	CALL(inotify_rm_watch, 77, 1);
}

/* ---- together ---- */

CASE(poll_of_event_files)
{
	int set = epoll(), event = eventfd(0, 0), timer = timerfd_create(CLOCK_MONOTONIC, 0);

	poll_one(set, POLLIN | POLLOUT);
	poll_one(event, POLLIN | POLLOUT);
	poll_one(timer, POLLIN | POLLOUT);
	CALL(ioctl, event, FIONREAD, buffer);
	CALL(fsync, event);
	CALL(fcntl, event, F_SETFL, O_NONBLOCK);
	take(event);
}
