/* SPDX-License-Identifier: Apache-2.0 */
/* --root: the EROFS image of the guest's root file system. */
#ifndef MOTE_VMM_ROOT_IMAGE_H
#define MOTE_VMM_ROOT_IMAGE_H

#include <stdint.h>

#include "vmm/error.h"

/**
 * root_image_open() - Map the root image.
 * @path:  an EROFS image, an application image, whose root is meant, or a directory, from which
 * mkfs.erofs makes one that is cached and made anew when any path's mtime, size or inode changed;
 * NULL: none
 * @image: set to the mapping, read-only, or NULL
 * @size:  of the image, bytes
 *
 * Runs before confinement, since it may start mkfs.erofs. An image given by the user is checked
 * only as far as its superblock; the kit, inside the microVM, reads the rest.
 */
int root_image_open(const char *path, const void **image, uint64_t *size, struct mote_error *err);

#endif
