/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between `mote serve` and a process that runs a VM for it, on a SOCK_SEQPACKET socket:
 * this, and then up to MOTE_FUNCTION_BUFFER bytes of mote/function_wire.h. One request at a time.
 */
#ifndef MOTE_VMM_WORKER_WIRE_H
#define MOTE_VMM_WORKER_WIRE_H

#include <stdint.h>

#include "mote/function_wire.h"

enum worker_message_type {
	/* to the worker */
	WORKER_REQUEST = 1, /* a request, with the first piece of its body */
	WORKER_BODY,        /* the next piece, after WORKER_WANT_BODY; empty: there are no more */
	/* from it */
	WORKER_ANSWER,    /* a piece of an answer; more follow */
	WORKER_LAST,      /* the last one */
	WORKER_WANT_BODY, /* the function reads on */
	WORKER_FAILED,    /* there is no answer, or no more of it: enum worker_failure */
	WORKER_RESET,     /* ready for the next request; how long the reset took */
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
	uint64_t ns;    /* WORKER_LAST, WORKER_FAILED: of the run; WORKER_RESET: of the reset */
	uint32_t exits; /* of the run */
	uint32_t pages; /* WORKER_RESET: that were put back */
};

#define WORKER_MESSAGE_MAX (sizeof(struct worker_message) + MOTE_FUNCTION_BUFFER)

#endif
