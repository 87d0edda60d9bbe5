/* SPDX-License-Identifier: Apache-2.0 */
/* AF_UNIX sockets that are connected: data, ends, states. */
#include "unix.h"

static int fds[2];

static void make_pair(int type)
{
	socketpair(AF_UNIX, type, 0, fds);
}

static volatile int signals;

static void count(int number)
{
	(void)number;
	signals++;
}

CASE(bytes)
{
	make_pair(SOCK_STREAM);
	CALL(write, 3, "abcdef", 6);
	CALL(write, 3, "ghi", 3);
	say_receive(4, 4, 0);
	say_receive(4, 100, 0);
	say_receive(4, 100, MSG_DONTWAIT);
	CALL(write, 4, "back", 4);
	say_receive(3, 100, 0);
	CALL(read, 3, &signals, 0);
	CALL(write, 3, "", 0);
	say_receive(4, 100, MSG_DONTWAIT);
}

CASE(boundaries)
{
	make_pair(SOCK_SEQPACKET);
	CALL(write, 3, "abcdef", 6);
	CALL(write, 3, "", 0);
	CALL(write, 3, "ghi", 3);
	say_receive(4, 4, 0);
	say_receive(4, 100, 0);
	say_receive(4, 100, MSG_TRUNC);
	CALL(write, 3, "abcdef", 6);
	say_receive(4, 2, MSG_TRUNC);
	say_receive(4, 2, MSG_DONTWAIT);
}

CASE(peek)
{
	for (unsigned i = 0; i < COUNT(types); i++) {
		say("%s", type_names[i]);
		make_pair(types[i]);
		write(fds[0], "abc", 3);
		write(fds[0], "def", 3);
		say_receive(fds[1], 2, MSG_PEEK);
		say_receive(fds[1], 100, MSG_PEEK);
		say_receive(fds[1], 100, MSG_PEEK | MSG_WAITALL);
		say_receive(fds[1], 2, 0);
		say_receive(fds[1], 100, MSG_PEEK | MSG_TRUNC);
		say_receive(fds[1], 100, 0);
		say_receive(fds[1], 100, MSG_PEEK | MSG_DONTWAIT);
	}
}

