/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets for datagrams: what was received, names, poll and ioctl. See inet_datagram.h. */
#include "guestkit/libc-shim/inet_datagram.h"

#include <asm/ioctls.h>
#include <linux/errno.h>
#include <linux/in.h>
#include <linux/in6.h>

#include "guestkit/libc-shim/net_config.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "guestkit/user.h"
#include "lwip/ip.h"
#include "lwip/mem.h"

#define OVERHEAD 256u /* of a datagram, in what SO_RCVBUF bounds */
#define TTL_ONE  1    /* of what is sent to a group */

void inet_datagram_init(struct inet_datagram *socket, const struct socket_ops *ops, unsigned family,
                        unsigned type, unsigned protocol)
{
	inet_init(&socket->inet, ops, family, type, protocol);
	socket->group_ttl = TTL_ONE;
	socket->is_heard_here = true;
}

/* ---- the queue ---- */

static size_t cost(const struct inet_packet *packet)
{
	return sizeof(*packet) + packet->length + OVERHEAD;
}

/* What the header of the packet that lwIP has at hand says. */
static void note_header(struct inet_packet *packet)
{
	packet->to = *ip_current_dest_addr();
	packet->interface = netif_get_index(ip_current_input_netif());
	if (ip_current_is_v6()) {
		packet->ttl = IP6H_HOPLIM(ip6_current_header());
		packet->tos = (uint8_t)IP6H_TC(ip6_current_header());
	} else {
		packet->ttl = IPH_TTL(ip4_current_header());
		packet->tos = IPH_TOS(ip4_current_header());
	}
}

struct inet_packet *inet_datagram_queue(struct inet_datagram *socket, const struct pbuf *data,
                                        uint16_t skip, const struct inet_end *from)
{
	uint16_t length = data->tot_len > skip ? (uint16_t)(data->tot_len - skip) : 0;
	struct inet_packet *packet;

	if (socket->queued > socket->inet.socket.receive_limit ||
	    socket->closed & SOCKET_CLOSED_READ)
		return NULL;
	packet = mem_malloc(sizeof(*packet) + length);
	if (!packet)
		return NULL;
	packet->next = NULL;
	packet->from = *from;
	packet->length = length;
	note_header(packet);
	pbuf_copy_partial(data, packet->data, length, skip);
	*(socket->last ? &socket->last->next : &socket->first) = packet;
	socket->last = packet;
	socket->queued += cost(packet);
	wait_queue_wake_for(&socket->inet.socket.queue, DATAGRAM_READABLE);
	return packet;
}

static void drop_first(struct inet_datagram *socket)
{
	struct inet_packet *packet = socket->first;

	socket->first = packet->next;
	if (!socket->first)
		socket->last = NULL;
	socket->queued -= cost(packet);
	mem_free(packet);
}

void inet_datagram_end(struct inet_datagram *socket)
{
	while (socket->first)
		drop_first(socket);
	inet_multicast_leave(socket);
	heap_free(socket->groups);
	socket->groups = NULL;
}

void inet_datagram_release(struct socket *base)
{
	(void)base; /* closing has freed all */
}

/* ---- receiving ---- */

static bool wants4(const struct inet_datagram *socket, unsigned option)
{
	return socket->inet.options.switches >> option & 1;
}

static bool wants6(const struct inet_datagram *socket, unsigned option)
{
	return socket->inet.options.switches6[option / 64] >> option % 64 & 1;
}

/* Control messages about an IPv4 packet. */
static void tell_ipv4(const struct inet_datagram *socket, const struct inet_packet *packet,
                      struct socket_extra *extra)
{
	const struct {
		uint32_t interface, local, to;
	} info = {packet->interface, ip_2_ip4(&packet->to)->addr, ip_2_ip4(&packet->to)->addr};
	const int ttl = packet->ttl;

	if (wants4(socket, IP_PKTINFO))
		socket_extra_add(extra, INET_IP, IP_PKTINFO, &info, sizeof(info));
	if (wants4(socket, IP_RECVTTL))
		socket_extra_add(extra, INET_IP, IP_TTL, &ttl, sizeof(ttl));
	if (wants4(socket, IP_RECVTOS))
		socket_extra_add(extra, INET_IP, IP_TOS, &packet->tos, sizeof(packet->tos));
}

/* What an AF_INET6 socket is told of either protocol's. */
static void tell_ipv6(const struct inet_datagram *socket, const struct inet_packet *packet,
                      struct socket_extra *extra)
{
	bool is_v6 = IP_IS_V6_VAL(packet->to);
	const int ttl = packet->ttl, tos = packet->tos;
	struct {
		uint32_t address[4], interface;
	} info = {.interface = packet->interface};

