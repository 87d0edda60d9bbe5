/* SPDX-License-Identifier: Apache-2.0 */
/* Threads by the C library: what POSIX promises, and what the kernel's part in it is. */
#include "harness.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static atomic_int counter, step;

static pthread_t start(void *(*function)(void *), void *argument)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, function, argument);

	if (error) {
		say("pthread_create: %s", error_name(error));
		_exit(98);
	}
	return thread;
}

static long join(pthread_t thread)
{
	void *result = NULL;
	int error = pthread_join(thread, &result);

	if (error)
		say("pthread_join: %s", error_name(error));
	return (long)result;
}

/* Waits until another thread has come to @number. */
static void wait_for_step(int number)
{
	for (int i = 0; i < 5000 && step < number; i++)
		pause_for(1);
	if (step < number)
		say("step %d never came", number);
}

static struct timespec after(clockid_t clock, unsigned milliseconds)
{
	struct timespec time;

	clock_gettime(clock, &time);
	time.tv_nsec += (long)milliseconds * 1000000;
	time.tv_sec += time.tv_nsec / 1000000000;
	time.tv_nsec %= 1000000000;
	return time;
}

/* ---- create and join ---- */

static void *give_back(void *argument)
{
	return (char *)argument + 1;
}

CASE(create_and_join)
{
	VALUE(join(start(give_back, (void *)41)));
}

CASE(many_one_after_the_other)
{
	long sum = 0;

	for (long i = 0; i < 500; i++)
		sum += join(start(give_back, (void *)i));
	VALUE(sum);
}

CASE(many_at_once)
{
	pthread_t threads[100];
	long sum = 0;

	for (long i = 0; i < 100; i++)
		threads[i] = start(give_back, (void *)i);
	for (long i = 99; i >= 0; i--)
		sum += join(threads[i]);
	VALUE(sum);
}

static void *create_more(void *argument)
{
	long depth = (long)argument;

	return (void *)(depth ? join(start(create_more, (void *)(depth - 1))) + 1 : 0);
}

CASE(threads_create_threads)
{
	VALUE(join(start(create_more, (void *)20)));
}

static void *exit_with(void *argument)
{
	pthread_exit(argument);
}

CASE(exit_from_a_thread)
{
	VALUE(join(start(exit_with, (void *)7)));
}

static void *count_up(void *argument)
{
	(void)argument;
	counter++;
	return NULL;
}

CASE(detached)
{
	pthread_attr_t attributes;
	pthread_t thread;

	counter = 0;
	pthread_attr_init(&attributes);
	SHOW_ERROR(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED));
	for (int i = 0; i < 20; i++)
		if (pthread_create(&thread, &attributes, count_up, NULL))
			say("failed");
	for (int i = 0; i < 20; i++)
		if (!pthread_create(&thread, NULL, count_up, NULL))
			pthread_detach(thread);
	for (int i = 0; i < 2000 && counter < 40; i++)
		pause_for(1);
	VALUE(counter);
}

static void *use_stack(void *argument)
{
	volatile char frame[200000];

	(void)argument;
	for (size_t i = 0; i < sizeof frame; i += 1000)
		frame[i] = 1;
	return (void *)(long)frame[1000];
}

CASE(stack_size)
{
	pthread_attr_t attributes;
	pthread_t thread;
	size_t size = 0;

	pthread_attr_init(&attributes);
	SHOW_ERROR(pthread_attr_setstacksize(&attributes, 300000));
	SHOW_ERROR(pthread_attr_getstacksize(&attributes, &size));
	VALUE(size);
	SHOW_ERROR(pthread_create(&thread, &attributes, use_stack, NULL));
	VALUE(join(thread));
	SHOW_ERROR(pthread_attr_setstacksize(&attributes, 100));
}

CASE(stack_of_the_caller)
{
	pthread_attr_t attributes;
	pthread_t thread;
	size_t size = 64 * PAGE;

	pthread_attr_init(&attributes);
	SHOW_ERROR(pthread_attr_setstack(&attributes, pages(64), size));
	SHOW_ERROR(pthread_create(&thread, &attributes, use_stack, NULL));
	VALUE(join(thread));
}

