/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the block device: requests in a queue, right and hostile ones, on a real file. */
#define _GNU_SOURCE 1
#include "virtio/aio.h"
#include "virtio/block.h"
#include "virtio/virtio_mmio.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define RAM     0x40000u
#define SECTORS 128u
#define SIZE    64u

/* Places in guest memory. */
#define DRIVER 0x1000u
#define DEVICE 0x2000u
#define HEADER 0x3000u
#define STATUS 0x3800u
#define TABLE  0x3900u
#define DATA   0x10000u
#define SHARED 0x20000u

static unsigned char ram[RAM] __attribute__((aligned(4096)));
static const struct guest_memory memory = {.host = ram, .size = RAM};
static struct virtio_device *device;
static int file;
static unsigned next_descriptor, used;

static void make(bool is_read_only, uint64_t without)
{
	struct block_backing backing = {.name = "image",
	                                .direct_file = -1,
	                                .is_read_only = is_read_only,
	                                .sectors = SECTORS,
	                                .logical_size = 512,
	                                .physical_size = 4096,
	                                .id = "serial"};
	struct virtqueue *queue;

	file = memfd_create("disk", 0);
	cr_assert(file >= 0 && !ftruncate(file, SECTORS * 512));
	for (unsigned i = 0; i < SECTORS; i++) {
		unsigned char sector[512];

		memset(sector, (int)i + 1, sizeof sector);
		cr_assert_eq(pwrite(file, sector, sizeof sector, i * 512), 512);
	}
	backing.file = file;
	device = block_create(&backing, &memory);
	cr_assert_not_null(device);
	queue = &device->queues[0];
	queue->size = SIZE;
	queue->driver_area.value = DRIVER;
	queue->device_area.value = DEVICE;
	device->driver_features = device->features & ~without;
	virtio_device_enable_queue(device, 0);
	cr_assert_eq(virtio_device_prepare(device, device->features & ~without), 0);
}

static struct vring_desc *descriptors(void)
{
	return (struct vring_desc *)(void *)ram;
}

/* Add a descriptor to the chain that is being built. */
static void part(uint64_t at, uint32_t length, bool is_in)
{
	if (next_descriptor) {
		descriptors()[next_descriptor - 1].flags |= VRING_DESC_F_NEXT;
		descriptors()[next_descriptor - 1].next = (uint16_t)next_descriptor;
	}
	descriptors()[next_descriptor++] = (struct vring_desc){
	        .addr = at, .len = length, .flags = is_in ? VRING_DESC_F_WRITE : 0};
}

static void header(uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr content = {.type = type, .sector = sector};

	memcpy(ram + HEADER, &content, sizeof content);
}

/* Give the chain to the device. Return: the length that it says it has written; -1: none came back
 */
static int64_t submit(void)
{
	uint16_t *driver = (uint16_t *)(void *)(ram + DRIVER);
	const uint16_t *area = (const uint16_t *)(const void *)(ram + DEVICE);
	struct vring_used_elem element;

	ram[STATUS] = 0xff;
	driver[2 + driver[1] % SIZE] = 0;
	driver[1]++;
	virtio_device_notify(device, 0);
	next_descriptor = 0;
	if (area[1] == (uint16_t)used)
		return -1;
	memcpy(&element, ram + DEVICE + 4 + used++ % SIZE * sizeof element, sizeof element);
	return element.len;
}

/* A request in the usual form: header, data, status. Return: its status. */
static uint8_t request(uint32_t type, uint64_t sector, uint32_t length)
{
	bool is_in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;

	header(type, sector);
	part(HEADER, 16, false);
	if (length)
		part(DATA, length, is_in);
	part(STATUS, 1, true);
	cr_assert_neq(submit(), -1);
	cr_assert(virtio_device_is_live(device));
	return ram[STATUS];
}

static unsigned char on_disk(unsigned sector)
{
	unsigned char byte;

	cr_assert_eq(pread(file, &byte, 1, sector * 512 + 17), 1);
	return byte;
}

static void start(void)
{
	make(false, 0);
}

static void stop(void)
{
	close(file);
}

