/* SPDX-License-Identifier: Apache-2.0 */
/* Sleeping: the one way by which the guest stops using the CPU. */
#ifndef MOTE_LIBC_SHIM_WAIT_H
#define MOTE_LIBC_SHIM_WAIT_H

#include <stdint.h>

/**
 * shim_wait() - Sleep until a deadline, an event, or a signal.
 * @deadline: CLOCK_MONOTONIC in ns; MOTE_WAIT_FOREVER: none
 * @events:   MOTE_EVENT_* to wait for
 *
 * Memory that is free goes back to the host first; timers of the application (alarm, setitimer)
 * that fall due meanwhile are served.
 *
 * Return: events that happened, 0 when the deadline passed, or -EINTR when a signal is pending.
 */
int64_t shim_wait(uint64_t deadline, uint32_t events);

/* Sleep until a signal is pending: -EINTR. */
int shim_wait_forever(void);

/**
 * shim_wait_mask() - Change the signal mask until this system call returns (ppoll, pselect6).
 * @mask: as rt_sigprocmask takes it
 *
 * The old mask comes back behind the handlers of the signals that ended the call, as sigsuspend
 * does it, or at once where there are none.
 */
void shim_wait_mask(uint64_t mask);

#endif