static void *check_numbers(void *argument)
{
	long *numbers = argument;

	numbers[0] = getpid();
	numbers[1] = make_call(SYS_gettid, (const long[6]){0});
	numbers[2] = getppid();
	return NULL;
}

CASE(numbers)
{
	long here[3], one[3], two[3];

	check_numbers(here);
	join(start(check_numbers, one));
	join(start(check_numbers, two));
	VALUE(here[0] == here[1]);
	VALUE(one[0] == here[0] && two[0] == here[0]);
	VALUE(one[1] != here[1] && one[1] > 0);
	VALUE(one[2] == here[2]);
}

CASE(process_lives_until_its_last_thread)
{
	counter = 0;
	start(count_up, NULL);
	for (int i = 0; i < 1000 && !counter; i++)
		pause_for(1);
	VALUE(counter);
}

static void *end_process(void *argument)
{
	(void)argument;
	exit(5);
}

CASE_ALONE(exit_of_the_process_from_a_thread)
{
	start(end_process, NULL);
	for (;;)
		pause();
}

static void *end_later(void *argument)
{
	(void)argument;
	pause_for(20);
	say("the last one");
	return NULL;
}

CASE_ALONE(main_thread_exits_first)
{
	start(end_later, NULL);
	say("main ends");
	pthread_exit(NULL);
}

static void *die(void *argument)
{
	pause_for(2);
	*(volatile char *)argument = 1;
	return NULL;
}

CASE_ALONE(fault_in_a_thread_ends_all)
{
	say("before");
	join(start(die, LOW));
	say("not dead");
}

/* ---- thread-local data ---- */

static __thread int local = 5;
static pthread_key_t key;

static void destroy(void *value)
{
	say("destroyed %ld", (long)value);
}

static void *change_local(void *argument)
{
	long old = local;

	local += (int)(long)argument;
	pthread_setspecific(key, (void *)(long)local);
	sched_yield();
	return (void *)(old * 100 + local + (long)pthread_getspecific(key) * 10000);
}

CASE(thread_local)
{
	pthread_t one, two;

	SHOW_ERROR(pthread_key_create(&key, NULL));
	one = start(change_local, (void *)1);
	two = start(change_local, (void *)2);
	VALUE(join(one));
	VALUE(join(two));
	VALUE(local);
	VALUE(pthread_getspecific(key) == NULL);
	SHOW_ERROR(pthread_key_delete(key));
}

CASE(destructors)
{
	SHOW_ERROR(pthread_key_create(&key, destroy));
	join(start(change_local, (void *)3));
	SHOW_ERROR(pthread_key_delete(key));
}

static void *change_errno(void *argument)
{
	(void)argument;
	errno = EBADF;
	sched_yield();
	return (void *)(long)errno;
}

