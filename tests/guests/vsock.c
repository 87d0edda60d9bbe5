/* SPDX-License-Identifier: Apache-2.0 */
/* AF_VSOCK: what each command does is said at its function. Status 0: it went as it should. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef AF_VSOCK
#define AF_VSOCK 40
#endif
#define HOST 2u
#define ANY  UINT32_MAX

struct address {
	uint16_t family, reserved;
	uint32_t port, cid;
	uint8_t flags, zero[3];
};

static void fail(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static int make(void)
{
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (fd < 0)
		fail("socket");
	return fd;
}

static int listen_on(uint32_t port)
{
	struct address address = {.family = AF_VSOCK, .cid = ANY, .port = port};
	int fd = make();

	if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 64))
		fail("listen");
	return fd;
}

static int try_connect(int fd, uint32_t cid, uint32_t port)
{
	struct address address = {.family = AF_VSOCK, .cid = cid, .port = port};

	return connect(fd, (struct sockaddr *)&address, sizeof address);
}

static void write_all(int fd, const char *from, size_t length)
{
	while (length) {
		ssize_t put = write(fd, from, length);

		if (put <= 0)
			fail("write");
		from += put;
		length -= (size_t)put;
	}
}

static void copy(int from, int to)
{
	static char buffer[1 << 17];
	ssize_t got;

	while ((got = read(from, buffer, sizeof buffer)) > 0)
		write_all(to, buffer, (size_t)got);
	if (got < 0)
		fail("read");
}

/* echo PORT COUNT: serve COUNT connections, one after the other. */
static void echo(uint32_t port, int count)
{
	int listener = listen_on(port);

	puts("listening");
	fflush(stdout);
	while (count--) {
		struct address peer;
		socklen_t length = sizeof peer;
		int fd = accept(listener, (struct sockaddr *)&peer, &length);

		if (fd < 0 || peer.cid != HOST || peer.family != AF_VSOCK)
			fail("accept");
		copy(fd, fd);
		close(fd);
	}
}

/* many PORT COUNT: COUNT connections at a time, each sent back its first line. */
static void many(uint32_t port, int count)
{
	int listener = listen_on(port), set = epoll_create1(0), served = 0;
	struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
	char line[64];

	fcntl(listener, F_SETFL, O_NONBLOCK);
	epoll_ctl(set, EPOLL_CTL_ADD, listener, &event);
	puts("listening");
	fflush(stdout);
	while (served < count) {
		if (epoll_wait(set, &event, 1, 10000) != 1)
			fail("epoll_wait");
		if (event.data.fd == listener) {
			event.data.fd = accept(listener, NULL, NULL);
			event.events = EPOLLIN;
			epoll_ctl(set, EPOLL_CTL_ADD, event.data.fd, &event);
			continue;
		}
		ssize_t got = read(event.data.fd, line, sizeof line);

		if (got <= 0)
			fail("read");
		write_all(event.data.fd, line, (size_t)got);
		close(event.data.fd);
		served++;
	}
}

/* send PORT: connect to the host, send stdin, end that side, print what comes. */
static void send_to(uint32_t port)
{
	int fd = make();

	if (try_connect(fd, HOST, port))
		fail("connect");
	copy(0, fd);
	shutdown(fd, SHUT_WR);
	copy(fd, 1);
}

/* refused PORT: nobody is there. */
static void refused(uint32_t port)
{
	struct pollfd poll_fd = {.events = POLLOUT};
	int fd = make(), error = 0;
	socklen_t length = sizeof error;

	if (!try_connect(fd, HOST, port) || errno != ECONNRESET)
		fail("connect to nobody");
	fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (!try_connect(fd, HOST, port) || (errno != EINPROGRESS && errno != ECONNRESET))
		fail("connect without waiting");
	if (errno == EINPROGRESS) {
		poll_fd.fd = fd;
		if (poll(&poll_fd, 1, 3000) != 1 ||
		    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) || error != ECONNRESET)
			fail("SO_ERROR");
	}
}

/* errors: what the calls refuse. */
static void errors(void)
{
	struct address address = {.family = AF_VSOCK, .cid = ANY, .port = 77};
	socklen_t length = sizeof address;
	int fd = make(), other = make(), pair[2];
	char byte;

#define REFUSES(call, error)                          \
	do {                                          \
		errno = 0;                            \
		if ((call) != -1 || errno != (error)) \
			fail(#call);                  \
	} while (0)
	REFUSES(socket(AF_VSOCK, SOCK_RAW, 0), ESOCKTNOSUPPORT);
	REFUSES(socket(AF_VSOCK, SOCK_STREAM, 6), EPROTONOSUPPORT);
	REFUSES(socketpair(AF_VSOCK, SOCK_STREAM, 0, pair), EOPNOTSUPP);
	REFUSES(listen(fd, 1), EINVAL);
	REFUSES(send(fd, "x", 1, 0), ENOTCONN);
	REFUSES(recv(fd, &byte, 1, 0), ENOTCONN);
	REFUSES(accept(fd, NULL, NULL), EINVAL);
	REFUSES(bind(fd, (struct sockaddr *)&address, 8), EINVAL);
	if (bind(fd, (struct sockaddr *)&address, sizeof address))
		fail("bind");
	REFUSES(bind(fd, (struct sockaddr *)&address, sizeof address), EINVAL);
	REFUSES(bind(other, (struct sockaddr *)&address, sizeof address), EADDRINUSE);
	address.cid = 99;
	REFUSES(bind(other, (struct sockaddr *)&address, sizeof address), EADDRNOTAVAIL);
	REFUSES(try_connect(other, ANY, 1), EINVAL);
	REFUSES(getpeername(fd, (struct sockaddr *)&address, &length), ENOTCONN);
	if (getsockname(fd, (struct sockaddr *)&address, &length) || address.port != 77)
		fail("getsockname");
	listen(fd, 1);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	REFUSES(accept(fd, NULL, NULL), EAGAIN);
}

int main(int argc, char **argv)
{
	uint32_t port = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
	const char *what = argc > 1 ? argv[1] : "";
	int count = argc > 3 ? atoi(argv[3]) : 1;

	if (!strcmp(what, "echo"))
		echo(port, count);
	else if (!strcmp(what, "many"))
		many(port, count);
	else if (!strcmp(what, "send"))
		send_to(port);
	else if (!strcmp(what, "refused"))
		refused(port);
	else if (!strcmp(what, "errors"))
		errors();
	else
		return 2;
	return 0;
}
