/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server: connections on one side, workers on the other.
 *
 * How it works
 *
 * A thread of libmicrohttpd that has the whole of a request sends it to an idle worker and waits
 * for the answer itself, for a moment: most functions are done by then, and nothing was handed
 * over. Otherwise the connection is suspended, and the finisher, one thread that waits for all such
 * workers, resumes it when the answer is there. So it is where no worker is idle: the request waits
 * in the app's queue, and whoever finishes with a worker sends it the next one.
 */
#include "serve/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/accept.h"
#include "serve/body.h"
#include "serve/exchange.h"
#include "serve/log.h"
#include "serve/pages.h"
#include "serve/processors.h"
#include "serve/server_internal.h"
#include "serve/stream.h"

#define EVENTS 64
#define TRIES  4 /* workers that may turn out to be gone, for one request */

#define DRAIN_MS      60000
#define DRAIN_STEP_MS 10

/* ---- workers ---- */

void server_watch(struct server *server, struct worker *worker, int operation)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = worker};

	worker_leave(worker);
	if (epoll_ctl(server->events, operation, worker->socket, &event) && errno == EEXIST)
		epoll_ctl(server->events, EPOLL_CTL_MOD, worker->socket, &event);
}

static void resume(struct exchange *exchange)
{
	if (exchange->is_suspended)
		MHD_resume_connection(exchange->connection);
}

/* Where there are no workers any more, nobody else would answer what waits. */
static void give_up(struct app *app)
{
	struct exchange *exchange;

	while ((exchange = app_abandon(app))) {
		exchange_fail(exchange, 503, "no microVM can be started");
		resume(exchange);
	}
}

void server_go_on(struct server *server, struct worker *worker, bool is_of_use)
{
	struct app *app = worker->app;
	struct exchange *next;

	if (!is_of_use) {
		app_drop(worker);
		worker = app_claim(app);
	}
	while (worker && (next = app_release(worker))) {
		metrics_time(&app->metrics, METRICS_QUEUE, monotonic_ns() - next->arrived);
		if (!exchange_send(next, worker)) {
			server_watch(server, worker, EPOLL_CTL_ADD);
			return;
		}
		exchange_fail(next, 502, "the process of the function is gone");
		resume(next);
		app_drop(worker);
		worker = app_claim(app);
	}
	if (!worker)
		give_up(app);
}

static void finish_one(struct server *server, struct worker *worker)
{
	struct exchange *exchange = worker->exchange;
	bool is_streamed =
	        exchange && exchange->is_streamed; /* its own thread takes what there is */
	int status = is_streamed ? EXCHANGE_STREAMS : exchange_serve(worker, false);

	if (!status) {
		server_watch(server, worker, EPOLL_CTL_MOD);
		return;
	}
	epoll_ctl(server->events, EPOLL_CTL_DEL, worker->socket, NULL);
	if (status != EXCHANGE_STREAMS)
		server_go_on(server, worker, status > 0);
	if (exchange)
		resume(exchange);
}

/* Only the thread that reloads adds to them, and it waits until there is room. */
static void end_retired(struct server *server)
{
	unsigned kept = 0;

	pthread_rwlock_wrlock(&server->routes);
	for (unsigned i = 0; i < server->retired_count; i++) {
		struct app *app = server->retired[i];

		if (__atomic_load_n(&app->exchanges, __ATOMIC_ACQUIRE))
			server->retired[kept++] = app;
		else
			app_stop(app); /* a few bytes stay: somebody may still read its metrics */
	}
	server->retired_count = kept;
	pthread_rwlock_unlock(&server->routes);
}

static __attribute__((noreturn)) void *finisher(void *argument)
{
	struct server *server = argument;
	struct epoll_event events[EVENTS];

	for (;;) {
		int count = epoll_wait(server->events, events, EVENTS, 250);

		for (int i = 0; i < count; i++)
			if (events[i].data.ptr == &server->listener)
				accept_some(server);
			else
				finish_one(server, events[i].data.ptr);
		accept_again(server);
		log_flush(server->log);
		stream_cut_late(server);
		end_retired(server);
	}
}