CASE(errno_is_local)
{
	errno = ENOENT;
	long other = join(start(change_errno, NULL));
	say("%s %s", error_name(errno), error_name((int)other));
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void once_only(void)
{
	counter++;
	pause_for(2);
}

static void *call_once(void *argument)
{
	pthread_once(&once, once_only);
	return argument;
}

CASE(once)
{
	pthread_t threads[5];

	counter = 0;
	for (int i = 0; i < 5; i++)
		threads[i] = start(call_once, NULL);
	for (int i = 0; i < 5; i++)
		join(threads[i]);
	VALUE(counter);
}

static void *vectors(void *argument)
{
	double value = (double)(long)argument, sum = 0;

	for (int i = 0; i < 20000; i++) {
		sum += value / 3;
		if (i % 1000 == 0)
			sched_yield();
	}
	return (void *)(long)sum;
}

CASE(floating_point_registers)
{
	pthread_t threads[4];

	for (long i = 0; i < 4; i++)
		threads[i] = start(vectors, (void *)(3 * (i + 1)));
	for (int i = 0; i < 4; i++)
		VALUE(join(threads[i]));
}

/* ---- mutexes ---- */

static void *add_with_lock(void *argument)
{
	volatile long *sum = argument;

	for (int i = 0; i < 5000; i++) {
		pthread_mutex_lock(&lock);
		long value = *sum;
		if (i % 500 == 0)
			sched_yield();
		*sum = value + 1;
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

CASE(mutex_excludes)
{
	volatile long sum = 0;
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		threads[i] = start(add_with_lock, (void *)&sum);
	for (int i = 0; i < 4; i++)
		join(threads[i]);
	VALUE(sum);
}

static void *lock_and_hold(void *argument)
{
	pthread_mutex_lock(argument);
	step = 1;
	wait_for_step(2);
	pthread_mutex_unlock(argument);
	return NULL;
}

static void show_mutex(int type)
{
	pthread_mutexattr_t attributes;
	pthread_mutex_t mutex;
	pthread_t thread;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, type);
	pthread_mutex_init(&mutex, &attributes);
	step = 0;
	thread = start(lock_and_hold, &mutex);
	wait_for_step(1);
	SHOW_ERROR(pthread_mutex_trylock(&mutex));
	if (type != PTHREAD_MUTEX_NORMAL)
		SHOW_ERROR(pthread_mutex_unlock(&mutex));
	struct timespec soon = after(CLOCK_REALTIME, 3);
	SHOW_ERROR(pthread_mutex_timedlock(&mutex, &soon));
	step = 2;
	join(thread);
	SHOW_ERROR(pthread_mutex_lock(&mutex));
	SHOW_ERROR(pthread_mutex_trylock(&mutex));
	if (type != PTHREAD_MUTEX_NORMAL)
		SHOW_ERROR(pthread_mutex_lock(&mutex));
	SHOW_ERROR(pthread_mutex_unlock(&mutex));
	/* All the way, since the library keeps a list of what a thread holds. */
	for (int i = 0; i < 2 && type == PTHREAD_MUTEX_RECURSIVE; i++)
		SHOW_ERROR(pthread_mutex_unlock(&mutex));
}

CASE(mutex_normal)
{
	show_mutex(PTHREAD_MUTEX_NORMAL);
}

CASE(mutex_recursive)
{
	show_mutex(PTHREAD_MUTEX_RECURSIVE);
}

CASE(mutex_error_checking)
{
	show_mutex(PTHREAD_MUTEX_ERRORCHECK);
}

static void *die_with_lock(void *argument)
{
	pthread_mutex_lock(argument);
	return NULL;
}

CASE(mutex_robust)
{
	pthread_mutexattr_t attributes;
	pthread_mutex_t mutex;

	pthread_mutexattr_init(&attributes);
	SHOW_ERROR(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST));
	pthread_mutex_init(&mutex, &attributes);
	join(start(die_with_lock, &mutex));
	SHOW_ERROR(pthread_mutex_lock(&mutex));
	SHOW_ERROR(pthread_mutex_consistent(&mutex));
	SHOW_ERROR(pthread_mutex_unlock(&mutex));
	SHOW_ERROR(pthread_mutex_lock(&mutex));
	SHOW_ERROR(pthread_mutex_unlock(&mutex));
	join(start(die_with_lock, &mutex));
	SHOW_ERROR(pthread_mutex_trylock(&mutex));
	SHOW_ERROR(pthread_mutex_unlock(&mutex));
	SHOW_ERROR(pthread_mutex_lock(&mutex));
}

static void *hold_then_die(void *argument)
{
	pthread_mutex_lock(argument);
	step = 1;
	pause_for(10);
	return NULL;
}

CASE(mutex_robust_wakes_a_waiter)
{
	pthread_mutexattr_t attributes;
	pthread_mutex_t mutex;
	pthread_t thread;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&mutex, &attributes);
	step = 0;
	thread = start(hold_then_die, &mutex);
	wait_for_step(1);
	SHOW_ERROR(pthread_mutex_lock(&mutex));
	join(thread);
	SHOW_ERROR(pthread_mutex_unlock(&mutex));
}

