/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory with a split ring in it, and the driver's side of that ring: for tests of queues and
 * devices. Written after virtio 1.2, section 2.7, not after the kit's driver.
 */
#ifndef MOTE_TESTS_UNIT_RING_DRIVER_H
#define MOTE_TESTS_UNIT_RING_DRIVER_H

#include <criterion/criterion.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "virtio/virtqueue.h"

#define RING_UNUSED __attribute__((unused))

#define RING_RAM_SIZE 0x40000u
#define RING_BUFFERS  0x20000u /* free for the test's own use from here on */

static _Alignas(4096) unsigned char ring_ram[RING_RAM_SIZE];
static struct guest_memory ring_memory = {.host = ring_ram, .size = RING_RAM_SIZE};

/* A ring at @base, its areas 0x4000 apart. */
struct ring {
	uint64_t base;
	uint16_t size;
	uint16_t added, seen; /* indices of the driver's */
};

#define RING_AREA 0x4000u

static inline struct vring_desc *ring_descriptor(const struct ring *ring, unsigned index)
{
	return (struct vring_desc *)(ring_ram + ring->base) + index;
}

static inline uint16_t *ring_available(const struct ring *ring)
{
	return (uint16_t *)(ring_ram + ring->base + RING_AREA);
}

static inline uint16_t *ring_used(const struct ring *ring)
{
	return (uint16_t *)(ring_ram + ring->base + 2 * RING_AREA);
}

static inline struct vring_used_elem *ring_used_element(const struct ring *ring, unsigned index)
{
	return (struct vring_used_elem *)(ring_used(ring) + 2) + index;
}

static inline uint16_t *ring_used_event(const struct ring *ring)
{
	return ring_available(ring) + 2 + ring->size;
}

static inline uint16_t *ring_available_event(const struct ring *ring)
{
	return ring_used(ring) + 2 + 4 * ring->size;
}

RING_UNUSED static void ring_describe(const struct ring *ring, unsigned index, uint64_t address,
                                      uint32_t length, uint16_t flags, uint16_t next)
{
	*ring_descriptor(ring, index) = (struct vring_desc){address, length, flags, next};
}

/* Make the chain at @head available. */
RING_UNUSED static void ring_add(struct ring *ring, uint16_t head)
{
	uint16_t *available = ring_available(ring);

	available[2 + ring->added++ % ring->size] = head;
	available[1] = ring->added;
}

/* Whether the device has given something back; the element is copied out. */
RING_UNUSED static bool ring_take(struct ring *ring, struct vring_used_elem *element)
{
	if (ring_used(ring)[1] == ring->seen)
		return false;
	*element = *ring_used_element(ring, ring->seen++ % ring->size);
	return true;
}

/* Place a queue where the ring is. */
RING_UNUSED static void ring_place(const struct ring *ring, struct virtqueue *queue)
{
	queue->memory = &ring_memory;
	queue->size = ring->size;
	queue->descriptors.value = ring->base;
	queue->driver_area.value = ring->base + RING_AREA;
	queue->device_area.value = ring->base + 2 * RING_AREA;
}

#endif
