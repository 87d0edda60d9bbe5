/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets of the family AF_VSOCK inside: streams between the guest and its host (vsock(7)).
 *
 * How it works
 *
 * All sockets that have a port are in one list, in which a packet finds its own by the two ports:
 * a connection, or else the socket that listens on the port. Data that have come lie in a ring
 * until they are read; the host knows how much room is there, and sends no more. A connection that
 * the host has asked for is made at once, without a file, and left to accept().
 */
#ifndef MOTE_LIBC_SHIM_VSOCK_H
#define MOTE_LIBC_SHIM_VSOCK_H

#include "guestkit/libc-shim/socket.h"
#include "guestkit/virtio_vsock.h"

#define VSOCK_RING 65536u /* bytes; a power of two */

enum vsock_state { VSOCK_UNCONNECTED, VSOCK_LISTENING, VSOCK_CONNECTING, VSOCK_CONNECTED };

struct vsock_socket {
	struct socket socket; /* first: the two are converted into each other */
	enum vsock_state state;
	bool is_bound; /* has a port, and is in the list */
	uint32_t port;
	uint32_t peer_cid, peer_port;
	uint64_t connect_timeout; /* ns */
	unsigned closed;          /* SOCKET_CLOSED_*: by us */
	unsigned peer_closed; /* SOCKET_CLOSED_WRITE: it sends no more; _READ: it takes no more */
	bool is_reset;        /* the connection is over: nothing is sent any more */

	/* to the host (virtio 1.2, 5.10.6.3) */
	uint32_t peer_buffer, peer_taken, sent;
	/* from the host: received - taken bytes are in the ring */
	uint32_t received, taken, told_taken;
	unsigned char *ring; /* heap; NULL before the first byte */

	unsigned backlog, pending;                         /* connections to be accepted */
	struct vsock_socket *first_pending, *next_pending; /* referenced */
	struct vsock_socket *next;                         /* in the list */
};

static inline struct vsock_socket *vsock_of(struct socket *socket)
{
	return (struct vsock_socket *)socket;
}

static inline uint32_t vsock_unread(const struct vsock_socket *socket)
{
	return socket->received - socket->taken;
}

/* Bytes that the host has room for. */
static inline uint32_t vsock_credit(const struct vsock_socket *socket)
{
	uint32_t under_way = socket->sent - socket->peer_taken;

	return under_way < socket->peer_buffer ? socket->peer_buffer - under_way : 0;
}

/* ---- vsock.c ---- */

extern const struct socket_ops vsock_ops;

/* A socket without a file, or NULL. */
struct vsock_socket *vsock_make(void);

/* ---- vsock_connect.c ---- */

extern const struct vsock_receiver vsock_receiver;

int vsock_bind(struct socket *socket, const struct socket_address *address);
int vsock_listen(struct socket *socket, unsigned backlog);
int vsock_accept(struct socket *socket, uint32_t flags, struct socket **accepted);
int vsock_connect(struct socket *socket, const struct socket_address *address, uint32_t flags);
int vsock_get_name(const struct socket *socket, bool peer, struct socket_address *address);

/* Visit connections, for a snapshot. */
void vsock_visit(void (*visit)(const struct vsock_socket *socket, void *context), void *context);
/* End all connections: ECONNRESET, for both sides. Those who listen go on. */
void vsock_cut(void);

/* Out of the list. */
void vsock_unbind(struct vsock_socket *socket);

/* ---- vsock_data.c ---- */

int64_t vsock_send(struct socket *socket, struct socket_message *message);
int64_t vsock_receive(struct socket *socket, struct socket_message *message);

/* Send a packet with nothing but an operation (VIRTIO_VSOCK_OP_*): one exit; 0 or -EIO. */
int vsock_tell(struct vsock_socket *socket, uint16_t operation, uint32_t flags);

/* Data of the host for this connection: 0, or -1 where it has no right to send them. */
int vsock_take_data(struct vsock_socket *socket, const void *data, uint32_t length);

#endif
