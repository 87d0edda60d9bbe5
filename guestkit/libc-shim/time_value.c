/* SPDX-License-Identifier: Apache-2.0 */
/* Times as system calls take them, and the deadlines that they mean. */
#include "guestkit/libc-shim/time_value.h"

#include <linux/errno.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/user.h"

int time_span(int64_t seconds, int64_t nanoseconds, uint64_t *span)
{
	if (seconds < 0 || (uint64_t)nanoseconds >= SYSTEM_NANOSECONDS)
		return -EINVAL;
	if (__builtin_mul_overflow((uint64_t)seconds, SYSTEM_NANOSECONDS, span) ||
	    __builtin_add_overflow(*span, (uint64_t)nanoseconds, span))
		*span = UINT64_MAX;
	return 0;
}

int time_read_span(uint64_t address, uint64_t *span)
{
	struct time_value value;

	if (user_read(&value, address, sizeof(value)) < 0)
		return -EFAULT;
	return time_span(value.seconds, value.nanoseconds, span);
}

uint64_t time_deadline_after(uint64_t span)
{
	uint64_t deadline;

	if (__builtin_add_overflow(clock_monotonic(), span, &deadline))
		return SHIM_FOREVER;
	return deadline;
}

int time_read_timeout(uint64_t address, uint64_t *deadline)
{
	uint64_t span;
	int result;

	*deadline = SHIM_FOREVER;
	if (!address)
		return 0;
	result = time_read_span(address, &span);
	if (result == 0)
		*deadline = time_deadline_after(span);
	return result;
}
