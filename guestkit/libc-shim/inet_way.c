/* SPDX-License-Identifier: Apache-2.0 */
/* Where a datagram goes: destination, interface, source, and what control messages say of them. */
#include <asm/socket.h>
#include <linux/errno.h>
#include <linux/in.h>
#include <linux/in6.h>

#include "guestkit/libc-shim/inet_datagram.h"
#include "guestkit/libc-shim/net_config.h"
#include "guestkit/string.h"
#include "lwip/ip.h"

#define CONTROL_HEADER sizeof(struct control_header)
#define OCTET_MAX      255

/* What control messages ask for; -1: nothing. */
struct wishes {
	int interface, ttl, tos;
	ip_addr_t from; /* any: none */
};

/* ---- control messages ---- */

static int take_number(const struct control_header *header, int least, int *number)
{
	int value;

	if (header->length != CONTROL_HEADER + sizeof(value))
		return -EINVAL;
	memcpy(&value, header + 1, sizeof(value));
	if (value < least || value > OCTET_MAX)
		return -EINVAL;
	*number = value;
	return 0;
}

static int take_ipv4(const struct control_header *header, struct wishes *wishes)
{
	uint32_t info[3]; /* struct in_pktinfo: interface, source, nothing */

	switch (header->type) {
	case IP_PKTINFO:
		if (header->length != CONTROL_HEADER + sizeof(info))
			return -EINVAL;
		memcpy(info, header + 1, sizeof(info));
		wishes->interface = info[0] ? (int)info[0] : -1;
		ip_addr_set_ip4_u32(&wishes->from, info[1]);
		return 0;
	case IP_TTL: return take_number(header, 1, &wishes->ttl);
	case IP_TOS:
		if (header->length == CONTROL_HEADER + 1) {
			wishes->tos = *(const unsigned char *)(header + 1);
			return 0;
		}
		return take_number(header, 0, &wishes->tos);
	default: return -EINVAL;
	}
}

static int take_ipv6(const struct control_header *header, struct wishes *wishes)
{
	struct {
		uint32_t address[4], interface;
	} info;
	ip6_addr_t from = {{0}, 0};
	int result;

	switch (header->type) {
	case IPV6_PKTINFO:
		if (header->length < CONTROL_HEADER + sizeof(info))
			return -EINVAL;
		memcpy(&info, header + 1, sizeof(info));
		wishes->interface = info.interface ? (int)info.interface : -1;
		memcpy(from.addr, info.address, sizeof(from.addr));
		if (ip6_addr_isipv4mappedipv6(&from))
			ip_addr_set_ip4_u32(&wishes->from, info.address[3]);
		else
			ip_addr_copy_from_ip6(wishes->from, from);
		return 0;
	case IPV6_HOPLIMIT: result = take_number(header, -1, &wishes->ttl); return result;
	case IPV6_TCLASS: return take_number(header, -1, &wishes->tos);
	default: return -EINVAL;
	}
}

static int take_wishes(const struct inet_socket *socket, const struct socket_extra *extra,
                       struct wishes *wishes)
{
	const struct control_header *header = NULL;
	int result = 0;

	while (!result && extra && (header = socket_extra_next(extra, header))) {
		if (header->level == INET_IP)
			result = take_ipv4(header, wishes);
		else if (header->level == INET_IPV6 && socket->socket.family == SOCKET_FAMILY_INET6)
			result = take_ipv6(header, wishes);
		else if (header->level == INET_UDP)
			result = -EINVAL; /* segments to be cut (UDP_SEGMENT) are not served */
	}
	return result;
}

/* ---- the way ---- */

int inet_way_read_ipv4(const struct socket_address *name, struct inet_end *to)
{
	const struct inet_socket ipv4 = {.socket.family = SOCKET_FAMILY_INET};

	return inet_end_read(&ipv4, name, to);
}

/* The end that a name says: 0, 1 where it says none, or what sendto(2) says. */
static int read_name(const struct inet_socket *socket, const struct socket_address *name,
                     struct inet_end *to)
{
	bool is_v6 = socket->socket.family == SOCKET_FAMILY_INET6;
	struct socket_address copy;
	int result;

	if (!name || !name->length)
		return 1;
	if (name->length < sizeof(name->family))
		return -EINVAL;
	if (is_v6 && name->family == SOCKET_FAMILY_NONE)
		return 1;
	if (is_v6 && name->family != SOCKET_FAMILY_INET6 && name->family != SOCKET_FAMILY_INET)
		return -EINVAL;
	copy = *name;
	if (copy.family == SOCKET_FAMILY_NONE)
		copy.family = SOCKET_FAMILY_INET;
	result = copy.family == SOCKET_FAMILY_INET ? inet_way_read_ipv4(&copy, to)
	                                           : inet_end_read(socket, &copy, to);
	if (!result && socket->options.is_v6only && IP_IS_V4_VAL(to->ip))
		return -ENETUNREACH;
	return result;
}

