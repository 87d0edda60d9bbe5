/* SPDX-License-Identifier: Apache-2.0 */
/* What the system knows about files: stat and its relatives, modes, owners, times, directories. */
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/xattr.h>

/* musl 1.2.3 has no struct statx of its own in every header: the kernel's layout. */
struct statx_buffer {
	uint32_t mask, block_size;
	uint64_t attributes;
	uint32_t links, uid, gid;
	uint16_t mode, unused;
	uint64_t inode, size, blocks, attributes_mask;
	uint8_t rest[256 - 64];
};

static char buffer[8192];

static void show_mode(const char *name)
{
	struct stat status;

	if (lstat(name, &status))
		say("%s: %s", name, error_name(errno));
	else
		say("%s: %o, %ld bytes, %ld links", name, status.st_mode, (long)status.st_size,
		    S_ISDIR(status.st_mode) ? 0L : (long)status.st_nlink);
}

/* ---- stat ---- */

CASE(stat_fields)
{
	struct stat one, two;

	make_file("file", 5000);
	mkdir("folder", 0700);
	symlink("file", "link");
	show_mode("file");
	show_mode("link");
	stat("folder", &one);
	say("%o", one.st_mode);
	VALUE(one.st_nlink);
	stat("file", &one);
	VALUE(one.st_uid + one.st_gid);
	VALUE(one.st_rdev);
	VALUE(one.st_blksize);
	VALUE(one.st_blocks);
	stat("link", &two);
	VALUE(one.st_ino == two.st_ino && one.st_dev == two.st_dev);
	VALUE(one.st_ino != 0);
	lstat("link", &two);
	VALUE(one.st_ino == two.st_ino);
}

CASE(stat_errors)
{
	struct stat status;

	make_file("file", 1);
	CALL(stat, "missing", &status);
	CALL(stat, "", &status);
	CALL(stat, NULL, &status);
	CALL(stat, KIT, &status);
	CALL(stat, "file", NULL);
	CALL(stat, "file", KIT);
	CALL(stat, "file", edge(100));
	CALL(stat, "file", read_only(0));
	CALL(stat, "file/", &status);
	CALL(lstat, "file/x", &status);
	CALL(fstat, -1, &status);
	CALL(fstat, 77, &status);
	CALL(fstat, 77, NULL);
	CALL(fstat, 0, NULL);
}

CASE(stat_of_devices)
{
	static const char *const names[] = {"/dev/null",    "/dev/zero",   "/dev/full",
	                                    "/dev/urandom", "/dev/random", "/dev/tty"};
	struct stat status;

	for (size_t i = 0; i < COUNT(names); i++) {
		if (stat(names[i], &status))
			say("%s: %s", names[i], error_name(errno));
		else
			say("%s: %o %lx", names[i], status.st_mode, (long)status.st_rdev);
	}
}

CASE(fstat_of_pipes)
{
	struct stat status;
	int ends[2];

	pipe(ends);
	fstat(ends[0], &status);
	say("%o", status.st_mode);
	VALUE(status.st_size);
	VALUE(status.st_nlink);
	VALUE(status.st_blksize);
}

CASE(newfstatat_flags)
{
	struct stat status;
	int file = make_file("file", 10), folder;

	mkdir("folder", 0755);
	symlink("missing", "dangling");
	folder = open("folder", O_RDONLY);
	CALL(newfstatat, AT_FDCWD, "file", &status, 0);
	CALL(newfstatat, folder, "../file", &status, 0);
	CALL(newfstatat, 77, "file", &status, 0);
	CALL(newfstatat, file, "file", &status, 0);
	CALL(newfstatat, file, "", &status, 0);
	CALL(newfstatat, file, "", &status, AT_EMPTY_PATH);
	VALUE(status.st_size);
	CALL(newfstatat, 77, "", &status, AT_EMPTY_PATH);
	CALL(newfstatat, AT_FDCWD, "", &status, AT_EMPTY_PATH);
	CALL(newfstatat, AT_FDCWD, "dangling", &status, 0);
	CALL(newfstatat, AT_FDCWD, "dangling", &status, AT_SYMLINK_NOFOLLOW);
	CALL(newfstatat, AT_FDCWD, "file", &status, AT_NO_AUTOMOUNT);
	CALL(newfstatat, AT_FDCWD, "file", &status, 0x8);
	CALL(newfstatat, AT_FDCWD, "file", KIT, 0);
}

