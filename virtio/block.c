/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block device (virtio 1.2, section 5.2).
 *
 * How it works
 *
 * A request is served where it is found, on the thread of the vCPU, by calls that wait for the host
 * (docs/decisions/018-synchronous-disks.md). Data moves between the file and guest memory without a
 * copy of ours. A request that cannot be served has a status that says so; one without room for a
 * header or a status is no request, and the device asks for a reset.
 *
 * What the host cannot do is an I/O error for the guest, and the first one is told on stderr.
 */
#define _GNU_SOURCE 1
#include "virtio/block.h"

#include <errno.h>
#include <fcntl.h>
#include <libfdt.h>
#include <linux/falloc.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "virtio/aio.h"
#include "vmm/console.h"

/* A request of a header, a status, and between them scattered data: 1 MiB of single pages fits. */
#define QUEUE_SIZE 512u

/* Limits of DISCARD and WRITE_ZEROES, so that none takes long: zeros may have to be written. */
#define RANGES_MAX          16u
#define DISCARD_SECTORS_MAX (1u << 22)
#define ZEROES_SECTORS_MAX  (1u << 15)

/* The configuration space that the features offered speak of. */
#define CONFIG_SIZE (offsetof(struct virtio_blk_config, write_zeroes_may_unmap) + 4)

struct block {
	struct virtio_device device; /* first: the two are converted into each other */
	struct block_backing backing;
	struct virtio_blk_config config;
	bool has_complained;
	struct aio aio; /* for short reads past the cache */
	/* A read that goes on while the guest runs; its chain is the device's. */
	struct {
		bool is_pending;
		uint64_t sector;
		size_t length;
	} late;
	struct iovec part[VIRTQUEUE_SIZE_MAX]; /* of the request that is being served */
};

static struct block *block_of(struct virtio_device *device)
{
	return (struct block *)(void *)device;
}

/* ---- the host's side ---- */

/* @error: an errno, or 0 where a file has become shorter. Return: the status of the request. */
static uint8_t complain(struct block *block, const char *what, int error)
{
	char text[256];
	int length;

	if (block->has_complained)
		return VIRTIO_BLK_S_IOERR;
	block->has_complained = true;
	length = snprintf(text, sizeof text,
	                  "mote: disk %.128s: cannot %s: %s. The guest gets an I/O error\n",
	                  block->backing.name, what,
	                  error ? strerror(error) : "the file was made shorter");
	console_report(text, length < (int)sizeof text ? (size_t)length : sizeof text - 1);
	return VIRTIO_BLK_S_IOERR;
}

/* Memory of a request, behind its first @skip bytes. */
struct data {
	const struct iovec *vectors;
	unsigned count;
	size_t skip, length;
};

/* #syscalls:disk preadv pwritev */
static ssize_t move_some(struct block *block, bool is_write, int file, int parts, size_t length,
                         off_t at)
{
	if (is_write)
		return pwritev(file, block->part, parts, at);
	if (file == block->backing.direct_file && length <= AIO_READ_MAX)
		return aio_read(&block->aio, file, block->part, parts, at);
	return preadv(file, block->part, parts, at);
}

/*
 * Move data to or from the file: how many bytes were moved; less than there are at an error, or
 * where the file ends. O_DIRECT has rules for addresses and lengths that are the file system's own:
 * what it refuses goes through the page cache, which the kernel keeps coherent.
 */
static size_t move(struct block *block, bool is_write, const struct data *data, uint64_t offset)
{
	const struct block_backing *backing = &block->backing;
	int file = backing->direct_file >= 0 ? backing->direct_file : backing->file;
	size_t done = 0;

	while (done < data->length) {
		int parts = (int)virtqueue_slice(data->vectors, data->count, data->skip + done,
		                                 data->length - done, block->part);
		ssize_t moved;

		errno = 0;
		moved = move_some(block, is_write, file, parts, data->length - done,
		                  (off_t)(offset + done));
		if (moved > 0) {
			done += (size_t)moved;
			continue;
		}
		if (moved < 0 && errno == EINTR)
			continue;
		if (moved == 0 || errno != EINVAL || file == backing->file)
			break;
		file = backing->file;
	}
	return done;
}

