/* SPDX-License-Identifier: Apache-2.0 */
/* Short reads past the page cache, by a thread that stays awake for them. */
#ifndef MOTE_VIRTIO_AIO_H
#define MOTE_VIRTIO_AIO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* What takes longer to move than to wait for is not for aio_read(). */
#define AIO_READ_MAX 16384u

struct aio_ring;

/* All zeros at first. It takes a context of the kernel's at the first read, for good. */
struct aio {
	struct aio_ring *ring; /* NULL: none yet */
	bool is_refused;       /* the kernel gives none */
	unsigned patience;     /* how many are next time, at least */
	unsigned reads_asleep; /* still to be done by a call that waits, as one took long */
};

/**
 * aio_read() - What preadv() does, by asynchronous I/O whose end is looked for.
 * @file: opened with O_DIRECT
 *
 * Sleeping and being woken costs more than a fast disk does. Where the disk proves to be slow, or
 * there is no asynchronous I/O, this is preadv().
 */
ssize_t aio_read(struct aio *aio, int file, const struct iovec *parts, int count, off_t offset);

#endif
