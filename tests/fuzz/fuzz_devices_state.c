/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sections DEVICES and RESOURCES of a hostile snapshot.
 *
 * The input is a device section, cut at its size, or changes to a good one; then a device tree.
 * What is refused says why, and devices that take up a state go on to serve whatever it makes of
 * their queues.
 */
#include <errno.h>
#include <fcntl.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/input.h"
#include "vmm/console.h"
#include "vmm/devices_snapshot.h"
#include "vmm/start_tree.h"

#define RINGS      0x8000u
#define PAGES      64u
#define STATE_ROOM (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct devices devices;
static struct guest_memory memory;
static struct run_options options;
static unsigned char *good, *state;
static size_t good_size;

void console_report(const char *text, size_t length)
{
	if (!memchr(text, '\n', length))
		abort();
}

int console_fd(int stream)
{
	return stream;
}

int64_t console_write(int stream, const void *from, uint64_t length)
{
	(void)stream;
	(void)from;
	return (int64_t)length;
}

int64_t console_read(void *to, uint64_t length, uint32_t flags)
{
	(void)flags;
	memset(to, 'x', length);
	return (int64_t)length;
}

int64_t console_control(int stream, uint32_t operation, void *block)
{
	(void)stream;
	(void)operation;
	(void)block;
	return -ENOTTY;
}

static void must(int result)
{
	if (result)
		abort();
}

static void put(int directory, const char *name, size_t size)
{
	int fd = openat(directory, name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	must(fd < 0 || ftruncate(fd, (off_t)size));
	close(fd);
}

static char base[] = "/tmp/mote-fuzz-state-XXXXXX";

static void remove_files(void)
{
	static const char *const names[] = {"disk", "share/a", "share"};
	int directory = open(base, O_RDONLY | O_DIRECTORY);

	for (unsigned i = 0; i < 3; i++)
		unlinkat(directory, names[i], i == 2 ? AT_REMOVEDIR : 0);
	close(directory);
	rmdir(base);
}

/* All kinds but the network, which needs a backend; a share with files that are known and open. */
static void make_devices(void)
{
	static char disk[64], share[64];
	static char file[] = "file", *argv[] = {file, NULL};
	struct mote_error err;
	int directory;

	must(!mkdtemp(base));
	atexit(remove_files);
	directory = open(base, O_RDONLY | O_DIRECTORY);
	put(directory, "disk", 1 << 20);
	must(mkdirat(directory, "share", 0700));
	put(directory, "share/a", 100);
	snprintf(disk, sizeof disk, "%s/disk", base);
	snprintf(share, sizeof share, "%s/share", base);
	options = (struct run_options){
	        .argc = 1,
	        .argv = argv,
	        .entropy = true,
	        .virtio_console = true,
	        .balloon = true,
	        .disks = {{{.path = disk, .id = "data", .is_read_only = true}}, 1},
	        .shares = {{{.host_directory = share, .mount_point = "/share"}}, 1},
	};
	must(guest_memory_create(&memory, PAGES * MOTE_PAGE_SIZE, &err));
	must(devices_open(&devices, &options, &memory, &err));
	must(devices_place(&devices, RINGS, &err));
	good = aligned_alloc(16, STATE_ROOM);
	state = aligned_alloc(16, STATE_ROOM);
	must(devices_save(&devices, good, STATE_ROOM, &good_size, &err));
}

static bool is_of_ours(const struct virtio_device *device)
{
	for (unsigned i = 0; i < devices.count; i++)
		if (devices.list[i] == device)
			return true;
	return false;
}

static void restore(const void *bytes, size_t size)
{
	struct devices adopted = devices;
	struct mote_error err = {0};

	if (devices_adopt(&adopted, &options, &memory, bytes, size, &err) ||
	    devices_restore(&adopted, bytes, size, &err)) {
		if (!err.code)
			abort();
	} else {
		devices_serve(&adopted, false);
		devices_generation_flags(&adopted);
	}
	/* Those that were made anew; elsewhere the process ends with them. */
	for (unsigned i = 0; i < adopted.count; i++)
		if (!is_of_ours(adopted.list[i]))
			free(adopted.list[i]);
}

static void build_tree(const void *bytes, size_t size)
{
	struct mote_error err = {0};
	void *tree = NULL;
	size_t made;

	if (start_tree_build(bytes, size, &options, &devices, &tree, &made, &err))
		return;
	if (tree && (fdt_check_header(tree) || fdt_totalsize(tree) != made))
		abort();
	free(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	size_t length = 0;

	if (!good)
		make_devices();
	memset(memory.host + RINGS, 0, (PAGES - RINGS / MOTE_PAGE_SIZE) * MOTE_PAGE_SIZE);
	switch (take_byte(&input) % 3) {
	case 0:
		length = good_size;
		memcpy(state, good, good_size);
		while (input.left) {
			size_t at = take_short(&input) % good_size;

			state[at] = take_byte(&input);
		}
		restore(state, length);
		break;
	case 1:
		length = input.left;
		take(&input, state, length);
		restore(state, length);
		break;
	case 2:
		length = input.left;
		take(&input, state, length);
		build_tree(state, length);
		break;
	}
	return 0;
}
