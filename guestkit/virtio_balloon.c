/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver of the memory balloon (virtio 1.2, section 5.5).
 *
 * How it works
 *
 * Frames in the balloon are withdrawn from the page allocator, the highest first, and kept as
 * ranges in the order in which they went in. The balloon is filled up to what the host asks for,
 * but for a reserve of free frames that the program finds without an exit. When memory is short the
 * frames that went in last come out again, and the balloon is filled no further until the host asks
 * anew.
 *
 * Frames that are free are reported to the host in place of the hypercall `discard` (pages.c): the
 * reports are put into the ring, leave with whatever exit comes next, and the frames are withdrawn
 * until somebody looks whether they are done. Nobody is woken for that.
 *
 * What is in the rings of a device that has failed, or was reset by the application, never comes
 * back: its frames are restored, as used ones, and there is no balloon any more.
 */
#include "guestkit/virtio_balloon.h"

#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>

#include "guestkit/clock.h"
#include "guestkit/hypercall.h"
#include "guestkit/machine.h"
#include "guestkit/memory.h"
#include "guestkit/pages.h"
#include "guestkit/timeouts.h"
#include "guestkit/virtio.h"

enum { QUEUE_INFLATE, QUEUE_DEFLATE, QUEUE_STATS, QUEUE_HINTS, QUEUE_REPORTS };

#define START_DELAY   1000000u /* ns: the program starts first */
#define LIST_PAGES    4096u    /* page numbers of one request */
#define LIST_FRAMES   (LIST_PAGES * sizeof(uint32_t) / PAGE_SIZE)
#define RESERVE_SHARE 16    /* of all frames, that stay free */
#define RELIEF_LEAST  1024u /* frames that come out at a time */
#define REPORTS       16u   /* requests at a time */
#define REPORT_RANGES 16u
#define REPORT_BYTES  (256ul << 20)
#define STATS         3u

struct report {
	struct mote_range ranges[REPORT_RANGES];
	size_t count; /* 0: not in use */
};

/* Frames in the balloon, as a stack. */
struct range_block {
	struct range_block *below;
	size_t count;
	struct mote_range ranges[250];
};

static KIT_LARGE struct balloon {
	const struct machine_device *device; /* NULL: there is none, or no longer */
	struct virtio_driver driver;
	struct virtio_queue inflate, deflate, stats, reports_queue;
	struct timeout timeout;
	bool is_busy; /* in the middle of something: leave it alone */
	uint32_t target, actual;
	uint32_t *list; /* page numbers of the request that is being made */
	struct range_block *top;
	struct virtio_balloon_stat *stat;
	size_t reports_used;
	struct report reports[REPORTS];
} balloon;

/* ---- reports ---- */

static void restore_report(struct report *report, bool is_new)
{
	for (size_t i = 0; i < report->count; i++)
		pages_restore(report->ranges[i].start,
		              (report->ranges[i].end - report->ranges[i].start) / PAGE_SIZE,
		              is_new);
	report->count = 0;
	balloon.reports_used--;
}

static void give_up(void)
{
	for (size_t i = 0; i < REPORTS; i++)
		if (balloon.reports[i].count)
			restore_report(&balloon.reports[i], false);
	for (struct range_block *block = balloon.top; block; block = block->below)
		while (block->count--)
			pages_restore(block->ranges[block->count].start,
			              (block->ranges[block->count].end -
			               block->ranges[block->count].start) /
			                      PAGE_SIZE,
			              false);
	balloon.top = NULL; /* its blocks are lost: this happens once */
	balloon.actual = 0;
	balloon.device = NULL;
	pages_set_host(NULL);
}

static void collect(bool now)
{
	struct report *report;

	if (balloon.is_busy || !balloon.reports_used)
		return;
	if (now)
		virtio_notify();
	while ((report = virtio_queue_take(&balloon.reports_queue, NULL)))
		restore_report(report, true);
	if (now && balloon.reports_used)
		give_up();
}

static struct report *unused_report(void)
{
	for (size_t i = 0; i < REPORTS; i++)
		if (!balloon.reports[i].count)
			return &balloon.reports[i];
	return NULL;
}

