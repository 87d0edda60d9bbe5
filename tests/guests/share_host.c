/* SPDX-License-Identifier: Apache-2.0 */
/* Uses a shared directory while the host does things to it: see tests/e2e/sharehost.sh. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char buffer[65536];

static void report(const char *what, long result)
{
	printf("%s: %s\n", what, result < 0 ? strerror(errno) : "ok");
}

/* Write until something is in the way. */
static int fill(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	long total = 0, n;

	memset(buffer, 'x', sizeof buffer);
	while ((n = write(fd, buffer, sizeof buffer)) > 0)
		total += n;
	report("write", n);
	report("fsync", fsync(fd));
	printf("%ld bytes\n", total);
	return 0;
}

static int secrets, files;

static int look(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	int fd;

	(void)status;
	(void)ftw;
	/* The guest's links lead into the guest: there is no secret. */
	if (type == FTW_D || type == FTW_DNR)
		return 0;
	fd = open(path, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return 0;
	memset(buffer, 0, 64);
	if (read(fd, buffer, 63) >= 0)
		files++;
	secrets += strstr(buffer, "secret") != NULL;
	close(fd);
	return 0;
}

/* Read all there is for some seconds, and say whether a secret was in it. */
static int walk(const char *directory, int seconds)
{
	time_t end = time(NULL) + seconds;

	printf("ready\n");
	while (time(NULL) < end)
		nftw(directory, look, 16, FTW_PHYS);
	printf("%d secrets, %s\n", secrets, files ? "some files" : "no files");
	return 0;
}

/* Hold a file open while the host does something to it, which a byte from stdin says is done. */
static int hold(const char *path)
{
	struct stat status;
	int fd = open(path, O_RDWR);

	report("open", fd);
	report("read", read(fd, buffer, 4));
	printf("ready\n");
	if (read(STDIN_FILENO, buffer, 1) != 1)
		return 1;
	report("read at 0", pread(fd, buffer, 4, 0));
	printf("read at 4096: %zd\n", pread(fd, buffer, 4, 4096));
	report("write", pwrite(fd, "data", 4, 0));
	report("fsync", fsync(fd));
	report("fstat", fstat(fd, &status));
	printf("links: %lu\n", (unsigned long)status.st_nlink);
	report("stat", stat(path, &status));
	report("create", open(path, O_RDWR | O_CREAT | O_EXCL, 0644));
	return 0;
}

/* Everything that would change a directory which has `file` and `dir` in it. */
static int change(const char *directory)
{
	const struct timespec times[2] = {{1, 0}, {1, 0}};
	int fd;

	if (chdir(directory))
		return 1;
	report("open to write", open("file", O_WRONLY));
	report("open to read and write", open("file", O_RDWR));
	report("open to truncate", open("file", O_RDONLY | O_TRUNC));
	report("open to append", open("dir/../file", O_WRONLY | O_APPEND));
	report("create", open("new", O_CREAT | O_RDONLY, 0644));
	report("create in dir", open("dir/../dir/new", O_CREAT | O_WRONLY, 0644));
	report("mkdir", mkdir("new", 0755));
	report("mknod", mknod("new", S_IFREG | 0644, 0));
	report("symlink", symlink("file", "new"));
	report("link", link("file", "new"));
	report("unlink", unlink("file"));
	report("rmdir", rmdir("dir"));
	report("rename", rename("file", "dir/file"));
	report("chmod", chmod("file", 0777));
	report("truncate", truncate("file", 0));
	report("utimensat", utimensat(AT_FDCWD, "file", times, 0));
	report("write through a link", open("link", O_WRONLY));
	fd = open("file", O_RDONLY);
	report("open to read", fd);
	report("write", write(fd, "x", 1));
	report("fchmod", fchmod(fd, 0777));
	report("ftruncate", ftruncate(fd, 0));
	report("fallocate", posix_fallocate(fd, 0, 100) ? (errno = EBADF, -1) : 0);
	report("access", access("file", W_OK));
	return 0;
}

/* Whose is what one makes, and can it be given away? */
static int own(const char *path)
{
	struct stat status;

	report("open", open(path, O_RDWR | O_CREAT | O_EXCL, 0600));
	report("chown to root", chown(path, 0, 0));
	report("chown to another", chown(path, 5, 5));
	if (stat(path, &status) == 0)
		printf("owner %u, group %u\n", status.st_uid, status.st_gid);
	return 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && strcmp(argv[1], "fill") == 0)
		return fill(argv[2]);
	if (argc == 4 && strcmp(argv[1], "walk") == 0)
		return walk(argv[2], atoi(argv[3]));
	if (argc == 3 && strcmp(argv[1], "hold") == 0)
		return hold(argv[2]);
	if (argc == 3 && strcmp(argv[1], "change") == 0)
		return change(argv[2]);
	if (argc == 3 && strcmp(argv[1], "own") == 0)
		return own(argv[2]);
	return 2;
}
