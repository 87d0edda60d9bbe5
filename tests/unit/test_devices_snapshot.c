/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of devices in snapshots: saved, compared with what is given, restored. */
#include <fcntl.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_vsock.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ring_driver.h"

#include "virtio/balloon.h"
#include "virtio/virtio_state.h"
#include "virtio/vsock.h"
#include "virtio/vsock_host.h"
#include "vmm/devices_snapshot.h"

#define RINGS 0x8000u /* guest-physical */
#define ROOM  (64u << 20)

static struct devices devices;
static struct run_options options;
static struct guest_memory memory;
static struct mote_error err;
static char disk_path[] = "/tmp/mote-test-disk-XXXXXX", other_path[] = "/tmp/mote-test-disk-XXXXXX";
static char directory[] = "/tmp/mote-test-share-XXXXXX";
static unsigned char *saved;
static size_t saved_size;

static void make_disk(char *path, off_t size)
{
	int fd = mkstemp(path);

	cr_assert(fd >= 0 && !ftruncate(fd, size));
	close(fd);
}

static void make(struct devices *to, const struct run_options *from)
{
	*to = (struct devices){.count = 0};
	cr_assert_eq(devices_open(to, from, &memory, &err), 0, "%s", err.text);
}

static void save(void)
{
	size_t bound = devices_save_bound(&devices);

	cr_assert_leq(bound, ROOM);
	saved = aligned_alloc(16, ROOM);
	cr_assert_eq(devices_save(&devices, saved, bound, &saved_size, &err), 0);
	cr_assert_eq(saved_size % 16, 0);
	cr_assert_leq(saved_size, bound);
}

/* An entropy device, a balloon, two disks and a share. */
static void start(void)
{
	make_disk(disk_path, 1 << 20);
	make_disk(other_path, 3 << 19);
	cr_assert(mkdtemp(directory));
	options = (struct run_options){
	        .entropy = true,
	        .balloon = true,
	        .balloon_bytes = 3 * MOTE_PAGE_SIZE,
	        .disks = {{{.path = disk_path, .id = "data"}, {.path = other_path}}, 2},
	        .shares = {{{.host_directory = directory, .mount_point = "/share"}}, 1},
	};
	cr_assert_eq(guest_memory_create(&memory, 64 * MOTE_PAGE_SIZE, &err), 0);
	make(&devices, &options);
	cr_assert_eq(devices.count, 5);
	cr_assert_eq(devices_place(&devices, RINGS, &err), 0);
}

static void end(void)
{
	unlink(disk_path);
	unlink(other_path);
	rmdir(directory);
}

TestSuite(devices_snapshot, .init = start, .fini = end, .timeout = 20);

/* Those that were made first let go of their disks, which they have for themselves. */
static struct devices *again(const struct run_options *from)
{
	static struct devices others;

	for (int fd = 3; fd < 256; fd++) {
		char name[32], path[sizeof disk_path] = "";

		snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
		if (readlink(name, path, sizeof path - 1) > 0 &&
		    (!strcmp(path, disk_path) || !strcmp(path, other_path)))
			close(fd);
	}
	make(&others, from);
	return &others;
}

static void adopt_fails(const struct run_options *from, const char *why)
{
	struct devices *others = again(from);

	cr_assert_eq(devices_adopt(others, from, &memory, saved, saved_size, &err), -1);
	cr_assert_str_eq(err.text, why);
}

Test(devices_snapshot, state_is_what_it_was)
{
	struct virtio_device *balloon = devices.list[1];
	struct devices *others;
	unsigned char *second = aligned_alloc(16, ROOM);
	size_t size;

	balloon->queues[0].next_available = 7;
	balloon->queues[0].next_used = 7;
	balloon->queues[0].told_used = 6;
	balloon->untold = VIRTIO_INTERRUPT_CONFIG;
	*(uint16_t *)(memory.host + balloon->queues[0].driver_area.value + 2) = 7;
	save();
	others = again(&options);
	cr_assert_eq(devices_adopt(others, &options, &memory, saved, saved_size, &err), 0, "%s",
	             err.text);
	cr_assert_eq(devices_restore(others, saved, saved_size, &err), 0, "%s", err.text);
	for (unsigned i = 0; i < devices.count; i++) {
		cr_assert(virtio_device_is_live(others->list[i]));
		cr_assert_eq(others->list[i]->ops, devices.list[i]->ops);
		cr_assert(others->list[i]->queues[0].is_ready);
	}
	cr_assert_eq(others->list[1]->queues[0].told_used, 6);
	cr_assert_eq(devices_save(others, second, ROOM, &size, &err), 0);
	cr_assert_eq(size, saved_size);
	cr_assert_arr_eq(saved, second, size);
}

