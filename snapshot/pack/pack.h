/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots for transport: one zstd frame (RFC 8878) of the whole file. */
#ifndef MOTE_SNAPSHOT_PACK_PACK_H
#define MOTE_SNAPSHOT_PACK_PACK_H

#include <stdint.h>

#include "snapshot/snapshot.h"

/**
 * pack() - Verify a snapshot, and write it compressed.
 * @snapshot: opened by snapshot_open_file()
 * @fd: empty, to write to
 *
 * Allowed in phase load with the group `snapshot`, as is unpack().
 */
int pack(struct snapshot *snapshot, int fd, struct mote_error *err);

/**
 * unpack() - Write a compressed snapshot as it was, and verify it.
 * @from: the compressed file, and @name, for messages
 * @fd:   empty, to write to and read from; gets no byte more than the snapshot says it has
 */
int unpack(int from, const char *name, int fd, struct mote_error *err);

#endif
