/* SPDX-License-Identifier: Apache-2.0 */
/* UNIX sockets within the process: streams, datagrams, packets, names, descriptors that travel. */
#include "harness.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

static char buffer[400000];

struct name {
	struct sockaddr_un address;
	socklen_t size;
};

static struct name path(const char *text)
{
	struct name name = {.address = {.sun_family = AF_UNIX}};

	strcpy(name.address.sun_path, text);
	name.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(text) + 1);
	return name;
}

/* A name without a file; other programs of the system share the space, so it has the number. */
static struct name abstract(const char *text)
{
	struct name name = {.address = {.sun_family = AF_UNIX}};
	int length = snprintf(name.address.sun_path + 1, 90, "mote %s %d", text, getpid());

	name.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
	return name;
}

#define BIND(file, name)    SHOW(bind(file, (struct sockaddr *)&(name).address, (name).size))
#define CONNECT(file, name) SHOW(connect(file, (struct sockaddr *)&(name).address, (name).size))

static void show_poll(int file)
{
	struct pollfd entry = {file, POLLIN | POLLOUT | POLLRDHUP | POLLPRI, 0};
	int count = poll(&entry, 1, 0);

	say("poll: %d, %x", count, (unsigned short)entry.revents);
}

static int option(int file, int name)
{
	int value = -1;
	socklen_t size = sizeof value;

	return getsockopt(file, SOL_SOCKET, name, &value, &size) ? -errno : value;
}

/* ---- socket and socketpair ---- */

CASE(socket_errors)
{
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CALL(fcntl, 4, F_GETFD);
	CALL(fcntl, 4, F_GETFL);
	CALL(socket, AF_UNIX, SOCK_SEQPACKET, 0);
	CALL(socket, AF_UNIX, SOCK_STREAM, 5);
	CALL(socket, AF_UNIX, SOCK_STREAM, PF_UNIX);
	CALL(socket, AF_UNIX, SOCK_RAW, 0);
	CALL(socket, AF_UNIX, SOCK_RDM, 0);
	CALL(socket, AF_UNIX, 99, 0);
	CALL(socket, AF_UNIX, SOCK_STREAM | 0x100000, 0);
	CALL(socket, 99, SOCK_STREAM, 0);
	CALL(socket, -1, SOCK_STREAM, 0);
	CALL(socket, AF_UNSPEC, SOCK_STREAM, 0);
}

CASE(socketpair_errors)
{
	int ends[2] = {-1, -1};

	CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, ends);
	say("%d %d", ends[0], ends[1]);
	CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, KIT);
	CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, NULL);
	CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, edge(4));
	CALL(dup, 0); /* nothing was left open */
	CALL(socketpair, AF_UNIX, SOCK_STREAM, 7, ends);
	CALL(socketpair, AF_UNIX, 99, 0, ends);
	CALL(socketpair, 99, SOCK_STREAM, 0, ends);
	CALL(socketpair, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends);
	CALL(fcntl, ends[1], F_GETFD);
}

CASE(not_a_socket)
{
	struct name name = path("x");
	struct msghdr message = {0};
	int file = make_file("file", 10);

	BIND(file, name);
	CONNECT(file, name);
	CALL(listen, file, 1);
	CALL(accept, file, NULL, NULL);
	CALL(accept4, 77, NULL, NULL, 0);
	CALL(getsockname, file, buffer, buffer);
	CALL(getpeername, 77, buffer, buffer);
	CALL(sendto, file, buffer, 1, 0, NULL, 0);
	CALL(recvfrom, file, buffer, 1, 0, NULL, NULL);
	CALL(sendmsg, file, &message, 0);
	CALL(recvmsg, 77, &message, 0);
	CALL(shutdown, file, SHUT_RD);
	CALL(getsockopt, file, SOL_SOCKET, SO_TYPE, buffer, buffer);
	CALL(setsockopt, 77, SOL_SOCKET, SO_REUSEADDR, buffer, 4);
}

/* ---- streams ---- */

