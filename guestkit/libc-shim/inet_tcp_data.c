/* SPDX-License-Identifier: Apache-2.0 */
/* TCP sockets: sending and receiving. */
#include <linux/errno.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/inet_tcp.h"
#include "guestkit/libc-shim/signal.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "lwip/priv/tcp_priv.h"

#define BOUNCE          65535u        /* bytes that tcp_write() takes at a time */
#define SEND_AUTO       (1024 * 1024) /* bytes under way where SO_SNDBUF says nothing */
#define SHORT_PIECE     1024          /* bytes to be sent while memory is short */
#define JOIN_MAX        1024          /* bytes of segments that are joined */
#define JOIN_ROOM       1960          /* of a pbuf that they are joined in */
#define WINDOW_FIRST    UINT16_MAX
#define RECVED_MAX      UINT16_MAX /* that tcp_recved() takes at a time */
#define SIGNAL_PIPE     13
#define WINDOW_LEAST    2          /* segments */
#define MEMORY_RETRY    10000000   /* ns */
#define MEMORY_PATIENCE 5000000000 /* ns until the lack of memory is an error */

static KIT_LARGE unsigned char bounce[BOUNCE + 1];

/* ---- what is under way ---- */

size_t inet_tcp_unacknowledged(const struct inet_tcp *socket)
{
	return socket->pcb && socket->state == INET_TCP_CONNECTED
	               ? TCP_SND_BUF - socket->pcb->snd_buf
	               : 0;
}

size_t inet_tcp_unsent(const struct inet_tcp *socket)
{
	size_t bytes = 0;

	if (!socket->pcb || socket->state != INET_TCP_CONNECTED)
		return 0;
	for (const struct tcp_seg *segment = socket->pcb->unsent; segment; segment = segment->next)
		bytes += segment->len;
	return bytes;
}

static size_t send_limit(const struct inet_tcp *socket)
{
	const struct socket *base = &socket->inet.socket;

	return base->has_send_limit && base->send_limit < SEND_AUTO ? base->send_limit : SEND_AUTO;
}

size_t inet_tcp_send_room(const struct inet_tcp *socket)
{
	size_t limit = send_limit(socket), used = inet_tcp_unacknowledged(socket);

	if (!socket->pcb || socket->pcb->snd_queuelen >= TCP_SND_QUEUELEN - 8)
		return 0;
	if (used && net_memory_is_short())
		return 0;
	return used < limit ? limit - used : 0;
}

/* As Linux has it: not before a third is free, so that writers do not run for a few bytes. */
bool inet_tcp_is_writable(const struct inet_tcp *socket)
{
	if (socket->closed & SOCKET_CLOSED_WRITE || socket->state != INET_TCP_CONNECTED ||
	    !socket->pcb)
		return true;
	return inet_tcp_send_room(socket) >= send_limit(socket) / 3;
}

/* ---- sending ---- */

/* The error of a socket that cannot send, and its signal. */
static int64_t cannot_send(struct socket *base, uint32_t flags)
{
	int result = socket_take_error(base);

	if (!result) {
		result = -EPIPE;
		if (!(flags & MESSAGE_NO_SIGNAL))
			signal_send_self(SIGNAL_PIPE);
	}
	return result;
}

static bool may_send(const struct inet_tcp *socket)
{
	return socket->state == INET_TCP_CONNECTED && !socket->inet.socket.error && socket->pcb &&
	       !(socket->closed & SOCKET_CLOSED_WRITE);
}

/* Sleep until a connection that is being made has come about. */
static int wait_for_state(struct inet_tcp *socket, uint64_t deadline)
{
	int result = 0;

	while (socket->state == INET_TCP_CONNECTING && !result)
		result = socket_wait(&socket->inet.socket.queue, deadline);
	return result;
}

/* Sleep until there is room for more: 0, -EAGAIN, -EINTR, -EPIPE: look why. */
static int wait_for_room(struct inet_tcp *socket, uint64_t deadline)
{
	while (may_send(socket) && !inet_tcp_send_room(socket)) {
		int result;

		tcp_output(socket->pcb);
		net_finish(); /* which may make room by itself */
		if (!may_send(socket) || inet_tcp_send_room(socket))
			continue;
		result = socket_wait(&socket->inet.socket.queue, deadline);
		if (result)
			return result;
		net_enter();
	}
	return may_send(socket) ? 0 : -EPIPE;
}

