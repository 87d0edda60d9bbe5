/* SPDX-License-Identifier: Apache-2.0 */
/* What an application's guests write goes to the server's log, each line with its application. */
#ifndef MOTE_SERVE_GUEST_LOG_H
#define MOTE_SERVE_GUEST_LOG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

struct guest_log {
	FILE *to;
	bool is_json;
	const char *app;
	int in, out; /* workers write to `in` */
	pthread_t thread;
};

/* Begin: 0, or -1 with errno. */
int guest_log_open(struct guest_log *log, FILE *to, bool is_json, const char *app);

/* To be called when the workers have ended: returns when all that they wrote is in the log. */
void guest_log_close(struct guest_log *log);

#endif
