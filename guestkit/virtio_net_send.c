/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sending half of the driver of network devices (virtio 1.2, section 5.1.6.2).
 *
 * How it works
 *
 * A frame in the ring is a head, which has the device's header and a copy of the frame's own, and
 * then the stack's buffers. Short frames are all head. Each frame costs the host as much as it
 * costs to pass on 10 KB, so TCP segments are joined: where a segment continues the one before it
 * (same connection, next sequence number, all of one size but the last), its bytes are put behind,
 * up to 64 KB, and the device cuts the whole where it has to. The last frame is kept open for that
 * until the stack has no more. The stack's buffers are not written to, as it may send them again.
 */
#include "guestkit/virtio_net_send.h"

#include <linux/errno.h>
#include <linux/virtio_net.h>

#include "guestkit/hypercall.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "lwip/inet_chksum.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/prot/tcp.h"

#define TRANSMISSIONS 128u
#define SEGMENTS_MAX  48u  /* of one frame; 44 of the usual size are 64 KB */
#define HEAD_MAX      244u /* bytes; a frame up to this is copied whole */
#define JOINED_MAX    65535u

struct net_transmission {
	struct virtio_net_hdr_v1 header;
	unsigned char head[HEAD_MAX]; /* right behind it */
	unsigned head_size;
	struct pbuf *data[SEGMENTS_MAX]; /* referenced */
	unsigned segments;
	bool can_grow;
	size_t payload;       /* bytes of TCP's */
	size_t segment_size;  /* of the first one's payload */
	uint32_t next_number; /* of TCP's bytes */
	struct net_transmission *next;
};
_Static_assert(offsetof(struct net_transmission, head) == sizeof(struct virtio_net_hdr_v1),
               "one buffer for both");

int net_sender_open(struct net_sender *sender, const struct machine_device *device, unsigned index)
{
	struct net_transmission *all = heap_alloc(TRANSMISSIONS * sizeof *all);

	if (!all)
		return -ENOMEM;
	for (unsigned i = 0; i < TRANSMISSIONS; i++) {
		all[i].next = sender->free;
		sender->free = &all[i];
	}
	net_sender_restart(sender, device);
	return virtio_queue_open(&sender->queue, device, index);
}

void net_sender_restart(struct net_sender *sender, const struct machine_device *device)
{
	sender->can_join4 = virtio_has(device, VIRTIO_NET_F_HOST_TSO4);
	sender->can_join6 = virtio_has(device, VIRTIO_NET_F_HOST_TSO6);
}

/* ---- the ring ---- */

static void forget(struct net_sender *sender, struct net_transmission *transmission)
{
	for (unsigned i = 0; i < transmission->segments; i++)
		pbuf_free(transmission->data[i]);
	transmission->next = sender->free;
	sender->free = transmission;
}

void net_sender_collect(struct net_sender *sender)
{
	struct net_transmission *done;

	while ((done = virtio_queue_take(&sender->queue, NULL)))
		forget(sender, done);
}

static void make_room(struct net_sender *sender)
{
	virtio_notify();
	net_sender_collect(sender);
}

static struct net_transmission *take_free(struct net_sender *sender)
{
	struct net_transmission *transmission;

	if (!sender->free)
		make_room(sender);
	transmission = sender->free;
	if (!transmission)
		return NULL;
	sender->free = transmission->next;
	memset(&transmission->header, 0, sizeof transmission->header);
	transmission->segments = 0;
	transmission->can_grow = false;
	return transmission;
}

/* ---- joining ---- */

static struct tcp_hdr *tcp_of(unsigned char *head, const struct virtio_net_hdr_v1 *header)
{
	return (struct tcp_hdr *)(void *)(head + header->csum_start);
}

