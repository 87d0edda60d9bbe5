/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lwIP's timers without ticks for nothing.
 *
 * How it works
 *
 * lwIP wants functions called at intervals: TCP's every 50 ms, others every second. Here each is
 * called only while something needs it, and one timeout of the kit stands for whichever comes
 * first. After any call into TCP there is one tick, behind which all connections are looked at:
 * while one has data under way, or changes its state, the ticks go on; else the next tick is when
 * the first of them must be woken (keepalive, the end of TIME_WAIT), or never. TCP's clock, which
 * ticks advance, is put right before lwIP is entered again.
 *
 * The tables of neighbours age by the second while frames come and go, and in steps of a minute
 * when the network has been silent for a while.
 */
#include "guestkit/clock.h"
#include "guestkit/net/net.h"
#include "guestkit/net/net_port.h"
#include "guestkit/timeouts.h"
#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/igmp.h"
#include "lwip/ip4_frag.h"
#include "lwip/ip6_frag.h"
#include "lwip/mld6.h"
#include "lwip/nd6.h"
#include "lwip/priv/tcp_priv.h"

#define NS_PER_MS      1000000ull
#define NS_PER_SECOND  1000000000ull
#define NEVER          UINT64_MAX
#define FAST_NS        (TCP_FAST_INTERVAL * NS_PER_MS)
#define SLOW_NS        (TCP_SLOW_INTERVAL * NS_PER_MS)
#define SLOW_TICKS(ms) ((ms) / TCP_SLOW_INTERVAL)

#define TRAFFIC_NS  (15 * NS_PER_SECOND) /* longer than any exchange of ARP, ND, RS takes */
#define FRAGMENT_NS (60 * NS_PER_SECOND) /* longer than IP_REASS_MAXAGE */
#define QUIET_NS    (60 * NS_PER_SECOND)

/* ---- TCP ---- */

static struct {
	uint64_t next;   /* tick: CLOCK_MONOTONIC ns; NEVER */
	uint64_t clock;  /* when tcp_ticks was advanced last */
	bool is_touched; /* lwIP was entered since the connections were looked at */
} tcp = {.next = NEVER};

/* Advance tcp_ticks to @now. Return: slow intervals that have gone by. */
static uint64_t advance_clock(uint64_t now)
{
	uint64_t gone = (now - tcp.clock) / SLOW_NS;

	tcp.clock += gone * SLOW_NS;
	tcp_ticks += (uint32_t)gone;
	return gone;
}

/* Nothing prompts lwIP but the arrival of a packet, or time. */
void tcp_timer_needed(void)
{
	tcp.is_touched = true;
}

void net_timers_enter(void)
{
	if (tcp.next == NEVER || tcp.next > tcp.clock + SLOW_NS + FAST_NS)
		advance_clock(clock_monotonic());
	tcp.is_touched = true;
}

/* Ticks from a connection's last activity until it must be looked at; 0: at each tick. */
static uint64_t patience(const struct tcp_pcb *pcb)
{
	const unsigned flags = TF_ACK_DELAY | TF_CLOSEPEND | TF_NAGLEMEMERR;
	bool is_receiving = pcb->state == ESTABLISHED || pcb->state == CLOSE_WAIT;

	if (pcb->state == TIME_WAIT)
		return SLOW_TICKS(2 * TCP_MSL);
	if (pcb->state == FIN_WAIT_2 && pcb->flags & TF_RXCLOSED)
		return SLOW_TICKS(TCP_FIN_WAIT_TIMEOUT);
	if ((!is_receiving && pcb->state != FIN_WAIT_2) || pcb->unacked || pcb->unsent ||
	    pcb->ooseq || pcb->refused_data || pcb->persist_backoff || pcb->flags & flags)
		return 0;
	if (is_receiving && pcb->so_options & SOF_KEEPALIVE)
		return SLOW_TICKS((uint64_t)pcb->keep_idle +
		                  (uint64_t)pcb->keep_cnt_sent * pcb->keep_intvl);
	return NEVER;
}

/* Slow ticks from now until the first of a list must be looked at; 0: it is at work. */
static uint64_t ticks_to_wait(const struct tcp_pcb *pcb, uint64_t wait)
{
	for (; pcb && wait; pcb = pcb->next) {
		uint64_t most = patience(pcb), idle = (uint32_t)(tcp_ticks - pcb->tmr);

		if (!most)
			return 0;
		if (most == NEVER)
			continue;
		most = most > idle ? most - idle + 1 : 1; /* lwIP wants more than, not as much as */
		wait = wait < most ? wait : most;
	}
	return wait;
}

static void tick_tcp(uint64_t now)
{
	uint64_t wait;

	tcp.is_touched = false;
	net_device_collect();
	if (advance_clock(now)) {
		tcp_ticks--; /* it counts itself */
		tcp_slowtmr();
	}
	tcp_fasttmr();
	wait = ticks_to_wait(tcp_tw_pcbs, ticks_to_wait(tcp_active_pcbs, NEVER));
	if (!wait)
		tcp.next = now + FAST_NS;
	else
		tcp.next = wait == NEVER ? NEVER : tcp.clock + wait * SLOW_NS;
}

