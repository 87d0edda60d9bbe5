/* SPDX-License-Identifier: Apache-2.0 */
/* What NETLINK_ROUTE tells of interfaces, their addresses, and neighbours. */
#include <linux/errno.h>
#include <linux/rtnetlink.h>

#include "guestkit/libc-shim/interface.h"
#include "guestkit/libc-shim/netlink.h"
#include "guestkit/string.h"

#define OPERATION_UNKNOWN 0 /* IF_OPER_*, RFC 2863 */
#define OPERATION_DOWN    2
#define OPERATION_UP      6
#define FOREVER           UINT32_MAX

/* ---- links ---- */

static void put_counters(struct netlink_answer *answer, const struct interface *interface)
{
	const struct rtnl_link_stats64 wide = {
	        .rx_packets = interface->received.packets,
	        .tx_packets = interface->sent.packets,
	        .rx_bytes = interface->received.bytes,
	        .tx_bytes = interface->sent.bytes,
	        .rx_dropped = interface->received.dropped,
	        .tx_dropped = interface->sent.dropped,
	};
	const struct rtnl_link_stats narrow = {
	        .rx_packets = (uint32_t)wide.rx_packets,
	        .tx_packets = (uint32_t)wide.tx_packets,
	        .rx_bytes = (uint32_t)wide.rx_bytes,
	        .tx_bytes = (uint32_t)wide.tx_bytes,
	        .rx_dropped = (uint32_t)wide.rx_dropped,
	        .tx_dropped = (uint32_t)wide.tx_dropped,
	};

	netlink_put(answer, IFLA_STATS64, &wide, sizeof(wide));
	netlink_put(answer, IFLA_STATS, &narrow, sizeof(narrow));
}

static void put_link(struct netlink_answer *answer, const struct interface *interface)
{
	static const unsigned char everybody[INTERFACE_MAC_SIZE] = {0xff, 0xff, 0xff,
	                                                            0xff, 0xff, 0xff};
	bool is_loopback = interface->flags & INTERFACE_IS_LOOPBACK;
	bool has_carrier = interface->flags & INTERFACE_LOWER_UP;
	struct ifinfomsg *message = netlink_begin(answer, RTM_NEWLINK, sizeof(*message));

	if (!message)
		return;
	message->ifi_type = interface->type;
	message->ifi_index = (int)interface->index;
	message->ifi_flags = interface->flags;
	netlink_put_string(answer, IFLA_IFNAME, interface->name);
	netlink_put_u32(answer, IFLA_TXQLEN, INTERFACE_QUEUE_LENGTH);
	netlink_put_u8(answer, IFLA_OPERSTATE,
	               is_loopback   ? OPERATION_UNKNOWN
	               : has_carrier ? OPERATION_UP
	                             : OPERATION_DOWN);
	netlink_put_u8(answer, IFLA_LINKMODE, 0);
	netlink_put_u32(answer, IFLA_MTU, interface->mtu);
	netlink_put_u32(answer, IFLA_GROUP, 0);
	netlink_put_u32(answer, IFLA_PROMISCUITY, 0);
	netlink_put_u32(answer, IFLA_NUM_TX_QUEUES, 1);
	netlink_put_u32(answer, IFLA_NUM_RX_QUEUES, 1);
	netlink_put_u8(answer, IFLA_CARRIER, has_carrier);
	netlink_put(answer, IFLA_ADDRESS, interface->mac, sizeof(interface->mac));
	netlink_put(answer, IFLA_BROADCAST, is_loopback ? interface->mac : everybody,
	            INTERFACE_MAC_SIZE);
	put_counters(answer, interface);
	netlink_put_string(answer, IFLA_QDISC, "noqueue");
	netlink_end(answer);
}

void netlink_write_link(struct netlink_answer *answer, unsigned index)
{
	struct interface interface;

	if (interface_find(index, &interface))
		put_link(answer, &interface);
}

/* The interface that a request is about, by number or by name. */
static int find_link(const struct netlink_request *request, struct interface *interface)
{
	char name[INTERFACE_NAME_SIZE] = "";
	struct ifinfomsg asked;
	const void *said;
	size_t size;

	if (request->length < sizeof(asked))
		return -EINVAL;
	memcpy(&asked, request->body, sizeof(asked));
	if (asked.ifi_index < 0)
		return -EINVAL;
	if (asked.ifi_index)
		return interface_find((unsigned)asked.ifi_index, interface) ? 0 : -ENODEV;
	said = netlink_attribute(request->body + sizeof(asked), request->length - sizeof(asked),
	                         IFLA_IFNAME, &size);
	if (!said)
		said = netlink_attribute(request->body + sizeof(asked),
		                         request->length - sizeof(asked), IFLA_ALT_IFNAME, &size);
	if (!said)
		return -EINVAL;
	if (size >= sizeof(name))
		return strnlen(said, size) < sizeof(name) ? -ENODEV : -ERANGE;
	memcpy(name, said, size);
	return interface_find_name(name, interface) ? 0 : -ENODEV;
}

int netlink_get_link(struct netlink_answer *answer, const struct netlink_request *request)
{
	struct interface interface;
	int result;

	if (!netlink_is_dump(request)) {
		result = find_link(request, &interface);
		if (!result)
			put_link(answer, &interface);
		return result;
	}
	for (unsigned i = 0; interface_get(i, &interface); i++)
		put_link(answer, &interface);
	return 0;
}

/* ---- addresses ---- */

static uint32_t address_flags(const struct interface_address *address)
{
	return (address->is_temporary ? 0 : IFA_F_PERMANENT) |
	       (address->is_tentative ? IFA_F_TENTATIVE : 0);
}