/* One request of the ranges from the first on: how many it takes. */
static size_t add_report(const struct mote_range *ranges, size_t count)
{
	struct virtio_buffer buffers[REPORT_RANGES];
	struct report *report = unused_report();
	uint64_t bytes = 0;
	size_t taken = 0;

	while (report && taken < count && taken < REPORT_RANGES) {
		uint64_t length = ranges[taken].end - ranges[taken].start;

		if (bytes + length > REPORT_BYTES)
			break;
		bytes += length;
		buffers[taken] = (struct virtio_buffer){ranges[taken].start, (uint32_t)length};
		report->ranges[taken] = ranges[taken];
		taken++;
	}
	if (!taken || virtio_queue_add(&balloon.reports_queue, buffers, 0, (unsigned)taken, report))
		return 0;
	report->count = taken;
	balloon.reports_used++;
	return taken;
}

static size_t report_ranges(const struct mote_range *ranges, size_t count)
{
	size_t reported = 0, taken;

	if (balloon.is_busy)
		return 0;
	balloon.is_busy = true;
	while (reported < count && (taken = add_report(ranges + reported, count - reported)))
		reported += taken;
	balloon.is_busy = false;
	return reported;
}

/* ---- in and out ---- */

/* Tell the host of the page numbers in the list, and have it done: one exit. */
static bool tell(struct virtio_queue *queue, size_t count)
{
	struct virtio_buffer buffer = {direct_physical(balloon.list),
	                               (uint32_t)(count * sizeof *balloon.list)};

	if (virtio_queue_add(queue, &buffer, 1, 0, balloon.list))
		return false;
	virtio_notify();
	return virtio_queue_take(queue, NULL);
}

static void push_numbers(size_t *count, uint64_t physical, size_t frames)
{
	while (frames--) {
		balloon.list[(*count)++] = (uint32_t)(physical / PAGE_SIZE);
		physical += PAGE_SIZE;
	}
}

static bool push_range(uint64_t physical, size_t frames)
{
	struct range_block *block = balloon.top;

	if (!block || block->count == sizeof block->ranges / sizeof block->ranges[0]) {
		block = heap_alloc(sizeof *block);
		if (!block)
			return false;
		block->below = balloon.top;
		balloon.top = block;
	}
	block->ranges[block->count++] =
	        (struct mote_range){physical, physical + frames * PAGE_SIZE};
	return true;
}

/* Up to a list of free frames goes in: how many. */
static size_t put_in(size_t most)
{
	size_t count = 0, frames;

	if (most > LIST_PAGES)
		most = LIST_PAGES;
	while (count < most) {
		uint64_t physical = pages_highest(most - count, &frames);

		if (!frames)
			break;
		pages_withdraw(physical, frames);
		if (!push_range(physical, frames)) {
			pages_restore(physical, frames, false);
			break;
		}
		push_numbers(&count, physical, frames);
	}
	balloon.actual += (uint32_t)count;
	if (count && !tell(&balloon.inflate, count))
		give_up();
	return balloon.device ? count : 0;
}

/* What went in last comes out: up to a list of frames: how many. */
static size_t take_out(size_t most)
{
	size_t count = 0;

	if (most > LIST_PAGES)
		most = LIST_PAGES;
	while (count < most && balloon.top) {
		struct range_block *block = balloon.top;
		struct mote_range *range;
		size_t frames;

		if (!block->count) {
			balloon.top = block->below;
			heap_free(block);
			continue;
		}
		range = &block->ranges[block->count - 1];
		frames = (range->end - range->start) / PAGE_SIZE;
		if (frames > most - count)
			frames = most - count;
		push_numbers(&count, range->start, frames);
		pages_restore(range->start, frames, true);
		range->start += frames * PAGE_SIZE;
		if (range->start == range->end)
			block->count--;
	}
	balloon.actual -= (uint32_t)count;
	if (count && !tell(&balloon.deflate, count))
		give_up();
	return count;
}

static void tell_actual(uint32_t before)
{
	if (balloon.device && balloon.actual != before)
		virtio_config_set(balloon.device, offsetof(struct virtio_balloon_config, actual),
		                  balloon.actual);
}

static size_t spare_frames(void)
{
	size_t reserve = page_total_count() / RESERVE_SHARE, unused = page_free_count();

	return unused > reserve ? unused - reserve : 0;
}

