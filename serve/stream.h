/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that are sent while the function makes them. */
#ifndef MOTE_SERVE_STREAM_H
#define MOTE_SERVE_STREAM_H

#include "serve/server.h"

/* What an exchange with is_streamed answers: a response whose body is taken from its worker. */
struct MHD_Response *stream_begin(struct server *server, struct exchange *exchange);

/* libmicrohttpd is done with it. @is_whole: all was sent */
void stream_end(struct server *server, struct exchange *exchange, bool is_whole);

/* Hang up on clients that have taken too long (server->send_timeout_ns). For the finisher. */
void stream_cut_late(struct server *server);

#endif
