/* SPDX-License-Identifier: Apache-2.0 */
/* What goes along with the data of AF_UNIX sockets: open files, credentials. */
#include "unix.h"

static int fds[2];
static char got[64];

/* A message with up to 300 descriptors. */
static long send_files(int fd, const char *data, const int *files, unsigned count, int flags)
{
	static char control[CMSG_SPACE(300 * sizeof(int))];
	struct iovec piece = {(char *)data, strlen(data)};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	struct cmsghdr *header = (struct cmsghdr *)control;

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(header), files, count * sizeof(int));
	message.msg_control = control;
	message.msg_controllen = CMSG_LEN(count * sizeof(int));
	/* The C library has a limit of its own. */
	return syscall(SYS_sendmsg, fd, &message, flags);
}

/* Says what a recvmsg() with so much room for data and control gives, and closes the files. */
static void say_message(int fd, size_t size, size_t room, int flags)
{
	static char control[CMSG_SPACE(300 * sizeof(int))];
	struct iovec piece = {got, size};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	struct cmsghdr *header;
	long result;

	memset(control, 0, sizeof control);
	message.msg_control = room ? control : NULL;
	message.msg_controllen = (socklen_t)room;
	result = recvmsg(fd, &message, flags);
	if (result < 0) {
		say("recvmsg: %s", error_name(errno));
		return;
	}
	say("recvmsg: %ld \"%.*s\" flags %x control %d", result, (int)result, got,
	    message.msg_flags, (int)message.msg_controllen);
	for (header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
		const int *data = (const int *)CMSG_DATA(header);

		say("  level %d type %d length %d", header->cmsg_level, header->cmsg_type,
		    (int)header->cmsg_len);
		if (header->cmsg_type == SCM_CREDENTIALS && header->cmsg_len >= CMSG_LEN(12))
			say("  pid %d uid %d gid %d", data[0] == getpid() ? 1 : data[0], data[1],
			    data[2]);
		if (header->cmsg_type != SCM_RIGHTS)
			continue;
		for (unsigned i = 0; i < (header->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			if (i < 4)
				say("  file %d: %d", data[i], fcntl(data[i], F_GETFD));
			close(data[i]);
		}
	}
}

CASE(files_over_all_types)
{
	for (unsigned i = 0; i < COUNT(types); i++) {
		int file = make_file("file", 26), copy;

		say("%s", type_names[i]);
		socketpair(AF_UNIX, types[i], 0, fds);
		SHOW(send_files(fds[0], "data", &file, 1, 0));
		lseek(file, 3, SEEK_SET);
		close(file);
		say_message(fds[1], 8, 64, MSG_PEEK);
		SHOW(send_files(fds[0], "more", &fds[1], 1, 0));
		say_message(fds[1], 8, 64, MSG_CMSG_CLOEXEC);
		say_message(fds[1], 8, 64, 0);
		copy = open("file", O_RDONLY);
		SHOW(send_files(fds[0], "x", &copy, 1, 0));
		close(copy);
		unlink("file");
		close(fds[0]);
		close(fds[1]);
	}
}

CASE(position_is_shared)
{
	int file = make_file("file", 26), copy;
	char byte[2] = "";
	struct iovec piece = {byte, 1};
	char control[64];
	struct msghdr message = {.msg_iov = &piece,
	                         .msg_iovlen = 1,
	                         .msg_control = control,
	                         .msg_controllen = sizeof control};

	socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	lseek(file, 5, SEEK_SET);
	send_files(fds[0], "a", &file, 1, 0);
	CALL(recvmsg, fds[1], &message, 0);
	memcpy(&copy, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof copy);
	VALUE(copy);
	CALL(read, copy, byte, 1);
	say("%s", byte);
	CALL(read, file, byte, 1);
	say("%s", byte);
	CALL(lseek, copy, 0, SEEK_CUR);
}

CASE(boundaries_of_streams)
{
	int file = open("/dev/null", O_RDWR);

	socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	write(fds[0], "ab", 2);
	send_files(fds[0], "cd", &file, 1, 0);
	write(fds[0], "ef", 2);
	send_files(fds[0], "gh", &file, 1, 0);
	send_files(fds[0], "ij", &file, 1, 0);
	write(fds[0], "kl", 2);
	say_message(fds[1], 32, 64, MSG_PEEK);
	say_message(fds[1], 3, 64, 0);
	say_message(fds[1], 32, 64, MSG_PEEK);
	say_message(fds[1], 32, 64, 0);
	say_message(fds[1], 1, 64, 0);
	say_message(fds[1], 32, 64, 0);
	say_message(fds[1], 32, 64, MSG_DONTWAIT);
}

CASE(files_and_plain_reads)
{
	int file = open("/dev/null", O_RDWR);

	for (unsigned i = 0; i < COUNT(types); i++) {
		say("%s", type_names[i]);
		socketpair(AF_UNIX, types[i], 0, fds);
		send_files(fds[0], "ab", &file, 1, 0);
		send_files(fds[0], "cd", &file, 1, 0);
		CALL(read, fds[1], got, 8);
		say_receive(fds[1], 8, 0);
		send_files(fds[0], "ef", &file, 1, 0);
		say_message(fds[1], 8, 0, 0);
	}
}

CASE(room_for_files)
{
	int files[4];

	for (int i = 0; i < 4; i++)
		files[i] = open("/dev/null", O_RDWR);
	socketpair(AF_UNIX, SOCK_DGRAM, 0, fds);
	for (size_t room = 0; room <= CMSG_SPACE(4 * sizeof(int)); room += 4) {
		send_files(fds[0], "a", files, 4, 0);
		say("room %d", (int)room);
		say_message(fds[1], 8, room, 0);
	}
}

CASE(too_many_files)
{
	int files[300];

	for (int i = 0; i < 300; i++)
		files[i] = 0;
	socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	SHOW(send_files(fds[0], "a", files, 253, 0));
	SHOW(send_files(fds[0], "b", files, 254, 0));
	SHOW(send_files(fds[0], "c", files, 300, 0));
	say_message(fds[1], 8, CMSG_SPACE(300 * sizeof(int)), 0);
	files[10] = 99;
	SHOW(send_files(fds[0], "d", files, 11, 0));
	files[0] = -1;
	SHOW(send_files(fds[0], "e", files, 1, 0));
	SHOW(send_files(fds[0], "f", files, 0, 0));
	say_message(fds[1], 8, 64, 0);
}

CASE(no_descriptors_left)
{
	int files[3] = {0, 0, 0};

	socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	send_files(fds[0], "abc", files, 3, 0);
	send_files(fds[0], "def", files, 3, 0);
	while (dup(0) >= 0)
		;
	close(1000);
	close(1001);
	say_message(fds[1], 8, 64, 0);
	dup(0);
	dup(0);
	say_message(fds[1], 8, 64, 0);
	for (int i = 5; i < 1024; i++)
		close(i);
}

CASE(path_descriptors)
{
	int file = open(".", O_PATH);

	socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	SHOW(send_files(fds[0], "a", &file, 1, 0));
	say_message(fds[1], 8, 64, 0);
}

CASE(control_errors)
{
	struct iovec piece = {(char *)"a", 1};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	union {
		struct cmsghdr header;
		char bytes[128];
	} control;

	socketpair(AF_UNIX, SOCK_DGRAM, 0, fds);
	memset(&control, 0, sizeof control);
	message.msg_control = &control;
	message.msg_controllen = 15;
	CALL(sendmsg, 3, &message, 0);
	message.msg_controllen = 16;
	CALL(sendmsg, 3, &message, 0);
	control.header.cmsg_len = 15;
	CALL(sendmsg, 3, &message, 0);
	control.header.cmsg_len = 17;
	CALL(sendmsg, 3, &message, 0);
	control.header.cmsg_len = (socklen_t)-1;
	CALL(sendmsg, 3, &message, 0);
	control.header.cmsg_len = 16;
	CALL(sendmsg, 3, &message, 0);
	control.header.cmsg_level = SOL_SOCKET;
	CALL(sendmsg, 3, &message, 0);
	control.header.cmsg_type = 77;
	CALL(sendmsg, 3, &message, 0);
	control.header.cmsg_type = SCM_RIGHTS;
	CALL(sendmsg, 3, &message, 0);
	control.header.cmsg_type = SCM_CREDENTIALS;
	CALL(sendmsg, 3, &message, 0);
	message.msg_control = LOW;
	CALL(sendmsg, 3, &message, 0);
	message.msg_control = NULL;
	CALL(sendmsg, 3, &message, 0);
	message.msg_control = KIT_DATA;
	CALL(sendmsg, 3, &message, 0);
	message.msg_controllen = 0;
	CALL(sendmsg, 3, &message, 0);
}

CASE(several_control_messages)
{
	struct iovec piece = {(char *)"a", 1};
	char control[2 * CMSG_SPACE(sizeof(int))];
	struct msghdr message = {.msg_iov = &piece,
	                         .msg_iovlen = 1,
	                         .msg_control = control,
	                         .msg_controllen = sizeof control};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int zero = 0;

	memset(control, 0, sizeof control);
	socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	for (int i = 0; i < 2; i++) {
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &zero, sizeof zero);
		if (!i)
			header = (struct cmsghdr *)(control + CMSG_SPACE(sizeof(int)));
	}
	CALL(sendmsg, 3, &message, 0);
	say_message(4, 8, 64, 0);
	header->cmsg_len = 100;
	CALL(sendmsg, 3, &message, 0);
	header->cmsg_level = 41;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	CALL(sendmsg, 3, &message, 0);
	say_message(4, 8, 64, 0);
}

