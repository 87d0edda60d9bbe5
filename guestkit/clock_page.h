/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the clock page: shared by the kit and the vDSO, which run at different addresses. */
#ifndef MOTE_GUESTKIT_CLOCK_PAGE_H
#define MOTE_GUESTKIT_CLOCK_PAGE_H

#include "mote/abi.h"

static inline uint64_t clock_page_tsc(void)
{
	uint32_t low, high;

	/* lfence: not before the loads above it (SDM vol. 2B, RDTSC). */
	__asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* CLOCK_MONOTONIC now, in ns, and what to add for CLOCK_REALTIME and CLOCK_BOOTTIME. */
static inline uint64_t clock_page_read(uint64_t *realtime_offset, uint64_t *boottime_offset)
{
	const volatile struct mote_clock *page = (const volatile struct mote_clock *)MOTE_CLOCK_VA;
	uint64_t now, tsc;
	uint32_t sequence;

	do {
		sequence = page->sequence;
		*realtime_offset = page->realtime_offset;
		*boottime_offset = page->boottime_offset;
		tsc = clock_page_tsc();
		/* The page may have been written an instant ahead of this core's TSC. */
		tsc = tsc > page->tsc ? tsc - page->tsc : 0;
		now = page->monotonic +
		      (uint64_t)(((unsigned __int128)tsc * page->multiplier) >> 32);
	} while (sequence & 1 || sequence != page->sequence);
	return now;
}

#endif
