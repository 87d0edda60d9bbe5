/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `mote serve`. */
#include "serve/options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "serve/config.h"
#include "serve/processors.h"

#define BACKLOG 4096

struct common {
	unsigned workers_min, workers_max, queue_max;
	char *memory, *key_file;
};

static int refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int refuse(const char *format, ...)
{
	va_list arguments;

	fputs("mote: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputs(" (see mote help serve)\n", stderr);
	return -1;
}

/* ---- values ---- */

static int read_number(const char *name, const char *text, unsigned long max, unsigned long *value)
{
	char *end;

	errno = 0;
	*value = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || *value > max)
		return refuse("--%s '%.64s' is not a number of at most %lu", name, text, max);
	return 0;
}

static int read_size(const char *name, const char *text, size_t *value)
{
	char *end;
	unsigned shift = 0;

	errno = 0;
	*value = strtoul(text, &end, 10);
	if (*end == 'K' || *end == 'k')
		shift = 10;
	else if (*end == 'M' || *end == 'm')
		shift = 20;
	else if (*end == 'G' || *end == 'g')
		shift = 30;
	if (errno || end == text || *text == '-' || end[shift != 0] || *value > SIZE_MAX >> 32)
		return refuse("--%s '%.64s' is not a size, such as 512K or 16M", name, text);
	*value <<= shift;
	return 0;
}

static int read_seconds(const char *name, const char *text, uint64_t *ns)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= 0 && seconds <= 1e6))
		return refuse("--%s '%.64s' is not a time in seconds", name, text);
	*ns = (uint64_t)(seconds * 1e9);
	return 0;
}

static int read_pool(const char *text, struct common *common)
{
	char *end;
	unsigned long min = strtoul(text, &end, 10), max = min;

	if (end != text && *end == ':')
		max = strtoul(end + 1, &end, 10);
	if (end == text || *end || !max || min > max || max > 10000)
		return refuse("--pool '%.64s' is not MIN:MAX, such as 2:16", text);
	common->workers_min = (unsigned)min;
	common->workers_max = (unsigned)max;
	return 0;
}

/* ---- the socket ---- */

static int listen_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat status;
	int fd;

	if (strlen(path) >= sizeof address.sun_path)
		return refuse("--listen unix:%.64s...: the path is too long", path);
	strcpy(address.sun_path, path);
	/* One that a server before left behind. */
	if (!lstat(path, &status) && S_ISSOCK(status.st_mode))
		unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, BACKLOG))
		return refuse("cannot listen on %s: %s", path, strerror(errno));
	return fd;
}

static int listen_tcp(const char *text)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
	const char *colon = strrchr(text, ':');
	char host[256] = "127.0.0.1";
	int fd, one = 1, status;

	if (!colon || colon == text || (size_t)(colon - text) >= sizeof host) {
		colon = colon ? colon : text - 1;
	} else {
		size_t skip = *text == '[', length = (size_t)(colon - text) - 2 * skip;

		memcpy(host, text + skip, length);
		host[length] = '\0';
	}
	status = getaddrinfo(host, colon + 1, &hints, &found);
	if (status)
		return refuse("--listen '%.64s' is no ADDRESS:PORT: %s", text,
		              gai_strerror(status));
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) ||
	    bind(fd, found->ai_addr, found->ai_addrlen) || listen(fd, BACKLOG)) {
		freeaddrinfo(found);
		return refuse("cannot listen on %s: %s", text, strerror(errno));
	}
	freeaddrinfo(found);
	return fd;
}

/* ---- apps ---- */

static int add_app(struct server *server, const char *prefix, size_t length, char *file, char *mote)
{
	struct app *app;

	if (server->app_count == SERVER_APPS_MAX)
		return refuse("more than %d applications", SERVER_APPS_MAX);
	if (!length || prefix[0] != '/' || !*file)
		return refuse("--route '%.64s' is not PREFIX=APP, such as /api=./api-fn", prefix);
	app = calloc(1, sizeof *app);
	if (!app)
		return refuse("no memory");
	app->prefix = strndup(prefix, length);
	app->file = file;
	app->snapshot_fd = -1;
	app->log.in = -1;
	app->mote = mote;
	server->apps[server->app_count++] = app;
	return 0;
}