/* Bytes in front of the payload of a TCP segment that others may be joined to; 0: it is none. */
static unsigned joinable_head(const struct net_sender *sender, const struct net_frame *frame)
{
	unsigned tcp_at = SIZEOF_ETH_HDR + (frame->is_ipv6 ? IP6_HLEN : IP_HLEN);
	const struct tcp_hdr *tcp;

	if (!(frame->is_ipv6 ? sender->can_join6 : sender->can_join4) || frame->segment_size ||
	    frame->checksum_start != tcp_at || frame->data->len < tcp_at + TCP_HLEN)
		return 0;
	tcp = (const void *)((const unsigned char *)frame->data->payload + tcp_at);
	if (TCPH_HDRLEN_BYTES(tcp) != TCP_HLEN ||
	    (TCPH_FLAGS(tcp) & ~(TCP_PSH | TCP_FIN)) != TCP_ACK)
		return 0;
	return tcp_at + TCP_HLEN;
}

/* Whether all that is the same in two segments of one stream is. */
static bool is_same_stream(const unsigned char *a, const unsigned char *b, bool is_ipv6,
                           unsigned tcp_at)
{
	const struct tcp_hdr *one = (const void *)(a + tcp_at);
	const struct tcp_hdr *other = (const void *)(b + tcp_at);
	/* of IP: version to type of service; time to live and protocol; addresses */
	const unsigned first = SIZEOF_ETH_HDR, life = first + (is_ipv6 ? 6 : 8),
	               addresses = first + (is_ipv6 ? 8 : 12);

	return !memcmp(a, b, SIZEOF_ETH_HDR + 2) && !memcmp(a + life, b + life, 2) &&
	       !memcmp(a + addresses, b + addresses, tcp_at - addresses) &&
	       one->src == other->src && one->dest == other->dest && one->ackno == other->ackno &&
	       one->wnd == other->wnd;
}

static bool continues(const struct net_transmission *open, const struct net_frame *frame,
                      unsigned head)
{
	const unsigned char *bytes = frame->data->payload;
	const struct tcp_hdr *tcp = (const void *)(bytes + frame->checksum_start);
	size_t payload = (size_t)frame->data->tot_len - head;

	return head && open->can_grow && open->head_size == head && payload &&
	       payload <= open->segment_size && open->segments < SEGMENTS_MAX &&
	       head + open->payload + payload <= JOINED_MAX &&
	       lwip_ntohl(tcp->seqno) == open->next_number &&
	       is_same_stream(open->head, bytes, frame->is_ipv6, frame->checksum_start);
}

/* The bytes of a frame from @skip on; the caller knows that there is room. */
static void add_parts(struct net_sender *sender, struct pbuf *data, unsigned skip)
{
	struct net_transmission *open = sender->open;

	open->data[open->segments++] = data;
	pbuf_ref(data);
	for (struct pbuf *part = data; part; part = part->next, skip = 0)
		if (part->len > skip)
			sender->parts[1 + sender->part_count++] = (struct virtio_buffer){
			        direct_physical(part->payload) + skip, part->len - skip};
}

static void join(struct net_sender *sender, const struct net_frame *frame, unsigned head)
{
	struct net_transmission *open = sender->open;
	struct tcp_hdr *whole = tcp_of(open->head, &open->header);
	const struct tcp_hdr *tcp =
	        (const void *)((const unsigned char *)frame->data->payload + frame->checksum_start);
	size_t payload = (size_t)frame->data->tot_len - head;

	TCPH_SET_FLAG(whole, TCPH_FLAGS(tcp) & (TCP_PSH | TCP_FIN));
	open->payload += payload;
	open->next_number += (uint32_t)payload;
	open->can_grow = payload == open->segment_size && !(TCPH_FLAGS(tcp) & TCP_FIN);
	add_parts(sender, frame->data, head);
}

