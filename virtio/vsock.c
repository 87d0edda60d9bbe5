/* SPDX-License-Identifier: Apache-2.0 */
/* The socket device (virtio 1.2, section 5.10). */
#include "virtio/vsock.h"

#include <errno.h>
#include <linux/virtio_vsock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virtio/vsock_host.h"

enum { QUEUE_RECEIVE, QUEUE_SEND, QUEUE_EVENT, QUEUES }; /* as the guest sees them (5.10.2) */

#define HOST_CID      2u
#define HEADER        sizeof(struct virtio_vsock_hdr)
#define RESETS        64u         /* answers to packets that belong to no connection */
#define FIRST_PORT    0x40000000u /* of connections that begin on the host */
#define LINE_MAX_SIZE 32u         /* "CONNECT 4294967295\n" and some room */
#define SHUT_BOTH     (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)
#define PENDING(op)   (1u << (op))

enum connection_state {
	FREE,
	GREETING,     /* of the host's: its line with the port has not been read */
	ASKING_GUEST, /* the guest has not answered the request */
	ASKING_HOST,  /* the connector has not */
	CONNECTED,
	ENDING, /* a reset is to be sent; the host's socket is closed */
};

struct connection {
	enum connection_state state;
	int fd;          /* -1: none */
	uint32_t serial; /* of this use of the structure */
	uint32_t guest_port, host_port;
	char line[LINE_MAX_SIZE]; /* of the greeting, so far */
	unsigned line_length;
	uint32_t pending;        /* operations that wait for a buffer of the guest's */
	uint32_t shutdown_flags; /* of a pending shutdown */
	bool host_ended;         /* it will send no more, and the guest has been told */
	uint32_t guest_ended;    /* VIRTIO_VSOCK_SHUTDOWN_*: as the guest has said */

	/* to the guest: 5.10.6.3 */
	uint32_t guest_buffer, guest_taken, sent;
	/* from the guest: received - taken bytes are in the ring */
	uint32_t received, taken, told_taken;
	unsigned char *ring;
};

struct vsock {
	struct virtio_device device;
	struct vsock_host host;
	uint32_t next_port, next_serial;
	struct iovec parts[VIRTQUEUE_SIZE_MAX]; /* of a buffer behind its header */
	struct connection connections[VSOCK_CONNECTIONS];
	struct {
		uint32_t guest_port, host_port;
	} resets[RESETS];
	unsigned reset_count;
	struct connection *polled[VIRTIO_POLL_MAX]; /* NULL: not of a connection */
};

static struct vsock *vsock_of(struct virtio_device *device)
{
	return (struct vsock *)device;
}

/* ---- connections ---- */

static struct connection *find(struct vsock *vsock, uint32_t guest_port, uint32_t host_port)
{
	for (unsigned i = 0; i < VSOCK_CONNECTIONS; i++) {
		struct connection *connection = &vsock->connections[i];

		if (connection->state > GREETING && connection->guest_port == guest_port &&
		    connection->host_port == host_port)
			return connection;
	}
	return NULL;
}

static struct connection *take_free(struct vsock *vsock, enum connection_state state, int fd)
{
	for (unsigned i = 0; i < VSOCK_CONNECTIONS; i++) {
		struct connection *connection = &vsock->connections[i];

		if (connection->state == FREE) {
			*connection = (struct connection){.state = state,
			                                  .fd = fd,
			                                  .serial = vsock->next_serial++,
			                                  .ring = connection->ring};
			return connection;
		}
	}
	return NULL;
}

/* #syscalls:vsock close */
static void close_host(struct connection *connection)
{
	if (connection->fd >= 0)
		close(connection->fd);
	connection->fd = -1;
}

static void forget(struct connection *connection)
{
	close_host(connection);
	connection->state = FREE;
}

/* The guest is to learn that it is over. */
static void end(struct connection *connection)
{
	close_host(connection);
	connection->state = ENDING;
	connection->pending = PENDING(VIRTIO_VSOCK_OP_RST);
}

static uint32_t credit(const struct connection *connection)
{
	uint32_t under_way = connection->sent - connection->guest_taken;

	return under_way < connection->guest_buffer ? connection->guest_buffer - under_way : 0;
}

/* ---- to the guest ---- */

static struct virtio_vsock_hdr header_of(const struct connection *connection, uint16_t operation)
{
	return (struct virtio_vsock_hdr){
	        .src_cid = HOST_CID,
	        .dst_cid = VSOCK_GUEST_CID,
	        .src_port = connection->host_port,
	        .dst_port = connection->guest_port,
	        .type = VIRTIO_VSOCK_TYPE_STREAM,
	        .op = operation,
	        .flags = operation == VIRTIO_VSOCK_OP_SHUTDOWN ? connection->shutdown_flags : 0,
	        .buf_alloc = VSOCK_BUFFER,
	        .fwd_cnt = connection->taken,
	};
}

