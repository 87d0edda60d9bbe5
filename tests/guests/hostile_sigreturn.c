/* SPDX-License-Identifier: Apache-2.0 */
/* Returns from signals that never were, to states that must not be: `hostile_sigreturn N`. */
#define _GNU_SOURCE /* ucontext_t */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "hostile.h"

/* The kernel's frame: the return address was popped already, RSP points at the ucontext. */
static ucontext_t context __attribute__((aligned(64)));

int main(int argc, char **argv)
{
	greg_t *gregs = context.uc_mcontext.gregs;

	switch (argc > 1 ? atoi(argv[1]) : 0) {
	case 0: break; /* all zero */
	case 1: memset(&context, 0xff, sizeof context); break;
	case 2: /* ring 0 by its selectors */
		gregs[REG_RIP] = (greg_t)MOTE_RING0_VA;
		gregs[REG_CSGSFS] = MOTE_KERNEL_CS | (greg_t)MOTE_KERNEL_SS << 48;
		gregs[REG_EFL] = 0x3202; /* IOPL 3 */
		break;
	case 3: /* the kit's own memory as floating point state */
		gregs[REG_RIP] = (greg_t)(uintptr_t)main;
		gregs[REG_RSP] = (greg_t)MOTE_RUN_VA;
		context.uc_mcontext.fpregs = (void *)MOTE_KIT_VA;
		break;
	case 4: /* floating point state that XRSTOR refuses */
		memset(context.__fpregs_mem, 0xff, sizeof context.__fpregs_mem);
		context.uc_mcontext.fpregs = (void *)context.__fpregs_mem;
		gregs[REG_RIP] = (greg_t)0x8000000000000000;
		break;
	default: /* a stack that is not there */
		__asm__ volatile("mov %0, %%rsp; mov $15, %%eax; syscall" ::"r"(0x10UL) : "memory");
	}
	__asm__ volatile("mov %0, %%rsp; mov %1, %%eax; syscall; hlt" ::"r"(&context),
	                 "i"(SYS_rt_sigreturn)
	                 : "memory");
	return 0;
}