CASE(bad_control_pointers)
{
	struct iovec piece = {got, 8};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	int zero = 0;

	socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	for (int i = 0; i < 3; i++) {
		send_files(3, "abc", &zero, 1, 0);
		message.msg_control = i == 0 ? LOW : i == 1 ? KIT_DATA : read_only(0);
		message.msg_controllen = 64;
		CALL(recvmsg, 4, &message, 0);
		say("flags %x", message.msg_flags);
	}
	CALL(dup, 0);
}

CASE(empty_message_with_files)
{
	int zero = 0;

	for (unsigned i = 0; i < COUNT(types); i++) {
		say("%s", type_names[i]);
		socketpair(AF_UNIX, types[i], 0, fds);
		SHOW(send_files(fds[0], "", &zero, 1, 0));
		say_message(fds[1], 8, 64, MSG_DONTWAIT);
	}
}

CASE(a_message_that_fails)
{
	int zero = 0;

	socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	close(4);
	SHOW(send_files(3, "a", &zero, 1, MSG_NOSIGNAL));
	CALL(socket, AF_UNIX, SOCK_DGRAM, 0);
	SHOW(send_files(4, "a", &zero, 1, MSG_NOSIGNAL));
}

CASE(closed_while_under_way)
{
	int pipe_ends[2];

	socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	pipe(pipe_ends);
	send_files(fds[0], "a", &pipe_ends[1], 1, 0);
	close(pipe_ends[1]);
	say_poll(pipe_ends[0]);
	close(fds[0]);
	say_poll(pipe_ends[0]);
	close(fds[1]);
	say_poll(pipe_ends[0]);
}

