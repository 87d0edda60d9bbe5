/* SPDX-License-Identifier: Apache-2.0 */
/* What was read of a disk, and what is likely to be read next. */
#ifndef MOTE_LIBC_SHIM_BLOCK_CACHE_H
#define MOTE_LIBC_SHIM_BLOCK_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "guestkit/virtio_block.h"

/* The longest piece that is read in advance; whoever asks for as much needs no cache. */
#define BLOCK_WINDOW_MAX 0x80000u

/**
 * block_cache_get() - Bytes of the disk, read if they are not there.
 * @offset: in bytes, before the end of the disk
 * @wanted: how many the caller has use for, at least 1
 * @bytes:  set to where they are, until the next call for this disk
 *
 * Return: how many, at least 1; or -EIO, -ENOMEM.
 */
int64_t block_cache_get(struct block_disk *disk, uint64_t offset, size_t wanted,
                        const unsigned char **bytes);

/* These bytes are on the disk now. */
void block_cache_store(struct block_disk *disk, uint64_t offset, const unsigned char *bytes,
                       size_t length);

/* The disk may have other bytes than before in [start, end). */
void block_cache_forget(struct block_disk *disk, uint64_t start, uint64_t end);

/* Forget all, and give its memory back. */
void block_cache_drop(struct block_disk *disk);

#endif
