/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the clock page, with simulated clocks: never back, close to the host, a seqlock. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

/* The simulated machine: everything follows from the TSC. */
static struct {
	uint64_t tsc;
	double khz;        /* what the TSC really runs at */
	double slew;       /* how much faster than that the host's clock runs (steering) */
	double monotonic;  /* ns */
	uint64_t realtime; /* ns, minus monotonic */
	uint64_t boottime; /* likewise */
} machine;

static void pass(double ns)
{
	machine.tsc += (uint64_t)(ns * machine.khz / 1e6);
	machine.monotonic += ns * (1 + machine.slew);
}

static int simulated_gettime(clockid_t id, struct timespec *time)
{
	uint64_t ns = (uint64_t)machine.monotonic + (id == CLOCK_REALTIME   ? machine.realtime
	                                             : id == CLOCK_BOOTTIME ? machine.boottime
	                                                                    : 0);

	time->tv_sec = (time_t)(ns / 1000000000);
	time->tv_nsec = (long)(ns % 1000000000);
	return 0;
}

static uint64_t simulated_tsc(void)
{
	return machine.tsc;
}

#define clock_gettime simulated_gettime
#define __rdtsc       simulated_tsc
#include "vmm/clock_page.c"
#undef clock_gettime
#undef __rdtsc

static struct mote_clock page;
static struct clock_page host;

/* A clock as clock_page_init() leaves it; KVM says claimed_khz. */
static void start(uint64_t claimed_khz, double khz)
{
	memset(&machine, 0, sizeof machine);
	machine.tsc = 1ul << 50;
	machine.khz = khz;
	machine.monotonic = 123456789012345;
	machine.realtime = 1700000000000000000;
	machine.boottime = 5000000000;
	memset(&page, 0, sizeof page);
	host = (struct clock_page){.page = &page, .tsc_khz = claimed_khz};
	clock_page_refresh(&host);
}

/* As the guest computes it (mote/abi.h). */
static uint64_t guest_time(void)
{
	uint64_t ticks = machine.tsc + host.tsc_offset - page.tsc;

	return page.monotonic + (uint64_t)(((unsigned __int128)ticks * page.multiplier) >> 32);
}

static double error_ns(void)
{
	return (double)guest_time() - machine.monotonic;
}

Test(clock_page, first_page)
{
	start(2100000, 2100000);
	cr_assert_eq(page.sequence, 2);
	cr_assert_eq(page.tsc, 1ul << 50);
	cr_assert_eq(page.monotonic, 123456789012345);
	cr_assert_eq(page.realtime_offset, 1700000000000000000);
	cr_assert_eq(page.boottime_offset, 5000000000);
	cr_assert_eq(guest_time(), clock_page_monotonic(&host));
}

Test(clock_page, runs_at_the_tsc_frequency)
{
	start(2100000, 2100000);
	pass(50e6);
	cr_assert_lt(error_ns() * error_ns(), 10 * 10, "%f ns", error_ns());
	start(3000001, 3000001);
	pass(50e6);
	cr_assert_lt(error_ns() * error_ns(), 10 * 10, "%f ns", error_ns());
}

Test(clock_page, offset_of_the_guests_tsc)
{
	start(2100000, 2100000);
	host.tsc_offset = -(1ul << 50) + 1000;
	clock_page_refresh(&host);
	cr_assert_eq(page.tsc, 1000);
	pass(1e6);
	cr_assert_eq(guest_time(), clock_page_monotonic(&host));
}

/* Refresh at random moments and read in between: time never goes back, the sequence stays even. */
static void run(uint64_t claimed_khz, double khz, double slew, double limit_ns)
{
	uint64_t last = 0;
	uint32_t sequence;

	start(claimed_khz, khz);
	machine.slew = slew;
	for (int step = 0; step < 20000; step++) {
		pass((double)(random() % 1000000));
		cr_assert_geq(guest_time(), last, "back by %lu ns in step %d", last - guest_time(),
		              step);
		last = guest_time();
		cr_assert_eq(page.sequence & 1, 0);
		sequence = page.sequence;
		if (random() % 4 == 0)
			clock_page_refresh(&host);
		else
			clock_page_refresh_if_old(&host);
		cr_assert(page.sequence == sequence || page.sequence == sequence + 2);
		cr_assert_geq(guest_time(), last, "back by %lu ns at refresh %d",
		              last - guest_time(), step);
		last = guest_time();
	}
	cr_assert_lt(error_ns(), limit_ns);
	cr_assert_gt(error_ns(), -limit_ns);
}

