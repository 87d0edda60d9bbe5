/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock alone, without the system call filter that would stop most of these calls before it. */
#define _GNU_SOURCE 1
#include "confined_child.h"
#include "vmm/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

static void body_execute(void)
{
	char *const arguments[] = {(char[]){"true"}, NULL};
	struct mote_error err;

	EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	EXPECT(landlock_restrict(NULL, 0, &err) == confine_landlock_abi());
	EXPECT(execv("/bin/true", arguments) == -1 && errno == EACCES);
}

Test(confine_landlock, denies_execution)
{
	require_landlock(1);
	assert_works(FREE, body_execute);
}

/* A directory with one file in it, which belongs to the test that makes it. */
static char directory[] = "/tmp/mote-test-confine-XXXXXX";
static char file_in_it[sizeof directory + 8], new_in_it[sizeof directory + 8];

static void make_directory(void)
{
	int fd;

	cr_assert(mkdtemp(directory) != NULL);
	snprintf(file_in_it, sizeof file_in_it, "%s/file", directory);
	snprintf(new_in_it, sizeof new_in_it, "%s/new", directory);
	fd = open(file_in_it, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	cr_assert(fd >= 0 && close(fd) == 0);
}

static void remove_directory(void)
{
	unlink(file_in_it);
	unlink(new_in_it);
	rmdir(directory);
}

static void body_files(void)
{
	struct mote_error err;
	int fd;

	EXPECT((fd = open(file_in_it, O_RDWR)) >= 0);
	EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	EXPECT(landlock_restrict(NULL, 0, &err) == confine_landlock_abi());
	EXPECT(open(file_in_it, O_RDONLY) == -1 && errno == EACCES);
	EXPECT(open("/proc/version", O_RDONLY) == -1 && errno == EACCES);
	EXPECT(open(new_in_it, O_WRONLY | O_CREAT, 0600) == -1 && errno == EACCES);
	EXPECT(mkdir(new_in_it, 0700) == -1 && errno == EACCES);
	EXPECT(unlink(file_in_it) == -1 && errno == EACCES);
	EXPECT(rename(file_in_it, new_in_it) == -1 && errno == EACCES);
	EXPECT(mount("none", directory, "tmpfs", 0, NULL) == -1 && errno == EPERM);
	EXPECT(write(fd, "x", 1) == 1);
}

Test(confine_landlock, denies_files_that_are_not_open, .init = make_directory,
     .fini = remove_directory)
{
	require_landlock(1);
	assert_works(FREE, body_files);
}

static void body_tcp(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct mote_error err;

	EXPECT(fd >= 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	EXPECT(landlock_restrict(NULL, 0, &err) > 0);
	EXPECT(connect(fd, (struct sockaddr *)&address, sizeof address) == -1 && errno == EACCES);
	EXPECT(bind(fd, (struct sockaddr *)&address, sizeof address) == -1 && errno == EACCES);
}

Test(confine_landlock, denies_tcp)
{
	require_landlock(4);
	assert_works(FREE, body_tcp);
}

static void body_signal(void)
{
	struct mote_error err;

	EXPECT(kill(getppid(), 0) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	EXPECT(landlock_restrict(NULL, 0, &err) > 0);
	EXPECT(kill(getppid(), 0) == -1 && errno == EPERM);
}

Test(confine_landlock, denies_signals_to_others)
{
	require_landlock(6);
	assert_works(FREE, body_signal);
}
