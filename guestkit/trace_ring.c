/* SPDX-License-Identifier: Apache-2.0 */
/* --trace: tells the VMM what happened in the guest, through a ring in memory. */
#include "guestkit/trace_ring.h"

#include "guestkit/hypercall.h"
#include "guestkit/thread.h"

void trace_ring_add(uint32_t what, uint64_t start, uint64_t end, uint64_t value, uint64_t rip)
{
	struct mote_trace *ring = machine.trace;

	if (ring->written - ring->taken >= ring->size)
		hypercall(MOTE_HC_clock, 0, 0, 0);
	ring->event[ring->written % ring->size] = (struct mote_trace_event){
	        .start = start,
	        .end = end,
	        .value = value,
	        .rip = rip,
	        .what = what,
	        .thread = (uint32_t)thread_current->id,
	};
	ring->written++;
}
