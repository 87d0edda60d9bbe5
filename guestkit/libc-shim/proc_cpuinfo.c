/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/cpuinfo, from CPUID. */
#include <cpuid.h>

#include "guestkit/libc-shim/proc_system.h"
#include "guestkit/string.h"

#define LEAF_FEATURES   0x1
#define LEAF_EXTENDED   0x7
#define LEAF_FREQUENCY  0x16
#define LEAF_HYPERVISOR 0x40000000
#define LEAF_TSC_KHZ    0x40000010 /* TSC frequency in kHz, as hypervisors give it */
#define LEAF_AMD        0x80000001
#define LEAF_BRAND      0x80000002 /* three leaves, 16 characters each */
#define LEAF_ADDRESS    0x80000008

struct registers {
	uint32_t eax, ebx, ecx, edx;
};

static struct registers cpuid(uint32_t leaf)
{
	struct registers out;

	__cpuid_count(leaf, 0, out.eax, out.ebx, out.ecx, out.edx);
	return out;
}

/* One flag for each bit that is set; an empty name is a bit that is not shown. */
static void append_flags(struct text *text, uint32_t bits, const char *names)
{
	for (unsigned bit = 0; bit < 32 && *names; bit++) {
		const char *end = strchr(names, ' ');
		size_t length = end ? (size_t)(end - names) : strlen(names);

		if ((bits >> bit & 1) && length > 0) {
			text_string(text, " ");
			text_bytes(text, names, length);
		}
		names += length + (end ? 1 : 0);
	}
}

/* Names as Linux has them, from bit 0 on, one space between two. */
static const char features_edx[] =
        "fpu vme de pse tsc msr pae mce cx8 apic  sep mtrr pge mca cmov pat pse36 pn clflush  dts "
        "acpi mmx fxsr sse sse2 ss ht tm ia64 pbe";
static const char features_ecx[] =
        "pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm  "
        "pcid dca sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave  avx f16c rdrand "
        "hypervisor";
static const char amd_edx[] = "           syscall         nx  mmxext   fxsr_opt pdpe1gb rdtscp  lm";
static const char amd_ecx[] = "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse "
                              "3dnowprefetch osvw ibs xop     fma4     tbm";
static const char extended_ebx[] =
        "fsgsbase   bmi1 hle avx2  smep bmi2 erms invpcid rtm cqm  mpx  avx512f avx512dq rdseed "
        "adx smap avx512ifma  clflushopt clwb  avx512pf avx512er avx512cd sha_ni avx512bw avx512vl";

static void append_all_flags(struct text *text, uint32_t max, uint32_t extended_max)
{
	struct registers leaf = cpuid(LEAF_FEATURES);

	text_string(text, "\nflags\t\t:");
	append_flags(text, leaf.edx, features_edx);
	append_flags(text, leaf.ecx, features_ecx);
	if (extended_max >= LEAF_AMD) {
		leaf = cpuid(LEAF_AMD);
		append_flags(text, leaf.edx, amd_edx);
		append_flags(text, leaf.ecx, amd_ecx);
	}
	if (max >= LEAF_EXTENDED)
		append_flags(text, cpuid(LEAF_EXTENDED).ebx, extended_ebx);
}

/* Nominal frequency in kHz, or 0 where the machine does not say. */
static uint64_t frequency(uint32_t max)
{
	struct registers leaf = cpuid(LEAF_FEATURES);

	if (leaf.ecx >> 31 && cpuid(LEAF_HYPERVISOR).eax >= LEAF_TSC_KHZ)
		return cpuid(LEAF_TSC_KHZ).eax;
	return max >= LEAF_FREQUENCY ? (uint64_t)(cpuid(LEAF_FREQUENCY).eax & 0xffff) * 1000 : 0;
}

static void append_brand(struct text *text, uint32_t extended_max)
{
	struct registers brand[3];
	const char *name = (const char *)brand;
	size_t size = sizeof(brand);

	if (extended_max < LEAF_BRAND + 2)
		return;
	for (unsigned i = 0; i < 3; i++)
		brand[i] = cpuid(LEAF_BRAND + i);
	for (; size > 0 && *name == ' '; size--)
		name++;
	text_string(text, "\nmodel name\t: ");
	text_bytes(text, name, strnlen(name, size));
}

/* Family and model as the manuals' CPUID pages combine the extended fields. */
static void append_model(struct text *text, uint32_t signature)
{
	uint32_t family = signature >> 8 & 0xf;
	uint32_t model = signature >> 4 & 0xf;

	if (family == 6 || family == 15)
		model |= signature >> 12 & 0xf0;
	if (family == 15)
		family += signature >> 20 & 0xff;
	text_print(text, "\ncpu family\t: %u\nmodel\t\t: %u", family, model);
}

void proc_cpuinfo(struct text *text)
{
	struct registers leaf = cpuid(0);
	uint32_t max = leaf.eax;
	uint32_t extended_max = cpuid(0x80000000).eax;
	uint32_t vendor[] = {leaf.ebx, leaf.edx, leaf.ecx};
	uint64_t khz = frequency(max);

	text_string(text, "processor\t: 0\nvendor_id\t: ");
	text_bytes(text, vendor, sizeof(vendor));
	leaf = cpuid(LEAF_FEATURES);
	append_model(text, leaf.eax);
	append_brand(text, extended_max);
	text_print(text, "\nstepping\t: %u", leaf.eax & 0xf);
	if (khz > 0) {
		text_print(text, "\ncpu MHz\t\t: %lu.", khz / 1000);
		text_decimal(text, khz % 1000, 3);
	}
	text_print(text,
	           "\nphysical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\nfpu\t\t: "
	           "yes\ncpuid level\t: %u\nwp\t\t: yes",
	           max);
	append_all_flags(text, max, extended_max);
	text_print(text, "\nclflush size\t: %u\ncache_alignment\t: 64", (leaf.ebx >> 8 & 0xff) * 8);
	if (extended_max >= LEAF_ADDRESS) {
		leaf = cpuid(LEAF_ADDRESS);
		text_print(text, "\naddress sizes\t: %u bits physical, %u bits virtual",
		           leaf.eax & 0xff, leaf.eax >> 8 & 0xff);
	}
	text_string(text, "\n\n");
}
