/* SPDX-License-Identifier: Apache-2.0 */
/* UDP sockets on the loopback interface. */
#include "inet.h"

#include <netdb.h>

static const int families[] = {AF_INET, AF_INET6};

/* A socket on a port of a loopback address. */
static int bound(int family)
{
	int fd = socket(family, SOCK_DGRAM, 0);

	if (family == AF_INET ? bind(fd, LOOPBACK4(0)) : bind(fd, LOOPBACK6(0)))
		say("no address: %s", error_name(errno));
	return fd;
}

static long send_to(int fd, int family, int to, const void *data, size_t size)
{
	return family == AF_INET ? sendto(fd, data, size, 0, LOOPBACK4(port_of(to)))
	                         : sendto(fd, data, size, 0, LOOPBACK6(port_of(to)));
}

/* Says who sent what. */
static void say_from(int fd, int flags)
{
	static char buffer[65536];
	struct sockaddr_storage from = {0};
	socklen_t length = sizeof from;
	long result = recvfrom(fd, buffer, sizeof buffer, flags, (struct sockaddr *)&from, &length);

	if (result < 0) {
		say("recvfrom(%d): %s", fd, error_name(errno));
		return;
	}
	say("recvfrom(%d): %ld \"%.*s\"", fd, result, (int)(result < 64 ? result : 64), buffer);
	say_address("from", &from, length);
}

CASE(making)
{
	CALL(socket, AF_INET, SOCK_DGRAM, IPPROTO_UDP);
	CALL(socket, AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CALL(socket, AF_INET, SOCK_DGRAM, IPPROTO_TCP);
	CALL(socket, AF_INET, SOCK_DGRAM, -1);
	CALL(socket, AF_INET, SOCK_DGRAM, 263);
	CALL(socket, AF_INET, SOCK_SEQPACKET, 0);
	CALL(listen, 3, 1);
	CALL(accept, 3, NULL, NULL);
	say_name(3);
	say_peer(3);
	say_name(4);
	OPTION(3, SOL_SOCKET, SO_TYPE);
	OPTION(3, SOL_SOCKET, SO_PROTOCOL);
	OPTION(4, SOL_SOCKET, SO_DOMAIN);
}

CASE(binding)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), other = socket(AF_INET, SOCK_DGRAM, 0);
	int six = socket(AF_INET6, SOCK_DGRAM, 0);
	unsigned port;

	CALL(bind, fd, at4("127.0.0.1", 0), 15);
	CALL(bind, fd, at6("::1", 0), LENGTH6);
	CALL(bind, fd, AT4("192.0.2.99", 0));
	CALL(bind, fd, LOW, 16);
	CALL(bind, fd, at4("127.0.0.1", 0), 200);
	CALL(bind, fd, LOOPBACK4(0));
	say_name(fd);
	CALL(bind, fd, LOOPBACK4(0));
	port = port_of(fd);
	SHOW(bind(other, LOOPBACK4(port)));
	SHOW(bind(other, AT4("0.0.0.0", port)));
	SHOW(bind(other, AT4("127.0.0.2", port)));
	say_name(other);
	CALL(bind, six, at6("::1", 0), 23);
	CALL(bind, six, at4("127.0.0.1", 0), LENGTH4);
	SHOW(bind(six, AT6("::ffff:127.0.0.1", port)));
	SHOW(bind(six, AT6("::", port)));
	SHOW(bind(six, LOOPBACK6(port)));
	say_name(six);
}

CASE(sharing_a_port)
{
	static const int options[] = {SO_REUSEADDR, SO_REUSEPORT};

	for (size_t i = 0; i < COUNT(options); i++) {
		int first = socket(AF_INET, SOCK_DGRAM, 0), second = socket(AF_INET, SOCK_DGRAM, 0);

		set_int(second, SOL_SOCKET, options[i], 1);
		SHOW(bind(first, LOOPBACK4(0)));
		SHOW(bind(second, LOOPBACK4(port_of(first))));
		close(first);
		first = socket(AF_INET, SOCK_DGRAM, 0);
		set_int(first, SOL_SOCKET, options[i], 1);
		SHOW(bind(first, LOOPBACK4(0)));
		SHOW(bind(second, LOOPBACK4(port_of(first))));
		close(first);
		close(second);
	}
}

