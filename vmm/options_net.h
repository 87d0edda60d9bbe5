/* SPDX-License-Identifier: Apache-2.0 */
/* The option --net of `mote run`. */
#ifndef MOTE_VMM_OPTIONS_NET_H
#define MOTE_VMM_OPTIONS_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/net_addresses.h"
#include "vmm/error.h"

#define NET_PUBLISH_MAX 32
#define NET_TAP_NAME    16    /* IFNAMSIZ */
#define NET_MTU_MIN     1280u /* what IPv6 asks for */
#define NET_MTU_MAX     65520u

enum net_kind {
	NET_NONE,
	NET_USER, /* through passt */
	NET_TAP,
};

/* A port of the host that leads to one of the guest. */
struct net_publish {
	char address[NET_ADDRESS_TEXT]; /* of the host, as text */
	bool is_ipv6, is_udp;
	uint16_t host_port, guest_port;
};

struct net_options {
	enum net_kind kind;
	bool is_given; /* one of the user's; else a default */
	char tap[NET_TAP_NAME];
	bool has_mac;
	unsigned char mac[6];
	uint16_t mtu;                   /* 0: what suits */
	struct net_addresses addresses; /* with NET_TAP */
	unsigned publish_count;
	struct net_publish publish[NET_PUBLISH_MAX]; /* with NET_USER */
};

/* Without an address in publish=: this host alone reaches the guest. */
#define NET_PUBLISH_ADDRESS "127.0.0.1"

/**
 * net_options_parse() - Read a value of --net and add it to what earlier ones said.
 * @value: none | user[,publish=[ADDR:]HOSTPORT:GUESTPORT[/udp]]... | tap=NAME[,ip=ADDR/LEN]
 *         [,gateway=ADDR][,dns=ADDR]...; both with [,mac=MAC][,mtu=BYTES]
 *
 * Return: 0, or -1 and @err.
 */
int net_options_parse(struct net_options *net, const char *value, struct mote_error *err);

#endif
