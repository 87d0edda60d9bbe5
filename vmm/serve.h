/* SPDX-License-Identifier: Apache-2.0 */
/* A process that runs a function for `mote serve`: a request, an answer, a reset, and so on. */
#ifndef MOTE_VMM_SERVE_H
#define MOTE_VMM_SERVE_H

#include "vmm/vm.h"

/* Get ready, before confinement: options->serve_socket is one end of a SOCK_SEQPACKET pair; 0:
 * none. */
int serve_open(struct vm *vm, struct mote_error *err);

/**
 * serve_requests() - Answer requests until the server closes the socket.
 * @run: runs the guest until it is over
 *
 * To be called in phase run, in place of one run. The VM is restored and has not run.
 *
 * Return: 0, or -1 with @err: the VM, or the connection to the server, is broken.
 */
int serve_requests(struct vm *vm, int (*run)(struct vm *vm, struct mote_error *err),
                   struct mote_error *err);

/**
 * serve_place() - Put a request where the function takes it from.
 * @size:     at most MOTE_FUNCTION_BUFFER
 * @has_more: of its body
 *
 * Return: 0, or -1: the guest has no place for it.
 */
int serve_place(struct vm *vm, const void *bytes, size_t size, bool has_more);

/* Get ready for requests of vm_life_call(): for the first one. */
int serve_open_calls(struct vm *vm, struct mote_error *err);

/* The guest may go on with the request that was placed, of @size bytes, at VM_PAUSE_REQUEST. */
void serve_answer_next(struct vm *vm, size_t size);

/* Serve the hypercall `serve`: what it returns. */
int64_t serve_call(struct vm *vm, uint64_t operation, mote_gpa_t gpa, uint64_t length);

#endif
