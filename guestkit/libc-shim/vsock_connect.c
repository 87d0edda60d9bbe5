/* SPDX-License-Identifier: Apache-2.0 */
/* AF_VSOCK: ports, connections, and the packets that make and end them. */
#include <linux/errno.h>

#include "guestkit/libc-shim/vsock.h"
#include "guestkit/random.h"
#include "guestkit/snapshot.h"
#include "guestkit/string.h"

/* <linux/vm_sockets.h> needs the C library's struct sockaddr. */
#define CID_ANY            UINT32_MAX
#define PORT_ANY           UINT32_MAX
#define PORT_LAST_RESERVED 1023u

/* struct sockaddr_vm */
struct vsock_address {
	uint16_t family, reserved;
	uint32_t port, cid;
	uint8_t flags, zero[3];
};
_Static_assert(sizeof(struct vsock_address) == 16, "as programs have it");

static struct vsock_socket *bound;

/* ---- ports ---- */

static struct vsock_socket *find(uint32_t port, uint32_t peer_port)
{
	struct vsock_socket *socket = bound;

	while (socket && (socket->port != port || socket->peer_port != peer_port ||
	                  socket->state < VSOCK_CONNECTING))
		socket = socket->next;
	return socket;
}

static struct vsock_socket *find_unconnected(uint32_t port)
{
	struct vsock_socket *socket = bound;

	while (socket && (socket->port != port || socket->state >= VSOCK_CONNECTING))
		socket = socket->next;
	return socket;
}

static bool is_taken(uint32_t port)
{
	const struct vsock_socket *socket = bound;

	while (socket && socket->port != port)
		socket = socket->next;
	return socket;
}

static void add(struct vsock_socket *socket, uint32_t port)
{
	socket->port = port;
	socket->is_bound = true;
	socket->next = bound;
	bound = socket;
}

void vsock_unbind(struct vsock_socket *socket)
{
	struct vsock_socket **link = &bound;

	if (!socket->is_bound)
		return;
	while (*link != socket)
		link = &(*link)->next;
	*link = socket->next;
	socket->is_bound = false;
}

static void bind_to_any(struct vsock_socket *socket)
{
	static uint32_t next, chosen_in;

	if (!next || chosen_in != snapshot_starts)
		random_fill(&next, sizeof(next));
	chosen_in = snapshot_starts;
	do
		next = next <= PORT_LAST_RESERVED || next == PORT_ANY - 1 ? PORT_LAST_RESERVED + 1
		                                                          : next + 1;
	while (is_taken(next));
	add(socket, next);
}

static int read_address(const struct socket_address *address, struct vsock_address *out)
{
	if (address->length < sizeof(*out))
		return -EINVAL;
	memcpy(out, address->bytes, sizeof(*out));
	if (out->family != SOCKET_FAMILY_VSOCK)
		return -EAFNOSUPPORT;
	return 0;
}

int vsock_bind(struct socket *base, const struct socket_address *address)
{
	struct vsock_socket *socket = vsock_of(base);
	struct vsock_address name;
	int status = read_address(address, &name);

	if (status)
		return status == -EAFNOSUPPORT ? -EINVAL : status;
	if (socket->is_bound)
		return -EINVAL;
	if (name.cid != CID_ANY && name.cid != vsock_driver_cid())
		return -EADDRNOTAVAIL;
	if (name.port == PORT_ANY)
		bind_to_any(socket);
	else if (is_taken(name.port))
		return -EADDRINUSE;
	else
		add(socket, name.port);
	return 0;
}

int vsock_get_name(const struct socket *base, bool peer, struct socket_address *address)
{
	const struct vsock_socket *socket = (const struct vsock_socket *)base;
	struct vsock_address name = {.family = SOCKET_FAMILY_VSOCK};

	if (peer && socket->state != VSOCK_CONNECTED)
		return -ENOTCONN;
	name.port = peer ? socket->peer_port : socket->is_bound ? socket->port : PORT_ANY;
	name.cid = peer ? socket->peer_cid
	           : socket->is_bound
	                   ? (socket->state >= VSOCK_CONNECTING ? (uint32_t)vsock_driver_cid()
	                                                        : CID_ANY)
	                   : CID_ANY;
	address->length = sizeof(name);
	memcpy(address->bytes, &name, sizeof(name));
	return 0;
}