/* #syscalls:disk fdatasync */
static uint8_t flush(struct block *block)
{
	while (fdatasync(block->backing.file))
		if (errno != EINTR)
			return complain(block, "flush", errno);
	return VIRTIO_BLK_S_OK;
}

/*
 * A write is done: a driver that cannot flush, or has turned the cache off, relies on it from now
 * on (5.2.6.2).
 */
static uint8_t settle_write(struct block *block)
{
	bool has_cache =
	        virtio_device_has(&block->device, VIRTIO_BLK_F_FLUSH) &&
	        (!virtio_device_has(&block->device, VIRTIO_BLK_F_CONFIG_WCE) || block->config.wce);

	return has_cache ? VIRTIO_BLK_S_OK : flush(block);
}

/* #syscalls:disk fallocate */
static int allocate(const struct block *block, int mode, uint64_t offset, uint64_t length)
{
	int status;

	do
		status = fallocate(block->backing.file, mode | FALLOC_FL_KEEP_SIZE, (off_t)offset,
		                   (off_t)length);
	while (status && errno == EINTR);
	return status;
}

static uint8_t write_zeros(struct block *block, uint64_t offset, uint64_t length)
{
	static unsigned char zeros[4096];
	struct iovec vectors[64];
	struct data data = {.vectors = vectors, .count = 64};

	for (size_t i = 0; i < 64; i++)
		vectors[i] = (struct iovec){zeros, sizeof zeros};
	for (; length; offset += data.length, length -= data.length) {
		data.length = length < sizeof zeros * 64 ? length : sizeof zeros * 64;
		if (move(block, true, &data, offset) < data.length)
			return complain(block, "write", errno);
	}
	return VIRTIO_BLK_S_OK;
}

/* ---- requests ---- */

static bool is_in_range(const struct block *block, uint64_t sector, uint64_t count)
{
	return sector <= block->backing.sectors && count <= block->backing.sectors - sector;
}

/* IN and OUT. @moved: set to the bytes of data that were moved */
static uint8_t serve_data(struct block *block, bool is_write, uint64_t sector,
                          const struct data *data, size_t *moved)
{
	if (data->length % BLOCK_SECTOR ||
	    !is_in_range(block, sector, data->length / BLOCK_SECTOR) ||
	    (is_write && block->backing.is_read_only))
		return VIRTIO_BLK_S_IOERR;
	*moved = move(block, is_write, data, sector * BLOCK_SECTOR);
	if (*moved < data->length)
		return complain(block, is_write ? "write" : "read", errno);
	return is_write ? settle_write(block) : VIRTIO_BLK_S_OK;
}

/* A range that is not stored any more reads as zeros; where the host cannot do that, it stays. */
static uint8_t discard(struct block *block, uint64_t offset, uint64_t length)
{
	if (!allocate(block, FALLOC_FL_PUNCH_HOLE, offset, length) || errno == EOPNOTSUPP)
		return VIRTIO_BLK_S_OK;
	return complain(block, "discard", errno);
}

static uint8_t zero(struct block *block, uint64_t offset, uint64_t length, bool may_unmap)
{
	int mode = may_unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;

	if (!allocate(block, mode, offset, length))
		return VIRTIO_BLK_S_OK;
	if (errno == EOPNOTSUPP || errno == ENOSYS)
		return write_zeros(block, offset, length);
	return complain(block, "write zeros", errno);
}

/* One range of DISCARD or WRITE_ZEROES (5.2.6.2 on flags). */
static uint8_t serve_range(struct block *block, bool is_discard,
                           const struct virtio_blk_discard_write_zeroes *range)
{
	uint32_t most = is_discard ? DISCARD_SECTORS_MAX : ZEROES_SECTORS_MAX;
	uint32_t known = is_discard ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	uint64_t offset = range->sector * BLOCK_SECTOR;
	uint64_t length = (uint64_t)range->num_sectors * BLOCK_SECTOR;

	if (range->flags & ~known)
		return VIRTIO_BLK_S_UNSUPP;
	if (range->num_sectors > most || !is_in_range(block, range->sector, range->num_sectors))
		return VIRTIO_BLK_S_IOERR;
	if (!length)
		return VIRTIO_BLK_S_OK;
	return is_discard ? discard(block, offset, length)
	                  : zero(block, offset, length, range->flags);
}

