/* SPDX-License-Identifier: Apache-2.0 */
/* Options of TCP sockets, and of their levels IP and IPv6. */
#include "inet.h"

#define SET(level, option, value)                                            \
	(say(#option " = " #value), SHOW(set_int(fd, level, option, value)), \
	 OPTION(fd, level, option))

CASE(kinds)
{
	int fds[3];

	connected(AF_INET6, fds);
	for (int i = 0; i < 3; i++) {
		OPTION(fds[i], SOL_SOCKET, SO_DOMAIN);
		OPTION(fds[i], SOL_SOCKET, SO_TYPE);
		OPTION(fds[i], SOL_SOCKET, SO_PROTOCOL);
		OPTION(fds[i], SOL_SOCKET, SO_ACCEPTCONN);
		OPTION(fds[i], SOL_SOCKET, SO_ERROR);
		OPTION(fds[i], SOL_SOCKET, SO_KEEPALIVE);
		OPTION(fds[i], SOL_SOCKET, SO_REUSEADDR);
		OPTION(fds[i], SOL_SOCKET, SO_REUSEPORT);
		OPTION(fds[i], SOL_SOCKET, SO_RCVLOWAT);
	}
}

CASE(switches)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	SET(IPPROTO_TCP, TCP_NODELAY, 1);
	SET(IPPROTO_TCP, TCP_NODELAY, 77);
	SET(IPPROTO_TCP, TCP_NODELAY, 0);
	SET(IPPROTO_TCP, TCP_CORK, 1);
	SET(IPPROTO_TCP, TCP_CORK, 0);
	SET(SOL_SOCKET, SO_KEEPALIVE, 5);
	SET(SOL_SOCKET, SO_REUSEADDR, 1);
	SET(SOL_SOCKET, SO_REUSEPORT, 1);
}

CASE(keepalive)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	OPTION(fd, IPPROTO_TCP, TCP_KEEPIDLE);
	OPTION(fd, IPPROTO_TCP, TCP_KEEPINTVL);
	OPTION(fd, IPPROTO_TCP, TCP_KEEPCNT);
	SET(IPPROTO_TCP, TCP_KEEPIDLE, 10);
	SET(IPPROTO_TCP, TCP_KEEPIDLE, 0);
	SET(IPPROTO_TCP, TCP_KEEPIDLE, 32767);
	SET(IPPROTO_TCP, TCP_KEEPIDLE, 32768);
	SET(IPPROTO_TCP, TCP_KEEPIDLE, -1);
	SET(IPPROTO_TCP, TCP_KEEPINTVL, 3);
	SET(IPPROTO_TCP, TCP_KEEPINTVL, 0);
	SET(IPPROTO_TCP, TCP_KEEPINTVL, 32768);
	SET(IPPROTO_TCP, TCP_KEEPCNT, 127);
	SET(IPPROTO_TCP, TCP_KEEPCNT, 128);
	SET(IPPROTO_TCP, TCP_KEEPCNT, 0);
}

CASE(times)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	OPTION(fd, IPPROTO_TCP, TCP_USER_TIMEOUT);
	SET(IPPROTO_TCP, TCP_USER_TIMEOUT, 1234);
	SET(IPPROTO_TCP, TCP_USER_TIMEOUT, -1);
	OPTION(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT);
	SET(IPPROTO_TCP, TCP_DEFER_ACCEPT, 1);
	SET(IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
	SET(IPPROTO_TCP, TCP_DEFER_ACCEPT, 100);
	SET(IPPROTO_TCP, TCP_DEFER_ACCEPT, 0);
	SET(IPPROTO_TCP, TCP_DEFER_ACCEPT, -5);
	SET(IPPROTO_TCP, TCP_SYNCNT, 3);
	SET(IPPROTO_TCP, TCP_SYNCNT, 0);
	SET(IPPROTO_TCP, TCP_SYNCNT, 128);
	SET(IPPROTO_TCP, TCP_LINGER2, 5);
	SET(IPPROTO_TCP, TCP_LINGER2, -7);
	OPTION(fd, IPPROTO_TCP, TCP_QUICKACK);
}

CASE(segments)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), value = 0, fds[3];
	socklen_t length = sizeof value;

	OPTION(fd, IPPROTO_TCP, TCP_MAXSEG);
	SET(IPPROTO_TCP, TCP_MAXSEG, 1000);
	SET(IPPROTO_TCP, TCP_MAXSEG, 87);
	SET(IPPROTO_TCP, TCP_MAXSEG, 32768);
	SET(IPPROTO_TCP, TCP_WINDOW_CLAMP, 100);
	SET(IPPROTO_TCP, TCP_WINDOW_CLAMP, 100000);
	connected(AF_INET, fds);
	getsockopt(fds[1], IPPROTO_TCP, TCP_MAXSEG, &value, &length);
	VALUE(value > 30000);
}

