/* SPDX-License-Identifier: Apache-2.0 */
/* TCP inside: many streams at once, many short connections, buffers full of unread bytes, sleep. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STREAMS     12
#define STREAM_SIZE (6u << 20)
#define STEP_MAX    200000

static int family = AF_INET;
static struct sockaddr_storage server;
static socklen_t server_length;

static void check(int is_good, const char *what)
{
	if (is_good)
		return;
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static int listen_here(int backlog)
{
	int fd = socket(family, SOCK_STREAM, 0);
	struct sockaddr_in at4 = {.sin_family = AF_INET};
	struct sockaddr_in6 at6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};

	at4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(!(family == AF_INET ? bind(fd, (struct sockaddr *)&at4, sizeof at4)
	                          : bind(fd, (struct sockaddr *)&at6, sizeof at6)),
	      "bind");
	check(!listen(fd, backlog), "listen");
	server_length = sizeof server;
	check(!getsockname(fd, (struct sockaddr *)&server, &server_length), "getsockname");
	return fd;
}

static int connect_there(void)
{
	int fd = socket(family, SOCK_STREAM, 0);

	check(fd >= 0, "socket");
	check(!connect(fd, (struct sockaddr *)&server, server_length), "connect");
	return fd;
}

/* A generator for each stream: both ends know what comes. */
static uint32_t next(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void fill(unsigned char *bytes, size_t count, size_t at, uint32_t seed)
{
	for (size_t i = 0; i < count; i++)
		bytes[i] = (unsigned char)((at + i) * 31 + (at + i) / 4093 + seed);
}

/* ---- streams: each stream is echoed by a thread and checked by another ---- */

static void *echo(void *argument)
{
	int fd = (int)(intptr_t)argument;
	unsigned char *buffer = malloc(STEP_MAX);
	uint32_t state = (uint32_t)fd;
	ssize_t part;

	while ((part = read(fd, buffer, next(&state) % STEP_MAX + 1)) > 0)
		for (ssize_t done = 0; done < part;) {
			ssize_t sent = write(fd, buffer + done, (size_t)(part - done));

			check(sent > 0, "echo");
			done += sent;
		}
	check(!part, "read of the echo");
	close(fd);
	free(buffer);
	return NULL;
}

static void *send_stream(void *argument)
{
	int fd = (int)(intptr_t)argument;
	unsigned char *buffer = malloc(STEP_MAX);
	uint32_t state = (uint32_t)fd + 99;

	for (size_t done = 0; done < STREAM_SIZE;) {
		size_t step = next(&state) % STEP_MAX + 1;
		ssize_t sent;

		if (step > STREAM_SIZE - done)
			step = STREAM_SIZE - done;
		fill(buffer, step, done, (uint32_t)fd);
		sent = write(fd, buffer, step);
		check(sent > 0, "write");
		done += (size_t)sent;
	}
	shutdown(fd, SHUT_WR);
	free(buffer);
	return NULL;
}

static void *check_stream(void *argument)
{
	int fd = (int)(intptr_t)argument;
	unsigned char *got = malloc(STEP_MAX), *wanted = malloc(STEP_MAX);
	uint32_t state = (uint32_t)fd + 5;
	size_t done = 0;
	ssize_t part;

	while ((part = read(fd, got, next(&state) % STEP_MAX + 1)) > 0) {
		fill(wanted, (size_t)part, done, (uint32_t)fd);
		check(!memcmp(got, wanted, (size_t)part), "other bytes came back");
		done += (size_t)part;
	}
	check(done == STREAM_SIZE, "the stream is short");
	free(got);
	free(wanted);
	return NULL;
}

static void streams(void)
{
	pthread_t threads[STREAMS * 3];
	int to = listen_here(STREAMS), fds[STREAMS], count = 0;

	for (int i = 0; i < STREAMS; i++) {
		fds[i] = connect_there();
		pthread_create(&threads[count++], NULL, echo,
		               (void *)(intptr_t)accept(to, NULL, NULL));
		pthread_create(&threads[count++], NULL, send_stream, (void *)(intptr_t)fds[i]);
		pthread_create(&threads[count++], NULL, check_stream, (void *)(intptr_t)fds[i]);
	}
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < STREAMS; i++)
		close(fds[i]);
	close(to);
	printf("%d streams\n", STREAMS);
}

/* ---- churn: connections come and go, in all orders of closing ---- */

static void churn(void)
{
	int to = listen_here(50);
	char byte;

	for (int i = 0; i < 4000; i++) {
		int fd = connect_there(), got = accept(to, NULL, NULL);
		struct linger linger = {1, 0};

		check(got >= 0, "accept");
		check(write(fd, "a", 1) == 1, "write");
		if (i % 3)
			check(read(got, &byte, 1) == 1, "read");
		if (i % 5 == 4)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
		if (i % 7 == 6)
			shutdown(got, SHUT_RDWR);
		close(i % 2 ? fd : got);
		close(i % 2 ? got : fd);
	}
	close(to);
	printf("4000 connections\n");
}

/* ---- many: a lot of connections that are open, all alive ---- */

static void many(void)
{
	enum { COUNT = 400 };
	static int fds[COUNT], got[COUNT];
	int to = listen_here(COUNT), set = epoll_create1(0), told = 0;
	struct epoll_event event = {.events = EPOLLIN | EPOLLET}, events[64];

	for (int i = 0; i < COUNT; i++)
		fds[i] = connect_there();
	for (int i = 0; i < COUNT; i++) {
		got[i] = accept(to, NULL, NULL);
		event.data.fd = i;
		epoll_ctl(set, EPOLL_CTL_ADD, got[i], &event);
	}
	for (int i = 0; i < COUNT; i++)
		check(write(fds[i], &i, sizeof i) == sizeof i, "write");
	while (told < COUNT) {
		int ready = epoll_wait(set, events, 64, 2000), number;

		check(ready > 0, "epoll_wait");
		for (int i = 0; i < ready; i++) {
			check(read(got[events[i].data.fd], &number, sizeof number) == sizeof number,
			      "read");
			told++;
		}
	}
	printf("%d connections\n", COUNT);
}