CASE(sending)
{
	for (size_t i = 0; i < COUNT(families); i++) {
		int server = bound(families[i]), client = socket(families[i], SOCK_DGRAM, 0);

		say_name(client);
		SHOW(send_to(client, families[i], server, "one", 3));
		say_name(client);
		SHOW(send_to(client, families[i], server, "", 0));
		SHOW(send_to(client, families[i], server, "three", 5));
		say_poll(server);
		say_from(server, MSG_PEEK);
		say_from(server, 0);
		say_poll(server);
		say_from(server, 0);
		say_receive(server, 2, MSG_PEEK | MSG_TRUNC);
		say_receive(server, 2, 0);
		say_from(server, MSG_DONTWAIT);
		say_poll(server);
		close(server);
		close(client);
	}
}

CASE(send_errors)
{
	static char large[70000];
	int fd = socket(AF_INET, SOCK_DGRAM, 0), six = socket(AF_INET6, SOCK_DGRAM, 0);
	int server = bound(AF_INET);
	unsigned port = port_of(server);

	SHOW(send(fd, "a", 1, 0));
	SHOW(send(six, "a", 1, 0));
	SHOW(sendto(fd, "a", 1, 0, at4("127.0.0.1", 9), 15));
	SHOW(sendto(fd, "a", 1, 0, LOOPBACK4(0)));
	SHOW(sendto(fd, "a", 1, 0, LOOPBACK6(9)));
	SHOW(sendto(six, "a", 1, 0, at6("::1", 9), 23));
	SHOW(sendto(six, "a", 1, 0, at6("::1", 9), 1));
	SHOW(sendto(six, "a", 1, 0, LOOPBACK6(0)));
	SHOW(sendto(fd, "a", 1, MSG_OOB, LOOPBACK4(9)));
	SHOW(sendto(fd, large, 65508, 0, LOOPBACK4(port)));
	SHOW(sendto(fd, large, 65536, 0, LOOPBACK4(port)));
	SHOW(sendto(fd, large, 65507, 0, LOOPBACK4(port)));
	SHOW(recv(server, large, sizeof large, 0));
	SHOW(sendto(fd, unmapped(), 10, 0, LOOPBACK4(port)));
	SHOW(sendto(fd, "b", 1, 0, AT4("0.0.0.0", port)));
	say_from(server, 0);
	SHOW(sendto(six, "c", 1, 0, LOOPBACK4(port)));
	say_from(server, 0);
	SHOW(sendto(six, "d", 1, 0, AT6("::ffff:127.0.0.1", port)));
	say_from(server, 0);
	SHOW(send_to(fd, AF_INET, server, "e", 1));
	SHOW(recv(server, unmapped(), 10, 0));
	say_from(server, MSG_DONTWAIT);
}

CASE(connecting)
{
	for (size_t i = 0; i < COUNT(families); i++) {
		int server = bound(families[i]), client = socket(families[i], SOCK_DGRAM, 0);
		int other = bound(families[i]);

		SHOW(connect_to(client, families[i], server));
		say_name(client);
		say_peer(client);
		SHOW(send(client, "a", 1, 0));
		say_from(server, 0);
		SHOW(send_to(other, families[i], client, "not heard", 9));
		SHOW(send_to(server, families[i], client, "heard", 5));
		say_from(client, 0);
		say_from(client, MSG_DONTWAIT);
		SHOW(send_to(client, families[i], other, "b", 1));
		say_from(other, 0);
		SHOW(connect_to(client, families[i], other));
		SHOW(send(client, "c", 1, 0));
		say_from(other, 0);
		CALL(connect, client, (char[16]){0}, 16);
		say_name(client);
		say_peer(client);
		SHOW(send(client, "d", 1, 0));
		CALL(connect, client, (char[16]){0}, 1);
		SHOW(connect(server, families[i] == AF_INET ? at6("::1", 9) : at4("127.0.0.1", 9),
		             16));
		CALL(connect, other, (char[16]){0}, 16);
		say_name(other);
		close(server);
		close(client);
		close(other);
	}
}

