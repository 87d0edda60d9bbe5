/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of timers on the clocks: timer_create and timerfd, on a clock that the tests set. */
#include "tests/unit/special_fakes.h"
#include "tests/unit/thread_fakes.h"

#define _UAPI_LINUX_TIME_H /* <time.h> has the same */
#define _LINUX_TIME_H
#include <time.h>

#include "guestkit/libc-shim/clock_id.c"
#include "guestkit/libc-shim/clock_timer.c"
#include "guestkit/libc-shim/posix_timer.c"
#include "guestkit/libc-shim/time_value.c"
#define MOTE_HOSTED /* a run page of our own */
#include "guestkit/timeouts.c"

#define find      find_timerfd
#define remaining timerfd_remaining
#include "guestkit/libc-shim/timerfd.c"
#undef find
#undef remaining

#define CALL(name, ...) sys_##name((const uint64_t[6]){__VA_ARGS__})
#define AT(object)      ((uint64_t)(object))
#define BAD             16 /* an address that is never mapped */
#define MS              1000000ull
#define S               1000000000ull
#define USR1            10

struct process_identity process_identity;
struct process process;
static struct mote_run page;
struct mote_run *const run_page = &page;

/* ---- what the timers send, and how much CPU time there was ---- */

static unsigned sent;
static struct signal_cause last_cause;
static struct thread *last_thread;
static bool is_refused;
static uint64_t forgotten, cpu_time;

bool signal_send_timer(struct thread *thread, int signal, const struct signal_cause *cause)
{
	cr_assert_eq(signal, USR1);
	last_cause = *cause;
	last_thread = thread;
	sent++;
	return !is_refused;
}

void signal_forget_timer(uint32_t timer)
{
	forgotten = timer;
}

uint64_t process_cpu_time(void)
{
	return cpu_time;
}

uint64_t thread_cpu_time(const struct thread *thread)
{
	cr_assert_not_null(thread);
	return cpu_time / 2;
}

const struct process_limit *process_limit(unsigned resource)
{
	static const struct process_limit limit = {3, 3};

	(void)resource;
	return &limit;
}

/* Time passes, and what falls due meanwhile is served. */
static void pass(uint64_t time)
{
	fake_now += time;
	timeouts_serve();
}

/* The signal is delivered. Return: what it tells of missed turns. */
static uint32_t take(void)
{
	posix_timer_taken(&last_cause);
	return last_cause.overrun;
}

static int32_t create(int32_t clock, int notify, int thread)
{
	const struct event event = {
	        .value = 99, .signal = USR1, .notify = notify, .thread = thread};
	int32_t id = -1;

	cr_assert_eq(CALL(timer_create, (uint64_t)clock, AT(&event), AT(&id)), 0);
	return id;
}

static struct clock_timer_value in_ns(const int64_t *times)
{
	return (struct clock_timer_value){(uint64_t)times[0] * S + (uint64_t)times[1],
	                                  (uint64_t)times[2] * S + (uint64_t)times[3]};
}

static void set(int32_t id, uint64_t value, uint64_t interval, uint64_t flags)
{
	const int64_t times[4] = {(int64_t)(interval / S), (int64_t)(interval % S),
	                          (int64_t)(value / S), (int64_t)(value % S)};

	cr_assert_eq(CALL(timer_settime, (uint64_t)id, flags, AT(times), 0), 0);
}

static struct clock_timer_value get(int32_t id)
{
	int64_t times[4];

	cr_assert_eq(CALL(timer_gettime, (uint64_t)id, AT(times)), 0);
	return in_ns(times);
}

/* ---- timer_create ---- */

Test(clock_timers, fires_once)
{
	int32_t id = create(CLOCK_MONOTONIC, NOTIFY_SIGNAL, 0);

	set(id, 10 * MS, 0, 0);
	cr_assert_eq(page.deadline, fake_now + 10 * MS);
	pass(9 * MS);
	cr_assert_eq(sent, 0);
	cr_assert_eq(get(id).value, MS);
	pass(MS);
	cr_assert_eq(sent, 1);
	cr_assert_eq(last_cause.timer, (uint32_t)id + 1);
	cr_assert_eq(last_cause.address, 99);
	cr_assert_eq(last_cause.code, SIGNAL_CODE_TIMER);
	cr_assert_eq(get(id).value, 0);
	cr_assert_eq(take(), 0);
	pass(S);
	cr_assert_eq(sent, 1);
	cr_assert_eq(page.deadline, 0);
}