TestSuite(block, .init = start, .fini = stop);

Test(block, reads)
{
	header(VIRTIO_BLK_T_IN, 5);
	part(HEADER, 16, false);
	part(DATA, 1024, true);
	part(STATUS, 1, true);
	cr_assert_eq(submit(), 1025);
	cr_assert_eq(ram[STATUS], VIRTIO_BLK_S_OK);
	cr_assert_eq(ram[DATA], 6);
	cr_assert_eq(ram[DATA + 1023], 7);
	cr_assert_eq(ram[DATA + 1024], 0);
}

Test(block, writes)
{
	memset(ram + DATA, 0xaa, 512);
	cr_assert_eq(request(VIRTIO_BLK_T_OUT, 9, 512), VIRTIO_BLK_S_OK);
	cr_assert_eq(on_disk(9), 0xaa);
	cr_assert_eq(on_disk(8), 9);
	cr_assert_eq(on_disk(10), 11);
}

/* Framing is the driver's to choose (2.7.4): headers in pieces, data with the header, a status with
 * the data. */
Test(block, takes_any_layout)
{
	header(VIRTIO_BLK_T_OUT, 9);
	memset(ram + HEADER + 16, 0xbb, 100);
	memset(ram + DATA, 0xcc, 412);
	part(HEADER, 3, false);
	part(HEADER + 3, 113, false);
	part(DATA, 412, false);
	part(STATUS, 1, true);
	cr_assert_eq(submit(), 1);
	cr_assert_eq(ram[STATUS], VIRTIO_BLK_S_OK);
	cr_assert_eq(on_disk(9), 0xbb);
	header(VIRTIO_BLK_T_IN, 9);
	part(HEADER, 16, false);
	part(DATA, 100, true);
	part(DATA + 200, 413, true);
	cr_assert_eq(submit(), 513);
	cr_assert_eq(ram[DATA + 99], 0xbb);
	cr_assert_eq(ram[DATA + 200], 0xcc);
	cr_assert_eq(ram[DATA + 200 + 412], VIRTIO_BLK_S_OK);
}

Test(block, takes_an_indirect_table)
{
	struct vring_desc table[3] = {{HEADER, 16, VRING_DESC_F_NEXT, 1},
	                              {DATA, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2},
	                              {STATUS, 1, VRING_DESC_F_WRITE, 0}};

	header(VIRTIO_BLK_T_IN, 1);
	memcpy(ram + TABLE, table, sizeof table);
	part(TABLE, sizeof table, false);
	descriptors()[0].flags = VRING_DESC_F_INDIRECT;
	cr_assert_eq(submit(), 513);
	cr_assert_eq(ram[DATA], 2);
}

Test(block, serves_all_at_one_notification)
{
	uint16_t *driver = (uint16_t *)(void *)(ram + DRIVER);
	const uint16_t *area = (const uint16_t *)(const void *)(ram + DEVICE);

	header(VIRTIO_BLK_T_IN, 0);
	part(HEADER, 16, false);
	part(DATA, 512, true);
	part(STATUS, 1, true);
	for (unsigned i = 0; i < 7; i++)
		driver[2 + i] = 0;
	driver[1] = 7;
	virtio_device_notify(device, 0);
	cr_assert_eq(area[1], 7);
}

/* ---- reads that end while the guest runs ---- */

#define TOKEN 77u

struct ring {
	uint32_t id, count, head, tail, more[4];
	struct {
		uint64_t token, address;
		int64_t result, reserved;
	} events[];
};

static const volatile struct ring *ring(void)
{
	return (const volatile struct ring *)(const volatile void *)(ram + SHARED);
}

/* Another file than that for the page cache, as in a VMM. */
static void make_late(void)
{
	static struct block_backing backing;

	stop();
	make(false, 0);
	backing = (struct block_backing){.name = "image",
	                                 .file = file,
	                                 .direct_file = dup(file),
	                                 .sectors = SECTORS,
	                                 .logical_size = 512,
	                                 .physical_size = 4096};
	device = block_create(&backing, &memory);
	cr_assert_eq(device->shared_size, AIO_SHARED_SIZE);
	device->queues[0].size = SIZE;
	device->queues[0].driver_area.value = DRIVER;
	device->queues[0].device_area.value = DEVICE;
	device->shared.value = SHARED;
	device->driver_features = device->features;
	virtio_device_enable_queue(device, 0);
	cr_assert_eq(virtio_device_prepare(device, device->features), 0);
	device->goes_on = true;
}

