/* SPDX-License-Identifier: Apache-2.0 */
/* The registers of interrupted application code, as entry.S lays them out on the kit's stack. */
#ifndef MOTE_GUESTKIT_CONTEXT_H
#define MOTE_GUESTKIT_CONTEXT_H

#define CONTEXT_SIZE (21 * 8)
/* Offsets that entry.S uses; context.c asserts them. */
#define CONTEXT_R10    (7 * 8)
#define CONTEXT_R9     (8 * 8)
#define CONTEXT_R8     (9 * 8)
#define CONTEXT_RAX    (10 * 8)
#define CONTEXT_RDX    (12 * 8)
#define CONTEXT_RSI    (13 * 8)
#define CONTEXT_RDI    (14 * 8)
#define CONTEXT_RIP    (16 * 8)
#define CONTEXT_RFLAGS (18 * 8)
#define CONTEXT_RSP    (19 * 8)

#ifndef __ASSEMBLER__

#include <stdint.h>

struct context {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8;
	uint64_t rax, rcx, rdx, rsi, rdi;
	uint64_t number;                   /* of the system call, or CONTEXT_TRAP */
	uint64_t rip, cs, rflags, rsp, ss; /* in the order iretq pops them */
};

#define CONTEXT_TRAP UINT64_MAX

_Static_assert(sizeof(struct context) == CONTEXT_SIZE, "entry.S pushes this");

#endif
#endif
