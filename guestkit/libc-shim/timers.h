/* SPDX-License-Identifier: Apache-2.0 */
/* The interval timers of the process: alarm(2), setitimer(2). */
#ifndef MOTE_LIBC_SHIM_TIMERS_H
#define MOTE_LIBC_SHIM_TIMERS_H

#include <stdint.h>

/* Send the signals of timers that are due. Costs next to nothing while none is set. */
void timers_serve(void);

/* CLOCK_MONOTONIC ns at which a timer falls due though the guest sleeps; MOTE_WAIT_FOREVER: none.
 */
uint64_t timers_deadline(void);

#endif