CASE(dual_stack)
{
	int server = socket(AF_INET6, SOCK_DGRAM, 0), client = socket(AF_INET, SOCK_DGRAM, 0);
	int only = socket(AF_INET6, SOCK_DGRAM, 0);

	SHOW(bind(server, AT6("::", 0)));
	SHOW(sendto(client, "four", 4, 0, LOOPBACK4(port_of(server))));
	say_from(server, 0);
	SHOW(sendto(server, "back", 4, 0, AT6("::ffff:127.0.0.1", port_of(client))));
	say_from(client, 0);
	SHOW(set_int(only, IPPROTO_IPV6, IPV6_V6ONLY, 1));
	SHOW(sendto(only, "a", 1, 0, AT6("::ffff:127.0.0.1", port_of(client))));
	SHOW(connect(only, AT6("::ffff:127.0.0.1", port_of(client))));
	SHOW(bind(only, AT6("::ffff:127.0.0.1", 0)));
	SHOW(bind(only, AT6("::", 0)));
	say_name(only);
	SHOW(connect(server, AT6("::ffff:127.0.0.1", port_of(client))));
	say_name(server);
	say_peer(server);
}

CASE(refused)
{
	for (size_t i = 0; i < COUNT(families); i++) {
		int gone = bound(families[i]), client = socket(families[i], SOCK_DGRAM, 0);
		int loose = socket(families[i], SOCK_DGRAM, 0);

		connect_to(client, families[i], gone);
		send_to(loose, families[i], gone, "a", 1);
		send(client, "a", 1, 0);
		close(gone);
		SHOW(send(client, "a", 1, 0));
		await(client, POLLERR);
		say_poll(client);
		say_receive(client, 10, MSG_DONTWAIT);
		say_receive(client, 10, MSG_DONTWAIT);
		SHOW(send(client, "a", 1, 0));
		await(client, POLLERR);
		say_error(client);
		say_error(client);
		SHOW(send(client, "a", 1, 0));
		await(client, POLLERR);
		SHOW(send(client, "a", 1, 0));
		say_error(loose);
		close(client);
		close(loose);
	}
}

CASE(shutting_down)
{
	int server = bound(AF_INET), client = socket(AF_INET, SOCK_DGRAM, 0);

	CALL(shutdown, client, SHUT_RD);
	CALL(shutdown, client, 3);
	connect_to(client, AF_INET, server);
	SHOW(send(client, "a", 1, 0));
	CALL(shutdown, client, SHUT_RD);
	say_receive(client, 10, 0);
	say_poll(client);
	CALL(shutdown, client, SHUT_WR);
	say_poll(client);
	SHOW(send(client, "b", 1, 0));
	say_receive(server, 10, 0);
	say_receive(server, 10, MSG_DONTWAIT);
}

CASE(readable_bytes)
{
	int server = bound(AF_INET), client = socket(AF_INET, SOCK_DGRAM, 0), value = -1;

	CALL(ioctl, server, FIONREAD, &value);
	VALUE(value);
	send_to(client, AF_INET, server, "12345", 5);
	send_to(client, AF_INET, server, "123", 3);
	CALL(ioctl, server, FIONREAD, &value);
	VALUE(value);
	CALL(ioctl, server, TIOCOUTQ, &value);
	VALUE(value);
	CALL(ioctl, server, TCGETS, &value);
}

CASE(queue_is_bounded)
{
	static char data[1000];
	int server = bound(AF_INET), client = socket(AF_INET, SOCK_DGRAM, 0);
	int received = 0;

	SHOW(set_int(server, SOL_SOCKET, SO_RCVBUF, 1));
	OPTION(server, SOL_SOCKET, SO_RCVBUF);
	for (int i = 0; i < 1000; i++)
		send_to(client, AF_INET, server, data, sizeof data);
	while (recv(server, data, sizeof data, MSG_DONTWAIT) > 0)
		received++;
	VALUE(received > 0 && received < 10);
}

CASE(timeouts)
{
	const struct timeval soon = {0, 50000};
	int fd = bound(AF_INET);
	long before = now();

	SHOW(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon));
	say_receive(fd, 10, 0);
	VALUE(now() - before >= 49);
}

/* ---- control messages ---- */