Test(devices_snapshot, restored_in_place)
{
	save();
	devices.list[1]->queues[1].next_used = 5;
	balloon_set_target(devices.list[1], 9 * MOTE_PAGE_SIZE);
	cr_assert_eq(devices_restore(&devices, saved, saved_size, &err), 0);
	cr_assert_eq(devices.list[1]->queues[1].next_used, 0);
	cr_assert_eq(balloon_target(devices.list[1]), 3 * MOTE_PAGE_SIZE);
	cr_assert_not(devices_have_events(&devices));
}

Test(devices_snapshot, what_reaches_nothing_is_made_anew)
{
	struct run_options less = options;
	struct devices *others;

	save();
	less.entropy = less.balloon = false;
	others = again(&less);
	cr_assert_eq(devices_adopt(others, &less, &memory, saved, saved_size, &err), 0);
	cr_assert_eq(devices_restore(others, saved, saved_size, &err), 0);
	cr_assert_eq(others->count, 5);
	cr_assert_eq(others->list[0]->ops->id, VIRTIO_ID_RNG);
	cr_assert_eq(balloon_target(others->list[1]), 3 * MOTE_PAGE_SIZE);
}

Test(devices_snapshot, order_does_not_matter_where_there_are_names)
{
	struct run_options other = options;
	struct devices *others;

	save();
	other.disks.list[0] = options.disks.list[1];
	other.disks.list[1] = options.disks.list[0];
	other.balloon_bytes = 8 * MOTE_PAGE_SIZE;
	others = again(&other);
	cr_assert_eq(devices_adopt(others, &other, &memory, saved, saved_size, &err), 0);
	cr_assert_eq(devices_restore(others, saved, saved_size, &err), 0);
	cr_assert_eq(balloon_target(others->list[1]), 8 * MOTE_PAGE_SIZE);
	cr_assert(devices_have_events(others));
}

Test(devices_snapshot, a_larger_disk_is_told_of)
{
	struct devices *others;

	save();
	cr_assert_eq(truncate(disk_path, 4 << 20), 0);
	others = again(&options);
	cr_assert_eq(devices_adopt(others, &options, &memory, saved, saved_size, &err), 0);
	cr_assert_eq(devices_restore(others, saved, saved_size, &err), 0);
	cr_assert_eq(others->list[2]->untold, VIRTIO_INTERRUPT_CONFIG);
	cr_assert_eq(others->list[3]->untold, 0);
}

Test(devices_snapshot, what_is_missing_is_named)
{
	struct run_options less = options;

	save();
	less.disks.count = 0;
	adopt_fails(&less,
	            "the snapshot has disk `data' (1 MiB): give it with --disk FILE,id=data");
	less.disks.count = 1;
	adopt_fails(&less, "the snapshot has a disk without a name (1536 KiB): give it with "
	                   "--disk FILE");
	less = options;
	less.shares.count = 0;
	adopt_fails(&less, "the snapshot has a share at /share: give it with --share "
	                   "HOSTDIR:/share");
}

Test(devices_snapshot, what_is_other_is_named)
{
	struct run_options other = options;

	save();
	other.disks.list[0].is_read_only = true;
	adopt_fails(&other, "the snapshot has disk `data' (1 MiB), which is written to: give it "
	                    "without ,ro");
	other = options;
	other.shares.list[1] = (struct fs_share){.host_directory = directory, .mount_point = "/b"};
	other.shares.count = 2;
	adopt_fails(&other, "the snapshot has no share at /b: leave it out");
	other = options;
	other.disks.list[1].id = "data";
	other.disks.list[0].id = NULL;
	cr_assert_eq(truncate(other_path, 4096), 0);
	adopt_fails(&other,
	            "the snapshot has disk `data' (1 MiB), the one given is smaller (4 KiB)");
}