Test(clock_timers, stands_still_until_its_signal_is_taken)
{
	int32_t id = create(CLOCK_MONOTONIC, NOTIFY_SIGNAL, 0);

	set(id, 10 * MS, 5 * MS, 0);
	pass(10 * MS);
	cr_assert_eq(sent, 1);
	cr_assert_eq(page.deadline, 0, "nothing is armed");
	pass(17 * MS); /* 15, 20, 25 have passed */
	cr_assert_eq(sent, 1);
	cr_assert_eq(get(id).value, 3 * MS);
	cr_assert_eq(take(), 3);
	cr_assert_eq(CALL(timer_getoverrun, (uint64_t)id), 3);
	cr_assert_eq(page.deadline, fake_now + 3 * MS);
	pass(3 * MS);
	cr_assert_eq(sent, 2);
	cr_assert_eq(take(), 0);
	cr_assert_eq(CALL(timer_getoverrun, (uint64_t)id), 0);
}

Test(clock_timers, overrun_has_a_limit)
{
	int32_t id = create(CLOCK_MONOTONIC, NOTIFY_SIGNAL, 0);

	set(id, 1, 1, 0);
	pass(3 * S);
	cr_assert_eq(take(), INT32_MAX);
}

Test(clock_timers, unheard_ones_slow_down_and_come_back)
{
	int32_t id = create(CLOCK_MONOTONIC, NOTIFY_SIGNAL, 0);

	is_refused = true;
	set(id, MS, 1, 0);
	pass(MS);
	cr_assert_eq(sent, 1);
	cr_assert_geq(page.deadline, fake_now + IGNORED_INTERVAL);
	is_refused = false;
	pass(2 * IGNORED_INTERVAL);
	cr_assert_eq(sent, 2);
	cr_assert_eq(page.deadline, 0);
}

Test(clock_timers, taken_after_it_was_set_anew)
{
	int32_t id = create(CLOCK_MONOTONIC, NOTIFY_SIGNAL, 0);

	set(id, MS, MS, 0);
	pass(MS);
	set(id, 100 * MS, 0, 0);
	cr_assert_eq(forgotten, (uint32_t)id + 1);
	take();
	cr_assert_eq(get(id).value, 100 * MS);
	cr_assert_eq(CALL(timer_delete, (uint64_t)id), 0);
	take();
	cr_assert_eq(page.deadline, 0);
	cr_assert_eq(fake_heap, 0);
}

Test(clock_timers, silent_ones_cost_nothing)
{
	int32_t id = create(CLOCK_MONOTONIC, NOTIFY_NONE, 0);

	set(id, 10 * MS, 4 * MS, 0);
	cr_assert_eq(page.deadline, 0);
	pass(15 * MS);
	cr_assert_eq(get(id).value, 3 * MS);
	set(id, 10 * MS, 0, 0);
	pass(15 * MS);
	cr_assert_eq(get(id).value, 0);
	cr_assert_eq(sent, 0);
}

Test(clock_timers, absolute_on_a_clock_that_is_ahead)
{
	int32_t id = create(CLOCK_REALTIME, NOTIFY_SIGNAL, 0);

	set(id, clock_realtime() + 10 * MS, 0, TIMER_ABSTIME);
	cr_assert_eq(page.deadline, fake_now + 10 * MS);
	cr_assert_eq(get(id).value, 10 * MS);
	pass(10 * MS);
	cr_assert_eq(sent, 1);
	set(id, 1, 0, TIMER_ABSTIME);
	cr_assert_eq(sent, 2, "the past is at once");
}

