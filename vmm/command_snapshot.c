/* SPDX-License-Identifier: Apache-2.0 */
/* `mote snapshot`: of a running microVM, and what is done to snapshot files. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/command.h"
#include "vmm/command_tool.h"
#include "vmm/control_client.h"
#include "vmm/new_file.h"
#include "vmm/snapshot_train.h"

#define ANSWER_MS 5000
#define END_MS    10000

static struct control_client client;

/* ---- of files ---- */

static int run_train(int argc, char **argv, struct mote_error *err)
{
	const char *path = NULL, *key_path = NULL;
	struct snapshot_key key;
	bool forgets = false, is_right = true;

	for (int i = 1; i < argc && is_right; i++) {
		if (strcmp(argv[i], "--forget") == 0)
			forgets = true;
		else if (strcmp(argv[i], "--key-file") == 0 && i + 1 < argc)
			key_path = argv[++i];
		else if (argv[i][0] != '-' && !path)
			path = argv[i];
		else
			is_right = false;
	}
	if (!path || !is_right)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "one file is wanted: mote snapshot train [--forget] "
		                      "[--key-file FILE] FILE (see mote help snapshot)");
	if (key_path && snapshot_key_read(&key, key_path, err))
		return -1;
	return snapshot_train(path, !forgets, key_path ? &key : NULL, err);
}

static int run_pack(int argc, char **argv, struct mote_error *err)
{
	(void)argc;
	return command_tool_run("mote-pack", argv, err);
}

/* First words of `mote snapshot` that stand for something else; argv[0] is the word. */
static const struct {
	const char *name;
	int (*run)(int argc, char **argv, struct mote_error *err);
} tools[] = {
        {"train", run_train},
        {"pack", run_pack},
        {"unpack", run_pack},
};

#define TOOLS (sizeof tools / sizeof tools[0])

/* ---- of a running microVM ---- */

struct request {
	const char *who, *path, *base;
	bool cuts, stops;
};

static int parse_option(struct request *request, int argc, char **argv, int *index,
                        struct mote_error *err)
{
	const char *word = argv[*index], **value = NULL;

	if (strcmp(word, "--force") == 0)
		request->cuts = true;
	else if (strcmp(word, "--stop") == 0 || strcmp(word, "--continue") == 0)
		request->stops = word[2] == 's';
	else if (strcmp(word, "-o") == 0 || strcmp(word, "--output") == 0)
		value = &request->path;
	else if (strcmp(word, "--base") == 0)
		value = &request->base;
	else
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "unknown option '%.64s' (see mote help snapshot)", word);
	if (!value)
		return 0;
	if (*index + 1 >= argc)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "%s needs a file (see mote help snapshot)", word);
	*value = argv[++*index];
	return 0;
}

static int parse(struct request *request, int argc, char **argv, struct mote_error *err)
{
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-') {
			if (parse_option(request, argc, argv, &i, err))
				return -1;
		} else if (request->who) {
			return mote_error_set(err, MOTE_STATUS_FAILED,
			                      "snapshot takes one microVM at a time (see mote help "
			                      "snapshot)");
		} else {
			request->who = argv[i];
		}
	}
	return 0;
}

/* The folder of a path: a base is found by its name in the folder of what builds on it. */
static bool stat_folder(const char *path, struct stat *status)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];

	snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
	         slash ? path : ".");
	return stat(folder, status) == 0;
}

static int open_base(const struct request *request, struct mote_error *err)
{
	struct stat ours, its, old, base;
	int fd = open(request->base, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return mote_error_errno(err, MOTE_STATUS_NOT_FOUND, "cannot open %s",
		                        request->base);
	if (fstat(fd, &base) == 0 && stat(request->path, &old) == 0 && old.st_dev == base.st_dev &&
	    old.st_ino == base.st_ino) {
		close(fd);
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "%s cannot build on %s: it would take its place",
		                      request->path, request->base);
	}
	if (stat_folder(request->path, &ours) && stat_folder(request->base, &its) &&
	    ours.st_dev == its.st_dev && ours.st_ino == its.st_ino)
		return fd;
	close(fd);
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "%s cannot build on %s: both have to be in the same folder",
	                      request->path, request->base);
}

