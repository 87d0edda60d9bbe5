/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The debugging server of mote/function.h, which includes this: HTTP/1.1 without keep-alive, one
 * request at a time. `mote serve` is the server for everything else.
 */
#ifndef MOTE_FUNCTION_SERVER_H
#define MOTE_FUNCTION_SERVER_H

#include <netinet/in.h>
#include <signal.h>
#include <strings.h>
#include <sys/socket.h>

#define MOTE_SERVER_HEAD 0x6000 /* bytes of a request's head, at most */

static inline int mote_server_send(int client, const void *bytes, size_t size)
{
	const char *at = (const char *)bytes;

	while (size) {
		ssize_t sent = send(client, at, size, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return -1;
		at += sent;
		size -= (size_t)sent;
	}
	return 0;
}

/* The status line and the headers of the answer in mote_given. */
static inline int mote_server_send_head(const struct mote_request *request)
{
	const struct mote_function_answer *answer = request->answer;
	const char *at = (const char *)(answer + 1);
	char line[128];
	uint32_t i;
	int status;

	snprintf(line, sizeof line, "HTTP/1.1 %u -\r\nConnection: close\r\n", answer->status);
	status = mote_server_send(request->client, line, strlen(line));
	for (i = 0; !status && i < answer->header_count; i++) {
		const char *value = at + strlen(at) + 1;

		status = mote_server_send(request->client, at, strlen(at)) ||
		         mote_server_send(request->client, ": ", 2) ||
		         mote_server_send(request->client, value, strlen(value)) ||
		         mote_server_send(request->client, "\r\n", 2);
		at = value + strlen(value) + 1;
	}
	snprintf(line, sizeof line, "Content-Length: %llu\r\n\r\n",
	         (unsigned long long)answer->body_size);
	if (answer->body_size == MOTE_FUNCTION_STREAM)
		strcpy(line, "\r\n"); /* it ends where the connection does */
	return status || mote_server_send(request->client, line, strlen(line)) ? -1 : 0;
}

/* A piece of the answer as mote_flush_answer() has it. */
static inline int mote_server_give(struct mote_request *request, const unsigned char *from,
                                   size_t size)
{
	if (!request->has_begun) {
		size_t head = sizeof *request->answer + request->answer->strings;

		if (mote_server_send_head(request))
			return -1;
		from += head;
		size -= head;
	}
	return mote_server_send(request->client, from, size);
}

static inline long mote_server_read_body(struct mote_request *request, void *buffer, size_t size)
{
	ssize_t got;

	if (size > request->body_left)
		size = (size_t)request->body_left;
	if (!size)
		return 0;
	got = recv(request->client, buffer, size, 0);
	if (got <= 0)
		return -1;
	request->body_left -= (uint64_t)got;
	return got;
}

/* Append a string with its NUL to the strings of the request that is being made. */
static inline void mote_server_add(struct mote_function_request *head, const char *text,
                                   size_t length)
{
	char *at = (char *)(head + 1) + head->strings;

	memcpy(at, text, length);
	at[length] = '\0';
	head->strings += (uint32_t)length + 1;
}

/* "METHOD PATH VERSION" and "Name: value" lines. Return: 0, or -1 where it is no request. */
static inline int mote_server_parse(char *text, struct mote_function_request *head)
{
	char *line = strtok(text, "\r\n"), *space = line ? strchr(line, ' ') : NULL;
	char *end = space ? strchr(space + 1, ' ') : NULL;

	memset(head, 0, sizeof *head);
	if (!end || strncmp(end + 1, "HTTP/1.", 7))
		return -1;
	mote_server_add(head, line, (size_t)(space - line));
	mote_server_add(head, space + 1, (size_t)(end - space - 1));
	while ((line = strtok(NULL, "\r\n")) != NULL) {
		char *colon = strchr(line, ':');
		const char *value;

		if (!colon)
			return -1;
		value = colon + 1 + strspn(colon + 1, " \t");
		mote_server_add(head, line, (size_t)(colon - line));
		mote_server_add(head, value, strlen(value));
		head->header_count++;
		if (!strncasecmp(line, "Content-Length:", 15))
			head->body_size = strtoull(value, NULL, 10);
	}
	return 0;
}

/* Read a request into mote_taken. Return: 0, or -1. */
static inline int mote_server_take(int client)
{
	static char text[MOTE_SERVER_HEAD + 1];
	struct mote_function_request *head = (struct mote_function_request *)mote_taken;
	size_t length = 0, body, room;
	char *end;

	do {
		ssize_t got = recv(client, text + length, MOTE_SERVER_HEAD - length, 0);

		if (got <= 0)
			return -1;
		length += (size_t)got;
		text[length] = '\0';
		end = strstr(text, "\r\n\r\n");
	} while (!end && length < MOTE_SERVER_HEAD);
	if (!end)
		return -1;
	*end = '\0';
	end += 4;
	body = (size_t)(text + length - end);
	if (mote_server_parse(text, head))
		return -1;
	if (body > head->body_size)
		body = (size_t)head->body_size;
	memcpy((char *)(head + 1) + head->strings, end, body);
	head->body = (uint32_t)body;
	/* As much of the rest as there is room for, as mote serve does. */
	room = sizeof mote_taken - sizeof *head - head->strings - body;
	while (room && head->body < head->body_size) {
		uint64_t left = head->body_size - head->body;
		ssize_t got = recv(client, (char *)(head + 1) + head->strings + head->body,
		                   left < room ? (size_t)left : room, 0);

		if (got <= 0)
			return -1;
		head->body += (uint32_t)got;
		room -= (size_t)got;
	}
	return 0;
}

static inline void mote_begin_answer(struct mote_request *request, int client);
static inline unsigned char *mote_end_answer(struct mote_request *request, size_t *size);

static inline int mote_serve_http(mote_handler *handler)
{
	const char *port = getenv("PORT");
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_port = htons((uint16_t)(port ? atoi(port) : 8080))};
	int listener = socket(AF_INET, SOCK_STREAM, 0), client, one = 1;

	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) ||
	    bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16)) {
		perror("cannot serve: start this program by `mote serve`, or give it a network");
		return 1;
	}
	fprintf(stderr, "serving on port %u, without isolation\n", ntohs(address.sin_port));
	while ((client = accept(listener, NULL, NULL)) >= 0) {
		static const char bad[] = "HTTP/1.1 400 -\r\nConnection: close\r\n\r\n";
		struct mote_request request;
		unsigned char *from;
		size_t size;

		if (mote_server_take(client)) {
			mote_server_send(client, bad, sizeof bad - 1);
		} else {
			mote_begin_answer(&request, client);
			handler(&request);
			from = mote_end_answer(&request, &size);
			mote_server_give(&request, from, size);
		}
		close(client);
	}
	return 1;
}

#endif