CASE(statx)
{
	struct statx_buffer status;
	int file = make_file("file", 10);

	memset(&status, 0, sizeof status);
	CALL(statx, AT_FDCWD, "file", 0, 0x7ff, &status);
	say("%x %o %ld", status.mask & 0x7ff, status.mode, (long)status.size);
	VALUE(status.links);
	CALL(statx, file, "", AT_EMPTY_PATH, 0x200, &status);
	CALL(statx, AT_FDCWD, "file", 0x2000, 0, &status);
	CALL(statx, AT_FDCWD, "file", 0x6000, 0, &status);
	CALL(statx, AT_FDCWD, "file", 0x1, 0, &status);
	CALL(statx, AT_FDCWD, "file", 0, 0x80000000, &status);
	CALL(statx, AT_FDCWD, "missing", 0, 0x7ff, &status);
	CALL(statx, 77, "file", 0, 0x7ff, &status);
	CALL(statx, AT_FDCWD, "file", 0, 0x7ff, KIT);
	CALL(statx, AT_FDCWD, KIT, 0, 0x7ff, &status);
	CALL(statx, 77, "", AT_EMPTY_PATH, 0x7ff, &status);
}

/* ---- modes and owners ---- */

CASE(chmod)
{
	int file = make_file("file", 1);

	symlink("file", "link");
	CALL(chmod, "file", 0);
	show_mode("file");
	CALL(chmod, "link", 07777);
	show_mode("file");
	CALL(fchmod, file, 0600);
	show_mode("file");
	CALL(fchmodat, AT_FDCWD, "file", 0640);
	show_mode("file");
	CALL(chmod, "file", 0177777);
	show_mode("file");
	CALL(chmod, "missing", 0644);
	CALL(chmod, KIT, 0644);
	CALL(chmod, "", 0644);
	CALL(fchmod, 77, 0644);
	CALL(fchmodat, 77, "file", 0644);
}

CASE(chown)
{
	struct stat status;
	int file = make_file("file", 1);

	symlink("file", "link");
	CALL(chown, "file", 12, 34);
	stat("file", &status);
	say("%d %d", status.st_uid, status.st_gid);
	CALL(chown, "link", -1, 56);
	stat("file", &status);
	say("%d %d", status.st_uid, status.st_gid);
	CALL(lchown, "link", 7, 8);
	lstat("link", &status);
	say("%d %d", status.st_uid, status.st_gid);
	CALL(fchown, file, 9, -1);
	CALL(fchownat, AT_FDCWD, "link", 1, 2, AT_SYMLINK_NOFOLLOW);
	CALL(fchownat, file, "", 3, 4, AT_EMPTY_PATH);
	stat("file", &status);
	say("%d %d", status.st_uid, status.st_gid);
	CALL(fchownat, AT_FDCWD, "file", 3, 4, 0x8000);
	CALL(fchownat, 77, "file", 3, 4, 0);
	CALL(chown, "missing", 0, 0);
	CALL(chown, KIT, 0, 0);
	CALL(fchown, 77, 0, 0);
	CALL(chown, "file", -1, -1);
}

CASE(chown_clears_set_user_id)
{
	make_file("file", 1);
	chmod("file", 06755);
	CALL(chown, "file", 1, 1);
	show_mode("file");
	chmod("file", 06745);
	CALL(chown, "file", 1, 1);
	show_mode("file");
}

CASE(write_clears_set_user_id)
{
	int file = make_file("file", 1);

	chmod("file", 06755);
	CALL(write, file, "x", 1);
	show_mode("file"); /* root keeps it */
	CALL(ftruncate, file, 0);
	show_mode("file");
}

CASE(umask)
{
	CALL(umask, 0777);
	CALL(umask, 07777);
	CALL(umask, -1);
	CALL(umask, 0);
}

/* ---- times ---- */

