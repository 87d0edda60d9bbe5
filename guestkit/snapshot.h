/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's side of snapshots (mote/abi.h, hypercall `snapshot`). */
#ifndef MOTE_GUESTKIT_SNAPSHOT_H
#define MOTE_GUESTKIT_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "mote/abi.h"

/* Whether the VMM wants a snapshot at this point: a look at the run page, no exit. */
static inline bool snapshot_is_wanted(enum mote_snapshot_point point)
{
	return ((const volatile struct mote_run *)MOTE_RUN_VA)->snapshot_wanted >> point & 1;
}

/**
 * snapshot_take() - Have a snapshot taken here, if it is wanted.
 *
 * To be called on a thread of the application, or while all of them sleep, where the kit is in
 * order. Returns more than once: each start from the snapshot returns from it, with everything that
 * must be unlike in each already done.
 *
 * Return: MOTE_SNAPSHOT_NONE, _TAKEN or _RESTORED; -EBUSY or -EIO where it could not be taken, and
 * the VMM has said why.
 */
int64_t snapshot_take(enum mote_snapshot_point point);

/* The system call MOTE_SYSCALL (mote/guest.h). */
int64_t snapshot_syscall(const uint64_t *arg);

#endif
