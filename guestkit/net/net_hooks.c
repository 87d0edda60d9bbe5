/* SPDX-License-Identifier: Apache-2.0 */
/* What lwIP asks before it looks at a TCP segment. */
#include "guestkit/net/net_hooks.h"

#include "guestkit/net/net.h"
#include "lwip/ip.h"
#include "lwip/priv/tcp_priv.h"

#define SEGMENT_FLAGS (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)
#define NUMBERS_NEAR  0x7fe00000 /* half of all, less than that by a window and a segment */
#define WINDOW_FIRST  0xffff     /* the most that a segment with SYN announces */

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

static bool is_near(uint32_t number, uint32_t expected)
{
	int32_t ahead = (int32_t)(number - expected);

	return ahead > -NUMBERS_NEAR && ahead < NUMBERS_NEAR;
}

/* The other side's last segment waits for some before it. */
static bool is_end_early(const struct tcp_pcb *pcb)
{
	const struct tcp_seg *segment = pcb->ooseq;

	while (segment && !(TCPH_FLAGS(segment->tcphdr) & TCP_FIN))
		segment = segment->next;
	return segment;
}

/*
 * A segment that no honest side sends and over which lwIP might fail an assertion. A number 2^31
 * away is before and behind another at once. An early segment is kept whole, though the window may
 * end inside it, and is more than the window when its turn comes; one that comes in turn is cut. An
 * early FIN moves to the end of data that overlaps it, and is one too many if the window ends
 * there, too.
 */
static bool is_untenable(const struct tcp_pcb *pcb, const struct tcp_hdr *header,
                         const struct pbuf *packet)
{
	unsigned flags = TCPH_FLAGS(header), length = packet->tot_len;
	int32_t ahead, end, window;

	if (pcb->state < SYN_RCVD || pcb->state == TIME_WAIT || flags & TCP_RST)
		return false;
	if (flags & TCP_SYN) /* any other is answered and goes no further */
		return pcb->state == SYN_RCVD && flags & TCP_ACK;
	if (!is_near(header->seqno, pcb->rcv_nxt) ||
	    (flags & TCP_ACK && !is_near(header->ackno, pcb->lastack)))
		return true;
	ahead = (int32_t)(header->seqno - pcb->rcv_nxt);
	end = ahead + (int32_t)length;
	window = (int32_t)pcb->rcv_wnd;
	if (pcb->state == SYN_RCVD) /* it may be narrowed once it is there */
		window = LWIP_MIN(window, WINDOW_FIRST);
	if (ahead > 0 && ahead < window && end + !!(flags & TCP_FIN) > window)
		return true;
	return length && end >= window && is_end_early(pcb);
}

signed char net_tcp_input_hook(struct tcp_pcb *pcb, struct tcp_hdr *header, const void *options2,
                               struct pbuf *packet)
{
	if (replaces(pcb, header) && !options2) {
		tcp_abort(pcb); /* which only forgets one in this state */
		input_again(header, packet);
		return ERR_BUF;
	}
	return is_untenable(pcb, header, packet) || net_tcp_refuses(pcb) ? ERR_BUF : ERR_OK;
}
