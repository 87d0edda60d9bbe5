/* SPDX-License-Identifier: Apache-2.0 */
/* TCP sockets: making, closing, what lwIP calls back, and what poll and ioctl say. See inet_tcp.h.
 */
#include "guestkit/libc-shim/inet_tcp.h"

#include <asm/ioctls.h>
#include <asm/socket.h>
#include <linux/errno.h>
#include <linux/sockios.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/time_value.h"
#include "guestkit/memory.h"
#include "guestkit/user.h"
#include "lwip/etharp.h"
#include "lwip/priv/tcp_priv.h"

#define NS_PER_MS     1000000ull
#define NS_PER_SECOND 1000000000ull
#define ARP_NS        (3 * NS_PER_SECOND) /* that a machine of the link has to say where it is */
#define FIRST_RTO_MS  1000u               /* RFC 6298, 2.1 */
#define SEND_LIMIT    16384u /* net.ipv4.tcp_wmem: told, and outgrown, where nothing else is said */
#define RECEIVE_LIMIT 131072u /* net.ipv4.tcp_rmem */

static const struct socket_ops ops;

/* ---- what lwIP calls ---- */

static err_t on_receive(void *argument, struct tcp_pcb *pcb, struct pbuf *data, err_t error)
{
	struct inet_tcp *socket = argument;

	(void)error;
	if (data) {
		/* There is nothing to be saved by waiting for an answer to go with. */
		if (ip_current_input_netif() == net_loopback)
			tcp_ack_now(pcb);
		inet_tcp_queue(socket, data);
		wait_queue_wake_for(&socket->inet.socket.queue, INET_READABLE);
		return ERR_OK;
	}
	socket->closed |= SOCKET_CLOSED_READ;
	/* Both directions are closed: the block is on its way to TIME_WAIT, and its end is not
	 * told. */
	if (pcb->state == CLOSING || pcb->state == TIME_WAIT)
		inet_tcp_end(socket, 0);
	wait_queue_wake(&socket->inet.socket.queue);
	return ERR_OK;
}

static err_t on_sent(void *argument, struct tcp_pcb *pcb, u16_t length)
{
	struct inet_tcp *socket = argument;

	(void)length;
	socket->waits_since = pcb->unacked || pcb->unsent ? clock_monotonic() : 0;
	if (inet_tcp_is_writable(socket))
		wait_queue_wake_for(&socket->inet.socket.queue, INET_WRITABLE);
	return ERR_OK;
}

/* Has nobody on the link answered for the machine that packets for the other side go to? */
static bool is_nobody_there(const struct tcp_pcb *pcb)
{
	struct netif *netif = inet_route(&pcb->local_ip, &pcb->remote_ip);
	const ip4_addr_t *hop = ip_2_ip4(&pcb->remote_ip), *found_ip;
	struct eth_addr *found;

	if (!IP_IS_V4_VAL(pcb->remote_ip) || !net_device_of(netif))
		return false;
	if (!ip4_addr_netcmp(hop, netif_ip4_addr(netif), netif_ip4_netmask(netif)))
		hop = netif_ip4_gw(netif);
	return etharp_find_addr(netif, hop, &found, &found_ip) < 0;
}

/*
 * While the timers run: give up a connection that has had no answer for TCP_USER_TIMEOUT, or whose
 * first packets do not even leave, and let each wait for an answer to one of these be twice the one
 * before, which lwIP does for others.
 */
static err_t on_poll(void *argument, struct tcp_pcb *pcb)
{
	struct inet_tcp *socket = argument;
	uint64_t limit, waited;
	int error = 0;

	if (pcb->state == SYN_SENT)
		pcb->rto = (s16_t)((FIRST_RTO_MS << pcb->nrtx) / TCP_SLOW_INTERVAL);
	if (!socket || !socket->waits_since)
		return ERR_OK;
	limit = socket->options.user_timeout * NS_PER_MS;
	waited = clock_monotonic() - socket->waits_since;
	if (limit && waited >= limit)
		error = ETIMEDOUT;
	else if (pcb->state == SYN_SENT && waited >= ARP_NS && is_nobody_there(pcb))
		error = EHOSTUNREACH;
	if (!error)
		return ERR_OK;
	inet_tcp_let_go(socket, pcb->state != SYN_SENT);
	inet_tcp_end(socket, error);
	return ERR_ABRT;
}

/* The control block is gone already. */
static void on_error(void *argument, err_t error)
{
	struct inet_tcp *socket = argument;
	int told = 0;

	socket->pcb = NULL;
	if (error == ERR_RST)
		told = socket->state == INET_TCP_CONNECTING  ? ECONNREFUSED
		       : socket->closed & SOCKET_CLOSED_READ ? EPIPE
		                                             : ECONNRESET;
	else if (error != ERR_CLSD)
		told = ETIMEDOUT;
	inet_tcp_end(socket, told);
}

