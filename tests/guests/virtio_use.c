/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes use of a virtio device by a driver that is not the kit's, with and without EVENT_IDX and
 * indirect descriptors.
 *
 * usage: virtio_use INDEX ID
 */
#include <linux/fuse.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <linux/virtio_vsock.h>
#include <stddef.h>

#include "virtio_driver.h"

#define VERSION_1 (1ull << VIRTIO_F_VERSION_1)
#define EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT  (1ull << VIRTIO_RING_F_INDIRECT_DESC)

static struct queue queues[8];
static uint64_t features;

/* ---- requests ---- */

struct part {
	void *at;
	uint32_t length;
	bool is_in;
};

/* One request, by descriptor 0 on; through an indirect table where that was negotiated. */
static void submit(struct queue *queue, const struct part *parts, unsigned count)
{
	static struct vring_desc *indirect;
	struct vring_desc *table = queue->descriptors;

	if (!indirect)
		indirect = dma_page();
	if (features & INDIRECT)
		table = indirect;
	for (unsigned i = 0; i < count; i++)
		describe(table, i, parts[i].at, parts[i].length,
		         (parts[i].is_in ? VRING_DESC_F_WRITE : 0) |
		                 (i + 1 < count ? VRING_DESC_F_NEXT : 0),
		         i + 1);
	if (features & INDIRECT)
		describe(queue->descriptors, 0, table, count * sizeof *table, VRING_DESC_F_INDIRECT,
		         0);
	offer(queue, 0);
}

static uint32_t request(struct queue *queue, const struct part *parts, unsigned count)
{
	submit(queue, parts, count);
	notify(queue);
	return finish(queue, 0);
}

/* ---- entropy (5.4) ---- */

static bool has_bytes(const unsigned char *at, unsigned length)
{
	for (unsigned i = 0; i < length; i++)
		if (at[i])
			return true;
	return false;
}

static void use_entropy(void)
{
	unsigned char *page = dma_page();
	const struct part parts[] = {{page, 100, true}, {page + 200, 100, true}};

	for (int i = 0; i < 50; i++) {
		memset(page, 0, MOTE_PAGE_SIZE);
		EXPECT(request(&queues[0], parts, 2) == 200);
		EXPECT(has_bytes(page, 100) && !has_bytes(page + 100, 100) &&
		       has_bytes(page + 200, 100) && !has_bytes(page + 300, 100));
	}
}

static int look(void)
{
	return hypercall(MOTE_HC_wait, 0, MOTE_EVENT_DEVICE, 0);
}

/* When the driver is told of used buffers (2.7.7, 2.7.10). */
static void be_told(void)
{
	unsigned char *page = dma_page();
	const struct part part = {page, 16, true};
	struct queue *queue = &queues[0];

	if (!(features & EVENT_IDX)) {
		request(queue, &part, 1);
		EXPECT(look() == MOTE_EVENT_DEVICE && look() == 0);
		EXPECT(get(VIRTIO_MMIO_INTERRUPT_STATUS) == 1);
		put(VIRTIO_MMIO_INTERRUPT_ACK, 1);
		EXPECT(get(VIRTIO_MMIO_INTERRUPT_STATUS) == 0);
		queue->available[0] = VRING_AVAIL_F_NO_INTERRUPT;
		request(queue, &part, 1);
		EXPECT(look() == 0 && get(VIRTIO_MMIO_INTERRUPT_STATUS) == 0);
		queue->available[0] = 0;
		return;
	}
	for (unsigned i = 0; i < 40; i++) {
		unsigned ahead = i % 3;

		/* 0: of this one; 1: of the next; 2: of none that comes soon */
		queue->available[2 + queue->size] =
		        (uint16_t)(queue->next_used + (ahead == 2 ? 0xffffu : ahead));
		submit(queue, &part, 1);
		EXPECT((look() == MOTE_EVENT_DEVICE) == !ahead);
		EXPECT(look() == 0);
		EXPECT(finish(queue, 0) == 16);
	}
}

/* The indices have 16 bits, and a ring's worth of them is in the ring. */
static void wrap_around(void)
{
	unsigned char *page = dma_page();
	struct queue *queue = &queues[0];

	for (unsigned i = 0; i < queue->size; i++)
		describe(queue->descriptors, i, page + 16 * i, 16, VRING_DESC_F_WRITE, 0);
	for (unsigned rounds = 0; rounds < 65536 / queue->size + 3; rounds++) {
		/* First, since the VMM may look at the ring at any time. */
		queue->available[2 + queue->size] = (uint16_t)(queue->next_used + queue->size - 1);
		for (unsigned i = 0; i < queue->size; i++)
			offer(queue, i);
		EXPECT(look() == MOTE_EVENT_DEVICE);
		for (unsigned i = 0; i < queue->size; i++)
			EXPECT(finish(queue, i) == 16);
	}
}

