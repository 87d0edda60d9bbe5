/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small operations, timed within the process: prints nanoseconds for each. micro.sh runs it inside
 * a microVM and outside, in turn. The argument names the operation.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 5 /* the fastest counts */

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* ---- a system call that does nothing ---- */

static void null_call(long count)
{
	for (long i = 0; i < count; i++)
		getppid();
}

/* ---- two threads that hand a turn to each other ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int turn;
static long turns;

static void *take_turns(void *argument)
{
	int mine = argument != NULL;

	for (long i = 0; i < turns; i++) {
		pthread_mutex_lock(&mutex);
		while (turn != mine)
			pthread_cond_wait(&condition, &mutex);
		turn = !mine;
		pthread_cond_signal(&condition);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void thread_turns(long count)
{
	pthread_t threads[2];

	turns = count / 2;
	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, take_turns, i ? &turn : NULL))
			exit(1);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

/* ---- a thread that does nothing ---- */

static void *do_nothing(void *argument)
{
	return argument;
}

static void thread_create(long count)
{
	for (long i = 0; i < count; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, do_nothing, NULL))
			exit(1);
		pthread_join(thread, NULL);
	}
}

/* ---- memory of a thread's stack: reserved, made accessible behind a guard, used, given back ----
 */

#define PAGE 4096UL

static void stack_memory(long count)
{
	const size_t size = 36 * PAGE, guard = 2 * PAGE;

	for (long i = 0; i < count; i++) {
		char *at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (at == MAP_FAILED || mprotect(at + guard, size - guard, PROT_READ | PROT_WRITE))
			exit(1);
		at[size - 1] = at[size - PAGE - 1] = 1;
		munmap(at, size);
	}
}

static const struct {
	const char *name;
	void (*run)(long count);
	long count; /* operations in a round */
} operations[] = {
        {"null_call", null_call, 1000000},
        {"thread_turns", thread_turns, 40000},
        {"thread_create", thread_create, 3000},
        {"stack_memory", stack_memory, 5000},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof operations / sizeof operations[0]; i++) {
		double best = 0;

		if (strcmp(argv[1], operations[i].name))
			continue;
		for (int round = 0; round < ROUNDS; round++) {
			double start = now(), took;

			operations[i].run(operations[i].count);
			took = (now() - start) / (double)operations[i].count;
			if (!round || took < best)
				best = took;
		}
		printf("%.1f\n", best);
		return 0;
	}
	return 2;
}
