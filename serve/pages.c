/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that are the server's own: failures, /healthz, /metrics, and those for measuring. */
#include "serve/pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/exchange.h"
#include "serve/process.h"

#define RETRY_AFTER "1"

enum MHD_Result page_queue(const struct server *server, struct MHD_Connection *connection,
                           unsigned status, struct MHD_Response *response)
{
	enum MHD_Result result;

	if (__atomic_load_n(&server->is_draining, __ATOMIC_RELAXED))
		MHD_add_response_header(response, "Connection", "close");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

enum MHD_Result page_send_text(const struct server *server, struct MHD_Connection *connection,
                               unsigned status, const char *text, size_t length, bool has_retry)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
	        length, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", "text/plain; charset=utf-8");
	if (has_retry)
		MHD_add_response_header(response, "Retry-After", RETRY_AFTER);
	return page_queue(server, connection, status, response);
}

enum MHD_Result page_send_metrics(struct server *server, struct MHD_Connection *connection)
{
	enum MHD_Result result;
	size_t length = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return MHD_NO;
	fputs("# HELP mote_request_seconds Time of requests by phase.\n"
	      "# TYPE mote_request_seconds histogram\n"
	      "# TYPE mote_responses_total counter\n"
	      "# TYPE mote_answers_cut_total counter\n"
	      "# TYPE mote_resets_total counter\n"
	      "# TYPE mote_reset_pages_total counter\n"
	      "# TYPE mote_exits_total counter\n"
	      "# TYPE mote_workers gauge\n# TYPE mote_queued gauge\n"
	      "# TYPE mote_connections gauge\n"
	      "# TYPE mote_connections_refused_total counter\n",
	      out);
	fprintf(out, "mote_connections %u\nmote_connections_refused_total %u\n",
	        __atomic_load_n(&server->connections, __ATOMIC_RELAXED),
	        __atomic_load_n(&server->connections_refused, __ATOMIC_RELAXED));
	pthread_rwlock_rdlock(&server->routes);
	for (unsigned i = 0; i < server->app_count; i++) {
		const struct app *app = server->apps[i];

		metrics_print(&app->metrics, app->prefix, out);
		fprintf(out, "mote_workers{app=\"%s\"} %u\nmote_queued{app=\"%s\"} %u\n",
		        app->prefix, app->workers, app->prefix, app->queued);
	}
	pthread_rwlock_unlock(&server->routes);
	fclose(out);
	result = page_send_text(server, connection, 200, text, length, false);
	free(text);
	return result;
}

void page_answer_without_vm(const struct server *server, struct exchange *exchange)
{
	struct answer *answer = &exchange->answer;
	char text[65536];
	const char *from = server->fixed;
	long length;

	if (from) {
		length = (long)strlen(from);
	} else {
		from = text;
		length = process_answer(server->command, text, sizeof text);
	}
	if (length < 0 || bytes_add(&exchange->pieces, from, (size_t)length)) {
		exchange_fail(exchange, 502, "there is no answer");
		return;
	}
	answer->status = 200;
	answer->headers[answer->header_count++] =
	        (struct mote_header){"Content-Type", "text/plain; charset=utf-8"};
	answer->body = exchange->pieces.at;
	answer->body_size = answer->body_here = exchange->pieces.size;
	exchange->is_over = true;
	metrics_time(&exchange->app->metrics, METRICS_QUEUE, 0);
}