CASE(mutex_inherits_priority)
{
	pthread_mutexattr_t attributes;
	pthread_mutex_t mutex;
	pthread_t thread;

	pthread_mutexattr_init(&attributes);
	int error = pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
	say("setprotocol: %s", error_name(error));
	if (error)
		return;
	pthread_mutex_init(&mutex, &attributes);
	step = 0;
	thread = start(lock_and_hold, &mutex);
	wait_for_step(1);
	SHOW_ERROR(pthread_mutex_trylock(&mutex));
	struct timespec soon = after(CLOCK_REALTIME, 3);
	SHOW_ERROR(pthread_mutex_timedlock(&mutex, &soon));
	step = 2;
	SHOW_ERROR(pthread_mutex_lock(&mutex));
	SHOW_ERROR(pthread_mutex_unlock(&mutex));
	join(thread);
}

/* ---- condition variables, and what is built from them ---- */

static void *wait_condition(void *argument)
{
	(void)argument;
	pthread_mutex_lock(&lock);
	counter++;
	while (step < 5)
		pthread_cond_wait(&condition, &lock);
	counter--;
	pthread_mutex_unlock(&lock);
	return NULL;
}

CASE(condition_broadcast)
{
	pthread_t threads[5];

	counter = step = 0;
	for (int i = 0; i < 5; i++)
		threads[i] = start(wait_condition, NULL);
	for (int i = 0; i < 1000 && counter < 5; i++)
		pause_for(1);
	VALUE(counter);
	pthread_mutex_lock(&lock);
	step = 5;
	SHOW_ERROR(pthread_cond_broadcast(&condition));
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < 5; i++)
		join(threads[i]);
	VALUE(counter);
}

static void *play(void *argument)
{
	int mine = (int)(long)argument;

	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&lock);
		while (step % 2 != mine)
			pthread_cond_wait(&condition, &lock);
		step++;
		pthread_cond_signal(&condition);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

CASE(condition_ping_pong)
{
	pthread_t one, two;

	step = 0;
	one = start(play, (void *)0);
	two = start(play, (void *)1);
	join(one);
	join(two);
	VALUE(step);
}

CASE(condition_timed)
{
	pthread_condattr_t attributes;
	pthread_cond_t monotonic;
	struct timespec time = after(CLOCK_REALTIME, 5);
	long begin = now();

	pthread_mutex_lock(&lock);
	SHOW_ERROR(pthread_cond_timedwait(&condition, &lock, &time));
	VALUE(now() - begin >= 4);
	SHOW_ERROR(pthread_cond_timedwait(&condition, &lock, &time));
	time.tv_nsec = 1000000000;
	SHOW_ERROR(pthread_cond_timedwait(&condition, &lock, &time));
	pthread_condattr_init(&attributes);
	SHOW_ERROR(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC));
	SHOW_ERROR(pthread_condattr_setclock(&attributes, CLOCK_PROCESS_CPUTIME_ID));
	pthread_cond_init(&monotonic, &attributes);
	time = after(CLOCK_MONOTONIC, 5);
	SHOW_ERROR(pthread_cond_timedwait(&monotonic, &lock, &time));
	pthread_mutex_unlock(&lock);
}

static pthread_barrier_t barrier;

static void *meet(void *argument)
{
	long serial = 0;

	(void)argument;
	for (int i = 0; i < 50; i++) {
		counter++;
		serial += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
		if (counter < 3 * (i + 1))
			say("went on too early");
		pthread_barrier_wait(&barrier);
	}
	return (void *)serial;
}

CASE(barrier)
{
	pthread_t threads[3];
	long serial = 0;

	counter = 0;
	SHOW_ERROR(pthread_barrier_init(&barrier, NULL, 0));
	SHOW_ERROR(pthread_barrier_init(&barrier, NULL, 3));
	for (int i = 0; i < 3; i++)
		threads[i] = start(meet, NULL);
	for (int i = 0; i < 3; i++)
		serial += join(threads[i]);
	VALUE(serial);
	VALUE(counter);
}

