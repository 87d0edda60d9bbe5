/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of files to wait for: epoll. */
#include "harness.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/timerfd.h>

#define EVENTS 8

static struct epoll_event event = {.events = EPOLLIN};
static char buffer[65536];

/* Names of the bits that are tested. */
static const char *bits(uint32_t events)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {{EPOLLIN, "IN"},      {EPOLLOUT, "OUT"},   {EPOLLPRI, "PRI"},
	             {EPOLLERR, "ERR"},    {EPOLLHUP, "HUP"},   {EPOLLRDHUP, "RDHUP"},
	             {EPOLLRDNORM, "RDN"}, {EPOLLWRNORM, "WRN"}};
	static char text[64];
	size_t length = 0;

	text[0] = 0;
	for (size_t i = 0; i < COUNT(names); i++) {
		if (!(events & names[i].bit))
			continue;
		text[length++] = ' ';
		strcpy(text + length, names[i].name);
		length += strlen(names[i].name);
		events &= ~names[i].bit;
	}
	if (events)
		strcpy(text + length, " other");
	return text;
}

/* Waits and prints what there is, in the order it came. */
static void look(int set, int most, int timeout)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(set, events, most, timeout);

	if (count < 0)
		say("epoll_wait: %s", error_name(errno));
	if (count == 0)
		say("nothing");
	for (int i = 0; i < count; i++)
		say("%d:%s", events[i].data.fd, bits(events[i].events));
}

static void add_as(int set, int file, uint32_t events, int number)
{
	struct epoll_event added = {.events = events, .data.fd = number};

	if (epoll_ctl(set, EPOLL_CTL_ADD, file, &added))
		say("add %d: %s", number, error_name(errno));
}

static void change(int set, int file, uint32_t events, int number)
{
	struct epoll_event changed = {.events = events, .data.fd = number};

	if (epoll_ctl(set, EPOLL_CTL_MOD, file, &changed))
		say("change %d: %s", number, error_name(errno));
}

/* ---- arguments ---- */

CASE(create)
{
	CALL(epoll_create, 0);
	CALL(epoll_create, -1);
	CALL(epoll_create, 1);
	CALL(epoll_create1, 0);
	CALL(epoll_create1, EPOLL_CLOEXEC);
	CALL(epoll_create1, O_NONBLOCK);
	CALL(epoll_create1, -1);
	CALL(fcntl, 3, F_GETFD);
	CALL(fcntl, 4, F_GETFL);
	CALL(fcntl, 5, F_GETFD);
}

CASE(create_without_a_free_descriptor)
{
	struct rlimit old, few = {3, 1024};

	getrlimit(RLIMIT_NOFILE, &old);
	setrlimit(RLIMIT_NOFILE, &few);
	CALL(epoll_create1, 0);
	setrlimit(RLIMIT_NOFILE, &old);
}

CASE(control_errors)
{
	int set = epoll_create1(0), counter = eventfd(0, 0);
	int file = make_file("file", 10), folder = open(".", O_RDONLY);
	int path = open("file", O_PATH);

	CALL(epoll_ctl, 77, EPOLL_CTL_ADD, counter, &event);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, 77, &event);
	CALL(epoll_ctl, -1, EPOLL_CTL_ADD, -1, &event);
	CALL(epoll_ctl, counter, EPOLL_CTL_ADD, set, &event);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, set, &event);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, file, &event);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, folder, &event);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, path, &event);
	CALL(epoll_ctl, path, EPOLL_CTL_ADD, counter, &event);
	CALL(epoll_ctl, file, EPOLL_CTL_ADD, counter, &event);
	CALL(epoll_ctl, counter, EPOLL_CTL_ADD, file, &event);
	CALL(epoll_ctl, set, EPOLL_CTL_MOD, counter, &event);
	CALL(epoll_ctl, set, EPOLL_CTL_DEL, counter, &event);
	CALL(epoll_ctl, set, EPOLL_CTL_DEL, counter, NULL);
	CALL(epoll_ctl, set, EPOLL_CTL_DEL, file, NULL);
	CALL(epoll_ctl, set, 0, counter, &event);
	CALL(epoll_ctl, set, 4, counter, &event);
	CALL(epoll_ctl, set, -1, counter, &event);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, counter, &event);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, counter, &event);
	CALL(epoll_ctl, set, EPOLL_CTL_DEL, counter, LOW);
	CALL(epoll_ctl, set, EPOLL_CTL_DEL, counter, NULL);
}

