/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sockets for UDP, raw IP and ping share: datagrams that were received, what is said along
 * with them, where one that is sent goes, groups.
 *
 * How it works
 *
 * What arrives is copied into a packet in the socket's queue, of which SO_RCVBUF bounds the memory;
 * what does not fit is lost. What is sent leaves at once. ICMP errors that are about a socket's
 * datagrams become its error (inet_error.c).
 */
#ifndef MOTE_LIBC_SHIM_INET_DATAGRAM_H
#define MOTE_LIBC_SHIM_INET_DATAGRAM_H

#include "guestkit/libc-shim/inet.h"

#define DATAGRAM_READABLE 0x0041u /* POLLIN | POLLRDNORM */
#define DATAGRAM_GROUPS   20      /* net.ipv4.igmp_max_memberships */

/* POLL* and MSG_* */
#define MESSAGE_ERROR_QUEUE 0x2000u

struct inet_packet {
	struct inet_packet *next;
	struct inet_end from;
	ip_addr_t to;
	uint8_t interface, ttl, tos;
	uint32_t length;
	unsigned char data[];
};

/* A group that a socket is in. */
struct inet_group {
	ip_addr_t ip; /* any: the entry is free */
	uint8_t interface;
};

struct inet_datagram {
	struct inet_socket inet; /* first: the two are converted into each other */
	struct udp_pcb *udp;     /* while it has a port; of UDP */
	struct raw_pcb *raw;     /* of the others */
	bool is_connected;
	unsigned closed;                  /* SOCKET_CLOSED_* */
	struct inet_packet *first, *last; /* received */
	size_t queued;                    /* bytes that they are charged with */
	/* Multicast: where to and how far; 0: the default interface */
	uint8_t group_interface, group_ttl;
	bool is_heard_here;        /* what it sends to a group, by other sockets of the guest */
	struct inet_group *groups; /* DATAGRAM_GROUPS; heap; NULL: none */
	uint32_t icmp_filter;      /* ICMP_FILTER: bit n: type n is not wanted */
	uint32_t icmp6_filter[8];  /* ICMPV6_FILTER: the same */
	struct inet_datagram *next, *previous; /* in the list of its protocol */
};

static inline struct inet_datagram *inet_datagram_of(struct socket *socket)
{
	return (struct inet_datagram *)socket;
}

/* Where a datagram goes, and how. */
struct inet_way {
	struct inet_end to;
	ip_addr_t from;
	struct netif *netif;
	uint8_t ttl, tos;
	bool must_fit; /* in one packet: IP_MTU_DISCOVER says so */
};

/* ---- inet_datagram.c ---- */

/* Begin one, as inet_init(). */
void inet_datagram_init(struct inet_datagram *socket, const struct socket_ops *ops, unsigned family,
                        unsigned type, unsigned protocol);

/* Free what it has, but for control blocks. */
void inet_datagram_end(struct inet_datagram *socket);

/**
 * inet_datagram_queue() - Something arrived, and lwIP is telling of it.
 * @data: from @skip on; stays the caller's
 *
 * Return: what is in the queue now, or NULL: there is no room.
 */
struct inet_packet *inet_datagram_queue(struct inet_datagram *socket, const struct pbuf *data,
                                        uint16_t skip, const struct inet_end *from);

/* socket_ops */
int inet_datagram_shutdown(struct socket *socket, unsigned ends);
int inet_datagram_get_name(const struct socket *socket, bool peer, struct socket_address *address);
struct poll_state inet_datagram_poll(struct socket *socket);
int64_t inet_datagram_ioctl(struct socket *socket, unsigned request, uint64_t argument);
int64_t inet_datagram_receive(struct socket *socket, struct socket_message *message);
int inet_datagram_listen(struct socket *socket, unsigned backlog);
int inet_datagram_accept(struct socket *socket, uint32_t flags, struct socket **accepted);
bool inet_datagram_is_listening(const struct socket *socket);
void inet_datagram_get_peer(const struct socket *socket, struct socket_credentials *peer);
void inet_datagram_release(struct socket *socket);

/**
 * inet_datagram_bind_end() - The end that bind(2) names.
 *
 * Return: 0, or what bind says.
 */
int inet_datagram_bind_end(const struct inet_socket *socket, const struct socket_address *address,
                           struct inet_end *end);

/* ---- inet_way.c ---- */

/**
 * inet_way_find() - Where a message goes and where it comes from, control messages included.
 *
 * May sleep until there is an address to send from.
 *
 * Return: 0, -EDESTADDRREQ, -ENETUNREACH, -EACCES (broadcast), -EINVAL and what inet_end_read says.
 */
int inet_way_find(struct inet_datagram *socket, const struct socket_message *message,
                  struct inet_way *way);

/* The end that a struct sockaddr_in names, which a socket of either family may be given. */
int inet_way_read_ipv4(const struct socket_address *name, struct inet_end *to);

/* The same to where connect(2) says. */
int inet_way_to(struct inet_datagram *socket, const struct inet_end *to, struct inet_way *way);

/* ---- inet_multicast.c ---- */

/* Options on groups: -ENOPROTOOPT where it is another one. */
int inet_multicast_set_option(struct inet_datagram *socket, int level, unsigned option,
                              uint64_t user, uint32_t length);
int inet_multicast_get_option(struct inet_datagram *socket, int level, unsigned option, int *value);
/* Leave all groups. */
void inet_multicast_leave(struct inet_datagram *socket);

/* ---- inet_udp.c ---- */

/* The sockets that have a port. */
extern struct inet_datagram *inet_udp_sockets;

#endif
