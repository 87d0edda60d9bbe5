/* SPDX-License-Identifier: Apache-2.0 */
/* Work on a hostile file, done by a process that can reach nothing else. */
#ifndef MOTE_VMM_CONFINED_CHILD_H
#define MOTE_VMM_CONFINED_CHILD_H

#include "vmm/error.h"

/**
 * confined_child_run() - Do some work in a child in phase load with the group `snapshot`.
 * @work: returns 0, or negative with its @err set; its files are open
 * @what: is done, for messages: "the process that WHAT ended by signal 11"
 *
 * Return: 0, or -1 with @err as @work has set it.
 */
int confined_child_run(int (*work)(void *ctx, struct mote_error *err), void *ctx, const char *what,
                       struct mote_error *err);

#endif
