/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a snapshot file: docs/snapshot-format.md. */
#ifndef MOTE_SNAPSHOT_SNAPSHOT_WRITE_H
#define MOTE_SNAPSHOT_SNAPSHOT_WRITE_H

#include "snapshot/snapshot.h"

struct snapshot_content {
	struct snapshot_section sections[SNAPSHOT_SECTIONS];
	const struct guest_memory *memory;
	/*
	 * A bit for each page of RAM: it may hold something else than zeros (full), or than the
	 * base has (differential). Pages whose bit is 0 are not read.
	 */
	const uint64_t *candidates;
	const struct snapshot *base;    /* NULL: a full snapshot */
	const struct snapshot_key *key; /* that it is read with; NULL: with none */
};

struct snapshot_written {
	uint64_t pages;             /* stored */
	uint64_t bytes;             /* of the file */
	uint64_t write_ns, sync_ns; /* without and of fsync() */
};

/**
 * snapshot_write() - Write a whole snapshot to a file.
 * @fd: open for reading and writing, empty, on a file system; owned by the caller, who gives the
 *      file its name only after this has succeeded
 *
 * Pages that hold zeros (or in a differential one, what the base has) are not stored. Allowed in
 * phase run. The file is synced at the end.
 *
 * Return: 0, or negative with @err: disk full, and so on; the file is to be thrown away then.
 */
int snapshot_write(int fd, const struct snapshot_content *content, struct snapshot_written *written,
                   struct mote_error *err);

/**
 * snapshot_check_folder() - Check that a new file can build on a snapshot.
 * @path: of the file that there will be: it has to be in its base's folder
 *
 * To be called before confinement.
 */
int snapshot_check_folder(const struct snapshot *base, const char *path, struct mote_error *err);

/**
 * snapshot_rewrite() - Write the topmost file of a snapshot anew, the same in all but its layout.
 * @fd: empty, as for snapshot_write()
 * @with_working_set: with the pages of its working set as one run, so that
 *      snapshot_fill_working_set() has something to fill in; else without a working set, so that
 *      the next restore records one
 *
 * Its id stays: what builds on it does so still. Allowed in phase load with the group `snapshot`.
 */
int snapshot_rewrite(int fd, const struct snapshot *snapshot, bool with_working_set,
                     struct mote_error *err);

#endif
