/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between `mote serve` and a process that runs a VM for it, on a SOCK_SEQPACKET socket:
 * this, and then up to MOTE_FUNCTION_BUFFER bytes of mote/function_wire.h. One request at a time.
 */
#ifndef MOTE_VMM_WORKER_WIRE_H
#define MOTE_VMM_WORKER_WIRE_H

#include <stdint.h>

#include "mote/function_wire.h"

/* Descriptors of the process: its end of the socket, and the snapshot, whatever has its name. */
#define WORKER_SOCKET   3
#define WORKER_SNAPSHOT 4

enum worker_message_type {
	/* from it, once: it is ready, for requests of which kind: enum worker_kind in `failure` */
	WORKER_READY = 16,
	/* to the worker */
	/* A request, with the first piece of its body; `ns` is its deadline, from now, or 0;
	 * `exits`: there is more of the body. */
	WORKER_REQUEST = 1,
	WORKER_BODY, /* the next piece, after WORKER_WANT_BODY; empty: there are no more */
	/* from it */
	WORKER_ANSWER,    /* a piece of an answer; more follow */
	WORKER_LAST,      /* the last one */
	WORKER_WANT_BODY, /* the function reads on */
	WORKER_FAILED,    /* there is no answer, or no more of it: enum worker_failure */
};

enum worker_kind {
	WORKER_KIND_FUNCTION, /* payloads are of mote/function_wire.h */
	WORKER_KIND_SERVER,   /* payloads are HTTP/1.0 text: the program serves a port */
};

enum worker_failure {
	WORKER_FAILURE_NONE,
	WORKER_FAILURE_CRASH,     /* killed by a signal, or it broke the machine */
	WORKER_FAILURE_EXIT,      /* it ended without an answer */
	WORKER_FAILURE_TIMEOUT,   /* the deadline passed */
	WORKER_FAILURE_NO_MEMORY, /* the guest has used all of its memory */
};

struct worker_message {
	uint32_t type;
	uint32_t failure;
	/* WORKER_LAST and WORKER_FAILED: */
	uint64_t ns;       /* of the run */
	uint64_t reset_ns; /* of the reset before it; 0: there was none */
	uint32_t exits;    /* of the run */
	uint32_t pages;    /* that the reset put back */
};

#define WORKER_MESSAGE_MAX (sizeof(struct worker_message) + MOTE_FUNCTION_BUFFER)

#endif
