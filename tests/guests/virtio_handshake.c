/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handshake of any virtio device, register by register, in the right order and in wrong ones
 * (virtio 1.2, sections 2.1, 3.1 and 4.2). What each function tests is its name.
 *
 * usage: virtio_handshake INDEX ID QUEUES SERVED
 *
 * The device's place, its ID, how many queues it has, and one of them that is looked at when it is
 * notified.
 */
#include "virtio_driver.h"

#define ACKNOWLEDGE  VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER       VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK  VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK    VIRTIO_CONFIG_S_DRIVER_OK
#define NEEDS_RESET  VIRTIO_CONFIG_S_NEEDS_RESET
#define FEATURE(bit) (1ull << (bit))

static unsigned id, queue_count;

static void identity(void)
{
	EXPECT(get(VIRTIO_MMIO_MAGIC_VALUE) == DEVICE_MAGIC);
	EXPECT(get(VIRTIO_MMIO_VERSION) == 2);
	EXPECT(get(VIRTIO_MMIO_DEVICE_ID) == id);
	EXPECT(get(VIRTIO_MMIO_VENDOR_ID) != 0);
}

/* The kit's part has been taken for it: everything is in place before the first access. */
static void prepared(void)
{
	EXPECT(status() == (ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK));
	for (unsigned i = 0; i < queue_count; i++) {
		put(VIRTIO_MMIO_QUEUE_SEL, i);
		EXPECT(get(VIRTIO_MMIO_QUEUE_READY) == 1);
	}
}

static void reset_clears(void)
{
	put(VIRTIO_MMIO_STATUS, 0);
	EXPECT(status() == 0);
	EXPECT(get(VIRTIO_MMIO_INTERRUPT_STATUS) == 0);
	for (unsigned i = 0; i < queue_count; i++) {
		put(VIRTIO_MMIO_QUEUE_SEL, i);
		EXPECT(get(VIRTIO_MMIO_QUEUE_READY) == 0);
	}
}

