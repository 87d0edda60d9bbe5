/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of saving vector registers: what is written, on the CPU that runs the test. */
#include <cpuid.h>
#include <criterion/criterion.h>
#include <string.h>

#include "guestkit/fpu.c"

static _Alignas(FPU_ALIGNMENT) unsigned char area[4 * FPU_SIZE_MAX];

/* Of an area with everything in XCR0. */
static uint64_t xsave_size(void)
{
	unsigned eax, ebx, ecx, edx;

	return __get_cpuid_count(0xd, 0, &eax, &ebx, &ecx, &edx) ? ebx : 0;
}

static void saves_within(uint64_t size)
{
	fpu_init(size);
	cr_assert_leq(fpu_size, FPU_SIZE_MAX);
	memset(area, 0xa5, sizeof(area));
	fpu_area_init(area);
	fpu_save(area);
	for (size_t i = fpu_size > FPU_EXTENDED ? fpu_size : FPU_EXTENDED; i < sizeof(area); i++)
		cr_assert_eq(area[i], 0xa5, "byte %zu is written, of %u", i, fpu_size);
	fpu_load(area);
}

/* The VMM names sizes without what it has switched off, and kvm-pvm does not: AMX. */
Test(fpu, nothing_is_written_behind_the_area)
{
	saves_within(0);
	saves_within(FPU_SIZE_AVX);
	saves_within(FPU_SIZE_AVX512);
	saves_within(xsave_size());
	saves_within(1u << 20);
}

Test(fpu, area_comes_back)
{
	double before = 1.5, after;

	fpu_init(xsave_size());
	fpu_area_init(area);
	__asm__ volatile("movsd %0, %%xmm9" : : "m"(before) : "xmm9");
	fpu_save(area);
	__asm__ volatile("xorps %%xmm9, %%xmm9" : : : "xmm9");
	fpu_load(area);
	__asm__ volatile("movsd %%xmm9, %0" : "=m"(after));
	cr_assert_eq(after, before);
}
