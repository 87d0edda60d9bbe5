/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the console device: stdin and stdout are pipes. */
#define _GNU_SOURCE 1
#include "virtio/console.h"
#include "virtio/virtio_mmio.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define RAM     0x40000u
#define SIZE    16u
#define AREA    0x1000u /* of each queue: descriptors, and behind them the rings */
#define DATA    0x10000u
#define RECEIVE 0u
#define SEND    1u

static unsigned char ram[RAM];
static const struct guest_memory memory = {.host = ram, .size = RAM};
static struct virtio_device *device;
static int input, output; /* the other ends of stdin and stdout */
static unsigned used[2];

static void start(void)
{
	int in[2], out[2];

	signal(SIGPIPE, SIG_IGN);
	cr_assert(!pipe(in) && !pipe2(out, O_NONBLOCK));
	cr_assert(!fcntl(out[1], F_SETFL, 0));
	cr_assert(dup2(in[0], STDIN_FILENO) == STDIN_FILENO);
	cr_assert(dup2(out[1], STDOUT_FILENO) == STDOUT_FILENO);
	close(in[0]);
	close(out[1]);
	input = in[1];
	output = out[0];
	device = virtio_console_create(&memory);
	cr_assert_not_null(device);
	device->driver_features = device->features;
	for (unsigned i = 0; i < 2; i++) {
		struct virtqueue *queue = &device->queues[i];

		queue->size = SIZE;
		queue->descriptors.value = i * AREA;
		queue->driver_area.value = i * AREA + 0x400;
		queue->device_area.value = i * AREA + 0x800;
		virtio_device_enable_queue(device, i);
	}
	cr_assert_eq(virtio_device_prepare(device, device->features), 0);
}

TestSuite(virtio_console, .init = start);

/* Give a chain of one buffer to the device. */
static void give(unsigned queue, uint32_t at, uint32_t length, uint16_t flags)
{
	struct vring_desc *descriptors = (struct vring_desc *)(void *)(ram + queue * AREA);
	uint16_t *driver = (uint16_t *)(void *)(ram + queue * AREA + 0x400);
	uint16_t slot = driver[1] % SIZE;

	descriptors[slot] = (struct vring_desc){.addr = at, .len = length, .flags = flags};
	driver[2 + slot] = slot;
	driver[1]++;
	virtio_device_notify(device, queue);
}

/* The length of the next chain that has come back, or -1. */
static int64_t come_back(unsigned queue)
{
	const uint16_t *area = (const uint16_t *)(const void *)(ram + queue * AREA + 0x800);
	struct vring_used_elem element;

	if (area[1] == (uint16_t)used[queue])
		return -1;
	memcpy(&element,
	       ram + queue * AREA + 0x804 + (size_t)(used[queue]++ % SIZE) * sizeof element,
	       sizeof element);
	return element.len;
}

/* What the VMM does while the guest waits. Return: how many descriptors it waits for. */
static unsigned look(void)
{
	struct pollfd polls[VIRTIO_POLL_MAX];
	unsigned count = device->ops->poll(device, polls);

	if (poll(polls, count, 0) > 0)
		virtio_device_polled(device, polls, count);
	return count;
}

static void assert_written(const char *text)
{
	char bytes[64] = "";

	cr_assert_eq(read(output, bytes, sizeof bytes - 1), (ssize_t)strlen(text));
	cr_assert_str_eq(bytes, text);
}

Test(virtio_console, writes)
{
	memcpy(ram + DATA, "hello\nworld\n", 12);
	give(SEND, DATA, 6, 0);
	give(SEND, DATA + 6, 6, 0);
	cr_assert_eq(come_back(SEND), 0);
	cr_assert_eq(come_back(SEND), 0);
	assert_written("hello\nworld\n");
	cr_assert_eq(look(), 0);
}

