/* SPDX-License-Identifier: Apache-2.0 */
/* The file system device (virtio 1.2, section 5.11): a directory of the host for the guest. */
#ifndef MOTE_VIRTIO_FS_H
#define MOTE_VIRTIO_FS_H

#include "virtio/fs_server.h"
#include "virtio/virtio_device.h"

/* Bytes of a share's place in the guest, with the final NUL. */
#define FS_MOUNT_POINT_MAX 256

struct fs_share {
	const char *host_directory;
	const char *mount_point; /* absolute path in the guest, shorter than FS_MOUNT_POINT_MAX */
	bool is_read_only;
	enum fs_cache cache;
};

/**
 * fs_open() - Make a device.
 * @share:  its strings stay the caller's, and must stay
 * @index:  of the share, for its tag: "share0", "share1" and so on
 * @memory: of the guest
 *
 * To be called before confinement (fs_server.h says what it must leave).
 *
 * Return: NULL with @err set.
 */
struct virtio_device *fs_open(const struct fs_share *share, unsigned int index,
                              const struct guest_memory *memory, struct mote_error *err);

/** fs_mount_point() - Where the guest has it. */
const char *fs_mount_point(const struct virtio_device *device);

/**
 * fs_read_state() - The same out of the state of a share in a snapshot.
 *
 * Return: NULL where it can be none.
 */
const char *fs_read_state(const void *specific, size_t size);

/** fs_is_other() - Whether a restored share has other files than the guest knew. */
bool fs_is_other(const struct virtio_device *device);

/**
 * fs_report_ties() - Name what of a share cannot be carried into another VM.
 * @text: filled: a line for each
 *
 * Return: bytes of text, at most @size.
 */
size_t fs_report_ties(const struct virtio_device *device, char *text, size_t size);

/** fs_directory() - The descriptor of the directory that a device of fs_open() shares. */
int fs_directory(const struct virtio_device *device);

#endif
