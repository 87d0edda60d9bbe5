/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netlink sockets (netlink(7)): of the protocols there is NETLINK_ROUTE (rtnetlink(7)), which tells
 * programs of network interfaces, addresses and routes.
 *
 * How it works
 *
 * What a program sends is a request, or several; they are answered while it sends (netlink_answer()
 * in netlink_request.c), and the answers wait as packets in the socket's queue: one for each
 * message, or for as many as fit of a dump, so that a buffer of a page is enough for each. Nothing
 * can be changed this way. Sockets that have joined the groups of links and addresses are told when
 * a device's link or its addresses change.
 */
#ifndef MOTE_LIBC_SHIM_NETLINK_H
#define MOTE_LIBC_SHIM_NETLINK_H

#include <linux/netlink.h>

#include "guestkit/libc-shim/socket.h"

/* What is received at once. */
struct netlink_packet {
	struct netlink_packet *next;
	uint32_t length, room; /* bytes of data, and what would fit */
	uint32_t groups;       /* that it is for; 0: an answer */
	_Alignas(NLMSG_ALIGNTO) unsigned char data[];
};

/* Answers to a request, as they are written. */
struct netlink_answer {
	struct netlink_packet *first, *last;
	struct nlmsghdr request;       /* sequence and port are the answer's, too */
	struct netlink_packet *shared; /* that the next message of a dump may go into, or NULL */
	uint32_t message; /* where in the last packet the message begins that is written */
	size_t left;      /* bytes that packets may still take */
	bool is_dump;     /* several messages share a packet */
	bool is_strict;   /* NETLINK_GET_STRICT_CHK: dumps may be narrowed */
	bool is_capped;   /* NETLINK_CAP_ACK: errors come without the request */
	bool has_failed;  /* memory was short, or too much asked for at once */
};

/* ---- netlink_message.c: writing answers ---- */

/**
 * netlink_begin() - Begin a message.
 * @type:   nlmsg_type
 * @header: bytes of the structure that it begins with
 *
 * It takes NETLINK_MESSAGE_MAX bytes at most, or what is in the header.
 *
 * Return: where the structure goes, zeroed, valid until more is written; NULL when memory is short.
 */
#define NETLINK_MESSAGE_MAX 1024u
void *netlink_begin(struct netlink_answer *answer, uint16_t type, size_t header);

/* Add an attribute to the message that has begun. Nothing happens where that has failed. */
void netlink_put(struct netlink_answer *answer, uint16_t type, const void *data, size_t size);
void netlink_put_u8(struct netlink_answer *answer, uint16_t type, uint8_t value);
void netlink_put_u32(struct netlink_answer *answer, uint16_t type, uint32_t value);
void netlink_put_string(struct netlink_answer *answer, uint16_t type, const char *string);

/* The message is whole. */
void netlink_end(struct netlink_answer *answer);

/* Free what was written. */
void netlink_drop(struct netlink_answer *answer);

/**
 * netlink_attribute() - Find an attribute of a message.
 * @attributes: behind the message's structure
 * @length:     of them
 * @size:       set to the bytes of its data, which follow it
 *
 * Return: its data, or NULL where there is none of that type, or the attributes are broken before.
 */
const void *netlink_attribute(const unsigned char *attributes, size_t length, uint16_t type,
                              size_t *size);

/* ---- netlink_request.c ---- */

/* A request, taken apart. */
struct netlink_request {
	const struct nlmsghdr *header;
	const unsigned char *body; /* behind the header */
	size_t length;             /* of it */
	uint8_t family;
};

/* Answer what a program has sent; the answer's settings are filled, and the rest zeroed. */
void netlink_answer(struct netlink_answer *answer, const unsigned char *data, size_t length);

/* ---- what is told, by kind (netlink_link.c, netlink_route.c): 0 or a negative errno; a dump when
 * the request says NLM_F_DUMP ---- */

int netlink_get_link(struct netlink_answer *answer, const struct netlink_request *request);
int netlink_get_address(struct netlink_answer *answer, const struct netlink_request *request);
int netlink_get_neighbour(struct netlink_answer *answer, const struct netlink_request *request);
int netlink_get_route(struct netlink_answer *answer, const struct netlink_request *request);

/* Write what has changed about an interface: its link, or (@is_ipv6) its addresses of a family. */
void netlink_write_link(struct netlink_answer *answer, unsigned index);
void netlink_write_addresses(struct netlink_answer *answer, unsigned index, bool is_ipv6);

/* The same of addresses that an interface had before, and has no more. */
struct interface;
void netlink_write_gone(struct netlink_answer *answer, const struct interface *before,
                        bool is_ipv6);

/* Is all asked for? */
static inline bool netlink_is_dump(const struct netlink_request *request)
{
	return (request->header->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
}

#endif
