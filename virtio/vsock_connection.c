/* SPDX-License-Identifier: Apache-2.0 */
/* One connection of the socket device. */
#include "virtio/vsock_connection.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* #syscalls:vsock close */
static void close_host(struct vsock_connection *connection)
{
	if (connection->fd >= 0)
		close(connection->fd);
	connection->fd = -1;
}

void vsock_forget(struct vsock_connection *connection)
{
	close_host(connection);
	connection->state = VSOCK_FREE;
}

void vsock_end(struct vsock_connection *connection)
{
	close_host(connection);
	connection->state = VSOCK_ENDING;
	connection->pending = VSOCK_PENDING(VIRTIO_VSOCK_OP_RST);
}

/* #syscalls:vsock shutdown */
void vsock_end_if_drained(struct vsock_connection *connection)
{
	if (connection->received != connection->taken)
		return;
	if (connection->guest_ended == VSOCK_SHUT_BOTH)
		vsock_end(connection);
	else if (connection->guest_ended & VIRTIO_VSOCK_SHUTDOWN_SEND)
		shutdown(connection->fd, SHUT_WR);
}

/* #syscalls:vsock sendto */
void vsock_drain_ring(struct vsock_connection *connection)
{
	while (connection->received != connection->taken) {
		uint32_t start = connection->taken % VSOCK_BUFFER;
		uint32_t size = connection->received - connection->taken;
		ssize_t put;

		if (size > VSOCK_BUFFER - start)
			size = VSOCK_BUFFER - start;
		put = send(connection->fd, connection->ring + start, size, MSG_NOSIGNAL);
		if (put < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (put < 0) {
			vsock_end(connection);
			return;
		}
		connection->taken += (uint32_t)put;
	}
	if (connection->taken - connection->told_taken >= VSOCK_BUFFER / 2)
		connection->pending |= VSOCK_PENDING(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	vsock_end_if_drained(connection);
}

void vsock_receive_data(struct vsock_connection *connection, const struct virtqueue_chain *chain,
                        uint32_t length)
{
	uint32_t done = 0;

	if (connection->state != VSOCK_CONNECTED ||
	    connection->guest_ended & VIRTIO_VSOCK_SHUTDOWN_SEND ||
	    length > VSOCK_BUFFER - (connection->received - connection->taken)) {
		vsock_end(connection);
		return;
	}
	while (done < length) {
		uint32_t start = connection->received % VSOCK_BUFFER, size = length - done;

		if (size > VSOCK_BUFFER - start)
			size = VSOCK_BUFFER - start;
		virtqueue_copy_from(chain->vectors, chain->out_count, VSOCK_HEADER + done,
		                    connection->ring + start, size);
		connection->received += size;
		done += size;
	}
	vsock_drain_ring(connection);
}

/* ---- lines ---- */

/* #syscalls:vsock sendto */
void vsock_write_line(struct vsock_connection *connection, const char *line)
{
	size_t length = strlen(line);

	if (send(connection->fd, line, length, MSG_NOSIGNAL) != (ssize_t)length)
		vsock_end(connection);
}

/* "CONNECT PORT", the line end taken off: 0, or -1 if it is wrong. */
static int parse_greeting(const char *line, size_t length, uint32_t *port)
{
	static const char word[] = "CONNECT ";
	uint64_t value = 0;

	if (length < sizeof word || memcmp(line, word, sizeof word - 1))
		return -1;
	for (size_t i = sizeof word - 1; i < length; i++) {
		if (line[i] < '0' || line[i] > '9')
			return -1;
		value = value * 10 + (uint64_t)(line[i] - '0');
		if (value > UINT32_MAX)
			return -1;
	}
	*port = (uint32_t)value;
	return 0;
}

/* What follows the line is for the guest: so byte by byte. Return: 1 when the line is whole, 0 when
 * more is to come, -1 when none will. */
/* #syscalls:vsock recvfrom */
static int read_line(struct vsock_connection *connection)
{
	while (connection->line_length < VSOCK_LINE_MAX) {
		char *at = &connection->line[connection->line_length];
		ssize_t got = recv(connection->fd, at, 1, 0);

		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (got <= 0)
			return -1;
		if (*at == '\n')
			return 1;
		connection->line_length++;
	}
	return -1;
}

int vsock_read_greeting(struct vsock_connection *connection, uint32_t *port)
{
	int status = read_line(connection);

	return status > 0
	               ? (parse_greeting(connection->line, connection->line_length, port) ? -1 : 1)
	               : status;
}
