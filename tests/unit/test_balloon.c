/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the memory balloon: pages that go back, and those that may not. */
#include "ring_driver.h"

#include <linux/virtio_balloon.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>

#include "virtio/balloon.h"
#include "virtio/virtio_mmio.h"

#define PAGES      64u
#define FREE_FIRST 20u /* pages from here on may be discarded */
#define FREE_END   60u
#define LIST       0x2000u /* of page numbers; rings lie from 0x4000 on */

enum { INFLATE, DEFLATE, STATS, REPORTS, REPORTS_5 };

static struct guest_memory memory;
static struct mote_error err;
static struct virtio_device *balloon;
static struct ring ring;

static void start(void)
{
	cr_assert_eq(guest_memory_create(&memory, PAGES * MOTE_PAGE_SIZE, &err), 0);
	memory.free = (struct mote_range){FREE_FIRST * MOTE_PAGE_SIZE, FREE_END * MOTE_PAGE_SIZE};
	balloon = balloon_open(5 * MOTE_PAGE_SIZE + 1, &memory);
	cr_assert(balloon);
}

TestSuite(balloon, .init = start, .timeout = 20);

/* The rings of one queue in memory that is not free; the rest of it is filled. */
static void use_queue(unsigned index)
{
	struct virtqueue *queue = &balloon->queues[index];

	virtio_device_reset(balloon);
	memset(memory.host, 'x', memory.size);
	memset(memory.host, 0, FREE_FIRST * MOTE_PAGE_SIZE);
	queue->size = 2;
	queue->descriptors.value = 0x4000;
	queue->driver_area.value = 0x5000;
	queue->device_area.value = 0x6000;
	balloon->driver_features = balloon->features;
	virtio_device_enable_queue(balloon, index);
	cr_assert_eq(virtio_device_prepare(balloon, balloon->features), 0);
	ring = (struct ring){.size = 2};
}

static void describe(unsigned index, uint64_t address, uint32_t length, uint16_t flags)
{
	((struct vring_desc *)(memory.host + 0x4000))[index] =
	        (struct vring_desc){address, length, flags, (uint16_t)(index + 1)};
}

/* Make the chain at descriptor 0 available: whether it was given back. */
static bool send_chain(unsigned queue)
{
	uint16_t *available = (uint16_t *)(memory.host + 0x5000);
	const uint16_t *used = (uint16_t *)(memory.host + 0x6000);

	available[2 + ring.added++ % 2] = 0;
	available[1] = ring.added;
	virtio_device_notify(balloon, queue);
	return used[1] == ring.added;
}

