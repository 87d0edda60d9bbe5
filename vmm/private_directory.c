/* SPDX-License-Identifier: Apache-2.0 */
/* Directories that are the user's own. */
#include "vmm/private_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int private_directory_open(int parent, const char *name)
{
	struct stat status;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (fstat(fd, &status) || status.st_uid != geteuid() ||
	    (status.st_mode & (S_IWGRP | S_IWOTH))) {
		close(fd);
		errno = EPERM;
		return -1;
	}
	return fd;
}

/* mkdir -p; whether it worked shows when the directory is opened. */
static void make_directories(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	mkdir(path, 0700);
}

int private_directory_make(const char *path)
{
	char copy[PATH_MAX];
	size_t size = strlen(path) + 1;
	int fd = private_directory_open(AT_FDCWD, path);

	if (fd >= 0 || errno != ENOENT || size > sizeof copy)
		return fd;
	memcpy(copy, path, size);
	make_directories(copy);
	return private_directory_open(AT_FDCWD, path);
}
