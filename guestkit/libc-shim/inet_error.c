/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP errors about datagrams that sockets have sent.
 *
 * lwIP does nothing with them; a control block for all ICMP packets sees them here. An error quotes
 * the packet that it is about (inet_quote.h): by the ports in there the socket is found. Only those
 * are told to a program that Linux tells: what is final, to connected sockets, and all of it to
 * those that say IP_RECVERR.
 */
#include <linux/in.h>
#include <linux/in6.h>

#include "guestkit/libc-shim/inet_datagram.h"
#include "guestkit/libc-shim/inet_quote.h"
#include "guestkit/string.h"
#include "lwip/ip.h"
#include "lwip/raw.h"

static bool wants_all(const struct inet_datagram *socket, bool is_v6)
{
	const struct inet_options *options = &socket->inet.options;

	return is_v6 ? options->switches6[IPV6_RECVERR / 64] >> IPV6_RECVERR % 64 & 1
	             : options->switches >> IP_RECVERR & 1;
}

static bool is_about(const struct inet_datagram *socket, const struct inet_end *from,
                     const struct inet_end *to)
{
	if (socket->inet.local.port != from->port ||
	    !inet_overlaps(&socket->inet.local.ip, &from->ip))
		return false;
	return !socket->is_connected || (socket->inet.remote.port == to->port &&
	                                 ip_addr_cmp_zoneless(&socket->inet.remote.ip, &to->ip));
}

/* The socket that a datagram @from one of our names @to somewhere is from, or NULL. */
static struct inet_datagram *find(const struct inet_end *from, const struct inet_end *to)
{
	struct inet_datagram *found = NULL;

	for (struct inet_datagram *at = inet_udp_sockets; at; at = at->next)
		if (is_about(at, from, to) && (!found || at->is_connected))
			found = at;
	return found;
}

static struct inet_end make_end(const unsigned char *address, uint16_t port, bool is_v6)
{
	struct inet_end end = {.port = port};

	IP_SET_TYPE_VAL(end.ip, is_v6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4);
	if (is_v6)
		memcpy(ip_2_ip6(&end.ip)->addr, address, 16);
	else
		memcpy(&ip_2_ip4(&end.ip)->addr, address, 4);
	return end;
}

/* lwIP shows each packet to each control block, whose it remains. */
static u8_t on_icmp(void *argument, struct raw_pcb *pcb, struct pbuf *packet,
                    const ip_addr_t *address)
{
	bool is_v6 = ip_current_is_v6();
	unsigned char bytes[INET_QUOTE_MAX];
	size_t length =
	        pbuf_copy_partial(packet, bytes, sizeof(bytes), ip_current_header_tot_len());
	struct inet_datagram *socket;
	struct inet_end from, to;
	struct inet_quote quote;

	(void)argument;
	(void)pcb;
	(void)address;
	if (!inet_quote_read(bytes, length, is_v6, &quote))
		return 0;
	from = make_end(quote.from, quote.from_port, is_v6);
	to = make_end(quote.to, quote.to_port, is_v6);
	socket = find(&from, &to);
	if (!socket || (!wants_all(socket, is_v6) && !(quote.is_final && socket->is_connected)))
		return 0;
	socket->inet.socket.error = quote.error;
	wait_queue_wake(&socket->inet.socket.queue);
	return 0;
}

void inet_error_start(void)
{
	static bool is_started;
	struct raw_pcb *pcb4, *pcb6;

	if (is_started)
		return;
	is_started = true;
	pcb4 = raw_new_ip_type(IPADDR_TYPE_V4, INET_ICMP);
	pcb6 = raw_new_ip_type(IPADDR_TYPE_V6, INET_ICMP6);
	if (pcb4)
		raw_recv(pcb4, on_icmp, NULL);
	if (pcb6)
		raw_recv(pcb6, on_icmp, NULL);
}
