/* SPDX-License-Identifier: Apache-2.0 */
/* TCP sockets: bind, connect, listen, accept. */
#include <linux/errno.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/inet_tcp.h"
#include "guestkit/memory.h"
#include "lwip/ip.h"
#include "lwip/priv/tcp_priv.h"

#define LWIP_BACKLOG_MAX 255 /* handshakes at a time that lwIP can count */

/* ---- bind ---- */

/* The address to bind to, the wildcard as the socket means it: 0, or what bind(2) says. */
static int find_bind_end(const struct inet_socket *socket, const struct socket_address *address,
                         struct inet_end *end)
{
	int result = inet_end_read(socket, address, end);

	/* AF_UNSPEC and the wildcard: accepted for old programs, as on Linux. */
	if (result == -EAFNOSUPPORT && socket->socket.family == SOCKET_FAMILY_INET &&
	    address->family == SOCKET_FAMILY_NONE) {
		struct socket_address copy = *address;

		copy.family = SOCKET_FAMILY_INET;
		result = inet_end_read(socket, &copy, end);
		if (!result && !ip_addr_isany(&end->ip))
			result = -EAFNOSUPPORT;
	}
	if (result)
		return result;
	if (IP_IS_V4_VAL(end->ip) && socket->socket.family == SOCKET_FAMILY_INET6 &&
	    socket->options.is_v6only)
		return -EINVAL;
	if (ip_addr_isany(&end->ip)) {
		if (IP_IS_V6_VAL(end->ip))
			end->ip = inet_any(socket);
		return 0;
	}
	if (ip_addr_ismulticast(&end->ip))
		return IP_IS_V6_VAL(end->ip) ? -EINVAL : 0;
	if (IP_IS_V4_VAL(end->ip) && ip4_addr_get_u32(ip_2_ip4(&end->ip)) == IPADDR_BROADCAST)
		return 0;
	return inet_is_own(&end->ip) ? 0 : -EADDRNOTAVAIL;
}

int inet_tcp_bind(struct socket *base, const struct socket_address *address)
{
	struct inet_tcp *socket = inet_tcp_of(base);
	struct inet_end end;
	bool has_port;
	int result = find_bind_end(&socket->inet, address, &end);

	if (result)
		return result;
	if (socket->state != INET_TCP_IDLE || socket->is_listed)
		return -EINVAL;
	has_port = end.port;
	result = inet_tcp_take_port(socket, &end);
	if (result)
		return result;
	socket->inet.has_bound_port = has_port;
	socket->inet.has_bound_ip = !ip_addr_isany(&end.ip);
	return 0;
}

/* ---- connect ---- */

/* The end to connect to, and where from: 0, or what connect(2) says. */
static int find_ends(const struct inet_tcp *socket, const struct socket_address *address,
                     struct inet_end *local, struct inet_end *remote)
{
	struct netif *netif;
	int result = inet_end_read(&socket->inet, address, remote);

	if (result)
		return result;
	if (IP_IS_V4_VAL(remote->ip) && socket->inet.options.is_v6only)
		return -ENETUNREACH;
	if (ip_addr_isany(&remote->ip)) { /* means this machine */
		if (IP_IS_V6_VAL(remote->ip))
			ip_addr_set_loopback(true, &remote->ip);
		else
			ip_addr_set_loopback(false, &remote->ip);
	}
	if (ip_addr_ismulticast(&remote->ip) ||
	    (IP_IS_V4_VAL(remote->ip) &&
	     ip4_addr_get_u32(ip_2_ip4(&remote->ip)) == IPADDR_BROADCAST))
		return -ENETUNREACH;
	*local = socket->inet.local;
	if (ip_addr_isany(&local->ip))
		local->ip = IP_IS_V6_VAL(remote->ip) ? *IP6_ADDR_ANY : *IP4_ADDR_ANY;
	else if (IP_GET_TYPE(&local->ip) != IP_GET_TYPE(&remote->ip))
		return -ENETUNREACH;
	netif = inet_route(&local->ip, &remote->ip);
	if (!netif)
		return -ENETUNREACH;
	if (IP_IS_V6_VAL(remote->ip) && ip6_addr_lacks_zone(ip_2_ip6(&remote->ip), IP6_UNICAST))
		ip6_addr_assign_zone(ip_2_ip6(&remote->ip), IP6_UNICAST, netif);
	if (ip_addr_isany(&local->ip) && !inet_choose_source(netif, &remote->ip, &local->ip))
		return IP_IS_V6_VAL(remote->ip) ? -EADDRNOTAVAIL : -ENETUNREACH;
	return 0;
}

