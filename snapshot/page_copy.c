/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the bytes of a page back, and tells whether they were others. */
#include "snapshot/page_copy.h"

#include <cpuid.h>
#include <immintrin.h>

#include "mote/abi.h"

/* Intel SDM vol. 1, 13.3: x87, SSE, AVX; opmask and both halves of ZMM */
#define XCR0_AVX    0x07u
#define XCR0_AVX512 0xe7u

/* A group of vectors is compared at once, and stored where it differs: a cache line or more. */
#define GROUP 4

typedef uint64_t vector16 __attribute__((vector_size(16), may_alias));
typedef uint64_t vector32 __attribute__((vector_size(32), may_alias));
typedef uint64_t vector64 __attribute__((vector_size(64), may_alias));

static bool is_zero16(vector16 v)
{
	return !(v[0] | v[1]);
}

__attribute__((target("avx2"))) static bool is_zero32(vector32 v)
{
	return _mm256_testz_si256((__m256i)v, (__m256i)v);
}

__attribute__((target("avx512f,avx512bw"))) static bool is_zero64(vector64 v)
{
	return !_mm512_test_epi64_mask((__m512i)v, (__m512i)v);
}

/* The same text for each width of vectors that a processor may have. */
#define COPY_BACK(bits, attributes)                                                         \
	attributes static bool copy_back##bits(void *page, const void *golden)              \
	{                                                                                   \
		vector##bits *to = page;                                                    \
		const vector##bits *from = golden;                                          \
		bool has_differed = false;                                                  \
                                                                                            \
		for (unsigned i = 0; i < MOTE_PAGE_SIZE / sizeof *to; i += GROUP) {         \
			vector##bits a = from[i], b = from[i + 1], c = from[i + 2],         \
			             d = from[i + 3];                                       \
                                                                                            \
			if (is_zero##bits((a ^ to[i]) | (b ^ to[i + 1]) | (c ^ to[i + 2]) | \
			                  (d ^ to[i + 3])))                                 \
				continue;                                                   \
			has_differed = true;                                                \
			to[i] = a, to[i + 1] = b, to[i + 2] = c, to[i + 3] = d;             \
		}                                                                           \
		return has_differed;                                                        \
	}

COPY_BACK(16, )
COPY_BACK(32, __attribute__((target("avx2"))))
COPY_BACK(64, __attribute__((target("avx512f,avx512bw"))))

/* Not __builtin_cpu_supports(): it asks CPUID in every process, before main(). */
page_copy_back *page_copy_choose(void)
{
	unsigned eax, ebx, ecx, edx, xcr0, high;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE))
		return copy_back16;
	__asm__("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
	if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
		return copy_back16;
	if (ebx & bit_AVX512F && ebx & bit_AVX512BW && (xcr0 & XCR0_AVX512) == XCR0_AVX512)
		return copy_back64;
	return ebx & bit_AVX2 && (xcr0 & XCR0_AVX) == XCR0_AVX ? copy_back32 : copy_back16;
}
