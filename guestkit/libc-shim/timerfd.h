/* SPDX-License-Identifier: Apache-2.0 */
/* Timers that are read. */
#ifndef MOTE_LIBC_SHIM_TIMERFD_H
#define MOTE_LIBC_SHIM_TIMERFD_H

/* CLOCK_REALTIME was set: timers with TFD_TIMER_CANCEL_ON_SET say so to their readers. */
void timerfd_clock_was_set(void);

#endif
