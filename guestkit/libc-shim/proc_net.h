/* SPDX-License-Identifier: Apache-2.0 */
/* The files of /proc/net: one function makes each; entries of the table in procfs.c. */
#ifndef MOTE_LIBC_SHIM_PROC_NET_H
#define MOTE_LIBC_SHIM_PROC_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "guestkit/libc-shim/text.h"

void proc_net_arp(struct text *text);
void proc_net_dev(struct text *text);
void proc_net_if_inet6(struct text *text);
void proc_net_ipv6_route(struct text *text);
void proc_net_route(struct text *text);
void proc_net_unix(struct text *text);

/* proc_net_sockets.c */
void proc_net_raw(struct text *text);
void proc_net_raw6(struct text *text);
void proc_net_sockstat(struct text *text);
void proc_net_sockstat6(struct text *text);
void proc_net_tcp(struct text *text);
void proc_net_tcp6(struct text *text);
void proc_net_udp(struct text *text);
void proc_net_udp6(struct text *text);

/* A socket of AF_INET or AF_INET6, as these files have it. */
struct proc_net_socket {
	bool is_ipv6;
	uint8_t state;                       /* TCP_* of Linux; UDP: 1 connected, 7 not */
	unsigned char local[16], remote[16]; /* zeros: any; 4 of them where it is IPv4 */
	uint16_t local_port, remote_port;
	uint32_t unsent, unread; /* bytes */
	uint32_t uid;
	uint64_t inode; /* 0: nobody's any more */
};

/* Give each socket of a protocol to @visit. */
void inet_tcp_visit(void (*visit)(const struct proc_net_socket *socket, void *context),
                    void *context) __attribute__((weak));
void inet_udp_visit(void (*visit)(const struct proc_net_socket *socket, void *context),
                    void *context) __attribute__((weak));
void inet_raw_visit(void (*visit)(const struct proc_net_socket *socket, void *context),
                    void *context) __attribute__((weak));

/* Hexadecimal digits as these files have them: capitals, at least @digits of them. */
void proc_net_hex(struct text *text, uint64_t value, unsigned digits);

#endif
