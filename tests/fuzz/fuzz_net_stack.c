/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target of the network stack: frames from a hostile network, and time that passes.
 *
 * An input is a list of records: two bytes of length, one that says what to do (ACT_*), and so many
 * bytes. Behind the device there are TCP listeners that echo and that never read, a UDP port that
 * echoes, and DHCP. lwIP itself is compiled for the fuzzer, too (tests.mk). Sequence numbers begin
 * at a constant, so that an input can make a connection.
 */
#define MOTE_HOSTED
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t fake_now = 1000000000000;

uint64_t clock_monotonic(void);
uint64_t clock_monotonic(void)
{
	return fake_now;
}

#include "../../guestkit/net/net.c"
#include "../../guestkit/net/net_device.c"
#include "../../guestkit/net/net_hooks.c"
#undef init
#define init    loopback_init
#define output4 loopback_output4
#define output6 loopback_output6
#include "../../guestkit/net/net_loopback.c"
#undef init
#undef output4
#undef output6
#include "../../guestkit/net/net_timers.c"

#include "lwip/dhcp.h"
#include "lwip/mem.h"
#include "lwip/udp.h"

#define FRAME_MAX  9000u
#define TCP_PORT   80
#define FULL_PORT  81
#define WINDOW     64 /* what is left to a connection to FULL_PORT */
#define UDP_PORT   53
#define CONSTANT   0x11 /* each byte of a random number */
#define SECOND     1000000000ull
#define RECORDS    64u
#define TICKS_LAST 40

enum { ACT_SPLIT = 1, ACT_UNVERIFIED = 2, ACT_WAIT = 4, ACT_LINK = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- what the stack wants of the kit ---- */

static struct timeout *pending;

void timeout_set(struct timeout *timeout, uint64_t deadline)
{
	timeout->deadline = deadline;
	timeout->is_set = true;
	pending = timeout;
}

void timeout_cancel(struct timeout *timeout)
{
	timeout->is_set = false;
}

void random_fill(void *buffer, size_t length)
{
	memset(buffer, CONSTANT, length);
}

void kit_print(const char *format, ...)
{
	fputs(format, stderr);
}

void end_exit(int status)
{
	(void)status;
	abort();
}

const struct ip6_addr *net_config_gateway6(struct netif *netif)
{
	(void)netif;
	return NULL;
}

bool net_tcp_refuses(const struct tcp_pcb *pcb)
{
	(void)pcb;
	return false;
}

/* Memory of the fuzzer's own, so that it sees what is outside of a block. */
void *mem_malloc(mem_size_t size)
{
	return malloc(size);
}

void *mem_calloc(mem_size_t count, mem_size_t size)
{
	return calloc(count, size);
}

void mem_free(void *memory)
{
	free(memory);
}

void *mem_trim(void *memory, mem_size_t size)
{
	(void)size;
	return memory;
}

void mem_init(void)
{
}

/* ---- a device ---- */

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* Each byte of what is sent is looked at. */
static int send_frame(struct net_device *net, const struct net_frame *frame)
{
	unsigned sum = 0, length = 0;

	(void)net;
	for (const struct pbuf *part = frame->data; part; part = part->next) {
		for (unsigned i = 0; i < part->len; i++)
			sum += ((const unsigned char *)part->payload)[i];
		length += part->len;
	}
	require(length == frame->data->tot_len && length >= SIZEOF_ETH_HDR);
	require(frame->checksum_start + frame->checksum_offset < length || !frame->checksum_start);
	return sum == 1 ? -ENOBUFS : 0;
}

static void flush(struct net_device *net)
{
	(void)net;
}

static void collect(struct net_device *net)
{
	(void)net;
}

static const struct net_device_ops device_ops = {
        .send = send_frame, .flush = flush, .collect = collect};
static struct net_device device = {
        .ops = &device_ops,
        .mac = {2, 0x6d, 0x6f, 0x74, 0x65, 1},
        .mtu = 1500,
        .has_checksum = true,
        .is_link_up = true,
};

/* ---- programs ---- */

static err_t tcp_echo(void *argument, struct tcp_pcb *pcb, struct pbuf *data, err_t error)
{
	(void)argument;
	(void)error;
	if (!data) {
		tcp_shutdown(pcb, 0, 1);
		return ERR_OK;
	}
	for (const struct pbuf *part = data; part; part = part->next)
		if (part->len)
			tcp_write(pcb, part->payload, part->len, TCP_WRITE_FLAG_COPY);
	tcp_recved(pcb, data->tot_len);
	pbuf_free(data);
	return ERR_OK;
}

static err_t tcp_take(void *argument, struct tcp_pcb *pcb, err_t error)
{
	(void)argument;
	if (error != ERR_OK)
		return error;
	tcp_recv(pcb, tcp_echo);
	return ERR_OK;
}

/* After the first bytes the window is as it would be when a program has not read for long. */
static err_t tcp_hold(void *argument, struct tcp_pcb *pcb, struct pbuf *data, err_t error)
{
	(void)argument;
	(void)error;
	if (!data)
		return ERR_OK;
	pbuf_free(data);
	if (!pcb->ooseq && pcb->rcv_wnd > WINDOW) {
		pcb->rcv_wnd = pcb->rcv_ann_wnd = WINDOW;
		pcb->rcv_ann_right_edge = pcb->rcv_nxt + WINDOW;
	}
	return ERR_OK;
}

static err_t tcp_fill(void *argument, struct tcp_pcb *pcb, err_t error)
{
	(void)argument;
	if (error == ERR_OK)
		tcp_recv(pcb, tcp_hold);
	return error;
}

static void udp_echo(void *argument, struct udp_pcb *pcb, struct pbuf *data, const ip_addr_t *from,
                     u16_t port)
{
	(void)argument;
	udp_sendto(pcb, data, from, port);
	pbuf_free(data);
}

/* An address of its own, and DHCP asks for another. */
static void configure(void)
{
	ip4_addr_t address, mask, gateway;

	dhcp_stop(&device.netif);
	IP4_ADDR(&address, 10, 0, 2, 15);
	IP4_ADDR(&mask, 255, 255, 255, 0);
	IP4_ADDR(&gateway, 10, 0, 2, 2);
	netif_set_addr(&device.netif, &address, &mask, &gateway);
	dhcp_start(&device.netif);
}

static void listen_at(u16_t port, tcp_accept_fn accept)
{
	struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);

