/* SPDX-License-Identifier: Apache-2.0 */
/* The frame that a signal handler of x86-64 Linux finds on its stack: building it and taking it
 * apart. */
#ifndef MOTE_LIBC_SHIM_SIGNAL_FRAME_H
#define MOTE_LIBC_SHIM_SIGNAL_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "guestkit/context.h"
#include "guestkit/libc-shim/signal_abi.h"

/* struct sigcontext */
struct signal_registers {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp;
	uint64_t rip, rflags;
	uint16_t cs, gs, fs, ss;
	uint64_t error, vector; /* of the fault */
	uint64_t old_mask;
	uint64_t cr2;
	uint64_t fpu; /* address of the XSAVE area; 0: initial state */
	uint64_t reserved[8];
};

/* struct ucontext */
struct signal_context {
	uint64_t flags;
	uint64_t link;
	struct signal_stack stack;
	struct signal_registers registers;
	uint64_t mask;
};

/* struct rt_sigframe; the FPU's state lies above it, 64-byte aligned */
struct signal_frame {
	uint64_t return_address;
	struct signal_context context;
	struct signal_info info;
};

/* The last 48 bytes of the FXSAVE image: struct _fpx_sw_bytes */
struct signal_fpu_note {
	uint32_t magic;         /* SIGNAL_FPU_MAGIC_1: an XSAVE area, else FXSAVE only */
	uint32_t extended_size; /* of the area and SIGNAL_FPU_MAGIC_2 behind it */
	uint64_t features;      /* that the area holds */
	uint32_t size;          /* of the area */
	uint32_t reserved[7];
};

#define SIGNAL_FPU_MAGIC_1 0x46505853u /* FP_XSTATE_MAGIC1 */
#define SIGNAL_FPU_MAGIC_2 0x46505845u /* FP_XSTATE_MAGIC2 */

/* What a frame is to tell. */
struct signal_frame_request {
	const struct signal_action *action;
	struct signal_info info;
	uint64_t mask;   /* to be restored when the handler returns */
	uint64_t vector; /* of the fault; 0 where there is none, as are the next two */
	uint64_t error;
	uint64_t cr2;
};

/* Bytes of stack that entering a handler may take: AT_MINSIGSTKSZ. */
uint64_t signal_frame_size(void);

/* Is the alternate stack in use where the stack pointer is @rsp? STACK_ON, STACK_DISABLED, 0: no.
 */
uint32_t signal_stack_state(const struct signal_stack *stack, uint64_t rsp);

/**
 * signal_frame_push() - Enter a signal handler.
 * @context: registers of the interrupted code; changed to those of the handler's start
 * @stack:   the thread's alternate stack; disarmed where its owner asked for that
 *
 * The FPU holds the interrupted code's state and keeps it.
 * Return: 0, or -EFAULT with nothing changed when the stack cannot take the frame, or the action
 * has no usable handler or restorer.
 */
int signal_frame_push(struct context *context, struct signal_stack *stack,
                      const struct signal_frame_request *request);

/**
 * signal_frame_pop() - Go back to what a handler interrupted: rt_sigreturn(2).
 * @context: registers as the handler's return left them; changed to those the frame holds
 * @stack:   set to the frame's alternate stack; not checked
 * @mask:    set to the frame's mask; not checked
 *
 * Registers and FPU state are made harmless, whatever the frame holds.
 * Return: 0, or -EFAULT with nothing changed.
 */
int signal_frame_pop(struct context *context, struct signal_stack *stack, uint64_t *mask);

#endif
