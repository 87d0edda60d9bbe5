/* SPDX-License-Identifier: Apache-2.0 */
/* `mote doctor`: programs of others that mote or its tools start. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vmm/doctor.h"

extern char **environ;

/* ---- found or not ---- */

/* Is there an executable of this name on PATH or where tools of the administrator live? */
static bool has_tool(const char *name)
{
	const char *path = getenv("PATH");
	const char *const lists[] = {path != NULL ? path : "", "/usr/local/sbin:/usr/sbin:/sbin"};

	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		const char *at = lists[i];

		while (*at != '\0') {
			size_t length = strcspn(at, ":");
			char file[4096];
			int size = snprintf(file, sizeof file, "%.*s/%s", (int)length, at, name);

			if (length != 0 && size < (int)sizeof file && access(file, X_OK) == 0)
				return true;
			at += length + (at[length] == ':');
		}
	}
	return false;
}

static void not_found(struct finding *finding, const char *user, const char *package)
{
	found(finding, ADVICE, "not found; needed for %s only: sudo apt install %s", user, package);
}

void doctor_check_mkfs(struct host *host, struct finding *finding)
{
	(void)host;
	if (has_tool("mkfs.erofs"))
		found(finding, OK, "found");
	else
		not_found(finding, "mote build and --root with a directory", "erofs-utils");
}

void doctor_check_compiler(struct host *host, struct finding *finding)
{
	(void)host;
	if (has_tool("musl-gcc"))
		found(finding, OK, "found");
	else
		not_found(finding, "mote-cc", "musl-tools");
}

/* ---- asked ---- */

#define TOOL_TEXT    16384 /* bytes of what a tool says; its help is half of that */
#define TOOL_TIMEOUT 2000  /* milliseconds that it has for saying it */

static int64_t milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Reads until the end, the deadline, or until @text is full; ends it with NUL. */
static void read_text(int fd, char text[static TOOL_TEXT])
{
	int64_t deadline = milliseconds() + TOOL_TIMEOUT;
	size_t used = 0;

	while (used < TOOL_TEXT - 1) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		int64_t left = deadline - milliseconds();
		ssize_t got;

		if (left <= 0 || poll(&wait, 1, (int)left) <= 0)
			break;
		got = read(fd, text + used, TOOL_TEXT - 1 - used);
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	text[used] = '\0';
}

/*
 * Starts a tool as mote run would find it and takes what it writes to standard output and error.
 * Whatever it does, it is over when this returns.
 *
 * Return: 0, or an errno: it could not be started.
 */
static int ask_tool(char *name, char *option, char text[static TOOL_TEXT])
{
	char *words[] = {name, option, NULL};
	posix_spawn_file_actions_t actions;
	int ends[2], status;
	pid_t pid;

	text[0] = '\0';
	if (pipe2(ends, O_CLOEXEC))
		return errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
	status = posix_spawnp(&pid, name, &actions, NULL, words, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (!status) {
		read_text(ends[0], text);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	close(ends[0]);
	return status;
}

/* Leaves the first line of what a tool said, as far as it can be shown. */
static const char *first_line(char *text)
{
	char *at = text;

	while (*at >= ' ' && *at <= '~' && at - text < 60)
		at++;
	*at = '\0';
	return text;
}

void doctor_check_passt(struct host *host, struct finding *finding)
{
	char name[] = "passt", help[] = "--help", version[] = "--version";
	char text[TOOL_TEXT];
	int status = ask_tool(name, help, text);
	bool takes_socket;

	(void)host;
	if (status == ENOENT) {
		not_found(finding, "--net user", "passt");
		return;
	}
	if (status) {
		found(finding, ADVICE, "needed for --net user only, and cannot be started: %s",
		      strerror(status));
		return;
	}
	takes_socket = strstr(text, "--fd") != NULL;
	(void)ask_tool(name, version, text);
	if (takes_socket)
		found(finding, OK, "takes a socket that is connected already (%s)",
		      first_line(text));
	else
		found(finding, ADVICE,
		      "does not know --fd, which --net user needs; install a newer one, of "
		      "2023 or later (this one says: %s)",
		      first_line(text));
}
