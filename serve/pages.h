/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that are the server's own: failures, /healthz, /metrics, and those for measuring. */
#ifndef MOTE_SERVE_PAGES_H
#define MOTE_SERVE_PAGES_H

#include <microhttpd.h>

#include "serve/server.h"

struct exchange;

/* Send @response, and forget it: the last one on its connection where the server is about to end.
 */
enum MHD_Result page_queue(const struct server *server, struct MHD_Connection *connection,
                           unsigned status, struct MHD_Response *response);

/* @has_retry: the client is told to come again */
enum MHD_Result page_send_text(const struct server *server, struct MHD_Connection *connection,
                               unsigned status, const char *text, size_t length, bool has_retry);

enum MHD_Result page_send_metrics(struct server *server, struct MHD_Connection *connection);

/* For measuring: server->fixed, or what server->command writes, in place of what a microVM answers.
 * All else is as with one. */
void page_answer_without_vm(const struct server *server, struct exchange *exchange);

#endif
