/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: options by which sockets for datagrams join, leave and address them. */
#include <linux/errno.h>
#include <linux/in.h>
#include <linux/in6.h>

#include "guestkit/libc-shim/inet_datagram.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "guestkit/user.h"
#include "lwip/igmp.h"
#include "lwip/mld6.h"

/* struct ip_mreqn; struct ip_mreq is its first two fields, struct in_addr its second */
struct group_request {
	uint32_t group, address;
	int32_t interface;
};

/* struct ipv6_mreq */
struct group_request6 {
	uint32_t group[4];
	int32_t interface;
};

/* struct group_req */
struct group_request_any {
	uint32_t interface, unused;
	unsigned char name[SOCKET_ADDRESS_SIZE];
};

#define LEVEL_MULTICAST_ALL6 29 /* IPV6_MULTICAST_ALL */

/* The interface of a number, or of one of its addresses; of neither: the one that leads there. */
static struct netif *find_interface(int number, uint32_t address, const ip_addr_t *group)
{
	struct netif *netif;
	ip_addr_t ip;

	if (number)
		return number > 0 && number <= UINT8_MAX ? netif_get_by_index((u8_t)number) : NULL;
	if (address) {
		ip_addr_set_ip4_u32_val(ip, address);
		if (inet_is_own(&ip) && (lwip_ntohl(address) >> 24) == IP_LOOPBACKNET)
			return net_loopback;
		NETIF_FOREACH(netif)
		{
			if (netif_ip4_addr(netif)->addr == address)
				return netif;
		}
		return NULL;
	}
	return netif_default ? netif_default : group ? net_loopback : NULL;
}

/* ---- membership ---- */

static struct inet_group *find_group(struct inet_datagram *socket, const ip_addr_t *ip,
                                     uint8_t interface)
{
	for (unsigned i = 0; socket->groups && i < DATAGRAM_GROUPS; i++) {
		struct inet_group *group = &socket->groups[i];

		if (group->interface == interface && (!interface || ip_addr_cmp(&group->ip, ip)))
			return group;
	}
	return NULL;
}

static void tell_lwip(const struct inet_group *group, bool is_joining)
{
	struct netif *netif = netif_get_by_index(group->interface);

	if (!netif)
		return;
	net_enter();
	if (IP_IS_V6_VAL(group->ip))
		(is_joining ? mld6_joingroup_netif : mld6_leavegroup_netif)(netif,
		                                                            ip_2_ip6(&group->ip));
	else
		(is_joining ? igmp_joingroup_netif : igmp_leavegroup_netif)(netif,
		                                                            ip_2_ip4(&group->ip));
	net_finish();
}

static int join(struct inet_datagram *socket, const ip_addr_t *ip, struct netif *netif)
{
	struct inet_group *group;

	if (!ip_addr_ismulticast(ip))
		return -EINVAL;
	if (!netif)
		return -ENODEV;
	if (find_group(socket, ip, netif_get_index(netif)))
		return -EADDRINUSE;
	if (!socket->groups)
		socket->groups = heap_alloc(DATAGRAM_GROUPS * sizeof(*socket->groups));
	if (!socket->groups)
		return -ENOMEM;
	group = find_group(socket, NULL, 0);
	if (!group)
		return -ENOBUFS;
	group->ip = *ip;
	group->interface = netif_get_index(netif);
	tell_lwip(group, true);
	return 0;
}

static int leave(struct inet_datagram *socket, const ip_addr_t *ip, struct netif *netif)
{
	struct inet_group *group = netif ? find_group(socket, ip, netif_get_index(netif)) : NULL;

	if (!ip_addr_ismulticast(ip))
		return -EINVAL;
	if (!netif)
		return -ENODEV;
	if (!group)
		return -EADDRNOTAVAIL;
	tell_lwip(group, false);
	group->interface = 0;
	return 0;
}

void inet_multicast_leave(struct inet_datagram *socket)
{
	for (unsigned i = 0; socket->groups && i < DATAGRAM_GROUPS; i++) {
		if (!socket->groups[i].interface)
			continue;
		tell_lwip(&socket->groups[i], false);
		socket->groups[i].interface = 0;
	}
}

