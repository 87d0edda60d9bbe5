/* SPDX-License-Identifier: Apache-2.0 */
/* Names of internet sockets: addresses, ports, who may have which. */
#include "inet.h"

static int stream(int family)
{
	return socket(family, SOCK_STREAM, 0);
}

CASE(bind_errors)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	struct sockaddr_in6 at_6 = {.sin6_family = AF_INET6};

	stream(AF_INET);
	stream(AF_INET6);
	CALL(bind, 3, NULL, 16);
	CALL(bind, 3, LOW, 16);
	CALL(bind, 3, &at, 0);
	CALL(bind, 3, &at, 15);
	CALL(bind, 3, &at, 129);
	CALL(bind, 3, &at, -1);
	CALL(bind, 77, &at, 16);
	CALL(bind, 0, &at, 16);
	CALL(bind, 4, &at, 16);
	CALL(bind, 4, &at_6, 23);
	at.sin_family = 99;
	CALL(bind, 3, &at, 16);
	at.sin_family = AF_INET6;
	CALL(bind, 3, &at, 16);
	at.sin_family = AF_UNSPEC;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CALL(bind, 3, &at, 16);
	SHOW(bind(3, AT4("192.0.2.1", 0)));
	SHOW(bind(3, AT4("224.0.0.1", 0)));
	SHOW(bind(3, AT4("255.255.255.255", 0)));
	SHOW(bind(4, AT6("2001:db8::1", 0)));
	SHOW(bind(4, AT6("ff02::1", 0)));
	at.sin_addr.s_addr = htonl(INADDR_ANY);
	CALL(bind, 3, &at, 16);
	say_name(3);
	CALL(bind, 3, &at, 16);
	SHOW(bind(4, at6("::1", 0), 24));
	say_name(4);
}

CASE(bind_any_port)
{
	for (int i = 0; i < 4; i++) {
		int fd = stream(i % 2 ? AF_INET6 : AF_INET);

		SHOW(i % 2 ? bind(fd, AT6(i < 2 ? "::" : "::1", 0))
		           : bind(fd, AT4(i < 2 ? "0.0.0.0" : "127.0.0.1", 0)));
		say_name(fd);
		VALUE(port_of(fd) >= 1024);
		SHOW(i % 2 ? bind(fd, AT6("::1", 0)) : bind(fd, AT4("127.0.0.1", 0)));
	}
	VALUE(port_of(3) != port_of(5));
}

CASE(other_loopback_addresses)
{
	stream(AF_INET);
	stream(AF_INET);
	SHOW(bind(3, AT4("127.1.2.3", 0)));
	say_name(3);
	listen(3, 5);
	SHOW(connect(4, AT4("127.1.2.3", port_of(3))));
	say_name(4);
	say_peer(4);
	accept(3, NULL, NULL);
	say_name(5);
	say_peer(5);
	write(4, "abc", 3);
	say_receive(5, 10, 0);
	SHOW(bind(stream(AF_INET), AT4("127.0.0.1", port_of(3))));
	SHOW(connect(stream(AF_INET), AT4("127.0.0.9", port_of(3))));
}

CASE(port_in_use)
{
	int fd = stream(AF_INET);
	unsigned port;

	bind(fd, LOOPBACK4(0));
	port = port_of(fd);
	SHOW(bind(stream(AF_INET), LOOPBACK4(port)));
	SHOW(bind(stream(AF_INET), AT4("0.0.0.0", port)));
	SHOW(bind(stream(AF_INET6), LOOPBACK6(port)));
	SHOW(bind(stream(AF_INET6), AT6("::", port)));
	SHOW(bind(stream(AF_INET6), AT6("::ffff:127.0.0.1", port)));
	SHOW(bind(stream(AF_INET), AT4("127.0.0.2", port)));
	close(fd);
	fd = stream(AF_INET);
	SHOW(bind(fd, LOOPBACK4(port)));
}

/* Two sockets with options, in all states. */
static void reuse(int first, int second, int listens, int option)
{
	int one = stream(AF_INET), two = stream(AF_INET);
	unsigned port;

	set_int(one, SOL_SOCKET, option, first);
	set_int(two, SOL_SOCKET, option, second);
	bind(one, LOOPBACK4(0));
	port = port_of(one);
	if (listens)
		listen(one, 5);
	SHOW(bind(two, LOOPBACK4(port)));
	if (!listens)
		SHOW(listen(one, 5));
	SHOW(listen(two, 5));
	close(one);
	close(two);
}

CASE(reuse_address)
{
	for (int i = 0; i < 8; i++) {
		say("%d %d %d", i & 1, i >> 1 & 1, i >> 2 & 1);
		reuse(i & 1, i >> 1 & 1, i >> 2 & 1, SO_REUSEADDR);
	}
}

CASE(reuse_port)
{
	for (int i = 0; i < 6; i++) {
		if (i == 3)
			continue;
		say("%d %d %d", i & 1, i >> 1 & 1, i >> 2 & 1);
		reuse(i & 1, i >> 1 & 1, i >> 2 & 1, SO_REUSEPORT);
	}
}

/* A port whose connection has ended, by its own side first. */
CASE(port_that_waits)
{
	int fds[3];
	unsigned port;

	connected(AF_INET, fds);
	port = port_of(fds[0]);
	close(fds[2]);
	await(fds[1], POLLRDHUP);
	close(fds[1]);
	close(fds[0]);
	pause_for(20);
	fds[0] = stream(AF_INET);
	SHOW(bind(fds[0], LOOPBACK4(port)));
	set_int(fds[0], SOL_SOCKET, SO_REUSEADDR, 1);
	SHOW(bind(fds[0], LOOPBACK4(port)));
}