/* ---- listening ---- */

int vsock_listen(struct socket *base, unsigned backlog)
{
	struct vsock_socket *socket = vsock_of(base);

	if (!socket->is_bound || socket->state >= VSOCK_CONNECTING)
		return -EINVAL;
	socket->state = VSOCK_LISTENING;
	socket->backlog = backlog;
	return 0;
}

int vsock_accept(struct socket *base, uint32_t flags, struct socket **accepted)
{
	struct vsock_socket *socket = vsock_of(base), *made;
	uint64_t deadline = socket_deadline(base->receive_timeout, flags);

	if (socket->state != VSOCK_LISTENING)
		return -EINVAL;
	while (!socket->first_pending) {
		int result = socket_take_error(base);

		if (!result)
			result = socket_wait(&base->queue, deadline);
		if (result)
			return result;
	}
	made = socket->first_pending;
	socket->first_pending = made->next_pending;
	made->next_pending = NULL;
	socket->pending--;
	*accepted = &made->socket;
	return 0;
}

/* The host asks for a connection to a socket that listens. */
static void request(struct vsock_socket *listener, const struct virtio_vsock_hdr *header)
{
	struct vsock_socket **last = &listener->first_pending, *made;

	made = listener->pending <= listener->backlog ? vsock_make() : NULL;
	if (!made) {
		struct virtio_vsock_hdr answer = {.src_port = header->dst_port,
		                                  .dst_port = header->src_port,
		                                  .type = VIRTIO_VSOCK_TYPE_STREAM,
		                                  .op = VIRTIO_VSOCK_OP_RST};

		vsock_driver_send(&answer);
		return;
	}
	socket_inherit(&made->socket, &listener->socket);
	made->state = VSOCK_CONNECTED;
	made->peer_cid = (uint32_t)header->src_cid;
	made->peer_port = header->src_port;
	made->peer_buffer = header->buf_alloc;
	made->peer_taken = header->fwd_cnt;
	add(made, listener->port);
	while (*last)
		last = &(*last)->next_pending;
	*last = made;
	listener->pending++;
	vsock_tell(made, VIRTIO_VSOCK_OP_RESPONSE, 0);
	wait_queue_wake(&listener->socket.queue);
}

/* ---- connecting ---- */

static int begin_connection(struct vsock_socket *socket, const struct vsock_address *to)
{
	int status;

	if (to->port == PORT_ANY || to->cid == CID_ANY)
		return -EINVAL;
	if (!socket->is_bound)
		bind_to_any(socket);
	socket->state = VSOCK_CONNECTING;
	socket->peer_cid = to->cid;
	socket->peer_port = to->port;
	socket->is_reset = false;
	socket->socket.error = 0;
	status = vsock_tell(socket, VIRTIO_VSOCK_OP_REQUEST, 0);
	if (status)
		socket->state = VSOCK_UNCONNECTED;
	return status ? -ENODEV : 0;
}

/* Until the host has answered: 0 or a negative errno. */
static int finish_connection(struct vsock_socket *socket, uint64_t deadline)
{
	while (socket->state == VSOCK_CONNECTING) {
		int result = socket_wait(&socket->socket.queue, deadline);

		if (result != -EAGAIN && result)
			return result;
		if (result && socket->state == VSOCK_CONNECTING) {
			vsock_tell(socket, VIRTIO_VSOCK_OP_RST, 0);
			socket->state = VSOCK_UNCONNECTED;
			return -ETIMEDOUT;
		}
	}
	return socket->state == VSOCK_CONNECTED ? 0 : socket_take_error(&socket->socket);
}

int vsock_connect(struct socket *base, const struct socket_address *address, uint32_t flags)
{
	struct vsock_socket *socket = vsock_of(base);
	struct vsock_address name;
	int status = read_address(address, &name);

	if (status)
		return status;
	switch (socket->state) {
	case VSOCK_CONNECTED: return -EISCONN;
	case VSOCK_LISTENING: return -EINVAL;
	case VSOCK_CONNECTING:
		if (flags & MESSAGE_DONT_WAIT)
			return -EALREADY;
		break;
	case VSOCK_UNCONNECTED:
		status = begin_connection(socket, &name);
		if (status)
			return status;
	}
	/* The answer may have come along. */
	if (socket->state == VSOCK_CONNECTING && flags & MESSAGE_DONT_WAIT)
		return -EINPROGRESS;
	return finish_connection(socket, socket_deadline(socket->connect_timeout, 0));
}