static err_t on_connected(void *argument, struct tcp_pcb *pcb, err_t error)
{
	struct inet_tcp *socket = argument;

	(void)error;
	(void)pcb;
	socket->state = INET_TCP_CONNECTED;
	socket->waits_since = 0;
	inet_tcp_open_window(socket);
	wait_queue_wake(&socket->inet.socket.queue);
	return ERR_OK;
}

/* Send the first packet; from there on lwIP's callbacks say what comes of it. */
static int begin(struct inet_tcp *socket, const struct inet_end *local,
                 const struct inet_end *remote)
{
	struct tcp_pcb *pcb = tcp_new_ip_type(IP_GET_TYPE(&remote->ip));
	err_t error;

	if (!pcb)
		return -ENOBUFS;
	pcb->local_ip = local->ip;
	pcb->local_port = local->port;
	TCP_REG(&tcp_bound_pcbs, pcb); /* where tcp_connect() looks for one that has a port */
	inet_tcp_attach(socket, pcb);
	socket->inet.local = *local;
	socket->inet.remote = *remote;
	socket->state = INET_TCP_CONNECTING;
	socket->is_connect_untold = true;
	socket->waits_since = clock_monotonic();
	error = tcp_connect(pcb, &remote->ip, remote->port, on_connected);
	if (error == ERR_OK)
		return 0;
	inet_tcp_let_go(socket, true);
	inet_tcp_renew(socket);
	return net_errno(error);
}

static int start(struct inet_tcp *socket, const struct socket_address *address)
{
	struct inet_end local, remote;
	int result = find_ends(socket, address, &local, &remote);

	if (!result && !socket->is_listed) {
		local.port = 0;
		result = inet_tcp_take_port(socket, &local) ? -EADDRNOTAVAIL : 0;
		local.port = socket->inet.local.port;
	} else if (!result && inet_tcp_is_connected(&local, &remote)) {
		result = -EADDRNOTAVAIL;
	}
	if (!result)
		result = begin(socket, &local, &remote);
	net_finish();
	return result;
}

/* connect() to AF_UNSPEC: whatever the socket does, it is over. */
static int disconnect(struct inet_tcp *socket)
{
	bool is_reset = socket->state == INET_TCP_CONNECTED;

	if (socket->state == INET_TCP_CONNECTED || socket->state == INET_TCP_CONNECTING)
		socket->inet.socket.error = ECONNRESET;
	inet_tcp_let_go(socket, is_reset);
	inet_tcp_renew(socket);
	net_finish();
	return 0;
}

/* Sleep until it is clear what comes of an attempt. @early: the answer where it takes too long */
static int wait_for_connection(struct inet_tcp *socket, uint32_t flags, int early)
{
	struct socket *base = &socket->inet.socket;
	uint64_t deadline = socket_deadline(base->send_timeout, flags);
	int result;

	/* Linux never has an answer before it looks the second time. */
	if (!deadline && early == -EINPROGRESS)
		return early;
	while (socket->state == INET_TCP_CONNECTING) {
		result = socket_wait(&base->queue, deadline);
		if (result)
			return result == -EAGAIN ? early : result;
	}
	if (socket->state == INET_TCP_CONNECTED) {
		socket->is_connect_untold = false;
		return 0;
	}
	result = socket_take_error(base);
	inet_tcp_renew(socket);
	return result ? result : -ECONNABORTED;
}

int inet_tcp_connect(struct socket *base, const struct socket_address *address, uint32_t flags)
{
	struct inet_tcp *socket = inet_tcp_of(base);
	int result;

	if (address->length < sizeof(address->family))
		return -EINVAL;
	inet_await_address(&socket->inet, address);
	net_enter();
	if (address->family == SOCKET_FAMILY_NONE)
		return disconnect(socket);
	if (socket->is_connect_untold)
		return wait_for_connection(socket, flags, -EALREADY);
	if (socket->state != INET_TCP_IDLE)
		return -EISCONN;
	result = start(socket, address);
	return result ? result : wait_for_connection(socket, flags, -EINPROGRESS);
}

