/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reasons from outside to stop a running guest, where the process is the guest's alone.
 *
 * A handler notes the signal and sets kvm_run->immediate_exit, so that KVM_RUN returns with EINTR
 * whether it was running or about to be entered. For poll the signals are blocked but inside
 * ppoll(). stop_shared.c has the other way, for programs that hold several VMs.
 */
#include "vmm/stop.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/time.h>

#include "vmm/stop_shared.h"

#define NS_PER_S    1000000000ull
#define TICK_SIGNAL SIGRTMIN

/* Of the VM that this thread runs; NULL: none. Handlers run in the one thread that there is. */
static _Thread_local struct stop *current;

/* Outside of any VM nothing happens. */
static const struct stop nobody;

static const struct stop *present_one(void)
{
	return current ? current : &nobody;
}

static void handle(int signal_number)
{
	struct stop *stop = current;

	if (!stop)
		return;
	if (signal_number == TICK_SIGNAL) {
		stop->ticked = 1;
	} else if (signal_number == SIGIO) {
		stop->called = 1;
	} else if (signal_number == SIGWINCH) {
		stop->window_changed = 1;
	} else if (!stop->reason) {
		stop->signal_number = signal_number;
		stop->reason = signal_number == SIGALRM ? STOP_TIMEOUT : STOP_SIGNAL;
	}
	stop->run->immediate_exit = 1;
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
int stop_init(struct stop *stop, struct kvm_run *run, uint64_t timeout_ns, struct mote_error *err)
{
	struct sigaction action = {.sa_handler = handle};
	struct itimerval timer = {
	        /* It repeats, so that no write of ours after the first can block for good. */
	        .it_interval = {.tv_usec = 100000},
	        .it_value = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
	                     .tv_usec = (suseconds_t)(timeout_ns % NS_PER_S / 1000)}};

	stop->run = run;
	current = stop;
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

void stop_enter(struct stop *stop)
{
	stop->outer = current;
	current = stop;
	if (stop->is_shared)
		stop_shared_enter(stop);
}

void stop_leave(struct stop *stop)
{
	if (stop->is_shared)
		stop_shared_leave(stop);
	current = stop->outer;
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

	if (current->is_shared)
		return 0; /* each stop_enter() makes one */
	watched_set(&action.sa_mask);
	if (sigaction(TICK_SIGNAL, &action, NULL) ||
	    timer_create(CLOCK_MONOTONIC, &event, &current->tick))
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

	if (!current)
		return;
	if (!current->is_shared || current->has_tick)
		timer_settime(current->tick, 0, &when, NULL);
	current->tick_at = monotonic() + delay_ns;
}

uint64_t stop_tick_due(void)
{
	uint64_t present = monotonic();

	return present_one()->tick_at > present ? present_one()->tick_at - present : 0;
}

bool stop_take_tick(void)
{
	bool ticked = current->ticked;

	current->ticked = 0;
	return ticked;
}

bool stop_has_news(void)
{
	const struct stop *stop = present_one();

	return stop->ticked || stop->reason || stop->window_changed || stop->called ||
	       stop->interrupted;
}

/* ---- calls ---- */

/* #syscalls:load rt_sigaction */
int stop_watch_calls(bool (*serve)(void *ctx), void *ctx, struct mote_error *err)
{
	struct sigaction action = {.sa_handler = handle};

	current->serve = serve;
	current->ctx = ctx;
	current->called = 1;
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
	current->patience_ns = ns;
}

uint64_t stop_patience(void)
{
	return present_one()->patience_ns;
}

void stop_serve_calls(bool force)
{
	const struct stop *stop = present_one();

	if (stop->serve && (stop->called || force))
		(void)stop->serve(stop->ctx);
}

void stop_serve_while_blocked(void)
{
	uint64_t patience = stop_patience();

	stop_serve_calls(patience != 0);
	if (patience)
		stop_set_tick(patience);
}

void stop_take_call(void)
{
	current->called = 0;
}

void stop_request(int signal_number)
{
	if (current->reason)
		return;
	current->signal_number = signal_number;
	current->reason = STOP_SIGNAL;
}

/* ---- interruptions ---- */

void stop_interrupt(struct stop *stop)
{
	if (stop->is_shared)
		stop_shared_interrupt(stop);
	else if (!atomic_exchange(&stop->interrupted, true) && stop->run)
		stop->run->immediate_exit = 1;
}

bool stop_is_due(void)
{
	const struct stop *stop = present_one();

	return stop->interrupted || (stop->deadline && monotonic() >= stop->deadline);
}

bool stop_take_interrupt(void)
{
	return atomic_exchange(&current->interrupted, false);
}

void stop_set_deadline(uint64_t delay_ns)
{
	uint64_t present = monotonic();

	current->deadline = delay_ns < UINT64_MAX - present ? present + delay_ns : 0;
}

uint64_t stop_deadline_due(void)
{
	uint64_t present;

	if (!current->deadline)
		return UINT64_MAX;
	present = monotonic();
	return current->deadline > present ? current->deadline - present : 0;
}

void stop_interrupted_run(void)
{
	if (current->is_shared)
		stop_shared_collect(current);
}

bool stop_is_shared(void)
{
	return present_one()->is_shared;
}

/* ---- what was asked for ---- */

enum stop_reason stop_requested(int *signal_number)
{
	*signal_number = present_one()->signal_number;
	return (enum stop_reason)present_one()->reason;
}

bool stop_take_window_change(void)
{
	bool changed = current->window_changed;

	current->window_changed = 0;
	return changed;
}

/* #syscalls:run ppoll rt_sigprocmask */
static int poll_once(struct pollfd *fds, nfds_t count, uint64_t timeout_ns, bool heeds_window)
{
	struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
	                           .tv_nsec = (long)(timeout_ns % NS_PER_S)};
	const struct stop *stop = present_one();
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
	if (stop->reason || stop->called || stop->interrupted ||
	    (heeds_window && stop->window_changed)) {
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
		uint64_t part = current->patience_ns && current->patience_ns < left
		                        ? current->patience_ns
		                        : left;
		int status = poll_once(fds, count, part, heeds_window);
		bool is_called = (status == 0 && part < left) ||
		                 (status < 0 && errno == EINTR && current->called);

		if (!is_called)
			return status;
		if (current->serve(current->ctx) || current->reason) {
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
	if (stop_is_shared())
		return stop_shared_poll(current, fds, count, timeout_ns);
	return present_one()->serve ? poll_and_serve(fds, count, timeout_ns, heeds_window)
	                            : poll_once(fds, count, timeout_ns, heeds_window);
}