/* A request that may end late: whether it does. */
static bool is_late(uint32_t type, uint64_t sector, uint32_t length, uint32_t token)
{
	struct virtio_blk_outhdr content = {.type = type, .sector = sector, .ioprio = token};

	memset(ram + DATA, 0xee, 512);
	memcpy(ram + HEADER, &content, sizeof content);
	part(HEADER, 16, false);
	part(DATA, length, type == VIRTIO_BLK_T_IN);
	part(STATUS, 1, true);
	return submit() == -1;
}

static void expect_returned(uint8_t status, uint32_t written)
{
	const uint16_t *area = (const uint16_t *)(const void *)(ram + DEVICE);
	struct vring_used_elem element;

	cr_assert_eq(area[1], (uint16_t)(used + 1));
	memcpy(&element, ram + DEVICE + 4 + used++ % SIZE * sizeof element, sizeof element);
	cr_assert_eq(element.len, written);
	cr_assert_eq(ram[STATUS], status);
	cr_assert(virtio_device_is_live(device));
}

Test(block, read_ends_while_the_guest_runs)
{
	make_late();
	for (unsigned i = 0; i < 200; i++) {
		const volatile struct ring *seen = ring();
		unsigned sector = i % (SECTORS - 1), last;

		cr_assert(is_late(VIRTIO_BLK_T_IN, sector, 1024, TOKEN + i));
		last = (seen->tail ? seen->tail : seen->count) - 1;
		cr_assert_eq(seen->events[last].token, TOKEN + i);
		cr_assert_eq(seen->events[last].result, 1024);
		cr_assert_eq(ram[DATA], sector + 1);
		cr_assert_eq(ram[STATUS], 0xff);
		virtio_device_finish(device);
		expect_returned(VIRTIO_BLK_S_OK, 1025);
		virtio_device_finish(device);
	}
}

Test(block, others_end_at_once)
{
	make_late();
	cr_assert(!is_late(VIRTIO_BLK_T_IN, 0, 512, 0));
	cr_assert(!is_late(VIRTIO_BLK_T_OUT, 0, 512, TOKEN));
	cr_assert(!is_late(VIRTIO_BLK_T_IN, SECTORS, 512, TOKEN));
	cr_assert_eq(ram[STATUS], VIRTIO_BLK_S_IOERR);
	cr_assert(!is_late(VIRTIO_BLK_T_IN, 0, 513, TOKEN));
	cr_assert(!is_late(VIRTIO_BLK_T_IN, 0, AIO_READ_MAX + 512, TOKEN));
	device->goes_on = false;
	cr_assert(!is_late(VIRTIO_BLK_T_IN, 3, 512, TOKEN));
	cr_assert_eq(ram[DATA], 4);
	device->goes_on = true;
	device->shared.value = 0;
	cr_assert(!is_late(VIRTIO_BLK_T_IN, 3, 512, TOKEN));
	device->shared.value = RAM - 4096;
	cr_assert(!is_late(VIRTIO_BLK_T_IN, 3, 512, TOKEN));
}

/* What the guest writes into the ring is its own harm: a read that seems to have failed is done
 * again, and what is over is known all the same. */
Test(block, ring_that_the_guest_writes_to)
{
	make_late();
	for (unsigned i = 0; i < 100; i++) {
		bool late = is_late(VIRTIO_BLK_T_IN, 9, 512, TOKEN);

		if (i % 3)
			memset(ram + SHARED, (int)(i * 37), 4096);
		if (late) {
			virtio_device_finish(device);
			expect_returned(VIRTIO_BLK_S_OK, 513);
		}
		cr_assert_eq(ram[STATUS], VIRTIO_BLK_S_OK);
		cr_assert_eq(ram[DATA], 10);
	}
}

