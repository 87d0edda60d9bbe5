/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of what CPU the guest sees: masks, the baseline model, the TSC leaf, and XSAVE. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "vmm/cpuid.h"

static struct cpuid cpuid;
static struct mote_error err;

static void add(uint32_t function, uint32_t index, uint32_t eax, uint32_t ebx, uint32_t ecx,
                uint32_t edx)
{
	cpuid.entries[cpuid.count++] = (struct kvm_cpuid_entry2){
	        .function = function,
	        .index = index,
	        .flags = function == 7 || function == 0xd ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
	        .eax = eax,
	        .ebx = ebx,
	        .ecx = ecx,
	        .edx = edx};
}

/* A CPU with every feature bit, AVX-512 state with the offsets that Intel's have. */
static void make_cpu(void)
{
	cpuid = (struct cpuid){0};
	add(0, 0, 0x1f, 0x756e6547, 0x6c65746e, 0x49656e69);
	add(1, 0, 0x000806f8, 0x00010800, UINT32_MAX, UINT32_MAX);
	add(4, 0, 1, 2, 3, 4);
	add(7, 0, 2, UINT32_MAX, UINT32_MAX, UINT32_MAX);
	add(7, 1, UINT32_MAX, 0, 0, UINT32_MAX);
	add(0xd, 0, 0x602e7, 11008, 11008, 0);
	add(0xd, 1, 0xf, 0, 0, 0);
	add(0xd, 2, 256, 576, 0, 0);
	add(0xd, 5, 64, 1088, 0, 0);
	add(0xd, 6, 512, 1152, 0, 0);
	add(0xd, 7, 1024, 1664, 0, 0);
	add(0x15, 0, 1, 2, 3, 0);
	add(0x1d, 0, 1, 0, 0, 0);
	add(0x1e, 0, 1, 0, 0, 0);
	add(0x40000000, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d);
	add(0x40000001, 0, UINT32_MAX, 0, 0, 0);
	add(0x80000000, 0, 0x8000001f, 0, 0, 0);
	add(0x80000001, 0, 0x000806f8, 0, UINT32_MAX, UINT32_MAX);
	add(0x80000002, 0, 0x65746e49, 0, 0, 0);
	add(0x80000008, 0, 0x3934, 0, 0, 0);
}

TestSuite(cpuid, .init = make_cpu);

static struct kvm_cpuid_entry2 *leaf(uint32_t function, uint32_t index)
{
	struct kvm_cpuid_entry2 *entry = cpuid_find(&cpuid, function, index);

	cr_assert(entry, "leaf 0x%x.%u is gone", function, index);
	return entry;
}

static void has_not(uint32_t function)
{
	cr_assert_null(cpuid_find(&cpuid, function, 0), "leaf 0x%x is still there", function);
}

Test(cpuid, find)
{
	cr_assert_eq(leaf(7, 1)->index, 1);
	cr_assert_null(cpuid_find(&cpuid, 7, 2));
	cr_assert_eq(leaf(1, 5), leaf(1, 0), "no significant index: any will do");
	cr_assert_null(cpuid_find(&cpuid, 2, 0));
	cpuid.count = 0;
	cr_assert_null(cpuid_find(&cpuid, 0, 0));
}

Test(cpuid, host_model_drops_what_the_kit_cannot_carry)
{
	cpuid_filter(&cpuid, CPU_HOST, 0);
	/* MONITOR, VMX, x2APIC, TSC deadline (SDM vol. 2A, table 3-10) */
	cr_assert_eq(leaf(1, 0)->ecx, ~(1u << 3 | 1u << 5 | 1u << 21 | 1u << 24));
	cr_assert_eq(leaf(1, 0)->edx, UINT32_MAX);
	/* PKU, OSPKE, WAITPKG, LA57; AMX-BF16, AMX-TILE, AMX-INT8 */
	cr_assert_eq(leaf(7, 0)->ecx, ~(1u << 3 | 1u << 4 | 1u << 5 | 1u << 16));
	cr_assert_eq(leaf(7, 0)->edx, ~(1u << 22 | 1u << 24 | 1u << 25));
	cr_assert_eq(leaf(7, 0)->ebx, UINT32_MAX);
	cr_assert_eq(leaf(0x80000001, 0)->ecx, ~(1u << 2), "SVM");
	cr_assert_eq(leaf(0xd, 0)->eax, 0xe7, "no PKRU, no tiles");
	has_not(0x1d);
	has_not(0x1e);
	has_not(0x40000000);
	has_not(0x40000001);
	cr_assert_eq(leaf(0, 0)->ebx, 0x756e6547, "the vendor is the host's");
	cr_assert_eq(leaf(1, 0)->eax, 0x000806f8);
	cr_assert_eq(leaf(0x80000002, 0)->eax, 0x65746e49);
}

