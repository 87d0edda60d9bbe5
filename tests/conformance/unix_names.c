/* SPDX-License-Identifier: Apache-2.0 */
/* AF_UNIX sockets: making, binding, names, connections. */
#include "unix.h"

CASE(socket_arguments)
{
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(socket, AF_UNIX, SOCK_DGRAM, 0);
	CALL(socket, AF_UNIX, SOCK_SEQPACKET, 0);
	CALL(socket, AF_UNIX, SOCK_RAW, 0);
	CALL(socket, AF_UNIX, SOCK_RDM, 0);
	CALL(socket, AF_UNIX, 0, 0);
	CALL(socket, AF_UNIX, 10, 0);
	CALL(socket, AF_UNIX, 11, 0);
	CALL(socket, AF_UNIX, SOCK_STREAM, AF_UNIX);
	CALL(socket, AF_UNIX, SOCK_STREAM, 2);
	CALL(socket, AF_UNIX, SOCK_STREAM, -1);
	CALL(socket, AF_UNIX, SOCK_STREAM | 0x10, 0);
	CALL(socket, AF_UNIX, SOCK_STREAM | 0x40000000, 0);
	CALL(socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	CALL(socket, AF_UNSPEC, SOCK_STREAM, 0);
	CALL(socket, 46, SOCK_STREAM, 0);
	CALL(socket, 1000, SOCK_STREAM, 0);
	CALL(socket, -1, SOCK_STREAM, 0);
	CALL(socket, 1000, 11, 0);
}

CASE(socket_flags)
{
	CALL(socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	CALL(fcntl, 3, F_GETFL);
	CALL(fcntl, 3, F_GETFD);
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(fcntl, 4, F_GETFL);
	CALL(fcntl, 4, F_GETFD);
	CALL(fcntl, 4, F_SETFL, O_NONBLOCK);
	CALL(fcntl, 4, F_GETFL);
}

CASE(socketpair_arguments)
{
	int fds[2];

	for (unsigned i = 0; i < COUNT(types); i++) {
		CALL(socketpair, AF_UNIX, types[i], 0, fds);
		say("%d %d", fds[0], fds[1]);
	}
	CALL(socketpair, AF_UNIX, SOCK_RDM, 0, fds);
	CALL(socketpair, AF_UNIX, 11, 0, fds);
	CALL(socketpair, AF_UNIX, SOCK_STREAM, 5, fds);
	CALL(socketpair, 1000, SOCK_STREAM, 0, fds);
	CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, LOW);
	CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, KIT_DATA);
	CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, read_only(0));
	CALL(socketpair, AF_UNIX, SOCK_STREAM | 0x20, 0, fds);
	CALL(socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds);
	say("%d %d", fds[0], fds[1]);
	CALL(fcntl, fds[0], F_GETFL);
	CALL(fcntl, fds[1], F_GETFL);
}

CASE(what_is_no_socket)
{
	int fd = open("/dev/null", O_RDWR), path, value = 1;
	struct msghdr message = {0};
	socklen_t length = sizeof value;

	CALL(bind, fd, AT("a"));
	CALL(connect, fd, AT("a"));
	CALL(listen, fd, 1);
	CALL(accept, fd, NULL, NULL);
	CALL(accept4, fd, NULL, NULL, 1);
	CALL(shutdown, fd, SHUT_RD);
	CALL(getsockname, fd, NULL, NULL);
	CALL(getpeername, fd, NULL, NULL);
	CALL(getsockopt, fd, SOL_SOCKET, SO_TYPE, &value, &length);
	CALL(setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, &value, sizeof value);
	CALL(sendto, fd, "a", 1, 0, NULL, 0);
	CALL(recvfrom, fd, &value, 1, 0, NULL, NULL);
	CALL(sendmsg, fd, &message, 0);
	CALL(recvmsg, fd, &message, 0);
	CALL(sendmmsg, fd, NULL, 0, 0);
	CALL(recvmmsg, fd, NULL, 0, 0, NULL);
	CALL(bind, 99, AT("a"));
	CALL(connect, 99, AT("a"));
	CALL(accept4, 99, NULL, NULL, 1);
	CALL(shutdown, -1, 7);
	CALL(sendto, 99, "a", 1, 0, NULL, 0);
	path = open(".", O_PATH);
	CALL(listen, path, 1);
	CALL(recvmsg, path, &message, 0);
}

