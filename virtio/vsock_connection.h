/* SPDX-License-Identifier: Apache-2.0 */
/* One connection of the socket device: its state, and the data on their way to the host. */
#ifndef MOTE_VIRTIO_VSOCK_CONNECTION_H
#define MOTE_VIRTIO_VSOCK_CONNECTION_H

#include <linux/virtio_vsock.h>
#include <stdbool.h>
#include <stdint.h>

#include "virtio/virtqueue.h"
#include "virtio/vsock.h"

#define VSOCK_HEADER      sizeof(struct virtio_vsock_hdr)
#define VSOCK_LINE_MAX    32u /* "CONNECT 4294967295\n" and some room */
#define VSOCK_SHUT_BOTH   (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)
#define VSOCK_PENDING(op) (1u << (op))

enum vsock_connection_state {
	VSOCK_FREE,
	VSOCK_GREETING,     /* of the host's: its line with the port has not been read */
	VSOCK_ASKING_GUEST, /* the guest has not answered the request */
	VSOCK_ASKING_HOST,  /* the connector has not */
	VSOCK_CONNECTED,
	VSOCK_ENDING, /* a reset is to be sent; the host's socket is closed */
};

struct vsock_connection {
	enum vsock_connection_state state;
	int fd;          /* -1: none */
	uint32_t serial; /* of this use of the structure */
	uint32_t guest_port, host_port;
	char line[VSOCK_LINE_MAX]; /* of the greeting, so far */
	unsigned line_length;
	uint32_t pending;        /* operations that wait for a buffer of the guest's */
	uint32_t shutdown_flags; /* of a pending shutdown */
	bool host_ended;         /* it will send no more, and the guest has been told */
	uint32_t guest_ended;    /* VIRTIO_VSOCK_SHUTDOWN_*: as the guest has said */

	/* to the guest: 5.10.6.3 */
	uint32_t guest_buffer, guest_taken, sent;
	/* from the guest: received - taken bytes are in the ring */
	uint32_t received, taken, told_taken;
	unsigned char *ring;
};

/* Bytes that the guest has room for. */
static inline uint32_t vsock_credit(const struct vsock_connection *connection)
{
	uint32_t under_way = connection->sent - connection->guest_taken;

	return under_way < connection->guest_buffer ? connection->guest_buffer - under_way : 0;
}

/* Close the host's socket; the structure is free. */
void vsock_forget(struct vsock_connection *connection);

/* The same, but the guest is to learn that it is over. */
void vsock_end(struct vsock_connection *connection);

/* The guest has sent @length bytes, behind the header in a chain: into the ring, and on from there.
 * One that sends more than it has room for is reset. */
void vsock_receive_data(struct vsock_connection *connection, const struct virtqueue_chain *chain,
                        uint32_t length);

/* Write from the ring to the host's socket, as much as that takes. */
void vsock_drain_ring(struct vsock_connection *connection);

/* What is due once all that the guest has sent is with the host: after it has shut down. */
void vsock_end_if_drained(struct vsock_connection *connection);

/* Write a line to a socket of the host's that is new, and so has room for it. */
void vsock_write_line(struct vsock_connection *connection, const char *line);

/**
 * vsock_read_greeting() - Read from a connection that the host has begun.
 * @port: set to the guest's port that it asks for
 *
 * Return: 1 when the line is there, 0 when more of it is to come, -1 when it is wrong.
 */
int vsock_read_greeting(struct vsock_connection *connection, uint32_t *port);

#endif