CASE(stream_reads_and_writes)
{
	int ends[2] = {-1, -1}, available;

	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	CALL(write, ends[0], "0123456789", 10);
	CALL(write, ends[0], "abc", 3);
	CALL(ioctl, ends[1], FIONREAD, &available);
	VALUE(available);
	CALL(read, ends[1], buffer, 5);
	CALL(read, ends[1], buffer, 100);
	say("%.8s", buffer);
	CALL(write, ends[1], "back", 4);
	CALL(read, ends[0], buffer, 2);
	CALL(write, ends[0], KIT, 4);
	CALL(write, ends[0], "x", 0);
	CALL(read, ends[0], KIT, 4);
	CALL(read, ends[0], buffer, 0);
	CALL(lseek, ends[0], 0, SEEK_SET);
	CALL(pread64, ends[0], buffer, 1, 0);
	CALL(close, ends[0]);
	CALL(read, ends[1], buffer, 10);
}

CASE(stream_peer_gone)
{
	int ends[2] = {-1, -1};

	signal(SIGPIPE, SIG_IGN);
	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	write(ends[0], "left", 4);
	close(ends[0]);
	show_poll(ends[1]);
	CALL(read, ends[1], buffer, 10);
	CALL(read, ends[1], buffer, 10);
	CALL(write, ends[1], "x", 1);
	CALL(sendto, ends[1], "x", 1, MSG_NOSIGNAL, NULL, 0);
	show_poll(ends[1]);
}

CASE(stream_peer_gone_with_data_unread)
{
	int ends[2] = {-1, -1};

	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	write(ends[1], "never read", 10);
	close(ends[0]);
	CALL(read, ends[1], buffer, 10);
	CALL(read, ends[1], buffer, 10);
}

CASE_ALONE(stream_kills_the_writer)
{
	int ends[2] = {-1, -1};

	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	close(ends[0]);
	CALL(sendto, ends[1], "x", 1, MSG_NOSIGNAL, NULL, 0);
	say("before");
	CALL(write, ends[1], "x", 1);
}

CASE(stream_nonblocking)
{
	int ends[2] = {-1, -1};
	long total = 0, part;

	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends);
	CALL(read, ends[0], buffer, 1);
	CALL(recvfrom, ends[0], buffer, 1, MSG_DONTWAIT, NULL, NULL);
	while ((part = write(ends[0], buffer, 1000)) > 0)
		total += part;
	say("%s, more than 50000: %d", error_name(errno), total > 50000);
	show_poll(ends[0]);
	while ((part = read(ends[1], buffer, sizeof buffer)) > 0)
		total -= part;
	VALUE(total);
	show_poll(ends[0]);
}

CASE(stream_shutdown)
{
	int ends[2] = {-1, -1};

	signal(SIGPIPE, SIG_IGN);
	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	write(ends[0], "text", 4);
	CALL(shutdown, ends[0], SHUT_WR);
	CALL(write, ends[0], "x", 1);
	show_poll(ends[0]);
	show_poll(ends[1]);
	CALL(read, ends[1], buffer, 10);
	CALL(read, ends[1], buffer, 10);
	CALL(write, ends[1], "back", 4);
	CALL(read, ends[0], buffer, 10);
	CALL(shutdown, ends[0], SHUT_RD);
	CALL(read, ends[0], buffer, 10);
	CALL(write, ends[1], "x", 1);
	show_poll(ends[0]);
	CALL(shutdown, ends[0], 9);
	CALL(shutdown, ends[0], -1);
}

CASE(stream_peek_and_wait_all)
{
	int ends[2] = {-1, -1};

	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	write(ends[0], "0123456789", 10);
	CALL(recvfrom, ends[1], buffer, 4, MSG_PEEK, NULL, NULL);
	CALL(recvfrom, ends[1], buffer, 100, MSG_PEEK, NULL, NULL);
	CALL(recvfrom, ends[1], buffer, 4, MSG_WAITALL, NULL, NULL);
	CALL(recvfrom, ends[1], buffer, 100, MSG_DONTWAIT | MSG_WAITALL, NULL, NULL);
	CALL(recvfrom, ends[1], buffer, 100, MSG_DONTWAIT, NULL, NULL);
	CALL(recvfrom, ends[1], buffer, 100, MSG_OOB, NULL, NULL);
}