/* ---- listen ---- */

/* A connection is made: it becomes a socket in the listener's queue. */
static err_t on_accept(void *argument, struct tcp_pcb *pcb, err_t error)
{
	struct inet_tcp *listener = argument, *made;
	struct socket *base = &listener->inet.socket;

	if (error != ERR_OK || !pcb)
		return ERR_VAL;
	made = inet_tcp_make(base->family);
	if (!made)
		return ERR_MEM;
	made->inet.options = listener->inet.options;
	made->options = listener->options;
	socket_inherit_all(&made->inet.socket, base);
	made->inet.local = (struct inet_end){pcb->local_ip, pcb->local_port};
	made->inet.remote = (struct inet_end){pcb->remote_ip, pcb->remote_port};
	made->state = INET_TCP_CONNECTED;
	inet_tcp_list(made);
	inet_tcp_attach(made, pcb);
	inet_tcp_open_window(made);
	*(listener->last_pending ? &listener->last_pending->next_pending
	                         : &listener->first_pending) = made;
	listener->last_pending = made;
	listener->pending++;
	wait_queue_wake_for(&base->queue, INET_READABLE);
	return ERR_OK;
}

bool net_tcp_refuses(const struct tcp_pcb *pcb)
{
	const struct inet_tcp *listener = pcb->state == LISTEN ? pcb->callback_arg : NULL;

	return listener && listener->pending > listener->backlog;
}

static int listen_at(struct inet_tcp *socket)
{
	struct tcp_pcb *pcb = tcp_new_ip_type(IP_GET_TYPE(&socket->inet.local.ip)), *listening;
	err_t error;

	if (!pcb)
		return -ENOBUFS;
	pcb->local_ip = socket->inet.local.ip;
	pcb->local_port = socket->inet.local.port;
	TCP_REG(&tcp_bound_pcbs, pcb);
	socket->pcb = pcb;
	inet_tcp_options_apply(socket);
	socket->pcb = NULL;
	listening = tcp_listen_with_backlog_and_err(pcb, LWIP_BACKLOG_MAX, &error);
	if (!listening) {
		tcp_abort(pcb);
		return net_errno(error);
	}
	socket->pcb = listening;
	tcp_arg(listening, socket);
	tcp_accept(listening, on_accept);
	socket->state = INET_TCP_LISTENING;
	socket->closed = 0;
	return 0;
}

int inet_tcp_listen(struct socket *base, unsigned backlog)
{
	struct inet_tcp *socket = inet_tcp_of(base);
	int result = 0;

	if (socket->state != INET_TCP_IDLE && socket->state != INET_TCP_LISTENING)
		return -EINVAL;
	net_enter();
	if (socket->state == INET_TCP_IDLE) {
		if (!socket->is_listed)
			result = inet_tcp_take_port(socket,
			                            &(struct inet_end){socket->inet.local.ip, 0});
		else if (!inet_tcp_may_listen(socket))
			result = -EADDRINUSE;
		if (!result)
			result = listen_at(socket);
	}
	if (!result)
		socket->backlog = backlog;
	net_finish();
	wait_queue_wake(&base->queue);
	return result;
}

/* ---- accept ---- */

int inet_tcp_accept(struct socket *base, uint32_t flags, struct socket **accepted)
{
	struct inet_tcp *socket = inet_tcp_of(base), *made;
	uint64_t deadline = socket_deadline(base->receive_timeout, flags);

	for (;;) {
		int result;

		if (socket->state != INET_TCP_LISTENING)
			return -EINVAL;
		if (socket->first_pending)
			break;
		result = socket_wait(&base->queue, deadline);
		if (result)
			return result;
	}
	made = socket->first_pending;
	socket->first_pending = made->next_pending;
	if (!socket->first_pending)
		socket->last_pending = NULL;
	socket->pending--;
	made->next_pending = NULL;
	*accepted = &made->inet.socket;
	return 0;
}

void inet_tcp_drop_pending(struct inet_tcp *listener)
{
	struct inet_tcp *made;

	while ((made = listener->first_pending)) {
		listener->first_pending = made->next_pending;
		listener->pending--;
		inet_tcp_let_go(made, true);
		inet_tcp_unlist(made);
		inet_tcp_drop_received(made);
		inode_put(&made->inet.socket.inode);
	}
	listener->last_pending = NULL;
}