static void say_control(int fd)
{
	char data[16], control[256];
	struct iovec piece = {data, sizeof data};
	struct msghdr header = {.msg_iov = &piece,
	                        .msg_iovlen = 1,
	                        .msg_control = control,
	                        .msg_controllen = sizeof control};
	long result = recvmsg(fd, &header, 0);

	say("recvmsg: %ld flags %x", result, header.msg_flags);
	for (struct cmsghdr *at = CMSG_FIRSTHDR(&header); at; at = CMSG_NXTHDR(&header, at)) {
		char text[128];
		int used = 0;

		for (size_t i = 0; i < at->cmsg_len - CMSG_LEN(0); i++)
			used += snprintf(text + used, sizeof text - (size_t)used, "%02x",
			                 CMSG_DATA(at)[i]);
		say("control %d %d: %s", at->cmsg_level, at->cmsg_type, text);
	}
}

CASE(control_messages)
{
	int server = bound(AF_INET), client = socket(AF_INET, SOCK_DGRAM, 0);

	SHOW(set_int(server, IPPROTO_IP, IP_PKTINFO, 1));
	SHOW(set_int(server, IPPROTO_IP, IP_RECVTTL, 1));
	SHOW(set_int(server, IPPROTO_IP, IP_RECVTOS, 1));
	send_to(client, AF_INET, server, "a", 1);
	say_control(server);
	SHOW(set_int(client, IPPROTO_IP, IP_TTL, 7));
	SHOW(set_int(client, IPPROTO_IP, IP_TOS, 0x10));
	send_to(client, AF_INET, server, "a", 1);
	say_control(server);
	OPTION(server, IPPROTO_IP, IP_PKTINFO);
}