static void features(void)
{
	uint64_t all = offered();

	EXPECT(all & FEATURE(VIRTIO_F_VERSION_1));
	EXPECT(all & FEATURE(VIRTIO_RING_F_EVENT_IDX));
	EXPECT(all & FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
	put(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
	EXPECT(get(VIRTIO_MMIO_DEVICE_FEATURES) == 0);
	put(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0xffffffff);
	EXPECT(get(VIRTIO_MMIO_DEVICE_FEATURES) == 0);
	EXPECT(negotiate(all));
	EXPECT(negotiate(FEATURE(VIRTIO_F_VERSION_1)));
}

static void wrong_features(void)
{
	uint64_t all = offered();

	EXPECT(!negotiate(0));
	EXPECT(!negotiate(all & ~FEATURE(VIRTIO_F_VERSION_1)));
	for (unsigned bit = 0; bit < 64; bit++)
		if (!(all >> bit & 1))
			EXPECT(!negotiate(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(bit)));
	/* Without FEATURES_OK there is no DRIVER_OK. */
	EXPECT(!negotiate(0));
	driver_ok();
	EXPECT(!(status() & DRIVER_OK));
}

static void features_are_settled(void)
{
	uint64_t all = offered();
	unsigned bit = 0;

	while (all >> bit & 1)
		bit++;
	EXPECT(negotiate(FEATURE(VIRTIO_F_VERSION_1)));
	take_features(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(bit));
	driver_ok();
	EXPECT((status() & (FEATURES_OK | DRIVER_OK | NEEDS_RESET)) == (FEATURES_OK | DRIVER_OK));
}

static void status_bits_stay(void)
{
	EXPECT(negotiate(FEATURE(VIRTIO_F_VERSION_1)));
	put(VIRTIO_MMIO_STATUS, ACKNOWLEDGE);
	EXPECT(status() == (ACKNOWLEDGE | DRIVER | FEATURES_OK));
	put(VIRTIO_MMIO_STATUS, status() | NEEDS_RESET | 0xffffff00);
	EXPECT(status() == (ACKNOWLEDGE | DRIVER | FEATURES_OK));
	put(VIRTIO_MMIO_STATUS, status() | VIRTIO_CONFIG_S_FAILED);
	EXPECT(status() & VIRTIO_CONFIG_S_FAILED);
}

static void queue_limits(void)
{
	uint32_t most;

	EXPECT(negotiate(FEATURE(VIRTIO_F_VERSION_1)));
	for (unsigned i = 0; i < queue_count; i++) {
		put(VIRTIO_MMIO_QUEUE_SEL, i);
		most = get(VIRTIO_MMIO_QUEUE_NUM_MAX);
		EXPECT(most && most <= 32768);
	}
	for (unsigned i = 0; i < 3; i++) {
		put(VIRTIO_MMIO_QUEUE_SEL, i == 0 ? queue_count : i == 1 ? 0xffff : 0xffffffff);
		EXPECT(get(VIRTIO_MMIO_QUEUE_NUM_MAX) == 0);
		EXPECT(get(VIRTIO_MMIO_QUEUE_READY) == 0);
		put(VIRTIO_MMIO_QUEUE_READY, 1);
		EXPECT(get(VIRTIO_MMIO_QUEUE_READY) == 0);
	}
	EXPECT(!(status() & NEEDS_RESET));
}

/* Each of these is refused: the queue is not ready, and the device says so. */
static void wrong_queues(void)
{
	static const struct {
		unsigned at;
		uint32_t value;
	} wrong[] = {
	        {VIRTIO_MMIO_QUEUE_NUM, 0},
	        {VIRTIO_MMIO_QUEUE_NUM, 3},
	        {VIRTIO_MMIO_QUEUE_NUM, 32768},
	        {VIRTIO_MMIO_QUEUE_NUM, 65536 + RING},
	        {VIRTIO_MMIO_QUEUE_NUM, 0xffffffff},
	        {VIRTIO_MMIO_QUEUE_DESC_LOW, 8},
	        {VIRTIO_MMIO_QUEUE_AVAIL_LOW, 1},
	        {VIRTIO_MMIO_QUEUE_USED_LOW, 2},
	        {VIRTIO_MMIO_QUEUE_DESC_HIGH, 0xffffffff},
	        {VIRTIO_MMIO_QUEUE_AVAIL_HIGH, 1000},
	        {VIRTIO_MMIO_QUEUE_USED_HIGH, 0x7fffffff},
	        {VIRTIO_MMIO_QUEUE_DESC_LOW, 0xfffffff0},
	        {VIRTIO_MMIO_QUEUE_USED_LOW, 0xfffffffc},
	};
	struct queue queue;

	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		EXPECT(negotiate(FEATURE(VIRTIO_F_VERSION_1)));
		place_queue(&queue, 0);
		put(wrong[i].at, wrong[i].value);
		put(VIRTIO_MMIO_QUEUE_READY, 1);
		if (get(VIRTIO_MMIO_QUEUE_READY))
			fail("queue with register %#x = %#x is ready", wrong[i].at, wrong[i].value);
		driver_ok();
		notify(&queue);
		EXPECT(status() & NEEDS_RESET);
	}
}

/* What says where a ready queue is cannot be changed. */
static void ready_queue_stays(void)
{
	struct queue queue;

	EXPECT(negotiate(FEATURE(VIRTIO_F_VERSION_1)));
	place_queue(&queue, 0);
	put(VIRTIO_MMIO_QUEUE_READY, 1);
	put(VIRTIO_MMIO_QUEUE_NUM, 3);
	put(VIRTIO_MMIO_QUEUE_DESC_HIGH, 0xffffffff);
	put(VIRTIO_MMIO_QUEUE_READY, 1);
	EXPECT(get(VIRTIO_MMIO_QUEUE_READY) == 1);
	driver_ok();
	notify(&queue);
	EXPECT(!(status() & NEEDS_RESET));
	put(VIRTIO_MMIO_QUEUE_READY, 0);
	EXPECT(get(VIRTIO_MMIO_QUEUE_READY) == 0);
}

static void notify_without_right(void)
{
	struct queue queue = {0};

	put(VIRTIO_MMIO_STATUS, 0);
	notify(&queue);
	EXPECT(status() == 0);
	EXPECT(negotiate(FEATURE(VIRTIO_F_VERSION_1)));
	driver_ok();
	notify(&queue); /* not ready */
	put(VIRTIO_MMIO_QUEUE_NOTIFY, queue_count);
	put(VIRTIO_MMIO_QUEUE_NOTIFY, 0xffffffff);
	EXPECT(status() == (ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK));
}

/* Registers are accessed by aligned words (4.2.2.2); other accesses are answered by nothing. */
static void odd_accesses(void)
{
	EXPECT(*(volatile uint8_t *)register_at(VIRTIO_MMIO_MAGIC_VALUE) == 0);
	EXPECT(*(volatile uint16_t *)register_at(VIRTIO_MMIO_MAGIC_VALUE) == 0);
	EXPECT(*(volatile uint64_t *)register_at(VIRTIO_MMIO_MAGIC_VALUE) == 0);
	EXPECT(*(volatile uint32_t *)register_at(VIRTIO_MMIO_MAGIC_VALUE + 2) == 0);
	EXPECT(negotiate(FEATURE(VIRTIO_F_VERSION_1)));
	*(volatile uint8_t *)register_at(VIRTIO_MMIO_STATUS) = 0;
	*(volatile uint64_t *)register_at(VIRTIO_MMIO_STATUS) = 0;
	EXPECT(status() == (ACKNOWLEDGE | DRIVER | FEATURES_OK));
	/* Read-only and unknown registers. */
	for (unsigned offset = 0; offset < VIRTIO_MMIO_CONFIG; offset += 4)
		if (offset < VIRTIO_MMIO_DEVICE_FEATURES_SEL ||
		    offset == VIRTIO_MMIO_CONFIG_GENERATION ||
		    offset == VIRTIO_MMIO_QUEUE_NUM_MAX || offset == VIRTIO_MMIO_INTERRUPT_STATUS)
			put(offset, 0xffffffff);
	EXPECT(get(VIRTIO_MMIO_MAGIC_VALUE) == DEVICE_MAGIC);
	EXPECT(status() == (ACKNOWLEDGE | DRIVER | FEATURES_OK));
	/* All of configuration space and what is behind it in the page. */
	for (unsigned offset = VIRTIO_MMIO_CONFIG; offset < MOTE_PAGE_SIZE - 8; offset += 7) {
		(void)*(volatile uint8_t *)register_at(offset);
		(void)*(volatile uint64_t *)register_at(offset);
	}
}

/* ---- rings that are wrong: the device asks for a reset, and works again after it ---- */

static struct queue queues[8];

static void bring_all_up(void)
{
	bring_up(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC), queues,
	         queue_count);
}

