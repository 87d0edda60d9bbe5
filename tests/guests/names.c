/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks names up, with the C library's own resolver.
 *
 *     names serve                       asks a name server of its own, a thread on 127.0.0.1
 *     names lookup SERVER NAME          asks another one
 *     names fetch SERVER NAME PORT      the same, and reads what a server there has to say (HTTP)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER    12
#define TYPE_A    1
#define TYPE_AAAA 28
#define NO_NAME   3

/* ---- a name server ---- */

static int has_name(const unsigned char *question, const char *name)
{
	char text[256] = "";

	for (unsigned used = 0; *question && used + *question + 1 < sizeof text;
	     question += *question + 1u) {
		used += (unsigned)snprintf(text + used, sizeof text - used, "%s%.*s",
		                           used ? "." : "", *question, (const char *)question + 1);
	}
	return !strcmp(text, name);
}

/* Append an answer for the name of the question: returns its length. */
static size_t put_answer(unsigned char *to, unsigned type, const char *text)
{
	unsigned char address[16];
	size_t size = type == TYPE_A ? 4 : 16;
	const unsigned char head[] = {0xc0, HEADER, 0, (unsigned char)type, 0, 1, 0, 0,
	                              0,    60,     0, (unsigned char)size};

	inet_pton(type == TYPE_A ? AF_INET : AF_INET6, text, address);
	memcpy(to, head, sizeof head);
	memcpy(to + sizeof head, address, size);
	return sizeof head + size;
}

/* Turn a query into its reply; returns the length. */
static size_t reply(unsigned char *message, size_t length)
{
	const unsigned char *question = message + HEADER;
	size_t end = HEADER;
	unsigned type, answers = 0, code = 0;

	while (end < length && message[end])
		end += message[end] + 1u;
	end += 5; /* the root label, type and class */
	type = message[end - 3];
	length = end;
	if (has_name(question, "mote.test")) {
		if (type == TYPE_A || type == TYPE_AAAA) {
			length += put_answer(message + length, type,
			                     type == TYPE_A ? "192.0.2.7" : "2001:db8::7");
			answers = 1;
		}
	} else if (has_name(question, "four.test")) {
		if (type == TYPE_A) {
			length += put_answer(message + length, type, "192.0.2.44");
			answers = 1;
		}
	} else {
		code = NO_NAME;
	}
	message[2] = 0x85; /* a reply, with authority */
	message[3] = (unsigned char)(0x80 | code);
	memset(message + 6, 0, 6);
	message[7] = (unsigned char)answers;
	return length;
}

static void *serve(void *argument)
{
	int fd = *(int *)argument;

	for (;;) {
		unsigned char message[2048];
		struct sockaddr_in from;
		socklen_t from_length = sizeof from;
		ssize_t length =
		        recvfrom(fd, message, 512, 0, (struct sockaddr *)&from, &from_length);

		if (length > HEADER)
			sendto(fd, message, reply(message, (size_t)length), 0,
			       (struct sockaddr *)&from, from_length);
	}
	return NULL;
}

static void start_server(void)
{
	static int fd;
	struct sockaddr_in at = {.sin_family = AF_INET,
	                         .sin_port = htons(53),
	                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	pthread_t thread;

	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (bind(fd, (struct sockaddr *)&at, sizeof at)) {
		perror("bind");
		exit(1);
	}
	pthread_create(&thread, NULL, serve, &fd);
}

/* ---- lookups ---- */

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void lookup(const char *name, int family)
{
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	char texts[8][64];
	size_t count = 0;
	int result = getaddrinfo(name, NULL, &hints, &found);

	printf("%s:", name);
	if (result)
		printf(" %s", result == EAI_NONAME   ? "no such name"
		              : result == EAI_AGAIN  ? "no answer"
		              : result == EAI_SYSTEM ? strerror(errno)
		                                     : gai_strerror(result));
	for (struct addrinfo *at = found; at && count < 8; at = at->ai_next)
		getnameinfo(at->ai_addr, at->ai_addrlen, texts[count++], 64, NULL, 0,
		            NI_NUMERICHOST);
	qsort(texts, count, sizeof texts[0], compare);
	for (size_t i = 0; i < count; i++)
		printf(" %s", texts[i]);
	printf("\n");
	if (found)
		freeaddrinfo(found);
}

static void use_server(const char *address)
{
	FILE *file = fopen("/etc/resolv.conf", "w");

	if (!file || fprintf(file, "nameserver %s\n", address) < 0 || fclose(file)) {
		perror("/etc/resolv.conf");
		exit(1);
	}
}

static int fetch(const char *name, const char *port)
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
	char buffer[4096];
	ssize_t length;
	int fd;

	if (getaddrinfo(name, port, &hints, &found))
		return 1;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, found->ai_addr, found->ai_addrlen)) {
		perror("connect");
		return 1;
	}
	snprintf(buffer, sizeof buffer, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", name);
	if (write(fd, buffer, strlen(buffer)) < 0)
		return 1;
	while ((length = read(fd, buffer, sizeof buffer)) > 0)
		fwrite(buffer, 1, (size_t)length, stdout);
	return length < 0;
}

int main(int count, char **arguments)
{
	if (count == 2 && !strcmp(arguments[1], "serve")) {
		start_server();
		lookup("mote.test", AF_UNSPEC);
		lookup("mote.test", AF_INET6);
		lookup("four.test", AF_UNSPEC);
		lookup("missing.test", AF_UNSPEC);
		lookup("localhost", AF_INET);
		return 0;
	}
	if (count == 4 && !strcmp(arguments[1], "lookup")) {
		use_server(arguments[2]);
		lookup(arguments[3], AF_UNSPEC);
		return 0;
	}
	if (count == 5 && !strcmp(arguments[1], "fetch")) {
		use_server(arguments[2]);
		return fetch(arguments[3], arguments[4]);
	}
	return 2;
}
