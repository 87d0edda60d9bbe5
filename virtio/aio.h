/* SPDX-License-Identifier: Apache-2.0 */
/* Short reads past the page cache, by Linux asynchronous I/O: one at a time. */
#ifndef MOTE_VIRTIO_AIO_H
#define MOTE_VIRTIO_AIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* What takes longer to move than to wait for is not for these. */
#define AIO_READ_MAX 16384u

/* Room for a ring: what the kernel makes for up to 255 processors. */
#define AIO_SHARED_SIZE 65536u

struct aio_ring;

/* All zeros at first. It takes a context of the kernel's at the first read. */
struct aio {
	struct aio_ring *ring; /* NULL: none yet */
	bool is_refused;       /* the kernel gives none */
	bool is_unshared;      /* it cannot be moved */
	unsigned patience;     /* how many reads are left to calls that wait, next time at least */
	unsigned reads_asleep; /* how many still are, as one took long */
	/* Of a ring that the guest sees, and may write to: so it is told from elsewhere what ends.
	 */
	int ended;      /* an eventfd, or 0: the ring is nobody else's */
	uint32_t count; /* of its events */
	uint32_t next;  /* where the next one will be */
};

/**
 * aio_read() - What preadv() does, by asynchronous I/O whose end is looked for.
 * @file: opened with O_DIRECT
 *
 * Sleeping and being woken costs more than a fast disk does. Where the disk proves to be slow, or
 * there is no asynchronous I/O, this is preadv().
 */
ssize_t aio_read(struct aio *aio, int file, const struct iovec *parts, int count, off_t offset);

/**
 * aio_begin() - Begin a read that others may see the end of.
 * @place: AIO_SHARED_SIZE bytes of whole pages that the ring of events replaces, for good
 * @token: of the event
 *
 * Return: whether it was begun; then aio_end() must follow, before any other read.
 */
bool aio_begin(struct aio *aio, void *place, int file, const struct iovec *parts, int count,
               off_t offset, uint64_t token);

/* Wait until the read that was begun is over. Return: its bytes, or a negative errno. */
int64_t aio_end(struct aio *aio);

/* Give the context back; no read is under way. A ring in shared memory is unmapped there. */
void aio_close(struct aio *aio);

#endif
