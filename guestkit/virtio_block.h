/* SPDX-License-Identifier: Apache-2.0 */
/* Driver of the block device (virtio 1.2, section 5.2): disks. */
#ifndef MOTE_GUESTKIT_VIRTIO_BLOCK_H
#define MOTE_GUESTKIT_VIRTIO_BLOCK_H

#include <linux/virtio_blk.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guestkit/virtio.h"

#define BLOCK_SECTOR   512u
#define BLOCK_DISKS    8u
#define BLOCK_TOGETHER 4u   /* requests for one exit */
#define BLOCK_BUFFERS  512u /* of one request at most, the header and the status included */

/* What requests were for, in the order of /proc/diskstats. */
enum block_kind { BLOCK_READ, BLOCK_WRITE, BLOCK_DISCARD, BLOCK_FLUSH, BLOCK_KINDS };

struct block_disk {
	unsigned index;
	uint64_t sectors;
	uint32_t logical_size, physical_size; /* bytes */
	bool is_read_only;
	bool can_discard, can_zero, can_flush;
	uint32_t discard_max, zeroes_max; /* sectors of one request */
	char id[21];

	struct {
		uint64_t requests, sectors, nanoseconds;
	} done[BLOCK_KINDS];

	struct block_cache *cache;     /* of the files on it (block_cache.c) */
	struct block_channel *channel; /* opened by the first request */
};

/* The disk at @index, or NULL: there is none, or no memory. Costs no exit. */
struct block_disk *block_disk(unsigned index);

/* The guest was started from a snapshot: describe all that are in use anew. */
void block_restart(void);

/* How many there are. */
unsigned block_disk_count(void);

/**
 * block_buffers() - Where the caller describes the data of the next request.
 * @most: set to how many buffers it may have
 *
 * Return: NULL when there is no memory, or the device cannot be used.
 */
struct virtio_buffer *block_buffers(struct block_disk *disk, unsigned *most);

/**
 * block_add() - Put a request into the ring; its data is in the first @count of block_buffers().
 * @type: VIRTIO_BLK_T_*: data of T_IN is written by the device, any other is read
 * @length: bytes of data
 *
 * Return: 0; -ENOSPC after BLOCK_TOGETHER requests; -ENOMEM; -EIO.
 */
int block_add(struct block_disk *disk, uint32_t type, uint64_t sector, unsigned count,
              size_t length);

/* Have all requests that were added served: one exit. Return: 0, or the first error, -EIO or
 * -EOPNOTSUPP. */
int block_run(struct block_disk *disk);

/* Move data between the disk and memory of the kit, whole sectors: 0 or a negative errno. */
int block_transfer(struct block_disk *disk, bool is_write, uint64_t sector, void *memory,
                   size_t length);

/* Have what was written on stable storage: 0 or a negative errno; the same for all disks that were
 * used, with the first error. */
int block_flush(struct block_disk *disk);
int block_flush_all(void);

/* Discard a range, or make it read as zeros; whole sectors. @may_unmap: zeros need no space */
int block_discard(struct block_disk *disk, uint64_t sector, uint64_t count);
int block_zero(struct block_disk *disk, uint64_t sector, uint64_t count, bool may_unmap);

#endif