Test(clock_page, exact_frequency)
{
	run(2100000, 2100000, 0, 1000);
}

/* KVM rounds to 1 kHz. */
Test(clock_page, rounded_frequency)
{
	run(2100000, 2100000.5, 0, 1000);
	run(2100000, 2099999.5, 0, 1000);
}

/* NTP steers by up to 500 ppm; the guest follows within what a tenth of a second makes of it. */
Test(clock_page, steered_host_clock)
{
	run(2100000, 2100000, 500e-6, 60000);
	run(2100000, 2100000, -500e-6, 60000);
}

Test(clock_page, wrong_frequency_still_never_goes_back)
{
	run(2000000, 2100000, 0, 1e6); /* runs 5 % fast at first */
	run(2200000, 2100000, 0, 1e6);
}

/* A page that is a second ahead slows down and does not stop. */
Test(clock_page, far_ahead_slows_down)
{
	uint64_t last, before;

	start(2100000, 2100000);
	host.shown_monotonic += 1000000000;
	clock_page_refresh(&host);
	last = guest_time();
	for (int step = 0; step < 100; step++) {
		clock_page_refresh(&host);
		before = guest_time();
		cr_assert_geq(before, last);
		pass(1e6);
		last = guest_time();
		cr_assert_gt(last, before, "time goes on");
		cr_assert_lt(last - before, 990000, "and slower");
	}
}

Test(clock_page, settings_of_the_wall_clock_are_shown)
{
	start(2100000, 2100000);
	machine.realtime += 3600000000000;
	machine.boottime += 7;
	clock_page_refresh(&host);
	cr_assert_eq(page.realtime_offset, 1700003600000000000);
	cr_assert_eq(page.boottime_offset, 5000000007);
}

Test(clock_page, wall_clock_before_boot_wraps_and_adds_up)
{
	start(2100000, 2100000);
	machine.realtime = -(uint64_t)machine.monotonic + 42;
	clock_page_refresh(&host);
	cr_assert_eq(page.monotonic + page.realtime_offset, 42, "42 ns after 1970");
}

Test(clock_page, refreshed_only_when_old)
{
	start(2100000, 2100000);
	pass(99e6);
	clock_page_refresh_if_old(&host);
	cr_assert_eq(page.sequence, 2);
	pass(2e6);
	clock_page_refresh_if_old(&host);
	cr_assert_eq(page.sequence, 4);
}

/* A guest cannot write the page, but a bug could: nothing of it is read back. */
Test(clock_page, page_is_never_read)
{
	start(2100000, 2100000);
	memset(&page, 0xff, sizeof page);
	pass(1e6);
	clock_page_refresh(&host);
	cr_assert_eq(page.sequence, 4);
	cr_assert_lt(error_ns() * error_ns(), 10 * 10, "%f ns", error_ns());
}

Test(clock_page, microseconds)
{
	start(2100000, 2100000);
	cr_assert_eq(clock_microseconds(&host, 1000, 1000 + 2100), 1.0);
	cr_assert_eq(clock_microseconds(&host, 1000, 1000), 0);
	cr_assert_eq(clock_microseconds(&host, 1000, 999), 0);
}

Test(clock_page, too_little_memory)
{
	struct guest_memory memory;
	struct kvm kvm = {.vcpu = -1};
	struct mote_error err;

	cr_assert_eq(guest_memory_create(&memory, MOTE_CLOCK_VA - MOTE_WINDOW_VA, &err), 0);
	cr_assert_lt(clock_page_init(&host, &memory, false, &kvm, &err), 0);
	cr_assert_str_eq(err.text, "guest memory is too small");
	memory.size = 0;
	cr_assert_eq(guest_memory_create(&memory, 16 * MOTE_PAGE_SIZE, &err), 0);
	cr_assert_lt(clock_page_init(&host, &memory, false, &kvm, &err), 0);
	cr_assert_str_eq(err.text, "cannot learn the guest's TSC frequency from KVM: Bad file "
	                           "descriptor");
}