static uint8_t serve_ranges(struct block *block, bool is_discard,
                            const struct virtqueue_chain *chain, size_t length)
{
	struct virtio_blk_discard_write_zeroes ranges[RANGES_MAX];
	unsigned feature = is_discard ? VIRTIO_BLK_F_DISCARD : VIRTIO_BLK_F_WRITE_ZEROES;
	uint8_t status = VIRTIO_BLK_S_OK;

	if (!virtio_device_has(&block->device, feature))
		return VIRTIO_BLK_S_UNSUPP;
	if (!length || length % sizeof ranges[0] || length > sizeof ranges)
		return VIRTIO_BLK_S_IOERR;
	virtqueue_copy_from(chain->vectors, chain->out_count, sizeof(struct virtio_blk_outhdr),
	                    ranges, length);
	for (size_t i = 0; i < length / sizeof ranges[0] && status == VIRTIO_BLK_S_OK; i++)
		status = serve_range(block, is_discard, &ranges[i]);
	return status == VIRTIO_BLK_S_OK ? settle_write(block) : status;
}

static uint8_t serve_id(const struct block *block, struct virtqueue_chain *chain, size_t length,
                        size_t *written)
{
	*written = virtqueue_copy_to(virtqueue_in(chain), chain->in_count, 0, block->backing.id,
	                             length < BLOCK_ID ? length : BLOCK_ID);
	return VIRTIO_BLK_S_OK;
}

/*
 * A request is a header to be read, data, and a status to be written, in any number of descriptors
 * (5.2.6, 2.7.4). @in_length: bytes to be written but for the status. @written: set to how many of
 * these were
 */
static uint8_t serve_request(struct block *block, const struct virtio_blk_outhdr *header,
                             struct virtqueue_chain *chain, size_t in_length, size_t *written)
{
	const struct data out = {chain->vectors, chain->out_count, sizeof *header,
	                         chain->out_bytes - sizeof *header};
	const struct data in = {virtqueue_in(chain), chain->in_count, 0, in_length};
	size_t moved;

	switch (header->type) {
	case VIRTIO_BLK_T_IN: return serve_data(block, false, header->sector, &in, written);
	case VIRTIO_BLK_T_OUT: return serve_data(block, true, header->sector, &out, &moved);
	case VIRTIO_BLK_T_FLUSH: return flush(block);
	case VIRTIO_BLK_T_GET_ID: return serve_id(block, chain, in_length, written);
	case VIRTIO_BLK_T_DISCARD: return serve_ranges(block, true, chain, out.length);
	case VIRTIO_BLK_T_WRITE_ZEROES: return serve_ranges(block, false, chain, out.length);
	default: return VIRTIO_BLK_S_UNSUPP;
	}
}

/* The status of a request, and its chain back to the driver. */
static void complete(struct virtqueue *queue, struct virtqueue_chain *chain, uint8_t status,
                     size_t written)
{
	size_t in_length = chain->in_bytes - 1;

	virtqueue_copy_to(virtqueue_in(chain), chain->in_count, in_length, &status, sizeof status);
	/* The status counts where all before it is written, too (2.7.8.2). */
	if (written == in_length)
		written += sizeof status;
	virtqueue_complete(queue, chain->head, (uint32_t)written);
}

/*
 * Whether a request was begun that the driver sees the end of (docs/devices.md): a short direct
 * read, by a driver that asks for that, and the last one there is, so that no other comes before
 * finish().
 */
