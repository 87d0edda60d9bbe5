/* SPDX-License-Identifier: Apache-2.0 */
/* `mote logs`: the last output of a microVM that has a name. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/command.h"
#include "vmm/control_client.h"
#include "vmm/output_log.h"

#define LOOK_MS 100

struct logs {
	const char *who;
	uint64_t lines; /* of the end; UINT64_MAX: all */
	bool follows;
	struct output_log_reader reader;
};

static unsigned char buffer[OUTPUT_LOG_SIZE];

static int wrong_use(const char *argument, struct mote_error *err)
{
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "%s%s%s: mote logs [-f] [-n LINES] NAME|PID (see mote help logs)",
	                      argument ? "'" : "", argument ? argument : "something is missing",
	                      argument ? "' is not understood" : "");
}

static int read_lines(const char *text, uint64_t *lines, struct mote_error *err)
{
	char *end;

	errno = 0;
	*lines = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "-n '%.64s' is not a number of lines (see mote help logs)",
		                      text);
	return 0;
}

static int parse(struct logs *logs, int argc, char **argv, struct mote_error *err)
{
	logs->lines = UINT64_MAX;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-f"))
			logs->follows = true;
		else if (!strcmp(argv[i], "-n") && i + 1 < argc) {
			if (read_lines(argv[++i], &logs->lines, err))
				return -1;
		} else if (argv[i][0] == '-' || logs->who) {
			return wrong_use(argv[i], err);
		} else {
			logs->who = argv[i];
		}
	}
	return logs->who ? 0 : wrong_use(NULL, err);
}

/* The name itself, whether the microVM runs or not; of a PID only one that runs has a name. */
static int open_log(struct logs *logs, struct mote_error *err)
{
	static struct control_client client;
	struct control_directory directory;
	const char *name = logs->who;
	int status;

	if (!control_is_name(name)) {
		if (control_client_open(&client, name, err))
			return -1;
		control_client_close(&client);
		name = client.name;
	}
	if (control_directory_open(&directory, err))
		return -1;
	status = output_log_open(&logs->reader, &directory, name, err);
	control_directory_close(&directory);
	return status;
}

/* Where the last lines begin. A line that has no end yet is one, too. */
static size_t find_lines(const unsigned char *text, size_t size, uint64_t lines)
{
	size_t at = size;

	if (!lines)
		return size;
	while (at) {
		if (text[at - 1] == '\n' && at < size && !--lines)
			return at;
		at--;
	}
	return 0;
}

/* A terminal is not to obey what has been written once. */
static int print(unsigned char *text, size_t size)
{
	if (isatty(STDOUT_FILENO))
		for (size_t i = 0; i < size; i++)
			if ((text[i] < ' ' && text[i] != '\n' && text[i] != '\t') ||
			    text[i] == 0x7f)
				text[i] = '?';
	return fwrite(text, 1, size, stdout) == size && !fflush(stdout) ? 0 : -1;
}

/* What there is now. Return: its bytes, or -1. */
static int64_t print_next(struct logs *logs, struct mote_error *err)
{
	int64_t size = output_log_read(&logs->reader, buffer, err);
	size_t start = size > 0 ? find_lines(buffer, (size_t)size, logs->lines) : 0;

	logs->lines = UINT64_MAX; /* of the first piece alone */
	if (size > 0 && print(buffer + start, (size_t)size - start))
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot write the output");
	return size;
}

static int follow(struct logs *logs, struct mote_error *err)
{
	const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000};
	bool has_ended;
	int64_t size;

	do {
		/* In this order: what was written before its end is not missed. */
		has_ended = output_log_has_ended(&logs->reader);
		size = print_next(logs, err);
		if (!has_ended && !size)
			nanosleep(&pause, NULL);
	} while (size >= 0 && !(has_ended && !size));
	return size < 0 ? -1 : 0;
}

int command_logs(int argc, char **argv, struct mote_error *err)
{
	struct logs logs = {.reader = {.fd = -1}};
	int status = -1;

	if (!parse(&logs, argc, argv, err) && !open_log(&logs, err))
		status = logs.follows ? follow(&logs, err) : print_next(&logs, err) < 0 ? -1 : 0;
	if (logs.reader.fd >= 0)
		close(logs.reader.fd);
	return status;
}

void command_logs_help(void)
{
	printf("Usage: mote logs [-f] [-n LINES] NAME|PID\n\n"
	       "Prints the last output, at most %u KiB, of a microVM that was started with --name: "
	       "one\n"
	       "that runs, or the last one of the name. What a terminal would obey is shown as "
	       "'?'.\n\n"
	       "Options:\n"
	       "  -f        go on with what comes, until the microVM ends\n"
	       "  -n LINES  the last lines only\n",
	       OUTPUT_LOG_KEPT >> 10);
}