static void expect_broken(unsigned queue, const char *how)
{
	notify(&queues[queue]);
	if (!(status() & NEEDS_RESET))
		fail("queue %u: %s: the device goes on", queue, how);
	EXPECT(get(VIRTIO_MMIO_INTERRUPT_STATUS) & 2);
	/* The kit, which has a driver of the balloon, may have heard of it first. */
	EXPECT(hypercall(MOTE_HC_wait, 0, MOTE_EVENT_CONFIG, 0) == MOTE_EVENT_CONFIG ||
	       get(VIRTIO_MMIO_DEVICE_ID) == VIRTIO_ID_BALLOON);
	notify(&queues[queue]); /* does nothing any more */
}

static void wrong_rings(unsigned queue)
{
	struct vring_desc *table;
	struct queue *with = &queues[queue];
	void *page = dma_page();

	bring_all_up();
	with->available[1] = RING + 1;
	expect_broken(queue, "available index far ahead");
	bring_all_up();
	with->available[2] = RING;
	with->available[1] = 1;
	expect_broken(queue, "head outside the table");
	bring_all_up();
	describe(with->descriptors, 0, page, 16, VRING_DESC_F_NEXT, 1);
	describe(with->descriptors, 1, page, 16, VRING_DESC_F_NEXT, 0);
	offer(with, 0);
	expect_broken(queue, "a loop");
	bring_all_up();
	describe(with->descriptors, 0, page, 16, VRING_DESC_F_NEXT, 0xffff);
	offer(with, 0);
	expect_broken(queue, "next outside the table");
	bring_all_up();
	describe(with->descriptors, 0, page, 16, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	describe(with->descriptors, 1, page, 16, 0, 0);
	offer(with, 0);
	expect_broken(queue, "readable behind writable");
	for (int i = 0; i < 3; i++) {
		static const uint64_t addresses[] = {1ull << 50, UINT64_MAX - 8, 0x3f00000000};

		bring_all_up();
		with->descriptors[0] = (struct vring_desc){addresses[i], 64, 0, 0};
		offer(with, 0);
		expect_broken(queue, "outside of RAM");
	}
	bring_all_up();
	describe(with->descriptors, 0, page, 0xffffffff, 0, 0);
	offer(with, 0);
	expect_broken(queue, "an absurd length");
	table = dma_page();
	bring_all_up();
	describe(with->descriptors, 0, table, 16, VRING_DESC_F_INDIRECT, 0);
	describe(table, 0, table, 16, VRING_DESC_F_INDIRECT, 0);
	offer(with, 0);
	expect_broken(queue, "an indirect table in another");
	bring_all_up();
	describe(with->descriptors, 0, table, 24, VRING_DESC_F_INDIRECT, 0);
	offer(with, 0);
	expect_broken(queue, "an indirect table of one and a half entries");
	bring_all_up();
	describe(with->descriptors, 0, table, 0, VRING_DESC_F_INDIRECT, 0);
	offer(with, 0);
	expect_broken(queue, "an indirect table without entries");
	bring_all_up();
	describe(with->descriptors, 0, table, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
	describe(with->descriptors, 1, page, 16, 0, 0);
	offer(with, 0);
	expect_broken(queue, "an indirect descriptor that goes on");
	bring_up(FEATURE(VIRTIO_F_VERSION_1), queues, queue_count);
	describe(table, 0, page, 16, 0, 0);
	describe(with->descriptors, 0, table, 16, VRING_DESC_F_INDIRECT, 0);
	offer(with, 0);
	expect_broken(queue, "an indirect table that was not negotiated");
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	device_index = (unsigned)atoi(argv[1]);
	choose_output();
	id = (unsigned)atoi(argv[2]);
	queue_count = (unsigned)atoi(argv[3]);
	identity();
	prepared();
	reset_clears();
	features();
	wrong_features();
	features_are_settled();
	status_bits_stay();
	queue_limits();
	wrong_queues();
	ready_queue_stays();
	notify_without_right();
	odd_accesses();
	wrong_rings((unsigned)atoi(argv[4]));
	puts("ok");
	return 0;
}
