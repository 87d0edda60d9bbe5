/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads for unit tests of kit code: the first one, which runs, and as many others as a test
 * makes. To be included once, in a file that defines MOTE_HOSTED.
 */
#ifndef MOTE_TESTS_THREAD_FAKES_H
#define MOTE_TESTS_THREAD_FAKES_H

#include <stdlib.h>
#include <string.h>

#include "guestkit/libc-shim/process.h"
#include "guestkit/thread.h"

/* kit.lds has the real one. */
static struct {
	struct context context;
	uint64_t end;
} fake_kit_stack;

static struct thread fake_first_thread = {
        .id = PROCESS_ID,
        .state = THREAD_RUNNABLE,
        .stack_end = (uint64_t)&fake_kit_stack.end,
        .signal.stack.flags = STACK_DISABLED,
};

struct thread *thread_current = &fake_first_thread, *thread_first = &fake_first_thread;
struct signal_thread *signal_thread = &fake_first_thread.signal;
unsigned thread_count = 1;
static unsigned fake_wakes;

struct thread *thread_find(int32_t id)
{
	struct thread *thread = thread_first;

	while (thread && thread->id != id)
		thread = thread->next;
	return thread;
}

void thread_wake(struct thread *thread)
{
	if (thread->state != THREAD_SLEEPING)
		return;
	thread->state = THREAD_RUNNABLE;
	fake_wakes++;
}

/* A thread that sleeps. */
__attribute__((unused)) static struct thread *fake_thread(int32_t id)
{
	struct thread *thread = calloc(1, sizeof *thread), *last = thread_first;

	thread->id = id;
	thread->state = THREAD_SLEEPING;
	thread->signal.stack.flags = STACK_DISABLED;
	while (last->next)
		last = last->next;
	last->next = thread;
	thread->previous = last;
	thread_count++;
	return thread;
}

__attribute__((unused)) static void fake_run(struct thread *thread)
{
	thread_current = thread;
	signal_thread = &thread->signal;
}

#endif
