/* SPDX-License-Identifier: Apache-2.0 */
/* Catches every trap a program can make, steps over the instruction, and reports the signal's code.
 */
#define _GNU_SOURCE /* REG_RIP */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

static volatile sig_atomic_t caught, code;
static volatile uintptr_t step;
static void *volatile address;
static volatile uintptr_t at;

static void handler(int number, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	caught = number;
	code = info->si_code;
	address = info->si_addr;
	at = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	uc->uc_mcontext.gregs[REG_RIP] += (greg_t)step;
}

static void report(const char *what)
{
	printf("%s: signal %d, code %d, address is %s\n", what, (int)caught, (int)code,
	       address == (void *)at ? "RIP"
	       : address == NULL     ? "0"
	                             : "another");
	caught = code = 0;
}

int main(void)
{
	static const int signals[] = {SIGFPE, SIGILL, SIGTRAP, SIGSEGV, SIGBUS};
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	unsigned mxcsr = 0x1f80 & ~0x200u; /* division by zero unmasked */

	for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; i++)
		sigaction(signals[i], &action, NULL);
	step = 2; /* div %ecx */
	__asm__ volatile("xorl %%ecx, %%ecx; movl $1, %%eax; cltd; div %%ecx" ::
	                         : "eax", "ecx", "edx");
	report("division by zero");
	__asm__ volatile("movl $-1, %%ecx; movl $0x80000000, %%eax; cltd; idiv %%ecx" ::
	                         : "eax", "ecx", "edx");
	report("division overflow");
	__asm__ volatile("ud2");
	report("ud2");
	step = 0; /* RIP is behind it already */
	__asm__ volatile("int3");
	report("int3");
	step = 1;
	__asm__ volatile("hlt");
	report("hlt");
	step = 1;
	__asm__ volatile("cli");
	report("cli");
	step = 4; /* divss %xmm1, %xmm0 */
	__asm__ volatile("ldmxcsr %0; xorps %%xmm1, %%xmm1; pcmpeqd %%xmm0, %%xmm0;"
	                 "psrld $25, %%xmm0; pslld $23, %%xmm0; divss %%xmm1, %%xmm0" ::"m"(mxcsr)
	                 : "xmm0", "xmm1");
	mxcsr = 0x1f80;
	__asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
	report("SSE division by zero");
	step = 3; /* movb (%rbp), %al */
	__asm__ volatile("mov %%rbp, %%rcx; movabs $0x8000000000000000, %%rbp; movb (%%rbp), %%al;"
	                 "mov %%rcx, %%rbp" ::
	                         : "rax", "rcx");
	report("stack segment");
	return 0;
}