CASE(control_bad_pointers)
{
	int set = epoll_create1(0), counter = eventfd(0, 0);

	CALL(epoll_ctl, set, EPOLL_CTL_ADD, counter, NULL);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, counter, LOW);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, counter, NONCANONICAL);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, counter, KIT_DATA);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, counter, unmapped());
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, counter, edge(11));
	CALL(epoll_ctl, 77, EPOLL_CTL_MOD, 77, NULL);
	CALL(epoll_ctl, 77, 99, 77, NULL);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, counter, edge(12));
}

CASE(devices)
{
	int set = epoll_create1(0);
	int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR);

	CALL(epoll_ctl, set, EPOLL_CTL_ADD, null, &event);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, zero, &event);
}

CASE(wait_errors)
{
	int set = epoll_create1(0), counter = eventfd(1, 0);
	struct epoll_event one;

	add_as(set, counter, EPOLLIN, 1);
	CALL(epoll_wait, 77, &one, 1, 0);
	CALL(epoll_wait, counter, &one, 1, 0);
	CALL(epoll_wait, set, &one, 0, 0);
	CALL(epoll_wait, set, &one, -1, 0);
	CALL(epoll_wait, set, &one, INT32_MAX, 0);
	CALL(epoll_wait, 77, &one, 0, 0);
	CALL(epoll_wait, 77, KERNEL, 1, 0);
	CALL(epoll_wait, set, KERNEL, 1, 0);
	CALL(epoll_wait, set, NONCANONICAL, 1, 0);
	CALL(epoll_wait, set, NULL, 1, 0);
	CALL(epoll_wait, set, read_only(0), 1, 0);
	CALL(epoll_wait, set, edge(11), 1, 0);
	CALL(epoll_wait, set, edge(12), 4, 0);
	CALL(epoll_wait, set, &one, 1, 0);
}

CASE(wait_that_faults_loses_nothing)
{
	int set = epoll_create1(0), a = eventfd(1, 0), b = eventfd(1, 0);

	add_as(set, a, EPOLLIN | EPOLLET, 1);
	add_as(set, b, EPOLLIN | EPOLLET, 2);
	CALL(epoll_wait, set, edge(4), 2, 0);
	CALL(epoll_wait, set, edge(16), 2, 0);
	look(set, EVENTS, 0);
	look(set, EVENTS, 0);
}

CASE(pwait_arguments)
{
	int set = epoll_create1(0), counter = eventfd(1, 0);
	struct epoll_event one;
	uint64_t mask = 0;
	struct timespec zero = {0, 0}, bad = {0, 1000000000}, negative = {-1, 0};

	add_as(set, counter, EPOLLIN, 1);
	CALL(epoll_pwait, set, &one, 1, 0, NULL, 0);
	CALL(epoll_pwait, set, &one, 1, 0, &mask, 8);
	CALL(epoll_pwait, set, &one, 1, 0, &mask, 4);
	CALL(epoll_pwait, set, &one, 1, 0, LOW, 8);
	CALL(epoll_pwait, 77, &one, 1, 0, LOW, 8);
	CALL(epoll_pwait2, set, &one, 1, &zero, NULL, 0);
	CALL(epoll_pwait2, set, &one, 1, NULL, &mask, 8);
	CALL(epoll_pwait2, set, &one, 1, &bad, NULL, 0);
	CALL(epoll_pwait2, set, &one, 1, &negative, NULL, 0);
	CALL(epoll_pwait2, set, &one, 1, LOW, NULL, 0);
	CALL(epoll_pwait2, set, &one, 1, &zero, &mask, 16);
	CALL(epoll_pwait2, 77, &one, 1, &zero, NULL, 0);
}

CASE(set_is_no_data_file)
{
	int set = epoll_create1(0);

	CALL(read, set, buffer, 8);
	CALL(write, set, buffer, 8);
	CALL(pread64, set, buffer, 8, 0);
	CALL(ftruncate, set, 0);
}

/* ---- triggering ---- */

