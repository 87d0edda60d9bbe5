/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which processors threads and workers run on.
 *
 * A thread of libmicrohttpd and the worker that it waits for take turns: on one processor that is a
 * switch between two tasks, on two it is an interrupt to a sleeping one for each turn, which costs
 * several times as much. So threads are bound to a processor each, and a worker to that of the
 * thread that waits for it. Where nobody waits, it runs wherever there is room.
 */
#ifndef MOTE_SERVE_PROCESSORS_H
#define MOTE_SERVE_PROCESSORS_H

#include <sys/types.h>

#define PROCESSORS_ANY (-1)

/* Learn which processors there are. More threads than these are not bound. */
void processors_learn(unsigned threads);

/* How many there are for this process: at least 1. */
unsigned processors_count(void);

/* Bind the calling thread, if it is not yet. */
void processors_bind_thread(void);

/* That the calling thread is bound to, or PROCESSORS_ANY. */
int processors_own(void);

/* Bind a process to one, or to none (PROCESSORS_ANY). One that is gone is none's business here. */
void processors_bind_process(pid_t pid, int processor);

#endif
