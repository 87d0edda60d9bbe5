/* SPDX-License-Identifier: Apache-2.0 */
/* Driver of the socket device (virtio 1.2, section 5.10): packets to and from the host. */
#ifndef MOTE_GUESTKIT_VIRTIO_VSOCK_H
#define MOTE_GUESTKIT_VIRTIO_VSOCK_H

#include <linux/virtio_vsock.h>
#include <stddef.h>
#include <stdint.h>

/* Most data that a packet to the host carries. */
#define VSOCK_PACKET_MAX 65536u

/* Who takes what comes from the host. */
struct vsock_receiver {
	/* @header->len bytes of @data, which is gone when this returns */
	void (*packet)(const struct virtio_vsock_hdr *header, const void *data);
	/* All connections are lost. */
	void (*lost)(void);
};

/**
 * vsock_driver_open() - Begin using the device.
 *
 * May be called again. Return: 0, -ENODEV without a device, -ENOMEM.
 */
int vsock_driver_open(const struct vsock_receiver *receiver);

/* Our address. */
uint64_t vsock_driver_cid(void);

/* Where the data of the next packet have to be put, before vsock_driver_send(). */
void *vsock_driver_data(void);

/**
 * vsock_driver_send() - Send a packet: one exit.
 * @header: CIDs are filled in here; @header->len bytes of data are in vsock_driver_data()
 *
 * The receiver may be called before this returns. Return: 0, or -EIO when the device has failed.
 */
int vsock_driver_send(struct virtio_vsock_hdr *header);

#endif
