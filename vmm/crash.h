/* SPDX-License-Identifier: Apache-2.0 */
/* Reports on guests that die: trap, registers, backtrace, core file. */
#ifndef MOTE_VMM_CRASH_H
#define MOTE_VMM_CRASH_H

#include "vmm/vm.h"

/* Report a crash record from the kit (already copied and checked) on stderr, and write the core. */
void crash_report(struct vm *vm, const struct mote_crash *crash);

/**
 * crash_unexpected_exit() - End a guest that made KVM stop in a way no sound guest can.
 * @what: completes "the guest ..."
 *
 * Reports with the registers of the vCPU; the exit status is 128 + SIGSEGV.
 */
void crash_unexpected_exit(struct vm *vm, const char *what);

/* Say that the guest was stopped at @why ("timed out after ..."), with its backtrace;
 * @signal_number for the core. */
void crash_stopped(struct vm *vm, const char *why, int signal_number);

/* Where a core file is wanted, get what writing it takes; before confinement. */
int crash_prepare(struct vm *vm, struct mote_error *err);

#endif
