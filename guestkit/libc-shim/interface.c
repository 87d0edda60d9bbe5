/* SPDX-License-Identifier: Apache-2.0 */
/* Network interfaces and the routes that follow from them. See interface.h. */
#include "guestkit/libc-shim/interface.h"

#include <linux/rtnetlink.h>

#include "guestkit/string.h"

#define METRIC_IPV6      256  /* IP6_RT_PRIO_ADDRCONF */
#define METRIC_GATEWAY   1024 /* IP6_RT_PRIO_USER */
#define LONGEST_IPV4_NET 31   /* bits: networks of two hosts have no broadcast address */

/* ---- the list ---- */

bool interface_find(unsigned index, struct interface *interface)
{
	for (unsigned i = 0; interface_get(i, interface); i++)
		if (interface->index == index)
			return true;
	return false;
}

bool interface_find_name(const char *name, struct interface *interface)
{
	for (unsigned i = 0; interface_get(i, interface); i++)
		if (!strcmp(interface->name, name))
			return true;
	return false;
}

/* ---- addresses ---- */

const struct interface_address *interface_ipv4(const struct interface *interface)
{
	for (unsigned i = 0; i < interface->address_count; i++)
		if (!interface->addresses[i].is_ipv6)
			return &interface->addresses[i];
	return NULL;
}

void interface_mask(unsigned prefix, unsigned char *mask, unsigned size)
{
	for (unsigned i = 0; i < size; i++) {
		unsigned bits = prefix > 8 ? 8 : prefix;

		mask[i] = (unsigned char)(0xff00u >> bits);
		prefix -= bits;
	}
}

/* The network that an address is in. */
static void network_of(const struct interface_address *address, unsigned char *network)
{
	unsigned size = interface_address_size(address->is_ipv6);

	interface_mask(address->prefix, network, size);
	for (unsigned i = 0; i < size; i++)
		network[i] &= address->bytes[i];
}

bool interface_broadcast(const struct interface *interface, const struct interface_address *address,
                         unsigned char *broadcast)
{
	if (address->is_ipv6 || address->prefix >= LONGEST_IPV4_NET ||
	    !(interface->flags & INTERFACE_BROADCAST))
		return false;
	interface_mask(address->prefix, broadcast, 4);
	for (unsigned i = 0; i < 4; i++)
		broadcast[i] = (unsigned char)(address->bytes[i] | ~broadcast[i]);
	return true;
}

uint8_t interface_address_scope(const struct interface_address *address)
{
	static const unsigned char host[16] = {[15] = 1};

	if (!address->is_ipv6)
		return address->bytes[0] == 127 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	if (!memcmp(address->bytes, host, sizeof(host)))
		return RT_SCOPE_HOST;
	return address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80 ? RT_SCOPE_LINK
	                                                                       : RT_SCOPE_UNIVERSE;
}

/* ---- routes ---- */

/* Who gets the routes, one after the other. */
struct tour {
	bool (*visit)(const struct interface_route *route, void *context);
	void *context;
	bool is_over;
};

static void show(struct tour *tour, const struct interface_route *route)
{
	if (!tour->is_over)
		tour->is_over = tour->visit(route, tour->context);
}

/* To the neighbours of an IPv4 address, to itself, and to all of them at once. */
static void show_ipv4(struct tour *tour, const struct interface *interface,
                      const struct interface_address *address)
{
	bool is_loopback = interface->flags & INTERFACE_IS_LOOPBACK;
	struct interface_route route = {
	        .prefix = address->prefix,
	        .protocol = RTPROT_KERNEL,
	        .has_source = true,
	        .index = interface->index,
	        .flags = interface->flags,
	};

	memcpy(route.source, address->bytes, 4);
	network_of(address, route.to);
	route.table = is_loopback ? RT_TABLE_LOCAL : RT_TABLE_MAIN;
	route.scope = is_loopback ? RT_SCOPE_HOST : RT_SCOPE_LINK;
	route.type = is_loopback ? RTN_LOCAL : RTN_UNICAST;
	if (address->prefix < 32)
		show(tour, &route);
	route.table = RT_TABLE_LOCAL;
	route.scope = RT_SCOPE_HOST;
	route.type = RTN_LOCAL;
	route.prefix = 32;
	memcpy(route.to, address->bytes, 4);
	show(tour, &route);
	if (address->prefix >= LONGEST_IPV4_NET)
		return;
	interface_mask(address->prefix, route.to, 4);
	for (unsigned i = 0; i < 4; i++)
		route.to[i] = (unsigned char)(address->bytes[i] | ~route.to[i]);
	route.scope = RT_SCOPE_LINK;
	route.type = RTN_BROADCAST;
	show(tour, &route);
}

