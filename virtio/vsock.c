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

#include "virtio/vsock_connection.h"
#include "virtio/vsock_host.h"

enum { QUEUE_RECEIVE, QUEUE_SEND, QUEUE_EVENT, QUEUES }; /* as the guest sees them (5.10.2) */

#define HOST_CID   2u
#define RESETS     64u         /* answers to packets that belong to no connection */
#define FIRST_PORT 0x40000000u /* of connections that begin on the host */

struct vsock {
	struct virtio_device device;
	struct vsock_host host;
	uint32_t next_port, next_serial;
	struct iovec parts[VIRTQUEUE_SIZE_MAX]; /* of a buffer behind its header */
	struct vsock_connection connections[VSOCK_CONNECTIONS];
	struct {
		uint32_t guest_port, host_port;
	} resets[RESETS];
	unsigned reset_count;
	struct vsock_connection *polled[VIRTIO_POLL_MAX]; /* NULL: not of a connection */
};

static struct vsock *vsock_of(struct virtio_device *device)
{
	return (struct vsock *)device;
}

/* ---- connections ---- */

static struct vsock_connection *find(struct vsock *vsock, uint32_t guest_port, uint32_t host_port)
{
	for (unsigned i = 0; i < VSOCK_CONNECTIONS; i++) {
		struct vsock_connection *connection = &vsock->connections[i];

		if (connection->state > VSOCK_GREETING && connection->guest_port == guest_port &&
		    connection->host_port == host_port)
			return connection;
	}
	return NULL;
}

static struct vsock_connection *take_free(struct vsock *vsock, enum vsock_connection_state state,
                                          int fd)
{
	for (unsigned i = 0; i < VSOCK_CONNECTIONS; i++) {
		struct vsock_connection *connection = &vsock->connections[i];

		if (connection->state == VSOCK_FREE) {
			*connection = (struct vsock_connection){.state = state,
			                                        .fd = fd,
			                                        .serial = vsock->next_serial++,
			                                        .ring = connection->ring};
			return connection;
		}
	}
	return NULL;
}

/* ---- to the guest ---- */

static struct virtio_vsock_hdr header_of(const struct vsock_connection *connection,
                                         uint16_t operation)
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

	return status > 0 && (chain->out_count || chain->in_bytes < VSOCK_HEADER) ? -1 : status;
}

static void give_buffer(struct vsock *vsock, const struct virtio_vsock_hdr *header)
{
	struct virtqueue_chain *chain = &vsock->device.chain;

	virtqueue_copy_to(virtqueue_in(chain), chain->in_count, 0, header, VSOCK_HEADER);
	virtqueue_complete(&vsock->device.queues[QUEUE_RECEIVE], chain->head,
	                   (uint32_t)VSOCK_HEADER + header->len);
}

/* Send what is pending, most important first. Return: 0, -1 when the queue is broken. */
static int send_pending_of(struct vsock *vsock, struct vsock_connection *connection)
{
	static const uint16_t order[] = {VIRTIO_VSOCK_OP_REQUEST, VIRTIO_VSOCK_OP_RESPONSE,
	                                 VIRTIO_VSOCK_OP_CREDIT_UPDATE, VIRTIO_VSOCK_OP_SHUTDOWN,
	                                 VIRTIO_VSOCK_OP_RST};

	for (size_t i = 0; connection->pending && i < sizeof order / sizeof order[0]; i++) {
		struct virtio_vsock_hdr header;
		int status;

		if (!(connection->pending & VSOCK_PENDING(order[i])))
			continue;
		status = take_buffer(vsock);
		if (status <= 0)
			return status;
		header = header_of(connection, order[i]);
		give_buffer(vsock, &header);
		connection->pending &= ~VSOCK_PENDING(order[i]);
		connection->told_taken = connection->taken;
	}
	if (connection->state == VSOCK_ENDING && !connection->pending)
		connection->state = VSOCK_FREE;
	return 0;
}

