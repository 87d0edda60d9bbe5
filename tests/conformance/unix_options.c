/* SPDX-License-Identifier: Apache-2.0 */
/* Options of AF_UNIX sockets. */
#include "unix.h"

static int get(int fd, int option)
{
	int value = -77;
	socklen_t length = sizeof value;
	int result = getsockopt(fd, SOL_SOCKET, option, &value, &length);

	say("option %d: %s %d length %d", option, result ? error_name(errno) : "ok", value,
	    (int)length);
	return value;
}

static void set(int fd, int option, int value)
{
	int result = setsockopt(fd, SOL_SOCKET, option, &value, sizeof value);

	say("option %d = %d: %s", option, value, result ? error_name(errno) : "ok");
}

CASE(as_made)
{
	static const int options[] = {
	        SO_DEBUG,     SO_REUSEADDR, SO_TYPE,      SO_ERROR,     SO_DONTROUTE, SO_BROADCAST,
	        SO_SNDBUF,    SO_RCVBUF,    SO_KEEPALIVE, SO_OOBINLINE, SO_NO_CHECK,  SO_PRIORITY,
	        SO_BSDCOMPAT, SO_REUSEPORT, SO_PASSCRED,  SO_RCVLOWAT,  SO_SNDLOWAT,  SO_ACCEPTCONN,
	        SO_PROTOCOL,  SO_DOMAIN,    SO_MARK,      SO_RXQ_OVFL,  99,           -1,
	};

	for (unsigned i = 0; i < COUNT(types); i++) {
		int fd = socket(AF_UNIX, types[i], 0);

		say("%s", type_names[i]);
		for (unsigned j = 0; j < COUNT(options); j++)
			get(fd, options[j]);
	}
	get(socket(AF_UNIX, SOCK_RAW, AF_UNIX), SO_TYPE);
}

CASE(switches)
{
	static const int options[] = {SO_DEBUG,     SO_REUSEADDR, SO_DONTROUTE,
	                              SO_BROADCAST, SO_KEEPALIVE, SO_OOBINLINE,
	                              SO_NO_CHECK,  SO_PASSCRED,  SO_RXQ_OVFL};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	for (unsigned j = 0; j < COUNT(options); j++) {
		set(fd, options[j], 5);
		get(fd, options[j]);
		set(fd, options[j], 0);
		get(fd, options[j]);
	}
}

CASE(only_to_be_read)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	set(fd, SO_TYPE, 1);
	set(fd, SO_ERROR, 1);
	set(fd, SO_DOMAIN, 1);
	set(fd, SO_PROTOCOL, 1);
	set(fd, SO_ACCEPTCONN, 1);
	set(fd, SO_SNDLOWAT, 1);
	set(fd, SO_PEERCRED, 1);
	set(fd, 99, 1);
	set(fd, -1, 1);
	set(fd, SO_DETACH_FILTER, 1);
}

CASE(buffers)
{
	static const int sizes[] = {0,      1,      2000,   2304,    4608, 10000,
	                            106496, 212992, 212993, 1 << 30, -1};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	for (unsigned i = 0; i < COUNT(sizes); i++) {
		/* The limit is the system's own: net.core.wmem_max. */
		if (sizes[i] >= 0 && sizes[i] <= 212992) {
			set(fd, SO_SNDBUF, sizes[i]);
			get(fd, SO_SNDBUF);
			set(fd, SO_RCVBUF, sizes[i]);
			get(fd, SO_RCVBUF);
		}
		set(fd, SO_SNDBUFFORCE, sizes[i]);
		get(fd, SO_SNDBUF);
		set(fd, SO_RCVBUFFORCE, sizes[i]);
		get(fd, SO_RCVBUF);
	}
	get(fd, SO_SNDBUFFORCE);
}

CASE(small_buffer)
{
	static char bytes[8192];
	int fds[2];

	socketpair(AF_UNIX, SOCK_DGRAM, 0, fds);
	set(3, SO_SNDBUF, 1);
	CALL(write, 3, bytes, 4608);
	CALL(write, 3, bytes, 4608 - 32);
	CALL(sendto, 3, bytes, 4000, MSG_DONTWAIT, NULL, 0);
	say_poll(3);
	CALL(read, 4, bytes, 8192);
	say_poll(3);
	CALL(sendto, 3, bytes, 4000, MSG_DONTWAIT, NULL, 0);
}

CASE(numbers)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	set(fd, SO_PRIORITY, 3);
	get(fd, SO_PRIORITY);
	set(fd, SO_PRIORITY, 100);
	get(fd, SO_PRIORITY);
	set(fd, SO_MARK, 9);
	get(fd, SO_MARK);
	set(fd, SO_RCVLOWAT, 0);
	get(fd, SO_RCVLOWAT);
	set(fd, SO_RCVLOWAT, -1);
	get(fd, SO_RCVLOWAT);
	set(fd, SO_RCVLOWAT, 100);
	get(fd, SO_RCVLOWAT);
	set(fd, SO_BSDCOMPAT, 1);
	get(fd, SO_BSDCOMPAT);
}

