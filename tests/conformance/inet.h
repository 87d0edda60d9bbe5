/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the programs on internet sockets share: addresses, connections, reports of them.
 *
 * All is on 127.0.0.1 and ::1, and ports are those that the system gives: they are never printed.
 */
#ifndef MOTE_CONFORMANCE_INET_H
#define MOTE_CONFORMANCE_INET_H

#include "harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#define UNUSED __attribute__((unused))

/* An address of either family; static, one at a time for each family. */
UNUSED static struct sockaddr *at4(const char *text, unsigned port)
{
	static struct sockaddr_in made;

	made = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	inet_pton(AF_INET, text, &made.sin_addr);
	return (struct sockaddr *)&made;
}

UNUSED static struct sockaddr *at6(const char *text, unsigned port)
{
	static struct sockaddr_in6 made;

	made = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	inet_pton(AF_INET6, text, &made.sin6_addr);
	return (struct sockaddr *)&made;
}

#define LENGTH4         sizeof(struct sockaddr_in)
#define LENGTH6         sizeof(struct sockaddr_in6)
#define AT4(text, port) at4(text, port), LENGTH4
#define AT6(text, port) at6(text, port), LENGTH6
#define LOOPBACK4(port) AT4("127.0.0.1", port)
#define LOOPBACK6(port) AT6("::1", port)

UNUSED static unsigned port_in(const struct sockaddr_storage *at)
{
	return ntohs(((const struct sockaddr_in *)at)->sin_port); /* the same in both */
}

/* The local port of a socket. */
UNUSED static unsigned port_of(int fd)
{
	struct sockaddr_storage at = {0};
	socklen_t length = sizeof at;

	getsockname(fd, (struct sockaddr *)&at, &length);
	return port_in(&at);
}

/* Says what an address is; of its port, whether it has one. */
UNUSED static void say_address(const char *what, const struct sockaddr_storage *at,
                               socklen_t length)
{
	char text[INET6_ADDRSTRLEN] = "?";
	const void *bytes = at->ss_family == AF_INET
	                            ? (const void *)&((const struct sockaddr_in *)at)->sin_addr
	                            : (const void *)&((const struct sockaddr_in6 *)at)->sin6_addr;

	inet_ntop(at->ss_family, bytes, text, sizeof text);
	say("%s: length %d family %d %s %s", what, (int)length, at->ss_family, text,
	    port_in(at) ? "with a port" : "no port");
}

UNUSED static void say_name(int fd)
{
	struct sockaddr_storage at = {0};
	socklen_t length = sizeof at;

	if (getsockname(fd, (struct sockaddr *)&at, &length))
		say("getsockname(%d): %s", fd, error_name(errno));
	else
		say_address("getsockname", &at, length);
}

UNUSED static void say_peer(int fd)
{
	struct sockaddr_storage at = {0};
	socklen_t length = sizeof at;

	if (getpeername(fd, (struct sockaddr *)&at, &length))
		say("getpeername(%d): %s", fd, error_name(errno));
	else
		say_address("getpeername", &at, length);
}

/* Says which bits poll(2) has for a descriptor now. */
UNUSED static void say_poll(int fd)
{
	struct pollfd entry = {fd, 0x7fff, 0};
	int ready = poll(&entry, 1, 0);

	say("poll(%d): %d%s%s%s%s%s%s%s%s%s", fd, ready, entry.revents & POLLIN ? " IN" : "",
	    entry.revents & POLLOUT ? " OUT" : "", entry.revents & POLLPRI ? " PRI" : "",
	    entry.revents & POLLERR ? " ERR" : "", entry.revents & POLLHUP ? " HUP" : "",
	    entry.revents & POLLRDHUP ? " RDHUP" : "", entry.revents & POLLRDNORM ? " RDNORM" : "",
	    entry.revents & POLLWRNORM ? " WRNORM" : "",
	    entry.revents & POLLWRBAND ? " WRBAND" : "");
}

/* Waits until poll(2) has one of the bits, for what takes a moment to arrive. */
UNUSED static void await(int fd, short bits)
{
	struct pollfd entry = {fd, bits, 0};

	if (poll(&entry, 1, 2000) != 1)
		say("nothing came on %d", fd);
}

/* Says what is received, and as what. */
UNUSED static long say_receive(int fd, size_t size, int flags)
{
	static char buffer[65536];
	long result = recv(fd, buffer, size, flags);

	if (result < 0)
		say("recv(%d): %s", fd, error_name(errno));
	else
		say("recv(%d): %ld \"%.*s\"", fd, result, (int)(result < 64 ? result : 64),
		    flags & MSG_TRUNC ? "" : buffer);
	return result;
}

/* Says SO_ERROR, which is cleared. */
UNUSED static void say_error(int fd)
{
	int value = -1;
	socklen_t length = sizeof value;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &length))
		say("SO_ERROR of %d: %s", fd, error_name(errno));
	else
		say("SO_ERROR of %d: %s", fd, error_name(value));
}

/* Says an option that is an int. */
UNUSED static void say_option(int fd, int level, int option, const char *name)
{
	int value = -77;
	socklen_t length = sizeof value;

	if (getsockopt(fd, level, option, &value, &length))
		say("%s: %s", name, error_name(errno));
	else
		say("%s: %d, length %d", name, value, (int)length);
}

#define OPTION(fd, level, option) say_option(fd, level, option, #option)

UNUSED static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof value);
}

/* A listening socket on a loopback address. */
UNUSED static int listener(int family, int backlog)
{
	int fd = socket(family, SOCK_STREAM, 0);

	if (family == AF_INET ? bind(fd, LOOPBACK4(0)) : bind(fd, LOOPBACK6(0)))
		say("no address: %s", error_name(errno));
	if (listen(fd, backlog))
		say("no listener: %s", error_name(errno));
	return fd;
}

UNUSED static int connect_to(int fd, int family, int to)
{
	return family == AF_INET ? connect(fd, LOOPBACK4(port_of(to)))
	                         : connect(fd, LOOPBACK6(port_of(to)));
}

/* A listening socket, one that is connected to it, and the accepted one. */
UNUSED static void connected(int family, int fd[3])
{
	fd[0] = listener(family, 5);
	fd[1] = socket(family, SOCK_STREAM, 0);
	if (connect_to(fd[1], family, fd[0]))
		say("no connection: %s", error_name(errno));
	fd[2] = accept(fd[0], NULL, NULL);
}

/* A port that nobody listens on. */
UNUSED static unsigned closed_port(int family)
{
	int fd = listener(family, 1);
	unsigned port = port_of(fd);

	close(fd);
	return port;
}

#endif
