/* SPDX-License-Identifier: Apache-2.0 */
/* UDP sockets: ports, connections, sending. See inet_datagram.h for what is received. */
#include <asm/socket.h>
#include <linux/errno.h>

#include "guestkit/libc-shim/inet_datagram.h"
#include "guestkit/libc-shim/proc_net.h"
#include "guestkit/memory.h"
#include "guestkit/random.h"
#include "guestkit/string.h"
#include "lwip/udp.h"

#define LENGTH_MAX  0xffffu
#define LENGTH_MAX4 65507u /* with the headers of UDP and IPv4: 65,535 */
#define LENGTH_MAX6 65487u /* the same of IPv6: lwIP counts the header, too */
#define HEADERS4    28u
#define HEADERS6    48u
#define CONNECTED   1 /* TCP_ESTABLISHED and TCP_CLOSE, as /proc/net/udp has them */
#define UNCONNECTED 7

struct inet_datagram *inet_udp_sockets;

/* ---- ports: who may have which, by Linux's rules ---- */

static bool both_say(const struct inet_datagram *a, const struct inet_datagram *b, unsigned option)
{
	return socket_has_option(&a->inet.socket, option) &&
	       socket_has_option(&b->inet.socket, option);
}

static bool is_free_for(const struct inet_datagram *socket, const struct inet_end *end)
{
	for (const struct inet_datagram *other = inet_udp_sockets; other; other = other->next)
		if (other->inet.local.port == end->port &&
		    inet_overlaps(&other->inet.local.ip, &end->ip) &&
		    !both_say(other, socket, SO_REUSEADDR) &&
		    !both_say(other, socket, SO_REUSEPORT))
			return false;
	return true;
}

static bool is_unused(uint16_t port)
{
	for (const struct inet_datagram *other = inet_udp_sockets; other; other = other->next)
		if (other->inet.local.port == port)
			return false;
	return true;
}

/* A port that nobody has, from a random one on; 0: there is none. */
static uint16_t find_port(void)
{
	const unsigned count = UDP_LOCAL_PORT_RANGE_END - UDP_LOCAL_PORT_RANGE_START + 1;
	unsigned start;

	random_fill(&start, sizeof(start));
	for (unsigned i = 0; i < count; i++) {
		uint16_t port = (uint16_t)(UDP_LOCAL_PORT_RANGE_START + (start + i) % count);

		if (is_unused(port))
			return port;
	}
	return 0;
}

/* ---- control blocks ---- */

static void on_received(void *argument, struct udp_pcb *pcb, struct pbuf *data,
                        const ip_addr_t *address, u16_t port)
{
	const struct inet_end from = {*address, port};

	(void)pcb;
	inet_datagram_queue(argument, data, 0, &from);
	pbuf_free(data);
}

/* Have lwIP deliver to the socket what its names say. */
static int attach(struct inet_datagram *socket)
{
	const struct inet_socket *inet = &socket->inet;
	struct udp_pcb *pcb = socket->udp;
	err_t error;

	if (!pcb) {
		pcb = udp_new_ip_type(IP_GET_TYPE(&inet->local.ip));
		if (!pcb)
			return -ENOBUFS;
		/* Who may have which port has been decided. */
		ip_set_option(pcb, SOF_REUSEADDR);
		ip_set_option(pcb, SOF_BROADCAST);
		udp_recv(pcb, on_received, socket);
		error = udp_bind(pcb, &inet->local.ip, inet->local.port);
		if (error != ERR_OK) {
			udp_remove(pcb);
			return net_errno(error);
		}
		socket->udp = pcb;
	}
	pcb->local_ip = inet->local.ip;
	if (socket->is_connected) {
		pcb->remote_ip = inet->remote.ip;
		pcb->remote_port = inet->remote.port;
		udp_set_flags(pcb, UDP_FLAGS_CONNECTED);
	} else {
		udp_disconnect(pcb);
	}
	return 0;
}

/* Give up the port. */
static void detach(struct inet_datagram *socket)
{
	if (!socket->udp)
		return;
	udp_remove(socket->udp);
	socket->udp = NULL;
	socket->inet.local.port = 0;
	*(socket->previous ? &socket->previous->next : &inet_udp_sockets) = socket->next;
	if (socket->next)
		socket->next->previous = socket->previous;
	socket->next = socket->previous = NULL;
}

