/* SPDX-License-Identifier: Apache-2.0 */
/* The block device (virtio 1.2, section 5.2): a file or block device of the host as a disk. */
#ifndef MOTE_VIRTIO_BLOCK_H
#define MOTE_VIRTIO_BLOCK_H

#include "virtio/virtio_device.h"

#define BLOCK_SECTOR 512u /* the unit of the protocol (5.2.6) */
#define BLOCK_ID     20u  /* bytes of an identity, zeros behind a shorter one */

/* Where a disk's bytes are. The descriptors belong to the device for as long as it lives. */
struct block_backing {
	const char *name; /* for messages */
	int file;         /* through the host's page cache */
	int direct_file;  /* the same past it (O_DIRECT), or -1 */
	bool is_read_only;
	uint64_t sectors;
	uint32_t logical_size;  /* bytes; a power of two, at least BLOCK_SECTOR */
	uint32_t physical_size; /* bytes; a power of two, at least logical_size */
	char id[BLOCK_ID];
};

/**
 * block_create() - Make a device, before confinement.
 * @backing: copied
 *
 * Return: NULL when there is no memory.
 */
struct virtio_device *block_create(const struct block_backing *backing,
                                   const struct guest_memory *memory);

/* What tells disks apart in a snapshot. */
struct block_identity {
	uint64_t sectors;
	char id[BLOCK_ID + 1]; /* "": none */
};

struct block_identity block_identity(const struct virtio_device *device);

/* The same out of the state of a disk in a snapshot: whether it can be one. */
bool block_read_state(const void *specific, size_t size, struct block_identity *identity);

#endif