/* ---- requests ---- */

static struct app *find_route(const struct server *server, const char *path)
{
	struct app *best = NULL;
	size_t length = 0;

	for (unsigned i = 0; i < server->app_count; i++) {
		size_t prefix = strlen(server->apps[i]->prefix);
		bool ends = path[prefix] == '/' || path[prefix] == '\0' || path[prefix] == '?';

		if (strncmp(path, server->apps[i]->prefix, prefix) || prefix < length)
			continue;
		/* "/api" is for /api and /api/x, not for /apix. */
		if (!ends && server->apps[i]->prefix[prefix - 1] != '/')
			continue;
		best = server->apps[i];
		length = prefix;
	}
	return best;
}

/* The application for its path, held until exchange_free(), and the limits of the moment. */
static void route(struct server *server, struct exchange *exchange)
{
	pthread_rwlock_rdlock(&server->routes);
	exchange->app = find_route(server, exchange->target);
	if (exchange->app)
		__atomic_fetch_add(&exchange->app->exchanges, 1, __ATOMIC_RELAXED);
	exchange->timeout_ns = server->timeout_ns;
	exchange->send_timeout_ns = server->send_timeout_ns;
	exchange->answer_max = server->answer_max;
	exchange->body_max = server->body_max;
	pthread_rwlock_unlock(&server->routes);
}

/* An idle worker has the exchange; false: none has. */
static struct worker *send_now(struct exchange *exchange)
{
	for (int i = 0; i < TRIES; i++) {
		struct worker *worker = app_claim(exchange->app);

		if (!worker || !exchange_send(exchange, worker))
			return worker;
		app_drop(worker);
	}
	return NULL;
}

/* The request is whole. Return: whether it is answered; else it is somebody else's until it is
 * resumed, and may not be looked at. */
static bool dispatch(struct server *server, struct exchange *exchange)
{
	struct worker *worker = send_now(exchange);
	int status;

	if (!worker) {
		exchange->is_suspended = true;
		MHD_suspend_connection(exchange->connection);
		if (!app_queue(exchange->app, exchange)) {
			exchange_fail(exchange, 503,
			              exchange->app->workers ? "too many requests wait"
			                                     : "no microVM can be started");
			resume(exchange);
		}
		return false;
	}
	metrics_time(&exchange->app->metrics, METRICS_QUEUE, 0);
	status = exchange_serve(worker, true);
	if (!status) {
		exchange->is_suspended = true;
		MHD_suspend_connection(exchange->connection);
		server_watch(server, worker, EPOLL_CTL_ADD);
		return false;
	}
	if (status != EXCHANGE_STREAMS)
		server_go_on(server, worker, status > 0);
	return true;
}

/* ---- answers ---- */

static enum MHD_Result send_failure(struct server *server, struct exchange *exchange)
{
	char text[256];
	int length = snprintf(text, sizeof text, "%u %s\n", exchange->failed, exchange->why);

	log_request(server->log, server->log_format, exchange, exchange->failed, 0);
	if (exchange->app)
		metrics_answer(&exchange->app->metrics, exchange->failed, exchange->exits);
	return page_send_text(server, exchange->connection, exchange->failed, text, (size_t)length,
	                      exchange->failed == 503);
}

