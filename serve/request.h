/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts a request together for a function (mote/function_wire.h) or, as HTTP/1.0 text, for a program
 * that serves a port: for mote serve, and for mote_call() of libmote.
 */
#ifndef MOTE_SERVE_REQUEST_H
#define MOTE_SERVE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	unsigned char *at;
	size_t size, room;
};

/* Append: 0, or -1 without memory. */
int bytes_add(struct bytes *bytes, const void *from, size_t size);

/*
 * In this order: begin, headers, end of the head, whose size is that of @request then, bytes of the
 * body, and the end. Strings hold what HTTP allows there; headers that speak of the connection are
 * left out of text. Return: 0, or -1 without memory.
 */
int request_begin(struct bytes *request, bool is_text, const char *method, const char *target,
                  uint64_t timeout_ns);
int request_add_header(struct bytes *request, bool is_text, const char *name, const char *value);
int request_end_head(struct bytes *request, bool is_text);

/* How long the body is goes into the head. */
void request_end(struct bytes *request, bool is_text, size_t head_size);

#endif
