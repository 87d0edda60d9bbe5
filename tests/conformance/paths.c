/* SPDX-License-Identifier: Apache-2.0 */
/* Names: making, linking, renaming and removing files, and walking paths. */
#include "harness.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static char buffer[PATH_MAX + 100];

/* Names a name below the folder that the cases run in, however that is called. */
static const char *below(const char *path, const char *top)
{
	size_t length = strlen(top);

	return strncmp(path, top, length) ? path : path + length;
}

/* ---- mkdir and rmdir ---- */

CASE(mkdir_errors)
{
	make_file("file", 1);
	CALL(mkdir, "folder", 0755);
	CALL(mkdir, "folder", 0755);
	CALL(mkdir, "folder/", 0755);
	CALL(mkdir, "slash/", 0755);
	CALL(mkdir, "file", 0755);
	CALL(mkdir, "file/x", 0755);
	CALL(mkdir, "missing/x", 0755);
	CALL(mkdir, "", 0755);
	CALL(mkdir, ".", 0755);
	CALL(mkdir, "..", 0755);
	CALL(mkdir, "/", 0755);
	CALL(mkdir, "missing/.", 0755);
	CALL(mkdir, NULL, 0755);
	CALL(mkdir, KIT, 0755);
	symlink("missing", "dangling");
	CALL(mkdir, "dangling", 0755);
}

CASE(mkdir_mode)
{
	struct stat status;

	umask(022);
	mkdir("one", 01777);
	stat("one", &status);
	say("%o", status.st_mode);
	umask(0);
	mkdir("two", 07777);
	stat("two", &status);
	say("%o", status.st_mode);
}

CASE(mkdirat)
{
	int folder;

	mkdir("folder", 0755);
	folder = open("folder", O_RDONLY);
	CALL(mkdirat, folder, "below", 0755);
	CALL(mkdirat, folder, "below", 0755);
	CALL(mkdirat, 77, "below", 0755);
	CALL(mkdirat, open("/dev/null", O_RDONLY), "below", 0755);
	CALL(access, "folder/below", F_OK);
}

CASE(rmdir_errors)
{
	mkdir("folder", 0755);
	mkdir("folder/below", 0755);
	make_file("file", 1);
	symlink("folder", "link");
	CALL(rmdir, "folder");
	CALL(rmdir, "folder/below/.");
	CALL(rmdir, "folder/below/..");
	CALL(rmdir, "folder/below");
	CALL(rmdir, "folder/below");
	CALL(rmdir, "file");
	CALL(rmdir, "link");
	CALL(rmdir, "link/");
	CALL(rmdir, "/");
	CALL(rmdir, ".");
	CALL(rmdir, "..");
	CALL(rmdir, "");
	CALL(rmdir, KIT);
	CALL(rmdir, "folder/");
}

CASE(rmdir_of_the_current_folder)
{
	mkdir("folder", 0755);
	chdir("folder");
	CALL(rmdir, "../folder");
	CALL(getcwd, buffer, sizeof buffer);
	CALL(open, "file", O_RDWR | O_CREAT, 0644);
	CALL(mkdir, "below", 0755);
	CALL(open, ".", O_RDONLY);
	CALL(access, "..", F_OK);
	CALL(chdir, "..");
}

/* ---- unlink ---- */

CASE(unlink_errors)
{
	make_file("file", 1);
	mkdir("folder", 0755);
	symlink("file", "link");
	CALL(unlink, "missing");
	CALL(unlink, "folder");
	CALL(unlink, "file/x");
	CALL(unlink, "file/");
	CALL(unlink, "folder/");
	CALL(unlink, "");
	CALL(unlink, ".");
	CALL(unlink, "/");
	CALL(unlink, KIT);
	CALL(unlink, "link");
	CALL(unlink, "file");
	CALL(unlink, "file");
}

CASE(unlink_of_an_open_file)
{
	int file = make_file("file", 10);
	struct stat status;

	CALL(unlink, "file");
	CALL(read, file, buffer, 10);
	CALL(write, file, "more", 4);
	fstat(file, &status);
	VALUE(status.st_nlink);
	VALUE(status.st_size);
	CALL(open, "file", O_RDONLY);
}