/* Take a local end; its port may be 0: any. */
static int take_port(struct inet_datagram *socket, const struct inet_end *end)
{
	struct inet_end taken = *end;
	int result;

	if (!taken.port)
		taken.port = find_port();
	else if (!is_free_for(socket, &taken))
		taken.port = 0;
	if (!taken.port)
		return -EADDRINUSE;
	socket->inet.local = taken;
	result = attach(socket);
	if (result) {
		socket->inet.local.port = 0;
		return result;
	}
	socket->next = inet_udp_sockets;
	if (socket->next)
		socket->next->previous = socket;
	inet_udp_sockets = socket;
	return 0;
}

/* A socket that sends has a port. */
static int ensure_port(struct inet_datagram *socket)
{
	const struct inet_end any = {inet_any(&socket->inet), 0};

	return socket->inet.local.port || !take_port(socket, &any) ? 0 : -EAGAIN;
}

/* ---- names ---- */

static int udp_socket_bind(struct socket *base, const struct socket_address *address)
{
	struct inet_datagram *socket = inet_datagram_of(base);
	struct inet_end end;
	int result = inet_datagram_bind_end(&socket->inet, address, &end);
	bool has_port = end.port;

	if (result)
		return result;
	if (socket->inet.local.port)
		return -EINVAL;
	result = take_port(socket, &end);
	if (result)
		return result;
	socket->inet.has_bound_port = has_port;
	socket->inet.has_bound_ip = !ip_addr_isany(&end.ip);
	return 0;
}

/* No longer connected: what connect() gave is gone, what bind() gave stays. */
static void disconnect(struct inet_datagram *socket)
{
	socket->is_connected = false;
	socket->inet.remote.port = 0;
	if (!socket->inet.has_bound_ip)
		socket->inet.local.ip = inet_any(&socket->inet);
	if (!socket->inet.has_bound_port)
		detach(socket);
	else if (socket->udp)
		attach(socket);
}

/* The end that connect(2) names: an AF_INET6 socket may be given an IPv4 name as it is. */
static int read_peer(const struct inet_socket *socket, const struct socket_address *address,
                     struct inet_end *to)
{
	int result;

	if (socket->socket.family == SOCKET_FAMILY_INET || address->family != SOCKET_FAMILY_INET) {
		result = inet_end_read(socket, address, to);
		return !result && socket->options.is_v6only && IP_IS_V4_VAL(to->ip) ? -ENETUNREACH
		                                                                    : result;
	}
	if (socket->options.is_v6only || (socket->has_bound_ip && IP_IS_V6_VAL(socket->local.ip)))
		return -EAFNOSUPPORT;
	return inet_way_read_ipv4(address, to);
}

static int udp_socket_connect(struct socket *base, const struct socket_address *address,
                              uint32_t flags)
{
	struct inet_datagram *socket = inet_datagram_of(base);
	struct inet_end to;
	struct inet_way way;
	ip_addr_t before;
	int result;

	(void)flags;
	if (address->length < sizeof(address->family))
		return -EINVAL;
	if (address->family == SOCKET_FAMILY_NONE) {
		disconnect(socket);
		return 0;
	}
	result = ensure_port(socket);
	if (!result)
		result = read_peer(&socket->inet, address, &to);
	if (result)
		return result;
	before = socket->inet.local.ip;
	if (!socket->inet.has_bound_ip)
		socket->inet.local.ip = inet_any(&socket->inet);
	result = inet_way_to(socket, &to, &way); /* may sleep */
	if (!result)
		result =
		        ensure_port(socket); /* again: another thread may have ended a connection */
	if (result) {
		socket->inet.local.ip = before;
		return result;
	}
	socket->inet.remote = way.to;
	socket->is_connected = true;
	if (!socket->inet.has_bound_ip)
		socket->inet.local.ip = way.from;
	return attach(socket);
}

/* ---- sending ---- */

/* Does a datagram fit? */
static bool fits(const struct inet_way *way, size_t length)
{
	bool is_v6 = IP_IS_V6_VAL(way->to.ip);

	if (length > (is_v6 ? LENGTH_MAX6 : LENGTH_MAX4))
		return false;
	return !way->must_fit || way->netif == net_loopback ||
	       length + (is_v6 ? HEADERS6 : HEADERS4) <= way->netif->mtu;
}

static int send_data(struct inet_datagram *socket, const struct inet_way *way, struct pbuf *data)
{
	struct udp_pcb *pcb = socket->udp;
	err_t error;

	net_enter();
	pcb->ttl = way->ttl;
	pcb->mcast_ttl = way->ttl;
	pcb->tos = way->tos;
	error = udp_sendto_if_src(pcb, data, &way->to.ip, way->to.port, way->netif, &way->from);
	net_finish();
	/* A queue that is full loses datagrams, as a network does. */
	return error == ERR_MEM || error == ERR_BUF ? 0 : net_errno(error);
}

