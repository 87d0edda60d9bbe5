/* SPDX-License-Identifier: Apache-2.0 */
/* Records which pages the first run from a snapshot touches, in the snapshot. */
#ifndef MOTE_VMM_WORKING_SET_H
#define MOTE_VMM_WORKING_SET_H

#include "vmm/vm.h"

/*
 * Before confinement: get ready to record, if the snapshot of @vm lacks a working set. Failure is
 * no error: nothing is recorded then.
 */
void working_set_prepare(struct vm *vm);

/* When the guest's memory is mapped, before its first instruction: what is touched counts from
 * here. */
void working_set_begin(struct vm *vm);

/* After each exit: record when the run has lasted for WORKING_SET_US. @is_over: or is at its end */
void working_set_watch(struct vm *vm, bool is_over);

/* Record no more, if it does still: the guest's memory is about to be looked at by others. */
void working_set_stop(struct vm *vm);

/* What a start touches, it touches at first: later pages are the work's own. */
#define WORKING_SET_US 1e6

/* Free and close what it holds: nothing is recorded. */
void working_set_close(struct vm *vm);

#endif
