/* SPDX-License-Identifier: Apache-2.0 */
/* An application that is served: its snapshot, its workers, and what waits for them. */
#include "serve/app.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "serve/exchange.h"
#include "serve/processors.h"
#include "vmm/app_image.h"

extern char **environ;

#define SNAPSHOT_MAGIC "MoteSnap"
#define START_MAX_MS   20000

/* ---- the snapshot ---- */

static bool begins_with(const char *path, const char *magic)
{
	char head[8] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	bool is_one = fd >= 0 && read(fd, head, sizeof head) == sizeof head &&
	              !memcmp(head, magic, strlen(magic));

	if (fd >= 0)
		close(fd);
	return is_one;
}

/* Whether it is an application image with a root inside. Its header is checked by mote itself. */
static bool has_root(const char *path)
{
	struct app_image_header header;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	bool is_image = fd >= 0 && read(fd, &header, sizeof header) == sizeof header &&
	                !memcmp(header.magic, APP_IMAGE_MAGIC, sizeof header.magic);

	if (fd >= 0)
		close(fd);
	for (unsigned i = 0; is_image && i < APP_IMAGE_SECTIONS; i++)
		if (header.sections[i].kind == APP_SECTION_ROOT)
			return true;
	return false;
}

static int run(const char *path, char *const *arguments)
{
	int status;
	pid_t pid;

	errno = posix_spawn(&pid, path, NULL, NULL, arguments, environ);
	if (errno)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Run the program up to its first request. */
static int make_snapshot(struct app *app)
{
	char *arguments[12] = {(char *)"mote", (char *)"run", (char *)"--snapshot-at=serve",
	                       (char *)"--snapshot", app->snapshot};
	unsigned count = 5;
	int status;

	if (app->memory) {
		arguments[count++] = (char *)"--mem";
		arguments[count++] = app->memory;
	}
	if (app->key_file) {
		arguments[count++] = (char *)"--key-file";
		arguments[count++] = app->key_file;
	}
	arguments[count++] = app->file;
	status = run(app->mote, arguments);

	if (!status)
		return 0;
	/* What mote itself could not do it has said. */
	if (status >= 125 && status <= 127)
		return -1;
	fprintf(stderr,
	        "mote serve: %s came to no request: it has to call mote_serve(), "
	        "or to serve a port "
	        "(see mote help serve)\n",
	        app->file);
	return -1;
}

/* Workers use descriptors below 10. */
static int open_snapshot(struct app *app)
{
	int fd = open(app->snapshot, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	app->snapshot_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 10);
	if (fd >= 0)
		close(fd);
	if (app->snapshot_fd >= 0)
		return 0;
	fprintf(stderr, "mote serve: cannot open %s: %s\n", app->snapshot, strerror(errno));
	return -1;
}

int app_prepare(struct app *app, FILE *log, bool is_json)
{
	const char *directory = getenv("TMPDIR");
	int status;

	pthread_mutex_init(&app->lock, NULL);
	if (guest_log_open(&app->log, log, is_json, app->prefix)) {
		fprintf(stderr, "mote serve: cannot start a thread: %s\n", strerror(errno));
		return -1;
	}
	if (app->key_file) {
		app->options[app->option_count++] = (char *)"--key-file";
		app->options[app->option_count++] = app->key_file;
	}
	if (begins_with(app->file, SNAPSHOT_MAGIC)) {
		app->snapshot = app->file;
		return open_snapshot(app);
	}
	if (asprintf(&app->snapshot, "%s/mote-serve-%d-%p.snap",
	             directory && *directory ? directory : "/tmp", (int)getpid(), (void *)app) < 0)
		return -1;
	/* Its root may be inside; a snapshot needs it again. */
	if (begins_with(app->file, "\177ELF\2\1\1")) {
		app->options[app->option_count++] = (char *)"--symbols";
		app->options[app->option_count++] = app->file;
	}
	if (has_root(app->file)) {
		app->options[app->option_count++] = (char *)"--root";
		app->options[app->option_count++] = app->file;
	}
	/* It needs no name any more: whatever becomes of this process, no file stays. */
	status = make_snapshot(app) || open_snapshot(app) ? -1 : 0;
	unlink(app->snapshot);
	return status;
}

/* ---- workers ---- */

/* The first worker tells what the others are, too; that takes as long as a start. */
static int learn_kind(struct app *app, struct worker *worker)
{
	struct worker_message head;
	size_t size;
	int status = 0;

	for (int i = 0; i < START_MAX_MS && !status; i++)
		status = worker_take(worker, true, &head, &size);
	if (status > 0 && head.type == WORKER_READY) {
		app->speaks_http = head.failure == WORKER_KIND_SERVER;
		return 0;
	}
	fprintf(stderr, "mote serve: cannot serve %s: its microVM does not start\n", app->file);
	return -1;
}

int app_start(struct app *app)
{
	for (unsigned i = 0; i < app->workers_min; i++) {
		struct worker *worker = worker_start(app);

		if (!worker) {
			fprintf(stderr, "mote serve: cannot start %s: %s\n", app->mote,
			        strerror(errno));
			return -1;
		}
		worker->next = app->idle;
		app->idle = worker;
		app->workers++;
		if (!i && learn_kind(app, worker))
			return -1;
	}
	return 0;
}

/* One that runs where the calling thread does comes first. */
static struct worker *take_idle(struct app *app)
{
	struct worker **at = &app->idle, *worker;

	while (*at && (*at)->processor != processors_own())
		at = &(*at)->next;
	if (!*at)
		at = &app->idle;
	worker = *at;
	if (worker)
		*at = worker->next;
	return worker;
}

struct worker *app_claim(struct app *app)
{
	struct worker *worker;
	bool may_start;

	pthread_mutex_lock(&app->lock);
	worker = take_idle(app);
	may_start = !worker && app->workers < app->workers_max;
	app->workers += may_start;
	pthread_mutex_unlock(&app->lock);
	if (!may_start)
		return worker;
	worker = worker_start(app);
	if (!worker) {
		pthread_mutex_lock(&app->lock);
		app->workers--;
		pthread_mutex_unlock(&app->lock);
	}
	return worker;
}

bool app_queue(struct app *app, struct exchange *exchange)
{
	bool has_room;

	pthread_mutex_lock(&app->lock);
	has_room = app->queued < app->queue_max && app->workers;
	if (has_room) {
		exchange->next = NULL;
		if (app->queue_first)
			app->queue_last->next = exchange;
		else
			app->queue_first = exchange;
		app->queue_last = exchange;
		app->queued++;
	}
	pthread_mutex_unlock(&app->lock);
	return has_room;
}

struct exchange *app_abandon(struct app *app)
{
	struct exchange *exchange;

	pthread_mutex_lock(&app->lock);
	exchange = app->workers ? NULL : app->queue_first;
	if (exchange) {
		app->queue_first = exchange->next;
		app->queued--;
	}
	pthread_mutex_unlock(&app->lock);
	return exchange;
}

struct exchange *app_release(struct worker *worker)
{
	struct app *app = worker->app;
	struct exchange *exchange;

	pthread_mutex_lock(&app->lock);
	app->failures = 0;
	exchange = app->queue_first;
	if (exchange) {
		app->queue_first = exchange->next;
		app->queued--;
	} else {
		worker->exchange = NULL;
		worker->next = app->idle;
		app->idle = worker;
	}
	pthread_mutex_unlock(&app->lock);
	return exchange;
}

void app_drop(struct worker *worker)
{
	struct app *app = worker->app;

	worker_end(worker);
	pthread_mutex_lock(&app->lock);
	app->workers--;
	app->failures++;
	pthread_mutex_unlock(&app->lock);
}

void app_stop(struct app *app)
{
	struct worker *worker;

	while ((worker = app->idle)) {
		app->idle = worker->next;
		worker_end(worker);
	}
	guest_log_close(&app->log);
	if (app->snapshot_fd >= 0)
		close(app->snapshot_fd);
	app->snapshot_fd = -1;
}