static int send_resets(struct vsock *vsock)
{
	while (vsock->reset_count) {
		int status = take_buffer(vsock);
		struct vsock_connection nobody = {0};
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
static int send_data(struct vsock *vsock, struct vsock_connection *connection)
{
	struct virtqueue *queue = &vsock->device.queues[QUEUE_RECEIVE];
	struct virtqueue_chain *chain = &vsock->device.chain;
	struct virtio_vsock_hdr header = header_of(connection, VIRTIO_VSOCK_OP_RW);
	int status = take_buffer(vsock);
	unsigned count;
	ssize_t got;

	if (status <= 0)
		return status;
	count = virtqueue_slice(virtqueue_in(chain), chain->in_count, VSOCK_HEADER,
	                        vsock_credit(connection), vsock->parts);
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
		vsock_end(connection);
	} else {
		connection->host_ended = true;
		connection->shutdown_flags = VIRTIO_VSOCK_SHUTDOWN_SEND;
		connection->pending |= VSOCK_PENDING(VIRTIO_VSOCK_OP_SHUTDOWN);
	}
	return send_pending_of(vsock, connection);
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
	struct vsock_connection *connection = take_free(vsock, VSOCK_ASKING_HOST, -1);

	if (!connection) {
		reset_nobody(vsock, header);
		return;
	}
	connection->guest_port = header->src_port;
	connection->host_port = header->dst_port;
	connection->guest_buffer = header->buf_alloc;
	if (vsock_host_connect(&vsock->host, header->dst_port, connection->serial))
		vsock_end(connection);
}

/* The guest has accepted what the host began. */
static void accepted_by_guest(struct vsock_connection *connection)
{
	char line[VSOCK_LINE_MAX];

	if (connection->state != VSOCK_ASKING_GUEST) {
		vsock_end(connection);
		return;
	}
	connection->state = VSOCK_CONNECTED;
	snprintf(line, sizeof line, "OK %u\n", connection->host_port);
	vsock_write_line(connection, line);
}

static void shut_down_by_guest(struct vsock_connection *connection, uint32_t flags)
{
	if (connection->state != VSOCK_CONNECTED) {
		vsock_end(connection);
		return;
	}
	connection->guest_ended |= flags & VSOCK_SHUT_BOTH;
	vsock_end_if_drained(connection);
}

static void receive_for(struct vsock_connection *connection, const struct virtqueue_chain *chain,
                        const struct virtio_vsock_hdr *header)
{
	connection->guest_buffer = header->buf_alloc;
	connection->guest_taken = header->fwd_cnt;
	switch (header->op) {
	case VIRTIO_VSOCK_OP_RESPONSE: accepted_by_guest(connection); break;
	case VIRTIO_VSOCK_OP_RST: vsock_forget(connection); break;
	case VIRTIO_VSOCK_OP_SHUTDOWN: shut_down_by_guest(connection, header->flags); break;
	case VIRTIO_VSOCK_OP_RW: vsock_receive_data(connection, chain, header->len); break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE: break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		connection->pending |= VSOCK_PENDING(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
		break;
	default: vsock_end(connection); break; /* a second request, or what there is not */
	}
}

static void receive(struct vsock *vsock, const struct virtqueue_chain *chain)
{
	struct virtio_vsock_hdr header;
	struct vsock_connection *connection;

	virtqueue_copy_from(chain->vectors, chain->out_count, 0, &header, VSOCK_HEADER);
	connection = find(vsock, header.src_port, header.dst_port);
	if (header.src_cid != VSOCK_GUEST_CID || header.dst_cid != HOST_CID ||
	    header.type != VIRTIO_VSOCK_TYPE_STREAM ||
	    header.len != chain->out_bytes - VSOCK_HEADER)
		reset_nobody(vsock, &header);
	else if (connection && connection->state != VSOCK_ENDING)
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
		if (chain->in_count || chain->out_bytes < VSOCK_HEADER)
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

static void read_greeting(struct vsock *vsock, struct vsock_connection *connection)
{
	uint32_t port = 0;
	int status = vsock_read_greeting(connection, &port);

	if (!status)
		return;
	if (status < 0) {
		vsock_forget(connection);
		return;
	}
	do
		connection->host_port = FIRST_PORT | (vsock->next_port++ & (FIRST_PORT - 1));
	while (find(vsock, port, connection->host_port));
	connection->guest_port = port;
	connection->state = VSOCK_ASKING_GUEST;
	connection->pending = VSOCK_PENDING(VIRTIO_VSOCK_OP_REQUEST);
}

static void accept_from_host(struct vsock *vsock)
{
	int fd = vsock_host_accept(&vsock->host);

	if (fd >= 0 && !take_free(vsock, VSOCK_GREETING, fd))
		close(fd);
}

/* The connection that a question to the connector was for, if it still is. */
static struct vsock_connection *find_asking(struct vsock *vsock, uint32_t serial)
{
	for (unsigned i = 0; i < VSOCK_CONNECTIONS; i++)
		if (vsock->connections[i].state == VSOCK_ASKING_HOST &&
		    vsock->connections[i].serial == serial)
			return &vsock->connections[i];
	return NULL;
}

static void connected_by_host(struct vsock *vsock)
{
	struct vsock_connection *connection;
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
			vsock_end(connection);
			continue;
		}
		connection->state = VSOCK_CONNECTED;
		connection->pending |= VSOCK_PENDING(VIRTIO_VSOCK_OP_RESPONSE);
	}
	if (status < 0) /* the connector is gone: nobody will answer */
		for (unsigned i = 0; i < VSOCK_CONNECTIONS; i++)
			if (vsock->connections[i].state == VSOCK_ASKING_HOST)
				vsock_end(&vsock->connections[i]);
}

/* What to wait for on a connection; 0: nothing. */
static short wanted(const struct vsock *vsock, const struct vsock_connection *connection)
{
	bool has_buffers = virtqueue_has_work(&vsock->device.queues[QUEUE_RECEIVE]);
	short events = 0;

	if (connection->state == VSOCK_GREETING)
		return POLLIN;
	if (connection->state != VSOCK_CONNECTED)
		return 0;
	if (has_buffers && vsock_credit(connection) && !connection->host_ended &&
	    !(connection->guest_ended & VIRTIO_VSOCK_SHUTDOWN_RCV))
		events |= POLLIN;
	if (connection->received != connection->taken)
		events |= POLLOUT;
	return events;
}

static bool has_in_state(const struct vsock *vsock, enum vsock_connection_state state)
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

	if (has_in_state(vsock, VSOCK_FREE)) {
		vsock->polled[count] = NULL;
		polls[count++] = (struct pollfd){.fd = vsock->host.listener, .events = POLLIN};
	}
	if (has_in_state(vsock, VSOCK_ASKING_HOST)) {
		vsock->polled[count] = NULL;
		polls[count++] = (struct pollfd){.fd = vsock->host.connector, .events = POLLIN};
	}
	for (unsigned i = 0; i < VSOCK_CONNECTIONS; i++) {
		struct vsock_connection *connection = &vsock->connections[i];
		short events = wanted(vsock, connection);

		if (!events)
			continue;
		vsock->polled[count] = connection;
		polls[count++] = (struct pollfd){.fd = connection->fd, .events = events};
	}
	return count;
}