CASE(level_triggered)
{
	int set = epoll_create1(0), ends[2];

	pipe(ends);
	add_as(set, ends[0], EPOLLIN, 1);
	look(set, EVENTS, 0);
	write(ends[1], "abc", 3);
	look(set, EVENTS, 0);
	look(set, EVENTS, -1);
	read(ends[0], buffer, 2);
	look(set, EVENTS, 0);
	read(ends[0], buffer, 2);
	look(set, EVENTS, 0);
}

CASE(edge_triggered)
{
	int set = epoll_create1(0), ends[2];

	pipe(ends);
	add_as(set, ends[0], EPOLLIN | EPOLLET, 1);
	look(set, EVENTS, 0);
	write(ends[1], "abc", 3);
	look(set, EVENTS, 0);
	look(set, EVENTS, 0);
	say("part is read");
	read(ends[0], buffer, 2);
	look(set, EVENTS, 0);
	say("more is written");
	write(ends[1], "abc", 3);
	look(set, EVENTS, 0);
	look(set, EVENTS, 0);
	say("all is read");
	read(ends[0], buffer, 10);
	look(set, EVENTS, 0);
	say("and written");
	write(ends[1], "abc", 3);
	write(ends[1], "abc", 3);
	look(set, EVENTS, 0);
	look(set, EVENTS, 0);
}

CASE(edge_triggered_there_already)
{
	int set = epoll_create1(0), ends[2];

	pipe(ends);
	write(ends[1], "abc", 3);
	add_as(set, ends[0], EPOLLIN | EPOLLET, 1);
	look(set, EVENTS, 0);
	look(set, EVENTS, 0);
	change(set, ends[0], EPOLLIN | EPOLLET, 2);
	look(set, EVENTS, 0);
	look(set, EVENTS, 0);
}

CASE(edge_triggered_both_ways)
{
	int set = epoll_create1(0), counter = eventfd(0, EFD_NONBLOCK);

	add_as(set, counter, EPOLLIN | EPOLLOUT | EPOLLET, 1);
	look(set, EVENTS, 0);
	look(set, EVENTS, 0);
	eventfd_write(counter, 1);
	look(set, EVENTS, 0);
	look(set, EVENTS, 0);
	eventfd_write(counter, 1);
	look(set, EVENTS, 0);
	read(counter, buffer, 8);
	look(set, EVENTS, 0);
	look(set, EVENTS, 0);
}

CASE(edge_of_a_read_is_none_for_readers)
{
	int set = epoll_create1(0), counter = eventfd(5, EFD_NONBLOCK | EFD_SEMAPHORE);

	add_as(set, counter, EPOLLIN | EPOLLET, 1);
	look(set, EVENTS, 0);
	read(counter, buffer, 8);
	look(set, EVENTS, 0);
	eventfd_write(counter, 0);
	look(set, EVENTS, 0);
}

CASE(one_shot)
{
	int set = epoll_create1(0), counter = eventfd(1, 0);

	add_as(set, counter, EPOLLIN | EPOLLONESHOT, 1);
	look(set, EVENTS, 0);
	look(set, EVENTS, 0);
	eventfd_write(counter, 1);
	look(set, EVENTS, 0);
	change(set, counter, EPOLLIN | EPOLLONESHOT, 2);
	look(set, EVENTS, 0);
	look(set, EVENTS, 0);
	change(set, counter, EPOLLOUT | EPOLLONESHOT | EPOLLET, 3);
	look(set, EVENTS, 0);
	look(set, EVENTS, 0);
}

CASE(one_shot_hides_a_hang_up)
{
	int set = epoll_create1(0), ends[2];

	pipe(ends);
	write(ends[1], "a", 1);
	add_as(set, ends[0], EPOLLIN | EPOLLONESHOT, 1);
	look(set, EVENTS, 0);
	close(ends[1]);
	look(set, EVENTS, 0);
	change(set, ends[0], 0, 2);
	look(set, EVENTS, 0);
}

CASE(no_events_asked_for)
{
	int set = epoll_create1(0), ends[2];

	pipe(ends);
	add_as(set, ends[0], 0, 1);
	add_as(set, ends[1], 0, 2);
	write(ends[1], "a", 1);
	look(set, EVENTS, 0);
	close(ends[0]);
	look(set, EVENTS, 0);
}

