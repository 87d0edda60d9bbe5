/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a virtio device, written down and taken up again. */
#include "virtio/virtio_state.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#define STATUS_BITS    0xffu
#define INTERRUPT_BITS (VIRTIO_INTERRUPT_USED | VIRTIO_INTERRUPT_CONFIG)

static size_t round_up(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

/* ---- saving ---- */

size_t virtio_device_save_bound(const struct virtio_device *device)
{
	const struct virtio_device_ops *ops = device->ops;

	return sizeof(struct virtio_device_state) +
	       (ops->save_bound ? round_up(ops->save_bound(device)) : 0);
}

static struct virtio_queue_state state_of(const struct virtqueue *queue)
{
	return (struct virtio_queue_state){
	        .descriptors = queue->descriptors.value,
	        .driver_area = queue->driver_area.value,
	        .device_area = queue->device_area.value,
	        .size = queue->size,
	        .next_available = queue->next_available,
	        .next_used = queue->next_used,
	        .told_used = queue->told_used,
	        .flags = (queue->is_ready ? VIRTIO_QUEUE_READY : 0) |
	                 (queue->is_broken ? VIRTIO_QUEUE_BROKEN : 0),
	};
}

size_t virtio_device_save(const struct virtio_device *device, void *buffer, size_t size)
{
	const struct virtio_device_ops *ops = device->ops;
	struct virtio_device_state *state = buffer;
	size_t specific = 0;

	if (size < virtio_device_save_bound(device))
		return 0;
	*state = (struct virtio_device_state){
	        .id = ops->id,
	        .driver_features = device->driver_features | device->lost_features,
	        .status = device->status,
	        .interrupts = device->interrupts,
	        .untold = device->untold,
	        .generation = device->generation,
	        .features_select = device->features_select,
	        .driver_features_select = device->driver_features_select,
	        .queue_select = device->queue_select,
	        .queue_count = ops->queue_count,
	};
	for (unsigned i = 0; i < ops->queue_count; i++)
		state->queues[i] = state_of(&device->queues[i]);
	if (ops->save)
		specific = ops->save(device, state + 1);
	state->specific_size = (uint32_t)round_up(specific);
	memset((char *)(state + 1) + specific, 0, state->specific_size - specific);
	return sizeof *state + state->specific_size;
}

/* ---- loading ---- */

static int load_queue(struct virtio_device *device, unsigned index,
                      const struct virtio_queue_state *state)
{
	struct virtqueue *queue = &device->queues[index];

	if (state->flags & ~(VIRTIO_QUEUE_READY | VIRTIO_QUEUE_BROKEN) || state->reserved)
		return -1;
	queue->size = state->size;
	queue->descriptors.value = state->descriptors;
	queue->driver_area.value = state->driver_area;
	queue->device_area.value = state->device_area;
	queue->has_event_index = virtio_device_has(device, VIRTIO_RING_F_EVENT_IDX);
	queue->has_indirect = virtio_device_has(device, VIRTIO_RING_F_INDIRECT_DESC);
	if (state->flags & VIRTIO_QUEUE_READY && virtqueue_enable(queue))
		return -1;
	queue->next_available = state->next_available;
	queue->next_used = state->next_used;
	queue->told_used = state->told_used;
	queue->is_broken = state->flags & VIRTIO_QUEUE_BROKEN;
	return 0;
}

/*
 * What the driver has taken has to be offered again. A kind may do without some of it, where its
 * driver can be told so.
 */
static int load_features(struct virtio_device *device, uint64_t features)
{
	if (features & ~device->features & ~device->ops->features_that_may_go)
		return -1;
	device->driver_features = features & device->features;
	device->lost_features = features & ~device->features;
	return 0;
}

static int load(struct virtio_device *device, const struct virtio_device_state *state)
{
	const struct virtio_device_ops *ops = device->ops;

	if (state->id != ops->id || state->queue_count != ops->queue_count ||
	    state->status & ~STATUS_BITS || state->interrupts & ~INTERRUPT_BITS ||
	    state->untold & ~INTERRUPT_BITS || load_features(device, state->driver_features))
		return -1;
	device->status = state->status;
	device->interrupts = state->interrupts;
	device->untold = state->untold;
	device->generation = state->generation;
	device->features_select = state->features_select;
	device->driver_features_select = state->driver_features_select;
	device->queue_select = state->queue_select;
	for (unsigned i = 0; i < ops->queue_count; i++)
		if (load_queue(device, i, &state->queues[i]))
			return -1;
	if (ops->load ? ops->load(device, state + 1, state->specific_size)
	              : state->specific_size != 0)
		return -1;
	return virtio_device_is_live(device) && ops->start ? ops->start(device) : 0;
}

int virtio_device_load(struct virtio_device *device, const struct virtio_device_state *state)
{
	int status;

	virtio_device_reset(device);
	status = load(device, state);
	if (status)
		virtio_device_reset(device);
	return status;
}