static void follow_target(void)
{
	uint32_t before = balloon.actual;
	size_t moved = 1;

	balloon.is_busy = true;
	while (moved && balloon.device && balloon.actual > balloon.target)
		moved = take_out(balloon.actual - balloon.target);
	while (moved && balloon.device && balloon.actual < balloon.target) {
		size_t wanted = balloon.target - balloon.actual, spare = spare_frames();

		moved = put_in(wanted < spare ? wanted : spare);
	}
	balloon.is_busy = false;
	tell_actual(before);
}

static bool relieve(size_t count)
{
	uint32_t before = balloon.actual;
	size_t unused = page_free_count(), wanted = count;

	if (balloon.is_busy)
		return false;
	collect(true);
	if (page_free_count() > unused)
		return true;
	if (wanted < RELIEF_LEAST)
		wanted = RELIEF_LEAST;
	balloon.is_busy = true;
	while (balloon.device && before - balloon.actual < wanted &&
	       take_out(wanted - (before - balloon.actual)))
		;
	balloon.is_busy = false;
	tell_actual(before);
	return page_free_count() > unused;
}

static const struct pages_host host = {report_ranges, collect, relieve};

/* ---- news ---- */

static uint64_t bytes_of(size_t frames)
{
	return frames * PAGE_SIZE;
}

static void send_stats(void)
{
	struct virtio_buffer buffer = {kit_physical(balloon.stat), STATS * sizeof *balloon.stat};

	balloon.stat[0] =
	        (struct virtio_balloon_stat){VIRTIO_BALLOON_S_MEMFREE, bytes_of(page_free_count())};
	balloon.stat[1] =
	        (struct virtio_balloon_stat){VIRTIO_BALLOON_S_MEMTOT, bytes_of(page_total_count())};
	balloon.stat[2] = (struct virtio_balloon_stat){VIRTIO_BALLOON_S_AVAIL,
	                                               bytes_of(page_available_count())};
	virtio_queue_add(&balloon.stats, &buffer, 1, 0, balloon.stat);
	virtio_queue_listen(&balloon.stats);
}

/* The host wants new statistics: they leave with the next exit. */
static void poll(struct virtio_driver *driver)
{
	(void)driver;
	if (balloon.device && virtio_queue_take(&balloon.stats, NULL))
		send_stats();
}

static void expire(struct timeout *due)
{
	(void)due;
	if (balloon.device)
		follow_target();
}

static void config(struct virtio_driver *driver)
{
	(void)driver;
	if (!balloon.device)
		return;
	balloon.target = (uint32_t)virtio_config_now(
	        balloon.device, offsetof(struct virtio_balloon_config, num_pages),
	        sizeof balloon.target);
	timeout_set(&balloon.timeout, clock_monotonic());
}

static int open_queues(const struct machine_device *device)
{
	struct {
		struct virtio_queue *queue;
		unsigned index;
	} queues[] = {{&balloon.inflate, QUEUE_INFLATE},
	              {&balloon.deflate, QUEUE_DEFLATE},
	              {&balloon.stats, QUEUE_STATS},
	              {&balloon.reports_queue, QUEUE_REPORTS}};
	int status = 0;

	for (size_t i = 0; !status && i < sizeof queues / sizeof queues[0]; i++)
		status = virtio_queue_open(queues[i].queue, device, queues[i].index);
	return status;
}

/* When the program has started. Without the memory for this there is no balloon. */
static void open_device(struct timeout *due)
{
	const struct machine_device *device = virtio_find(VIRTIO_ID_BALLOON, 0);
	uint64_t list = page_alloc(LIST_FRAMES);

	balloon.stat = heap_alloc(STATS * sizeof *balloon.stat);
	if (!list || !balloon.stat || open_queues(device))
		return;
	balloon.list = direct_map(list);
	balloon.device = device;
	balloon.target = (uint32_t)virtio_config(
	        device, offsetof(struct virtio_balloon_config, num_pages), sizeof balloon.target);
	balloon.driver = (struct virtio_driver){.poll = poll, .config = config};
	virtio_driver_add(&balloon.driver);
	pages_set_host(&host);
	due->expire = expire;
	send_stats();
	follow_target();
}

void balloon_start(void)
{
	if (!virtio_find(VIRTIO_ID_BALLOON, 0))
		return;
	balloon.timeout.expire = open_device;
	timeout_set(&balloon.timeout, clock_monotonic() + START_DELAY);
}
