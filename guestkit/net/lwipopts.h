/* SPDX-License-Identifier: Apache-2.0 */
/* How lwIP is built for the kit; docs/decisions/015-lwip.md has the reasons. */
#ifndef MOTE_GUESTKIT_NET_LWIPOPTS_H
#define MOTE_GUESTKIT_NET_LWIPOPTS_H

/* ---- one thread, the raw API, timers of our own (net_timers.c) ---- */
#define NO_SYS                     1
#define SYS_LIGHTWEIGHT_PROT       0
#define LWIP_NETCONN               0
#define LWIP_SOCKET                0
#define LWIP_TIMERS                0
#define LWIP_STATS                 0
#define LWIP_HAVE_LOOPIF           0
#define LWIP_NETIF_LOOPBACK        0
#define LWIP_NETIF_HOSTNAME        1
#define LWIP_NETIF_API             0
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_NETIF_LINK_CALLBACK   1

/* ---- memory: net_memory.c, without limits of lwIP's own ---- */
#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
#define MEM_ALIGNMENT   8

#define LWIP_SUPPORT_CUSTOM_PBUF     1
#define PBUF_LINK_HLEN               14
#define PBUF_LINK_ENCAPSULATION_HLEN 0
#define ETH_PAD_SIZE                 0

/* ---- checksums: each interface says who computes them (net_device.c) ---- */
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_CHKSUM_ALGORITHM        3

/* ---- IPv4, IPv6 and what belongs to them ---- */
#define LWIP_IPV4                      1
#define LWIP_IPV6                      1
#define LWIP_ARP                       1
#define LWIP_ETHERNET                  1
#define LWIP_ICMP                      1
#define LWIP_BROADCAST_PING            0
#define LWIP_MULTICAST_PING            0
#define LWIP_IGMP                      1
#define LWIP_IPV6_MLD                  1
#define LWIP_RAW                       1
#define LWIP_UDP                       1
#define LWIP_UDPLITE                   0
#define LWIP_NETBUF_RECVINFO           1
#define LWIP_MULTICAST_TX_OPTIONS      1
#define LWIP_DHCP                      1
#define LWIP_DHCP_GET_NTP_SRV          0
#define LWIP_DHCP_MAX_DNS_SERVERS      3
#define DHCP_DOES_ARP_CHECK            0
#define LWIP_DNS                       1 /* name servers are asked for; net.c has the rest */
#define DNS_MAX_SERVERS                3
#define LWIP_AUTOIP                    0
#define LWIP_IPV6_AUTOCONFIG           1
#define LWIP_IPV6_DHCP6                0
#define LWIP_ND6_RDNSS_MAX_DNS_SERVERS 3
#define LWIP_IPV6_ADDRESS_LIFETIMES    1
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS  0 /* an address is the guest's at once */
#define LWIP_IPV6_NUM_ADDRESSES        4
#define IP_REASSEMBLY                  1
#define IP_FRAG                        1
#define IP_REASS_MAX_PBUFS             256
#define LWIP_IPV6_FRAG                 1
#define LWIP_IPV6_REASS                1
#define IPV6_FRAG_COPYHEADER           1 /* pointers are wider than a fragment header has room for */
#define IP_FORWARD                     0
#define IP_OPTIONS_ALLOWED             1
#define SO_REUSE                       1
#define SO_REUSE_RXTOALL               1 /* what goes to a group goes to all sockets in it */
#define IP_SOF_BROADCAST               1
#define IP_SOF_BROADCAST_RECV          0
#define ARP_QUEUEING                   1
#define ARP_TABLE_SIZE                 64
#define LWIP_ND6_NUM_NEIGHBORS         64
#define LWIP_ND6_NUM_DESTINATIONS      64
#define LWIP_ND6_QUEUEING              1
#define IP_DEFAULT_TTL                 64
#define LWIP_ND6_ALLOW_RA_UPDATES      1

/* ---- TCP ---- */
#define LWIP_TCP                       1
#define TCP_MSS                        65483 /* the largest that the loopback interface carries */
#define TCP_WND                        1048576
#define LWIP_WND_SCALE                 1
#define TCP_RCV_SCALE                  5
#define TCP_SND_BUF                    4194304
#define TCP_SND_QUEUELEN               16384
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1 /* they know of no segments of 64 KB */
#define TCP_WND_UPDATE_THRESHOLD       32768
#define TCP_OVERSIZE                   2048
#define TCP_QUEUE_OOSEQ                1
#define LWIP_TCP_SACK_OUT              1
#define LWIP_TCP_MAX_SACK_NUM          4
#define LWIP_TCP_TIMESTAMPS            0
#define LWIP_TCP_KEEPALIVE             1
#define TCP_LISTEN_BACKLOG             1  /* of handshakes; inet_tcp_connect.c counts connections */
#define TCP_TMR_INTERVAL               50 /* ms: delayed acknowledgements; twice it for the rest */
#define TCP_MSL                        30000 /* TIME_WAIT lasts a minute, as on Linux */
#define LWIP_TCP_RTO_TIME              1000
#define TCP_MAXRTX                     12
#define TCP_SYNMAXRTX                  6
#define TCP_LOCAL_PORT_RANGE_START     32768 /* net.ipv4.ip_local_port_range */
#define TCP_LOCAL_PORT_RANGE_END       60999
#define TCP_ENSURE_LOCAL_PORT_RANGE(port)     \
	((u16_t)(TCP_LOCAL_PORT_RANGE_START + \
	         (port) % (TCP_LOCAL_PORT_RANGE_END - TCP_LOCAL_PORT_RANGE_START)))
#define LWIP_TCP_PCB_NUM_EXT_ARGS         0
#define UDP_LOCAL_PORT_RANGE_START        TCP_LOCAL_PORT_RANGE_START
#define UDP_LOCAL_PORT_RANGE_END          TCP_LOCAL_PORT_RANGE_END
#define UDP_ENSURE_LOCAL_PORT_RANGE(port) TCP_ENSURE_LOCAL_PORT_RANGE(port)
#define LWIP_ALTCP                        0

/* Sequence numbers begin anywhere. What segments may do is asked before they are looked at. */
#define LWIP_HOOK_ND6_GET_GW(netif, to)                                 net_config_gateway6(netif)
#define LWIP_HOOK_FILENAME                                              "net_hooks.h"
#define LWIP_HOOK_TCP_ISN(local_ip, local_port, remote_ip, remote_port) net_random()
#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, header, length, length1, options2, packet) \
	net_tcp_input_hook(pcb, header, options2, packet)

#endif
