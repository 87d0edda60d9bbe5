/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/net: interfaces, addresses, routes and neighbours; AF_UNIX sockets. */
#include "guestkit/libc-shim/proc_net.h"

#include <linux/rtnetlink.h>

#include "guestkit/libc-shim/interface.h"
#include "guestkit/libc-shim/unix.h"
#include "guestkit/string.h"

#define ROUTE_WIDTH   127 /* of a line of `route`, without its end */
#define ROUTE_UP      0x1u
#define ROUTE_GATEWAY 0x2u
#define ROUTE_HOST    0x4u
#define ROUTE_LOCAL   0x80000000u
#define SCOPE_HOST    0x10u /* IPV6_ADDR_*, as `if_inet6` has it */
#define SCOPE_LINK    0x20u
#define PERMANENT     0x80u /* IFA_F_PERMANENT */
#define TENTATIVE     0x40u

void proc_net_hex(struct text *text, uint64_t value, unsigned digits)
{
	char written[16];
	unsigned at = sizeof(written);

	while (at && (value || digits)) {
		written[--at] = "0123456789ABCDEF"[value & 0xf];
		value >>= 4;
		digits -= digits > 0;
	}
	text_bytes(text, written + at, sizeof(written) - at);
}

static void put_bytes(struct text *text, const unsigned char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		text_hex(text, bytes[i], 2);
}

/* A number behind a space, at the right end of a column. */
static void put_column(struct text *text, uint64_t value, size_t width)
{
	struct text number = {0};

	text_decimal(&number, value, 1);
	text_pad(text, text->length, width > number.length ? width - number.length : 0);
	text_bytes(text, number.data, number.length);
	text_free(&number);
}

/* ---- interfaces and addresses ---- */

static void put_counters(struct text *text, const struct interface_counters *counters,
                         const unsigned char widths[8])
{
	const uint64_t values[8] = {counters->bytes, counters->packets, 0, counters->dropped};

	for (unsigned i = 0; i < 8; i++) {
		text_string(text, " ");
		put_column(text, values[i], widths[i]);
	}
}

void proc_net_dev(struct text *text)
{
	static const unsigned char received[8] = {7, 7, 4, 4, 4, 5, 10, 9};
	static const unsigned char sent[8] = {8, 7, 4, 4, 4, 5, 7, 10};
	struct interface interface;

	interface_settle();
	text_string(text, "Inter-|   Receive                                                |"
	                  "  Transmit\n");
	text_string(text, " face |bytes    packets errs drop fifo frame compressed multicast|"
	                  "bytes    packets errs drop fifo colls carrier compressed\n");
	for (unsigned i = 0; interface_get(i, &interface); i++) {
		size_t length = strlen(interface.name);

		text_pad(text, text->length, length < 6 ? 6 - length : 0);
		text_print(text, "%s:", interface.name);
		put_counters(text, &interface.received, received);
		put_counters(text, &interface.sent, sent);
		text_string(text, "\n");
	}
}

void proc_net_if_inet6(struct text *text)
{
	struct interface interface;

	interface_settle();
	for (unsigned i = 0; interface_get(i, &interface); i++) {
		for (unsigned j = 0; j < interface.address_count; j++) {
			const struct interface_address *address = &interface.addresses[j];
			uint8_t scope = interface_address_scope(address);
			size_t length = strlen(interface.name);

			if (!address->is_ipv6)
				continue;
			put_bytes(text, address->bytes, 16);
			text_string(text, " ");
			text_hex(text, interface.index, 2);
			text_string(text, " ");
			text_hex(text, address->prefix, 2);
			text_string(text, " ");
			text_hex(text,
			         scope == RT_SCOPE_HOST   ? SCOPE_HOST
			         : scope == RT_SCOPE_LINK ? SCOPE_LINK
			                                  : 0,
			         2);
			text_string(text, " ");
			text_hex(text,
			         (address->is_temporary ? 0 : PERMANENT) |
			                 (address->is_tentative ? TENTATIVE : 0),
			         2);
			text_string(text, " ");
			text_pad(text, text->length, length < 8 ? 8 - length : 0);
			text_print(text, "%s\n", interface.name);
		}
	}
}

/* ---- routes ---- */

static const char *interface_name(unsigned index, struct interface *interface)
{
	return interface_find(index, interface) ? interface->name : "*";
}

/* Four bytes in network order, as the processor has them in a register. */
static uint32_t as_number(const unsigned char *bytes)
{
	uint32_t number;

	memcpy(&number, bytes, sizeof(number));
	return number;
}

