/* SPDX-License-Identifier: Apache-2.0 */
/* Driver of network devices (virtio 1.2, section 5.1); net.h has what the network stack calls. */
#ifndef MOTE_GUESTKIT_VIRTIO_NET_H
#define MOTE_GUESTKIT_VIRTIO_NET_H

/**
 * virtio_net_look() - A system call found nothing to receive and will not sleep for it.
 *
 * A program that only looks, again and again, would never hear of anything: from the eighth time
 * on, and not more often than every 50 us, the host is asked, for one exit.
 */
void virtio_net_look(void);

#endif