	if (is_v6) {
		memcpy(info.address, ip_2_ip6(&packet->to)->addr, sizeof(info.address));
	} else {
		info.address[2] = PP_HTONL(0xffff);
		info.address[3] = ip_2_ip4(&packet->to)->addr;
	}
	if (wants6(socket, IPV6_RECVPKTINFO))
		socket_extra_add(extra, INET_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	/* RFC 2292 has the old names, which ping uses. */
	if (wants6(socket, IPV6_2292PKTINFO))
		socket_extra_add(extra, INET_IPV6, IPV6_2292PKTINFO, &info, sizeof(info));
	if (is_v6 && wants6(socket, IPV6_2292HOPLIMIT))
		socket_extra_add(extra, INET_IPV6, IPV6_2292HOPLIMIT, &ttl, sizeof(ttl));
	if (is_v6 && wants6(socket, IPV6_RECVHOPLIMIT))
		socket_extra_add(extra, INET_IPV6, IPV6_HOPLIMIT, &ttl, sizeof(ttl));
	if (is_v6 && wants6(socket, IPV6_RECVTCLASS))
		socket_extra_add(extra, INET_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
}

/* Sleep until there is a packet: 1; 0: there will be none; or a negative errno. */
static int wait_for_packet(struct inet_datagram *socket, uint64_t deadline)
{
	for (;;) {
		int result = socket_take_error(&socket->inet.socket);

		if (result)
			return result;
		if (socket->first)
			return 1;
		if (socket->closed & SOCKET_CLOSED_READ)
			return deadline ? 0 : -EAGAIN;
		result = socket_wait(&socket->inet.socket.queue, deadline);
		if (result)
			return result;
	}
}

int64_t inet_datagram_receive(struct socket *base, struct socket_message *message)
{
	struct inet_datagram *socket = inet_datagram_of(base);
	uint64_t deadline = socket_deadline(base->receive_timeout, message->flags);
	const struct inet_packet *packet;
	size_t part;
	int64_t result;

	if (message->flags & MESSAGE_ERROR_QUEUE)
		return -EAGAIN; /* there never is anything in it */
	result = wait_for_packet(socket, deadline);
	message->is_nobody = true;
	if (result <= 0)
		return result;
	packet = socket->first;
	part = packet->length < message->data.total ? packet->length : message->data.total;
	if (part < packet->length)
		message->result |= MESSAGE_DATA_CUT;
	result = (int64_t)(message->flags & MESSAGE_DATA_CUT ? packet->length : part);
	if (vector_write(&message->data, packet->data, part) < part) {
		result = -EFAULT; /* the packet is lost */
	} else {
		if (message->name)
			inet_tell_name(&socket->inet, &packet->from, message->name);
		if (base->family == SOCKET_FAMILY_INET6)
			tell_ipv6(socket, packet, message->extra);
		if (!IP_IS_V6_VAL(packet->to))
			tell_ipv4(socket, packet, message->extra);
	}
	if (!(message->flags & MESSAGE_PEEK))
		drop_first(socket);
	return result;
}

/* ---- names ---- */

int inet_datagram_bind_end(const struct inet_socket *socket, const struct socket_address *address,
                           struct inet_end *end)
{
	struct socket_address copy = *address;
	int result;

	/* AF_UNSPEC and the wildcard: accepted for old programs, as on Linux. */
	if (socket->socket.family == SOCKET_FAMILY_INET && copy.family == SOCKET_FAMILY_NONE)
		copy.family = SOCKET_FAMILY_INET;
	result = inet_end_read(socket, &copy, end);
	if (result)
		return result;
	if (address->family == SOCKET_FAMILY_NONE && !ip_addr_isany(&end->ip))
		return -EAFNOSUPPORT;
	if (IP_IS_V4_VAL(end->ip) && socket->options.is_v6only)
		return -EINVAL;
	if (ip_addr_isany(&end->ip)) {
		if (IP_IS_V6_VAL(end->ip))
			end->ip = inet_any(socket);
		return 0;
	}
	if (ip_addr_ismulticast(&end->ip) ||
	    (IP_IS_V4_VAL(end->ip) && ip_2_ip4(&end->ip)->addr == IPADDR_BROADCAST))
		return 0;
	if (!inet_is_own(&end->ip))
		net_config_wait(IP_IS_V6_VAL(end->ip));
	return inet_is_own(&end->ip) ? 0 : -EADDRNOTAVAIL;
}

int inet_datagram_get_name(const struct socket *base, bool peer, struct socket_address *address)
{
	const struct inet_datagram *socket = (const struct inet_datagram *)base;

	if (peer && (!socket->is_connected || !socket->inet.remote.port))
		return -ENOTCONN;
	inet_tell_name(&socket->inet, peer ? &socket->inet.remote : &socket->inet.local, address);
	return 0;
}

/* ---- the rest ---- */

int inet_datagram_shutdown(struct socket *base, unsigned ends)
{
	struct inet_datagram *socket = inet_datagram_of(base);

	socket->closed |= ends;
	wait_queue_wake(&base->queue);
	return socket->is_connected ? 0 : -ENOTCONN; /* in this order, as on Linux */
}

struct poll_state inet_datagram_poll(struct socket *base)
{
	struct inet_datagram *socket = inet_datagram_of(base);
	bool reads_end = socket->closed & SOCKET_CLOSED_READ;

	return (struct poll_state){
	        .readable = reads_end || socket->first,
	        .writable = true,
	        .hung_up = socket->closed == SOCKET_CLOSED_BOTH,
	        .error = base->error,
	        .read_closed = reads_end,
	        .has_bands = true,
	};
}

int64_t inet_datagram_ioctl(struct socket *base, unsigned request, uint64_t argument)
{
	const struct inet_datagram *socket = inet_datagram_of(base);
	int value;

	switch (request) {
	case FIONREAD: value = socket->first ? (int)socket->first->length : 0; break;
	case TIOCOUTQ: value = 0; break; /* what is sent leaves at once */
	default: return -ENOTTY;
	}
	return user_write(argument, &value, sizeof(value));
}

int inet_datagram_listen(struct socket *base, unsigned backlog)
{
	(void)base;
	(void)backlog;
	return -EOPNOTSUPP;
}

int inet_datagram_accept(struct socket *base, uint32_t flags, struct socket **accepted)
{
	(void)base;
	(void)flags;
	(void)accepted;
	return -EOPNOTSUPP;
}

bool inet_datagram_is_listening(const struct socket *base)
{
	(void)base;
	return false;
}

void inet_datagram_get_peer(const struct socket *base, struct socket_credentials *peer)
{
	(void)base;
	*peer = (struct socket_credentials){0, UINT32_MAX, UINT32_MAX};
}
