/* SPDX-License-Identifier: Apache-2.0 */
/* TCP sockets: connections, data, ends, states. */
#include "inet.h"

#include <sys/epoll.h>
#include <sys/sendfile.h>

static const int families[] = {AF_INET, AF_INET6};
static int fds[3]; /* the listening one, the one that connects, the accepted one: 3, 4, 5 */

static volatile int signals;

static void count(int number)
{
	(void)number;
	signals++;
}

/* ---- making ---- */

CASE(making)
{
	static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_RDM, 11, 99};
	static const int protocols[] = {0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, -1, 263, 1000};

	for (unsigned f = 0; f < COUNT(families); f++) {
		for (unsigned i = 0; i < COUNT(types); i++) {
			say("type %d", types[i]);
			CALL_OK(socket, families[f], types[i], 0);
		}
		for (unsigned i = 0; i < COUNT(protocols); i++) {
			say("protocol %d", protocols[i]);
			CALL_OK(socket, families[f], SOCK_STREAM, protocols[i]);
		}
	}
	CALL_OK(socket, AF_INET, SOCK_STREAM | 0x100, 0);
	CALL(socketpair, AF_INET, SOCK_STREAM, 0, fds);
	CALL(socketpair, AF_INET6, SOCK_STREAM, 0, fds);
}

