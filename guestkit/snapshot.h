/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's side of snapshots (mote/abi.h, hypercall `snapshot`).
 *
 * A snapshot is taken where the kit asks the VMM to, and nowhere else: on a thread of the
 * application inside the kit, or while all of them sleep. snapshot_take() returns in each guest
 * that starts from it, with everything done that must be unlike in each.
 */
#ifndef MOTE_GUESTKIT_SNAPSHOT_H
#define MOTE_GUESTKIT_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mote/abi.h"

/* How often this guest was started from a snapshot; what must not be the same in two of them
 * remembers in which it was made. */
extern uint32_t snapshot_starts;

/* Whether the VMM wants a snapshot at this point: a look at the run page, no exit. */
static inline bool snapshot_is_wanted(enum mote_snapshot_point point)
{
#ifdef MOTE_HOSTED /* in unit tests none is */
	(void)point;
	return false;
#else
	return ((const volatile struct mote_run *)MOTE_RUN_VA)->snapshot_wanted >> point & 1;
#endif
}

/**
 * snapshot_take() - Have a snapshot taken here, if it is wanted.
 *
 * The caller has nothing of the application's memory, of devices or of other threads in its hands
 * that would not be the same afterwards; timeouts may expire meanwhile.
 *
 * Return: MOTE_SNAPSHOT_NONE, _TAKEN or _RESTORED; -EBUSY or another negative errno where it could
 * not be taken, and the VMM has said why.
 */
int64_t snapshot_take_now(enum mote_snapshot_point point);
static inline int64_t snapshot_take(enum mote_snapshot_point point)
{
	return snapshot_is_wanted(point) ? snapshot_take_now(point) : MOTE_SNAPSHOT_NONE;
}

/* The signal that the process gets at a restore, but for one at a mark; 0: none. */
void snapshot_set_signal(int signal);

/* ---- getting ready (snapshot_prepare.c) ---- */

/**
 * snapshot_prepare() - Make what is in memory small, and complete without the host.
 * @is_running: the program has a stack
 *
 * Return: bytes of text in snapshot_problems: a line for each thing that cannot be carried.
 */
size_t snapshot_prepare(bool is_running);
extern char snapshot_problems[MOTE_SNAPSHOT_PROBLEM_MAX];

/* For snapshot_lint(): append a line, given without its end. */
void snapshot_problem(const char *line);

/* ---- devices, sockets and shares: for those who know them (snapshot_devices.c) ---- */

/* Devices are told what has been put off, and what the guest does not need to know of a share is
 * forgotten on both sides. */
void snapshot_settle_devices(void);

/* Name each thing that cannot be carried, by snapshot_problem(). */
void snapshot_lint(void);

/* Cut these things, as if the other side had: the application sees ECONNRESET. */
void snapshot_cut(void);

/**
 * snapshot_renew_devices() - A start from a snapshot: what the VMM says is different in it.
 * @tree_size: bytes of the device tree of this start (hypercall `start_tree`); 0: all is as it was
 * @flags:     MOTE_GENERATION_*
 *
 * machine.arguments and machine.environment are replaced where they are others. The generation is
 * taken already; the clock is right.
 */
void snapshot_renew_devices(uint64_t tree_size, uint32_t flags);

#endif
