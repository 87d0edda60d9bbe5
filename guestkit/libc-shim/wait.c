/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleeping: the one way by which the guest stops using the CPU.
 *
 * Each sleep is one exit to the VMM, which comes back at the deadline or when an event has
 * happened. The deadline is the earlier of the caller's and that of the next interval timer; a
 * change of the terminal's size is always among the events. Both become signals here, and a signal
 * that runs a handler ends the sleep.
 */
#include "guestkit/libc-shim/wait.h"

#include <linux/errno.h>

#include "guestkit/clock.h"
#include "guestkit/hypercall.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/signal.h"
#include "guestkit/libc-shim/timers.h"
#include "guestkit/pages.h"

/* One exit. Return: the caller's events that happened. */
static int64_t sleep_once(uint64_t deadline, uint32_t events)
{
	const struct signal_cause resized = {.code = SIGNAL_CODE_KERNEL,
	                                     .vector = MOTE_CRASH_NO_VECTOR};
	uint64_t before = clock_monotonic();
	int64_t result = hypercall(MOTE_HC_wait, deadline, events | MOTE_EVENT_WINDOW, 0);

	process.waited += clock_monotonic() - before;
	if (result < 0)
		return result;
	if (result & MOTE_EVENT_WINDOW)
		signal_send(SIGNAL_WINCH, &resized);
	return result & events;
}

int64_t shim_wait(uint64_t deadline, uint32_t events)
{
	/* To look at events without sleeping goes before signals: what has happened is told. */
	if (deadline == 0 && events) {
		int64_t result = sleep_once(0, events);

		if (result)
			return result;
	}
	for (;;) {
		uint64_t timer, now;
		int64_t result;

		if (signal_is_pending())
			return -EINTR;
		now = clock_monotonic();
		if (deadline <= now)
			return 0;
		timer = timers_deadline();
		pages_idle();
		result = sleep_once(timer < deadline ? timer : deadline, events);
		if (result)
			return result;
	}
}

int shim_wait_forever(void)
{
	int64_t result;

	do
		result = shim_wait(MOTE_WAIT_FOREVER, 0);
	while (result >= 0);
	return (int)result;
}

void shim_wait_mask(uint64_t mask)
{
	signal_set_mask_for_call(mask);
}
