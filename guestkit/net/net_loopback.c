/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loopback interface, and the way back of packets that are for this machine.
 *
 * What is sent here is queued and fed in when the call into lwIP is over, since lwIP cannot be
 * entered twice. Small packets are copied. Of a large one only the headers are, which the receiver
 * writes to; the rest is referenced, so that a stream's bytes are in memory once, on both ends.
 */
#include "guestkit/memory.h"
#include "guestkit/net/net.h"
#include "guestkit/net/net_port.h"
#include "guestkit/string.h"
#include "lwip/ip.h"
#include "lwip/ip4.h"
#include "lwip/ip6.h"
#include "lwip/mem.h"
#include "lwip/prot/ip4.h"

#define LOOPBACK_MTU  65535 /* what IP can carry, and lwIP count */
#define QUEUE_LENGTH  1024  /* a power of two */
#define COPY_MAX      1024  /* packets up to this are copied whole */
#define HEADER_MAX    128   /* IP and TCP headers with options fit */
#define LOOPBACK_NET  127
#define LOOPBACK_MASK 0xff000000u

/* A packet that is referenced: its headers, and a pbuf for each piece of the rest. */
struct shared_packet {
	struct pbuf *original; /* referenced */
	unsigned references;   /* pbufs below that are not free yet */
	struct shared_piece {
		struct pbuf_custom custom; /* first: the two are converted into each other */
		struct shared_packet *packet;
	} header, pieces[];
};

static struct netif loopback;
struct netif *net_loopback = &loopback;
struct net_counters net_loopback_counters;

static KIT_LARGE struct pbuf *queue[QUEUE_LENGTH];
static unsigned queue_first, queue_end; /* modulo QUEUE_LENGTH */

/* ---- queueing ---- */

static void free_piece(struct pbuf *buffer)
{
	struct shared_packet *packet = ((struct shared_piece *)buffer)->packet;

	if (--packet->references)
		return;
	pbuf_free(packet->original);
	mem_free(packet);
}

static struct pbuf *make_piece(struct shared_packet *packet, struct shared_piece *piece,
                               void *bytes, uint16_t length)
{
	piece->packet = packet;
	piece->custom.custom_free_function = free_piece;
	packet->references++;
	return pbuf_alloced_custom(PBUF_RAW, length, PBUF_REF, &piece->custom, bytes, length);
}

/* A packet with headers of its own and the bytes of @original, or NULL. */
static struct pbuf *share(struct pbuf *original)
{
	unsigned count = 0, skip = HEADER_MAX;
	size_t size =
	        sizeof(struct shared_packet) + pbuf_clen(original) * sizeof(struct shared_piece);
	struct shared_packet *packet = mem_malloc(size + HEADER_MAX);
	unsigned char *header;
	struct pbuf *first;

	if (!packet)
		return NULL;
	header = (unsigned char *)packet + size;
	packet->references = 0;
	packet->original = original;
	pbuf_ref(original);
	pbuf_copy_partial(original, header, HEADER_MAX, 0);
	first = make_piece(packet, &packet->header, header, HEADER_MAX);
	for (struct pbuf *part = original; part; part = part->next) {
		if (part->len > skip) {
			pbuf_cat(first, make_piece(packet, &packet->pieces[count],
			                           (unsigned char *)part->payload + skip,
			                           (uint16_t)(part->len - skip)));
			count++;
		}
		skip -= part->len < skip ? part->len : skip;
	}
	return first;
}

static struct pbuf *copy(const struct pbuf *original)
{
	struct pbuf *packet = pbuf_alloc(PBUF_RAW, original->tot_len, PBUF_RAM);

	if (packet)
		pbuf_copy_partial(original, packet->payload, original->tot_len, 0);
	return packet;
}

int8_t net_loopback_send(struct pbuf *original)
{
	struct pbuf *packet;

	if (queue_end - queue_first == QUEUE_LENGTH)
		return ERR_MEM;
	packet = original->tot_len <= COPY_MAX ? copy(original) : share(original);
	if (!packet)
		return ERR_MEM;
	packet->flags |= original->flags & (PBUF_FLAG_LLBCAST | PBUF_FLAG_LLMCAST);
	queue[queue_end++ % QUEUE_LENGTH] = packet;
	net_loopback_counters.packets++;
	net_loopback_counters.bytes += packet->tot_len;
	return ERR_OK;
}

/* ---- delivering ---- */

/* All of 127/8 is here, though the interface has one address: it has the packet's meanwhile. */
static void deliver4(struct pbuf *packet)
{
	const struct ip_hdr *header = packet->payload;
	ip_addr_t own = loopback.ip_addr;

	if (packet->len >= sizeof(*header) && header->dest.addr &&
	    (lwip_ntohl(header->dest.addr) & LOOPBACK_MASK) == (uint32_t)LOOPBACK_NET << 24)
		ip_addr_set_ip4_u32_val(loopback.ip_addr, header->dest.addr);
	if (packet->len >= sizeof(*header) && header->_offset & PP_HTONS(IP_OFFMASK | IP_MF))
		net_timers_note_fragment();
	ip4_input(packet, &loopback);
	loopback.ip_addr = own;
}

void net_loopback_deliver(void)
{
	while (queue_first != queue_end) {
		struct pbuf *packet = queue[queue_first++ % QUEUE_LENGTH];

		if (packet->len && *(unsigned char *)packet->payload >> 4 == 6)
			ip6_input(packet, &loopback);
		else
			deliver4(packet);
	}
}

/* ---- the interface ---- */

static err_t output4(struct netif *netif, struct pbuf *packet, const ip4_addr_t *to)
{
	(void)netif;
	(void)to;
	return net_loopback_send(packet);
}

static err_t output6(struct netif *netif, struct pbuf *packet, const ip6_addr_t *to)
{
	(void)netif;
	(void)to;
	return net_loopback_send(packet);
}

static err_t init(struct netif *netif)
{
	netif->name[0] = 'l';
	netif->name[1] = 'o';
	netif->mtu = LOOPBACK_MTU;
	netif->flags = NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
	netif->output = output4;
	netif->output_ip6 = output6;
	return ERR_OK;
}

void net_loopback_start(void)
{
	ip4_addr_t address, mask, gateway;
	ip6_addr_t address6;

	IP4_ADDR(&address, LOOPBACK_NET, 0, 0, 1);
	IP4_ADDR(&mask, 255, 0, 0, 0);
	ip4_addr_set_zero(&gateway);
	netif_add(&loopback, &address, &mask, &gateway, NULL, init, ip_input);
	NETIF_SET_CHECKSUM_CTRL(&loopback, NETIF_CHECKSUM_DISABLE_ALL);
	ip6_addr_set_loopback(&address6);
	netif_ip6_addr_set(&loopback, 0, &address6);
	netif_ip6_addr_set_state(&loopback, 0, IP6_ADDR_PREFERRED);
	netif_set_link_up(&loopback);
	netif_set_up(&loopback);
	loopback.rs_count = 0; /* there is no router to be asked for */
}
