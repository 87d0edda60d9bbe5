/* SPDX-License-Identifier: Apache-2.0 */
/* Sending through AF_UNIX sockets. */
#include <linux/errno.h>

#include "guestkit/libc-shim/signal.h"
#include "guestkit/libc-shim/unix.h"

#define SIGNAL_PIPE       13
#define DATAGRAM_OVERHEAD 32u /* a datagram is as large as SO_SNDBUF less this */

/* ---- what both kinds share ---- */

/* Say who sends to @other, where somebody wants to know: one that is still to be accepted may. */
static void name_sender(const struct unix_socket *socket, const struct unix_socket *other,
                        struct socket_control *control)
{
	if (control->has_sender)
		return;
	control->has_sender = socket_wants_sender(&socket->socket) ||
	                      socket_wants_sender(&other->socket) || other->is_pending;
	if (control->has_sender)
		control->sender = socket_sender_credentials();
}

/* What goes along with the next packet to @other: the files only with the first one. */
static int take_control(const struct unix_socket *socket, const struct unix_socket *other,
                        struct socket_control *from, struct socket_control *to)
{
	int result = unix_fly(from->rights);

	if (result)
		return result;
	*to = *from;
	from->rights = NULL;
	name_sender(socket, other, to);
	return 0;
}

/* Sleep until more may be under way: 0, or a negative errno. */
static int wait_for_room(struct unix_socket *socket, uint64_t deadline)
{
	for (;;) {
		int result = socket_take_error(&socket->socket);

		if (!result && socket->closed & SOCKET_CLOSED_WRITE)
			result = -EPIPE;
		if (result || unix_has_room(socket))
			return result;
		result = socket_wait(&socket->socket.queue, deadline);
		if (result)
			return result;
	}
}

/* ---- streams ---- */

/* Add all that is left of a message to the last packet, if it fits: bytes added, or -EFAULT. */
static int64_t join_last(const struct unix_socket *socket, struct unix_socket *other,
                         struct socket_message *message)
{
	struct unix_packet *last = other->last;
	size_t left = message->data.total;
	struct socket_control control = message->control;

	if (!last || control.rights || last->control.rights || left > last->size - last->end)
		return 0;
	name_sender(socket, other, &control);
	if (!unix_is_same_sender(&control, &last->control))
		return 0;
	if (message_take(message, last->data + last->end, left) < left)
		return -EFAULT;
	last->end += (uint32_t)left;
	wait_queue_wake_for(&other->socket.queue, UNIX_READABLE);
	return (int64_t)left;
}

/* Send the next packet of a stream: bytes sent, or a negative errno. */
static int64_t send_piece(struct unix_socket *socket, struct socket_message *message,
                          uint64_t deadline)
{
	struct unix_socket *other = socket->peer;
	int64_t result;
	struct unix_packet *packet;
	size_t part;

	if (socket->closed & SOCKET_CLOSED_WRITE)
		return -EPIPE;
	result = other->is_dead || other->closed & SOCKET_CLOSED_READ
	                 ? -EPIPE
	                 : join_last(socket, other, message);
	if (!result)
		result = wait_for_room(socket, deadline);
	if (result)
		return result;
	packet = unix_packet_make_piece(socket, message->data.total, !other->first);
	if (!packet)
		return -ENOBUFS;
	part = message->data.total < packet->size ? message->data.total : packet->size;
	if (other->is_dead || other->closed & SOCKET_CLOSED_READ)
		result = -EPIPE;
	else if (message_take(message, packet->data, part) < part)
		result = -EFAULT;
	else
		result = take_control(socket, other, &message->control, &packet->control);
	if (result) {
		unix_packet_free(packet);
		return result;
	}
	packet->end = (uint32_t)part;
	unix_packet_queue(other, packet);
	return (int64_t)part;
}

