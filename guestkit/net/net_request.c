/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests for programs that serve a port themselves: a client in the kit, over the loopback
 * interface.
 *
 * The program was started from a snapshot that was taken where it waited for a connection. Here it
 * gets one, from this machine; what it answers until it closes that goes to the VMM, which then
 * puts the guest back: nothing of this is ever undone.
 */
#include "guestkit/function.h"
#include "guestkit/hypercall.h"
#include "guestkit/memory.h"
#include "guestkit/net/net.h"
#include "guestkit/string.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"

KIT_LARGE _Alignas(PAGE_SIZE) unsigned char function_buffer[MOTE_FUNCTION_BUFFER];

/* Of the one request that a start has. */
static struct {
	uint64_t size, given; /* of what lies in the buffer: sent to the program */
	int has_more;
	uint64_t taken; /* of its answer: in the buffer, behind a request that is sent */
} request;

void function_offer_buffer(void)
{
	((volatile struct mote_run *)MOTE_RUN_VA)->function_buffer = kit_physical(function_buffer);
}

/* ---- to the program ---- */

static void give(struct tcp_pcb *pcb)
{
	while (request.given < request.size) {
		uint64_t left = request.size - request.given, room = tcp_sndbuf(pcb);
		uint16_t part = (uint16_t)(left < 0x8000 ? left : 0x8000);

		if (room < part)
			part = (uint16_t)room;
		if (!part || tcp_write(pcb, function_buffer + request.given, part,
		                       TCP_WRITE_FLAG_COPY) != ERR_OK)
			break; /* sent() goes on */
		request.given += part;
		if (request.given == request.size && request.has_more) {
			int64_t size = hypercall(MOTE_HC_serve, MOTE_FUNCTION_BODY,
			                         kit_physical(function_buffer), 0);

			request.has_more = size > 0;
			request.size =
			        size > 0 && size <= MOTE_FUNCTION_BUFFER ? (uint64_t)size : 0;
			request.given = 0;
		}
	}
	tcp_output(pcb);
}

static err_t connected(void *argument, struct tcp_pcb *pcb, err_t error)
{
	(void)argument, (void)error;
	give(pcb);
	return ERR_OK;
}

static err_t sent(void *argument, struct tcp_pcb *pcb, u16_t length)
{
	(void)argument, (void)length;
	give(pcb);
	return ERR_OK;
}

/* ---- from the program ---- */

static void pass_on(enum mote_function_operation operation)
{
	hypercall_turn(MOTE_HC_serve, operation, kit_physical(function_buffer), request.taken);
	request.taken = 0;
}

/* An answer may begin before the request is sent whole: then what is left of that is dropped, as by
 * a client that has its answer. */
static void take(const struct pbuf *data)
{
	request.given = request.size;
	for (; data; data = data->next) {
		const unsigned char *from = data->payload;
		uint64_t left = data->len;

		while (left) {
			uint64_t room = sizeof function_buffer - request.taken;
			uint64_t part = left < room ? left : room;

			memcpy(function_buffer + request.taken, from, part);
			request.taken += part;
			from += part;
			left -= part;
			if (request.taken == sizeof function_buffer)
				pass_on(MOTE_FUNCTION_MORE);
		}
	}
}

static err_t received(void *argument, struct tcp_pcb *pcb, struct pbuf *data, err_t error)
{
	(void)argument, (void)error;
	if (!data) {
		pass_on(MOTE_FUNCTION_NEXT); /* from which there is no way back */
		return ERR_OK;
	}
	take(data);
	tcp_recved(pcb, data->tot_len);
	pbuf_free(data);
	return ERR_OK;
}

/* The program has reset the connection: what there is is the answer. */
static void failed(void *argument, err_t error)
{
	(void)argument, (void)error;
	pass_on(MOTE_FUNCTION_NEXT);
}

/* ---- the connection ---- */

/* The port that is served: the lowest, where there are several. */
static const struct tcp_pcb_listen *find_listener(void)
{
	const struct tcp_pcb_listen *best = NULL;

	for (const struct tcp_pcb_listen *at = tcp_listen_pcbs.listen_pcbs; at; at = at->next)
		if (!best || at->local_port < best->local_port)
			best = at;
	return best;
}

/* Where a socket that listens on @bound can be reached from here. */
static ip_addr_t reachable(const ip_addr_t *bound)
{
	ip_addr_t address;

	if (!ip_addr_isany(bound))
		return *bound;
	if (IP_IS_V6(bound) && !IP_IS_ANY_TYPE_VAL(*bound))
		IP_ADDR6(&address, 0, 0, 0, PP_HTONL(1));
	else
		IP_ADDR4(&address, 127, 0, 0, 1);
	return address;
}

void net_request_begin(uint64_t size, int has_more)
{
	const struct tcp_pcb_listen *listener;
	struct tcp_pcb *pcb;
	ip_addr_t address;

	request.size = size <= sizeof function_buffer ? size : 0;
	request.has_more = has_more;
	net_enter();
	listener = find_listener();
	pcb = listener ? tcp_new() : NULL;
	if (!pcb) {
		pass_on(MOTE_FUNCTION_NEXT); /* an answer of no bytes */
		return;
	}
	address = reachable(&listener->local_ip);
	tcp_recv(pcb, received);
	tcp_sent(pcb, sent);
	tcp_err(pcb, failed);
	tcp_nagle_disable(pcb);
	if (tcp_connect(pcb, &address, listener->local_port, connected) != ERR_OK)
		pass_on(MOTE_FUNCTION_NEXT);
	net_finish();
}