CASE(stream_to_an_address)
{
	struct name name = path("nobody");
	int ends[2] = {-1, -1};

	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	CALL(sendto, ends[0], "x", 1, 0, &name.address, name.size);
	CALL(sendto, socket(AF_UNIX, SOCK_STREAM, 0), "x", 1, MSG_NOSIGNAL, NULL, 0);
	CALL(recvfrom, socket(AF_UNIX, SOCK_STREAM, 0), buffer, 1, 0, NULL, NULL);
}

/* ---- names ---- */

CASE(bind_errors)
{
	struct name name = path("socket"), other = path("other"), deep = path("missing/socket"),
	            empty = path("");
	int one = socket(AF_UNIX, SOCK_STREAM, 0), two = socket(AF_UNIX, SOCK_STREAM, 0);
	struct stat status;

	BIND(one, name);
	stat("socket", &status);
	say("%o", status.st_mode & S_IFMT);
	BIND(one, other);
	BIND(two, name);
	BIND(two, deep);
	CALL(bind, two, &other.address, 1);
	CALL(bind, two, &other.address, 200);
	CALL(bind, two, KIT, 10);
	CALL(bind, two, &other.address, -1);
	other.address.sun_family = AF_INET;
	BIND(two, other);
	make_file("file", 1);
	struct name file = path("file");
	BIND(two, file);
	(void)empty;
	CALL(open, "socket", O_RDONLY);
	CALL(unlink, "socket");
}

CASE(connect_errors)
{
	struct name missing = path("missing"), file = path("file"), name = path("socket");
	int one = socket(AF_UNIX, SOCK_STREAM, 0), bound = socket(AF_UNIX, SOCK_STREAM, 0),
	    datagram = socket(AF_UNIX, SOCK_DGRAM, 0);

	make_file("file", 1);
	BIND(bound, name);
	CONNECT(one, missing);
	CONNECT(one, file);
	CONNECT(one, name); /* nobody listens */
	SHOW(listen(bound, 5));
	CONNECT(datagram, name); /* of another type */
	CONNECT(one, name);
	CONNECT(one, name);
	CALL(connect, one, KIT, 10);
	CALL(connect, one, &name.address, 1);
	missing.address.sun_family = AF_INET;
	CONNECT(socket(AF_UNIX, SOCK_STREAM, 0), missing);
	struct name nobody = abstract("nobody");
	CONNECT(socket(AF_UNIX, SOCK_STREAM, 0), nobody);
}

CASE(listen_and_accept)
{
	struct name name = path("socket"), peer;
	int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0), end;

	CALL(listen, server, 5);
	CALL(accept, server, NULL, NULL);
	BIND(server, name);
	CALL(listen, server, 5);
	VALUE(option(server, SO_ACCEPTCONN));
	show_poll(server);
	CONNECT(client, name);
	show_poll(server);
	write(client, "early", 5);
	peer.size = sizeof peer.address;
	end = (int)CALL(accept, server, &peer.address, &peer.size);
	VALUE(peer.size);
	VALUE(peer.address.sun_family);
	CALL(read, end, buffer, 10);
	CALL(write, end, "answer", 6);
	CALL(read, client, buffer, 10);
	CALL(listen, end, 5);
	CALL(read, server, buffer, 1);
	CALL(write, server, buffer, 1);
	CALL(connect, server, &name.address, name.size);
	fcntl(server, F_SETFL, O_NONBLOCK);
	CALL(accept, server, NULL, NULL);
	CALL(accept4, server, NULL, NULL, 0x1234);
}

