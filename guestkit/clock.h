/* SPDX-License-Identifier: Apache-2.0 */
/* Time without exits, from the TSC and the clock page. */
#ifndef MOTE_GUESTKIT_CLOCK_H
#define MOTE_GUESTKIT_CLOCK_H

#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC (host's), CLOCK_REALTIME and CLOCK_BOOTTIME. */
uint64_t clock_monotonic(void);
uint64_t clock_realtime(void);
uint64_t clock_boottime(void);

/* Guest TSC; and a number of its ticks in nanoseconds. */
uint64_t clock_tsc(void);
uint64_t clock_ticks_to_ns(uint64_t ticks);

#endif
