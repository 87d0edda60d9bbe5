/* SPDX-License-Identifier: Apache-2.0 */
/* What a directory tree looks like, in one number: images are found by it. */
#ifndef MOTE_VMM_ROOT_TREE_H
#define MOTE_VMM_ROOT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/error.h"

/* What a tree looked like. */
struct root_fingerprint {
	uint64_t half[2];
	bool is_fresh; /* a time stamp is so recent that one more change could leave it as it is */
};

/**
 * root_fingerprint() - Summarise names, types, owners, times, sizes and inodes of a tree.
 * @path:     the directory; symbolic links below it are not followed, mount points are entered
 * @left_out: descriptor of a directory that does not count, the cache of images; or -1
 * @out:      filled on success; equal for equal trees, whatever order directories are read in
 *
 * File contents are not read. Return: 0, or -1 with @err naming what could not be read.
 */
int root_fingerprint(const char *path, int left_out, struct root_fingerprint *out,
                     struct mote_error *err);

/* Whether two fingerprints are of the same tree. */
bool root_fingerprint_equal(const struct root_fingerprint *a, const struct root_fingerprint *b);

#endif