CASE(accept_flags)
{
	struct name name = abstract("flags");
	int server = socket(AF_UNIX, SOCK_STREAM, 0), client, end;

	bind(server, (struct sockaddr *)&name.address, name.size);
	listen(server, 5);
	for (int i = 0; i < 2; i++) {
		client = socket(AF_UNIX, SOCK_STREAM, 0);
		CONNECT(client, name);
	}
	end = (int)CALL(accept4, server, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	CALL(fcntl, end, F_GETFD);
	CALL(fcntl, end, F_GETFL);
	CALL(accept4, server, KIT, KIT, 0);
}

CASE(backlog)
{
	struct name name = abstract("backlog");
	int server = socket(AF_UNIX, SOCK_STREAM, 0), client;

	bind(server, (struct sockaddr *)&name.address, name.size);
	CALL(listen, server, 1);
	for (int i = 0; i < 4; i++) {
		client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		CONNECT(client, name);
	}
	CALL_OK(accept, server, NULL, NULL);
	CONNECT(client, name);
}

CASE(server_closes_with_clients_waiting)
{
	struct name name = abstract("closes");
	int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);

	bind(server, (struct sockaddr *)&name.address, name.size);
	listen(server, 5);
	CONNECT(client, name);
	close(server);
	CALL(read, client, buffer, 1);
	CALL(sendto, client, "x", 1, MSG_NOSIGNAL, NULL, 0);
	CONNECT(socket(AF_UNIX, SOCK_STREAM, 0), name);
}

CASE(socket_names)
{
	struct name name = path("socket"), seen;
	int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0), end;

	seen.size = sizeof seen.address;
	CALL(getsockname, server, &seen.address, &seen.size);
	VALUE(seen.size);
	CALL(getpeername, server, &seen.address, &seen.size);
	bind(server, (struct sockaddr *)&name.address, name.size);
	listen(server, 5);
	connect(client, (struct sockaddr *)&name.address, name.size);
	end = accept(server, NULL, NULL);
	seen.size = sizeof seen.address;
	CALL(getsockname, server, &seen.address, &seen.size);
	say("%d %s", (int)seen.size, seen.address.sun_path);
	seen.size = sizeof seen.address;
	CALL(getpeername, client, &seen.address, &seen.size);
	say("%d %s", (int)seen.size, seen.address.sun_path);
	seen.size = sizeof seen.address;
	CALL(getsockname, end, &seen.address, &seen.size);
	say("%d", (int)seen.size);
	seen.size = sizeof seen.address;
	CALL(getpeername, end, &seen.address, &seen.size);
	say("%d", (int)seen.size);
	seen.size = 4;
	memset(&seen.address, 0, sizeof seen.address);
	CALL(getsockname, server, &seen.address, &seen.size);
	say("%d %s", (int)seen.size, seen.address.sun_path);
	seen.size = (socklen_t)-1;
	CALL(getsockname, server, &seen.address, &seen.size);
	CALL(getsockname, server, KIT, &seen.size);
	seen.size = 100;
	CALL(getsockname, server, KIT, &seen.size);
	CALL(getsockname, server, &seen.address, KIT);
}

CASE(abstract_names)
{
	struct name name = abstract("one"), seen;
	int one = socket(AF_UNIX, SOCK_STREAM, 0), two = socket(AF_UNIX, SOCK_STREAM, 0);

	BIND(one, name);
	BIND(two, name);
	seen.size = sizeof seen.address;
	SHOW(getsockname(one, (struct sockaddr *)&seen.address, &seen.size));
	VALUE(seen.size == name.size && !memcmp(&seen.address, &name.address, name.size));
	close(one);
	BIND(two, name);
}

CASE(automatic_names)
{
	struct sockaddr_un family = {.sun_family = AF_UNIX};
	struct name seen = {.size = sizeof seen.address};
	int file = socket(AF_UNIX, SOCK_DGRAM, 0);

	CALL(bind, file, &family, 2);
	CALL(getsockname, file, &seen.address, &seen.size);
	say("%d, first byte %d", (int)seen.size, seen.address.sun_path[0]);
}

/* ---- datagrams and packets ---- */

CASE(datagram_pair)
{
	int ends[2] = {-1, -1};

	socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
	CALL(write, ends[0], "one", 3);
	CALL(write, ends[0], "second", 6);
	CALL(write, ends[0], "", 0);
	CALL(read, ends[1], buffer, 2);
	CALL(read, ends[1], buffer, 100);
	CALL(recvfrom, ends[1], buffer, 100, MSG_DONTWAIT, NULL, NULL);
	CALL(recvfrom, ends[1], buffer, 100, MSG_DONTWAIT, NULL, NULL);
	CALL(write, ends[0], "truncated", 9);
	CALL(recvfrom, ends[1], buffer, 3, MSG_TRUNC, NULL, NULL);
	CALL(write, ends[0], buffer, sizeof buffer);
	close(ends[1]);
	signal(SIGPIPE, SIG_IGN);
	CALL(write, ends[0], "x", 1);
	show_poll(ends[0]);
}