/* The headers of several segments in one: lengths, and the sums that they go into. */
static void finish_head(struct net_transmission *open)
{
	unsigned char *ip = open->head + SIZEOF_ETH_HDR;
	struct tcp_hdr *tcp = tcp_of(open->head, &open->header);
	bool is_ipv6 = ((struct eth_hdr *)(void *)open->head)->type == PP_HTONS(ETHTYPE_IPV6);
	uint16_t behind_ip = (uint16_t)(TCP_HLEN + open->payload);
	uint32_t sum;

	if (open->segments <= 1)
		return;
	if (is_ipv6) {
		IP6H_PLEN_SET((struct ip6_hdr *)(void *)ip, behind_ip);
	} else {
		struct ip_hdr *ip4 = (void *)ip;

		IPH_LEN_SET(ip4, lwip_htons((uint16_t)(IP_HLEN + behind_ip)));
		IPH_CHKSUM_SET(ip4, 0);
		IPH_CHKSUM_SET(ip4, inet_chksum(ip4, IP_HLEN));
	}
	/* The pseudo header's has the length in it. */
	sum = lwip_ntohs(tcp->chksum) + (uint32_t)(open->payload - open->segment_size);
	tcp->chksum = lwip_htons((uint16_t)((sum >> 16) + (sum & 0xffff)));
	open->header.gso_type = is_ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	open->header.gso_size = (uint16_t)open->segment_size;
	open->header.hdr_len = (uint16_t)open->head_size;
}

/* ---- sending ---- */

static struct virtio_net_hdr_v1 header_of(const struct net_frame *frame)
{
	struct virtio_net_hdr_v1 header = {.flags = 0};

	if (frame->checksum_start) {
		header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		header.csum_start = frame->checksum_start;
		header.csum_offset = frame->checksum_offset;
	}
	if (frame->segment_size) {
		header.gso_type =
		        frame->is_ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
		header.gso_size = frame->segment_size;
		header.hdr_len = frame->header_size;
	}
	return header;
}

static int close_open(struct net_sender *sender)
{
	struct net_transmission *open = sender->open;
	int status = 0;

	if (!open)
		return 0;
	sender->open = NULL;
	finish_head(open);
	sender->parts[0] = (struct virtio_buffer){
	        kit_physical(open), (uint32_t)(sizeof open->header + open->head_size)};
	for (unsigned try = 0; try < 2; try++) {
		status = virtio_queue_add(&sender->queue, sender->parts, 1 + sender->part_count, 0,
		                          open);
		if (status != -ENOSPC)
			break;
		make_room(sender);
	}
	if (status)
		forget(sender, open);
	return status;
}

void net_sender_close(struct net_sender *sender)
{
	(void)close_open(sender);
}

/* A frame that others may be joined to has no more than its headers in the head. */
static void begin(struct net_sender *sender, const struct net_frame *frame, unsigned head)
{
	struct net_transmission *open = sender->open;
	bool is_short = frame->data->tot_len <= HEAD_MAX;

	open->header = header_of(frame);
	open->head_size = is_short ? frame->data->tot_len : head;
	pbuf_copy_partial(frame->data, open->head, (uint16_t)open->head_size, 0);
	sender->part_count = 0;
	if (is_short)
		return;
	if (head) {
		const struct tcp_hdr *tcp = tcp_of(open->head, &open->header);

		open->payload = open->segment_size = (size_t)frame->data->tot_len - head;
		open->next_number = lwip_ntohl(tcp->seqno) + (uint32_t)open->payload;
		open->can_grow = !(TCPH_FLAGS(tcp) & TCP_FIN);
	}
	add_parts(sender, frame->data, head);
}

/* A frame in more pieces than there is room for, in one. */
static int send_copy(struct net_sender *sender, struct net_frame frame)
{
	struct pbuf *copy = pbuf_clone(PBUF_RAW, PBUF_RAM, frame.data);
	int status;

	if (!copy)
		return -ENOBUFS;
	frame.data = copy;
	status = net_sender_send(sender, &frame);
	pbuf_free(copy);
	return status;
}

int net_sender_send(struct net_sender *sender, const struct net_frame *frame)
{
	unsigned head = joinable_head(sender, frame), pieces = pbuf_clen(frame->data);

	if (sender->open && pieces <= NET_SENDER_PARTS - sender->part_count &&
	    continues(sender->open, frame, head)) {
		join(sender, frame, head);
		return 0;
	}
	net_sender_close(sender);
	if (pieces > NET_SENDER_PARTS)
		return send_copy(sender, *frame);
	net_sender_collect(sender);
	sender->open = take_free(sender);
	if (!sender->open)
		return -ENOBUFS;
	begin(sender, frame, head);
	return sender->open->can_grow ? 0 : close_open(sender) ? -ENOBUFS : 0;
}