Test(cpuid, osxsave_follows_xsave)
{
	leaf(1, 0)->ecx = 1u << 26;
	cpuid_filter(&cpuid, CPU_HOST, 0);
	cr_assert_eq(leaf(1, 0)->ecx, 1u << 26 | 1u << 27 | 1u << 31);
	make_cpu();
	leaf(1, 0)->ecx = 1;
	cpuid_filter(&cpuid, CPU_HOST, 0);
	cr_assert_eq(leaf(1, 0)->ecx, 1);
}

Test(cpuid, baseline_says_nothing_of_the_machine)
{
	struct cpuid first;

	cpuid_filter(&cpuid, CPU_BASELINE, 2100000);
	first = cpuid;
	make_cpu();
	leaf(1, 0)->eax = 0x00a20f12;
	leaf(1, 0)->ebx = 0x00010408;
	leaf(0x80000001, 0)->eax = 0;
	leaf(0x80000000, 0)->eax = 0x80000021;
	leaf(0x80000008, 0)->eax = 0x3030;
	leaf(0x80000008, 0)->ecx = 7;
	leaf(0, 0)->eax = 0x10;
	leaf(4, 0)->eax = 0x4000121;
	leaf(0xd, 0)->eax = 0x7;
	leaf(0xd, 0)->ebx = leaf(0xd, 0)->ecx = 832;
	leaf(7, 0)->eax = 0;
	add(0x16, 0, 2000, 3000, 100, 0);
	add(0x80000006, 0, 1, 2, 3, 4);
	cpuid_filter(&cpuid, CPU_BASELINE, 3400000);
	cr_assert_eq(cpuid.count, first.count);
	cr_assert_eq(memcmp(cpuid.entries, first.entries, cpuid.count * sizeof cpuid.entries[0]),
	             0);
}

Test(cpuid, baseline_is_x86_64_v2)
{
	cpuid_filter(&cpuid, CPU_BASELINE, 2100000);
	/* SSE3 SSSE3 CX16 SSE4.1 SSE4.2 POPCNT XSAVE OSXSAVE HYPERVISOR: neither AVX nor AES */
	cr_assert_eq(leaf(1, 0)->ecx, 1u << 0 | 1u << 9 | 1u << 13 | 1u << 19 | 1u << 20 |
	                                      1u << 23 | 1u << 26 | 1u << 27 | 1u << 31);
	cr_assert_eq(leaf(7, 0)->ebx, 1, "FSGSBASE alone");
	cr_assert_eq(leaf(7, 0)->ecx | leaf(7, 0)->edx | leaf(7, 0)->eax, 0);
	cr_assert_null(cpuid_find(&cpuid, 7, 1));
	cr_assert_eq(leaf(0xd, 0)->eax, 3);
	cr_assert_eq(leaf(0xd, 0)->ebx, 576);
	cr_assert_null(cpuid_find(&cpuid, 0xd, 2));
	cr_assert_eq(leaf(0x80000001, 0)->ecx, 1, "LAHF");
	/* SYSCALL, NX, RDTSCP, LM */
	cr_assert_eq(leaf(0x80000001, 0)->edx, 1u << 11 | 1u << 20 | 1u << 27 | 1u << 29);
	has_not(0x15);
	has_not(4);
	has_not(0x80000002);
	cr_assert_eq(cpuid_xcr0(&cpuid), 3);
	cr_assert_eq(cpuid_xsave_size(&cpuid), 576);
	cr_assert_eq(cpuid_check(&cpuid, &err), 0);
}

/* A host that lacks something must not be shown as having it. */
Test(cpuid, baseline_adds_no_feature)
{
	leaf(1, 0)->ecx = 1u << 26;
	leaf(1, 0)->edx = 1;
	leaf(7, 0)->ebx = 0;
	leaf(0x80000001, 0)->edx = 1u << 29;
	cpuid_filter(&cpuid, CPU_BASELINE, 0);
	cr_assert_eq(leaf(1, 0)->ecx, 1u << 26 | 1u << 27 | 1u << 31);
	cr_assert_eq(leaf(1, 0)->edx, 1);
	cr_assert_eq(leaf(7, 0)->ebx, 0);
	cr_assert_eq(leaf(0x80000001, 0)->edx, 1u << 29);
}

/* TSC Hz = ECX * EBX / EAX (SDM vol. 2A, CPUID leaf 15H). */
static void expect_tsc(uint64_t khz)
{
	const struct kvm_cpuid_entry2 *entry;

	make_cpu();
	cpuid_filter(&cpuid, CPU_HOST, khz);
	entry = leaf(0x15, 0);
	cr_assert_eq((unsigned __int128)entry->ecx * entry->ebx / entry->eax, khz * 1000);
}

