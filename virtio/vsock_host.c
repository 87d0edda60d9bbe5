/* SPDX-License-Identifier: Apache-2.0 */
/* The host's side of the socket device. */
#include "virtio/vsock_host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKLOG     16
#define PORT_DIGITS 11 /* of PATH_PORT, with the underscore */

/* Between the VMM and the connector, one packet each way. */
struct request {
	uint32_t port, token;
};

struct answer {
	uint32_t token, is_connected; /* then a descriptor goes along */
};

/* ---- the connector ---- */

static int connect_to(const char *path, uint32_t port)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	snprintf(address.sun_path, sizeof address.sun_path, "%s_%u", path, port);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	close(fd);
	return -1;
}

static void answer(int channel, uint32_t token, int fd)
{
	struct answer text = {token, fd >= 0};
	struct iovec part = {&text, sizeof text};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof fd)];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof fd),
	                        .cmsg_level = SOL_SOCKET,
	                        .cmsg_type = SCM_RIGHTS}};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
		message.msg_control = &control;
		message.msg_controllen = sizeof control.bytes;
	}
	(void)sendmsg(channel, &message, MSG_NOSIGNAL);
}

/* Nothing that the VMM has open, no output of its own, no signals from its terminal. */
static void leave_everything(int channel)
{
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (channel > 0)
		syscall(SYS_close_range, 0, channel - 1, 0);
	syscall(SYS_close_range, channel + 1, ~0u, 0);
}

static _Noreturn void run_connector(int channel, const char *path)
{
	struct request request;

	leave_everything(channel);
	while (recv(channel, &request, sizeof request, 0) == sizeof request) {
		int fd = connect_to(path, request.port);

		answer(channel, request.token, fd);
		if (fd >= 0)
			close(fd);
	}
	unlink(path);
	_exit(0);
}

/* Relative paths stay right for the connector: neither process changes its directory. */
static int start_connector(struct vsock_host *host, const char *path, struct mote_error *err)
{
	int channel[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel))
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot make a socket pair");
	child = fork();
	if (child < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "cannot start the process that connects for --vsock");
	if (!child)
		run_connector(channel[1], path);
	/* Signals of the terminal are for the VMM, with which the connector ends. From here, so
	 * that nobody finds it in our group. */
	setpgid(child, child);
	close(channel[1]);
	host->child = child;
	host->connector = channel[0];
	fcntl(host->connector, F_SETFL, O_NONBLOCK);
	return 0;
}

/* ---- the listening socket ---- */

/* Whether a socket is there that nobody listens on any more. */
static bool is_stale(const struct sockaddr_un *address)
{
	struct stat status;
	int fd, result;

	if (lstat(address->sun_path, &status) || !S_ISSOCK(status.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	result = connect(fd, (const struct sockaddr *)address, sizeof *address);
	if (result)
		result = errno;
	close(fd);
	return result == ECONNREFUSED;
}

static int bind_to(int fd, const struct sockaddr_un *address)
{
	int result;

	/* A socket's file gets the mode that the socket has, as far as the umask lets it. */
	fchmod(fd, 0600);
	result = bind(fd, (const struct sockaddr *)address, sizeof *address);

	if (result && errno == EADDRINUSE && is_stale(address)) {
		unlink(address->sun_path);
		result = bind(fd, (const struct sockaddr *)address, sizeof *address);
	}
	return result;
}

int vsock_host_open(struct vsock_host *host, const char *path, struct mote_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	size_t length = strlen(path);

	if (length + PORT_DIGITS >= sizeof address.sun_path)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "--vsock %s: the path of a Unix socket, with a port behind "
		                      "it, has at most %zu bytes",
		                      path, sizeof address.sun_path - 1);
	memcpy(address.sun_path, path, length);
	host->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (host->listener < 0 || bind_to(host->listener, &address) ||
	    listen(host->listener, BACKLOG)) {
		mote_error_errno(err, MOTE_STATUS_FAILED, "cannot listen on the Unix socket %s",
		                 path);
		if (errno == EADDRINUSE)
			mote_error_hint(err, "Another microVM may use it, or it is some other "
			                     "file: name another path");
		return -1;
	}
	if (start_connector(host, path, err)) {
		unlink(path);
		return -1;
	}
	return 0;
}

void vsock_host_close(struct vsock_host *host)
{
	close(host->connector);
	while (waitpid(host->child, NULL, 0) < 0 && errno == EINTR)
		;
	close(host->listener);
}

/* ---- the VMM's side ---- */

/* #syscalls:vsock accept4 */
int vsock_host_accept(const struct vsock_host *host)
{
	return accept4(host->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* #syscalls:vsock sendto */
int vsock_host_connect(const struct vsock_host *host, uint32_t port, uint32_t token)
{
	struct request request = {port, token};

	return send(host->connector, &request, sizeof request, MSG_NOSIGNAL) == sizeof request ? 0
	                                                                                       : -1;
}

/* #syscalls:vsock recvmsg */
int vsock_host_connected(const struct vsock_host *host, uint32_t *token, int *fd)
{
	struct answer text;
	struct iovec part = {&text, sizeof text};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof *fd)];
	} control;
	struct msghdr message = {.msg_iov = &part,
	                         .msg_iovlen = 1,
	                         .msg_control = &control,
	                         .msg_controllen = sizeof control.bytes};
	ssize_t got = recvmsg(host->connector, &message, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *header;

	if (got != sizeof text)
		return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
	*token = text.token;
	*fd = -1;
	header = CMSG_FIRSTHDR(&message);
	if (text.is_connected && header && header->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(header), sizeof *fd);
	return 1;
}
