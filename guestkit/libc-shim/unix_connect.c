/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of AF_UNIX sockets: listen, connect, accept. */
#include <linux/errno.h>

#include "guestkit/libc-shim/unix.h"

bool unix_is_full(const struct unix_socket *socket)
{
	if (socket->state == UNIX_LISTENING)
		return socket->pending > socket->backlog;
	return socket->packets > DATAGRAM_BACKLOG;
}

void unix_forget_peer(struct unix_socket *socket)
{
	struct unix_socket *peer = socket->peer;

	wait_queue_remove(&socket->peer_room);
	socket->peer = NULL;
	unix_put(peer);
}

/* ---- streams and sequenced packets ---- */

int unix_listen(struct socket *base, unsigned backlog)
{
	struct unix_socket *socket = unix_of(base);

	if (!unix_is_connecting(socket))
		return -EOPNOTSUPP;
	if (!socket->name || socket->state == UNIX_CONNECTED)
		return -EINVAL;
	socket->state = UNIX_LISTENING;
	socket->backlog = backlog;
	socket->peer_credentials = socket_peer_credentials();
	wait_queue_wake(&base->queue);
	wait_queue_wake_for(&socket->room, UNIX_WRITABLE);
	return 0;
}

/* Make the other end of a connection and leave it to accept(). */
static int leave_connection(struct unix_socket *socket, struct unix_socket *listener)
{
	struct unix_socket *made = unix_make(socket->socket.type);

	if (!made)
		return -ENOMEM;
	made->name = listener->name;
	made->name->references++;
	socket_inherit(&made->socket, &listener->socket);
	made->state = socket->state = UNIX_CONNECTED;
	made->peer = unix_get(socket);
	socket->peer = unix_get(made);
	made->peer_credentials = socket_peer_credentials();
	socket->peer_credentials = listener->peer_credentials;

	made->is_pending = true;
	*(listener->last_pending ? &listener->last_pending->next_pending
	                         : &listener->first_pending) = made;
	listener->last_pending = made;
	listener->pending++;
	wait_queue_wake(&socket->socket.queue);
	wait_queue_wake_for(&listener->socket.queue, UNIX_READABLE);
	return 0;
}

/* Connect to what has the address, once it has room: 0, or a negative errno. */
static int connect_once(struct unix_socket *socket, struct unix_socket *listener, uint64_t deadline)
{
	if (listener->is_dead)
		return -ENOENT; /* look for another one */
	if (listener->state != UNIX_LISTENING || listener->closed & SOCKET_CLOSED_READ)
		return -ECONNREFUSED;
	if (unix_is_full(listener)) {
		int result = socket_wait(&listener->room, deadline);

		return result ? result : -ENOENT;
	}
	if (socket->state != UNIX_UNCONNECTED)
		return socket->state == UNIX_CONNECTED ? -EISCONN : -EINVAL;
	return leave_connection(socket, listener);
}

static int connect_stream(struct unix_socket *socket, const struct socket_address *address,
                          uint32_t flags)
{
	uint64_t deadline = socket_deadline(socket->socket.send_timeout, flags);
	int result = unix_address_check(address);

	if (!result)
		result = unix_bind_sender(socket);
	if (result)
		return result;
	do {
		struct unix_socket *listener;

		result = unix_find(address, socket->socket.type, &listener);
		if (result)
			return result;
		result = connect_once(socket, listener, deadline);
		unix_put(listener);
	} while (result == -ENOENT);
	return result;
}

int unix_accept(struct socket *base, uint32_t flags, struct socket **accepted)
{
	struct unix_socket *socket = unix_of(base), *made;
	uint64_t deadline = socket_deadline(base->receive_timeout, flags);

	if (!unix_is_connecting(socket))
		return -EOPNOTSUPP;
	if (socket->state != UNIX_LISTENING)
		return -EINVAL;
	while (!socket->first_pending) {
		int result = socket_take_error(base);

		/* Nobody can connect any more. */
		if (!result && socket->closed & SOCKET_CLOSED_READ)
			result = deadline ? -EINVAL : -EAGAIN;
		if (!result)
			result = socket_wait(&base->queue, deadline);
		if (result)
			return result;
	}
	made = socket->first_pending;
	socket->first_pending = made->next_pending;
	if (!socket->first_pending)
		socket->last_pending = NULL;
	socket->pending--;
	made->next_pending = NULL;
	made->is_pending = false;
	wait_queue_wake_for(&socket->room, UNIX_WRITABLE);
	*accepted = &made->socket;
	return 0;
}

/* ---- datagrams ---- */

/* The peer of before is not the peer any more: what came from it is lost. */
static void disconnect(struct unix_socket *socket, struct unix_socket *other)
{
	struct unix_socket *old = unix_get(socket->peer);

	unix_forget_peer(socket);
	if (other != old && socket->first) {
		unix_packet_drop_all(socket);
		if (!old->is_dead && old->peer == socket) {
			old->socket.error = ECONNRESET;
			wait_queue_wake(&old->socket.queue);
		}
	}
	unix_put(old);
}

static int connect_datagram(struct unix_socket *socket, const struct socket_address *address)
{
	struct unix_socket *other = NULL;
	int result = 0;

	if (address->length < sizeof(address->family))
		return -EINVAL;
	if (address->family != SOCKET_FAMILY_NONE) {
		result = unix_address_check(address);
		if (!result)
			result = unix_bind_sender(socket);
		if (!result)
			result = unix_find(address, SOCKET_DATAGRAM, &other);
	}
	if (!result && other && other->peer && other->peer != socket)
		result = -EPERM;
	if (result) {
		unix_put(other);
		return result;
	}
	if (socket->peer)
		disconnect(socket, other);
	socket->peer = other;
	socket->state = other ? UNIX_CONNECTED : UNIX_UNCONNECTED;
	wait_queue_wake(&socket->socket.queue);
	return 0;
}

int unix_connect(struct socket *base, const struct socket_address *address, uint32_t flags)
{
	struct unix_socket *socket = unix_of(base);

	return unix_is_connecting(socket) ? connect_stream(socket, address, flags)
	                                  : connect_datagram(socket, address);
}
