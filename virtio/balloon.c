/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory balloon (virtio 1.2, section 5.5).
 *
 * Pages that the guest puts into the balloon, or reports as free, go back to the host: those that
 * no file lies under, since there, and only there, they read as zeros afterwards. Others stay as
 * they are. A page comes out of the balloon by being touched, so there is nothing to do about
 * deflation.
 */
#include "virtio/balloon.h"

#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

/*
 * 5.5.2 counts the queue of free page hints, which is not offered, as the fourth; Linux counts
 * those only that are there. So both the fourth and the fifth are for reports.
 */
enum { QUEUE_INFLATE, QUEUE_DEFLATE, QUEUE_STATS, QUEUE_REPORTS, QUEUE_REPORTS_5, QUEUES };

#define PAGES_MAX 4096u /* of one request; a driver has no reason for more */
#define STATS_MAX 64u

struct balloon {
	struct virtio_device device;
	const struct guest_memory *memory;
	uint32_t target, actual; /* pages */
	bool has_stats_buffer;   /* of the driver, in flight until new ones are wanted */
	uint16_t stats_head;
	struct balloon_stats stats;
};

static struct balloon *of(struct virtio_device *device)
{
	return (struct balloon *)device;
}

/* ---- pages ---- */

/* Whole pages of [start, end), where they may be. */
static void discard(const struct balloon *balloon, uint64_t start, uint64_t end)
{
	start = (start + MOTE_PAGE_SIZE - 1) & ~(MOTE_PAGE_SIZE - 1);
	end &= ~(MOTE_PAGE_SIZE - 1);
	if (start < end)
		guest_memory_discard(balloon->memory, (mote_gpa_t){start}, end - start);
}

/* Page numbers of 32 bits; runs of them, up or down, are discarded at once. */
static int inflate(const struct balloon *balloon, const struct virtqueue_chain *chain)
{
	uint64_t start = 0, end = 0;
	uint32_t frame;

	if (chain->in_count || chain->out_bytes % sizeof frame ||
	    chain->out_bytes > PAGES_MAX * sizeof frame)
		return -1;
	for (size_t at = 0; at < chain->out_bytes; at += sizeof frame) {
		uint64_t page;

		virtqueue_copy_from(chain->vectors, chain->out_count, at, &frame, sizeof frame);
		page = (uint64_t)frame << VIRTIO_BALLOON_PFN_SHIFT;
		if (!guest_range(balloon->memory, (mote_gpa_t){page}, MOTE_PAGE_SIZE))
			return -1;
		if (page == end && end) {
			end += MOTE_PAGE_SIZE;
		} else if (page + MOTE_PAGE_SIZE == start) {
			start = page;
		} else {
			discard(balloon, start, end);
			start = page;
			end = page + MOTE_PAGE_SIZE;
		}
	}
	discard(balloon, start, end);
	return 0;
}

static int deflate(const struct virtqueue_chain *chain)
{
	return chain->in_count || chain->out_bytes % sizeof(uint32_t) ||
	                       chain->out_bytes > PAGES_MAX * sizeof(uint32_t)
	               ? -1
	               : 0;
}

/* Buffers that the device may write are the free pages themselves (5.5.6.7). */
static int report(const struct balloon *balloon, const struct virtqueue_chain *chain)
{
	if (chain->out_count)
		return -1;
	for (unsigned i = 0; i < chain->in_count; i++) {
		const unsigned char *at = chain->vectors[i].iov_base;
		uint64_t start = (uint64_t)(at - balloon->memory->host);

		discard(balloon, start, start + chain->vectors[i].iov_len);
	}
	return 0;
}

/* ---- statistics ---- */

/* The driver's buffer is kept: giving it back is how new ones are asked for (5.5.6.3.1). */
static int take_stats(struct balloon *balloon, const struct virtqueue_chain *chain)
{
	struct virtio_balloon_stat stat;
	struct balloon_stats stats = {.is_known = chain->out_bytes >= sizeof stat};

	if (balloon->has_stats_buffer || chain->in_count ||
	    chain->out_bytes > STATS_MAX * sizeof stat)
		return -1;
	for (size_t at = 0; at + sizeof stat <= chain->out_bytes; at += sizeof stat) {
		virtqueue_copy_from(chain->vectors, chain->out_count, at, &stat, sizeof stat);
		switch (stat.tag) {
		case VIRTIO_BALLOON_S_MEMFREE: stats.free = stat.val; break;
		case VIRTIO_BALLOON_S_MEMTOT: stats.total = stat.val; break;
		case VIRTIO_BALLOON_S_AVAIL: stats.available = stat.val; break;
		default: break;
		}
	}
	balloon->stats = stats;
	balloon->stats_head = chain->head;
	balloon->has_stats_buffer = true;
	return 0;
}

bool balloon_ask_stats(struct virtio_device *device)
{
	struct balloon *balloon = of(device);

	if (!virtio_device_is_live(device) || !balloon->has_stats_buffer)
		return false;
	balloon->has_stats_buffer = false;
	virtqueue_complete(&device->queues[QUEUE_STATS], balloon->stats_head, 0);
	virtio_device_tell_used(device, QUEUE_STATS);
	return true;
}

