/* SPDX-License-Identifier: Apache-2.0 */
/* A line for each request. */
#ifndef MOTE_SERVE_LOG_H
#define MOTE_SERVE_LOG_H

#include "serve/exchange.h"
#include "serve/server.h"

/* On stderr, with a buffer. */
FILE *log_open(void);

/* @bytes: of the answer's body. Lines are gathered; log_flush() writes them. */
void log_request(FILE *log, enum log_format format, const struct exchange *exchange,
                 unsigned status, size_t bytes);
void log_flush(FILE *log);

/* A line that a guest has written. */
void log_output(FILE *log, bool is_json, const char *app, const char *text, size_t size);

#endif
