/* SPDX-License-Identifier: Apache-2.0 */
/* The timers of timer_create(2): what signals know of them. */
#ifndef MOTE_LIBC_SHIM_POSIX_TIMER_H
#define MOTE_LIBC_SHIM_POSIX_TIMER_H

#include "guestkit/libc-shim/signal.h"

/* A timer's signal is about to be delivered, or has been dropped: the timer goes on, and tells in
 * cause->overrun how many turns it has missed. */
void posix_timer_taken(struct signal_cause *cause);

/* Delete all: the program is replaced by another one. */
void posix_timers_delete(void);

#endif
