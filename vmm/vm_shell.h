/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM that is kept ready for a start from a snapshot: a shell.
 *
 * How it works. All that takes long is done before anybody waits: VM, vCPU and memory slots are
 * made, the pages mapped, and the vCPU has entered the guest once, where it executed no more than
 * the `in` instruction that it starts behind. A start then writes the new generation and registers.
 * A shell that has been used, or that is to start from another snapshot, is made ready again.
 */
#ifndef MOTE_VMM_VM_SHELL_H
#define MOTE_VMM_VM_SHELL_H

#include "vmm/vm.h"

/**
 * vm_shell_warm() - Enter the guest up to the instruction that it starts behind.
 * @vm: of vm_restore() with a count above 1, that has not run; or after vm_reset()
 */
int vm_shell_warm(struct vm *vm, struct mote_error *err);

/* Begin a start: afterwards the next KVM_RUN executes its first instruction. */
int vm_shell_start(struct vm *vm, struct mote_error *err);

/**
 * vm_shell_change() - Give a shell another snapshot, and begin a start from it.
 * @snapshot: read (snapshot_read()), and of the same machine: CPUID, RAM size, root image and
 *            devices; else refused with MOTE_STATUS_CANNOT_RUN, and the shell is as it was
 *
 * The shell may have run. @snapshot belongs to the VM afterwards, the one it had to the caller.
 */
int vm_shell_change(struct vm *vm, struct snapshot *snapshot, struct mote_error *err);

#endif