static int64_t send_stream(struct unix_socket *socket, struct socket_message *message)
{
	uint64_t deadline = socket_deadline(socket->socket.send_timeout, message->flags);
	int64_t done = 0, result = 0;

	if (message->flags & MESSAGE_OUT_OF_BAND)
		return -EOPNOTSUPP;
	if (message->name && message->name->length)
		return socket->state == UNIX_CONNECTED ? -EISCONN : -EOPNOTSUPP;
	if (!socket->peer)
		return -ENOTCONN;
	if (!message->data.total && socket->closed & SOCKET_CLOSED_WRITE)
		result = -EPIPE;
	while (message->data.total && result >= 0) {
		result = send_piece(socket, message, deadline);
		done += result > 0 ? result : 0;
	}
	if (result == -EPIPE && !done && !(message->flags & MESSAGE_NO_SIGNAL))
		signal_send_self(SIGNAL_PIPE);
	return done || result > 0 ? done : result;
}

/* ---- datagrams and sequenced packets ---- */

/* The socket that a message is for, referenced: the one it names, or the peer. */
static int find_receiver(const struct unix_socket *socket, const struct socket_message *message,
                         struct unix_socket **other)
{
	if (message->name && message->name->length)
		return unix_find(message->name, socket->socket.type, other);
	*other = socket->peer ? unix_get(socket->peer) : NULL;
	return *other ? 0 : -ENOTCONN;
}

/* May a packet go to @other now? 0, -EAGAIN: once it has room; -ENOENT: look for another one. */
static int check_receiver(struct unix_socket *socket, struct unix_socket *other)
{
	bool is_peer = socket->peer == other;

	if (other->peer && other->peer != socket)
		return -EPERM;
	if (other->is_dead) {
		if (unix_is_connecting(socket))
			return -EPIPE;
		if (!is_peer)
			return -ENOENT;
		unix_forget_peer(socket);
		socket->state = UNIX_UNCONNECTED;
		unix_packet_drop_all(socket);
		return -ECONNREFUSED;
	}
	if (other->closed & SOCKET_CLOSED_READ)
		return -EPIPE;
	return other != socket && other->peer != socket && unix_is_full(other) ? -EAGAIN : 0;
}

/* Wait until a packet may go to the receiver of a message, which is found anew each time it was
 * gone; *other is referenced on success. */
static int wait_for_receiver(struct unix_socket *socket, const struct socket_message *message,
                             uint64_t deadline, struct unix_socket **other)
{
	for (;;) {
		int result = find_receiver(socket, message, other);

		if (result)
			return result;
		result = check_receiver(socket, *other);
		if (!result)
			return 0;
		if (result == -EAGAIN)
			result = socket_wait(&(*other)->room, deadline);
		else if (result == -ENOENT)
			result = 0;
		unix_put(*other);
		if (result)
			return result;
	}
}

static int64_t send_datagram(struct unix_socket *socket, struct socket_message *message)
{
	uint64_t deadline = socket_deadline(socket->socket.send_timeout, message->flags);
	size_t length = message->data.total;
	struct unix_packet *packet;
	struct unix_socket *other;
	int result;

	if (message->flags & MESSAGE_OUT_OF_BAND)
		return -EOPNOTSUPP;
	result = message->name && message->name->length ? unix_address_check(message->name) : 0;
	if (!result)
		result = unix_bind_sender(socket);
	if (!result && length > socket->socket.send_limit - DATAGRAM_OVERHEAD)
		result = -EMSGSIZE;
	if (!result)
		result = wait_for_room(socket, deadline);
	if (result)
		return result;
	packet = unix_packet_make(socket, length);
	if (!packet)
		return -ENOBUFS;
	packet->end = (uint32_t)length;
	if (message_take(message, packet->data, length) < length) {
		unix_packet_free(packet);
		return -EFAULT;
	}
	result = wait_for_receiver(socket, message, deadline, &other);
	if (result) {
		unix_packet_free(packet);
		return result;
	}
	result = take_control(socket, other, &message->control, &packet->control);
	if (!result)
		unix_packet_queue(other, packet);
	else
		unix_packet_free(packet);
	unix_put(other);
	return result ? result : (int64_t)length;
}

int64_t unix_send(struct socket *base, struct socket_message *message)
{
	struct unix_socket *socket = unix_of(base);
	int result;

	if (message->control.rights)
		unix_collect_if_many();
	if (base->type == SOCKET_STREAM)
		return send_stream(socket, message);
	if (base->type == SOCKET_SEQUENCED) {
		result = socket_take_error(base);
		if (!result && socket->state != UNIX_CONNECTED)
			result = -ENOTCONN;
		if (result)
			return result;
		message->name = NULL;
	}
	return send_datagram(socket, message);
}
