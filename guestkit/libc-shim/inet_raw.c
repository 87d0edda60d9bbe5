/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw sockets (raw(7)), and "ping" sockets, which are datagram sockets for ICMP: these send echo
 * requests under a number of their own (their port), and hear of the replies to it alone.
 */
#include <asm/socket.h>
#include <linux/errno.h>
#include <linux/in.h>

#include "guestkit/libc-shim/inet_datagram.h"
#include "guestkit/libc-shim/proc_net.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/memory.h"
#include "guestkit/random.h"
#include "guestkit/string.h"
#include "guestkit/user.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/prot/icmp.h"
#include "lwip/prot/icmp6.h"
#include "lwip/raw.h"

#define LENGTH_MAX    0xffffu
#define LENGTH_MAX4   65515u /* with the header: 65,535 */
#define LENGTH_MAX6   65495u
#define LEVEL_ICMP6   58 /* of ICMPV6_FILTER */
#define OPTION_FILTER 1  /* ICMP_FILTER, ICMPV6_FILTER */
#define ICMP_HEADER   8u
#define CHECKSUM_AT   2 /* in that */
#define STATE         7 /* as /proc/net/raw has it */

static struct inet_datagram *sockets;

static bool is_ping(const struct inet_datagram *socket)
{
	return socket->inet.socket.type == SOCKET_DATAGRAM;
}

static bool is_v6(const struct inet_datagram *socket)
{
	return socket->inet.socket.family == SOCKET_FAMILY_INET6;
}

static void sum_header(struct ip_hdr *header)
{
	IPH_CHKSUM_SET(header, 0);
	IPH_CHKSUM_SET(header, inet_chksum(header, IPH_HL_BYTES(header)));
}

/* ---- receiving ---- */

/* Is it a reply to one of the socket's echo requests? */
static bool is_own_reply(const struct inet_datagram *socket, const unsigned char *header)
{
	uint8_t reply = is_v6(socket) ? ICMP6_TYPE_EREP : ICMP_ER;

	return header[0] == reply && (header[4] << 8 | header[5]) == socket->inet.local.port;
}

static bool is_filtered(const struct inet_datagram *socket, uint8_t type)
{
	if (socket->inet.socket.protocol == INET_ICMP)
		return type < 32 && socket->icmp_filter >> type & 1;
	return socket->inet.socket.protocol == INET_ICMP6 &&
	       socket->icmp6_filter[type / 32] >> type % 32 & 1;
}

/* lwIP shows each packet to each control block, whose it remains. */
static u8_t on_received(void *argument, struct raw_pcb *pcb, struct pbuf *packet,
                        const ip_addr_t *address)
{
	struct inet_datagram *socket = argument;
	const struct inet_end from = {*address, 0};
	uint16_t header_size = ip_current_header_tot_len();
	unsigned char header[ICMP_HEADER] = {0};
	bool has_header = !is_ping(socket) && !ip_current_is_v6();
	struct inet_packet *queued;

	(void)pcb;
	pbuf_copy_partial(packet, header, sizeof(header), header_size);
	if (is_ping(socket) ? !is_own_reply(socket, header) : is_filtered(socket, header[0]))
		return 0;
	queued = inet_datagram_queue(socket, packet, has_header ? 0 : header_size, &from);
	/* Nobody has computed the header's checksum of what never left. */
	if (queued && has_header && ip_current_input_netif() == net_loopback)
		sum_header((struct ip_hdr *)(void *)queued->data);
	return 0;
}

/* ---- names ---- */

static void tell_lwip(struct inet_datagram *socket)
{
	struct raw_pcb *pcb = socket->raw;

	pcb->local_ip = socket->inet.local.ip;
	if (socket->is_connected) {
		pcb->remote_ip = socket->inet.remote.ip;
		raw_set_flags(pcb, RAW_FLAGS_CONNECTED);
	} else {
		raw_clear_flags(pcb, RAW_FLAGS_CONNECTED);
	}
}