/* ---- packets ---- */

/* The connection is over. */
static void reset(struct vsock_socket *socket)
{
	bool was_asked_for = socket->state == VSOCK_CONNECTING;

	if (socket->is_reset)
		return;
	socket->is_reset = true;
	if (was_asked_for)
		socket->state = VSOCK_UNCONNECTED;
	if (was_asked_for || socket->peer_closed != SOCKET_CLOSED_BOTH)
		socket->socket.error = ECONNRESET;
	socket->peer_closed = SOCKET_CLOSED_BOTH;
	wait_queue_wake(&socket->socket.queue);
}

static void respond(struct vsock_socket *socket)
{
	if (socket->state != VSOCK_CONNECTING)
		return;
	socket->state = VSOCK_CONNECTED;
	socket->peer_closed = 0;
	wait_queue_wake(&socket->socket.queue);
}

static void shut_down(struct vsock_socket *socket, uint32_t flags)
{
	socket->peer_closed |= (flags & VIRTIO_VSOCK_SHUTDOWN_RCV ? SOCKET_CLOSED_READ : 0u) |
	                       (flags & VIRTIO_VSOCK_SHUTDOWN_SEND ? SOCKET_CLOSED_WRITE : 0u);
	wait_queue_wake(&socket->socket.queue);
}

static void serve(struct vsock_socket *socket, const struct virtio_vsock_hdr *header,
                  const void *data)
{
	socket->peer_buffer = header->buf_alloc;
	socket->peer_taken = header->fwd_cnt;
	switch (header->op) {
	case VIRTIO_VSOCK_OP_RESPONSE: respond(socket); break;
	case VIRTIO_VSOCK_OP_RST: reset(socket); break;
	case VIRTIO_VSOCK_OP_SHUTDOWN: shut_down(socket, header->flags); break;
	case VIRTIO_VSOCK_OP_RW:
		if (vsock_take_data(socket, data, header->len)) {
			reset(socket);
			vsock_tell(socket, VIRTIO_VSOCK_OP_RST, 0);
		}
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE: wait_queue_wake(&socket->socket.queue); break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		vsock_tell(socket, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
		break;
	default: break;
	}
}

/* A packet for nobody is answered, so that the host ends what it takes for a connection. */
static void take_packet(const struct virtio_vsock_hdr *header, const void *data)
{
	struct vsock_socket *socket = find(header->dst_port, header->src_port);
	struct vsock_socket *listener = socket ? NULL : find_unconnected(header->dst_port);
	struct virtio_vsock_hdr answer = {.src_port = header->dst_port,
	                                  .dst_port = header->src_port,
	                                  .type = VIRTIO_VSOCK_TYPE_STREAM,
	                                  .op = VIRTIO_VSOCK_OP_RST};

	if (socket) {
		inode_get(&socket->socket.inode);
		serve(socket, header, data);
		inode_put(&socket->socket.inode);
	} else if (listener && listener->state == VSOCK_LISTENING &&
	           header->op == VIRTIO_VSOCK_OP_REQUEST) {
		request(listener, header);
	} else if (header->op != VIRTIO_VSOCK_OP_RST) {
		vsock_driver_send(&answer);
	}
}

static void lose_all(void)
{
	for (struct vsock_socket *socket = bound; socket; socket = socket->next)
		if (socket->state >= VSOCK_CONNECTING)
			reset(socket);
}

void vsock_visit(void (*visit)(const struct vsock_socket *socket, void *context), void *context)
{
	for (const struct vsock_socket *socket = bound; socket; socket = socket->next)
		if (socket->state >= VSOCK_CONNECTING && !socket->is_reset)
			visit(socket, context);
}

void vsock_cut(void)
{
	for (struct vsock_socket *socket = bound; socket; socket = socket->next) {
		if (socket->state < VSOCK_CONNECTING || socket->is_reset)
			continue;
		reset(socket);
		vsock_tell(socket, VIRTIO_VSOCK_OP_RST, 0);
	}
}

const struct vsock_receiver vsock_receiver = {.packet = take_packet, .lost = lose_all};
