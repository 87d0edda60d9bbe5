/* SPDX-License-Identifier: Apache-2.0 */
/* mote-serve: answers HTTP requests, each in a pristine microVM. Started by `mote serve`. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "serve/log.h"
#include "serve/options.h"
#include "serve/server.h"

#define CONNECTIONS 20000
#define SPARE_FILES 256 /* for all that is neither a connection nor a worker */

/* Where mote is, as seen from the directory of mote-serve: built, and installed. */
static char *find_mote(void)
{
	static const char *const places[] = {"mote", "../../bin/mote"};
	char path[4096 + 32];
	ssize_t length = readlink("/proc/self/exe", path, 4095);
	char *name;

	if (length <= 0)
		return NULL;
	path[length] = '\0';
	name = strrchr(path, '/') + 1;
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		snprintf(name, sizeof path - (size_t)(name - path), "%s", places[i]);
		if (!access(path, X_OK))
			return strdup(path);
	}
	return NULL;
}

/* Each connection needs a descriptor, and so do workers, two while they are started. */
static void raise_file_limit(struct server *server)
{
	uint64_t others = SPARE_FILES, most;
	struct rlimit limit = {0};

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	for (unsigned i = 0; i < server->app_count; i++)
		others += 2 * server->apps[i]->workers_max;
	most = limit.rlim_cur > others ? limit.rlim_cur - others : 1;
	if (!server->connections_max && most > CONNECTIONS)
		most = CONNECTIONS;
	if (server->connections_max > most)
		fprintf(stderr,
		        "mote serve: at most %llu connections: the limit of open files is %llu "
		        "(ulimit -n)\n",
		        (unsigned long long)most, (unsigned long long)limit.rlim_cur);
	if (!server->connections_max || server->connections_max > most)
		server->connections_max = (uint32_t)most;
}

/* SIGHUP: what the configuration file says now. A file that is wrong changes nothing. */
static void reload(struct server *server, char *mote, int argc, char **argv)
{
	struct server *fresh = calloc(1, sizeof *fresh);

	if (fresh && !serve_options_parse(fresh, mote, argc, argv) && !server_reload(server, fresh))
		fprintf(stderr, "mote serve: reloaded\n");
	else
		fprintf(stderr, "mote serve: not reloaded: all stays as it was\n");
	free(fresh);
}

int main(int argc, char **argv)
{
	static struct server server;
	char *mote = find_mote();
	sigset_t set;
	int status, number;

	status = serve_options_parse(&server, mote, argc, argv);
	if (status)
		return status == SERVE_OPTIONS_HELP ? 0 : 125;
	if (!mote) {
		fprintf(stderr, "mote serve: cannot find mote beside mote-serve\n");
		return 125;
	}
	if (serve_options_listen(&server))
		return 125;
	raise_file_limit(&server);
	signal(SIGPIPE, SIG_IGN);
	/* In all threads; workers are started with them blocked, too, and end with their sockets.
	 */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	server.log = log_open();
	for (unsigned i = 0; !server.fixed && !server.command && i < server.app_count; i++)
		if (app_prepare(server.apps[i], server.log, server.log_format == LOG_JSON) ||
		    app_start(server.apps[i])) {
			/* With what its workers have said. */
			app_stop(server.apps[i]);
			return 125;
		}
	if (server_start(&server))
		return 125;
	fprintf(stderr, "mote serve: listening on %s\n", server.address);
	while (sigwait(&set, &number) || number == SIGHUP)
		reload(&server, mote, argc, argv);
	server_stop(&server);
	_exit(0); /* with threads that still serve connections */
}
