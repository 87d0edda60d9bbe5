/* SPDX-License-Identifier: Apache-2.0 */
/* What CPU the guest sees. */
#ifndef MOTE_VMM_CPUID_H
#define MOTE_VMM_CPUID_H

#include <stdint.h>

#include "vmm/kvm.h"
#include "vmm/options.h"

#define CPUID_ENTRIES_MAX 128

struct cpuid {
	uint32_t count;
	uint32_t is_native; /* this KVM runs CPL 3 as it is, TSC included; in KVM's padding, which
	                       it ignores */
	struct kvm_cpuid_entry2 entries[CPUID_ENTRIES_MAX]; /* laid out as struct kvm_cpuid2 */
};

/**
 * cpuid_supported() - What KVM can give a guest, without anything that differs between CPUs.
 *
 * Asking KVM costs about a third of a millisecond, so the answer is kept in the user's cache
 * directory (see cpuid_cache.h) for as long as this boot of this host lasts.
 */
int cpuid_supported(const struct kvm *kvm, struct cpuid *cpuid, struct mote_error *err);

/**
 * cpuid_filter() - Reduce the supported CPUID to what a guest gets.
 * @tsc_khz: for the TSC frequency leaf; 0: unknown, and the leaf is left out
 *
 * Dropped: protection keys, AMX, x2APIC, nested virtualisation, and whatever else the kit cannot
 * carry. CPU_BASELINE gives x86-64-v2 under a synthetic vendor-neutral model, the same on every
 * machine.
 */
void cpuid_filter(struct cpuid *cpuid, enum cpu_model model, uint64_t tsc_khz);

/* Entry for a leaf, or NULL. */
struct kvm_cpuid_entry2 *cpuid_find(struct cpuid *cpuid, uint32_t function, uint32_t index);

/* XCR0 that the filtered CPUID allows: x87, SSE, AVX and AVX-512 state at most. */
uint64_t cpuid_xcr0(struct cpuid *cpuid);

/* Bytes of an XSAVE area in the standard format for that XCR0 (SDM vol. 1, 13.4). */
uint64_t cpuid_xsave_size(struct cpuid *cpuid);

/* AT_HWCAP: leaf 1, EDX. */
uint32_t cpuid_hwcap(struct cpuid *cpuid);

/* Checks that the guest's CPU has what the kit relies on (FSGSBASE, XSAVE, NX, 64-bit mode). */
int cpuid_check(struct cpuid *cpuid, struct mote_error *err);

#endif
