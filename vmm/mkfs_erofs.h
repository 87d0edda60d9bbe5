/* SPDX-License-Identifier: Apache-2.0 */
/* Makes EROFS images of directories by mkfs.erofs. */
#ifndef MOTE_VMM_MKFS_EROFS_H
#define MOTE_VMM_MKFS_EROFS_H

#include "vmm/error.h"

/**
 * mkfs_erofs() - Make an image of a directory, uncompressed and without extended attributes.
 * @options: further options for mkfs.erofs, at most eight; NULL-terminated
 * @target:  path of a file, which is overwritten
 * @tree:    path of the directory
 * @name:    what messages call it
 *
 * Starts a process, so it comes before confinement. Errors have the code MOTE_STATUS_FAILED and may
 * quote names from the tree.
 */
int mkfs_erofs(const char *const *options, const char *target, const char *tree, const char *name,
               struct mote_error *err);

#endif