CASE(wait_for_all)
{
	struct timeval time = {0, 50000};

	make_pair(SOCK_STREAM);
	setsockopt(4, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
	write(3, "abc", 3);
	say_receive(4, 5, MSG_WAITALL);
	say_receive(4, 5, MSG_WAITALL);
	write(3, "abc", 3);
	say_receive(4, 5, MSG_WAITALL | MSG_DONTWAIT);
	write(3, "abcdefgh", 8);
	say_receive(4, 5, MSG_WAITALL);
	shutdown(3, SHUT_WR);
	say_receive(4, 5, MSG_WAITALL);
	say_receive(4, 5, MSG_WAITALL);
}

CASE(low_water)
{
	struct timeval time = {0, 50000};
	int low = 4;

	make_pair(SOCK_STREAM);
	setsockopt(4, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
	CALL(setsockopt, 4, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low);
	write(3, "ab", 2);
	say_poll(4);
	say_receive(4, 8, 0);
	write(3, "abcdef", 6);
	say_receive(4, 8, 0);
	write(3, "ab", 2);
	say_receive(4, 2, 0);
}

CASE(zero_bytes)
{
	char byte;

	for (unsigned i = 0; i < COUNT(types); i++) {
		say("%s", type_names[i]);
		make_pair(types[i]);
		CALL(recvfrom, fds[1], &byte, 0, MSG_DONTWAIT, NULL, NULL);
		CALL(read, fds[1], &byte, 0);
		CALL(sendto, fds[0], "", 0, 0, NULL, 0);
		say_poll(fds[1]);
		write(fds[0], "ab", 2);
		CALL(read, fds[1], &byte, 0);
		CALL(recvfrom, fds[1], &byte, 0, MSG_DONTWAIT, NULL, NULL);
		CALL(recvfrom, fds[1], &byte, 0, MSG_DONTWAIT, NULL, NULL);
		say_receive(fds[1], 2, MSG_DONTWAIT);
	}
}

CASE(vectors)
{
	char a[3] = "", b[3] = "", c[8] = "";
	struct iovec in[3] = {{a, 2}, {b, 2}, {c, 7}};
	struct iovec out[4] = {
	        {(char *)"one", 3}, {(char *)"", 0}, {(char *)"two", 3}, {(char *)"3", 1}};

	for (unsigned i = 0; i < COUNT(types); i++) {
		say("%s", type_names[i]);
		make_pair(types[i]);
		CALL(writev, fds[0], out, 4);
		CALL(readv, fds[1], in, 3);
		say("%s %s %s", a, b, c);
		CALL(writev, fds[0], out, 1);
		CALL(writev, fds[0], out, 1);
		CALL(readv, fds[1], in, 3);
		say("%s %s %s", a, b, c);
		fcntl(fds[1], F_SETFL, O_NONBLOCK);
		CALL(readv, fds[1], in, 2);
		CALL(readv, fds[1], in, 2);
		CALL(writev, fds[0], out + 1, 1);
		CALL(readv, fds[1], in, 3);
		CALL(readv, fds[1], in, 0);
		CALL(readv, fds[1], in, -1);
	}
}

CASE(bad_pointers)
{
	char *last = edge(4), bytes[8];
	struct iovec pieces[2] = {{bytes, 2}, {LOW, 2}};

	memcpy(last, "edge", 4);
	for (unsigned i = 0; i < COUNT(types); i++) {
		say("%s", type_names[i]);
		make_pair(types[i]);
		CALL(write, fds[0], NULL, 1);
		CALL(write, fds[0], KIT_DATA, 1);
		CALL(write, fds[0], last, 8);
		CALL(sendto, fds[0], KERNEL, 1, 0, NULL, 0);
		CALL(writev, fds[0], pieces, 2);
		CALL(writev, fds[0], LOW, 2);
		say_receive(fds[1], 8, MSG_DONTWAIT);
		CALL(write, fds[0], last, 4);
		CALL(read, fds[1], LOW, 4);
		CALL(recvfrom, fds[1], KIT_DATA, 4, MSG_DONTWAIT, NULL, NULL);
		say_receive(fds[1], 8, MSG_DONTWAIT);
		CALL(write, fds[0], last, 4);
		CALL(recvfrom, fds[1], last + 2, 4, MSG_DONTWAIT, NULL, NULL);
		say_receive(fds[1], 8, MSG_DONTWAIT);
		memcpy(last, "edge", 4);
	}
}

CASE(not_connected)
{
	int value = 0;

	signal(SIGPIPE, count);
	for (unsigned i = 0; i < COUNT(types); i++) {
		int fd = socket(AF_UNIX, types[i], 0);

		say("%s", type_names[i]);
		signals = 0;
		CALL(write, fd, "a", 1);
		CALL(sendto, fd, "a", 1, 0, AT("missing"));
		say_receive(fd, 1, MSG_DONTWAIT);
		CALL(shutdown, fd, SHUT_RD);
		CALL(shutdown, fd, 3);
		CALL(shutdown, fd, -1);
		say_poll(fd);
		CALL(shutdown, fd, SHUT_WR);
		say_poll(fd);
		CALL(write, fd, "a", 1);
		CALL(ioctl, fd, FIONREAD, &value);
		VALUE(value);
		VALUE(signals);
	}
}

CASE(send_with_address)
{
	int fd[3];

	connected(SOCK_STREAM, "s", fd);
	CALL(sendto, fd[1], "a", 1, 0, AT("s"));
	CALL(sendto, fd[1], "a", 1, 0, address("s", 1), 0);
	say_receive(fd[2], 8, 0);
	connected(SOCK_SEQPACKET, "q", fd);
	CALL(sendto, fd[1], "a", 1, 0, AT("nowhere"));
	CALL(sendto, fd[1], "a", 1, 0, LOW, 10);
	CALL(sendto, fd[1], "a", 1, 0, address("s", 1), 200);
	say_receive(fd[2], 8, 0);
}

CASE(peer_closes)
{
	signal(SIGPIPE, count);
	for (unsigned i = 0; i < COUNT(types); i++) {
		say("%s", type_names[i]);
		make_pair(types[i]);
		signals = 0;
		write(fds[0], "left", 4);
		close(fds[0]);
		say_poll(fds[1]);
		say_receive(fds[1], 2, MSG_DONTWAIT);
		say_receive(fds[1], 8, MSG_DONTWAIT);
		say_receive(fds[1], 8, MSG_DONTWAIT);
		say_poll(fds[1]);
		CALL(write, fds[1], "a", 1);
		VALUE(signals);
		CALL(sendto, fds[1], "a", 1, MSG_NOSIGNAL, NULL, 0);
		VALUE(signals);
		CALL(write, fds[1], "", 0);
		VALUE(signals);
		say_poll(fds[1]);
		say_peer(fds[1]);
	}
}

CASE(reset)
{
	int error;
	socklen_t length = sizeof error;

	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < COUNT(types); i++) {
		say("%s", type_names[i]);
		for (int way = 0; way < 5; way++) {
			make_pair(types[i]);
			write(fds[1], "unread", 6);
			write(fds[0], "here", 4);
			close(fds[0]);
			say_poll(fds[1]);
			if (way == 0)
				say_receive(fds[1], 8, MSG_DONTWAIT);
			if (way == 1)
				CALL(write, fds[1], "a", 1);
			if (way == 2)
				CALL(write, fds[1], "", 0);
			if (way == 3) {
				CALL(getsockopt, fds[1], SOL_SOCKET, SO_ERROR, &error, &length);
				say("%s", error_name(error));
			}
			say_poll(fds[1]);
			say_receive(fds[1], 8, MSG_DONTWAIT);
			say_receive(fds[1], 8, MSG_DONTWAIT);
			say_poll(fds[1]);
			close(fds[1]);
		}
	}
}

CASE(half_closed)
{
	signal(SIGPIPE, count);
	for (unsigned i = 0; i < COUNT(types); i++) {
		say("%s", type_names[i]);
		make_pair(types[i]);
		signals = 0;
		write(fds[0], "before", 6);
		CALL(shutdown, fds[0], SHUT_WR);
		say_poll(fds[0]);
		say_poll(fds[1]);
		CALL(write, fds[0], "a", 1);
		VALUE(signals);
		say_receive(fds[1], 8, MSG_DONTWAIT);
		say_receive(fds[1], 8, MSG_DONTWAIT);
		CALL(write, fds[1], "other", 5);
		say_receive(fds[0], 8, MSG_DONTWAIT);
		CALL(shutdown, fds[0], SHUT_RD);
		say_poll(fds[0]);
		say_poll(fds[1]);
		CALL(write, fds[1], "a", 1);
		VALUE(signals);
		say_receive(fds[0], 8, MSG_DONTWAIT);
		CALL(shutdown, fds[0], SHUT_RDWR);
	}
}

CASE(read_end_closed)
{
	signal(SIGPIPE, count);
	for (unsigned i = 0; i < COUNT(types); i++) {
		say("%s", type_names[i]);
		make_pair(types[i]);
		signals = 0;
		write(fds[1], "unread", 6);
		CALL(shutdown, fds[0], SHUT_RD);
		say_poll(fds[0]);
		say_poll(fds[1]);
		say_receive(fds[0], 3, 0);
		say_receive(fds[0], 8, 0);
		say_receive(fds[0], 8, types[i] == SOCK_DGRAM ? 0 : MSG_DONTWAIT);
		CALL(write, fds[1], "a", 1);
		VALUE(signals);
		CALL(write, fds[0], "a", 1);
		say_receive(fds[1], 8, 0);
	}
}

CASE(sigpipe)
{
	signal(SIGPIPE, count);
	make_pair(SOCK_STREAM);
	close(fds[1]);
	CALL(write, fds[0], "a", 1);
	VALUE(signals);
	CALL(sendto, fds[0], "a", 1, 0, NULL, 0);
	VALUE(signals);
	CALL(sendto, fds[0], "a", 1, MSG_NOSIGNAL, NULL, 0);
	VALUE(signals);
}

CASE_ALONE(sigpipe_ends)
{
	make_pair(SOCK_STREAM);
	close(fds[1]);
	CALL(write, fds[0], "a", 1);
	say("not reached");
}

CASE(poll_states)
{
	int fd[3];

	for (unsigned i = 0; i < COUNT(types); i++) {
		say("%s", type_names[i]);
		say_poll(socket(AF_UNIX, types[i], 0));
		make_pair(types[i]);
		say_poll(fds[0]);
		write(fds[1], "a", 1);
		say_poll(fds[0]);
		shutdown(fds[0], SHUT_RDWR);
		say_poll(fds[0]);
		say_poll(fds[1]);
	}
	connected(SOCK_STREAM, "name", fd);
	say_poll(fd[0]);
	say_poll(fd[1]);
	say_poll(fd[2]);
	connect(socket(AF_UNIX, SOCK_STREAM, 0), AT("name"));
	say_poll(fd[0]);
}

CASE(unread_bytes)
{
	int value;

	for (unsigned i = 0; i < COUNT(types); i++) {
		say("%s", type_names[i]);
		make_pair(types[i]);
		CALL(ioctl, fds[1], FIONREAD, &value);
		VALUE(value);
		write(fds[0], "abc", 3);
		write(fds[0], "de", 2);
		CALL(ioctl, fds[1], FIONREAD, &value);
		VALUE(value);
		recv(fds[1], &value, 2, 0);
		CALL(ioctl, fds[1], FIONREAD, &value);
		VALUE(value);
		CALL(ioctl, fds[0], TIOCOUTQ, &value);
		VALUE(value > 0);
		CALL(ioctl, fds[1], TIOCOUTQ, &value);
		VALUE(value);
		CALL(ioctl, fds[1], FIONREAD, LOW);
	}
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 9, AT("name"));
	CALL(listen, 9, 1);
	CALL(ioctl, 9, FIONREAD, &value);
}

