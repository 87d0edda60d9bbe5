/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's clock page (struct mote_clock): pairs of guest TSC and host time. */
#include "vmm/clock_page.h"

#include <sys/ioctl.h>
#include <time.h>
#include <x86intrin.h>

#define NS_PER_S   1000000000ull
#define MSR_TSC    0x10
#define REFRESH_NS (NS_PER_S / 10)
#define MEASURE_MS 100   /* the rate is measured over at least this */
#define FORGET_MS  10000 /* and what disturbed it is forgotten after this */

uint64_t clock_host_tsc(void)
{
	return __rdtsc();
}

uint64_t clock_host_ns(clockid_t id)
{
	struct timespec time;

	clock_gettime(id, &time);
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

/* The vDSO serves clock_gettime() where the host's clock source allows it, else the kernel does. */
/* #syscalls clock_gettime */
struct clock_moment clock_host_moment(void)
{
	struct clock_moment now = {.realtime = clock_host_ns(CLOCK_REALTIME),
	                           .monotonic = clock_host_ns(CLOCK_MONOTONIC),
	                           .tsc = clock_host_tsc()};

	now.boottime = clock_host_ns(CLOCK_BOOTTIME);
	return now;
}

/* Guest TSC minus host TSC. kvm-pvm has no offset; stock KVM starts a vCPU's TSC at zero. */
static int read_tsc_offset(const struct kvm *kvm, uint64_t *offset)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = {.head = {.nmsrs = 1}, .entry = {.index = MSR_TSC}};
	uint64_t before = clock_host_tsc(), after;

	if (ioctl(kvm->vcpu, KVM_GET_MSRS, &msrs) != 1)
		return -1;
	after = clock_host_tsc();
	*offset = msrs.entry.data - (before + (after - before) / 2);
	/* Within what the ioctl itself took, the clocks are the same. */
	if ((int64_t)*offset <= (int64_t)(after - before) &&
	    (int64_t)*offset >= -(int64_t)(after - before))
		*offset = 0;
	return 0;
}

/* #syscalls:load ioctl(KVM_GET_TSC_KHZ) ioctl(KVM_GET_MSRS) */
int clock_page_init(struct clock_page *clock, const struct guest_memory *memory, bool is_native,
                    const struct kvm *kvm, struct mote_error *err)
{
	int khz = ioctl(kvm->vcpu, KVM_GET_TSC_KHZ, 0);
	struct clock_moment now;

	clock->page = guest_range(memory, (mote_gpa_t){MOTE_CLOCK_VA - MOTE_WINDOW_VA},
	                          sizeof *clock->page);
	if (!clock->page)
		return mote_error_set(err, MOTE_STATUS_FAILED, "guest memory is too small");
	clock->tsc_offset = 0;
	if (khz <= 0 || (!is_native && read_tsc_offset(kvm, &clock->tsc_offset)))
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "cannot learn the guest's TSC frequency from KVM");
	clock->tsc_khz = (uint64_t)khz;
	clock->measured = 0;
	now = clock_host_moment();
	clock_page_restart(clock, &now);
	return 0;
}

/*
 * Rate of the guest's clock for the time to come. KVM's frequency is rounded to 1 kHz and the
 * host's clock is steered, so the measured rate since start is used once there is enough of it. A
 * page that ran ahead must not step back: it goes on from where it is, slower, until the host has
 * caught up.
 */
static uint64_t rate(struct clock_page *clock, uint64_t tsc, uint64_t monotonic, uint64_t ahead)
{
	uint64_t nominal = ((1000000ull << 32) + clock->tsc_khz / 2) / clock->tsc_khz;
	uint64_t ticks = tsc - clock->start_tsc;
	uint64_t measured = nominal;
	bool is_sound;

	if (ticks > clock->tsc_khz * MEASURE_MS)
		measured =
		        (uint64_t)(((unsigned __int128)(monotonic - clock->start_monotonic) << 32) /
		                   ticks);
	/* A host that slept, or whose clock was set back, says nothing about the rate. */
	is_sound = measured < nominal + nominal / 8 && measured > nominal - nominal / 8;
	if (is_sound && ticks > clock->tsc_khz * MEASURE_MS)
		clock->measured = measured;
	if (!is_sound || ticks > clock->tsc_khz * FORGET_MS) {
		clock->start_tsc = tsc;
		clock->start_monotonic = monotonic;
	}
	measured = clock->measured ? clock->measured : nominal;
	if (ahead > REFRESH_NS / 20)
		ahead = REFRESH_NS / 20;
	return measured - measured * ahead / REFRESH_NS;
}

static uint64_t shown_at(const struct clock_page *clock, uint64_t tsc)
{
	return clock->shown_monotonic +
	       (uint64_t)(((unsigned __int128)(tsc - clock->written_at) * clock->multiplier) >> 32);
}

uint64_t clock_page_monotonic(const struct clock_page *clock)
{
	return shown_at(clock, clock_host_tsc());
}

static void write_page(struct clock_page *clock, const struct clock_moment *now)
{
	volatile struct mote_clock *page = clock->page;
	uint64_t monotonic = now->monotonic + (uint64_t)clock->monotonic_offset, tsc = now->tsc;
	/* A TSC that went back (a host that was moved) shows nothing. */
	uint64_t shown = tsc >= clock->written_at ? shown_at(clock, tsc) : clock->shown_monotonic;
	uint64_t ahead = shown > monotonic ? shown - monotonic : 0;

	if (!clock->written_at) {
		clock->start_tsc = tsc;
		clock->start_monotonic = monotonic;
	}
	clock->multiplier = rate(clock, tsc, monotonic, ahead);
	clock->shown_monotonic = monotonic + ahead;
	clock->written_at = tsc;

	page->sequence = ++clock->sequence;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	page->tsc = tsc + clock->tsc_offset;
	page->monotonic = clock->shown_monotonic;
	page->realtime_offset = now->realtime - monotonic;
	page->boottime_offset = now->boottime - monotonic + (uint64_t)clock->boottime_offset;
	page->multiplier = clock->multiplier;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	page->sequence = ++clock->sequence;
}

void clock_page_restart(struct clock_page *clock, const struct clock_moment *now)
{
	/* Whoever was stopped while it read the page of another start must not take it for that. */
	clock->sequence = (clock->page->sequence | 1) + 1;
	clock->written_at = clock->multiplier = clock->shown_monotonic = 0;
	write_page(clock, now);
}

void clock_page_refresh(struct clock_page *clock)
{
	const struct clock_moment now = clock_host_moment();

	write_page(clock, &now);
}

void clock_page_refresh_if_old(struct clock_page *clock)
{
	if (clock_host_tsc() - clock->written_at > clock->tsc_khz * (REFRESH_NS / 1000000))
		clock_page_refresh(clock);
}

double clock_microseconds(const struct clock_page *clock, uint64_t from, uint64_t to)
{
	return to > from ? (double)(to - from) * 1000.0 / (double)clock->tsc_khz : 0;
}
