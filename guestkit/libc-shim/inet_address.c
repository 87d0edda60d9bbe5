/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of internet sockets: as programs write them, as lwIP has them, and which are ours. */
#include <linux/errno.h>

#include "guestkit/libc-shim/inet.h"
#include "guestkit/string.h"
#include "lwip/ip.h"
#include "lwip/ip4.h"
#include "lwip/ip6.h"
#include "lwip/netif.h"

#define LOOPBACK_NET      0x7f000000u
#define LOOPBACK_NET_MASK 0xff000000u

/* ---- names ---- */

static int read_name4(const struct socket_address *address, struct inet_end *end)
{
	struct inet_name4 name;

	if (address->length < sizeof(name))
		return -EINVAL;
	memcpy(&name, address->bytes, sizeof(name));
	if (name.family != SOCKET_FAMILY_INET)
		return -EAFNOSUPPORT;
	ip_addr_set_ip4_u32(&end->ip, name.address);
	end->port = lwip_ntohs(name.port);
	return 0;
}

static int read_name6(const struct socket_address *address, struct inet_end *end)
{
	struct inet_name6 name = {0};
	ip6_addr_t *ip;

	if (address->length < INET_NAME6_MIN)
		return -EINVAL;
	memcpy(&name, address->bytes,
	       address->length < sizeof(name) ? INET_NAME6_MIN : sizeof(name));
	if (name.family != SOCKET_FAMILY_INET6)
		return -EAFNOSUPPORT;
	end->port = lwip_ntohs(name.port);
	memset(&end->ip, 0, sizeof(end->ip));
	IP_SET_TYPE_VAL(end->ip, IPADDR_TYPE_V6);
	ip = ip_2_ip6(&end->ip);
	memcpy(ip->addr, name.address, sizeof(ip->addr));
	if (ip6_addr_isipv4mappedipv6(ip))
		ip_addr_set_ip4_u32(&end->ip, name.address[3]);
	else if (ip6_addr_has_scope(ip, IP6_UNKNOWN))
		ip6_addr_set_zone(ip, (u8_t)(name.scope <= UINT8_MAX ? name.scope : 0));
	return 0;
}

int inet_end_read(const struct inet_socket *socket, const struct socket_address *address,
                  struct inet_end *end)
{
	return socket->socket.family == SOCKET_FAMILY_INET ? read_name4(address, end)
	                                                   : read_name6(address, end);
}

void inet_end_tell(unsigned family, const struct inet_end *end, struct socket_address *address)
{
	bool is_v4 = IP_IS_V4_VAL(end->ip) && !IP_IS_ANY_TYPE_VAL(end->ip);

	memset(address->bytes, 0, sizeof(address->bytes));
	if (family == SOCKET_FAMILY_INET) {
		const struct inet_name4 name = {
		        .family = SOCKET_FAMILY_INET,
		        .port = lwip_htons(end->port),
		        .address = is_v4 ? ip4_addr_get_u32(ip_2_ip4(&end->ip)) : 0};

		memcpy(address->bytes, &name, sizeof(name));
		address->length = sizeof(name);
	} else {
		struct inet_name6 name = {.family = SOCKET_FAMILY_INET6,
		                          .port = lwip_htons(end->port)};

		if (is_v4) {
			uint32_t ip = ip4_addr_get_u32(ip_2_ip4(&end->ip));

			if (ip) /* the wildcard is told as IPv6's */
				memcpy(name.address, (const uint32_t[]){0, 0, PP_HTONL(0xffff), ip},
				       sizeof(name.address));
		} else {
			memcpy(name.address, ip_2_ip6(&end->ip)->addr, sizeof(name.address));
			name.scope = ip6_addr_zone(ip_2_ip6(&end->ip));
		}
		memcpy(address->bytes, &name, sizeof(name));
		address->length = sizeof(name);
	}
}

/* ---- which are ours ---- */

ip_addr_t inet_any(const struct inet_socket *socket)
{
	if (socket->socket.family == SOCKET_FAMILY_INET)
		return *IP4_ADDR_ANY;
	return socket->options.is_v6only ? *IP6_ADDR_ANY : *IP_ANY_TYPE;
}

static bool is_loopback4(const ip_addr_t *ip)
{
	return IP_IS_V4(ip) &&
	       (lwip_ntohl(ip4_addr_get_u32(ip_2_ip4(ip))) & LOOPBACK_NET_MASK) == LOOPBACK_NET;
}

bool inet_is_own(const ip_addr_t *ip)
{
	struct netif *netif;

	if (is_loopback4(ip))
		return true;
	NETIF_FOREACH(netif)
	{
		if (IP_IS_V4(ip)) {
			if (!ip4_addr_isany_val(*netif_ip4_addr(netif)) &&
			    ip4_addr_cmp(ip_2_ip4(ip), netif_ip4_addr(netif)))
				return true;
			continue;
		}
		for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
			if (ip6_addr_isvalid(netif_ip6_addr_state(netif, i)) &&
			    ip6_addr_cmp_zoneless(ip_2_ip6(ip), netif_ip6_addr(netif, i)))
				return true;
	}
	return false;
}

bool inet_overlaps(const ip_addr_t *a, const ip_addr_t *b)
{
	if (IP_IS_ANY_TYPE_VAL(*a) || IP_IS_ANY_TYPE_VAL(*b))
		return true;
	if (IP_GET_TYPE(a) != IP_GET_TYPE(b))
		return false;
	return ip_addr_isany(a) || ip_addr_isany(b) || ip_addr_cmp(a, b);
}

struct netif *inet_route(const ip_addr_t *from, const ip_addr_t *to)
{
	struct netif *netif = ip_route(from, to);

	/* lwIP takes the only interface there is for everything. */
	return netif == net_loopback && !inet_is_own(to) ? NULL : netif;
}

bool inet_choose_source(struct netif *netif, const ip_addr_t *to, ip_addr_t *from)
{
	const ip_addr_t *chosen = ip_netif_get_local_ip(netif, to);

	if (!chosen || (IP_IS_V4(to) && ip4_addr_isany_val(*ip_2_ip4(chosen))))
		return false;
	ip_addr_copy(*from, *chosen);
	return true;
}
