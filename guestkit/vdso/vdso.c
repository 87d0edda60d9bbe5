/* SPDX-License-Identifier: Apache-2.0 */
/* The vDSO: time and CPU number without a system call (Linux ABI, vdso(7)). */
#include <errno.h>
#include <linux/time.h>

#include "guestkit/clock_page.h"

#define NS_PER_S 1000000000u

int __vdso_clock_gettime(int id, struct __kernel_old_timespec *time);
int __vdso_gettimeofday(struct __kernel_old_timeval *time, void *zone);
long __vdso_time(long *time);
int __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);
int __vdso_clock_getres(int id, struct __kernel_old_timespec *resolution);

static long system_call2(long number, long a, long b)
{
	long result;

	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "0"(number), "D"(a), "S"(b)
	                 : "rcx", "r11", "memory");
	return result;
}

int __vdso_clock_gettime(int id, struct __kernel_old_timespec *time)
{
	uint64_t realtime, boottime;
	uint64_t now = clock_page_read(&realtime, &boottime);

	switch (id) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE: now += realtime; break;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE: break;
	case CLOCK_BOOTTIME: now += boottime; break;
	default: return (int)system_call2(228, id, (long)time); /* clock_gettime */
	}
	time->tv_sec = (long)(now / NS_PER_S);
	time->tv_nsec = (long)(now % NS_PER_S);
	return 0;
}

int __vdso_clock_getres(int id, struct __kernel_old_timespec *resolution)
{
	return (int)system_call2(229, id, (long)resolution);
}

int __vdso_gettimeofday(struct __kernel_old_timeval *time, void *zone)
{
	uint64_t realtime, boottime;
	uint64_t now = clock_page_read(&realtime, &boottime) + realtime;
	int *minutes_and_dst = zone;

	if (time) {
		time->tv_sec = (long)(now / NS_PER_S);
		time->tv_usec = (long)(now % NS_PER_S / 1000);
	}
	if (minutes_and_dst)
		minutes_and_dst[0] = minutes_and_dst[1] = 0;
	return 0;
}

long __vdso_time(long *time)
{
	uint64_t realtime, boottime;
	long now = (long)((clock_page_read(&realtime, &boottime) + realtime) / NS_PER_S);

	if (time)
		*time = now;
	return now;
}

int __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
	(void)unused;
	if (cpu)
		*cpu = 0;
	if (node)
		*node = 0;
	return 0;
}