/*
 * Sleep a little: memory is short, and it is other sockets that will give some back. They may all
 * hold what waits for their readers, and those be here: *until, 0 at first, is when to give up.
 */
static int wait_for_memory(struct inet_tcp *socket, uint64_t deadline, uint64_t *until)
{
	uint64_t now = clock_monotonic(), soon = now + MEMORY_RETRY;
	int result;

	if (!*until)
		*until = now + MEMORY_PATIENCE;
	if (now >= *until)
		return -ENOBUFS;
	net_finish();
	result = socket_wait(&socket->inet.socket.queue, deadline < soon ? deadline : soon);
	net_enter();
	return result == -EAGAIN && soon < deadline ? 0 : result;
}

/* Queue the next @length bytes, all of them or none. */
static err_t queue_bytes(struct inet_tcp *socket, struct socket_message *message, size_t length)
{
	struct socket_message rest = *message;
	err_t error;

	if (message_take(&rest, bounce, length) < length)
		return ERR_VAL;
	error = tcp_write(socket->pcb, bounce, (u16_t)length,
	                  TCP_WRITE_FLAG_COPY | (rest.data.total ? TCP_WRITE_FLAG_MORE : 0));
	if (error == ERR_OK)
		*message = rest;
	return error;
}

/* Queue the next piece: bytes, or a negative errno. */
static int64_t send_piece(struct inet_tcp *socket, struct socket_message *message)
{
	size_t segment = socket->pcb->mss, room = inet_tcp_send_room(socket);
	size_t length = BOUNCE / segment * segment;
	err_t error;

	if (length > message->data.total)
		length = message->data.total;
	if (length > SHORT_PIECE && net_memory_is_short())
		length = SHORT_PIECE;
	if (length > room)
		length = room;
	if (!socket->waits_since)
		socket->waits_since = clock_monotonic();
	error = queue_bytes(socket, message, length);
	/* Where there is no memory for a large block there is for a small one. */
	if (error == ERR_MEM && length > SHORT_PIECE) {
		length = SHORT_PIECE;
		error = queue_bytes(socket, message, length);
	}
	if (error == ERR_VAL)
		return -EFAULT;
	return error == ERR_OK ? (int64_t)length : net_errno(error);
}

static int64_t send_all(struct inet_tcp *socket, struct socket_message *message)
{
	uint64_t deadline = socket_deadline(socket->inet.socket.send_timeout, message->flags);
	bool is_held = message->flags & MESSAGE_MORE || socket->options.is_corked;
	uint64_t until = 0;
	int64_t done = 0, result = wait_for_state(socket, deadline);

	if (!result && !may_send(socket))
		result = -EPIPE;
	while (!result && message->data.total) {
		result = wait_for_room(socket, deadline);
		if (!result)
			result = send_piece(socket, message);
		if (result == -ENOBUFS) {
			result = wait_for_memory(socket, deadline, &until);
			continue;
		}
		if (result < 0)
			break;
		done += result;
		result = 0;
		until = 0;
		if (message->data.total || !is_held)
			tcp_output(socket->pcb);
		net_finish();
	}
	return done ? done : result;
}

int64_t inet_tcp_send(struct socket *base, struct socket_message *message)
{
	struct inet_tcp *socket = inet_tcp_of(base);
	int64_t result;

	if (message->flags & (MESSAGE_OUT_OF_BAND | MESSAGE_FAST_OPEN))
		return -EOPNOTSUPP;
	net_enter();
	result = send_all(socket, message);
	net_finish();
	return result == -EPIPE ? cannot_send(base, message->flags) : result;
}

/* ---- what arrived ---- */

void inet_tcp_drop_received(struct inet_tcp *socket)
{
	struct pbuf *buffer;

	while ((buffer = socket->first)) {
		socket->first = buffer->next;
		buffer->next = NULL;
		pbuf_free(buffer);
	}
	socket->last = NULL;
	socket->received = 0;
	socket->first_read = socket->last_room = 0;
}