/* Something may have changed: look soon. */
static void schedule_tcp(uint64_t now)
{
	if (!tcp.is_touched || tcp.next <= now + FAST_NS)
		return;
	tcp.is_touched = false;
	if (tcp_active_pcbs || tcp_tw_pcbs)
		tcp.next = now + FAST_NS;
}

/* ---- the others ---- */

static uint64_t last_traffic, last_fragment;

void net_timers_note_traffic(void)
{
	last_traffic = clock_monotonic();
}

void net_timers_note_fragment(void)
{
	last_fragment = clock_monotonic();
}

static bool needs_reassembly(uint64_t now)
{
	return last_fragment && now - last_fragment < FRAGMENT_NS;
}

static bool has_devices(uint64_t now)
{
	(void)now;
	return net_devices;
}

static bool is_dhcp_asking(uint64_t now)
{
	(void)now;
	for (struct net_device *device = net_devices; device; device = device->next) {
		const struct dhcp *dhcp = netif_dhcp_data(&device->netif);

		if (dhcp && dhcp->request_timeout)
			return true;
	}
	return false;
}

static bool is_dhcp_on(uint64_t now)
{
	(void)now;
	for (struct net_device *device = net_devices; device; device = device->next) {
		const struct dhcp *dhcp = netif_dhcp_data(&device->netif);

		if (dhcp && dhcp->state)
			return true;
	}
	return false;
}

static bool has_igmp_report(uint64_t now)
{
	(void)now;
	for (struct net_device *device = net_devices; device; device = device->next)
		for (struct igmp_group *group = netif_igmp_data(&device->netif); group;
		     group = group->next)
			if (group->timer)
				return true;
	return false;
}

static bool has_mld_report(uint64_t now)
{
	(void)now;
	for (struct net_device *device = net_devices; device; device = device->next)
		for (struct mld_group *group = netif_mld6_data(&device->netif); group;
		     group = group->next)
			if (group->timer)
				return true;
	return false;
}

/* A function that lwIP wants called at intervals, while somebody needs it. */
static struct cyclic {
	void (*run)(void);
	bool (*is_needed)(uint64_t now);
	uint64_t interval; /* ns */
	bool may_lag;      /* counts seconds only: while it is quiet, many of them at once */
	uint64_t last;     /* called; 0: not needed until now */
} cyclics[] = {
        {etharp_tmr, has_devices, ARP_TMR_INTERVAL *NS_PER_MS, true, 0},
        {nd6_tmr, has_devices, ND6_TMR_INTERVAL *NS_PER_MS, true, 0},
        {dhcp_fine_tmr, is_dhcp_asking, DHCP_FINE_TIMER_MSECS *NS_PER_MS, false, 0},
        {dhcp_coarse_tmr, is_dhcp_on, DHCP_COARSE_TIMER_MSECS *NS_PER_MS, false, 0},
        {igmp_tmr, has_igmp_report, IGMP_TMR_INTERVAL *NS_PER_MS, false, 0},
        {mld6_tmr, has_mld_report, MLD6_TMR_INTERVAL *NS_PER_MS, false, 0},
        {ip_reass_tmr, needs_reassembly, IP_TMR_INTERVAL *NS_PER_MS, false, 0},
        {ip6_reass_tmr, needs_reassembly, IP6_REASS_TMR_INTERVAL *NS_PER_MS, false, 0},
};

#define CYCLICS (sizeof(cyclics) / sizeof(cyclics[0]))

/* When it is to be called next; NEVER. */
static uint64_t next_of(struct cyclic *cyclic, uint64_t now)
{
	uint64_t interval = cyclic->interval;

	if (!cyclic->is_needed(now)) {
		cyclic->last = 0;
		return NEVER;
	}
	if (!cyclic->last)
		cyclic->last = now;
	if (cyclic->may_lag && now - last_traffic > TRAFFIC_NS)
		interval = QUIET_NS;
	return cyclic->last + interval;
}

static void run_cyclic(struct cyclic *cyclic, uint64_t now)
{
	uint64_t limit = QUIET_NS / cyclic->interval + 1;

	while (cyclic->last && cyclic->last + cyclic->interval <= now && limit--) {
		cyclic->last += cyclic->interval;
		cyclic->run();
	}
	if (cyclic->last && cyclic->last + cyclic->interval <= now)
		cyclic->last = now; /* the guest itself was stopped */
}

/* ---- the one timeout ---- */

static void expire(struct timeout *timeout)
{
	uint64_t now = clock_monotonic();

	(void)timeout;
	if (tcp.next <= now)
		tick_tcp(now);
	for (size_t i = 0; i < CYCLICS; i++)
		if (next_of(&cyclics[i], now) <= now)
			run_cyclic(&cyclics[i], now);
	net_finish();
}

void net_timers_leave(void)
{
	static struct timeout timeout = {.expire = expire};
	uint64_t now = clock_monotonic(), next;

	schedule_tcp(now);
	next = tcp.next;
	for (size_t i = 0; i < CYCLICS; i++) {
		uint64_t at = next_of(&cyclics[i], now);

		next = at < next ? at : next;
	}
	if (next == NEVER)
		timeout_cancel(&timeout);
	else if (!timeout.is_set || timeout.deadline != next)
		timeout_set(&timeout, next);
}