CASE(fast_open)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), fds[3];

	SHOW(set_int(fd, IPPROTO_TCP, TCP_FASTOPEN, 5));
	SHOW(set_int(fd, IPPROTO_TCP, TCP_FASTOPEN, -1));
	connected(AF_INET, fds);
	SHOW(set_int(fds[1], IPPROTO_TCP, TCP_FASTOPEN, 5));
}

CASE(lengths)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), value = 1;
	char bytes[4] = {9, 9, 9, 9};
	socklen_t one = 1, none = 0, many = 100, negative = (socklen_t)-1;

	CALL(setsockopt, 3, IPPROTO_TCP, TCP_NODELAY, &value, 3);
	CALL(setsockopt, 3, IPPROTO_TCP, TCP_NODELAY, &value, 0);
	CALL(setsockopt, 3, IPPROTO_TCP, TCP_NODELAY, &value, -1);
	CALL(setsockopt, 3, IPPROTO_TCP, TCP_NODELAY, LOW, 4);
	CALL(setsockopt, 3, IPPROTO_TCP, TCP_NODELAY, &value, 100);
	CALL(getsockopt, 3, IPPROTO_TCP, TCP_NODELAY, bytes, &one);
	say("%d %d %d", bytes[0], bytes[1], (int)one);
	CALL(getsockopt, 3, IPPROTO_TCP, TCP_NODELAY, bytes, &none);
	CALL(getsockopt, 3, IPPROTO_TCP, TCP_NODELAY, bytes, &negative);
	CALL(getsockopt, 3, IPPROTO_TCP, TCP_NODELAY, &value, &many);
	VALUE(many);
	CALL(getsockopt, 3, IPPROTO_TCP, TCP_NODELAY, LOW, &many);
	CALL(getsockopt, 3, IPPROTO_TCP, TCP_NODELAY, &value, LOW);
	CALL(getsockopt, 3, IPPROTO_TCP, 9999, &value, &many);
	CALL(setsockopt, 3, IPPROTO_TCP, 9999, &value, 4);
	CALL(getsockopt, 3, 9999, 1, &value, &many);
	CALL(setsockopt, 3, 9999, 1, &value, 4);
	CALL(getsockopt, 3, IPPROTO_IPV6, IPV6_V6ONLY, &value, &many);
	(void)fd;
}

CASE(type_of_service)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	unsigned char byte = 0x20, two[2] = {1, 1};
	socklen_t length = sizeof two;

	OPTION(fd, IPPROTO_IP, IP_TOS);
	SET(IPPROTO_IP, IP_TOS, 0x10);
	SET(IPPROTO_IP, IP_TOS, 0xff);
	CALL(setsockopt, 3, IPPROTO_IP, IP_TOS, &byte, 1);
	OPTION(fd, IPPROTO_IP, IP_TOS);
	CALL(getsockopt, 3, IPPROTO_IP, IP_TOS, two, &length);
	say("%d %d", two[0], (int)length);
	OPTION(fd, IPPROTO_IP, IP_TTL);
	SET(IPPROTO_IP, IP_TTL, 5);
	SET(IPPROTO_IP, IP_TTL, 0);
	SET(IPPROTO_IP, IP_TTL, 256);
	SET(IPPROTO_IP, IP_TTL, -1);
	SET(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	SET(IPPROTO_IP, IP_MTU_DISCOVER, 99);
	SET(IPPROTO_IP, IP_RECVERR, 1);
	SET(IPPROTO_IP, IP_RECVTTL, 1);
	SET(IPPROTO_IP, IP_FREEBIND, 1);
	SHOW(set_int(fd, IPPROTO_IP, IP_HDRINCL, 1));
	OPTION(fd, IPPROTO_IP, IP_MTU);
	OPTION(fd, IPPROTO_IP, 250);
}

