/* SPDX-License-Identifier: Apache-2.0 */
/* AF_UNIX sockets for datagrams: names, peers, limits. */
#include "unix.h"

static int bound(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (bind(fd, address(path, strlen(path) + 1),
	         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1)))
		say("bind: %s", error_name(errno));
	return fd;
}

static void say_from(int fd, int flags)
{
	struct sockaddr_un from;
	socklen_t length = sizeof from;
	char buffer[16];
	long result;

	memset(&from, 0, sizeof from);
	result = recvfrom(fd, buffer, sizeof buffer, flags, (struct sockaddr *)&from, &length);
	if (result < 0)
		say("recvfrom(%d): %s", fd, error_name(errno));
	else
		say("recvfrom(%d): %.*s", fd, (int)result, buffer);
	if (result >= 0)
		say_address("from", &from, length);
}

CASE(send_to_a_name)
{
	int server = bound("server"), client = bound("client");
	int nobody = socket(AF_UNIX, SOCK_DGRAM, 0), abstract = socket(AF_UNIX, SOCK_DGRAM, 0);

	CALL(bind, abstract, NAME("\0abstract\0"));
	CALL(sendto, client, "one", 3, 0, AT("server"));
	CALL(sendto, nobody, "two", 3, 0, AT("server"));
	CALL(sendto, abstract, "three", 5, 0, AT("server"));
	say_from(server, MSG_PEEK);
	say_from(server, 0);
	say_from(server, 0);
	say_from(server, 0);
	say_from(server, MSG_DONTWAIT);
	CALL(sendto, server, "back", 4, 0, NAME("\0abstract\0"));
	say_from(abstract, 0);
	CALL(sendto, server, "self", 4, 0, AT("server"));
	say_from(server, 0);
}

CASE(send_errors)
{
	int fd = bound("server");

	make_file("file", 1);
	CALL(sendto, fd, "a", 1, 0, AT("missing"));
	CALL(sendto, fd, "a", 1, 0, AT("file"));
	CALL(sendto, fd, "a", 1, 0, AT("."));
	CALL(sendto, fd, "a", 1, 0, NAME("\0missing"));
	CALL(sendto, fd, "a", 1, 0, NULL, 0);
	CALL(sendto, fd, "a", 1, 0, LOW, 10);
	CALL(sendto, fd, "a", 1, 0, address("a", 1), 2);
	CALL(sendto, fd, "a", 1, 0, address("a", 1), 1);
	CALL(sendto, fd, "a", 1, 0, address("a", 1), 111);
	CALL(sendto, fd, "a", 1, 0, address("a", 1), 129);
	CALL(sendto, fd, "a", 1, 0, address("a", 1), -1);
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 5, AT("stream"));
	CALL(sendto, fd, "a", 1, 0, AT("stream"));
	CALL(close, fd);
	CALL(socket, AF_UNIX, SOCK_DGRAM, 0);
	CALL(sendto, fd, "a", 1, 0, AT("server"));
}

CASE(connected_datagrams)
{
	int server = bound("server"), client = bound("client"), other = bound("other");

	CALL(connect, client, AT("server"));
	say_peer(client);
	CALL(write, client, "a", 1);
	say_from(server, 0);
	CALL(connect, server, AT("client"));
	CALL(sendto, other, "a", 1, 0, AT("server"));
	CALL(connect, other, AT("server"));
	CALL(sendto, client, "b", 1, 0, AT("other"));
	say_from(other, MSG_DONTWAIT);
	CALL(write, server, "c", 1);
	say_from(client, 0);
	CALL(connect, server, address("", 1), 2);
	CALL(connect, server, (struct sockaddr *)(char[16]){0}, 2);
	say_peer(server);
	CALL(write, server, "c", 1);
	CALL(sendto, other, "a", 1, 0, AT("server"));
	say_from(server, MSG_DONTWAIT);
}

CASE(disconnected_datagrams)
{
	int server = bound("server"), client = bound("client"), error;
	socklen_t length = sizeof error;

	connect(client, AT("server"));
	connect(server, AT("client"));
	write(client, "lost", 4);
	say_poll(server);
	CALL(connect, server, (struct sockaddr *)(char[16]){0}, 2);
	say_poll(server);
	say_poll(client);
	CALL(getsockopt, client, SOL_SOCKET, SO_ERROR, &error, &length);
	say("%s", error_name(error));
	CALL(write, client, "a", 1);
	say_from(server, MSG_DONTWAIT);
}

