/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what CPUID and XGETBV show: XCR0, AVX, hypervisor bit, brand string. */
#include <cpuid.h>
#include <stdio.h>
#include <string.h>

static unsigned xcr0(void)
{
	unsigned low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low;
}

int main(void)
{
	unsigned a, b, c, d, brand[13] = {0};

	__cpuid(1, a, b, c, d);
	printf("xcr0 %x\navx %u\nsse4.2 %u\nhypervisor %u\n", c >> 27 & 1 ? xcr0() : 0, c >> 28 & 1,
	       c >> 20 & 1, c >> 31);
	__cpuid(0x80000000, a, b, c, d);
	for (unsigned i = 0; a >= 0x80000004 && i < 3; i++)
		__cpuid(0x80000002 + i, brand[4 * i], brand[4 * i + 1], brand[4 * i + 2],
		        brand[4 * i + 3]);
	printf("brand [%s]\n", (const char *)brand);
	return 0;
}
