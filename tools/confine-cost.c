/* SPDX-License-Identifier: Apache-2.0 */
/* Measures what each part of confinement costs, for docs/decisions/003-confinement.md. */
#include "vmm/confine.h"

#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "seccomp_filters.h"
#include "vmm/landlock.h"

#define ROUNDS_MAX 2000

static double now_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int nothing(struct mote_error *err)
{
	(void)err;
	return 0;
}

static int no_new_privs(struct mote_error *err)
{
	(void)err;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int two_limits(struct mote_error *err)
{
	struct rlimit core = {1, 1}, files = {256, 256};

	(void)err;
	return setrlimit(RLIMIT_CORE, &core) || setrlimit(RLIMIT_NOFILE, &files);
}

static int landlock(struct mote_error *err)
{
	return no_new_privs(err) || landlock_restrict(NULL, 0, err) < 0;
}

/* The filter of a VM without devices, from instruction @from on. */
static int install(const struct seccomp_filter *filter, unsigned short from)
{
	const struct {
		unsigned short count;
		const struct sock_filter *instructions;
	} program = {(unsigned short)(filter->count - from), filter->instructions + from};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static int filter_load(struct mote_error *err)
{
	(void)err;
	return install(&seccomp_load[0], 0);
}

static int filter_run(struct mote_error *err)
{
	(void)err;
	return install(&seccomp_run[0], 0);
}

static int filter_both(struct mote_error *err)
{
	return filter_load(err) || filter_run(err);
}

/* Without the first instruction, the dead load (tools/seccomp-gen.c), the kernel builds its cache.
 */
static int cached_load(struct mote_error *err)
{
	(void)err;
	return install(&seccomp_load[0], 1);
}

static int cached_run(struct mote_error *err)
{
	(void)err;
	return install(&seccomp_run[0], 1);
}

static int cached_both(struct mote_error *err)
{
	return cached_load(err) || cached_run(err);
}

static const struct confine_needs no_devices;

static int enter_load(struct mote_error *err)
{
	return confine_enter(CONFINE_LOAD, &no_devices, err);
}

static int enter_both(struct mote_error *err)
{
	return enter_load(err) || confine_enter(CONFINE_RUN, &no_devices, err);
}

static const struct {
	const char *name;
	int (*run)(struct mote_error *err);
} parts[] = {
        {"nothing", nothing},
        {"no_new_privs", no_new_privs},
        {"two resource limits", two_limits},
        {"no_new_privs, Landlock", landlock},
        {"no_new_privs, filter load", filter_load},
        {"no_new_privs, filter run", filter_run},
        {"no_new_privs, filters load and run", filter_both},
        {"no_new_privs, load without the dead load", cached_load},
        {"no_new_privs, run without the dead load", cached_run},
        {"no_new_privs, both without the dead load", cached_both},
        {"confine_enter(CONFINE_LOAD)", enter_load},
        {"confine_enter(CONFINE_LOAD), (CONFINE_RUN)", enter_both},
};

#define PART_COUNT (sizeof parts / sizeof *parts)

static double inside[PART_COUNT][ROUNDS_MAX], whole[PART_COUNT][ROUNDS_MAX];

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* One part in a child of its own: the time it takes, and that from fork to the child's end. */
static void measure(size_t part, size_t round, double *shared)
{
	double start = now_us(CLOCK_MONOTONIC);
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct mote_error err = {0};
		double begin = now_us(CLOCK_MONOTONIC);
		int failed = parts[part].run(&err);

		*shared = now_us(CLOCK_MONOTONIC) - begin;
		_exit(failed != 0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
		fprintf(stderr, "confine-cost: \"%s\" failed\n", parts[part].name);
		exit(1);
	}
	inside[part][round] = *shared;
	whole[part][round] = now_us(CLOCK_MONOTONIC) - start;
}

/* What a call takes that fails at once: processor time in ns, the least of 50 times 10,000. */
static double call_ns(long number, unsigned long argument)
{
	const long calls = 10000;
	double least = 1e9;

	for (int times = 0; times < 50; times++) {
		double start = now_us(CLOCK_THREAD_CPUTIME_ID);

		for (long i = 0; i < calls; i++)
			syscall(number, -1, argument, 0);

		double ns = (now_us(CLOCK_THREAD_CPUTIME_ID) - start) * 1e3 / (double)calls;

		least = ns < least ? ns : least;
	}
	return least;
}

/* Calls in a child that confines itself by @enter. */
static int measure_calls(const char *how, int (*enter)(struct mote_error *err))
{
	struct mote_error err = {0};
	pid_t child = fork();
	int status;

	if (child == 0) {
		if (enter(&err)) {
			fprintf(stderr, "confine-cost: %s\n", err.text);
			_exit(1);
		}

		double run = call_ns(SYS_ioctl, KVM_RUN), write = call_ns(SYS_write, 0);
		char line[128];
		int length = snprintf(line, sizeof line,
		                      "%-44s ioctl(KVM_RUN) %4.0f, write %4.0f\n", how, run, write);

		/* Standard I/O makes calls that are not on the lists. */
		_exit(syscall(SYS_write, STDOUT_FILENO, line, length) != length);
	}
	return child < 0 || waitpid(child, &status, 0) != child || status != 0;
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 500;
	double *shared =
	        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (rounds < 1 || rounds > ROUNDS_MAX || shared == MAP_FAILED) {
		fprintf(stderr, "usage: confine-cost [ROUNDS, 1 to %d]\n", ROUNDS_MAX);
		return 2;
	}
	for (long round = 0; round < rounds; round++)
		for (size_t part = 0; part < PART_COUNT; part++)
			measure(part, (size_t)round, shared);
	printf("microseconds, %ld rounds: median, 10th and 90th percentile; median from fork to "
	       "end\n",
	       rounds);
	for (size_t part = 0; part < PART_COUNT; part++) {
		qsort(inside[part], (size_t)rounds, sizeof(double), by_value);
		qsort(whole[part], (size_t)rounds, sizeof(double), by_value);
		printf("%-44s %6.0f %6.0f %6.0f %8.0f\n", parts[part].name,
		       inside[part][rounds / 2], inside[part][rounds / 10],
		       inside[part][rounds * 9 / 10], whole[part][rounds / 2]);
	}
	printf("filters: load %u instructions, run %u\n", seccomp_load[0].count,
	       seccomp_run[0].count);
	printf("nanoseconds a call\n");
	fflush(stdout);
	return measure_calls("free", nothing) || measure_calls("confined", enter_both) ||
	       measure_calls("confined without the dead load", cached_both);
}
