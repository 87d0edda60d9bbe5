/* SPDX-License-Identifier: Apache-2.0 */
/* Reasons from outside to stop a running guest: signals and the time limit. */
#ifndef MOTE_VMM_STOP_H
#define MOTE_VMM_STOP_H

#include <linux/kvm.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/error.h"

enum stop_reason {
	STOP_NONE,
	STOP_SIGNAL,  /* SIGINT, SIGTERM, SIGHUP or SIGQUIT */
	STOP_TIMEOUT, /* --timeout */
};

/**
 * stop_init() - Watch for signals and start the clock of --timeout.
 * @run:        the vCPU's shared page: a signal makes the next or present KVM_RUN return
 * @timeout_ns: 0: none
 *
 * Signal handlers need global state; it is in stop.c, one guest a process.
 */
int stop_init(struct kvm_run *run, uint64_t timeout_ns, struct mote_error *err);

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

/* Whether it has run out since the last call; asking clears it. */
bool stop_take_tick(void);

/**
 * stop_poll() - ppoll() that no stop request can slip past.
 * @timeout_ns:   UINT64_MAX: none
 * @heeds_window: whether a change of the window's size ends it, too
 *
 * Return: as poll(); -1 with EINTR when a reason to stop, or the change, came before or meanwhile.
 */
int stop_poll(struct pollfd *fds, nfds_t count, uint64_t timeout_ns, bool heeds_window);

#endif
