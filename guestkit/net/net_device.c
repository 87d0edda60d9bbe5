/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network devices: between lwIP's idea of an Ethernet interface and drivers (net.h).
 *
 * lwIP says once for each interface which checksums it computes and checks. What a device can do
 * differs by protocol: those of TCP are left to it where it can, all others are lwIP's, since only
 * TCP's packets are never fragments. On the way in, the host may have checked a frame: the
 * interface's settings are changed while it is being processed.
 */
#include <linux/errno.h>

#include "guestkit/memory.h"
#include "guestkit/net/net.h"
#include "guestkit/net/net_port.h"
#include "guestkit/string.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/igmp.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/nd6.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/prot/tcp.h"
#include "netif/ethernet.h"

#define MTU_MIN      1280 /* RFC 8200, 5 */
#define MTU_MAX      (NET_FRAME_MAX - SIZEOF_ETH_HDR)
#define MTU_OF_WIRES 10000
/* Fits what a Unix socket holds by default (net.core.wmem_max, twice 212992 bytes). */
#define WINDOW_OF_SOCKETS 262144u
#define CHECKED                                                                          \
	(NETIF_CHECKSUM_CHECK_IP | NETIF_CHECKSUM_CHECK_UDP | NETIF_CHECKSUM_CHECK_TCP | \
	 NETIF_CHECKSUM_CHECK_ICMP | NETIF_CHECKSUM_CHECK_ICMP6)

struct net_device *net_devices;

struct net_device *net_device_of(const struct netif *netif)
{
	return netif && netif != net_loopback ? netif->state : NULL;
}

/* ---- out ---- */

/* Where the TCP header of a frame is, from the start; 0: it is another protocol's. */
static uint16_t find_tcp(const struct pbuf *data, bool *is_ipv6)
{
	const unsigned char *bytes = data->payload;
	const struct eth_hdr *ethernet = data->payload;
	const struct ip6_hdr *ip6 = (const void *)(bytes + SIZEOF_ETH_HDR);
	const struct ip_hdr *ip4 = (const void *)(bytes + SIZEOF_ETH_HDR);
	uint16_t at = 0;

	*is_ipv6 = ethernet->type == PP_HTONS(ETHTYPE_IPV6);
	if (*is_ipv6) {
		if (data->len >= SIZEOF_ETH_HDR + IP6_HLEN && IP6H_NEXTH(ip6) == IP6_NEXTH_TCP)
			at = SIZEOF_ETH_HDR + IP6_HLEN;
	} else if (ethernet->type == PP_HTONS(ETHTYPE_IP) &&
	           data->len >= SIZEOF_ETH_HDR + IP_HLEN && IPH_PROTO(ip4) == IP_PROTO_TCP &&
	           !(ip4->_offset & PP_HTONS(IP_OFFMASK | IP_MF))) {
		at = SIZEOF_ETH_HDR + IPH_HL_BYTES(ip4);
	}
	return data->len >= at + TCP_HLEN ? at : 0;
}

/* The sum of the pseudo header, not complemented: what the device adds the rest to. */
static uint16_t pseudo_sum(const struct pbuf *data, uint16_t at, bool is_ipv6)
{
	const unsigned char *ip = (const unsigned char *)data->payload + SIZEOF_ETH_HDR;
	const unsigned char *addresses = ip + (is_ipv6 ? 8 : 12);
	unsigned length = is_ipv6 ? 32 : 8;
	uint32_t sum = lwip_htons((uint16_t)(data->tot_len - at)) + PP_HTONS(IP_PROTO_TCP);

	for (unsigned i = 0; i < length; i += 2) {
		uint16_t word;

		memcpy(&word, addresses + i, sizeof(word));
		sum += word;
	}
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)((sum >> 16) + sum);
}

/* Leave a TCP checksum that lwIP has not computed to the device. */
static void describe_checksum(struct net_frame *frame)
{
	bool is_ipv6;
	uint16_t at = find_tcp(frame->data, &is_ipv6);
	struct tcp_hdr *tcp = (void *)((unsigned char *)frame->data->payload + at);

	if (!at || tcp->chksum)
		return;
	tcp->chksum = pseudo_sum(frame->data, at, is_ipv6);
	frame->checksum_start = at;
	frame->checksum_offset = offsetof(struct tcp_hdr, chksum);
	frame->is_ipv6 = is_ipv6;
}

static err_t output_frame(struct netif *netif, struct pbuf *data)
{
	struct net_device *device = netif->state;
	struct net_frame frame = {.data = data};

	if (device->has_checksum && data->len >= SIZEOF_ETH_HDR)
		describe_checksum(&frame);
	net_timers_note_traffic();
	device->has_frames = true;
	if (device->ops->send(device, &frame)) {
		device->sent.dropped++;
		return ERR_MEM;
	}
	device->sent.packets++;
	device->sent.bytes += data->tot_len;
	return ERR_OK;
}

/* Packets for one of our own addresses never leave. */
static err_t output4(struct netif *netif, struct pbuf *packet, const ip4_addr_t *to)
{
	if (ip4_addr_cmp(to, netif_ip4_addr(netif)))
		return net_loopback_send(packet);
	return etharp_output(netif, packet, to);
}

