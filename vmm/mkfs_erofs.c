/* SPDX-License-Identifier: Apache-2.0 */
/* Makes EROFS images of directories by mkfs.erofs. */
#define _GNU_SOURCE 1 /* pipe2 */
#include "vmm/mkfs_erofs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Options of mkfs.erofs that every image has (1.5 knows them, and later versions too):
 *   -x-1             no extended attributes: the guest has none
 *   -Enoinline_data  every file is one run of whole blocks, its tail included, so that any page of
 *                    it can be mapped where it lies, and reads are not cut up. --chunksize=4096
 *                    aligns as well, but has a map entry a block to read and takes twice the time
 *                    to make, for sharing equal blocks
 *   -U               a fixed identifier: nothing of an image is random
 */
#define COMMON_OPTIONS "-x-1", "-Enoinline_data", "-U6d6f7465-726f-4f74-8000-000000000001"

#define ARGUMENTS_MAX 16
#define OUTPUT_KEPT   4096
#define PATH_BYTES    4096
#define STANDARD_PATH "/sbin:/usr/sbin:/usr/local/sbin"

/* The end of what mkfs.erofs wrote. */
struct output {
	char text[OUTPUT_KEPT + 1];
	size_t length;
};

/* Looks mkfs.erofs up, in absolute directories only: what lies where the user is may be anything.
 */
static bool find_tool(const char *directories, char *path, size_t size)
{
	while (directories && *directories) {
		size_t length = strcspn(directories, ":");
		struct stat status;

		if (directories[0] == '/' && length < size &&
		    (size_t)snprintf(path, size, "%.*s/mkfs.erofs", (int)length, directories) <
		            size &&
		    stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0)
			return true;
		directories += length;
		directories += *directories == ':';
	}
	return false;
}

/* In the child: becomes mkfs.erofs. */
static void __attribute__((noreturn))
run_tool(const char *tool, const char *const *arguments, int out, pid_t parent)
{
	sigset_t none;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* An interrupted mote must not leave the tool at work. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(MOTE_STATUS_FAILED);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	if (dup2(out, STDOUT_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0)
		execv(tool, (char *const *)(uintptr_t)arguments);
	_exit(MOTE_STATUS_CANNOT_RUN);
}

/* Reads to the end, and keeps the last bytes. */
static void read_output(int fd, struct output *output)
{
	char buffer[OUTPUT_KEPT];
	ssize_t got;

	output->length = 0;
	while ((got = read(fd, buffer, sizeof buffer)) > 0 || (got < 0 && errno == EINTR)) {
		size_t fresh = got > 0 ? (size_t)got : 0;
		size_t old = output->length;

		if (old > OUTPUT_KEPT - fresh)
			old = OUTPUT_KEPT - fresh;
		memmove(output->text, output->text + output->length - old, old);
		memcpy(output->text + old, buffer, fresh);
		output->length = old + fresh;
	}
	output->text[output->length] = '\0';
}

/* Runs the tool. Returns its wait status, or -1 with errno set. */
static int spawn_tool(const char *tool, const char *const *arguments, struct output *output)
{
	pid_t parent = getpid(), child;
	int pipes[2], status;

	if (pipe2(pipes, O_CLOEXEC))
		return -1;
	child = fork();
	if (child == 0)
		run_tool(tool, arguments, pipes[1], parent);
	close(pipes[1]);
	if (child > 0)
		read_output(pipes[0], output);
	close(pipes[0]);
	if (child < 0)
		return -1;
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return -1;
	}
	return status;
}

/*
 * Finds in the output what mkfs.erofs was at, which its message does not say, and its last line
 * with something on it but its name and version, which may come late.
 */
static const char *last_line(struct output *output, const char **place)
{
	static const char progress[] = "Processing ", banner[] = "mkfs.erofs ";
	char *line, *last = NULL, *rest = output->text;

	*place = NULL;
	while ((line = strsep(&rest, "\r\n"))) {
		char *found = strstr(line, progress);

		if (found)
			*place = found + strlen(progress);
		else if (line[strspn(line, " \t")] && strncmp(line, banner, strlen(banner)) != 0)
			last = line;
	}
	return last ? last : "it gave no reason";
}

static int report_failure(const char *path, int status, struct output *output,
                          struct mote_error *err)
{
	const char *place, *line = last_line(output, &place);

	if (WIFSIGNALED(status))
		return mote_error_set(
		        err, MOTE_STATUS_FAILED,
		        "cannot build the root image from %s: mkfs.erofs was ended by "
		        "signal %d",
		        path, WTERMSIG(status));
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "cannot build the root image from %s: mkfs.erofs failed%s%s: %s",
	                      path, place ? " at " : "", place ? place : "", line);
}

int mkfs_erofs(const char *const *options, const char *target, const char *tree, const char *name,
               struct mote_error *err)
{
	char tool[PATH_BYTES];
	const char *arguments[ARGUMENTS_MAX] = {"mkfs.erofs", COMMON_OPTIONS};
	size_t count = 4;
	struct output output;
	int status;

	if (!find_tool(getenv("PATH"), tool, sizeof tool) &&
	    !find_tool(STANDARD_PATH, tool, sizeof tool))
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "cannot build the root image from %s: mkfs.erofs is not "
		                      "installed. Install it with: apt-get install erofs-utils",
		                      name);
	while (*options && count < ARGUMENTS_MAX - 4)
		arguments[count++] = *options++;
	arguments[count++] = "--";
	arguments[count++] = target;
	arguments[count] = tree;
	status = spawn_tool(tool, arguments, &output);
	if (status < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "cannot build the root image from %s: cannot run %s", name,
		                        tool);
	return status == 0 ? 0 : report_failure(name, status, &output, err);
}
