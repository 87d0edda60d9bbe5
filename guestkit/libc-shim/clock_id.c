/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks that system calls name by a number (clockid_t). */
#include "guestkit/libc-shim/clock_id.h"

#include <linux/time.h>
#include <stddef.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/thread.h"

/* A negative clock is a process's or thread's: its number inverted, and 3 bits
 * (clock_getcpuclockid(3)). */
#define CPU_CLOCK_KIND_MASK 3
#define CPU_CLOCK_KINDS     3 /* PROF, VIRT, SCHED */
#define CPU_CLOCK_SCHED     2
#define CPU_CLOCK_OF_THREAD 4
#define CPU_CLOCK_SHIFT     3

enum clock_kind clock_kind(int32_t id)
{
	if (id < 0) {
		int32_t owner = ~id >> CPU_CLOCK_SHIFT;

		if ((id & CPU_CLOCK_KIND_MASK) >= CPU_CLOCK_KINDS)
			return CLOCK_KIND_NONE;
		if (id & CPU_CLOCK_OF_THREAD)
			return owner == 0 || thread_find(owner) ? CLOCK_KIND_THREAD_CPU
			                                        : CLOCK_KIND_NONE;
		return owner == 0 || owner == PROCESS_ID ? CLOCK_KIND_CPU : CLOCK_KIND_NONE;
	}
	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_TAI: return CLOCK_KIND_REALTIME; /* no offset is known, as on a fresh Linux */
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE: return CLOCK_KIND_MONOTONIC;
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM: return CLOCK_KIND_BOOTTIME;
	case CLOCK_PROCESS_CPUTIME_ID: return CLOCK_KIND_CPU;
	case CLOCK_THREAD_CPUTIME_ID: return CLOCK_KIND_THREAD_CPU;
	default: return CLOCK_KIND_NONE;
	}
}

/* The thread whose CPU time a clock of CLOCK_KIND_THREAD_CPU shows. */
static const struct thread *clock_thread(int32_t id)
{
	int32_t owner = id < 0 ? ~id >> CPU_CLOCK_SHIFT : 0;

	return owner ? thread_find(owner) : thread_current;
}

uint64_t clock_kind_now(enum clock_kind kind, int32_t id)
{
	switch (kind) {
	case CLOCK_KIND_REALTIME: return clock_realtime();
	case CLOCK_KIND_BOOTTIME: return clock_boottime();
	case CLOCK_KIND_CPU: return process_cpu_time();
	case CLOCK_KIND_THREAD_CPU: return thread_cpu_time(clock_thread(id));
	default: return clock_monotonic();
	}
}

int32_t clock_of_thread(int32_t thread)
{
	return (int32_t)(~(uint32_t)thread << CPU_CLOCK_SHIFT) | CPU_CLOCK_OF_THREAD |
	       CPU_CLOCK_SCHED;
}