	tcp_bind(pcb, IP_ANY_TYPE, port);
	tcp_accept(tcp_listen_with_backlog(pcb, 10), accept);
}

static void start(void)
{
	struct udp_pcb *udp;

	net_start();
	require(!net_add(&device));
	configure();
	listen_at(TCP_PORT, tcp_take);
	listen_at(FULL_PORT, tcp_fill);
	udp = udp_new_ip_type(IPADDR_TYPE_ANY);
	udp_bind(udp, IP_ANY_TYPE, UDP_PORT);
	udp_recv(udp, udp_echo, NULL);
	net_finish();
}

/* ---- the input ---- */

static void pass(uint64_t time)
{
	for (unsigned i = 0;
	     i < TICKS_LAST && pending && pending->is_set && pending->deadline <= fake_now + time;
	     i++) {
		time -= pending->deadline > fake_now ? pending->deadline - fake_now : 0;
		fake_now = pending->deadline > fake_now ? pending->deadline : fake_now;
		pending->is_set = false;
		pending->expire(pending);
	}
	fake_now += time;
}

static void receive(const uint8_t *bytes, size_t length, unsigned act)
{
	size_t first = act & ACT_SPLIT && length > 60 ? 60 : length;
	struct pbuf *frame = pbuf_alloc(PBUF_RAW, (u16_t)first, PBUF_RAM);

	memcpy(frame->payload, bytes, first);
	if (first < length) {
		struct pbuf *rest = pbuf_alloc(PBUF_RAW, (u16_t)(length - first), PBUF_RAM);

		memcpy(rest->payload, bytes + first, length - first);
		pbuf_cat(frame, rest);
	}
	net_receive(&device, frame, !(act & ACT_UNVERIFIED));
	net_finish();
}

/* Whatever an input has left does not meet the next one. */
static void clean_up(void)
{
	net_enter();
	while (tcp_active_pcbs)
		tcp_abort(tcp_active_pcbs);
	while (tcp_tw_pcbs)
		tcp_abort(tcp_tw_pcbs);
	for (unsigned i = 0; i < 2 * IP_REASS_MAXAGE; i++) {
		ip_reass_tmr();
		ip6_reass_tmr();
	}
	etharp_cleanup_netif(&device.netif);
	for (unsigned i = 0; i < TICKS_LAST; i++)
		nd6_tmr();
	configure();
	net_finish();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_running;
	unsigned records = 0;

	if (!is_running)
		start();
	is_running = true;
	while (size >= 3 && records++ < RECORDS) {
		size_t length = (size_t)(data[0] | data[1] << 8);
		unsigned act = data[2];

		data += 3;
		size -= 3;
		if (act & ACT_WAIT) {
			pass(length * (SECOND / 100));
			continue;
		}
		if (act & ACT_LINK) {
			net_set_link(&device, !device.is_link_up);
			net_set_link(&device, true);
		}
		if (length > size)
			length = size;
		if (length > FRAME_MAX)
			length = FRAME_MAX;
		if (length)
			receive(data, length, act);
		data += length;
		size -= length;
	}
	clean_up();
	return 0;
}
