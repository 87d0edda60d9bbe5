/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks a tree of files as find(1) does and reads each, several times.
 *
 * usage: tree FOLDER PASSES
 *
 * Prints for each pass a line: files, bytes, microseconds.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static unsigned long files, bytes;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void read_file(int folder, const char *name)
{
	static char buffer[65536];
	int fd = openat(folder, name, O_RDONLY);
	ssize_t got = 0;

	if (fd < 0)
		fail(name);
	while ((got = read(fd, buffer, sizeof buffer)) > 0)
		bytes += (unsigned long)got;
	if (got < 0)
		fail(name);
	close(fd);
	files++;
}

static void walk(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	struct stat status;

	if (!folder)
		fail(name);
	while ((entry = readdir(folder)) != NULL) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW))
			fail(entry->d_name);
		if (S_ISDIR(status.st_mode))
			walk(fd, entry->d_name);
		else
			read_file(fd, entry->d_name);
	}
	closedir(folder);
}

static unsigned long microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long)now.tv_sec * 1000000 + (unsigned long)now.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	for (int pass = atoi(argv[2]); pass > 0; pass--) {
		unsigned long start = microseconds();

		files = bytes = 0;
		walk(AT_FDCWD, argv[1]);
		printf("%lu %lu %lu\n", files, bytes, microseconds() - start);
	}
	return 0;
}