/* ---- sockets (5.10) ---- */

/* A packet for nobody is answered by a reset. */
static void use_sockets(void)
{
	unsigned char *page = dma_page();
	struct virtio_vsock_hdr *sent = (void *)page, *answer = (void *)(page + 1024);
	const struct part in = {answer, 1024, true}, out = {sent, sizeof *sent, false};

	submit(&queues[0], &in, 1);
	*sent = (struct virtio_vsock_hdr){.src_cid = 3,
	                                  .dst_cid = 2,
	                                  .src_port = 77,
	                                  .dst_port = 78,
	                                  .type = VIRTIO_VSOCK_TYPE_STREAM,
	                                  .op = VIRTIO_VSOCK_OP_RW};
	/* The table of an indirect chain is used again: the first has to have been read. */
	if (features & INDIRECT) {
		struct vring_desc *own = dma_page();

		describe(own, 0, answer, 1024, VRING_DESC_F_WRITE, 0);
		describe(queues[0].descriptors, 0, own, sizeof *own, VRING_DESC_F_INDIRECT, 0);
	}
	request(&queues[1], &out, 1);
	EXPECT(finish(&queues[0], 0) == sizeof *answer);
	EXPECT(answer->op == VIRTIO_VSOCK_OP_RST && answer->dst_port == 77 &&
	       answer->src_port == 78 && answer->dst_cid == 3 && answer->src_cid == 2);
}

/* ---- network (5.1) ---- */

static void use_network(void)
{
	unsigned char *page = dma_page();
	struct virtio_net_hdr_mrg_rxbuf *header = (void *)page;
	const struct part parts[] = {{header, sizeof *header, false}, {page + 512, 64, false}};

	/* A frame of a protocol that nobody has, to everyone. */
	memset(page + 512, 0xff, 6);
	page[512 + 12] = 0x88;
	page[512 + 13] = 0xb5;
	for (int i = 0; i < 20; i++)
		EXPECT(request(&queues[1], parts, 2) == 0);
}

/* ---- file system (5.11) ---- */

static void use_files(void)
{
	unsigned char *page = dma_page();
	struct fuse_in_header *in = (void *)page;
	struct fuse_init_in *init = (void *)(in + 1);
	struct fuse_out_header *out = (void *)(page + 1024);
	struct fuse_init_out *answer = (void *)(out + 1);
	const struct part parts[] = {{in, sizeof *in + sizeof *init, false},
	                             {out, sizeof *out + sizeof *answer, true}};

	*in = (struct fuse_in_header){
	        .len = sizeof *in + sizeof *init, .opcode = FUSE_INIT, .unique = 99};
	*init = (struct fuse_init_in){.major = FUSE_KERNEL_VERSION,
	                              .minor = FUSE_KERNEL_MINOR_VERSION};
	EXPECT(request(&queues[1], parts, 2) == sizeof *out + sizeof *answer);
	EXPECT(out->unique == 99 && out->error == 0 && out->len == sizeof *out + sizeof *answer);
	EXPECT(answer->major == FUSE_KERNEL_VERSION && answer->minor >= 31);
}

/* ---- disks (5.2) ---- */

/* The status of a request, whose bytes written are checked. */
static unsigned disk_request(uint32_t type, uint64_t sector, void *data, uint32_t length,
                             bool is_in, uint32_t written)
{
	static unsigned char *page;
	struct virtio_blk_outhdr *header;
	volatile unsigned char *answer;

	if (!page)
		page = dma_page();
	header = (void *)page;
	answer = page + 64;
	*header = (struct virtio_blk_outhdr){.type = type, .sector = sector};
	*answer = 0xff;

	const struct part parts[] = {
	        {header, 7, false}, /* headers may be in pieces (2.7.4) */
	        {(char *)header + 7, sizeof *header - 7, false},
	        {data, length, is_in},
	        {(void *)answer, 1, true},
	};

	EXPECT(request(&queues[0], parts, 4) == written);
	return *answer;
}