/* Take a buffer of the guest's that holds a header at least: 1, 0 (none), -1 (it is none). */
static int take_buffer(struct vsock *vsock)
{
	struct virtqueue_chain *chain = &vsock->device.chain;
	int status = virtqueue_next(&vsock->device.queues[QUEUE_RECEIVE], chain);

	return status > 0 && (chain->out_count || chain->in_bytes < HEADER) ? -1 : status;
}

static void give_buffer(struct vsock *vsock, const struct virtio_vsock_hdr *header)
{
	struct virtqueue_chain *chain = &vsock->device.chain;

	virtqueue_copy_to(virtqueue_in(chain), chain->in_count, 0, header, HEADER);
	virtqueue_complete(&vsock->device.queues[QUEUE_RECEIVE], chain->head,
	                   (uint32_t)HEADER + header->len);
}

/* Send what is pending, most important first. Return: 0, -1 when the queue is broken. */
static int send_pending_of(struct vsock *vsock, struct connection *connection)
{
	static const uint16_t order[] = {VIRTIO_VSOCK_OP_REQUEST, VIRTIO_VSOCK_OP_RESPONSE,
	                                 VIRTIO_VSOCK_OP_CREDIT_UPDATE, VIRTIO_VSOCK_OP_SHUTDOWN,
	                                 VIRTIO_VSOCK_OP_RST};

	for (size_t i = 0; connection->pending && i < sizeof order / sizeof order[0]; i++) {
		struct virtio_vsock_hdr header;
		int status;

		if (!(connection->pending & PENDING(order[i])))
			continue;
		status = take_buffer(vsock);
		if (status <= 0)
			return status;
		header = header_of(connection, order[i]);
		give_buffer(vsock, &header);
		connection->pending &= ~PENDING(order[i]);
		connection->told_taken = connection->taken;
	}
	if (connection->state == ENDING && !connection->pending)
		connection->state = FREE;
	return 0;
}

static int send_resets(struct vsock *vsock)
{
	while (vsock->reset_count) {
		int status = take_buffer(vsock);
		struct connection nobody = {0};
		struct virtio_vsock_hdr header;

		if (status <= 0)
			return status;
		vsock->reset_count--;
		nobody.guest_port = vsock->resets[vsock->reset_count].guest_port;
		nobody.host_port = vsock->resets[vsock->reset_count].host_port;
		header = header_of(&nobody, VIRTIO_VSOCK_OP_RST);
		header.buf_alloc = 0;
		give_buffer(vsock, &header);
	}
	return 0;
}

static int send_pending(struct vsock *vsock)
{
	int status = send_resets(vsock);

	for (unsigned i = 0; !status && i < VSOCK_CONNECTIONS; i++)
		status = send_pending_of(vsock, &vsock->connections[i]);
	return status;
}

/* ---- data from the host ---- */

/* One buffer's worth. */
/* #syscalls:vsock readv */
static int send_data(struct vsock *vsock, struct connection *connection)
{
	struct virtqueue *queue = &vsock->device.queues[QUEUE_RECEIVE];
	struct virtqueue_chain *chain = &vsock->device.chain;
	struct virtio_vsock_hdr header = header_of(connection, VIRTIO_VSOCK_OP_RW);
	int status = take_buffer(vsock);
	unsigned count;
	ssize_t got;

	if (status <= 0)
		return status;
	count = virtqueue_slice(virtqueue_in(chain), chain->in_count, HEADER, credit(connection),
	                        vsock->parts);
	got = count ? readv(connection->fd, vsock->parts, (int)count) : -1;
	if (got > 0) {
		header.len = (uint32_t)got;
		connection->sent += (uint32_t)got;
		connection->told_taken = connection->taken;
		give_buffer(vsock, &header);
		return 0;
	}
	virtqueue_put_back(queue);
	if (got < 0 && (!count || errno == EAGAIN || errno == EINTR))
		return 0;
	if (got < 0) {
		end(connection);
	} else {
		connection->host_ended = true;
		connection->shutdown_flags = VIRTIO_VSOCK_SHUTDOWN_SEND;
		connection->pending |= PENDING(VIRTIO_VSOCK_OP_SHUTDOWN);
	}
	return send_pending_of(vsock, connection);
}

/* ---- data to the host ---- */

