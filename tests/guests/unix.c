/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that talk through AF_UNIX sockets, and wait for one another. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS 8
#define ROUNDS  200
#define BULK    (8u << 20)
#define CHECK(condition)                                                                    \
	do {                                                                                \
		if (!(condition)) {                                                         \
			printf("line %d: %s: %s\n", __LINE__, #condition, strerror(errno)); \
			exit(1);                                                            \
		}                                                                           \
	} while (0)

static struct sockaddr_un server_name = {AF_UNIX, ""}; /* abstract: tests may run at once */
static int fds[2];

static pthread_t start(void *(*function)(void *), void *argument)
{
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, function, argument));
	return thread;
}

static void pause_a_little(void)
{
	usleep(30000);
}

static int listening(int type, int backlog)
{
	int fd = socket(AF_UNIX, type, 0);

	CHECK(fd >= 0 && !bind(fd, (const struct sockaddr *)&server_name, sizeof server_name));
	CHECK(!listen(fd, backlog));
	return fd;
}

static int connected(int type)
{
	int fd = socket(AF_UNIX, type, 0);

	CHECK(!connect(fd, (const struct sockaddr *)&server_name, sizeof server_name));
	return fd;
}

/* ---- a server with a thread for each connection ---- */

static void *serve_one(void *argument)
{
	int fd = (int)(intptr_t)argument;
	char buffer[512];
	ssize_t length;

	while ((length = read(fd, buffer, sizeof buffer)) > 0)
		CHECK(write(fd, buffer, (size_t)length) == length);
	CHECK(length == 0 && !close(fd));
	return NULL;
}

static void *be_client(void *argument)
{
	int number = (int)(intptr_t)argument, fd = connected(SOCK_STREAM);

	for (int i = 0; i < ROUNDS; i++) {
		char sent[64], got[64];
		int length = snprintf(sent, sizeof sent, "client %d round %d", number, i);

		CHECK(send(fd, sent, (size_t)length, 0) == length);
		CHECK(recv(fd, got, (size_t)length, MSG_WAITALL) == length);
		CHECK(!memcmp(sent, got, (size_t)length));
	}
	close(fd);
	return NULL;
}

/* The backlog is shorter than the queue of clients: connect() waits. */
static void serve(void)
{
	int fd = listening(SOCK_STREAM, 1);
	pthread_t clients[CLIENTS], servers[CLIENTS];

	for (int i = 0; i < CLIENTS; i++)
		clients[i] = start(be_client, (void *)(intptr_t)i);
	for (int i = 0; i < CLIENTS; i++) {
		int accepted = accept(fd, NULL, NULL);

		CHECK(accepted >= 0);
		servers[i] = start(serve_one, (void *)(intptr_t)accepted);
	}
	for (int i = 0; i < CLIENTS; i++) {
		pthread_join(clients[i], NULL);
		pthread_join(servers[i], NULL);
	}
	printf("served %d clients\n", CLIENTS);
}

/* ---- a server with epoll, edge-triggered ---- */

static void *flood(void *argument)
{
	int fd = connected(SOCK_STREAM);
	char block[3000];
	size_t left = BULK / CLIENTS;

	memset(block, 'a' + (int)(intptr_t)argument, sizeof block);
	while (left) {
		size_t part = left < sizeof block ? left : sizeof block;

		CHECK(write(fd, block, part) == (ssize_t)part);
		left -= part;
	}
	CHECK(!shutdown(fd, SHUT_WR));
	CHECK(read(fd, block, 1) == 1 && block[0] == '!');
	close(fd);
	return NULL;
}

/* Reads what is there. Whether the connection is at its end. */
static int drain(int fd, size_t *total)
{
	char buffer[8192];
	ssize_t length;

	while ((length = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT)) > 0) {
		for (ssize_t i = 1; i < length; i++)
			CHECK(buffer[i] == buffer[0]);
		*total += (size_t)length;
	}
	CHECK(length == 0 || errno == EAGAIN);
	return length == 0;
}

static void edges(void)
{
	int fd = listening(SOCK_STREAM, CLIENTS), set = epoll_create1(0), open = CLIENTS;
	pthread_t clients[CLIENTS];
	size_t total = 0;

	for (int i = 0; i < CLIENTS; i++)
		clients[i] = start(flood, (void *)(intptr_t)i);
	for (int i = 0; i < CLIENTS; i++) {
		struct epoll_event event = {EPOLLIN | EPOLLRDHUP | EPOLLET,
		                            {.fd = accept(fd, NULL, NULL)}};

		CHECK(!epoll_ctl(set, EPOLL_CTL_ADD, event.data.fd, &event));
	}
	while (open) {
		struct epoll_event event;

		CHECK(epoll_wait(set, &event, 1, 10000) == 1);
		if (drain(event.data.fd, &total)) {
			CHECK(write(event.data.fd, "!", 1) == 1);
			close(event.data.fd);
			open--;
		}
	}
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(clients[i], NULL);
	printf("drained %zu bytes\n", total);
}

