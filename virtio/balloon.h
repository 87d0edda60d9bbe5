/* SPDX-License-Identifier: Apache-2.0 */
/* The memory balloon (virtio 1.2, section 5.5), with free page reporting. */
#ifndef MOTE_VIRTIO_BALLOON_H
#define MOTE_VIRTIO_BALLOON_H

#include "virtio/virtio_device.h"

/* What the guest last said of its memory, in bytes (5.5.6.3). */
struct balloon_stats {
	bool is_known;
	uint64_t free, total, available;
};

/**
 * balloon_open() - Make a balloon.
 * @target: bytes that the guest is asked to give up, rounded down to pages
 * @memory: whose free range says which pages may be discarded
 *
 * Return: NULL where the host has no memory for it.
 */
struct virtio_device *balloon_open(uint64_t target, const struct guest_memory *memory);

/* Ask the guest for more or less from now on: a change of the configuration. */
void balloon_set_target(struct virtio_device *device, uint64_t target);

/* Bytes that it is asked to give up. */
uint64_t balloon_target(const struct virtio_device *device);

/* Bytes that the guest says it has given up. */
uint64_t balloon_actual(const struct virtio_device *device);

/* Ask the driver for new statistics: whether it has left a buffer to ask by. */
bool balloon_ask_stats(struct virtio_device *device);
struct balloon_stats balloon_stats(const struct virtio_device *device);

#endif