static pthread_rwlock_t readers = PTHREAD_RWLOCK_INITIALIZER;

static void *read_lock(void *argument)
{
	(void)argument;
	pthread_rwlock_rdlock(&readers);
	counter++;
	wait_for_step(1);
	pthread_rwlock_unlock(&readers);
	return NULL;
}

CASE(reader_writer_lock)
{
	pthread_t threads[3];
	struct timespec soon;

	counter = step = 0;
	for (int i = 0; i < 3; i++)
		threads[i] = start(read_lock, NULL);
	for (int i = 0; i < 1000 && counter < 3; i++)
		pause_for(1);
	VALUE(counter);
	SHOW_ERROR(pthread_rwlock_trywrlock(&readers));
	SHOW_ERROR(pthread_rwlock_tryrdlock(&readers));
	SHOW_ERROR(pthread_rwlock_unlock(&readers));
	soon = after(CLOCK_REALTIME, 3);
	SHOW_ERROR(pthread_rwlock_timedwrlock(&readers, &soon));
	step = 1;
	SHOW_ERROR(pthread_rwlock_wrlock(&readers));
	SHOW_ERROR(pthread_rwlock_tryrdlock(&readers));
	SHOW_ERROR(pthread_rwlock_unlock(&readers));
	for (int i = 0; i < 3; i++)
		join(threads[i]);
}

static sem_t semaphore;

static void *take_semaphore(void *argument)
{
	(void)argument;
	for (int i = 0; i < 100; i++)
		sem_wait(&semaphore);
	return NULL;
}

CASE(semaphores)
{
	pthread_t one, two;
	struct timespec soon;
	int value;

	SHOW(sem_init(&semaphore, 0, 0));
	SHOW(sem_trywait(&semaphore));
	soon = after(CLOCK_REALTIME, 3);
	SHOW(sem_timedwait(&semaphore, &soon));
	one = start(take_semaphore, NULL);
	two = start(take_semaphore, NULL);
	for (int i = 0; i < 201; i++)
		sem_post(&semaphore);
	join(one);
	join(two);
	SHOW(sem_getvalue(&semaphore, &value));
	VALUE(value);
	SHOW(sem_init(&semaphore, 0, UINT_MAX));
}

static pthread_spinlock_t spin;

static void *add_with_spin(void *argument)
{
	volatile long *sum = argument;

	for (int i = 0; i < 3000; i++) {
		pthread_spin_lock(&spin);
		*sum += 1;
		pthread_spin_unlock(&spin);
	}
	return NULL;
}

CASE(spin_locks)
{
	volatile long sum = 0;
	pthread_t one, two;

	SHOW_ERROR(pthread_spin_init(&spin, 0));
	one = start(add_with_spin, (void *)&sum);
	two = start(add_with_spin, (void *)&sum);
	join(one);
	join(two);
	VALUE(sum);
	pthread_spin_lock(&spin);
	SHOW_ERROR(pthread_spin_trylock(&spin));
}

/* ---- scheduling ---- */

static void *spin_until(void *argument)
{
	atomic_int *stop = argument;

	while (!*stop)
		;
	return NULL;
}

CASE(spinning_threads_starve_nobody)
{
	atomic_int stop = 0;
	pthread_t one = start(spin_until, &stop), two = start(spin_until, &stop);

	for (int i = 0; i < 5; i++)
		pause_for(1);
	VALUE(join(start(give_back, (void *)9)));
	stop = 1;
	join(one);
	join(two);
	say("done");
}

CASE(spinning_for_each_other)
{
	pthread_t thread;
	atomic_int stop = 0;

	thread = start(spin_until, &stop);
	for (volatile long i = 0; i < 100000; i++)
		;
	stop = 1;
	join(thread);
	say("done");
}

/* ---- cancellation ---- */

