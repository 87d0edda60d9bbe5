/* SPDX-License-Identifier: Apache-2.0 */
/* One step up a guest's stack: call frame information, then verified guesses, then a stop. */
#ifndef MOTE_VMM_UNWIND_H
#define MOTE_VMM_UNWIND_H

#include "vmm/elf_symbols.h"

/* Guest-virtual memory as the guest sees it. read returns 0, or -1 when any byte is unmapped. */
struct guest_reader {
	int (*read)(void *ctx, uint64_t va, void *buffer, size_t length);
	void *ctx;
};

/* Indices into gpr: DWARF's register numbers (System V ABI for x86-64, figure 3.36). */
enum unwind_register {
	UNWIND_RAX,
	UNWIND_RDX,
	UNWIND_RCX,
	UNWIND_RBX,
	UNWIND_RSI,
	UNWIND_RDI,
	UNWIND_RBP,
	UNWIND_RSP,
	UNWIND_R8,
	UNWIND_R9,
	UNWIND_R10,
	UNWIND_R11,
	UNWIND_R12,
	UNWIND_R13,
	UNWIND_R14,
	UNWIND_R15,
	UNWIND_GPR_COUNT,
	UNWIND_RIP = UNWIND_GPR_COUNT, /* DWARF's "return address" */
};

struct unwind_registers {
	uint64_t gpr[UNWIND_GPR_COUNT];
	uint64_t rip;
};

/* What one unwinding works on. Nothing is kept between steps but the work that is left. */
struct unwinder {
	const struct code_image *images;
	size_t image_count;
	const struct guest_reader *reader;
	uint64_t steps; /* about 10 ns each; unwinding stops when it reaches 0 */
};

enum unwind_result {
	UNWIND_STOP,        /* the outermost frame, or nothing reliable is known */
	UNWIND_CALLER,      /* the registers are the caller's; rip is a return address */
	UNWIND_INTERRUPTED, /* the frame was a signal trampoline; rip is where the signal struck */
};

/* Read guest-virtual memory; false when any byte is unmapped or the range wraps. */
bool unwind_read(const struct unwinder *unwinder, uint64_t va, void *buffer, size_t length);

/* Value of a register by its DWARF number; *failed is set for one that is not unwound. */
uint64_t unwind_register_value(const struct unwind_registers *regs, uint64_t number, bool *failed);

/**
 * unwind_find_image() - The image whose code holds a guest-virtual address.
 * @segment: filled with the linked addresses of the segment that holds it
 *
 * Return: the image, or NULL.
 */
const struct code_image *unwind_find_image(const struct code_image *images, size_t count,
                                           uint64_t pc, struct code_segment *segment);

/**
 * unwind_step() - Go from a frame to the one that called it.
 * @unwinder: images, memory and work left
 * @regs:     the frame's registers; replaced by the caller's unless the result is UNWIND_STOP
 * @is_exact: whether rip is the instruction that was running, rather than a return address
 *
 * RSP strictly grows, except from a signal trampoline (the handler may have had its own stack).
 * Registers that a caller's frame does not tell keep their values. No recursion, no allocation, no
 * system call; about 10 KiB of stack.
 */
enum unwind_result unwind_step(struct unwinder *unwinder, struct unwind_registers *regs,
                               bool is_exact);

#endif
