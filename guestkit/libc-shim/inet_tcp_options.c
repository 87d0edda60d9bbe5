/* SPDX-License-Identifier: Apache-2.0 */
/* TCP sockets: options of the level IPPROTO_TCP, and what lwIP has to know of others. */
#include <asm/socket.h>
#include <linux/errno.h>
#include <linux/tcp.h>

#include "guestkit/libc-shim/inet_tcp.h"
#include "guestkit/string.h"
#include "guestkit/user.h"
#include "lwip/priv/tcp_priv.h"

#define SEGMENT_MIN      88    /* TCP_MIN_MSS */
#define SEGMENT_MAX      32767 /* MAX_TCP_WINDOW */
#define SEGMENT_DEFAULT  536   /* TCP_MSS_DEFAULT */
#define KEEP_TIME_MAX    32767 /* s: MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL */
#define KEEP_COUNT_MAX   127   /* MAX_TCP_KEEPCNT, MAX_TCP_SYNCNT */
#define KEEP_IDLE        7200  /* net.ipv4.tcp_keepalive_* */
#define KEEP_INTERVAL    75
#define KEEP_COUNT       9
#define SYN_COUNT        6   /* net.ipv4.tcp_syn_retries */
#define FIN_TIMEOUT      60  /* s: net.ipv4.tcp_fin_timeout */
#define FIN_TIMEOUT_MAX  120 /* s: TCP_FIN_TIMEOUT_MAX */
#define RTO_MAX          120 /* s */
#define WINDOW_LEAST     1152
#define MS_PER_SECOND    1000u
#define US_PER_SLOW_TICK (TCP_SLOW_INTERVAL * 1000u)

#define NAME_SIZE 16 /* TCP_CA_NAME_MAX */

static const char congestion_name[NAME_SIZE] = "reno";

void inet_tcp_options_init(struct inet_tcp_options *options)
{
	options->keep_idle = KEEP_IDLE;
	options->keep_interval = KEEP_INTERVAL;
	options->keep_count = KEEP_COUNT;
	options->syn_count = SYN_COUNT;
}

void inet_tcp_options_apply(struct inet_tcp *socket)
{
	const struct inet_tcp_options *options = &socket->options;
	struct tcp_pcb *pcb = socket->pcb;
	bool is_v6;

	if (!pcb)
		return;
	is_v6 = IP_IS_V6_VAL(pcb->local_ip);
	pcb->tos = inet_tos(&socket->inet, is_v6);
	pcb->ttl = inet_ttl(&socket->inet, is_v6);
	pcb->so_options &= (u8_t)~SOF_KEEPALIVE;
	if (socket_has_option(&socket->inet.socket, SO_KEEPALIVE))
		pcb->so_options |= SOF_KEEPALIVE;
	if (pcb->state == LISTEN) /* a smaller structure */
		return;
	pcb->keep_idle = options->keep_idle * MS_PER_SECOND;
	pcb->keep_intvl = options->keep_interval * MS_PER_SECOND;
	pcb->keep_cnt = options->keep_count;
	if (options->has_no_delay)
		tcp_nagle_disable(pcb);
	else
		tcp_nagle_enable(pcb);
	if (options->segment_max && pcb->mss > options->segment_max)
		pcb->mss = options->segment_max;
}

void inet_tcp_option_changed(struct socket *base, unsigned option)
{
	if (option == SO_KEEPALIVE) {
		net_enter();
		inet_tcp_options_apply(inet_tcp_of(base));
		net_finish();
	}
}

/* ---- setting ---- */

/* What is held back for TCP_CORK, or by Nagle's algorithm, may go. */
static void push(struct inet_tcp *socket)
{
	if (socket->pcb && socket->state == INET_TCP_CONNECTED && !socket->options.is_corked)
		tcp_output(socket->pcb);
}

/* How long Linux waits for data, when it counts in retransmissions. */
static uint32_t round_defer(int seconds)
{
	int period = 1, timeout = 1;

	if (seconds <= 0)
		return 0;
	for (int tries = 1; period < seconds && tries < UINT8_MAX; tries++) {
		timeout = timeout * 2 > RTO_MAX ? RTO_MAX : timeout * 2;
		period += timeout;
	}
	return (uint32_t)period;
}

static int set_ranged(uint32_t *option, int value, int least, int most)
{
	if (value < least || value > most)
		return -EINVAL;
	*option = (uint32_t)value;
	return 0;
}

