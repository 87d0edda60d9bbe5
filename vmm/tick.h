/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moments at which a running vCPU is stopped: for the threads and timers of the guest (struct
 * mote_run), and so that its clock page is never old.
 */
#ifndef MOTE_VMM_TICK_H
#define MOTE_VMM_TICK_H

#include "vmm/error.h"
#include "vmm/vm.h"

/* The clock page is refreshed at least that often. */
#define TICK_LATEST_NS 1000000000u

/* Start ticking; once, before the first KVM_RUN. */
int tick_init(struct vm *vm, struct mote_error *err);

/* The guest starts from a snapshot, whose run page is in place: choose the first moment by that. */
void tick_restart(struct vm *vm);

/**
 * tick_serve() - After each return of KVM_RUN: if the tick's signal has come, do what is due.
 *
 * May change the vCPU's registers through kvm_run.
 *
 * Return: 0, or -1 and @err when the guest cannot go on.
 */
int tick_serve(struct vm *vm, struct mote_error *err);

/* After a return of KVM_RUN: lead the guest into its kit now, or on its way out of it. */
void tick_lead(struct vm *vm);

/* The guest comes back from the hypercall `wait`. */
void tick_after_wait(struct vm *vm);

/* The guest asks for it (hypercall `tick`): choose the next moment anew. */
void tick_look(struct vm *vm);

#endif