CASE(circles)
{
	int pipe_ends[2], last[2];

	/* Sockets that hold each other, and the write end of a pipe, and that nobody can reach. */
	pipe(pipe_ends);
	for (int i = 0; i < 300; i++) {
		socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
		socketpair(AF_UNIX, SOCK_STREAM, 0, last);
		if (send_files(fds[0], "a", (int[]){fds[1], pipe_ends[1]}, 2, 0) != 1 ||
		    send_files(fds[1], "a", fds, 2, 0) != 1 ||
		    send_files(last[0], "b", fds, 2, 0) != 1 ||
		    send_files(fds[0], "a", last, 2, 0) != 1)
			say("sendmsg: %s", error_name(errno));
		close(fds[0]);
		close(fds[1]);
		close(last[0]);
		close(last[1]);
	}
	close(pipe_ends[1]);
	socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	close(fds[0]);
	close(fds[1]);
	for (int i = 0; i < 50 && poll(&(struct pollfd){pipe_ends[0], POLLIN, 0}, 1, 0) == 0; i++)
		pause_for(20); /* Linux collects in its own time */
	say_poll(pipe_ends[0]);
}

CASE(a_chain)
{
	int next = open("/dev/null", O_RDWR);

	/* Each socket is in the queue of the next: the last close takes them all. */
	for (int i = 0; i < 2000; i++) {
		socketpair(AF_UNIX, SOCK_DGRAM, 0, fds);
		if (send_files(fds[0], "a", &next, 1, 0) != 1) {
			say("%d: %s", i, error_name(errno));
			break;
		}
		close(next);
		close(fds[0]);
		next = fds[1];
	}
	say_message(next, 8, 64, MSG_PEEK);
	CALL(close, next);
	CALL(dup, 0);
}

CASE(credentials)
{
	int on = 1;

	for (unsigned i = 0; i < COUNT(types); i++) {
		say("%s", type_names[i]);
		socketpair(AF_UNIX, types[i], 0, fds);
		CALL(setsockopt, fds[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
		write(fds[0], "ab", 2);
		say_message(fds[1], 8, 64, 0);
		write(fds[0], "ab", 2);
		say_message(fds[1], 8, 0, 0);
		write(fds[0], "ab", 2);
		say_message(fds[1], 8, 20, 0);
		send_files(fds[0], "cd", (int[]){0, 0}, 2, 0);
		say_message(fds[1], 8, 64, 0);
		send_files(fds[0], "cd", (int[]){0, 0}, 2, 0);
		say_message(fds[1], 8, CMSG_SPACE(12) + 20, 0);
		close(fds[0]);
		say_message(fds[1], 8, 64, MSG_DONTWAIT);
	}
}

static long send_credentials(int fd, int pid, unsigned uid, unsigned gid)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(12)];
	} control;
	struct iovec piece = {(char *)"cred", 4};
	struct msghdr message = {.msg_iov = &piece,
	                         .msg_iovlen = 1,
	                         .msg_control = &control,
	                         .msg_controllen = CMSG_LEN(12)};
	const int data[3] = {pid, (int)uid, (int)gid};

	memset(&control, 0, sizeof control);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_CREDENTIALS;
	control.header.cmsg_len = CMSG_LEN(12);
	memcpy(CMSG_DATA(&control.header), data, sizeof data);
	return sendmsg(fd, &message, 0);
}