/* What the pipe does not take stays, in order, and nobody waits for it but the device. */
Test(virtio_console, output_that_stalls)
{
	static char bytes[4096];

	cr_assert_eq(fcntl(STDOUT_FILENO, F_SETPIPE_SZ, 4096), 4096);
	memset(ram + DATA, 'a', 6000);
	memset(ram + DATA + 6000, 'b', 10);
	give(SEND, DATA, 6000, 0);
	give(SEND, DATA + 6000, 10, 0);
	cr_assert_eq(come_back(SEND), -1);
	cr_assert_eq(look(), 1);
	cr_assert_eq(come_back(SEND), -1);
	cr_assert_eq(read(output, bytes, sizeof bytes), 4096);
	cr_assert_eq(look(), 1);
	cr_assert_eq(come_back(SEND), 0);
	for (int i = 0; i < 10 && come_back(SEND) == -1; i++) {
		cr_assert_gt(read(output, bytes, sizeof bytes), 0);
		look();
	}
	cr_assert(virtio_device_is_live(device));
	cr_assert_eq(read(output, bytes, sizeof bytes), 10);
	cr_assert_eq(bytes[9], 'b');
	cr_assert_eq(look(), 0);
}

Test(virtio_console, output_that_fails)
{
	close(output);
	give(SEND, DATA, 10, 0);
	cr_assert_eq(come_back(SEND), -1);
	cr_assert(device->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* stdin is read only once there is a buffer for it. */
Test(virtio_console, reads)
{
	cr_assert_eq(look(), 0);
	cr_assert_eq(write(input, "typed", 5), 5);
	cr_assert_eq(look(), 0);
	give(RECEIVE, DATA, 3, VRING_DESC_F_WRITE);
	cr_assert_eq(come_back(RECEIVE), -1);
	cr_assert_eq(look(), 1);
	cr_assert_eq(come_back(RECEIVE), 3);
	cr_assert(!memcmp(ram + DATA, "typ", 3));
	cr_assert_eq(look(), 0);
	give(RECEIVE, DATA, 100, VRING_DESC_F_WRITE);
	look();
	cr_assert_eq(come_back(RECEIVE), 2);
	give(RECEIVE, DATA, 100, VRING_DESC_F_WRITE);
	look();
	cr_assert_eq(come_back(RECEIVE), -1);
	close(input);
	look();
	cr_assert_eq(come_back(RECEIVE), 0);
	give(RECEIVE, DATA, 100, VRING_DESC_F_WRITE);
	look();
	cr_assert_eq(come_back(RECEIVE), 0);
}

Test(virtio_console, input_that_fails)
{
	close(STDIN_FILENO);
	give(RECEIVE, DATA, 100, VRING_DESC_F_WRITE);
	look();
	cr_assert_eq(come_back(RECEIVE), -1);
	cr_assert(device->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

Test(virtio_console, buffers_of_the_wrong_direction)
{
	give(SEND, DATA, 10, VRING_DESC_F_WRITE);
	cr_assert(device->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

Test(virtio_console, input_buffer_to_be_read)
{
	cr_assert_eq(write(input, "x", 1), 1);
	give(RECEIVE, DATA, 10, 0);
	look();
	cr_assert(device->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

Test(virtio_console, buffer_outside_of_memory)
{
	give(SEND, RAM - 4, 8, 0);
	cr_assert(device->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

Test(virtio_console, configuration)
{
	const uint32_t byte = '!';
	struct virtio_console_config config;

	cr_assert(!(device->features & 1u << VIRTIO_CONSOLE_F_SIZE));
	cr_assert(device->features & 1u << VIRTIO_CONSOLE_F_EMERG_WRITE);
	virtio_mmio_read(device, VIRTIO_MMIO_CONFIG, &config, sizeof config);
	cr_assert_eq(config.max_nr_ports, 1);
	virtio_mmio_write(device, VIRTIO_MMIO_CONFIG, &byte, sizeof byte);
	virtio_mmio_write(device,
	                  VIRTIO_MMIO_CONFIG + offsetof(struct virtio_console_config, emerg_wr),
	                  &byte, sizeof byte);
	assert_written("!");
	virtio_console_resized(device);
	cr_assert_eq(device->untold & VIRTIO_INTERRUPT_CONFIG, 0);
}
