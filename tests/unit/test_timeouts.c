/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of timeouts: their order, what is published, and what wakes an idle guest. */
#define MOTE_HOSTED
#include <criterion/criterion.h>
#include <string.h>

#include "guestkit/timeouts.c"

static struct mote_run page;
struct mote_run *const run_page = &page;
static uint64_t now;
static char order[16];
static struct timeout a, b, c;

uint64_t clock_monotonic(void)
{
	return now;
}

static void note(struct timeout *timeout)
{
	cr_assert_not(timeout->is_set);
	order[strlen(order)] = timeout == &a ? 'a' : timeout == &b ? 'b' : 'c';
}

static void setup(void)
{
	a.expire = b.expire = c.expire = note;
}

TestSuite(timeouts, .init = setup);

Test(timeouts, expire_in_order)
{
	timeout_set(&a, 30);
	timeout_set(&b, 10);
	timeout_set(&c, 20);
	cr_assert_eq(page.deadline, 10);
	cr_assert_eq(timeouts_next(), 10);
	now = 9;
	timeouts_serve();
	cr_assert_str_empty(order);
	now = 20;
	timeouts_serve();
	cr_assert_str_eq(order, "bc");
	cr_assert_eq(page.deadline, 30);
	now = 100;
	timeouts_serve();
	cr_assert_str_eq(order, "bca");
	cr_assert_eq(page.deadline, 0);
	cr_assert_eq(timeouts_next(), MOTE_WAIT_FOREVER);
}

Test(timeouts, set_anew_and_cancelled)
{
	timeout_set(&a, 10);
	timeout_set(&b, 20);
	timeout_set(&a, 30);
	cr_assert_eq(page.deadline, 20);
	timeout_cancel(&b);
	timeout_cancel(&b);
	cr_assert_eq(page.deadline, 30);
	now = 40;
	timeouts_serve();
	cr_assert_str_eq(order, "a");
}

Test(timeouts, of_cpu_time_wake_no_idle_guest)
{
	a.needs_running = true;
	timeout_set(&a, 10);
	cr_assert_eq(timeouts_next(), MOTE_WAIT_FOREVER);
	timeout_set(&b, 20);
	cr_assert_eq(timeouts_next(), 20);
	cr_assert_eq(page.deadline, 10, "one that runs is stopped for it");
}

Test(timeouts, those_of_realtime_expire_when_it_is_set)
{
	a.follows_realtime = true;
	timeout_set(&a, 30);
	timeout_set(&b, 10);
	c.follows_realtime = true;
	timeout_set(&c, 20);
	now = 5;
	timeouts_follow_realtime();
	cr_assert_neq(page.deadline, 0);
	timeouts_serve();
	cr_assert_eq(strlen(order), 2);
	cr_assert_null(strchr(order, 'b'));
	cr_assert_eq(page.deadline, 10);
	timeouts_follow_realtime();
	cr_assert_eq(page.deadline, 10, "one that does not follow it stays");
}