static void put_address(struct netlink_answer *answer, uint16_t type,
                        const struct interface *interface, const struct interface_address *address)
{
	const struct ifa_cacheinfo times = {.ifa_prefered = FOREVER, .ifa_valid = FOREVER};
	unsigned size = interface_address_size(address->is_ipv6);
	struct ifaddrmsg *message = netlink_begin(answer, type, sizeof(*message));
	unsigned char broadcast[4];

	if (!message)
		return;
	message->ifa_family = address->is_ipv6 ? SOCKET_FAMILY_INET6 : SOCKET_FAMILY_INET;
	message->ifa_prefixlen = address->prefix;
	message->ifa_flags = (uint8_t)address_flags(address);
	message->ifa_scope = interface_address_scope(address);
	message->ifa_index = interface->index;
	netlink_put(answer, IFA_ADDRESS, address->bytes, size);
	if (!address->is_ipv6) {
		netlink_put(answer, IFA_LOCAL, address->bytes, size);
		if (interface_broadcast(interface, address, broadcast))
			netlink_put(answer, IFA_BROADCAST, broadcast, sizeof(broadcast));
		netlink_put_string(answer, IFA_LABEL, interface->name);
	}
	netlink_put_u32(answer, IFA_FLAGS, address_flags(address));
	netlink_put(answer, IFA_CACHEINFO, &times, sizeof(times));
	netlink_end(answer);
}

/* Addresses of a family, or of both; of one interface where a strict socket says so. */
static void dump_addresses(struct netlink_answer *answer, uint8_t family, unsigned index)
{
	struct interface interface;

	for (unsigned i = 0; interface_get(i, &interface); i++) {
		if (index && index != interface.index)
			continue;
		for (unsigned j = 0; j < interface.address_count; j++) {
			const struct interface_address *address = &interface.addresses[j];

			if (address->is_ipv6 ? family != SOCKET_FAMILY_INET
			                     : family != SOCKET_FAMILY_INET6)
				put_address(answer, RTM_NEWADDR, &interface, address);
		}
	}
}

void netlink_write_addresses(struct netlink_answer *answer, unsigned index, bool is_ipv6)
{
	dump_addresses(answer, is_ipv6 ? SOCKET_FAMILY_INET6 : SOCKET_FAMILY_INET, index);
}

static bool has_address(const struct interface *interface, const struct interface_address *address)
{
	for (unsigned i = 0; i < interface->address_count; i++)
		if (interface->addresses[i].is_ipv6 == address->is_ipv6 &&
		    interface->addresses[i].prefix == address->prefix &&
		    !memcmp(interface->addresses[i].bytes, address->bytes,
		            interface_address_size(address->is_ipv6)))
			return true;
	return false;
}

void netlink_write_gone(struct netlink_answer *answer, const struct interface *before, bool is_ipv6)
{
	struct interface now;

	if (!interface_find(before->index, &now))
		return;
	for (unsigned i = 0; i < before->address_count; i++) {
		const struct interface_address *address = &before->addresses[i];

		if (address->is_ipv6 == is_ipv6 && !has_address(&now, address))
			put_address(answer, RTM_DELADDR, before, address);
	}
}

/* One IPv6 address, which the request has; of IPv4 Linux gives none either. */
static int find_address(struct netlink_answer *answer, const struct netlink_request *request)
{
	struct interface interface;
	struct ifaddrmsg asked;
	const void *said;
	size_t size;

	if (request->family != SOCKET_FAMILY_INET6)
		return -EOPNOTSUPP;
	if (request->length < sizeof(asked))
		return -EINVAL;
	memcpy(&asked, request->body, sizeof(asked));
	said = netlink_attribute(request->body + sizeof(asked), request->length - sizeof(asked),
	                         IFA_ADDRESS, &size);
	if (!said || size != 16)
		return -EINVAL;
	for (unsigned i = 0; interface_get(i, &interface); i++) {
		if (asked.ifa_index && asked.ifa_index != interface.index)
			continue;
		for (unsigned j = 0; j < interface.address_count; j++) {
			const struct interface_address *address = &interface.addresses[j];

			if (!address->is_ipv6 || memcmp(address->bytes, said, size) != 0)
				continue;
			put_address(answer, RTM_NEWADDR, &interface, address);
			return 0;
		}
	}
	return -EADDRNOTAVAIL;
}

int netlink_get_address(struct netlink_answer *answer, const struct netlink_request *request)
{
	struct ifaddrmsg asked = {.ifa_index = 0};

	if (!netlink_is_dump(request))
		return find_address(answer, request);
	if (answer->is_strict) {
		if (request->length < sizeof(asked))
			return -EINVAL;
		memcpy(&asked, request->body, sizeof(asked));
	}
	dump_addresses(answer, request->family, asked.ifa_index);
	return 0;
}

/* ---- neighbours ---- */

static void put_neighbour(const struct interface_neighbour *neighbour, void *context)
{
	struct netlink_answer *answer = context;
	struct ndmsg *message = netlink_begin(answer, RTM_NEWNEIGH, sizeof(*message));

	if (!message)
		return;
	message->ndm_family = SOCKET_FAMILY_INET;
	message->ndm_ifindex = (int)neighbour->index;
	message->ndm_state = NUD_REACHABLE;
	message->ndm_type = RTN_UNICAST;
	netlink_put(answer, NDA_DST, neighbour->ip, sizeof(neighbour->ip));
	netlink_put(answer, NDA_LLADDR, neighbour->mac, sizeof(neighbour->mac));
	netlink_end(answer);
}

int netlink_get_neighbour(struct netlink_answer *answer, const struct netlink_request *request)
{
	if (!netlink_is_dump(request))
		return -ENOENT;
	if (request->family != SOCKET_FAMILY_INET6)
		interface_neighbours(put_neighbour, answer);
	return 0;
}
