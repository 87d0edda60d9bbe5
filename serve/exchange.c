/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP request on its way to a worker, and its answer on the way back. */
#include "serve/exchange.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "serve/app.h"

#define ROUNDS 16 /* messages of a worker that are waited for in a row */

uint64_t monotonic_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* ---- the request ---- */

static enum MHD_Result add_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
	struct exchange *exchange = cls;

	(void)kind;
	exchange->has_no_memory |= request_add_header(
	        &exchange->request, exchange->app->speaks_http, name, value ? value : "");
	return exchange->has_no_memory ? MHD_NO : MHD_YES;
}

int exchange_begin(struct exchange *exchange)
{
	bool is_text = exchange->app->speaks_http;

	if (request_begin(&exchange->request, is_text, exchange->method, exchange->target,
	                  exchange->timeout_ns))
		return -1;
	MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, add_header, exchange);
	if (exchange->has_no_memory || request_end_head(&exchange->request, is_text))
		return -1;
	exchange->head_size = exchange->request.size;
	return 0;
}

void exchange_complete(struct exchange *exchange)
{
	request_end(&exchange->request, exchange->app->speaks_http, exchange->head_size);
}

int exchange_send(struct exchange *exchange, struct worker *worker)
{
	struct worker_message message = {.type = WORKER_REQUEST, .ns = exchange->timeout_ns};
	size_t size = exchange->request.size < MOTE_FUNCTION_BUFFER ? exchange->request.size
	                                                            : MOTE_FUNCTION_BUFFER;

	worker_follow(worker);
	exchange->sent = monotonic_ns();
	exchange->given = size;
	worker->exchange = exchange;
	worker->started = exchange->sent;
	message.exits = exchange->request.size > size;
	return worker_send(worker, &message, exchange->request.at, size);
}

static int send_body(struct exchange *exchange, struct worker *worker)
{
	size_t left = exchange->request.size - exchange->given;
	size_t part = left < MOTE_FUNCTION_BUFFER ? left : MOTE_FUNCTION_BUFFER;
	const unsigned char *from = exchange->request.at + exchange->given;
	const struct worker_message message = {.type = WORKER_BODY};

	exchange->given += part;
	return worker_send(worker, &message, from, part);
}

/* ---- the answer ---- */

void exchange_fail(struct exchange *exchange, unsigned status, const char *why)
{
	exchange->failed = status;
	exchange->why = why;
	exchange->is_over = true;
}

static void fail_as_worker_says(struct exchange *exchange, uint32_t failure)
{
	switch (failure) {
	case WORKER_FAILURE_TIMEOUT:
		exchange_fail(exchange, 504, "the function took too long");
		break;
	case WORKER_FAILURE_NO_MEMORY:
		exchange_fail(exchange, 507, "the function has used all of its memory");
		break;
	case WORKER_FAILURE_EXIT:
		exchange_fail(exchange, 502, "the function ended without an answer");
		break;
	default: exchange_fail(exchange, 502, "the function crashed"); break;
	}
}

/* A piece. The first one has a head, which tells whether the lengths add up in the end. */
static void add_piece(struct exchange *exchange, const unsigned char *from, size_t size)
{
	if (size > exchange->answer_max - exchange->taken)
		exchange_fail(exchange, 502, "the answer is larger than --max-answer");
	else if (bytes_add(&exchange->pieces, from, size))
		exchange_fail(exchange, 503, "no memory for the answer");
	exchange->taken += size;
}

static void read_answer(struct exchange *exchange, bool is_all)
{
	struct bytes *pieces = &exchange->pieces;
	const char *wrong;

	exchange->is_over = true;
	if (exchange->app->speaks_http) {
		wrong = answer_read_text(&exchange->answer, pieces->at, pieces->size, is_all,
		                         strcmp(exchange->method, "HEAD") != 0);
	} else {
		answer_settle(pieces->at, pieces->size, is_all);
		wrong = answer_read(&exchange->answer, pieces->at, pieces->size, is_all);
	}
	if (wrong)
		exchange_fail(exchange, 502, wrong);
}

/* The last piece has come. */
static void finish(struct exchange *exchange)
{
	uint64_t body;

	if (!exchange->is_over) {
		read_answer(exchange, true);
		return;
	}
	body = exchange->body_sent + exchange->pieces.size - exchange->passed;
	if (!exchange->failed && exchange->answer.body_size != MOTE_FUNCTION_STREAM &&
	    exchange->answer.body_size != body)
		exchange_fail(exchange, 502, "its body is not as long as it says");
}

/* Bytes have come, and the next ones will take their time: what is there can be sent. */
static int begin_stream(struct worker *worker)
{
	struct exchange *exchange = worker->exchange;
	const struct bytes *pieces = &exchange->pieces;
	bool is_full = pieces->size >= EXCHANGE_HELD;

	if (exchange->is_streamed)
		return EXCHANGE_STREAMS;
	/* An answer without a body mostly has its end close by. */
	if (!is_full &&
	    (!strcmp(exchange->method, "HEAD") ||
	     (exchange->app->speaks_http && !answer_has_text_head(pieces->at, pieces->size))))
		return 0;
	read_answer(exchange, false);
	if (!exchange->failed && exchange->answer.body_size != MOTE_FUNCTION_STREAM &&
	    exchange->answer.body_size > exchange->answer_max)
		exchange_fail(exchange, 502, "the answer is larger than --max-answer");
	if (exchange->failed)
		return -1;
	exchange->is_streamed = true;
	exchange->worker = worker;
	return EXCHANGE_STREAMS;
}

/* Of an exchange that is over already, what still comes is dropped. */
static int serve_message(struct worker *worker, const struct worker_message *head, size_t size)
{
	struct exchange *exchange = worker->exchange;
	const unsigned char *payload = worker->message + sizeof *head;

	switch (head->type) {
	case WORKER_READY: return 0;
	case WORKER_WANT_BODY: return exchange ? send_body(exchange, worker) : -1;
	case WORKER_ANSWER:
		if (!exchange || !size)
			return -1;
		add_piece(exchange, payload, size);
		return exchange->failed ? -1 : 0;
	case WORKER_LAST:
		if (!exchange)
			return -1;
		add_piece(exchange, payload, size);
		finish(exchange);
		exchange->exits = head->exits;
		metrics_run(&worker->app->metrics, head);
		return 1;
	case WORKER_FAILED:
		if (!exchange)
			return -1;
		fail_as_worker_says(exchange, head->failure);
		metrics_run(&worker->app->metrics, head);
		exchange->exits = head->exits;
		return 1;
	default: return -1;
	}
}

int exchange_serve(struct worker *worker, bool waits)
{
	struct exchange *exchange = worker->exchange;
	uint64_t before = exchange ? exchange->taken : 0;
	struct worker_message head;
	size_t size;
	int status, rounds = 0;

	while ((status = worker_take(worker, waits && rounds++ < ROUNDS, &head, &size)) > 0) {
		status = serve_message(worker, &head, size);
		if (status || (exchange && exchange->pieces.size >= EXCHANGE_HELD))
			break;
	}
	if (!status && exchange && exchange->taken > before)
		status = begin_stream(worker);
	if (status < 0 && exchange && !exchange->failed)
		exchange_fail(exchange, 502, "the process of the function is gone");
	worker->requests += status == 1;
	return status;
}

void exchange_free(struct exchange *exchange)
{
	if (exchange->app)
		__atomic_fetch_sub(&exchange->app->exchanges, 1, __ATOMIC_RELEASE);
	free(exchange->request.at);
	free(exchange->pieces.at);
	free(exchange->target);
	free(exchange);
}
