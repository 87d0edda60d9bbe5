/* SPDX-License-Identifier: Apache-2.0 */
/* A signal handler does not change the vector and floating point registers of what it interrupts.
 */
#define _GNU_SOURCE /* REG_RIP */
#include <cpuid.h>
#include <immintrin.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

static unsigned char before[16 * 32], after[16 * 32];
static int has_avx;

__attribute__((target("avx"))) static void clobber_avx(void)
{
	__asm__ volatile("vzeroall" ::: "memory");
}

static void handler(int number, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	unsigned mxcsr = 0x1fc0;

	(void)number;
	(void)info;
	uc->uc_mcontext.gregs[REG_RIP] += 2;
	__asm__ volatile(
	        "fninit; ldmxcsr %0; xorps %%xmm0, %%xmm0; xorps %%xmm15, %%xmm15" ::"m"(mxcsr)
	        : "xmm0", "xmm15");
	if (has_avx)
		clobber_avx();
}

#define EACH(X) \
	X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define ALL_XMM                                                                                  \
	"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
	        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

static void check_sse(void)
{
#define LOAD(n)  "movups " #n "*32(%0), %%xmm" #n ";"
#define STORE(n) "movups %%xmm" #n ", " #n "*32(%1);"
	__asm__ volatile(EACH(LOAD) "ud2;" EACH(STORE)::"r"(before), "r"(after)
	                 : "memory", ALL_XMM);
#undef LOAD
#undef STORE
	for (int i = 0; i < 16; i++)
		if (memcmp(before + i * 32, after + i * 32, 16))
			printf("xmm%d changed\n", i);
}

__attribute__((target("avx"))) static void check_avx(void)
{
#define LOAD(n)  "vmovups " #n "*32(%0), %%ymm" #n ";"
#define STORE(n) "vmovups %%ymm" #n ", " #n "*32(%1);"
	__asm__ volatile(EACH(LOAD) "ud2;" EACH(STORE) "vzeroupper" ::"r"(before), "r"(after)
	                 : "memory", ALL_XMM);
#undef LOAD
#undef STORE
	for (int i = 0; i < 16; i++)
		if (memcmp(before + i * 32, after + i * 32, 32))
			printf("ymm%d changed\n", i);
}

static void check_x87(void)
{
	double value = 2.5, kept = 0;
	unsigned short control = 0x0f7f, control_after = 0;
	unsigned mxcsr = 0x9f80, mxcsr_after = 0;

	__asm__ volatile(
	        "fldcw %3; ldmxcsr %4; fldl %5; ud2; fstpl %0; fnstcw %1; stmxcsr %2; fninit"
	        : "=m"(kept), "=m"(control_after), "=m"(mxcsr_after)
	        : "m"(control), "m"(mxcsr), "m"(value));
	mxcsr = 0x1f80;
	__asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
	printf("x87 value %s, control word %s, mxcsr %s\n", kept == value ? "kept" : "lost",
	       control_after == control ? "kept" : "lost", mxcsr_after == 0x9f80 ? "kept" : "lost");
}

int main(void)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	unsigned a, b, c, d;

	__cpuid(1, a, b, c, d);
	has_avx = c >> 28 & 1 && c >> 27 & 1;
	for (unsigned i = 0; i < sizeof before; i++)
		before[i] = (unsigned char)(i * 7 + 1);
	sigaction(SIGILL, &action, NULL);
	check_x87();
	for (int round = 0; round < 100; round++) {
		check_sse();
		if (has_avx)
			check_avx();
	}
	puts("checked");
	return 0;
}
