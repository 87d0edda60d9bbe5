/* SPDX-License-Identifier: Apache-2.0 */
/* Checks the pages of one file. */
#ifndef MOTE_SNAPSHOT_VERIFY_H
#define MOTE_SNAPSHOT_VERIFY_H

#include "snapshot/snapshot.h"

/* Compare the pages of a layer that was written with a key, and is mapped, with their digests. */
int verify_digests(const struct snapshot_layer *layer, struct mote_error *err);

#endif
