/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the devices of a microVM: made, placed, described, reached and served. */
#include <libfdt.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <stdio.h>
#include <stdlib.h>

#include "ring_driver.h"

#include "virtio/balloon.h"
#include "vmm/devices.h"

#define RINGS 0x8000u /* guest-physical */

static struct devices devices;
static struct run_options options;
static struct guest_memory memory;
static struct mote_error err;

/* An entropy device and a balloon. */
static void start(void)
{
	options = (struct run_options){
	        .entropy = true, .balloon = true, .balloon_bytes = 3 * MOTE_PAGE_SIZE};
	cr_assert_eq(guest_memory_create(&memory, 64 * MOTE_PAGE_SIZE, &err), 0);
	cr_assert_eq(devices_open(&devices, &options, &memory, &err), 0);
	cr_assert_eq(devices.count, 2);
	cr_assert_eq(devices_place(&devices, RINGS, &err), 0);
}

TestSuite(devices, .init = start, .timeout = 20);

Test(devices, none)
{
	static struct devices no_devices;
	static struct run_options no_options;

	cr_assert_eq(devices_open(&no_devices, &no_options, &memory, &err), 0);
	cr_assert_eq(no_devices.count, 0);
	cr_assert_eq(devices_rings_size(&no_devices), 0);
	cr_assert_eq(devices_describe_bound(&no_devices), 0);
	cr_assert_eq(devices_poll(&no_devices, 0), 0);
	cr_assert_not(devices_have_events(&no_devices));
	cr_assert_not(devices_drain(&no_devices));
}

/* ---- places ---- */

Test(devices, rings_are_apart_and_where_they_may_be)
{
	uint64_t end = RINGS + devices_rings_size(&devices);
	uint64_t last = RINGS;

	cr_assert_eq(devices_rings_size(&devices) % MOTE_PAGE_SIZE, 0);
	for (unsigned i = 0; i < devices.count; i++) {
		const struct virtio_device *device = devices.list[i];

		cr_assert(virtio_device_is_live(device));
		for (unsigned j = 0; j < device->ops->queue_count; j++) {
			const struct virtqueue *queue = &device->queues[j];
			unsigned size = queue->size;

			cr_assert(queue->is_ready);
			cr_assert_geq(queue->descriptors.value, last);
			cr_assert_geq(queue->driver_area.value,
			              queue->descriptors.value + virtqueue_descriptors_size(size));
			cr_assert_geq(queue->device_area.value,
			              queue->driver_area.value + virtqueue_driver_size(size));
			last = queue->device_area.value + virtqueue_device_size(size);
		}
	}
	cr_assert_leq(last, end);
}

Test(devices, no_room_for_rings)
{
	static struct devices others;

	cr_assert_eq(devices_open(&others, &options, &memory, &err), 0);
	cr_assert_eq(devices_place(&others, memory.size - 0x100, &err), -1);
	cr_assert(strstr(err.text, "--mem"));
}

/* ---- the device tree ---- */

static const void *property(const void *tree, unsigned device, const char *name, int size)
{
	char path[64];
	const void *value;
	int node, length;

	snprintf(path, sizeof path, "/virtio@%llx",
	         (unsigned long long)(MOTE_DEVICES_GPA + device * MOTE_PAGE_SIZE));
	node = fdt_path_offset(tree, path);
	cr_assert_geq(node, 0, "%s", path);
	value = fdt_getprop(tree, node, name, &length);
	cr_assert(value && length == size, "%s: %d bytes", name, length);
	return value;
}

Test(devices, described)
{
	size_t bound = devices_describe_bound(&devices) + 1024;
	void *tree = malloc(bound);
	const fdt32_t *queues, *config;

	cr_assert(!fdt_create(tree, (int)bound) && !fdt_finish_reservemap(tree) &&
	          !fdt_begin_node(tree, ""));
	cr_assert_eq(devices_describe(&devices, tree), 0);
	cr_assert(!fdt_end_node(tree) && !fdt_finish(tree));
	cr_assert_eq(fdt32_ld(property(tree, 0, "mote,device", 4)), VIRTIO_ID_RNG);
	cr_assert_eq(fdt32_ld(property(tree, 1, "mote,device", 4)), VIRTIO_ID_BALLOON);
	cr_assert_eq(fdt64_ld(property(tree, 1, "mote,features", 8)), devices.list[1]->features);
	queues = property(tree, 0, "mote,queues", 12);
	cr_assert_eq(fdt32_ld(queues), devices.list[0]->queues[0].size);
	cr_assert_eq(fdt32_ld(queues + 1), 0);
	cr_assert_eq(fdt32_ld(queues + 2), RINGS);
	property(tree, 1, "mote,queues", 5 * 12);
	config = property(tree, 1, "mote,config", 8);
	cr_assert_eq(config[0], 3);
	free(tree);
}

