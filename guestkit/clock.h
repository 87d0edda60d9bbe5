/* SPDX-License-Identifier: Apache-2.0 */
/* Time without exits, from the TSC and the clock page. */
#ifndef MOTE_GUESTKIT_CLOCK_H
#define MOTE_GUESTKIT_CLOCK_H

#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC (host's), CLOCK_REALTIME and CLOCK_BOOTTIME. */
uint64_t clock_monotonic(void);
uint64_t clock_realtime(void);
uint64_t clock_boottime(void);

/* Guest TSC. */
uint64_t clock_tsc(void);

#endif