/* Prints when the thread is gone, which may print, too. */
static void cancel(pthread_t thread)
{
	int error = pthread_cancel(thread);
	long result = join(thread);

	say("pthread_cancel: %s, %s", error_name(error),
	    result == (long)PTHREAD_CANCELED ? "canceled" : "not canceled");
}

static void clean_up(void *argument)
{
	say("cleaned up %ld", (long)argument);
}

static void *block_for_ever(void *argument)
{
	int ends[2];
	char byte;

	(void)argument;
	pipe(ends);
	pthread_cleanup_push(clean_up, (void *)1);
	pthread_cleanup_push(clean_up, (void *)2);
	step = 1;
	read(ends[0], &byte, 1);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return NULL;
}

CASE(cancel_a_read)
{
	pthread_t thread;

	step = 0;
	thread = start(block_for_ever, NULL);
	wait_for_step(1);
	pause_for(2);
	cancel(thread);
}

static void *spin_asynchronously(void *argument)
{
	int old;

	(void)argument;
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
	step = 1;
	for (;;)
		;
	return NULL;
}

CASE(cancel_asynchronously)
{
	pthread_t thread;

	step = 0;
	thread = start(spin_asynchronously, NULL);
	wait_for_step(1);
	cancel(thread);
}

static void *refuse_cancellation(void *argument)
{
	int old;

	(void)argument;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	step = 1;
	wait_for_step(2);
	pause_for(2);
	say("still here");
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
	pthread_testcancel();
	say("not canceled");
	return NULL;
}

CASE(cancel_when_allowed)
{
	pthread_t thread;
	int error;

	step = 0;
	thread = start(refuse_cancellation, NULL);
	wait_for_step(1);
	error = pthread_cancel(thread);
	step = 2; /* from here on the thread prints */
	VALUE(join(thread) == (long)PTHREAD_CANCELED);
	VALUE(error);
}

static void unlock(void *mutex)
{
	say("unlock: %s", error_name(pthread_mutex_unlock(mutex)));
}

static void *wait_to_be_canceled(void *argument)
{
	(void)argument;
	pthread_mutex_lock(&lock);
	pthread_cleanup_push(unlock, &lock);
	step = 1;
	for (;;)
		pthread_cond_wait(&condition, &lock);
	pthread_cleanup_pop(0);
	return NULL;
}

CASE(cancel_a_wait_for_a_condition)
{
	pthread_t thread;

	step = 0;
	thread = start(wait_to_be_canceled, NULL);
	wait_for_step(1);
	pause_for(2);
	cancel(thread);
	SHOW_ERROR(pthread_mutex_trylock(&lock));
	SHOW_ERROR(pthread_mutex_unlock(&lock));
}

/* ---- signals ---- */

static __thread int signals_here;
static atomic_int signals_anywhere;

static void note(int number)
{
	(void)number;
	signals_here++;
	signals_anywhere++;
}

static void handle(int number, int flags)
{
	struct sigaction action = {.sa_handler = note, .sa_flags = flags};

	sigaction(number, &action, NULL);
	signals_anywhere = 0;
}

static void *count_signals(void *argument)
{
	(void)argument;
	step = 1;
	for (int i = 0; i < 2000 && !signals_here; i++)
		pause_for(1);
	return (void *)(long)signals_here;
}

CASE(signal_to_a_thread)
{
	pthread_t thread;

	handle(SIGUSR1, 0);
	step = 0;
	thread = start(count_signals, NULL);
	wait_for_step(1);
	SHOW_ERROR(pthread_kill(thread, 0));
	SHOW_ERROR(pthread_kill(thread, SIGUSR1));
	SHOW_ERROR(pthread_kill(thread, 99));
	VALUE(join(thread));
	VALUE(signals_here);
}

CASE(signal_to_the_one_that_lets_it)
{
	pthread_t thread;
	sigset_t set;

	handle(SIGUSR2, 0);
	step = 0;
	thread = start(count_signals, NULL);
	wait_for_step(1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGUSR2);
	VALUE(join(thread));
	VALUE(signals_here);
}