/* ---- registers ---- */

static uint32_t get(unsigned device, uint64_t offset)
{
	uint32_t value = 0;

	cr_assert(devices_access(&devices, MOTE_DEVICES_GPA + device * MOTE_PAGE_SIZE + offset,
	                         false, &value, sizeof value));
	return value;
}

static void set(unsigned device, uint64_t offset, uint32_t value)
{
	cr_assert(devices_access(&devices, MOTE_DEVICES_GPA + device * MOTE_PAGE_SIZE + offset,
	                         true, &value, sizeof value));
}

Test(devices, registers)
{
	uint64_t none[] = {0, MOTE_DEVICES_GPA - 4, MOTE_DEVICES_GPA + 2 * MOTE_PAGE_SIZE,
	                   UINT64_MAX};
	uint32_t value = 7;

	cr_assert_eq(get(0, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_RNG);
	cr_assert_eq(get(1, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_BALLOON);
	cr_assert_eq(get(1, MOTE_PAGE_SIZE - 4), 0);
	for (unsigned i = 0; i < sizeof none / sizeof none[0]; i++) {
		cr_assert_not(devices_access(&devices, none[i], false, &value, sizeof value));
		cr_assert_not(devices_access(&devices, none[i], true, &value, sizeof value));
		cr_assert_eq(value, 7);
	}
}

/* ---- serving ---- */

/* A request for random bytes in the prepared ring. */
static void ask(uint16_t times)
{
	const struct virtqueue *queue = &devices.list[0]->queues[0];
	struct vring_desc *descriptor = (void *)(memory.host + queue->descriptors.value);
	uint16_t *available = (void *)(memory.host + queue->driver_area.value);

	*descriptor = (struct vring_desc){0x1000, 32, VRING_DESC_F_WRITE, 0};
	available[1] = (uint16_t)(available[1] + times);
}

static uint16_t answers(void)
{
	return ((uint16_t *)(memory.host + devices.list[0]->queues[0].device_area.value))[1];
}

Test(devices, serving_and_events)
{
	devices_serve(&devices, false);
	cr_assert_eq(answers(), 0);
	cr_assert_not(devices_have_events(&devices));
	ask(1);
	devices_serve(&devices, false);
	cr_assert_eq(answers(), 1);
	cr_assert(devices_have_events(&devices));
	cr_assert_eq(devices_take_events(&devices, MOTE_EVENT_CONFIG | MOTE_EVENT_INPUT), 0);
	cr_assert_eq(devices_take_events(&devices, MOTE_EVENT_DEVICE | MOTE_EVENT_CONFIG),
	             MOTE_EVENT_DEVICE);
	cr_assert_not(devices_have_events(&devices));
	/* The kit does not acknowledge by register. */
	cr_assert_eq(get(0, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	ask(1);
	set(0, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	cr_assert_eq(answers(), 2);
	cr_assert_not(devices_have_events(&devices)); /* used_event was passed before */
}

Test(devices, one_that_fails_leaves_the_others_alone)
{
	balloon_set_target(devices.list[1], 5 * MOTE_PAGE_SIZE);
	cr_assert_eq(devices_take_events(&devices, MOTE_EVENT_CONFIG), MOTE_EVENT_CONFIG);
	memset(memory.host + devices.list[1]->queues[0].driver_area.value, 0xff, 4);
	ask(1);
	devices_serve(&devices, false);
	cr_assert_eq(devices_take_events(&devices, MOTE_EVENT_DEVICE | MOTE_EVENT_CONFIG),
	             MOTE_EVENT_DEVICE | MOTE_EVENT_CONFIG);
	cr_assert(get(1, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
	cr_assert_eq(get(0, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET, 0);
	cr_assert_eq(answers(), 1);
	set(1, VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(get(1, VIRTIO_MMIO_STATUS), 0);
	devices_serve(&devices, false);
	cr_assert_not(devices_have_events(&devices));
}

Test(devices, looking_without_waiting)
{
	ask(2);
	devices_look(&devices);
	cr_assert_eq(answers(), 2);
}
