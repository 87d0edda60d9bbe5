/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's clock page: time without exits. */
#ifndef MOTE_VMM_CLOCK_PAGE_H
#define MOTE_VMM_CLOCK_PAGE_H

#include <stdint.h>
#include <time.h>

#include "vmm/guest_memory.h"
#include "vmm/kvm.h"

struct clock_page {
	struct mote_clock *page;  /* in guest RAM; written here, never read back */
	uint64_t tsc_khz;         /* of the guest; 0: unknown */
	uint64_t tsc_offset;      /* guest TSC minus host TSC */
	int64_t monotonic_offset; /* ns: the guest's CLOCK_MONOTONIC minus the host's */
	int64_t boottime_offset;  /* the same of CLOCK_BOOTTIME */
	uint32_t sequence;
	uint64_t written_at;                 /* host TSC */
	uint64_t shown_monotonic;            /* ns on the page at written_at */
	uint64_t multiplier;                 /* on the page */
	uint64_t start_tsc, start_monotonic; /* of the measurement of the rate */
	uint64_t measured;                   /* the last rate measured; 0: none yet */
};

/* Find TSC frequency and offset of the vCPU (@is_native: there is none) and write the page for the
 * first time. */
int clock_page_init(struct clock_page *clock, const struct guest_memory *memory, bool is_native,
                    const struct kvm *kvm, struct mote_error *err);

/* What the host's clocks say at one moment, in ns; and its TSC. */
struct clock_moment {
	uint64_t tsc, monotonic, realtime, boottime;
};

struct clock_moment clock_host_moment(void);

/* Write the page for a guest that starts at @now, whose clock may be behind of what it showed. */
void clock_page_restart(struct clock_page *clock, const struct clock_moment *now);

/* Write the page anew: the guest's time is the host's again. Only while the vCPU is not running. */
void clock_page_refresh(struct clock_page *clock);

/* Refresh if the page is older than a tenth of a second; cheap enough for every exit. */
void clock_page_refresh_if_old(struct clock_page *clock);

/* CLOCK_MONOTONIC as the guest reads it now, in ns. */
uint64_t clock_page_monotonic(const struct clock_page *clock);

/* A clock of the host's, in ns. */
uint64_t clock_host_ns(clockid_t id);

/* Host TSC, for time stamps. */
uint64_t clock_host_tsc(void);

/* Microseconds between two guest or host TSC values; 0 when the order is wrong. */
double clock_microseconds(const struct clock_page *clock, uint64_t from, uint64_t to);

#endif