Test(clock_timers, cpu_time_lags_behind)
{
	int32_t id = create(CLOCK_PROCESS_CPUTIME_ID, NOTIFY_SIGNAL, 0);

	set(id, 10 * MS, 0, 0);
	cr_assert_eq(timeouts_next(), MOTE_WAIT_FOREVER, "does not wake a guest that sleeps");
	cpu_time += 4 * MS;
	pass(10 * MS);
	cr_assert_eq(sent, 0);
	cr_assert_eq(page.deadline, fake_now + 6 * MS);
	cpu_time += 6 * MS;
	pass(6 * MS);
	cr_assert_eq(sent, 1);
}

Test(clock_timers, cpu_time_of_a_thread_that_ends)
{
	struct thread *other = fake_thread(7);
	int32_t id;

	fake_run(other);
	id = create(CLOCK_THREAD_CPUTIME_ID, NOTIFY_SIGNAL, 0);
	set(id, 10 * MS, 0, 0);
	fake_run(&fake_first_thread);
	other->id = 0;
	cpu_time += S;
	pass(S);
	cr_assert_eq(sent, 0);
	cr_assert_eq(page.deadline, 0);
}

Test(clock_timers, signal_for_a_thread)
{
	struct thread *other = fake_thread(7);
	const struct event bad = {.signal = USR1, .notify = NOTIFY_THREAD_ID, .thread = 8};
	int32_t id = create(CLOCK_BOOTTIME, NOTIFY_THREAD_ID, 7);

	cr_assert_eq(CALL(timer_create, CLOCK_MONOTONIC, AT(&bad), AT(&id)), -EINVAL);
	set(id, MS, 5 * MS, 0);
	pass(MS);
	cr_assert_eq(last_thread, other);
	other->id = 0;
	take();
	pass(5 * MS);
	cr_assert_eq(sent, 1, "it is no more");
}

Test(clock_timers, far_away_is_never)
{
	int32_t id = create(CLOCK_MONOTONIC, NOTIFY_SIGNAL, 0);
	const int64_t times[4] = {INT64_MAX, 999999999, INT64_MAX, 999999999};

	cr_assert_eq(CALL(timer_settime, (uint64_t)id, 0, AT(times), 0), 0);
	cr_assert_gt(get(id).value, 8 * S * S);
	cr_assert_eq(get(id).interval, (uint64_t)INT64_MAX);
	cr_assert_eq(CALL(timer_settime, (uint64_t)id, TIMER_ABSTIME, AT(times), 0), 0);
	pass(1000 * S);
	cr_assert_eq(sent, 0);
}

Test(clock_timers, bad_arguments_of_timers)
{
	int64_t times[4] = {0, 0, 0, 1000000000};
	struct event event = {.signal = USR1, .notify = 5};
	int32_t id;

	cr_assert_eq(CALL(timer_create, 77, 0, AT(&id)), -EINVAL);
	cr_assert_eq(CALL(timer_create, CLOCK_MONOTONIC_RAW, 0, AT(&id)), -EOPNOTSUPP);
	cr_assert_eq(CALL(timer_create, CLOCK_MONOTONIC, BAD, AT(&id)), -EFAULT);
	cr_assert_eq(CALL(timer_create, CLOCK_MONOTONIC, 0, BAD), -EFAULT);
	cr_assert_eq(CALL(timer_create, CLOCK_MONOTONIC, AT(&event), AT(&id)), -EINVAL);
	event.notify = NOTIFY_SIGNAL;
	event.signal = 65;
	cr_assert_eq(CALL(timer_create, CLOCK_MONOTONIC, AT(&event), AT(&id)), -EINVAL);
	cr_assert_eq(fake_heap, 0);
	cr_assert_eq(CALL(timer_create, CLOCK_MONOTONIC, 0, AT(&id)), 0);
	cr_assert_eq(id, 0);
	cr_assert_eq(CALL(timer_settime, 0, 0, AT(times), 0), -EINVAL);
	cr_assert_eq(CALL(timer_settime, 0, 0, 0, 0), -EINVAL);
	cr_assert_eq(CALL(timer_settime, 0, 0, BAD, 0), -EFAULT);
	cr_assert_eq(CALL(timer_settime, 1, 0, AT(times), 0), -EINVAL);
	cr_assert_eq(CALL(timer_gettime, 0, BAD), -EFAULT);
	cr_assert_eq(CALL(timer_delete, 1), -EINVAL);
	cr_assert_eq(CALL(timer_getoverrun, UINT32_MAX), -EINVAL);
	create(CLOCK_MONOTONIC, NOTIFY_NONE, 0);
	create(CLOCK_MONOTONIC, NOTIFY_NONE, 0);
	cr_assert_eq(CALL(timer_create, CLOCK_MONOTONIC, 0, AT(&id)), -EAGAIN, "RLIMIT_SIGPENDING");
}

