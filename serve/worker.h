/* SPDX-License-Identifier: Apache-2.0 */
/* A process that runs one VM, and how requests go to it (vmm/worker_wire.h). */
#ifndef MOTE_SERVE_WORKER_H
#define MOTE_SERVE_WORKER_H

#include <stdbool.h>
#include <sys/types.h>

#include "vmm/worker_wire.h"

#define WORKER_MOMENT_US 1000

struct exchange;

struct worker {
	struct app *app;
	struct worker *next; /* in the app's list of idle ones */
	pid_t pid;
	int socket;
	int processor;             /* that it is bound to, or PROCESSORS_ANY */
	struct exchange *exchange; /* that it works on; NULL: idle */
	uint64_t started;          /* ns: when that was sent */
	unsigned long requests;    /* that it has answered */
	unsigned char message[WORKER_MESSAGE_MAX];
};

/**
 * worker_start() - Start the process for an app's snapshot.
 *
 * Return: the worker, or NULL with errno set.
 */
struct worker *worker_start(struct app *app);

/* End the process, which may be dead already, and free the worker. */
void worker_end(struct worker *worker);

/* Have it run where the calling thread does, if that is bound, or wherever there is room. */
void worker_follow(struct worker *worker);
void worker_leave(struct worker *worker);

/* Send a message with its payload: 0 or -1. */
int worker_send(struct worker *worker, const struct worker_message *head, const void *payload,
                size_t size);

/**
 * worker_take() - Take a message.
 * @waits: for a moment (WORKER_MOMENT_US), else only if there is one
 * @head: filled; the payload follows it in worker->message
 * @size: of the payload
 *
 * Return: 1; 0 when there is none yet; -1 when the process is gone or sends what it may not.
 */
int worker_take(struct worker *worker, bool waits, struct worker_message *head, size_t *size);

#endif
