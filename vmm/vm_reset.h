/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a VM that was restored from a snapshot back to it, in place. docs/snapshots.md */
#ifndef MOTE_VMM_VM_RESET_H
#define MOTE_VMM_VM_RESET_H

#include "snapshot/reset.h"
#include "snapshot/reset_vcpu.h"
#include "vmm/vm.h"

struct vm_reset {
	struct reset memory;
	struct reset_vcpu vcpu;
	void *devices; /* room for their state; NULL: there are none */
	void *golden;  /* that state, before the first run: what was replaced is in it */
	size_t golden_size;
	size_t devices_size;
};

/* Before confinement: whether KVM shadows page tables can be asked no later. */
int vm_reset_open(struct vm *vm, struct mote_error *err);

/* In vm_restore(), when the pages are mapped and before RAM has slots. */
int vm_reset_prepare_memory(struct vm *vm, struct mote_error *err);

/* In vm_restore(), when the vCPU has the snapshot's state. */
int vm_reset_prepare_vcpu(struct vm *vm, struct mote_error *err);

/**
 * vm_reset() - Put the VM back to its snapshot, ready to run as a new generation.
 *
 * To be called whenever the vCPU does not run, however the guest was stopped.
 *
 * Return: 0, or -1 with @err: the VM must not run again then.
 */
int vm_reset(struct vm *vm, struct mote_error *err);

/**
 * vm_reset_verify() - Compare a VM with its snapshot, after vm_reset().
 *
 * Return: 0, or -1 with @err, which names what differs first: the page and what it is, or the
 * register, or the device.
 */
int vm_reset_verify(struct vm *vm, struct mote_error *err);

#endif
