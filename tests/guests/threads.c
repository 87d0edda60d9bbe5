/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads on one vCPU: what they share and what each has of its own, and that one that computes
 * starves nobody. The argument names the test; what is printed is the same as on Linux.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MANY 1000

static pthread_t start(void *(*function)(void *), void *argument)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, function, argument);

	if (error) {
		printf("pthread_create: %s\n", strerror(error));
		exit(1);
	}
	return thread;
}

static void *join(pthread_t thread)
{
	void *result;

	pthread_join(thread, &result);
	return result;
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* ---- many at once, and one after the other ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static long sum;

static void *add(void *argument)
{
	for (int i = 0; i < 100; i++) {
		pthread_mutex_lock(&mutex);
		sum += (intptr_t)argument;
		pthread_mutex_unlock(&mutex);
	}
	return argument;
}

static void many(void)
{
	static pthread_t threads[MANY];
	long joined = 0;

	for (intptr_t i = 0; i < MANY; i++)
		threads[i] = start(add, (void *)i);
	for (int i = 0; i < MANY; i++)
		joined += (intptr_t)join(threads[i]);
	printf("%ld %ld\n", sum, joined);
	for (intptr_t i = 0; i < MANY; i++)
		joined -= (intptr_t)join(start(add, (void *)i));
	printf("%ld %ld\n", sum, joined);
}

/* ---- preemption ---- */

static atomic_int stop, running;
static atomic_uint_fast64_t turns[3];

static void *spin(void *argument)
{
	running++;
	while (!stop)
		turns[(intptr_t)argument]++;
	return NULL;
}

/* No thread makes a system call while it spins. */
static void fair(void)
{
	pthread_t threads[3];
	uint64_t end = now_ns(CLOCK_MONOTONIC) + 400000000, most = 0, least = UINT64_MAX;

	for (intptr_t i = 0; i < 3; i++)
		threads[i] = start(spin, (void *)i);
	while (now_ns(CLOCK_MONOTONIC) < end)
		;
	stop = 1;
	for (int i = 0; i < 3; i++) {
		join(threads[i]);
		most = turns[i] > most ? turns[i] : most;
		least = turns[i] < least ? turns[i] : least;
	}
	printf("all ran: %d, none starved: %d\n", running, least > most / 20);
}

/* Sleepers wake though another thread spins. */
static void sleepers(void)
{
	pthread_t thread = start(spin, NULL);
	uint64_t begin = now_ns(CLOCK_MONOTONIC), took;

	for (int i = 0; i < 10; i++)
		usleep(1000);
	took = now_ns(CLOCK_MONOTONIC) - begin;
	stop = 1;
	join(thread);
	printf("slept: %d\n", took >= 10000000 && took < 1500000000);
}

/* Vector registers and the x87 stack survive being preempted. */
static void *compute(void *argument)
{
	volatile double seed = (double)(intptr_t)argument;
	double a = seed, b = seed * 2, c = seed * 3;
	long double x = seed;
	int errors = 0;

	for (int i = 0; i < 30000000; i++) {
		a = a * 1.0000001 + 0.5;
		b = b * 0.9999999 + 0.25;
		c = c * 0.5 + seed;
		x = x * 0.5L + 1;
	}
	if (c < seed * 2 - 0.001 || c > seed * 2 + 0.001 || x < 1.999L || x > 2.001L)
		errors++;
	/* The same again gives the same to the last bit. */
	double first = a + b;

	a = seed, b = seed * 2;
	for (int i = 0; i < 30000000; i++) {
		a = a * 1.0000001 + 0.5;
		b = b * 0.9999999 + 0.25;
	}
	errors += first != a + b;
	return (void *)(intptr_t)errors;
}

static void registers(void)
{
	pthread_t threads[4];
	long errors = 0;

	for (intptr_t i = 0; i < 4; i++)
		threads[i] = start(compute, (void *)(i + 1));
	for (int i = 0; i < 4; i++)
		errors += (intptr_t)join(threads[i]);
	printf("errors: %ld\n", errors);
}

/* ---- timers and signals of a thread that computes ---- */

static volatile sig_atomic_t alarms;
static pthread_t alarmed;

static void on_alarm(int signal)
{
	(void)signal;
	alarms++;
	alarmed = pthread_self();
}

static void timer(void)
{
	const struct itimerval every = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};

	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &every, NULL);
	while (alarms < 20)
		;
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGVTALRM, on_alarm);
	setitimer(ITIMER_VIRTUAL, &every, NULL);
	while (alarms < 30)
		;
	printf("alarms came\n");
}