static bool is_number_taken(const struct inet_datagram *socket, uint16_t number)
{
	for (const struct inet_datagram *other = sockets; other; other = other->next)
		if (other != socket && is_ping(other) && is_v6(other) == is_v6(socket) &&
		    other->inet.local.port == number)
			return true;
	return false;
}

/* Give a ping socket a number. @wanted: 0: any */
static int take_number(struct inet_datagram *socket, uint16_t wanted)
{
	uint16_t number = wanted;

	if (wanted && is_number_taken(socket, wanted))
		return -EADDRINUSE;
	while (!number || (!wanted && is_number_taken(socket, number)))
		random_fill(&number, sizeof(number));
	socket->inet.local.port = number;
	return 0;
}

static int raw_socket_bind(struct socket *base, const struct socket_address *address)
{
	struct inet_datagram *socket = inet_datagram_of(base);
	struct inet_end end;
	int result = inet_datagram_bind_end(&socket->inet, address, &end);

	if (!result && is_ping(socket))
		result = socket->inet.local.port ? -EINVAL : take_number(socket, end.port);
	if (result)
		return result;
	socket->inet.local.ip = end.ip;
	socket->inet.has_bound_ip = !ip_addr_isany(&end.ip);
	tell_lwip(socket);
	return 0;
}

static int raw_socket_connect(struct socket *base, const struct socket_address *address,
                              uint32_t flags)
{
	struct inet_datagram *socket = inet_datagram_of(base);
	struct inet_end to;
	struct inet_way way;
	int result;

	(void)flags;
	if (address->length < sizeof(address->family))
		return -EINVAL;
	socket->is_connected = false;
	if (!socket->inet.has_bound_ip)
		socket->inet.local.ip = inet_any(&socket->inet);
	if (address->family == SOCKET_FAMILY_NONE) {
		tell_lwip(socket);
		return 0;
	}
	result = inet_end_read(&socket->inet, address, &to);
	if (!result)
		result = inet_way_to(socket, &to, &way);
	if (!result && is_ping(socket) && !socket->inet.local.port)
		result = take_number(socket, 0);
	if (result)
		return result;
	socket->inet.remote = way.to;
	socket->inet.local.ip = way.from;
	socket->is_connected = true;
	tell_lwip(socket);
	return 0;
}

static int raw_socket_get_name(const struct socket *base, bool peer, struct socket_address *address)
{
	const struct inet_datagram *socket = (const struct inet_datagram *)base;
	struct inet_end end = peer ? socket->inet.remote : socket->inet.local;

	if (peer && !socket->is_connected)
		return -ENOTCONN;
	if (!is_ping(socket))
		end.port = peer ? 0 : (uint16_t)base->protocol; /* as Linux has it */
	inet_tell_name(&socket->inet, &end, address);
	return 0;
}

/* ---- sending ---- */

/* A ping socket sends echo requests alone; the number and the checksum are ours. */
static int complete_ping(struct inet_datagram *socket, struct pbuf *data)
{
	unsigned char *header = data->payload;
	uint8_t request = is_v6(socket) ? ICMP6_TYPE_EREQ : ICMP_ECHO;
	uint16_t sum;

	if (data->tot_len < ICMP_HEADER || header[0] != request || header[1])
		return -EINVAL;
	header[4] = (unsigned char)(socket->inet.local.port >> 8);
	header[5] = (unsigned char)socket->inet.local.port;
	if (is_v6(socket))
		return 0; /* lwIP computes that one */
	header[2] = header[3] = 0;
	sum = inet_chksum(header, data->tot_len);
	memcpy(header + 2, &sum, sizeof(sum));
	return 0;
}

/* What the kernel fills in of a header that the program has written. */
static int complete_header(const struct inet_way *way, struct pbuf *data)
{
	struct ip_hdr *header = data->payload;

	if (data->tot_len < IP_HLEN || IPH_V(header) != 4 || IPH_HL_BYTES(header) < IP_HLEN ||
	    IPH_HL_BYTES(header) > data->tot_len)
		return -EINVAL;
	if (!header->src.addr)
		header->src.addr = ip_2_ip4(&way->from)->addr;
	IPH_LEN_SET(header, lwip_htons(data->tot_len));
	sum_header(header);
	return 0;
}