CASE(options_of_ipv6)
{
	int fd = socket(AF_INET6, SOCK_STREAM, 0), fds[3];

	OPTION(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS);
	SET(IPPROTO_IPV6, IPV6_UNICAST_HOPS, 5);
	SET(IPPROTO_IPV6, IPV6_UNICAST_HOPS, 256);
	SET(IPPROTO_IPV6, IPV6_UNICAST_HOPS, -1);
	SET(IPPROTO_IPV6, IPV6_UNICAST_HOPS, -2);
	OPTION(fd, IPPROTO_IPV6, IPV6_TCLASS);
	SET(IPPROTO_IPV6, IPV6_TCLASS, 0x20);
	SET(IPPROTO_IPV6, IPV6_TCLASS, 256);
	SET(IPPROTO_IPV6, IPV6_TCLASS, -1);
	SET(IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	SET(IPPROTO_IPV6, IPV6_RECVERR, 1);
	SET(IPPROTO_IP, IP_TTL, 9);
	OPTION(fd, IPPROTO_IPV6, 250);
	connected(AF_INET, fds);
	OPTION(fds[1], IPPROTO_IP, IP_MTU);
	connected(AF_INET6, fds);
	OPTION(fds[1], IPPROTO_IPV6, IPV6_MTU);
}

CASE(buffers)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	SET(SOL_SOCKET, SO_SNDBUF, 10000);
	SET(SOL_SOCKET, SO_RCVBUF, 10000);
	SET(SOL_SOCKET, SO_SNDBUF, 0);
	SET(SOL_SOCKET, SO_RCVBUF, 0);
}

CASE(information)
{
	struct tcp_info info;
	socklen_t length;
	int fds[3];

	connected(AF_INET, fds);
	for (int i = 0; i < 3; i++) {
		length = sizeof info;
		memset(&info, 0xaa, sizeof info);
		SHOW(getsockopt(fds[i], IPPROTO_TCP, TCP_INFO, &info, &length));
		VALUE(info.tcpi_state);
		VALUE(info.tcpi_retransmits);
		VALUE(info.tcpi_probes);
		VALUE(i && info.tcpi_snd_mss > 30000);
	}
	shutdown(fds[1], SHUT_WR);
	await(fds[2], POLLRDHUP);
	for (int i = 1; i < 3; i++) {
		length = 1;
		SHOW(getsockopt(fds[i], IPPROTO_TCP, TCP_INFO, &info, &length));
		VALUE(i == 2 ? info.tcpi_state : 0);
		VALUE(length);
	}
}

/* What an accepted socket has from its listener. */
CASE(inherited)
{
	int fds[3] = {socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET, SOCK_STREAM, 0)};
	struct linger linger = {1, 9};
	struct timeval time = {0, 20000};
	socklen_t length = sizeof linger;

	bind(fds[0], LOOPBACK4(0));
	listen(fds[0], 5);
	set_int(fds[0], IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(fds[0], IPPROTO_TCP, TCP_KEEPIDLE, 44);
	set_int(fds[0], IPPROTO_TCP, TCP_KEEPCNT, 4);
	set_int(fds[0], SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(fds[0], SOL_SOCKET, SO_REUSEADDR, 1);
	set_int(fds[0], SOL_SOCKET, SO_SNDBUF, 20000);
	set_int(fds[0], IPPROTO_IP, IP_TOS, 0x10);
	setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
	connect_to(fds[1], AF_INET, fds[0]);
	fds[2] = accept(fds[0], NULL, NULL);
	OPTION(fds[2], IPPROTO_TCP, TCP_NODELAY);
	OPTION(fds[2], IPPROTO_TCP, TCP_KEEPIDLE);
	OPTION(fds[2], IPPROTO_TCP, TCP_KEEPCNT);
	OPTION(fds[2], SOL_SOCKET, SO_KEEPALIVE);
	OPTION(fds[2], SOL_SOCKET, SO_REUSEADDR);
	OPTION(fds[2], SOL_SOCKET, SO_SNDBUF);
	OPTION(fds[2], IPPROTO_IP, IP_TOS);
	getsockopt(fds[2], SOL_SOCKET, SO_LINGER, &linger, &length);
	say("%d %d", linger.l_onoff, linger.l_linger);
	say_receive(fds[2], 1, 0);
}

CASE(cork)
{
	int fds[3];

	connected(AF_INET, fds);
	set_int(fds[1], IPPROTO_TCP, TCP_CORK, 1);
	write(fds[1], "abc", 3);
	write(fds[1], "def", 3);
	say_receive(fds[2], 100, MSG_DONTWAIT);
	set_int(fds[1], IPPROTO_TCP, TCP_CORK, 0);
	await(fds[2], POLLIN);
	say_receive(fds[2], 100, MSG_DONTWAIT);
	send(fds[1], "abc", 3, MSG_MORE);
	say_receive(fds[2], 100, MSG_DONTWAIT);
	send(fds[1], "def", 3, 0);
	await(fds[2], POLLIN);
	say_receive(fds[2], 100, MSG_DONTWAIT);
}