struct balloon_stats balloon_stats(const struct virtio_device *device)
{
	return ((const struct balloon *)device)->stats;
}

/* ---- the device ---- */

static int serve(struct virtio_device *device, unsigned index)
{
	struct balloon *balloon = of(device);
	struct virtqueue *queue = &device->queues[index];
	struct virtqueue_chain *chain = &device->chain;
	int status;

	while ((status = virtqueue_next(queue, chain)) > 0) {
		switch (index) {
		case QUEUE_INFLATE: status = inflate(balloon, chain); break;
		case QUEUE_DEFLATE: status = deflate(chain); break;
		case QUEUE_STATS: status = take_stats(balloon, chain); break;
		default: status = report(balloon, chain); break;
		}
		if (status)
			return status;
		if (index != QUEUE_STATS)
			virtqueue_complete(queue, chain->head, 0);
	}
	return status;
}

static void reset(struct virtio_device *device)
{
	struct balloon *balloon = of(device);

	balloon->actual = 0;
	balloon->has_stats_buffer = false;
	balloon->stats = (struct balloon_stats){.is_known = false};
}

/* The fields behind `actual` are of features that are not offered. */
#define CONFIG_SIZE offsetof(struct virtio_balloon_config, free_page_hint_cmd_id)

static void read_config(struct virtio_device *device, size_t offset, void *to, size_t length)
{
	const struct balloon *balloon = of(device);
	const struct virtio_balloon_config config = {.num_pages = balloon->target,
	                                             .actual = balloon->actual};

	memcpy(to, (const char *)&config + offset, length);
}

static void write_config(struct virtio_device *device, size_t offset, const void *from,
                         size_t length)
{
	if (offset == offsetof(struct virtio_balloon_config, actual) && length == sizeof(uint32_t))
		memcpy(&of(device)->actual, from, length);
}

/* In a snapshot. */
struct balloon_state {
	uint32_t target, actual; /* pages */
	uint32_t has_stats_buffer, stats_head;
};
_Static_assert(sizeof(struct balloon_state) == 16, "part of the file format");

static size_t save_bound(const struct virtio_device *device)
{
	(void)device;
	return sizeof(struct balloon_state);
}

static size_t save(const struct virtio_device *device, void *to)
{
	const struct balloon *balloon = (const struct balloon *)device;

	*(struct balloon_state *)to = (struct balloon_state){
	        .target = balloon->target,
	        .actual = balloon->actual,
	        .has_stats_buffer = balloon->has_stats_buffer,
	        .stats_head = balloon->stats_head,
	};
	return sizeof(struct balloon_state);
}

/* The driver's buffer for statistics is the one chain that any device keeps. */
static int load(struct virtio_device *device, const void *from, size_t size)
{
	struct balloon *balloon = of(device);
	const struct balloon_state *state = from;
	struct virtqueue *queue = &device->queues[QUEUE_STATS];

	if (size != sizeof *state || state->has_stats_buffer > 1 ||
	    state->stats_head > UINT16_MAX ||
	    (state->has_stats_buffer && (!queue->is_ready || state->stats_head >= queue->size)))
		return -1;
	balloon->target = state->target;
	balloon->actual = state->actual;
	balloon->has_stats_buffer = state->has_stats_buffer;
	balloon->stats_head = (uint16_t)state->stats_head;
	queue->in_flight = state->has_stats_buffer;
	return 0;
}

/* The rings of all queues fit into one page of the guest. */
static const struct virtio_device_ops balloon_ops = {
        .name = "balloon",
        .id = VIRTIO_ID_BALLOON,
        .queue_count = QUEUES,
        .queue_size = {16, 16, 2, 32, 32},
        .config_size = CONFIG_SIZE,
        .serve = serve,
        .reset = reset,
        .read_config = read_config,
        .write_config = write_config,
        .save_bound = save_bound,
        .save = save,
        .load = load,
};

static uint32_t pages_of(const struct balloon *balloon, uint64_t bytes)
{
	uint64_t most = balloon->memory->size;

	return (uint32_t)((bytes < most ? bytes : most) / MOTE_PAGE_SIZE);
}

struct virtio_device *balloon_open(uint64_t target, const struct guest_memory *memory)
{
	struct balloon *balloon = calloc(1, sizeof *balloon);

	if (!balloon)
		return NULL;
	virtio_device_init(&balloon->device, &balloon_ops,
	                   VIRTIO_FEATURE(VIRTIO_BALLOON_F_STATS_VQ) |
	                           VIRTIO_FEATURE(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) |
	                           VIRTIO_FEATURE(VIRTIO_BALLOON_F_REPORTING),
	                   memory);
	balloon->memory = memory;
	balloon->target = (uint32_t)(target / MOTE_PAGE_SIZE);
	return &balloon->device;
}

void balloon_set_target(struct virtio_device *device, uint64_t target)
{
	of(device)->target = pages_of(of(device), target);
	virtio_device_tell_config(device);
}

uint64_t balloon_target(const struct virtio_device *device)
{
	return (uint64_t)((const struct balloon *)device)->target * MOTE_PAGE_SIZE;
}

uint64_t balloon_actual(const struct virtio_device *device)
{
	return (uint64_t)((const struct balloon *)device)->actual * MOTE_PAGE_SIZE;
}
