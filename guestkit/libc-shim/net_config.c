/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of the guest's network devices. See net_config.h. */
#include "guestkit/libc-shim/net_config.h"

#include <linux/virtio_ids.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/interface.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/net/net.h"
#include "guestkit/net/net_hooks.h"
#include "guestkit/string.h"
#include "guestkit/virtio.h"
#include "libfdt.h"
#include "lwip/dhcp.h"
#include "lwip/nd6.h"
#include "lwip/priv/nd6_priv.h"
#include "lwip/prot/dhcp.h"

#define NS_PER_MS 1000000ull
#define WAIT_IPV4 (3000 * NS_PER_MS) /* from the start of the network */
#define WAIT_IPV6 (1000 * NS_PER_MS)
#define WAIT_LISTED \
	(150 * NS_PER_MS) /* for IPv6, before addresses are listed: often it never comes */
#define STATIC_SLOT 1     /* of netif's IPv6 addresses; 0 is link-local */

/* The properties, each of one size. */
#define IPV4_SIZE 12 /* address, prefix length, gateway: a cell each */
#define IPV6_SIZE 36 /* 16 bytes, a cell, 16 bytes */

static struct wait_queue changed; /* woken when an address may have come */
static uint64_t started;          /* CLOCK_MONOTONIC, ns */

/* ---- what the device tree says ---- */

/* The node of a device: the one with its MAC. */
static const struct machine_device *find_node(const struct net_device *device)
{
	const struct machine_device *node;

	for (unsigned i = 0; (node = virtio_find(VIRTIO_ID_NET, i)); i++) {
		bool is_same = true;

		for (unsigned j = 0; j < NET_MAC_SIZE; j++)
			is_same &= virtio_config(node, j, 1) == device->mac[j];
		if (is_same)
			return node;
	}
	return NULL;
}

/* A property of exactly @size bytes, or NULL. */
static const unsigned char *find_property(const struct net_device *device, const char *name,
                                          int size)
{
	const struct machine_device *node = find_node(device);
	int length = 0;
	const void *value = node ? machine_device_property(node, name, &length) : NULL;

	return length == size ? value : NULL;
}

static void use_static_ipv4(struct netif *netif, const unsigned char *property)
{
	unsigned prefix = fdt32_ld((const fdt32_t *)(property + 4));
	ip4_addr_t address, mask, gateway;

	memcpy(&address.addr, property, sizeof(address.addr));
	memcpy(&gateway.addr, property + 8, sizeof(gateway.addr));
	mask.addr = lwip_htonl((uint32_t)(UINT64_MAX << (32 - (prefix > 32 ? 32 : prefix))));
	netif_set_addr(netif, &address, &mask, &gateway);
}

/* Networks of lwIP's have 64 bits, whatever the prefix. */
static void use_static_ipv6(struct netif *netif, const unsigned char *property)
{
	ip6_addr_t address = {{0}, 0};

	memcpy(address.addr, property, sizeof(address.addr));
	netif_set_ip6_autoconfig_enabled(netif, 0);
	netif_ip6_addr_set(netif, STATIC_SLOT, &address);
	netif_ip6_addr_set_state(netif, STATIC_SLOT, IP6_ADDR_PREFERRED);
}

const ip6_addr_t *net_config_gateway6(struct netif *netif)
{
	static ip6_addr_t gateway;
	const struct net_device *device = net_device_of(netif);
	const unsigned char *property =
	        device ? find_property(device, "mote,ipv6", IPV6_SIZE) : NULL;

	if (!property)
		return NULL;
	gateway = (ip6_addr_t){{0}, 0};
	memcpy(gateway.addr, property + 20, sizeof(gateway.addr));
	if (ip6_addr_isany(&gateway))
		return NULL;
	ip6_addr_assign_zone(&gateway, IP6_UNICAST, netif);
	return &gateway;
}

bool net_config_gateway(struct netif *netif, unsigned char *gateway)
{
	const ip6_addr_t *found = net_config_gateway6(netif);

	for (int i = 0; !found && i < LWIP_ND6_NUM_ROUTERS; i++) {
		const struct nd6_neighbor_cache_entry *router =
		        default_router_list[i].neighbor_entry;

		if (router && router->netif == netif)
			found = &router->next_hop_address;
	}
	if (found)
		memcpy(gateway, found->addr, 16);
	return found;
}

/* ---- devices ---- */

/* Addresses are ours at once, where lwIP would have them wait for a second. */
static void note_change(struct netif *netif)
{
	for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
		if (ip6_addr_istentative(netif_ip6_addr_state(netif, i)))
			netif_ip6_addr_set_state(netif, i, IP6_ADDR_PREFERRED);
	wait_queue_wake(&changed);
	if (netlink_tell_addresses)
		netlink_tell_addresses(net_device_of(netif));
}

static bool has_dhcp(struct netif *netif)
{
	const struct dhcp *dhcp = netif_dhcp_data(netif);

	return dhcp && dhcp->state != DHCP_STATE_OFF;
}