CASE(unlinkat)
{
	int folder;

	mkdir("folder", 0755);
	mkdir("folder/below", 0755);
	make_file("folder/file", 1);
	folder = open("folder", O_RDONLY);
	CALL(unlinkat, folder, "below", 0);
	CALL(unlinkat, folder, "file", AT_REMOVEDIR);
	CALL(unlinkat, folder, "below", AT_REMOVEDIR);
	CALL(unlinkat, folder, "file", 0);
	CALL(unlinkat, folder, "file", 0x1234);
	CALL(unlinkat, 77, "file", 0);
	CALL(unlinkat, folder, "", AT_REMOVEDIR);
}

/* ---- link and symlink ---- */

CASE(link)
{
	struct stat status;

	make_file("file", 10);
	mkdir("folder", 0755);
	CALL(link, "file", "other");
	stat("other", &status);
	VALUE(status.st_nlink);
	CALL(link, "file", "other");
	CALL(link, "missing", "new");
	CALL(link, "folder", "new");
	CALL(link, "file", "missing/new");
	CALL(link, "file", "new/");
	CALL(link, "file/", "new");
	CALL(link, "", "new");
	CALL(link, "file", "");
	CALL(link, KIT, "new");
	CALL(link, "file", KIT);
	unlink("file");
	stat("other", &status);
	VALUE(status.st_nlink);
}

CASE(linkat)
{
	struct stat status;
	int file = make_file("file", 10);

	symlink("file", "link");
	CALL(linkat, AT_FDCWD, "link", AT_FDCWD, "of the link", 0);
	lstat("of the link", &status);
	say("%o", status.st_mode & S_IFMT);
	CALL(linkat, AT_FDCWD, "link", AT_FDCWD, "of the file", AT_SYMLINK_FOLLOW);
	lstat("of the file", &status);
	say("%o", status.st_mode & S_IFMT);
	CALL(linkat, file, "", AT_FDCWD, "of the descriptor", AT_EMPTY_PATH);
	CALL(linkat, file, "", AT_FDCWD, "again", 0);
	CALL(linkat, 77, "file", AT_FDCWD, "new", 0);
	CALL(linkat, AT_FDCWD, "file", 77, "new", 0);
	CALL(linkat, AT_FDCWD, "file", AT_FDCWD, "new", 0x8000);
}

CASE(symlink)
{
	CALL(symlink, "target", "link");
	CALL(symlink, "target", "link");
	CALL(symlink, "", "empty");
	CALL(symlink, "target", "");
	CALL(symlink, "target", "missing/link");
	CALL(symlink, "target", "link/");
	CALL(symlink, KIT, "new");
	CALL(symlink, "target", KIT);
	memset(buffer, 't', PATH_MAX);
	buffer[PATH_MAX] = 0;
	CALL(symlink, buffer, "long");
	buffer[PATH_MAX - 1] = 0;
	CALL(symlink, buffer, "long");
	CALL(symlinkat, "target", 77, "new");
	CALL(symlinkat, "target", AT_FDCWD, "new");
}

CASE(readlink)
{
	symlink("0123456789", "link");
	make_file("file", 1);
	memset(buffer, '#', 20);
	CALL(readlink, "link", buffer, 100);
	say("%.12s", buffer);
	CALL(readlink, "link", buffer, 4);
	CALL(readlink, "link", buffer, 0);
	CALL(readlink, "link", buffer, -1);
	CALL(readlink, "link", KIT, 100);
	CALL(readlink, "file", buffer, 100);
	CALL(readlink, "missing", buffer, 100);
	CALL(readlink, ".", buffer, 100);
	CALL(readlink, "", buffer, 100);
	CALL(readlinkat, AT_FDCWD, "link", buffer, 100);
	CALL(readlinkat, 77, "link", buffer, 100);
	CALL(readlinkat, open("link", O_PATH | O_NOFOLLOW), "", buffer, 100);
	CALL(readlinkat, open("file", O_PATH | O_NOFOLLOW), "", buffer, 100);
}

