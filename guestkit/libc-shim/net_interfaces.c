/* SPDX-License-Identifier: Apache-2.0 */
/* The list of network interfaces: "lo", and the devices of the network stack. See interface.h. */
#include "guestkit/libc-shim/interface.h"
#include "guestkit/libc-shim/net_config.h"
#include "guestkit/net/net.h"
#include "guestkit/string.h"
#include "lwip/dhcp.h"
#include "lwip/etharp.h"

#define TYPE_ETHERNET 1   /* ARPHRD_ETHER */
#define TYPE_LOOPBACK 772 /* ARPHRD_LOOPBACK */
#define NETWORK_BITS  64  /* of IPv6 addresses: lwIP knows no others */

static const struct interface loopback = {
        .name = "lo",
        .index = INTERFACE_LOOPBACK,
        .flags = INTERFACE_UP | INTERFACE_IS_LOOPBACK | INTERFACE_RUNNING | INTERFACE_LOWER_UP,
        .type = TYPE_LOOPBACK,
        .mtu = NET_LOOPBACK_MTU,
        .address_count = 2,
        .addresses = {{.prefix = 8, .bytes = {127, 0, 0, 1}},
                      {.is_ipv6 = true, .prefix = 128, .bytes = {[15] = 1}}},
};

static void add_ipv4(struct interface *interface, struct netif *netif)
{
	struct interface_address *address = &interface->addresses[interface->address_count];
	uint32_t mask = lwip_ntohl(netif_ip4_netmask(netif)->addr);

	if (ip4_addr_isany_val(*netif_ip4_addr(netif)))
		return;
	for (; mask & 1u << 31; mask <<= 1)
		address->prefix++;
	address->is_temporary = dhcp_supplied_address(netif);
	memcpy(address->bytes, &netif_ip4_addr(netif)->addr, 4);
	interface->address_count++;
	memcpy(interface->gateway[0], &netif_ip4_gw(netif)->addr, 4);
	interface->has_gateway[0] = !ip4_addr_isany_val(*netif_ip4_gw(netif));
}

static void add_ipv6(struct interface *interface, struct netif *netif)
{
	for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
		struct interface_address *address = &interface->addresses[interface->address_count];
		uint8_t state = netif_ip6_addr_state(netif, i);

		if (!ip6_addr_isvalid(state) && !ip6_addr_istentative(state))
			continue;
		address->is_ipv6 = true;
		address->prefix = NETWORK_BITS;
		address->is_tentative = ip6_addr_istentative(state);
		address->is_temporary = !netif_ip6_addr_isstatic(netif, i);
		memcpy(address->bytes, netif_ip6_addr(netif, i)->addr, 16);
		interface->address_count++;
	}
	interface->has_gateway[1] = net_config_gateway(netif, interface->gateway[1]);
}

_Static_assert(1 + LWIP_IPV6_NUM_ADDRESSES <= INTERFACE_ADDRESSES_MAX, "all of them");

static struct interface_counters counters_of(const struct net_counters *counters)
{
	return (struct interface_counters){counters->packets, counters->bytes, counters->dropped};
}

static void describe(struct interface *interface, struct net_device *device, unsigned number)
{
	struct netif *netif = &device->netif;

	*interface = (struct interface){
	        .name = {'e', 't', 'h', (char)('0' + number)},
	        .index = netif_get_index(netif),
	        .flags = INTERFACE_BROADCAST | INTERFACE_MULTICAST | INTERFACE_UP,
	        .type = TYPE_ETHERNET,
	        .mtu = device->mtu,
	        .received = counters_of(&device->received),
	        .sent = counters_of(&device->sent),
	};
	if (netif_is_link_up(netif))
		interface->flags |= INTERFACE_RUNNING | INTERFACE_LOWER_UP;
	memcpy(interface->mac, device->mac, sizeof(interface->mac));
	add_ipv4(interface, netif);
	add_ipv6(interface, netif);
}

bool interface_get(unsigned place, struct interface *interface)
{
	unsigned number = 0;

	if (!place) {
		*interface = loopback;
		interface->received = interface->sent = counters_of(&net_loopback_counters);
		return true;
	}
	for (struct net_device *device = net_devices; device; device = device->next) {
		if (number == place - 1) {
			describe(interface, device, number);
			return true;
		}
		number++;
	}
	return false;
}

void interface_settle(void)
{
	net_config_settle();
}

/* ---- neighbours ---- */

void interface_neighbours(void (*visit)(const struct interface_neighbour *neighbour, void *context),
                          void *context)
{
	for (size_t i = 0; i < ARP_TABLE_SIZE; i++) {
		struct interface_neighbour neighbour;
		struct netif *netif;
		struct eth_addr *mac;
		ip4_addr_t *ip;

		if (!etharp_get_entry(i, &ip, &netif, &mac))
			continue;
		neighbour.index = netif_get_index(netif);
		memcpy(neighbour.ip, &ip->addr, sizeof(neighbour.ip));
		memcpy(neighbour.mac, mac->addr, sizeof(neighbour.mac));
		visit(&neighbour, context);
	}
}