/* ---- much data, through a buffer that is small ---- */

static void *write_bulk(void *argument)
{
	unsigned char *block = malloc(100000);
	uint32_t value = 1;

	for (size_t left = BULK; left;) {
		size_t part = left < 100000 ? left : 100000;

		for (size_t i = 0; i < part; i++)
			block[i] = (unsigned char)((value = value * 1664525 + 1013904223) >> 24);
		CHECK(write(fds[0], block, part) == (ssize_t)part);
		left -= part;
	}
	free(block);
	close(fds[0]);
	return argument;
}

static void bulk(void)
{
	unsigned char *block = malloc(70001);
	uint32_t value = 1;
	size_t total = 0;
	pthread_t writer;
	ssize_t length;

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	writer = start(write_bulk, NULL);
	while ((length = read(fds[1], block, 1 + total % 70001)) > 0) {
		for (ssize_t i = 0; i < length; i++)
			CHECK(block[i] ==
			      (unsigned char)((value = value * 1664525 + 1013904223) >> 24));
		total += (size_t)length;
	}
	pthread_join(writer, NULL);
	free(block);
	printf("%zu bytes of %u\n", total, BULK);
}

/* ---- datagrams to a full queue ---- */

static void *send_many(void *argument)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	uint32_t number = (uint32_t)(uintptr_t)argument << 16;

	for (int i = 0; i < ROUNDS; i++, number++)
		CHECK(sendto(fd, &number, sizeof number, 0, (const struct sockaddr *)&server_name,
		             sizeof server_name) == sizeof number);
	close(fd);
	return NULL;
}

static void datagrams(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	pthread_t senders[CLIENTS];
	uint32_t next[CLIENTS] = {0};

	CHECK(!bind(fd, (const struct sockaddr *)&server_name, sizeof server_name));
	for (int i = 0; i < CLIENTS; i++)
		senders[i] = start(send_many, (void *)(intptr_t)i);
	pause_a_little();
	for (int i = 0; i < CLIENTS * ROUNDS; i++) {
		uint32_t number;

		CHECK(recv(fd, &number, sizeof number, 0) == sizeof number);
		CHECK((number & 0xffff) == next[number >> 16]++);
	}
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(senders[i], NULL);
	printf("%d datagrams in order\n", CLIENTS * ROUNDS);
}

/* ---- what wakes a sleeper ---- */

static void *sleep_in_read(void *argument)
{
	char byte;
	ssize_t length = read(fds[0], &byte, 1);

	return (void *)(intptr_t)(length < 0 ? -errno : length + (argument != NULL));
}

static void *sleep_in_write(void *argument)
{
	static char block[1 << 20];
	ssize_t length = send(fds[0], block, sizeof block, MSG_NOSIGNAL);

	return (void *)(intptr_t)(length < 0 ? -errno
	                                     : argument != NULL || length < (ssize_t)sizeof block);
}

static void *sleep_in_poll(void *argument)
{
	struct pollfd entry = {fds[0], POLLIN | POLLRDHUP, 0};

	CHECK(poll(&entry, 1, 10000) == 1);
	return (void *)(intptr_t)(entry.revents | (argument != NULL));
}

static void *sleep_in_accept(void *argument)
{
	int result = accept(fds[0], NULL, NULL);

	return (void *)(intptr_t)(result < 0 ? -errno : argument != NULL);
}

static void *sleep_in_connect(void *argument)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	int result = connect(fd, (const struct sockaddr *)&server_name, sizeof server_name);

	return (void *)(intptr_t)(result < 0 ? -errno : argument != NULL);
}

static void woken(const char *what, void *(*sleeper)(void *), void (*act)(void))
{
	pthread_t thread = start(sleeper, NULL);
	struct pollfd written = {fds[1], POLLIN, 0};
	void *result;

	/* A writer is told of what happens before its first byte in another way. */
	if (sleeper == sleep_in_write)
		CHECK(poll(&written, 1, 10000) == 1);
	pause_a_little();
	act();
	pthread_join(thread, &result);
	printf("%s: %ld\n", what, (long)(intptr_t)result);
}

static void close_peer(void)
{
	close(fds[1]);
}

