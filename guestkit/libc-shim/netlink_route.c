/* SPDX-License-Identifier: Apache-2.0 */
/* What NETLINK_ROUTE tells of routes. */
#include <linux/errno.h>
#include <linux/rtnetlink.h>

#include "guestkit/libc-shim/interface.h"
#include "guestkit/libc-shim/netlink.h"
#include "guestkit/string.h"

#define FOUND_LOCAL 0x80000000u /* RTCF_LOCAL */

/* What is behind the message's structure: @to, where it is given, stands for the route's own. */
static void put_attributes(struct netlink_answer *answer, const struct interface_route *route,
                           const unsigned char *to)
{
	const struct rta_cacheinfo times = {.rta_used = 0};
	unsigned size = interface_address_size(route->is_ipv6);

	netlink_put_u32(answer, RTA_TABLE, route->table);
	if (to || route->prefix)
		netlink_put(answer, RTA_DST, to ? to : route->to, size);
	/* In the order of Linux, which differs. */
	if (to && !route->is_ipv6)
		netlink_put_u32(answer, RTA_OIF, route->index);
	if (route->has_source)
		netlink_put(answer, RTA_PREFSRC, route->source, size);
	if (route->is_ipv6)
		netlink_put_u32(answer, RTA_PRIORITY, route->metric);
	if (route->has_gateway)
		netlink_put(answer, RTA_GATEWAY, route->gateway, size);
	if (!to || route->is_ipv6)
		netlink_put_u32(answer, RTA_OIF, route->index);
	if (route->is_ipv6 || to)
		netlink_put(answer, RTA_CACHEINFO, &times, sizeof(times));
	if (route->is_ipv6)
		netlink_put_u8(answer, RTA_PREF, 0);
}

static void put_route(struct netlink_answer *answer, const struct interface_route *route,
                      const unsigned char *to)
{
	struct rtmsg *message = netlink_begin(answer, RTM_NEWROUTE, sizeof(*message));

	if (!message)
		return;
	message->rtm_family = route->is_ipv6 ? SOCKET_FAMILY_INET6 : SOCKET_FAMILY_INET;
	message->rtm_dst_len = route->prefix;
	message->rtm_table = route->table;
	message->rtm_protocol = route->protocol;
	message->rtm_scope = route->scope;
	message->rtm_type = route->type;
	if (to) {
		message->rtm_dst_len = (uint8_t)(8 * interface_address_size(route->is_ipv6));
		if (!route->is_ipv6)
			message->rtm_flags =
			        RTM_F_CLONED | (route->type == RTN_LOCAL ? FOUND_LOCAL : 0u);
	}
	put_attributes(answer, route, to);
	netlink_end(answer);
}

static bool put_each(const struct interface_route *route, void *answer)
{
	put_route(answer, route, NULL);
	return false;
}

/* The route to the address that the request has. */
static int find_route(struct netlink_answer *answer, const struct netlink_request *request)
{
	bool is_ipv6 = request->family == SOCKET_FAMILY_INET6;
	unsigned char to[16] = {0};
	struct interface_route route;
	const void *said;
	size_t size;

	if (!is_ipv6 && request->family != SOCKET_FAMILY_INET)
		return -EOPNOTSUPP;
	if (request->length < sizeof(struct rtmsg))
		return -EINVAL;
	said = netlink_attribute(request->body + sizeof(struct rtmsg),
	                         request->length - sizeof(struct rtmsg), RTA_DST, &size);
	if (said && size < interface_address_size(is_ipv6))
		return -EINVAL;
	if (said)
		memcpy(to, said, interface_address_size(is_ipv6));
	if (!interface_route_to(is_ipv6, to, &route))
		return -ENETUNREACH;
	if (!is_ipv6)
		route.table = RT_TABLE_MAIN;
	if (!is_ipv6 || route.type != RTN_LOCAL)
		route.protocol = RTPROT_UNSPEC;
	route.scope = RT_SCOPE_UNIVERSE;
	put_route(answer, &route, to);
	return 0;
}

int netlink_get_route(struct netlink_answer *answer, const struct netlink_request *request)
{
	if (!netlink_is_dump(request))
		return find_route(answer, request);
	if (request->family != SOCKET_FAMILY_INET6)
		interface_routes(false, put_each, answer);
	if (request->family != SOCKET_FAMILY_INET)
		interface_routes(true, put_each, answer);
	return 0;
}
