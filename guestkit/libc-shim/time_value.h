/* SPDX-License-Identifier: Apache-2.0 */
/* Times as system calls take them, and the deadlines that they mean. */
#ifndef MOTE_LIBC_SHIM_TIME_VALUE_H
#define MOTE_LIBC_SHIM_TIME_VALUE_H

#include <stdint.h>

/* struct timespec */
struct time_value {
	int64_t seconds;
	int64_t nanoseconds;
};

/**
 * time_span() - Seconds and nanoseconds as a number of nanoseconds.
 * @span: UINT64_MAX where the number is larger
 *
 * Return: 0, or -EINVAL for a time that is negative or not normalised.
 */
int time_span(int64_t seconds, int64_t nanoseconds, uint64_t *span);

/**
 * time_read_span() - Read a struct timespec as a number of nanoseconds.
 * @span: UINT64_MAX where the number is larger
 *
 * Return: 0, -EFAULT, or -EINVAL for one that is negative or not normalised.
 */
int time_read_span(uint64_t address, uint64_t *span);

/**
 * time_read_timeout() - Read a relative timeout as a deadline.
 * @address:  of a struct timespec; 0: none
 * @deadline: CLOCK_MONOTONIC ns; SHIM_FOREVER
 */
int time_read_timeout(uint64_t address, uint64_t *deadline);

/* The moment @span ns from now; SHIM_FOREVER where that is beyond all time. */
uint64_t time_deadline_after(uint64_t span);

#endif
