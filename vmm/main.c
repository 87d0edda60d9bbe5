/* SPDX-License-Identifier: Apache-2.0 */
/* The mote program: finds the subcommand, prints its error and chooses the exit status. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/command.h"

/*
 * A file opened later must not become the guest's standard input or output. A closed descriptor is
 * filled so that using it still fails with EBADF: opened in the direction that it is not used in.
 */
static int fill_standard_files(struct mote_error *err)
{
	struct pollfd files[3] = {{.fd = 0}, {.fd = 1}, {.fd = 2}};

	if (poll(files, 3, 0) <= 0)
		return 0;
	for (int fd = 0; fd < 3; fd++) {
		if ((files[fd].revents & POLLNVAL) == 0)
			continue;
		/* The lowest free number is taken, and that is fd: the ones below are open. */
		if (open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
			return mote_error_errno(err, MOTE_STATUS_FAILED,
			                        "/dev/null in place of closed descriptor %d", fd);
	}
	return 0;
}

static int dispatch(int argc, char **argv, struct mote_error *err)
{
	if (argc < 2)
		return mote_error_set(err, MOTE_STATUS_FAILED, "no command given (see mote help)");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return command_help(argc - 1, argv + 1, err);
	if (strcmp(argv[1], "--version") == 0)
		return command_version(argc - 1, argv + 1, err);

	const struct command *command = command_find(argv[1], err);

	if (command == NULL)
		return -1;
	if (argc == 3 && strcmp(argv[2], "--help") == 0) {
		command->help();
		return 0;
	}
	return command->run(argc - 1, argv + 1, err);
}

/* One line in one write. */
static void print_error(const struct mote_error *err)
{
	char line[MOTE_ERROR_TEXT + 8];
	int length = snprintf(line, sizeof line, "mote: %s", err->text);

	line[length++] = '\n';
	/* There is nobody left to tell when this fails. */
	if (write(STDERR_FILENO, line, (size_t)length) < 0)
		return;
}

int main(int argc, char **argv)
{
	struct mote_error err;
	int status;

	err.code = 0;
	err.text[0] = '\0';
	status = fill_standard_files(&err);
	if (status == 0)
		status = dispatch(argc, argv, &err);
	if (status >= 0 && (fflush(stdout) != 0 || ferror(stdout)))
		status = mote_error_errno(&err, MOTE_STATUS_FAILED, "writing to standard output");
	if (status >= 0)
		return status;
	print_error(&err);
	return err.code != 0 ? err.code : MOTE_STATUS_FAILED;
}
