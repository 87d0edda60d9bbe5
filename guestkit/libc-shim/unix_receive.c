/* SPDX-License-Identifier: Apache-2.0 */
/* Receiving from AF_UNIX sockets. */
#include <linux/errno.h>

#include "guestkit/libc-shim/unix.h"

/* Hand over what goes along with a packet; what is only looked at is copied. */
static void give_control(struct unix_packet *packet, struct socket_message *message)
{
	const struct socket_rights *rights = packet->control.rights;

	message->control.sender = packet->control.sender;
	message->control.has_sender = packet->control.has_sender;
	if (!rights)
		return;
	message->control.rights = message->flags & MESSAGE_PEEK ? socket_rights_copy(rights)
	                                                        : unix_packet_take_rights(packet);
}

/* Tell whose packet it is; an unnamed one has an address without a byte. */
static void give_sender_name(const struct unix_packet *packet, struct socket_message *message)
{
	if (message->name && packet->sender->name)
		*message->name = packet->sender->name->address;
}

/* ---- streams ---- */

/* Reading goes through the packets of a stream until one of these holds. */
struct stream_read {
	struct unix_socket *socket;
	struct socket_message *message;
	size_t done;
	bool has_begun; /* a packet has been read from */
	bool is_over;   /* at a barrier, or at a bad pointer */
};

/* Move what fits of a packet. Return: whether all of it was taken. */
static bool read_packet(struct stream_read *read, struct unix_packet *packet)
{
	struct socket_message *message = read->message;
	bool wants_sender = socket_wants_sender(&read->socket->socket);
	bool has_rights = packet->control.rights != NULL;
	size_t part = packet->end - packet->start, moved;

	if (read->has_begun && wants_sender &&
	    !unix_is_same_sender(&message->control, &packet->control)) {
		read->is_over = true; /* bytes of two senders are never in one message */
		return false;
	}
	if (!read->has_begun)
		give_sender_name(packet, message);
	if (part > message->data.total)
		part = message->data.total;
	moved = vector_write(&message->data, packet->data + packet->start, part);
	if (moved < part) {
		read->is_over = true;
		return false;
	}
	read->has_begun = true;
	read->done += moved;
	give_control(packet, message);
	read->is_over = has_rights;
	return packet->start + part == packet->end;
}

/* Read what is there. */
static void read_stream(struct stream_read *read)
{
	struct unix_socket *socket = read->socket;

	while (socket->first && !read->is_over) {
		struct unix_packet *packet = socket->first;
		size_t before = read->done;
		bool is_taken = read_packet(read, packet);

		packet->start += (uint32_t)(read->done - before);
		if (!is_taken)
			break;
		unix_packet_free(unix_packet_take(socket));
		if (!read->message->data.total)
			break;
	}
}

/* Look at what is there, and on to the next files, though the buffer is full: as Linux does. */
static void peek_stream(struct stream_read *read)
{
	struct unix_packet *packet = read->socket->first;

	for (; packet && !read->is_over; packet = packet->next)
		read_packet(read, packet);
}

static int64_t receive_stream(struct unix_socket *socket, struct socket_message *message)
{
	struct stream_read read = {.socket = socket, .message = message};
	uint64_t deadline = socket_deadline(socket->socket.receive_timeout, message->flags);
	size_t wanted = (size_t)socket->socket.receive_low;
	bool is_peek = message->flags & MESSAGE_PEEK;
	int result = 0;

	/* There never is anything out of band. */
	if (socket->state != UNIX_CONNECTED || message->flags & MESSAGE_OUT_OF_BAND)
		return -EINVAL;
	if (message->flags & MESSAGE_WAIT_FOR_ALL || wanted > message->data.total)
		wanted = message->data.total;
	for (;;) {
		if (socket->first) {
			if (is_peek)
				peek_stream(&read);
			else
				read_stream(&read);
			if (read.is_over || is_peek || !message->data.total)
				break;
		}
		if (read.has_begun && read.done >= wanted)
			break;
		result = socket_take_error(&socket->socket);
		if (result || socket->closed & SOCKET_CLOSED_READ)
			break;
		result = socket_wait(&socket->socket.queue, deadline);
		if (result)
			break;
	}
	if (read.is_over && !read.has_begun)
		return -EFAULT;
	if (!read.has_begun)
		message->control.has_sender = true; /* all zeros, as on Linux */
	return read.done ? (int64_t)read.done : result;
}

/* ---- datagrams and sequenced packets ---- */

/* Sleep until there is a packet: 1; 0: there will be none; or a negative errno. */
static int wait_for_packet(struct unix_socket *socket, uint64_t deadline)
{
	for (;;) {
		int result = socket_take_error(&socket->socket);

		if (result)
			return result;
		if (socket->first)
			return 1;
		if (socket->closed & SOCKET_CLOSED_READ)
			return deadline || unix_is_connecting(socket) ? 0 : -EAGAIN;
		result = socket_wait(&socket->socket.queue, deadline);
		if (result)
			return result;
	}
}

static int64_t receive_datagram(struct unix_socket *socket, struct socket_message *message)
{
	uint64_t deadline = socket_deadline(socket->socket.receive_timeout, message->flags);
	bool is_peek = message->flags & MESSAGE_PEEK;
	struct unix_packet *packet;
	size_t length, part;
	int64_t result;

	if (message->flags & MESSAGE_OUT_OF_BAND)
		return -EOPNOTSUPP;
	result = wait_for_packet(socket, deadline);
	message->is_nobody = !result;
	if (result <= 0)
		return result;
	packet = socket->first;
	length = packet->end;
	part = length < message->data.total ? length : message->data.total;
	give_sender_name(packet, message);
	if (part < length)
		message->result |= MESSAGE_DATA_CUT;
	result = (int64_t)(message->flags & MESSAGE_DATA_CUT ? length : part);
	if (vector_write(&message->data, packet->data, part) < part)
		result = -EFAULT; /* the packet is lost */
	else
		give_control(packet, message);
	if (!is_peek) {
		unix_packet_take(socket);
		socket_rights_drop(unix_packet_take_rights(packet));
		unix_packet_free(packet);
	}
	return result;
}

int64_t unix_receive(struct socket *base, struct socket_message *message)
{
	struct unix_socket *socket = unix_of(base);

	if (base->type == SOCKET_STREAM)
		return receive_stream(socket, message);
	if (base->type == SOCKET_SEQUENCED && socket->state != UNIX_CONNECTED)
		return -ENOTCONN;
	return receive_datagram(socket, message);
}
