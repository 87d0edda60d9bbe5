/* SPDX-License-Identifier: Apache-2.0 */
/* Time without exits, from the TSC and the clock page. */
#include "guestkit/clock.h"

#include "guestkit/clock_page.h"

uint64_t clock_tsc(void)
{
	return clock_page_tsc();
}

uint64_t clock_ticks_to_ns(uint64_t ticks)
{
	const volatile struct mote_clock *page = (const volatile struct mote_clock *)MOTE_CLOCK_VA;

	return (uint64_t)(((unsigned __int128)ticks * page->multiplier) >> 32);
}

uint64_t clock_monotonic(void)
{
	uint64_t realtime_offset, boottime_offset;

	return clock_page_read(&realtime_offset, &boottime_offset);
}

uint64_t clock_realtime(void)
{
	uint64_t realtime_offset, boottime_offset;
	uint64_t now = clock_page_read(&realtime_offset, &boottime_offset);

	return now + realtime_offset;
}

uint64_t clock_boottime(void)
{
	uint64_t realtime_offset, boottime_offset;
	uint64_t now = clock_page_read(&realtime_offset, &boottime_offset);

	return now + boottime_offset;
}