CASE(flags_of_descriptors)
{
	CALL(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	VALUE(fcntl(3, F_GETFL) & O_NONBLOCK);
	VALUE(fcntl(3, F_GETFD));
	close(3);
	fds[0] = listener(AF_INET, 5);
	fcntl(3, F_SETFL, O_NONBLOCK);
	fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	connect_to(4, AF_INET, 3);
	await(3, POLLIN);
	CALL(accept4, 3, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	VALUE(fcntl(5, F_GETFL) & O_NONBLOCK);
	VALUE(fcntl(5, F_GETFD));
	socket(AF_INET, SOCK_STREAM, 0);
	connect_to(6, AF_INET, 3);
	await(3, POLLIN);
	CALL(accept, 3, NULL, NULL);
	VALUE(fcntl(7, F_GETFL) & O_NONBLOCK);
	CALL(accept, 3, NULL, NULL);
	CALL(accept4, 3, NULL, NULL, 1);
	CALL(lseek, 4, 0, SEEK_SET);
	CALL(pread64, 4, fds, 1, 0);
	CALL(ftruncate, 4, 0);
	CALL(fsync, 4);
}

/* ---- connections ---- */

CASE(connection)
{
	struct sockaddr_storage at = {0};
	socklen_t length;

	for (unsigned f = 0; f < COUNT(families); f++) {
		fds[0] = listener(families[f], 5);
		say_name(fds[0]);
		fds[1] = socket(families[f], SOCK_STREAM, 0);
		say_name(fds[1]);
		say_peer(fds[1]);
		SHOW(connect_to(fds[1], families[f], fds[0]));
		say_name(fds[1]);
		say_peer(fds[1]);
		length = sizeof at;
		memset(&at, 0, sizeof at);
		fds[2] = accept(fds[0], (struct sockaddr *)&at, &length);
		say_address("accepted", &at, length);
		VALUE(port_in(&at) == port_of(fds[1]));
		say_name(fds[2]);
		say_peer(fds[2]);
		VALUE(port_of(fds[2]) == port_of(fds[0]));
		say_poll(fds[0]);
		say_poll(fds[1]);
		say_poll(fds[2]);
	}
}

CASE(accept_addresses)
{
	struct sockaddr_in at;
	socklen_t length = 4, huge = 100, negative = (socklen_t)-1;

	fds[0] = listener(AF_INET, 5);
	for (int i = 0; i < 5; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		connect_to(fd, AF_INET, 3);
	}
	memset(&at, 0xaa, sizeof at);
	CALL_OK(accept, 3, &at, &length);
	VALUE(length);
	VALUE(at.sin_family);
	CALL_OK(accept, 3, &at, &huge);
	VALUE(huge);
	CALL_OK(accept, 3, &at, NULL);
	CALL_OK(accept, 3, LOW, &huge);
	CALL_OK(accept, 3, &at, &negative);
}

CASE(refused)
{
	for (unsigned f = 0; f < COUNT(families); f++) {
		int family = families[f], fd = socket(family, SOCK_STREAM, 0);
		unsigned port = closed_port(family);

		SHOW(family == AF_INET ? connect(fd, LOOPBACK4(port))
		                       : connect(fd, LOOPBACK6(port)));
		say_error(fd);
		say_name(fd);
		say_poll(fd);
		SHOW(family == AF_INET ? connect(fd, LOOPBACK4(port))
		                       : connect(fd, LOOPBACK6(port)));
		say_poll(fd);
		fds[0] = listener(family, 5);
		SHOW(connect_to(fd, family, fds[0]));
		say_peer(fd);
	}
}

CASE(refused_without_waiting)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	unsigned port = closed_port(AF_INET);

	SHOW(connect(fd, LOOPBACK4(port)));
	await(fd, POLLOUT);
	say_poll(fd);
	say_error(fd);
	say_poll(fd);
	say_error(fd);
	SHOW(connect(fd, LOOPBACK4(port)));
	say_poll(fd);
	SHOW(connect(fd, LOOPBACK4(port)));
	await(fd, POLLOUT);
	SHOW(connect(fd, LOOPBACK4(port)));
	SHOW(connect(fd, LOOPBACK4(port)));
	await(fd, POLLOUT);
	say_receive(fd, 10, 0);
	say_receive(fd, 10, 0);
	SHOW(send(fd, "a", 1, MSG_NOSIGNAL));
}

CASE(connect_without_waiting)
{
	fds[0] = listener(AF_INET, 5);
	fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	say_poll(4);
	SHOW(connect_to(4, AF_INET, 3));
	await(4, POLLOUT);
	say_poll(4);
	say_error(4);
	SHOW(connect_to(4, AF_INET, 3));
	SHOW(connect_to(4, AF_INET, 3));
	say_peer(4);
	await(3, POLLIN);
	CALL(accept, 3, NULL, NULL);
	SHOW(write(4, "abc", 3));
	say_receive(5, 10, 0);
	say_receive(4, 10, 0);
}

CASE(connect_again)
{
	connected(AF_INET, fds);
	SHOW(connect_to(4, AF_INET, 3));
	SHOW(connect_to(5, AF_INET, 3));
	SHOW(connect_to(3, AF_INET, 3));
	SHOW(connect(4, NULL, 0));
	SHOW(connect(4, AT4("127.0.0.1", 1)));
}

CASE(connect_errors)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0), fd6 = socket(AF_INET6, SOCK_STREAM, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CALL(connect, 3, NULL, 16);
	CALL(connect, 3, LOW, 16);
	CALL(connect, 3, &at, 0);
	CALL(connect, 3, &at, 1);
	CALL(connect, 3, &at, 2);
	CALL(connect, 3, &at, 15);
	CALL(connect, 3, &at, 129);
	CALL(connect, 3, &at, -1);
	CALL(connect, 4, &at, 16);
	CALL(connect, 4, &at, 28);
	CALL(connect, 77, &at, 16);
	CALL(connect, 0, &at, 16);
	at.sin_family = 99;
	CALL(connect, 3, &at, 16);
	SHOW(connect(fd, AT6("::1", 1)));
	SHOW(connect(fd6, at6("::1", 1), 24));
	SHOW(connect(fd6, at6("::1", 1), 23));
	SHOW(connect(fd, AT4("255.255.255.255", 80)));
	SHOW(connect(fd, AT4("224.0.0.1", 80)));
}

CASE(connect_to_the_wildcard)
{
	fds[0] = listener(AF_INET, 5);
	fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	SHOW(connect(4, AT4("0.0.0.0", port_of(3))));
	say_peer(4);
	say_name(4);
	fds[0] = listener(AF_INET6, 5);
	fds[1] = socket(AF_INET6, SOCK_STREAM, 0);
	SHOW(connect(fds[1], AT6("::", port_of(fds[0]))));
	say_peer(fds[1]);
	say_name(fds[1]);
}

