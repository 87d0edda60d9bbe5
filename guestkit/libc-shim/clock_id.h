/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks that system calls name by a number (clockid_t). */
#ifndef MOTE_LIBC_SHIM_CLOCK_ID_H
#define MOTE_LIBC_SHIM_CLOCK_ID_H

#include <stdint.h>

/* The kinds of clock that there are. */
enum clock_kind {
	CLOCK_KIND_NONE,
	CLOCK_KIND_REALTIME,
	CLOCK_KIND_MONOTONIC,
	CLOCK_KIND_BOOTTIME,
	CLOCK_KIND_CPU,
	CLOCK_KIND_THREAD_CPU,
};

/* What kind a number means; CLOCK_KIND_NONE: none, or a thread that does not live (any more). */
enum clock_kind clock_kind(int32_t id);

/* What the clock shows, in ns. */
uint64_t clock_kind_now(enum clock_kind kind, int32_t id);

/* The number of a thread's CPU time (clock_getcpuclockid(3)). */
int32_t clock_of_thread(int32_t thread);

#endif