static void shut_own_reading(void)
{
	shutdown(fds[0], SHUT_RD);
}

static void shut_peer_writing(void)
{
	shutdown(fds[1], SHUT_WR);
}

static void shut_own_writing(void)
{
	shutdown(fds[0], SHUT_WR);
}

static void shut_peer_reading(void)
{
	shutdown(fds[1], SHUT_RD);
}

static void close_listener(void)
{
	close(fds[0]);
}

static void wakes(void)
{
	static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};

	for (unsigned i = 0; i < 2; i++) {
		CHECK(!socketpair(AF_UNIX, types[i], 0, fds));
		woken("read, peer closes", sleep_in_read, close_peer);
		CHECK(!socketpair(AF_UNIX, types[i], 0, fds));
		woken("read, own end shut", sleep_in_read, shut_own_reading);
		CHECK(!socketpair(AF_UNIX, types[i], 0, fds));
		woken("read, peer shut", sleep_in_read, shut_peer_writing);
		CHECK(!socketpair(AF_UNIX, types[i], 0, fds));
		woken("poll, peer closes", sleep_in_poll, close_peer);
		CHECK(!socketpair(AF_UNIX, types[i], 0, fds));
		woken("poll, peer shut", sleep_in_poll, shut_peer_writing);
	}
	CHECK(!socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
	woken("datagram, own end shut", sleep_in_read, shut_own_reading);
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	woken("write, peer closes", sleep_in_write, close_peer);
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	woken("write, own end shut", sleep_in_write, shut_own_writing);
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	woken("write, peer shut", sleep_in_write, shut_peer_reading);
	fds[0] = listening(SOCK_STREAM, 1);
	woken("accept, shut", sleep_in_accept, shut_own_reading);
	close(fds[0]);
	fds[0] = listening(SOCK_STREAM, 0);
	connected(SOCK_STREAM);
	woken("connect, listener closes", sleep_in_connect, close_listener);
}

/* ---- descriptors from thread to thread ---- */

static void *pass_on(void *argument)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec piece = {&control, 1};
	struct msghdr message = {.msg_iov = &piece,
	                         .msg_iovlen = 1,
	                         .msg_control = &control,
	                         .msg_controllen = sizeof control};

	for (int i = 0; i < ROUNDS; i++) {
		int ends[2];

		CHECK(!pipe(ends));
		memset(&control, 0, sizeof control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &ends[0], sizeof(int));
		CHECK(sendmsg(fds[0], &message, 0) == 1);
		CHECK(write(ends[1], &i, sizeof i) == sizeof i);
		close(ends[0]);
		close(ends[1]);
	}
	return argument;
}

static void rights(void)
{
	pthread_t sender;

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	sender = start(pass_on, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		union {
			struct cmsghdr header;
			char bytes[CMSG_SPACE(sizeof(int))];
		} control;
		char byte;
		struct iovec piece = {&byte, 1};
		struct msghdr message = {.msg_iov = &piece,
		                         .msg_iovlen = 1,
		                         .msg_control = &control,
		                         .msg_controllen = sizeof control};
		int fd, value;

		CHECK(recvmsg(fds[1], &message, 0) == 1);
		CHECK(control.header.cmsg_type == SCM_RIGHTS);
		memcpy(&fd, CMSG_DATA(&control.header), sizeof fd);
		CHECK(read(fd, &value, sizeof value) == sizeof value && value == i);
		CHECK(read(fd, &value, sizeof value) == 0);
		close(fd);
	}
	pthread_join(sender, NULL);
	printf("%d descriptors\n", ROUNDS);
}

/* ---- memory that is given back ---- */

/* Sockets in circles and full queues, over and over: no leak in a small guest. */
static void reuse(void)
{
	static char block[65536];

	for (int i = 0; i < 2000; i++) {
		CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
		while (send(fds[0], block, sizeof block, MSG_DONTWAIT) > 0)
			;
		close(fds[0]);
		close(fds[1]);
	}
	printf("2000 full sockets\n");
}

int main(int count, char **argument)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} all[] = {
	        {"serve", serve}, {"edges", edges},   {"bulk", bulk},   {"datagrams", datagrams},
	        {"wakes", wakes}, {"rights", rights}, {"reuse", reuse},
	};

	signal(SIGPIPE, SIG_IGN);
	snprintf(server_name.sun_path + 1, sizeof server_name.sun_path - 1, "mote-%d", getpid());
	for (size_t i = 0; count == 2 && i < sizeof all / sizeof *all; i++) {
		if (strcmp(argument[1], all[i].name))
			continue;
		all[i].run();
		return 0;
	}
	return 2;
}