static bool put_route(const struct interface_route *route, void *context)
{
	static const unsigned char none[4];
	struct text *text = context;
	struct interface interface;
	unsigned char mask[4];
	size_t line = text->length;

	if (route->table != RT_TABLE_MAIN)
		return false;
	interface_mask(route->prefix, mask, sizeof(mask));
	text_print(text, "%s\t", interface_name(route->index, &interface));
	proc_net_hex(text, as_number(route->to), 8);
	text_string(text, "\t");
	proc_net_hex(text, as_number(route->has_gateway ? route->gateway : none), 8);
	text_string(text, "\t");
	proc_net_hex(text,
	             ROUTE_UP | (route->has_gateway ? ROUTE_GATEWAY : 0) |
	                     (route->prefix == 32 ? ROUTE_HOST : 0),
	             4);
	text_print(text, "\t0\t0\t%u\t", route->metric);
	proc_net_hex(text, as_number(mask), 8);
	text_string(text, "\t0\t0\t0");
	text_pad(text, line, ROUTE_WIDTH);
	text_string(text, "\n");
	return false;
}

void proc_net_route(struct text *text)
{
	interface_settle();
	text_string(text, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU"
	                  "\tWindow\tIRTT");
	text_pad(text, 0, ROUTE_WIDTH);
	text_string(text, "\n");
	interface_routes(false, put_route, text);
}

static bool put_ipv6_route(const struct interface_route *route, void *context)
{
	struct text *text = context;
	struct interface interface;
	const char *name = interface_name(route->index, &interface);
	static const unsigned char none[16];

	put_bytes(text, route->to, 16);
	text_string(text, " ");
	text_hex(text, route->prefix, 2);
	text_string(text, " ");
	put_bytes(text, none, 16);
	text_string(text, " 00 ");
	put_bytes(text, route->has_gateway ? route->gateway : none, 16);
	text_string(text, " ");
	text_hex(text, route->metric, 8);
	text_string(text, " 00000001 00000000 ");
	text_hex(text,
	         ROUTE_UP | (route->has_gateway ? ROUTE_GATEWAY : 0) |
	                 (route->type == RTN_LOCAL ? ROUTE_LOCAL : 0),
	         8);
	text_string(text, " ");
	text_pad(text, text->length, strlen(name) < 8 ? 8 - strlen(name) : 0);
	text_print(text, "%s\n", name);
	return false;
}

void proc_net_ipv6_route(struct text *text)
{
	interface_settle();
	interface_routes(true, put_ipv6_route, text);
}

/* ---- neighbours ---- */

static void put_neighbour(const struct interface_neighbour *neighbour, void *context)
{
	struct text *text = context;
	struct interface interface;
	size_t line = text->length;

	for (unsigned i = 0; i < 4; i++)
		text_print(text, "%s%u", i ? "." : "", neighbour->ip[i]);
	text_pad(text, line, 17);
	text_string(text, "0x1         0x2         ");
	for (unsigned i = 0; i < INTERFACE_MAC_SIZE; i++) {
		text_string(text, i ? ":" : "");
		text_hex(text, neighbour->mac[i], 2);
	}
	text_print(text, "     *        %s\n", interface_name(neighbour->index, &interface));
}

void proc_net_arp(struct text *text)
{
	text_string(text, "IP address       HW type     Flags       HW address            Mask     "
	                  "Device\n");
	interface_neighbours(put_neighbour, text);
}

/* ---- AF_UNIX sockets ---- */

#define STATE_UNCONNECTED 1u /* SS_* */
#define STATE_CONNECTED   3u
#define FLAG_LISTENING    0x10000u

static void put_unix_name(struct text *text, const struct unix_name *name)
{
	size_t header = sizeof(name->address.family);
	const char *path = (const char *)name->address.bytes + header;

	text_string(text, " ");
	if (path[0]) {
		text_bytes(text, path, strnlen(path, name->address.length - header));
		return;
	}
	for (size_t i = 0; i < name->address.length - header; i++)
		text_bytes(text, path[i] ? &path[i] : "@", 1);
}

void proc_net_unix(struct text *text)
{
	const struct unix_socket *socket = NULL;

	text_string(text, "Num       RefCount Protocol Flags    Type St Inode Path\n");
	while ((socket = unix_next(socket))) {
		bool is_listening = socket->state == UNIX_LISTENING;

		text_string(text, "0000000000000000: ");
		proc_net_hex(text, socket->socket.inode.references + 1, 8);
		text_string(text, " 00000000 ");
		proc_net_hex(text, is_listening ? FLAG_LISTENING : 0, 8);
		text_string(text, " ");
		proc_net_hex(text, socket->socket.type, 4);
		text_string(text, " ");
		proc_net_hex(text, socket->peer ? STATE_CONNECTED : STATE_UNCONNECTED, 2);
		text_string(text, " ");
		put_column(text, socket->socket.inode.number, 5);
		if (socket->name)
			put_unix_name(text, socket->name);
		text_string(text, "\n");
	}
}
