/* SPDX-License-Identifier: Apache-2.0 */
/* A process that runs one VM, and how requests go to it. */
#include "serve/worker.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "serve/app.h"
#include "serve/processors.h"

extern char **environ;

/* The child gets no other descriptor than its socket and the standard ones (all are close-on-exec).
 */
static int spawn(const struct app *app, int socket, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	char number[16];
	char *arguments[APP_OPTIONS_MAX + 8];
	int count = 0, status;

	snprintf(number, sizeof number, "%d", WORKER_SOCKET);
	arguments[count++] = (char *)"mote";
	arguments[count++] = (char *)"restore";
	arguments[count++] = (char *)"--serve-on";
	arguments[count++] = number;
	for (unsigned i = 0; i < app->option_count; i++)
		arguments[count++] = app->options[i];
	arguments[count++] = app->snapshot;
	arguments[count] = NULL;
	/* A terminal's ^C is for the server. */
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
	posix_spawn_file_actions_adddup2(&actions, app->log.in, 1);
	posix_spawn_file_actions_adddup2(&actions, app->log.in, 2);
	posix_spawn_file_actions_adddup2(&actions, socket, WORKER_SOCKET);
	posix_spawn_file_actions_adddup2(&actions, app->snapshot_fd, WORKER_SNAPSHOT);
	status = posix_spawn(pid, app->mote, &actions, &attributes, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	errno = status;
	return status ? -1 : 0;
}

struct worker *worker_start(struct app *app)
{
	struct worker *worker = calloc(1, sizeof *worker);
	const struct timeval moment = {.tv_usec = WORKER_MOMENT_US};
	int pair[2], room = 4 * (int)WORKER_MESSAGE_MAX;

	if (!worker || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		free(worker);
		return NULL;
	}
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment);
	for (int i = 0; i < 2; i++)
		setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	worker->app = app;
	worker->socket = pair[0];
	worker->processor = processors_own(); /* which it inherits */
	if (spawn(app, pair[1], &worker->pid)) {
		int why = errno;

		close(pair[0]);
		close(pair[1]);
		free(worker);
		errno = why;
		return NULL;
	}
	close(pair[1]);
	return worker;
}

void worker_end(struct worker *worker)
{
	close(worker->socket);
	kill(worker->pid, SIGKILL);
	while (waitpid(worker->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(worker);
}

static void bind_to(struct worker *worker, int processor)
{
	if (worker->processor == processor)
		return;
	processors_bind_process(worker->pid, processor);
	worker->processor = processor;
}

void worker_follow(struct worker *worker)
{
	bind_to(worker, processors_own());
}

void worker_leave(struct worker *worker)
{
	bind_to(worker, PROCESSORS_ANY);
}

int worker_send(struct worker *worker, const struct worker_message *head, const void *payload,
                size_t size)
{
	struct iovec vectors[] = {{(void *)(uintptr_t)head, sizeof *head},
	                          {(void *)(uintptr_t)payload, size}};
	struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 2};
	ssize_t sent;

	do
		sent = sendmsg(worker->socket, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)(sizeof *head + size) ? 0 : -1;
}

int worker_take(struct worker *worker, bool waits, struct worker_message *head, size_t *size)
{
	ssize_t length;

	do
		length = recv(worker->socket, worker->message, sizeof worker->message,
		              waits ? 0 : MSG_DONTWAIT);
	while (length < 0 && errno == EINTR);
	if (length < 0 && errno == EAGAIN)
		return 0;
	if (length < (ssize_t)sizeof *head)
		return -1;
	memcpy(head, worker->message, sizeof *head);
	*size = (size_t)length - sizeof *head;
	return 1;
}
