/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that are sent while the function makes them.
 *
 * How it works
 *
 * An answer that is whole in a moment is sent as a whole. Of any other one the head is checked as
 * soon as it is there (exchange_serve()), and its body is sent as it comes: where libmicrohttpd has
 * room for more, its thread takes the next piece from the worker; where the worker has none, the
 * connection is suspended until the finisher sees one. So nobody reads from a worker whose client
 * is slow: it stands still in its write, and no more than EXCHANGE_HELD bytes are kept here.
 *
 * A client that stands in a worker's way for too long is hung up on by the finisher, which does no
 * more than shut the connection's socket down: all else is done by the connection's own thread.
 */
#include "serve/stream.h"

#include <microhttpd.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "serve/exchange.h"
#include "serve/log.h"
#include "serve/server_internal.h"

#define BLOCK 65536

/* Take what the worker has. Return: false: nothing yet, and the connection is suspended. */
static bool take_more(struct server *server, struct exchange *exchange)
{
	struct worker *worker = exchange->worker;
	int status;

	if (exchange->passed == exchange->pieces.size)
		exchange->passed = exchange->pieces.size = 0;
	status = exchange_serve(worker, false);
	if (status == EXCHANGE_STREAMS)
		return true;
	if (!status) {
		exchange->is_suspended = true;
		MHD_suspend_connection(exchange->connection);
		server_watch(server, worker, EPOLL_CTL_ADD);
		return false;
	}
	exchange->worker = NULL;
	server_go_on(server, worker, status > 0);
	return true;
}

/* The last bytes of a body whose length is announced wait for the end of the answer: behind them
 * libmicrohttpd does not ask again. */
static bool needs_more(const struct exchange *exchange, uint64_t position)
{
	size_t left = exchange->pieces.size - exchange->passed;

	return exchange->worker && (!left || position + left == exchange->answer.body_size);
}

/* libmicrohttpd's MHD_ContentReaderCallback */
static ssize_t next_piece(void *cls, uint64_t position, char *to, size_t room)
{
	struct exchange *exchange = cls;
	size_t left;

	while (needs_more(exchange, position))
		if (!take_more(exchange->server, exchange))
			return 0;
	if (exchange->failed)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	left = exchange->pieces.size - exchange->passed;
	if (!left)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (left > room)
		left = room;
	memcpy(to, exchange->pieces.at + exchange->passed, left);
	exchange->passed += left;
	exchange->body_sent = position + left;
	return (ssize_t)left;
}

static void enlist(struct server *server, struct exchange *exchange)
{
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	exchange->client = info ? info->connect_fd : -1;
	exchange->send_until =
	        exchange->send_timeout_ns ? monotonic_ns() + exchange->send_timeout_ns : UINT64_MAX;
	pthread_mutex_lock(&server->streams_lock);
	exchange->next = server->streams;
	server->streams = exchange;
	pthread_mutex_unlock(&server->streams_lock);
}

struct MHD_Response *stream_begin(struct server *server, struct exchange *exchange)
{
	const struct answer *answer = &exchange->answer;

	exchange->passed = (size_t)(answer->body - exchange->pieces.at);
	enlist(server, exchange);
	return MHD_create_response_from_callback(
	        answer->body_size == MOTE_FUNCTION_STREAM ? MHD_SIZE_UNKNOWN : answer->body_size,
	        BLOCK, next_piece, exchange, NULL);
}

static void delist(struct server *server, const struct exchange *exchange)
{
	pthread_mutex_lock(&server->streams_lock);
	for (struct exchange **at = &server->streams; *at; at = &(*at)->next)
		if (*at == exchange) {
			*at = exchange->next;
			break;
		}
	pthread_mutex_unlock(&server->streams_lock);
}

void stream_end(struct server *server, struct exchange *exchange, bool is_whole)
{
	struct metrics *metrics = &exchange->app->metrics;

	delist(server, exchange);
	if (exchange->worker)
		server_go_on(server, exchange->worker, false);
	exchange->worker = NULL;
	if (!is_whole && !exchange->failed)
		exchange_fail(exchange, 502,
		              exchange->send_until && monotonic_ns() >= exchange->send_until
		                      ? "the client was too slow"
		                      : "the client did not take all of the answer");
	metrics_answer(metrics, exchange->answer.status, exchange->exits);
	metrics_time(metrics, METRICS_TOTAL, monotonic_ns() - exchange->arrived);
	if (exchange->failed)
		metrics_cut(metrics);
	log_request(server->log, server->log_format, exchange, exchange->answer.status,
	            exchange->body_sent);
}

void stream_cut_late(struct server *server)
{
	uint64_t now = monotonic_ns();

	/* Its socket is open as long as it is in the list. */
	pthread_mutex_lock(&server->streams_lock);
	for (struct exchange *at = server->streams; at; at = at->next)
		if (now >= at->send_until)
			shutdown(at->client, SHUT_RDWR);
	pthread_mutex_unlock(&server->streams_lock);
}
