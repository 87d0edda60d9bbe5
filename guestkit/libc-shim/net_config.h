/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of the guest's network devices: what the device tree says (docs/device-tree.md), else
 * DHCP for IPv4 and router advertisements for IPv6.
 */
#ifndef MOTE_LIBC_SHIM_NET_CONFIG_H
#define MOTE_LIBC_SHIM_NET_CONFIG_H

#include <stdbool.h>

#include "guestkit/libc-shim/text.h"

/* Is there a device? Does not start the network. */
bool net_config_has_device(void);

/**
 * net_config_wait() - Sleep until a device has an address, where one may still come.
 *
 * Returns at once where there is one, or no device, and at the latest some seconds after the start
 * of the network; or when a signal is pending.
 */
void net_config_wait(bool is_ipv6);

/* Start the network if there is a device, and wait for its addresses: before it is described. */
void net_config_settle(void);

/* The IPv6 router of an interface, 16 bytes: false where there is none yet. */
struct netif;
bool net_config_gateway(struct netif *netif, unsigned char *gateway);

/* Write /etc/resolv.conf: waits for DHCP where that has the name servers. */
void net_config_write_resolver(struct text *text);

#endif
