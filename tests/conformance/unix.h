/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs on AF_UNIX sockets share: addresses, messages, reports of them. */
#ifndef MOTE_CONFORMANCE_UNIX_H
#define MOTE_CONFORMANCE_UNIX_H

#include "harness.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

/* Of an address of a path, its NUL included, and of an abstract name. */
#define PATH_LENGTH(path) (offsetof(struct sockaddr_un, sun_path) + sizeof(path))
#define NAME_LENGTH(name) (offsetof(struct sockaddr_un, sun_path) + sizeof(name) - 1)

/* The type and name that most cases run over. */
__attribute__((unused)) static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
__attribute__((unused)) static const char *const type_names[] = {"stream", "datagram", "sequenced"};

/* The address of a path, or of an abstract name that begins with a NUL; static, one at a time. */
__attribute__((unused)) static struct sockaddr *address(const char *path, size_t length)
{
	static struct sockaddr_un made;

	memset(&made, 0, sizeof made);
	made.sun_family = AF_UNIX;
	memcpy(made.sun_path, path, length);
	return (struct sockaddr *)&made;
}

#define AT(path)   address(path, sizeof(path)), PATH_LENGTH(path)
#define NAME(name) address(name, sizeof(name) - 1), NAME_LENGTH(name)

/* Says what an address is. */
__attribute__((unused)) static void say_address(const char *what, const struct sockaddr_un *at,
                                                socklen_t length)
{
	char text[256];
	int used = 0;

	for (socklen_t i = 2; i < length && i < sizeof *at; i++)
		used += snprintf(text + used, sizeof text - (size_t)used,
		                 at->sun_path[i - 2] ? "%c" : "\\0", at->sun_path[i - 2]);
	text[used] = '\0';
	say("%s: length %d family %d %s", what, (int)length, length >= 2 ? at->sun_family : -1,
	    text);
}

__attribute__((unused)) static void say_name(int fd)
{
	struct sockaddr_un at;
	socklen_t length = sizeof at;

	if (getsockname(fd, (struct sockaddr *)&at, &length))
		say("getsockname(%d): %s", fd, error_name(errno));
	else
		say_address("getsockname", &at, length);
}

__attribute__((unused)) static void say_peer(int fd)
{
	struct sockaddr_un at;
	socklen_t length = sizeof at;

	if (getpeername(fd, (struct sockaddr *)&at, &length))
		say("getpeername(%d): %s", fd, error_name(errno));
	else
		say_address("getpeername", &at, length);
}

/* Says which bits poll(2) has for a descriptor now. */
__attribute__((unused)) static void say_poll(int fd)
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

/* Says what is received, and as what. */
__attribute__((unused)) static long say_receive(int fd, size_t size, int flags)
{
	static char buffer[65536];
	long result = recv(fd, buffer, size, flags);

	if (result < 0)
		say("recv(%d): %s", fd, error_name(errno));
	else
		say("recv(%d): %ld \"%.*s\"", fd, result, (int)(result < 64 ? result : 64), buffer);
	return result;
}

/* A listening socket of the path, and one that is connected to it, and the accepted one. */
__attribute__((unused)) static void connected(int type, const char *path, int fd[3])
{
	struct sockaddr *at = address(path, strlen(path) + 1);
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);

	fd[0] = socket(AF_UNIX, type, 0);
	fd[1] = socket(AF_UNIX, type, 0);
	if (bind(fd[0], at, length) || listen(fd[0], 5) || connect(fd[1], at, length))
		say("no connection: %s", error_name(errno));
	fd[2] = accept(fd[0], NULL, NULL);
}

#endif