CASE(peer_is_gone)
{
	int server = bound("server"), client = socket(AF_UNIX, SOCK_DGRAM, 0);

	connect(client, AT("server"));
	close(server);
	say_poll(client);
	say_peer(client);
	CALL(write, client, "a", 1);
	CALL(write, client, "a", 1);
	say_peer(client);
	CALL(connect, client, AT("server"));
	unlink("server");
	server = bound("server");
	CALL(connect, client, AT("server"));
	CALL(write, client, "a", 1);
	say_from(server, 0);
}

CASE(connect_to_itself)
{
	int fd = bound("self");

	CALL(connect, fd, AT("self"));
	CALL(write, fd, "a", 1);
	say_poll(fd);
	say_from(fd, 0);
	say_peer(fd);
}

CASE(queue_is_full)
{
	struct timeval time = {0, 50000};
	int server = bound("server"), client = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	int sent = 0;

	connect(client, AT("server"));
	say_poll(client);
	while (write(client, "a", 1) == 1)
		sent++;
	say("%d %s", sent > 0 && sent < 10000, error_name(errno));
	say_poll(client);
	CALL(sendto, client, "a", 1, 0, AT("server"));
	say_from(server, 0);
	say_poll(client);
	CALL(write, client, "a", 1);
	CALL(write, client, "a", 1);
	fcntl(client, F_SETFL, 0);
	setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
	CALL(write, client, "a", 1);
	say_poll(client);
	close(server);
	say_poll(client);
	CALL(write, client, "a", 1);
}

CASE(shutdown_of_datagrams)
{
	int server = bound("server"), client = socket(AF_UNIX, SOCK_DGRAM, 0);

	connect(client, AT("server"));
	CALL(shutdown, server, SHUT_RD);
	say_poll(server);
	CALL(write, client, "a", 1);
	say_from(server, 0);
	say_from(server, MSG_DONTWAIT);
	CALL(shutdown, client, SHUT_WR);
	CALL(write, client, "a", 1);
	say_poll(client);
	CALL(shutdown, client, SHUT_RD);
	say_poll(client);
}

CASE(address_of_stream)
{
	struct sockaddr_un from;
	socklen_t length = sizeof from;
	char buffer[4];
	int fd[3];

	connected(SOCK_STREAM, "name", fd);
	write(fd[1], "a", 1);
	write(fd[2], "b", 1);
	CALL(recvfrom, fd[2], buffer, 4, 0, &from, &length);
	VALUE(length);
	length = sizeof from;
	CALL(recvfrom, fd[1], buffer, 4, 0, &from, &length);
	say_address("from", &from, length);
	write(fd[2], "b", 1);
	length = 5;
	CALL(recvfrom, fd[1], buffer, 4, 0, &from, &length);
	VALUE(length);
	write(fd[2], "b", 1);
	CALL(recvfrom, fd[1], buffer, 4, 0, &from, NULL);
	write(fd[2], "b", 1);
	CALL(recvfrom, fd[1], buffer, 4, 0, LOW, &length);
	say_receive(fd[1], 4, MSG_DONTWAIT);
}

CASE(names_in_messages)
{
	struct sockaddr_un from;
	char buffer[8];
	struct iovec piece = {buffer, sizeof buffer};
	struct msghdr message = {
	        .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &piece, .msg_iovlen = 1};
	int server = bound("server"), client = bound("client");

	sendto(client, "a", 1, 0, AT("server"));
	CALL(recvmsg, server, &message, 0);
	say_address("from", &from, message.msg_namelen);
	sendto(client, "a", 1, 0, AT("server"));
	message.msg_namelen = 0;
	CALL(recvmsg, server, &message, 0);
	VALUE(message.msg_namelen);
	memcpy(&from, address("server", 7), sizeof from);
	message.msg_namelen = PATH_LENGTH("server");
	CALL(sendmsg, client, &message, 0);
	message.msg_namelen = 1000;
	CALL(sendmsg, client, &message, 0);
	sendto(client, "a", 1, 0, AT("server"));
	message.msg_name = LOW;
	message.msg_namelen = 16;
	CALL(recvmsg, server, &message, 0);
	CALL(sendmsg, client, &message, 0);
}
