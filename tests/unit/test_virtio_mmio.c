/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the register interface: the handshake by the specification, and against it. */
#include "ring_driver.h"

#include <linux/virtio_mmio.h>

#include "virtio/virtio_mmio.h"

#define QUEUE_MAX 16
#define FEATURE   5 /* of the device of these tests; and feature 40, in the other half */

/* A device with two queues that gives back what it gets; what goes to queue 0 it may refuse. */
static unsigned served, resets, starts;
static bool refuses_chains, refuses_start;
static unsigned char config[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

static int serve(struct virtio_device *device, unsigned index)
{
	struct virtqueue *queue = &device->queues[index];
	int status;

	served++;
	while ((status = virtqueue_next(queue, &device->chain)) > 0) {
		if (refuses_chains)
			return -1;
		virtqueue_complete(queue, device->chain.head, 1);
	}
	return status;
}

static int start_device(struct virtio_device *device)
{
	(void)device;
	starts++;
	return refuses_start ? -1 : 0;
}

static void reset_device(struct virtio_device *device)
{
	(void)device;
	resets++;
}

static void read_config(struct virtio_device *device, size_t offset, void *to, size_t length)
{
	(void)device;
	cr_assert(offset + length <= sizeof config);
	memcpy(to, config + offset, length);
}

static void write_config(struct virtio_device *device, size_t offset, const void *from,
                         size_t length)
{
	(void)device;
	cr_assert(offset + length <= sizeof config);
	memcpy(config + offset, from, length);
}

static const struct virtio_device_ops ops = {
        .name = "test",
        .id = 77,
        .queue_count = 2,
        .queue_size = {QUEUE_MAX, 4},
        .config_size = sizeof config,
        .serve = serve,
        .start = start_device,
        .reset = reset_device,
        .read_config = read_config,
        .write_config = write_config,
};

static struct virtio_device device;
static struct ring ring;

static uint32_t get(uint64_t offset)
{
	uint32_t value = 0xdeadbeef;

	virtio_mmio_read(&device, offset, &value, sizeof value);
	return value;
}

static void set(uint64_t offset, uint32_t value)
{
	virtio_mmio_write(&device, offset, &value, sizeof value);
}

static void make(void)
{
	memset(ring_ram, 0, sizeof ring_ram);
	memset(&device, 0, sizeof device);
	virtio_device_init(&device, &ops, VIRTIO_FEATURE(FEATURE) | VIRTIO_FEATURE(40),
	                   &ring_memory);
	ring = (struct ring){.size = 8};
}

TestSuite(virtio_mmio, .init = make, .timeout = 20);

#define STATUS_BEGUN  (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)
#define STATUS_CHOSEN (STATUS_BEGUN | VIRTIO_CONFIG_S_FEATURES_OK)
#define STATUS_LIVE   (STATUS_CHOSEN | VIRTIO_CONFIG_S_DRIVER_OK)

static void choose(uint32_t low, uint32_t high)
{
	set(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	set(VIRTIO_MMIO_STATUS, STATUS_BEGUN);
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	set(VIRTIO_MMIO_DRIVER_FEATURES, low);
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	set(VIRTIO_MMIO_DRIVER_FEATURES, high);
	set(VIRTIO_MMIO_STATUS, STATUS_CHOSEN);
}

static void place(unsigned queue)
{
	set(VIRTIO_MMIO_QUEUE_SEL, queue);
	set(VIRTIO_MMIO_QUEUE_NUM, ring.size);
	set(VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)ring.base);
	set(VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)ring.base + RING_AREA);
	set(VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)ring.base + 2 * RING_AREA);
	set(VIRTIO_MMIO_QUEUE_READY, 1);
}

#define VERSION_1 (1u << (VIRTIO_F_VERSION_1 - 32))
#define EVENT_IDX (1u << VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT  (1u << VIRTIO_RING_F_INDIRECT_DESC)

static void handshake(uint32_t low)
{
	choose(low, VERSION_1);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), STATUS_CHOSEN);
	place(0);
	cr_assert_eq(get(VIRTIO_MMIO_QUEUE_READY), 1);
	set(VIRTIO_MMIO_STATUS, STATUS_LIVE);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), STATUS_LIVE);
}

static void add(uint16_t head)
{
	ring_describe(&ring, head, RING_BUFFERS, 8, VRING_DESC_F_WRITE, 0);
	ring_add(&ring, head);
}

/* ---- what it is ---- */