CASE(control_messages6)
{
	int server = socket(AF_INET6, SOCK_DGRAM, 0), client = socket(AF_INET6, SOCK_DGRAM, 0);

	bind(server, AT6("::", 0));
	SHOW(set_int(server, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
	SHOW(set_int(server, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1));
	SHOW(set_int(server, IPPROTO_IPV6, IPV6_RECVTCLASS, 1));
	send_to(client, AF_INET6, server, "a", 1);
	say_control(server);
	SHOW(set_int(client, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9));
	SHOW(set_int(client, IPPROTO_IPV6, IPV6_TCLASS, 0x20));
	send_to(client, AF_INET6, server, "a", 1);
	say_control(server);
	SHOW(sendto(client, "a", 1, 0, AT6("::ffff:127.0.0.1", port_of(server))));
	say_control(server);
}

static long send_with(int fd, int to, int level, int type, const void *data, size_t size)
{
	char control[128] = {0};
	struct iovec piece = {"a", 1};
	struct msghdr header = {.msg_name = at4("127.0.0.1", port_of(to)),
	                        .msg_namelen = LENGTH4,
	                        .msg_iov = &piece,
	                        .msg_iovlen = 1,
	                        .msg_control = control,
	                        .msg_controllen = (socklen_t)CMSG_SPACE(size)};
	struct cmsghdr *at = CMSG_FIRSTHDR(&header);

	at->cmsg_level = level;
	at->cmsg_type = type;
	at->cmsg_len = (socklen_t)CMSG_LEN(size);
	memcpy(CMSG_DATA(at), data, size);
	return sendmsg(fd, &header, 0);
}

CASE(sent_control_messages)
{
	int server = bound(AF_INET), client = socket(AF_INET, SOCK_DGRAM, 0);
	struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(0x7f000005)};

	set_int(server, IPPROTO_IP, IP_RECVTTL, 1);
	set_int(server, IPPROTO_IP, IP_RECVTOS, 1);
	SHOW(send_with(client, server, IPPROTO_IP, IP_TTL, &(int){33}, 4));
	say_control(server);
	SHOW(send_with(client, server, IPPROTO_IP, IP_TTL, &(int){0}, 4));
	SHOW(send_with(client, server, IPPROTO_IP, IP_TTL, &(int){256}, 4));
	SHOW(send_with(client, server, IPPROTO_IP, IP_TTL, &(int){1}, 3));
	SHOW(send_with(client, server, IPPROTO_IP, IP_TOS, &(char){8}, 1));
	say_control(server);
	SHOW(send_with(client, server, IPPROTO_IP, IP_TOS, &(int){256}, 4));
	SHOW(send_with(client, server, IPPROTO_IP, 199, &(int){1}, 4));
	SHOW(send_with(client, server, IPPROTO_IP, IP_PKTINFO, &info, sizeof info));
	say_from(server, 0);
	SHOW(send_with(client, server, IPPROTO_IP, IP_PKTINFO, &info, 8));
	SHOW(send_with(client, server, 77, 1, &(int){1}, 4));
}

CASE(many_at_once)
{
	int server = bound(AF_INET), client = socket(AF_INET, SOCK_DGRAM, 0);
	char words[3][8] = {"one", "two", "three"}, room[4][8];
	struct iovec pieces[4];
	struct mmsghdr headers[4];

	connect_to(client, AF_INET, server);
	memset(headers, 0, sizeof headers);
	for (size_t i = 0; i < 3; i++) {
		pieces[i] = (struct iovec){words[i], strlen(words[i])};
		headers[i].msg_hdr.msg_iov = &pieces[i];
		headers[i].msg_hdr.msg_iovlen = 1;
	}
	SHOW(sendmmsg(client, headers, 3, 0));
	VALUE(headers[2].msg_len);
	for (size_t i = 0; i < 4; i++) {
		pieces[i] = (struct iovec){room[i], sizeof room[i]};
		headers[i].msg_hdr.msg_iov = &pieces[i];
		headers[i].msg_hdr.msg_iovlen = 1;
	}
	SHOW(recvmmsg(server, headers, 4, MSG_WAITFORONE, NULL));
	say("%.*s %u", (int)headers[2].msg_len, room[2], headers[2].msg_len);
}

/* ---- groups ---- */

CASE(groups)
{
	int server = socket(AF_INET, SOCK_DGRAM, 0), client = socket(AF_INET, SOCK_DGRAM, 0);
	struct ip_mreq request = {.imr_multiaddr.s_addr = inet_addr("239.1.2.3"),
	                          .imr_interface.s_addr = inet_addr("127.0.0.1")};
	struct in_addr loopback = {.s_addr = inet_addr("127.0.0.1")};

	SHOW(bind(server, AT4("0.0.0.0", 0)));
	SHOW(setsockopt(server, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request));
	SHOW(setsockopt(server, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request));
	SHOW(setsockopt(server, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, 7));
	OPTION(client, IPPROTO_IP, IP_MULTICAST_TTL);
	OPTION(client, IPPROTO_IP, IP_MULTICAST_LOOP);
	SHOW(set_int(client, IPPROTO_IP, IP_MULTICAST_TTL, 256));
	SHOW(set_int(client, IPPROTO_IP, IP_MULTICAST_TTL, 3));
	OPTION(client, IPPROTO_IP, IP_MULTICAST_TTL);
	SHOW(setsockopt(client, IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof loopback));
	SHOW(sendto(client, "all", 3, 0, AT4("239.1.2.3", port_of(server))));
	await(server, POLLIN);
	say_from(server, MSG_DONTWAIT);
	SHOW(setsockopt(server, IPPROTO_IP, IP_DROP_MEMBERSHIP, &request, sizeof request));
	SHOW(setsockopt(server, IPPROTO_IP, IP_DROP_MEMBERSHIP, &request, sizeof request));
	request.imr_multiaddr.s_addr = inet_addr("127.0.0.1");
	SHOW(setsockopt(server, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request));
	request.imr_interface.s_addr = inet_addr("192.0.2.99");
	request.imr_multiaddr.s_addr = inet_addr("239.1.2.3");
	SHOW(setsockopt(server, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request));
}

/* ---- names ---- */

CASE(numeric_names)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;

	VALUE(getaddrinfo("127.0.0.1", "80", &hints, &found));
	if (found)
		say_address("found", (struct sockaddr_storage *)found->ai_addr, found->ai_addrlen);
	hints.ai_flags |= AI_ADDRCONFIG;
	VALUE(getaddrinfo("::1", "80", &hints, &found));
	if (found)
		say_address("found", (struct sockaddr_storage *)found->ai_addr, found->ai_addrlen);
}
