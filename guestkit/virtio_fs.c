/* SPDX-License-Identifier: Apache-2.0 */
/* Driver of the file system device (virtio 1.2, section 5.11): carries FUSE requests. */
#include "guestkit/virtio_fs.h"

#include <linux/errno.h>
#include <linux/virtio_ids.h>

#include "guestkit/hypercall.h"
#include "guestkit/libc-shim/fuse.h"
#include "guestkit/virtio.h"

#define REQUEST_QUEUE 1 /* 5.11.2: queue 0 is for what may not wait, of which there is nothing */

struct share {
	struct fuse_transport transport;
	const struct machine_device *device;
	struct virtio_queue queue;
	unsigned waiting; /* requests in the ring */
};

/* Have served what is in the ring: false when it is not. */
static bool serve(struct share *share)
{
	virtio_kick();
	while (share->waiting && virtio_queue_take(&share->queue, NULL))
		share->waiting--;
	return !share->waiting;
}

static int put(struct share *share, struct fuse_request *request)
{
	struct virtio_buffer buffers[FUSE_IN_PARTS + FUSE_OUT_PARTS];
	unsigned count = 0, in_count;

	for (unsigned i = 0; i < request->in_count; i++)
		if (request->in_parts[i].length)
			buffers[count++] = (struct virtio_buffer){
			        kit_physical(request->in_parts[i].address),
			        (uint32_t)request->in_parts[i].length,
			};
	in_count = count;
	for (unsigned i = 0; i < request->out_count; i++)
		if (request->out_parts[i].length)
			buffers[count++] = (struct virtio_buffer){
			        kit_physical(request->out_parts[i].address),
			        (uint32_t)request->out_parts[i].length,
			};
	return virtio_queue_add(&share->queue, buffers, in_count, count - in_count, request);
}

static int exchange(struct fuse_transport *transport, struct fuse_request *const *requests,
                    size_t count)
{
	struct share *share = (struct share *)transport;
	int result = 0;

	if (!share->queue.size)
		result = virtio_queue_open(&share->queue, share->device, REQUEST_QUEUE);
	for (size_t i = 0; !result && i < count; i++) {
		result = put(share, requests[i]);
		if (result != -ENOSPC || !share->waiting) {
			share->waiting += !result;
			continue;
		}
		/* The ring is full: what is in it goes first. */
		result = serve(share) ? put(share, requests[i]) : -EIO;
		share->waiting += !result;
	}
	/* Whatever went wrong, what is in the ring must not stay there: it is on a stack. */
	if (share->waiting && !serve(share))
		result = -EIO;
	return result;
}

static int mount_one(const struct machine_device *device, const char **path)
{
	struct share *share;
	struct inode *root;
	bool is_read_only;
	int size;

	*path = machine_device_property(device, "mote,mount-point", &size);
	if (!*path || size < 2 || (*path)[size - 1]) {
		*path = "share";
		return -EINVAL;
	}
	is_read_only = machine_device_property(device, "mote,read-only", &size) != NULL;
	share = heap_alloc(sizeof(*share));
	root = share ? fuse_create(&share->transport, is_read_only) : NULL;
	if (!root) {
		heap_free(share);
		return -ENOMEM;
	}
	share->transport.exchange = exchange;
	share->device = device;
	return vfs_mount_made(*path, root);
}

int virtio_fs_mount(const char **path)
{
	const struct machine_device *device;
	int result = 0;

	for (unsigned i = 0; !result && (device = virtio_find(VIRTIO_ID_FS, i)) != NULL; i++)
		result = mount_one(device, path);
	return result;
}