Test(virtio_mmio, identity)
{
	cr_assert_eq(get(VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	cr_assert_eq(get(VIRTIO_MMIO_VERSION), 2);
	cr_assert_eq(get(VIRTIO_MMIO_DEVICE_ID), 77);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), 0);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	set(VIRTIO_MMIO_MAGIC_VALUE, 1);
	set(VIRTIO_MMIO_DEVICE_ID, 1);
	cr_assert_eq(get(VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	cr_assert_eq(get(VIRTIO_MMIO_DEVICE_ID), 77);
}

Test(virtio_mmio, offered_features)
{
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	cr_assert_eq(get(VIRTIO_MMIO_DEVICE_FEATURES), 1u << FEATURE | EVENT_IDX | INDIRECT);
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	cr_assert_eq(get(VIRTIO_MMIO_DEVICE_FEATURES), VERSION_1 | 1u << 8);
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
	cr_assert_eq(get(VIRTIO_MMIO_DEVICE_FEATURES), 0);
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, UINT32_MAX);
	cr_assert_eq(get(VIRTIO_MMIO_DEVICE_FEATURES), 0);
}

Test(virtio_mmio, queues_that_are_not_there)
{
	set(VIRTIO_MMIO_QUEUE_SEL, 1);
	cr_assert_eq(get(VIRTIO_MMIO_QUEUE_NUM_MAX), 4);
	for (uint32_t queue = 2; queue; queue <<= 1) {
		set(VIRTIO_MMIO_QUEUE_SEL, queue);
		cr_assert_eq(get(VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
		set(VIRTIO_MMIO_QUEUE_NUM, 4);
		set(VIRTIO_MMIO_QUEUE_READY, 1);
		cr_assert_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
		set(VIRTIO_MMIO_QUEUE_NOTIFY, queue);
	}
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), 0);
	cr_assert_eq(served, 0);
}

Test(virtio_mmio, no_shared_memory)
{
	cr_assert_eq(get(VIRTIO_MMIO_SHM_LEN_LOW), UINT32_MAX);
	cr_assert_eq(get(VIRTIO_MMIO_SHM_LEN_HIGH), UINT32_MAX);
}

/* ---- the handshake ---- */

Test(virtio_mmio, handshake)
{
	handshake(EVENT_IDX | 1u << FEATURE);
	cr_assert_eq(starts, 1);
	cr_assert(virtio_device_has(&device, FEATURE));
	cr_assert(device.queues[0].has_event_index);
	cr_assert_not(device.queues[0].has_indirect);
	add(0);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	cr_assert_eq(served, 1);
	cr_assert_eq(ring_used(&ring)[1], 1);
}

Test(virtio_mmio, features_that_are_refused)
{
	choose(0, 0); /* a legacy driver */
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), STATUS_BEGUN);
	set(VIRTIO_MMIO_STATUS, STATUS_LIVE);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), STATUS_BEGUN);
	choose(1, VERSION_1);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), STATUS_BEGUN);
	choose(0, VERSION_1 | 1u << 31);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), STATUS_BEGUN);
	/* The driver may think again. */
	choose(0, VERSION_1 | 1u << 8);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), STATUS_CHOSEN);
	cr_assert_eq(starts, 0);
}

Test(virtio_mmio, features_written_late)
{
	handshake(0);
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	set(VIRTIO_MMIO_DRIVER_FEATURES, EVENT_IDX | INDIRECT | 1);
	cr_assert_eq(device.driver_features, VIRTIO_FEATURE(VIRTIO_F_VERSION_1));
}

Test(virtio_mmio, features_of_no_half)
{
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 2);
	set(VIRTIO_MMIO_DRIVER_FEATURES, UINT32_MAX);
	cr_assert_eq(device.driver_features, 0);
}

Test(virtio_mmio, ring_features_count_although_the_queue_came_first)
{
	place(0);
	choose(INDIRECT, VERSION_1);
	set(VIRTIO_MMIO_STATUS, STATUS_LIVE);
	cr_assert(device.queues[0].has_indirect);
	cr_assert_not(device.queues[0].has_event_index);
}

Test(virtio_mmio, driver_ok_needs_features_ok)
{
	set(VIRTIO_MMIO_STATUS, STATUS_BEGUN | VIRTIO_CONFIG_S_DRIVER_OK);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), STATUS_BEGUN);
	place(0);
	add(0);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	virtio_device_serve(&device);
	cr_assert_eq(served, 0); /* 2.1.2: not before DRIVER_OK */
}

