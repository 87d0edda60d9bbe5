/* SPDX-License-Identifier: Apache-2.0 */
/* Files that get their names when they are whole, on file systems of both kinds. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

static int openat_here(int directory, const char *name, int flags, int mode);

#define openat openat_here
#include "vmm/new_file.c"
#undef openat

static bool has_nameless_files = true;

static int openat_here(int directory, const char *name, int flags, int mode)
{
	if (!has_nameless_files && (flags & O_TMPFILE) == O_TMPFILE) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return openat(directory, name, flags, mode);
}

static char base[] = "/tmp/mote-test-new-file-XXXXXX";
static struct new_file file;
static struct mote_error err;

static void setup(void)
{
	cr_assert_not_null(mkdtemp(base));
	cr_assert_eq(chdir(base), 0);
}

static void teardown(void)
{
	char command[64];

	snprintf(command, sizeof command, "rm -rf %s", base);
	cr_assert_eq(system(command), 0);
}

TestSuite(new_file, .init = setup, .fini = teardown, .timeout = 60);

static int count_files(void)
{
	DIR *list = opendir(".");
	int count = -2; /* . and .. */

	cr_assert_not_null(list);
	while (readdir(list))
		count++;
	closedir(list);
	return count;
}

static void fill(const char *name, const char *text, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, mode);

	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static bool holds(const char *name, const char *text)
{
	char got[64] = "";
	int fd = open(name, O_RDONLY);
	ssize_t length = fd < 0 ? -1 : read(fd, got, sizeof got - 1);

	close(fd);
	return length == (ssize_t)strlen(text) && !strcmp(got, text);
}

static mode_t mode_of(const char *name)
{
	struct stat status;

	cr_assert_eq(stat(name, &status), 0);
	return status.st_mode & 07777;
}