CASE(pipe_hangs_up)
{
	int set = epoll_create1(0), ends[2];

	pipe(ends);
	add_as(set, ends[0], EPOLLIN | EPOLLRDHUP | EPOLLPRI, 1);
	write(ends[1], "a", 1);
	close(ends[1]);
	look(set, EVENTS, 0);
	read(ends[0], buffer, 1);
	look(set, EVENTS, 0);
}

CASE(pipe_without_readers)
{
	int set = epoll_create1(0), ends[2];

	pipe(ends);
	add_as(set, ends[1], EPOLLOUT, 1);
	look(set, EVENTS, 0);
	close(ends[0]);
	look(set, EVENTS, 0);
}

CASE(pipe_that_is_full)
{
	int set = epoll_create1(0), ends[2];

	pipe2(ends, O_NONBLOCK);
	add_as(set, ends[1], EPOLLOUT | EPOLLET, 1);
	look(set, EVENTS, 0);
	while (write(ends[1], buffer, sizeof buffer) > 0)
		;
	look(set, EVENTS, 0);
	read(ends[0], buffer, sizeof buffer);
	look(set, EVENTS, 0);
	look(set, EVENTS, 0);
}

CASE(bits_of_the_same_meaning)
{
	int set = epoll_create1(0), ends[2];

	pipe(ends);
	add_as(set, ends[0], EPOLLIN | EPOLLRDNORM, 1);
	add_as(set, ends[1], EPOLLOUT | EPOLLWRNORM, 2);
	write(ends[1], "a", 1);
	look(set, EVENTS, 0);
}

CASE(wake_up_flag)
{
	int set = epoll_create1(0), counter = eventfd(1, 0);

	add_as(set, counter, EPOLLIN | EPOLLWAKEUP, 1);
	look(set, EVENTS, 0);
}

/* ---- exclusive ---- */

CASE(exclusive_rules)
{
	int set = epoll_create1(0), inner = epoll_create1(0);
	int a = eventfd(1, 0), b = eventfd(1, 0);
	struct epoll_event exclusive = {.events = EPOLLEXCLUSIVE | EPOLLIN};
	struct epoll_event one_shot = {.events = EPOLLEXCLUSIVE | EPOLLONESHOT};
	struct epoll_event closed = {.events = EPOLLEXCLUSIVE | EPOLLRDHUP};
	struct epoll_event all = {.events = EPOLLEXCLUSIVE | EPOLLIN | EPOLLOUT | EPOLLERR |
	                                    EPOLLHUP | EPOLLWAKEUP | EPOLLET};

	CALL(epoll_ctl, set, EPOLL_CTL_ADD, a, &exclusive);
	CALL(epoll_ctl, set, EPOLL_CTL_MOD, a, &exclusive);
	CALL(epoll_ctl, set, EPOLL_CTL_MOD, a, &event);
	CALL(epoll_ctl, set, EPOLL_CTL_MOD, b, &exclusive);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, inner, &exclusive);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, b, &one_shot);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, b, &closed);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, b, &all);
	CALL(epoll_ctl, set, EPOLL_CTL_DEL, a, &exclusive);
	CALL(epoll_ctl, 77, EPOLL_CTL_MOD, b, &exclusive);
	look(set, EVENTS, 0);
}

CASE(exclusive_wakes_one)
{
	int first = epoll_create1(0), second = epoll_create1(0), counter = eventfd(0, 0);

	add_as(first, counter, EPOLLIN | EPOLLEXCLUSIVE, 1);
	add_as(second, counter, EPOLLIN | EPOLLEXCLUSIVE, 2);
	eventfd_write(counter, 1);
	look(first, EVENTS, 0);
	read(counter, buffer, 8);
	look(first, EVENTS, 0);
	look(second, EVENTS, 0);
}

/* ---- the ready list ---- */

CASE(order_of_arrival)
{
	int set = epoll_create1(0), counters[4];

	for (int i = 0; i < 4; i++) {
		counters[i] = eventfd(0, 0);
		add_as(set, counters[i], EPOLLIN | EPOLLET, i);
	}
	eventfd_write(counters[2], 1);
	eventfd_write(counters[0], 1);
	eventfd_write(counters[3], 1);
	eventfd_write(counters[2], 1);
	look(set, EVENTS, 0);
}

