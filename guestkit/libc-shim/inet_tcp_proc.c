/* SPDX-License-Identifier: Apache-2.0 */
/* TCP sockets as /proc/net has them; addresses of sockets of any protocol. */
#include "guestkit/libc-shim/inet_tcp.h"
#include "guestkit/libc-shim/interface.h"
#include "guestkit/libc-shim/proc_net.h"
#include "guestkit/string.h"
#include "lwip/priv/tcp_priv.h"

typedef void (*visit_function)(const struct proc_net_socket *socket, void *context);

/* Linux's numbers of states, by lwIP's. */
static const uint8_t states[] = {
        [CLOSED] = 7,      [LISTEN] = 10,    [SYN_SENT] = 2,   [SYN_RCVD] = 3,
        [ESTABLISHED] = 1, [FIN_WAIT_1] = 4, [FIN_WAIT_2] = 5, [CLOSE_WAIT] = 8,
        [CLOSING] = 11,    [LAST_ACK] = 9,   [TIME_WAIT] = 6,
};

void proc_net_address(unsigned char *to, const ip_addr_t *ip, bool is_ipv6)
{
	const struct inet_end end = {*ip, 0};
	struct socket_address name;

	inet_end_tell(is_ipv6 ? SOCKET_FAMILY_INET6 : SOCKET_FAMILY_INET, &end, &name);
	memcpy(to, name.bytes + (is_ipv6 ? 8 : 4), interface_address_size(is_ipv6));
}

static void visit_socket(const struct inet_tcp *socket, visit_function visit, void *context)
{
	const struct inet_socket *inet = &socket->inet;
	bool is_listening = socket->state == INET_TCP_LISTENING;
	struct proc_net_socket told = {
	        .is_ipv6 = inet->socket.family == SOCKET_FAMILY_INET6,
	        .state = states[is_listening  ? LISTEN
	                        : socket->pcb ? socket->pcb->state
	                                      : CLOSED],
	        .local_port = inet->local.port,
	        .unsent = is_listening ? 0 : (uint32_t)inet_tcp_unacknowledged(socket),
	        .unread = is_listening ? socket->pending : (uint32_t)socket->received,
	        .uid = inet->socket.inode.uid,
	        .inode = inet->socket.inode.number,
	};

	proc_net_address(told.local, &inet->local.ip, told.is_ipv6);
	if (!is_listening && inet->remote.port) {
		told.remote_port = inet->remote.port;
		proc_net_address(told.remote, &inet->remote.ip, told.is_ipv6);
	}
	visit(&told, context);
}

/* Connections that lwIP ends by itself. */
static void visit_rest(const struct tcp_pcb *pcb, visit_function visit, void *context)
{
	for (; pcb; pcb = pcb->next) {
		struct proc_net_socket told = {
		        .is_ipv6 = IP_IS_V6_VAL(pcb->local_ip),
		        .state = states[pcb->state],
		        .local_port = pcb->local_port,
		        .remote_port = pcb->remote_port,
		};

		if (pcb->callback_arg)
			continue;
		proc_net_address(told.local, &pcb->local_ip, told.is_ipv6);
		proc_net_address(told.remote, &pcb->remote_ip, told.is_ipv6);
		visit(&told, context);
	}
}

void inet_tcp_visit(visit_function visit, void *context)
{
	for (const struct inet_tcp *at = NULL; (at = inet_tcp_next(at));)
		visit_socket(at, visit, context);
	visit_rest(tcp_active_pcbs, visit, context);
	visit_rest(tcp_tw_pcbs, visit, context);
}
