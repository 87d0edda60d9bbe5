/* SPDX-License-Identifier: Apache-2.0 */
/* An application that is served: its snapshot, its workers, and what waits for them. */
#ifndef MOTE_SERVE_APP_H
#define MOTE_SERVE_APP_H

#include <pthread.h>
#include <stdbool.h>

#include "serve/guest_log.h"
#include "serve/metrics.h"
#include "serve/worker.h"

#define APP_OPTIONS_MAX 32

struct app {
	char *prefix; /* of paths that are its; "/" is everything else's */
	char *file;   /* as named: a program, an image or a snapshot */
	char *mote;   /* path of the mote program */
	char *snapshot;
	int snapshot_fd; /* of it: workers get this one, whatever has its name by then */
	char *options[APP_OPTIONS_MAX]; /* of mote restore */
	unsigned option_count;
	char *memory;         /* --mem of its guests; NULL: the default */
	char *key_file;       /* that the snapshot is authenticated by; NULL: it is not */
	bool speaks_http;     /* it serves a port itself: requests and answers are HTTP text */
	struct guest_log log; /* of what guests write to stdout and stderr */

	pthread_mutex_t lock; /* of all below */
	struct worker *idle;  /* the one used last first: its memory is in the caches */
	unsigned workers, workers_min, workers_max;
	struct exchange *queue_first, *queue_last;
	unsigned queued, queue_max;
	unsigned failures;  /* workers in a row that were of no use */
	unsigned exchanges; /* that hold it */
	struct metrics metrics;
};

/**
 * app_prepare() - Have a snapshot: the file itself is one, or it is run up to where it asks for
 * requests.
 * @log: takes what its guests write
 *
 * Return: 0, or -1; what is wrong has been printed.
 */
int app_prepare(struct app *app, FILE *log, bool is_json);

/* Start the least number of workers: 0, or -1. */
int app_start(struct app *app);

/* An idle worker, or a new one if there may be more; NULL: none for now. */
struct worker *app_claim(struct app *app);

/**
 * app_queue() - Have an exchange wait for a worker.
 *
 * Return: whether there was room.
 */
bool app_queue(struct app *app, struct exchange *exchange);

/* Where no worker is left, and none can be started: an exchange that waits, to be given up. */
struct exchange *app_abandon(struct app *app);

/* A worker has finished: the exchange that it is to work on next, or NULL, and it is idle then. */
struct exchange *app_release(struct worker *worker);

/* A worker is of no use any more: end it. Another one takes its place when it is needed. */
void app_drop(struct worker *worker);

/* End all idle workers; all others have ended. */
void app_stop(struct app *app);

#endif
