/* SPDX-License-Identifier: Apache-2.0 */
/* Things to do at a moment: a list in order of time. */
#include "guestkit/timeouts.h"

#include <stddef.h>

#include "guestkit/clock.h"
#include "mote/abi.h"

static struct timeout *first, *last;

#ifdef MOTE_HOSTED /* unit tests have a run page of their own */
extern struct mote_run *const run_page;
#else
static volatile struct mote_run *const run_page = (volatile struct mote_run *)MOTE_RUN_VA;
#endif

static void publish(void)
{
	run_page->deadline = first ? first->deadline : 0;
}

/* From the end: most timeouts that are set lie behind those that were set before. */
void timeout_set(struct timeout *timeout, uint64_t deadline)
{
	struct timeout *before;

	if (timeout->is_set)
		timeout_cancel(timeout);
	before = last;
	while (before && before->deadline > deadline)
		before = before->previous;
	timeout->deadline = deadline;
	timeout->is_set = true;
	timeout->previous = before;
	timeout->next = before ? before->next : first;
	*(timeout->next ? &timeout->next->previous : &last) = timeout;
	*(before ? &before->next : &first) = timeout;
	publish();
}

void timeout_cancel(struct timeout *timeout)
{
	if (!timeout->is_set)
		return;
	*(timeout->previous ? &timeout->previous->next : &first) = timeout->next;
	*(timeout->next ? &timeout->next->previous : &last) = timeout->previous;
	timeout->is_set = false;
	publish();
}

void timeouts_serve(void)
{
	uint64_t now;

	if (!first)
		return;
	now = clock_monotonic();
	while (first && first->deadline <= now) {
		struct timeout *due = first;

		timeout_cancel(due);
		due->expire(due);
	}
}

void timeouts_follow_realtime(void)
{
	struct timeout *next;

	for (struct timeout *timeout = first; timeout; timeout = next) {
		next = timeout->next;
		if (timeout->follows_realtime)
			timeout_set(timeout, 1); /* 0 in the run page means that nothing is set */
	}
}

uint64_t timeouts_next(void)
{
	const struct timeout *timeout = first;

	while (timeout && timeout->needs_running)
		timeout = timeout->next;
	return timeout ? timeout->deadline : MOTE_WAIT_FOREVER;
}
