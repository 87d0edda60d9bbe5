/* SPDX-License-Identifier: Apache-2.0 */
/* Where requests of `mote serve` come in (mote/function_wire.h). */
#ifndef MOTE_GUESTKIT_FUNCTION_H
#define MOTE_GUESTKIT_FUNCTION_H

#include "mote/function_wire.h"

/* Before a snapshot at which requests may come: tell the VMM where to put them. */
void function_offer_buffer(void);
extern unsigned char function_buffer[MOTE_FUNCTION_BUFFER];

/**
 * net_request_begin() - A program that serves a port was started for a request, which lies in the
 * buffer as HTTP text: connect to the port and pass it on (net/net_request.c).
 * @size: bytes of it
 * @has_more: the VMM has more of its body
 */
void net_request_begin(uint64_t size, int has_more);

#endif
