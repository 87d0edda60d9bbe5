/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How requests reach a function and answers leave it: what lies in the buffers of the call
 * MOTE_CALL_SERVE, in the guest and between `mote serve` and the processes that run VMs. Numbers
 * are little-endian. Each side checks what the other wrote. docs/functions.md
 */
#ifndef MOTE_FUNCTION_WIRE_H
#define MOTE_FUNCTION_WIRE_H

#include <stdint.h>

/* Bytes of a buffer; longer bodies go in pieces. */
#define MOTE_FUNCTION_BUFFER 0x10000u

/* Body whose length is not known at its beginning. */
#define MOTE_FUNCTION_STREAM UINT64_MAX

/*
 * A request: this, then `strings` bytes of strings, each with its NUL: method, path with query, and
 * name and value of each header; then the body, or its first `body` bytes.
 */
struct mote_function_request {
	uint32_t strings;
	uint32_t header_count;
	uint32_t body;
	uint32_t reserved;
	uint64_t body_size; /* of the whole body */
	uint64_t deadline;  /* ns from now that the answer may take; 0: no limit */
};

/* An answer: this, then `strings` bytes of names and values of headers, then the body as above. */
struct mote_function_answer {
	uint32_t strings;
	uint32_t header_count;
	uint32_t body;
	uint32_t status; /* of HTTP, 200 to 599 */
	uint64_t body_size;
};

/* Argument of MOTE_CALL_SERVE. */
struct mote_function_call {
	uint64_t operation; /* enum mote_function_operation */
	uint64_t from;      /* address of what is given */
	uint64_t from_size; /* bytes, at most MOTE_FUNCTION_BUFFER */
	uint64_t to;        /* address of a buffer of MOTE_FUNCTION_BUFFER bytes, or 0 */
};

enum mote_function_operation {
	/* Give the answer, or its last piece (nothing at the first call), and take the next
	 * request. The function starts anew for it: what this call returns to is the first one. */
	MOTE_FUNCTION_NEXT,
	/* Give an answer that goes on, or a piece of one. Returns 0. */
	MOTE_FUNCTION_MORE,
	/* Take the next piece of the request's body. Returns its bytes; 0: there are no more. */
	MOTE_FUNCTION_BODY,
};

#endif