/* ---- options ---- */

static int change4(struct inet_datagram *socket, bool is_joining, uint64_t user, uint32_t length)
{
	struct group_request request = {0, 0, 0};
	struct netif *netif;
	ip_addr_t ip;

	if (length < offsetof(struct group_request, interface))
		return -EINVAL;
	if (length > sizeof(request))
		length = sizeof(request);
	if (length < sizeof(request))
		length = offsetof(struct group_request, interface);
	if (user_read(&request, user, length))
		return -EFAULT;
	ip_addr_set_ip4_u32_val(ip, request.group);
	netif = find_interface(request.interface, request.address, &ip);
	return is_joining ? join(socket, &ip, netif) : leave(socket, &ip, netif);
}

static int change6(struct inet_datagram *socket, bool is_joining, uint64_t user, uint32_t length)
{
	struct group_request6 request;
	struct netif *netif;
	ip_addr_t ip;

	if (length < sizeof(request))
		return -EINVAL;
	if (user_read(&request, user, sizeof(request)))
		return -EFAULT;
	memset(&ip, 0, sizeof(ip));
	IP_SET_TYPE_VAL(ip, IPADDR_TYPE_V6);
	memcpy(ip_2_ip6(&ip)->addr, request.group, sizeof(request.group));
	netif = find_interface(request.interface, 0, &ip);
	if (netif && ip6_addr_has_scope(ip_2_ip6(&ip), IP6_MULTICAST))
		ip6_addr_assign_zone(ip_2_ip6(&ip), IP6_MULTICAST, netif);
	return is_joining ? join(socket, &ip, netif) : leave(socket, &ip, netif);
}

/* MCAST_JOIN_GROUP and MCAST_LEAVE_GROUP: of both protocols. */
static int change_any(struct inet_datagram *socket, bool is_joining, uint64_t user, uint32_t length)
{
	struct socket_address address = {.length = SOCKET_ADDRESS_SIZE};
	struct group_request_any request;
	struct netif *netif;
	struct inet_end end;
	int result;

	if (length < sizeof(request))
		return -EINVAL;
	if (user_read(&request, user, sizeof(request)))
		return -EFAULT;
	memcpy(address.bytes, request.name, sizeof(request.name));
	result = inet_end_read(&socket->inet, &address, &end);
	if (result)
		return -EINVAL;
	netif = find_interface((int)request.interface, 0, &end.ip);
	if (netif && IP_IS_V6_VAL(end.ip) && ip6_addr_has_scope(ip_2_ip6(&end.ip), IP6_MULTICAST))
		ip6_addr_assign_zone(ip_2_ip6(&end.ip), IP6_MULTICAST, netif);
	return is_joining ? join(socket, &end.ip, netif) : leave(socket, &end.ip, netif);
}

/* IP_MULTICAST_IF: an address, or one of the structures. */
static int set_interface4(struct inet_datagram *socket, uint64_t user, uint32_t length)
{
	struct group_request request = {0, 0, 0};
	struct netif *netif;
	int result;

	if (length < sizeof(request.address))
		return -EINVAL;
	if (length >= sizeof(request))
		result = user_read(&request, user, sizeof(request));
	else if (length >= offsetof(struct group_request, interface))
		result = user_read(&request, user, offsetof(struct group_request, interface));
	else
		result = user_read(&request.address, user, sizeof(request.address));
	if (result)
		return -EFAULT;
	if (!request.interface && !request.address) {
		socket->group_interface = 0;
		return 0;
	}
	netif = find_interface(request.interface, request.address, NULL);
	if (!netif)
		return -EADDRNOTAVAIL;
	socket->group_interface = netif_get_index(netif);
	return 0;
}

/* A number, which IPPROTO_IP also takes as a byte. */
static int take_number(uint64_t user, uint32_t length, bool may_be_byte, int *value)
{
	unsigned char byte;

	if (length >= sizeof(*value))
		return user_read(value, user, sizeof(*value));
	if (!may_be_byte || !length)
		return -EINVAL;
	if (user_read(&byte, user, sizeof(byte)))
		return -EFAULT;
	*value = byte;
	return 0;
}

