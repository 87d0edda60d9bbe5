/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions: programs that answer HTTP requests, each in a pristine microVM (docs/functions.md).
 *
 *	static void hello(struct mote_request *request)
 *	{
 *		mote_print(request, "Hello, %s!\n", mote_path(request));
 *	}
 *
 *	int main(void)
 *	{
 *		load_everything();	// once, before the snapshot
 *		return mote_serve(hello);
 *	}
 *
 * Outside of `mote serve` the same program is a small HTTP server on port $PORT (8080), one request
 * at a time, for debugging; there it is not pristine. Header only: include it in one file.
 */
#ifndef MOTE_FUNCTION_H
#define MOTE_FUNCTION_H

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "mote/function_wire.h"
#include "mote/guest.h"

struct mote_request {
	const struct mote_function_request *head; /* and all behind it: in `taken` */
	uint64_t body_left;                       /* of the body, not taken yet */
	int client;                               /* the debugging server's; -1 under mote serve */

	struct mote_function_answer *answer; /* grows in `given` */
	uint32_t strings_room;
	int has_begun; /* a piece has been given */
	int has_failed;
};

typedef void mote_handler(struct mote_request *request);

/* One page of each is used by a short request: they begin page-aligned. */
static __attribute__((aligned(4096))) unsigned char mote_taken[MOTE_FUNCTION_BUFFER];
static __attribute__((aligned(4096))) unsigned char mote_given[MOTE_FUNCTION_BUFFER];

/* ---- what was asked ---- */

static inline const char *mote_method(const struct mote_request *request)
{
	return (const char *)(request->head + 1);
}

/* With its query, as the client sent it. */
static inline const char *mote_path(const struct mote_request *request)
{
	const char *method = mote_method(request);

	return method + strlen(method) + 1;
}

/* The value of a header, NULL where it was not sent. */
static inline const char *mote_header(const struct mote_request *request, const char *name)
{
	const char *at = mote_path(request);
	uint32_t i;

	at += strlen(at) + 1;
	for (i = 0; i < request->head->header_count; i++) {
		const char *value = at + strlen(at) + 1;

		if (!strcasecmp(at, name))
			return value;
		at = value + strlen(value) + 1;
	}
	return NULL;
}

/* Bytes of the whole body; MOTE_FUNCTION_STREAM where the client does not say. */
static inline uint64_t mote_body_size(const struct mote_request *request)
{
	return request->head->body_size;
}

/* The body as far as it came with the request: all of it, if it is shorter than 60,000 bytes. */
static inline const void *mote_body(const struct mote_request *request, size_t *size)
{
	*size = request->head->body;
	return (const char *)(request->head + 1) + request->head->strings;
}

/* ns that the answer may take from the request's arrival; 0: no limit. */
static inline uint64_t mote_deadline(const struct mote_request *request)
{
	return request->head->deadline;
}

/* ---- giving and taking ---- */

/*
 * One place in the program: the call that the snapshot is taken in is the one that gives the
 * answers, and what traps before a snapshot does not trap after it.
 */
#if defined __GNUC__ && !defined __clang__
#define MOTE_ONE_PLACE __attribute__((unused, noipa))
#else
#define MOTE_ONE_PLACE __attribute__((unused, noinline))
#endif

static MOTE_ONE_PLACE long mote_function_call(enum mote_function_operation operation,
                                              const void *from, size_t size, void *to)
{
	struct mote_function_call call = {(uint64_t)operation, (uint64_t)from, size, (uint64_t)to};

	return mote_call(MOTE_CALL_SERVE, &call, 0);
}

#include "mote/function_server.h"

/* Give what has gathered; what follows is body alone. */
static inline void mote_flush_answer(struct mote_request *request)
{
	unsigned char *from = mote_given;
	size_t size = sizeof *request->answer + request->answer->strings + request->answer->body;

	if (request->has_begun) {
		from += sizeof *request->answer;
		size -= sizeof *request->answer;
	}
	if (request->client >= 0)
		request->has_failed |= mote_server_give(request, from, size);
	else if (mote_function_call(MOTE_FUNCTION_MORE, from, size, NULL) < 0)
		request->has_failed = 1;
	request->has_begun = 1;
	request->answer->strings = request->answer->body = 0;
}

/**
 * mote_status() - Set the answer's status; 200 without.
 * mote_set_header() - Add a header to it; both before any of the body.
 *
 * Return: 0; -1 where the body has begun, there is no more room, or the text cannot be a header.
 */
