/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver of network devices (virtio 1.2, section 5.1).
 *
 * How it works
 *
 * Nothing happens before the network stack starts. Then each device gets buffers of a page to
 * receive into, which the VMM fills while the guest waits. A frame lies in one or several of them
 * and goes to the stack as it is; the buffers come back when the stack frees it. Short frames are
 * copied, so that they do not keep a page each, and so is everything while few buffers are left,
 * so that a reader that is slow stops nobody else.
 *
 * A frame to be sent (virtio_net_send.c) lies in the ring
 * until the guest waits, which tells the VMM of all queues; docs/decisions/017-network-kicks.md
 * says when it is told at once.
 */
#include <linux/errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/memory.h"
#include "guestkit/net/net.h"
#include "guestkit/string.h"
#include "guestkit/virtio.h"
#include "guestkit/virtio_net.h"
#include "guestkit/virtio_net_send.h"

#define QUEUE_RECEIVE 0
#define QUEUE_SEND    1

#define HEADER_SIZE sizeof(struct virtio_net_hdr_v1)
#define GROW        64u  /* buffers that a device gets at a time: the first ones hold 3 frames */
#define BUFFERS_MAX 256u /* as many as the queue has entries */
#define FEW         24u  /* fewer may be too few for the next frame */
#define COPY_MAX    256u /* bytes of a frame that is always copied */

#define SOON_NS 2000000u /* what is sent may wait that long for the VMM's next tick */

/* A page to receive into. */
struct buffer {
	struct pbuf_custom custom; /* first */
	struct port *port;
	unsigned char *memory;
};

struct port {
	struct virtio_driver driver; /* first */
	struct net_device net;
	const struct machine_device *device;
	struct virtio_queue receive;
	unsigned buffers, posted; /* that there are; that the device has */
	struct net_sender sender;
};

static struct port *ports[NET_DEVICES_MAX];
static unsigned port_count;

static struct port *port_of(struct net_device *net)
{
	return (struct port *)((char *)net - offsetof(struct port, net));
}

/* ---- receiving ---- */

static void post(struct buffer *buffer)
{
	const struct virtio_buffer page = {direct_physical(buffer->memory), PAGE_SIZE};

	if (!virtio_queue_add(&buffer->port->receive, &page, 0, 1, buffer))
		buffer->port->posted++;
}

/* The stack has done with it. */
static void give_back(struct pbuf *pbuf)
{
	post((struct buffer *)pbuf);
}

/* Give the device more buffers; without memory it keeps those that it has. */
static void grow(struct port *port)
{
	struct buffer *buffers;
	uint64_t pages;

	if (port->buffers + GROW > BUFFERS_MAX)
		return;
	buffers = heap_alloc(GROW * sizeof *buffers);
	pages = buffers ? page_alloc(GROW) : 0;
	if (!pages) {
		heap_free(buffers);
		return;
	}
	for (unsigned i = 0; i < GROW; i++) {
		buffers[i] = (struct buffer){.custom.custom_free_function = give_back,
		                             .port = port,
		                             .memory = direct_map(pages + i * PAGE_SIZE)};
		post(&buffers[i]);
	}
	port->buffers += GROW;
}

/* The next part of a frame, whose first @skip bytes are none of it; NULL: there is none. */
static struct pbuf *take_part(struct port *port, unsigned skip)
{
	uint32_t written;
	struct buffer *buffer = virtio_queue_take(&port->receive, &written);

	if (!buffer)
		return NULL;
	port->posted--;
	if (written < skip || written > PAGE_SIZE)
		written = skip;
	return pbuf_alloced_custom(PBUF_RAW, (uint16_t)(written - skip), PBUF_REF, &buffer->custom,
	                           buffer->memory + skip, (uint16_t)(PAGE_SIZE - skip));
}

/* A frame in buffers of the stack's own; NULL: there is no memory, it is lost. */
static struct pbuf *copied(struct pbuf *frame)
{
	struct pbuf *copy = pbuf_alloc(PBUF_RAW, frame->tot_len, PBUF_RAM);

	if (copy)
		pbuf_copy(copy, frame);
	pbuf_free(frame);
	return copy;
}