static int add_route(struct server *server, char *text, char *mote)
{
	char *equals = strchr(text, '=');

	if (!equals)
		return refuse("--route '%.64s' is not PREFIX=APP, such as /api=./api-fn", text);
	return add_app(server, text, (size_t)(equals - text), equals + 1, mote);
}

static void settle(struct server *server, const struct common *common)
{
	for (unsigned i = 0; i < server->app_count; i++) {
		struct app *app = server->apps[i];

		app->workers_min = common->workers_min;
		app->workers_max = common->workers_max;
		app->queue_max = common->queue_max;
		app->memory = common->memory;
		app->key_file = common->key_file;
	}
}

enum {
	OPTION_LISTEN = 256,
	OPTION_ROUTE,
	OPTION_POOL,
	OPTION_TIMEOUT,
	OPTION_SEND_TIMEOUT,
	OPTION_MAX_MEMORY,
	OPTION_MAX_BODY,
	OPTION_MAX_ANSWER,
	OPTION_CONCURRENCY,
	OPTION_MAX_CONNECTIONS,
	OPTION_IDLE_TIMEOUT,
	OPTION_KEY_FILE,
	OPTION_CONFIG,
	OPTION_THREADS,
	OPTION_LOG,
	OPTION_FIXED,
	OPTION_COMMAND
};

static const struct option options[] = {
        {"listen", required_argument, NULL, OPTION_LISTEN},
        {"route", required_argument, NULL, OPTION_ROUTE},
        {"pool", required_argument, NULL, OPTION_POOL},
        {"timeout", required_argument, NULL, OPTION_TIMEOUT},
        {"send-timeout", required_argument, NULL, OPTION_SEND_TIMEOUT},
        {"max-memory", required_argument, NULL, OPTION_MAX_MEMORY},
        {"max-body", required_argument, NULL, OPTION_MAX_BODY},
        {"max-answer", required_argument, NULL, OPTION_MAX_ANSWER},
        {"concurrency", required_argument, NULL, OPTION_CONCURRENCY},
        {"max-connections", required_argument, NULL, OPTION_MAX_CONNECTIONS},
        {"idle-timeout", required_argument, NULL, OPTION_IDLE_TIMEOUT},
        {"key-file", required_argument, NULL, OPTION_KEY_FILE},
        {"config", required_argument, NULL, OPTION_CONFIG},
        {"threads", required_argument, NULL, OPTION_THREADS},
        {"log", required_argument, NULL, OPTION_LOG},
        {"answer-without-vm", required_argument, NULL, OPTION_FIXED},
        {"answer-by-process", required_argument, NULL, OPTION_COMMAND},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
};

static int read_log(struct server *server, const char *text)
{
	static const char *const names[] = {"none", "text", "json"};

	for (unsigned i = 0; i < 3; i++)
		if (!strcmp(text, names[i])) {
			server->log_format = (enum log_format)i;
			return 0;
		}
	return refuse("--log '%.64s' is none of none, text and json", text);
}