Test(block, late_read_of_a_file_that_was_cut)
{
	make_late();
	cr_assert_eq(ftruncate(file, 1024), 0);
	cr_assert(is_late(VIRTIO_BLK_T_IN, 1, 1024, TOKEN));
	virtio_device_finish(device);
	expect_returned(VIRTIO_BLK_S_IOERR, 512);
}

Test(block, checks_the_range)
{
	cr_assert_eq(request(VIRTIO_BLK_T_IN, SECTORS - 1, 512), VIRTIO_BLK_S_OK);
	cr_assert_eq(request(VIRTIO_BLK_T_IN, SECTORS - 1, 1024), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(request(VIRTIO_BLK_T_IN, SECTORS, 512), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(request(VIRTIO_BLK_T_OUT, SECTORS, 512), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(request(VIRTIO_BLK_T_IN, UINT64_MAX, 1024), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(request(VIRTIO_BLK_T_IN, UINT64_MAX / 512 + 1, 512), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(request(VIRTIO_BLK_T_IN, 0, 100), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(request(VIRTIO_BLK_T_OUT, 0, 513), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(on_disk(0), 1);
	cr_assert_eq(lseek(file, 0, SEEK_END), SECTORS * 512);
}

Test(block, knows_its_types)
{
	cr_assert_eq(request(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
	cr_assert_eq(request(VIRTIO_BLK_T_GET_ID, 0, 20), VIRTIO_BLK_S_OK);
	cr_assert_str_eq((const char *)ram + DATA, "serial");
	cr_assert_eq(request(VIRTIO_BLK_T_GET_ID, 0, 3), VIRTIO_BLK_S_OK);
	cr_assert_eq(request(2, 0, 512), VIRTIO_BLK_S_UNSUPP);
	cr_assert_eq(request(0xffffffff, 0, 512), VIRTIO_BLK_S_UNSUPP);
}

static uint8_t range(uint32_t type, uint64_t sector, uint32_t count, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes content = {sector, count, flags};

	memcpy(ram + DATA, &content, sizeof content);
	return request(type, 0, sizeof content);
}

Test(block, writes_zeroes)
{
	for (uint32_t flags = 0; flags < 2; flags++) {
		cr_assert_eq(range(VIRTIO_BLK_T_WRITE_ZEROES, 16 + flags * 8, 8, flags),
		             VIRTIO_BLK_S_OK);
		cr_assert_eq(on_disk(15 + flags * 8), flags ? 0 : 16);
		cr_assert_eq(on_disk(16 + flags * 8), 0);
		cr_assert_eq(on_disk(23 + flags * 8), 0);
		cr_assert_eq(on_disk(24 + flags * 8), 25 + flags * 8);
	}
	cr_assert_eq(range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 2), VIRTIO_BLK_S_UNSUPP);
	cr_assert_eq(range(VIRTIO_BLK_T_WRITE_ZEROES, SECTORS - 1, 2, 0), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(range(VIRTIO_BLK_T_WRITE_ZEROES, UINT64_MAX, 2, 0), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 0, 0), VIRTIO_BLK_S_OK);
	cr_assert_eq(on_disk(0), 1);
}

Test(block, discards)
{
	cr_assert_eq(range(VIRTIO_BLK_T_DISCARD, 16, 8, 0), VIRTIO_BLK_S_OK);
	cr_assert_eq(on_disk(16), 0);
	cr_assert_eq(on_disk(24), 25);
	cr_assert_eq(range(VIRTIO_BLK_T_DISCARD, 0, 8, 1), VIRTIO_BLK_S_UNSUPP);
	cr_assert_eq(range(VIRTIO_BLK_T_DISCARD, SECTORS, 1, 0), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(range(VIRTIO_BLK_T_DISCARD, 0, 0xffffffff, 0), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(request(VIRTIO_BLK_T_DISCARD, 0, 15), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(request(VIRTIO_BLK_T_DISCARD, 0, 0), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(request(VIRTIO_BLK_T_DISCARD, 0, 17 * 16), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(on_disk(0), 1);
}

Test(block, read_only_is_not_written)
{
	stop();
	make(true, 0);
	cr_assert(virtio_device_has(device, VIRTIO_BLK_F_RO));
	cr_assert_eq(request(VIRTIO_BLK_T_OUT, 9, 512), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(range(VIRTIO_BLK_T_DISCARD, 9, 1, 0), VIRTIO_BLK_S_UNSUPP);
	cr_assert_eq(range(VIRTIO_BLK_T_WRITE_ZEROES, 9, 1, 0), VIRTIO_BLK_S_UNSUPP);
	cr_assert_eq(on_disk(9), 10);
	cr_assert_eq(request(VIRTIO_BLK_T_IN, 9, 512), VIRTIO_BLK_S_OK);
}

/* What is no request breaks its device, and nothing else. */
static void assert_broken(void)
{
	cr_assert_eq(submit(), -1);
	cr_assert(!virtio_device_is_live(device));
	cr_assert(device->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

Test(block, request_without_a_whole_header)
{
	header(VIRTIO_BLK_T_FLUSH, 0);
	part(HEADER, 15, false);
	part(STATUS, 1, true);
	assert_broken();
}

Test(block, request_without_a_status)
{
	header(VIRTIO_BLK_T_OUT, 3);
	part(HEADER, 16, false);
	part(DATA, 512, false);
	assert_broken();
	cr_assert_eq(on_disk(3), 4);
}

Test(block, request_outside_of_memory)
{
	header(VIRTIO_BLK_T_IN, 3);
	part(HEADER, 16, false);
	part(RAM - 256, 512, true);
	part(STATUS, 1, true);
	assert_broken();
}

Test(block, request_that_loops)
{
	part(HEADER, 16, false);
	part(DATA, 512, true);
	descriptors()[1].flags |= VRING_DESC_F_NEXT;
	descriptors()[1].next = 1;
	assert_broken();
}

Test(block, file_that_was_cut)
{
	cr_assert_eq(ftruncate(file, 1536), 0);
	header(VIRTIO_BLK_T_IN, 2);
	part(HEADER, 16, false);
	part(DATA, 1024, true);
	part(STATUS, 1, true);
	cr_assert_eq(submit(), 512); /* what is there, without the status */
	cr_assert_eq(ram[STATUS], VIRTIO_BLK_S_IOERR);
	cr_assert_eq(request(VIRTIO_BLK_T_IN, 64, 512), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(request(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
}

/* A write beyond the limit of file sizes stands for all that the host may refuse. */
Test(block, file_that_cannot_be_written)
{
	const struct rlimit limit = {512, 512};

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_assert_eq(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_OK);
	cr_assert_eq(request(VIRTIO_BLK_T_OUT, 1, 512), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(request(VIRTIO_BLK_T_OUT, 0, 1024), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(on_disk(1), 2);
}

Test(block, configuration)
{
	struct virtio_blk_config config;
	uint8_t off = 0;

	virtio_mmio_read(device, VIRTIO_MMIO_CONFIG, &config, 60);
	cr_assert_eq(config.capacity, SECTORS);
	cr_assert_eq(config.blk_size, 512);
	cr_assert_eq(config.physical_block_exp, 3);
	cr_assert_eq(config.wce, 1);
	virtio_mmio_write(device, VIRTIO_MMIO_CONFIG, &off, 1);
	virtio_mmio_write(device, VIRTIO_MMIO_CONFIG + offsetof(struct virtio_blk_config, wce),
	                  &off, 1);
	virtio_mmio_read(device, VIRTIO_MMIO_CONFIG, &config, 60);
	cr_assert_eq(config.capacity, SECTORS);
	cr_assert_eq(config.wce, 0);
	cr_assert_eq(request(VIRTIO_BLK_T_OUT, 9, 512), VIRTIO_BLK_S_OK);
	virtio_device_reset(device);
	virtio_mmio_read(device, VIRTIO_MMIO_CONFIG, &config, 60);
	cr_assert_eq(config.wce, 1);
}
