/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that come in, shared out among the threads. */
#ifndef MOTE_SERVE_ACCEPT_H
#define MOTE_SERVE_ACCEPT_H

#include "serve/server.h"

/* From now on server->events tells of them, by the address of server->listener: 0, or -1. */
int accept_start(struct server *server);

/* It has told: take them. */
void accept_some(struct server *server);

/* To be called now and then: where taking them failed it is tried again. */
void accept_again(struct server *server);

/* Others are refused from now on. */
void accept_stop(struct server *server);

#endif
