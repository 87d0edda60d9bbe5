/* SPDX-License-Identifier: Apache-2.0 */
/* virtio devices, the driver's side. */
#include "guestkit/virtio.h"

#include <libfdt.h>
#include <linux/errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "guestkit/hypercall.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"

/* Chains of up to this many buffers are put into the ring itself, longer ones into a table. */
#define DIRECT_MAX 4u

struct virtio_slot {
	void *token;              /* NULL: no chain begins here */
	struct vring_desc *table; /* heap: indirect descriptors */
};

/* ---- devices ---- */

const struct machine_device *virtio_find(uint32_t id, unsigned index)
{
	for (unsigned i = 0; i < machine.device_count; i++)
		if (machine.devices[i].id == id && !index--)
			return &machine.devices[i];
	return NULL;
}

bool virtio_has(const struct machine_device *device, unsigned feature)
{
	return device->features >> feature & 1;
}

uint64_t virtio_config(const struct machine_device *device, size_t offset, size_t length)
{
	uint64_t value = 0;

	if (offset + length <= device->config_size && length <= sizeof value)
		memcpy(&value, device->config + offset, length);
	return value;
}

static uint64_t registers_of(const struct machine_device *device)
{
	return MOTE_DEVICES_VA + (device->registers - MOTE_DEVICES_GPA);
}

static uint64_t read_register(uint64_t address, size_t length)
{
	switch (length) {
	case 1: return *(volatile uint8_t *)address;
	case 2: return *(volatile uint16_t *)address;
	case 4: return *(volatile uint32_t *)address;
	default: return *(volatile uint64_t *)address;
	}
}

/* Read again when the configuration changed meanwhile (virtio 1.2, 2.5.1). */
uint64_t virtio_config_now(const struct machine_device *device, size_t offset, size_t length)
{
	uint64_t registers = registers_of(device), before, after, value;

	do {
		before = read_register(registers + VIRTIO_MMIO_CONFIG_GENERATION, 4);
		value = read_register(registers + VIRTIO_MMIO_CONFIG + offset, length);
		after = read_register(registers + VIRTIO_MMIO_CONFIG_GENERATION, 4);
	} while (before != after);
	return value;
}

void virtio_config_set(const struct machine_device *device, size_t offset, uint32_t value)
{
	*(volatile uint32_t *)(registers_of(device) + VIRTIO_MMIO_CONFIG + offset) = value;
}

bool virtio_has_failed(const struct machine_device *device)
{
	return read_register(registers_of(device) + VIRTIO_MMIO_STATUS, 4) &
	       VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* ---- queues ---- */

int virtio_queue_open(struct virtio_queue *queue, const struct machine_device *device,
                      unsigned index)
{
	const fdt32_t *cells = (const fdt32_t *)device->queues + 3 * (size_t)index;
	unsigned size;
	char *at;

	if (index >= device->queue_count)
		return -ENODEV;
	size = fdt32_ld(cells);
	*queue = (struct virtio_queue){.size = (uint16_t)size, .free_count = (uint16_t)size};
	queue->slots = heap_alloc(size * sizeof *queue->slots);
	if (!queue->slots)
		return -ENOMEM;
	at = direct_map((uint64_t)fdt32_ld(cells + 1) << 32 | fdt32_ld(cells + 2));
	queue->descriptors = (struct vring_desc *)at;
	at += size * sizeof *queue->descriptors;
	queue->driver_area = (volatile uint16_t *)at;
	at += (6 + 2 * size + 3) & ~3u;
	queue->device_area = (volatile uint16_t *)at;
	for (unsigned i = 0; i < size; i++)
		queue->descriptors[i].next = (uint16_t)(i + 1);
	virtio_queue_ignore(queue);
	return 0;
}

static uint16_t take_free(struct virtio_queue *queue)
{
	uint16_t index = queue->free_first;

	queue->free_first = queue->descriptors[index].next;
	queue->free_count--;
	return index;
}

static struct vring_desc describe(const struct virtio_buffer *buffer, bool is_in, bool is_last,
                                  uint16_t next)
{
	return (struct vring_desc){
	        .addr = buffer->physical,
	        .len = buffer->length,
	        .flags = (uint16_t)((is_in ? VRING_DESC_F_WRITE : 0) |
	                            (is_last ? 0 : VRING_DESC_F_NEXT)),
	        .next = next,
	};
}

static int add_direct(struct virtio_queue *queue, const struct virtio_buffer *buffers, unsigned out,
                      unsigned count)
{
	uint16_t head = queue->free_first;

	if (count > queue->free_count)
		return -ENOSPC;
	for (unsigned i = 0; i < count; i++) {
		uint16_t index = take_free(queue);

		/* free_first is the next to be taken; and next stays what it is for the free list.
		 */
		queue->descriptors[index] =
		        describe(&buffers[i], i >= out, i + 1 == count, queue->free_first);
	}
	return head;
}

static int add_indirect(struct virtio_queue *queue, const struct virtio_buffer *buffers,
                        unsigned out, unsigned count)
{
	struct vring_desc *table;
	uint16_t head, next;

	if (!queue->free_count)
		return -ENOSPC;
	if (count > queue->size)
		return -EINVAL;
	table = heap_alloc(count * sizeof *table);
	if (!table)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++)
		table[i] = describe(&buffers[i], i >= out, i + 1 == count, (uint16_t)(i + 1));
	head = take_free(queue);
	next = queue->descriptors[head].next;
	queue->descriptors[head] = (struct vring_desc){.addr = kit_physical(table),
	                                               .len = (uint32_t)(count * sizeof *table),
	                                               .flags = VRING_DESC_F_INDIRECT,
	                                               .next = next};
	queue->slots[head].table = table;
	return head;
}

