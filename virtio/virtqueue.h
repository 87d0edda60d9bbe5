/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split virtqueues, the device's side (virtio 1.2, section 2.7), with indirect descriptors and
 * VIRTIO_F_EVENT_IDX.
 *
 * Rings, tables and buffers lie in guest memory, and the guest may change them at any time: every
 * field is read once, and every index, address and length is checked. What cannot be right breaks
 * the queue; the device then needs a reset, and the VMM goes on.
 */
#ifndef MOTE_VIRTIO_VIRTQUEUE_H
#define MOTE_VIRTIO_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/guest_memory.h"

#define VIRTQUEUE_SIZE_MAX 1024 /* entries; also the longest chain, and what readv() takes */

struct virtqueue {
	/* of the device */
	const struct guest_memory *memory;
	uint16_t size_max;

	/* of the driver, by registers or by what was prepared for it */
	uint16_t size; /* a power of two, at most size_max */
	bool is_ready;
	bool has_event_index; /* VIRTIO_F_EVENT_IDX */
	bool has_indirect;    /* VIRTIO_F_INDIRECT_DESC */
	mote_gpa_t descriptors, driver_area, device_area;

	/* state of a queue that is ready */
	bool is_broken;
	uint16_t next_available; /* index of the next entry to take */
	uint16_t next_used;      /* index of the next entry to give back */
	uint16_t told_used;      /* what next_used was when the driver was last told */
	unsigned in_flight;      /* chains taken and not given back */
	unsigned left; /* chains that virtqueue_next() may take, and 1; 0: they are not counted */
};

/* One request: memory to read, then memory to write. */
struct virtqueue_chain {
	uint16_t head; /* names it in virtqueue_complete() */
	unsigned out_count, in_count;
	size_t out_bytes, in_bytes;
	struct iovec vectors[VIRTQUEUE_SIZE_MAX]; /* readable ones first */
};

static inline struct iovec *virtqueue_in(struct virtqueue_chain *chain)
{
	return chain->vectors + chain->out_count;
}

/* Bytes of each area of a queue with @size entries (2.7). */
size_t virtqueue_descriptors_size(unsigned size);
size_t virtqueue_driver_size(unsigned size);
size_t virtqueue_device_size(unsigned size);

/* Back to how it is before the driver has said anything. */
void virtqueue_reset(struct virtqueue *queue);

/**
 * virtqueue_enable() - The driver has placed the queue: check it, and begin.
 *
 * Return: 0, or -1 when its size, alignment or place is wrong; then it is broken.
 */
int virtqueue_enable(struct virtqueue *queue);

/* Whether there is a chain to take, or something that is none. */
bool virtqueue_has_work(const struct virtqueue *queue);

/**
 * virtqueue_next() - Take the next chain that the driver has made available.
 * @chain: filled; its vectors point into guest memory, none is empty
 *
 * Return: 1; 0 when there is none, and then the driver will tell of the next one; -1 when the queue
 * is broken.
 */
int virtqueue_next(struct virtqueue *queue, struct virtqueue_chain *chain);

/* Put the chain back that was taken last: virtqueue_next() will give it again. */
void virtqueue_put_back(struct virtqueue *queue);

/**
 * virtqueue_complete() - Give a chain back to the driver.
 * @head: of the chain
 * @written: bytes that the device has written, from the start of the chain's writable part
 */
void virtqueue_complete(struct virtqueue *queue, uint16_t head, uint32_t written);

/* Whether the driver wants to hear of the chains given back since this was asked last. */
bool virtqueue_must_notify(struct virtqueue *queue);

/* Copy out of, and into, the vectors of a chain; less than @length where they end. */
size_t virtqueue_copy_from(const struct iovec *vectors, unsigned count, size_t offset, void *to,
                           size_t length);
size_t virtqueue_copy_to(const struct iovec *vectors, unsigned count, size_t offset,
                         const void *from, size_t length);

/**
 * virtqueue_slice() - The part of some vectors that begins at @offset, at most @length bytes.
 * @slice: room for @count
 *
 * Return: how many vectors it is.
 */
unsigned virtqueue_slice(const struct iovec *vectors, unsigned count, size_t offset, size_t length,
                         struct iovec *slice);

#endif