static int set_segment_max(struct inet_tcp *socket, int value)
{
	if (value && (value < SEGMENT_MIN || value > SEGMENT_MAX))
		return -EINVAL;
	socket->options.segment_max = (uint16_t)value;
	return 0;
}

static int set_fast_open(struct inet_tcp *socket, int value)
{
	bool is_new = socket->state == INET_TCP_IDLE || socket->state == INET_TCP_LISTENING;

	return value >= 0 && is_new ? 0 : -EINVAL; /* a hint, of which nothing comes */
}

static int set_number(struct inet_tcp *socket, unsigned option, int value)
{
	struct inet_tcp_options *options = &socket->options;

	switch (option) {
	case TCP_NODELAY: options->has_no_delay = value; return 0;
	case TCP_CORK: options->is_corked = value; return 0;
	case TCP_MAXSEG: return set_segment_max(socket, value);
	case TCP_KEEPIDLE: return set_ranged(&options->keep_idle, value, 1, KEEP_TIME_MAX);
	case TCP_KEEPINTVL: return set_ranged(&options->keep_interval, value, 1, KEEP_TIME_MAX);
	case TCP_KEEPCNT: return set_ranged(&options->keep_count, value, 1, KEEP_COUNT_MAX);
	case TCP_SYNCNT: return set_ranged(&options->syn_count, value, 1, KEEP_COUNT_MAX);
	case TCP_USER_TIMEOUT: return set_ranged(&options->user_timeout, value, 0, INT32_MAX);
	case TCP_LINGER2:
		options->linger2 = value < 0                 ? -1
		                   : value > FIN_TIMEOUT_MAX ? FIN_TIMEOUT_MAX
		                                             : value;
		return 0;
	case TCP_DEFER_ACCEPT: options->defer_accept = round_defer(value); return 0;
	case TCP_WINDOW_CLAMP:
		if (!value && socket->state != INET_TCP_IDLE)
			return -EINVAL;
		options->window_clamp =
		        value && value < WINDOW_LEAST ? WINDOW_LEAST : (uint32_t)value;
		return 0;
	case TCP_NOTSENT_LOWAT: options->not_sent_low = (uint32_t)value; return 0;
	case TCP_FASTOPEN: return set_fast_open(socket, value);
	case TCP_FASTOPEN_CONNECT: return value == 0 || value == 1 ? -EOPNOTSUPP : -EINVAL;
	case TCP_QUICKACK: return 0;
	case TCP_THIN_LINEAR_TIMEOUTS:
	case TCP_THIN_DUPACK: return value == 0 || value == 1 ? 0 : -EINVAL;
	default: return -ENOPROTOOPT;
	}
}

/* There is one algorithm. The default of Linux is taken for it, too. */
static int set_congestion(uint64_t user, uint32_t length)
{
	char name[sizeof(congestion_name)] = {0};

	if (!length)
		return -EINVAL;
	if (length > sizeof(name) - 1)
		length = sizeof(name) - 1;
	if (user_read(name, user, length))
		return -EFAULT;
	return !strcmp(name, congestion_name) || !strcmp(name, "cubic") ? 0 : -ENOENT;
}

int inet_tcp_set_option(struct socket *base, int level, unsigned option, uint64_t user,
                        uint32_t length)
{
	struct inet_tcp *socket = inet_tcp_of(base);
	int value, result;

	if (level != INET_TCP) {
		result = inet_set_option(base, level, option, user, length);
	} else if (option == TCP_CONGESTION) {
		return set_congestion(user, length);
	} else {
		result = socket_option_take(&value, user, length);
		if (!result)
			result = set_number(socket, option, value);
	}
	if (result)
		return result;
	net_enter();
	inet_tcp_options_apply(socket);
	push(socket);
	net_finish();
	return 0;
}

/* ---- getting ---- */

static uint8_t state_of(const struct inet_tcp *socket)
{
	/* Of Linux: TCP_ESTABLISHED and so on, by lwIP's. */
	static const uint8_t states[] = {
	        [CLOSED] = 7,      [LISTEN] = 10,    [SYN_SENT] = 2,   [SYN_RCVD] = 3,
	        [ESTABLISHED] = 1, [FIN_WAIT_1] = 4, [FIN_WAIT_2] = 5, [CLOSE_WAIT] = 8,
	        [CLOSING] = 11,    [LAST_ACK] = 9,   [TIME_WAIT] = 6};

	return socket->pcb ? states[socket->pcb->state] : states[CLOSED];
}