int virtio_queue_add(struct virtio_queue *queue, const struct virtio_buffer *buffers, unsigned out,
                     unsigned in, void *token)
{
	int head = out + in <= DIRECT_MAX ? add_direct(queue, buffers, out, out + in)
	                                  : add_indirect(queue, buffers, out, out + in);

	if (head < 0)
		return head;
	queue->slots[head].token = token;
	queue->driver_area[2 + queue->next_available++ % queue->size] = (uint16_t)head;
	__atomic_store_n(&queue->driver_area[1], queue->next_available, __ATOMIC_RELEASE);
	return 0;
}

bool virtio_queue_is_ready(const struct virtio_queue *queue)
{
	return __atomic_load_n(&queue->device_area[1], __ATOMIC_ACQUIRE) != queue->next_used;
}

/* Give a chain's descriptors back to the free list. */
static void *release(struct virtio_queue *queue, uint16_t head)
{
	struct virtio_slot *slot = &queue->slots[head];
	void *token = slot->token;
	uint16_t last = head;

	heap_free(slot->table);
	*slot = (struct virtio_slot){NULL, NULL};
	queue->free_count++;
	while (queue->descriptors[last].flags & VRING_DESC_F_NEXT) {
		last = queue->descriptors[last].next;
		queue->free_count++;
	}
	queue->descriptors[last].next = queue->free_first;
	queue->free_first = head;
	return token;
}

void *virtio_queue_take(struct virtio_queue *queue, uint32_t *written)
{
	const volatile struct vring_used_elem *ring =
	        (const volatile struct vring_used_elem *)(queue->device_area + 2);
	uint32_t head;

	while (virtio_queue_is_ready(queue)) {
		const volatile struct vring_used_elem *used =
		        &ring[queue->next_used++ % queue->size];

		head = used->id;
		if (written)
			*written = used->len;
		/* The application can write here: what is no chain of ours is passed over. */
		if (head < queue->size && queue->slots[head].token)
			return release(queue, (uint16_t)head);
	}
	return NULL;
}

bool virtio_queue_listen(struct virtio_queue *queue)
{
	queue->driver_area[2 + queue->size] = queue->next_used;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return virtio_queue_is_ready(queue);
}

/* The index that was passed last: it comes again after 65,536 chains. */
void virtio_queue_ignore(struct virtio_queue *queue)
{
	queue->driver_area[2 + queue->size] = (uint16_t)(queue->next_used - 1);
}

/* ---- news ---- */

static struct virtio_driver *drivers;

void virtio_driver_add(struct virtio_driver *driver)
{
	driver->next = drivers;
	drivers = driver;
}

uint64_t virtio_events(void)
{
	return drivers ? MOTE_EVENT_DEVICE | MOTE_EVENT_CONFIG : 0;
}

void virtio_serve(uint64_t events)
{
	for (struct virtio_driver *driver = drivers; driver; driver = driver->next) {
		if (events & MOTE_EVENT_DEVICE)
			driver->poll(driver);
		if (events & MOTE_EVENT_CONFIG && driver->config)
			driver->config(driver);
	}
}