static void append(struct inet_tcp *socket, struct pbuf *buffer)
{
	*(socket->last ? &socket->last->next : &socket->first) = buffer;
	socket->last = buffer;
	socket->last_room = 0;
}

/* Copy a small segment behind those that came before: false where memory is short. */
static bool join(struct inet_tcp *socket, const struct pbuf *data)
{
	struct pbuf *last = socket->last;

	if (socket->last_room < data->tot_len) {
		last = pbuf_alloc(PBUF_RAW, JOIN_ROOM, PBUF_RAM);
		if (!last)
			return false;
		last->len = 0;
		append(socket, last);
		socket->last_room = JOIN_ROOM;
	}
	pbuf_copy_partial(data, (unsigned char *)last->payload + last->len, data->tot_len, 0);
	last->len = (u16_t)(last->len + data->tot_len);
	socket->last_room = (uint16_t)(socket->last_room - data->tot_len);
	return true;
}

void inet_tcp_queue(struct inet_tcp *socket, struct pbuf *data)
{
	socket->received += data->tot_len;
	if (socket->first && data->tot_len <= JOIN_MAX && join(socket, data)) {
		pbuf_free(data);
		return;
	}
	/* Its buffers, each by itself; the headers' has nothing in it any more. */
	while (data) {
		struct pbuf *next = data->next;

		data->next = NULL;
		if (data->len)
			append(socket, data);
		else
			pbuf_free(data);
		data = next;
	}
}

/* ---- receiving ---- */

/* The window that the other side should see at most. */
static size_t window_limit(const struct inet_tcp *socket)
{
	const struct socket *base = &socket->inet.socket;
	const struct tcp_pcb *pcb = socket->pcb;
	const struct net_device *device =
	        net_device_of(inet_route(&pcb->local_ip, &pcb->remote_ip));
	size_t limit = TCP_WND_MAX(pcb), least = WINDOW_LEAST * (size_t)pcb->mss;

	if (device && device->window_max && limit > device->window_max)
		limit = device->window_max;
	if (base->has_receive_limit && limit > base->receive_limit)
		limit = base->receive_limit < least ? least : base->receive_limit;
	return limit < TCP_WND_MAX(pcb) ? limit : TCP_WND_MAX(pcb);
}

void inet_tcp_open_window(struct inet_tcp *socket)
{
	struct tcp_pcb *pcb = socket->pcb;
	size_t limit = window_limit(socket);

	/* As much was promised with the first packet. */
	if (limit < WINDOW_FIRST)
		limit = WINDOW_FIRST;
	if (limit >= pcb->rcv_wnd)
		return;
	socket->withheld = (uint32_t)(TCP_WND_MAX(pcb) - limit);
	pcb->rcv_wnd = pcb->rcv_ann_wnd = (tcpwnd_size_t)limit;
	/* lwIP takes what it would have announced for announced; first packets have 16 bits. */
	pcb->rcv_ann_right_edge = pcb->rcv_nxt + (uint32_t)limit;
}

/* Bytes that the program has read: the window opens by as much, but for what is to be withheld. */
static void reopen_window(struct inet_tcp *socket, size_t bytes)
{
	struct tcp_pcb *pcb = socket->pcb;
	size_t withhold;

	if (!pcb || socket->state != INET_TCP_CONNECTED)
		return;
	withhold = TCP_WND_MAX(pcb) - window_limit(socket);
	if (withhold > socket->withheld) {
		size_t part =
		        withhold - socket->withheld < bytes ? withhold - socket->withheld : bytes;

		socket->withheld += (uint32_t)part;
		bytes -= part;
	} else {
		bytes += socket->withheld - withhold;
		socket->withheld = (uint32_t)withhold;
	}
	while (bytes) {
		size_t part = bytes < RECVED_MAX ? bytes : RECVED_MAX;

		tcp_recved(pcb, (u16_t)part);
		bytes -= part;
	}
}

