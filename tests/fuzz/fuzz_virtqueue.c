/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A split queue in the memory of a hostile driver: random descriptors and indices, and the device's
 * operations in any order. Each operation is compared with what it promises; guest memory is a
 * block of its own, so that the sanitiser sees what leaves it.
 */
#include "tests/fuzz/input.h"

#include <stdlib.h>

#include "virtio/virtqueue.c"

#define RAM 4096u

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

static uint16_t used_index(const struct virtqueue *queue)
{
	return device_area(queue)[1];
}

static void enable(struct virtqueue *queue, struct input *input)
{
	virtqueue_reset(queue);
	queue->size = (uint16_t)(1u << take_byte(input) % 8);
	queue->has_event_index = take_byte(input) & 1;
	queue->has_indirect = take_byte(input) & 1;
	queue->descriptors.value = take_short(input) & 0x1ff0;
	queue->driver_area.value = take_short(input) & 0x1ffe;
	queue->device_area.value = take_short(input) & 0x1ffc;
	expect(virtqueue_enable(queue) == (queue->is_ready ? 0 : -1));
	expect(queue->is_ready != queue->is_broken);
}

static void scribble(struct input *input)
{
	uint16_t at = take_short(input) % RAM;
	uint8_t length = take_byte(input) % 64;

	if (length > RAM - at)
		length = (uint8_t)(RAM - at);
	take(input, memory.host + at, length);
}

/* A descriptor that means something, in the queue's table or wherever. */
static void describe(const struct virtqueue *queue, struct input *input)
{
	struct vring_desc descriptor = {.addr = take_short(input) & 0x1fff,
	                                .len = take_byte(input),
	                                .flags = take_byte(input) & 7,
	                                .next = take_byte(input) & 31};
	uint64_t at = (queue->descriptors.value + take_byte(input) * 16u) % (RAM - 16);

	if (descriptor.flags & VRING_DESC_F_INDIRECT)
		descriptor.len *= 16;
	memcpy(memory.host + at, &descriptor, sizeof descriptor);
}

/* The driver adds heads as it should. */
static void add(const struct virtqueue *queue, struct input *input)
{
	volatile uint16_t *area = guest_range(&memory, queue->driver_area, 6 + 2 * queue->size);

	if (!area || !queue->size)
		return;
	area[2 + area[1] % queue->size] = take_byte(input);
	area[1]++;
}

static void check_chain(const struct virtqueue *queue, const struct virtqueue_chain *chain)
{
	size_t bytes[2] = {0, 0};

	expect(chain->out_count + chain->in_count <= queue->size);
	expect(chain->head < queue->size);
	for (unsigned i = 0; i < chain->out_count + chain->in_count; i++) {
		const struct iovec *vector = &chain->vectors[i];
		const unsigned char *base = vector->iov_base;

		expect(vector->iov_len > 0 && vector->iov_len <= RAM);
		expect(base >= memory.host && base + vector->iov_len <= memory.host + RAM);
		bytes[i >= chain->out_count] += vector->iov_len;
	}
	expect(bytes[0] == chain->out_bytes && bytes[1] == chain->in_bytes);
}

static bool next(struct virtqueue *queue, struct virtqueue_chain *chain)
{
	const struct virtqueue before = *queue;
	int status = virtqueue_next(queue, chain);

	expect(status == -1 || status == 0 || status == 1);
	expect(queue->is_broken == (status == -1));
	expect((uint16_t)(queue->next_available - before.next_available) == (status == 1));
	expect(queue->in_flight - before.in_flight == (status == 1 ? 1u : 0u));
	expect(queue->in_flight <= queue->size);
	if (status == 1)
		check_chain(queue, chain);
	return status == 1;
}

static void complete(struct virtqueue *queue, struct virtqueue_chain *chain, struct input *input)
{
	const struct virtqueue before = *queue;
	bool is_possible = queue->is_ready && !queue->is_broken && queue->in_flight;
	uint32_t written = take_byte(input);

	virtqueue_complete(queue, chain->head, written);
	if (!is_possible) {
		expect(queue->next_used == before.next_used);
		return;
	}
	expect(queue->next_used == (uint16_t)(before.next_used + 1));
	expect(queue->in_flight == before.in_flight - 1);
	expect(used_index(queue) == queue->next_used);
}

static void move(const struct virtqueue_chain *chain, struct input *input)
{
	static char bytes[2 * RAM];
	static struct iovec slice[VIRTQUEUE_SIZE_MAX];
	size_t offset = take_short(input) % (2 * RAM), length = take_short(input) % (2 * RAM);
	size_t left = offset < chain->out_bytes ? chain->out_bytes - offset : 0, total = 0;
	unsigned count;

	if (left > length)
		left = length;
	expect(virtqueue_copy_from(chain->vectors, chain->out_count, offset, bytes, length) ==
	       left);
	count = virtqueue_slice(chain->vectors, chain->out_count, offset, length, slice);
	expect(count <= chain->out_count);
	for (unsigned i = 0; i < count; i++) {
		expect(slice[i].iov_len > 0);
		expect(!memcmp(bytes + total, slice[i].iov_base, slice[i].iov_len));
		total += slice[i].iov_len;
	}
	expect(total == left);
	virtqueue_copy_to(chain->vectors + chain->out_count, chain->in_count, offset, bytes,
	                  length);
}

static void notify(struct virtqueue *queue)
{
	bool is_new = queue->next_used != queue->told_used;

	expect(!virtqueue_must_notify(queue) || is_new);
	expect(!virtqueue_must_notify(queue));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct virtqueue_chain chain;
	struct virtqueue queue = {.memory = &memory, .size_max = 64};
	struct input input = {data, size};
	bool has_chain = false;

	if (!memory.host)
		memory = (struct guest_memory){.host = malloc(RAM), .size = RAM};
	memset(memory.host, 0, RAM);
	enable(&queue, &input);
	while (input.left) {
		switch (take_byte(&input) % 10) {
		case 0: scribble(&input); break;
		case 1:
		case 2: describe(&queue, &input); break;
		case 3:
		case 4: add(&queue, &input); break;
		case 5: has_chain = next(&queue, &chain); break;
		case 6:
			if (has_chain)
				move(&chain, &input);
			break;
		case 7:
			if (has_chain && !queue.is_broken)
				virtqueue_put_back(&queue);
			has_chain = false;
			break;
		case 8:
			complete(&queue, &chain, &input);
			has_chain = false;
			break;
		case 9:
			notify(&queue);
			if (take_byte(&input) % 16 == 0) {
				enable(&queue, &input);
				has_chain = false;
			}
			break;
		}
	}
	return 0;
}