CASE(nonblocking)
{
	int on = 1, off = 0;

	make_pair(SOCK_STREAM);
	CALL(ioctl, 3, FIONBIO, &on);
	CALL(fcntl, 3, F_GETFL);
	CALL(read, 3, &on, 1);
	say_receive(3, 1, 0);
	CALL(ioctl, 3, FIONBIO, &off);
	CALL(fcntl, 3, F_GETFL);
	CALL(ioctl, 3, FIONBIO, LOW);
}

/* Fills a socket; what fits is not the same everywhere. */
static long fill(int fd, size_t size)
{
	static char bytes[65536];
	long total = 0, part;

	while ((part = send(fd, bytes, size, MSG_DONTWAIT)) >= 0)
		total += part;
	say("full: %s", error_name(errno));
	return total;
}

CASE(full)
{
	static char bytes[65536];

	for (unsigned i = 0; i < COUNT(types); i++) {
		struct timeval time = {0, 50000};
		long total, got = 0, part;

		say("%s", type_names[i]);
		make_pair(types[i]);
		total = fill(fds[0], 4096);
		say("%d", total >= 65536 && total <= 1 << 20);
		say_poll(fds[0]);
		say_poll(fds[1]);
		setsockopt(fds[0], SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
		CALL(write, fds[0], bytes, 4096);
		while ((part = recv(fds[1], bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
			got += part;
		say("%d", got == total);
		say_poll(fds[0]);
		CALL(write, fds[0], bytes, 4096);
	}
}

CASE(large_write_ends_short)
{
	char *bytes = calloc(1, 1 << 20);
	long part, total = 0, got = 0;

	make_pair(SOCK_STREAM);
	total = send(3, bytes, 1 << 20, MSG_DONTWAIT);
	say("%d", total >= 65536 && total < 1 << 20);
	while ((part = recv(4, bytes, 1 << 20, MSG_DONTWAIT)) > 0)
		got += part;
	say("%d", got == total);
	close(4);
	CALL(sendto, 3, bytes, 1 << 20, MSG_NOSIGNAL, NULL, 0);
	free(bytes);
}

CASE(message_too_large)
{
	char *bytes = calloc(1, 1 << 20);

	for (unsigned i = 1; i < COUNT(types); i++) {
		say("%s", type_names[i]);
		make_pair(types[i]);
		CALL(write, fds[0], bytes, 212992);
		CALL(write, fds[0], bytes, 212992 - 32 + 1);
		CALL(write, fds[0], bytes, 212992 - 32);
		CALL(read, fds[1], bytes, 1 << 20);
		CALL(write, fds[0], bytes, 1 << 20);
	}
	free(bytes);
}

CASE(timeouts)
{
	struct timeval time = {0, 60000};

	for (unsigned i = 0; i < COUNT(types); i++) {
		long start, spent;

		make_pair(types[i]);
		setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
		start = now();
		say_receive(fds[0], 1, 0);
		spent = now() - start;
		say("%d", spent >= 50 && spent < 5000);
	}
}

static void interrupt(int restarts, int has_limit)
{
	struct sigaction action = {.sa_handler = count, .sa_flags = restarts ? SA_RESTART : 0};
	struct timeval limit = {5, 0};
	char byte;

	signals = 0;
	make_pair(SOCK_STREAM);
	if (has_limit)
		setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	sigaction(SIGALRM, &action, NULL);
	ualarm(50000, 0);
	if (restarts && !has_limit) /* nothing else ends it */
		return;
	CALL(recvfrom, fds[0], &byte, 1, 0, NULL, NULL);
	VALUE(signals);
}

CASE(interrupted)
{
	interrupt(0, 0);
	interrupt(0, 1);
	interrupt(1, 1);
}

CASE(message_flags)
{
	struct iovec piece = {(char *)"abcdef", 6};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	char buffer[8];

	for (unsigned i = 0; i < COUNT(types); i++) {
		struct iovec in = {buffer, 4};
		struct msghdr got = {.msg_iov = &in, .msg_iovlen = 1, .msg_flags = 0x1234};

		say("%s", type_names[i]);
		make_pair(types[i]);
		CALL(sendmsg, fds[0], &message, MSG_EOR | MSG_DONTWAIT);
		CALL(recvmsg, fds[1], &got, 0);
		say("flags %x", got.msg_flags);
		CALL(sendmsg, fds[0], &message, MSG_CONFIRM | MSG_MORE);
		CALL(recvmsg, fds[1], &got, MSG_CMSG_CLOEXEC | MSG_TRUNC);
		say("flags %x control %d", got.msg_flags, (int)got.msg_controllen);
		CALL(recvmsg, fds[1], &got, MSG_DONTWAIT);
	}
}

CASE(message_header_errors)
{
	struct iovec piece = {(char *)"abcdef", 6};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	char name[8];

	make_pair(SOCK_STREAM);
	CALL(sendmsg, 3, NULL, 0);
	CALL(sendmsg, 3, KIT_DATA, 0);
	CALL(recvmsg, 3, LOW, MSG_DONTWAIT);
	message.msg_iovlen = 1025;
	CALL(sendmsg, 3, &message, 0);
	CALL(recvmsg, 3, &message, MSG_DONTWAIT);
	message.msg_iovlen = 0;
	CALL(sendmsg, 3, &message, 0);
	CALL(recvmsg, 3, &message, MSG_DONTWAIT);
	message.msg_iovlen = 1;
	message.msg_iov = LOW;
	CALL(sendmsg, 3, &message, 0);
	message.msg_iov = &piece;
	message.msg_name = name;
	message.msg_namelen = (socklen_t)-1;
	CALL(sendmsg, 3, &message, 0);
	CALL(recvmsg, 3, &message, MSG_DONTWAIT);
	message.msg_namelen = 8;
	message.msg_name = NULL;
	CALL(sendmsg, 3, &message, 0);
	piece.iov_len = (size_t)-1;
	CALL(sendmsg, 3, &message, 0);
}

CASE(many_messages)
{
	char in[4][4];
	struct iovec out = {(char *)"abc", 3}, pieces[4];
	struct mmsghdr sent[4], got[4];
	struct timespec time = {0, 20000000};

	for (int i = 0; i < 4; i++) {
		pieces[i] = (struct iovec){in[i], sizeof in[i]};
		sent[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &out, .msg_iovlen = 1}};
		got[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &pieces[i], .msg_iovlen = 1}};
	}
	make_pair(SOCK_DGRAM);
	CALL(sendmmsg, 3, sent, 4, 0);
	say("%d %d", sent[0].msg_len, sent[3].msg_len);
	CALL(recvmmsg, 4, got, 4, 0, NULL);
	say("%d %d", got[0].msg_len, got[3].msg_len);
	CALL(sendmmsg, 3, sent, 2, 0);
	CALL(recvmmsg, 4, got, 4, MSG_DONTWAIT, NULL);
	CALL(recvmmsg, 4, got, 4, MSG_DONTWAIT, NULL);
	CALL(sendmmsg, 3, sent, 2, 0);
	CALL(recvmmsg, 4, got, 4, MSG_WAITFORONE, NULL);
	sent[2].msg_hdr.msg_iov = LOW;
	CALL(sendmmsg, 3, sent, 4, 0);
	CALL(sendmmsg, 3, sent + 2, 1, 0);
	CALL(recvmmsg, 4, got, 2, 0, &time);
	CALL(sendmmsg, 3, sent, 0, 0);
	CALL(sendmmsg, 3, LOW, 1, 0);
	time.tv_nsec = -1;
	CALL(recvmmsg, 4, got, 2, 0, &time);
	CALL(recvmmsg, 4, got, 2, 0, LOW);
}

CASE(out_of_band)
{
	char byte;

	for (unsigned i = 1; i < COUNT(types); i++) {
		make_pair(types[i]);
		CALL(sendto, fds[0], "a", 1, MSG_OOB, NULL, 0);
		CALL(recvfrom, fds[1], &byte, 1, MSG_OOB, NULL, NULL);
	}
}

CASE(sendfile_to_socket)
{
	char buffer[32] = "";
	int file = make_file("file", 20);

	make_pair(SOCK_STREAM);
	CALL(sendfile, fds[0], file, NULL, 20);
	CALL(read, fds[1], buffer, 32);
	say("%s", buffer);
	CALL(sendfile, file, fds[0], NULL, 20);
}

CASE(dup_keeps_it_open)
{
	make_pair(SOCK_STREAM);
	CALL(dup, 3);
	CALL(close, 3);
	say_poll(4);
	CALL(write, 5, "a", 1);
	say_receive(4, 1, 0);
	CALL(close, 5);
	say_poll(4);
	say_receive(4, 1, 0);
}