Test(cpuid, tsc_leaf)
{
	expect_tsc(1);
	expect_tsc(2100000);
	expect_tsc(2894563);
	expect_tsc(6000000);
}

Test(cpuid, tsc_leaf_makes_the_highest_leaf_reach_it)
{
	leaf(0, 0)->eax = 0xd;
	cpuid_filter(&cpuid, CPU_HOST, 2100000);
	cr_assert_eq(leaf(0, 0)->eax, 0x15);
	make_cpu();
	cpuid_filter(&cpuid, CPU_HOST, 2100000);
	cr_assert_eq(leaf(0, 0)->eax, 0x1f);
}

Test(cpuid, unknown_tsc_leaves_the_leaf_out)
{
	cpuid_filter(&cpuid, CPU_HOST, 0);
	has_not(0x15);
	make_cpu();
	cpuid_filter(&cpuid, CPU_HOST, UINT64_MAX);
	has_not(0x15);
}

Test(cpuid, full_table_is_not_overrun)
{
	/* Leaf 4 has a subleaf for each cache, and is kept. */
	cpuid.count = 0;
	while (cpuid.count < CPUID_ENTRIES_MAX)
		add(4, cpuid.count, 0, 0, 0, 0);
	cpuid_filter(&cpuid, CPU_HOST, 2100000);
	cr_assert_eq(cpuid.count, CPUID_ENTRIES_MAX);
	has_not(0x15);
}

Test(cpuid, xcr0)
{
	cpuid_filter(&cpuid, CPU_HOST, 0);
	cr_assert_eq(cpuid_xcr0(&cpuid), 0xe7);
	leaf(0xd, 0)->eax = 0xe7 & ~0x40u; /* AVX-512 state goes together or not at all */
	cr_assert_eq(cpuid_xcr0(&cpuid), 7);
	leaf(0xd, 0)->eax = 7;
	cr_assert_eq(cpuid_xcr0(&cpuid), 7);
	leaf(0xd, 0)->eax = 0xe3;
	cr_assert_eq(cpuid_xcr0(&cpuid), 3, "AVX-512 without AVX is invalid");
	leaf(0xd, 0)->eax = 0xe7;
	leaf(1, 0)->ecx &= ~(1u << 28);
	cr_assert_eq(cpuid_xcr0(&cpuid), 3, "no AVX instructions");
	cpuid.count = 0;
	cr_assert_eq(cpuid_xcr0(&cpuid), 3);
}

Test(cpuid, xsave_size)
{
	cpuid_filter(&cpuid, CPU_HOST, 0);
	cr_assert_eq(cpuid_xsave_size(&cpuid), 1664 + 1024);
	leaf(0xd, 0)->eax = 7;
	cr_assert_eq(cpuid_xsave_size(&cpuid), 576 + 256);
	leaf(0xd, 0)->eax = 3;
	cr_assert_eq(cpuid_xsave_size(&cpuid), 576);
	leaf(0xd, 0)->eax = 7;
	leaf(0xd, 2)->ebx = leaf(0xd, 2)->eax = UINT32_MAX;
	cr_assert_eq(cpuid_xsave_size(&cpuid), 2ul * UINT32_MAX, "does not wrap");
}

Test(cpuid, hwcap_is_leaf_1_edx)
{
	leaf(1, 0)->edx = 0x0789a17f;
	cr_assert_eq(cpuid_hwcap(&cpuid), 0x0789a17f);
	cpuid.count = 0;
	cr_assert_eq(cpuid_hwcap(&cpuid), 0);
}

static void lacks(const char *what)
{
	char text[64];

	snprintf(text, sizeof text, "this machine's KVM gives guests no %s, which mote needs. ",
	         what);
	cr_assert_lt(cpuid_check(&cpuid, &err), 0);
	cr_assert_eq(err.code, MOTE_STATUS_FAILED);
	cr_assert_eq(strncmp(err.text, text, strlen(text)), 0, "%s", err.text);
	make_cpu();
}

Test(cpuid, what_the_kit_relies_on)
{
	cr_assert_eq(cpuid_check(&cpuid, &err), 0);
	leaf(1, 0)->ecx &= ~(1u << 26);
	lacks("XSAVE");
	leaf(7, 0)->ebx &= ~1u;
	lacks("FSGSBASE");
	leaf(0x80000001, 0)->edx &= ~(1u << 20);
	lacks("64-bit mode with NX");
	leaf(0x80000001, 0)->edx &= ~(1u << 29);
	lacks("64-bit mode with NX");
	cpuid.count = 0;
	lacks("XSAVE");
	cpuid.count = 2;
	lacks("FSGSBASE");
	cpuid.count = 4;
	lacks("64-bit mode with NX");
}