CASE(what_sockets_cannot)
{
	struct stat status;
	char buffer[8];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	CALL(lseek, fd, 0, SEEK_SET);
	CALL(pread64, fd, buffer, 1, 0);
	CALL(pwrite64, fd, buffer, 1, 0);
	CALL(fsync, fd);
	CALL(ftruncate, fd, 0);
	CALL(fchdir, fd);
	CALL(fallocate, fd, 0, 0, 1);
	CALL(mmap, NULL, PAGE, 1, 1, fd, 0);
	CALL(getdents64, fd, buffer, 8);
	CALL(ioctl, fd, 0x5401, buffer);
	fstat(fd, &status);
	say("mode %o links %ld size %ld", status.st_mode, (long)status.st_nlink,
	    (long)status.st_size);
	VALUE(status.st_blksize);
}

CASE(bind_path)
{
	struct stat status;

	umask(022);
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 3, AT("name"));
	CALL(stat, "name", &status);
	say("mode %o size %ld links %ld", status.st_mode, (long)status.st_size,
	    (long)status.st_nlink);
	say_name(3);
	CALL(open, "name", O_RDWR);
	CALL(open, "name", O_RDONLY | O_NONBLOCK);
	CALL(unlink, "name");
	say_name(3);
	CALL(close, 3);
}

CASE(bind_path_errors)
{
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 3, AT("missing/name"));
	CALL(bind, 3, AT("name/"));
	make_file("file", 1);
	CALL(bind, 3, AT("file"));
	CALL(bind, 3, AT("file/name"));
	CALL(bind, 3, AT("."));
	CALL(bind, 3, AT("/"));
	CALL(symlink, "nowhere", "link");
	CALL(bind, 3, AT("link"));
	CALL(symlink, "loop", "loop");
	CALL(bind, 3, AT("loop/a"));
	CALL(bind, 3, AT("first"));
	CALL(bind, 3, AT("second"));
	CALL(bind, 3, AT("first"));
	CALL(access, "second", F_OK);
	CALL(socket, AF_UNIX, SOCK_DGRAM, 0);
	CALL(bind, 5, AT("first"));
	CALL(close, 3);
	CALL(bind, 5, AT("first"));
}

CASE(bind_lengths)
{
	char bytes[128];
	struct sockaddr *at = (struct sockaddr *)bytes;

	memset(bytes, 0, sizeof bytes);
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 3, at, 0);
	CALL(bind, 3, at, 1);
	CALL(bind, 3, at, 2);
	CALL(bind, 3, at, 3);
	at->sa_family = AF_UNIX;
	CALL(bind, 3, at, 0);
	CALL(bind, 3, at, 1);
	CALL(bind, 3, at, 111);
	CALL(bind, 3, at, 128);
	CALL(bind, 3, at, 129);
	CALL(bind, 3, at, -1);
	at->sa_family = AF_INET;
	CALL(bind, 3, at, 16);
	CALL(bind, 3, NULL, 16);
	CALL(bind, 3, LOW, 16);
	CALL(bind, 3, KIT, 16);
	CALL(bind, 3, NULL, 0);
	CALL(bind, 3, LOW, 129);
	say_name(3);
}

CASE(bind_path_without_end)
{
	struct sockaddr_un at = {AF_UNIX, "abc"};
	struct stat status;

	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 3, &at, 4);
	say_name(3);
	CALL(stat, "ab", &status);
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 4, &at, sizeof at);
	say_name(4);
	CALL(stat, "abc", &status);
	memset(at.sun_path, '/', sizeof at.sun_path);
	memcpy(at.sun_path, ".", 1);
	at.sun_path[sizeof at.sun_path - 1] = 'z';
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 5, &at, sizeof at);
	say_name(5);
	CALL(stat, "z", &status);
}

CASE(bind_mode)
{
	struct stat status;

	umask(077);
	CALL(socket, AF_UNIX, SOCK_DGRAM, 0);
	CALL(bind, 3, AT("a"));
	stat("a", &status);
	say("%o", status.st_mode);
	umask(0);
	CALL(socket, AF_UNIX, SOCK_DGRAM, 0);
	CALL(fchmod, 4, 0640);
	fstat(4, &status);
	say("%o", status.st_mode);
	CALL(bind, 4, AT("b"));
	stat("b", &status);
	say("%o", status.st_mode);
}

CASE(bind_abstract)
{
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 3, NAME("\0conformance"));
	say_name(3);
	CALL(bind, 3, NAME("\0other"));
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 4, NAME("\0conformance"));
	CALL(bind, 4, NAME("\0conformance\0"));
	say_name(4);
	CALL(socket, AF_UNIX, SOCK_DGRAM, 0);
	CALL(bind, 5, NAME("\0conformance"));
	CALL(close, 3);
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 3, NAME("\0conformance"));
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 6, NAME("\0"));
	say_name(6);
}

