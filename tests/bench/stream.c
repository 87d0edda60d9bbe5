/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One TCP stream, and how fast it is.
 *
 * usage: stream serve                     on port 7, connection after connection
 *        stream to|from ADDRESS SECONDS   prints Mbit/s
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char buffer[1 << 18];

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The first byte says in which direction: 't' to us, 'f' from us. */
static void serve_one(int fd)
{
	char direction;

	if (read(fd, &direction, 1) != 1)
		return;
	if (direction == 't')
		while (read(fd, buffer, sizeof buffer) > 0)
			;
	else
		while (write(fd, buffer, sizeof buffer) > 0)
			;
}

static int serve(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(7)};
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1, fd;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&any, sizeof any) || listen(listener, 1)) {
		perror("stream");
		return 1;
	}
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		serve_one(fd);
		close(fd);
	}
	return 1;
}

static int measure(const char *direction, const char *address, double seconds)
{
	struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(7)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	double start, passed, bytes = 0;

	if (inet_pton(AF_INET, address, &server.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&server, sizeof server) ||
	    write(fd, direction, 1) != 1) {
		perror(address);
		return 1;
	}
	start = now();
	while ((passed = now() - start) < seconds) {
		ssize_t moved = *direction == 't' ? write(fd, buffer, sizeof buffer)
		                                  : read(fd, buffer, sizeof buffer);

		if (moved <= 0) {
			perror(address);
			return 1;
		}
		bytes += (double)moved;
	}
	printf("%.0f\n", bytes * 8 / passed / 1e6);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 2 && !strcmp(argv[1], "serve"))
		return serve();
	if (argc == 4)
		return measure(argv[1], argv[2], atof(argv[3]));
	fprintf(stderr, "usage: stream serve | stream to|from ADDRESS SECONDS\n");
	return 2;
}
