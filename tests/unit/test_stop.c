/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of stop requests: signals, the time limit, and a poll that none of them slips past. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What ppoll() does first: a signal between the last look and the wait. */
static int signal_before_wait;

static int ppoll_with_signal(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                             const sigset_t *mask)
{
	if (signal_before_wait)
		raise(signal_before_wait);
	return ppoll(fds, count, timeout, mask);
}

#define ppoll ppoll_with_signal
#include "vmm/stop.c"
#undef ppoll

static struct kvm_run run;
static struct stop stop;
static struct mote_error err;

static void start(void)
{
	cr_assert_eq(stop_init(&stop, &run, 0, &err), 0);
}

TestSuite(stop, .init = start, .timeout = 20);

static enum stop_reason reason(void)
{
	int number;

	return stop_requested(&number);
}

static uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

Test(stop, nothing_has_happened)
{
	cr_assert_eq(reason(), STOP_NONE);
	cr_assert_not(stop_take_window_change());
	cr_assert_eq(run.immediate_exit, 0);
}

static void check_signal(int number)
{
	int told = 0;

	cr_assert_eq(raise(number), 0);
	cr_assert_eq(stop_requested(&told), STOP_SIGNAL);
	cr_assert_eq(told, number);
	cr_assert_eq(run.immediate_exit, 1, "KVM_RUN returns");
}

Test(stop, interrupt)
{
	check_signal(SIGINT);
}

Test(stop, terminate)
{
	check_signal(SIGTERM);
}

Test(stop, hang_up)
{
	check_signal(SIGHUP);
}

Test(stop, quit)
{
	check_signal(SIGQUIT);
}

Test(stop, first_signal_counts)
{
	int told;

	raise(SIGTERM);
	raise(SIGINT);
	raise(SIGALRM);
	cr_assert_eq(stop_requested(&told), STOP_SIGNAL);
	cr_assert_eq(told, SIGTERM);
}

Test(stop, closed_pipe_does_not_kill)
{
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	close(ends[0]);
	cr_assert_eq(write(ends[1], "x", 1), -1);
	cr_assert_eq(errno, EPIPE);
	cr_assert_eq(reason(), STOP_NONE);
}

Test(stop, resized_window_is_told_once)
{
	raise(SIGWINCH);
	cr_assert_eq(reason(), STOP_NONE);
	cr_assert_eq(run.immediate_exit, 1);
	cr_assert(stop_take_window_change());
	cr_assert_not(stop_take_window_change());
}

static void check_time_limit(uint64_t ns, uint64_t at_least)
{
	uint64_t before = now_ns();

	cr_assert_eq(stop_init(&stop, &run, ns, &err), 0);
	while (reason() == STOP_NONE)
		usleep(1000);
	cr_assert_eq(reason(), STOP_TIMEOUT);
	cr_assert_geq(now_ns() - before, at_least);
	cr_assert_eq(run.immediate_exit, 1);
}

Test(stop, time_limit)
{
	check_time_limit(100000000, 99000000);
}

Test(stop, time_limit_under_a_microsecond_is_not_none)
{
	check_time_limit(1, 0);
}

Test(stop, poll_is_ready)
{
	int ends[2];
	struct pollfd in;

	cr_assert_eq(pipe(ends), 0);
	in = (struct pollfd){.fd = ends[0], .events = POLLIN};
	cr_assert_eq(stop_poll(&in, 1, 0, true), 0);
	cr_assert_eq(write(ends[1], "x", 1), 1);
	cr_assert_eq(stop_poll(&in, 1, UINT64_MAX, true), 1);
	cr_assert_eq(in.revents, POLLIN);
}

Test(stop, poll_waits_as_long_as_asked)
{
	uint64_t before = now_ns();

	cr_assert_eq(stop_poll(NULL, 0, 50000000, true), 0);
	cr_assert_geq(now_ns() - before, 50000000);
}

Test(stop, poll_sees_a_signal_that_came_before)
{
	raise(SIGTERM);
	cr_assert_eq(stop_poll(NULL, 0, UINT64_MAX, true), -1);
	cr_assert_eq(errno, EINTR);
}

Test(stop, poll_sees_a_resize_that_came_before_until_it_was_taken)
{
	raise(SIGWINCH);
	cr_assert_eq(stop_poll(NULL, 0, UINT64_MAX, true), -1);
	cr_assert_eq(errno, EINTR);
	cr_assert(stop_take_window_change());
	cr_assert_eq(stop_poll(NULL, 0, 0, true), 0);
}

