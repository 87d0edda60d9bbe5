/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket of a running microVM that has a name. docs/control.md */
#ifndef MOTE_VMM_CONTROL_H
#define MOTE_VMM_CONTROL_H

#include "vmm/vm.h"

/**
 * control_open() - Make the socket, where the options ask for a name; before confinement.
 *
 * Sets vm->control and what it needs in vm->devices.needs. Clients may connect from now on, and are
 * served once control_start() was called.
 */
int control_open(struct vm *vm, struct mote_error *err);

/* Begin to serve, in phase load: after stop_init(). Does nothing without vm->control. */
int control_start(struct vm *vm, struct mote_error *err);

/* After each exit of the guest. */
void control_look(struct vm *vm);

/* Whether the guest is to make the hypercall `snapshot` as soon as it can. */
bool control_wants_snapshot(const struct vm *vm);

/* It makes it, at MOTE_SNAPSHOT_OUTSIDE: see vm_save_point(). */
int64_t control_save(struct vm *vm, mote_gpa_t gpa, uint64_t length);

#endif
