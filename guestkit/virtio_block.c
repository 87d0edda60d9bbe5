/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver of the block device (virtio 1.2, section 5.2). The device serves a request before the exit
 * that tells of it is over (docs/decisions/018-synchronous-disks.md), so that nobody sleeps here.
 *
 * But for a short read past the host's cache: there the host's kernel writes into a ring in our
 * memory when the data is there, so that the way back into the guest takes no time of its own. The
 * device gives the request back at the next exit.
 */
#include "guestkit/virtio_block.h"

#include <libfdt.h>
#include <linux/errno.h>
#include <linux/virtio_ids.h>

#include "guestkit/clock.h"
#include "guestkit/hypercall.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"

/* A read takes longer than a few exits: the device gives it back when it is told once more. */
#define LATE_MAX 16384u /* bytes */
#define LATE_NS  100000u
#define LATE_ENDS \
	((0x10000u - sizeof(struct ends)) / sizeof(struct end)) /* that the place has room for */

/* What the host's kernel writes (io_submit(2)), as far as it is looked at. */
struct end {
	uint64_t token, address;
	int64_t result; /* bytes, or a negative errno */
	int64_t reserved;
};

struct ends {
	uint32_t id, count, head, tail, more[4];
	struct end ring[];
};

struct block_request {
	struct virtio_blk_outhdr header;
	uint8_t status;
	bool is_pending;
	enum block_kind kind;
	uint64_t sectors;
};

struct block_channel {
	struct virtio_queue queue;
	/* One half is in use; the other may hold a read that is over and not given back yet. */
	struct block_request halves[2][BLOCK_TOGETHER];
	struct block_request *requests;
	unsigned added;
	const volatile struct ends *ends; /* NULL: requests end with the exit */
	uint32_t token;                   /* of the last read to be looked for there; not 0 */
	unsigned most;                    /* buffers of one request that are data */
	bool has_failed;
	struct virtio_buffer buffers[BLOCK_BUFFERS]; /* of the next: header, data, status */
};

static struct block_disk *disks[BLOCK_DISKS];

/* ---- disks ---- */

#define CONFIG(device, field)                                              \
	virtio_config((device), offsetof(struct virtio_blk_config, field), \
	              sizeof(((struct virtio_blk_config *)NULL)->field))

static uint32_t or_sector(uint64_t size)
{
	return size >= BLOCK_SECTOR ? (uint32_t)size : BLOCK_SECTOR;
}

static void describe(struct block_disk *disk, const struct machine_device *device)
{
	int size;
	const char *id = machine_device_property(device, "mote,id", &size);

	disk->sectors = CONFIG(device, capacity);
	disk->logical_size = BLOCK_SECTOR;
	if (virtio_has(device, VIRTIO_BLK_F_BLK_SIZE))
		disk->logical_size = or_sector(CONFIG(device, blk_size));
	disk->physical_size = disk->logical_size;
	if (virtio_has(device, VIRTIO_BLK_F_TOPOLOGY))
		disk->physical_size <<= CONFIG(device, physical_block_exp) & 15;
	disk->is_read_only = virtio_has(device, VIRTIO_BLK_F_RO);
	disk->can_flush = virtio_has(device, VIRTIO_BLK_F_FLUSH);
	disk->discard_max = (uint32_t)CONFIG(device, max_discard_sectors);
	disk->can_discard = virtio_has(device, VIRTIO_BLK_F_DISCARD) && disk->discard_max;
	disk->zeroes_max = (uint32_t)CONFIG(device, max_write_zeroes_sectors);
	disk->can_zero = virtio_has(device, VIRTIO_BLK_F_WRITE_ZEROES) && disk->zeroes_max;
	memset(disk->id, 0, sizeof disk->id);
	if (id && size > 0 && (size_t)size <= sizeof disk->id)
		memcpy(disk->id, id, (size_t)size - 1);
}

void block_restart(void)
{
	for (unsigned i = 0; i < BLOCK_DISKS; i++)
		if (disks[i])
			describe(disks[i], virtio_find(VIRTIO_ID_BLOCK, i));
}

unsigned block_disk_count(void)
{
	unsigned count = 0;

	while (count < BLOCK_DISKS && virtio_find(VIRTIO_ID_BLOCK, count))
		count++;
	return count;
}

struct block_disk *block_disk(unsigned index)
{
	const struct machine_device *device =
	        index < BLOCK_DISKS ? virtio_find(VIRTIO_ID_BLOCK, index) : NULL;

