/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server for the tests of networks, on TCP port 7, in ways that differ in when it waits:
 *   echo     sends back what comes, connection after connection
 *   compute  answers, and then computes for a second without a system call
 *   poll     looks again and again, without ever sleeping
 *   late     answers after 0.3 s, by 1000 bytes
 *   source   sends without end once it has got a byte
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char buffer[65536];

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int listen_on_7(void)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(7)};

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (listener < 0 || bind(listener, (struct sockaddr *)&any, sizeof any) ||
	    listen(listener, 8)) {
		perror("net");
		return -1;
	}
	return listener;
}

static void echo(int fd)
{
	ssize_t got;

	while ((got = read(fd, buffer, sizeof buffer)) > 0)
		if (write(fd, buffer, (size_t)got) != got)
			break;
}

/* The clock is read without an exit, and without a system call. */
static void compute(int fd)
{
	double start;

	while (read(fd, buffer, 1) == 1) {
		if (write(fd, buffer, 1) != 1)
			break;
		for (start = now(); now() - start < 1;)
			;
	}
}

static void poll_for_it(int fd)
{
	for (;;) {
		ssize_t got = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);

		if (got < 0 && errno == EAGAIN)
			continue;
		if (got <= 0 || write(fd, buffer, (size_t)got) != got)
			break;
	}
}

static void answer_late(int fd)
{
	while (read(fd, buffer, 1) == 1) {
		usleep(300000);
		if (write(fd, buffer, 1000) != 1000)
			break;
	}
}

static void source(int fd)
{
	if (read(fd, buffer, 1) != 1)
		return;
	while (write(fd, buffer, sizeof buffer) > 0)
		;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*serve)(int fd);
	} modes[] = {{"echo", echo},
	             {"compute", compute},
	             {"poll", poll_for_it},
	             {"late", answer_late},
	             {"source", source}};
	int listener = listen_on_7(), fd;

	if (argc != 2 || listener < 0)
		return 2;
	printf("ready\n");
	fflush(stdout);
	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
		while (!strcmp(argv[1], modes[i].name) &&
		       (fd = accept(listener, NULL, NULL)) >= 0) {
			modes[i].serve(fd);
			close(fd);
		}
	return 2;
}
