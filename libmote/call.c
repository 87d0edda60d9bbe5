/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request for a function, and its answer (mote/function_wire.h).
 *
 * The request is put together whole; what is longer than the function's buffer is given in pieces,
 * when it asks. Pieces of the answer are gathered. They are hostile: serve/answer.c reads them.
 */
#include <stdlib.h>
#include <string.h>

#include "libmote/boundary.h"
#include "libmote/internal.h"
#include "mote/function_wire.h"
#include "serve/answer.h"
#include "serve/http_field.h"
#include "serve/request.h"

#define ANSWER_MAX_DEFAULT (16u << 20)
#define HEAD_MAX           (MOTE_FUNCTION_BUFFER / 2)

struct call {
	struct bytes request, pieces;
	size_t given; /* of the request */
	size_t answer_max;
	bool is_head; /* of HTTP: the answer has no body */
	bool is_too_large, has_no_memory;
	struct answer answer; /* points into @pieces */
};

void call_free(struct mote_vm *vm)
{
	if (!vm->call)
		return;
	free(vm->call->request.at);
	free(vm->call->pieces.at);
	free(vm->call);
	vm->call = NULL;
}

/* ---- what the caller says ---- */

static int refuse(struct mote_error *err, const char *why)
{
	return mote_error_set(err, MOTE_STATUS_FAILED, "mote_call(): %s", why);
}

/* Of a target: what ends it in a line of HTTP is not in it. */
static bool is_target(const char *text)
{
	if (!*text)
		return false;
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	return true;
}

static int check_headers(const struct mote_call_request *request, struct mote_error *err)
{
	if (request->header_count && !request->headers)
		return boundary_null(err, "mote_call", "headers");
	for (size_t i = 0; i < request->header_count; i++) {
		const struct mote_header *header = &request->headers[i];

		if (!header->name || !header->value)
			return boundary_null(err, "mote_call", "a header");
		if (!http_is_token(header->name))
			return refuse(err, "the name of a header is no token of HTTP");
		if (!http_is_value(header->value))
			return refuse(err, "the value of a header has a control character");
	}
	return 0;
}

static int check_request(const struct mote_call_request *request, struct mote_error *err)
{
	if (!request->method || !request->target)
		return boundary_null(err, "mote_call", request->method ? "target" : "method");
	if (!http_is_token(request->method))
		return refuse(err, "the method is no token of HTTP");
	if (!is_target(request->target))
		return refuse(err, "the target is empty, or has a space or a control character");
	if (request->body_size && !request->body)
		return boundary_null(err, "mote_call", "body");
	for (size_t i = 0; i < sizeof request->reserved / sizeof request->reserved[0]; i++)
		if (request->reserved[i])
			return refuse(err, "a reserved field is not zero");
	return check_headers(request, err);
}

static int add_head(struct bytes *bytes, bool is_text, const struct mote_call_request *request)
{
	if (request_begin(bytes, is_text, request->method, request->target, request->timeout_ns))
		return -1;
	for (size_t i = 0; i < request->header_count && bytes->size <= HEAD_MAX; i++)
		if (request_add_header(bytes, is_text, request->headers[i].name,
		                       request->headers[i].value))
			return -1;
	return request_end_head(bytes, is_text);
}

static int put_together(struct mote_vm *vm, const struct mote_call_request *request,
                        struct mote_error *err)
{
	struct bytes *bytes = &vm->call->request;
	size_t head_size;

	bytes->size = 0;
	vm->call->is_head = !strcmp(request->method, "HEAD");
	if (add_head(bytes, vm->speaks_http, request))
		return refuse(err, "no memory for the request");
	head_size = bytes->size;
	if (head_size > HEAD_MAX)
		return refuse(err, "the request's headers are longer than 32 KiB");
	if (bytes_add(bytes, request->body, request->body_size))
		return refuse(err, "no memory for the request");
	request_end(bytes, vm->speaks_http, head_size);
	return 0;
}

/* ---- what the guest says ---- */

static int take_piece(void *ctx, const void *bytes, size_t size, bool is_last)
{
	struct call *call = ctx;

	(void)is_last;
	call->is_too_large = size > call->answer_max - call->pieces.size;
	call->has_no_memory = !call->is_too_large && bytes_add(&call->pieces, bytes, size);
	return call->is_too_large || call->has_no_memory ? -1 : 0;
}

static ssize_t give_body(void *ctx, void *buffer, size_t size)
{
	struct call *call = ctx;
	size_t left = call->request.size - call->given, part = left < size ? left : size;

	memcpy(buffer, call->request.at + call->given, part);
	call->given += part;
	return (ssize_t)part;
}

