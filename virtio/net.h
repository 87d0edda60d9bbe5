/* SPDX-License-Identifier: Apache-2.0 */
/* The network device (virtio 1.2, section 5.1) over a backend. */
#ifndef MOTE_VIRTIO_NET_H
#define MOTE_VIRTIO_NET_H

#include "virtio/net_addresses.h"
#include "virtio/net_backend.h"
#include "virtio/virtio_device.h"

struct net_counters {
	uint64_t frames, bytes;
};

/* Chains that one received frame is spread over at most. */
#define NET_PARTS_MAX 256

struct net {
	struct virtio_device device; /* first */
	struct net_backend *backend; /* NULL: gone, or none */
	unsigned char mac[NET_MAC_SIZE];
	uint16_t mtu;
	struct net_addresses addresses;
	void (*report)(const char *why); /* the backend has gone: told once */
	void (*close)(struct net *net);  /* what the backend holds; NULL: nothing */
	bool has_chosen_addresses;       /* they are the user's choice, not the backend's */
	/* What a restored device takes over from its snapshot, as the user has chosen no other. */
	bool keeps_mac, keeps_addresses;
	uint16_t lost_mtu; /* before a restore, where it is smaller now; else 0 */

	bool lacks_buffers; /* the driver has to give some before anything can be received */
	struct net_counters sent, received;
	uint64_t dropped; /* frames of the driver's that had nowhere to go */

	/* of the frame that is being moved */
	struct {
		uint16_t head;
		size_t size; /* bytes */
	} parts[NET_PARTS_MAX];
	struct iovec vectors[VIRTQUEUE_SIZE_MAX + 1];
};

/* Frames that have moved, either way. */
static inline uint64_t net_frames(const struct net *net)
{
	return net->sent.frames + net->received.frames + net->dropped;
}

/**
 * net_init() - Begin a network device.
 * @net: zeroed but for backend (NULL: the link is down from the start), mac, mtu, addresses and
 *       what else the user has chosen, and report
 */
void net_init(struct net *net, const struct guest_memory *memory);

#endif