CASE(turns_of_few_at_a_time)
{
	int set = epoll_create1(0), counters[5];

	for (int i = 0; i < 5; i++) {
		counters[i] = eventfd(1, 0);
		add_as(set, counters[i], EPOLLIN, i);
	}
	for (int i = 0; i < 5; i++) {
		say("round %d", i);
		look(set, 2, 0);
	}
	say("all");
	look(set, EVENTS, 0);
}

CASE(late_comer_among_the_ready)
{
	int set = epoll_create1(0), counters[3];

	for (int i = 0; i < 3; i++) {
		counters[i] = eventfd(i < 2, 0);
		add_as(set, counters[i], EPOLLIN, i);
	}
	look(set, 1, 0);
	eventfd_write(counters[2], 1);
	look(set, 1, 0);
	look(set, 1, 0);
	look(set, 1, 0);
}

CASE(change_keeps_its_turn)
{
	int set = epoll_create1(0), a = eventfd(1, 0), b = eventfd(1, 0);

	add_as(set, a, EPOLLIN, 1);
	add_as(set, b, EPOLLIN, 2);
	change(set, a, EPOLLIN | EPOLLOUT, 3);
	look(set, EVENTS, 0);
	change(set, a, EPOLLPRI, 4);
	look(set, EVENTS, 0);
}

CASE(removed_while_ready)
{
	int set = epoll_create1(0), a = eventfd(1, 0), b = eventfd(1, 0), c = eventfd(1, 0);

	add_as(set, a, EPOLLIN, 1);
	add_as(set, b, EPOLLIN, 2);
	add_as(set, c, EPOLLIN, 3);
	CALL(epoll_ctl, set, EPOLL_CTL_DEL, b, NULL);
	look(set, EVENTS, 0);
	CALL(epoll_ctl, set, EPOLL_CTL_DEL, c, NULL);
	CALL(epoll_ctl, set, EPOLL_CTL_DEL, a, NULL);
	look(set, EVENTS, 0);
}

/* ---- descriptors that are copied and closed ---- */

CASE(closed_file_leaves_the_set)
{
	int set = epoll_create1(0), counter = eventfd(1, 0);

	add_as(set, counter, EPOLLIN, 1);
	close(counter);
	look(set, EVENTS, 0);
	SHOW(eventfd(1, 0) == counter);
	add_as(set, counter, EPOLLIN, 2);
	look(set, EVENTS, 0);
}

CASE(copy_keeps_a_file_in_the_set)
{
	int set = epoll_create1(0), counter = eventfd(1, 0), copy = dup(counter);

	add_as(set, counter, EPOLLIN, 1);
	close(counter);
	look(set, EVENTS, 0);
	CALL(epoll_ctl, set, EPOLL_CTL_DEL, counter, NULL);
	CALL(epoll_ctl, set, EPOLL_CTL_DEL, copy, NULL);
	SHOW(dup2(copy, counter) == counter);
	CALL(epoll_ctl, set, EPOLL_CTL_ADD, counter, &event);
	CALL(epoll_ctl, set, EPOLL_CTL_DEL, counter, NULL);
	look(set, EVENTS, 0);
}

CASE(copies_are_pairs_of_their_own)
{
	int set = epoll_create1(0), counter = eventfd(1, 0), copy = dup(counter);

	add_as(set, counter, EPOLLIN, 1);
	add_as(set, copy, EPOLLIN, 2);
	look(set, EVENTS, 0);
	close(counter);
	look(set, EVENTS, 0);
	close(copy);
	look(set, EVENTS, 0);
}

CASE(replaced_by_dup2)
{
	int set = epoll_create1(0), a = eventfd(1, 0), b = eventfd(1, 0);

	add_as(set, a, EPOLLIN, 1);
	dup2(b, a);
	look(set, EVENTS, 0);
	CALL(epoll_ctl, set, EPOLL_CTL_DEL, a, NULL);
}

CASE(copy_of_a_set)
{
	int set = epoll_create1(0), counter = eventfd(1, 0), copy = dup(set);

	add_as(set, counter, EPOLLIN, 1);
	look(copy, EVENTS, 0);
	close(set);
	look(copy, EVENTS, 0);
	CALL(epoll_ctl, copy, EPOLL_CTL_DEL, counter, NULL);
	look(copy, EVENTS, 0);
}