static int set_ttl(struct inet_datagram *socket, int value)
{
	if (value == -1)
		value = 1;
	if (value < 0 || value > UINT8_MAX)
		return -EINVAL;
	socket->group_ttl = (uint8_t)value;
	return 0;
}

static int set_option4(struct inet_datagram *socket, unsigned option, uint64_t user,
                       uint32_t length)
{
	int value, result;

	switch (option) {
	case IP_ADD_MEMBERSHIP:
	case IP_DROP_MEMBERSHIP: return change4(socket, option == IP_ADD_MEMBERSHIP, user, length);
	case MCAST_JOIN_GROUP:
	case MCAST_LEAVE_GROUP: return change_any(socket, option == MCAST_JOIN_GROUP, user, length);
	case IP_MULTICAST_IF: return set_interface4(socket, user, length);
	case IP_MULTICAST_TTL:
	case IP_MULTICAST_LOOP:
	case IP_MULTICAST_ALL: break;
	default: return -ENOPROTOOPT;
	}
	result = take_number(user, length, true, &value);
	if (result)
		return result;
	if (option == IP_MULTICAST_TTL)
		return set_ttl(socket, value);
	if (option == IP_MULTICAST_LOOP)
		socket->is_heard_here = value;
	return 0;
}

static int set_option6(struct inet_datagram *socket, unsigned option, uint64_t user,
                       uint32_t length)
{
	int value, result;

	switch (option) {
	case IPV6_ADD_MEMBERSHIP:
	case IPV6_DROP_MEMBERSHIP:
		return change6(socket, option == IPV6_ADD_MEMBERSHIP, user, length);
	case MCAST_JOIN_GROUP:
	case MCAST_LEAVE_GROUP: return change_any(socket, option == MCAST_JOIN_GROUP, user, length);
	case IPV6_MULTICAST_IF:
	case IPV6_MULTICAST_HOPS:
	case IPV6_MULTICAST_LOOP:
	case LEVEL_MULTICAST_ALL6: break;
	default: return -ENOPROTOOPT;
	}
	result = take_number(user, length, false, &value);
	if (result)
		return result;
	switch (option) {
	case IPV6_MULTICAST_HOPS: return set_ttl(socket, value);
	case IPV6_MULTICAST_IF:
		if (value && !find_interface(value, 0, NULL))
			return -ENODEV;
		socket->group_interface = (uint8_t)value;
		return 0;
	case IPV6_MULTICAST_LOOP:
		if (value & ~1)
			return -EINVAL;
		socket->is_heard_here = value;
		return 0;
	default: return 0;
	}
}

int inet_multicast_set_option(struct inet_datagram *socket, int level, unsigned option,
                              uint64_t user, uint32_t length)
{
	if (level == INET_IP)
		return set_option4(socket, option, user, length);
	if (level == INET_IPV6 && socket->inet.socket.family == SOCKET_FAMILY_INET6)
		return set_option6(socket, option, user, length);
	return -ENOPROTOOPT;
}

int inet_multicast_get_option(struct inet_datagram *socket, int level, unsigned option, int *value)
{
	struct netif *netif = netif_get_by_index(socket->group_interface);
	bool is_v4 = level == INET_IP;

	if (!is_v4 && (level != INET_IPV6 || socket->inet.socket.family != SOCKET_FAMILY_INET6))
		return -ENOPROTOOPT;
	if (option == (is_v4 ? IP_MULTICAST_TTL : IPV6_MULTICAST_HOPS))
		*value = socket->group_ttl;
	else if (option == (is_v4 ? IP_MULTICAST_LOOP : IPV6_MULTICAST_LOOP))
		*value = socket->is_heard_here;
	else if (option == (is_v4 ? IP_MULTICAST_ALL : LEVEL_MULTICAST_ALL6))
		*value = 1;
	else if (option == IP_MULTICAST_IF && is_v4)
		*value = netif ? (int)netif_ip4_addr(netif)->addr : 0;
	else if (option == IPV6_MULTICAST_IF && !is_v4)
		*value = socket->group_interface;
	else
		return -ENOPROTOOPT;
	return 0;
}