/* What is due once all that the guest has sent is with the host. */
/* #syscalls:vsock shutdown */
static void end_if_drained(struct connection *connection)
{
	if (connection->received != connection->taken)
		return;
	if (connection->guest_ended == SHUT_BOTH)
		end(connection);
	else if (connection->guest_ended & VIRTIO_VSOCK_SHUTDOWN_SEND)
		shutdown(connection->fd, SHUT_WR);
}

/* Write from the ring. */
/* #syscalls:vsock sendto */
static void drain(struct connection *connection)
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
			end(connection);
			return;
		}
		connection->taken += (uint32_t)put;
	}
	if (connection->taken - connection->told_taken >= VSOCK_BUFFER / 2)
		connection->pending |= PENDING(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	end_if_drained(connection);
}

/* The guest has sent data: into the ring, and on from there. */
static void receive_data(struct connection *connection, const struct virtqueue_chain *chain,
                         uint32_t length)
{
	uint32_t done = 0;

	if (connection->state != CONNECTED ||
	    connection->guest_ended & VIRTIO_VSOCK_SHUTDOWN_SEND ||
	    length > VSOCK_BUFFER - (connection->received - connection->taken)) {
		end(connection);
		return;
	}
	while (done < length) {
		uint32_t start = connection->received % VSOCK_BUFFER, size = length - done;

		if (size > VSOCK_BUFFER - start)
			size = VSOCK_BUFFER - start;
		virtqueue_copy_from(chain->vectors, chain->out_count, HEADER + done,
		                    connection->ring + start, size);
		connection->received += size;
		done += size;
	}
	drain(connection);
}

/* ---- packets of the guest ---- */

static void reset_nobody(struct vsock *vsock, const struct virtio_vsock_hdr *header)
{
	if (header->op == VIRTIO_VSOCK_OP_RST || vsock->reset_count == RESETS)
		return;
	vsock->resets[vsock->reset_count].guest_port = header->src_port;
	vsock->resets[vsock->reset_count++].host_port = header->dst_port;
}

static void begin_from_guest(struct vsock *vsock, const struct virtio_vsock_hdr *header)
{
	struct connection *connection = take_free(vsock, ASKING_HOST, -1);

	if (!connection) {
		reset_nobody(vsock, header);
		return;
	}
	connection->guest_port = header->src_port;
	connection->host_port = header->dst_port;
	connection->guest_buffer = header->buf_alloc;
	if (vsock_host_connect(&vsock->host, header->dst_port, connection->serial))
		end(connection);
}

static void write_line(struct connection *connection, const char *line)
{
	size_t length = strlen(line);

	if (send(connection->fd, line, length, MSG_NOSIGNAL) != (ssize_t)length)
		end(connection);
}

/* The guest has accepted what the host began. */
static void accepted_by_guest(struct connection *connection)
{
	char line[LINE_MAX_SIZE];

	if (connection->state != ASKING_GUEST) {
		end(connection);
		return;
	}
	connection->state = CONNECTED;
	snprintf(line, sizeof line, "OK %u\n", connection->host_port);
	write_line(connection, line);
}

static void shut_down_by_guest(struct connection *connection, uint32_t flags)
{
	if (connection->state != CONNECTED) {
		end(connection);
		return;
	}
	connection->guest_ended |= flags & SHUT_BOTH;
	end_if_drained(connection);
}