CASE(disconnect)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};

	connected(AF_INET, fds);
	write(5, "unread", 6);
	await(4, POLLIN);
	CALL(connect, 4, &none, sizeof none);
	say_poll(4);
	say_error(4);
	say_name(4);
	say_peer(4);
	say_receive(4, 10, MSG_DONTWAIT);
	await(5, POLLIN);
	say_receive(5, 10, MSG_DONTWAIT);
	SHOW(connect_to(4, AF_INET, 3));
	CALL(accept, 3, NULL, NULL);
	write(4, "again", 5);
	say_receive(6, 10, 0);
	CALL(connect, 3, &none, sizeof none);
	SHOW(accept(3, NULL, NULL));
	CALL_OK(socket, AF_INET, SOCK_STREAM, 0);
	CALL(connect, 7, &none, sizeof none);
}

CASE(two_connections_of_a_listener)
{
	fds[0] = listener(AF_INET, 5);
	for (int i = 0; i < 3; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		connect_to(fd, AF_INET, 3);
		dprintf(fd, "number %d", i);
	}
	for (int i = 0; i < 3; i++) {
		int fd = accept(3, NULL, NULL);

		say_receive(fd, 20, 0);
	}
}

CASE(listen_states)
{
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	CALL(accept, 3, NULL, NULL);
	CALL(listen, 3, 5);
	say_name(3);
	CALL(listen, 3, 50);
	CALL(listen, 3, -1);
	CALL(listen, 3, 0);
	CALL(listen, 77, 0);
	CALL(listen, 0, 0);
	SHOW(write(3, "a", 1));
	say_receive(3, 10, 0);
	say_poll(3);
	OPTION(3, SOL_SOCKET, SO_ACCEPTCONN);
	fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	connect_to(4, AF_INET, 3);
	CALL(listen, 4, 5);
	say_peer(3);
	signal(SIGPIPE, SIG_DFL);
}

CASE(backlog)
{
	fds[0] = listener(AF_INET, 1);
	for (int i = 0; i < 2; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		SHOW(connect_to(fd, AF_INET, 3));
	}
	SHOW_OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	SHOW(connect_to(6, AF_INET, 3));
	pause_for(50);
	say_poll(6);
	SHOW(connect_to(6, AF_INET, 3));
	SHOW_OK(accept(3, NULL, NULL));
	await(6, POLLOUT);
	say_poll(6);
	SHOW(connect_to(6, AF_INET, 3));
}

CASE(a_listener_closes)
{
	fds[0] = listener(AF_INET, 5);
	fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	connect_to(4, AF_INET, 3);
	SHOW(write(4, "a", 1));
	close(3);
	await(4, POLLIN);
	say_poll(4);
	say_receive(4, 10, 0);
	say_receive(4, 10, 0);
}

CASE(a_listener_is_shut_down)
{
	fds[0] = listener(AF_INET, 5);
	CALL(shutdown, 3, SHUT_WR);
	say_poll(3);
	OPTION(3, SOL_SOCKET, SO_ACCEPTCONN);
	CALL(shutdown, 3, SHUT_RD);
	say_poll(3);
	OPTION(3, SOL_SOCKET, SO_ACCEPTCONN);
	CALL(accept, 3, NULL, NULL);
	say_name(3);
	CALL(listen, 3, 5);
	fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	SHOW(connect_to(4, AF_INET, 3));
}