static void *show_mask(void *argument)
{
	sigset_t set;

	(void)argument;
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	return (void *)(long)(sigismember(&set, SIGUSR1) * 10 + sigismember(&set, SIGUSR2));
}

CASE(masks_are_inherited)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	VALUE(join(start(show_mask, NULL)));
}

static void *take_signal(void *argument)
{
	sigset_t set;
	int number = 0;

	(void)argument;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	step = 1;
	sigwait(&set, &number);
	return (void *)(long)number;
}

CASE(sigwait_in_a_thread)
{
	pthread_t thread;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	step = 0;
	thread = start(take_signal, NULL);
	wait_for_step(1);
	kill(getpid(), SIGUSR1);
	VALUE(join(thread) == SIGUSR1);
}

static int blocked_pipe[2];

static void *read_pipe(void *argument)
{
	char byte;
	long result;

	(void)argument;
	step = 1;
	result = read(blocked_pipe[0], &byte, 1);
	return (void *)(result < 0 ? -errno : result);
}

CASE(signal_interrupts_one_thread)
{
	pthread_t thread;

	pipe(blocked_pipe);
	handle(SIGUSR1, 0);
	step = 0;
	thread = start(read_pipe, NULL);
	wait_for_step(1);
	pause_for(2);
	pthread_kill(thread, SIGUSR1);
	say("%s", error_name((int)-join(thread)));
	handle(SIGUSR1, SA_RESTART);
	step = 0;
	thread = start(read_pipe, NULL);
	wait_for_step(1);
	pause_for(2);
	pthread_kill(thread, SIGUSR1);
	pause_for(2);
	write(blocked_pipe[1], "x", 1);
	VALUE(join(thread));
	VALUE(signals_anywhere);
}

static __thread char thread_stack[16384];
static __thread int was_on_stack;

static void check_stack(int number)
{
	char here;

	(void)number;
	was_on_stack = &here >= thread_stack && &here < thread_stack + sizeof thread_stack;
}

static void *use_alternate_stack(void *argument)
{
	stack_t stack = {.ss_sp = thread_stack, .ss_size = sizeof thread_stack};
	stack_t old;

	(void)argument;
	sigaltstack(NULL, &old);
	if (!(old.ss_flags & SS_DISABLE))
		say("inherited");
	sigaltstack(&stack, NULL);
	raise(SIGUSR1);
	return (void *)(long)was_on_stack;
}

CASE(alternate_stacks_are_per_thread)
{
	struct sigaction action = {.sa_handler = check_stack, .sa_flags = SA_ONSTACK};
	pthread_t one, two;

	sigaction(SIGUSR1, &action, NULL);
	one = start(use_alternate_stack, NULL);
	two = start(use_alternate_stack, NULL);
	VALUE(join(one));
	VALUE(join(two));
	raise(SIGUSR1);
	VALUE(was_on_stack);
}

static __thread sigjmp_buf back;

static void leap(int number)
{
	(void)number;
	siglongjmp(back, 1);
}

static void *fault_and_go_on(void *argument)
{
	volatile long faults = 0;

	for (volatile int i = 0; i < 20; i++) {
		if (sigsetjmp(back, 1))
			faults++;
		else
			*(volatile char *)argument = 1;
	}
	return (void *)faults;
}

CASE(faults_in_threads)
{
	struct sigaction action = {.sa_handler = leap};
	pthread_t one, two;

	sigaction(SIGSEGV, &action, NULL);
	one = start(fault_and_go_on, LOW);
	two = start(fault_and_go_on, LOW);
	VALUE(join(one));
	VALUE(join(two));
}

__attribute__((noinline)) static long overflow(long depth)
{
	volatile char frame[PAGE];

	frame[depth % PAGE] = 1;
	return depth < 0 ? 0 : overflow(depth + 1) + frame[0];
}

