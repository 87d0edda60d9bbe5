/* SPDX-License-Identifier: Apache-2.0 */
/* Rewrites snapshot files for their working sets: the two halves of `mote snapshot train`. */
#ifndef MOTE_VMM_SNAPSHOT_TRAIN_H
#define MOTE_VMM_SNAPSHOT_TRAIN_H

#include <stdbool.h>

#include "snapshot/auth.h"

/**
 * snapshot_train() - Put another file in the place of a snapshot: the same but for its layout.
 * @path: of the snapshot; stays as it is on failure
 * @with_working_set: true: lay the pages of the working set, which the first restore recorded, in
 *      one run; an error if there is none. false: forget it, so that the next restore records one
 * @key: that the file was written with; NULL: with none
 *
 * The file is checked and rewritten by a process that is confined.
 */
int snapshot_train(const char *path, bool with_working_set, const struct snapshot_key *key,
                   struct mote_error *err);

#endif