static uint32_t segment_of(const struct inet_tcp *socket)
{
	if (socket->pcb && socket->state == INET_TCP_CONNECTED)
		return socket->pcb->mss;
	return socket->options.segment_max ? socket->options.segment_max : SEGMENT_DEFAULT;
}

/* What is known. The rest is 0. */
static void fill_info(const struct inet_tcp *socket, struct tcp_info *info)
{
	const struct tcp_pcb *pcb = socket->pcb;

	info->tcpi_state = state_of(socket);
	info->tcpi_snd_mss = segment_of(socket);
	info->tcpi_advmss = TCP_MSS;
	info->tcpi_rcv_mss = segment_of(socket);
	if (socket->state == INET_TCP_LISTENING) {
		info->tcpi_unacked = socket->pending; /* the two that Linux has for listeners */
		info->tcpi_sacked = socket->backlog;
		return;
	}
	if (!pcb)
		return;
	info->tcpi_retransmits = pcb->nrtx;
	info->tcpi_probes = pcb->persist_probe;
	info->tcpi_backoff = pcb->nrtx;
	info->tcpi_options = (pcb->flags & TF_WND_SCALE ? TCPI_OPT_WSCALE : 0) |
	                     (pcb->flags & TF_SACK ? TCPI_OPT_SACK : 0);
	info->tcpi_snd_wscale = pcb->snd_scale & 0xf;
	info->tcpi_rcv_wscale = pcb->rcv_scale & 0xf;
	info->tcpi_rto = (uint32_t)pcb->rto * US_PER_SLOW_TICK;
	info->tcpi_rtt = (uint32_t)(pcb->sa >> 3) * US_PER_SLOW_TICK;
	info->tcpi_rttvar = (uint32_t)(pcb->sv >> 2) * US_PER_SLOW_TICK;
	info->tcpi_unacked = (pcb->snd_nxt - pcb->lastack + pcb->mss - 1) / pcb->mss;
	info->tcpi_snd_ssthresh = pcb->ssthresh / pcb->mss;
	info->tcpi_snd_cwnd = pcb->cwnd / pcb->mss;
	info->tcpi_rcv_space = pcb->rcv_wnd;
	info->tcpi_notsent_bytes = (uint32_t)inet_tcp_unsent(socket);
	info->tcpi_snd_wnd = pcb->snd_wnd;
}

static int get_number(const struct inet_tcp *socket, unsigned option, int *value)
{
	const struct inet_tcp_options *options = &socket->options;

	switch (option) {
	case TCP_NODELAY: *value = options->has_no_delay; return 0;
	case TCP_CORK: *value = options->is_corked; return 0;
	case TCP_MAXSEG: *value = (int)segment_of(socket); return 0;
	case TCP_KEEPIDLE: *value = (int)options->keep_idle; return 0;
	case TCP_KEEPINTVL: *value = (int)options->keep_interval; return 0;
	case TCP_KEEPCNT: *value = (int)options->keep_count; return 0;
	case TCP_SYNCNT: *value = (int)options->syn_count; return 0;
	case TCP_USER_TIMEOUT: *value = (int)options->user_timeout; return 0;
	case TCP_LINGER2: *value = options->linger2 ? options->linger2 : FIN_TIMEOUT; return 0;
	case TCP_DEFER_ACCEPT: *value = (int)options->defer_accept; return 0;
	case TCP_WINDOW_CLAMP: *value = (int)options->window_clamp; return 0;
	case TCP_NOTSENT_LOWAT: *value = (int)options->not_sent_low; return 0;
	case TCP_QUICKACK: *value = 1; return 0;
	case TCP_FASTOPEN:
	case TCP_FASTOPEN_CONNECT:
	case TCP_THIN_LINEAR_TIMEOUTS:
	case TCP_THIN_DUPACK: *value = 0; return 0;
	default: return -ENOPROTOOPT;
	}
}

int inet_tcp_get_option(struct socket *base, int level, unsigned option, uint64_t user,
                        uint64_t user_length)
{
	const struct inet_tcp *socket = inet_tcp_of(base);
	struct tcp_info info = {0};
	int value, result;

	if (level != INET_TCP)
		return inet_get_option(base, level, option, user, user_length);
	if (option == TCP_INFO) {
		fill_info(socket, &info);
		return socket_option_give(&info, sizeof(info), user, user_length);
	}
	if (option == TCP_CONGESTION)
		return socket_option_give(congestion_name, sizeof(congestion_name), user,
		                          user_length);
	result = get_number(socket, option, &value);
	return result ? result : socket_option_give(&value, sizeof(value), user, user_length);
}
