/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP request on its way to a worker, and its answer on the way back. */
#ifndef MOTE_SERVE_EXCHANGE_H
#define MOTE_SERVE_EXCHANGE_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/answer.h"
#include "serve/request.h"
#include "serve/worker.h"

/* Bytes of an answer that are gathered before it is sent, at most, and a piece. */
#define EXCHANGE_HELD 0x40000u

#define EXCHANGE_STREAMS 2 /* of exchange_serve() */

struct server;

struct exchange {
	struct exchange *next; /* in its app's queue, or in the server's streams */
	struct server *server;
	struct app *app; /* NULL: none is routed there */
	struct MHD_Connection *connection;
	char *target; /* path and query */
	const char *method;
	uint64_t arrived, sent; /* CLOCK_MONOTONIC ns */
	/* As they were when it came; 0: no limit. */
	uint64_t timeout_ns;      /* that the function has */
	uint64_t send_timeout_ns; /* for a streamed answer */
	size_t body_max;

	struct bytes request; /* struct mote_function_request, strings, body */
	size_t head_size;     /* of it: all before the body */
	size_t given;         /* of it, to the worker */
	size_t held;          /* bytes of its body that the server counts */
	bool is_too_large, has_no_memory;

	struct bytes pieces; /* of the answer, as they came */
	uint64_t taken;      /* bytes of the answer, as far as it came */
	uint64_t answer_max;
	unsigned exits;

	/* When it is over: status 0: @answer is good. */
	bool is_over, is_suspended;
	unsigned failed; /* status of HTTP to be sent instead of an answer */
	const char *why;
	struct answer answer;

	/* An answer of which only the beginning is in @answer (serve/stream.c): */
	bool is_streamed;
	struct worker *worker; /* that makes the rest; NULL: there is none */
	size_t passed;         /* of @pieces, to the client */
	uint64_t body_sent;    /* bytes in all */
	uint64_t send_until;   /* CLOCK_MONOTONIC ns */
	int client;            /* socket */
};

/* The head is complete: begin @exchange->request. */
int exchange_begin(struct exchange *exchange);

/* All of the body is there: how long it is goes into the request's head. */
void exchange_complete(struct exchange *exchange);

/* Send it to a worker: 0, or -1 when that one is gone. */
int exchange_send(struct exchange *exchange, struct worker *worker);

/**
 * exchange_serve() - Take what a worker has sent, as far as it is there.
 * @waits: for a moment, if it is not
 *
 * Return: 0: more is to come; 1: its exchange is over; -1: it is over, and the worker is of no use;
 * EXCHANGE_STREAMS: there are bytes to be sent, and the rest of the answer will take its time.
 */
int exchange_serve(struct worker *worker, bool waits);

/* It cannot be answered: what the client gets. @why: a constant, for the log */
void exchange_fail(struct exchange *exchange, unsigned status, const char *why);

void exchange_free(struct exchange *exchange);

uint64_t monotonic_ns(void);

#endif