static void *spin_for_signal(void *argument)
{
	(void)argument;
	running = 1;
	while (!alarms)
		;
	return (void *)(intptr_t)(pthread_equal(alarmed, pthread_self()) != 0);
}

static void kill_thread(void)
{
	pthread_t thread;

	signal(SIGUSR1, on_alarm);
	thread = start(spin_for_signal, NULL);
	while (!running)
		;
	printf("pthread_kill: %d\n", pthread_kill(thread, SIGUSR1));
	printf("in that thread: %d\n", (int)(intptr_t)join(thread));
}

/* ---- ends ---- */

static void *exit_process(void *argument)
{
	exit(argument ? 1 : 7);
	return NULL;
}

static void *sleep_forever(void *argument)
{
	while (!argument)
		pause();
	return NULL;
}

/* exit_group by one ends those that spin, sleep, and wait. */
static void exit_all(void)
{
	start(spin, NULL);
	start(sleep_forever, NULL);
	start(exit_process, NULL);
	pthread_mutex_lock(&mutex);
	pthread_cond_wait(&condition, &mutex);
}

static void *outlive(void *argument)
{
	(void)argument;
	usleep(10000);
	printf("the last one\n");
	fflush(stdout);
	return NULL;
}

static void first_leaves(void)
{
	start(outlive, NULL);
	pthread_exit(NULL);
}

static void *overflow(void *argument)
{
	volatile char frame[4096];

	frame[0] = frame[4095] = (char)(intptr_t)argument;
	if (argument == (void *)-1)
		return NULL;
	return (char *)overflow((char *)argument + 1) + frame[0];
}

static void stack_overflow(void)
{
	join(start(overflow, NULL));
}

/* A thread that is cancelled in a blocking call. */
static void *read_forever(void *argument)
{
	char byte;

	(void)argument;
	running = 1;
	return (void *)(intptr_t)read(*(int *)argument, &byte, 1);
}

static void cancel(void)
{
	int ends[2];
	pthread_t thread;

	if (pipe(ends))
		exit(1);
	thread = start(read_forever, &ends[0]);
	while (!running)
		sched_yield();
	pthread_cancel(thread);
	printf("cancelled: %d\n", join(thread) == PTHREAD_CANCELED);
}

/* ---- one thread closes what another one reads ---- */

static void *read_then_close(void *argument)
{
	int *ends = argument;
	char byte = 0;
	ssize_t got = read(ends[0], &byte, 1);

	printf("read %zd '%c'\n", got, byte);
	return NULL;
}

static void close_under_reader(void)
{
	int ends[2], copy;
	pthread_t thread;

	if (pipe(ends))
		exit(1);
	copy = dup(ends[1]);
	thread = start(read_then_close, ends);
	usleep(10000);
	close(ends[0]);
	close(ends[1]);
	if (write(copy, "x", 1) != 1)
		printf("write: %s\n", strerror(errno));
	join(thread);
}

/* ---- CPU time ---- */

static void cpu_time(void)
{
	pthread_t thread = start(spin, NULL);
	clockid_t clock;
	uint64_t mine, its;

	usleep(200000);
	pthread_getcpuclockid(thread, &clock);
	its = now_ns(clock);
	mine = now_ns(CLOCK_THREAD_CPUTIME_ID);
	stop = 1;
	join(thread);
	printf("the one that spins has more: %d\n", its > 1000000 && its > mine);
}

static void idle(void)
{
	for (int i = 0; i < 20; i++)
		start(sleep_forever, NULL);
	sched_yield();
	printf("all sleep\n");
	fflush(stdout);
	pause();
}

/* Computes for so many milliseconds without a system call, then prints the wall clock. */
static void spin_for(long milliseconds)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + (uint64_t)milliseconds * 1000000u;

	while (now_ns(CLOCK_MONOTONIC) < end)
		;
	printf("%llu\n", (unsigned long long)now_ns(CLOCK_REALTIME));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
	        {"many", many},
	        {"fair", fair},
	        {"sleepers", sleepers},
	        {"registers", registers},
	        {"timer", timer},
	        {"kill", kill_thread},
	        {"exit_all", exit_all},
	        {"first_leaves", first_leaves},
	        {"stack_overflow", stack_overflow},
	        {"cancel", cancel},
	        {"close_under_reader", close_under_reader},
	        {"cpu_time", cpu_time},
	        {"idle", idle},
	};

	if (argc > 2 && !strcmp(argv[1], "spin_for")) {
		spin_for(atol(argv[2]));
		return 0;
	}
	for (size_t i = 0; argc > 1 && i < sizeof tests / sizeof tests[0]; i++) {
		if (!strcmp(argv[1], tests[i].name)) {
			tests[i].run();
			return 0;
		}
	}
	return 2;
}