CASE(one_file_in_two_sets)
{
	int first = epoll_create1(0), second = epoll_create1(0), counter = eventfd(0, 0);

	add_as(first, counter, EPOLLIN, 1);
	add_as(second, counter, EPOLLIN | EPOLLET, 2);
	eventfd_write(counter, 1);
	look(first, EVENTS, 0);
	look(second, EVENTS, 0);
	look(first, EVENTS, 0);
	look(second, EVENTS, 0);
	close(first);
	eventfd_write(counter, 1);
	look(second, EVENTS, 0);
}

/* ---- sets in sets ---- */

CASE(set_in_a_set)
{
	int outer = epoll_create1(0), inner = epoll_create1(0), counter = eventfd(0, 0);

	add_as(outer, inner, EPOLLIN, 1);
	add_as(inner, counter, EPOLLIN, 2);
	look(outer, EVENTS, 0);
	eventfd_write(counter, 1);
	look(outer, EVENTS, 0);
	look(inner, EVENTS, 0);
	look(outer, EVENTS, 0);
	read(counter, buffer, 8);
	look(outer, EVENTS, 0);
	look(inner, EVENTS, 0);
}

CASE(edges_of_a_set_in_a_set)
{
	int outer = epoll_create1(0), inner = epoll_create1(0), counter = eventfd(0, 0);

	add_as(outer, inner, EPOLLIN | EPOLLET, 1);
	add_as(inner, counter, EPOLLIN | EPOLLET, 2);
	eventfd_write(counter, 1);
	look(outer, EVENTS, 0);
	look(outer, EVENTS, 0);
	look(inner, EVENTS, 0);
	look(outer, EVENTS, 0);
	eventfd_write(counter, 1);
	look(outer, EVENTS, 0);
	look(inner, EVENTS, 0);
}

CASE(set_is_polled)
{
	int set = epoll_create1(0), counter = eventfd(0, 0);
	struct pollfd entry = {set, POLLIN | POLLOUT | POLLRDNORM, 0};
	struct timeval soon = {0, 1000};
	fd_set readable;

	add_as(set, counter, EPOLLIN, 1);
	SHOW(poll(&entry, 1, 0));
	eventfd_write(counter, 1);
	SHOW(poll(&entry, 1, 0));
	VALUE(entry.revents);
	FD_ZERO(&readable);
	FD_SET(set, &readable);
	SHOW(select(set + 1, &readable, NULL, NULL, &soon));
	read(counter, buffer, 8);
	SHOW(poll(&entry, 1, 0));
	SHOW(select(set + 1, &readable, NULL, NULL, &soon));
}

CASE(circle_of_sets)
{
	int a = epoll_create1(0), b = epoll_create1(0), c = epoll_create1(0);

	CALL(epoll_ctl, a, EPOLL_CTL_ADD, b, &event);
	CALL(epoll_ctl, b, EPOLL_CTL_ADD, a, &event);
	CALL(epoll_ctl, b, EPOLL_CTL_ADD, c, &event);
	CALL(epoll_ctl, c, EPOLL_CTL_ADD, a, &event);
	CALL(epoll_ctl, c, EPOLL_CTL_ADD, c, &event);
	CALL(epoll_ctl, a, EPOLL_CTL_ADD, c, &event);
	CALL(epoll_ctl, a, EPOLL_CTL_DEL, b, NULL);
	CALL(epoll_ctl, b, EPOLL_CTL_ADD, a, &event);
	CALL(epoll_ctl, c, EPOLL_CTL_ADD, b, &event);
}

CASE(deep_chain_of_sets)
{
	int set = epoll_create1(0), counter = eventfd(1, 0), last = set;

	add_as(set, counter, EPOLLIN, 1);
	for (int i = 0; i < 4; i++) {
		int next = epoll_create1(0);

		add_as(next, last, EPOLLIN, 2 + i);
		last = next;
	}
	look(last, EVENTS, 0);
	read(counter, buffer, 8);
	look(last, EVENTS, 0);
}

/* ---- waiting ---- */