Test(clock_timers, a_new_program_has_none)
{
	set(create(CLOCK_MONOTONIC, NOTIFY_SIGNAL, 0), MS, 0, 0);
	create(CLOCK_MONOTONIC, NOTIFY_NONE, 0);
	posix_timers_delete();
	cr_assert_eq(page.deadline, 0);
	cr_assert_eq(fake_heap, 0);
}

Test(clock_timers, numbers_are_not_used_twice)
{
	int32_t id = create(CLOCK_MONOTONIC, NOTIFY_NONE, 0);

	cr_assert_eq(CALL(timer_delete, (uint64_t)id), 0);
	cr_assert_neq(create(CLOCK_MONOTONIC, NOTIFY_NONE, 0), id);
	next_id = INT32_MAX;
	cr_assert_eq(create(CLOCK_MONOTONIC, NOTIFY_NONE, 0), INT32_MAX);
	cr_assert_eq(create(CLOCK_MONOTONIC, NOTIFY_NONE, 0), 0);
}

/* ---- timerfd: one open file ---- */

static struct timerfd *opened;
static struct file file;
static unsigned sleeps;

int anon_file_install(const char *label, const struct file_ops *ops, void *object, uint32_t flags)
{
	cr_assert_str_eq(label, "anon_inode:[timerfd]");
	opened = object;
	file = (struct file){.ops = ops, .private = object, .flags = flags};
	fake_descriptors[5] = &file;
	return 5;
}

int64_t anon_file_seek(struct file *seeked, int64_t offset, int whence)
{
	(void)offset, (void)whence;
	return (int64_t)seeked->position;
}

/* Each sleep is a millisecond long. */
int shim_wait_on(struct wait_queue *queue, uint64_t deadline)
{
	cr_assert_eq(queue, &opened->queue);
	cr_assert_eq(deadline, SHIM_FOREVER);
	sleeps++;
	pass(MS);
	return 0;
}

void wait_queue_wake_for(struct wait_queue *queue, uint32_t events)
{
	cr_assert_eq(queue, &opened->queue);
	cr_assert_eq(events, POLLIN);
}

static void set_file(uint64_t value, uint64_t interval, uint64_t flags)
{
	const int64_t times[4] = {(int64_t)(interval / S), (int64_t)(interval % S),
	                          (int64_t)(value / S), (int64_t)(value % S)};

	if (!opened)
		cr_assert_eq(CALL(timerfd_create, CLOCK_MONOTONIC, O_NONBLOCK), 5);
	cr_assert_eq(CALL(timerfd_settime, 5, flags, AT(times), 0), 0);
}

static int64_t ticks(void)
{
	uint64_t count = 0, position = 0;
	int64_t result = file.ops->read(&file, AT(&count), sizeof(count), &position);

	return result < 0 ? result : (int64_t)count;
}

Test(clock_timers, file_counts_turns_when_it_is_read)
{
	set_file(10 * MS, 4 * MS, 0);
	cr_assert_eq(ticks(), -EAGAIN);
	cr_assert_not(file.ops->poll(&file).readable);
	pass(10 * MS);
	cr_assert(file.ops->poll(&file).readable);
	cr_assert_eq(page.deadline, 0, "unread, it stands still");
	pass(9 * MS);
	cr_assert_eq(ticks(), 3);
	cr_assert_eq(page.deadline, fake_now + 3 * MS);
	cr_assert_eq(ticks(), -EAGAIN);
	file.ops->close(&file);
	cr_assert_eq(page.deadline, 0);
	cr_assert_eq(fake_heap, 0);
}

Test(clock_timers, file_that_blocks)
{
	set_file(5 * MS, 0, 0);
	file.flags = 0;
	cr_assert_eq(ticks(), 1);
	cr_assert_eq(sleeps, 5);
}

