/* SPDX-License-Identifier: Apache-2.0 */
/* What all virtio devices share: features, status, queues, notifications. */
#include "virtio/virtio_device.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>

const uint64_t virtio_ring_features = VIRTIO_FEATURE(VIRTIO_F_VERSION_1) |
                                      VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) |
                                      VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC);

void virtio_device_init(struct virtio_device *device, const struct virtio_device_ops *ops,
                        uint64_t features, const struct guest_memory *memory)
{
	device->ops = ops;
	device->features = features | virtio_ring_features;
	for (unsigned i = 0; i < ops->queue_count; i++) {
		device->queues[i].memory = memory;
		device->queues[i].size_max = ops->queue_size[i];
		virtqueue_reset(&device->queues[i]);
	}
}

void virtio_device_close(struct virtio_device *device)
{
	if (device && device->ops->close)
		device->ops->close(device);
	free(device);
}

void virtio_device_reset(struct virtio_device *device)
{
	if (device->ops->reset)
		device->ops->reset(device);
	for (unsigned i = 0; i < device->ops->queue_count; i++)
		virtqueue_reset(&device->queues[i]);
	device->driver_features = device->lost_features = 0;
	device->status = 0;
	device->interrupts = device->untold = 0;
	device->features_select = device->driver_features_select = device->queue_select = 0;
}

bool virtio_device_is_live(const struct virtio_device *device)
{
	return (device->status & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET |
	                          VIRTIO_CONFIG_S_FAILED)) == VIRTIO_CONFIG_S_DRIVER_OK;
}

static bool are_features_right(const struct virtio_device *device)
{
	return !(device->driver_features & ~device->features) &&
	       virtio_device_has(device, VIRTIO_F_VERSION_1);
}

static void set_ring_features(const struct virtio_device *device, struct virtqueue *queue)
{
	queue->has_event_index = virtio_device_has(device, VIRTIO_RING_F_EVENT_IDX);
	queue->has_indirect = virtio_device_has(device, VIRTIO_RING_F_INDIRECT_DESC);
}

void virtio_device_enable_queue(struct virtio_device *device, unsigned index)
{
	struct virtqueue *queue = &device->queues[index];

	set_ring_features(device, queue);
	if (virtqueue_enable(queue))
		virtio_device_fail(device);
}

static void start(struct virtio_device *device)
{
	for (unsigned i = 0; i < device->ops->queue_count; i++)
		set_ring_features(device, &device->queues[i]);
	if (device->ops->start && device->ops->start(device))
		virtio_device_fail(device);
}

void virtio_device_set_status(struct virtio_device *device, uint32_t status)
{
	uint32_t before = device->status;

	if (!status) {
		virtio_device_reset(device);
		return;
	}
	/* The driver may set bits, not clear them; and DEVICE_NEEDS_RESET is the device's. */
	status = (status & ~VIRTIO_CONFIG_S_NEEDS_RESET & 0xff) | before;
	if (!(before & VIRTIO_CONFIG_S_FEATURES_OK) && !are_features_right(device))
		status &= ~(uint32_t)VIRTIO_CONFIG_S_FEATURES_OK;
	if (!(status & VIRTIO_CONFIG_S_FEATURES_OK))
		status &= ~(uint32_t)VIRTIO_CONFIG_S_DRIVER_OK;
	device->status = status;
	if (status & ~before & VIRTIO_CONFIG_S_DRIVER_OK && virtio_device_is_live(device))
		start(device);
}

int virtio_device_prepare(struct virtio_device *device, uint64_t features)
{
	device->driver_features = features;
	virtio_device_set_status(device, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
	                                         VIRTIO_CONFIG_S_FEATURES_OK |
	                                         VIRTIO_CONFIG_S_DRIVER_OK);
	return virtio_device_is_live(device) ? 0 : -1;
}

/* A device that has worked on one queue may have given chains back in others, too. */
static void settle(struct virtio_device *device, int status)
{
	for (unsigned i = 0; i < device->ops->queue_count; i++) {
		if (device->queues[i].is_broken)
			status = -1;
		virtio_device_tell_used(device, i);
	}
	if (status)
		virtio_device_fail(device);
}

/*
 * The guest stands still meanwhile: there are no more chains than the queue has places. Rings that
 * the driver has laid over one another could go on for ever, since giving back makes new ones.
 */
void virtio_device_notify(struct virtio_device *device, unsigned index)
{
	struct virtqueue *queue;

	if (!virtio_device_is_live(device) || index >= device->ops->queue_count)
		return;
	queue = &device->queues[index];
	queue->left = queue->size + 1u;
	settle(device, device->ops->serve(device, index));
	queue->left = 0;
}

void virtio_device_serve(struct virtio_device *device)
{
	for (unsigned i = 0; i < device->ops->queue_count; i++)
		if (virtqueue_has_work(&device->queues[i]))
			virtio_device_notify(device, i);
}

void virtio_device_finish(struct virtio_device *device)
{
	int status = device->ops->finish ? device->ops->finish(device) : 0;

	if (status)
		virtio_device_fail(device);
}

void virtio_device_polled(struct virtio_device *device, const struct pollfd *polls, unsigned count)
{
	if (virtio_device_is_live(device))
		settle(device, device->ops->polled(device, polls, count));
}

static void tell(struct virtio_device *device, uint32_t what)
{
	device->interrupts |= what;
	device->untold |= what;
}

void virtio_device_tell_used(struct virtio_device *device, unsigned queue)
{
	if (virtqueue_must_notify(&device->queues[queue]))
		tell(device, VIRTIO_INTERRUPT_USED);
}

void virtio_device_tell_config(struct virtio_device *device)
{
	device->generation++;
	if (device->status & VIRTIO_CONFIG_S_DRIVER_OK)
		tell(device, VIRTIO_INTERRUPT_CONFIG);
}

void virtio_device_fail(struct virtio_device *device)
{
	if (device->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	device->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	if (device->status & VIRTIO_CONFIG_S_DRIVER_OK)
		tell(device, VIRTIO_INTERRUPT_CONFIG);
}