/* The same of IPv6. */
static void show_ipv6(struct tour *tour, const struct interface *interface,
                      const struct interface_address *address)
{
	struct interface_route route = {
	        .is_ipv6 = true,
	        .prefix = address->prefix,
	        .table = RT_TABLE_MAIN,
	        .protocol = RTPROT_KERNEL,
	        .type = RTN_UNICAST,
	        .metric = METRIC_IPV6,
	        .index = interface->index,
	        .flags = interface->flags,
	};

	network_of(address, route.to);
	if (!(interface->flags & INTERFACE_IS_LOOPBACK))
		show(tour, &route);
	route.table = RT_TABLE_LOCAL;
	route.type = RTN_LOCAL;
	route.metric = 0;
	route.prefix = 128;
	memcpy(route.to, address->bytes, 16);
	show(tour, &route);
}

/* What belongs to an interface, not to an address: the way out, and to groups. */
static void show_others(struct tour *tour, const struct interface *interface, bool is_ipv6)
{
	struct interface_route route = {
	        .is_ipv6 = is_ipv6,
	        .table = RT_TABLE_MAIN,
	        .protocol = RTPROT_BOOT,
	        .type = RTN_UNICAST,
	        .metric = is_ipv6 ? METRIC_GATEWAY : 0,
	        .has_gateway = true,
	        .index = interface->index,
	        .flags = interface->flags,
	};

	memcpy(route.gateway, interface->gateway[is_ipv6], 16);
	if (interface->has_gateway[is_ipv6])
		show(tour, &route);
	if (!is_ipv6 || !(interface->flags & INTERFACE_MULTICAST))
		return;
	route = (struct interface_route){
	        .is_ipv6 = true,
	        .prefix = 8,
	        .table = RT_TABLE_LOCAL,
	        .protocol = RTPROT_KERNEL,
	        .type = RTN_MULTICAST,
	        .to = {0xff},
	        .metric = METRIC_IPV6,
	        .index = interface->index,
	        .flags = interface->flags,
	};
	show(tour, &route);
}

void interface_routes(bool is_ipv6,
                      bool (*visit)(const struct interface_route *route, void *context),
                      void *context)
{
	struct tour tour = {visit, context, false};
	struct interface interface;

	for (unsigned i = 0; !tour.is_over && interface_get(i, &interface); i++) {
		if (!(interface.flags & INTERFACE_UP))
			continue;
		for (unsigned j = 0; j < interface.address_count; j++)
			if (interface.addresses[j].is_ipv6 == is_ipv6)
				(is_ipv6 ? show_ipv6 : show_ipv4)(&tour, &interface,
				                                  &interface.addresses[j]);
		show_others(&tour, &interface, is_ipv6);
	}
}

/* The longest of the routes that match wins. */
struct lookup {
	const unsigned char *to;
	struct interface_route *found;
	bool has_found;
};

static bool is_in(const unsigned char *address, const struct interface_route *route)
{
	unsigned size = interface_address_size(route->is_ipv6);
	unsigned char mask[16];

	interface_mask(route->prefix, mask, size);
	for (unsigned i = 0; i < size; i++)
		if ((address[i] & mask[i]) != route->to[i])
			return false;
	return true;
}

static bool compare(const struct interface_route *route, void *context)
{
	struct lookup *lookup = context;

	if (is_in(lookup->to, route) &&
	    (!lookup->has_found || route->prefix > lookup->found->prefix)) {
		*lookup->found = *route;
		lookup->has_found = true;
	}
	return false;
}

/* The address that what is sent by a route comes from. */
static void choose_source(struct interface_route *route)
{
	struct interface interface;

	if (route->has_source || !interface_find(route->index, &interface))
		return;
	for (unsigned i = 0; i < interface.address_count; i++) {
		const struct interface_address *address = &interface.addresses[i];

		if (address->is_ipv6 != route->is_ipv6 ||
		    (route->has_source && interface_address_scope(address) == RT_SCOPE_LINK))
			continue;
		memcpy(route->source, address->bytes, 16);
		route->has_source = true;
	}
}

bool interface_route_to(bool is_ipv6, const unsigned char *to, struct interface_route *found)
{
	struct lookup lookup = {.to = to, .found = found};

	interface_routes(is_ipv6, compare, &lookup);
	if (lookup.has_found)
		choose_source(found);
	return lookup.has_found;
}