static bool includes_header(const struct inet_datagram *socket)
{
	return !is_v6(socket) && socket->inet.options.switches >> IP_HDRINCL & 1;
}

static int send_data(struct inet_datagram *socket, const struct inet_way *way, struct pbuf *data)
{
	struct raw_pcb *pcb = socket->raw;
	int result = 0;
	err_t error;

	if (is_ping(socket))
		result = complete_ping(socket, data);
	else if (includes_header(socket))
		result = complete_header(way, data);
	if (result)
		return result;
	if (pcb->chksum_reqd)
		memset((unsigned char *)data->payload + pcb->chksum_offset, 0, sizeof(uint16_t));
	net_enter();
	pcb->ttl = pcb->mcast_ttl = way->ttl;
	pcb->tos = way->tos;
	if (includes_header(socket))
		raw_set_flags(pcb, RAW_FLAGS_HDRINCL);
	else
		raw_clear_flags(pcb, RAW_FLAGS_HDRINCL);
	error = raw_sendto_if_src(pcb, data, &way->to.ip, way->netif, &way->from);
	net_finish();
	return error == ERR_MEM || error == ERR_BUF ? 0 : net_errno(error);
}

static int64_t raw_socket_send(struct socket *base, struct socket_message *message)
{
	struct inet_datagram *socket = inet_datagram_of(base);
	size_t length = message->data.total;
	struct inet_way way;
	struct pbuf *data;
	int result = 0;

	if (length > LENGTH_MAX)
		return -EMSGSIZE;
	if (message->flags & MESSAGE_OUT_OF_BAND)
		return -EOPNOTSUPP;
	if (is_ping(socket) && !socket->inet.local.port)
		result = take_number(socket, 0);
	if (!result)
		result = inet_way_find(socket, message, &way);
	if (!result && IP_IS_V6_VAL(way.to.ip) != is_v6(socket))
		result = -EINVAL;
	if (!result && length > (is_v6(socket) ? LENGTH_MAX6 : LENGTH_MAX4))
		result = -EMSGSIZE;
	/* lwIP writes the checksum of ICMPv6 itself, and wants room for it. */
	if (!result && socket->raw->chksum_reqd &&
	    length < socket->raw->chksum_offset + sizeof(uint16_t))
		result = -EINVAL;
	if (!result)
		result = socket_take_error(base);
	if (!result && socket->closed & SOCKET_CLOSED_WRITE)
		result = -EPIPE;
	if (result)
		return result;
	data = pbuf_alloc(PBUF_IP, (u16_t)length, PBUF_RAM);
	if (!data)
		return -ENOBUFS;
	if (length && message_take(message, data->payload, length) < length)
		result = -EFAULT;
	else
		result = send_data(socket, &way, data);
	pbuf_free(data);
	return result ? result : (int64_t)length;
}

/* ---- options ---- */

static int raw_socket_set_option(struct socket *base, int level, unsigned option, uint64_t user,
                                 uint32_t length)
{
	struct inet_datagram *socket = inet_datagram_of(base);
	int result;

	if (level == INET_RAW && option == OPTION_FILTER && base->protocol == INET_ICMP) {
		if (length > sizeof(socket->icmp_filter))
			length = sizeof(socket->icmp_filter);
		return user_read(&socket->icmp_filter, user, length);
	}
	if (level == LEVEL_ICMP6 && option == OPTION_FILTER && base->protocol == INET_ICMP6) {
		if (length > sizeof(socket->icmp6_filter))
			length = sizeof(socket->icmp6_filter);
		return user_read(socket->icmp6_filter, user, length);
	}
	result = inet_multicast_set_option(socket, level, option, user, length);
	return result == -ENOPROTOOPT ? inet_set_option(base, level, option, user, length) : result;
}

