/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of requests, on their way in. */
#ifndef MOTE_SERVE_BODY_H
#define MOTE_SERVE_BODY_H

#include "serve/server.h"

/* The next bytes have come. Where that is too much, the exchange fails, and holds nothing. */
void body_take(struct server *server, struct exchange *exchange, const char *data, size_t size);

/* The exchange is over. */
void body_let_go(struct server *server, struct exchange *exchange);

#endif
