/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleeping: how a system call waits for something, and how the guest stops using the CPU.
 *
 * A guest in which no thread can run makes one hypercall, which comes back at the next timeout or
 * when an event of the host has happened: input, if someone waits for that, a new size of the
 * terminal, which becomes a signal, or news of a device.
 */
#include "guestkit/libc-shim/wait.h"

#include <linux/errno.h>
#include <stddef.h>

#include "guestkit/clock.h"
#include "guestkit/hypercall.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/signal.h"
#include "guestkit/libc-shim/time_value.h"
#include "guestkit/pages.h"
#include "guestkit/snapshot.h"
#include "guestkit/thread.h"
#include "guestkit/timeouts.h"
#include "guestkit/virtio.h"
#include "guestkit/virtio_console.h"

#define FRUITLESS_MIN 8u
#define GLANCE_NS     50000u

struct wait_queue shim_console_input;
uint64_t shim_console_reads;

/* Since the VMM was last asked for news. */
static unsigned fruitless;
static uint64_t fruitless_since; /* TSC */

/* ---- the host's side ---- */

/* One exit. Return: MOTE_EVENT_* that happened. */
static uint64_t take_events(uint64_t deadline, uint64_t events)
{
	const struct signal_cause resized = {.code = SIGNAL_CODE_KERNEL,
	                                     .vector = MOTE_CRASH_NO_VECTOR};
	int64_t result = hypercall_turn(MOTE_HC_wait, deadline, events, 0);

	fruitless = 0;
	if (result < 0)
		return 0;
	if (result & MOTE_EVENT_WINDOW)
		signal_send(SIGNAL_WINCH, &resized);
	if (result & MOTE_EVENT_INPUT)
		wait_queue_wake(&shim_console_input);
	if (result & (MOTE_EVENT_DEVICE | MOTE_EVENT_CONFIG))
		virtio_serve((uint64_t)result);
	/* Not here, where somebody may be in the middle of something: on the way out of the kit. */
	if (result & MOTE_EVENT_SNAPSHOT)
		((volatile struct mote_run *)MOTE_RUN_VA)->preempt_wanted = 1;
	return (uint64_t)result;
}

static uint64_t wanted_events(void)
{
	return (virtio_console_tells_window() ? 0 : MOTE_EVENT_WINDOW) |
	       (shim_console_input.first ? MOTE_EVENT_INPUT : 0) | virtio_events();
}

void shim_look_at_host(void)
{
	take_events(0, wanted_events());
}

void shim_wait_for_host(uint64_t deadline)
{
	take_events(deadline, virtio_events());
}

bool shim_glance(void)
{
	if (!virtio_events())
		return false;
	if (!fruitless++)
		fruitless_since = clock_tsc();
	if (fruitless < FRUITLESS_MIN ||
	    clock_ticks_to_ns(clock_tsc() - fruitless_since) < GLANCE_NS)
		return false;
	shim_look_at_host();
	return true;
}

void virtio_kick(void)
{
	take_events(0, virtio_events());
}

void virtio_notify(void)
{
	hypercall(MOTE_HC_wait, 0, 0, 0);
}

void shim_idle(void)
{
	uint64_t events = wanted_events(), before;

	timeouts_serve();
	while (!thread_is_any_runnable()) {
		pages_idle();
		before = clock_monotonic();
		/* Input that woke nobody would only be told again and again. */
		events &= ~(take_events(timeouts_next(), events) & MOTE_EVENT_INPUT);
		pages_collect(false);
		process.waited += clock_monotonic() - before;
		timeouts_serve();
		if (snapshot_take(MOTE_SNAPSHOT_OUTSIDE) == MOTE_SNAPSHOT_RESTORED)
			events = wanted_events();
	}
}

bool shim_console_is_readable(void)
{
	return hypercall(MOTE_HC_wait, 0, MOTE_EVENT_INPUT, 0) > 0;
}

/* ---- the threads' side ---- */

int shim_wait(uint64_t deadline)
{
	if (signal_is_pending())
		return -EINTR;
	if (deadline != SHIM_FOREVER && deadline <= clock_monotonic())
		return -ETIMEDOUT;
	return thread_sleep(deadline) ? 0 : -ETIMEDOUT;
}

int shim_wait_realtime(uint64_t time)
{
	struct thread *self = thread_current;
	uint64_t now = clock_realtime();
	int result;

	if (time == SHIM_FOREVER)
		return shim_wait(SHIM_FOREVER);
	self->sleep.follows_realtime = true;
	result = shim_wait(time > now ? time_deadline_after(time - now) : 0);
	self->sleep.follows_realtime = false;
	return result == -ETIMEDOUT && clock_realtime() < time ? 0 : result;
}

int shim_wait_forever(void)
{
	int result;

	do
		result = shim_wait(SHIM_FOREVER);
	while (!result);
	return result;
}

static void wake_thread(struct waiter *waiter, uint32_t events)
{
	(void)events;
	thread_wake(((struct thread_waiter *)waiter)->thread);
}

void thread_waiter_init(struct thread_waiter *waiter)
{
	*waiter = (struct thread_waiter){{.notify = wake_thread}, thread_current};
}

int shim_wait_on(struct wait_queue *queue, uint64_t deadline)
{
	struct thread_waiter waiter;
	int result;

	thread_waiter_init(&waiter);
	wait_queue_add(queue, &waiter.waiter);
	result = shim_wait(deadline);
	wait_queue_remove(&waiter.waiter);
	return result;
}

void shim_wait_mask(uint64_t mask)
{
	signal_set_mask_for_call(mask);
}