static void show_times(const char *name)
{
	struct stat status;

	lstat(name, &status);
	say("%s: %ld.%09ld %ld.%09ld", name, (long)status.st_atim.tv_sec, status.st_atim.tv_nsec,
	    (long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

CASE(utimensat)
{
	struct timespec times[2] = {{1000, 123456789}, {2000, 5}};
	struct stat status;
	int file = make_file("file", 1);

	symlink("file", "link");
	CALL(utimensat, AT_FDCWD, "file", times, 0);
	show_times("file");
	times[0].tv_nsec = UTIME_OMIT;
	times[1].tv_sec = 3000;
	CALL(utimensat, AT_FDCWD, "link", times, 0);
	show_times("file");
	times[0] = times[1] = (struct timespec){0, UTIME_NOW};
	CALL(utimensat, file, NULL, times, 0);
	stat("file", &status);
	VALUE(status.st_mtim.tv_sec > 1600000000);
	times[0] = times[1] = (struct timespec){-5, 7};
	CALL(utimensat, AT_FDCWD, "link", times, AT_SYMLINK_NOFOLLOW);
	times[0].tv_nsec = 1000000000;
	CALL(utimensat, AT_FDCWD, "file", times, 0);
	times[0].tv_nsec = -1;
	CALL(utimensat, AT_FDCWD, "file", times, 0);
	times[0].tv_nsec = 0;
	CALL(utimensat, AT_FDCWD, "missing", times, 0);
	CALL(utimensat, AT_FDCWD, NULL, times, 0);
	CALL(utimensat, 77, NULL, times, 0);
	CALL(utimensat, AT_FDCWD, "file", KIT, 0);
	CALL(utimensat, AT_FDCWD, "file", NULL, 0);
	CALL(utimensat, AT_FDCWD, "file", times, 0x8000);
	times[0].tv_nsec = times[1].tv_nsec = UTIME_OMIT;
	CALL(utimensat, AT_FDCWD, "missing", times, 0);
}

CASE(utime_and_utimes)
{
	long two[2] = {100, 200};
	struct timeval times[2] = {{300, 5}, {400, 6}};

	make_file("file", 1);
	CALL(utime, "file", two);
	show_times("file");
	CALL(utimes, "file", times);
	show_times("file");
	times[0].tv_usec = 1000000;
	CALL(utimes, "file", times);
	CALL(utime, "file", NULL);
	CALL(utime, "missing", two);
	CALL(utime, "file", KIT);
	CALL(utimes, "file", KIT);
	CALL(utimes, KIT, times);
	times[0].tv_usec = 0;
	CALL(futimesat, AT_FDCWD, "file", times);
	show_times("file");
	CALL(futimesat, 77, "file", times);
}

CASE(times_that_calls_set)
{
	struct timespec old[2] = {{1000, 0}, {1000, 0}};
	struct stat status;
	int file = make_file("file", 10);

	futimens(file, old);
	fstat(file, &status);
	VALUE(status.st_ctim.tv_sec > 1600000000);
	VALUE(status.st_mtim.tv_sec);
	write(file, "x", 1);
	fstat(file, &status);
	VALUE(status.st_mtim.tv_sec > 1600000000);
	VALUE(status.st_atim.tv_sec);
	futimens(file, old);
	ftruncate(file, 5);
	fstat(file, &status);
	VALUE(status.st_mtim.tv_sec > 1600000000);
	futimens(file, old);
	fchmod(file, 0600);
	fstat(file, &status);
	VALUE(status.st_mtim.tv_sec);
	mkdir("folder", 0755);
	utimensat(AT_FDCWD, "folder", old, 0);
	close(open("folder/new", O_CREAT | O_WRONLY, 0644));
	stat("folder", &status);
	VALUE(status.st_mtim.tv_sec > 1600000000);
	utimensat(AT_FDCWD, "folder", old, 0);
	unlink("folder/new");
	stat("folder", &status);
	VALUE(status.st_mtim.tv_sec > 1600000000);
}

/* ---- directories ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The entries, sorted: their order is the file system's own. */
static void list(const char *folder)
{
	DIR *open_folder = opendir(folder);
	struct dirent *entry;
	char *names[400];
	size_t count = 0;

	while (open_folder && count < COUNT(names) && (entry = readdir(open_folder))) {
		char *name = malloc(sizeof entry->d_name + 20);

		sprintf(name, "%s %d", entry->d_name, entry->d_type);
		names[count++] = name;
	}
	qsort(names, count, sizeof names[0], by_name);
	for (size_t i = 0; i < count && i < 12; i++)
		say("%s", names[i]);
	say("%zu entries", count);
	if (open_folder)
		closedir(open_folder);
}

CASE(getdents_types)
{
	mkdir("folder", 0755);
	make_file("file", 1);
	symlink("file", "link");
	list(".");
	list("folder");
}

CASE(getdents_many)
{
	char name[32];

	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "entry %d", i);
		close(open(name, O_CREAT | O_WRONLY, 0644));
	}
	list(".");
}

CASE(getdents_errors)
{
	int folder = open(".", O_RDONLY), file = make_file("file", 1);

	CALL(getdents64, 77, buffer, 1000);
	CALL(getdents64, file, buffer, 1000);
	CALL(getdents64, folder, buffer, 10);
	CALL(getdents64, folder, buffer, 0);
	CALL(getdents64, folder, KIT, 1000);
	CALL_OK(getdents64, folder, buffer, sizeof buffer);
	CALL(getdents64, folder, buffer, sizeof buffer);
	CALL(getdents64, folder, buffer, 0);
	CALL(lseek, folder, 0, SEEK_SET);
	CALL_OK(getdents64, folder, buffer, sizeof buffer);
}

CASE(getdents_of_a_removed_folder)
{
	int folder;

	mkdir("folder", 0755);
	folder = open("folder", O_RDONLY);
	rmdir("folder");
	CALL(getdents64, folder, buffer, sizeof buffer);
}

CASE(readdir_while_removing)
{
	DIR *folder;
	struct dirent *entry;
	char name[32];
	int removed = 0;

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "entry %d", i);
		close(open(name, O_CREAT | O_WRONLY, 0644));
	}
	folder = opendir(".");
	while ((entry = readdir(folder)))
		removed += entry->d_name[0] != '.' && !unlink(entry->d_name);
	closedir(folder);
	VALUE(removed);
	list(".");
}