static ssize_t no_body(void *cls, uint64_t position, char *to, size_t room)
{
	(void)cls, (void)position, (void)to, (void)room;
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

static struct MHD_Response *respond(struct server *server, struct exchange *exchange)
{
	const struct answer *answer = &exchange->answer;

	if (exchange->is_streamed)
		return stream_begin(server, exchange);
	/* Of a HEAD request: the length alone. */
	if (answer->body_size != answer->body_here)
		return MHD_create_response_from_callback(answer->body_size, 1024, no_body, NULL,
		                                         NULL);
	return MHD_create_response_from_buffer(answer->body_here, (void *)(uintptr_t)answer->body,
	                                       MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result send_answer(struct server *server, struct exchange *exchange)
{
	const struct answer *answer = &exchange->answer;
	struct MHD_Response *response;
	enum MHD_Result result;

	if (exchange->failed)
		return send_failure(server, exchange);
	response = respond(server, exchange);
	if (!response)
		return MHD_NO;
	for (unsigned i = 0; i < answer->header_count; i++)
		MHD_add_response_header(response, answer->headers[i].name,
		                        answer->headers[i].value);
	result = page_queue(server, exchange->connection, answer->status, response);
	if (exchange->is_streamed)
		return result; /* stream_end() counts it */
	metrics_answer(&exchange->app->metrics, answer->status, exchange->exits);
	metrics_time(&exchange->app->metrics, METRICS_TOTAL, monotonic_ns() - exchange->arrived);
	log_request(server->log, server->log_format, exchange, answer->status, answer->body_here);
	return result;
}

/* ---- libmicrohttpd's side ---- */

/* All that it serves need a descriptor, and so do workers that are started meanwhile. */
static enum MHD_Result may_connect(void *cls, const struct sockaddr *address, socklen_t length)
{
	struct server *server = cls;

	(void)address, (void)length;
	if (__atomic_load_n(&server->connections, __ATOMIC_RELAXED) < server->connections_max)
		return MHD_YES;
	__atomic_fetch_add(&server->connections_refused, 1, __ATOMIC_RELAXED);
	return MHD_NO;
}

static void count_connection(void *cls, struct MHD_Connection *connection, void **context,
                             enum MHD_ConnectionNotificationCode code)
{
	struct server *server = cls;

	(void)connection, (void)context;
	__atomic_fetch_add(&server->connections,
	                   code == MHD_CONNECTION_NOTIFY_STARTED ? 1u : UINT32_MAX,
	                   __ATOMIC_RELAXED);
}

/* The first that is heard of a request: its target as it was sent. */
static void *begin(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct exchange *exchange = calloc(1, sizeof *exchange);

	processors_bind_thread();
	if (!exchange)
		return NULL;
	exchange->server = cls;
	exchange->connection = connection;
	exchange->target = strdup(uri);
	exchange->arrived = monotonic_ns();
	return exchange;
}

static void end(void *cls, struct MHD_Connection *connection, void **context,
                enum MHD_RequestTerminationCode code)
{
	struct exchange *exchange = *context;
	struct server *server = cls;

	(void)connection;
	if (!exchange)
		return;
	body_let_go(server, exchange);
	if (exchange->is_streamed)
		stream_end(server, exchange, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
	exchange_free(exchange);
	*context = NULL;
}

/* The head is there. Return: whether the body is wanted. */
static bool take_head(struct server *server, struct exchange *exchange, const char *method)
{
	exchange->method = method;
	route(server, exchange);
	if (!exchange->app)
		exchange_fail(exchange, 404, "no application is routed there");
	else if (exchange_begin(exchange))
		exchange_fail(exchange, 503, "no memory for the request");
	else if (exchange->head_size > MOTE_FUNCTION_BUFFER / 2)
		exchange_fail(exchange, 431, "the request's headers are too long");
	return !exchange->is_over;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **context)
{
	struct server *server = cls;
	struct exchange *exchange = *context;

	(void)version;
	if (!exchange || !exchange->target)
		return MHD_NO;
	if (!exchange->method) {
		exchange->method = method;
		if (!strcmp(url, "/healthz") || !strcmp(url, "/metrics"))
			return MHD_YES;
		take_head(server, exchange, method);
		return MHD_YES;
	}
	if (*upload_size) {
		if (exchange->app)
			body_take(server, exchange, upload, *upload_size);
		*upload_size = 0;
		return MHD_YES;
	}
	if (!exchange->app && !exchange->is_over)
		return strcmp(url, "/metrics")
		               ? page_send_text(server, connection, 200, "ok\n", 3, false)
		               : page_send_metrics(server, connection);
	if (!exchange->is_over) {
		exchange_complete(exchange);
		if (server->fixed || server->command)
			page_answer_without_vm(server, exchange);
		else if (!dispatch(server, exchange))
			return MHD_YES;
	}
	return send_answer(server, exchange);
}

static unsigned count_retired(struct server *server)
{
	unsigned count;

	pthread_rwlock_rdlock(&server->routes);
	count = server->retired_count;
	pthread_rwlock_unlock(&server->routes);
	return count;
}

int server_reload(struct server *server, struct server *fresh)
{
	for (unsigned i = 0; i < fresh->app_count; i++)
		if (app_prepare(fresh->apps[i], server->log, fresh->log_format == LOG_JSON) ||
		    app_start(fresh->apps[i])) {
			for (unsigned j = 0; j <= i; j++)
				app_stop(fresh->apps[j]);
			return -1;
		}
	/* Two reloads at once are more than one, not lost. */
	while (count_retired(server) + server->app_count > SERVER_APPS_MAX)
		usleep(100000);
	pthread_rwlock_wrlock(&server->routes);
	for (unsigned i = 0; i < server->app_count; i++)
		server->retired[server->retired_count++] = server->apps[i];
	memcpy(server->apps, fresh->apps, sizeof server->apps);
	server->app_count = fresh->app_count;
	server->body_max = fresh->body_max;
	server->answer_max = fresh->answer_max;
	server->timeout_ns = fresh->timeout_ns;
	server->send_timeout_ns = fresh->send_timeout_ns;
	server->log_format = fresh->log_format;
	pthread_rwlock_unlock(&server->routes);
	return 0;
}

static int cannot_start(const char *what)
{
	fprintf(stderr, "mote serve: cannot start %s: %s\n", what, strerror(errno));
	return -1;
}

int server_start(struct server *server)
{
	processors_learn(server->threads);
	pthread_rwlock_init(&server->routes, NULL);
	pthread_mutex_init(&server->streams_lock, NULL);
	server->events = epoll_create1(EPOLL_CLOEXEC);
	if (server->events < 0)
		return cannot_start("waiting for workers");
	server->daemon = MHD_start_daemon(
	        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
	                MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC,
	        0, may_connect, server, handle, server, MHD_OPTION_THREAD_POOL_SIZE,
	        server->threads, MHD_OPTION_URI_LOG_CALLBACK, begin, server,
	        MHD_OPTION_NOTIFY_COMPLETED, end, server, MHD_OPTION_NOTIFY_CONNECTION,
	        count_connection, server, MHD_OPTION_CONNECTION_LIMIT,
	        /* divided among the threads, which do not get equal shares */
	        server->connections_max * server->threads, MHD_OPTION_CONNECTION_TIMEOUT,
	        server->idle_timeout_s, MHD_OPTION_END);
	if (!server->daemon)
		return cannot_start("the HTTP server");
	if (accept_start(server))
		return cannot_start("listening");
	if (pthread_create(&server->finisher, NULL, finisher, server))
		return cannot_start("a thread");
	return 0;
}

/* Requests that have begun, of applications of before a reload as well. */
static bool is_busy(struct server *server)
{
	unsigned count = 0;

	pthread_rwlock_rdlock(&server->routes);
	for (unsigned i = 0; i < server->app_count; i++)
		count += __atomic_load_n(&server->apps[i]->exchanges, __ATOMIC_ACQUIRE);
	for (unsigned i = 0; i < server->retired_count; i++)
		count += __atomic_load_n(&server->retired[i]->exchanges, __ATOMIC_ACQUIRE);
	pthread_rwlock_unlock(&server->routes);
	return count;
}

void server_stop(struct server *server)
{
	__atomic_store_n(&server->is_draining, true, __ATOMIC_RELAXED);
	accept_stop(server);
	for (int i = 0; i < DRAIN_MS && is_busy(server); i += DRAIN_STEP_MS)
		usleep(DRAIN_STEP_MS * 1000);
	/* Workers end with the process (PR_SET_PDEATHSIG), which libmicrohttpd's threads would only
	 * hold up. */
	log_flush(server->log);
}
