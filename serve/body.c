/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of requests, on their way in. */
#include "serve/body.h"

#include <stdlib.h>

#include "serve/exchange.h"

#define BODIES_MAX 256 /* that are as large as they may be, together */

/* Whoever sends slowly holds what has come: all of them together are not to take all memory. */
static bool hold(struct server *server, struct exchange *exchange, size_t size)
{
	exchange->held += size;
	return __atomic_add_fetch(&server->bodies, size, __ATOMIC_RELAXED) / BODIES_MAX <=
	       exchange->body_max;
}

void body_let_go(struct server *server, struct exchange *exchange)
{
	__atomic_fetch_sub(&server->bodies, exchange->held, __ATOMIC_RELAXED);
	exchange->held = 0;
}

void body_take(struct server *server, struct exchange *exchange, const char *data, size_t size)
{
	if (exchange->is_over)
		return;
	if (exchange->request.size - exchange->head_size + size > exchange->body_max)
		exchange_fail(exchange, 413, "the request's body is too large");
	else if (!hold(server, exchange, size))
		exchange_fail(exchange, 503, "too many bodies of requests are held");
	else if (bytes_add(&exchange->request, data, size))
		exchange_fail(exchange, 503, "no memory for the request");
	if (!exchange->is_over)
		return;
	/* What came of it is of no use any more. */
	body_let_go(server, exchange);
	free(exchange->request.at);
	exchange->request = (struct bytes){0};
}
