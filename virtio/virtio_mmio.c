/* SPDX-License-Identifier: Apache-2.0 */
/* The registers by which a driver reaches a device: virtio 1.2, section 4.2.2, table 4.1. */
#include "virtio/virtio_mmio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#define MAGIC   0x74726976u /* "virt" */
#define VERSION 2u
#define VENDOR  0x65746f6du /* "mote" */

/* The selected queue, or NULL where the device has no such. */
static struct virtqueue *selected(struct virtio_device *device)
{
	return device->queue_select < device->ops->queue_count
	               ? &device->queues[device->queue_select]
	               : NULL;
}

static uint32_t half(uint64_t value, uint32_t select)
{
	return select > 1 ? 0 : (uint32_t)(value >> (32 * select));
}

static void set_half(uint64_t *value, unsigned select, uint32_t to)
{
	if (select > 1)
		return;
	*value = (*value & ~(0xffffffffull << (32 * select))) | (uint64_t)to << (32 * select);
}

static uint32_t read_register(struct virtio_device *device, uint64_t offset)
{
	const struct virtqueue *queue = selected(device);

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE: return MAGIC;
	case VIRTIO_MMIO_VERSION: return VERSION;
	case VIRTIO_MMIO_DEVICE_ID: return device->ops->id;
	case VIRTIO_MMIO_VENDOR_ID: return VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES: return half(device->features, device->features_select);
	case VIRTIO_MMIO_QUEUE_NUM_MAX: return queue ? queue->size_max : 0;
	case VIRTIO_MMIO_QUEUE_READY: return queue && queue->is_ready;
	case VIRTIO_MMIO_INTERRUPT_STATUS: return device->interrupts;
	case VIRTIO_MMIO_STATUS: return device->status;
	case VIRTIO_MMIO_CONFIG_GENERATION: return device->generation;
	/* A device without shared memory regions has a length of all ones (4.2.2.1). */
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH: return 0xffffffffu;
	default: return 0;
	}
}

/* What describes a queue may be written while it is not ready (4.2.2.2), and then only. */
static void write_queue(struct virtio_device *device, uint64_t offset, uint32_t value)
{
	struct virtqueue *queue = selected(device);

	if (!queue)
		return;
	if (offset == VIRTIO_MMIO_QUEUE_READY) {
		if (!value)
			virtqueue_reset(queue);
		else if (!queue->is_ready)
			virtio_device_enable_queue(device, device->queue_select);
		return;
	}
	if (queue->is_ready)
		return;
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM: queue->size = value > 0xffff ? 0 : (uint16_t)value; break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW: set_half(&queue->descriptors.value, 0, value); break;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH: set_half(&queue->descriptors.value, 1, value); break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW: set_half(&queue->driver_area.value, 0, value); break;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH: set_half(&queue->driver_area.value, 1, value); break;
	case VIRTIO_MMIO_QUEUE_USED_LOW: set_half(&queue->device_area.value, 0, value); break;
	case VIRTIO_MMIO_QUEUE_USED_HIGH: set_half(&queue->device_area.value, 1, value); break;
	default: break;
	}
}

static void write_register(struct virtio_device *device, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL: device->features_select = value; break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL: device->driver_features_select = value; break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		/* Settled by FEATURES_OK (3.1.1). */
		if (!(device->status & VIRTIO_CONFIG_S_FEATURES_OK))
			set_half(&device->driver_features, device->driver_features_select, value);
		break;
	case VIRTIO_MMIO_QUEUE_SEL: device->queue_select = value; break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		device->notified++;
		virtio_device_notify(device, value);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK: device->interrupts &= ~value; break;
	case VIRTIO_MMIO_STATUS: virtio_device_set_status(device, value); break;
	default: write_queue(device, offset, value); break;
	}
}

/* The part of an access to configuration space that the device has; 0: none. */
static size_t config_part(const struct virtio_device *device, uint64_t offset, size_t length)
{
	size_t size = device->ops->config_size;

	if (offset >= size)
		return 0;
	return length < size - offset ? length : size - offset;
}

void virtio_mmio_read(struct virtio_device *device, uint64_t offset, void *data, size_t length)
{
	uint32_t value;

	memset(data, 0, length);
	if (offset >= VIRTIO_MMIO_CONFIG) {
		size_t part = config_part(device, offset - VIRTIO_MMIO_CONFIG, length);

		if (part)
			device->ops->read_config(device, offset - VIRTIO_MMIO_CONFIG, data, part);
		return;
	}
	if (length != sizeof value || offset % sizeof value)
		return;
	value = read_register(device, offset);
	memcpy(data, &value, sizeof value);
}

void virtio_mmio_write(struct virtio_device *device, uint64_t offset, const void *data,
                       size_t length)
{
	uint32_t value;

	if (offset >= VIRTIO_MMIO_CONFIG) {
		size_t part = config_part(device, offset - VIRTIO_MMIO_CONFIG, length);

		if (part && device->ops->write_config)
			device->ops->write_config(device, offset - VIRTIO_MMIO_CONFIG, data, part);
		return;
	}
	if (length != sizeof value || offset % sizeof value)
		return;
	memcpy(&value, data, sizeof value);
	write_register(device, offset, value);
}
