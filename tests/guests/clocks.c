/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time goes on: clocks never step back, sleeps take their time, and clock_gettime() without a
 * system call agrees with the system call. Prints the wall clock (seconds) last.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MILLISECOND 1000000L
#define SECOND      1000000000L

static long nanoseconds(const struct timespec *time)
{
	return time->tv_sec * SECOND + time->tv_nsec;
}

static long now(clockid_t clock)
{
	struct timespec time;

	if (clock_gettime(clock, &time) || time.tv_nsec < 0 || time.tv_nsec >= SECOND) {
		puts("clock_gettime: wrong");
		exit(1);
	}
	return nanoseconds(&time);
}

static long now_by_call(clockid_t clock)
{
	struct timespec time = {0, 0};

	syscall(SYS_clock_gettime, clock, &time);
	return nanoseconds(&time);
}

static void check_steps(clockid_t clock, const char *name)
{
	long first = now(clock), last = first, steps = 0;

	for (int i = 0; i < 200000; i++) {
		long time = i % 100 ? now(clock) : now_by_call(clock);

		if (time < last)
			printf("%s: %ld ns back\n", name, last - time);
		steps += time != last;
		last = time;
	}
	/* A machine that was held up may be slow; a clock that runs a thousand times too fast is
	 * not. */
	printf("%s: %s\n", name,
	       steps > 100 && last - first < 100 * SECOND ? "goes on" : "does not go right");
}

static void check_sleep(long milliseconds)
{
	struct timespec time = {0, milliseconds * MILLISECOND};
	long monotonic = now(CLOCK_MONOTONIC), real = now(CLOCK_REALTIME), difference;

	nanosleep(&time, NULL);
	monotonic = now(CLOCK_MONOTONIC) - monotonic;
	real = now(CLOCK_REALTIME) - real;
	difference = real > monotonic ? real - monotonic : monotonic - real;
	if (monotonic < milliseconds * MILLISECOND ||
	    monotonic > milliseconds * MILLISECOND + 5 * SECOND)
		printf("sleep of %ld ms: took %ld us\n", milliseconds, monotonic / 1000);
	else if (difference > 100 * MILLISECOND)
		printf("sleep of %ld ms: the clocks differ by %ld us\n", milliseconds,
		       difference / 1000);
	else
		printf("sleep of %ld ms: ok\n", milliseconds);
}

int main(void)
{
	check_steps(CLOCK_MONOTONIC, "monotonic");
	check_steps(CLOCK_REALTIME, "wall clock");
	check_sleep(1);
	check_sleep(50);
	check_sleep(300);
	printf("%ld\n", now(CLOCK_REALTIME) / SECOND);
	return 0;
}
