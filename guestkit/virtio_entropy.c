/* SPDX-License-Identifier: Apache-2.0 */
/* Driver of the entropy device (virtio 1.2, section 5.4). */
#include "guestkit/virtio_entropy.h"

#include <linux/errno.h>
#include <linux/virtio_ids.h>

#include "guestkit/hypercall.h"
#include "guestkit/virtio.h"

static struct virtio_queue queue;

static int open_device(void)
{
	const struct machine_device *device = virtio_find(VIRTIO_ID_RNG, 0);

	if (queue.size)
		return 0;
	return device ? virtio_queue_open(&queue, device, 0) : -ENODEV;
}

int64_t entropy_read(void *to, size_t length)
{
	struct virtio_buffer buffer = {kit_physical(to), (uint32_t)length};
	uint32_t written;
	int status = open_device();

	if (status)
		return status;
	status = virtio_queue_add(&queue, &buffer, 0, 1, &queue);
	if (status)
		return status;
	virtio_kick();
	return virtio_queue_take(&queue, &written) ? (int64_t)written : -EIO;
}