void inet_tcp_fail(const struct inet_end *from, const struct inet_end *to, uint32_t number,
                   int error)
{
	struct inet_tcp *socket = inet_tcp_find_connecting(from, to);

	if (!socket || !socket->pcb || number != socket->pcb->lastack)
		return;
	inet_tcp_let_go(socket, false);
	inet_tcp_end(socket, error);
}

/* ---- making ---- */

struct inet_tcp *inet_tcp_make(unsigned family)
{
	struct inet_tcp *socket = heap_alloc(sizeof(*socket));

	if (!socket)
		return NULL;
	inet_init(&socket->inet, &ops, family, SOCKET_STREAM, INET_TCP);
	socket->inet.socket.send_limit = SEND_LIMIT;
	socket->inet.socket.receive_limit = RECEIVE_LIMIT;
	inet_tcp_options_init(&socket->options);
	return socket;
}

int inet_tcp_create(unsigned family, struct inet_socket **made)
{
	struct inet_tcp *socket = inet_tcp_make(family);

	if (!socket)
		return -ENOBUFS;
	if (net_devices)
		inet_error_start();
	*made = &socket->inet;
	return 0;
}

void inet_tcp_attach(struct inet_tcp *socket, struct tcp_pcb *pcb)
{
	socket->pcb = pcb;
	tcp_arg(pcb, socket);
	tcp_recv(pcb, on_receive);
	tcp_sent(pcb, on_sent);
	tcp_err(pcb, on_error);
	tcp_poll(pcb, on_poll, 1);
	if (pcb->state < ESTABLISHED)
		pcb->rto = pcb->sv = FIRST_RTO_MS / TCP_SLOW_INTERVAL;
	inet_tcp_options_apply(socket);
}

/* ---- ending ---- */

/* The control block no longer knows of the socket. */
static struct tcp_pcb *detach(struct inet_tcp *socket)
{
	struct tcp_pcb *pcb = socket->pcb;

	socket->pcb = NULL;
	if (!pcb)
		return NULL;
	tcp_arg(pcb, NULL);
	if (pcb->state == LISTEN)
		return pcb;
	tcp_recv(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_err(pcb, NULL);
	tcp_poll(pcb, NULL, 0);
	/* For those who want the port while it is still in use. */
	pcb->so_options &= (u8_t)~SOF_REUSEADDR;
	if (socket_has_option(&socket->inet.socket, SO_REUSEADDR))
		pcb->so_options |= SOF_REUSEADDR;
	return pcb;
}

void inet_tcp_let_go(struct inet_tcp *socket, bool is_reset)
{
	struct tcp_pcb *pcb = detach(socket);

	if (!pcb)
		return;
	if (is_reset && pcb->state != LISTEN) {
		tcp_abort(pcb);
		return;
	}
	/* Else lwIP takes a window that is not full for data that were not read. */
	if (pcb->state != LISTEN)
		pcb->rcv_wnd = TCP_WND_MAX(pcb);
	tcp_close(pcb);
}

void inet_tcp_end(struct inet_tcp *socket, int error)
{
	detach(socket);
	socket->state = INET_TCP_ENDED;
	socket->closed = SOCKET_CLOSED_BOTH;
	socket->waits_since = 0;
	if (error)
		socket->inet.socket.error = error;
	if (!socket->inet.has_bound_port)
		inet_tcp_unlist(socket);
	wait_queue_wake(&socket->inet.socket.queue);
}

void inet_tcp_renew(struct inet_tcp *socket)
{
	inet_tcp_drop_pending(socket);
	inet_tcp_drop_received(socket);
	socket->state = INET_TCP_IDLE;
	socket->closed = 0;
	socket->is_connect_untold = false;
	socket->withheld = 0;
	socket->inet.remote = (struct inet_end){0};
	if (!socket->inet.has_bound_ip)
		socket->inet.local.ip = inet_any(&socket->inet);
	if (!socket->inet.has_bound_port) /* told all the same, as on Linux */
		inet_tcp_unlist(socket);
	wait_queue_wake(&socket->inet.socket.queue);
}

/* Has lwIP to send, or to hear that it has arrived, what was given to it? */
static bool is_under_way(const struct tcp_pcb *pcb)
{
	return pcb->state != SYN_SENT && (pcb->unsent || pcb->unacked);
}

/* SO_LINGER: the end waits until all that was sent has arrived, or for some seconds. */
static void linger(struct inet_tcp *socket)
{
	const struct socket *base = &socket->inet.socket;
	uint64_t deadline = time_deadline_after((uint64_t)base->linger[1] * NS_PER_SECOND);

	if (!(socket->closed & SOCKET_CLOSED_WRITE))
		tcp_shutdown(socket->pcb, 0, 1);
	socket->closed |= SOCKET_CLOSED_WRITE;
	net_finish();
	while (socket->pcb && is_under_way(socket->pcb))
		if (socket_wait(&socket->inet.socket.queue, deadline))
			break;
	net_enter();
}

/* A connection ends as its program has left it: in order, or with a RST where something is unread.
 */
static void close_connection(struct inet_tcp *socket)
{
	const struct socket *base = &socket->inet.socket;
	bool is_connected = socket->state == INET_TCP_CONNECTED && socket->pcb;
	bool is_reset = socket->received || (base->linger[0] && !base->linger[1]);

	if (is_connected && !is_reset && base->linger[0] > 0 && base->linger[1] > 0)
		linger(socket);
	inet_tcp_let_go(socket, is_reset && is_connected);
}

static void close_socket(struct socket *base)
{
	struct inet_tcp *socket = inet_tcp_of(base);

	net_enter();
	if (socket->state == INET_TCP_LISTENING)
		inet_tcp_drop_pending(socket);
	close_connection(socket);
	inet_tcp_unlist(socket);
	inet_tcp_drop_received(socket);
	inet_tcp_limit_waiting();
	socket->state = INET_TCP_ENDED;
	net_finish();
}

static void release(struct socket *base)
{
	(void)base;
}

/* ---- shutdown ---- */

static int shut_down(struct socket *base, unsigned ends)
{
	struct inet_tcp *socket = inet_tcp_of(base);
	int result = 0;

	net_enter();
	switch (socket->state) {
	case INET_TCP_LISTENING:
		if (!(ends & SOCKET_CLOSED_READ))
			break;
		inet_tcp_let_go(socket, false);
		inet_tcp_renew(socket);
		break;
	case INET_TCP_CONNECTING:
		inet_tcp_let_go(socket, false);
		inet_tcp_renew(socket);
		break;
	case INET_TCP_CONNECTED:
		if (ends & SOCKET_CLOSED_WRITE && !(socket->closed & SOCKET_CLOSED_WRITE))
			tcp_shutdown(socket->pcb, 0, 1);
		socket->closed |= ends;
		break;
	default: socket->closed |= ends; result = -ENOTCONN;
	}
	net_finish();
	wait_queue_wake(&base->queue);
	return result;
}

/* ---- the rest ---- */

static int get_name(const struct socket *base, bool peer, struct socket_address *address)
{
	const struct inet_tcp *socket = (const struct inet_tcp *)base;

	if (peer && socket->state != INET_TCP_CONNECTED)
		return -ENOTCONN;
	inet_tell_name(&socket->inet, peer ? &socket->inet.remote : &socket->inet.local, address);
	return 0;
}

static bool is_listening(const struct socket *base)
{
	return ((const struct inet_tcp *)base)->state == INET_TCP_LISTENING;
}

static void get_peer(const struct socket *base, struct socket_credentials *peer)
{
	(void)base;
	*peer = (struct socket_credentials){0, UINT32_MAX, UINT32_MAX};
}

static struct poll_state poll(struct socket *base)
{
	struct inet_tcp *socket = inet_tcp_of(base);
	bool reads_end = socket->closed & SOCKET_CLOSED_READ;

