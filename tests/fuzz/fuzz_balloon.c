/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of a hostile guest to the memory balloon. Only pages that may be discarded are, whole
 * ones only, and each that is was named by the guest.
 */
#include "tests/fuzz/input.h"

#include <stdlib.h>

#include "virtio/virtqueue.c"

#include "virtio/virtio_device.c"

#include "virtio/balloon.c"

#define PAGES 32u
#define RAM   (PAGES * MOTE_PAGE_SIZE)
#define AREA  0x400u /* of each queue */
#define LIST  0x2000u
#define FIRST 8u /* pages that may be discarded */
#define END   28u

static struct guest_memory memory;
static uint32_t named; /* pages that the request names: a bit each */

void *guest_range(const struct guest_memory *of_memory, mote_gpa_t gpa, uint64_t length)
{
	if (gpa.value > of_memory->size || length > of_memory->size - gpa.value)
		return NULL;
	return of_memory->host + gpa.value;
}

/* As vmm/guest_memory.c has it; the balloon may ask for anything, but in whole pages. */
int guest_memory_discard(const struct guest_memory *of_memory, mote_gpa_t gpa, uint64_t length)
{
	uint64_t end = gpa.value + length;

	if ((gpa.value | length) % MOTE_PAGE_SIZE || !length || end < gpa.value ||
	    end > of_memory->size)
		abort();
	for (uint64_t page = gpa.value / MOTE_PAGE_SIZE; page < end / MOTE_PAGE_SIZE; page++)
		if (!(named >> page & 1))
			abort();
	if (gpa.value < of_memory->free.start || end > of_memory->free.end)
		return -1;
	memset(of_memory->host + gpa.value, 0, length);
	return 0;
}

static uint16_t added[QUEUES];

static void give(unsigned queue, const struct vring_desc *descriptors, unsigned count)
{
	unsigned char *area = memory.host + (uint64_t)AREA * queue;
	uint16_t *ring = (uint16_t *)(area + 0x100);

	memcpy(area, descriptors, count * sizeof *descriptors);
	ring[2 + added[queue]++ % 2] = 0;
	ring[1] = added[queue];
}

static void send_numbers(struct virtio_device *device, unsigned queue, struct input *input)
{
	uint8_t count = take_byte(input), odd = take_byte(input);
	struct vring_desc descriptor = {.addr = LIST, .len = count * 4u};

	for (unsigned i = 0; i < count; i++) {
		uint32_t number = take_byte(input) % (odd == 255 ? 256 : PAGES);

		memcpy(memory.host + LIST + 4 * i, &number, sizeof number);
		if (number < PAGES)
			named |= 1u << number;
	}
	descriptor.len += odd == 254;
	give(queue, &descriptor, 1);
	virtio_device_notify(device, queue);
}

static void send_report(struct virtio_device *device, unsigned queue, struct input *input)
{
	struct vring_desc descriptors[2];

	for (unsigned i = 0; i < 2; i++) {
		uint64_t at = take_byte(input) % PAGES * MOTE_PAGE_SIZE + take_byte(input) / 250;
		uint32_t length = take_byte(input) % 8 * MOTE_PAGE_SIZE + take_byte(input) / 250;

		descriptors[i] = (struct vring_desc){at, length, VRING_DESC_F_WRITE, 1};
		for (uint64_t page = (at + MOTE_PAGE_SIZE - 1) / MOTE_PAGE_SIZE;
		     page < (at + length) / MOTE_PAGE_SIZE && page < PAGES; page++)
			named |= 1u << page;
	}
	descriptors[0].flags |= take_byte(input) & 1 ? VRING_DESC_F_NEXT : 0;
	give(queue, descriptors, 2);
	virtio_device_notify(device, queue);
}

static void send_stats(struct virtio_device *device, struct input *input)
{
	struct vring_desc descriptor = {.addr = LIST, .len = take_byte(input)};

	take(input, memory.host + LIST, descriptor.len);
	give(QUEUE_STATS, &descriptor, 1);
	virtio_device_notify(device, QUEUE_STATS);
}

static void prepare(struct virtio_device *device)
{
	virtio_device_reset(device);
	memset(memory.host, 0, RAM);
	memset(memory.host + FIRST * MOTE_PAGE_SIZE, 'x', (END - FIRST) * MOTE_PAGE_SIZE);
	device->driver_features = device->features;
	for (unsigned i = 0; i < QUEUES; i++) {
		device->queues[i].size = 2;
		device->queues[i].descriptors.value = AREA * i;
		device->queues[i].driver_area.value = AREA * i + 0x100;
		device->queues[i].device_area.value = AREA * i + 0x200;
		virtio_device_enable_queue(device, i);
		added[i] = 0;
	}
	if (virtio_device_prepare(device, device->features))
		abort();
}

static void access_config(struct virtio_device *device, struct input *input)
{
	unsigned char data[8];
	size_t offset = take_byte(input) % CONFIG_SIZE;
	size_t length = 1 + take_byte(input) % (CONFIG_SIZE - offset);

	take(input, data, sizeof data);
	write_config(device, offset, data, length);
	read_config(device, offset, data, length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	struct virtio_device *device;

	if (!memory.host)
		memory = (struct guest_memory){
		        .host = malloc(RAM),
		        .size = RAM,
		        .free = {FIRST * MOTE_PAGE_SIZE, END * MOTE_PAGE_SIZE}};
	device = balloon_open(take_word(&input), &memory);
	prepare(device);
	while (input.left) {
		named = 0;
		switch (take_byte(&input) % 8) {
		case 0: send_numbers(device, QUEUE_INFLATE, &input); break;
		case 1: send_numbers(device, QUEUE_DEFLATE, &input); break;
		case 2: send_report(device, QUEUE_REPORTS, &input); break;
		case 3: send_report(device, QUEUE_REPORTS_5, &input); break;
		case 4: send_stats(device, &input); break;
		case 5: balloon_ask_stats(device); break;
		case 6: access_config(device, &input); break;
		case 7:
			balloon_set_target(device, take_word(&input));
			if (!virtio_device_is_live(device))
				prepare(device);
			break;
		}
	}
	free(device);
	return 0;
}