CASE(port_that_waits_and_says_so)
{
	int fds[3];
	unsigned port;

	fds[0] = stream(AF_INET);
	set_int(fds[0], SOL_SOCKET, SO_REUSEADDR, 1);
	bind(fds[0], LOOPBACK4(0));
	listen(fds[0], 5);
	port = port_of(fds[0]);
	fds[1] = stream(AF_INET);
	connect_to(fds[1], AF_INET, fds[0]);
	fds[2] = accept(fds[0], NULL, NULL);
	close(fds[2]);
	await(fds[1], POLLRDHUP);
	close(fds[1]);
	close(fds[0]);
	pause_for(20);
	fds[0] = stream(AF_INET);
	SHOW(bind(fds[0], LOOPBACK4(port)));
	set_int(fds[0], SOL_SOCKET, SO_REUSEADDR, 1);
	SHOW(bind(fds[0], LOOPBACK4(port)));
	SHOW(listen(fds[0], 5));
}

CASE(connect_from_a_bound_socket)
{
	int fd, to = listener(AF_INET, 5);
	unsigned port;

	fd = stream(AF_INET);
	bind(fd, AT4("127.0.0.1", 0));
	port = port_of(fd);
	SHOW(connect_to(fd, AF_INET, to));
	VALUE(port_of(fd) == port);
	say_name(fd);
	fd = stream(AF_INET);
	bind(fd, AT4("0.0.0.0", 0));
	port = port_of(fd);
	say_name(fd);
	SHOW(connect_to(fd, AF_INET, to));
	VALUE(port_of(fd) == port);
	say_name(fd);
	fd = stream(AF_INET);
	bind(fd, AT4("127.0.0.1", 0));
	port = port_of(fd);
	SHOW(connect(fd, LOOPBACK4(closed_port(AF_INET))));
	VALUE(port_of(fd) == port);
	say_name(fd);
}

/* ---- both families ---- */

static void dual(const char *at, int only)
{
	int to = stream(AF_INET6), fd;

	set_int(to, IPPROTO_IPV6, IPV6_V6ONLY, only);
	SHOW(bind(to, AT6(at, 0)));
	listen(to, 5);
	fcntl(to, F_SETFL, O_NONBLOCK);
	fd = stream(AF_INET);
	SHOW(connect(fd, LOOPBACK4(port_of(to))));
	if (!errno)
		say_peer(fd);
	fd = accept4(to, NULL, NULL, SOCK_NONBLOCK);
	close(fd);
	fd = stream(AF_INET6);
	SHOW(connect(fd, LOOPBACK6(port_of(to))));
	close(fd);
	fd = stream(AF_INET6);
	SHOW(connect(fd, AT6("::ffff:127.0.0.1", port_of(to))));
	close(fd);
	close(to);
}

CASE(both_families)
{
	int to = stream(AF_INET6), fd, got;

	SHOW(bind(to, AT6("::", 0)));
	listen(to, 5);
	say_name(to);
	fd = stream(AF_INET);
	SHOW(connect(fd, LOOPBACK4(port_of(to))));
	say_name(fd);
	say_peer(fd);
	got = accept(to, NULL, NULL);
	say_name(got);
	say_peer(got);
	OPTION(got, SOL_SOCKET, SO_DOMAIN);
	write(fd, "abc", 3);
	say_receive(got, 10, 0);
	fd = stream(AF_INET6);
	SHOW(connect(fd, AT6("::ffff:127.0.0.1", port_of(to))));
	say_name(fd);
	say_peer(fd);
	got = accept(to, NULL, NULL);
	say_name(got);
	say_peer(got);
	fd = stream(AF_INET6);
	SHOW(connect(fd, LOOPBACK6(port_of(to))));
	got = accept(to, NULL, NULL);
	say_name(got);
	say_peer(got);
}

CASE_ALONE(one_family_only)
{
	int to = stream(AF_INET6), fd;
	unsigned port;

	OPTION(to, IPPROTO_IPV6, IPV6_V6ONLY);
	SHOW(set_int(to, IPPROTO_IPV6, IPV6_V6ONLY, 1));
	OPTION(to, IPPROTO_IPV6, IPV6_V6ONLY);
	SHOW(bind(to, AT6("::", 0)));
	SHOW(set_int(to, IPPROTO_IPV6, IPV6_V6ONLY, 0));
	listen(to, 5);
	port = port_of(to);
	SHOW(connect(stream(AF_INET), LOOPBACK4(port)));
	SHOW(connect(stream(AF_INET6), LOOPBACK6(port)));
	fd = stream(AF_INET);
	SHOW(bind(fd, AT4("0.0.0.0", port)));
	SHOW(listen(fd, 5));
	fd = stream(AF_INET6);
	set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	SHOW(connect(fd, AT6("::ffff:127.0.0.1", port)));
	SHOW(bind(fd, AT6("::ffff:127.0.0.1", 0)));
}

CASE(addresses_of_both_families)
{
	dual("::1", 0);
	dual("::ffff:127.0.0.1", 0);
}

CASE(port_of_both_families)
{
	int fd = stream(AF_INET6);
	unsigned port;

	bind(fd, AT6("::", 0));
	port = port_of(fd);
	SHOW(bind(stream(AF_INET), LOOPBACK4(port)));
	SHOW(bind(stream(AF_INET), AT4("0.0.0.0", port)));
	SHOW(bind(stream(AF_INET6), LOOPBACK6(port)));
	close(fd);
	fd = stream(AF_INET6);
	set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	bind(fd, AT6("::", port));
	SHOW(bind(stream(AF_INET), LOOPBACK4(port)));
	SHOW(bind(stream(AF_INET6), LOOPBACK6(port)));
}
