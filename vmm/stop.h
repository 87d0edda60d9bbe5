/* SPDX-License-Identifier: Apache-2.0 */
/* Reasons from outside to stop a running guest: signals and the time limit. */
#ifndef MOTE_VMM_STOP_H
#define MOTE_VMM_STOP_H

#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "vmm/error.h"

enum stop_reason {
	STOP_NONE,
	STOP_SIGNAL,  /* SIGINT, SIGTERM, SIGHUP or SIGQUIT */
	STOP_TIMEOUT, /* --timeout */
};

/* Of one VM. All zero: nothing has happened. */
struct stop {
	struct kvm_run *run;
	volatile sig_atomic_t reason; /* enum stop_reason */
	volatile sig_atomic_t signal_number;
	volatile sig_atomic_t window_changed;
	volatile sig_atomic_t ticked;
	volatile sig_atomic_t called;
	atomic_bool interrupted;
	timer_t tick;
	uint64_t tick_at;         /* CLOCK_MONOTONIC ns */
	uint64_t deadline;        /* the same, of stop_set_deadline(); 0: none */
	bool (*serve)(void *ctx); /* calls; NULL: there are none */
	void *ctx;
	uint64_t patience_ns;
	struct stop *outer; /* that the thread had before */
	/* stop_shared.c */
	bool is_shared; /* the process is not the VM's alone */
	bool has_tick;
	int vcpu, wake;        /* descriptors: the vCPU, and an eventfd that ends polls */
	atomic_int thread;     /* that is between stop_enter() and stop_leave(); 0: none */
	atomic_int callers;    /* of stop_interrupt(), that may signal it */
	sigset_t mask, pended; /* of the thread, before */
};

/**
 * stop_init() - Watch for signals and start the clock of --timeout: of a process that is the VM's.
 * @run:        the vCPU's shared page: a signal makes the next or present KVM_RUN return
 * @timeout_ns: 0: none
 *
 * Makes @stop the one that all functions below are of.
 */
int stop_init(struct stop *stop, struct kvm_run *run, uint64_t timeout_ns, struct mote_error *err);

/*
 * From now on, in this thread, all functions below are of this VM; until stop_leave(), which makes
 * them be of the one before. In a program that holds several (stop_shared.h), the thread has a
 * timer and other signals blocked in between.
 */
void stop_enter(struct stop *stop);
void stop_leave(struct stop *stop);

/* ---- of any thread, and in signal handlers ---- */

/* Make a run, or a wait in the VMM, end: nothing else happens to the guest. */
void stop_interrupt(struct stop *stop);

/* ---- of the VM that the thread runs ---- */

/* Whether the guest is to stand still for those who run it: they have interrupted it, or the time
 * of stop_set_deadline() is over. */
bool stop_is_due(void);
bool stop_take_interrupt(void);

/* UINT64_MAX: none */
void stop_set_deadline(uint64_t delay_ns);
/* ns until then; UINT64_MAX: none is set */
uint64_t stop_deadline_due(void);

/* KVM_RUN has returned EINTR: see why. */
void stop_interrupted_run(void);

/* Whether writes may not block, since nothing would end them. */
bool stop_is_shared(void);

/* Whether a signal has set immediate_exit for something that nobody has looked at yet. */
bool stop_has_news(void);

/* What has happened so far; *signal_number is set for STOP_SIGNAL. */
enum stop_reason stop_requested(int *signal_number);

/* Whether the terminal was resized since the last call; asking clears it. */
bool stop_take_window_change(void);

/* A timer that makes KVM_RUN return, once; to be set anew each time. It does not end stop_poll().
 */
int stop_init_tick(uint64_t delay_ns, struct mote_error *err);
void stop_set_tick(uint64_t delay_ns);

/* ns until the tick that is set; 0: none is, or it is due. */
uint64_t stop_tick_due(void);

/* Whether it has run out since the last call; asking clears it. */
bool stop_take_tick(void);

/* As a signal would: STOP_SIGNAL. */
void stop_request(int signal_number);

/**
 * stop_watch_calls() - Serve calls from outside (control.c) whenever SIGIO has come.
 * @serve: called on the vCPU's thread while the guest stands still, by stop_serve_calls() and
 *         within stop_poll(); whether a wait of the guest's is to end, since there is news for it
 *
 * It is called once soon, too, for what came before.
 */
int stop_watch_calls(bool (*serve)(void *ctx), void *ctx, struct mote_error *err);

/* Call again after this time at the latest, wherever the VMM is; 0: when SIGIO comes. */
void stop_set_patience(uint64_t ns);
uint64_t stop_patience(void);

/* Serve them if there may be any, after each exit of the guest; @force: in any case. */
void stop_serve_calls(bool force);

/* Serve them within a call that was interrupted and is made again, to be interrupted in time. */
void stop_serve_while_blocked(void);

/* Forget that SIGIO came: its cause is about to be looked at. */
void stop_take_call(void);

/* The same as stop_poll(), but calls end it, too: for those who serve them. */
int stop_poll_calls(struct pollfd *fds, nfds_t count);

/**
 * stop_poll() - ppoll() that no stop request can slip past.
 * @timeout_ns:   UINT64_MAX: none
 * @heeds_window: whether a change of the window's size ends it, too
 *
 * Return: as poll(); -1 with EINTR when a reason to stop, or the change, came before or meanwhile.
 */
int stop_poll(struct pollfd *fds, nfds_t count, uint64_t timeout_ns, bool heeds_window);

#endif
