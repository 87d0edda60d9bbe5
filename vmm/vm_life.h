/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a microVM in a program that may hold several: make, run until something happens,
 * snapshot, reset, call, close.
 *
 * All calls return. None of them but vm_life_interrupt() may be made while another one on the same
 * VM is under way; they may come of different threads one after the other.
 */
#ifndef MOTE_VMM_VM_LIFE_H
#define MOTE_VMM_VM_LIFE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mote/abi.h"
#include "mote/function_wire.h"
#include "vmm/error.h"
#include "vmm/options.h"

struct vm;

#define VM_NO_TIMEOUT UINT64_MAX

/* How a VM stands in its process. */
struct vm_host {
	int streams[3]; /* the guest's stdin, stdout and stderr; the caller's, open until the end */
	bool owns_process; /* it is only for this VM: signals stop the guest, as for `mote run` */
	bool confines;     /* it gives up what it does not need, for good (confine.h) */
	bool can_snapshot; /* vm_life_snapshot() may be called */
	bool can_reset;    /* vm_life_reset() may be, of a VM that is made from a snapshot */
	bool stops_at_points; /* vm_life_run() ends at options->points, until a snapshot was taken
	                       * there */
};

enum vm_event_kind {
	VM_EVENT_EXITED,        /* the guest is over: status */
	VM_EVENT_CRASHED,       /* it is over: signal, and status; the report is written */
	VM_EVENT_OUT_OF_MEMORY, /* it is over: it has used all of its memory */
	VM_EVENT_POINT,         /* it stands at a snapshot point: point */
	VM_EVENT_REQUEST,       /* a function has answered, and wants a request: vm_life_call() */
	VM_EVENT_TIMEOUT,       /* the time is over; the guest can go on */
	VM_EVENT_INTERRUPTED,   /* by vm_life_interrupt(); the guest can go on */
};

struct vm_event {
	enum vm_event_kind kind;
	int status; /* as the exit status of `mote run` */
	int signal;
	enum mote_snapshot_point point;
};

/**
 * vm_life_create() - Make a VM, up to its first instruction: a boot of options->app, or a start
 * from options->restore_path.
 * @options: stay the caller's, and unchanged until vm_life_close()
 *
 * Return: the VM, or NULL with @err and nothing left behind.
 */
struct vm *vm_life_create(const struct run_options *options, const struct vm_host *host,
                          struct mote_error *err);

/**
 * vm_life_run() - Run the guest until there is an event.
 * @timeout_ns: from now; VM_NO_TIMEOUT: none. options->timeout_ns is another matter: it ends the
 *              guest, with MOTE_STATUS_TIMEOUT
 *
 * Return: 0 with @event; -1 with @err: the VM is broken, or the guest is over already.
 */
int vm_life_run(struct vm *vm, uint64_t timeout_ns, struct vm_event *event, struct mote_error *err);

/* Make vm_life_run() or vm_life_call() return, or the next one if none is under way: of any thread,
 * and of signal handlers. */
void vm_life_interrupt(struct vm *vm);

/**
 * vm_life_snapshot() - Write a snapshot: of the point where the guest stands, or else it runs up to
 * where one can be taken, which has to come within 5 s.
 * @path: is there when it is whole, and not before
 *
 * The guest can go on afterwards. Return: 0, or -1 with @err; then, too.
 */
int vm_life_snapshot(struct vm *vm, const char *path, struct mote_error *err);

/* Put a VM that was made from a snapshot back to it: the next run starts there. Each
 * options->verify_every-th time it is compared, too. Return: 0, or -1 with @err: it must be closed.
 */
int vm_life_reset(struct vm *vm, struct mote_error *err);

/* A request for a function, and where its answer goes. Pieces are of mote/function_wire.h; where
 * the snapshot is of a program that waits for connections, they are HTTP/1.0 text. */
struct vm_call {
	const void *request; /* at most MOTE_FUNCTION_BUFFER bytes */
	size_t size;
	bool has_more_body;  /* @body gives it */
	uint64_t timeout_ns; /* VM_NO_TIMEOUT: none */
	/* A piece of the answer, a copy: hostile. Not 0: nobody wants the rest. */
	int (*answer)(void *ctx, const void *bytes, size_t size, bool is_last);
	/* The next piece of the request's body. Return: bytes; 0: none is left; -1: there is none
	 */
	ssize_t (*body)(void *ctx, void *buffer, size_t size);
	void *ctx;
};

/* Whether the guest stands where a function takes a request: at VM_EVENT_REQUEST, at the point
 * where its snapshot is taken, or right after a start from such a snapshot, or a reset to it. */
bool vm_life_wants_request(const struct vm *vm);

/**
 * vm_life_call() - Run the guest with a request until it has answered.
 *
 * What it keeps in memory stays for the next request, unless vm_life_reset() comes before.
 *
 * Return: 0 with @event: VM_EVENT_REQUEST once the last piece of the answer was given; any other
 * says why there is none, or not all of it. -1 with @err.
 */
int vm_life_call(struct vm *vm, const struct vm_call *call, struct vm_event *event,
                 struct mote_error *err);

struct vm_counts {
	uint64_t exits, hypercalls;
	uint64_t resets, reset_pages;
};

void vm_life_count(const struct vm *vm, struct vm_counts *counts);

/* Free and close all that the VM holds. NULL is none. A process that is confined has no right to,
 * and no need: nothing is done there. */
void vm_life_close(struct vm *vm);

#endif
