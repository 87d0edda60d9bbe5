/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file system device (virtio 1.2, section 5.11). A chain is one FUSE request and the room for
 * its answer; all that are in the ring are served at one notification, in their order. What the
 * guest may ask for is fs_server.c's matter.
 */
#include "virtio/fs.h"

#include <libfdt.h>
#include <linux/fuse.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "virtio/fs_snapshot.h"

struct fs_device {
	struct virtio_device device;
	struct fs_server server;
	const struct fs_share *share;
	struct virtio_fs_config config;
};

static struct fs_device *of(struct virtio_device *device)
{
	return (struct fs_device *)device;
}

static int serve(struct virtio_device *device, unsigned index)
{
	struct virtqueue *queue = &device->queues[index];
	struct virtqueue_chain *chain = &device->chain;
	int status;

	while ((status = virtqueue_next(queue, chain)) > 0) {
		size_t written;

		if (chain->out_bytes < sizeof(struct fuse_in_header))
			return -1;
		written = fs_serve(&of(device)->server, chain->vectors, chain->out_count,
		                   virtqueue_in(chain), chain->in_count);
		virtqueue_complete(queue, chain->head, (uint32_t)written);
	}
	return status;
}

static void reset(struct virtio_device *device)
{
	if (of(device)->server.state)
		fs_server_reset(&of(device)->server);
}

static void read_config(struct virtio_device *device, size_t offset, void *to, size_t length)
{
	memcpy(to, (const char *)&of(device)->config + offset, length);
}

static int describe(const struct virtio_device *device, void *tree)
{
	const struct fs_device *fs = (const struct fs_device *)device;
	int status = fdt_property_string(tree, "mote,mount-point", fs->share->mount_point);

	if (!status && fs->share->is_read_only)
		status = fdt_property(tree, "mote,read-only", NULL, 0);
	return status;
}

/* ---- snapshots ---- */

/* What the server knows follows (fs_snapshot.h). */
struct fs_device_state {
	char mount_point[FS_MOUNT_POINT_MAX];
};
_Static_assert(sizeof(struct fs_device_state) == 256, "part of the file format");

static size_t save_bound(const struct virtio_device *device)
{
	const struct fs_device *fs = (const struct fs_device *)device;

	return sizeof(struct fs_device_state) + fs_server_save_bound(&fs->server);
}

static size_t save(const struct virtio_device *device, void *to)
{
	const struct fs_device *fs = (const struct fs_device *)device;
	struct fs_device_state *state = to;

	*state = (struct fs_device_state){{0}};
	memcpy(state->mount_point, fs->share->mount_point,
	       strnlen(fs->share->mount_point, sizeof state->mount_point - 1));
	return sizeof *state + fs_server_save(&fs->server, state + 1);
}

static int load(struct virtio_device *device, const void *from, size_t size)
{
	const struct fs_device_state *state = from;

	return fs_read_state(from, size)
	               ? fs_server_load(&of(device)->server, state + 1, size - sizeof *state)
	               : -1;
}

const char *fs_read_state(const void *specific, size_t size)
{
	const struct fs_device_state *state = specific;

	return size >= sizeof *state && memchr(state->mount_point, 0, sizeof state->mount_point)
	               ? state->mount_point
	               : NULL;
}

bool fs_is_other(const struct virtio_device *device)
{
	return ((const struct fs_device *)device)->server.is_other;
}

size_t fs_report_ties(const struct virtio_device *device, char *text, size_t size)
{
	const struct fs_device *fs = (const struct fs_device *)device;

	return fs_server_report_ties(&fs->server, fs->share->mount_point, text, size);
}

static void close_fs(struct virtio_device *device)
{
	fs_server_close(&((struct fs_device *)device)->server);
}

/* The rings of both queues fit into one page of the guest. */
static const struct virtio_device_ops fs_ops = {
        .name = "fs",
        .id = VIRTIO_ID_FS,
        .queue_count = 2, /* 5.11.2: what may not wait, and requests */
        .queue_size = {8, 128},
        .config_size = sizeof(struct virtio_fs_config),
        .serve = serve,
        .reset = reset,
        .read_config = read_config,
        .describe = describe,
        .save_bound = save_bound,
        .save = save,
        .load = load,
        .close = close_fs,
};

struct virtio_device *fs_open(const struct fs_share *share, unsigned int index,
                              const struct guest_memory *memory, struct mote_error *err)
{
	struct fs_device *fs = calloc(1, sizeof *fs);

	if (!fs) {
		mote_error_set(err, MOTE_STATUS_FAILED, "no memory to share %s",
		               share->host_directory);
		return NULL;
	}
	virtio_device_init(&fs->device, &fs_ops, 0, memory);
	fs->share = share;
	snprintf((char *)fs->config.tag, sizeof fs->config.tag, "share%u", index);
	fs->config.num_request_queues = 1;
	if (fs_server_open(&fs->server, share->host_directory, share->is_read_only, share->cache,
	                   err)) {
		free(fs);
		return NULL;
	}
	return &fs->device;
}

const char *fs_mount_point(const struct virtio_device *device)
{
	return ((const struct fs_device *)device)->share->mount_point;
}

int fs_directory(const struct virtio_device *device)
{
	return ((const struct fs_device *)device)->server.root;
}
