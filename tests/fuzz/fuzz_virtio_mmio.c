/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accesses of a hostile guest to the registers of a device, and to its queues in between. What the
 * specification says of Status, features, queues and interrupts has to hold after each.
 */
#include "tests/fuzz/input.h"

#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <sys/types.h>

/* The host's random numbers, for a run that can be repeated. */
static ssize_t fake_getrandom(void *to, size_t length, unsigned flags)
{
	(void)flags;
	memset(to, 0x5a, length);
	return (ssize_t)length;
}
#define getrandom fake_getrandom

#include "virtio/virtqueue.c"

#include "virtio/virtio_device.c"

#include "virtio/virtio_mmio.c"

#include "virtio/entropy.c"

#define RAM 8192u

static struct guest_memory memory;

void *guest_range(const struct guest_memory *of, mote_gpa_t gpa, uint64_t length)
{
	if (gpa.value > of->size || length > of->size - gpa.value)
		return NULL;
	return of->host + gpa.value;
}

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static uint32_t get(struct virtio_device *device, uint64_t offset)
{
	uint32_t value;

	virtio_mmio_read(device, offset, &value, sizeof value);
	return value;
}

static void set(struct virtio_device *device, uint64_t offset, uint32_t value)
{
	virtio_mmio_write(device, offset, &value, sizeof value);
}

static void check(struct virtio_device *device, uint32_t before)
{
	uint32_t status = get(device, VIRTIO_MMIO_STATUS);

	expect(status == 0 || (status & before) == before); /* only a reset clears bits */
	expect(!(status & VIRTIO_CONFIG_S_DRIVER_OK) || status & VIRTIO_CONFIG_S_FEATURES_OK);
	expect(!(status & VIRTIO_CONFIG_S_FEATURES_OK) ||
	       (!(device->driver_features & ~device->features) &&
	        virtio_device_has(device, VIRTIO_F_VERSION_1)));
	expect(!(get(device, VIRTIO_MMIO_INTERRUPT_STATUS) & ~3u));
	expect(get(device, VIRTIO_MMIO_QUEUE_READY) <= 1);
	if (!status && before) {
		expect(!get(device, VIRTIO_MMIO_INTERRUPT_STATUS));
		expect(!device->queues[0].is_ready && !device->queues[0].is_broken);
	}
}

/* An access of any kind. */
static void access_any(struct virtio_device *device, struct input *input)
{
	static unsigned char data[8];
	uint64_t offset = take_short(input) % MOTE_PAGE_SIZE;
	size_t length = 1 + take_byte(input) % 8;

	if (take_byte(input) & 1) {
		take(input, data, length);
		virtio_mmio_write(device, offset, data, length);
	} else {
		virtio_mmio_read(device, offset, data, length);
	}
}

/* A write to a register that does something. */
static void write_one(struct virtio_device *device, struct input *input)
{
	static const uint16_t registers[] = {VIRTIO_MMIO_DEVICE_FEATURES_SEL,
	                                     VIRTIO_MMIO_DRIVER_FEATURES,
	                                     VIRTIO_MMIO_DRIVER_FEATURES_SEL,
	                                     VIRTIO_MMIO_QUEUE_SEL,
	                                     VIRTIO_MMIO_QUEUE_NUM,
	                                     VIRTIO_MMIO_QUEUE_READY,
	                                     VIRTIO_MMIO_QUEUE_NOTIFY,
	                                     VIRTIO_MMIO_INTERRUPT_ACK,
	                                     VIRTIO_MMIO_STATUS,
	                                     VIRTIO_MMIO_QUEUE_DESC_LOW,
	                                     VIRTIO_MMIO_QUEUE_AVAIL_LOW,
	                                     VIRTIO_MMIO_QUEUE_USED_LOW,
	                                     VIRTIO_MMIO_QUEUE_DESC_HIGH,
	                                     VIRTIO_MMIO_QUEUE_AVAIL_HIGH,
	                                     VIRTIO_MMIO_QUEUE_USED_HIGH};
	uint16_t offset = registers[take_byte(input) % (sizeof registers / sizeof registers[0])];

	set(device, offset, take_byte(input) & 1 ? take_word(input) : take_byte(input));
}

/* The handshake as it should be, up to a step. */
static void handshake(struct virtio_device *device, struct input *input)
{
	uint8_t steps = take_byte(input);

	set(device, VIRTIO_MMIO_STATUS, 0);
	set(device, VIRTIO_MMIO_STATUS, 3);
	set(device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	set(device, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	set(device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	set(device, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(steps & 3) << 28);
	if (steps & 4)
		return;
	set(device, VIRTIO_MMIO_STATUS, 11);
	set(device, VIRTIO_MMIO_QUEUE_SEL, 0);
	set(device, VIRTIO_MMIO_QUEUE_NUM, 16);
	set(device, VIRTIO_MMIO_QUEUE_AVAIL_LOW, 0x400);
	set(device, VIRTIO_MMIO_QUEUE_USED_LOW, 0x800);
	set(device, VIRTIO_MMIO_QUEUE_READY, 1);
	if (!(steps & 8))
		set(device, VIRTIO_MMIO_STATUS, 15);
}

static void scribble(struct input *input)
{
	uint16_t at = take_short(input) % RAM;
	uint8_t length = take_byte(input) % 32;

	if (length > RAM - at)
		length = (uint8_t)(RAM - at);
	take(input, memory.host + at, length);
}

static void add(struct input *input)
{
	uint16_t *area = (uint16_t *)(memory.host + 0x400);
	uint8_t head = take_byte(input) % 16;
	struct vring_desc descriptor = {.addr = 0x1000,
	                                .len = take_byte(input),
	                                .flags = take_byte(input) & 7,
	                                .next = take_byte(input) % 17};

	memcpy(memory.host + 16u * head, &descriptor, sizeof descriptor);
	area[2 + area[1] % 16] = head;
	area[1]++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct virtio_device device;
	struct input input = {data, size};

	if (!memory.host)
		memory = (struct guest_memory){.host = malloc(RAM), .size = RAM};
	memset(memory.host, 0, RAM);
	memset(&device, 0, sizeof device);
	entropy_init(&device, &memory);
	while (input.left) {
		uint32_t before = device.status;

		switch (take_byte(&input) % 8) {
		case 0: access_any(&device, &input); break;
		case 1:
		case 2: write_one(&device, &input); break;
		case 3:
			handshake(&device, &input);
			before = 0;
			break;
		case 4: scribble(&input); break;
		case 5: add(&input); break;
		case 6: virtio_device_serve(&device); break;
		case 7: virtio_device_tell_config(&device); break;
		}
		check(&device, before);
	}
	return 0;
}
