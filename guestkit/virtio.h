/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio devices, the driver's side: finding them, and split virtqueues (virtio 1.2, section 2.7).
 *
 * How it works
 *
 * The VMM has set up the queues and taken the handshake; the device tree says where they are, so a
 * driver begins by virtio_queue_open() and no exit. It does so when its device is first used.
 * A chain is put into the ring by virtio_queue_add(), the VMM is told by virtio_kick() (one exit,
 * for all queues of all devices), and what is done comes back by virtio_queue_take(). A VMM without
 * a thread of its own for devices has done what does not have to wait when virtio_kick() returns.
 * Whoever sleeps for the rest registers a driver, whose poll() is called when the device has used
 * buffers; virtio_queue_listen() says that one wants to hear of the next.
 */
#ifndef MOTE_GUESTKIT_VIRTIO_H
#define MOTE_GUESTKIT_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guestkit/machine.h"

struct virtio_buffer {
	uint64_t physical; /* guest-physical */
	uint32_t length;   /* bytes, not 0 */
};

struct virtio_queue {
	struct vring_desc *descriptors;
	volatile uint16_t *driver_area; /* flags, idx, ring[size], used_event */
	volatile uint16_t
	        *device_area; /* flags, idx, struct vring_used_elem ring[size], avail_event */
	uint16_t size;        /* entries */
	uint16_t free_first, free_count; /* descriptors, linked by their next fields */
	uint16_t next_available, next_used;
	struct virtio_slot *slots; /* by head */
};

/* What to do when the VMM has news; part of a driver's own structure. */
struct virtio_driver {
	void (*poll)(struct virtio_driver *driver); /* the device may have used buffers */
	void (*config)(
	        struct virtio_driver *driver); /* its configuration may have changed; or NULL */
	struct virtio_driver *next;
};

/**
 * virtio_find() - A device that the device tree names.
 * @id: virtio 1.2, chapter 5
 * @index: 0 for the first of these
 *
 * Return: NULL when there is no such.
 */
const struct machine_device *virtio_find(uint32_t id, unsigned index);

/* Whether the VMM has taken a feature for us. */
bool virtio_has(const struct machine_device *device, unsigned feature);

/* A field of the configuration space as it was at the start: 0 where it ends before. */
uint64_t virtio_config(const struct machine_device *device, size_t offset, size_t length);

/* The same as it is now: one exit or more. @length: 1, 2, 4 or 8 */
uint64_t virtio_config_now(const struct machine_device *device, size_t offset, size_t length);

/* Write 4 bytes of the configuration space: one exit. */
void virtio_config_set(const struct machine_device *device, size_t offset, uint32_t value);

/* Whether the device has failed and does nothing any more: one exit. */
bool virtio_has_failed(const struct machine_device *device);

/* Begin using a queue: 0, or -ENOMEM; -ENODEV where the device has no such queue. */
int virtio_queue_open(struct virtio_queue *queue, const struct machine_device *device,
                      unsigned index);

/**
 * virtio_queue_add() - Put a chain into the ring.
 * @buffers: @out that the device reads, then @in that it writes
 * @token: comes back from virtio_queue_take(); not NULL
 *
 * Return: 0; -ENOSPC while the ring is full; -ENOMEM.
 */
int virtio_queue_add(struct virtio_queue *queue, const struct virtio_buffer *buffers, unsigned out,
                     unsigned in, void *token);

/**
 * virtio_queue_take() - The next chain that the device has given back.
 * @written: set to the bytes that it wrote; may be NULL
 *
 * Return: its token, or NULL when there is none.
 */
void *virtio_queue_take(struct virtio_queue *queue, uint32_t *written);

/* Whether virtio_queue_take() has something to give. */
bool virtio_queue_is_ready(const struct virtio_queue *queue);

/**
 * virtio_queue_listen() - Ask to hear of the next chain that is given back, or of none.
 *
 * Return: whether there is one already, of which nobody will be told.
 */
bool virtio_queue_listen(struct virtio_queue *queue);
void virtio_queue_ignore(struct virtio_queue *queue);

/* Call @driver's functions from now on. */
void virtio_driver_add(struct virtio_driver *driver);

/* Whether there is a driver; MOTE_EVENT_* that `wait` is to tell of. */
uint64_t virtio_events(void);

/* The VMM has told of these MOTE_EVENT_*: call the drivers. */
void virtio_serve(uint64_t events);

/* Have the VMM serve all queues now, and call the drivers: one exit. (wait.c) */
void virtio_kick(void);

/* Have the VMM serve all queues now, and leave the news for later: for drivers, which may be in the
 * middle of something. One exit. (wait.c) */
void virtio_notify(void);

#endif
