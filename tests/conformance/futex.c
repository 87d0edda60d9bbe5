/* SPDX-License-Identifier: Apache-2.0 */
/* futex, clone and what else threads are made of, called past the C library. */
#include "harness.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static atomic_int word, other, step, result;

static struct timespec after(clockid_t clock, unsigned milliseconds)
{
	struct timespec time;

	clock_gettime(clock, &time);
	time.tv_nsec += (long)milliseconds * 1000000;
	time.tv_sec += time.tv_nsec / 1000000000;
	time.tv_nsec %= 1000000000;
	return time;
}

static long futex(atomic_int *at, int operation, int value, const void *time, void *second,
                  int last)
{
	return make_call(SYS_futex, (const long[]){(long)at, operation, value, (long)time,
	                                           (long)second, last});
}

/* ---- one thread ---- */

CASE(wait_errors)
{
	struct timespec bad = {0, -1}, none = {0, 0}, negative = {-1, 0}, much = {0, 1000000000};

	word = 5;
	CALL(futex, &word, FUTEX_WAIT, 4, NULL);
	CALL(futex, &word, FUTEX_WAIT, 5, &none);
	CALL(futex, &word, FUTEX_WAIT, 5, &bad);
	CALL(futex, &word, FUTEX_WAIT, 5, &negative);
	CALL(futex, &word, FUTEX_WAIT, 5, &much);
	CALL(futex, &word, FUTEX_WAIT, 4, &bad);
	CALL(futex, &word, FUTEX_WAIT, 5, KIT);
	CALL(futex, NULL, FUTEX_WAIT, 5, NULL);
	CALL(futex, KIT, FUTEX_WAIT, 5, NULL);
	CALL(futex, KERNEL, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 5, NULL);
	CALL(futex, (char *)&word + 1, FUTEX_WAIT, 5, NULL);
	CALL(futex, unmapped(), FUTEX_WAIT, 5, NULL);
	CALL(futex, unmapped(), FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 5, NULL);
	CALL(futex, &word, 99, 5, NULL);
	CALL(futex, &word, FUTEX_FD, 5, NULL);
	CALL(futex, &word, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 4, NULL);
	CALL(futex, &word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 4, NULL);
}

CASE(wait_times_out)
{
	struct timespec time = {0, 3000000};
	long begin = now();

	word = 1;
	CALL(futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, &time);
	VALUE(now() - begin >= 3);
	time = after(CLOCK_MONOTONIC, 3);
	CALL(futex, &word, FUTEX_WAIT_BITSET, 1, &time, NULL, -1);
	time = after(CLOCK_REALTIME, 3);
	CALL(futex, &word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 1, &time, NULL, -1);
	time = after(CLOCK_MONOTONIC, 0);
	CALL(futex, &word, FUTEX_WAIT_BITSET, 1, &time, NULL, 1);
	CALL(futex, &word, FUTEX_WAIT_BITSET, 1, &time, NULL, 0);
	CALL(futex, &word, FUTEX_WAIT_BITSET, 2, &time, NULL, 1);
	VALUE(now() - begin >= 8);
}