CASE(timeout_passes)
{
	int set = epoll_create1(0);
	long start = now();

	look(set, EVENTS, 30);
	VALUE(now() - start >= 30);
	look(set, EVENTS, 0);
}

CASE(timeout_of_pwait2)
{
	int set = epoll_create1(0);
	struct timespec short_time = {0, 20000000};
	struct epoll_event one;
	long start = now();

	SHOW(syscall(SYS_epoll_pwait2, set, &one, 1, &short_time, NULL, 8));
	VALUE(now() - start >= 20);
}

CASE(timer_ends_the_wait)
{
	int set = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
	struct itimerspec soon = {.it_value.tv_nsec = 10000000};

	add_as(set, timer, EPOLLIN, 1);
	timerfd_settime(timer, 0, &soon, NULL);
	look(set, EVENTS, 0);
	look(set, EVENTS, -1);
	look(set, EVENTS, 1000);
	read(timer, buffer, 8);
	look(set, EVENTS, 0);
}

static void on_signal(int number)
{
	(void)number;
}

CASE(signal_ends_the_wait)
{
	int set = epoll_create1(0);
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct itimerval soon = {.it_value.tv_usec = 10000};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	look(set, EVENTS, -1);
}

CASE(mask_of_pwait)
{
	int set = epoll_create1(0);
	struct sigaction action = {.sa_handler = on_signal};
	struct epoll_event one;
	sigset_t blocked, none, pending;

	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	kill(getpid(), SIGUSR1);
	SHOW(epoll_wait(set, &one, 1, 10));
	SHOW(epoll_pwait(set, &one, 1, -1, &none));
	sigpending(&pending);
	SHOW(sigismember(&pending, SIGUSR1));
	sigprocmask(SIG_BLOCK, NULL, &pending);
	SHOW(sigismember(&pending, SIGUSR1));
}

CASE(events_go_before_signals)
{
	int set = epoll_create1(0), counter = eventfd(1, 0);
	struct sigaction action = {.sa_handler = on_signal};
	struct epoll_event one;
	sigset_t blocked, none;

	add_as(set, counter, EPOLLIN, 1);
	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	kill(getpid(), SIGUSR1);
	SHOW(epoll_pwait(set, &one, 1, -1, &none));
	SHOW(epoll_pwait(set, &one, 1, 0, &none));
}

/* ---- threads ---- */

static int shared_set, shared_counter;

static void *write_later(void *unused)
{
	pause_for(20);
	eventfd_write(shared_counter, 1);
	return unused;
}

CASE(thread_ends_the_wait)
{
	pthread_t thread;

	shared_set = epoll_create1(0);
	shared_counter = eventfd(0, 0);
	add_as(shared_set, shared_counter, EPOLLIN, 1);
	pthread_create(&thread, NULL, write_later, NULL);
	look(shared_set, EVENTS, -1);
	pthread_join(thread, NULL);
}

static void *add_later(void *unused)
{
	pause_for(20);
	add_as(shared_set, shared_counter, EPOLLIN, 7);
	return unused;
}

CASE(added_while_a_thread_waits)
{
	pthread_t thread;

	shared_set = epoll_create1(0);
	shared_counter = eventfd(1, 0);
	pthread_create(&thread, NULL, add_later, NULL);
	look(shared_set, EVENTS, -1);
	pthread_join(thread, NULL);
}

static void *rearm_later(void *unused)
{
	pause_for(20);
	change(shared_set, shared_counter, EPOLLIN | EPOLLONESHOT, 8);
	return unused;
}

CASE(rearmed_while_a_thread_waits)
{
	pthread_t thread;

	shared_set = epoll_create1(0);
	shared_counter = eventfd(1, 0);
	add_as(shared_set, shared_counter, EPOLLIN | EPOLLONESHOT, 7);
	look(shared_set, EVENTS, -1);
	pthread_create(&thread, NULL, rearm_later, NULL);
	look(shared_set, EVENTS, -1);
	pthread_join(thread, NULL);
}

static void *wait_for_one(void *count)
{
	struct epoll_event one;

	*(int *)count = epoll_wait(shared_set, &one, 1, 200);
	return NULL;
}

