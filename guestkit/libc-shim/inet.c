/* SPDX-License-Identifier: Apache-2.0 */
/* Internet sockets of any protocol: making them, their names, ioctls. See inet.h. */
#include "guestkit/libc-shim/inet.h"

#include <linux/errno.h>

#include "guestkit/libc-shim/net_config.h"
#include "guestkit/memory.h"

void inet_init(struct inet_socket *socket, const struct socket_ops *ops, unsigned family,
               unsigned type, unsigned protocol)
{
	socket_init(&socket->socket, ops, family, type);
	socket->socket.protocol = (uint16_t)protocol;
	socket->options.ttl = socket->options.hop_limit = -1;
	socket->local.ip = inet_any(socket);
}

/* The protocols of a type: the first is what 0 means. */
static int create_stream(unsigned family, int protocol, struct inet_socket **made)
{
	if (protocol && protocol != INET_TCP)
		return -EPROTONOSUPPORT;
	return inet_tcp_create(family, made);
}

static int create_datagram(unsigned family, int protocol, struct inet_socket **made)
{
	int icmp = family == SOCKET_FAMILY_INET ? INET_ICMP : INET_ICMP6;

	if (inet_udp_create && (!protocol || protocol == INET_UDP))
		return inet_udp_create(family, made);
	if (inet_raw_create && protocol == icmp)
		return inet_raw_create(family, SOCKET_DATAGRAM, (unsigned)protocol, made);
	return -EPROTONOSUPPORT;
}

static int create_raw(unsigned family, int protocol, struct inet_socket **made)
{
	if (!inet_raw_create || !protocol)
		return -EPROTONOSUPPORT;
	return inet_raw_create(family, SOCKET_RAW, (unsigned)protocol, made);
}

int inet_create(unsigned family, unsigned type, int protocol, struct socket **made)
{
	struct inet_socket *socket = NULL;
	int result;

	if (protocol < 0 || protocol >= INET_PROTOCOLS)
		return -EINVAL;
	result = net_start();
	if (result)
		return result;
	switch (type) {
	case SOCKET_STREAM: result = create_stream(family, protocol, &socket); break;
	case SOCKET_DATAGRAM: result = create_datagram(family, protocol, &socket); break;
	case SOCKET_RAW: result = create_raw(family, protocol, &socket); break;
	default: return -ESOCKTNOSUPPORT;
	}
	if (!result)
		*made = &socket->socket;
	return result;
}

void inet_tell_name(const struct inet_socket *socket, const struct inet_end *end,
                    struct socket_address *address)
{
	inet_end_tell(socket->socket.family, end, address);
}

void inet_await_address(const struct inet_socket *socket, const struct socket_address *address)
{
	struct inet_end end;

	if (net_devices && !inet_end_read(socket, address, &end) && !ip_addr_isany(&end.ip) &&
	    !inet_is_own(&end.ip))
		net_config_wait(IP_IS_V6_VAL(end.ip));
}