/* ---- full: nobody reads; memory is bounded, and what was sent is all there ---- */

static void full(void)
{
	enum { COUNT = 100 };
	static char buffer[65536];
	static size_t sent[COUNT];
	static int fds[COUNT], got[COUNT];
	int to = listen_here(COUNT);
	char *more;

	for (int i = 0; i < COUNT; i++) {
		ssize_t part;

		fds[i] = connect_there();
		got[i] = accept(to, NULL, NULL);
		fcntl(fds[i], F_SETFL, O_NONBLOCK);
		fcntl(got[i], F_SETFL, O_NONBLOCK);
		while ((part = write(fds[i], buffer, sizeof buffer)) > 0)
			sent[i] += (size_t)part;
		check(errno == EAGAIN || errno == ENOBUFS, "write");
	}
	more = malloc(8 << 20);
	memset(more, 1, 8 << 20);
	for (int rounds = 0, left = COUNT; left; rounds++) {
		left = 0;
		for (int i = 0; i < COUNT; i++) {
			ssize_t part;

			while ((part = read(got[i], buffer, sizeof buffer)) > 0)
				sent[i] -= (size_t)part;
			left += sent[i] > 0;
		}
		check(rounds < 1000, "bytes are lost");
		if (left)
			usleep(10000);
	}
	free(more);
	printf("%d full connections\n", COUNT);
}

/* ---- tiny: segments of one byte that nobody reads for a while ---- */

static void tiny(void)
{
	int to = listen_here(1), fd = connect_there(), got = accept(to, NULL, NULL), on = 1;
	static char buffer[1 << 20];
	size_t sent = 0, done = 0;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (sent < 200000 && write(fd, "x", 1) == 1)
		sent++;
	while (done < sent) {
		ssize_t part = read(got, buffer, sizeof buffer);

		check(part > 0, "read");
		done += (size_t)part;
	}
	printf("tiny segments\n");
}

/* ---- small: buffers that are smaller than a segment; what is lost costs 300 ms ---- */

static void *drain(void *argument)
{
	static char buffer[65536];

	while (read((int)(intptr_t)argument, buffer, sizeof buffer) > 0)
		;
	return NULL;
}

static void small(void)
{
	static char buffer[300000];
	int to = listen_here(1), size = 4096;
	time_t begin = time(NULL);

	setsockopt(to, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	for (int i = 0; i < 20; i++) {
		int fd = connect_there(), got = accept(to, NULL, NULL);
		pthread_t thread;

		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
		pthread_create(&thread, NULL, drain, (void *)(intptr_t)got);
		check(write(fd, buffer, sizeof buffer) == sizeof buffer, "write");
		close(fd);
		pthread_join(thread, NULL);
		close(got);
	}
	check(time(NULL) - begin < 5, "it took too long");
	printf("small buffers\n");
}

/* ---- idle: a listener and a connection, and nothing to do ---- */

static void idle(void)
{
	int to = listen_here(1), fd = connect_there(), got = accept(to, NULL, NULL);
	struct pollfd entries[] = {{to, POLLIN, 0}, {fd, POLLIN, 0}, {got, POLLIN, 0}};
	char byte;

	check(write(fd, "a", 1) == 1 && read(got, &byte, 1) == 1, "byte");
	printf("%d ready\n", poll(entries, 3, 2500));
}

/* ---- speed: for people ---- */

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void *send_much(void *argument)
{
	static char buffer[1 << 20];
	int fd = connect_there();

	(void)argument;
	for (int i = 0; i < 512; i++)
		for (size_t done = 0; done < sizeof buffer;) {
			ssize_t part = write(fd, buffer + done, sizeof buffer - done);

			check(part > 0, "write");
			done += (size_t)part;
		}
	close(fd);
	return NULL;
}

static void speed(void)
{
	static char buffer[1 << 20];
	int to = listen_here(5), fd, got, count = 20000;
	double begin = now(), total = 0;
	pthread_t thread;
	ssize_t part;

	pthread_create(&thread, NULL, send_much, NULL);
	got = accept(to, NULL, NULL);
	while ((part = read(got, buffer, sizeof buffer)) > 0)
		total += (double)part;
	printf("%.1f Gbit/s\n", total * 8e-9 / (now() - begin));
	pthread_join(thread, NULL);
	fd = connect_there();
	got = accept(to, NULL, NULL);
	begin = now();
	for (int i = 0; i < count; i++)
		check(write(fd, "a", 1) == 1 && read(got, buffer, 1) == 1 &&
		              write(got, "a", 1) == 1 && read(fd, buffer, 1) == 1,
		      "byte");
	printf("%.2f us a round trip\n", (now() - begin) / count * 1e6);
}

int main(int count, char **arguments)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} parts[] = {{"streams", streams}, {"churn", churn}, {"many", many}, {"full", full},
	             {"tiny", tiny},       {"small", small}, {"idle", idle}, {"speed", speed}};

	if (count > 2 && !strcmp(arguments[2], "6"))
		family = AF_INET6;
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (count > 1 && !strcmp(arguments[1], parts[i].name)) {
			parts[i].run();
			return 0;
		}
	fprintf(stderr, "usage: inet PART [6]\n");
	return 2;
}
