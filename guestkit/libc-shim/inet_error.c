/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP errors about datagrams that sockets have sent, and about first packets of connections.
 *
 * lwIP does nothing with them; a control block for all ICMP packets sees them here. An error quotes
 * the packet that it is about: by the ports in there the socket is found. Only those are told to a
 * program that Linux tells: what is final, to connected sockets, and all of it to those that say
 * IP_RECVERR. Of TCP's, those about a connection that is being made end it.
 */
#include <linux/errno.h>
#include <linux/in.h>
#include <linux/in6.h>

#include "guestkit/libc-shim/inet_datagram.h"
#include "guestkit/libc-shim/inet_tcp.h"
#include "guestkit/string.h"
#include "lwip/ip.h"
#include "lwip/prot/icmp.h"
#include "lwip/prot/icmp6.h"
#include "lwip/raw.h"

#define ICMP_HEADER 8u
#define PORTS       8u   /* bytes of what is behind the quoted IP header: RFC 792 has as many */
#define QUOTE_MAX   192u /* bytes of an error that are looked at, its IP header not included */

struct icmp_error {
	int error;     /* errno, positive */
	bool is_final; /* or it may pass */
};

static struct icmp_error meaning4(uint8_t type, uint8_t code)
{
	static const struct icmp_error unreachable[] = {
	        {ENETUNREACH, false}, {EHOSTUNREACH, false}, {ENOPROTOOPT, true},
	        {ECONNREFUSED, true}, {EMSGSIZE, false},     {EOPNOTSUPP, false},
	};

	switch (type) {
	case ICMP_DUR:
		return code < sizeof(unreachable) / sizeof(unreachable[0])
		               ? unreachable[code]
		               : (struct icmp_error){EHOSTUNREACH, false};
	case ICMP_TE: return (struct icmp_error){EHOSTUNREACH, false};
	case ICMP_PP: return (struct icmp_error){EPROTO, true};
	default: return (struct icmp_error){0, false};
	}
}

static struct icmp_error meaning6(uint8_t type, uint8_t code)
{
	static const struct icmp_error unreachable[] = {
	        {ENETUNREACH, false},  {EACCES, true},       {EHOSTUNREACH, false},
	        {EHOSTUNREACH, false}, {ECONNREFUSED, true},
	};

	switch (type) {
	case ICMP6_TYPE_DUR:
		return code < sizeof(unreachable) / sizeof(unreachable[0])
		               ? unreachable[code]
		               : (struct icmp_error){EACCES, true};
	case ICMP6_TYPE_PTB: return (struct icmp_error){EMSGSIZE, false};
	case ICMP6_TYPE_TE: return (struct icmp_error){EHOSTUNREACH, false};
	case ICMP6_TYPE_PP: return (struct icmp_error){EPROTO, true};
	default: return (struct icmp_error){0, false};
	}
}

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

/* An error about a datagram that went @from one of our sockets @to somewhere. */
static void tell(const struct inet_end *from, const struct inet_end *to, struct icmp_error meaning)
{
	struct inet_datagram *found = NULL;

	for (struct inet_datagram *at = inet_udp_sockets; at; at = at->next)
		if (is_about(at, from, to) && (!found || at->is_connected))
			found = at;
	if (!found)
		return;
	if (!wants_all(found, IP_IS_V6_VAL(to->ip)) && !(meaning.is_final && found->is_connected))
		return;
	found->inet.socket.error = meaning.error;
	wait_queue_wake(&found->inet.socket.queue);
}

/*
 * The packet that is quoted was one of a socket's. @bytes: what is behind its IP header, of which
 * there are PORTS; @protocol: whose it is
 */
static void find_sender(const unsigned char *bytes, uint8_t protocol, struct inet_end *from,
                        struct inet_end *to, struct icmp_error meaning)
{
	uint32_t number;

	from->port = (uint16_t)(bytes[0] << 8 | bytes[1]);
	to->port = (uint16_t)(bytes[2] << 8 | bytes[3]);
	memcpy(&number, bytes + 4, sizeof(number));
	if (protocol == INET_UDP)
		tell(from, to, meaning);
	else if (protocol == INET_TCP && meaning.error != EMSGSIZE)
		inet_tcp_fail(from, to, lwip_ntohl(number), meaning.error);
}

static u8_t on_icmp4(void *argument, struct raw_pcb *pcb, struct pbuf *packet,
                     const ip_addr_t *address)
{
	unsigned char bytes[QUOTE_MAX];
	unsigned length =
	        pbuf_copy_partial(packet, bytes, sizeof(bytes), ip_current_header_tot_len());
	const unsigned char *quoted = bytes + ICMP_HEADER;
	struct inet_end from, to;
	unsigned header;
	uint32_t ip;

	(void)argument;
	(void)pcb;
	(void)address;
	if (length < ICMP_HEADER + IP_HLEN || !meaning4(bytes[0], bytes[1]).error)
		return 0;
	header = (quoted[0] & 0xfu) * 4;
	if (quoted[0] >> 4 != 4 || header < IP_HLEN || length < ICMP_HEADER + header + PORTS)
		return 0;
	memcpy(&ip, quoted + 12, sizeof(ip));
	ip_addr_set_ip4_u32(&from.ip, ip);
	memcpy(&ip, quoted + 16, sizeof(ip));
	ip_addr_set_ip4_u32(&to.ip, ip);
	find_sender(quoted + header, quoted[9], &from, &to, meaning4(bytes[0], bytes[1]));
	return 0;
}

static void take_address6(const unsigned char *bytes, ip_addr_t *ip)
{
	memset(ip, 0, sizeof(*ip));
	IP_SET_TYPE(ip, IPADDR_TYPE_V6);
	memcpy(ip_2_ip6(ip)->addr, bytes, 16);
}

static u8_t on_icmp6(void *argument, struct raw_pcb *pcb, struct pbuf *packet,
                     const ip_addr_t *address)
{
	unsigned char bytes[QUOTE_MAX];
	unsigned length =
	        pbuf_copy_partial(packet, bytes, sizeof(bytes), ip_current_header_tot_len());
	const unsigned char *quoted = bytes + ICMP_HEADER;
	struct inet_end from, to;

	(void)argument;
	(void)pcb;
	(void)address;
	if (length < ICMP_HEADER + IP6_HLEN + PORTS || !meaning6(bytes[0], bytes[1]).error)
		return 0;
	if (quoted[0] >> 4 != 6)
		return 0;
	take_address6(quoted + 8, &from.ip);
	take_address6(quoted + 24, &to.ip);
	find_sender(quoted + IP6_HLEN, quoted[6], &from, &to, meaning6(bytes[0], bytes[1]));
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
		raw_recv(pcb4, on_icmp4, NULL);
	if (pcb6)
		raw_recv(pcb6, on_icmp6, NULL);
}
