/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what a function answers: hostile bytes (mote/function_wire.h). */
#ifndef MOTE_SERVE_ANSWER_H
#define MOTE_SERVE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mote/mote.h"

#define ANSWER_HEADERS_MAX 64

/* Strings point into the bytes that were read. */
struct answer {
	unsigned status;
	struct mote_header headers[ANSWER_HEADERS_MAX];
	unsigned header_count;
	uint64_t body_size; /* as announced; MOTE_FUNCTION_STREAM: it was not */
	const unsigned char *body;
	size_t body_here; /* bytes of it that came with the head */
};

/* What has come of an answer is one piece, whose head may have been written before its end: put
 * the lengths in it right. */
void answer_settle(unsigned char *bytes, size_t size, bool is_all);

/**
 * answer_read() - Read the first piece of an answer.
 * @answer: filled; points into @bytes
 * @is_all: no other piece follows
 *
 * Names and values of headers are fit to be sent: no line breaks, no other controls. Headers that
 * are the server's to set (Connection, Content-Length, Transfer-Encoding, Date) are left out.
 *
 * Return: NULL, or what is wrong with it.
 */
const char *answer_read(struct answer *answer, const unsigned char *bytes, size_t size,
                        bool is_all);

/**
 * answer_read_text() - The same of an answer in HTTP/1.0 text, as servers write it.
 * @bytes: changed: strings get their ends
 * @has_body: false, of a HEAD request: it may have a length without a body
 */
const char *answer_read_text(struct answer *answer, unsigned char *bytes, size_t size, bool is_all,
                             bool has_body);

/* Whether such an answer has come as far as the end of its headers. */
bool answer_has_text_head(const unsigned char *bytes, size_t size);

#endif
