/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a request together for a function or, as HTTP text, for a program that serves a port. */
#include "serve/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mote/function_wire.h"

int bytes_add(struct bytes *bytes, const void *from, size_t size)
{
	if (size > bytes->room - bytes->size) {
		size_t room = bytes->room ? 2 * bytes->room : 2048;
		unsigned char *at;

		while (room - bytes->size < size)
			room *= 2;
		at = realloc(bytes->at, room);
		if (!at)
			return -1;
		bytes->at = at;
		bytes->room = room;
	}
	if (size)
		memcpy(bytes->at + bytes->size, from, size);
	bytes->size += size;
	return 0;
}

/* ---- for functions ---- */

static int add_string(struct bytes *request, const char *text)
{
	return bytes_add(request, text, strlen(text) + 1);
}

static struct mote_function_request *head_of(const struct bytes *request)
{
	return (struct mote_function_request *)(void *)request->at;
}

/* ---- text, for programs that serve a port ---- */

/* Put in when the body is there; as many digits as a size can have (RFC 9110, 8.6: leading zeros
 * are digits as others). */
#define LENGTH_FIELD "Content-Length: "
#define LENGTH_ZEROS "00000000000000000000"
#define LENGTH_END   "\r\nConnection: close\r\n\r\n"

static int add_text(struct bytes *request, const char *text)
{
	return bytes_add(request, text, strlen(text));
}

/* Those that speak of the connection are not passed on, and the length is set anew. */
static bool is_of_connection(const char *name)
{
	static const char *const own[] = {"Connection", "Content-Length", "Transfer-Encoding",
	                                  "Expect",     "Keep-Alive",     "Upgrade"};

	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		if (!strcasecmp(name, own[i]))
			return true;
	return false;
}

static void end_text(struct bytes *request, size_t head_size)
{
	char digits[sizeof LENGTH_ZEROS];
	size_t at = head_size - (sizeof LENGTH_END - 1) - (sizeof LENGTH_ZEROS - 1);

	snprintf(digits, sizeof digits, "%020zu", request->size - head_size);
	memcpy(request->at + at, digits, sizeof digits - 1);
}

/* ---- both ---- */

/* HTTP/1.0: the answer is not chunked, and ends with the connection. */
static int begin_text(struct bytes *request, const char *method, const char *target)
{
	return add_text(request, method) || add_text(request, " ") || add_text(request, target) ||
	                       add_text(request, " HTTP/1.0\r\n")
	               ? -1
	               : 0;
}

int request_begin(struct bytes *request, bool is_text, const char *method, const char *target,
                  uint64_t timeout_ns)
{
	const struct mote_function_request head = {.deadline = timeout_ns};

	if (is_text)
		return begin_text(request, method, target);
	return bytes_add(request, &head, sizeof head) || add_string(request, method) ||
	                       add_string(request, target)
	               ? -1
	               : 0;
}

int request_add_header(struct bytes *request, bool is_text, const char *name, const char *value)
{
	if (is_text)
		return !is_of_connection(name) &&
		                       (add_text(request, name) || add_text(request, ": ") ||
		                        add_text(request, value) || add_text(request, "\r\n"))
		               ? -1
		               : 0;
	if (add_string(request, name) || add_string(request, value))
		return -1;
	head_of(request)->header_count++;
	return 0;
}

int request_end_head(struct bytes *request, bool is_text)
{
	if (is_text)
		return add_text(request, LENGTH_FIELD LENGTH_ZEROS LENGTH_END);
	head_of(request)->strings =
	        (uint32_t)(request->size - sizeof(struct mote_function_request));
	return 0;
}

void request_end(struct bytes *request, bool is_text, size_t head_size)
{
	size_t body = request->size - head_size, room = MOTE_FUNCTION_BUFFER - head_size;

	if (is_text) {
		end_text(request, head_size);
		return;
	}
	head_of(request)->body_size = body;
	head_of(request)->body = (uint32_t)(body < room ? body : room);
}
