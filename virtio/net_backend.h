/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a network device sends frames to and gets them from: a TAP of the host, or passt.
 *
 * Nothing here blocks. A backend that has gone for good says NET_GONE, and is not asked again.
 */
#ifndef MOTE_VIRTIO_NET_BACKEND_H
#define MOTE_VIRTIO_NET_BACKEND_H

#include <linux/virtio_net.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define NET_HEADER_SIZE 12 /* struct virtio_net_hdr_v1 (virtio 1.2, 5.1.6) */
#define NET_MAC_SIZE    6

/* Offloads that a backend may have, and a driver take: bits of the device's features (5.1.3). */
#define NET_OFFLOADS                                                        \
	(1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_HOST_TSO4 |       \
	 1ull << VIRTIO_NET_F_HOST_TSO6 | 1ull << VIRTIO_NET_F_GUEST_CSUM | \
	 1ull << VIRTIO_NET_F_GUEST_TSO4 | 1ull << VIRTIO_NET_F_GUEST_TSO6)

enum net_result {
	NET_GONE = -1, /* there is no network any more */
	NET_LATER = 0, /* not now: when the backend's descriptor is ready */
	NET_DONE = 1,
};

struct net_backend;

struct net_backend_ops {
	/**
	 * send() - Send a frame.
	 * @vectors: the header, which is alone in the first one, then the frame
	 *
	 * A frame that the backend does not want is dropped: NET_DONE.
	 */
	enum net_result (*send)(struct net_backend *backend, const struct iovec *vectors,
	                        unsigned count);
	/**
	 * receive() - Take the next frame, with its header in front; num_buffers is not the
	 * backend's to fill.
	 * @vectors: of at least net_room() bytes; may point into guest memory
	 * @length:  set to the bytes of both; at least NET_HEADER_SIZE
	 */
	enum net_result (*receive)(struct net_backend *backend, const struct iovec *vectors,
	                           unsigned count, size_t *length);
	/* Optional: its descriptor can take output: send what is left of an earlier frame. */
	enum net_result (*flush)(struct net_backend *backend);
	/* The driver has taken these of its offloads: 0, or -1. */
	int (*set_offloads)(struct net_backend *backend, uint64_t offloads);
	/* Its descriptor, and what to poll that for, beside input, in *events. One that has
	 * POLLERR or POLLHUP is gone. */
	int (*poll)(const struct net_backend *backend, short *events);
	/* Why it has gone, as a sentence without its end; asked once. */
	void (*explain)(struct net_backend *backend, char *why, size_t size);
};

struct net_backend {
	const struct net_backend_ops *ops;
	uint64_t offloads;               /* that it has, of NET_OFFLOADS */
	uint16_t mtu;                    /* of what it gives and takes */
	unsigned char mac[NET_MAC_SIZE]; /* for the guest, unless the user has chosen one */
};

#endif
