/* SPDX-License-Identifier: Apache-2.0 */
/* What CPU the guest sees (Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E). */
#include "vmm/cpuid.h"

#include <cpuid.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/cpuid_cache.h"

_Static_assert(offsetof(struct cpuid, entries) == offsetof(struct kvm_cpuid2, entries),
               "struct cpuid is passed to KVM as struct kvm_cpuid2");

/* Leaf 1 */
#define ECX_MONITOR      (1u << 3)
#define ECX_VMX          (1u << 5)
#define ECX_X2APIC       (1u << 21)
#define ECX_TSC_DEADLINE (1u << 24)
#define ECX_XSAVE        (1u << 26)
#define ECX_OSXSAVE      (1u << 27)
#define ECX_AVX          (1u << 28)
#define ECX_F16C         (1u << 29)
#define ECX_HYPERVISOR   (1u << 31)
/* SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT: x86-64-v2; and XSAVE with OSXSAVE */
#define ECX_BASELINE                                                                               \
	(1u << 0 | 1u << 9 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 23 | ECX_XSAVE | ECX_OSXSAVE | \
	 ECX_HYPERVISOR)
/* FPU DE PSE TSC MSR PAE CX8 SEP PGE CMOV PAT CLFSH MMX FXSR SSE SSE2 */
#define EDX_BASELINE 0x0789a17du
/* Leaf 7 */
#define EBX7_FSGSBASE 1u
#define ECX7_PKU      (1u << 3)
#define ECX7_OSPKE    (1u << 4)
#define ECX7_WAITPKG  (1u << 5)
#define ECX7_LA57     (1u << 16)
#define EDX7_AMX      (1u << 22 | 1u << 24 | 1u << 25)
/* Leaf 0x80000001 */
#define EXT_ECX_BASELINE 0x00000001u                                 /* LAHF */
#define EXT_EDX_BASELINE (1u << 11 | 1u << 20 | 1u << 27 | 1u << 29) /* SYSCALL NX RDTSCP LM */
#define EXT_ECX_SVM      (1u << 2)
#define EXT_EDX_NX_LM    (1u << 20 | 1u << 29)

#define XCR0_BASELINE 3u
#define XCR0_CARRIED  0xe7u /* x87, SSE, AVX, opmask, ZMM_Hi256, Hi16_ZMM */

#define LEAF_TSC 0x15

struct kvm_cpuid_entry2 *cpuid_find(struct cpuid *cpuid, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->count; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		if (entry->function == function &&
		    (!(entry->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || entry->index == index))
			return entry;
	}
	return NULL;
}

static void remove_leaf(struct cpuid *cpuid, uint32_t function)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < cpuid->count; i++)
		if (cpuid->entries[i].function != function)
			cpuid->entries[kept++] = cpuid->entries[i];
	cpuid->count = kept;
}

/* Whatever differs from one physical CPU to the next: APIC ids and topology. */
static void remove_per_cpu_fields(struct cpuid *cpuid)
{
	struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, 1, 0);

	if (entry)
		entry->ebx = (entry->ebx & 0x0000ffff) | 1u << 16;
	remove_leaf(cpuid, 0xb);
	remove_leaf(cpuid, 0x1f);
	remove_leaf(cpuid, 0x8000001e);
}

/*
 * Features that need nothing of a hypervisor: instructions of CPL 3 and their state. By leaf: 1 and
 * 7 in the order EAX, EBX, ECX, EDX (Intel SDM vol. 2A, CPUID).
 */
static const struct native_leaf {
	uint32_t function, index;
	uint32_t mask[4];
} native_leaves[] = {
        /* SSE3 PCLMUL SSSE3 FMA CX16 SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE OSXSAVE AVX F16C RDRAND
         */
        {1, 0, {0, 0, 0x7ed83203, 0}},
        /* FSGSBASE BMI1 AVX2 BMI2 ERMS RDSEED ADX CLFLUSHOPT CLWB SHA and AVX-512; VBMI VBMI2 GFNI
         * VAES VPCLMUL VNNI BITALG VPOPCNTDQ RDPID MOVDIRI MOVDIR64B; FSRM VP2INTERSECT SERIALIZE
         * FP16 */
        {7, 0, {0, 0xf1af0329, 0x18405f43, 0x0080411c}},
        {7, 1, {0x00001c30, 0, 0, 0}}, /* AVX-VNNI AVX512-BF16 FZRM FSRS FSRC */
        {0xd, 0, {~0u, ~0u, ~0u, 0}},
        {0xd, 1, {7, ~0u, 0, 0}}, /* XSAVEOPT XSAVEC XGETBV(1) */
        {0xd, 2, {~0u, ~0u, ~0u, 0}},
        {0xd, 5, {~0u, ~0u, ~0u, 0}},
        {0xd, 6, {~0u, ~0u, ~0u, 0}},
        {0xd, 7, {~0u, ~0u, ~0u, 0}},
        {0x80000001, 0, {0, 0, 0x121, 0}}, /* LAHF LZCNT PREFETCHW */
};