CASE(wake_nobody)
{
	CALL(futex, &word, FUTEX_WAKE, 1);
	CALL(futex, &word, FUTEX_WAKE, INT_MAX);
	CALL(futex, &word, FUTEX_WAKE, 0);
	CALL(futex, &word, FUTEX_WAKE, -1);
	CALL(futex, NULL, FUTEX_WAKE, 1);
	CALL(futex, NULL, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
	CALL(futex, (char *)&word + 2, FUTEX_WAKE, 1);
	CALL(futex, KIT, FUTEX_WAKE, 1);
	CALL(futex, KIT, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
	CALL(futex, &word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0);
	CALL(futex, &word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 5);
}

CASE(requeue_nobody)
{
	word = 3;
	CALL(futex, &word, FUTEX_REQUEUE, 1, 1, &other);
	CALL(futex, &word, FUTEX_CMP_REQUEUE, 1, 1, &other, 3);
	CALL(futex, &word, FUTEX_CMP_REQUEUE, 1, 1, &other, 4);
	CALL(futex, &word, FUTEX_REQUEUE, -1, 1, &other);
	CALL(futex, &word, FUTEX_REQUEUE, 1, -1, &other);
	CALL(futex, &word, FUTEX_REQUEUE, 1, 1, KIT);
	CALL(futex, &word, FUTEX_REQUEUE, 1, 1, (char *)&other + 1);
	CALL(futex, KIT, FUTEX_CMP_REQUEUE, 1, 1, &other, 3);
}

CASE(wake_op_nobody)
{
	word = 0;
	other = 10;
	CALL(futex, &word, FUTEX_WAKE_OP, 1, 1, &other,
	     FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 10));
	VALUE(other);
	CALL(futex, &word, FUTEX_WAKE_OP, 1, 1, &other,
	     FUTEX_OP(FUTEX_OP_SET, 7, FUTEX_OP_CMP_GT, 100));
	VALUE(other);
	CALL(futex, &word, FUTEX_WAKE_OP, 1, 1, &other,
	     FUTEX_OP(FUTEX_OP_ANDN, 5, FUTEX_OP_CMP_NE, 0));
	VALUE(other);
	CALL(futex, &word, FUTEX_WAKE_OP, 1, 1, KIT, 0);
}

static void ignore_signal(int number)
{
	(void)number;
}

CASE(wait_interrupted)
{
	struct itimerval timer = {{0, 300000}, {0, 3000}};
	struct timespec time = {5, 0};
	struct sigaction action = {.sa_handler = ignore_signal};

	sigaction(SIGALRM, &action, NULL);
	word = 1;
	setitimer(ITIMER_REAL, &timer, NULL);
	CALL(futex, &word, FUTEX_WAIT, 1, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	CALL(futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, &time);
}

CASE(pi_of_one_thread)
{
	long self = make_call(SYS_gettid, (const long[6]){0});

	word = 0;
	CALL(futex, &word, FUTEX_LOCK_PI, 0, NULL);
	VALUE(word == self);
	CALL(futex, &word, FUTEX_LOCK_PI, 0, NULL);
	CALL(futex, &word, FUTEX_TRYLOCK_PI, 0, NULL);
	CALL(futex, &word, FUTEX_UNLOCK_PI, 0, NULL);
	VALUE(word);
	CALL(futex, &word, FUTEX_UNLOCK_PI, 0, NULL);
	word = 999999;
	CALL(futex, &word, FUTEX_LOCK_PI, 0, NULL);
	CALL(futex, &word, FUTEX_TRYLOCK_PI, 0, NULL);
	CALL(futex, KIT, FUTEX_LOCK_PI, 0, NULL);
}

CASE(robust_list)
{
	struct robust_list_head head = {.list = {&head.list}}, *old_head;
	size_t length;

	CALL(set_robust_list, &head, sizeof head);
	CALL(get_robust_list, 0, &old_head, &length);
	VALUE(old_head == &head);
	VALUE(length);
	CALL(set_robust_list, &head, 5);
	CALL(set_robust_list, NULL, sizeof head);
	CALL(get_robust_list, 999999, &old_head, &length);
	CALL(get_robust_list, 0, KIT, &length);
	CALL(get_robust_list, 0, &old_head, KIT);
}

CASE(clone_errors)
{
	CALL(clone, CLONE_THREAD, 0, NULL, NULL, NULL);
	CALL(clone, CLONE_SIGHAND, 0, NULL, NULL, NULL);
	CALL(clone, CLONE_THREAD | CLONE_SIGHAND, 0, NULL, NULL, NULL);
	CALL(clone, CLONE_VM | CLONE_THREAD, 0, NULL, NULL, NULL);
	CALL(clone, CLONE_FS | CLONE_NEWNS, 0, NULL, NULL, NULL);
}

CASE(gettid_and_membarrier)
{
	VALUE(make_call(SYS_gettid, (const long[6]){0}) == getpid());
	CALL(membarrier, 0x1234, 0, 0);
	CALL(membarrier, 0, 1, 0);
}

/* ---- several threads ---- */

static atomic_int woken;

static void *wait_for_word(void *argument)
{
	step++;
	futex(&word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, (int)(long)argument);
	woken++;
	return NULL;
}

static void start_waiters(pthread_t *threads, long count, long mask)
{
	word = other = step = woken = 0;
	for (long i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, wait_for_word, (void *)(mask ? mask : 1L << i));
	for (int i = 0; i < 2000 && step < count; i++)
		pause_for(1);
	pause_for(10); /* from the step to the wait */
}

static void wait_woken(int count)
{
	for (int i = 0; i < 2000 && woken < count; i++)
		pause_for(1);
	pause_for(3);
	say("%d woken", (int)woken);
}

CASE(wake_counts)
{
	pthread_t threads[5];

	start_waiters(threads, 5, -1);
	CALL(futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 2);
	wait_woken(2);
	CALL(futex, &other, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 2);
	CALL(futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX);
	wait_woken(5);
	for (int i = 0; i < 5; i++)
		pthread_join(threads[i], NULL);
}

CASE(wake_by_bits)
{
	pthread_t threads[4];

	start_waiters(threads, 4, 0);
	CALL(futex, &word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, 9, NULL, NULL, 0x10);
	CALL(futex, &word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, 9, NULL, NULL, 0x5);
	wait_woken(2);
	CALL(futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
	CALL(futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 9);
	wait_woken(4);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

CASE(requeue)
{
	pthread_t threads[5];

	start_waiters(threads, 5, -1);
	CALL(futex, &word, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 1, 2, &other, 1);
	CALL(futex, &word, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 1, 2, &other, 0);
	wait_woken(1);
	CALL(futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 9);
	CALL(futex, &other, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 9);
	wait_woken(5);
	for (int i = 0; i < 5; i++)
		pthread_join(threads[i], NULL);
}

CASE(wake_op)
{
	pthread_t threads[3];

	start_waiters(threads, 3, -1);
	CALL(futex, &other, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 1, 2, &word,
	     FUTEX_OP(FUTEX_OP_OR, 6, FUTEX_OP_CMP_LT, 1));
	VALUE(word);
	wait_woken(2);
	CALL(futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 9);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

CASE(shared_and_private_are_apart)
{
	pthread_t threads[2];

	start_waiters(threads, 2, -1);
	CALL(futex, &word, FUTEX_WAKE, 9);
	CALL(futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 9);
	wait_woken(2);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

static atomic_int *one_view, *other_view;

static void *wait_in_file(void *argument)
{
	(void)argument;
	step = 1;
	futex(one_view, FUTEX_WAIT, 0, NULL, NULL, 0);
	woken++;
	return NULL;
}

CASE(shared_through_two_mappings)
{
	int file = make_file("file", 0);
	pthread_t thread;

	step = woken = 0;
	SHOW(ftruncate(file, 4096));
	one_view = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	other_view = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	pthread_create(&thread, NULL, wait_in_file, NULL);
	while (!step)
		pause_for(1);
	pause_for(10);
	CALL(futex, other_view, FUTEX_WAKE, 1);
	wait_woken(1);
	CALL(futex, one_view, FUTEX_WAKE, 1);
	pthread_join(thread, NULL);
}

static void *take_pi(void *argument)
{
	(void)argument;
	step = 1;
	result = (int)futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
	step = 2;
	pause_for(50);
	futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
	return NULL;
}

CASE(pi_is_handed_over)
{
	struct timespec soon;
	pthread_t thread;

	word = step = 0;
	CALL(futex, &word, FUTEX_LOCK_PI, 0, NULL);
	pthread_create(&thread, NULL, take_pi, NULL);
	while (step < 1)
		pause_for(1);
	pause_for(10);
	say("waiters: %s", word & FUTEX_WAITERS ? "yes" : "no");
	CALL(futex, &word, FUTEX_UNLOCK_PI, 0, NULL);
	for (int i = 0; i < 1000 && step < 2; i++)
		pause_for(1);
	VALUE(result);
	CALL(futex, &word, FUTEX_TRYLOCK_PI, 0, NULL);
	CALL(futex, &word, FUTEX_UNLOCK_PI, 0, NULL);
	soon = after(CLOCK_REALTIME, 1);
	CALL(futex, &word, FUTEX_LOCK_PI, 0, &soon);
	pthread_join(thread, NULL);
	CALL(futex, &word, FUTEX_LOCK_PI, 0, NULL);
	CALL(futex, &word, FUTEX_UNLOCK_PI, 0, NULL);
}

static atomic_int child_word;
static char child_stack[65536] __attribute__((aligned(16)));

static int child(void *argument)
{
	woken = (int)(long)argument;
	return 0;
}

#define THREAD                                                                              \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | \
	 CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

/* As Go makes its threads, but with the number, whose clearing says that the thread has gone. */
CASE(clone_without_the_library)
{
	int number = 0;
	long made;

	woken = 0;
	child_word = 77;
	made = clone(child, child_stack + sizeof child_stack, THREAD, (void *)33, &number, NULL,
	             &child_word);
	VALUE(made > 0);
	VALUE(made == number);
	for (int i = 0; i < 1000 && child_word; i++)
		futex(&child_word, FUTEX_WAIT, child_word, &(struct timespec){0, 5000000}, NULL, 0);
	VALUE(child_word);
	VALUE(woken);
	/* The word is cleared a little earlier than the number is given up. */
	for (int i = 0; i < 1000 && !syscall(SYS_tgkill, getpid(), number, 0); i++)
		pause_for(1);
	CALL(tgkill, getpid(), number, 0);
}
