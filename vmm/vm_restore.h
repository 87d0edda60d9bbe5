/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a VM from a snapshot. docs/snapshots.md */
#ifndef MOTE_VMM_VM_RESTORE_H
#define MOTE_VMM_VM_RESTORE_H

#include "vmm/vm.h"

/**
 * vm_restore() - Make the VM of a snapshot, up to the first KVM_RUN; as vm_create() does for a
 * boot.
 * @options: restore_path names it; the rest says what takes the place of what it had
 */
int vm_restore(struct vm *vm, const struct run_options *options, struct mote_error *err);

/**
 * vm_restore_vcpu() - Give the vCPU the snapshot's state; registers go in with the next KVM_RUN.
 */
int vm_restore_vcpu(struct vm *vm, struct mote_error *err);

/* Write the clock page for a start from now on. */
void vm_restore_clock(struct vm *vm);

/**
 * vm_new_generation() - Make this start unlike any other: id, seed, and the clock.
 *
 * To be called right before the vCPU runs, after each restore and reset. The guest must take the id
 * before its next hypercall, see vm_check_generation().
 */
int vm_new_generation(struct vm *vm, struct mote_error *err);

/* Before a backtrace: find the kit's symbols, if it is the kit that came with this mote. */
void vm_restore_symbols(struct vm *vm);

/* The guest makes a hypercall: whether it has taken its generation. If not, it is over. */
bool vm_check_generation(struct vm *vm);

#endif