CASE(credentials_said)
{
	int on = 1;

	socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	SHOW(send_credentials(3, getpid(), 7, 8));
	SHOW(send_credentials(3, 0x3fffffff, 0, 0));
	SHOW(send_credentials(3, -1, 0, 0));
	SHOW(send_credentials(3, 0, 0, 0));
	SHOW(send_credentials(3, getpid(), (unsigned)-1, 0));
	setsockopt(4, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	SHOW(send_credentials(3, getpid(), 0, 0));
	write(3, "plain", 5);
	SHOW(send_credentials(3, getpid(), 9, 0));
	SHOW(send_credentials(3, getpid(), 9, 0));
	say_message(4, 32, 64, 0);
	say_message(4, 32, 64, MSG_PEEK);
	say_message(4, 32, 64, 0);
	say_message(4, 32, 64, 0);
	say_message(4, 32, 64, MSG_DONTWAIT);
}

static void say_peer_credentials(int fd)
{
	struct ucred peer;
	socklen_t length = sizeof peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length))
		say("SO_PEERCRED: %s", error_name(errno));
	else
		say("length %d pid %d uid %d gid %d", (int)length,
		    peer.pid == getpid() ? 1 : peer.pid, peer.uid, peer.gid);
}

CASE_ALONE(credentials_of_others_than_root)
{
	struct stat status;
	int on = 1;

	CALL(setresgid, 11, 12, 13);
	CALL(setresuid, 1, 2, 3);
	socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	fstat(3, &status);
	say("owner %d %d", status.st_uid, status.st_gid);
	setsockopt(4, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	write(3, "a", 1);
	say_message(4, 8, 64, 0);
	for (unsigned id = 0; id < 4; id++) {
		SHOW(send_credentials(3, getpid(), id, 11));
		SHOW(send_credentials(3, getpid(), 1, 10 + id));
	}
	SHOW(send_credentials(3, 1 << 20, 1, 11));
	CALL(setsockopt, 3, SOL_SOCKET, SO_SNDBUFFORCE, &on, sizeof on);
	CALL(setsockopt, 3, SOL_SOCKET, SO_DEBUG, &on, sizeof on);
	CALL(setsockopt, 3, SOL_SOCKET, SO_MARK, &on, sizeof on);
	on = 7;
	CALL(setsockopt, 3, SOL_SOCKET, SO_PRIORITY, &on, sizeof on);
	say_peer_credentials(3);
}

CASE(credentials_bind_a_name)
{
	struct sockaddr_un from;
	socklen_t length = sizeof from;
	int on = 1;

	CALL(socket, AF_UNIX, SOCK_DGRAM, 0);
	CALL(bind, 3, AT("server"));
	CALL(socket, AF_UNIX, SOCK_DGRAM, 0);
	CALL(setsockopt, 4, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	CALL(sendto, 4, "a", 1, 0, AT("server"));
	CALL(recvfrom, 3, got, 8, 0, &from, &length);
	VALUE(length);
	CALL(socket, AF_UNIX, SOCK_DGRAM, 0);
	CALL(setsockopt, 5, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	CALL(connect, 5, AT("server"));
	length = sizeof from;
	CALL(getsockname, 5, &from, &length);
	VALUE(length);
}

CASE(credentials_before_accept)
{
	int on = 1, client;

	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 3, AT("name"));
	CALL(setsockopt, 3, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	CALL(listen, 3, 5);
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	CALL(connect, client, AT("name"));
	write(client, "early", 5);
	CALL(accept, 3, NULL, NULL);
	say_message(5, 8, 64, 0);
	on = 0;
	CALL(setsockopt, 5, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	write(client, "late", 4);
	say_message(5, 8, 64, 0);
}

CASE(peer_credentials)
{
	int fd[3];

	for (unsigned i = 0; i < COUNT(types); i++) {
		say("%s", type_names[i]);
		say_peer_credentials(socket(AF_UNIX, types[i], 0));
		socketpair(AF_UNIX, types[i], 0, fds);
		say_peer_credentials(fds[0]);
	}
	connected(SOCK_STREAM, "name", fd);
	say_peer_credentials(fd[0]);
	say_peer_credentials(fd[1]);
	say_peer_credentials(fd[2]);
	CALL(socket, AF_UNIX, SOCK_DGRAM, 0);
	CALL(bind, 15, AT("datagram"));
	CALL(socket, AF_UNIX, SOCK_DGRAM, 0);
	CALL(connect, 16, AT("datagram"));
	say_peer_credentials(16);
}
