/* SPDX-License-Identifier: Apache-2.0 */
/* Driver of the socket device (virtio 1.2, section 5.10). */
#include "guestkit/virtio_vsock.h"

#include <linux/errno.h>
#include <linux/virtio_ids.h>

#include "guestkit/hypercall.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "guestkit/virtio.h"

enum { QUEUE_RECEIVE, QUEUE_SEND, QUEUE_EVENT, QUEUES }; /* 5.10.2 */

#define RECEIVE_BUFFERS 32u
#define RECEIVE_SIZE    8192u /* bytes of each, with the header */
#define HOST_CID        2u

static struct {
	struct virtio_driver driver;
	struct virtio_queue queues[QUEUES];
	const struct machine_device *device; /* NULL: not open */
	const struct vsock_receiver *receiver;
	unsigned char *sent; /* header and data of the packet that is being sent */
	struct virtio_vsock_event event;
	bool is_serving;
} vsock;

/* Give a buffer to the device. It has been there, so there is room. */
static void post(void *buffer)
{
	struct virtio_buffer whole = {direct_physical(buffer), RECEIVE_SIZE};

	virtio_queue_add(&vsock.queues[QUEUE_RECEIVE], &whole, 0, 1, buffer);
}

static void post_event(void)
{
	struct virtio_buffer whole = {kit_physical(&vsock.event), sizeof vsock.event};

	virtio_queue_add(&vsock.queues[QUEUE_EVENT], &whole, 0, 1, &vsock.event);
}

static void take_packet(unsigned char *buffer, uint32_t length)
{
	struct virtio_vsock_hdr header;

	if (length < sizeof header)
		return;
	memcpy(&header, buffer, sizeof header);
	if (header.len <= length - sizeof header)
		vsock.receiver->packet(&header, buffer + sizeof header);
}

/* Packets are answered by packets, so this may be asked for while it is going on. */
static void poll(struct virtio_driver *driver)
{
	struct virtio_queue *queue = &vsock.queues[QUEUE_RECEIVE];
	unsigned char *buffer;
	uint32_t length;

	(void)driver;
	if (vsock.is_serving)
		return;
	vsock.is_serving = true;
	do {
		while ((buffer = virtio_queue_take(queue, &length))) {
			take_packet(buffer, length);
			post(buffer);
		}
		while (virtio_queue_take(&vsock.queues[QUEUE_EVENT], NULL)) {
			vsock.receiver->lost();
			post_event();
		}
	} while (virtio_queue_listen(queue));
	virtio_queue_listen(&vsock.queues[QUEUE_EVENT]);
	vsock.is_serving = false;
}

static void config(struct virtio_driver *driver)
{
	(void)driver;
	if (virtio_has_failed(vsock.device))
		vsock.receiver->lost();
}

int vsock_driver_open(const struct vsock_receiver *receiver)
{
	const struct machine_device *device = virtio_find(VIRTIO_ID_VSOCK, 0);
	unsigned char *buffers;
	int status = 0;

	if (vsock.device)
		return 0;
	if (!device)
		return -ENODEV;
	buffers = heap_alloc(RECEIVE_BUFFERS * RECEIVE_SIZE);
	vsock.sent = heap_alloc(sizeof(struct virtio_vsock_hdr) + VSOCK_PACKET_MAX);
	if (!buffers || !vsock.sent)
		status = -ENOMEM;
	for (unsigned i = 0; !status && i < QUEUES; i++)
		status = virtio_queue_open(&vsock.queues[i], device, i);
	if (status) {
		heap_free(buffers);
		heap_free(vsock.sent);
		return status;
	}
	vsock.device = device;
	vsock.receiver = receiver;
	for (unsigned i = 0; i < RECEIVE_BUFFERS; i++)
		post(buffers + (size_t)i * RECEIVE_SIZE);
	post_event();
	vsock.driver = (struct virtio_driver){.poll = poll, .config = config};
	virtio_driver_add(&vsock.driver);
	poll(&vsock.driver);
	return 0;
}

uint64_t vsock_driver_cid(void)
{
	return virtio_config(vsock.device, 0, 8);
}

void *vsock_driver_data(void)
{
	return vsock.sent + sizeof(struct virtio_vsock_hdr);
}

int vsock_driver_send(struct virtio_vsock_hdr *header)
{
	struct virtio_queue *queue = &vsock.queues[QUEUE_SEND];
	struct virtio_buffer whole = {direct_physical(vsock.sent),
	                              (uint32_t)sizeof *header + header->len};

	header->src_cid = vsock_driver_cid();
	header->dst_cid = HOST_CID;
	memcpy(vsock.sent, header, sizeof *header);
	if (virtio_queue_add(queue, &whole, 1, 0, vsock.sent))
		return -EIO;
	virtio_kick();
	poll(&vsock.driver);
	return virtio_queue_take(queue, NULL) ? 0 : -EIO;
}
