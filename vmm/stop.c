/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reasons from outside to stop a running guest.
 *
 * A handler notes the signal and sets kvm_run->immediate_exit, so that KVM_RUN returns with EINTR
 * whether it was running or about to be entered. For poll the signals are blocked but inside
 * ppoll().
 */
#include "vmm/stop.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/time.h>
#include <time.h>

#define NS_PER_S    1000000000ull
#define TICK_SIGNAL SIGRTMIN

static struct {
	struct kvm_run *run;
	volatile sig_atomic_t reason;
	volatile sig_atomic_t signal_number;
	volatile sig_atomic_t window_changed;
	volatile sig_atomic_t ticked;
	volatile sig_atomic_t called;
	timer_t tick;
	uint64_t tick_at;         /* CLOCK_MONOTONIC ns */
	bool (*serve)(void *ctx); /* calls; NULL: there are none */
	void *ctx;
	uint64_t patience_ns;
} state;

static void handle(int signal_number)
{
	if (signal_number == TICK_SIGNAL) {
		state.ticked = 1;
	} else if (signal_number == SIGIO) {
		state.called = 1;
	} else if (signal_number == SIGWINCH) {
		state.window_changed = 1;
	} else if (!state.reason) {
		state.signal_number = signal_number;
		state.reason = signal_number == SIGALRM ? STOP_TIMEOUT : STOP_SIGNAL;
	}
	state.run->immediate_exit = 1;
}

static const int watched[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM, SIGWINCH};

static void watched_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++)
		sigaddset(set, watched[i]);
}

/* A signal that whoever started us wants ignored, as nohup does. */
static bool is_ignored(int signal_number)
{
	struct sigaction old;

	return (signal_number == SIGHUP || signal_number == SIGINT || signal_number == SIGQUIT) &&
	       sigaction(signal_number, NULL, &old) == 0 && old.sa_handler == SIG_IGN;
}

/* #syscalls:load rt_sigaction setitimer */
/* #syscalls:run rt_sigreturn */
int stop_init(struct kvm_run *run, uint64_t timeout_ns, struct mote_error *err)
{
	struct sigaction action = {.sa_handler = handle};
	struct itimerval timer = {
	        /* It repeats, so that no write of ours after the first can block for good. */
	        .it_interval = {.tv_usec = 100000},
	        .it_value = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
	                     .tv_usec = (suseconds_t)(timeout_ns % NS_PER_S / 1000)}};

	state.run = run;
	watched_set(&action.sa_mask);
	for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++)
		if (!is_ignored(watched[i]) && sigaction(watched[i], &action, NULL))
			return mote_error_errno(err, MOTE_STATUS_FAILED,
			                        "cannot watch for signal %d", watched[i]);
	/* Whoever started us may have had them blocked. */
	sigprocmask(SIG_UNBLOCK, &action.sa_mask, NULL);
	/* A reader of our output that goes away is the guest's EPIPE, not our death. */
	signal(SIGPIPE, SIG_IGN);
	if (!timeout_ns)
		return 0;
	if (!timer.it_value.tv_sec && !timer.it_value.tv_usec)
		timer.it_value.tv_usec = 1;
	if (setitimer(ITIMER_REAL, &timer, NULL))
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot set the time limit");
	return 0;
}

/* ---- ticks ---- */

/* #syscalls:run clock_gettime */
static uint64_t monotonic(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

/* #syscalls:load timer_create */
int stop_init_tick(uint64_t delay_ns, struct mote_error *err)
{
	struct sigaction action = {.sa_handler = handle};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = TICK_SIGNAL};

	watched_set(&action.sa_mask);
	if (sigaction(TICK_SIGNAL, &action, NULL) ||
	    timer_create(CLOCK_MONOTONIC, &event, &state.tick))
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot make a timer");
	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, TICK_SIGNAL);
	sigprocmask(SIG_UNBLOCK, &action.sa_mask, NULL);
	stop_set_tick(delay_ns);
	return 0;
}

/* #syscalls:load timer_settime */
/* #syscalls:run timer_settime */
void stop_set_tick(uint64_t delay_ns)
{
	const struct itimerspec when = {.it_value = {.tv_sec = (time_t)(delay_ns / NS_PER_S),
	                                             .tv_nsec = (long)(delay_ns % NS_PER_S)}};

	timer_settime(state.tick, 0, &when, NULL);
	state.tick_at = monotonic() + delay_ns;
}