CASE(linger)
{
	struct linger value = {7, 5};
	socklen_t length = sizeof value;

	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(setsockopt, 3, SOL_SOCKET, SO_LINGER, &value, sizeof value);
	CALL(getsockopt, 3, SOL_SOCKET, SO_LINGER, &value, &length);
	say("%d %d %d", value.l_onoff, value.l_linger, (int)length);
	value.l_onoff = 0;
	value.l_linger = 9;
	CALL(setsockopt, 3, SOL_SOCKET, SO_LINGER, &value, sizeof value);
	CALL(getsockopt, 3, SOL_SOCKET, SO_LINGER, &value, &length);
	say("%d %d", value.l_onoff, value.l_linger);
	CALL(setsockopt, 3, SOL_SOCKET, SO_LINGER, &value, 4);
}

static void try_time(int option, long seconds, long microseconds)
{
	struct timeval value = {seconds, microseconds};
	socklen_t length = sizeof value;
	int result = setsockopt(3, SOL_SOCKET, option, &value, sizeof value);

	say("%ld %ld: %s", seconds, microseconds, result ? error_name(errno) : "ok");
	result = getsockopt(3, SOL_SOCKET, option, &value, &length);
	say("%d: %ld %ld length %d", result, (long)value.tv_sec, (long)value.tv_usec, (int)length);
}

CASE(times)
{
	static const int options[] = {SO_RCVTIMEO, SO_SNDTIMEO};
	struct timeval value = {1, 0};

	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	for (unsigned i = 0; i < COUNT(options); i++) {
		try_time(options[i], 2, 500000);
		try_time(options[i], 0, 0);
		try_time(options[i], 1, 1000000);
		try_time(options[i], 1, -1);
		try_time(options[i], 0, 20000);
		try_time(options[i], 1l << 62, 0);
		CALL(setsockopt, 3, SOL_SOCKET, options[i], &value, 15);
		CALL(setsockopt, 3, SOL_SOCKET, options[i], &value, 4);
		CALL(setsockopt, 3, SOL_SOCKET, options[i], LOW, 16);
	}
}

CASE(arguments)
{
	int value = 1;
	socklen_t length = sizeof value;

	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(setsockopt, 3, SOL_SOCKET, SO_REUSEADDR, &value, 3);
	CALL(setsockopt, 3, SOL_SOCKET, SO_REUSEADDR, &value, 0);
	CALL(setsockopt, 3, SOL_SOCKET, SO_REUSEADDR, &value, -1);
	CALL(setsockopt, 3, SOL_SOCKET, SO_REUSEADDR, &value, 100);
	CALL(setsockopt, 3, SOL_SOCKET, SO_REUSEADDR, NULL, 4);
	CALL(setsockopt, 3, SOL_SOCKET, SO_REUSEADDR, KIT, 4);
	CALL(setsockopt, 3, 6, 1, &value, 4);
	CALL(setsockopt, 3, 0, 1, &value, 4);
	CALL(getsockopt, 3, 6, 1, &value, &length);
	CALL(getsockopt, 3, SOL_SOCKET, SO_TYPE, &value, NULL);
	CALL(getsockopt, 3, SOL_SOCKET, SO_TYPE, LOW, &length);
	length = (socklen_t)-1;
	CALL(getsockopt, 3, SOL_SOCKET, SO_TYPE, &value, &length);
	for (length = 0; length < 8; length++) {
		socklen_t given = length;

		value = -1;
		CALL(getsockopt, 3, SOL_SOCKET, SO_TYPE, &value, &given);
		say("%x %d", value, (int)given);
	}
}

CASE(peer_name)
{
	struct sockaddr_un at;
	socklen_t length = 4;
	int fd[3];

	connected(SOCK_STREAM, "name", fd);
	CALL(getsockopt, fd[1], SOL_SOCKET, SO_PEERNAME, &at, &length);
	say("%d %.2s", (int)length, at.sun_path);
	length = 8;
	CALL(getsockopt, fd[1], SOL_SOCKET, SO_PEERNAME, &at, &length);
	CALL(getsockopt, fd[0], SOL_SOCKET, SO_PEERNAME, &at, &length);
}

CASE(accepting)
{
	int fd[3];

	connected(SOCK_STREAM, "name", fd);
	get(fd[0], SO_ACCEPTCONN);
	get(fd[1], SO_ACCEPTCONN);
	get(fd[2], SO_ACCEPTCONN);
}

CASE(what_accepted_ones_inherit)
{
	struct timeval time = {1, 0};
	socklen_t length = sizeof time;

	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 3, AT("name"));
	set(3, SO_PASSCRED, 1);
	set(3, SO_KEEPALIVE, 1);
	set(3, SO_REUSEADDR, 1);
	set(3, SO_SNDBUF, 10000);
	setsockopt(3, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
	CALL(listen, 3, 5);
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(connect, 4, AT("name"));
	CALL(accept, 3, NULL, NULL);
	get(5, SO_PASSCRED);
	get(5, SO_KEEPALIVE);
	get(5, SO_REUSEADDR);
	get(5, SO_SNDBUF);
	getsockopt(5, SOL_SOCKET, SO_RCVTIMEO, &time, &length);
	VALUE(time.tv_sec);
}