static void receive_for(struct connection *connection, const struct virtqueue_chain *chain,
                        const struct virtio_vsock_hdr *header)
{
	connection->guest_buffer = header->buf_alloc;
	connection->guest_taken = header->fwd_cnt;
	switch (header->op) {
	case VIRTIO_VSOCK_OP_RESPONSE: accepted_by_guest(connection); break;
	case VIRTIO_VSOCK_OP_RST: forget(connection); break;
	case VIRTIO_VSOCK_OP_SHUTDOWN: shut_down_by_guest(connection, header->flags); break;
	case VIRTIO_VSOCK_OP_RW: receive_data(connection, chain, header->len); break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE: break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		connection->pending |= PENDING(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
		break;
	default: end(connection); break; /* a second request, or what there is not */
	}
}

static void receive(struct vsock *vsock, const struct virtqueue_chain *chain)
{
	struct virtio_vsock_hdr header;
	struct connection *connection;

	virtqueue_copy_from(chain->vectors, chain->out_count, 0, &header, HEADER);
	connection = find(vsock, header.src_port, header.dst_port);
	if (header.src_cid != VSOCK_GUEST_CID || header.dst_cid != HOST_CID ||
	    header.type != VIRTIO_VSOCK_TYPE_STREAM || header.len != chain->out_bytes - HEADER)
		reset_nobody(vsock, &header);
	else if (connection && connection->state != ENDING)
		receive_for(connection, chain, &header);
	else if (!connection && header.op == VIRTIO_VSOCK_OP_REQUEST)
		begin_from_guest(vsock, &header);
	else if (!connection)
		reset_nobody(vsock, &header);
}

static int serve_send(struct vsock *vsock)
{
	struct virtqueue *queue = &vsock->device.queues[QUEUE_SEND];
	struct virtqueue_chain *chain = &vsock->device.chain;
	int status;

	while ((status = virtqueue_next(queue, chain)) > 0) {
		if (chain->in_count || chain->out_bytes < HEADER)
			return -1;
		receive(vsock, chain);
		virtqueue_complete(queue, chain->head, 0);
	}
	return status;
}

static int vsock_serve(struct virtio_device *device, unsigned queue)
{
	struct vsock *vsock = vsock_of(device);

	/* Buffers for events stay where they are: there is nothing to tell yet (5.10.6.7). */
	if (queue == QUEUE_SEND && serve_send(vsock))
		return -1;
	if (queue == QUEUE_EVENT)
		return 0;
	if (send_pending(vsock))
		return -1;
	virtio_device_tell_used(device, QUEUE_RECEIVE);
	return 0;
}

/* ---- the host's news ---- */

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
static int read_line(struct connection *connection)
{
	while (connection->line_length < LINE_MAX_SIZE) {
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

static void read_greeting(struct vsock *vsock, struct connection *connection)
{
	int status = read_line(connection);
	uint32_t port;

	if (!status)
		return;
	if (status < 0 || parse_greeting(connection->line, connection->line_length, &port)) {
		forget(connection);
		return;
	}
	do
		connection->host_port = FIRST_PORT | (vsock->next_port++ & (FIRST_PORT - 1));
	while (find(vsock, port, connection->host_port));
	connection->guest_port = port;
	connection->state = ASKING_GUEST;
	connection->pending = PENDING(VIRTIO_VSOCK_OP_REQUEST);
}

static void accept_from_host(struct vsock *vsock)
{
	int fd = vsock_host_accept(&vsock->host);

	if (fd >= 0 && !take_free(vsock, GREETING, fd))
		close(fd);
}

/* The connection that a question to the connector was for, if it still is. */
static struct connection *find_asking(struct vsock *vsock, uint32_t serial)
{
	for (unsigned i = 0; i < VSOCK_CONNECTIONS; i++)
		if (vsock->connections[i].state == ASKING_HOST &&
		    vsock->connections[i].serial == serial)
			return &vsock->connections[i];
	return NULL;
}

static void connected_by_host(struct vsock *vsock)
{
	struct connection *connection;
	uint32_t serial;
	int fd, status;

	while ((status = vsock_host_connected(&vsock->host, &serial, &fd)) > 0) {
		connection = find_asking(vsock, serial);
		if (!connection) {
			if (fd >= 0)
				close(fd);
			continue;
		}
		connection->fd = fd;
		if (fd < 0) {
			end(connection);
			continue;
		}
		connection->state = CONNECTED;
		connection->pending |= PENDING(VIRTIO_VSOCK_OP_RESPONSE);
	}
	if (status < 0) /* the connector is gone: nobody will answer */
		for (unsigned i = 0; i < VSOCK_CONNECTIONS; i++)
			if (vsock->connections[i].state == ASKING_HOST)
				end(&vsock->connections[i]);
}

/* What to wait for on a connection; 0: nothing. */
static short wanted(const struct vsock *vsock, const struct connection *connection)
{
	bool has_buffers = virtqueue_has_work(&vsock->device.queues[QUEUE_RECEIVE]);
	short events = 0;

	if (connection->state == GREETING)
		return POLLIN;
	if (connection->state != CONNECTED)
		return 0;
	if (has_buffers && credit(connection) && !connection->host_ended &&
	    !(connection->guest_ended & VIRTIO_VSOCK_SHUTDOWN_RCV))
		events |= POLLIN;
	if (connection->received != connection->taken)
		events |= POLLOUT;
	return events;
}

static bool has_in_state(const struct vsock *vsock, enum connection_state state)
{
	for (unsigned i = 0; i < VSOCK_CONNECTIONS; i++)
		if (vsock->connections[i].state == state)
			return true;
	return false;
}

static unsigned vsock_poll(struct virtio_device *device, struct pollfd *polls)
{
	struct vsock *vsock = vsock_of(device);
	unsigned count = 0;

	if (has_in_state(vsock, FREE)) {
		vsock->polled[count] = NULL;
		polls[count++] = (struct pollfd){.fd = vsock->host.listener, .events = POLLIN};
	}
	if (has_in_state(vsock, ASKING_HOST)) {
		vsock->polled[count] = NULL;
		polls[count++] = (struct pollfd){.fd = vsock->host.connector, .events = POLLIN};
	}
	for (unsigned i = 0; i < VSOCK_CONNECTIONS; i++) {
		struct connection *connection = &vsock->connections[i];
		short events = wanted(vsock, connection);

		if (!events)
			continue;
		vsock->polled[count] = connection;
		polls[count++] = (struct pollfd){.fd = connection->fd, .events = events};
	}
	return count;
}

static int polled_connection(struct vsock *vsock, struct connection *connection, short events)
{
	if (connection->state == GREETING) {
		read_greeting(vsock, connection);
		return 0;
	}
	if (connection->state != CONNECTED)
		return 0;
	if (connection->received != connection->taken)
		drain(connection);
	if (connection->state == CONNECTED && !connection->host_ended &&
	    events & (POLLIN | POLLHUP | POLLERR))
		return send_data(vsock, connection);
	return 0;
}

static int vsock_polled(struct virtio_device *device, const struct pollfd *polls, unsigned count)
{
	struct vsock *vsock = vsock_of(device);

	for (unsigned i = 0; i < count; i++) {
		if (!polls[i].revents)
			continue;
		if (vsock->polled[i]) {
			if (polled_connection(vsock, vsock->polled[i], polls[i].revents))
				return -1;
		} else if (polls[i].fd == vsock->host.listener) {
			accept_from_host(vsock);
		} else {
			connected_by_host(vsock);
		}
	}
	return send_pending(vsock);
}

/* The guest has ended, and with it all that it has not closed. */
static bool vsock_drain(struct virtio_device *device)
{
	struct vsock *vsock = vsock_of(device);
	bool has_more = false;

	for (unsigned i = 0; i < VSOCK_CONNECTIONS; i++) {
		struct connection *connection = &vsock->connections[i];

		if (connection->state == CONNECTED)
			drain(connection);
		has_more |=
		        connection->state == CONNECTED && connection->received != connection->taken;
	}
	return has_more;
}

/* ---- the device ---- */

static void vsock_reset(struct virtio_device *device)
{
	struct vsock *vsock = vsock_of(device);

	vsock->reset_count = 0;
	for (unsigned i = 0; i < VSOCK_CONNECTIONS; i++)
		if (vsock->connections[i].state != FREE)
			forget(&vsock->connections[i]);
}

static void read_config(struct virtio_device *device, size_t offset, void *to, size_t length)
{
	const struct virtio_vsock_config config = {.guest_cid = VSOCK_GUEST_CID};

	(void)device;
	memcpy(to, (const char *)&config + offset, length);
}

static const struct virtio_device_ops vsock_ops = {
        .name = "vsock",
        .id = VIRTIO_ID_VSOCK,
        .queue_count = QUEUES,
        .queue_size = {64, 64, 4},
        .config_size = sizeof(struct virtio_vsock_config),
        .serve = vsock_serve,
        .reset = vsock_reset,
        .read_config = read_config,
        .poll = vsock_poll,
        .polled = vsock_polled,
        .drain = vsock_drain,
};

struct virtio_device *vsock_create(const struct vsock_host *host, const struct guest_memory *memory)
{
	struct vsock *vsock = calloc(1, sizeof *vsock);
	/* Touched only as far as connections are made use of. */
	unsigned char *rings = calloc(VSOCK_CONNECTIONS, VSOCK_BUFFER);

	if (!vsock || !rings) {
		free(vsock);
		free(rings);
		return NULL;
	}
	for (unsigned i = 0; i < VSOCK_CONNECTIONS; i++) {
		vsock->connections[i].fd = -1;
		vsock->connections[i].ring = rings + (size_t)i * VSOCK_BUFFER;
	}
	vsock->host = *host;
	virtio_device_init(&vsock->device, &vsock_ops, 0, memory);
	return &vsock->device;
}

struct virtio_device *vsock_open(const char *path, const struct guest_memory *memory,
                                 struct mote_error *err)
{
	struct vsock_host host;
	struct virtio_device *device;

	if (vsock_host_open(&host, path, err))
		return NULL;
	device = vsock_create(&host, memory);
	if (!device)
		mote_error_set(err, MOTE_STATUS_FAILED, "no memory for the guest's sockets");
	return device;
}