static void use_disk(void)
{
	unsigned char *out = dma_page(), *in = dma_page();
	struct virtio_blk_discard_write_zeroes *range = (void *)out;

	memset(out, 0x5a, 1024);
	EXPECT(disk_request(VIRTIO_BLK_T_OUT, 3, out, 1024, false, 1) == VIRTIO_BLK_S_OK);
	EXPECT(disk_request(VIRTIO_BLK_T_IN, 3, in, 1024, true, 1025) == VIRTIO_BLK_S_OK);
	EXPECT(!memcmp(in, out, 1024) && !in[1024]);
	EXPECT(disk_request(VIRTIO_BLK_T_FLUSH, 0, in, 1, true, 0) == VIRTIO_BLK_S_OK);
	EXPECT(disk_request(VIRTIO_BLK_T_GET_ID, 0, in, 20, true, 21) == VIRTIO_BLK_S_OK);
	EXPECT(!strcmp((char *)in, "tested"));
	EXPECT(disk_request(VIRTIO_BLK_T_IN, ~0ull, in, 512, true, 0) == VIRTIO_BLK_S_IOERR);
	EXPECT(disk_request(77, 0, in, 512, true, 0) == VIRTIO_BLK_S_UNSUPP);
	/* Not negotiated. */
	*range = (struct virtio_blk_discard_write_zeroes){.sector = 3, .num_sectors = 1};
	EXPECT(disk_request(VIRTIO_BLK_T_WRITE_ZEROES, 0, range, sizeof *range, false, 1) ==
	       VIRTIO_BLK_S_UNSUPP);
}

/* ---- console (5.3) ---- */

static void use_console(void)
{
	char *page = dma_page();
	const struct part out[] = {{page, 4, false}, {page + 100, 5, false}};
	const struct part in = {page + 200, 100, true};

	memcpy(page, "from", 4);
	memcpy(page + 100, " two\n", 5);
	EXPECT(request(&queues[1], out, 2) == 0);
	put(VIRTIO_MMIO_CONFIG + offsetof(struct virtio_console_config, emerg_wr), '!');
	/* Nobody types anything, ever. */
	submit(&queues[0], &in, 1);
	look();
	EXPECT(finish(&queues[0], 0) == 0);
}

/* ---- balloon (5.5) ---- */

static void use_balloon(void)
{
	unsigned char *page = dma_page();
	uint32_t *numbers = dma_page();
	struct virtio_balloon_stat *stat = dma_page();
	const struct part list = {numbers, 4, false}, free = {page, MOTE_PAGE_SIZE, true};
	const struct part stats = {stat, sizeof *stat, false};
	const unsigned actual = VIRTIO_MMIO_CONFIG + offsetof(struct virtio_balloon_config, actual);

	EXPECT(get(VIRTIO_MMIO_CONFIG) == 4096); /* 16 MiB */
	memset(page, 0x5a, MOTE_PAGE_SIZE);
	*numbers = (uint32_t)(guest_physical(page) >> VIRTIO_BALLOON_PFN_SHIFT);
	EXPECT(request(&queues[0], &list, 1) == 0);
	put(actual, 1);
	EXPECT(get(actual) == 1);
	EXPECT(request(&queues[1], &list, 1) == 0);
	EXPECT(!has_bytes(page, MOTE_PAGE_SIZE));
	for (unsigned reports = 3; reports < 5; reports++) {
		memset(page, 0x5a, MOTE_PAGE_SIZE);
		EXPECT(request(&queues[reports], &free, 1) == 0);
		EXPECT(!has_bytes(page, MOTE_PAGE_SIZE));
	}
	/* Kept until somebody asks. */
	*stat = (struct virtio_balloon_stat){VIRTIO_BALLOON_S_MEMFREE, 1};
	submit(&queues[2], &stats, 1);
	look();
	EXPECT(queues[2].used[1] == 0);
}

/* ---- all of them ---- */

static const struct {
	unsigned id, queue_count;
	void (*use)(void);
} kinds[] = {
        {VIRTIO_ID_RNG, 1, use_entropy},     {VIRTIO_ID_RNG, 1, be_told},
        {VIRTIO_ID_RNG, 1, wrap_around},     {VIRTIO_ID_VSOCK, 3, use_sockets},
        {VIRTIO_ID_NET, 2, use_network},     {VIRTIO_ID_FS, 2, use_files},
        {VIRTIO_ID_BLOCK, 1, use_disk},      {VIRTIO_ID_CONSOLE, 2, use_console},
        {VIRTIO_ID_BALLOON, 5, use_balloon},
};

int main(int argc, char **argv)
{
	unsigned used = 0;

	if (argc != 3)
		return 2;
	device_index = (unsigned)atoi(argv[1]);
	choose_output();
	for (unsigned set = 0; set < 4; set++) {
		features = VERSION_1 | (set & 1 ? EVENT_IDX : 0) | (set & 2 ? INDIRECT : 0);
		for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
			if (kinds[i].id != (unsigned)atoi(argv[2]))
				continue;
			bring_up(features, queues, kinds[i].queue_count);
			kinds[i].use();
			EXPECT(status() == 15);
			used++;
		}
	}
	if (!used)
		return 3;
	puts("ok");
	return 0;
}
