/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that runs a function for `mote serve`.
 *
 * How it works
 *
 * The VM is restored from a snapshot that was taken where the function first asked for a request.
 * Each request is written into the function's buffer before the guest goes on, so that the whole of
 * it costs one exit: the one with the answer. Only after the answer is sent is the VM reset.
 *
 * The server is trusted no more than a guest: what it sends is copied, never looked into. What
 * becomes of a request whose guest crashes, ends or takes too long is told to the server; the VM is
 * reset as after any other.
 */
#include "vmm/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "vmm/crash.h"
#include "vmm/tick.h"
#include "vmm/vm_reset.h"
#include "vmm/worker_wire.h"

struct vm_serve {
	int socket;        /* -1: requests are those of vm->call */
	size_t next;       /* bytes of the request that was placed while the guest waits for one */
	bool is_unwanted;  /* what is left of the answer */
	mote_gpa_t buffer; /* of the function, for requests: what the snapshot's run page says */
	bool is_answered;  /* its last piece has been sent */
	bool is_gone;      /* the server is */
	uint64_t started;  /* host TSC */
	uint64_t exits;    /* at that moment */
	uint64_t reset_ns; /* of the last reset */
	uint32_t pages;    /* that it put back */
	unsigned char message[WORKER_MESSAGE_MAX]; /* struct worker_message and what follows it */
};

