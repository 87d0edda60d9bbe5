/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the server share. */
#ifndef MOTE_SERVE_SERVER_INTERNAL_H
#define MOTE_SERVE_SERVER_INTERNAL_H

#include "serve/server.h"

/* The finisher takes over a worker that is owned by the caller. @operation: EPOLL_CTL_ADD or _MOD
 */
void server_watch(struct server *server, struct worker *worker, int operation);

/**
 * server_go_on() - A worker is done with its exchange: give it the next one that waits.
 * @is_of_use: false: end it, and start another one if that is needed
 */
void server_go_on(struct server *server, struct worker *worker, bool is_of_use);

#endif