static void configure(struct net_device *device)
{
	struct netif *netif = &device->netif;
	const unsigned char *ipv4 = find_property(device, "mote,ipv4", IPV4_SIZE);
	const unsigned char *ipv6 = find_property(device, "mote,ipv6", IPV6_SIZE);

	started = clock_monotonic();
	if (ipv4)
		use_static_ipv4(netif, ipv4);
	else if (!has_dhcp(netif))
		dhcp_start(netif);
	if (ipv6)
		use_static_ipv6(netif, ipv6);
	else
		nd6_tmr(); /* asks for routers, now rather than in a second */
}

void net_config_add(struct net_device *device)
{
	netif_set_status_callback(&device->netif, note_change);
	configure(device);
}

/*
 * Where there is DHCP before and after, it asks whether its address is still good, as it does when
 * a link comes up. One that the options gave, or a router, is good for nothing.
 */
void net_config_restart(struct net_device *device)
{
	struct netif *netif = &device->netif;
	struct dhcp *dhcp = netif_dhcp_data(netif);
	struct interface before;
	bool is_there = interface_find(netif_get_index(netif), &before);

	if (has_dhcp(netif) && find_property(device, "mote,ipv4", IPV4_SIZE)) {
		dhcp->state = DHCP_STATE_INIT; /* nothing is there to be released */
		dhcp_release_and_stop(netif);
	} else if (!has_dhcp(netif) && !find_property(device, "mote,ipv4", IPV4_SIZE)) {
		netif_set_addr(netif, IP4_ADDR_ANY4, IP4_ADDR_ANY4, IP4_ADDR_ANY4);
	}
	for (s8_t i = 1; i < LWIP_IPV6_NUM_ADDRESSES; i++)
		netif_ip6_addr_set_state(netif, i, IP6_ADDR_INVALID);
	netif_set_ip6_autoconfig_enabled(netif, 1);
	for (unsigned i = 0; i < NET_NAME_SERVERS; i++)
		dns_setserver((u8_t)i, NULL);
	configure(device);
	if (is_there && netlink_tell_gone)
		netlink_tell_gone(&before);
}

bool net_config_has_device(void)
{
	return virtio_find(VIRTIO_ID_NET, 0);
}

/* ---- waiting ---- */

static bool has_ipv6(struct netif *netif)
{
	for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
		if (ip6_addr_ispreferred(netif_ip6_addr_state(netif, i)) &&
		    !ip6_addr_islinklocal(netif_ip6_addr(netif, i)))
			return true;
	return false;
}

/* May an address still come? Not where the link is down. */
static bool is_missing(bool is_ipv6)
{
	bool is_missing = false;

	for (struct net_device *device = net_devices; device; device = device->next) {
		struct netif *netif = &device->netif;

		if (!netif_is_link_up(netif))
			continue;
		if (is_ipv6 ? has_ipv6(netif) : !ip4_addr_isany_val(*netif_ip4_addr(netif)))
			return false;
		is_missing = true;
	}
	return is_missing;
}

/* @span: from the start of the network, ns */
static void wait_for(bool is_ipv6, uint64_t span)
{
	uint64_t deadline = started + span;

	while (is_missing(is_ipv6) && clock_monotonic() < deadline)
		if (shim_wait_on(&changed, deadline))
			break;
}

void net_config_wait(bool is_ipv6)
{
	wait_for(is_ipv6, is_ipv6 ? WAIT_IPV6 : WAIT_IPV4);
}

void net_config_settle(void)
{
	if (!net_config_has_device() || net_start())
		return;
	wait_for(false, WAIT_IPV4);
	wait_for(true, WAIT_LISTED);
}

/* ---- name servers ---- */

/* Those of the device tree: a list of strings. Return: whether there are any. */
static bool write_static_servers(struct text *text)
{
	const struct machine_device *node;
	bool has_any = false;

	for (unsigned i = 0; (node = virtio_find(VIRTIO_ID_NET, i)); i++) {
		int size = 0;
		const char *strings = machine_device_property(node, "mote,dns", &size);

		if (!strings || size <= 0 || strings[size - 1])
			continue;
		for (const char *at = strings; at < strings + size; at += strlen(at) + 1) {
			text_print(text, "nameserver %s\n", at);
			has_any = true;
		}
	}
	return has_any;
}

static void write_address(struct text *text, const ip_addr_t *address)
{
	char written[IPADDR_STRLEN_MAX];

	text_string(text, ipaddr_ntoa_r(address, written, sizeof(written)));
}

void net_config_write_resolver(struct text *text)
{
	if (write_static_servers(text) || !net_config_has_device() || net_start())
		return;
	wait_for(false, WAIT_IPV4);
	if (ip_addr_isany(&net_name_servers[0]))
		wait_for(true, WAIT_LISTED);
	for (unsigned i = 0; i < NET_NAME_SERVERS; i++) {
		const ip_addr_t *server = &net_name_servers[i];

		if (ip_addr_isany(server))
			continue;
		text_string(text, "nameserver ");
		write_address(text, server);
		text_string(text, "\n");
	}
}
