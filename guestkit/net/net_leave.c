/* SPDX-License-Identifier: Apache-2.0 */
/* Connections at the end of the process. */
#include "guestkit/net/net_leave.h"

#include "guestkit/net/net.h"
#include "lwip/ip_addr.h"
#include "lwip/priv/tcp_priv.h"

/* Until the end of our data has been acknowledged. */
static bool is_sending(const struct tcp_pcb *pcb)
{
	return pcb->unsent || pcb->unacked || pcb->state == FIN_WAIT_1 || pcb->state == CLOSING ||
	       pcb->state == LAST_ACK;
}

/* Connections within the guest end with it. */
static bool is_outside(const struct tcp_pcb *pcb)
{
	return !ip_addr_isloopback(&pcb->remote_ip);
}

bool net_is_sending(void)
{
	for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
		if (is_outside(pcb) && is_sending(pcb))
			return true;
	return false;
}

/* Not those that wait for the other side's end only: it need not know. */
static struct tcp_pcb *find_to_abort(void)
{
	struct tcp_pcb *pcb = tcp_active_pcbs;

	while (pcb && (!is_outside(pcb) || pcb->state == FIN_WAIT_2))
		pcb = pcb->next;
	return pcb;
}

void net_abort_all(void)
{
	struct tcp_pcb *pcb = find_to_abort();

	if (!pcb)
		return;
	net_enter();
	for (; pcb; pcb = find_to_abort())
		tcp_abort(pcb);
	net_finish();
}
