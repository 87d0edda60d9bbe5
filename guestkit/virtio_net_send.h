/* SPDX-License-Identifier: Apache-2.0 */
/* The sending half of the driver of network devices. */
#ifndef MOTE_GUESTKIT_VIRTIO_NET_SEND_H
#define MOTE_GUESTKIT_VIRTIO_NET_SEND_H

#include "guestkit/net/net.h"
#include "guestkit/virtio.h"

#define NET_SENDER_PARTS 128u /* buffers of one frame, beside its headers */

struct net_transmission;

struct net_sender {
	struct virtio_queue queue;
	bool can_join4, can_join6; /* the device cuts segments */
	struct net_transmission *free;
	struct net_transmission *open; /* not in the ring yet: more may be joined to it */
	struct virtio_buffer parts[1 + NET_SENDER_PARTS]; /* of `open`, behind its head */
	unsigned part_count;
};

/* Begin with queue @index of a device: 0, or negative. */
int net_sender_open(struct net_sender *sender, const struct machine_device *device, unsigned index);

/* The device may do more, or less, than before. */
void net_sender_restart(struct net_sender *sender, const struct machine_device *device);

/* As struct net_device_ops has it; the frame may stay open until net_sender_close(). */
int net_sender_send(struct net_sender *sender, const struct net_frame *frame);

/* Put what is open into the ring. */
void net_sender_close(struct net_sender *sender);

/* Free what the device has sent. */
void net_sender_collect(struct net_sender *sender);

#endif
