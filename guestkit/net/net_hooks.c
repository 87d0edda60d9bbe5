/* SPDX-License-Identifier: Apache-2.0 */
/* What lwIP asks before it looks at a TCP segment. */
#include "guestkit/net/net_hooks.h"

#include "guestkit/net/net.h"
#include "lwip/ip.h"
#include "lwip/priv/tcp_priv.h"

#define SEGMENT_FLAGS (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)

/* Turn a segment that tcp_input() has begun with into what it was, and let it begin anew. */
static void input_again(struct tcp_hdr *header, struct pbuf *packet)
{
	unsigned length = TCPH_HDRLEN_BYTES(header);

	header->src = lwip_htons(header->src);
	header->dest = lwip_htons(header->dest);
	header->seqno = lwip_htonl(header->seqno);
	header->ackno = lwip_htonl(header->ackno);
	header->wnd = lwip_htons(header->wnd);
	pbuf_header_force(packet, (s16_t)length);
	pbuf_ref(packet); /* both calls free it */
	tcp_input(packet, ip_current_input_netif());
}

/*
 * A new connection between the ends of one that waits in TIME_WAIT: lwIP would have it wait, too.
 * It may begin, as on Linux, if its numbers lie behind all that the old one could still bring.
 */
static bool replaces(const struct tcp_pcb *old, const struct tcp_hdr *header)
{
	return old->state == TIME_WAIT && (TCPH_FLAGS(header) & SEGMENT_FLAGS) == TCP_SYN &&
	       TCP_SEQ_GT(header->seqno, old->rcv_nxt);
}

signed char net_tcp_input_hook(struct tcp_pcb *pcb, struct tcp_hdr *header, const void *options2,
                               struct pbuf *packet)
{
	if (replaces(pcb, header) && !options2) {
		tcp_abort(pcb); /* which only forgets one in this state */
		input_again(header, packet);
		return ERR_BUF;
	}
	return net_tcp_refuses(pcb) ? ERR_BUF : ERR_OK;
}
