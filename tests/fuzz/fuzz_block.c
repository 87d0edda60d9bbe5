/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target of the block device with its queue: the input is guest memory, rings and requests in
 * it, and accesses to registers. The disk is a memory file.
 */
#define _GNU_SOURCE 1
#include <sys/mman.h>
#include <sys/stat.h>

#include "../../virtio/aio.c"
#include "../../virtio/block.c"
#include "../../virtio/virtio_device.c"
#include "../../virtio/virtio_mmio.c"
/* Both have such a name. */
#define broken   virtqueue_broken
#define is_empty virtqueue_is_empty
#include "../../virtio/virtqueue.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RAM     0x8000u
#define SHARED  RAM /* behind what the input fills */
#define SECTORS 64u

static unsigned char ram[RAM + AIO_SHARED_SIZE] __attribute__((aligned(4096)));
static const struct guest_memory memory = {.host = ram, .size = sizeof ram};
static unsigned told;

void console_report(const char *text, size_t length)
{
	if (!length || text[length - 1] != '\n')
		abort();
	told++;
}

void *guest_range(const struct guest_memory *where, mote_gpa_t gpa, uint64_t length)
{
	if (gpa.value > where->size || length > where->size - gpa.value)
		return NULL;
	return where->host + gpa.value;
}

int fdt_property(void *tree, const char *name, const void *value, int length)
{
	(void)tree;
	(void)name;
	(void)value;
	return length < 0;
}

static struct virtio_device *make_device(bool is_read_only)
{
	static int file = -1, second = -1;
	struct block_backing backing = {.name = "fuzz",
	                                .direct_file = -1,
	                                .is_read_only = is_read_only,
	                                .sectors = SECTORS,
	                                .logical_size = BLOCK_SECTOR,
	                                .physical_size = 8 * BLOCK_SECTOR,
	                                .id = "twenty bytes exactly"};

	if (file < 0) {
		file = memfd_create("disk", 0);
		second = dup(file);
	}
	if (second < 0 || ftruncate(file, SECTORS * BLOCK_SECTOR))
		abort();
	backing.file = file;
	backing.direct_file = is_read_only ? second : -1; /* as if past the cache */
	return block_create(&backing, &memory);
}

/* The queue lies where the input's rings are: at 0, then as devices_place() has it. */
static void take_features(struct virtio_device *device, uint64_t features)
{
	struct virtqueue *queue = &device->queues[0];

	queue->size = 64;
	queue->descriptors.value = 0;
	queue->driver_area.value = 1024;
	queue->device_area.value = 2048;
	device->driver_features = features;
	virtio_device_enable_queue(device, 0);
	virtio_device_prepare(device, features);
}

/* Where reads may be left to the host; what is in its ring is the guest's. */
static struct aio aio;

static void serve_late(struct virtio_device *device, uint8_t scribble)
{
	device->goes_on = true;
	virtio_device_serve(device);
	device->goes_on = false;
	if (scribble)
		memset(ram + SHARED, scribble, 256);
	virtio_device_finish(device);
	if (block_of(device)->late.is_pending)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtio_device *device;
	uint16_t *available = (uint16_t *)(void *)(ram + 1024);
	uint8_t how;
	struct stat status;

	if (!size)
		return 0;
	how = *data++;
	size--;
	memset(ram, 0, RAM);
	memcpy(ram, data, size < RAM ? size : RAM);
	told = 0;
	device = make_device(how & 1);
	device->shared.value = SHARED;
	block_of(device)->aio = aio;
	take_features(device,
	              how & 2 ? device->features
	                      : device->features & ~(VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) |
	                                             VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX)));
	/* Nobody guesses an index that is a little ahead. */
	if (how & 4)
		available[1] = (uint16_t)(how >> 4);
	for (int round = 0; round < 3; round++) {
		serve_late(device, how & 4 ? 0 : how >> 4);
		for (size_t i = 0; how & 8 && i + 8 <= size && i < 256; i += 8) {
			uint64_t value;
			uint32_t length = 1u << (data[i] & 3);

			virtio_mmio_read(device, data[i] * 4u, &value, length);
			memcpy(&value, data + i, sizeof value);
			virtio_mmio_write(device, data[i + 1] * 4u, &value, length);
		}
	}
	if (told > 1 || fstat(block_of(device)->backing.file, &status) ||
	    status.st_size != SECTORS * BLOCK_SECTOR)
		abort();
	aio = block_of(device)->aio;
	free(device);
	return 0;
}