/* There is no answer, or not all of it. */
static int tell_failure(const struct call *call, const struct vm_event *event,
                        struct mote_error *err)
{
	if (call->is_too_large)
		return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
		                      "the answer is larger than %zu bytes", call->answer_max);
	if (call->has_no_memory)
		return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for the answer");
	switch (event->kind) {
	case VM_EVENT_CRASHED:
		return mote_error_set(err, MOTE_STATUS_SIGNAL_BASE + event->signal,
		                      "the function crashed by signal %d", event->signal);
	case VM_EVENT_OUT_OF_MEMORY:
		return mote_error_set(err, MOTE_STATUS_OUT_OF_MEMORY,
		                      "the function has used all of its memory");
	case VM_EVENT_TIMEOUT:
		return mote_error_set(err, MOTE_STATUS_TIMEOUT, "the function took too long");
	case VM_EVENT_INTERRUPTED:
		return mote_error_set(err, MOTE_STATUS_INTERRUPTED, "the call was interrupted");
	default:
		return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
		                      "the function ended (status %d) without an answer",
		                      event->status);
	}
}

static int read_answer(struct mote_vm *vm, struct mote_call_answer *answer, struct mote_error *err)
{
	struct call *call = vm->call;
	struct answer *read = &call->answer;
	const char *wrong;

	if (vm->speaks_http) {
		wrong = answer_read_text(read, call->pieces.at, call->pieces.size, true,
		                         !call->is_head);
	} else {
		answer_settle(call->pieces.at, call->pieces.size, true);
		wrong = answer_read(read, call->pieces.at, call->pieces.size, true);
	}
	if (wrong)
		return mote_error_set(err, MOTE_STATUS_CANNOT_RUN,
		                      "the function's answer is none: %s", wrong);
	*answer = (struct mote_call_answer){.status = read->status,
	                                    .headers = read->headers,
	                                    .header_count = read->header_count,
	                                    .body = read->body,
	                                    .body_size = read->body_here};
	return 0;
}

/* ---- the call ---- */

static int prepare(struct mote_vm *vm, const struct mote_call_request *request,
                   struct mote_error *err)
{
	if (!vm->call)
		vm->call = calloc(1, sizeof *vm->call);
	if (!vm->call)
		return refuse(err, "no memory for the request");
	vm->call->is_too_large = vm->call->has_no_memory = false;
	vm->call->pieces.size = 0;
	vm->call->answer_max = request->answer_max ? request->answer_max : ANSWER_MAX_DEFAULT;
	return put_together(vm, request, err);
}

static int run(struct mote_vm *vm, const struct mote_call_request *request,
               struct mote_call_answer *answer, struct mote_error *err)
{
	struct call *call = vm->call;
	size_t size = call->request.size < MOTE_FUNCTION_BUFFER ? call->request.size
	                                                        : MOTE_FUNCTION_BUFFER;
	const struct vm_call wanted = {
	        .request = call->request.at,
	        .size = size,
	        .has_more_body = call->request.size > size,
	        .timeout_ns = request->timeout_ns ? request->timeout_ns : VM_NO_TIMEOUT,
	        .answer = take_piece,
	        .body = give_body,
	        .ctx = call,
	};
	uint64_t started = vm_now(), before = vm->spent.run_ns;
	struct vm_event event;

	call->given = size;
	if (vm_after_run(vm, vm_life_call(vm->vm, &wanted, &event, err), &event, started))
		return -1;
	if (event.kind == VM_EVENT_REQUEST && !read_answer(vm, answer, err)) {
		answer->run_ns = vm->spent.run_ns - before;
		return 0;
	}
	/* It stands where no request can be placed. */
	vm->stage = VM_STAGE_OVER;
	return event.kind == VM_EVENT_REQUEST ? -1 : tell_failure(call, &event, err);
}

int mote_call(struct mote_vm *vm, const struct mote_call_request *request,
              struct mote_call_answer *answer, struct mote_error *err)
{
	struct mote_error unwanted = {0};

	err = err ? err : &unwanted;
	if (!vm || !request || !answer)
		return boundary_null(err, "mote_call", !vm ? "vm" : request ? "answer" : "request");
	if (check_request(request, err) || vm_check_ready(vm, err))
		return -1;
	if (!vm_life_wants_request(vm->vm))
		return refuse(err, "the guest is not where a function asks for a request");
	return prepare(vm, request, err) || run(vm, request, answer, err) ? -1 : 0;
}
