/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a guest that has begun on one CPU can go on on another. */
#include "vmm/cpuid_compat.h"

#include <cpuid.h>
#include <string.h>

#define XSAVE_COMPONENTS 8

void cpuid_identify(char vendor[12], uint32_t *signature)
{
	uint32_t eax, words[3];

	__cpuid(0, eax, words[0], words[2], words[1]);
	memcpy(vendor, words, 12);
	__cpuid(1, *signature, words[0], words[1], words[2]);
}

/* Bits that programs take for features: SDM vol. 2A, CPUID; in which registers of which leaves. */
static const struct feature_leaf {
	uint32_t function, index;
	uint32_t eax, ebx, ecx, edx; /* masks */
} feature_leaves[] = {
        {1, 0, 0, 0, ~(1u << 27), ~2u}, /* OSXSAVE follows CR4; VME is of 16-bit code */
        {7, 0, 0, ~0u, ~0u, ~0u},        {7, 1, ~0u, 0, 0, ~0u},
        {0xd, 0, ~0u, 0, 0, ~0u},        {0xd, 1, 0xfu, 0, 0, 0},
        {0x80000001, 0, 0, 0, ~0u, ~0u}, {0x80000008, 0, 0, ~0u, 0, 0},
};

/* @lacks: EAX, EBX, ECX, EDX: bits that are wanted and not there */
static int missing(uint32_t function, uint32_t index, const uint32_t lacks[4], const char *name,
                   struct mote_error *err)
{
	return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
	                      "cannot start from %s: its guest has seen features of its CPU that "
	                      "this one does not have (CPUID leaf 0x%x.%u: %x %x %x %x). Take "
	                      "snapshots that move between machines with --cpu=baseline",
	                      name, function, index, lacks[0], lacks[1], lacks[2], lacks[3]);
}

static bool has_all(const struct feature_leaf *leaf, const struct kvm_cpuid_entry2 *wanted,
                    const struct kvm_cpuid_entry2 *host, uint32_t lacks[4])
{
	static const struct kvm_cpuid_entry2 nothing;

	if (!host)
		host = &nothing;
	lacks[0] = wanted->eax & ~host->eax & leaf->eax;
	lacks[1] = wanted->ebx & ~host->ebx & leaf->ebx;
	lacks[2] = wanted->ecx & ~host->ecx & leaf->ecx;
	lacks[3] = wanted->edx & ~host->edx & leaf->edx;
	return !(lacks[0] | lacks[1] | lacks[2] | lacks[3]);
}

/* Where each component lies in an XSAVE area: memory of the guest holds such areas. */
static bool has_same_areas(struct cpuid *wanted, struct cpuid *host, uint32_t *component)
{
	uint64_t xcr0 = cpuid_xcr0(wanted);

	for (*component = 2; *component < XSAVE_COMPONENTS; ++*component) {
		const struct kvm_cpuid_entry2 *a = cpuid_find(wanted, 0xd, *component);
		const struct kvm_cpuid_entry2 *b = cpuid_find(host, 0xd, *component);

		if (xcr0 >> *component & 1 && (!a || !b || a->eax != b->eax || a->ebx != b->ebx))
			return false;
	}
	return true;
}

int cpuid_check_compatible(struct cpuid *wanted, struct cpuid *host, enum cpu_model model,
                           const char *name, struct mote_error *err)
{
	const struct kvm_cpuid_entry2 *vendor = cpuid_find(wanted, 0, 0);
	const struct kvm_cpuid_entry2 *host_vendor = cpuid_find(host, 0, 0);
	uint32_t component, lacks[4] = {0};

	if (model == CPU_BASELINE)
		host_vendor = vendor;
	if (!vendor || !host_vendor || vendor->ebx != host_vendor->ebx ||
	    vendor->ecx != host_vendor->ecx || vendor->edx != host_vendor->edx)
		return mote_error_set(
		        err, MOTE_STATUS_CANNOT_RUN,
		        "cannot start from %s: it was taken on a CPU of another vendor. "
		        "Take snapshots that move between machines with "
		        "--cpu=baseline",
		        name);
	for (size_t i = 0; i < sizeof feature_leaves / sizeof feature_leaves[0]; i++) {
		const struct feature_leaf *leaf = &feature_leaves[i];
		const struct kvm_cpuid_entry2 *entry =
		        cpuid_find(wanted, leaf->function, leaf->index);

		if (entry &&
		    !has_all(leaf, entry, cpuid_find(host, leaf->function, leaf->index), lacks))
			return missing(leaf->function, leaf->index, lacks, name, err);
	}
	return has_same_areas(wanted, host, &component) ? 0
	                                                : missing(0xd, component, lacks, name, err);
}
