/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network interfaces and routes as programs are told of them: by netlink, ioctl, /proc and /sys.
 *
 * A description is made when somebody asks. "lo" is always there; the others are the devices of the
 * network stack, in the order in which it has found them.
 */
#ifndef MOTE_LIBC_SHIM_INTERFACE_H
#define MOTE_LIBC_SHIM_INTERFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTERFACE_NAME_SIZE     16 /* IFNAMSIZ */
#define INTERFACE_MAC_SIZE      6
#define INTERFACE_ADDRESSES_MAX 8
#define INTERFACE_LOOPBACK      1 /* index of "lo" */

/* IFF_* */
#define INTERFACE_UP           0x1u
#define INTERFACE_BROADCAST    0x2u
#define INTERFACE_IS_LOOPBACK  0x8u
#define INTERFACE_RUNNING      0x40u
#define INTERFACE_MULTICAST    0x1000u
#define INTERFACE_LOWER_UP     0x10000u
#define INTERFACE_QUEUE_LENGTH 1000u

struct interface_address {
	bool is_ipv6;
	bool is_tentative;       /* not yet known to be nobody else's */
	bool is_temporary;       /* of DHCP or a router: not for ever */
	uint8_t prefix;          /* bits */
	unsigned char bytes[16]; /* 4 of them where it is IPv4 */
};

struct interface_counters {
	uint64_t packets, bytes, dropped;
};

struct interface {
	char name[INTERFACE_NAME_SIZE];
	unsigned index; /* from 1 */
	unsigned flags; /* INTERFACE_* */
	uint16_t type;  /* ARPHRD_* */
	uint32_t mtu;   /* bytes */
	unsigned char mac[INTERFACE_MAC_SIZE];
	unsigned address_count;
	struct interface_address addresses[INTERFACE_ADDRESSES_MAX];
	bool has_gateway[2]; /* of IPv4, of IPv6 */
	unsigned char gateway[2][16];
	struct interface_counters received, sent;
};

/* Start the network where there is a device, and wait a while for its addresses: before anything is
 * described. May sleep. (This and the next function: net_interfaces.c.) */
void interface_settle(void);

/* Describe the interface at a place in the list, from 0: false behind the last. */
bool interface_get(unsigned place, struct interface *interface);

/* The same by its index, or by its name: false where there is none. */
bool interface_find(unsigned index, struct interface *interface);
bool interface_find_name(const char *name, struct interface *interface);

/* The first IPv4 address, or NULL. */
const struct interface_address *interface_ipv4(const struct interface *interface);

/* Bytes of an address; its address family. */
static inline unsigned interface_address_size(bool is_ipv6)
{
	return is_ipv6 ? 16 : 4;
}

/* Make the bytes of a mask of @prefix bits: @size of them. */
void interface_mask(unsigned prefix, unsigned char *mask, unsigned size);

/* The IPv4 address that reaches all of a network; false where there is none. */
bool interface_broadcast(const struct interface *interface, const struct interface_address *address,
                         unsigned char *broadcast);

/* RT_SCOPE_* of an address: the host's, the link's or everybody's. */
uint8_t interface_address_scope(const struct interface_address *address);

/* Somebody on a link whose address is known. */
struct interface_neighbour {
	unsigned index; /* of the interface */
	unsigned char ip[4], mac[INTERFACE_MAC_SIZE];
};

/* Give each to @visit. (net_interfaces.c) */
void interface_neighbours(void (*visit)(const struct interface_neighbour *neighbour, void *context),
                          void *context);

/* ---- routes: they follow from the interfaces ---- */

struct interface_route {
	bool is_ipv6;
	uint8_t prefix;   /* of `to` */
	uint8_t table;    /* RT_TABLE_* */
	uint8_t protocol; /* RTPROT_* */
	uint8_t scope;    /* RT_SCOPE_* */
	uint8_t type;     /* RTN_* */
	bool has_gateway, has_source;
	unsigned char to[16], gateway[16], source[16];
	uint32_t metric;
	unsigned index; /* of the interface */
	unsigned flags; /* of the interface */
};

/* Give each route to @visit, IPv4 or IPv6 ones, until it says that it has seen enough. */
void interface_routes(bool is_ipv6,
                      bool (*visit)(const struct interface_route *route, void *context),
                      void *context);

/* The route to an address: false where it cannot be reached. */
bool interface_route_to(bool is_ipv6, const unsigned char *to, struct interface_route *found);

/* ---- interface_ioctl.c ---- */

/* ioctl() on a socket of any family: -ENOTTY where it is not about interfaces. */
int64_t interface_ioctl(unsigned family, unsigned request, uint64_t argument);

#endif