static int apply(struct server *server, struct common *common, int option, char *value, char *mote)
{
	unsigned long number;

	switch (option) {
	case OPTION_LISTEN: server->address = value; return 0;
	case OPTION_ROUTE: return add_route(server, value, mote);
	case OPTION_POOL: return read_pool(value, common);
	case OPTION_TIMEOUT: return read_seconds("timeout", value, &server->timeout_ns);
	case OPTION_SEND_TIMEOUT:
		return read_seconds("send-timeout", value, &server->send_timeout_ns);
	case OPTION_MAX_MEMORY: common->memory = value; return 0;
	case OPTION_MAX_BODY: return read_size("max-body", value, &server->body_max);
	case OPTION_MAX_ANSWER: return read_size("max-answer", value, &server->answer_max);
	case OPTION_CONCURRENCY:
		if (read_number("concurrency", value, 1000000, &number))
			return -1;
		common->queue_max = (unsigned)number;
		return 0;
	case OPTION_MAX_CONNECTIONS:
		if (read_number("max-connections", value, 1000000, &number))
			return -1;
		if (!number)
			return refuse("--max-connections '%.64s': at least one", value);
		server->connections_max = (uint32_t)number;
		return 0;
	case OPTION_IDLE_TIMEOUT:
		if (read_number("idle-timeout", value, 1000000, &number))
			return -1;
		server->idle_timeout_s = (unsigned)number;
		return 0;
	case OPTION_KEY_FILE: common->key_file = value; return 0;
	case OPTION_THREADS:
		if (read_number("threads", value, 256, &number))
			return -1;
		if (!number)
			return refuse("--threads '%.64s': at least one", value);
		server->threads = (unsigned)number;
		return 0;
	case OPTION_LOG: return read_log(server, value);
	case OPTION_CONFIG: return 0; /* read before all others */
	case OPTION_FIXED: server->fixed = value; return 0;
	case OPTION_COMMAND: server->command = value; return 0;
	default: return refuse("what is wrong is said above");
	}
}

struct config_work {
	struct server *server;
	struct common *common;
	char *mote;
	const char *path;
};

/* One setting of the file: the option of that name, but for those that make no sense there. */
static int apply_named(void *ctx, const char *name, char *value)
{
	const struct config_work *work = ctx;

	for (const struct option *option = options; option->name; option++)
		if (!strcmp(option->name, name) && option->has_arg && option->val != OPTION_CONFIG)
			return apply(work->server, work->common, option->val, value, work->mote);
	return refuse("cannot use %s: there is no option '%.64s'", work->path, name);
}

/* The file's settings come first, so that the command line's count. */
static int read_config(struct server *server, struct common *common, char *mote, int argc,
                       char **argv)
{
	struct config_work work = {server, common, mote, NULL};
	int option;

	optind = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1)
		if (option == OPTION_CONFIG)
			work.path = optarg;
	optind = 0;
	opterr = 1;
	return work.path ? config_read(work.path, apply_named, &work) : 0;
}

static int read_all(struct server *server, struct common *common, char *mote, int argc, char **argv)
{
	int option;

	if (read_config(server, common, mote, argc, argv))
		return -1;
	while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		if (option == 'h')
			return SERVE_OPTIONS_HELP;
		if (apply(server, common, option, optarg, mote))
			return -1;
	}
	for (; optind < argc; optind++)
		if (add_app(server, "/", 1, argv[optind], mote))
			return -1;
	if (!server->app_count && (server->fixed || server->command))
		return add_app(server, "/", 1, (char *)"none", mote);
	if (!server->app_count)
		return refuse("no application given: mote serve [OPTION]... APP");
	return 0;
}

int serve_options_parse(struct server *server, char *mote, int argc, char **argv)
{
	unsigned processors = processors_count();
	/* A thread and the worker that it waits for share a processor (processors.h). */
	struct common common = {
	        .workers_min = processors, .workers_max = 4 * processors, .queue_max = 1024};
	int status;

	*server = (struct server){.address = (char *)"127.0.0.1:8080",
	                          .threads = processors,
	                          .body_max = 1 << 20,
	                          .answer_max = 16 << 20,
	                          .timeout_ns = 10000000000u,
	                          .send_timeout_ns = 60000000000u,
	                          .idle_timeout_s = 60,
	                          .log_format = LOG_TEXT,
	                          .listener = -1};
	status = read_all(server, &common, mote, argc, argv);
	settle(server, &common);
	return status;
}

int serve_options_listen(struct server *server)
{
	server->listener = strncmp(server->address, "unix:", 5) ? listen_tcp(server->address)
	                                                        : listen_unix(server->address + 5);
	return server->listener < 0 ? -1 : 0;
}
