/* SPDX-License-Identifier: Apache-2.0 */
/* AF_UNIX sockets: making, closing, and what poll and ioctl say of them. See unix.h. */
#include "guestkit/libc-shim/unix.h"

#include <asm/ioctls.h>
#include <linux/errno.h>

#include "guestkit/memory.h"
#include "guestkit/user.h"

/* ---- making and closing ---- */

/* There is room at the peer: those that poll this socket may write again. */
static void peer_has_room(struct waiter *waiter, uint32_t events)
{
	struct unix_socket *socket =
	        (struct unix_socket *)((char *)waiter - offsetof(struct unix_socket, peer_room));

	wait_queue_remove(waiter);
	wait_queue_wake_for(&socket->socket.queue, events);
}

struct unix_socket *unix_make(unsigned type)
{
	struct unix_socket *socket = heap_alloc(sizeof(*socket));

	if (!socket)
		return NULL;
	socket_init(&socket->socket, &unix_ops, SOCKET_FAMILY_UNIX, type);
	unix_list_add(socket);
	socket->peer_room.notify = peer_has_room;
	socket->peer_credentials = (struct socket_credentials){0, UINT32_MAX, UINT32_MAX};
	return socket;
}

int unix_create(unsigned type, int protocol, struct socket **made)
{
	struct unix_socket *socket;

	if (protocol && protocol != SOCKET_FAMILY_UNIX)
		return -EPROTONOSUPPORT;
	if (type == SOCKET_RAW)
		type = SOCKET_DATAGRAM; /* as on Linux */
	if (type != SOCKET_STREAM && type != SOCKET_DATAGRAM && type != SOCKET_SEQUENCED)
		return -ESOCKTNOSUPPORT;
	socket = unix_make(type);
	if (!socket)
		return -ENOMEM;
	*made = &socket->socket;
	return 0;
}

static void join(struct unix_socket *socket, struct unix_socket *peer)
{
	socket->peer = unix_get(peer);
	socket->state = UNIX_CONNECTED;
	socket->peer_credentials = socket_peer_credentials();
}

void unix_pair(struct socket *first, struct socket *second)
{
	join(unix_of(first), unix_of(second));
	join(unix_of(second), unix_of(first));
}

/* The other end of a connection learns that this one is gone. */
static void end_connection(struct unix_socket *socket, struct unix_socket *peer)
{
	const struct unix_packet *unread = socket->first;

	if (!unix_is_connecting(socket) || peer->is_dead)
		return;
	peer->closed = SOCKET_CLOSED_BOTH;
	if (unread && unread->start == unread->end)
		unread = unread->next; /* an empty one is not missed, as on Linux */
	if (unread || socket->is_pending)
		peer->socket.error = ECONNRESET;
	wait_queue_wake(&peer->socket.queue);
}

static void drop_pending(struct unix_socket *socket)
{
	struct unix_socket *pending;

	while ((pending = socket->first_pending)) {
		socket->first_pending = pending->next_pending;
		socket->pending--;
		unix_close(pending);
		unix_put(pending);
	}
	socket->last_pending = NULL;
}

void unix_close(struct unix_socket *socket)
{
	socket->is_dead = true;
	socket->closed = SOCKET_CLOSED_BOTH;
	unix_list_remove(socket);
	unix_unbind(socket);
	if (socket->peer)
		end_connection(socket, socket->peer);
	unix_forget_peer(socket);
	drop_pending(socket);
	unix_packet_drop_all(socket);
	wait_queue_wake(&socket->room);
	unix_collect();
}

static void unix_close_socket(struct socket *base)
{
	unix_close(unix_of(base));
}

static void unix_release(struct socket *base)
{
	unix_name_put(unix_of(base)->name);
}

/* ---- the rest ---- */

static int unix_shutdown(struct socket *base, unsigned ends)
{
	struct unix_socket *socket = unix_of(base), *peer = socket->peer;

	socket->closed |= ends;
	wait_queue_wake(&base->queue);
	wait_queue_wake(&socket->room);
	if (!peer || !unix_is_connecting(socket))
		return 0;
	peer->closed |= (ends & SOCKET_CLOSED_READ ? SOCKET_CLOSED_WRITE : 0u) |
	                (ends & SOCKET_CLOSED_WRITE ? SOCKET_CLOSED_READ : 0u);
	wait_queue_wake(&peer->socket.queue);
	return 0;
}

static int unix_get_name(const struct socket *base, bool peer, struct socket_address *address)
{
	const struct unix_socket *socket = (const struct unix_socket *)base;

	if (peer && !socket->peer)
		return -ENOTCONN;
	unix_name_tell(peer ? socket->peer : socket, address);
	return 0;
}

static bool unix_is_listening(const struct socket *base)
{
	return ((const struct unix_socket *)base)->state == UNIX_LISTENING;
}

static void unix_get_peer(const struct socket *base, struct socket_credentials *peer)
{
	*peer = ((const struct unix_socket *)base)->peer_credentials;
}

/* Does the peer take datagrams from this socket now? If not, those that poll it are told when. */
static bool has_peer_room(struct unix_socket *socket)
{
	struct unix_socket *peer = socket->peer;

	if (unix_is_connecting(socket) || !peer || peer->peer == socket || !unix_is_full(peer))
		return true;
	if (!socket->peer_room.queue)
		wait_queue_add(&peer->room, &socket->peer_room);
	return false;
}

static struct poll_state unix_poll(struct socket *base)
{
	struct unix_socket *socket = unix_of(base);
	bool reads_end = socket->closed & SOCKET_CLOSED_READ;

	return (struct poll_state){
	        .readable = reads_end || socket->first || socket->first_pending,
	        .writable = socket->state != UNIX_LISTENING && unix_is_writable(socket) &&
	                    has_peer_room(socket),
	        .hung_up = socket->closed == SOCKET_CLOSED_BOTH ||
	                   (unix_is_connecting(socket) && socket->state == UNIX_UNCONNECTED),
	        .error = base->error,
	        .read_closed = reads_end,
	        .has_bands = true,
	};
}

/* Bytes to be read: of a connection all of them, else the next datagram. */
static size_t unread_bytes(const struct unix_socket *socket)
{
	const struct unix_packet *packet = socket->first;
	size_t bytes = 0;

	for (; packet; packet = packet->next) {
		bytes += packet->end - packet->start;
		if (!unix_is_connecting(socket))
			break;
	}
	return bytes;
}

static int64_t unix_ioctl(struct socket *base, unsigned request, uint64_t argument)
{
	const struct unix_socket *socket = unix_of(base);
	int value;

	switch (request) {
	case FIONREAD:
		if (socket->state == UNIX_LISTENING)
			return -EINVAL;
		value = (int)unread_bytes(socket);
		break;
	case TIOCOUTQ: value = (int)socket->charged; break;
	default: return -ENOTTY;
	}
	return user_write(argument, &value, sizeof(value));
}

const struct socket_ops unix_ops = {
        .bind = unix_bind,
        .listen = unix_listen,
        .accept = unix_accept,
        .connect = unix_connect,
        .shutdown = unix_shutdown,
        .get_name = unix_get_name,
        .send = unix_send,
        .receive = unix_receive,
        .poll = unix_poll,
        .ioctl = unix_ioctl,
        .is_listening = unix_is_listening,
        .get_peer = unix_get_peer,
        .close = unix_close_socket,
        .release = unix_release,
};
