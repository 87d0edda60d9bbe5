/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP sockets inside.
 *
 * How it works
 *
 * A socket gets a control block of lwIP's when it connects or listens, and lets go of it when the
 * connection is over: closed on both sides, reset, or given up. From then on lwIP may keep the
 * block for itself (to send what is left, to wait in TIME_WAIT); one without a callback argument is
 * nobody's. Names and ports are kept here (inet_tcp_port.c), with Linux's rules of who may have
 * which.
 *
 * What has been received is a list of pbufs in the socket. The window that the other side sees
 * opens as the program reads, so what a socket holds is bounded; small segments are joined, so that
 * a byte never costs a packet. What is sent is copied into lwIP's queue, up to what SO_SNDBUF says.
 *
 * A connection that somebody makes to a listening socket becomes a socket without a file, in the
 * listener's queue, until accept() takes it.
 */
#ifndef MOTE_LIBC_SHIM_INET_TCP_H
#define MOTE_LIBC_SHIM_INET_TCP_H

#include "guestkit/libc-shim/inet.h"
#include "lwip/tcp.h"

/* POLL* bits, for wakes. */
#define INET_READABLE 0x0041u /* POLLIN | POLLRDNORM */
#define INET_WRITABLE 0x0304u /* POLLOUT | POLLWRNORM | POLLWRBAND */

enum inet_tcp_state {
	INET_TCP_IDLE, /* TCP_CLOSE of Linux, as new */
	INET_TCP_LISTENING,
	INET_TCP_CONNECTING,
	INET_TCP_CONNECTED, /* until both directions are closed */
	INET_TCP_ENDED,     /* TCP_CLOSE after a connection, or after the attempt */
};

/* TCP_* options; accepted sockets have them from their listener. */
struct inet_tcp_options {
	bool has_no_delay, is_corked;
	uint16_t segment_max;                          /* TCP_MAXSEG; 0: what the path carries */
	uint32_t keep_idle, keep_interval, keep_count; /* s, s */
	uint32_t user_timeout;                         /* ms; 0: none */
	uint32_t defer_accept, syn_count, window_clamp, not_sent_low; /* recorded */
	int32_t linger2;
};

struct inet_tcp {
	struct inet_socket inet; /* first: the two are converted into each other */
	enum inet_tcp_state state;
	bool is_connect_untold; /* connect() has not returned what came of it */
	unsigned closed;        /* SOCKET_CLOSED_*, by either side */
	struct tcp_pcb *pcb;    /* of a listener: its struct tcp_pcb_listen; NULL: none */
	struct inet_tcp_options options;

	/* Received: pbufs chained by `next`, whose tot_len means nothing. */
	struct pbuf *first, *last;
	size_t received;     /* bytes in them that are not read */
	uint16_t first_read; /* bytes read of the first */
	uint16_t last_room;  /* bytes free at the end of the last */
	uint32_t withheld;   /* of the window: not given back when read, for SO_RCVBUF */

	uint64_t waits_since; /* for an acknowledgement: CLOCK_MONOTONIC ns; 0: it does not */

	unsigned backlog,
	        pending; /* connections to be accepted: how many more than this, and now */
	struct inet_tcp *first_pending, *last_pending, *next_pending; /* referenced */

	bool is_listed; /* has its local port; inet_tcp_port.c */
	struct inet_tcp *next, *previous;
};

static inline struct inet_tcp *inet_tcp_of(struct socket *socket)
{
	return (struct inet_tcp *)socket;
}

/* ---- inet_tcp.c ---- */

/* A socket without a file, or NULL. */
struct inet_tcp *inet_tcp_make(unsigned family);

/* Give lwIP's control block the socket's callbacks and options. */
void inet_tcp_attach(struct inet_tcp *socket, struct tcp_pcb *pcb);

/* Leave the control block to lwIP, which ends the connection in order, or (@is_reset) with a RST.
 */