static void add_native_leaf(struct cpuid *cpuid, const struct native_leaf *leaf)
{
	struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, leaf->function, leaf->index);
	uint32_t a, b, c, d;

	__cpuid_count(leaf->function, leaf->index, a, b, c, d);
	if (!entry) {
		if (cpuid->count == CPUID_ENTRIES_MAX)
			return;
		entry = &cpuid->entries[cpuid->count++];
		*entry =
		        (struct kvm_cpuid_entry2){.function = leaf->function, .index = leaf->index};
	}
	if (leaf->function == 7 || leaf->function == 0xd)
		entry->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	entry->eax |= a & leaf->mask[0];
	entry->ebx |= b & leaf->mask[1];
	entry->ecx |= c & leaf->mask[2];
	entry->edx |= d & leaf->mask[3];
}

/*
 * A KVM without hardware virtualisation (kvm-pvm) runs CPL 3 natively and yet lists few of its
 * features. Its guests get what the CPU itself says, as far as it concerns CPL 3 alone.
 */
static void add_native_features(struct cpuid *cpuid)
{
	const struct kvm_cpuid_entry2 *one = cpuid_find(cpuid, 1, 0);
	struct kvm_cpuid_entry2 *zero = cpuid_find(cpuid, 0, 0);
	uint32_t a, b, c, d;

	if (!one || !zero || one->ecx & ECX_XSAVE)
		return;
	__cpuid(1, a, b, c, d);
	if (!(c & ECX_OSXSAVE))
		return;
	cpuid->is_native = 1;
	if (zero->eax < 0xd)
		zero->eax = 0xd;
	for (size_t i = 0; i < sizeof native_leaves / sizeof native_leaves[0]; i++)
		add_native_leaf(cpuid, &native_leaves[i]);
}

int cpuid_supported(const struct kvm *kvm, struct cpuid *cpuid, struct mote_error *err)
{
	struct cpuid_cache cache;

	if (cpuid_cache_load(&cache, kvm->system, cpuid))
		return 0;
	cpuid->count = CPUID_ENTRIES_MAX;
	cpuid->is_native = 0;
	if (ioctl(kvm->system, KVM_GET_SUPPORTED_CPUID, cpuid) < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "cannot ask KVM which CPU features it supports");
	remove_per_cpu_fields(cpuid);
	add_native_features(cpuid);
	cpuid_cache_store(&cache, cpuid);
	return 0;
}

static void mask_leaf(struct cpuid *cpuid, uint32_t function, uint32_t eax, uint32_t ebx,
                      uint32_t ecx, uint32_t edx)
{
	struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, function, 0);

	if (!entry)
		return;
	entry->eax &= eax;
	entry->ebx &= ebx;
	entry->ecx &= ecx;
	entry->edx &= edx;
}

/* One model for every machine: what is left of the leaves says nothing about the host. */
static void make_baseline(struct cpuid *cpuid)
{
	struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, 0, 0);
	uint32_t kept = 0;

	if (entry)
		entry->eax = 0xd;
	entry = cpuid_find(cpuid, 1, 0);
	if (entry) {
		entry->eax = 0x000006f0; /* family 6, a plain model */
		entry->ebx = 1u << 16 | 8u << 8;
	}
	mask_leaf(cpuid, 1, ~0u, ~0u, ECX_BASELINE, EDX_BASELINE);
	mask_leaf(cpuid, 7, 0, EBX7_FSGSBASE, 0, 0);
	entry = cpuid_find(cpuid, 0x80000000, 0);
	if (entry)
		*entry = (struct kvm_cpuid_entry2){.function = 0x80000000, .eax = 0x80000008};
	mask_leaf(cpuid, 0x80000001, 0, 0, EXT_ECX_BASELINE, EXT_EDX_BASELINE);
	entry = cpuid_find(cpuid, 0x80000008, 0);
	if (entry)
		*entry = (struct kvm_cpuid_entry2){.function = 0x80000008, .eax = 48 << 8 | 36};
	entry = cpuid_find(cpuid, 0xd, 0);
	if (entry) {
		entry->eax = XCR0_BASELINE;
		entry->ebx = entry->ecx = 576;
		entry->edx = 0;
	}
	for (uint32_t i = 0; i < cpuid->count; i++) {
		uint32_t function = cpuid->entries[i].function;
		bool keep = function == 0 || function == 1 || function == 7 ||
		            function == 0x80000000 || function == 0x80000001 ||
		            function == 0x80000008;

		if (cpuid->entries[i].function == 0xd || function == 7)
			keep = cpuid->entries[i].index == 0;
		if (keep)
			cpuid->entries[kept++] = cpuid->entries[i];
	}
	cpuid->count = kept;
}

