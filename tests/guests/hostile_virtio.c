/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes anything into a device's registers, rings, tables and buffers, now and then after a proper
 * handshake, so that it gets further.
 *
 * usage: hostile_virtio SEED MILLISECONDS INDEX QUEUES
 */
#include <time.h>

#include "virtio_driver.h"

#define PAGES 16

static uint64_t state;
static char *pages[PAGES]; /* of buffers; the last ones hold indirect tables */
static struct queue queues[8];
static unsigned queue_count;

static uint32_t any(void)
{
	state = state * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(state >> 32);
}

static uint32_t below(uint32_t limit)
{
	return any() % limit;
}

/* A number of the kind that breaks things. */
static uint32_t odd_number(void)
{
	static const uint32_t odd[] = {0,     1,          2,          3,   4,       7,       8,
	                               15,    16,         255,        256, 4095,    4096,    65535,
	                               65536, 0x7fffffff, 0x80000000, ~0u, ~0u - 1, 1u << 20};

	return below(3) ? odd[below(sizeof odd / sizeof odd[0])] : any();
}

static void any_register(void)
{
	uint32_t offset = below(4) ? below(0x100) & ~3u : below(MOTE_PAGE_SIZE - 8);

	switch (below(6)) {
	case 0: (void)*(volatile uint8_t *)register_at(offset); break;
	case 1: (void)*(volatile uint64_t *)register_at(offset); break;
	case 2: *(volatile uint16_t *)register_at(offset) = (uint16_t)any(); break;
	case 3: *(volatile uint64_t *)register_at(offset) = any(); break;
	default: put(offset & ~3u, odd_number());
	}
}

static void any_descriptor(struct vring_desc *at)
{
	char *page = pages[below(PAGES)];

	*at = (struct vring_desc){
	        .addr = below(8) ? guest_physical(page) + below(MOTE_PAGE_SIZE)
	                         : (uint64_t)odd_number() << below(33),
	        .len = below(4) ? below(200) : odd_number(),
	        .flags = (uint16_t)(below(8) ? below(4) : any()),
	        .next = (uint16_t)(below(8) ? below(RING) : odd_number()),
	};
	if (!below(6))
		*at = (struct vring_desc){guest_physical(pages[PAGES - 1 - below(3)]),
		                          16 * (1 + below(RING)), VRING_DESC_F_INDIRECT, 0};
}

/* A request of a header and an answer, as most devices want them. */
static void plausible_chain(struct queue *queue)
{
	unsigned count = 1 + below(4), out = below(count + 1), first = below(queue->size);

	for (unsigned i = 0; i < count; i++) {
		static const uint32_t lengths[] = {1, 4, 8, 12, 16, 40, 44, 56, 64, 80, 512, 4096};
		unsigned index = (first + i) % queue->size;

		describe(queue->descriptors, index, pages[below(PAGES - 3)],
		         lengths[below(sizeof lengths / sizeof lengths[0])],
		         (i < out ? 0 : VRING_DESC_F_WRITE) |
		                 (i + 1 < count ? VRING_DESC_F_NEXT : 0),
		         (index + 1) % queue->size);
	}
	offer(queue, first);
}

static void any_bytes(void)
{
	char *page = pages[below(PAGES)];
	unsigned start = below(64), count = below(128);

	for (unsigned i = 0; i < count; i++)
		page[start + i] = (char)(below(2) ? any() : below(8));
	if (!below(3)) /* as requests begin: small numbers of 32 bits */
		for (unsigned i = 0; i < 16; i++)
			((uint32_t *)page)[i] = below(3) ? below(64) : odd_number();
}

static void begin(void)
{
	uint64_t features = offered();

	features &= 1ull << VIRTIO_F_VERSION_1 | any() | (uint64_t)any() << 32;
	if (!negotiate(features | 1ull << VIRTIO_F_VERSION_1))
		return;
	for (unsigned i = 0; i < queue_count; i++) {
		char *page = (char *)queues[i].descriptors;

		if (!page) {
			place_queue(&queues[i], i);
		} else {
			memset(page, 0, MOTE_PAGE_SIZE);
			queues[i].next_available = queues[i].next_used = 0;
			replace_queue(&queues[i]);
		}
		put(VIRTIO_MMIO_QUEUE_READY, 1);
	}
	driver_ok();
}

static void act(void)
{
	struct queue *queue = &queues[below(queue_count)];

	switch (below(16)) {
	case 0: any_register(); break;
	case 1: any_descriptor(&queue->descriptors[below(RING)]); break;
	case 2:
		any_descriptor((struct vring_desc *)pages[PAGES - 1 - below(3)] + below(RING));
		break;
	case 3: queue->available[below(4 + RING)] = (uint16_t)odd_number(); break;
	case 4: queue->used[below(4 + 4 * RING)] = (uint16_t)odd_number(); break;
	case 5: offer(queue, below(RING)); break;
	case 6:
	case 7:
	case 8: plausible_chain(queue); break;
	case 9:
	case 10:
	case 11: any_bytes(); break;
	case 12:
	case 13: put(VIRTIO_MMIO_QUEUE_NOTIFY, below(20) ? queue->index : odd_number()); break;
	case 14: hypercall(MOTE_HC_wait, 0, MOTE_EVENT_DEVICE | MOTE_EVENT_CONFIG, 0); break;
	default:
		if (!(status() & VIRTIO_CONFIG_S_DRIVER_OK) ||
		    status() & (VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED) || !below(50))
			begin();
	}
}

int main(int argc, char **argv)
{
	struct timespec now, end;
	unsigned long acts = 0;
	long milliseconds;

	if (argc != 5)
		return 2;
	state = strtoull(argv[1], NULL, 10);
	milliseconds = atol(argv[2]);
	device_index = (unsigned)atoi(argv[3]);
	choose_output();
	queue_count = (unsigned)atoi(argv[4]);
	for (int i = 0; i < PAGES; i++)
		pages[i] = dma_page();
	begin();
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += milliseconds / 1000;
	end.tv_nsec += milliseconds % 1000 * 1000000;
	do {
		for (int i = 0; i < 100; i++, acts++)
			act();
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec ||
	         (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
	printf("%lu acts\n", acts);
	put(VIRTIO_MMIO_STATUS, 0);
	EXPECT(status() == 0);
	return 0;
}
