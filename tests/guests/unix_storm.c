/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that do anything to the same few AF_UNIX sockets: close them under each other's sleep,
 * pass them on, connect them anew.
 *
 * usage: unix_storm SEED CALLS
 *
 * Nothing is expected of a call but that it comes back: every socket has time limits, or, before it
 * has got them, does not block. At the end all sockets are closed, and new ones must work.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define THREADS 6
#define FIRST   3 /* the descriptors that are used */
#define COUNT   24
#define NAMES   4
#define BLOCK   40000

static unsigned long calls;

struct storm {
	uint64_t state;
	char block[BLOCK];
};

static uint32_t below(struct storm *storm, uint32_t limit)
{
	storm->state = storm->state * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(storm->state >> 33) % limit;
}

static int some(struct storm *storm)
{
	return FIRST + (int)below(storm, COUNT);
}

static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};

/* By a descriptor that only we use: others may close @fd meanwhile, and make a new socket of it. */
static void set_options(struct storm *storm, int fd)
{
	const struct timeval limit = {0, 2000};
	int size = (int)below(storm, 20000), own = fcntl(fd, F_DUPFD, 2 * COUNT);

	setsockopt(own, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(own, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	if (!below(storm, 3))
		setsockopt(own, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	if (!below(storm, 4))
		setsockopt(own, SOL_SOCKET, SO_PASSCRED, &size, sizeof size);
	fcntl(own, F_SETFL, 0); /* from now on it blocks */
	close(own);
}

/* Put a new descriptor where others use it. */
static void place(struct storm *storm, int fd)
{
	if (fd < 0)
		return;
	set_options(storm, fd);
	if (fd >= FIRST + COUNT) {
		dup2(fd, some(storm));
		close(fd);
	}
}

static socklen_t name(struct storm *storm, struct sockaddr_un *at)
{
	uint32_t number = below(storm, 2 * NAMES);

	memset(at, 0, sizeof *at);
	at->sun_family = AF_UNIX;
	return (socklen_t)(3 + sprintf(at->sun_path + 1, "storm-%d-%u", getpid(), number % NAMES));
}

static void send_some(struct storm *storm)
{
	struct sockaddr_un at;
	struct iovec piece = {storm->block,
	                      below(storm, 4) ? below(storm, 300) : below(storm, BLOCK)};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	unsigned files = below(storm, 5);

	memset(&control, 0, sizeof control);
	if (!below(storm, 3)) {
		message.msg_name = &at;
		message.msg_namelen = name(storm, &at);
	}
	if (files && !below(storm, 2)) {
		int data[4] = {some(storm), some(storm), some(storm), some(storm)};

		message.msg_control = &control;
		message.msg_controllen = CMSG_LEN(files * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = message.msg_controllen;
		memcpy(CMSG_DATA(&control.header), data, files * sizeof(int));
	}
	sendmsg(some(storm), &message, below(storm, 2) ? MSG_DONTWAIT : 0);
}

static void receive_some(struct storm *storm)
{
	static const int flags[] = {0, 0, MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, MSG_TRUNC};
	struct sockaddr_un from;
	struct iovec piece = {storm->block,
	                      below(storm, 4) ? below(storm, 300) : below(storm, BLOCK)};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(12) + CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct msghdr message = {.msg_name = &from,
	                         .msg_namelen = sizeof from,
	                         .msg_iov = &piece,
	                         .msg_iovlen = 1,
	                         .msg_control = &control};
	struct cmsghdr *header;

	memset(&control, 0, sizeof control);
	message.msg_controllen = below(storm, sizeof control + 1);
	if (recvmsg(some(storm), &message, flags[below(storm, 6)]) < 0)
		return;
	for (header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
		int *files = (int *)CMSG_DATA(header);

		if (header->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= header->cmsg_len; i++)
			place(storm, files[i]);
	}
}

static void name_some(struct storm *storm)
{
	struct sockaddr_un at;
	socklen_t length = name(storm, &at);
	int fd = some(storm);

	switch (below(storm, 6)) {
	case 0: bind(fd, (struct sockaddr *)&at, length); break;
	case 1: listen(fd, (int)below(storm, 4)); break;
	case 2: place(storm, accept4(fd, NULL, NULL, SOCK_NONBLOCK)); break;
	case 3: getpeername(fd, (struct sockaddr *)&at, &length); break;
	default: connect(fd, (struct sockaddr *)&at, length);
	}
}

static void make_some(struct storm *storm)
{
	int type = types[below(storm, 3)] | SOCK_NONBLOCK, fds[2];

	if (!below(storm, 3)) {
		place(storm, socket(AF_UNIX, type, 0));
	} else if (!socketpair(AF_UNIX, type, 0, fds)) {
		place(storm, fds[0]);
		place(storm, fds[1]);
	}
}

static void act(struct storm *storm)
{
	struct pollfd files[3] = {{some(storm), POLLIN, 0},
	                          {some(storm), POLLOUT, 0},
	                          {some(storm), POLLIN | POLLOUT, 0}};

	switch (below(storm, 16)) {
	case 0:
	case 1: make_some(storm); break;
	case 2:
	case 3:
	case 4: send_some(storm); break;
	case 5:
	case 6:
	case 7: receive_some(storm); break;
	case 8:
	case 9:
	case 10: name_some(storm); break;
	case 11: shutdown(some(storm), (int)below(storm, 3)); break;
	case 12: poll(files, 3, (int)below(storm, 3)); break;
	case 13: write(some(storm), storm->block, below(storm, BLOCK)); break;
	case 14: dup2(some(storm), some(storm)); break;
	default: close(some(storm));
	}
}

static void *run(void *argument)
{
	struct storm *storm = argument;

	for (unsigned long i = 0; i < calls; i++)
		act(storm);
	return NULL;
}

int main(int count, char **argument)
{
	static struct storm storms[THREADS];
	pthread_t threads[THREADS];
	int fds[2];
	char byte;

	if (count != 3)
		return 2;
	calls = strtoul(argument[2], NULL, 10);
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < THREADS; i++) {
		storms[i].state = strtoull(argument[1], NULL, 10) * THREADS + (uint64_t)i;
		if (pthread_create(&threads[i], NULL, run, &storms[i]))
			return 3;
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int fd = FIRST; fd < 1024; fd++)
		close(fd);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) || write(fds[0], "a", 1) != 1 ||
	    read(fds[1], &byte, 1) != 1)
		return 4;
	printf("descriptors %d and %d\n", fds[0], fds[1]);
	return 0;
}
