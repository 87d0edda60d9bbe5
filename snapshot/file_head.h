/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a new snapshot file, up to its pages: made in memory, written last. */
#ifndef MOTE_SNAPSHOT_FILE_HEAD_H
#define MOTE_SNAPSHOT_FILE_HEAD_H

#include "snapshot/format.h"

struct file_head {
	unsigned char *bytes; /* owned */
	size_t size;          /* of them, whole pages */
	struct snapshot_header *header;
	struct snapshot_working_set *working_set;
	struct snapshot_file_extent *extents;
	uint64_t *sums;         /* of the chunks */
	uint8_t (*digests)[32]; /* the same; NULL without a key */
};

/**
 * file_head_make() - Make room for everything, and put sections and what all files share in place.
 * @head: zeroed; file_head_free() is due afterwards, whatever the result
 * @sections: SNAPSHOT_SECTIONS of them, copied
 *
 * The caller fills in the header's `frames`, `id` and base, the extents, the sums, and the working
 * set if there is one. Allowed in phase run.
 */
int file_head_make(struct file_head *head, const struct snapshot_section *sections,
                   size_t extent_count, uint64_t run_pages, uint64_t extent_pages, bool is_keyed,
                   struct mote_error *err);

/**
 * file_head_write() - Sum everything up, and write it to the start of the file.
 * @key: of a head that was made for one; else NULL
 *
 * Return: 0, or -1 with errno.
 */
int file_head_write(struct file_head *head, int fd, const struct snapshot_key *key);

void file_head_free(struct file_head *head);

#endif