	if (socket->state == INET_TCP_LISTENING)
		return (struct poll_state){.readable = socket->first_pending, .error = base->error};
	return (struct poll_state){
	        .readable = reads_end || socket->received >= (size_t)base->receive_low,
	        .writable = socket->state != INET_TCP_CONNECTING && inet_tcp_is_writable(socket),
	        .hung_up = socket->closed == SOCKET_CLOSED_BOTH || socket->state == INET_TCP_IDLE ||
	                   socket->state == INET_TCP_ENDED,
	        .error = base->error,
	        .read_closed = reads_end,
	};
}

static int64_t ioctl(struct socket *base, unsigned request, uint64_t argument)
{
	const struct inet_tcp *socket = inet_tcp_of(base);
	int value;

	switch (request) {
	case FIONREAD: value = (int)socket->received; break;
	case SIOCATMARK: value = 0; break; /* nothing is ever out of band */
	case TIOCOUTQ: value = (int)inet_tcp_unacknowledged(socket); break;
	case SIOCOUTQNSD: value = (int)inet_tcp_unsent(socket); break;
	default: return -ENOTTY;
	}
	if (socket->state == INET_TCP_LISTENING && request != SIOCATMARK)
		return -EINVAL;
	return user_write(argument, &value, sizeof(value));
}

static const struct socket_ops ops = {
        .bind = inet_tcp_bind,
        .listen = inet_tcp_listen,
        .accept = inet_tcp_accept,
        .connect = inet_tcp_connect,
        .shutdown = shut_down,
        .get_name = get_name,
        .send = inet_tcp_send,
        .receive = inet_tcp_receive,
        .poll = poll,
        .ioctl = ioctl,
        .set_option = inet_tcp_set_option,
        .get_option = inet_tcp_get_option,
        .option_changed = inet_tcp_option_changed,
        .is_listening = is_listening,
        .get_peer = get_peer,
        .close = close_socket,
        .release = release,
};