CASE(bind_to_any)
{
	struct sockaddr_un at = {AF_UNIX, ""}, got;
	socklen_t length = sizeof got;

	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 3, &at, 2);
	CALL(bind, 3, &at, 2);
	CALL(getsockname, 3, &got, &length);
	VALUE(length);
	VALUE(got.sun_path[0]);
	VALUE(strspn(got.sun_path + 1, "0123456789abcdef"));
	CALL(bind, 3, AT("a"));
	CALL(listen, 3, 1);
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(connect, 4, &got, length);
}

CASE(names_cut)
{
	struct sockaddr_un got;
	socklen_t length;
	int negative = -1;

	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 3, AT("name"));
	for (length = 0; length < 8; length++) {
		socklen_t given = length;

		memset(&got, 'x', sizeof got);
		CALL(getsockname, 3, &got, &given);
		say("%d: %.8s", (int)given, length > 2 ? got.sun_path : "");
	}
	length = sizeof got;
	CALL(getsockname, 3, NULL, &length);
	CALL(getsockname, 3, LOW, &length);
	CALL(getsockname, 3, &got, NULL);
	CALL(getsockname, 3, &got, &negative);
	CALL(getpeername, 3, &got, &length);
}

CASE(names_of_pairs)
{
	for (unsigned i = 0; i < COUNT(types); i++) {
		int fds[2];

		say("%s", type_names[i]);
		socketpair(AF_UNIX, types[i], 0, fds);
		say_name(fds[0]);
		say_peer(fds[0]);
		bind(fds[1], AT("name"));
		say_peer(fds[0]);
		close(fds[1]);
		say_peer(fds[0]);
		unlink("name");
	}
}

CASE(connect_errors)
{
	make_file("file", 1);
	CALL(mkdir, "folder", 0755);
	CALL(symlink, "missing", "link");
	for (unsigned i = 0; i < COUNT(types); i++) {
		int fd = socket(AF_UNIX, types[i], 0);

		say("%s", type_names[i]);
		CALL(connect, fd, AT("missing"));
		CALL(connect, fd, AT("missing/a"));
		CALL(connect, fd, AT("file"));
		CALL(connect, fd, AT("file/a"));
		CALL(connect, fd, AT("folder"));
		CALL(connect, fd, AT("link"));
		CALL(connect, fd, NAME("\0missing"));
		CALL(connect, fd, NULL, 0);
		CALL(connect, fd, NULL, 10);
		CALL(connect, fd, AT("missing") + 120);
		CALL(connect, fd, address("a", 1), 2);
		CALL(connect, fd, address("a", 1), 1);
		say_peer(fd);
	}
}

CASE(connect_to_what_does_not_listen)
{
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 3, AT("name"));
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(connect, 4, AT("name"));
	CALL(socket, AF_UNIX, SOCK_DGRAM, 0);
	CALL(connect, 5, AT("name"));
	CALL(socket, AF_UNIX, SOCK_SEQPACKET, 0);
	CALL(connect, 6, AT("name"));
	CALL(listen, 3, 5);
	CALL(connect, 6, AT("name"));
	CALL(connect, 3, AT("name"));
	CALL(close, 3);
	CALL(connect, 4, AT("name"));
	CALL(unlink, "name");
	CALL(connect, 4, AT("name"));
}

CASE(connect_through_links)
{
	int fd[3];

	connected(SOCK_STREAM, "name", fd);
	CALL(symlink, "name", "link");
	CALL(link, "name", "second");
	CALL(rename, "name", "third");
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(connect, 6, AT("link"));
	CALL(connect, 6, AT("second"));
	say_peer(6);
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(connect, 7, AT("third"));
	say_peer(7);
}

CASE(connect_twice)
{
	int fd[3];

	connected(SOCK_STREAM, "name", fd);
	CALL(connect, fd[1], AT("name"));
	CALL(connect, fd[2], AT("name"));
	CALL(connect, fd[0], AT("name"));
	CALL(listen, fd[1], 1);
	CALL(listen, fd[2], 1);
	CALL(listen, fd[0], 3);
	CALL(connect, fd[1], address("", 1), 2);
	CALL(close, fd[2]);
	CALL(connect, fd[1], AT("name"));
}

CASE(listen_errors)
{
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(listen, 3, 1);
	CALL(socket, AF_UNIX, SOCK_DGRAM, 0);
	CALL(listen, 4, 1);
	CALL(bind, 4, AT("d"));
	CALL(listen, 4, 1);
	CALL(bind, 3, AT("s"));
	CALL(listen, 3, -1);
	CALL(listen, 3, 0);
	CALL(accept4, 4, NULL, NULL, 0);
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(accept4, 5, NULL, NULL, 0);
	CALL(accept4, 3, NULL, NULL, O_APPEND);
	CALL(fcntl, 3, F_SETFL, O_NONBLOCK);
	CALL(accept4, 3, NULL, NULL, 0);
	CALL(write, 3, "a", 1);
	CALL(sendto, 3, "a", 1, 0x4000, NULL, 0);
	say_receive(3, 1, 0);
}

