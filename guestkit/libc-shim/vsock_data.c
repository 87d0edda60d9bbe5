/* SPDX-License-Identifier: Apache-2.0 */
/* AF_VSOCK: sending and receiving. */
#include <linux/errno.h>

#include "guestkit/libc-shim/signal.h"
#include "guestkit/libc-shim/vsock.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "guestkit/virtio.h"

#define SIGNAL_PIPE 13

static struct virtio_vsock_hdr header_of(struct vsock_socket *socket, uint16_t operation,
                                         uint32_t length)
{
	socket->told_taken = socket->taken;
	return (struct virtio_vsock_hdr){
	        .src_port = socket->port,
	        .dst_port = socket->peer_port,
	        .len = length,
	        .type = VIRTIO_VSOCK_TYPE_STREAM,
	        .op = operation,
	        .buf_alloc = VSOCK_RING,
	        .fwd_cnt = socket->taken,
	};
}

int vsock_tell(struct vsock_socket *socket, uint16_t operation, uint32_t flags)
{
	struct virtio_vsock_hdr header = header_of(socket, operation, 0);

	header.flags = flags;
	return vsock_driver_send(&header);
}

/* ---- sending ---- */

/* Sleep until the host has room: 0, or a negative errno. */
static int wait_for_room(struct vsock_socket *socket, uint64_t deadline)
{
	for (;;) {
		int result = socket_take_error(&socket->socket);

		if (result)
			return result;
		if (socket->closed & SOCKET_CLOSED_WRITE || socket->is_reset ||
		    socket->peer_closed & SOCKET_CLOSED_READ)
			return -EPIPE;
		if (vsock_credit(socket))
			return 0;
		result = socket_wait(&socket->socket.queue, deadline);
		if (result)
			return result;
	}
}

/* Send the next packet: bytes sent, or a negative errno. */
static int64_t send_piece(struct vsock_socket *socket, struct socket_message *message,
                          uint64_t deadline)
{
	struct virtio_vsock_hdr header;
	int result = wait_for_room(socket, deadline);
	size_t part = message->data.total;

	if (result)
		return result;
	if (part > vsock_credit(socket))
		part = vsock_credit(socket);
	if (part > VSOCK_PACKET_MAX)
		part = VSOCK_PACKET_MAX;
	if (message_take(message, vsock_driver_data(), part) < part)
		return -EFAULT;
	header = header_of(socket, VIRTIO_VSOCK_OP_RW, (uint32_t)part);
	socket->sent += (uint32_t)part;
	return vsock_driver_send(&header) ? -EPIPE : (int64_t)part;
}

int64_t vsock_send(struct socket *base, struct socket_message *message)
{
	struct vsock_socket *socket = vsock_of(base);
	uint64_t deadline = socket_deadline(base->send_timeout, message->flags);
	int64_t done = 0, result = 0;

	if (message->flags & MESSAGE_OUT_OF_BAND)
		return -EOPNOTSUPP;
	if (message->name && message->name->length)
		return socket->state == VSOCK_CONNECTED ? -EISCONN : -EOPNOTSUPP;
	if (socket->state != VSOCK_CONNECTED)
		return -ENOTCONN;
	while (message->data.total && result >= 0) {
		result = send_piece(socket, message, deadline);
		done += result > 0 ? result : 0;
	}
	if (result == -EPIPE && !done && !(message->flags & MESSAGE_NO_SIGNAL))
		signal_send_self(SIGNAL_PIPE);
	return done || result >= 0 ? done : result;
}

/* ---- receiving ---- */

int vsock_take_data(struct vsock_socket *socket, const void *data, uint32_t length)
{
	uint32_t start = socket->received % VSOCK_RING, first;

	if (socket->state != VSOCK_CONNECTED || length > VSOCK_RING - vsock_unread(socket))
		return -1;
	if (!socket->ring)
		socket->ring = heap_alloc(VSOCK_RING);
	if (!socket->ring)
		return -1;
	first = length < VSOCK_RING - start ? length : VSOCK_RING - start;
	memcpy(socket->ring + start, data, first);
	memcpy(socket->ring, (const char *)data + first, length - first);
	socket->received += length;
	wait_queue_wake(&socket->socket.queue);
	return 0;
}

/* Move what is there: bytes moved, or -EFAULT. */
static int64_t read_ring(struct vsock_socket *socket, struct socket_message *message)
{
	uint32_t at = socket->taken;
	size_t done = 0;

	while (at != socket->received && message->data.total) {
		uint32_t start = at % VSOCK_RING;
		size_t part = socket->received - at, moved;

		if (part > VSOCK_RING - start)
			part = VSOCK_RING - start;
		if (part > message->data.total)
			part = message->data.total;
		moved = vector_write(&message->data, socket->ring + start, part);
		at += (uint32_t)moved;
		done += moved;
		if (moved < part)
			break;
	}
	if (!(message->flags & MESSAGE_PEEK))
		socket->taken = at;
	return done ? (int64_t)done : -EFAULT;
}

/* The host is told of room before it has none left. */
static void tell_credit(struct vsock_socket *socket)
{
	if (socket->taken - socket->told_taken >= VSOCK_RING / 2 && !socket->is_reset &&
	    !(socket->peer_closed & SOCKET_CLOSED_WRITE))
		vsock_tell(socket, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
}

/* What a read finds without data: 0 at the end, 1 to go on waiting, or a negative errno. */
static int look_at_end(struct vsock_socket *socket)
{
	int result = socket_take_error(&socket->socket);

	if (result)
		return result;
	return !(socket->peer_closed & SOCKET_CLOSED_WRITE || socket->closed & SOCKET_CLOSED_READ);
}

int64_t vsock_receive(struct socket *base, struct socket_message *message)
{
	struct vsock_socket *socket = vsock_of(base);
	uint64_t deadline = socket_deadline(base->receive_timeout, message->flags);
	size_t wanted = (size_t)base->receive_low;
	int64_t done = 0, result = 0;

	if (message->flags & MESSAGE_OUT_OF_BAND)
		return -EOPNOTSUPP;
	if (socket->state != VSOCK_CONNECTED)
		return -ENOTCONN;
	if (message->flags & MESSAGE_WAIT_FOR_ALL || wanted > message->data.total)
		wanted = message->data.total;
	while (message->data.total) {
		if (vsock_unread(socket)) {
			result = read_ring(socket, message);
			if (result < 0)
				break;
			done += result;
			tell_credit(socket);
			if (message->flags & MESSAGE_PEEK)
				break;
		}
		if (done && (size_t)done >= wanted)
			break;
		result = look_at_end(socket);
		if (result <= 0)
			break;
		if (!deadline)
			virtio_kick(); /* a program that only looks never waits for news */
		result = vsock_unread(socket) ? 0 : socket_wait(&base->queue, deadline);
		if (result)
			break;
	}
	return done ? done : result < 0 ? result : 0;
}