#define BOTH_KINDS(name)                                 \
	static void name(void);                          \
	Test(new_file, name)                             \
	{                                                \
		name();                                  \
	}                                                \
	Test(new_file, name##_where_all_files_are_named) \
	{                                                \
		has_nameless_files = false;              \
		name();                                  \
	}                                                \
	static void name(void)

BOTH_KINDS(gets_its_name_when_kept)
{
	cr_assert_eq(new_file_create(&file, "new", &err), 0);
	cr_assert_eq(count_files(), has_nameless_files ? 0 : 1);
	cr_assert_eq(write(file.fd, "text", 4), 4);
	cr_assert_eq(new_file_keep(&file, &err), 0);
	cr_assert(holds("new", "text"));
	cr_assert_eq(mode_of("new"), 0600);
	cr_assert_eq(count_files(), 1);
	cr_assert_eq(file.fd, -1);
}

BOTH_KINDS(takes_the_place_of_an_old_one)
{
	umask(0777);
	cr_assert_eq(mkdir("folder", 0700), 0);
	cr_assert_eq(chmod("folder", 0700), 0);
	umask(022);
	fill("folder/new", "old", 0644);
	umask(0777);
	cr_assert_eq(new_file_create(&file, "folder//new", &err), 0);
	cr_assert(holds("folder/new", "old"));
	cr_assert_eq(write(file.fd, "text", 4), 4);
	cr_assert_eq(new_file_keep(&file, &err), 0);
	cr_assert(holds("folder/new", "text"));
	cr_assert_eq(mode_of("folder/new"), 0600);
	cr_assert_eq(chdir("folder"), 0);
	cr_assert_eq(count_files(), 1);
}

BOTH_KINDS(leaves_nothing_when_thrown_away)
{
	fill("new", "old", 0644);
	cr_assert_eq(new_file_create(&file, "new", &err), 0);
	cr_assert_eq(write(file.fd, "text", 4), 4);
	new_file_discard(&file);
	new_file_discard(&file);
	cr_assert(holds("new", "old"));
	cr_assert_eq(count_files(), 1);
}

/* Children make the file over and over, and are killed somewhere in it. */
BOTH_KINDS(old_or_new_is_there_whenever_it_is_killed)
{
	fill("new", "text", 0600);
	for (int i = 0; i < 150; i++) {
		pid_t child = fork();

		if (child == 0) {
			for (;;) {
				if (new_file_create(&file, "new", &err))
					_exit(1);
				if (write(file.fd, "text", 4) != 4 || new_file_keep(&file, &err))
					_exit(2);
			}
		}
		usleep((useconds_t)(rand() % 3000));
		cr_assert_eq(kill(child, SIGKILL), 0);
		int status;

		cr_assert_eq(waitpid(child, &status, 0), child);
		cr_assert(WIFSIGNALED(status), "status %#x", status);
		cr_assert(holds("new", "text"), "round %d", i);
	}
	/* What the last one may have left is gone with the next. */
	cr_assert_eq(new_file_create(&file, "new", &err), 0);
	cr_assert_eq(new_file_keep(&file, &err), 0);
	cr_assert_eq(count_files(), 1);
}

/* Several at a time without names: the last one counts, and is whole. */
Test(new_file, several_may_be_made_at_a_time)
{
	pid_t children[4];
	int status;

	fill("new", "text", 0600);
	for (int i = 0; i < 4; i++) {
		children[i] = fork();
		if (children[i])
			continue;
		for (int k = 0; k < 200; k++)
			if (new_file_create(&file, "new", &err) || write(file.fd, "text", 4) != 4 ||
			    new_file_keep(&file, &err) || !holds("new", "text"))
				_exit(1);
		_exit(0);
	}
	for (int i = 0; i < 4; i++) {
		cr_assert_eq(waitpid(children[i], &status, 0), children[i]);
		cr_assert_eq(status, 0);
	}
	cr_assert_eq(count_files(), 1);
}

Test(new_file, one_at_a_time_where_files_are_named)
{
	struct new_file other;

	has_nameless_files = false;
	cr_assert_eq(new_file_create(&file, "new", &err), 0);
	cr_assert_eq(new_file_create(&other, "new", &err), -1);
	cr_assert_str_eq(err.text,
	                 "cannot create new: Resource temporarily unavailable. Another one "
	                 "is being written there now");
	cr_assert_eq(new_file_keep(&file, &err), 0);
	cr_assert_eq(new_file_create(&other, "new", &err), 0);
	new_file_discard(&other);
	cr_assert_eq(count_files(), 1);
}

static void assert_refused(const char *path, const char *why)
{
	char text[8000];

	snprintf(text, sizeof text, "cannot create %s: %s", path, why);
	text[sizeof err.text - 1] = '\0';
	cr_assert_eq(new_file_create(&file, path, &err), -1);
	cr_assert_str_eq(err.text, text);
	cr_assert_eq(err.code, MOTE_STATUS_FAILED);
	cr_assert_eq(file.fd, -1);
}

Test(new_file, says_what_is_wrong_with_a_path)
{
	char name[5000];

	cr_assert_eq(mkdir("folder", 0700), 0);
	assert_refused("folder", "it is not a regular file");
	assert_refused("folder/", "it is not a regular file");
	assert_refused("folder/..", "it is not a regular file");
	assert_refused("/dev/null", "it is not a regular file");
	assert_refused("nowhere/new", "No such file or directory");
	memset(name, 'x', sizeof name);
	name[sizeof name - 1] = '\0';
	assert_refused(name, "File name too long");
	name[NAME_MAX - 4] = '\0';
	assert_refused(name, "File name too long");
	name[4500] = '/';
	memset(name, 'x', 4500);
	assert_refused(name, "File name too long");
	name[NAME_MAX - 5] = '\0';
	cr_assert_eq(new_file_create(&file, name, &err), 0);
	cr_assert_eq(new_file_keep(&file, &err), 0);
}