CASE(accept_names)
{
	struct sockaddr_un at;
	socklen_t length = sizeof at;
	int fd[3];

	connected(SOCK_STREAM, "name", fd);
	say_name(fd[0]);
	say_name(fd[1]);
	say_name(fd[2]);
	say_peer(fd[0]);
	say_peer(fd[1]);
	say_peer(fd[2]);
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 6, AT("client"));
	CALL(connect, 6, AT("name"));
	CALL(accept4, fd[0], &at, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
	say_address("accept", &at, length);
	CALL(fcntl, 7, F_GETFL);
	CALL(fcntl, 7, F_GETFD);
	say_peer(7);
}

CASE(accept_bad_pointers)
{
	struct sockaddr_un at;
	socklen_t length = sizeof at;
	int fd[3];

	connected(SOCK_STREAM, "name", fd);
	for (int i = 0; i < 3; i++)
		connect(socket(AF_UNIX, SOCK_STREAM, 0), AT("name"));
	CALL(accept, fd[0], LOW, &length);
	CALL(accept, fd[0], &at, LOW);
	CALL(accept, fd[0], NULL, LOW);
	say_receive(6, 1, MSG_DONTWAIT);
	say_receive(8, 1, MSG_DONTWAIT);
}

CASE(backlog)
{
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 3, AT("name"));
	CALL(listen, 3, 1);
	for (int i = 0; i < 4; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

		CALL(connect, fd, AT("name"));
		say_poll(fd);
	}
	say_poll(3);
	CALL(accept, 3, NULL, NULL);
	CALL(connect, 6, AT("name"));
	CALL(connect, 7, AT("name"));
	CALL(listen, 3, 5);
	CALL(connect, 7, AT("name"));
}

CASE(connect_times_out)
{
	struct timeval time = {0, 50000};

	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 3, AT("name"));
	CALL(listen, 3, 0);
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(connect, 4, AT("name"));
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(setsockopt, 5, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
	CALL(connect, 5, AT("name"));
	CALL(accept, 3, NULL, NULL);
	CALL(setsockopt, 3, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
	CALL(accept, 3, NULL, NULL);
}

CASE(close_of_listener)
{
	int fd[3];

	connected(SOCK_STREAM, "name", fd);
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(connect, 6, AT("name"));
	CALL(write, 6, "lost", 4);
	CALL(close, fd[0]);
	say_poll(6);
	say_receive(6, 4, 0);
	say_receive(6, 4, 0);
	CALL(sendto, 6, "a", 1, MSG_NOSIGNAL, NULL, 0);
	CALL(write, fd[1], "still", 5);
	say_receive(fd[2], 5, 0);
}

CASE(shutdown_of_listener)
{
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(bind, 3, AT("name"));
	CALL(listen, 3, 5);
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(connect, 4, AT("name"));
	CALL(shutdown, 3, SHUT_RD);
	say_poll(3);
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(connect, 5, AT("name"));
	CALL(accept, 3, NULL, NULL);
	CALL(accept, 3, NULL, NULL);
	CALL(fcntl, 3, F_SETFL, O_NONBLOCK);
	CALL(accept, 3, NULL, NULL);
}

CASE(accept_descriptors_run_out)
{
	int fd[3];

	connected(SOCK_STREAM, "name", fd);
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(connect, 6, AT("name"));
	while (dup(0) >= 0)
		;
	CALL(accept, fd[0], NULL, NULL);
	CALL(accept, fd[2], NULL, NULL);
	CALL(accept, 0, NULL, NULL);
	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, fd);
	close(10);
	CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, fd);
	CALL(accept, 3, NULL, NULL);
	for (int i = 8; i < 1024; i++)
		close(i);
}

CASE(proc_of_sockets)
{
	char target[64] = "";
	struct stat status;

	CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	readlink("/proc/self/fd/3", target, sizeof target - 1);
	target[8] = '\0';
	say("%s", target);
	CALL(open, "/proc/self/fd/3", O_RDWR);
	CALL(open, "/proc/self/fd/3", O_PATH);
	CALL(open, "/proc/self/fd/4", O_RDWR);
	CALL(close, 3);
	CALL(open, "/proc/self/fd/4", O_RDWR);
	stat("/proc/self/fd/4", &status);
	say("%o", status.st_mode);
	CALL(getsockname, 4, NULL, NULL);
}