Test(devices_snapshot, extra_devices_are_refused)
{
	struct run_options none = {.env = NULL};
	struct run_options extra = {.entropy = true};
	struct devices empty = {.count = 0};
	struct devices *others;

	saved = aligned_alloc(16, ROOM);
	make(&empty, &none);
	cr_assert_eq(devices_save(&empty, saved, ROOM, &saved_size, &err), 0);
	others = again(&extra);
	cr_assert_eq(devices_adopt(others, &extra, &memory, saved, saved_size, &err), -1);
	cr_assert_str_eq(err.text, "the snapshot has no entropy device: leave it out");
}

/* ---- sockets ---- */

/* 5.10.6.7: where there were connections, the driver learns that they are over. */
Test(devices_snapshot, connections_end_with_a_transport_reset)
{
	const struct vsock_host nobody = {.listener = -1, .connector = -1};
	static struct devices sockets;
	struct virtio_vsock_event *event = (void *)(memory.host + 0x1000);
	uint32_t *connections;
	uint16_t *ring, *used;

	sockets.list[sockets.count++] = vsock_create(&nobody, &memory);
	cr_assert_eq(devices_place(&sockets, RINGS, &err), 0);
	*(struct vring_desc *)(memory.host + sockets.list[0]->queues[2].descriptors.value) =
	        (struct vring_desc){0x1000, sizeof *event, VRING_DESC_F_WRITE, 0};
	ring = (uint16_t *)(memory.host + sockets.list[0]->queues[2].driver_area.value);
	used = (uint16_t *)(memory.host + sockets.list[0]->queues[2].device_area.value);
	ring[1] = 1;
	event->id = 0xffffffff;
	saved = aligned_alloc(16, ROOM);
	cr_assert_eq(devices_save(&sockets, saved, ROOM, &saved_size, &err), 0);
	cr_assert_eq(devices_restore(&sockets, saved, saved_size, &err), 0);
	cr_assert_eq(used[1], 0);
	connections = (uint32_t *)(saved + 16 + sizeof(struct virtio_device_state) + 4);
	cr_assert_eq(*connections, 0);
	*connections = 2;
	cr_assert_eq(devices_restore(&sockets, saved, saved_size, &err), 0);
	cr_assert_eq(used[1], 1);
	cr_assert_eq(event->id, VIRTIO_VSOCK_EVENT_TRANSPORT_RESET);
	cr_assert(devices_have_events(&sockets));
}

/* ---- hostile files ---- */

/* Whatever the bytes are, there is an error or devices that work. */
static void try(unsigned char *bytes, size_t size)
{
	struct devices others = devices;

	if (devices_adopt(&others, &options, &memory, bytes, size, &err) ||
	    devices_restore(&others, bytes, size, &err)) {
		cr_assert_neq(err.code, 0);
		return;
	}
	for (unsigned i = 0; i < others.count; i++)
		virtio_device_serve(others.list[i]);
}

Test(devices_snapshot, cut_anywhere)
{
	save();
	for (size_t size = 0; size < saved_size; size++) {
		struct devices others = devices;

		cr_assert_eq(devices_adopt(&others, &options, &memory, saved, size, &err), -1);
		cr_assert_eq(devices_restore(&devices, saved, size, &err), -1);
	}
}

Test(devices_snapshot, changed_anywhere)
{
	static const unsigned char values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};

	save();
	for (size_t at = 0; at < saved_size; at++) {
		unsigned char before = saved[at];

		for (size_t i = 0; i < sizeof values; i++) {
			saved[at] = values[i];
			try(saved, saved_size);
		}
		saved[at] = before;
	}
	cr_assert_eq(devices_restore(&devices, saved, saved_size, &err), 0);
}

Test(devices_snapshot, rings_outside_memory)
{
	struct virtio_device_state *state;

	save();
	state = (struct virtio_device_state *)(saved + 16);
	state->queues[0].descriptors = memory.size - 16;
	cr_assert_eq(devices_restore(&devices, saved, saved_size, &err), -1);
	cr_assert_str_eq(err.text,
	                 "the entropy device cannot take up the state that it has in the "
	                 "snapshot: the file is damaged, or of a mote with other devices");
}

Test(devices_snapshot, another_version)
{
	save();
	saved[0] = 2;
	cr_assert_eq(devices_restore(&devices, saved, saved_size, &err), -1);
	cr_assert_str_eq(err.text, "the snapshot's devices have version 2, this mote knows 1");
}