int serve_open(struct vm *vm, struct mote_error *err)
{
	if (!vm->options->serve_socket)
		return 0;
	vm->serve = calloc(1, sizeof *vm->serve);
	if (!vm->serve)
		return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for requests");
	vm->serve->socket = (int)vm->options->serve_socket;
	/* A guest that computes would notice the server's end no sooner than its own. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot end with the server");
	return 0;
}

int serve_open_calls(struct vm *vm, struct mote_error *err)
{
	if (vm->serve)
		return 0;
	vm->serve = calloc(1, sizeof *vm->serve);
	if (!vm->serve)
		return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for requests");
	vm->serve->socket = -1;
	return 0;
}

/* ---- messages ---- */

/* Send a message; its @size bytes of payload lie in serve->message already. #syscalls:run write */
static int send_message(struct vm_serve *serve, const struct worker_message *head, size_t size)
{
	size_t length = sizeof *head + size;
	ssize_t sent;

	memcpy(serve->message, head, sizeof *head);
	do
		sent = write(serve->socket, serve->message, length);
	while (sent < 0 && errno == EINTR);
	if (sent == (ssize_t)length)
		return 0;
	serve->is_gone = true;
	return -1;
}

/*
 * Take a message. Return: bytes of its payload; -1 where there is none to come.
 * #syscalls:run read
 */
static ssize_t take_message(struct vm_serve *serve, struct worker_message *head)
{
	ssize_t length;

	do
		length = read(serve->socket, serve->message, sizeof serve->message);
	while (length < 0 && errno == EINTR);
	if (length < (ssize_t)sizeof *head) {
		serve->is_gone = true;
		return -1;
	}
	memcpy(head, serve->message, sizeof *head);
	return length - (ssize_t)sizeof *head;
}

static uint64_t ns_since(const struct vm *vm, uint64_t tsc)
{
	return (uint64_t)(clock_microseconds(&vm->clock, tsc, clock_host_tsc()) * 1000);
}

static struct worker_message end_of_run(const struct vm *vm, enum worker_message_type type)
{
	return (struct worker_message){.type = type,
	                               .ns = ns_since(vm, vm->serve->started),
	                               .reset_ns = vm->serve->reset_ns,
	                               .exits = (uint32_t)(vm_exit_count(vm) - vm->serve->exits),
	                               .pages = vm->serve->pages};
}

/* ---- the hypercall ---- */

/* The bytes are in serve->message. */
static int64_t give_to_call(struct vm *vm, size_t length, bool is_last)
{
	struct vm_serve *serve = vm->serve;
	const struct vm_call *call = vm->call;

	if (!call || serve->is_unwanted)
		return -EPIPE;
	serve->is_unwanted = call->answer(call->ctx, serve->message + sizeof(struct worker_message),
	                                  length, is_last) != 0;
	return 0;
}

static int64_t give(struct vm *vm, mote_gpa_t gpa, uint64_t length, enum worker_message_type type)
{
	struct vm_serve *serve = vm->serve;
	uint64_t began = clock_page_monotonic(&vm->clock);
	struct worker_message head = {.type = type};

	if (length > MOTE_FUNCTION_BUFFER)
		return -EMSGSIZE;
	if (guest_read(&vm->memory, gpa, serve->message + sizeof head, length))
		return -EFAULT;
	if (serve->socket < 0)
		return give_to_call(vm, length, type == WORKER_LAST);
	if (type == WORKER_LAST)
		head = end_of_run(vm, type);
	if (send_message(serve, &head, length)) {
		vm->is_over = true;
		return -EPIPE;
	}
	/* It is not the function's fault if its client is slow; the server sees to that. */
	if (vm->run_deadline)
		vm->run_deadline += clock_page_monotonic(&vm->clock) - began;
	return 0;
}

static int64_t take_body_of_call(struct vm *vm, mote_gpa_t gpa)
{
	const struct vm_call *call = vm->call;
	ssize_t length;

	if (!call || !call->body || !call->has_more_body)
		return 0;
	length = call->body(call->ctx, vm->serve->message, MOTE_FUNCTION_BUFFER);
	if (length < 0 || length > (ssize_t)MOTE_FUNCTION_BUFFER)
		return -EPIPE;
	return guest_write(&vm->memory, gpa, vm->serve->message, (size_t)length) ? -EFAULT : length;
}

static int64_t take_body(struct vm *vm, mote_gpa_t gpa)
{
	struct vm_serve *serve = vm->serve;
	struct worker_message head = {.type = WORKER_WANT_BODY};
	ssize_t length;

	if (serve->socket < 0)
		return take_body_of_call(vm, gpa);
	if (send_message(serve, &head, 0) || (length = take_message(serve, &head)) < 0 ||
	    head.type != WORKER_BODY) {
		vm->is_over = true;
		return -EPIPE;
	}
	if (guest_write(&vm->memory, gpa, serve->message + sizeof head, (size_t)length))
		return -EFAULT;
	return length;
}

void serve_answer_next(struct vm *vm, size_t size)
{
	vm->serve->next = size;
}

/* The guest stays at the call, and takes the next request from it. */
static int64_t end_call(struct vm *vm, mote_gpa_t gpa, uint64_t length)
{
	struct vm_serve *serve = vm->serve;
	int64_t result = (int64_t)serve->next;

	serve->next = 0;
	if (result)
		return result;
	result = give(vm, gpa, length, WORKER_LAST);
	if (result == -EMSGSIZE || result == -EFAULT)
		return result;
	vm->pause.why = VM_PAUSE_REQUEST;
	return VM_LATER;
}

int64_t serve_call(struct vm *vm, uint64_t operation, mote_gpa_t gpa, uint64_t length)
{
	if (!vm->serve)
		return -ENOTCONN;
	switch (operation) {
	case MOTE_FUNCTION_MORE: return give(vm, gpa, length, WORKER_ANSWER);
	case MOTE_FUNCTION_BODY: return take_body(vm, gpa);
	case MOTE_FUNCTION_NEXT: {
		if (vm->serve->socket < 0)
			return end_call(vm, gpa, length);
		int64_t result = give(vm, gpa, length, WORKER_LAST);

		vm->serve->is_answered |= !result;
		vm->is_over |= !result;
		return result;
	}
	default: return -EINVAL;
	}
}

/* ---- requests ---- */

static int read_buffer(struct vm *vm)
{
	return guest_read(&vm->memory, VM_RUN_GPA(function_buffer), &vm->serve->buffer,
	                  sizeof vm->serve->buffer);
}

/* Where the function takes it from. */
static int place(struct vm *vm, const void *bytes, size_t size, bool has_more)
{
	uint32_t flags = vm->generation_flags | (has_more ? MOTE_GENERATION_MORE_BODY : 0);
	uint64_t length = size;

	if (has_more &&
	    guest_write(&vm->memory, VM_RUN_GPA(generation.flags), &flags, sizeof flags))
		return -1;
	return guest_write(&vm->memory, vm->serve->buffer, bytes, size) ||
	                       guest_write(&vm->memory, VM_RUN_GPA(generation.request), &length,
	                                   sizeof length)
	               ? -1
	               : 0;
}

/* A request is there. */
static int place_request(struct vm *vm, const struct worker_message *head, size_t size)
{
	struct vm_serve *serve = vm->serve;
	uint64_t deadline = head->ns;

	if (head->type != WORKER_REQUEST)
		return -1;
	vm->run_deadline = deadline ? clock_page_monotonic(&vm->clock) + deadline : 0;
	/* Else the tick that there is anyway comes before it. */
	if (deadline && deadline < TICK_LATEST_NS)
		tick_look(vm);
	return place(vm, serve->message + sizeof *head, size, head->exits != 0);
}

int serve_place(struct vm *vm, const void *bytes, size_t size, bool has_more)
{
	vm->serve->is_unwanted = false;
	return read_buffer(vm) || !vm->serve->buffer.value ? -1 : place(vm, bytes, size, has_more);
}

/* The guest is over and has not answered. */
static enum worker_failure failure_of(const struct vm *vm)
{
	switch (vm->exit_status) {
	case MOTE_STATUS_TIMEOUT: return WORKER_FAILURE_TIMEOUT;
	case MOTE_STATUS_OUT_OF_MEMORY: return WORKER_FAILURE_NO_MEMORY;
	default:
		return vm->exit_status > MOTE_STATUS_SIGNAL_BASE ? WORKER_FAILURE_CRASH
		                                                 : WORKER_FAILURE_EXIT;
	}
}

static int answer(struct vm *vm, int (*run)(struct vm *vm, struct mote_error *err),
                  struct mote_error *err)
{
	struct vm_serve *serve = vm->serve;
	struct worker_message head;

	serve->is_answered = false;
	serve->started = clock_host_tsc();
	serve->exits = vm_exit_count(vm);
	if (run(vm, err))
		return -1;
	if (serve->is_answered || serve->is_gone)
		return 0;
	head = end_of_run(vm, WORKER_FAILED);
	head.failure = failure_of(vm);
	send_message(serve, &head, 0);
	return 0;
}

static int put_back(struct vm *vm, struct mote_error *err)
{
	uint64_t started = clock_host_tsc(), before = vm->reset->memory.counts.changed;

	if (vm_reset(vm, err))
		return -1;
	vm->serve->reset_ns = ns_since(vm, started);
	vm->serve->pages = (uint32_t)(vm->reset->memory.counts.changed - before);
	return 0;
}

int serve_requests(struct vm *vm, int (*run)(struct vm *vm, struct mote_error *err),
                   struct mote_error *err)
{
	struct vm_serve *serve = vm->serve;
	struct worker_message head;
	ssize_t size;

	if (read_buffer(vm))
		return mote_error_set(err, MOTE_STATUS_FAILED, "the snapshot has been cut");
	if (!serve->buffer.value)
		return mote_error_set(
		        err, MOTE_STATUS_CANNOT_RUN,
		        "cannot serve %s: it was taken neither where a function asks for "
		        "requests nor where a program waits for connections",
		        vm->options->restore_path);
	head = (struct worker_message){.type = WORKER_READY,
	                               .failure =
	                                       vm->snapshot->machine->point == MOTE_SNAPSHOT_LISTEN
	                                               ? WORKER_KIND_SERVER
	                                               : WORKER_KIND_FUNCTION};
	if (send_message(serve, &head, 0))
		return 0;
	while ((size = take_message(serve, &head)) >= 0) {
		if (place_request(vm, &head, (size_t)size))
			return mote_error_set(err, MOTE_STATUS_FAILED,
			                      "the server's request makes no sense");
		if (answer(vm, run, err) || put_back(vm, err))
			return serve->is_gone ? 0 : -1;
	}
	return 0;
}
