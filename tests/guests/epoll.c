/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for standard input and a timer in one epoll set: `epoll level|edge|unread`. Prints what it
 * reads, and whether it was awake most of the time; `unread` looks once and leaves the input alone.
 */
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS 50000000
#define TICKS   20 /* the timer ends the program after a second */

static long milliseconds(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "level";
	int set = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
	struct itimerspec times = {{0, TICK_NS}, {0, TICK_NS}};
	struct epoll_event input = {.events = EPOLLIN, .data.fd = 0};
	struct epoll_event tick = {.events = EPOLLIN, .data.fd = timer};
	long start = milliseconds(CLOCK_MONOTONIC), awake, events = 0;
	char line[64];
	ssize_t length = 1;

	if (strcmp(mode, "level"))
		input.events |= EPOLLET;
	if (epoll_ctl(set, EPOLL_CTL_ADD, 0, &input) ||
	    epoll_ctl(set, EPOLL_CTL_ADD, timer, &tick) ||
	    timerfd_settime(timer, 0, &times, NULL)) {
		perror("epoll");
		return 1;
	}
	for (unsigned long ticks = 0, passed; ticks < TICKS && length > 0;) {
		struct epoll_event event;

		if (epoll_wait(set, &event, 1, -1) != 1) {
			perror("epoll_wait");
			return 1;
		}
		if (event.data.fd == timer) {
			if (read(timer, &passed, sizeof(passed)) == sizeof(passed))
				ticks += passed;
			continue;
		}
		events++;
		if (!strcmp(mode, "unread"))
			continue;
		length = read(0, line, sizeof(line) - 1);
		if (length > 0) {
			line[length] = '\0';
			fputs(line, stdout);
			fflush(stdout);
		}
	}
	awake = milliseconds(CLOCK_PROCESS_CPUTIME_ID);
	if (awake > (milliseconds(CLOCK_MONOTONIC) - start) / 2)
		printf("awake for %ld ms\n", awake);
	printf("%ld events, %s\n", events, length ? "time is up" : "end of input");
	return 0;
}