CASE(edge_is_for_one_thread)
{
	pthread_t threads[2];
	int counts[2];

	shared_set = epoll_create1(0);
	shared_counter = eventfd(0, 0);
	add_as(shared_set, shared_counter, EPOLLIN | EPOLLET, 1);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, wait_for_one, &counts[i]);
	pause_for(30);
	eventfd_write(shared_counter, 1);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	VALUE(counts[0] + counts[1]);
}

CASE(each_event_wakes_a_thread)
{
	pthread_t threads[3];
	int counts[3], counters[3];

	shared_set = epoll_create1(0);
	for (int i = 0; i < 3; i++) {
		counters[i] = eventfd(0, 0);
		add_as(shared_set, counters[i], EPOLLIN | EPOLLONESHOT, i);
		pthread_create(&threads[i], NULL, wait_for_one, &counts[i]);
	}
	pause_for(30);
	for (int i = 0; i < 3; i++)
		eventfd_write(counters[i], 1);
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		VALUE(counts[i]);
	}
}

CASE(two_events_of_one_write_wake_two_threads)
{
	pthread_t threads[2];
	int counts[2], copy;

	shared_set = epoll_create1(0);
	shared_counter = eventfd(0, 0);
	copy = dup(shared_counter);
	add_as(shared_set, shared_counter, EPOLLIN | EPOLLET, 1);
	add_as(shared_set, copy, EPOLLIN | EPOLLET, 2);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, wait_for_one, &counts[i]);
	pause_for(30);
	eventfd_write(shared_counter, 1);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		VALUE(counts[i]);
	}
}

static void *close_later(void *unused)
{
	pause_for(20);
	close(shared_set);
	return unused;
}

CASE(closed_while_a_thread_waits)
{
	pthread_t thread;

	shared_set = epoll_create1(0);
	pthread_create(&thread, NULL, close_later, NULL);
	look(shared_set, EVENTS, 60);
	pthread_join(thread, NULL);
	look(shared_set, EVENTS, 0);
}

static void *poll_set(void *result)
{
	struct pollfd entry = {shared_set, POLLIN, 0};

	*(int *)result = poll(&entry, 1, 1000);
	return NULL;
}

CASE(nested_wake_of_poll)
{
	pthread_t thread;
	int inner = epoll_create1(0), result = -1;

	shared_set = epoll_create1(0);
	shared_counter = eventfd(0, 0);
	add_as(shared_set, inner, EPOLLIN, 1);
	add_as(inner, shared_counter, EPOLLIN, 2);
	pthread_create(&thread, NULL, poll_set, &result);
	pause_for(20);
	eventfd_write(shared_counter, 1);
	pthread_join(thread, NULL);
	VALUE(result);
}

static volatile int is_over;

static void *sleep_often(void *unused)
{
	while (!is_over)
		pause_for(1);
	return unused;
}

/* A switch of threads saves vector registers in the kit, next to other things. */
CASE(many_files_and_two_threads)
{
	int set = epoll_create1(0), counters[200], open = 0;
	struct epoll_event one;
	pthread_t thread;

	is_over = 0;
	pthread_create(&thread, NULL, sleep_often, NULL);
	for (int i = 0; i < 200; i++) {
		counters[i] = eventfd(0, 0);
		add_as(set, counters[i], EPOLLIN, i);
	}
	for (int i = 0; i < 10; i++)
		pause_for(1);
	for (int i = 0; i < 200; i++)
		open += fcntl(counters[i], F_GETFD) == 0;
	VALUE(open);
	eventfd_write(counters[199], 1);
	SHOW(epoll_wait(set, &one, 1, 0));
	is_over = 1;
	pthread_join(thread, NULL);
	for (int i = 0; i < 200; i++)
		close(counters[i]);
}

CASE(many_files)
{
	int set = epoll_create1(0), counters[50], total = 0;
	struct epoll_event events[50];

	for (int i = 0; i < 50; i++) {
		counters[i] = eventfd(0, 0);
		add_as(set, counters[i], EPOLLIN, i);
	}
	for (int i = 0; i < 50; i += 7)
		eventfd_write(counters[i], 1);
	total = epoll_wait(set, events, 50, 0);
	VALUE(total);
	for (int i = 0; i < total; i++)
		VALUE(events[i].data.fd);
	for (int i = 0; i < 50; i++)
		close(counters[i]);
	VALUE(epoll_wait(set, events, 50, 0));
}