static bool begin_late(struct block *block, struct virtqueue *queue, struct virtqueue_chain *chain,
                       const struct virtio_blk_outhdr *header)
{
	struct virtio_device *device = &block->device;
	size_t length = chain->in_bytes - 1;
	void *shared;
	unsigned parts;

	if (header->type != VIRTIO_BLK_T_IN || !header->ioprio || !device->goes_on ||
	    !device->shared.value || length > AIO_READ_MAX || length % BLOCK_SECTOR ||
	    !is_in_range(block, header->sector, length / BLOCK_SECTOR) || virtqueue_has_work(queue))
		return false;
	shared = guest_range(queue->memory, device->shared, AIO_SHARED_SIZE);
	parts = virtqueue_slice(virtqueue_in(chain), chain->in_count, 0, length, block->part);
	if (!shared || !parts ||
	    !aio_begin(&block->aio, shared, block->backing.direct_file, block->part, (int)parts,
	               (off_t)(header->sector * BLOCK_SECTOR), header->ioprio))
		return false;
	block->late.is_pending = true;
	block->late.sector = header->sector;
	block->late.length = length;
	return true;
}

/* What the ring of events says is the guest's word, and counts for no more than a status. */
static int finish(struct virtio_device *device)
{
	struct block *block = block_of(device);
	struct virtqueue_chain *chain = &device->chain;
	const struct data in = {virtqueue_in(chain), chain->in_count, 0, block->late.length};
	size_t written = in.length;
	uint8_t status = VIRTIO_BLK_S_OK;

	if (!block->late.is_pending)
		return 0;
	block->late.is_pending = false;
	if (aio_end(&block->aio) != (int64_t)in.length)
		status = serve_data(block, false, block->late.sector, &in, &written);
	complete(&device->queues[0], chain, status, written);
	return 0;
}

static int serve_chain(struct block *block, struct virtqueue *queue, struct virtqueue_chain *chain)
{
	struct virtio_blk_outhdr header;
	size_t written = 0;
	uint8_t status;

	if (!chain->in_bytes || virtqueue_copy_from(chain->vectors, chain->out_count, 0, &header,
	                                            sizeof header) < sizeof header)
		return -1;
	if (begin_late(block, queue, chain, &header))
		return 0;
	status = serve_request(block, &header, chain, chain->in_bytes - 1, &written);
	complete(queue, chain, status, written);
	return 0;
}

static int serve(struct virtio_device *device, unsigned index)
{
	struct block *block = block_of(device);
	struct virtqueue *queue = &device->queues[index];
	int status = 0;

	while (!block->late.is_pending && (status = virtqueue_next(queue, &device->chain)) > 0)
		if (serve_chain(block, queue, &device->chain))
			return -1;
	return status < 0 ? -1 : 0;
}

/* ---- the device ---- */

static void read_config(struct virtio_device *device, size_t offset, void *to, size_t length)
{
	memcpy(to, (const char *)&block_of(device)->config + offset, length);
}

/* Of its fields one may be written: the cache mode (5.2.5.2). */
static void write_config(struct virtio_device *device, size_t offset, const void *from,
                         size_t length)
{
	const size_t mode = offsetof(struct virtio_blk_config, wce);
	struct block *block = block_of(device);

	if (offset <= mode && mode - offset < length &&
	    virtio_device_has(device, VIRTIO_BLK_F_CONFIG_WCE))
		block->config.wce = ((const uint8_t *)from)[mode - offset] & 1;
}

static void reset(struct virtio_device *device)
{
	block_of(device)->config.wce = 1;
}

/* In a snapshot. */
struct block_state {
	uint64_t sectors;
	char id[BLOCK_ID];
	uint32_t wce; /* the cache mode */
};
_Static_assert(sizeof(struct block_state) == 32, "part of the file format");

static size_t save_bound(const struct virtio_device *device)
{
	(void)device;
	return sizeof(struct block_state);
}

static size_t save(const struct virtio_device *device, void *to)
{
	const struct block *block = (const struct block *)(const void *)device;
	struct block_state *state = to;

	*state = (struct block_state){.sectors = block->backing.sectors, .wce = block->config.wce};
	memcpy(state->id, block->backing.id, BLOCK_ID);
	return sizeof *state;
}

/* The disk may be another one, of at least the size; the driver learns of it by its configuration.
 */