uint64_t stop_tick_due(void)
{
	uint64_t present = monotonic();

	return state.tick_at > present ? state.tick_at - present : 0;
}

bool stop_take_tick(void)
{
	bool ticked = state.ticked;

	state.ticked = 0;
	return ticked;
}

bool stop_has_news(void)
{
	return state.ticked || state.reason || state.window_changed || state.called;
}

/* ---- calls ---- */

/* #syscalls:load rt_sigaction */
int stop_watch_calls(bool (*serve)(void *ctx), void *ctx, struct mote_error *err)
{
	struct sigaction action = {.sa_handler = handle};

	state.serve = serve;
	state.ctx = ctx;
	state.called = 1;
	watched_set(&action.sa_mask);
	if (sigaction(SIGIO, &action, NULL))
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot watch for signal %d",
		                        SIGIO);
	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGIO);
	sigprocmask(SIG_UNBLOCK, &action.sa_mask, NULL);
	return 0;
}

void stop_set_patience(uint64_t ns)
{
	state.patience_ns = ns;
}

uint64_t stop_patience(void)
{
	return state.patience_ns;
}

void stop_serve_calls(bool force)
{
	if (state.serve && (state.called || force))
		(void)state.serve(state.ctx);
}

void stop_serve_while_blocked(void)
{
	stop_serve_calls(state.patience_ns != 0);
	if (state.patience_ns)
		stop_set_tick(state.patience_ns);
}

void stop_take_call(void)
{
	state.called = 0;
}

void stop_request(int signal_number)
{
	if (state.reason)
		return;
	state.signal_number = signal_number;
	state.reason = STOP_SIGNAL;
}

/* ---- what was asked for ---- */

enum stop_reason stop_requested(int *signal_number)
{
	*signal_number = state.signal_number;
	return (enum stop_reason)state.reason;
}

bool stop_take_window_change(void)
{
	bool changed = state.window_changed;

	state.window_changed = 0;
	return changed;
}

/* #syscalls:run ppoll rt_sigprocmask */
static int poll_once(struct pollfd *fds, nfds_t count, uint64_t timeout_ns, bool heeds_window)
{
	struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
	                           .tv_nsec = (long)(timeout_ns % NS_PER_S)};
	sigset_t blocked, before, during;
	int status;

	watched_set(&blocked);
	sigaddset(&blocked, TICK_SIGNAL);
	sigaddset(&blocked, SIGIO);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	during = before;
	sigaddset(&during, TICK_SIGNAL); /* a guest that waits needs no ticks */
	if (!heeds_window)
		sigaddset(&during, SIGWINCH);
	if (state.reason || state.called || (heeds_window && state.window_changed)) {
		errno = EINTR;
		status = -1;
	} else {
		status = ppoll(fds, count, timeout_ns == UINT64_MAX ? NULL : &timeout, &during);
	}
	int saved = errno;

	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = saved;
	return status;
}

int stop_poll_calls(struct pollfd *fds, nfds_t count)
{
	return poll_once(fds, count, UINT64_MAX, false);
}

/* The same, with calls served between. */
static int poll_and_serve(struct pollfd *fds, nfds_t count, uint64_t timeout_ns, bool heeds_window)
{
	uint64_t start = monotonic(), left = timeout_ns;

	for (;;) {
		uint64_t part =
		        state.patience_ns && state.patience_ns < left ? state.patience_ns : left;
		int status = poll_once(fds, count, part, heeds_window);
		bool is_called = (status == 0 && part < left) ||
		                 (status < 0 && errno == EINTR && state.called);

		if (!is_called)
			return status;
		if (state.serve(state.ctx) || state.reason) {
			errno = EINTR;
			return -1;
		}
		if (timeout_ns != UINT64_MAX) {
			uint64_t passed = monotonic() - start;

			left = passed < timeout_ns ? timeout_ns - passed : 0;
		}
	}
}

int stop_poll(struct pollfd *fds, nfds_t count, uint64_t timeout_ns, bool heeds_window)
{
	return state.serve ? poll_and_serve(fds, count, timeout_ns, heeds_window)
	                   : poll_once(fds, count, timeout_ns, heeds_window);
}