CASE(links_in_paths)
{
	char name[20];

	mkdir("folder", 0755);
	make_file("folder/file", 1);
	symlink("folder", "link");
	symlink("../folder/file", "folder/up");
	symlink("loop", "loop");
	symlink("pong", "ping");
	symlink("ping", "pong");
	CALL(access, "link/file", F_OK);
	CALL(access, "link/up", F_OK);
	CALL(access, "link/../folder/file", F_OK);
	CALL(access, "loop", F_OK);
	CALL(access, "loop/x", F_OK);
	CALL(access, "ping", F_OK);
	CALL(open, "loop", O_RDWR | O_CREAT, 0644);
	make_file("l0", 1);
	for (int i = 1; i <= 45; i++) {
		char target[20];

		snprintf(name, sizeof name, "l%d", i);
		snprintf(target, sizeof target, "l%d", i - 1);
		symlink(target, name);
	}
	CALL(access, "l39", F_OK);
	CALL(access, "l40", F_OK);
	CALL(access, "l41", F_OK);
}

CASE(dots_and_slashes)
{
	mkdir("folder", 0755);
	make_file("folder/file", 1);
	CALL(access, "folder//file", F_OK);
	CALL(access, "./folder/./file", F_OK);
	CALL(access, "folder/../folder/file", F_OK);
	CALL(access, "folder/missing/../file", F_OK);
	CALL(access, "folder/file/..", F_OK);
	CALL(access, "folder/file/.", F_OK);
	CALL(access, "folder/file/", F_OK);
	CALL(access, "folder/", F_OK);
	CALL(access, "/..", F_OK);
	CALL(access, "/../../dev/null", F_OK);
	CALL(access, "//dev//null", F_OK);
}

/* ---- rename ---- */

CASE(rename_files)
{
	struct stat status;

	make_file("one", 1);
	make_file("two", 2);
	CALL(rename, "one", "new");
	CALL(access, "one", F_OK);
	CALL(rename, "new", "two");
	stat("two", &status);
	VALUE(status.st_size);
	CALL(rename, "two", "two");
	CALL(rename, "missing", "two");
	CALL(rename, "two", "missing/two");
	CALL(rename, "two", "");
	CALL(rename, "", "two");
	CALL(rename, "two", "two/below");
	CALL(rename, "two", "three/");
	CALL(rename, KIT, "two");
	CALL(rename, "two", KIT);
}

CASE(rename_of_links)
{
	struct stat status;

	make_file("file", 1);
	link("file", "other");
	symlink("file", "link");
	CALL(rename, "file", "other");
	CALL(access, "file", F_OK);
	CALL(rename, "link", "moved");
	lstat("moved", &status);
	say("%o", status.st_mode & S_IFMT);
}

CASE(rename_folders)
{
	mkdir("a", 0755);
	mkdir("a/b", 0755);
	mkdir("empty", 0755);
	make_file("file", 1);
	CALL(rename, "a", "a/b/c");
	CALL(rename, "a", "a/b");
	CALL(rename, "a/b", "a");
	CALL(rename, "a", "file");
	CALL(rename, "file", "a");
	CALL(rename, "empty", "a");
	CALL(rename, "a", "empty");
	CALL(access, "empty/b", F_OK);
	CALL(rename, "empty/.", "x");
	CALL(rename, "empty/b/..", "x");
	CALL(rename, ".", "x");
	CALL(rename, "/", "x");
	CALL(rename, "empty/", "slash/");
	CALL(access, "slash/b", F_OK);
}

CASE(renameat2)
{
	struct stat status;

	make_file("one", 1);
	make_file("two", 2);
	CALL(renameat2, AT_FDCWD, "one", AT_FDCWD, "two", 1); /* RENAME_NOREPLACE */
	CALL(renameat2, AT_FDCWD, "one", AT_FDCWD, "two", 2); /* RENAME_EXCHANGE */
	stat("one", &status);
	VALUE(status.st_size);
	CALL(renameat2, AT_FDCWD, "one", AT_FDCWD, "missing", 2);
	CALL(renameat2, AT_FDCWD, "one", AT_FDCWD, "two", 3);
	CALL(renameat2, AT_FDCWD, "one", AT_FDCWD, "two", 0x80);
	CALL(renameat2, AT_FDCWD, "one", AT_FDCWD, "three", 1);
	CALL(renameat, 77, "two", AT_FDCWD, "x");
	CALL(renameat, AT_FDCWD, "two", 77, "x");
}

CASE(rename_across_file_systems)
{
	make_file("file", 1);
	CALL(rename, "file", "/proc/x");
	CALL(link, "file", "/proc/x");
	CALL(rename, "/dev/null", "here");
}

/* ---- the current folder ---- */

