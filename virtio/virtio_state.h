/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a virtio device as a snapshot has it: what all devices share, and behind it what one
 * kind has of its own. Little-endian, without holes, part of the file format
 * (docs/snapshot-format.md).
 */
#ifndef MOTE_VIRTIO_VIRTIO_STATE_H
#define MOTE_VIRTIO_VIRTIO_STATE_H

#include "virtio/virtio_device.h"

struct virtio_queue_state {
	uint64_t descriptors, driver_area, device_area; /* guest-physical */
	uint16_t size, next_available, next_used, told_used;
	uint32_t flags; /* VIRTIO_QUEUE_* */
	uint32_t reserved;
};
#define VIRTIO_QUEUE_READY  1u
#define VIRTIO_QUEUE_BROKEN 2u

struct virtio_device_state {
	uint32_t id;            /* virtio 1.2, chapter 5 */
	uint32_t specific_size; /* bytes of its kind's own state behind this; a multiple of 8 */
	uint64_t driver_features;
	uint32_t status, interrupts, untold, generation;
	uint32_t features_select, driver_features_select, queue_select, queue_count;
	struct virtio_queue_state queues[VIRTIO_QUEUES_MAX];
};

_Static_assert(sizeof(struct virtio_queue_state) == 40, "part of the file format");
_Static_assert(sizeof(struct virtio_device_state) == 48 + 40 * VIRTIO_QUEUES_MAX,
               "part of the file format");
_Static_assert(VIRTIO_QUEUES_MAX == 8, "part of the file format");

/* Bytes that virtio_device_save() takes at most. */
size_t virtio_device_save_bound(const struct virtio_device *device);

/**
 * virtio_device_save() - Write the state of a device down.
 * @buffer: aligned to 8
 *
 * Return: bytes, a multiple of 8; 0 when @size is too small.
 */
size_t virtio_device_save(const struct virtio_device *device, void *buffer, size_t size);

/**
 * virtio_device_load() - Give a device a state, whatever it was in before.
 * @state:    aligned to 8; what lies in it is hostile, but state->specific_size bytes are behind it
 *
 * Return: 0; -1 when the state is none of such a device; the device is then reset.
 */
int virtio_device_load(struct virtio_device *device, const struct virtio_device_state *state);

#endif
