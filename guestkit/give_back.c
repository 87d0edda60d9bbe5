/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When free memory goes back to the host.
 *
 * Frames that were used cost the host memory while they are free, and the guest a host's page fault
 * when they are used again after they went back. So those go back that nobody took for a while: a
 * timeout looks how few there were at any moment since it was set. It is set when there are more
 * than a handful, and while it finds some. Much at a time goes back at once (pages.c).
 */
#include "guestkit/clock.h"
#include "guestkit/pages.h"
#include "guestkit/retired.h"
#include "guestkit/timeouts.h"

#define INTERVAL      250000000u /* ns */
#define KEPT          64         /* frames that no exit is made for */
#define KEPT_AT_SLEEP 512        /* more than that goes back before the guest sleeps */

static struct timeout timeout;

static void look(struct timeout *due)
{
	size_t unused = pages_stale_unused();
	bool is_used = !retired_is_unused();

	if (unused > KEPT)
		pages_give_back(unused);
	if (!is_used)
		memory_reclaim();
	if (is_used || pages_stale() > KEPT)
		timeout_set(due, clock_monotonic() + INTERVAL);
}

void pages_piled_up(void)
{
	if (timeout.is_set)
		return;
	timeout.expire = look;
	(void)pages_stale_unused(); /* from now on */
	(void)retired_is_unused();
	timeout_set(&timeout, clock_monotonic() + INTERVAL);
}

void pages_idle(void)
{
	memory_reclaim();
	pages_collect(false);
	if (pages_stale() > KEPT_AT_SLEEP)
		pages_give_back(SIZE_MAX);
	else if (pages_stale() > KEPT)
		pages_piled_up();
}