static uint64_t number_of(const char *key)
{
	const struct json_field *field = json_find(&client.answer, key, JSON_NUMBER);

	return field ? field->number : 0;
}

static int ask(const struct request *request, int file, int base, struct mote_error *err)
{
	const int files[] = {file, base};
	char text[96];

	snprintf(text, sizeof text,
	         "{\"command\": \"snapshot\", \"base\": %s, \"force\": %s, \"pause\": %s}",
	         base >= 0 ? "true" : "false", request->cuts ? "true" : "false",
	         request->stops ? "true" : "false");
	/* Writing takes what it takes. */
	return control_client_ask(&client, text, files, base >= 0 ? 2 : 1, 0, err);
}

/* The guest has stood still since the snapshot: it ends only once that has its name. */
static int stop(struct mote_error *err)
{
	if (control_client_ask(&client, "{\"command\": \"stop\"}", NULL, 0, ANSWER_MS, err))
		return -1;
	return control_client_wait_end(&client, END_MS)
	               ? 0
	               : mote_error_set(err, MOTE_STATUS_FAILED,
	                                "the microVM %s has not ended yet (mote kill ends it)",
	                                client.name);
}

static int take(const struct request *request, int base, struct mote_error *err)
{
	struct new_file file;
	uint64_t pages, bytes, write_us, sync_us;

	if (new_file_create(&file, request->path, err))
		return -1;
	if (ask(request, file.fd, base, err)) {
		new_file_discard(&file);
		return -1;
	}
	pages = number_of("pages");
	bytes = number_of("bytes");
	write_us = number_of("write_us");
	sync_us = number_of("sync_us");
	if (new_file_keep(&file, err)) {
		struct mote_error unused;

		if (request->stops)
			control_client_ask(&client, "{\"command\": \"resume\"}", NULL, 0, ANSWER_MS,
			                   &unused);
		return -1;
	}
	printf("%s: %" PRIu64 " pages, %" PRIu64 " bytes\n"
	       "written in %" PRIu64 " us, and on disk %" PRIu64 " us later\n",
	       request->path, pages, bytes, write_us, sync_us);
	return request->stops ? stop(err) : 0;
}

int command_snapshot(int argc, char **argv, struct mote_error *err)
{
	struct request request = {.who = NULL};
	int base = -1;

	for (size_t i = 0; argc > 1 && i < TOOLS; i++)
		if (strcmp(argv[1], tools[i].name) == 0)
			return tools[i].run(argc - 1, argv + 1, err);
	if (parse(&request, argc, argv, err))
		return -1;
	if (!request.who || !request.path)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "%s: mote snapshot NAME|PID -o FILE (see mote help snapshot)",
		                      request.who ? "no file given" : "no microVM given");
	if (request.base && (base = open_base(&request, err)) < 0)
		return -1;
	if (control_client_open(&client, request.who, err))
		return -1;
	return take(&request, base, err);
}

void command_snapshot_help(void)
{
	printf("Usage: mote snapshot NAME|PID -o FILE [OPTION]...\n"
	       "       mote snapshot train [--forget] [--key-file FILE] FILE\n"
	       "       mote snapshot pack FILE [-o FILE.zst]\n"
	       "       mote snapshot unpack FILE.zst [-o FILE]\n\n"
	       "Takes a snapshot of a microVM that was started with --name, where its program "
	       "stands;\n"
	       "mote restore FILE goes on from there. The guest stands still meanwhile. FILE is\n"
	       "replaced only once the new one is whole.\n\n"
	       "Options:\n"
	       "  -o, --output FILE     where to\n"
	       "  --base BASE           store only what differs from BASE, the snapshot in the "
	       "same\n"
	       "                        folder that the microVM was started from\n"
	       "  --force               cut connections that a snapshot cannot carry\n"
	       "  --continue            let the guest go on after it (default)\n"
	       "  --stop                end the microVM after it\n\n"
	       "train lays the pages that the first restore wrote in one run, which makes "
	       "restores\n"
	       "faster; --forget lets the next restore find out anew which these are.\n"
	       "pack compresses a snapshot for transport (zstd); unpack makes it again, and "
	       "verifies it.\n");
}
