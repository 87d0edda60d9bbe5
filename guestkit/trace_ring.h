/* SPDX-License-Identifier: Apache-2.0 */
/* --trace: tells the VMM what happened in the guest, through a ring in memory. */
#ifndef MOTE_GUESTKIT_TRACE_RING_H
#define MOTE_GUESTKIT_TRACE_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "guestkit/machine.h"

/* Whether there is a trace. */
static inline bool trace_ring_is_on(void)
{
	return machine.trace;
}

/**
 * trace_ring_add() - Tell of something.
 * @what:  the number of a system call, or MOTE_TRACE_FAULT and an error code
 * @start: TSC at its beginning
 * @end:   at its end; 0: it does not return
 * @value: result or address
 * @rip:   where
 *
 * An exit where the ring is full. Only with a trace.
 */
void trace_ring_add(uint32_t what, uint64_t start, uint64_t end, uint64_t value, uint64_t rip);

#endif
