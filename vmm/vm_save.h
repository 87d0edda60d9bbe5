/* SPDX-License-Identifier: Apache-2.0 */
/* Takes a snapshot of a VM. */
#ifndef MOTE_VMM_VM_SAVE_H
#define MOTE_VMM_VM_SAVE_H

#include "vmm/vm.h"

/**
 * vm_save_point() - Serve the hypercall `snapshot`.
 * @point:  enum mote_snapshot_point; hostile, as all arguments
 * @gpa, @length: text that names what cannot be carried
 *
 * Return: what the hypercall returns (mote/abi.h).
 */
int64_t vm_save_point(struct vm *vm, uint64_t point, mote_gpa_t gpa, uint64_t length);

#endif
