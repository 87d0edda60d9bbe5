/* SPDX-License-Identifier: Apache-2.0 */
/* The vector and floating-point registers, which the kit itself never uses. */
#include "guestkit/fpu.h"

#include "guestkit/string.h"

#define FEATURES_LEGACY 3ull /* x87, SSE */
#define FEATURES_AVX    7ull
#define FEATURES_AVX512 0xe0ull
#define FEATURES_SAVED  (FEATURES_AVX | FEATURES_AVX512)
#define FPU_SIZE_AVX    (FPU_EXTENDED + 256)
#define FPU_SIZE_AVX512 2688 /* where Intel puts the last component; AMD needs less */

/* For the compiler: what the instructions may read and write. */
struct fpu_area {
	unsigned char bytes[FPU_SIZE_MAX];
};

uint32_t fpu_size = FPU_LEGACY_SIZE;
uint64_t fpu_features;

uint64_t fpu_xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

void fpu_init(uint64_t xsave_size)
{
	fpu_features = 0;
	fpu_size = FPU_LEGACY_SIZE;
	if (xsave_size < FPU_EXTENDED)
		return;
	/*
	 * kvm-pvm leaves the host's XCR0 in force whatever the VMM asked for: AMX, whose tiles take
	 * 8 KiB of an area that has no room for them, is in it where the CPU has it. Protection
	 * keys would lock the kit out of its own memory: they stay as they are.
	 */
	fpu_features = fpu_xcr0() & FEATURES_SAVED;
	fpu_size = (uint32_t)xsave_size;
	if (fpu_features & FEATURES_AVX512 && fpu_size < FPU_SIZE_AVX512)
		fpu_size = FPU_SIZE_AVX512;
	else if (fpu_features & FEATURES_AVX & ~FEATURES_LEGACY && fpu_size < FPU_SIZE_AVX)
		fpu_size = FPU_SIZE_AVX;
	if (xsave_size > FPU_SIZE_MAX) {
		/* More than AVX-512: no feature that the VMM gives; keep what is sure to fit. */
		fpu_features &= FEATURES_AVX;
		fpu_size = FPU_SIZE_AVX;
	}
}

bool fpu_lost_features(void)
{
	uint64_t present = fpu_features ? fpu_xcr0() : 0;

	if (!(fpu_features & ~present))
		return false;
	fpu_features &= present;
	return true;
}

void fpu_trim(void *area)
{
	*(uint64_t *)((unsigned char *)area + FPU_FEATURES) &= fpu_features;
}

void fpu_area_init(void *area)
{
	/* XSAVE writes one word of the header; XRSTOR wants the others zero. */
	memset((unsigned char *)area + FPU_LEGACY_SIZE, 0, FPU_HEADER_SIZE);
}

void fpu_save(void *area)
{
	if (fpu_features)
		__asm__ volatile("xsave64 %0"
		                 : "+m"(*(struct fpu_area *)area)
		                 : "a"((uint32_t)fpu_features),
		                   "d"((uint32_t)(fpu_features >> 32)));
	else
		__asm__ volatile("fxsave64 %0" : "+m"(*(struct fpu_area *)area));
}

void fpu_load(const void *area)
{
	if (fpu_features)
		__asm__ volatile("xrstor64 %0"
		                 :
		                 : "m"(*(const struct fpu_area *)area), "a"((uint32_t)fpu_features),
		                   "d"((uint32_t)(fpu_features >> 32)));
	else
		__asm__ volatile("fxrstor64 %0" : : "m"(*(const struct fpu_area *)area));
}

void fpu_reset(void *scratch)
{
	static const uint16_t control = FPU_CONTROL_INITIAL;
	static const uint32_t mxcsr = FPU_MXCSR_INITIAL;

	memset(scratch, 0, fpu_size);
	memcpy(scratch, &control, sizeof(control));
	memcpy((unsigned char *)scratch + FPU_MXCSR, &mxcsr, sizeof(mxcsr));
	fpu_load(scratch);
}