Test(virtio_mmio, nothing_is_served_before_driver_ok)
{
	choose(0, VERSION_1);
	place(0);
	add(0);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	cr_assert_eq(served, 0);
	set(VIRTIO_MMIO_STATUS, STATUS_LIVE);
	virtio_device_serve(&device);
	cr_assert_eq(served, 1);
}

Test(virtio_mmio, status_bits_stay)
{
	handshake(0);
	set(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), STATUS_LIVE);
	set(VIRTIO_MMIO_STATUS, 0xffffff00);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), STATUS_LIVE);
	set(VIRTIO_MMIO_STATUS, STATUS_LIVE | VIRTIO_CONFIG_S_NEEDS_RESET);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), STATUS_LIVE);
	cr_assert_eq(starts, 1);
}

Test(virtio_mmio, a_driver_that_gave_up)
{
	handshake(0);
	set(VIRTIO_MMIO_STATUS, STATUS_LIVE | VIRTIO_CONFIG_S_FAILED);
	add(0);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	cr_assert_eq(served, 0);
}

Test(virtio_mmio, a_start_that_is_refused)
{
	refuses_start = true;
	choose(0, VERSION_1);
	set(VIRTIO_MMIO_STATUS, STATUS_LIVE);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), STATUS_LIVE | VIRTIO_CONFIG_S_NEEDS_RESET);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
}

/* ---- queues ---- */

Test(virtio_mmio, queue_registers_are_fixed_while_it_is_ready)
{
	handshake(0);
	set(VIRTIO_MMIO_QUEUE_NUM, 4);
	set(VIRTIO_MMIO_QUEUE_DESC_LOW, 0x20000);
	set(VIRTIO_MMIO_QUEUE_USED_HIGH, 1);
	cr_assert_eq(device.queues[0].size, 8);
	cr_assert_eq(device.queues[0].descriptors.value, 0);
	cr_assert_eq(device.queues[0].device_area.value, 2 * RING_AREA);
	cr_assert_eq(get(VIRTIO_MMIO_QUEUE_READY), 1);
	set(VIRTIO_MMIO_QUEUE_READY, 2);
	cr_assert_eq(get(VIRTIO_MMIO_QUEUE_READY), 1);
}

static void expect_bad_queue(uint64_t offset, uint32_t value)
{
	make();
	choose(0, VERSION_1);
	place(0);
	set(VIRTIO_MMIO_QUEUE_READY, 0);
	place(0);
	set(VIRTIO_MMIO_QUEUE_READY, 0);
	set(VIRTIO_MMIO_QUEUE_NUM, 8);
	set(VIRTIO_MMIO_QUEUE_DESC_LOW, 0);
	set(VIRTIO_MMIO_QUEUE_AVAIL_LOW, 0x1000);
	set(VIRTIO_MMIO_QUEUE_USED_LOW, 0x2000);
	set(offset, value);
	set(VIRTIO_MMIO_QUEUE_READY, 1);
	cr_assert_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
	cr_assert(get(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

Test(virtio_mmio, queues_that_cannot_be)
{
	expect_bad_queue(VIRTIO_MMIO_QUEUE_NUM, 0);
	expect_bad_queue(VIRTIO_MMIO_QUEUE_NUM, 7);
	expect_bad_queue(VIRTIO_MMIO_QUEUE_NUM, 32);
	expect_bad_queue(VIRTIO_MMIO_QUEUE_NUM, 0x10008);
	expect_bad_queue(VIRTIO_MMIO_QUEUE_DESC_LOW, 8);
	expect_bad_queue(VIRTIO_MMIO_QUEUE_AVAIL_LOW, 0xffffffff);
	expect_bad_queue(VIRTIO_MMIO_QUEUE_USED_HIGH, 0xffffffff);
}

Test(virtio_mmio, queue_taken_away_and_given_again)
{
	handshake(0);
	add(0);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	set(VIRTIO_MMIO_QUEUE_READY, 0);
	cr_assert_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
	add(1);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	cr_assert_eq(ring_used(&ring)[1], 1);
	memset(ring_ram, 0, sizeof ring_ram);
	ring.added = 0;
	place(0);
	add(3);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	cr_assert_eq(ring_used(&ring)[1], 1);
	cr_assert_eq(ring_used_element(&ring, 0)->id, 3);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), STATUS_LIVE);
}

/* ---- notifications ---- */

Test(virtio_mmio, interrupt_status)
{
	handshake(0);
	add(0);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	cr_assert_eq(device.untold, VIRTIO_INTERRUPT_USED);
	virtio_device_tell_config(&device);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS),
	             VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG);
	set(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	set(VIRTIO_MMIO_INTERRUPT_ACK, UINT32_MAX);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	ring_available(&ring)[0] = VRING_AVAIL_F_NO_INTERRUPT;
	add(1);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	cr_assert_eq(ring_used(&ring)[1], 2);
}