static void *overflow_and_go_on(void *argument)
{
	stack_t stack = {.ss_sp = thread_stack, .ss_size = sizeof thread_stack};

	(void)argument;
	sigaltstack(&stack, NULL);
	if (!sigsetjmp(back, 1))
		overflow(0);
	else
		say("caught");
	return NULL;
}

CASE(stack_overflow_in_a_thread)
{
	struct sigaction action = {.sa_handler = leap, .sa_flags = SA_ONSTACK};

	sigaction(SIGSEGV, &action, NULL);
	join(start(overflow_and_go_on, NULL));
}

static void *sleep_short(void *argument)
{
	pause_for((unsigned)(long)argument);
	counter++;
	return (void *)(long)counter;
}

CASE(sleepers_wake_in_order)
{
	pthread_t slow, quick;

	counter = 0;
	slow = start(sleep_short, (void *)40);
	quick = start(sleep_short, (void *)5);
	VALUE(join(quick));
	VALUE(join(slow));
}

static void *write_late(void *argument)
{
	(void)argument;
	pause_for(5);
	write(blocked_pipe[1], "late", 4);
	return NULL;
}

CASE(pipe_between_threads)
{
	pthread_t thread;
	char data[10];

	pipe(blocked_pipe);
	thread = start(write_late, NULL);
	CALL(read, blocked_pipe[0], data, 10);
	join(thread);
}

static void *drain(void *argument)
{
	static char block[5000];
	long total = 0, part;

	(void)argument;
	while ((part = read(blocked_pipe[0], block, sizeof block)) > 0)
		total += part;
	return (void *)total;
}

CASE(pipe_of_a_megabyte)
{
	static char block[100000];
	pthread_t thread;
	long total = 0;

	pipe(blocked_pipe);
	thread = start(drain, NULL);
	for (int i = 0; i < 10; i++)
		total += write(blocked_pipe[1], block, sizeof block);
	VALUE(total);
	close(blocked_pipe[1]);
	VALUE(join(thread));
}

static void *use_heap(void *argument)
{
	long kept = 0;

	for (long i = 1; i < 2000; i++) {
		char *block = malloc((size_t)(i * 37 % 5000 + 1));

		block[0] = (char)i;
		kept += block[0] == (char)i;
		free(block);
	}
	(void)argument;
	return (void *)kept;
}

CASE(heap_in_threads)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		threads[i] = start(use_heap, NULL);
	for (int i = 0; i < 4; i++)
		VALUE(join(threads[i]));
}

static void *map_and_unmap(void *argument)
{
	long good = 0;

	(void)argument;
	for (int i = 0; i < 100; i++) {
		char *p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		               -1, 0);

		p[0] = p[15 * PAGE] = 1;
		good += p[PAGE] == 0 && p[0] == 1;
		munmap(p, 16 * PAGE);
	}
	return (void *)good;
}

CASE(mappings_in_threads)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		threads[i] = start(map_and_unmap, NULL);
	for (int i = 0; i < 4; i++)
		VALUE(join(threads[i]));
}

static void *open_and_close(void *argument)
{
	long opened = 0;

	(void)argument;
	for (int i = 0; i < 200; i++) {
		int file = open("/dev/null", O_RDWR);

		opened += file >= 0;
		close(file);
	}
	return (void *)opened;
}

CASE(descriptors_in_threads)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		threads[i] = start(open_and_close, NULL);
	for (int i = 0; i < 4; i++)
		VALUE(join(threads[i]));
	CALL(dup, 0);
}

static void *thread_clock(void *argument)
{
	struct timespec time, process;

	(void)argument;
	for (volatile long i = 0; i < 3000000; i++)
		;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &process);
	return (void *)(long)((time.tv_nsec > 0 || time.tv_sec > 0) &&
	                      (process.tv_sec > time.tv_sec ||
	                       (process.tv_sec == time.tv_sec && process.tv_nsec >= time.tv_nsec)));
}

CASE(cpu_time_of_a_thread)
{
	VALUE(join(start(thread_clock, NULL)));
}
