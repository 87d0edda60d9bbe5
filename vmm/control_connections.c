/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to the control socket: who may, and lines in and out.
 *
 * A client is another process, and can send anything, send nothing, or not read. It gets a line of
 * limited length, a buffer of the kernel's for the answer, and some seconds of silence; when all
 * places are taken, the one that was silent for the longest time has to make room.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "vmm/control_internal.h"

uint64_t control_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* #syscalls:snapshot close */
void control_drop_files(struct control_connection *connection)
{
	for (unsigned i = 0; i < CONTROL_FILES_MAX; i++) {
		if (connection->files[i] >= 0)
			close(connection->files[i]);
		connection->files[i] = -1;
	}
}

void control_close(struct control_connection *connection)
{
	if (connection->fd < 0)
		return;
	control_drop_files(connection);
	close(connection->fd);
	connection->fd = -1;
	connection->is_waiting = false;
}

/* #syscalls:snapshot sendto */
void control_send(struct control *control, struct control_connection *connection,
                  const struct json_writer *answer)
{
	static const char too_long[] = "{\"ok\": false, \"error\": \"the answer is too long\"}";
	struct json_writer line = *answer;

	json_end(&line);
	if (line.is_cut || line.used + 1 >= sizeof control->answer) {
		memcpy(control->answer, too_long, sizeof too_long - 1);
		line.used = sizeof too_long - 1;
	}
	control->answer[line.used] = '\n';
	if (send(connection->fd, control->answer, line.used + 1, MSG_DONTWAIT | MSG_NOSIGNAL) !=
	    (ssize_t)(line.used + 1))
		control_close(connection);
}

/* ---- coming ---- */

/* #syscalls:snapshot getsockopt */
static bool is_welcome(const struct control *control, int fd)
{
	struct ucred peer;
	socklen_t size = sizeof peer;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == control->owner || peer.uid == 0);
}

/* A free one, or the one that was silent longest, among those that nothing is due to. */
static struct control_connection *make_room(struct control *control)
{
	struct control_connection *oldest = NULL;

	for (unsigned i = 0; i < CONTROL_CONNECTIONS; i++) {
		struct control_connection *connection = &control->connections[i];

		if (connection->fd < 0)
			return connection;
		if (!connection->is_waiting && (!oldest || connection->since < oldest->since))
			oldest = connection;
	}
	if (oldest)
		control_close(oldest);
	return oldest;
}

static void receive(struct control *control, struct control_connection *connection);

/*
 * Each is looked at as soon as it has come: of many, those that have sent something are served
 * before they could lose their place. No more at a time than there are places, so that the guest
 * gets on.
 */
/* #syscalls:snapshot accept4 */
static void accept_some(struct control *control)
{
	for (unsigned i = 0; i < CONTROL_CONNECTIONS; i++) {
		int fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct control_connection *connection;

		if (fd < 0)
			return;
		connection = is_welcome(control, fd) ? make_room(control) : NULL;
		if (!connection) {
			close(fd);
			continue;
		}
		connection->fd = fd;
		connection->since = control_now();
		connection->used = 0;
		receive(control, connection);
	}
}

/* ---- lines ---- */

static void take_files(struct control_connection *connection, struct msghdr *message)
{
	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
	     header = CMSG_NXTHDR(message, header)) {
		int files[CONTROL_FILES_MAX];
		size_t count;

		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		count = (header->cmsg_len - CMSG_LEN(0)) / sizeof files[0];
		memcpy(files, CMSG_DATA(header), count * sizeof files[0]);
		control_drop_files(connection);
		memcpy(connection->files, files, count * sizeof files[0]);
	}
}

/* #syscalls:snapshot recvmsg */
static ssize_t receive_some(struct control_connection *connection)
{
	struct iovec part = {connection->line + connection->used,
	                     CONTROL_REQUEST_MAX - connection->used};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(CONTROL_FILES_MAX * sizeof(int))];
	} ancillary;
	struct msghdr message = {.msg_iov = &part,
	                         .msg_iovlen = 1,
	                         .msg_control = &ancillary,
	                         .msg_controllen = sizeof ancillary.bytes};
	ssize_t got = recvmsg(connection->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	/* More of them than there is room for, the kernel has closed. */
	if (got > 0)
		take_files(connection, &message);
	return got;
}

/* Executes the lines that are whole, and moves the rest to the front. */
static void take_lines(struct control *control, struct control_connection *connection)
{
	size_t start = 0;

	while (connection->fd >= 0 && !connection->is_waiting) {
		char *line = connection->line + start;
		const char *end = memchr(line, '\n', connection->used - start);

		if (!end)
			break;
		start += (size_t)(end - line) + 1;
		control_execute(control, connection, line, (size_t)(end - line));
		if (!connection->is_waiting)
			control_drop_files(connection);
	}
	connection->used -= start;
	memmove(connection->line, connection->line + start, connection->used);
}

/* Whether the other end is closed, with something unread before that or not. */
static bool is_gone(const struct control_connection *connection)
{
	struct pollfd hung_up = {.fd = connection->fd};
	const struct timespec at_once = {0, 0};

	return ppoll(&hung_up, 1, &at_once, NULL) > 0;
}

static void receive(struct control *control, struct control_connection *connection)
{
	ssize_t got;

	if (connection->is_waiting) {
		if (is_gone(connection))
			control_close(connection);
		return;
	}
	take_lines(control, connection);
	if (connection->fd < 0 || connection->is_waiting)
		return;
	got = receive_some(connection);
	if (got > 0) {
		connection->used += (size_t)got;
		connection->since = control_now();
		take_lines(control, connection);
		if (connection->fd >= 0 && connection->used == CONTROL_REQUEST_MAX) {
			control_refuse(control, connection, "the line is too long");
			control_close(connection);
		}
	} else if (got == 0 || (errno != EAGAIN && errno != EINTR) ||
	           control_now() - connection->since > CONTROL_SILENCE_NS) {
		control_close(connection);
	}
}

unsigned control_serve_connections(struct control *control)
{
	unsigned open = 0;

	for (unsigned i = 0; i < CONTROL_CONNECTIONS; i++)
		if (control->connections[i].fd >= 0)
			receive(control, &control->connections[i]);
	/* Before the place of one that has gone is another's. */
	control_check_snapshot(control);
	accept_some(control);
	for (unsigned i = 0; i < CONTROL_CONNECTIONS; i++)
		open += control->connections[i].fd >= 0;
	return open;
}