	if (!device)
		return NULL;
	if (!disks[index]) {
		disks[index] = heap_alloc(sizeof *disks[index]);
		if (!disks[index])
			return NULL;
		disks[index]->index = index;
		describe(disks[index], device);
	}
	return disks[index];
}

/* ---- requests ---- */

static const volatile struct ends *find_ends(const struct machine_device *device)
{
	int size;
	const void *place = machine_device_property(device, "mote,reads", &size);

	return place && size == sizeof(fdt64_t) ? direct_map(fdt64_ld(place)) : NULL;
}

static int open_channel(struct block_disk *disk)
{
	const struct machine_device *device = virtio_find(VIRTIO_ID_BLOCK, disk->index);
	struct block_channel *channel;
	uint64_t segments = 1;
	int status;

	if (disk->channel)
		return disk->channel->has_failed ? -EIO : 0;
	channel = heap_alloc(sizeof *channel);
	if (!channel)
		return -ENOMEM;
	status = virtio_queue_open(&channel->queue, device, 0);
	if (status) {
		heap_free(channel);
		return status;
	}
	if (virtio_has(device, VIRTIO_BLK_F_SEG_MAX))
		segments = CONFIG(device, seg_max);
	channel->most =
	        segments && segments < BLOCK_BUFFERS - 2 ? (unsigned)segments : BLOCK_BUFFERS - 2;
	channel->requests = channel->halves[0];
	channel->ends = find_ends(device);
	disk->channel = channel;
	return 0;
}

struct virtio_buffer *block_buffers(struct block_disk *disk, unsigned *most)
{
	if (open_channel(disk))
		return NULL;
	*most = disk->channel->most;
	return disk->channel->buffers + 1;
}

static enum block_kind kind_of(uint32_t type)
{
	switch (type) {
	case VIRTIO_BLK_T_IN: return BLOCK_READ;
	case VIRTIO_BLK_T_FLUSH: return BLOCK_FLUSH;
	case VIRTIO_BLK_T_DISCARD: return BLOCK_DISCARD;
	default: return BLOCK_WRITE;
	}
}

int block_add(struct block_disk *disk, uint32_t type, uint64_t sector, unsigned count,
              size_t length)
{
	struct block_channel *channel;
	struct block_request *request;
	unsigned in = type == VIRTIO_BLK_T_IN ? count + 1 : 1;
	int status = open_channel(disk);

	if (status)
		return status;
	channel = disk->channel;
	if (channel->added == BLOCK_TOGETHER)
		return -ENOSPC;
	request = &channel->requests[channel->added];
	if (request->is_pending)
		return -EIO;
	*request = (struct block_request){
	        .header = {.type = type, .sector = sector},
	        .status = VIRTIO_BLK_S_IOERR,
	        .is_pending = true,
	        .kind = kind_of(type),
	        .sectors = length / BLOCK_SECTOR,
	};
	channel->buffers[0] =
	        (struct virtio_buffer){kit_physical(&request->header), sizeof request->header};
	channel->buffers[count + 1] = (struct virtio_buffer){kit_physical(&request->status), 1};
	status = virtio_queue_add(&channel->queue, channel->buffers, count + 2 - in, in, request);
	if (!status)
		channel->added++;
	return status;
}

static int error_of(uint8_t status)
{
	switch (status) {
	case VIRTIO_BLK_S_OK: return 0;
	case VIRTIO_BLK_S_UNSUPP: return -EOPNOTSUPP;
	default: return -EIO;
	}
}

static void take_all(struct block_channel *channel)
{
	struct block_request *request;

	while ((request = virtio_queue_take(&channel->queue, NULL)))
		request->is_pending = false;
}

/* Whether a request was begun, and is over without having been given back: look for its end. */
static bool has_ended(const struct block_channel *channel, const struct block_request *request,
                      uint32_t before)
{
	const volatile struct ends *ends = channel->ends;
	uint64_t last = clock_monotonic() + LATE_NS;
	uint32_t tail, count = ends->count;
	const volatile struct end *end;

	while ((tail = __atomic_load_n(&ends->tail, __ATOMIC_ACQUIRE)) == before) {
		if (clock_monotonic() > last)
			return false;
		__builtin_ia32_pause();
	}
	if (tail >= count || count > LATE_ENDS)
		return false;
	end = &ends->ring[(tail ? tail : count) - 1];
	return end->token == channel->token &&
	       end->result == (int64_t)(request->sectors * BLOCK_SECTOR);
}

/*
 * Tell the device of a read that it may leave to the host. Return: whether the data is there, but
 * not the request, whose memory is the device's until it gives it back.
 */