CASE(datagrams_by_name)
{
	struct name name = path("receiver"), sender = path("sender"), seen,
	            missing = path("missing");
	int to = socket(AF_UNIX, SOCK_DGRAM, 0), from = socket(AF_UNIX, SOCK_DGRAM, 0);

	bind(to, (struct sockaddr *)&name.address, name.size);
	CALL(write, from, "x", 1);
	CALL(sendto, from, "anonymous", 9, 0, &name.address, name.size);
	seen.size = sizeof seen.address;
	CALL(recvfrom, to, buffer, 100, 0, &seen.address, &seen.size);
	VALUE(seen.size);
	bind(from, (struct sockaddr *)&sender.address, sender.size);
	CALL(sendto, from, "named", 5, 0, &name.address, name.size);
	seen.size = sizeof seen.address;
	CALL(recvfrom, to, buffer, 100, 0, &seen.address, &seen.size);
	say("%d %s", (int)seen.size, seen.address.sun_path);
	CALL(sendto, to, "answer", 6, 0, &seen.address, seen.size);
	CALL(read, from, buffer, 100);
	CALL(sendto, from, "x", 1, 0, &missing.address, missing.size);
	CONNECT(from, name);
	CALL(write, from, "connected", 9);
	CALL(read, to, buffer, 100);
	CALL(listen, from, 5);
	CALL(accept, from, NULL, NULL);
	close(to);
	CALL(write, from, "x", 1);
	CALL(sendto, from, "x", 1, 0, &name.address, name.size);
}

CASE(packets)
{
	int ends[2] = {-1, -1};

	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
	CALL(write, ends[0], "one", 3);
	CALL(write, ends[0], "second", 6);
	CALL(read, ends[1], buffer, 2);
	CALL(read, ends[1], buffer, 100);
	CALL(recvfrom, ends[1], buffer, 100, MSG_DONTWAIT, NULL, NULL);
	write(ends[0], "last", 4);
	close(ends[0]);
	CALL(read, ends[1], buffer, 100);
	CALL(read, ends[1], buffer, 100);
	CALL(sendto, ends[1], "x", 1, MSG_NOSIGNAL, NULL, 0);
}

CASE(packet_server)
{
	struct name name = abstract("packets");
	int server = socket(AF_UNIX, SOCK_SEQPACKET, 0),
	    client = socket(AF_UNIX, SOCK_SEQPACKET, 0), end;

	bind(server, (struct sockaddr *)&name.address, name.size);
	listen(server, 1);
	CONNECT(client, name);
	end = (int)CALL(accept, server, NULL, NULL);
	CALL(write, client, "ab", 2);
	CALL(write, client, "cd", 2);
	CALL(read, end, buffer, 100);
	CALL(read, end, buffer, 100);
	CONNECT(socket(AF_UNIX, SOCK_STREAM, 0), name);
}

CASE(datagram_connect_and_dissolve)
{
	struct name one = abstract("one"), two = abstract("two");
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	int a = socket(AF_UNIX, SOCK_DGRAM, 0), b = socket(AF_UNIX, SOCK_DGRAM, 0);

	bind(a, (struct sockaddr *)&one.address, one.size);
	bind(b, (struct sockaddr *)&two.address, two.size);
	CONNECT(a, two);
	CALL(write, a, "x", 1);
	SHOW(connect(a, &nobody, sizeof nobody));
	CALL(write, a, "x", 1);
	/* Only its peer may write to a connected one. */
	CONNECT(b, two);
	CALL(sendto, a, "x", 1, 0, &two.address, two.size);
}

/* ---- messages ---- */