CASE(accept_time_limit)
{
	struct timeval time = {0, 30000};

	fds[0] = listener(AF_INET, 5);
	setsockopt(3, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
	CALL(accept, 3, NULL, NULL);
}

/* ---- data ---- */

CASE(bytes)
{
	for (unsigned f = 0; f < COUNT(families); f++) {
		connected(families[f], fds);
		SHOW(write(fds[1], "abcdef", 6));
		SHOW(write(fds[1], "ghi", 3));
		await(fds[2], POLLIN);
		say_receive(fds[2], 4, 0);
		say_receive(fds[2], 5, MSG_WAITALL);
		say_receive(fds[2], 100, MSG_DONTWAIT);
		SHOW(write(fds[2], "back", 4));
		say_receive(fds[1], 100, 0);
		SHOW(write(fds[1], "", 0));
		SHOW(send(fds[1], "", 0, 0));
		say_receive(fds[2], 100, MSG_DONTWAIT);
		SHOW(read(fds[2], fds, 0));
	}
}

CASE(unconnected)
{
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	signal(SIGPIPE, count);
	signals = 0;
	say_receive(3, 10, 0);
	say_receive(3, 10, MSG_DONTWAIT);
	say_receive(3, 10, MSG_OOB);
	SHOW(write(3, "a", 1));
	VALUE(signals);
	SHOW(send(3, "a", 1, MSG_NOSIGNAL));
	SHOW(send(3, "", 0, MSG_NOSIGNAL));
	SHOW(sendto(3, "a", 1, MSG_NOSIGNAL, LOOPBACK4(9)));
	VALUE(signals);
	say_poll(3);
	CALL(shutdown, 3, SHUT_RD);
	say_poll(3);
	CALL(shutdown, 3, SHUT_WR);
	say_poll(3);
	say_receive(3, 10, 0);
	CALL(shutdown, 3, 3);
	CALL(shutdown, 3, -1);
}

CASE(peek)
{
	connected(AF_INET, fds);
	write(4, "abc", 3);
	write(4, "def", 3);
	await(5, POLLIN);
	say_receive(5, 6, MSG_PEEK | MSG_WAITALL);
	say_receive(5, 2, MSG_PEEK);
	say_receive(5, 2, 0);
	say_receive(5, 100, MSG_PEEK);
	say_receive(5, 100, 0);
	say_receive(5, 100, MSG_PEEK | MSG_DONTWAIT);
	shutdown(4, SHUT_WR);
	await(5, POLLIN);
	say_receive(5, 100, MSG_PEEK);
}

CASE(throw_away)
{
	char buffer[8] = "-------";

	connected(AF_INET, fds);
	write(4, "abcdefgh", 8);
	await(5, POLLIN);
	CALL(recvfrom, 5, buffer, 3, MSG_TRUNC, NULL, NULL);
	VALUE(buffer[0]);
	CALL(recvfrom, 5, LOW, 2, MSG_TRUNC, NULL, NULL);
	say_receive(5, 100, 0);
}

CASE(wait_for_all)
{
	struct timeval time = {0, 50000};

	connected(AF_INET, fds);
	setsockopt(5, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
	write(4, "abc", 3);
	say_receive(5, 5, MSG_WAITALL);
	say_receive(5, 5, MSG_WAITALL);
	write(4, "abc", 3);
	await(5, POLLIN);
	say_receive(5, 5, MSG_WAITALL | MSG_DONTWAIT);
	write(4, "abcdefgh", 8);
	say_receive(5, 5, MSG_WAITALL);
	shutdown(4, SHUT_WR);
	say_receive(5, 5, MSG_WAITALL);
	say_receive(5, 5, MSG_WAITALL);
}

CASE(low_water)
{
	struct timeval time = {0, 50000};
	int low = 4;

	connected(AF_INET, fds);
	setsockopt(5, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
	CALL(setsockopt, 5, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low);
	write(4, "ab", 2);
	pause_for(10);
	say_poll(5);
	say_receive(5, 8, 0);
	write(4, "abcdef", 6);
	await(5, POLLIN);
	say_poll(5);
	say_receive(5, 8, 0);
	write(4, "ab", 2);
	say_receive(5, 2, 0);
}

CASE(flags_of_messages)
{
	connected(AF_INET, fds);
	SHOW(send(4, "abc", 3, MSG_MORE));
	SHOW(send(4, "def", 3, 0));
	await(5, POLLIN);
	say_receive(5, 6, MSG_WAITALL);
	SHOW(send(4, "a", 1, MSG_DONTROUTE | MSG_CONFIRM | MSG_EOR));
	await(5, POLLIN);
	say_receive(5, 10, MSG_CMSG_CLOEXEC);
	say_receive(5, 10, MSG_ERRQUEUE);
	say_receive(5, 10, MSG_OOB);
	SHOW(sendto(4, "xy", 2, 0, LOOPBACK4(1)));
	await(5, POLLIN);
	say_receive(5, 10, 0);
}

CASE(names_of_messages)
{
	struct sockaddr_storage at = {.ss_family = 77};
	socklen_t length = sizeof at;
	char buffer[8];
	struct iovec piece = {buffer, sizeof buffer};
	struct msghdr header = {.msg_name = &at,
	                        .msg_namelen = sizeof at,
	                        .msg_iov = &piece,
	                        .msg_iovlen = 1,
	                        .msg_flags = 99};

	connected(AF_INET, fds);
	write(4, "abc", 3);
	await(5, POLLIN);
	CALL(recvfrom, 5, buffer, 2, 0, &at, &length);
	VALUE(length);
	VALUE(at.ss_family);
	CALL(recvmsg, 5, &header, 0);
	VALUE(header.msg_namelen);
	VALUE(header.msg_flags);
	VALUE(header.msg_controllen);
}

CASE(vectors)
{
	char first[3], second[4];
	struct iovec out[] = {{"ab", 2}, {"", 0}, {"cdefg", 5}};
	struct iovec in[] = {{first, sizeof first}, {second, sizeof second}};

	connected(AF_INET, fds);
	CALL(writev, 4, out, COUNT(out));
	await(5, POLLIN);
	CALL(readv, 5, in, COUNT(in));
	say("%.3s %.4s", first, second);
}

CASE(bad_pointers)
{
	char *end = edge(3);

	connected(AF_INET, fds);
	memcpy(end, "xyz", 3);
	CALL(write, 4, LOW, 5);
	CALL(write, 4, KERNEL, 5);
	CALL(write, 4, KIT, 5);
	CALL(write, 4, end, 10);
	write(4, "abcdef", 6);
	pause_for(10);
	say_receive(5, 100, 0);
	write(4, "abcdef", 6);
	await(5, POLLIN);
	CALL(read, 5, LOW, 5);
	CALL(read, 5, KIT_DATA, 5);
	CALL(recvfrom, 5, end, 3, MSG_PEEK, NULL, NULL);
	say_receive(5, 100, 0);
	CALL(write, 4, LOW, 0);
	CALL(getsockname, 4, LOW, LOW);
	CALL(getpeername, 4, LOW, LOW);
}

CASE(send_until_full)
{
	static char buffer[65536];
	long sent = 0, got = 0, part;

	connected(AF_INET, fds);
	fcntl(4, F_SETFL, O_NONBLOCK);
	while ((part = write(4, buffer, sizeof buffer)) > 0)
		sent += part;
	say("%s", error_name(errno));
	VALUE(sent >= 65536);
	say_poll(4);
	say_receive(4, 1, 0);
	while (got < sent && (part = read(5, buffer, sizeof buffer)) > 0)
		got += part;
	VALUE(got == sent);
	await(4, POLLOUT);
	say_poll(4);
}

CASE(send_time_limit)
{
	static char buffer[1 << 20];
	struct timeval time = {0, 50000};
	long result;

	connected(AF_INET, fds);
	setsockopt(4, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
	for (int i = 0; i < 100; i++) {
		result = write(4, buffer, sizeof buffer);
		if (result < 0)
			break;
	}
	say("%ld %s", result, error_name(errno));
}

CASE(pattern)
{
	static unsigned char out[300001], in[sizeof out];
	size_t done = 0, sent = 0;
	int bad = 0;

	for (size_t i = 0; i < sizeof out; i++)
		out[i] = (unsigned char)(i * 7 + i / 251);
	for (size_t step = 1; step < 70000; step = step * 5 + 3) {
		connected(AF_INET, fds);
		fcntl(fds[1], F_SETFL, O_NONBLOCK);
		fcntl(fds[2], F_SETFL, O_NONBLOCK);
		memset(in, 0, sizeof in);
		done = sent = 0;
		for (long rounds = 0; done < sizeof in && rounds < 3000000; rounds++) {
			size_t left = sizeof out - sent;
			long part = left ? write(fds[1], out + sent, left < step ? left : step) : 0;

			sent += part > 0 ? (size_t)part : 0;
			part = rounds % 3 ? 0 : read(fds[2], in + done, step * 2 + 1);
			done += part > 0 ? (size_t)part : 0;
			if (!left && part < 0)
				await(fds[2], POLLIN);
		}
		bad |= memcmp(in, out, sizeof in);
		VALUE(done);
		for (int i = 0; i < 3; i++)
			close(fds[i]);
	}
	VALUE(bad);
}

CASE(bytes_that_wait)
{
	int value = -1;

	connected(AF_INET, fds);
	write(4, "abcdef", 6);
	await(5, POLLIN);
	CALL(ioctl, 5, FIONREAD, &value);
	VALUE(value);
	say_receive(5, 2, 0);
	CALL(ioctl, 5, FIONREAD, &value);
	VALUE(value);
	CALL(ioctl, 5, TIOCOUTQ, &value);
	VALUE(value);
	CALL(ioctl, 3, FIONREAD, &value);
	CALL(ioctl, 3, TIOCOUTQ, &value);
	CALL(ioctl, 5, FIONREAD, LOW);
	CALL(ioctl, 5, 0x12345678, &value);
	shutdown(4, SHUT_WR);
	await(5, POLLRDHUP);
	CALL(ioctl, 5, FIONREAD, &value);
	VALUE(value);
}

CASE(file_to_socket)
{
	off_t offset = 3;

	connected(AF_INET, fds);
	make_file("file", 1000);
	CALL(sendfile, 4, 6, NULL, 10);
	CALL(sendfile, 4, 6, &offset, 4);
	await(5, POLLIN);
	pause_for(10);
	say_receive(5, 100, 0);
	CALL(sendfile, 4, 5, NULL, 10);
	shutdown(4, SHUT_WR);
	signal(SIGPIPE, SIG_IGN);
	CALL(sendfile, 4, 6, NULL, 10);
}

/* ---- ends ---- */

CASE(half_close)
{
	connected(AF_INET, fds);
	write(4, "last", 4);
	CALL(shutdown, 4, SHUT_WR);
	await(5, POLLRDHUP);
	say_poll(4);
	say_poll(5);
	say_receive(5, 10, 0);
	say_receive(5, 10, 0);
	say_receive(5, 10, 0);
	SHOW(write(5, "answer", 6));
	say_receive(4, 10, 0);
	signal(SIGPIPE, count);
	signals = 0;
	SHOW(write(4, "a", 1));
	SHOW(send(4, "a", 1, MSG_NOSIGNAL));
	VALUE(signals);
	CALL(shutdown, 4, SHUT_WR);
	say_peer(4);
	CALL(shutdown, 5, SHUT_WR);
	await(4, POLLHUP);
	say_poll(4);
	say_poll(5);
	say_receive(4, 10, 0);
	say_peer(4);
	say_peer(5);
	CALL(shutdown, 4, SHUT_RDWR);
	CALL(shutdown, 5, SHUT_RDWR);
}

CASE(shut_down_reading)
{
	connected(AF_INET, fds);
	write(4, "before", 6);
	await(5, POLLIN);
	CALL(shutdown, 5, SHUT_RD);
	say_poll(5);
	say_receive(5, 10, 0);
	say_receive(5, 10, 0);
	SHOW(write(4, "behind", 6));
	pause_for(10);
	say_receive(5, 10, 0);
	say_receive(5, 10, 0);
	SHOW(write(5, "out", 3));
	say_receive(4, 10, 0);
	say_poll(4);
}

CASE(shut_down_both)
{
	connected(AF_INET, fds);
	CALL(shutdown, 4, SHUT_RDWR);
	say_poll(4);
	say_receive(4, 10, 0);
	await(5, POLLRDHUP);
	say_poll(5);
	say_receive(5, 10, 0);
	SHOW(close(5));
	await(4, POLLHUP);
	say_poll(4);
	CALL(shutdown, 4, SHUT_RDWR);
}

CASE(close_one_end)
{
	connected(AF_INET, fds);
	write(4, "abc", 3);
	close(4);
	await(5, POLLRDHUP);
	say_poll(5);
	say_receive(5, 10, 0);
	say_receive(5, 10, 0);
	say_error(5);
	signal(SIGPIPE, SIG_IGN);
	SHOW(write(5, "a", 1));
	await(5, POLLERR);
	say_poll(5);
	SHOW(write(5, "a", 1));
	SHOW(write(5, "a", 1));
	say_receive(5, 10, 0);
	say_poll(5);
}

CASE(close_with_unread_data)
{
	connected(AF_INET, fds);
	write(4, "abc", 3);
	write(5, "for you", 7);
	await(5, POLLIN);
	await(4, POLLIN);
	close(5);
	await(4, POLLERR);
	say_poll(4);
	say_receive(4, 3, MSG_PEEK);
	say_error(4);
	say_receive(4, 10, 0);
	say_receive(4, 10, 0);
	say_peer(4);
	signal(SIGPIPE, count);
	signals = 0;
	SHOW(write(4, "a", 1));
	VALUE(signals);
}

CASE(reset)
{
	struct linger linger = {1, 0};

	connected(AF_INET, fds);
	setsockopt(4, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	write(4, "abc", 3);
	await(5, POLLIN);
	close(4);
	await(5, POLLERR);
	say_poll(5);
	say_receive(5, 10, 0);
	say_receive(5, 10, 0);
	say_receive(5, 10, 0);
	say_poll(5);
	say_name(5);
	say_peer(5);
	connected(AF_INET, fds);
	setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	close(fds[1]);
	await(fds[2], POLLERR);
	SHOW(send(fds[2], "a", 1, MSG_NOSIGNAL));
	SHOW(send(fds[2], "a", 1, MSG_NOSIGNAL));
	SHOW(connect_to(fds[2], AF_INET, fds[0]));
}

CASE(reset_after_end)
{
	struct linger linger = {1, 0};

	connected(AF_INET, fds);
	shutdown(4, SHUT_WR);
	await(5, POLLRDHUP);
	setsockopt(4, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	close(4);
	pause_for(20);
	say_poll(5);
	say_error(5);
	SHOW(send(5, "a", 1, MSG_NOSIGNAL));
	pause_for(20);
	say_poll(5);
	say_receive(5, 10, 0);
}

CASE(linger)
{
	struct linger linger = {1, 2}, told;
	socklen_t length = sizeof told;

	connected(AF_INET, fds);
	setsockopt(4, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	getsockopt(4, SOL_SOCKET, SO_LINGER, &told, &length);
	say("%d %d", told.l_onoff, told.l_linger);
	write(4, "abc", 3);
	SHOW(close(4));
	say_receive(5, 10, 0);
	say_receive(5, 10, 0);
}

/* ---- epoll ---- */

static void say_events(int set)
{
	struct epoll_event events[8];
	int ready = epoll_wait(set, events, 8, 50);

	say("epoll: %d", ready);
	for (int i = 0; i < ready; i++)
		say("  %d: %#x", (int)events[i].data.fd, events[i].events);
}

static void watch(int set, int fd, uint32_t bits)
{
	struct epoll_event event = {bits, {.fd = fd}};

	epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
}

CASE(epoll_edges)
{
	int set = epoll_create1(0); /* 3 */

	fds[0] = listener(AF_INET, 5);
	watch(set, fds[0], EPOLLIN | EPOLLET);
	say_events(set);
	fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	connect_to(fds[1], AF_INET, fds[0]);
	say_events(set);
	say_events(set);
	fds[2] = accept(fds[0], NULL, NULL);
	watch(set, fds[2], EPOLLIN | EPOLLRDHUP | EPOLLET);
	say_events(set);
	write(fds[1], "abc", 3);
	say_events(set);
	say_events(set);
	write(fds[1], "abc", 3);
	say_events(set);
	say_receive(fds[2], 100, 0);
	say_events(set);
	shutdown(fds[1], SHUT_WR);
	say_events(set);
	say_events(set);
}

CASE(epoll_levels)
{
	int set = epoll_create1(0);

	connected(AF_INET, fds);
	watch(set, fds[2], EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	say_events(set);
	write(fds[1], "abc", 3);
	await(fds[2], POLLIN);
	say_events(set);
	say_events(set);
	say_receive(fds[2], 100, 0);
	say_events(set);
	close(fds[1]);
	await(fds[2], POLLRDHUP);
	say_events(set);
}

CASE(epoll_connect)
{
	int set = epoll_create1(0), fd;

	fds[0] = listener(AF_INET, 5);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	watch(set, fd, EPOLLOUT | EPOLLIN);
	say_events(set);
	connect_to(fd, AF_INET, fds[0]);
	say_events(set);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	connect(fd, LOOPBACK4(closed_port(AF_INET)));
	watch(set, fd, EPOLLOUT | EPOLLIN);
	say_events(set);
}
