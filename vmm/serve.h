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

/* Serve the hypercall `serve`: what it returns. */
int64_t serve_call(struct vm *vm, uint64_t operation, mote_gpa_t gpa, uint64_t length);

#endif
