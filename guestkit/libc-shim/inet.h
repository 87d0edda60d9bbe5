/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets of the families AF_INET and AF_INET6: what all their protocols share.
 *
 * How it works
 *
 * lwIP (guestkit/net/net.h) has the protocols; what a program sees of them (names, states, errors,
 * waiting, options) is here, one file or some for each protocol: inet_tcp.h. A socket keeps its
 * name and its options itself, and has a control block of lwIP's only while that is good for
 * something. lwIP calls back when something arrives; these functions note it in the socket and wake
 * its queue, and never sleep. An AF_INET6 socket may talk IPv4: inside it has addresses of the type
 * that is spoken, and only names that go to the program are mapped into ::ffff:0:0/96.
 */
#ifndef MOTE_LIBC_SHIM_INET_H
#define MOTE_LIBC_SHIM_INET_H

#include "guestkit/libc-shim/socket.h"
#include "guestkit/net/net.h"
#include "lwip/ip_addr.h"

/* Protocols, and levels of options: IPPROTO_*, SOL_* */
enum {
	INET_IP = 0,
	INET_ICMP = 1,
	INET_TCP = 6,
	INET_UDP = 17,
	INET_IPV6 = 41,
	INET_ICMP6 = 58,
	INET_RAW = 255,
	INET_PROTOCOLS = 263, /* IPPROTO_MAX */
};

/* struct sockaddr_in and sockaddr_in6; numbers in network byte order */
struct inet_name4 {
	uint16_t family, port;
	uint32_t address;
	uint8_t zero[8];
};
struct inet_name6 {
	uint16_t family, port;
	uint32_t flow;
	uint32_t address[4];
	uint32_t scope; /* number of the interface of a link-local address */
};
_Static_assert(sizeof(struct inet_name4) == 16, "as programs have it");
_Static_assert(sizeof(struct inet_name6) == 28, "as programs have it");

#define INET_NAME6_MIN 24u /* without the scope, RFC 2133 */

/* Where a packet comes from or goes to. */
struct inet_end {
	ip_addr_t ip; /* IPADDR_TYPE_ANY: any address of both families */
	uint16_t port;
};

/* IP_* and IPV6_* options that are the same for all protocols. */
struct inet_options {
	uint8_t tos, traffic_class;
	int16_t ttl, hop_limit; /* -1: the default */
	bool is_v6only;
	uint64_t switches; /* of level IPPROTO_IP, by number: recorded, and told */
	uint64_t switches6[2];
	int32_t mtu_discover, mtu_discover6;
};

struct inet_socket {
	struct socket socket;              /* first: the two are converted into each other */
	struct inet_end local, remote;     /* port 0: none */
	bool has_bound_ip, has_bound_port; /* by bind(), so kept when a connection ends */
	struct inet_options options;
};

static inline struct inet_socket *inet_of(struct socket *socket)
{
	return (struct inet_socket *)socket;
}

/* ---- inet.c ---- */

/* Begin one: zeroed, from heap_alloc(). */
void inet_init(struct inet_socket *socket, const struct socket_ops *ops, unsigned family,
               unsigned type, unsigned protocol);

/* What getsockname and getpeername say; @end of the peer is valid. */
void inet_tell_name(const struct inet_socket *socket, const struct inet_end *end,
                    struct socket_address *address);

/* Somebody is to be sent something: sleep until there is an address to send it from, if that takes
 * no more than some seconds (net_config.h). */
void inet_await_address(const struct inet_socket *socket, const struct socket_address *address);

/* ---- inet_error.c ---- */

/* Begin to listen for ICMP errors. */
void inet_error_start(void);

/* ---- inet_address.c ---- */

/**
 * inet_end_read() - Take a name that a program passes.
 *
 * An IPv4-mapped address becomes an IPv4 one.
 *
 * Return: 0, -EINVAL (too short), -EAFNOSUPPORT (not of the socket's family).
 */
int inet_end_read(const struct inet_socket *socket, const struct socket_address *address,
                  struct inet_end *end);

/* The name of an end as a socket of @family has it. */
void inet_end_tell(unsigned family, const struct inet_end *end, struct socket_address *address);

/* An address as /proc/net has it, 4 or 16 bytes (inet_tcp_proc.c). */
void proc_net_address(unsigned char *to, const ip_addr_t *ip, bool is_ipv6);

/* Any address, of the kind that the socket takes; of the one that is spoken with @peer. */
ip_addr_t inet_any(const struct inet_socket *socket);

/* Is it an address of this machine (127.0.0.0/8 included)? */
bool inet_is_own(const ip_addr_t *ip);

/* Could the two addresses be the same to somebody who sends, wildcards included? */
bool inet_overlaps(const ip_addr_t *a, const ip_addr_t *b);

/**
 * inet_route() - The interface that leads to an address.
 * @from: the address that is sent from; any: not decided
 *
 * Return: NULL: none does.
 */
struct netif *inet_route(const ip_addr_t *from, const ip_addr_t *to);

/* The address to send from, where there is no other reason to choose one; false: there is none. */
bool inet_choose_source(struct netif *netif, const ip_addr_t *to, ip_addr_t *from);

/* ---- inet_options.c ---- */

/* Options of the levels IPPROTO_IP and IPPROTO_IPV6, for all protocols: as socket_ops has them. */
int inet_set_option(struct socket *socket, int level, unsigned option, uint64_t user,
                    uint32_t length);
int inet_get_option(struct socket *socket, int level, unsigned option, uint64_t user,
                    uint64_t user_length);

/* Type of service and time to live to send with, by the protocol that is spoken. */
uint8_t inet_tos(const struct inet_socket *socket, bool is_v6);
uint8_t inet_ttl(const struct inet_socket *socket, bool is_v6);

/* ---- protocols: each makes a socket of its own; weak: it is not there yet ---- */

int inet_tcp_create(unsigned family, struct inet_socket **made);
/* inet_udp.c */
int inet_udp_create(unsigned family, struct inet_socket **made) __attribute__((weak));
/* inet_raw.c; @type: SOCKET_RAW, or SOCKET_DATAGRAM for ICMP */
int inet_raw_create(unsigned family, unsigned type, unsigned protocol, struct inet_socket **made)
        __attribute__((weak));

#endif
