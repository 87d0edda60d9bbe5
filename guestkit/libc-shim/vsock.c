/* SPDX-License-Identifier: Apache-2.0 */
/* AF_VSOCK sockets: making, closing, options, and what poll and ioctl say of them. See vsock.h. */
#include "guestkit/libc-shim/vsock.h"

#include <asm/ioctls.h>
#include <linux/errno.h>

#include "guestkit/memory.h"
#include "guestkit/user.h"

#define CONNECT_TIMEOUT_NS 2000000000u /* VSOCK_DEFAULT_CONNECT_TIMEOUT */

struct vsock_socket *vsock_make(void)
{
	struct vsock_socket *socket = heap_alloc(sizeof(*socket));

	if (!socket)
		return NULL;
	socket_init(&socket->socket, &vsock_ops, SOCKET_FAMILY_VSOCK, SOCKET_STREAM);
	socket->connect_timeout = CONNECT_TIMEOUT_NS;
	return socket;
}

int vsock_create(unsigned type, int protocol, struct socket **made)
{
	struct vsock_socket *socket;
	int status;

	if (protocol && protocol != SOCKET_FAMILY_VSOCK)
		return -EPROTONOSUPPORT;
	if (type != SOCKET_STREAM)
		return -ESOCKTNOSUPPORT;
	status = vsock_driver_open(&vsock_receiver);
	if (status)
		return status == -ENODEV ? -EAFNOSUPPORT : status;
	socket = vsock_make();
	if (!socket)
		return -ENOMEM;
	*made = &socket->socket;
	return 0;
}

/* ---- closing ---- */

static void drop_pending(struct vsock_socket *socket)
{
	struct vsock_socket *pending;

	while ((pending = socket->first_pending)) {
		socket->first_pending = pending->next_pending;
		socket->pending--;
		vsock_ops.close(&pending->socket);
		inode_put(&pending->socket.inode);
	}
}

/* Unread data are lost, so the host learns of more than an end (as on Linux). */
static void vsock_close(struct socket *base)
{
	struct vsock_socket *socket = vsock_of(base);

	if (!socket->is_reset &&
	    (socket->state == VSOCK_CONNECTED || socket->state == VSOCK_CONNECTING)) {
		socket->is_reset = true;
		if (socket->state == VSOCK_CONNECTING || vsock_unread(socket))
			vsock_tell(socket, VIRTIO_VSOCK_OP_RST, 0);
		else
			vsock_tell(socket, VIRTIO_VSOCK_OP_SHUTDOWN,
			           VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND);
	}
	socket->closed = SOCKET_CLOSED_BOTH;
	vsock_unbind(socket);
	drop_pending(socket);
}

static void vsock_release(struct socket *base)
{
	heap_free(vsock_of(base)->ring);
}

static int vsock_shutdown(struct socket *base, unsigned ends)
{
	struct vsock_socket *socket = vsock_of(base);
	uint32_t flags = (ends & SOCKET_CLOSED_READ ? VIRTIO_VSOCK_SHUTDOWN_RCV : 0u) |
	                 (ends & SOCKET_CLOSED_WRITE ? VIRTIO_VSOCK_SHUTDOWN_SEND : 0u);

	if (socket->state != VSOCK_CONNECTED)
		return -ENOTCONN;
	socket->closed |= ends;
	if (!socket->is_reset)
		vsock_tell(socket, VIRTIO_VSOCK_OP_SHUTDOWN, flags);
	wait_queue_wake(&base->queue);
	return 0;
}

/* ---- the rest ---- */

static bool vsock_is_listening(const struct socket *base)
{
	return ((const struct vsock_socket *)base)->state == VSOCK_LISTENING;
}

static void vsock_get_peer(const struct socket *base, struct socket_credentials *peer)
{
	(void)base;
	*peer = (struct socket_credentials){0, UINT32_MAX, UINT32_MAX};
}

static struct poll_state vsock_poll(struct socket *base)
{
	const struct vsock_socket *socket = vsock_of(base);
	bool reads_end =
	        socket->closed & SOCKET_CLOSED_READ || socket->peer_closed & SOCKET_CLOSED_WRITE;
	bool writes_end =
	        socket->closed & SOCKET_CLOSED_WRITE || socket->peer_closed & SOCKET_CLOSED_READ;

