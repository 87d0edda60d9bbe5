/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest is to configure its network interface with; docs/device-tree.md. */
#ifndef MOTE_VIRTIO_NET_ADDRESSES_H
#define MOTE_VIRTIO_NET_ADDRESSES_H

#include <stdbool.h>
#include <stdint.h>

#define NET_DNS_MAX      3
#define NET_ADDRESS_TEXT 46 /* INET6_ADDRSTRLEN */

/* A family that has no address asks the network. A gateway of zeros is none. */
struct net_addresses {
	bool has_ipv4, has_ipv6;
	unsigned char ipv4[4], ipv4_gateway[4];
	unsigned char ipv6[16], ipv6_gateway[16];
	uint32_t ipv4_prefix, ipv6_prefix; /* bits */
	unsigned dns_count;
	char dns[NET_DNS_MAX][NET_ADDRESS_TEXT];
};

#endif