/* The interface that a datagram leaves by. */
static struct netif *find_interface(const struct inet_datagram *socket, const struct inet_way *way,
                                    const struct wishes *wishes)
{
	bool is_group = ip_addr_ismulticast(&way->to.ip);
	struct netif *netif;

	if (wishes->interface >= 0)
		return wishes->interface <= OCTET_MAX ? netif_get_by_index((u8_t)wishes->interface)
		                                      : NULL;
	if (is_group && socket->group_interface)
		return netif_get_by_index(socket->group_interface);
	netif = inet_route(&way->from, &way->to.ip);
	/* A group without an interface of its own: where the sender's address is. */
	if (!netif && is_group && !ip_addr_isany(&way->from) && inet_is_own(&way->from))
		netif = net_loopback;
	return netif;
}

static int find_source(struct inet_way *way)
{
	ip_addr_t *to = &way->to.ip;

	if (IP_IS_V6_VAL(*to) && ip6_addr_lacks_zone(ip_2_ip6(to), IP6_UNKNOWN))
		ip6_addr_assign_zone(ip_2_ip6(to), IP6_UNKNOWN, way->netif);
	if (!ip_addr_isany(&way->from))
		return IP_GET_TYPE(&way->from) == IP_GET_TYPE(to) ? 0 : -ENETUNREACH;
	if (inet_choose_source(way->netif, to, &way->from))
		return 0;
	return IP_IS_V6_VAL(*to) ? -EADDRNOTAVAIL : -ENETUNREACH;
}

/* All but the destination, which the way has. */
static int complete(struct inet_datagram *socket, struct inet_way *way, const struct wishes *wishes)
{
	const struct inet_options *options = &socket->inet.options;
	bool is_v6, is_group;
	int discover;

	if (ip_addr_isany(&way->to.ip)) /* means this machine */
		ip_addr_set_loopback(IP_IS_V6_VAL(way->to.ip), &way->to.ip);
	is_v6 = IP_IS_V6_VAL(way->to.ip);
	is_group = ip_addr_ismulticast(&way->to.ip);
	if (!inet_is_own(&way->to.ip))
		net_config_wait(is_v6);
	way->from = is_v6 ? *IP6_ADDR_ANY : *IP4_ADDR_ANY;
	if (!ip_addr_isany(&wishes->from))
		way->from = wishes->from;
	else if (!ip_addr_isany(&socket->inet.local.ip) &&
	         !ip_addr_ismulticast(&socket->inet.local.ip))
		way->from = socket->inet.local.ip;
	if (IP_GET_TYPE(&way->from) != IP_GET_TYPE(&way->to.ip))
		return -ENETUNREACH;
	way->netif = find_interface(socket, way, wishes);
	if (!way->netif)
		return wishes->interface >= 0 ? -ENODEV : -ENETUNREACH;
	if (!socket_has_option(&socket->inet.socket, SO_BROADCAST) &&
	    ip_addr_isbroadcast(&way->to.ip, way->netif))
		return -EACCES;
	way->ttl = is_group ? socket->group_ttl : inet_ttl(&socket->inet, is_v6);
	way->tos = inet_tos(&socket->inet, is_v6);
	if (wishes->ttl >= 0)
		way->ttl = (uint8_t)wishes->ttl;
	if (wishes->tos >= 0)
		way->tos = (uint8_t)wishes->tos;
	discover = (is_v6 ? options->mtu_discover6 : options->mtu_discover) - 1;
	way->must_fit = discover >= IP_PMTUDISC_DO && discover != IP_PMTUDISC_OMIT;
	return find_source(way);
}

static const struct wishes no_wishes = {-1, -1, -1, IPADDR_ANY_TYPE_INIT};

int inet_way_to(struct inet_datagram *socket, const struct inet_end *to, struct inet_way *way)
{
	way->to = *to;
	return complete(socket, way, &no_wishes);
}

int inet_way_find(struct inet_datagram *socket, const struct socket_message *message,
                  struct inet_way *way)
{
	bool needs_port = socket->inet.socket.protocol == INET_UDP;
	struct wishes wishes = no_wishes;
	int result = read_name(&socket->inet, message->name, &way->to);

	if (result == 1) {
		if (!socket->is_connected)
			return -EDESTADDRREQ;
		way->to = socket->inet.remote;
		result = 0;
	}
	if (!result && needs_port && !way->to.port)
		result = -EINVAL;
	if (!result)
		result = take_wishes(&socket->inet, message->extra, &wishes);
	return result ? result : complete(socket, way, &wishes);
}