Test(virtio_mmio, interrupt_status_by_event_index)
{
	handshake(EVENT_IDX);
	*ring_used_event(&ring) = 1;
	add(0);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	add(1);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
}

/* A notification of one queue makes the device give back in another. */
Test(virtio_mmio, another_queue_is_told_of)
{
	handshake(0);
	add(0);
	cr_assert_eq(virtqueue_next(&device.queues[0], &device.chain), 1);
	virtqueue_complete(&device.queues[0], 0, 0);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
}

/* ---- failing and coming back ---- */

static void expect_failed_then_reset(void)
{
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), STATUS_LIVE | VIRTIO_CONFIG_S_NEEDS_RESET);
	cr_assert(get(VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG); /* 2.1.2 */
	served = 0;
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	set(VIRTIO_MMIO_STATUS, STATUS_LIVE);
	virtio_device_serve(&device);
	cr_assert_eq(served, 0);
	resets = 0;
	set(VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(resets, 1);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), 0);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	cr_assert_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
	cr_assert_eq(device.untold, 0);
	memset(ring_ram, 0, sizeof ring_ram);
	ring.added = 0;
	refuses_chains = false;
	handshake(0);
	add(2);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	cr_assert_eq(ring_used(&ring)[1], 1);
}

Test(virtio_mmio, a_broken_ring)
{
	handshake(0);
	ring_available(&ring)[1] = 9;
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	expect_failed_then_reset();
}

Test(virtio_mmio, a_chain_that_is_refused)
{
	handshake(0);
	refuses_chains = true;
	add(0);
	virtio_device_serve(&device);
	expect_failed_then_reset();
}

Test(virtio_mmio, failing_is_told_once)
{
	handshake(0);
	virtio_device_fail(&device);
	set(VIRTIO_MMIO_INTERRUPT_ACK, UINT32_MAX);
	virtio_device_fail(&device);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}

/* ---- accesses of any kind ---- */

Test(virtio_mmio, registers_take_aligned_words_only)
{
	unsigned char bytes[8];

	for (size_t length = 1; length <= 8; length++)
		for (uint64_t offset = 0; offset < VIRTIO_MMIO_CONFIG; offset++) {
			if (length == 4 && offset % 4 == 0)
				continue;
			memset(bytes, 0xff, sizeof bytes);
			virtio_mmio_read(&device, offset, bytes, length);
			for (size_t i = 0; i < length; i++)
				cr_assert_eq(bytes[i], 0, "%zu bytes at %#zx", length,
				             (size_t)offset);
			memset(bytes, 0xff, sizeof bytes);
			virtio_mmio_write(&device, offset, bytes, length);
			cr_assert_eq(device.status, 0);
		}
}

Test(virtio_mmio, configuration_by_any_size)
{
	unsigned char bytes[8];

	for (size_t length = 1; length <= 8; length++)
		for (uint64_t offset = 0; offset < MOTE_PAGE_SIZE - VIRTIO_MMIO_CONFIG; offset++) {
			memset(bytes, 0xff, sizeof bytes);
			virtio_mmio_read(&device, VIRTIO_MMIO_CONFIG + offset, bytes, length);
			for (size_t i = 0; i < length; i++)
				cr_assert_eq(bytes[i], offset + i < 10 ? offset + i + 1 : 0);
			virtio_mmio_write(&device, VIRTIO_MMIO_CONFIG + offset, bytes, length);
		}
	set(VIRTIO_MMIO_CONFIG + 8, 0x04030201);
	cr_assert_eq(get(VIRTIO_MMIO_CONFIG + 8), 0x201);
}

Test(virtio_mmio, configuration_generation)
{
	uint32_t before = get(VIRTIO_MMIO_CONFIG_GENERATION);

	cr_assert_eq(get(VIRTIO_MMIO_CONFIG_GENERATION), before);
	virtio_device_tell_config(&device);
	cr_assert_neq(get(VIRTIO_MMIO_CONFIG_GENERATION), before);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0); /* there is no driver yet */
	before = get(VIRTIO_MMIO_CONFIG_GENERATION);
	set(VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(get(VIRTIO_MMIO_CONFIG_GENERATION), before);
}
