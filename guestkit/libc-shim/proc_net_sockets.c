/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/net: sockets of the families AF_INET and AF_INET6, and how many there are. */
#include "guestkit/libc-shim/proc_net.h"

#include "guestkit/string.h"

#define TCP_WIDTH 149 /* of a line, without its end */
#define UDP_WIDTH 127
#define TIME_WAIT 6
#define ANY_INODE 0

typedef void (*visit_function)(const struct proc_net_socket *socket, void *context);
typedef void (*walk_function)(visit_function visit, void *context);

/* A file that is being made. */
struct listing {
	struct text *text;
	bool is_ipv6, is_tcp;
	unsigned count;
};

/* Addresses are written as numbers of 32 bits, each in the processor's order. */
static void put_end(struct text *text, const unsigned char *address, bool is_ipv6, uint16_t port)
{
	for (unsigned i = 0; i < (is_ipv6 ? 16u : 4u); i += 4) {
		uint32_t number;

		memcpy(&number, address + i, sizeof(number));
		proc_net_hex(text, number, 8);
	}
	text_string(text, ":");
	proc_net_hex(text, port, 4);
	text_string(text, " ");
}

static void put_socket(const struct proc_net_socket *socket, void *context)
{
	struct listing *listing = context;
	struct text *text = listing->text;
	size_t line = text->length;

	if (socket->is_ipv6 != listing->is_ipv6)
		return;
	text_pad(text, line, listing->count < 10 ? 3 : listing->count < 100 ? 2 : 1);
	text_print(text, "%u: ", listing->count++);
	put_end(text, socket->local, socket->is_ipv6, socket->local_port);
	put_end(text, socket->remote, socket->is_ipv6, socket->remote_port);
	proc_net_hex(text, socket->state, 2);
	text_string(text, " ");
	proc_net_hex(text, socket->unsent, 8);
	text_string(text, ":");
	proc_net_hex(text, socket->unread, 8);
	text_string(text, " 00:00000000 00000000");
	text_print(text, " %u 0 %lu ", socket->uid, socket->inode);
	if (listing->is_tcp)
		text_string(text, "1 0000000000000000 20 4 30 10 -1");
	else
		text_string(text, "2 0000000000000000 0");
	text_pad(text, line, listing->is_tcp ? TCP_WIDTH : UDP_WIDTH);
	text_string(text, "\n");
}

static void put_all(struct text *text, walk_function walk, bool is_tcp, bool is_ipv6)
{
	struct listing listing = {.text = text, .is_ipv6 = is_ipv6, .is_tcp = is_tcp};
	const char *gap = "                        "; /* where an IPv6 address is wider */

	text_string(text, walk != inet_udp_visit || is_ipv6 ? "  sl  local_address "
	                                                    : "   sl  local_address ");
	if (is_ipv6)
		text_print(text, "%sremote_address%sst", gap, gap);
	else
		text_string(text, "rem_address   st");
	text_string(text, " tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode");
	if (!is_tcp)
		text_string(text, " ref pointer drops");
	if (!is_ipv6)
		text_pad(text, 0, is_tcp ? TCP_WIDTH : UDP_WIDTH);
	text_string(text, "\n");
	if (walk)
		walk(put_socket, &listing);
}

void proc_net_tcp(struct text *text)
{
	put_all(text, inet_tcp_visit, true, false);
}

void proc_net_tcp6(struct text *text)
{
	put_all(text, inet_tcp_visit, true, true);
}

void proc_net_udp(struct text *text)
{
	put_all(text, inet_udp_visit, false, false);
}

void proc_net_udp6(struct text *text)
{
	put_all(text, inet_udp_visit, false, true);
}

void proc_net_raw(struct text *text)
{
	put_all(text, inet_raw_visit, false, false);
}

void proc_net_raw6(struct text *text)
{
	put_all(text, inet_raw_visit, false, true);
}

/* ---- how many ---- */

struct count {
	unsigned sockets[2], waiting; /* of IPv4 and IPv6; in TIME_WAIT */
};

static void count_socket(const struct proc_net_socket *socket, void *context)
{
	struct count *count = context;

	if (socket->state == TIME_WAIT && socket->inode == ANY_INODE)
		count->waiting++;
	else
		count->sockets[socket->is_ipv6]++;
}

static struct count count_all(walk_function walk)
{
	struct count count = {{0}, 0};

	if (walk)
		walk(count_socket, &count);
	return count;
}

void proc_net_sockstat(struct text *text)
{
	struct count tcp = count_all(inet_tcp_visit), udp = count_all(inet_udp_visit);
	struct count raw = count_all(inet_raw_visit);

	text_print(text, "sockets: used %u\nTCP: inuse %u orphan 0 tw %u alloc %u mem 0\n",
	           tcp.sockets[0] + tcp.sockets[1] + udp.sockets[0] + udp.sockets[1] +
	                   raw.sockets[0] + raw.sockets[1],
	           tcp.sockets[0], tcp.waiting, tcp.sockets[0] + tcp.sockets[1]);
	text_print(text,
	           "UDP: inuse %u mem 0\nUDPLITE: inuse 0\nRAW: inuse %u\n"
	           "FRAG: inuse 0 memory 0\n",
	           udp.sockets[0], raw.sockets[0]);
}

void proc_net_sockstat6(struct text *text)
{
	text_print(text,
	           "TCP6: inuse %u\nUDP6: inuse %u\nUDPLITE6: inuse 0\nRAW6: inuse %u\n"
	           "FRAG6: inuse 0 memory 0\n",
	           count_all(inet_tcp_visit).sockets[1], count_all(inet_udp_visit).sockets[1],
	           count_all(inet_raw_visit).sockets[1]);
}