static int raw_socket_get_option(struct socket *base, int level, unsigned option, uint64_t user,
                                 uint64_t user_length)
{
	struct inet_datagram *socket = inet_datagram_of(base);
	int value, result;

	if (level == INET_RAW && option == OPTION_FILTER && base->protocol == INET_ICMP)
		return socket_option_give(&socket->icmp_filter, sizeof(socket->icmp_filter), user,
		                          user_length);
	if (level == LEVEL_ICMP6 && option == OPTION_FILTER && base->protocol == INET_ICMP6)
		return socket_option_give(socket->icmp6_filter, sizeof(socket->icmp6_filter), user,
		                          user_length);
	result = inet_multicast_get_option(socket, level, option, &value);
	if (result == -ENOPROTOOPT)
		return inet_get_option(base, level, option, user, user_length);
	return result ? result : socket_option_give(&value, sizeof(value), user, user_length);
}

/* ---- making and closing ---- */

static void raw_socket_close(struct socket *base)
{
	struct inet_datagram *socket = inet_datagram_of(base);

	raw_remove(socket->raw);
	*(socket->previous ? &socket->previous->next : &sockets) = socket->next;
	if (socket->next)
		socket->next->previous = socket->previous;
	inet_datagram_end(socket);
}

static const struct socket_ops raw_ops = {
        .bind = raw_socket_bind,
        .listen = inet_datagram_listen,
        .accept = inet_datagram_accept,
        .connect = raw_socket_connect,
        .shutdown = inet_datagram_shutdown,
        .get_name = raw_socket_get_name,
        .send = raw_socket_send,
        .receive = inet_datagram_receive,
        .poll = inet_datagram_poll,
        .ioctl = inet_datagram_ioctl,
        .set_option = raw_socket_set_option,
        .get_option = raw_socket_get_option,
        .is_listening = inet_datagram_is_listening,
        .get_peer = inet_datagram_get_peer,
        .close = raw_socket_close,
        .release = inet_datagram_release,
        .has_extra = true,
};

int inet_raw_create(unsigned family, unsigned type, unsigned protocol, struct inet_socket **made)
{
	bool is_inet6 = family == SOCKET_FAMILY_INET6;
	struct inet_datagram *socket;

	if (type == SOCKET_RAW && process_identity.uid)
		return -EPERM;
	if (protocol > INET_RAW)
		return -EPROTONOSUPPORT;
	socket = heap_alloc(sizeof(*socket));
	if (!socket)
		return -ENOMEM;
	inet_datagram_init(socket, &raw_ops, family, type, protocol);
	if (is_inet6) /* no IPv4 packet gets to it */
		socket->inet.local.ip = *IP6_ADDR_ANY;
	socket->raw = raw_new_ip_type(is_inet6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4, (u8_t)protocol);
	if (!socket->raw) {
		heap_free(socket);
		return -ENOBUFS;
	}
	if (is_inet6 && protocol == INET_ICMP6) {
		socket->raw->chksum_reqd = 1; /* which no program can compute: RFC 3542, 3.1 */
		socket->raw->chksum_offset = CHECKSUM_AT;
	}
	if (protocol == INET_RAW)
		socket->inet.options.switches |= 1ull << IP_HDRINCL;
	ip_set_option(socket->raw, SOF_BROADCAST);
	raw_recv(socket->raw, on_received, socket);
	socket->next = sockets;
	if (socket->next)
		socket->next->previous = socket;
	sockets = socket;
	*made = &socket->inet;
	return 0;
}

/* ---- /proc/net ---- */

void inet_raw_visit(void (*visit)(const struct proc_net_socket *socket, void *context),
                    void *context)
{
	for (const struct inet_datagram *at = sockets; at; at = at->next) {
		const struct socket *socket = &at->inet.socket;
		const struct proc_net_socket told = {
		        .is_ipv6 = is_v6(at),
		        .state = STATE,
		        .local_port = (uint16_t)socket->protocol,
		        .unread = (uint32_t)at->queued,
		        .uid = socket->inode.uid,
		        .inode = socket->inode.number,
		};

		if (!is_ping(at))
			visit(&told, context);
	}
}
