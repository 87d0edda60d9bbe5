/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that get their names when they are whole.
 *
 * linkat() gives a name to a file that has none, but not in the place of another: so where there
 * is an old file, the new one has a name of its own first, for the moment before rename(). A mote
 * that is killed in this moment leaves a whole file under that name, and the next one takes it
 * away.
 */
#include "vmm/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define ATTEMPTS 100 /* against others that rename their files to the same path */

static int failed(const struct new_file *file, struct mote_error *err)
{
	return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot create %s", file->path);
}

/* ---- where ---- */

static int open_directory(struct new_file *file, const char *path, size_t length,
                          struct mote_error *err)
{
	char directory[PATH_MAX] = ".";

	if (length >= sizeof directory) {
		errno = ENAMETOOLONG;
		return failed(file, err);
	}
	if (length) {
		memcpy(directory, path, length);
		directory[length] = '\0';
	}
	file->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* One that may be written and searched, and not read, cannot be synced either. */
	if (file->directory < 0 && errno == EACCES)
		file->directory = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return file->directory < 0 ? failed(file, err) : 0;
}

static int set_names(struct new_file *file, const char *name, struct mote_error *err)
{
	struct stat status;

	if ((size_t)snprintf(file->name, sizeof file->name, "%s", name) >= sizeof file->name ||
	    (size_t)snprintf(file->temporary, sizeof file->temporary, ".%s.new", name) >=
	            sizeof file->temporary) {
		errno = ENAMETOOLONG;
		return failed(file, err);
	}
	if (!*name || !strcmp(name, ".") || !strcmp(name, "..") ||
	    (fstatat(file->directory, name, &status, 0) == 0 && !S_ISREG(status.st_mode)))
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "cannot create %s: it is not a regular file", file->path);
	return 0;
}

/* ---- making it ---- */

static bool is_still(const struct new_file *file)
{
	struct stat by_name, by_fd;

	return fstat(file->fd, &by_fd) == 0 &&
	       fstatat(file->directory, file->temporary, &by_name, AT_SYMLINK_NOFOLLOW) == 0 &&
	       by_name.st_ino == by_fd.st_ino && by_name.st_dev == by_fd.st_dev;
}

/* The lock is held by whoever has the file open, a VM that was sent the descriptor included. */
static int create_named(struct new_file *file)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		file->fd = openat(file->directory, file->temporary,
		                  O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		                  0600);
		if (file->fd < 0 || flock(file->fd, LOCK_EX | LOCK_NB))
			return -1;
		file->is_named = is_still(file);
		if (file->is_named)
			return ftruncate(file->fd, 0);
		close(file->fd);
	}
	file->fd = -1;
	errno = EBUSY;
	return -1;
}

static int create(struct new_file *file)
{
	file->fd = openat(file->directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (file->fd < 0) {
		/* What a file system that has none says, or the kernel for it. */
		if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)
			return -1;
		if (create_named(file))
			return -1;
	}
	return fchmod(file->fd, 0600); /* whatever the umask */
}

int new_file_create(struct new_file *file, const char *path, struct mote_error *err)
{
	const char *slash = strrchr(path, '/');

	*file = (struct new_file){.fd = -1, .directory = -1, .path = path};
	if (open_directory(file, path, slash ? (size_t)(slash - path) + 1 : 0, err) == 0 &&
	    set_names(file, slash ? slash + 1 : path, err) == 0) {
		if (create(file) == 0)
			return 0;
		failed(file, err);
		if (errno == EWOULDBLOCK)
			mote_error_hint(err, "Another one is being written there now");
	}
	new_file_discard(file);
	return -1;
}

/* ---- naming it ---- */

static int link_as(const struct new_file *file, const char *name)
{
	char by_fd[40];

	/* Before Linux 6.10 this needs a privilege; the way through /proc does not. */
	if (linkat(file->fd, "", file->directory, name, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno != ENOENT && errno != EPERM)
		return -1;
	snprintf(by_fd, sizeof by_fd, "/proc/self/fd/%d", file->fd);
	return linkat(AT_FDCWD, by_fd, file->directory, name, AT_SYMLINK_FOLLOW);
}

/*
 * One at a time in a directory: what then has the temporary name was left by a mote that was
 * killed. A file that has lost its name cannot get another.
 */
static int take_name(struct new_file *file)
{
	if (file->is_named)
		return renameat(file->directory, file->temporary, file->directory, file->name);
	if (link_as(file, file->name) == 0)
		return 0;
	if (errno != EEXIST)
		return -1;
	flock(file->directory, LOCK_EX);
	unlinkat(file->directory, file->temporary, 0);
	if (link_as(file, file->temporary))
		return -1;
	file->is_named = true;
	return renameat(file->directory, file->temporary, file->directory, file->name);
}

int new_file_keep(struct new_file *file, struct mote_error *err)
{
	int status = take_name(file);

	if (status) {
		failed(file, err);
	} else {
		file->is_named = false;
		/* A directory that cannot be synced is no reason to say that there is no file. */
		fsync(file->directory);
	}
	new_file_discard(file);
	return status;
}

void new_file_discard(struct new_file *file)
{
	if (file->is_named)
		unlinkat(file->directory, file->temporary, 0);
	file->is_named = false;
	if (file->fd >= 0)
		close(file->fd);
	if (file->directory >= 0)
		close(file->directory);
	file->fd = file->directory = -1;
}
