/* SPDX-License-Identifier: Apache-2.0 */
/* The entropy device (virtio 1.2, section 5.4): random bytes of the host for whoever asks. */
#include "virtio/entropy.h"

#include <linux/virtio_ids.h>
#include <sys/random.h>

/* One request is filled up to this much, so that none takes long. */
#define FILL_MAX 65536u

/* #syscalls:run getrandom */
static uint32_t fill(const struct virtqueue_chain *chain)
{
	size_t done = 0;

	for (unsigned i = 0; i < chain->in_count && done < FILL_MAX; i++) {
		const struct iovec *to = &chain->vectors[chain->out_count + i];
		size_t size = to->iov_len < FILL_MAX - done ? to->iov_len : FILL_MAX - done;
		ssize_t got = getrandom(to->iov_base, size, 0);

		if (got < 0)
			break;
		done += (size_t)got;
		if ((size_t)got < size)
			break;
	}
	return (uint32_t)done;
}

/* Buffers are the driver's to be written only (5.4.6.1). */
static int serve(struct virtio_device *device, unsigned index)
{
	struct virtqueue *queue = &device->queues[index];
	struct virtqueue_chain *chain = &device->chain;
	int status;

	while ((status = virtqueue_next(queue, chain)) > 0) {
		if (chain->out_count || !chain->in_count)
			return -1;
		virtqueue_complete(queue, chain->head, fill(chain));
	}
	return status;
}

static const struct virtio_device_ops entropy_ops = {
        .name = "entropy",
        .id = VIRTIO_ID_RNG,
        .queue_count = 1,
        .queue_size = {16},
        .serve = serve,
};

void entropy_init(struct virtio_device *device, const struct guest_memory *memory)
{
	virtio_device_init(device, &entropy_ops, 0, memory);
}
