/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server: connections on one side, workers on the other. */
#ifndef MOTE_SERVE_SERVER_H
#define MOTE_SERVE_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "serve/app.h"

#define SERVER_APPS_MAX 64

enum log_format { LOG_NONE, LOG_TEXT, LOG_JSON };

struct server {
	pthread_rwlock_t routes; /* of apps and app_count, once it runs */
	struct app *apps[SERVER_APPS_MAX];
	unsigned app_count;
	struct app *retired[SERVER_APPS_MAX]; /* of before a reload: end when nobody holds them */
	unsigned retired_count;
	char *address; /* to listen on, as given */
	int listener;
	uint64_t accepts_at; /* CLOCK_MONOTONIC ns: no connection is taken before; 0: they are */
	unsigned threads;    /* of libmicrohttpd */
	size_t body_max;     /* bytes of a request's body */
	size_t answer_max;   /* bytes of an answer */
	uint64_t timeout_ns; /* of a request; 0: none */
	uint64_t send_timeout_ns; /* of an answer that is sent while it is made; 0: none */
	uint32_t connections_max; /* one more is hung up on */
	uint32_t connections, connections_refused;
	size_t bodies;           /* bytes of requests that are held */
	unsigned idle_timeout_s; /* of a connection on which nothing moves; 0: none */
	enum log_format log_format;
	FILE *log;
	/* For measuring, without a VM: answer this to everything; or what this program writes. */
	const char *fixed, *command;

	struct MHD_Daemon *daemon;
	int events; /* epoll of the workers whose answer nobody waits for at once */
	pthread_t finisher;
	pthread_mutex_t streams_lock;
	struct exchange *streams; /* answers that are sent while they are made */
	bool is_draining;
};

/* Begin to answer: 0, or -1; what is wrong has been printed. */
int server_start(struct server *server);

/**
 * server_reload() - Take over the applications and limits of another one, which has been filled but
 * not started. Requests that have begun are finished by the old ones.
 *
 * Return: 0, or -1, and all is as it was; what is wrong has been printed.
 */
int server_reload(struct server *server, struct server *fresh);

/* No new connections; what has begun is finished, within a minute, so that the process can end. */
void server_stop(struct server *server);

#endif