CASE(messages)
{
	struct iovec out[2] = {{"abc", 3}, {"defg", 4}}, in[2] = {{buffer, 2}, {buffer + 100, 50}};
	struct msghdr sent = {.msg_iov = out, .msg_iovlen = 2},
	              taken = {.msg_iov = in, .msg_iovlen = 2, .msg_flags = -1};
	int ends[2] = {-1, -1};

	socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
	CALL(sendmsg, ends[0], &sent, 0);
	CALL(recvmsg, ends[1], &taken, 0);
	say("%.2s %.5s, flags %x", buffer, buffer + 100, (unsigned)taken.msg_flags);
	CALL(sendmsg, ends[0], &sent, 0);
	in[1].iov_len = 1;
	CALL(recvmsg, ends[1], &taken, 0);
	say("flags %x", (unsigned)taken.msg_flags & MSG_TRUNC);
	CALL(sendmsg, ends[0], KIT, 0);
	CALL(recvmsg, ends[1], KIT, 0);
	sent.msg_iovlen = 2000;
	CALL(sendmsg, ends[0], &sent, 0);
	sent.msg_iovlen = 0;
	CALL(sendmsg, ends[0], &sent, 0);
	sent.msg_iov = KIT;
	sent.msg_iovlen = 1;
	CALL(sendmsg, ends[0], &sent, 0);
}