static bool has_failed(void)
{
	return balloon->status & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static bool send_numbers(unsigned queue, const uint32_t *numbers, unsigned count)
{
	memcpy(memory.host + LIST, numbers, count * sizeof *numbers);
	describe(0, LIST, count * sizeof *numbers, 0);
	return send_chain(queue);
}

static bool is_gone(unsigned page)
{
	for (unsigned i = 0; i < MOTE_PAGE_SIZE; i++)
		if (memory.host[page * MOTE_PAGE_SIZE + i])
			return false;
	return true;
}

/* Of the pages that were filled, these are gone. */
static void expect_gone(const char *pages)
{
	for (unsigned page = FREE_FIRST; page < PAGES; page++)
		cr_assert_eq(is_gone(page), pages[page - FREE_FIRST] == '.', "page %u", page);
}

Test(balloon, inflate)
{
	use_queue(INFLATE);
	cr_assert(send_numbers(INFLATE, (const uint32_t[]){21, 22, 23, 30, 29, 28, 59, 22}, 8));
	expect_gone("x...xxxx...xxxxxxxxxxxxxxxxxxxxxxxxxxxx.xxxx");
	cr_assert_not(has_failed());
}

/* Pages of the VMM's, of files, and rings: they stay, which the device may do. */
Test(balloon, pages_that_may_not_be_discarded)
{
	use_queue(INFLATE);
	cr_assert(send_numbers(INFLATE, (const uint32_t[]){20, 60, 63, 0, 19, 4, 5, 6}, 8));
	expect_gone(".xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	use_queue(INFLATE);
	/* A run that is partly such stays whole. */
	cr_assert(send_numbers(INFLATE, (const uint32_t[]){59, 60}, 2));
	expect_gone("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
}

Test(balloon, pages_that_are_none)
{
	static const uint32_t numbers[] = {PAGES, UINT32_MAX, 0x80000000};

	for (unsigned i = 0; i < 3; i++) {
		use_queue(INFLATE);
		cr_assert_not(send_numbers(INFLATE, &numbers[i], 1));
		cr_assert(has_failed());
	}
}

Test(balloon, lists_that_are_none)
{
	for (unsigned queue = INFLATE; queue <= DEFLATE; queue++) {
		use_queue(queue);
		describe(0, LIST, 6, 0);
		cr_assert_not(send_chain(queue));
		cr_assert(has_failed());
		use_queue(queue);
		describe(0, LIST, 4, VRING_DESC_F_WRITE);
		cr_assert_not(send_chain(queue));
		cr_assert(has_failed());
		use_queue(queue);
		describe(0, 0x8000, 4 * 4097, 0);
		cr_assert_not(send_chain(queue));
		cr_assert(has_failed());
		use_queue(queue);
		describe(0, LIST, 0, 0);
		cr_assert(send_chain(queue));
	}
}

Test(balloon, deflate_changes_nothing)
{
	use_queue(DEFLATE);
	cr_assert(send_numbers(DEFLATE, (const uint32_t[]){20, 21, UINT32_MAX}, 3));
	expect_gone("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
}

Test(balloon, reports)
{
	for (unsigned queue = REPORTS; queue <= REPORTS_5; queue++) {
		use_queue(queue);
		describe(0, 24 * MOTE_PAGE_SIZE, 2 * MOTE_PAGE_SIZE,
		         VRING_DESC_F_WRITE | VRING_DESC_F_NEXT);
		/* Not whole pages: those inside. */
		describe(1, 40 * MOTE_PAGE_SIZE + 1, 3 * MOTE_PAGE_SIZE, VRING_DESC_F_WRITE);
		cr_assert(send_chain(queue));
		expect_gone("xxxx..xxxxxxxxxxxxxxx..xxxxxxxxxxxxxxxxxxxxx");
		describe(0, 26 * MOTE_PAGE_SIZE + 1, MOTE_PAGE_SIZE, VRING_DESC_F_WRITE);
		cr_assert(send_chain(queue));
		describe(0, 0, 30 * MOTE_PAGE_SIZE, VRING_DESC_F_WRITE);
		cr_assert(send_chain(queue));
		expect_gone("xxxx..xxxxxxxxxxxxxxx..xxxxxxxxxxxxxxxxxxxxx");
		describe(0, 24 * MOTE_PAGE_SIZE, MOTE_PAGE_SIZE, 0);
		cr_assert_not(send_chain(queue));
		cr_assert(has_failed());
	}
}

static uint32_t config(size_t offset)
{
	uint32_t value;

	virtio_mmio_read(balloon, VIRTIO_MMIO_CONFIG + offset, &value, sizeof value);
	return value;
}

Test(balloon, configuration)
{
	const uint32_t actual = 3;
	uint32_t generation;

	use_queue(INFLATE);
	generation = balloon->generation;
	cr_assert_eq(config(0), 5);
	cr_assert_eq(config(4), 0);
	virtio_mmio_write(balloon, VIRTIO_MMIO_CONFIG + 4, &actual, sizeof actual);
	cr_assert_eq(balloon_actual(balloon), 3 * MOTE_PAGE_SIZE);
	cr_assert_eq(config(4), 3);
	virtio_mmio_write(balloon, VIRTIO_MMIO_CONFIG, &actual, sizeof actual);
	virtio_mmio_write(balloon, VIRTIO_MMIO_CONFIG + 4, &actual, 1);
	virtio_mmio_write(balloon, VIRTIO_MMIO_CONFIG + 5, &actual, sizeof actual);
	cr_assert_eq(config(0), 5);
	cr_assert_eq(config(4), 3);
	cr_assert_eq(balloon->interrupts, 0);
	balloon_set_target(balloon, 7 * MOTE_PAGE_SIZE);
	cr_assert_eq(config(0), 7);
	cr_assert_eq(balloon->interrupts, VIRTIO_INTERRUPT_CONFIG);
	cr_assert_neq(balloon->generation, generation);
	balloon_set_target(balloon, UINT64_MAX);
	cr_assert_eq(config(0), PAGES);
	virtio_device_reset(balloon);
	cr_assert_eq(balloon_actual(balloon), 0);
	cr_assert_eq(config(0), PAGES);
}

static void put_stats(uint64_t free)
{
	const struct virtio_balloon_stat stats[] = {{VIRTIO_BALLOON_S_MEMFREE, free},
	                                            {999, 1},
	                                            {VIRTIO_BALLOON_S_MEMTOT, 22},
	                                            {VIRTIO_BALLOON_S_AVAIL, 33}};

	memcpy(memory.host + LIST, stats, sizeof stats);
	describe(0, LIST, sizeof stats, 0);
}

Test(balloon, statistics)
{
	use_queue(STATS);
	cr_assert_not(balloon_stats(balloon).is_known);
	cr_assert_not(balloon_ask_stats(balloon));
	put_stats(11);
	cr_assert_not(send_chain(STATS)); /* kept, to ask by */
	cr_assert(balloon_stats(balloon).is_known);
	cr_assert_eq(balloon_stats(balloon).free, 11);
	cr_assert_eq(balloon_stats(balloon).total, 22);
	cr_assert_eq(balloon_stats(balloon).available, 33);
	cr_assert(balloon_ask_stats(balloon));
	cr_assert_eq(balloon->interrupts, VIRTIO_INTERRUPT_USED);
	cr_assert_eq(((uint16_t *)(memory.host + 0x6000))[1], 1);
	cr_assert_not(balloon_ask_stats(balloon));
	put_stats(44);
	send_chain(STATS);
	cr_assert_eq(balloon_stats(balloon).free, 44);
	/* A second buffer is none too many for the ring, but for the specification. */
	send_chain(STATS);
	cr_assert(has_failed());
	cr_assert_not(balloon_ask_stats(balloon));
	use_queue(STATS);
	cr_assert_not(balloon_stats(balloon).is_known);
}

Test(balloon, statistics_that_are_none)
{
	use_queue(STATS);
	describe(0, LIST, 5, 0);
	send_chain(STATS);
	cr_assert_not(has_failed());
	cr_assert_not(balloon_stats(balloon).is_known);
	use_queue(STATS);
	describe(0, LIST, 65 * 10, 0);
	send_chain(STATS);
	cr_assert(has_failed());
	use_queue(STATS);
	describe(0, LIST, 10, VRING_DESC_F_WRITE);
	send_chain(STATS);
	cr_assert(has_failed());
}