CASE(chdir_and_getcwd)
{
	char top[PATH_MAX];

	getcwd(top, sizeof top);
	mkdir("folder", 0755);
	make_file("file", 1);
	symlink("folder", "link");
	CALL(chdir, "folder");
	say("%s", below(getcwd(buffer, sizeof buffer), top));
	CALL(chdir, "..");
	CALL(chdir, "link");
	say("%s", below(getcwd(buffer, sizeof buffer), top));
	chdir(top);
	CALL(chdir, "file");
	CALL(chdir, "missing");
	CALL(chdir, "");
	CALL(chdir, KIT);
	CALL(chdir, "/");
	CALL(getcwd, buffer, sizeof buffer);
	say("%s", buffer);
}

CASE(getcwd_errors)
{
	chdir("/dev");
	CALL(getcwd, buffer, 5);
	CALL(getcwd, buffer, 4);
	CALL(getcwd, buffer, 0);
	CALL(getcwd, NULL, 0);
	CALL(getcwd, KIT, 100);
	CALL(getcwd, NULL, 100);
}

CASE(fchdir)
{
	int folder, file = make_file("file", 1), path;

	mkdir("folder", 0755);
	folder = open("folder", O_RDONLY);
	path = open("folder", O_PATH);
	CALL(fchdir, folder);
	CALL(access, "../file", F_OK);
	CALL(fchdir, path);
	CALL(fchdir, file);
	CALL(fchdir, 77);
	CALL(fchdir, -1);
}

/* ---- access ---- */

CASE(access_modes)
{
	make_file("file", 1);
	chmod("file", 0);
	CALL(access, "file", R_OK);
	CALL(access, "file", W_OK);
	CALL(access, "file", X_OK);
	CALL(access, "file", F_OK);
	chmod("file", 0001);
	CALL(access, "file", X_OK);
	CALL(access, "file", 8);
	CALL(access, "file", -1);
	CALL(access, "missing", R_OK);
	CALL(access, KIT, R_OK);
	CALL(access, ".", X_OK);
	CALL(faccessat, 77, "file", R_OK);
	CALL(faccessat, AT_FDCWD, "file", R_OK);
	CALL(faccessat2, AT_FDCWD, "file", R_OK, AT_EACCESS);
	CALL(faccessat2, AT_FDCWD, "file", R_OK, 0x8000);
	CALL(faccessat2, 0, "", R_OK, AT_EMPTY_PATH);
	symlink("missing", "dangling");
	CALL(faccessat2, AT_FDCWD, "dangling", F_OK, AT_SYMLINK_NOFOLLOW);
	CALL(faccessat2, AT_FDCWD, "dangling", F_OK, 0);
}

/* ---- mknod ---- */

CASE(mknod)
{
	struct stat status;

	CALL(mknod, "file", S_IFREG | 0644, 0);
	CALL(mknod, "plain", 0644, 0);
	CALL(mknod, "pipe", S_IFIFO | 0600, 0);
	CALL(mknod, "socket", S_IFSOCK | 0600, 0);
	CALL(mknod, "folder", S_IFDIR | 0600, 0);
	CALL(mknod, "file", S_IFREG | 0644, 0);
	CALL(mknod, "bad", S_IFLNK | 0644, 0);
	CALL(mknod, KIT, S_IFREG | 0644, 0);
	memset(&status, 0, sizeof status);
	stat("pipe", &status);
	say("%o", status.st_mode);
	CALL(open, "socket", O_RDONLY);
}

CASE(named_pipe)
{
	int reader, writer;

	CALL(mknod, "pipe", S_IFIFO | 0600, 0);
	CALL(open, "pipe", O_WRONLY | O_NONBLOCK);
	reader = (int)CALL(open, "pipe", O_RDONLY | O_NONBLOCK);
	writer = (int)CALL(open, "pipe", O_WRONLY | O_NONBLOCK);
	CALL(write, writer, "text", 4);
	CALL(read, reader, buffer, 10);
	CALL(read, reader, buffer, 10);
	CALL(close, writer);
	CALL(read, reader, buffer, 10);
	CALL(lseek, reader, 0, SEEK_CUR);
}

CASE(chroot_errors)
{
	make_file("file", 1);
	CALL(chroot, "missing");
	CALL(chroot, "file");
	CALL(chroot, KIT);
}