CASE(many_messages)
{
	struct iovec parts[3] = {{"one", 3}, {"second", 6}, {"x", 1}};
	struct iovec places[4] = {
	        {buffer, 10}, {buffer + 10, 10}, {buffer + 20, 10}, {buffer + 30, 10}};
	struct mmsghdr sent[3] = {0}, taken[4] = {0};
	int ends[2] = {-1, -1};

	for (int i = 0; i < 3; i++)
		sent[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
	for (int i = 0; i < 4; i++)
		taken[i].msg_hdr = (struct msghdr){.msg_iov = &places[i], .msg_iovlen = 1};
	socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
	CALL(sendmmsg, ends[0], sent, 3, 0);
	say("%u %u %u", sent[0].msg_len, sent[1].msg_len, sent[2].msg_len);
	CALL(recvmmsg, ends[1], taken, 4, MSG_DONTWAIT, NULL);
	say("%u %u %u", taken[0].msg_len, taken[1].msg_len, taken[2].msg_len);
	CALL(recvmmsg, ends[1], taken, 4, MSG_DONTWAIT, NULL);
	CALL(sendmmsg, 77, sent, 3, 0);
	CALL(sendmmsg, ends[0], KIT, 3, 0);
}

/* Sends a descriptor; prints the result. */
static void send_file(int socket_file, int file, size_t count)
{
	char control[CMSG_SPACE(4 * sizeof(int))] = "";
	struct iovec part = {"x", 1};
	struct msghdr message = {.msg_iov = &part,
	                         .msg_iovlen = 1,
	                         .msg_control = control,
	                         .msg_controllen = CMSG_SPACE(count * sizeof(int))};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(count * sizeof(int));
	for (size_t i = 0; i < count; i++)
		memcpy(CMSG_DATA(head) + i * sizeof(int), &file, sizeof file);
	SHOW(sendmsg(socket_file, &message, 0));
}

/* Takes what comes; the last descriptor, or -1. */
static int take_file(int socket_file, size_t room, int flags)
{
	char control[CMSG_SPACE(4 * sizeof(int))] = "";
	struct iovec part = {buffer, 10};
	struct msghdr message = {
	        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room};
	struct cmsghdr *head;
	int file = -1;

	SHOW(recvmsg(socket_file, &message, flags));
	say("flags %x, control %d", (unsigned)message.msg_flags & ~MSG_CMSG_CLOEXEC,
	    (int)message.msg_controllen);
	head = CMSG_FIRSTHDR(&message);
	if (!head)
		return -1;
	say("level %d, type %d, length %d", head->cmsg_level, head->cmsg_type, (int)head->cmsg_len);
	for (size_t at = CMSG_LEN(0); at + sizeof file <= head->cmsg_len; at += sizeof file) {
		memcpy(&file, (char *)head + at, sizeof file);
		say("descriptor %d", file);
	}
	return file;
}

CASE(descriptors_travel)
{
	int ends[2] = {-1, -1}, file = make_file("file", 26), copy;

	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	lseek(file, 5, SEEK_SET);
	send_file(ends[0], file, 1);
	close(file);
	copy = take_file(ends[1], CMSG_SPACE(sizeof(int)), 0);
	CALL(read, copy, buffer, 3);
	say("%.3s", buffer);
	CALL(fcntl, copy, F_GETFD);
	send_file(ends[0], copy, 1);
	copy = take_file(ends[1], CMSG_SPACE(sizeof(int)), MSG_CMSG_CLOEXEC);
	CALL(fcntl, copy, F_GETFD);
}

CASE(descriptors_without_room)
{
	int ends[2] = {-1, -1}, file = make_file("file", 26);

	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	send_file(ends[0], file, 2);
	take_file(ends[1], CMSG_LEN(sizeof(int)), 0);
	send_file(ends[0], file, 1);
	take_file(ends[1], 0, 0);
	send_file(ends[0], file, 1);
	CALL(read, ends[1], buffer, 10);
	CALL(dup, 0); /* none was kept */
	send_file(ends[0], 77, 1);
	send_file(ends[0], -1, 1);
}

CASE(descriptor_of_a_socket_on_itself)
{
	int ends[2] = {-1, -1};

	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	send_file(ends[0], ends[1], 1);
	send_file(ends[0], ends[0], 1);
	close(ends[0]);
	close(ends[1]);
	CALL(dup, 0);
}

CASE(control_errors)
{
	char control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec part = {"x", 1};
	struct msghdr message = {.msg_iov = &part,
	                         .msg_iovlen = 1,
	                         .msg_control = control,
	                         .msg_controllen = sizeof control};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	int ends[2] = {-1, -1};

	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = 99;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	CALL(sendmsg, ends[0], &message, 0);
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = 3;
	CALL(sendmsg, ends[0], &message, 0);
	head->cmsg_len = 1000;
	CALL(sendmsg, ends[0], &message, 0);
	message.msg_control = KIT;
	CALL(sendmsg, ends[0], &message, 0);
	message.msg_controllen = UINT_MAX;
	CALL(sendmsg, ends[0], &message, 0);
}

/* ---- options ---- */

CASE(socket_options)
{
	struct ucred peer = {0};
	struct timeval time = {0, 5000};
	socklen_t size = sizeof peer;
	int ends[2] = {-1, -1}, one = 1, value;

	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	VALUE(option(ends[0], SO_TYPE));
	VALUE(option(ends[0], SO_DOMAIN));
	VALUE(option(ends[0], SO_PROTOCOL));
	VALUE(option(ends[0], SO_ERROR));
	VALUE(option(ends[0], SO_ACCEPTCONN));
	VALUE(option(ends[0], SO_REUSEADDR));
	VALUE(option(ends[0], SO_SNDBUF) > 0);
	VALUE(option(ends[0], SO_RCVBUF) > 0);
	VALUE(option(ends[0], SO_PASSCRED));
	CALL(setsockopt, ends[0], SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	CALL(setsockopt, ends[0], SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	CALL(setsockopt, ends[0], SOL_SOCKET, SO_SNDBUF, &one, sizeof one);
	CALL(getsockopt, ends[0], SOL_SOCKET, SO_PEERCRED, &peer, &size);
	VALUE(peer.pid == getpid());
	VALUE(peer.uid + peer.gid);
	VALUE(size);
	CALL(setsockopt, ends[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
	CALL(read, ends[0], buffer, 1);
	CALL(setsockopt, ends[0], SOL_SOCKET, SO_REUSEADDR, &one, 2);
	CALL(setsockopt, ends[0], SOL_SOCKET, SO_REUSEADDR, KIT, 4);
	CALL(setsockopt, ends[0], SOL_SOCKET, 9999, &one, sizeof one);
	CALL(setsockopt, ends[0], 99, 1, &one, sizeof one);
	CALL(setsockopt, ends[0], SOL_SOCKET, SO_TYPE, &one, sizeof one);
	size = sizeof value;
	CALL(getsockopt, ends[0], SOL_SOCKET, 9999, &value, &size);
	CALL(getsockopt, ends[0], 99, 1, &value, &size);
	CALL(getsockopt, ends[0], SOL_SOCKET, SO_TYPE, KIT, &size);
	CALL(getsockopt, ends[0], SOL_SOCKET, SO_TYPE, &value, KIT);
	size = (socklen_t)-1;
	CALL(getsockopt, ends[0], SOL_SOCKET, SO_TYPE, &value, &size);
	size = 2;
	CALL(getsockopt, ends[0], SOL_SOCKET, SO_TYPE, &value, &size);
	VALUE(size);
}

CASE(credentials_travel)
{
	char control[CMSG_SPACE(sizeof(struct ucred))] = "";
	struct iovec part = {buffer, 10};
	struct msghdr message = {.msg_iov = &part,
	                         .msg_iovlen = 1,
	                         .msg_control = control,
	                         .msg_controllen = sizeof control};
	struct cmsghdr *head;
	struct ucred sender;
	int ends[2] = {-1, -1}, one = 1;

	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	SHOW(setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof one));
	write(ends[0], "x", 1);
	SHOW(recvmsg(ends[1], &message, 0));
	head = CMSG_FIRSTHDR(&message);
	say("%s", head ? "control" : "no control");
	if (!head)
		return;
	say("type %d", head->cmsg_type);
	memcpy(&sender, CMSG_DATA(head), sizeof sender);
	VALUE(sender.pid == getpid());
	VALUE(sender.uid + sender.gid);
}

/* ---- with threads ---- */

static struct name served;
static int listener;

static void *serve(void *argument)
{
	for (int i = 0; i < (int)(long)argument; i++) {
		int end = accept(listener, NULL, NULL);
		char text[100];
		long length;

		while ((length = read(end, text, sizeof text)) > 0)
			write(end, text, (size_t)length);
		close(end);
	}
	return NULL;
}

CASE(server_and_clients)
{
	pthread_t thread;
	long total = 0;

	served = path("server");
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	bind(listener, (struct sockaddr *)&served.address, served.size);
	listen(listener, 5);
	pthread_create(&thread, NULL, serve, (void *)20);
	for (int i = 0; i < 20; i++) {
		int client = socket(AF_UNIX, SOCK_STREAM, 0);

		if (connect(client, (struct sockaddr *)&served.address, served.size)) {
			say("connect: %s", error_name(errno));
			_exit(97);
		}
		for (int j = 0; j < 20; j++) {
			write(client, "0123456789", 10);
			total += read(client, buffer, 10);
		}
		close(client);
	}
	pthread_join(thread, NULL);
	VALUE(total);
}

static int pair[2];

static void *swallow(void *argument)
{
	static char place[10000];
	long total = 0, part;

	(void)argument;
	while ((part = read(pair[1], place, sizeof place)) > 0)
		total += part;
	return (void *)total;
}

CASE(a_megabyte)
{
	pthread_t thread;
	void *result;
	long total = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) {
		say("socketpair: %s", error_name(errno));
		return;
	}
	pthread_create(&thread, NULL, swallow, NULL);
	for (int i = 0; i < 5; i++)
		total += write(pair[0], buffer, 200000);
	VALUE(total);
	close(pair[0]);
	pthread_join(thread, &result);
	VALUE((long)result);
}

static void *shut_late(void *argument)
{
	(void)argument;
	pause_for(5);
	shutdown(pair[1], SHUT_RDWR);
	return NULL;
}

CASE(shutdown_wakes_a_reader)
{
	pthread_t thread;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) {
		say("socketpair: %s", error_name(errno));
		return;
	}
	pthread_create(&thread, NULL, shut_late, NULL);
	CALL(read, pair[1], buffer, 1);
	pthread_join(thread, NULL);
}

static void note(int number)
{
	(void)number;
}

CASE(interrupted)
{
	struct sigaction action = {.sa_handler = note};
	struct timeval time = {5, 0};

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) {
		say("socketpair: %s", error_name(errno));
		return;
	}
	sigaction(SIGALRM, &action, NULL);
	ualarm(3000, 300000);
	CALL(read, pair[0], buffer, 1);
	action.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &action, NULL);
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
	ualarm(3000, 300000);
	CALL(read, pair[0], buffer, 1); /* with a timeout even now */
}
