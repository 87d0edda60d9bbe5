/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target of the network device with its queues: the input is guest memory, rings and frames in
 * it, and what the host's side does. Checked: the header that the host gets is as the specification
 * wants it, and what the device reads and writes lies in guest memory.
 */
#define _GNU_SOURCE 1
#include "../../virtio/net.c"
#include "../../virtio/virtio_device.c"
#include "../../virtio/virtqueue.c"
#include "input.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RAM     0x18000u
#define ENTRIES 32u

static unsigned char ram[RAM];
static const struct guest_memory memory = {.host = ram, .size = RAM};
static struct input input;
static unsigned told;

void *guest_range(const struct guest_memory *where, mote_gpa_t gpa, uint64_t length)
{
	if (gpa.value > where->size || length > where->size - gpa.value)
		return NULL;
	return where->host + gpa.value;
}

int fdt_property(void *tree, const char *name, const void *value, int length)
{
	(void)tree, (void)name, (void)value;
	return length < 0;
}

/* ---- the host's side ---- */

static bool is_in_ram(const struct iovec *vector)
{
	const unsigned char *at = vector->iov_base;

	return at >= ram && vector->iov_len <= (size_t)(ram + RAM - at);
}

/* Every fourth time there is trouble. */
static enum net_result choose(void)
{
	uint8_t what = take_byte(&input);

	return what & 3 ? NET_DONE : what == 0x80 ? NET_GONE : NET_LATER;
}

static enum net_result fuzz_send(struct net_backend *backend, const struct iovec *vectors,
                                 unsigned count)
{
	struct virtio_net_hdr_v1 header;
	size_t length = 0;

	(void)backend;
	if (vectors[0].iov_len != sizeof header)
		abort();
	memcpy(&header, vectors[0].iov_base, sizeof header);
	for (unsigned i = 1; i < count; i++) {
		if (!is_in_ram(&vectors[i]))
			abort();
		length += vectors[i].iov_len;
	}
	if (length < ETHERNET_HEADER || length > FRAME_MAX || header.num_buffers ||
	    header.flags & ~VIRTIO_NET_HDR_F_NEEDS_CSUM ||
	    (header.flags && header.csum_start + header.csum_offset + 2u > length) ||
	    (header.gso_type && (!header.gso_size || !header.flags)) ||
	    (!header.gso_type && length > 1518))
		abort();
	return choose();
}

static enum net_result fuzz_receive(struct net_backend *backend, const struct iovec *vectors,
                                    unsigned count, size_t *length)
{
	size_t room = 0, frame = take_short(&input);

	(void)backend;
	for (unsigned i = 0; i < count; i++) {
		if (!is_in_ram(&vectors[i]))
			abort();
		memset(vectors[i].iov_base, 0x5a, vectors[i].iov_len);
		room += vectors[i].iov_len;
	}
	if (room < NET_HEADER_SIZE + 1518)
		abort();
	*length = NET_HEADER_SIZE + frame % (room - NET_HEADER_SIZE + 1);
	return choose();
}

static int fuzz_set_offloads(struct net_backend *backend, uint64_t offloads)
{
	return offloads & ~backend->offloads ? -1 : 0;
}

static int fuzz_poll(const struct net_backend *backend, short *events)
{
	(void)backend;
	*events = POLLOUT;
	return 0;
}

static void fuzz_explain(struct net_backend *backend, char *why, size_t size)
{
	(void)backend, (void)size;
	*why = '\0';
}

static void report(const char *why)
{
	if (*why || told++)
		abort();
}

static const struct net_backend_ops fuzz_ops = {
        .send = fuzz_send,
        .receive = fuzz_receive,
        .set_offloads = fuzz_set_offloads,
        .poll = fuzz_poll,
        .explain = fuzz_explain,
};

/* ---- the guest's ---- */

/* Queues one behind the other, from 0 and 0x400. */
static void place(struct virtio_device *device)
{
	for (unsigned i = 0; i < 2; i++) {
		struct virtqueue *queue = &device->queues[i];

		queue->size = ENTRIES;
		queue->descriptors.value = i * 0x400;
		queue->driver_area.value = i * 0x400 + 0x200;
		queue->device_area.value = i * 0x400 + 0x280;
		virtio_device_enable_queue(device, i);
	}
}

/* Descriptors by what a driver would do, but for what the input says otherwise. */
static void fill_rings(void)
{
	for (unsigned i = 0; i < 2; i++) {
		struct vring_desc *table = (struct vring_desc *)(void *)(ram + i * 0x400);
		uint16_t *available = (uint16_t *)(void *)(ram + i * 0x400 + 0x200);

		for (unsigned entry = 0; entry < ENTRIES; entry++) {
			uint8_t how = take_byte(&input);

			table[entry] = (struct vring_desc){
			        .addr = how & 0x80 ? take_word(&input) : 0x1000 + entry * 0x800,
			        .len = how & 0x40 ? take_short(&input) : 0x800,
			        .flags = how & 0x20 ? take_short(&input)
			                            : (i ? 0 : VRING_DESC_F_WRITE) | (how & 1),
			        .next = (uint16_t)(entry + 1),
			};
			available[2 + entry] = (uint16_t)(how & 0x10 ? take_byte(&input) : entry);
		}
		available[1] = take_byte(&input);
	}
}

static void play(struct net *net)
{
	struct pollfd polls[1] = {{.fd = 0}};

	for (unsigned round = 0; round < 8 && input.left; round++) {
		uint8_t what = take_byte(&input);

		if (what & 1)
			virtio_device_serve(&net->device);
		if (what & 2 && poll_backend(&net->device, polls)) {
			polls[0].revents = (short)(what >> 2);
			virtio_device_polled(&net->device, polls, 1);
		}
		take(&input, ram + 0x1000 + what * 0x40u, what);
		ram[0x202 + (what & 0x80) * 8] = take_byte(&input);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct net net;
	struct net_backend backend = {.ops = &fuzz_ops, .offloads = NET_OFFLOADS, .mtu = 1500};
	uint64_t features;

	input = (struct input){data, size};
	told = 0;
	memset(ram, 0, sizeof ram);
	memset(&net, 0, sizeof net);
	net.backend = &backend;
	net.mtu = 1500;
	net.report = report;
	net_init(&net, &memory);
	features = net.device.features & ~(uint64_t)take_word(&input);
	fill_rings();
	net.device.driver_features = features;
	place(&net.device);
	if (!virtio_device_prepare(&net.device, features))
		play(&net);
	return 0;
}
