/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio driver that is not the kit's: the registers of virtio 1.2, section 4.2.2, and split
 * queues as the section on them has it, one field at a time, for the tests of devices.
 */
#ifndef TESTS_GUESTS_VIRTIO_DRIVER_H
#define TESTS_GUESTS_VIRTIO_DRIVER_H

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hostile.h"

#define DEVICE_MAGIC 0x74726976u
#define RING         8u /* entries of the queues made here, or fewer where a device has fewer */

/* ---- registers ---- */

static unsigned device_index;

static inline volatile void *register_at(unsigned offset)
{
	return (volatile void *)(MOTE_DEVICES_VA + device_index * MOTE_PAGE_SIZE + offset);
}

static inline uint32_t get(unsigned offset)
{
	return *(volatile uint32_t *)register_at(offset);
}

static inline void put(unsigned offset, uint32_t value)
{
	*(volatile uint32_t *)register_at(offset) = value;
}

static inline uint32_t status(void)
{
	return get(VIRTIO_MMIO_STATUS);
}

/* What the guest says goes to stderr where stdout is through the device that is tested. */
static inline void choose_output(void)
{
	if (get(VIRTIO_MMIO_DEVICE_ID) == VIRTIO_ID_CONSOLE)
		dup2(STDERR_FILENO, STDOUT_FILENO);
}

/* ---- expectations ---- */

static inline void __attribute__((format(printf, 1, 2), noreturn)) fail(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
	fflush(stdout);
	exit(1);
}

#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail("line %d: not met: %s (status %#x)", __LINE__, #condition, status()); \
	} while (0)

/* ---- memory of which we know where it is ---- */

static inline void *dma_page(void)
{
	volatile char *page = mmap(NULL, MOTE_PAGE_SIZE, PROT_READ | PROT_WRITE,
	                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		fail("no memory");
	page[0] = 0;
	return (void *)page;
}

/* ---- queues ---- */

struct queue {
	unsigned index, size;
	struct vring_desc *descriptors;
	volatile uint16_t *available; /* flags, idx, ring[RING], used_event */
	volatile uint16_t *used;      /* flags, idx, elements, avail_event */
	uint16_t next_available, next_used;
};

static inline volatile struct vring_used_elem *used_element(const struct queue *queue,
                                                            uint16_t index)
{
	return (volatile struct vring_used_elem *)(queue->used + 2) + index % queue->size;
}

/* Fill a queue's registers; its areas are in one page, where it has been before. */
static inline void replace_queue(struct queue *queue)
{
	uint64_t address = guest_physical(queue->descriptors);

	put(VIRTIO_MMIO_QUEUE_SEL, queue->index);
	if (get(VIRTIO_MMIO_QUEUE_NUM_MAX) < queue->size)
		queue->size = get(VIRTIO_MMIO_QUEUE_NUM_MAX);
	put(VIRTIO_MMIO_QUEUE_NUM, queue->size);
	put(VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)address);
	put(VIRTIO_MMIO_QUEUE_DESC_HIGH, (uint32_t)(address >> 32));
	put(VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)(address + 1024));
	put(VIRTIO_MMIO_QUEUE_AVAIL_HIGH, (uint32_t)((address + 1024) >> 32));
	put(VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)(address + 2048));
	put(VIRTIO_MMIO_QUEUE_USED_HIGH, (uint32_t)((address + 2048) >> 32));
}

/* The same for a new one. */
static inline void place_queue(struct queue *queue, unsigned index)
{
	char *page = dma_page();

	*queue = (struct queue){.index = index,
	                        .size = RING,
	                        .descriptors = (struct vring_desc *)page,
	                        .available = (volatile uint16_t *)(page + 1024),
	                        .used = (volatile uint16_t *)(page + 2048)};
	replace_queue(queue);
}

static inline uint64_t offered(void)
{
	uint64_t features;

	put(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	features = (uint64_t)get(VIRTIO_MMIO_DEVICE_FEATURES) << 32;
	put(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	return features | get(VIRTIO_MMIO_DEVICE_FEATURES);
}

static inline void take_features(uint64_t features)
{
	put(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	put(VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)features);
	put(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	put(VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32));
}

/* 3.1.1, steps 1 to 6. Return: whether the device has taken the features. */
static inline bool negotiate(uint64_t features)
{
	put(VIRTIO_MMIO_STATUS, 0);
	while (status())
		;
	put(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	put(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	take_features(features);
	put(VIRTIO_MMIO_STATUS,
	    VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK);
	return status() & VIRTIO_CONFIG_S_FEATURES_OK;
}

static inline void driver_ok(void)
{
	put(VIRTIO_MMIO_STATUS, status() | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* The whole of 3.1.1, with @count queues. */
static inline void bring_up(uint64_t features, struct queue *queues, unsigned count)
{
	EXPECT(negotiate(features));
	for (unsigned i = 0; i < count; i++) {
		place_queue(&queues[i], i);
		put(VIRTIO_MMIO_QUEUE_READY, 1);
		EXPECT(get(VIRTIO_MMIO_QUEUE_READY) == 1);
	}
	driver_ok();
	EXPECT(status() == 15);
}

static inline void describe(struct vring_desc *table, unsigned index, const void *at,
                            uint32_t length, unsigned flags, unsigned next)
{
	table[index] =
	        (struct vring_desc){guest_physical(at), length, (uint16_t)flags, (uint16_t)next};
}

/* Make a chain available that begins with descriptor @head, without a notification. */
static inline void offer(struct queue *queue, unsigned head)
{
	queue->available[2 + queue->next_available++ % queue->size] = (uint16_t)head;
	__atomic_store_n(&queue->available[1], queue->next_available, __ATOMIC_RELEASE);
}

static inline void notify(const struct queue *queue)
{
	put(VIRTIO_MMIO_QUEUE_NOTIFY, queue->index);
}

/* Wait for the next used element by `wait`, at most a second. */
static inline bool await(struct queue *queue)
{
	for (int tries = 0; tries < 1000; tries++) {
		if (__atomic_load_n(&queue->used[1], __ATOMIC_ACQUIRE) != queue->next_used)
			return true;
		hypercall(MOTE_HC_wait, 0, MOTE_EVENT_DEVICE | MOTE_EVENT_CONFIG, 0);
		usleep(1000);
	}
	return false;
}

/* The bytes written into the chain @head, which has to be the next one that comes back. */
static inline uint32_t finish(struct queue *queue, unsigned head)
{
	volatile struct vring_used_elem *element = used_element(queue, queue->next_used);

	EXPECT(await(queue));
	EXPECT(element->id == head);
	queue->next_used++;
	return element->len;
}

#endif
