/* SPDX-License-Identifier: Apache-2.0 */
/* What the hooks in lwipopts.h call, for lwIP's own files. */
#ifndef MOTE_GUESTKIT_NET_NET_HOOKS_H
#define MOTE_GUESTKIT_NET_NET_HOOKS_H

#include <stdbool.h>

struct tcp_pcb;
bool net_tcp_refuses(const struct tcp_pcb *pcb);

#endif