void inet_tcp_let_go(struct inet_tcp *socket, bool is_reset);

/* The connection is over: what is to be told, errno or 0. What was received stays to be read. */
void inet_tcp_end(struct inet_tcp *socket, int error);

/* Become as new, but for what bind() gave: after connect() failed, or to AF_UNSPEC. */
void inet_tcp_renew(struct inet_tcp *socket);

/**
 * inet_tcp_fail() - ICMP says of the first packet of a connection that it does not get there.
 * @number: the packet's sequence number, which nobody else knows
 * @error:  errno, positive
 */
void inet_tcp_fail(const struct inet_end *from, const struct inet_end *to, uint32_t number,
                   int error);

/* ---- inet_tcp_port.c ---- */

/* The socket that is connecting from one end to the other, or NULL. */
struct inet_tcp *inet_tcp_find_connecting(const struct inet_end *local,
                                          const struct inet_end *remote);

/* The next socket that has one; NULL behind the last. @previous: NULL for the first */
const struct inet_tcp *inet_tcp_next(const struct inet_tcp *previous);

/* The socket has, or no longer has, a local port. */
void inet_tcp_list(struct inet_tcp *socket);
void inet_tcp_unlist(struct inet_tcp *socket);

/**
 * inet_tcp_take_port() - Give a socket a local name.
 * @end: its port may be 0: any
 *
 * Return: 0 or -EADDRINUSE.
 */
int inet_tcp_take_port(struct inet_tcp *socket, const struct inet_end *end);

/* May it listen where it is bound? Others may have the same name until one does. */
bool inet_tcp_may_listen(const struct inet_tcp *socket);

/* Is there a connection between the two, or the rest of one? */
bool inet_tcp_is_connected(const struct inet_end *local, const struct inet_end *remote);

/* A socket is closed. Now and then, forget the oldest connections that TIME_WAIT holds. */
void inet_tcp_limit_waiting(void);

/* ---- inet_tcp_connect.c ---- */

int inet_tcp_bind(struct socket *socket, const struct socket_address *address);
int inet_tcp_listen(struct socket *socket, unsigned backlog);
int inet_tcp_accept(struct socket *socket, uint32_t flags, struct socket **accepted);
int inet_tcp_connect(struct socket *socket, const struct socket_address *address, uint32_t flags);

/* Those that wait to be accepted are reset. */
void inet_tcp_drop_pending(struct inet_tcp *listener);

/* ---- inet_tcp_data.c ---- */

int64_t inet_tcp_send(struct socket *socket, struct socket_message *message);
int64_t inet_tcp_receive(struct socket *socket, struct socket_message *message);

/* Queue what arrived; the reference is taken over. */
void inet_tcp_queue(struct inet_tcp *socket, struct pbuf *data);
/* A connection is there: let the window be as wide as it may be. */
void inet_tcp_open_window(struct inet_tcp *socket);
/* Forget what was received. */
void inet_tcp_drop_received(struct inet_tcp *socket);

/* May more be sent? Does poll(2) say so? */
size_t inet_tcp_send_room(const struct inet_tcp *socket);
bool inet_tcp_is_writable(const struct inet_tcp *socket);

/* Bytes sent and not acknowledged; and of them those that never left. */
size_t inet_tcp_unacknowledged(const struct inet_tcp *socket);
size_t inet_tcp_unsent(const struct inet_tcp *socket);

/* ---- inet_tcp_options.c ---- */

void inet_tcp_options_init(struct inet_tcp_options *options);
/* Tell the control block. */
void inet_tcp_options_apply(struct inet_tcp *socket);

int inet_tcp_set_option(struct socket *socket, int level, unsigned option, uint64_t user,
                        uint32_t length);
int inet_tcp_get_option(struct socket *socket, int level, unsigned option, uint64_t user,
                        uint64_t user_length);
void inet_tcp_option_changed(struct socket *socket, unsigned option);

#endif
