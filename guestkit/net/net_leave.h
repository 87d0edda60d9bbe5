/* SPDX-License-Identifier: Apache-2.0 */
/* Connections at the end of the process, when its sockets have been closed. */
#ifndef MOTE_GUESTKIT_NET_NET_LEAVE_H
#define MOTE_GUESTKIT_NET_NET_LEAVE_H

#include <stdbool.h>

/* Whether data, or their end, are still on the way to others. */
bool net_is_sending(void);

/* Give up what is left, telling the others. */
void net_abort_all(void);

#endif
