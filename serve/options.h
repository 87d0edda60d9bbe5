/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `mote serve`. */
#ifndef MOTE_SERVE_OPTIONS_H
#define MOTE_SERVE_OPTIONS_H

#include "serve/server.h"

#define SERVE_OPTIONS_HELP 1

/**
 * serve_options_parse() - Fill a server from its command line, and from the file that --config
 * names.
 *
 * To be called again for a reload: what the file then says is in the new one.
 *
 * Return: 0; SERVE_OPTIONS_HELP; -1, and what is wrong has been printed.
 */
int serve_options_parse(struct server *server, char *mote, int argc, char **argv);

/* Open the listening socket: 0, or -1; what is wrong has been printed. */
int serve_options_listen(struct server *server);

#endif
