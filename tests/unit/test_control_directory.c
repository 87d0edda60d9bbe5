/* SPDX-License-Identifier: Apache-2.0 */
/* Where control sockets are: the directory, names that are taken, and what the dead leave. */
#include "vmm/control_directory.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char base[] = "/tmp/mote-test-control-XXXXXX";
static struct control_directory directory;
static struct mote_error err;

static void setup(void)
{
	cr_assert_not_null(mkdtemp(base));
	cr_assert_eq(setenv("XDG_RUNTIME_DIR", base, 1), 0);
}

static void teardown(void)
{
	char command[64];

	snprintf(command, sizeof command, "rm -rf %s", base);
	cr_assert_eq(system(command), 0);
}

TestSuite(control_directory, .init = setup, .fini = teardown, .timeout = 60);

static void open_it(void)
{
	cr_assert_eq(control_directory_open(&directory, &err), 0, "%s", err.text);
}

static int note(void *ctx, const char *name)
{
	char *names = ctx;

	strcat(strcat(names, name), " ");
	return 0;
}

static const char *names(void)
{
	static char text[4096];

	text[0] = '\0';
	cr_assert_eq(control_directory_list(&directory, note, text, &err), 0);
	return text;
}

Test(control_directory, is_made_for_the_user_alone)
{
	char path[128];
	struct stat status;
	int fd;

	snprintf(path, sizeof path, "%s/mote", base);
	open_it();
	cr_assert_str_eq(directory.path, path);
	cr_assert_eq(stat(path, &status), 0);
	cr_assert_eq(status.st_mode & 07777, 0700);
	umask(0);
	fd = control_directory_listen(&directory, "a", &err);
	cr_assert_geq(fd, 0);
	strcat(path, "/a.sock");
	cr_assert_eq(stat(path, &status), 0);
	cr_assert_eq(status.st_mode, S_IFSOCK | 0600);
}

Test(control_directory, has_other_places)
{
	char path[128], run[64];
	bool has_run;

	snprintf(run, sizeof run, "/run/user/%u", (unsigned)geteuid());
	has_run = access(run, F_OK) == 0;
	cr_assert_eq(setenv("XDG_RUNTIME_DIR", "relative", 1), 0);
	cr_assert_eq(setenv("XDG_CACHE_HOME", "/cache", 1), 0);
	cr_assert(control_directory_path(path, sizeof path));
	strcat(run, "/mote");
	cr_assert_str_eq(path, has_run ? run : "/cache/mote/run");
	cr_assert_not(control_directory_path(path, 5));
}

Test(control_directory, a_name_is_taken_as_long_as_somebody_listens)
{
	int fd;

	open_it();
	fd = control_directory_listen(&directory, "a", &err);
	cr_assert_geq(fd, 0);
	cr_assert_eq(control_directory_listen(&directory, "a", &err), -1);
	cr_assert_str_eq(err.text, "a microVM with the name a is running already (see mote ps)");
	cr_assert_geq(control_directory_connect(&directory, "a", 1000), 0);
	cr_assert_str_eq(names(), "a ");
	close(fd);
	cr_assert_str_eq(names(), "a ");
	fd = control_directory_listen(&directory, "a", &err);
	cr_assert_geq(fd, 0);
	close(fd);
	cr_assert_eq(control_directory_connect(&directory, "a", 1000), -1);
	cr_assert_eq(errno, ENOENT);
	cr_assert_str_eq(names(), "", "the socket of a dead one was left");
	cr_assert_eq(control_directory_connect(&directory, "a", 1000), -1);
	cr_assert_eq(errno, ENOENT);
}

Test(control_directory, other_files_are_left_alone)
{
	char command[PATH_MAX + 128];

	open_it();
	snprintf(command, sizeof command, "cd %s && touch x.sock y .sock 1.sock a.b.sock '.x.sock'",
	         directory.path);
	cr_assert_eq(system(command), 0);
	cr_assert_str_eq(names(), "a.b x ");
	cr_assert_eq(control_directory_listen(&directory, "x", &err), -1);
	cr_assert_eq(control_directory_connect(&directory, "x", 1000), -1);
	cr_assert_str_eq(names(), "a.b x ");
}

/* Each listens for a moment under the same name, and only one at a time can. */
Test(control_directory, many_at_a_time)
{
	pid_t children[4];
	int status, fd;

	open_it();
	for (int i = 0; i < 4; i++) {
		children[i] = fork();
		if (children[i])
			continue;
		/* A lock is the description's: one of its own. */
		if (control_directory_open(&directory, &err))
			_exit(1);
		for (int k = 0; k < 300; k++) {
			fd = control_directory_listen(&directory, "a", &err);
			if (fd < 0)
				continue;
			/* The others may have filled the backlog by looking whether it lives. */
			if (control_directory_connect(&directory, "a", 10) < 0 && errno != EAGAIN)
				_exit(2);
			for (int close_me = 3; close_me < 20; close_me++)
				if (close_me != directory.fd)
					close(close_me);
		}
		_exit(0);
	}
	for (int i = 0; i < 4; i++) {
		cr_assert_eq(waitpid(children[i], &status, 0), children[i]);
		cr_assert_eq(status, 0);
	}
}
