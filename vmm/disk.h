/* SPDX-License-Identifier: Apache-2.0 */
/* Files and block devices of the host that a guest has as disks. */
#ifndef MOTE_VMM_DISK_H
#define MOTE_VMM_DISK_H

#include "virtio/block.h"
#include "vmm/options_disk.h"

/**
 * disk_open() - Open what --disk names, before confinement.
 * @backing: filled; its descriptors stay open, and locked (flock(2)): for itself, or together with
 *           other readers where it is read-only
 *
 * Return: 0, or -1: not there, not a regular file or block device, not whole sectors, empty, in use
 * by somebody else, or not to be had past the page cache.
 */
int disk_open(const struct disk_option *disk, struct block_backing *backing,
              struct mote_error *err);

#endif