static int64_t udp_socket_send(struct socket *base, struct socket_message *message)
{
	struct inet_datagram *socket = inet_datagram_of(base);
	size_t length = message->data.total;
	struct inet_way way;
	struct pbuf *data;
	int result;

	if (length > LENGTH_MAX)
		return -EMSGSIZE;
	if (message->flags & MESSAGE_OUT_OF_BAND)
		return -EOPNOTSUPP;
	result = ensure_port(socket);
	if (!result)
		result = inet_way_find(socket, message, &way); /* may sleep */
	if (!result && !fits(&way, length))
		result = -EMSGSIZE;
	if (!result)
		result = ensure_port(socket);
	if (!result)
		result = socket_take_error(base);
	if (!result && socket->closed & SOCKET_CLOSED_WRITE)
		result = -EPIPE;
	if (result)
		return result;
	data = pbuf_alloc(PBUF_TRANSPORT, (u16_t)length, PBUF_RAM);
	if (!data)
		return -ENOBUFS;
	if (length && message_take(message, data->payload, length) < length)
		result = -EFAULT;
	else if (socket->udp) /* or its port was given up while the data were faulted in */
		result = send_data(socket, &way, data);
	pbuf_free(data);
	return result ? result : (int64_t)length;
}

/* ---- options ---- */

static int udp_socket_set_option(struct socket *base, int level, unsigned option, uint64_t user,
                                 uint32_t length)
{
	int result = inet_multicast_set_option(inet_datagram_of(base), level, option, user, length);

	return result == -ENOPROTOOPT ? inet_set_option(base, level, option, user, length) : result;
}

static int udp_socket_get_option(struct socket *base, int level, unsigned option, uint64_t user,
                                 uint64_t user_length)
{
	int value;
	int result = inet_multicast_get_option(inet_datagram_of(base), level, option, &value);

	if (result == -ENOPROTOOPT)
		return inet_get_option(base, level, option, user, user_length);
	return result ? result : socket_option_give(&value, sizeof(value), user, user_length);
}

/* ---- the rest ---- */

static void udp_socket_close(struct socket *base)
{
	struct inet_datagram *socket = inet_datagram_of(base);

	detach(socket);
	inet_datagram_end(socket);
}

static const struct socket_ops udp_ops = {
        .bind = udp_socket_bind,
        .listen = inet_datagram_listen,
        .accept = inet_datagram_accept,
        .connect = udp_socket_connect,
        .shutdown = inet_datagram_shutdown,
        .get_name = inet_datagram_get_name,
        .send = udp_socket_send,
        .receive = inet_datagram_receive,
        .poll = inet_datagram_poll,
        .ioctl = inet_datagram_ioctl,
        .set_option = udp_socket_set_option,
        .get_option = udp_socket_get_option,
        .is_listening = inet_datagram_is_listening,
        .get_peer = inet_datagram_get_peer,
        .close = udp_socket_close,
        .release = inet_datagram_release,
        .has_extra = true,
};

int inet_udp_create(unsigned family, struct inet_socket **made)
{
	struct inet_datagram *socket = heap_alloc(sizeof(*socket));

	if (!socket)
		return -ENOMEM;
	inet_error_start();
	inet_datagram_init(socket, &udp_ops, family, SOCKET_DATAGRAM, INET_UDP);
	*made = &socket->inet;
	return 0;
}

/* ---- /proc/net ---- */

void inet_udp_visit(void (*visit)(const struct proc_net_socket *socket, void *context),
                    void *context)
{
	for (const struct inet_datagram *at = inet_udp_sockets; at; at = at->next) {
		const struct inet_socket *inet = &at->inet;
		struct proc_net_socket told = {
		        .is_ipv6 = inet->socket.family == SOCKET_FAMILY_INET6,
		        .state = at->is_connected ? CONNECTED : UNCONNECTED,
		        .local_port = inet->local.port,
		        .remote_port = inet->remote.port,
		        .unread = (uint32_t)at->queued,
		        .uid = inet->socket.inode.uid,
		        .inode = inet->socket.inode.number,
		};

		proc_net_address(told.local, &inet->local.ip, told.is_ipv6);
		if (at->is_connected)
			proc_net_address(told.remote, &inet->remote.ip, told.is_ipv6);
		visit(&told, context);
	}
}
