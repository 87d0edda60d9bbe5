/* SPDX-License-Identifier: Apache-2.0 */
/* Asks running microVMs over their control sockets. */
#include "vmm/control_client.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_MS 3000
#define FILES_MAX  2

/* ---- finding it ---- */

int control_client_open_name(struct control_client *client,
                             const struct control_directory *directory, const char *name,
                             unsigned timeout_ms)
{
	struct ucred peer = {.pid = 0};
	socklen_t size = sizeof peer;

	snprintf(client->name, sizeof client->name, "%s", name);
	client->fd = control_directory_connect(directory, name, timeout_ms);
	if (client->fd < 0)
		return -1;
	getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	client->pid = peer.pid;
	return 0;
}

struct search {
	struct control_client *client;
	const struct control_directory *directory;
	pid_t pid;
};

static int has_pid(void *ctx, const char *name)
{
	struct search *search = ctx;

	if (control_client_open_name(search->client, search->directory, name, CONNECT_MS))
		return 0;
	if (search->client->pid == search->pid)
		return 1;
	control_client_close(search->client);
	return 0;
}

static bool read_pid(const char *text, pid_t *pid)
{
	char *end;
	long value = strtol(text, &end, 10);

	*pid = (pid_t)value;
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && value > 0 && value <= INT32_MAX;
}

static int open_any(struct control_client *client, const struct control_directory *directory,
                    const char *who, struct mote_error *err)
{
	struct search search = {.client = client, .directory = directory};
	bool is_pid = read_pid(who, &search.pid);
	int status = 0;

	if (!is_pid && !control_is_name(who))
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "'%.64s' is neither the name nor the PID of a microVM", who);
	if (is_pid)
		status = control_directory_list(directory, has_pid, &search, err);
	else if (control_client_open_name(client, directory, who, CONNECT_MS) == 0)
		status = 1;
	else if (errno != ENOENT)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot reach the microVM %s",
		                        who);
	if (status)
		return status < 0 ? -1 : 0;
	return mote_error_set(
	        err, MOTE_STATUS_FAILED,
	        is_pid ? "there is no running microVM with a name and the PID %s (see "
	                 "mote ps; mote run --name gives a name)"
	               : "there is no running microVM with the name %s (see mote ps; "
	                 "mote run --name gives a name)",
	        who);
}

int control_client_open(struct control_client *client, const char *who, struct mote_error *err)
{
	struct control_directory directory;
	int status;

	client->fd = -1;
	if (control_directory_open(&directory, err))
		return -1;
	status = open_any(client, &directory, who, err);
	control_directory_close(&directory);
	return status;
}

void control_client_close(struct control_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

/* ---- asking it ---- */

static bool send_request(const struct control_client *client, const char *request, const int *files,
                         unsigned file_count)
{
	char end = '\n';
	size_t length = strlen(request);
	struct iovec parts[2] = {{.iov_len = length}, {&end, 1}};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(FILES_MAX * sizeof(int))];
	} ancillary = {.header = {.cmsg_len = CMSG_LEN(file_count * sizeof(int)),
	                          .cmsg_level = SOL_SOCKET,
	                          .cmsg_type = SCM_RIGHTS}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	memcpy(&parts[0].iov_base, &request, sizeof request);
	if (file_count) {
		memcpy(CMSG_DATA(&ancillary.header), files, file_count * sizeof *files);
		message.msg_control = &ancillary;
		message.msg_controllen = CMSG_SPACE(file_count * sizeof *files);
	}
	return sendmsg(client->fd, &message, MSG_NOSIGNAL) == (ssize_t)length + 1;
}

static int64_t milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether there is something to receive, or the end. @deadline: 0: wait for it */
static bool wait_for(const struct control_client *client, int64_t deadline)
{
	struct pollfd wait = {.fd = client->fd, .events = POLLIN};
	int64_t left = deadline ? deadline - milliseconds() : -1;

	return poll(&wait, 1, deadline && left < 0 ? 0 : (int)left) > 0;
}

/* Return: the line's length without its end; -1: the connection ended, -2: no answer in time. */
static int receive_line(struct control_client *client, unsigned timeout_ms)
{
	int64_t deadline = timeout_ms ? milliseconds() + timeout_ms : 0;
	size_t used = 0;

	while (used < sizeof client->line) {
		ssize_t got;
		const char *end;

		if (!wait_for(client, deadline))
			return -2;
		got = recv(client->fd, client->line + used, sizeof client->line - used,
		           MSG_DONTWAIT);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got <= 0)
			return -1;
		end = memchr(client->line + used, '\n', (size_t)got);
		if (end)
			return (int)(end - client->line);
		used += (size_t)got;
	}
	return -1;
}

int control_client_ask(struct control_client *client, const char *request, const int *files,
                       unsigned file_count, unsigned timeout_ms, struct mote_error *err)
{
	const struct json_field *is_ok;
	const char *reason;
	int length = send_request(client, request, files, file_count)
	                     ? receive_line(client, timeout_ms)
	                     : -1;

	if (length < 0)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      length == -2 ? "the microVM %s does not answer"
		                                   : "the microVM %s has ended, or hung up",
		                      client->name);
	if (json_parse(&client->answer, client->line, (size_t)length, &reason))
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "the answer of the microVM %s is not understood: %s",
		                      client->name, reason);
	is_ok = json_find(&client->answer, "ok", JSON_BOOL);
	if (is_ok && is_ok->number)
		return 0;
	reason = json_string(&client->answer, "error");
	return mote_error_set(err, MOTE_STATUS_FAILED, "the microVM %s refuses: %.800s",
	                      client->name, reason ? reason : "it does not say why");
}

bool control_client_wait_end(struct control_client *client, unsigned timeout_ms)
{
	int64_t deadline = milliseconds() + timeout_ms;
	char rest[256];

	while (wait_for(client, deadline))
		if (recv(client->fd, rest, sizeof rest, MSG_DONTWAIT) <= 0)
			return true;
	return false;
}