Test(stop, poll_can_leave_a_resize_for_later)
{
	raise(SIGWINCH);
	cr_assert_eq(stop_poll(NULL, 0, 0, false), 0);
	signal_before_wait = SIGWINCH;
	cr_assert_eq(stop_poll(NULL, 0, 0, false), 0);
	cr_assert(stop_take_window_change());
	raise(SIGTERM);
	cr_assert_eq(stop_poll(NULL, 0, 0, false), -1);
}

Test(stop, poll_sees_a_signal_that_comes_just_before_it_waits)
{
	signal_before_wait = SIGTERM;
	cr_assert_eq(stop_poll(NULL, 0, UINT64_MAX, true), -1);
	cr_assert_eq(errno, EINTR);
	cr_assert_eq(reason(), STOP_SIGNAL);
}

/* A child signals again and again at random moments; each poll without a limit must end. */
Test(stop, poll_sees_every_signal_that_comes_meanwhile)
{
	pid_t parent = getpid(), child = fork();

	if (child == 0) {
		for (;;) {
			usleep((useconds_t)random() % 300);
			kill(parent, SIGWINCH);
		}
	}
	for (int i = 0; i < 1000; i++) {
		cr_assert_eq(stop_poll(NULL, 0, UINT64_MAX, true), -1);
		cr_assert_eq(errno, EINTR);
		cr_assert(stop_take_window_change());
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

Test(stop, poll_leaves_the_signal_mask_as_it_was)
{
	sigset_t before, after;

	sigemptyset(&before);
	sigaddset(&before, SIGUSR1);
	sigprocmask(SIG_SETMASK, &before, NULL);
	stop_poll(NULL, 0, 0, true);
	sigprocmask(SIG_SETMASK, NULL, &after);
	for (int number = 1; number < 32; number++)
		cr_assert_eq(sigismember(&after, number), number == SIGUSR1);
}

/* ---- calls ---- */

static unsigned calls;
static bool has_news;

static bool serve(void *ctx)
{
	cr_assert_eq(ctx, &calls);
	stop_take_call();
	signal_before_wait = 0;
	calls++;
	return has_news;
}

static void watch_calls(void)
{
	cr_assert_eq(stop_watch_calls(serve, &calls, &err), 0);
	stop_serve_calls(false);
	cr_assert_eq(calls, 1, "what came before is looked at");
	calls = 0;
}

Test(stop, a_call_stops_the_guest_and_is_served)
{
	watch_calls();
	stop_serve_calls(false);
	cr_assert_eq(calls, 0);
	cr_assert_eq(raise(SIGIO), 0);
	cr_assert_eq(run.immediate_exit, 1, "KVM_RUN returns");
	stop_serve_calls(false);
	stop_serve_calls(false);
	cr_assert_eq(calls, 1);
	stop_serve_calls(true);
	cr_assert_eq(calls, 2);
	cr_assert_eq(reason(), STOP_NONE);
}

Test(stop, a_wait_goes_on_after_a_call)
{
	uint64_t start = monotonic();

	watch_calls();
	signal_before_wait = SIGIO;
	cr_assert_eq(stop_poll(NULL, 0, 0, false), 0, "and sees that its time is over");
	cr_assert_eq(calls, 1);
	raise(SIGIO);
	calls = 0;
	cr_assert_eq(stop_poll(NULL, 0, 30000000, false), 0);
	cr_assert_eq(calls, 1);
	cr_assert_geq(monotonic() - start, 30000000);
}

Test(stop, a_call_with_news_ends_a_wait)
{
	watch_calls();
	has_news = true;
	raise(SIGIO);
	cr_assert_eq(stop_poll(NULL, 0, UINT64_MAX, false), -1);
	cr_assert_eq(errno, EINTR);
	cr_assert_eq(calls, 1);
	cr_assert_eq(reason(), STOP_NONE);
}

Test(stop, patience_ends)
{
	int ends[2];
	struct pollfd in;

	watch_calls();
	stop_set_patience(5000000);
	cr_assert_eq(stop_poll(NULL, 0, 52000000, false), 0);
	cr_assert_geq(calls, 2);
	cr_assert_leq(calls, 10);
	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(write(ends[1], "x", 1), 1);
	in = (struct pollfd){.fd = ends[0], .events = POLLIN};
	cr_assert_eq(stop_poll(&in, 1, UINT64_MAX, false), 1, "a file that is ready ends it");
}

Test(stop, a_request_to_end_counts_as_a_signal)
{
	int told;

	stop_request(SIGKILL);
	stop_request(SIGTERM);
	cr_assert_eq(stop_requested(&told), STOP_SIGNAL);
	cr_assert_eq(told, SIGKILL);
	cr_assert_eq(stop_poll(NULL, 0, UINT64_MAX, false), -1);
	cr_assert_eq(errno, EINTR);
}