static inline int mote_status(struct mote_request *request, unsigned status)
{
	if (request->has_begun || status < 200 || status > 599)
		return -1;
	request->answer->status = status;
	return 0;
}

static inline int mote_set_header(struct mote_request *request, const char *name, const char *value)
{
	struct mote_function_answer *answer = request->answer;
	size_t name_size = strlen(name) + 1, value_size = strlen(value) + 1;
	unsigned char *at = mote_given + sizeof *answer + answer->strings;

	if (request->has_begun || answer->body || !*name || strpbrk(name, ":\r\n ") ||
	    strpbrk(value, "\r\n") || answer->strings + name_size + value_size > 0x8000)
		return -1;
	memcpy(at, name, name_size);
	memcpy(at + name_size, value, value_size);
	answer->strings += (uint32_t)(name_size + value_size);
	answer->header_count++;
	return 0;
}

/**
 * mote_write() - Add bytes to the answer's body.
 *
 * An answer that does not fit the buffer is sent in pieces, as it is made.
 */
static inline int mote_write(struct mote_request *request, const void *bytes, size_t size)
{
	struct mote_function_answer *answer = request->answer;
	const unsigned char *from = (const unsigned char *)bytes;

	while (size && !request->has_failed) {
		size_t used = sizeof *answer + answer->strings + answer->body;
		size_t part = sizeof mote_given - used;

		if (!part) {
			answer->body_size = MOTE_FUNCTION_STREAM;
			mote_flush_answer(request);
			continue;
		}
		part = part < size ? part : size;
		memcpy(mote_given + used, from, part);
		answer->body += (uint32_t)part;
		from += part;
		size -= part;
	}
	return request->has_failed ? -1 : 0;
}

/* The same by a format; at most 4,095 bytes a call. */
__attribute__((format(printf, 2, 3))) static inline int mote_print(struct mote_request *request,
                                                                   const char *format, ...)
{
	char text[4096];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (length < 0 || length >= (int)sizeof text)
		return -1;
	return mote_write(request, text, (size_t)length);
}

/* Send what has been written so far, the headers as well: for answers that take their time. */
static inline int mote_flush(struct mote_request *request)
{
	if (!request->has_begun || request->answer->body) {
		request->answer->body_size = MOTE_FUNCTION_STREAM;
		mote_flush_answer(request);
	}
	return request->has_failed ? -1 : 0;
}

/**
 * mote_read_body() - Take more of a body that did not come whole with the request.
 * @buffer: of MOTE_FUNCTION_BUFFER bytes
 *
 * Return: bytes; 0 at its end, -1 where the client is gone.
 */
static inline long mote_read_body(struct mote_request *request, void *buffer)
{
	if (request->client >= 0)
		return mote_server_read_body(request, buffer, MOTE_FUNCTION_BUFFER);
	return mote_function_call(MOTE_FUNCTION_BODY, NULL, 0, buffer);
}

/* ---- the loop ---- */

static inline void mote_begin_answer(struct mote_request *request, int client)
{
	memset(request, 0, sizeof *request);
	request->head = (const struct mote_function_request *)mote_taken;
	request->body_left = request->head->body_size - request->head->body;
	request->client = client;
	request->answer = (struct mote_function_answer *)mote_given;
	memset(request->answer, 0, sizeof *request->answer);
	request->answer->status = 200;
}

/* All that is left of the answer: its address and size. */
static inline unsigned char *mote_end_answer(struct mote_request *request, size_t *size)
{
	struct mote_function_answer *answer = request->answer;

	if (request->has_begun) {
		*size = answer->body;
		return mote_given + sizeof *answer;
	}
	answer->body_size = answer->body;
	*size = sizeof *answer + answer->strings + answer->body;
	return mote_given;
}

/**
 * mote_serve() - Answer requests by a function; the snapshot is taken here.
 *
 * Under `mote serve` the handler runs once: for each request the program starts from the snapshot
 * again. Return: 0, or 1 where there is nothing to serve (what is wrong has been printed).
 */
static inline int mote_serve(mote_handler *handler)
{
	struct mote_request request;
	size_t size = 0;
	unsigned char *from = NULL;
	long taken;

	while ((taken = mote_function_call(MOTE_FUNCTION_NEXT, from, size, mote_taken)) > 0) {
		mote_begin_answer(&request, -1);
		handler(&request);
		from = mote_end_answer(&request, &size);
	}
	return mote_serve_http(handler);
}

#endif