static bool run_late(struct block_channel *channel)
{
	struct block_request *request = &channel->requests[0];
	uint32_t before = __atomic_load_n(&channel->ends->tail, __ATOMIC_ACQUIRE);

	if (!++channel->token)
		channel->token = 1;
	request->header.ioprio = channel->token;
	virtio_notify();
	take_all(channel);
	if (!request->is_pending)
		return false;
	if (has_ended(channel, request, before))
		return true;
	virtio_notify();
	take_all(channel);
	return false;
}

static bool can_be_late(const struct block_channel *channel)
{
	const struct block_request *request = &channel->requests[0];

	return channel->ends && channel->added == 1 && request->kind == BLOCK_READ &&
	       request->sectors <= LATE_MAX / BLOCK_SECTOR;
}

static int result_of(struct block_channel *channel, const struct block_request *request)
{
	/* What a device has not given back it will not: it asks for a reset. */
	channel->has_failed |= request->is_pending;
	return request->is_pending ? -EIO : error_of(*(volatile const uint8_t *)&request->status);
}

int block_run(struct block_disk *disk)
{
	struct block_channel *channel = disk->channel;
	uint64_t before = clock_monotonic(), taken;
	bool is_late = false;
	int result = 0;

	if (!channel || !channel->added)
		return 0;
	if (can_be_late(channel)) {
		is_late = run_late(channel);
	} else {
		virtio_notify();
		take_all(channel);
	}
	taken = (clock_monotonic() - before) / channel->added;
	for (unsigned i = 0; i < channel->added; i++) {
		const struct block_request *request = &channel->requests[i];
		int status = is_late ? 0 : result_of(channel, request);

		disk->done[request->kind].requests++;
		disk->done[request->kind].sectors += request->sectors;
		disk->done[request->kind].nanoseconds += taken;
		result = result ? result : status;
	}
	channel->added = 0;
	if (is_late)
		channel->requests = channel->halves[channel->requests == channel->halves[0]];
	return result;
}

/* One request by itself. */
static int run_one(struct block_disk *disk, uint32_t type, uint64_t sector, void *memory,
                   size_t length)
{
	unsigned most;
	struct virtio_buffer *buffers = block_buffers(disk, &most);
	int status;

	if (!buffers)
		return disk->channel ? -EIO : -ENOMEM;
	if (memory)
		buffers[0] = (struct virtio_buffer){kit_physical(memory), (uint32_t)length};
	status = block_add(disk, type, sector, memory ? 1 : 0, length);
	return status ? status : block_run(disk);
}

int block_transfer(struct block_disk *disk, bool is_write, uint64_t sector, void *memory,
                   size_t length)
{
	return run_one(disk, is_write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, sector, memory, length);
}

int block_flush(struct block_disk *disk)
{
	return disk->can_flush ? run_one(disk, VIRTIO_BLK_T_FLUSH, 0, NULL, 0) : 0;
}

int block_flush_all(void)
{
	int result = 0;

	for (unsigned i = 0; i < BLOCK_DISKS; i++) {
		int status = disks[i] && disks[i]->channel ? block_flush(disks[i]) : 0;

		result = result ? result : status;
	}
	return result;
}

/* In steps that the device takes; the range goes through memory that it can reach. */
static int run_range(struct block_disk *disk, uint32_t type, uint64_t sector, uint64_t count,
                     uint32_t most, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes *range = heap_alloc(sizeof *range);
	int status = range ? 0 : -ENOMEM;

	while (count && !status) {
		uint32_t part = count < most ? (uint32_t)count : most;

		*range = (struct virtio_blk_discard_write_zeroes){sector, part, flags};
		status = run_one(disk, type, 0, range, sizeof *range);
		if (!status && type == VIRTIO_BLK_T_DISCARD)
			disk->done[BLOCK_DISCARD].sectors += part;
		sector += part;
		count -= part;
	}
	heap_free(range);
	return status;
}

int block_discard(struct block_disk *disk, uint64_t sector, uint64_t count)
{
	return disk->can_discard
	               ? run_range(disk, VIRTIO_BLK_T_DISCARD, sector, count, disk->discard_max, 0)
	               : -EOPNOTSUPP;
}

int block_zero(struct block_disk *disk, uint64_t sector, uint64_t count, bool may_unmap)
{
	return disk->can_zero
	               ? run_range(disk, VIRTIO_BLK_T_WRITE_ZEROES, sector, count, disk->zeroes_max,
	                           may_unmap ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0)
	               : -EOPNOTSUPP;
}