Test(clock_timers, file_set_anew_forgets)
{
	int64_t old[4];
	const int64_t times[4] = {0, 0, 1, 0};

	set_file(10 * MS, 4 * MS, 0);
	pass(11 * MS);
	cr_assert_eq(CALL(timerfd_settime, 5, 0, AT(times), AT(old)), 0);
	cr_assert_eq(in_ns(old).value, 3 * MS);
	cr_assert_eq(in_ns(old).interval, 4 * MS);
	cr_assert_eq(ticks(), -EAGAIN);
	set_file(1, 0, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
	cr_assert_eq(ticks(), 1);
}

Test(clock_timers, bad_arguments_of_files)
{
	int64_t times[4] = {0, 0, 1, 0};
	uint64_t position = 0;

	cr_assert_eq(CALL(timerfd_create, CLOCK_PROCESS_CPUTIME_ID, 0), -EINVAL);
	cr_assert_eq(CALL(timerfd_create, CLOCK_MONOTONIC, 1), -EINVAL);
	set_file(1, 0, 0);
	pass(1);
	cr_assert_eq(file.ops->read(&file, AT(times), 7, &position), -EINVAL);
	cr_assert_eq(file.ops->read(&file, BAD, 8, &position), -EFAULT);
	cr_assert_eq(CALL(timerfd_settime, 5, 4, AT(times), 0), -EINVAL);
	cr_assert_eq(CALL(timerfd_settime, 6, 0, AT(times), 0), -EBADF);
	cr_assert_eq(CALL(timerfd_settime, 5, 0, BAD, 0), -EFAULT);
	cr_assert_eq(CALL(timerfd_gettime, 5, BAD), -EFAULT);
	cr_assert_eq(CALL(timerfd_gettime, 6, AT(times)), -EBADF);
	file.ops = NULL;
	cr_assert_eq(CALL(timerfd_gettime, 5, AT(times)), -EINVAL);
}

/* The clock is set where a guest starts from a snapshot. */
Test(clock_timers, file_that_the_clock_cancels)
{
	const int64_t far[4] = {0, 0, 1LL << 33, 0};

	cr_assert_eq(CALL(timerfd_create, CLOCK_REALTIME, O_NONBLOCK), 5);
	cr_assert_eq(CALL(timerfd_settime, 5, TFD_TIMER_ABSTIME, AT(far), 0), 0);
	timerfd_clock_was_set();
	cr_assert_eq(ticks(), -EAGAIN, "it did not ask for that");
	set_file(1ull << 62, 0, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
	timerfd_clock_was_set();
	cr_assert(file.ops->poll(&file).readable);
	cr_assert_eq(ticks(), -ECANCELED);
	cr_assert_eq(ticks(), -EAGAIN, "told once");
	cr_assert_eq(CALL(timerfd_settime, 5, TFD_TIMER_CANCEL_ON_SET, AT(far), 0), 0);
	timerfd_clock_was_set();
	cr_assert_eq(ticks(), -EAGAIN, "relative ones are not cancelled");
	set_file(1ull << 62, 0, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
	file.ops->close(&file);
	timerfd_clock_was_set(); /* it has left the list */
	cr_assert_eq(fake_heap, 0);
}

Test(clock_timers, absolute_realtime_follows_the_clock)
{
	const int64_t at[4] = {0, 0, 1600000100, 0}; /* the fake's epoch is CLOCK_MONOTONIC's 0 */
	const int64_t span[4] = {0, 0, 100, 0};

	cr_assert_eq(CALL(timerfd_create, CLOCK_REALTIME, O_NONBLOCK), 5);
	cr_assert_eq(CALL(timerfd_settime, 5, 0, AT(span), 0), 0);
	cr_assert_not(opened->timer.timeout.follows_realtime);
	cr_assert_eq(CALL(timerfd_settime, 5, TFD_TIMER_ABSTIME, AT(at), 0), 0);
	cr_assert(opened->timer.timeout.follows_realtime);
	timeouts_follow_realtime();
	timeouts_serve();
	cr_assert_eq(ticks(), -EAGAIN, "it is not due");
	cr_assert(opened->timer.timeout.is_set, "and set anew");
}