static int load(struct virtio_device *device, const void *from, size_t size)
{
	struct block *block = block_of(device);
	const struct block_state *state = from;

	if (size != sizeof *state || state->wce > 1 || state->sectors > block->backing.sectors)
		return -1;
	block->config.wce = (uint8_t)state->wce;
	if (state->sectors != block->backing.sectors)
		virtio_device_tell_config(device);
	return 0;
}

bool block_read_state(const void *specific, size_t size, struct block_identity *identity)
{
	const struct block_state *state = specific;

	if (size != sizeof *state)
		return false;
	*identity = (struct block_identity){.sectors = state->sectors};
	memcpy(identity->id, state->id, BLOCK_ID);
	return true;
}

struct block_identity block_identity(const struct virtio_device *device)
{
	const struct block *block = (const struct block *)(const void *)device;
	struct block_identity identity = {.sectors = block->backing.sectors};

	memcpy(identity.id, block->backing.id, BLOCK_ID);
	return identity;
}

/* What GET_ID answers, so that a guest can name its disks without an exit. */
static int describe(const struct virtio_device *device, void *tree)
{
	char id[BLOCK_ID + 1] = "";
	fdt64_t shared = cpu_to_fdt64(device->shared.value);

	memcpy(id, ((const struct block *)(const void *)device)->backing.id, BLOCK_ID);
	if (shared && fdt_property(tree, "mote,reads", &shared, sizeof shared))
		return -1;
	return *id ? fdt_property_string(tree, "mote,id", id) : 0;
}

static void close_block(struct virtio_device *device)
{
	struct block *block = block_of(device);

	aio_close(&block->aio);
	if (block->backing.file >= 0)
		close(block->backing.file);
	if (block->backing.direct_file >= 0)
		close(block->backing.direct_file);
}

static const struct virtio_device_ops block_ops = {
        .name = "block",
        .id = VIRTIO_ID_BLOCK,
        .queue_count = 1,
        .queue_size = {QUEUE_SIZE},
        .config_size = CONFIG_SIZE,
        .serve = serve,
        .finish = finish,
        .reset = reset,
        .read_config = read_config,
        .write_config = write_config,
        .describe = describe,
        .save_bound = save_bound,
        .save = save,
        .load = load,
        .close = close_block,
};

static uint8_t exponent(uint32_t ratio)
{
	return (uint8_t)__builtin_ctz(ratio);
}

struct virtio_device *block_create(const struct block_backing *backing,
                                   const struct guest_memory *memory)
{
	struct block *block = calloc(1, sizeof *block);
	uint64_t features =
	        VIRTIO_FEATURE(VIRTIO_BLK_F_SEG_MAX) | VIRTIO_FEATURE(VIRTIO_BLK_F_BLK_SIZE) |
	        VIRTIO_FEATURE(VIRTIO_BLK_F_TOPOLOGY) | VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) |
	        VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE);

	if (!block)
		return NULL;
	block->backing = *backing;
	block->config = (struct virtio_blk_config){
	        .capacity = backing->sectors,
	        .seg_max = QUEUE_SIZE - 2,
	        .blk_size = backing->logical_size,
	        .physical_block_exp = exponent(backing->physical_size / backing->logical_size),
	        .min_io_size = (uint16_t)(backing->physical_size / backing->logical_size),
	        .wce = 1,
	        .max_discard_sectors = DISCARD_SECTORS_MAX,
	        .max_discard_seg = RANGES_MAX,
	        .discard_sector_alignment = backing->physical_size / BLOCK_SECTOR,
	        .max_write_zeroes_sectors = ZEROES_SECTORS_MAX,
	        .max_write_zeroes_seg = RANGES_MAX,
	        .write_zeroes_may_unmap = 1,
	};
	features |= backing->is_read_only ? VIRTIO_FEATURE(VIRTIO_BLK_F_RO)
	                                  : VIRTIO_FEATURE(VIRTIO_BLK_F_DISCARD) |
	                                            VIRTIO_FEATURE(VIRTIO_BLK_F_WRITE_ZEROES);
	virtio_device_init(&block->device, &block_ops, features, memory);
	if (backing->direct_file >= 0)
		block->device.shared_size = AIO_SHARED_SIZE;
	return &block->device;
}
