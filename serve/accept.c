/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that come in. libmicrohttpd's threads would take them themselves, the first to look
 * as many as there are, and others would have none: here each gets its share (MHD_add_connection()
 * goes by the descriptor's number, and these follow one another).
 */
#include "serve/accept.h"

#include <errno.h>
#include <microhttpd.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "serve/exchange.h"

#define ROUND    64        /* connections, before others have their turn */
#define PAUSE_NS 50000000u /* where there are no descriptors or no memory for one */

static int arm(struct server *server, int operation)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT,
	                            .data.ptr = &server->listener};

	return epoll_ctl(server->events, operation, server->listener, &event);
}

int accept_start(struct server *server)
{
	return arm(server, EPOLL_CTL_ADD);
}

void accept_again(struct server *server)
{
	if (!server->accepts_at || monotonic_ns() < server->accepts_at)
		return;
	server->accepts_at = 0;
	arm(server, EPOLL_CTL_MOD);
}

void accept_some(struct server *server)
{
	for (int i = 0; i < ROUND; i++) {
		struct sockaddr_storage address;
		socklen_t length = sizeof address;
		int client = accept4(server->listener, (struct sockaddr *)&address, &length,
		                     SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (client < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (client < 0 && errno == EINVAL) /* accept_stop() */
			return;
		if (client < 0 && errno != EAGAIN) {
			server->accepts_at = monotonic_ns() + PAUSE_NS;
			return;
		}
		if (client < 0)
			break;
		/* It closes the ones that are too many. */
		MHD_add_connection(server->daemon, client, (struct sockaddr *)&address, length);
	}
	arm(server, EPOLL_CTL_MOD);
}

void accept_stop(struct server *server)
{
	shutdown(server->listener, SHUT_RDWR);
}
