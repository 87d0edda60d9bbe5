/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the network stack share,. */
#ifndef MOTE_GUESTKIT_NET_NET_PORT_H
#define MOTE_GUESTKIT_NET_NET_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netif;
struct pbuf;

/* ---- net_loopback.c ---- */

/* Add the interface "lo" with its addresses. */
void net_loopback_start(void);

/* Queue a packet (IP header first) that is for this machine; the caller keeps its reference.
 * Return: ERR_OK, ERR_MEM. */
int8_t net_loopback_send(struct pbuf *packet);

/* Feed in what is queued, and what that makes be queued, to the end. */
void net_loopback_deliver(void);

/* ---- net_device.c ---- */

/* Let drivers know that no more frames follow for now. */
void net_device_flush(void);

/* Have drivers free what was sent. */
void net_device_collect(void);

/* ---- net_timers.c ---- */

/* Put lwIP's clocks right that stood still while nothing needed them. */
void net_timers_enter(void);

/* Set the timeout for what lwIP has to do next. */
void net_timers_leave(void);

/* A frame came from, or goes to, another machine: the timers of address resolution are needed for a
 * while. */
void net_timers_note_traffic(void);

/* A fragment of a packet came: those of reassembly are. */
void net_timers_note_fragment(void);

#endif