CASE(seekdir)
{
	DIR *folder;
	char first[256], again[256];
	long place;

	make_file("one", 1);
	make_file("two", 1);
	folder = opendir(".");
	readdir(folder);
	place = telldir(folder);
	strcpy(first, readdir(folder)->d_name);
	readdir(folder);
	seekdir(folder, place);
	strcpy(again, readdir(folder)->d_name);
	VALUE(strcmp(first, again));
	rewinddir(folder);
	VALUE(readdir(folder) != NULL);
	closedir(folder);
}

/* ---- file systems ---- */

CASE(statfs)
{
	struct statfs status;
	int file = make_file("file", 1);

	CALL(statfs, ".", &status);
	VALUE(status.f_bsize);
	VALUE(status.f_namelen);
	VALUE(status.f_blocks >= status.f_bfree && status.f_bfree >= status.f_bavail);
	CALL(fstatfs, file, &status);
	CALL(statfs, "missing", &status);
	CALL(statfs, "file/x", &status);
	CALL(statfs, "", &status);
	CALL(statfs, KIT, &status);
	CALL(statfs, ".", KIT);
	CALL(fstatfs, 77, &status);
	CALL(fstatfs, file, KIT);
	CALL(statfs, "/proc", &status);
	say("%lx", (long)status.f_type);
	CALL(statfs, ".", &status);
	say("%lx", (long)status.f_type);
}

CASE(extended_attributes)
{
	int file = make_file("file", 1);

	CALL(getxattr, "file", "nowhere.mote", buffer, 100);
	CALL(setxattr, "file", "nowhere.mote", "x", 1, 0);
	CALL(removexattr, "file", "nowhere.mote");
	CALL(fgetxattr, file, "nowhere.mote", buffer, 100);
	CALL(lgetxattr, "file", "nowhere.mote", buffer, 100);
	CALL(getxattr, "missing", "user.mote", buffer, 100);
	CALL(fgetxattr, 77, "user.mote", buffer, 100);
	CALL(getxattr, KIT, "user.mote", buffer, 100);
	CALL(getxattr, "file", KIT, buffer, 100);
	CALL(getxattr, "file", "", buffer, 100);
	CALL(setxattr, "file", "user.mote", "x", 1, 99);
	CALL(setxattr, "missing", "user.mote", "x", 1, 0);
	CALL(fsetxattr, 77, "user.mote", "x", 1, 0);
	CALL(removexattr, "missing", "user.mote");
	CALL(fremovexattr, 77, "user.mote");
	CALL(listxattr, "missing", buffer, 100);
	CALL(flistxattr, 77, buffer, 100);
	CALL(listxattr, "file", NULL, 0);
}
