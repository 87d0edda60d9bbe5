/* SPDX-License-Identifier: Apache-2.0 */
/* What devices may do besides: allowed with the device's group, deadly without it. */
#define _GNU_SOURCE 1
#include "confined_child.h"
#include "vmm/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define ALL (CONFINE_DISK | CONFINE_SHARE | CONFINE_NET | CONFINE_VSOCK | CONFINE_SNAPSHOT)

static struct confine_needs needs;

static void enter(void)
{
	struct mote_error err;

	EXPECT(confine_enter(CONFINE_LOAD, &needs, &err) == 0);
	EXPECT(confine_enter(CONFINE_RUN, &needs, &err) == 0);
}

/* Whether a child with these groups survives @attempt. */
static bool survives(unsigned groups, void (*attempt)(void))
{
	enum progress reached;
	int status;

	needs.groups = groups;
	status = in_child(FREE, attempt, &reached);
	cr_assert((WIFEXITED(status) && !WEXITSTATUS(status) && reached == ATTEMPTED) ||
	                  (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS),
	          "groups %#x: status %#x", groups, status);
	return WIFEXITED(status);
}

/* In which sets of groups an attempt is allowed: in those that have one of @allowing. */
static void assert_allowed_with(unsigned allowing, void (*attempt)(void))
{
	for (unsigned groups = 0; groups <= ALL; groups++)
		cr_assert_eq(survives(groups, attempt), (groups & allowing) != 0,
		             "groups %#x, allowing %#x", groups, allowing);
}

#define GROUP_CALL(name, allowing, ...)                        \
	static void attempt_##name(void)                       \
	{                                                      \
		enter();                                       \
		__VA_ARGS__;                                   \
	}                                                      \
	Test(confine_groups, name)                             \
	{                                                      \
		assert_allowed_with(allowing, attempt_##name); \
	}

static const char nowhere[] = "/nonexistent/file";

GROUP_CALL(accept, CONFINE_VSOCK | CONFINE_SNAPSHOT, syscall(SYS_accept4, -1, NULL, NULL, 0))
GROUP_CALL(take_descriptors, CONFINE_VSOCK | CONFINE_SNAPSHOT, syscall(SYS_recvmsg, -1, NULL, 0))
GROUP_CALL(send_frames, CONFINE_NET, syscall(SYS_sendmsg, -1, NULL, 0))
GROUP_CALL(open_beneath, CONFINE_SHARE, syscall(SYS_openat2, -1, nowhere, NULL, 0))
GROUP_CALL(make_directory, CONFINE_SHARE, syscall(SYS_mkdirat, -1, nowhere, 0700))
GROUP_CALL(unlink, CONFINE_SHARE, syscall(SYS_unlinkat, -1, nowhere, 0))

/* What no device needs. */
GROUP_CALL(open, 0, syscall(SYS_open, nowhere, O_RDONLY))
GROUP_CALL(socket, 0, syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0))
GROUP_CALL(connect, 0, syscall(SYS_connect, -1, NULL, 0))
GROUP_CALL(bind, 0, syscall(SYS_bind, -1, NULL, 0))
GROUP_CALL(execute, 0, syscall(SYS_execve, nowhere, NULL, NULL))
GROUP_CALL(fork, 0, syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0))
GROUP_CALL(kill, 0, syscall(SYS_kill, getppid(), 0))
GROUP_CALL(make_device, 0, syscall(SYS_mknodat, -1, nowhere, S_IFCHR, 0))
GROUP_CALL(chown, 0, syscall(SYS_fchownat, -1, nowhere, 0, 0, 0))
GROUP_CALL(mount, 0, syscall(SYS_mount, NULL, nowhere, NULL, 0, NULL))
GROUP_CALL(handle, 0, syscall(SYS_open_by_handle_at, -1, NULL, 0))

/* ---- the limit of open files ---- */

/* The child cannot ask any more once it is confined; its parent can. */
Test(confine_groups, limit_of_files_grows)
{
	struct mote_error err;
	struct rlimit limit;
	int ends[2], back[2];
	char byte;
	pid_t child;

	cr_assert(pipe(ends) == 0 && pipe(back) == 0);
	cr_assert(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max >= 356);
	needs = (struct confine_needs){.files = 100};
	child = fork();
	if (child == 0) {
		if (confine_enter(CONFINE_LOAD, &needs, &err) || write(back[1], "x", 1) != 1)
			_exit(1);
		_exit(read(ends[0], &byte, 1) != 1);
	}
	cr_assert_eq(read(back[0], &byte, 1), 1);
	cr_assert_eq(prlimit(child, RLIMIT_NOFILE, NULL, &limit), 0);
	cr_assert_eq(limit.rlim_cur, 356);
	cr_assert_eq(limit.rlim_max, 356);
	cr_assert(write(ends[1], "x", 1) == 1 && waitpid(child, NULL, 0) == child);
}

/* ---- directories that stay within reach ---- */

static char directory[] = "/tmp/mote-test-groups-XXXXXX";

static void make_files(void)
{
	char path[sizeof directory + 16];
	int fd;

	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/inside", directory);
	cr_assert_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/outside", directory);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	cr_assert(fd >= 0 && close(fd) == 0);
	snprintf(path, sizeof path, "%s/inside/file", directory);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	cr_assert(fd >= 0 && close(fd) == 0);
}

static void remove_files(void)
{
	char command[sizeof directory + 16];

	snprintf(command, sizeof command, "rm -rf %s", directory);
	cr_assert_eq(system(command), 0);
}

/* Landlock alone: the filter would stop some of these before it. */
static void reach_for(bool is_read_only)
{
	struct confine_directory shared;
	struct mote_error err;
	char inside[sizeof directory + 16];
	int fd;

	snprintf(inside, sizeof inside, "%s/inside", directory);
	shared = (struct confine_directory){open(inside, O_PATH | O_CLOEXEC), is_read_only};
	EXPECT(shared.fd >= 0 && chdir(directory) == 0);
	EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	EXPECT(landlock_restrict(&shared, 1, &err) > 0);
	EXPECT(open("outside", O_RDONLY) == -1 && errno == EACCES);
	EXPECT((fd = open("inside/file", O_RDONLY)) >= 0 && close(fd) == 0);
	EXPECT((fd = open("inside", O_RDONLY | O_DIRECTORY)) >= 0 && close(fd) == 0);
	EXPECT(execl("inside/file", "file", (char *)NULL) == -1 && errno == EACCES);
	EXPECT(mknodat(shared.fd, "device", S_IFIFO | 0600, 0) == -1 && errno == EACCES);
	EXPECT(rename("inside/file", "file") == -1);
	EXPECT((open("inside/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0) == !is_read_only);
	EXPECT((mkdir("inside/folder", 0700) == 0) == !is_read_only);
	EXPECT((rename("inside/file", "inside/renamed") == 0) == !is_read_only);
	EXPECT((symlink("x", "inside/link") == 0) == !is_read_only);
	EXPECT((truncate("inside/new", 1) == 0) == !is_read_only);
	EXPECT((rmdir("inside/folder") == 0) == !is_read_only);
	EXPECT((unlink("inside/new") == 0) == !is_read_only);
}

static void attempt_writable(void)
{
	reach_for(false);
}

static void attempt_read_only(void)
{
	reach_for(true);
}

Test(confine_directories, writable, .init = make_files, .fini = remove_files)
{
	require_landlock(1);
	assert_works(FREE, attempt_writable);
}

Test(confine_directories, read_only, .init = make_files, .fini = remove_files)
{
	require_landlock(1);
	assert_works(FREE, attempt_read_only);
}
