/* SPDX-License-Identifier: Apache-2.0 */
/* TCP connections and snapshots. See inet_tcp_cut.h. */
#include "guestkit/libc-shim/inet_tcp_cut.h"

#include <linux/errno.h>

#include "guestkit/console.h"
#include "guestkit/libc-shim/inet_tcp.h"
#include "lwip/priv/tcp_priv.h"

#define LINE_MAX 192

struct end_text {
	char text[IPADDR_STRLEN_MAX + 8];
};

static struct end_text end_text(const ip_addr_t *ip, uint16_t port)
{
	char address[IPADDR_STRLEN_MAX];
	struct end_text end = {""};

	ipaddr_ntoa_r(ip, address, sizeof(address));
	kit_format(end.text, sizeof(end.text), IP_IS_V6(ip) ? "[%s]:%u" : "%s:%u", address, port);
	return end;
}

static void name(void (*put)(const char *line), const char *what, const struct inet_end *local,
                 const struct inet_end *remote)
{
	char line[LINE_MAX];

	kit_format(line, sizeof(line), "%s of %s with %s", what,
	           end_text(&local->ip, local->port).text,
	           end_text(&remote->ip, remote->port).text);
	put(line);
}

static bool is_outside(const struct inet_tcp *socket)
{
	return (socket->state == INET_TCP_CONNECTED || socket->state == INET_TCP_CONNECTING) &&
	       socket->pcb && !ip_addr_isloopback(&socket->inet.remote.ip);
}

static bool has_data(const struct tcp_seg *segments)
{
	for (; segments; segments = segments->next)
		if (segments->len)
			return true;
	return false;
}

/* A connection that lwIP ends by itself: nobody has it any more. */
static bool is_rest(const struct tcp_pcb *pcb)
{
	return !pcb->callback_arg && !ip_addr_isloopback(&pcb->remote_ip);
}

void inet_tcp_name_connections(void (*put)(const char *line))
{
	for (const struct inet_tcp *at = NULL; (at = inet_tcp_next(at));)
		if (is_outside(at))
			name(put, "the TCP connection", &at->inet.local, &at->inet.remote);
	for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
		const struct inet_end local = {pcb->local_ip, pcb->local_port};
		const struct inet_end remote = {pcb->remote_ip, pcb->remote_port};

		if (is_rest(pcb) && (has_data(pcb->unsent) || has_data(pcb->unacked)))
			name(put, "data of the closed TCP connection", &local, &remote);
	}
}

/* ---- cutting ---- */

static struct inet_tcp *find_outside(void)
{
	const struct inet_tcp *at = NULL;

	while ((at = inet_tcp_next(at)) && !is_outside(at))
		;
	return (struct inet_tcp *)(uintptr_t)at;
}

/* In silence: without a control block there is nobody to send a RST. */
static void abandon(struct inet_tcp *socket)
{
	struct tcp_pcb *pcb = socket->pcb;

	inet_tcp_end(socket, ECONNRESET);
	tcp_abandon(pcb, 0);
}

static struct tcp_pcb *find_rest(void)
{
	struct tcp_pcb *pcb = tcp_active_pcbs;

	while (pcb && !is_rest(pcb))
		pcb = pcb->next;
	return pcb;
}

void inet_tcp_cut(bool is_told)
{
	struct inet_tcp *socket;
	struct tcp_pcb *rest;

	if (!net_devices)
		return;
	net_enter();
	while ((socket = find_outside())) {
		if (!is_told) {
			abandon(socket);
			continue;
		}
		inet_tcp_let_go(socket, true);
		inet_tcp_end(socket, ECONNRESET);
	}
	while ((rest = find_rest()))
		tcp_abandon(rest, is_told);
	net_finish();
}
