/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of TCP sockets: who may have which, by Linux's rules.
 *
 * Two sockets may have names that overlap if both say SO_REUSEADDR and none listens, or both say
 * SO_REUSEPORT. A connection that its program has closed has its port until lwIP is done with it.
 */
#include <asm/socket.h>
#include <linux/errno.h>

#include "guestkit/libc-shim/inet_tcp.h"
#include "guestkit/random.h"
#include "lwip/priv/tcp_priv.h"

#define WAITING_MAX 1024 /* control blocks in TIME_WAIT */

static struct inet_tcp *sockets; /* that have a port */

const struct inet_tcp *inet_tcp_next(const struct inet_tcp *previous)
{
	return previous ? previous->next : sockets;
}

void inet_tcp_list(struct inet_tcp *socket)
{
	if (socket->is_listed)
		return;
	socket->is_listed = true;
	socket->previous = NULL;
	socket->next = sockets;
	if (sockets)
		sockets->previous = socket;
	sockets = socket;
}

void inet_tcp_unlist(struct inet_tcp *socket)
{
	if (!socket->is_listed)
		return;
	socket->is_listed = false;
	*(socket->previous ? &socket->previous->next : &sockets) = socket->next;
	if (socket->next)
		socket->next->previous = socket->previous;
}

static bool both_say(const struct inet_tcp *a, const struct inet_tcp *b, unsigned option)
{
	return socket_has_option(&a->inet.socket, option) &&
	       socket_has_option(&b->inet.socket, option);
}

static bool is_in_the_way(const struct inet_tcp *other, const struct inet_tcp *socket,
                          const struct inet_end *end)
{
	if (other == socket || other->inet.local.port != end->port ||
	    !inet_overlaps(&other->inet.local.ip, &end->ip))
		return false;
	if (both_say(other, socket, SO_REUSEPORT))
		return false;
	return !both_say(other, socket, SO_REUSEADDR) || other->state == INET_TCP_LISTENING;
}

/* Does a control block that is nobody's have the name? */
static bool is_left_over(const struct tcp_pcb *pcb, const struct inet_tcp *socket,
                         const struct inet_end *end)
{
	bool may_reuse = socket_has_option(&socket->inet.socket, SO_REUSEADDR);

	for (; pcb; pcb = pcb->next)
		if (!pcb->callback_arg && pcb->local_port == end->port &&
		    inet_overlaps(&pcb->local_ip, &end->ip) &&
		    !(may_reuse && pcb->so_options & SOF_REUSEADDR))
			return true;
	return false;
}

static bool is_free_for(const struct inet_tcp *socket, const struct inet_end *end)
{
	for (const struct inet_tcp *other = sockets; other; other = other->next)
		if (is_in_the_way(other, socket, end))
			return false;
	return !is_left_over(tcp_active_pcbs, socket, end) &&
	       !is_left_over(tcp_tw_pcbs, socket, end);
}

bool inet_tcp_may_listen(const struct inet_tcp *socket)
{
	return is_free_for(socket, &socket->inet.local);
}

/* At either end: on the loopback interface the other one is here, too, and may be in TIME_WAIT. */
static bool has_port(const struct tcp_pcb *pcb, uint16_t port)
{
	while (pcb && pcb->local_port != port && pcb->remote_port != port)
		pcb = pcb->next;
	return pcb;
}

static bool is_unused(uint16_t port)
{
	for (const struct inet_tcp *other = sockets; other; other = other->next)
		if (other->inet.local.port == port)
			return false;
	return !has_port(tcp_active_pcbs, port) && !has_port(tcp_tw_pcbs, port);
}

/* A port that nobody has, from a random one on; 0: there is none. */
static uint16_t find_port(void)
{
	const unsigned count = TCP_LOCAL_PORT_RANGE_END - TCP_LOCAL_PORT_RANGE_START + 1;
	unsigned start;

	random_fill(&start, sizeof(start));
	for (unsigned i = 0; i < count; i++) {
		uint16_t port = (uint16_t)(TCP_LOCAL_PORT_RANGE_START + (start + i) % count);

		if (is_unused(port))
			return port;
	}
	return 0;
}

int inet_tcp_take_port(struct inet_tcp *socket, const struct inet_end *end)
{
	struct inet_end taken = *end;

	if (!taken.port)
		taken.port = find_port();
	else if (!is_free_for(socket, &taken))
		taken.port = 0;
	if (!taken.port)
		return -EADDRINUSE;
	socket->inet.local = taken;
	inet_tcp_list(socket);
	return 0;
}

static bool connects(const struct tcp_pcb *pcb, const struct inet_end *local,
                     const struct inet_end *remote)
{
	for (; pcb; pcb = pcb->next)
		if (pcb->local_port == local->port && pcb->remote_port == remote->port &&
		    ip_addr_cmp(&pcb->local_ip, &local->ip) &&
		    ip_addr_cmp(&pcb->remote_ip, &remote->ip))
			return true;
	return false;
}

bool inet_tcp_is_connected(const struct inet_end *local, const struct inet_end *remote)
{
	return connects(tcp_active_pcbs, local, remote) || connects(tcp_tw_pcbs, local, remote);
}

struct inet_tcp *inet_tcp_find_connecting(const struct inet_end *local,
                                          const struct inet_end *remote)
{
	struct inet_tcp *socket = sockets;

	while (socket &&
	       !(socket->state == INET_TCP_CONNECTING && socket->inet.local.port == local->port &&
	         socket->inet.remote.port == remote->port &&
	         ip_addr_cmp_zoneless(&socket->inet.remote.ip, &remote->ip)))
		socket = socket->next;
	return socket;
}

/* The list begins with the newest. Half of them go at once, so that this is rare. */
void inet_tcp_limit_waiting(void)
{
	static unsigned ended;
	struct tcp_pcb *pcb = tcp_tw_pcbs;

	if (++ended < WAITING_MAX / 2)
		return;
	ended = 0;
	for (unsigned count = 0; pcb && count < WAITING_MAX / 2; count++)
		pcb = pcb->next;
	while (pcb && pcb->next)
		tcp_abort(pcb->next);
}