static void set_tsc_leaf(struct cpuid *cpuid, uint64_t tsc_khz)
{
	struct kvm_cpuid_entry2 *highest = cpuid_find(cpuid, 0, 0);

	remove_leaf(cpuid, LEAF_TSC);
	if (!tsc_khz || tsc_khz > UINT32_MAX / 1000 * 100 || cpuid->count == CPUID_ENTRIES_MAX)
		return;
	if (highest && highest->eax < LEAF_TSC)
		highest->eax = LEAF_TSC;
	/* TSC Hz = ECX * EBX / EAX, with a 1 MHz crystal so that ECX does not overflow. */
	cpuid->entries[cpuid->count++] = (struct kvm_cpuid_entry2){
	        .function = LEAF_TSC,
	        .eax = 1000,
	        .ebx = (uint32_t)tsc_khz,
	        .ecx = 1000000,
	};
}

/*
 * What programs ask for: features, caches, address sizes, brand, XSAVE. The rest tells of the
 * machine (power, performance counters, topology, SGX, tracing); and KVM searches the list from the
 * start for each feature it knows, so that a short one saves some 20 us.
 */
static bool is_wanted(uint32_t function)
{
	static const uint32_t wanted[] = {
	        0,          1,          2,          4,          7,          0xd,
	        LEAF_TSC,   0x80000000, 0x80000001, 0x80000002, 0x80000003, 0x80000004,
	        0x80000005, 0x80000006, 0x80000007, 0x80000008, 0x8000001d};

	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
		if (function == wanted[i])
			return true;
	return false;
}

static void remove_unwanted(struct cpuid *cpuid)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < cpuid->count; i++)
		if (is_wanted(cpuid->entries[i].function))
			cpuid->entries[kept++] = cpuid->entries[i];
	cpuid->count = kept;
}

void cpuid_filter(struct cpuid *cpuid, enum cpu_model model, uint64_t tsc_khz)
{
	struct kvm_cpuid_entry2 *entry;

	mask_leaf(cpuid, 1, ~0u, ~0u, ~(ECX_MONITOR | ECX_VMX | ECX_X2APIC | ECX_TSC_DEADLINE),
	          ~0u);
	mask_leaf(cpuid, 7, ~0u, ~0u, ~(ECX7_PKU | ECX7_OSPKE | ECX7_WAITPKG | ECX7_LA57),
	          ~EDX7_AMX);
	mask_leaf(cpuid, 0x80000001, ~0u, ~0u, ~EXT_ECX_SVM, ~0u);
	mask_leaf(cpuid, 0xd, XCR0_CARRIED, ~0u, ~0u, 0);
	remove_unwanted(cpuid);
	if (model == CPU_BASELINE)
		make_baseline(cpuid);
	/* KVM keeps OSXSAVE and OSPKE in step with CR4; this is for its first answer. */
	entry = cpuid_find(cpuid, 1, 0);
	if (entry && entry->ecx & ECX_XSAVE)
		entry->ecx |= ECX_OSXSAVE | ECX_HYPERVISOR;
	if (model == CPU_HOST)
		set_tsc_leaf(cpuid, tsc_khz);
}

uint64_t cpuid_xcr0(struct cpuid *cpuid)
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, 0xd, 0);
	const struct kvm_cpuid_entry2 *features = cpuid_find(cpuid, 1, 0);
	uint64_t xcr0 = entry ? entry->eax & XCR0_CARRIED : XCR0_BASELINE;

	if (!features || !(features->ecx & ECX_AVX) || !(xcr0 & 4))
		return XCR0_BASELINE;
	/* AVX-512 state goes together or not at all (SDM vol. 1, 13.3). */
	return (xcr0 & 0xe0) == 0xe0 ? xcr0 : xcr0 & 7;
}

uint64_t cpuid_xsave_size(struct cpuid *cpuid)
{
	uint64_t xcr0 = cpuid_xcr0(cpuid);
	uint64_t size = 512 + 64;

	for (uint32_t component = 2; component < 8; component++) {
		const struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, 0xd, component);

		if (xcr0 >> component & 1 && entry && (uint64_t)entry->ebx + entry->eax > size)
			size = (uint64_t)entry->ebx + entry->eax;
	}
	return size;
}

uint32_t cpuid_hwcap(struct cpuid *cpuid)
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, 1, 0);

	return entry ? entry->edx : 0;
}

int cpuid_check(struct cpuid *cpuid, struct mote_error *err)
{
	const struct kvm_cpuid_entry2 *one = cpuid_find(cpuid, 1, 0);
	const struct kvm_cpuid_entry2 *seven = cpuid_find(cpuid, 7, 0);
	const struct kvm_cpuid_entry2 *extended = cpuid_find(cpuid, 0x80000001, 0);
	const char *missing = !one || !(one->ecx & ECX_XSAVE)           ? "XSAVE"
	                      : !seven || !(seven->ebx & EBX7_FSGSBASE) ? "FSGSBASE"
	                      : !extended || (extended->edx & EXT_EDX_NX_LM) != EXT_EDX_NX_LM
	                              ? "64-bit mode with NX"
	                              : NULL;

	if (missing)
		return mote_error_set(
		        err, MOTE_STATUS_FAILED,
		        "this machine's KVM gives guests no %s, which mote needs. Use a "
		        "machine with an x86-64 CPU of 2013 or later",
		        missing);
	return 0;
}