static err_t output6(struct netif *netif, struct pbuf *packet, const ip6_addr_t *to)
{
	for (unsigned i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
		if (ip6_addr_isvalid(netif_ip6_addr_state(netif, i)) &&
		    ip6_addr_cmp(to, netif_ip6_addr(netif, i)))
			return net_loopback_send(packet);
	return ethip6_output(netif, packet, to);
}

void net_device_flush(void)
{
	for (struct net_device *device = net_devices; device; device = device->next) {
		if (!device->has_frames)
			continue;
		device->has_frames = false;
		device->ops->flush(device);
	}
}

void net_device_collect(void)
{
	for (struct net_device *device = net_devices; device; device = device->next)
		device->ops->collect(device);
}

/* ---- in ---- */

static bool is_fragment(const struct pbuf *frame)
{
	const struct eth_hdr *ethernet = frame->payload;
	const unsigned char *ip = (const unsigned char *)frame->payload + SIZEOF_ETH_HDR;

	if (ethernet->type == PP_HTONS(ETHTYPE_IP) && frame->len >= SIZEOF_ETH_HDR + IP_HLEN)
		return ((const struct ip_hdr *)(const void *)ip)->_offset &
		       PP_HTONS(IP_OFFMASK | IP_MF);
	return ethernet->type == PP_HTONS(ETHTYPE_IPV6) &&
	       frame->len >= SIZEOF_ETH_HDR + IP6_HLEN &&
	       IP6H_NEXTH((const struct ip6_hdr *)(const void *)ip) == IP6_NEXTH_FRAGMENT;
}

/* lwIP takes headers to be in the first buffer, and some of them to be there at all. */
static bool has_headers(const struct pbuf *frame)
{
	const struct eth_hdr *ethernet = frame->payload;

	if (frame->len < SIZEOF_ETH_HDR)
		return false;
	switch (ethernet->type) {
	case PP_HTONS(ETHTYPE_ARP): return frame->len >= SIZEOF_ETH_HDR + SIZEOF_ETHARP_HDR;
	case PP_HTONS(ETHTYPE_IP): return frame->len >= SIZEOF_ETH_HDR + IP_HLEN;
	case PP_HTONS(ETHTYPE_IPV6): return frame->len >= SIZEOF_ETH_HDR + IP6_HLEN;
	default: return false; /* nobody's */
	}
}

void net_receive(struct net_device *device, struct pbuf *frame, bool is_verified)
{
	struct netif *netif = &device->netif;

	net_enter();
	net_timers_note_traffic();
	device->received.packets++;
	device->received.bytes += frame->tot_len;
	if (!has_headers(frame)) {
		device->received.dropped++;
		pbuf_free(frame);
		return;
	}
	if (is_fragment(frame)) {
		net_timers_note_fragment();
		is_verified = false; /* the checksum is that of the whole packet */
	}
	if (is_verified)
		netif->chksum_flags &= (uint16_t)~CHECKED;
	if (ethernet_input(frame, netif) != ERR_OK)
		pbuf_free(frame);
	netif->chksum_flags |= CHECKED;
}

/* ---- interfaces ---- */

static void take_description(struct netif *netif)
{
	struct net_device *device = netif->state;
	uint16_t generated = NETIF_CHECKSUM_ENABLE_ALL;

	if (device->has_checksum)
		generated &= (uint16_t)~NETIF_CHECKSUM_GEN_TCP;
	NETIF_SET_CHECKSUM_CTRL(netif, generated);
	netif->hwaddr_len = NET_MAC_SIZE;
	memcpy(netif->hwaddr, device->mac, NET_MAC_SIZE);
	netif->mtu = device->mtu;
	netif->mtu6 = device->mtu;
}

static err_t init(struct netif *netif)
{
	take_description(netif);
	netif->name[0] = 'e';
	netif->name[1] = 't';
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET |
	               NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
	netif->output = output4;
	netif->output_ip6 = output6;
	netif->linkoutput = output_frame;
	return ERR_OK;
}

int net_add(struct net_device *device)
{
	struct net_device **last = &net_devices;
	unsigned count = 0;

	if (device->mtu < MTU_MIN || device->mtu > MTU_MAX)
		return -EINVAL;
	for (; *last; last = &(*last)->next)
		count++;
	if (count == NET_DEVICES_MAX)
		return -ENOSPC;
	if (!device->window_max && device->mtu > MTU_OF_WIRES)
		device->window_max = WINDOW_OF_SOCKETS;
	netif_add(&device->netif, NULL, NULL, NULL, device, init, ethernet_input);
	*last = device;
	if (!count)
		netif_set_default(&device->netif);
	netif_create_ip6_linklocal_address(&device->netif, 1);
	netif_set_ip6_autoconfig_enabled(&device->netif, 1);
	netif_set_up(&device->netif);
	net_set_link(device, device->is_link_up);
	if (net_config_add)
		net_config_add(device);
	return 0;
}

void net_set_link(struct net_device *device, bool is_up)
{
	bool is_news = device->is_link_up != is_up;

	net_enter();
	device->is_link_up = is_up;
	if (is_up)
		netif_set_link_up(&device->netif);
	else
		netif_set_link_down(&device->netif);
	net_timers_note_traffic();
	if (is_news && netlink_tell_link)
		netlink_tell_link(device);
}

/* Neighbours and routers are forgotten before the link is up again; addresses follow. */
void net_restart(struct net_device *device, bool is_up)
{
	struct netif *netif = &device->netif;

	net_set_link(device, false);
	etharp_cleanup_netif(netif);
	nd6_cleanup_netif(netif);
	if (device->mtu < MTU_MIN || device->mtu > MTU_MAX)
		device->mtu = netif->mtu;
	take_description(netif);
	device->window_max = device->mtu > MTU_OF_WIRES ? WINDOW_OF_SOCKETS : 0;
	netif_create_ip6_linklocal_address(netif, 1);
	net_set_link(device, is_up);
	if (net_config_restart)
		net_config_restart(device);
}
