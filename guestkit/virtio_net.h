/* SPDX-License-Identifier: Apache-2.0 */
/* Driver of network devices (virtio 1.2, section 5.1). What it is to the network stack, that one
 * says (net/net.h). */
#ifndef MOTE_GUESTKIT_VIRTIO_NET_H
#define MOTE_GUESTKIT_VIRTIO_NET_H

/* The guest was started from a snapshot, and its networks are others: their links go down, and up
 * again with what their devices say by now. Nothing is done before the network stack has started.
 */
void virtio_net_restart(void);

#endif