static int polled_connection(struct vsock *vsock, struct vsock_connection *connection, short events)
{
	if (connection->state == VSOCK_GREETING) {
		read_greeting(vsock, connection);
		return 0;
	}
	if (connection->state != VSOCK_CONNECTED)
		return 0;
	if (connection->received != connection->taken)
		vsock_drain_ring(connection);
	if (connection->state == VSOCK_CONNECTED && !connection->host_ended &&
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
		struct vsock_connection *connection = &vsock->connections[i];

		if (connection->state == VSOCK_CONNECTED)
			vsock_drain_ring(connection);
		has_more |= connection->state == VSOCK_CONNECTED &&
		            connection->received != connection->taken;
	}
	return has_more;
}

/* ---- the device ---- */

static void vsock_reset(struct virtio_device *device)
{
	struct vsock *vsock = vsock_of(device);

	vsock->reset_count = 0;
	for (unsigned i = 0; i < VSOCK_CONNECTIONS; i++)
		if (vsock->connections[i].state != VSOCK_FREE)
			vsock_forget(&vsock->connections[i]);
}

static void read_config(struct virtio_device *device, size_t offset, void *to, size_t length)
{
	const struct virtio_vsock_config config = {.guest_cid = VSOCK_GUEST_CID};

	(void)device;
	memcpy(to, (const char *)&config + offset, length);
}

/* ---- snapshots ---- */

/* Connections end with the VM that they were made in: what is kept is whether there were any. */
struct vsock_state {
	uint32_t next_port, connections;
};
_Static_assert(sizeof(struct vsock_state) == 8, "part of the file format");

unsigned vsock_connections(const struct virtio_device *device)
{
	const struct vsock *vsock = (const struct vsock *)device;
	unsigned count = vsock->reset_count;

	for (unsigned i = 0; i < VSOCK_CONNECTIONS; i++)
		count += vsock->connections[i].state > VSOCK_GREETING;
	return count;
}

static size_t save_bound(const struct virtio_device *device)
{
	(void)device;
	return sizeof(struct vsock_state);
}

static size_t save(const struct virtio_device *device, void *to)
{
	*(struct vsock_state *)to =
	        (struct vsock_state){.next_port = ((const struct vsock *)device)->next_port,
	                             .connections = vsock_connections(device)};
	return sizeof(struct vsock_state);
}

/* 5.10.6.7: all connections are over, those who listen go on. A driver without a buffer for it
 * finds out by the answers to its packets. */
static int tell_reset(struct vsock *vsock)
{
	static const struct virtio_vsock_event event = {.id = VIRTIO_VSOCK_EVENT_TRANSPORT_RESET};
	struct virtqueue_chain *chain = &vsock->device.chain;
	int status = virtqueue_next(&vsock->device.queues[QUEUE_EVENT], chain);

	if (status <= 0)
		return status;
	virtqueue_copy_to(virtqueue_in(chain), chain->in_count, 0, &event, sizeof event);
	virtqueue_complete(&vsock->device.queues[QUEUE_EVENT], chain->head, sizeof event);
	virtio_device_tell_used(&vsock->device, QUEUE_EVENT);
	return 0;
}

static int load(struct virtio_device *device, const void *from, size_t size)
{
	const struct vsock_state *state = from;

	if (size != sizeof *state)
		return -1;
	vsock_of(device)->next_port = state->next_port;
	return state->connections && virtio_device_is_live(device) ? tell_reset(vsock_of(device))
	                                                           : 0;
}

static void close_vsock(struct virtio_device *device)
{
	struct vsock *vsock = vsock_of(device);

	for (unsigned i = 0; i < VSOCK_CONNECTIONS; i++)
		vsock_forget(&vsock->connections[i]);
	vsock_host_close(&vsock->host);
	free(vsock->connections[0].ring);
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
        .save_bound = save_bound,
        .save = save,
        .load = load,
        .close = close_vsock,
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
