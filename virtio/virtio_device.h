/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all virtio devices share: features, status, queues, notifications (virtio 1.2, chapter 2).
 *
 * A kind of device is a table of operations; a device is a structure that begins with struct
 * virtio_device and is owned by whoever made it. Everything happens on the thread that runs the
 * vCPU. A driver that does what it may not makes its own device ask for a reset, no more.
 */
#ifndef MOTE_VIRTIO_VIRTIO_DEVICE_H
#define MOTE_VIRTIO_VIRTIO_DEVICE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/virtqueue.h"

#define VIRTIO_QUEUES_MAX 8
#define VIRTIO_POLL_MAX   96 /* descriptors that one device may wait for */

/* Features that every device offers (chapter 6). */
#define VIRTIO_FEATURE(bit) (1ull << (bit))
extern const uint64_t virtio_ring_features;

struct virtio_device;

/* Operations of a kind of device; those marked optional may be missing. */
struct virtio_device_ops {
	const char *name;     /* short, for messages and --stats */
	uint32_t id;          /* virtio 1.2, chapter 5 */
	unsigned queue_count; /* at most VIRTIO_QUEUES_MAX */
	uint16_t queue_size[VIRTIO_QUEUES_MAX];
	size_t config_size; /* bytes of configuration space */

	/*
	 * Serve a queue that has, or may have, chains to take. Return: 0, or -1 when a chain is
	 * not what the device's specification allows, or the queue is broken.
	 */
	int (*serve)(struct virtio_device *device, unsigned queue);
	/*
	 * Optional: end what serve() has left to the host, which it may while goes_on is set:
	 * called before anything else is done when the guest has stopped running. Return: as
	 * serve().
	 */
	int (*finish)(struct virtio_device *device);
	/* Optional: the driver's features and queues are set: 0, or -1 to refuse. */
	int (*start)(struct virtio_device *device);
	/* Optional: forget what the driver has asked for. */
	void (*reset)(struct virtio_device *device);
	/* Read from, and optionally write to, configuration space; within config_size. */
	void (*read_config)(struct virtio_device *device, size_t offset, void *to, size_t length);
	void (*write_config)(struct virtio_device *device, size_t offset, const void *from,
	                     size_t length);
	/*
	 * Optional: what to wait for on the host while the guest sleeps. @polls: room for
	 * VIRTIO_POLL_MAX. Return: how many. polled() gets the same ones, with revents.
	 */
	unsigned (*poll)(struct virtio_device *device, struct pollfd *polls);
	int (*polled)(struct virtio_device *device, const struct pollfd *polls, unsigned count);
	/* Optional: the guest has ended: pass on what it has given before: whether some is left,
	 * for which this is to be called again. */
	bool (*drain)(struct virtio_device *device);
	/* Optional: properties of its node in the device tree beyond those that all have (libfdt's
	 * sequential writing): 0 or an error of libfdt's. */
	int (*describe)(const struct virtio_device *device, void *tree);

	/*
	 * Optional, for snapshots (virtio_state.h): what the kind has beyond what all devices have.
	 * save_bound() says how many bytes save() writes at most; that allocates nothing, and
	 * returns how many it were. load() gets as many as it may, rounded up to a multiple of 8,
	 * in a device that was reset and has its features, status and queues already: 0, or -1
	 * where they are none of its own.
	 */
	size_t (*save_bound)(const struct virtio_device *device);
	size_t (*save)(const struct virtio_device *device, void *to);
	int (*load)(struct virtio_device *device, const void *from, size_t size);
	/* Optional: close what it holds of the host, and free what it points to. */
	void (*close)(struct virtio_device *device);
	/* Of what a driver may have taken, what a restored device need not offer again. */
	uint64_t features_that_may_go;
};

struct virtio_device {
	const struct virtio_device_ops *ops;
	uint64_t features;        /* offered */
	uint64_t driver_features; /* taken by the driver; checked at FEATURES_OK */
	uint64_t lost_features;   /* taken before a restore, and not offered any more */
	uint32_t status;          /* VIRTIO_CONFIG_S_* */
	uint32_t interrupts;      /* what the driver has not acknowledged: VIRTIO_INTERRUPT_* */
	uint32_t untold;          /* what `wait` has not told it of: VIRTIO_INTERRUPT_* */
	uint32_t generation;      /* of the configuration */
	struct virtqueue queues[VIRTIO_QUEUES_MAX];
	bool goes_on; /* the guest, when serve() returns: finish() will be called */
	/* Memory besides queues that device and driver share; size 0: none. Whole pages. */
	size_t shared_size;
	mote_gpa_t shared; /* 0: it was given no place */
	/* transport registers that select */
	uint32_t features_select, driver_features_select, queue_select;
	uint64_t notified;            /* how often the driver has notified, for --stats */
	struct virtqueue_chain chain; /* that is being served */
};

/* Bits of InterruptStatus (4.2.2). */
#define VIRTIO_INTERRUPT_USED   1u
#define VIRTIO_INTERRUPT_CONFIG 2u

/**
 * virtio_device_init() - Begin a device.
 * @device: zeroed
 * @features: of its kind; those of the rings are added
 */
void virtio_device_init(struct virtio_device *device, const struct virtio_device_ops *ops,
                        uint64_t features, const struct guest_memory *memory);

/* Close a device and free it: it is the first member of what was allocated. NULL is none. */
void virtio_device_close(struct virtio_device *device);

/* The driver has written 0 to Status, or the device is new. */
void virtio_device_reset(struct virtio_device *device);

/**
 * virtio_device_set_status() - The driver writes Status (2.1, 3.1.1).
 *
 * FEATURES_OK is not taken where the driver's features are none that were offered, or lack
 * VERSION_1; DRIVER_OK starts the device.
 */
void virtio_device_set_status(struct virtio_device *device, uint32_t status);

/**
 * virtio_device_prepare() - Take the driver's part of the handshake for it.
 * @features: that it will make use of, all offered; queues are set up already
 *
 * Return: 0, or -1 when the device refuses.
 */
int virtio_device_prepare(struct virtio_device *device, uint64_t features);

static inline bool virtio_device_has(const struct virtio_device *device, unsigned feature)
{
	return device->driver_features & VIRTIO_FEATURE(feature);
}

/* Whether the driver is ready and the device works. */
bool virtio_device_is_live(const struct virtio_device *device);

/* The driver has placed a queue: begin it, or fail the device. */
void virtio_device_enable_queue(struct virtio_device *device, unsigned queue);

/* Serve one queue, or all that have work; a device that fails asks for a reset. */
void virtio_device_notify(struct virtio_device *device, unsigned index);
void virtio_device_serve(struct virtio_device *device);

/* The guest has stopped running: end what the host has been left with. */
void virtio_device_finish(struct virtio_device *device);

/* A descriptor of the device has become ready. */
void virtio_device_polled(struct virtio_device *device, const struct pollfd *polls, unsigned count);

/* The device has given chains back: the driver is told, if it wants that. */
void virtio_device_tell_used(struct virtio_device *device, unsigned queue);

/* The configuration has changed. */
void virtio_device_tell_config(struct virtio_device *device);

/* The driver has broken the rules: DEVICE_NEEDS_RESET (2.1.2). */
void virtio_device_fail(struct virtio_device *device);

#endif
