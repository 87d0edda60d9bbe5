/* SPDX-License-Identifier: Apache-2.0 */
/* What CPL 3 can change beside general and vector registers. */
#include "guestkit/selectors.h"

#include "guestkit/fpu.h"

/* Intel SDM vol. 1, 13.3: kvm-pvm leaves the host's XCR0 in force (fpu.c). */
#define XCR0_PKRU (1ull << 9)
#define XCR0_TILE (1ull << 17)

void selectors_save(struct selectors *selectors)
{
	uint32_t high;

	__asm__ volatile("mov %%ds, %0" : "=r"(selectors->ds));
	__asm__ volatile("mov %%es, %0" : "=r"(selectors->es));
	__asm__ volatile("mov %%fs, %0" : "=r"(selectors->fs));
	__asm__ volatile("mov %%gs, %0" : "=r"(selectors->gs));
	__asm__ volatile("rdfsbase %0" : "=r"(selectors->fs_base));
	__asm__ volatile("rdgsbase %0" : "=r"(selectors->gs_base));
	selectors->pkru = 0;
	if (fpu_xcr0() & XCR0_PKRU)
		__asm__ volatile("rdpkru" : "=a"(selectors->pkru), "=d"(high) : "c"(0));
}

/* A selector goes in before its base, which it sets. */
void selectors_load(const struct selectors *selectors)
{
	uint64_t xcr0 = fpu_xcr0();

	if (xcr0 & XCR0_PKRU)
		__asm__ volatile("wrpkru" : : "a"(selectors->pkru), "c"(0), "d"(0) : "memory");
	if (xcr0 & XCR0_TILE)
		__asm__ volatile(".byte 0xc4, 0xe2, 0x78, 0x49, 0xc0"); /* tilerelease */
	__asm__ volatile("mov %0, %%ds" : : "r"((uint32_t)selectors->ds));
	__asm__ volatile("mov %0, %%es" : : "r"((uint32_t)selectors->es));
	__asm__ volatile("mov %0, %%fs" : : "r"((uint32_t)selectors->fs));
	__asm__ volatile("mov %0, %%gs" : : "r"((uint32_t)selectors->gs));
	__asm__ volatile("wrfsbase %0" : : "r"(selectors->fs_base));
	__asm__ volatile("wrgsbase %0" : : "r"(selectors->gs_base));
}
