/* SPDX-License-Identifier: Apache-2.0 */
/* What the hooks in lwipopts.h call, for lwIP's own files. */
#ifndef MOTE_GUESTKIT_NET_NET_HOOKS_H
#define MOTE_GUESTKIT_NET_NET_HOOKS_H

struct pbuf;
struct tcp_hdr;
struct tcp_pcb;

/* See LWIP_HOOK_TCP_INPACKET_PCB: ERR_OK, or something else for a segment that goes no further. */
signed char net_tcp_input_hook(struct tcp_pcb *pcb, struct tcp_hdr *header, const void *options2,
                               struct pbuf *packet);

/* The router that the device tree names for an interface, or NULL. */
struct netif;
struct ip6_addr;
const struct ip6_addr *net_config_gateway6(struct netif *netif);

#endif