	return (struct poll_state){
	        .readable = reads_end || vsock_unread(socket) || socket->first_pending,
	        .writable = (socket->state == VSOCK_CONNECTED &&
	                     (writes_end || vsock_credit(socket))) ||
	                    socket->state == VSOCK_UNCONNECTED,
	        .hung_up = reads_end && writes_end,
	        .error = base->error,
	        .read_closed = reads_end,
	        .has_bands = true,
	};
}

static int64_t vsock_ioctl(struct socket *base, unsigned request, uint64_t argument)
{
	const struct vsock_socket *socket = vsock_of(base);
	int value;

	switch (request) {
	case FIONREAD:
		if (socket->state == VSOCK_LISTENING)
			return -EINVAL;
		value = (int)vsock_unread(socket);
		break;
	case TIOCOUTQ: value = (int)(socket->sent - socket->peer_taken); break;
	default: return -ENOTTY;
	}
	return user_write(argument, &value, sizeof(value));
}

/* ---- options: <linux/vm_sockets.h>, which needs the C library's struct sockaddr ---- */

#define LEVEL             SOCKET_FAMILY_VSOCK
#define BUFFER_SIZE       0u
#define BUFFER_MIN_SIZE   1u
#define BUFFER_MAX_SIZE   2u
#define CONNECT_TIMEOUT   6u /* struct timeval */
#define CONNECT_TIMEOUT_2 8u /* the same with 64 bits each, as it is on x86-64 anyway */

/* A ring has one size. */
static int vsock_set_option(struct socket *base, int level, unsigned option, uint64_t user,
                            uint32_t length)
{
	struct vsock_socket *socket = vsock_of(base);
	uint64_t value;
	int64_t time[2];

	if (level != LEVEL)
		return -ENOPROTOOPT;
	switch (option) {
	case BUFFER_SIZE:
	case BUFFER_MIN_SIZE:
	case BUFFER_MAX_SIZE:
		if (length < sizeof(value))
			return -EINVAL;
		return user_read(&value, user, sizeof(value));
	case CONNECT_TIMEOUT:
	case CONNECT_TIMEOUT_2:
		if (length < sizeof(time))
			return -EINVAL;
		if (user_read(time, user, sizeof(time)))
			return -EFAULT;
		if (time[0] < 0 || time[1] < 0 || time[1] >= 1000000 || time[0] > INT32_MAX)
			return -ERANGE;
		socket->connect_timeout =
		        (uint64_t)time[0] * 1000000000u + (uint64_t)time[1] * 1000u;
		if (!socket->connect_timeout)
			socket->connect_timeout = CONNECT_TIMEOUT_NS;
		return 0;
	default: return -ENOPROTOOPT;
	}
}

static int vsock_get_option(struct socket *base, int level, unsigned option, uint64_t user,
                            uint64_t user_length)
{
	const struct vsock_socket *socket = vsock_of(base);
	const uint64_t size = VSOCK_RING;
	int64_t time[2] = {(int64_t)(socket->connect_timeout / 1000000000u),
	                   (int64_t)(socket->connect_timeout % 1000000000u / 1000u)};

	if (level != LEVEL)
		return -ENOPROTOOPT;
	switch (option) {
	case BUFFER_SIZE:
	case BUFFER_MIN_SIZE:
	case BUFFER_MAX_SIZE: return socket_option_give(&size, sizeof(size), user, user_length);
	case CONNECT_TIMEOUT:
	case CONNECT_TIMEOUT_2: return socket_option_give(time, sizeof(time), user, user_length);
	default: return -ENOPROTOOPT;
	}
}

const struct socket_ops vsock_ops = {
        .bind = vsock_bind,
        .listen = vsock_listen,
        .accept = vsock_accept,
        .connect = vsock_connect,
        .shutdown = vsock_shutdown,
        .get_name = vsock_get_name,
        .send = vsock_send,
        .receive = vsock_receive,
        .poll = vsock_poll,
        .ioctl = vsock_ioctl,
        .set_option = vsock_set_option,
        .get_option = vsock_get_option,
        .is_listening = vsock_is_listening,
        .get_peer = vsock_get_peer,
        .close = vsock_close,
        .release = vsock_release,
};