static bool receive_one(struct port *port)
{
	struct virtio_net_hdr_v1 header;
	struct pbuf *frame = take_part(port, HEADER_SIZE), *part;
	bool is_whole = true;

	if (!frame)
		return false;
	memcpy(&header, (unsigned char *)frame->payload - HEADER_SIZE, sizeof header);
	for (unsigned i = 1; i < header.num_buffers && (part = take_part(port, 0)); i++) {
		is_whole &= frame->tot_len + part->tot_len <= (int)NET_FRAME_MAX;
		if (is_whole)
			pbuf_cat(frame, part);
		else
			pbuf_free(part);
	}
	if (!is_whole || !frame->len) {
		pbuf_free(frame);
		return true;
	}
	if (frame->tot_len <= COPY_MAX || port->posted < FEW)
		frame = copied(frame);
	if (frame)
		net_receive(&port->net, frame,
		            header.flags &
		                    (VIRTIO_NET_HDR_F_DATA_VALID | VIRTIO_NET_HDR_F_NEEDS_CSUM));
	return true;
}

/* ---- sending ---- */

static int send_frame(struct net_device *net, const struct net_frame *frame)
{
	return net_sender_send(&port_of(net)->sender, frame);
}

/* The guest is going to wait, or the VMM to look, soon enough; or it is told now. */
static void flush(struct net_device *net)
{
	const volatile struct mote_run *run = (const volatile struct mote_run *)MOTE_RUN_VA;
	struct net_sender *sender = &port_of(net)->sender;

	net_sender_close(sender);
	if (run->next_tick > clock_monotonic() + SOON_NS) {
		virtio_notify();
		net_sender_collect(sender);
	}
}

static void collect(struct net_device *net)
{
	net_sender_collect(&port_of(net)->sender);
}

static const struct net_device_ops net_ops = {
        .send = send_frame, .flush = flush, .collect = collect};

/* ---- news of the VMM ---- */

static void poll(struct virtio_driver *driver)
{
	struct port *port = (struct port *)driver;
	unsigned posted = port->posted, taken = 0;

	net_sender_collect(&port->sender); /* acknowledgements make segments be sent again */
	do {
		while (receive_one(port))
			taken++;
	} while (virtio_queue_listen(&port->receive));
	if (!taken)
		return;
	if (posted < taken + FEW)
		grow(port);
	net_finish();
}

static bool is_link_up(const struct port *port)
{
	uint64_t status =
	        virtio_config_now(port->device, offsetof(struct virtio_net_config, status), 2);

	return status & VIRTIO_NET_S_LINK_UP && !virtio_has_failed(port->device);
}

static void config(struct virtio_driver *driver)
{
	struct port *port = (struct port *)driver;

	net_set_link(&port->net, is_link_up(port));
	net_finish();
}

/* ---- starting ---- */

static int open_queues(struct port *port)
{
	int status = virtio_queue_open(&port->receive, port->device, QUEUE_RECEIVE);

	if (!status)
		status = net_sender_open(&port->sender, port->device, QUEUE_SEND);
	if (!status)
		grow(port);
	return status;
}

static void describe(struct net_device *net, const struct machine_device *device)
{
	net->mtu = (uint16_t)virtio_config(device, offsetof(struct virtio_net_config, mtu), 2);
	net->has_checksum = virtio_has(device, VIRTIO_NET_F_CSUM);
	net->has_segmentation4 = virtio_has(device, VIRTIO_NET_F_HOST_TSO4);
	net->has_segmentation6 = virtio_has(device, VIRTIO_NET_F_HOST_TSO6);
	for (unsigned i = 0; i < NET_MAC_SIZE; i++)
		net->mac[i] = (unsigned char)virtio_config(device, i, 1);
}

static void start(const struct machine_device *device)
{
	struct port *port = heap_alloc(sizeof *port);

	if (!port)
		return;
	port->device = device;
	port->net = (struct net_device){
	        .ops = &net_ops,
	        .is_link_up = true,
	};
	describe(&port->net, device);
	if (open_queues(port) || net_add(&port->net))
		return;
	ports[port_count++] = port;
	port->driver = (struct virtio_driver){.poll = poll, .config = config};
	virtio_driver_add(&port->driver);
	virtio_queue_listen(&port->receive);
}

void virtio_net_start(void)
{
	const struct machine_device *device;

	for (unsigned i = 0; i < NET_DEVICES_MAX && (device = virtio_find(VIRTIO_ID_NET, i)); i++)
		start(device);
}

void virtio_net_restart(void)
{
	for (unsigned i = 0; i < port_count; i++) {
		struct port *port = ports[i];

		net_sender_collect(&port->sender);
		describe(&port->net, port->device);
		net_sender_restart(&port->sender, port->device);
		net_restart(&port->net, is_link_up(port));
	}
	if (port_count)
		net_finish();
}
