/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All of the guest that runs at CPL 0: it hands each trap to CPL 3.
 *
 * Where CPL 0 is emulated, every instruction here costs microseconds, and many kinds (SSE, sti,
 * wrmsr, sysretq) are not emulated at all: keep to mov, push, cmp, jmp and iretq. Vector n enters at
 * MOTE_RING0_VA + n * MOTE_VECTOR_STRIDE, on the stack of IST1 (kit_trap_frame_top), with interrupts
 * off. The hardware's frame stays there for entry.S to read (struct trap_frame); the code below adds
 * the vector, RAX and CR2 to it and returns to trap_entry instead of the interrupted code. The
 * one exception is the gate: `int3` at tlb_gate flushes the TLB and returns at once.
 */
#include "mote/abi.h"

#define RFLAGS_AT_CPL3 0x202 /* IF, and the bit that is always set */

	.section .ring0, "ax", @progbits

	.macro vector number, has_error
	.balign MOTE_VECTOR_STRIDE
	.if \has_error == 0
	push $0
	.endif
	push $\number
	jmp forward
	.endm

	vector 0, 0
	vector 1, 0
	vector 2, 0
	.balign MOTE_VECTOR_STRIDE
	jmp breakpoint
	.irp number, 4, 5, 6, 7
	vector \number, 0
	.endr
	vector 8, 1
	vector 9, 0
	.irp number, 10, 11, 12, 13, 14
	vector \number, 1
	.endr
	vector 15, 0
	vector 16, 0
	vector 17, 1
	.irp number, 18, 19, 20
	vector \number, 0
	.endr
	vector 21, 1
	.irp number, 22, 23, 24, 25, 26, 27, 28
	vector \number, 0
	.endr
	vector 29, 1
	vector 30, 1
	vector 31, 0

	.balign MOTE_VECTOR_STRIDE
breakpoint:
	cmpq $tlb_gate_return, (%rsp)
	je flush_tlb
	push $0
	push $3
forward:
	push %rax
	mov %cr2, %rax
	push %rax
	mov 8(%rsp), %rax
	push $MOTE_USER_SS
	push $kit_trap_stack_top - 8 /* as CONTEXT_END in entry.S */
	push $RFLAGS_AT_CPL3
	push $MOTE_USER_CS
	push $trap_entry
	iretq

flush_tlb:
	push %rax
	mov %cr3, %rax
	mov %rax, %cr3
	pop %rax
	iretq

	.section .note.GNU-stack, "", @progbits