/* Take bytes that were read out of the queue. */
static void consume(struct inet_tcp *socket, size_t bytes)
{
	socket->received -= bytes;
	while (bytes && socket->first) {
		struct pbuf *buffer = socket->first;
		size_t left = buffer->len - socket->first_read;

		if (bytes < left) {
			socket->first_read = (uint16_t)(socket->first_read + bytes);
			return;
		}
		bytes -= left;
		socket->first_read = 0;
		socket->first = buffer->next;
		if (!socket->first) {
			socket->last = NULL;
			socket->last_room = 0;
		}
		buffer->next = NULL;
		pbuf_free(buffer);
	}
}

/* Copy what is there from byte @skip of the queue on. Return: bytes; *is_bad: before a bad pointer.
 */
static size_t copy_out(const struct inet_tcp *socket, struct socket_message *message, size_t skip,
                       bool *is_bad)
{
	size_t done = 0;

	skip += socket->first_read;
	for (const struct pbuf *buffer = socket->first; buffer && message->data.total;
	     buffer = buffer->next) {
		size_t part, moved;

		if (skip >= buffer->len) {
			skip -= buffer->len;
			continue;
		}
		part = buffer->len - skip;
		if (part > message->data.total)
			part = message->data.total;
		if (message->flags & MESSAGE_DATA_CUT) {
			message->data.total -= part; /* thrown away, as on Linux */
			moved = part;
		} else {
			moved = vector_write(&message->data,
			                     (const unsigned char *)buffer->payload + skip, part);
		}
		done += moved;
		skip = 0;
		*is_bad = moved < part;
		if (*is_bad)
			break;
	}
	return done;
}

/* Nothing is there now: 1: nothing ever will be; 0: wait; or a negative errno. */
static int is_at_end(struct inet_tcp *socket)
{
	int result = socket_take_error(&socket->inet.socket);

	if (result)
		return result;
	if (socket->closed & SOCKET_CLOSED_READ)
		return 1;
	return socket->state == INET_TCP_IDLE ? -ENOTCONN : 0;
}

/* The same where some bytes were read, so that an error is told by the next call. */
static bool will_get_no_more(const struct inet_tcp *socket)
{
	return socket->inet.socket.error || socket->closed & SOCKET_CLOSED_READ;
}

/* Is there anything behind byte @seen of the queue? */
static bool has_more(const struct inet_tcp *socket, size_t seen)
{
	return socket->received > seen;
}

static int64_t receive(struct inet_tcp *socket, struct socket_message *message)
{
	struct socket *base = &socket->inet.socket;
	uint64_t deadline = socket_deadline(base->receive_timeout, message->flags);
	size_t wanted = (size_t)base->receive_low, done = 0;
	bool is_peek = message->flags & MESSAGE_PEEK, is_bad = false;
	int result = 0;

	if (message->flags & MESSAGE_WAIT_FOR_ALL || wanted > message->data.total)
		wanted = message->data.total;
	for (;;) {
		if (has_more(socket, is_peek ? done : 0)) {
			size_t moved = copy_out(socket, message, is_peek ? done : 0, &is_bad);

			done += moved;
			if (!is_peek) {
				consume(socket, moved);
				reopen_window(socket, moved);
			}
			if (is_bad || !message->data.total)
				break;
		}
		if (done && (done >= wanted || will_get_no_more(socket)))
			break;
		if (!done) {
			result = is_at_end(socket);
			if (result)
				break;
		}
		net_finish();
		if (has_more(socket, is_peek ? done : 0))
			continue;
		result = socket_wait(&base->queue, deadline);
		if (result)
			break;
		net_enter();
	}
	if (done)
		return (int64_t)done;
	return is_bad ? -EFAULT : result > 0 ? 0 : result;
}

int64_t inet_tcp_receive(struct socket *base, struct socket_message *message)
{
	struct inet_tcp *socket = inet_tcp_of(base);
	int64_t result;

	if (message->flags & MESSAGE_ERROR_QUEUE)
		return -EAGAIN;
	if (socket->state == INET_TCP_LISTENING)
		return -ENOTCONN;
	if (message->flags & MESSAGE_OUT_OF_BAND)
		return -EINVAL; /* there never is anything */
	net_enter();
	result = receive(socket, message);
	net_finish();
	return result;
}
