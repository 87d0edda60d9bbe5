/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vector and floating-point registers, which the kit itself never uses: they hold the running
 * thread's state all the time.
 */
#ifndef MOTE_GUESTKIT_FPU_H
#define MOTE_GUESTKIT_FPU_H

#include <stdbool.h>
#include <stdint.h>

#define FPU_ALIGNMENT 64
#define FPU_SIZE_MAX  4096

/* XSAVE area: SDM vol. 1, 13.4 */
#define FPU_MXCSR       24
#define FPU_MXCSR_MASK  28
#define FPU_LEGACY_SIZE 512
#define FPU_HEADER_SIZE 64
#define FPU_FEATURES    FPU_LEGACY_SIZE /* XSTATE_BV, first in the header */
#define FPU_EXTENDED    (FPU_LEGACY_SIZE + FPU_HEADER_SIZE)

#define FPU_MXCSR_INITIAL   0x1f80u
#define FPU_CONTROL_INITIAL 0x37fu /* FCW */

/* What an area holds, as XCR0 names it; 0: the CPU has FXSAVE only. */
extern uint64_t fpu_features;
/* Bytes of an area, at most FPU_SIZE_MAX. */
extern uint32_t fpu_size;

/* Once at start. @xsave_size: of an area in bytes; 0: the CPU has FXSAVE only. */
void fpu_init(uint64_t xsave_size);

/* XCR0: what the processor has switched on, which may be more than the kit carries. */
uint64_t fpu_xcr0(void);

/*
 * After a start from a snapshot, before anything is loaded: the CPU may have less state than the
 * one that it was taken on, where KVM left the host's XCR0 in force. A guest that keeps to its
 * CPUID has used none of what is left out. Return: whether that is so; then all areas are to be
 * trimmed.
 */
bool fpu_lost_features(void);
void fpu_trim(void *area);

/* Prepare an area, whose content is undefined, for its first fpu_save(). */
void fpu_area_init(void *area);

/* Write the registers to an area aligned to FPU_ALIGNMENT, or load them from it. What is loaded
 * must be valid: reserved bits fault. */
void fpu_save(void *area);
void fpu_load(const void *area);

/* The state of a new program. @scratch: an area that may be overwritten */
void fpu_reset(void *scratch);

#endif
