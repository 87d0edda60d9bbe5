/* SPDX-License-Identifier: Apache-2.0 */
/* The FUSE client on the VMM's server: what calls on a share do, and how many exits they cost. */
#include "tests/unit/share_harness.h"

#include <sys/file.h>

static char buffer[1 << 21];

/* ---- as on Linux ---- */

Test(share, files_are_made_read_and_written)
{
	SAME(open, P("a"), O_RDONLY, 0);
	SAME(open, P("a"), O_CREAT | O_RDWR, 0640);
	SAME_STAT("a");
	SAME(write, F(3), P("hello, world\n"), 13);
	SAME(lseek, F(3), 0, SEEK_SET);
	SAME(read, F(3), P(buffer), 100);
	SAME(pread64, F(3), P(buffer), 5, 7);
	cr_assert_arr_eq(buffer, "world", 5);
	SAME(pwrite64, F(3), P("W"), 1, 7);
	SAME(lseek, F(3), 0, SEEK_END);
	SAME(ftruncate, F(3), 5);
	SAME_STAT("a");
	SAME(lseek, F(3), 0, SEEK_END);
	SAME(ftruncate, F(3), 10000);
	SAME(pread64, F(3), P(buffer), 20000, 4);
	cr_assert_eq(buffer[0], 'o');
	cr_assert_eq(buffer[1], 0);
	SAME(fsync, F(3));
	SAME(fdatasync, F(3));
	SAME(close, F(3));
	SAME(open, P("a"), O_CREAT | O_EXCL | O_RDWR, 0600);
	SAME(open, P("a"), O_WRONLY | O_TRUNC, 0);
	SAME_STAT("a");
	SAME(read, F(3), P(buffer), 1);
	SAME(write, F(3), P("x"), 1);
	SAME(close, F(3));
	expect_host("a", "x");
}

Test(share, appending)
{
	SAME(open, P("log"), O_CREAT | O_WRONLY | O_APPEND, 0644);
	SAME(write, F(3), P("one\n"), 4);
	SAME(lseek, F(3), 0, SEEK_SET);
	SAME(write, F(3), P("two\n"), 4);
	SAME(lseek, F(3), 0, SEEK_CUR);
	/* Somebody on the host is faster. */
	FILE *file = fopen(host("log"), "a");

	cr_assert(fputs("host\n", file) >= 0 && !fclose(file));
	cr_assert_eq(KIT(write, F(3), P("three\n"), 6), 6);
	expect_host("log", "one\ntwo\nhost\nthree\n");
	cr_assert_eq(KIT(lseek, F(3), 0, SEEK_CUR), 19);
	/* No longer: a position counts. */
	cr_assert_eq(KIT(fcntl, F(3), F_SETFL, 0), 0);
	cr_assert_eq(KIT(pwrite64, F(3), P("ONE"), 3, 0), 3);
	expect_host("log", "ONE\ntwo\nhost\nthree\n");
}

Test(share, directories_links_and_names)
{
	SAME(mkdir, P("d"), 0755);
	SAME(mkdir, P("d"), 0755);
	SAME(mkdir, P("d/e"), 0700);
	SAME_STAT("d");
	SAME_STAT("d/e");
	SAME(creat, P("d/f"), 0644);
	SAME(symlink, P("d/f"), P("link"));
	SAME_STAT("link");
	SAME(readlink, P("link"), P(buffer), 100);
	cr_assert_arr_eq(buffer, "d/f", 3);
	SAME(link, P("d/f"), P("hard"));
	SAME_STAT("d/f");
	SAME_STAT("hard");
	SAME(unlink, P("d/f"));
	SAME_STAT("hard");
	SAME(open, P("link"), O_RDONLY, 0);
	SAME(rename, P("hard"), P("d/f"));
	SAME(open, P("link"), O_RDONLY, 0);
	SAME(rmdir, P("d"));
	SAME(unlink, P("d"));
	SAME(rmdir, P("d/f"));
	SAME(rmdir, P("d/e"));
	SAME(rmdir, P("d/e"));
	SAME_STAT("d");
	SAME(unlink, P("no"));
	SAME(rename, P("no"), P("none"));
	SAME(mkdir, P("x"), 0755);
	SAME(rename, P("x"), P("d/x"));
	SAME(rename, P("d"), P("d/x/y"));
	SAME_STAT("d/x/..");
	SAME(renameat2, CWD, P("link"), CWD, P("d"), RENAME_NOREPLACE);
	SAME(renameat2, CWD, P("link"), CWD, P("d/x"), RENAME_EXCHANGE);
	SAME_STAT("link");
	SAME_STAT("d/x");
	SAME(chdir, P("link"));
	cr_assert_gt(KIT(getcwd, P(buffer), 100), 0);
	cr_assert_str_eq(buffer, "/share/link");
}

Test(share, attributes_are_stored)
{
	struct timespec times[2] = {{-5, 7}, {1000000000, 999999999}};
	struct stat status;

	SAME(creat, P("f"), 0644);
	SAME(chmod, P("f"), 0751);
	SAME_STAT("f");
	SAME(utimensat, CWD, P("f"), P(times), 0);
	cr_assert_eq(stat(host("f"), &status), 0);
	cr_assert_eq(status.st_mtim.tv_sec, 1000000000);
	cr_assert_eq(status.st_mtim.tv_nsec, 999999999);
	cr_assert_eq(status.st_atim.tv_sec, -5);
	cr_assert_eq(status.st_atim.tv_nsec, 7);
	times[0].tv_nsec = 0x3ffffffe;
	times[1].tv_nsec = 0x3fffffff;
	SAME(utimensat, CWD, P("f"), P(times), 0);
	cr_assert_eq(stat(host("f"), &status), 0);
	cr_assert_eq(status.st_atim.tv_sec, -5);
	cr_assert_gt(status.st_mtim.tv_sec, 1600000000);
	SAME(access, P("f"), X_OK);
	SAME(truncate, P("f"), 77);
	SAME_STAT("f");
}

Test(share, files_without_a_name_stay)
{
	SAME(open, P("f"), O_CREAT | O_RDWR, 0644);
	SAME(write, F(3), P("abc"), 3);
	SAME(unlink, P("f"));
	SAME(pread64, F(3), P(buffer), 10, 0);
	SAME(write, F(3), P("def"), 3);
	SAME(pread64, F(3), P(buffer), 10, 0);
	cr_assert_arr_eq(buffer, "abcdef", 6);
	struct stat status;

	SAME(fstat, F(3), P(&status));
	cr_assert_eq(status.st_nlink, 0);
	cr_assert_eq(status.st_size, 6);
	age();
	SAME(fstat, F(3), P(&status));
	SAME(fsync, F(3));
	SAME(close, F(3));
	SAME(open, P("f"), O_RDONLY, 0);
	cr_assert_eq(KIT(open, P("."), O_TMPFILE | O_RDWR, 0600), -EOPNOTSUPP);
}

Test(share, space)
{
	SAME(open, P("f"), O_CREAT | O_RDWR, 0644);
	SAME(pwrite64, F(3), P("abc"), 3, 1000000);
	SAME(lseek, F(3), 0, SEEK_DATA);
	SAME(lseek, F(3), 1000000, SEEK_HOLE);
	SAME(lseek, F(3), 2000000, SEEK_DATA);
	SAME(fallocate, F(3), 0, 0, 2000000);
	SAME_STAT("f");
	SAME(fallocate, F(3), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 999424, 4096);
	SAME(pread64, F(3), P(buffer), 3, 1000000);
	cr_assert_eq(buffer[0], 0);
}

Test(share, large_files)
{
	static char out[3 << 20];

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 31 + i / 4096);
	SAME(open, P("big"), O_CREAT | O_RDWR, 0644);
	/* 3 MiB in three writes of 1 MiB, each with one exit */
	unsigned count = EXITS(SAME(write, F(3), P(out), sizeof(out)));

	cr_assert_leq(count, 4, "%u exits", count);
	/* What was written is read again without any. */
	count = EXITS(SAME(pread64, F(3), P(buffer), sizeof(buffer), 12345));
	cr_assert_eq(count, 0, "%u exits", count);
	cr_assert_arr_eq(buffer, out + 12345, sizeof(buffer));
	fuse_pages_drop(fuse_inode(descriptor_file((int)F(3))->inode), 0, UINT64_MAX);
	count = EXITS(SAME(pread64, F(3), P(buffer), sizeof(buffer), 12345));
	cr_assert_leq(count, 4, "%u exits", count);
	cr_assert_arr_eq(buffer, out + 12345, sizeof(buffer));
	/* In small pieces: read ahead */
	fuse_pages_drop(fuse_inode(descriptor_file((int)F(3))->inode), 0, UINT64_MAX);
	SAME(lseek, F(3), 0, SEEK_SET);
	count = exits;
	for (size_t at = 0; at < sizeof(out); at += 5000) {
		size_t piece = sizeof(out) - at < 5000 ? sizeof(out) - at : 5000;

		cr_assert_eq(KIT(read, F(3), P(buffer), 5000), piece);
		cr_assert_arr_eq(buffer, out + at, piece);
	}
	count = exits - count;
	cr_assert_leq(count, 12, "%u exits", count);
}

/* ---- reading directories ---- */

static int names_in(const char *path, const char *missing)
{
	int64_t fd = KIT(open, P(path), O_RDONLY | O_DIRECTORY, 0), length;
	int count = 0;

	cr_assert_geq(fd, 0);
	while ((length = KIT(getdents64, (uint64_t)fd, P(buffer), 1000)) > 0) {
		for (int64_t at = 0; at < length;) {
			const struct directory_record *record = (const void *)(buffer + at);

			cr_assert(!missing || strcmp(record->name, missing));
			count++;
			at += record->length;
		}
	}
	cr_assert_eq(length, 0);
	cr_assert_eq(KIT(close, (uint64_t)fd), 0);
	return count;
}

Test(share, directories_are_read)
{
	char name[64];

	SAME(mkdir, P("d"), 0755);
	cr_assert_eq(names_in("d", NULL), 2);
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "d/a-name-of-some-length-%d", i);
		host_write(name, "x");
	}
	age();
	unsigned count = EXITS(cr_assert_eq(names_in("d", NULL), 3002));

	cr_assert_leq(count, 5, "%u exits", count);
	cr_assert_eq(EXITS(cr_assert_eq(names_in("d", NULL), 3002)), 0);
	/* The guest's own changes show at once. */
	cr_assert_eq(KIT(unlink, P("d/a-name-of-some-length-7")), 0);
	cr_assert_eq(names_in("d", "a-name-of-some-length-7"), 3001);
	cr_assert_eq(KIT(creat, P("d/new"), 0644), (int64_t)F(3));
	cr_assert_eq(names_in("d", NULL), 3002);
	/* Who reads on while names go away misses none of the others. */
	int64_t fd = KIT(open, P("d"), O_RDONLY | O_DIRECTORY, 0), length;
	int seen = 0;

	while ((length = KIT(getdents64, (uint64_t)fd, P(buffer), 4000)) > 0) {
		for (int64_t at = 0; at < length;) {
			const struct directory_record *record = (const void *)(buffer + at);

			if (record->name[0] != '.') {
				cr_assert_eq(KIT(unlinkat, (uint64_t)fd, P(record->name), 0), 0);
				seen++;
			}
			at += record->length;
		}
	}
	cr_assert_eq(seen, 3000);
	cr_assert_eq(KIT(rmdir, P("d")), 0);
}

/* ---- exits ---- */

Test(share, a_tree_of_small_files)
{
	char name[64];
	unsigned files = 0, before;

	for (int d = 0; d < 20; d++) {
		snprintf(name, sizeof(name), "dir%d", d);
		cr_assert_eq(mkdir(host(name), 0755), 0);
		for (int i = 0; i < 50; i++) {
			snprintf(name, sizeof(name), "dir%d/file%d", d, i);
			host_write(name, name);
		}
	}
	for (int pass = 0; pass < 3; pass++) {
		before = exits;
		files = 0;
		if (pass == 2)
			age();
		cr_assert_eq(names_in(".", NULL), 22);
		for (int d = 0; d < 20; d++) {
			snprintf(name, sizeof(name), "dir%d", d);
			cr_assert_eq(names_in(name, NULL), 52);
			for (int i = 0; i < 50; i++) {
				struct stat status;

				snprintf(name, sizeof(name), "dir%d/file%d", d, i);
				cr_assert_eq(KIT(newfstatat, CWD, P(name), P(&status),
				                 AT_SYMLINK_NOFOLLOW),
				             0);
				int64_t fd = KIT(open, P(name), O_RDONLY, 0);

				cr_assert_geq(fd, 0);
				memset(buffer, 0, 100);
				cr_assert_gt(KIT(read, (uint64_t)fd, P(buffer), 4096), 0);
				cr_assert_str_eq(buffer, name);
				cr_assert_eq(KIT(read, (uint64_t)fd, P(buffer), 4096), 0);
				cr_assert_eq(KIT(close, (uint64_t)fd), 0);
				files++;
			}
		}
		cr_log_info("pass %d: %u exits for %u files", pass, exits - before, files);
		cr_assert_leq(exits - before,
		              pass == 0   ? 1100
		              : pass == 1 ? 1
		                          : 30,
		              "pass %d: %u exits", pass, exits - before);
	}
}

/* ---- what the host does meanwhile ---- */

Test(share, changes_on_the_host_are_seen)
{
	host_write("f", "old");
	cr_assert_eq(KIT(open, P("f"), O_RDONLY, 0), (int64_t)F(3));
	cr_assert_eq(KIT(read, F(3), P(buffer), 10), 3);
	host_write("f", "newer");
	age();
	cr_assert_eq(KIT(pread64, F(3), P(buffer), 10, 0), 5);
	cr_assert_arr_eq(buffer, "newer", 5);
	/* The same size: the time tells. */
	host_write("f", "NEWER");
	age();
	cr_assert_eq(KIT(pread64, F(3), P(buffer), 10, 0), 5);
	cr_assert_arr_eq(buffer, "NEWER", 5);
	/* Another file in its place: the open one stays. */
	cr_assert_eq(unlink(host("f")), 0);
	host_write("f", "another");
	age();
	cr_assert_eq(KIT(pread64, F(3), P(buffer), 10, 0), 5);
	cr_assert_eq(KIT(open, P("f"), O_RDONLY, 0), (int64_t)F(4));
	cr_assert_eq(KIT(read, F(4), P(buffer), 10), 7);
	cr_assert_arr_eq(buffer, "another", 7);
	cr_assert_eq(unlink(host("f")), 0);
	age();
	cr_assert_eq(KIT(open, P("f"), O_RDONLY, 0), -ENOENT);
	/* At once, though its name is still believed: the server says that it is stale. */
	host_write("h", "first");
	cr_assert_eq(KIT(access, P("h"), F_OK), 0);
	cr_assert_eq(unlink(host("h")), 0);
	host_write("h", "second");
	cr_assert_eq(KIT(open, P("h"), O_RDONLY, 0), (int64_t)F(5));
	cr_assert_eq(KIT(read, F(5), P(buffer), 10), 6);
	cr_assert_eq(KIT(open, P("h"), O_RDWR, 0), (int64_t)F(6));
	/* A directory that moved is found again. */
	cr_assert_eq(mkdir(host("d"), 0755), 0);
	host_write("d/x", "x");
	cr_assert_eq(KIT(access, P("d/x"), F_OK), 0);
	cr_assert_eq(rename("../share/d", "../share/e"), 0);
	age();
	cr_assert_eq(KIT(access, P("e/x"), F_OK), 0);
	cr_assert_eq(KIT(access, P("d/x"), F_OK), -ENOENT);
}

Test(share, locks_are_taken_on_the_host)
{
	struct flock lock = {.l_type = F_WRLCK, .l_start = 10, .l_len = 5};
	int theirs;

	host_write("f", "0123456789abcdef");
	theirs = open(host("f"), O_RDWR);
	cr_assert_eq(KIT(open, P("f"), O_RDWR, 0), (int64_t)F(3));
	cr_assert_eq(KIT(fcntl, F(3), F_SETLK, P(&lock)), 0);
	cr_assert_eq(fcntl(theirs, F_OFD_SETLK, &lock), -1);
	lock.l_start = 0;
	cr_assert_eq(fcntl(theirs, F_OFD_SETLK, &lock), 0);
	cr_assert_eq(KIT(fcntl, F(3), F_SETLK, P(&lock)), -EAGAIN);
	lock.l_pid = 0;
	cr_assert_eq(KIT(fcntl, F(3), F_GETLK, P(&lock)), 0);
	cr_assert_eq(lock.l_type, F_WRLCK);
	cr_assert_eq(lock.l_start, 0);
	cr_assert_eq(lock.l_len, 5);
	/* Closing any descriptor of the file gives the process's locks back. */
	cr_assert_eq(KIT(open, P("f"), O_RDONLY, 0), (int64_t)F(4));
	cr_assert_eq(KIT(close, F(4)), 0);
	lock = (struct flock){.l_type = F_WRLCK, .l_start = 10, .l_len = 5};
	cr_assert_eq(fcntl(theirs, F_OFD_SETLK, &lock), 0);
	lock = (struct flock){.l_type = F_UNLCK};
	cr_assert_eq(fcntl(theirs, F_OFD_SETLK, &lock), 0);
	cr_assert_eq(KIT(flock, F(3), LOCK_EX), 0);
	cr_assert_eq(flock(theirs, LOCK_EX | LOCK_NB), -1);
	cr_assert_eq(KIT(close, F(3)), 0);
	cr_assert_eq(KIT(access, P("f"), F_OK), 0);
	cr_assert_eq(flock(theirs, LOCK_EX | LOCK_NB), 0);
}

/* Who has a lock sees what its last holder wrote, however short ago the file was read. */
Test(share, a_lock_brings_what_is_new)
{
	struct flock lock = {.l_type = F_RDLCK}, unlock = {.l_type = F_UNLCK};

	host_write("f", "0");
	cr_assert_eq(KIT(open, P("f"), O_RDWR, 0), (int64_t)F(3));
	for (char digit = '1'; digit <= '9'; digit++) {
		int theirs = open(host("f"), O_RDWR);

		cr_assert_eq(KIT(pread64, F(3), P(buffer), 1, 0), 1);
		cr_assert_eq(pwrite(theirs, &digit, 1, 0), 1);
		close(theirs);
		cr_assert_eq(KIT(fcntl, F(3), F_SETLK, P(&lock)), 0);
		cr_assert_eq(KIT(pread64, F(3), P(buffer), 1, 0), 1);
		cr_assert_eq(buffer[0], digit);
		cr_assert_eq(KIT(fcntl, F(3), F_SETLK, P(&unlock)), 0);
	}
}

/* ---- when things go wrong ---- */

Test(share, a_device_that_fails_is_eio)
{
	host_write("f", "x");
	cr_assert_eq(KIT(open, P("f"), O_RDWR, 0), (int64_t)F(3));
	/* What could not be changed is as before. */
	broken = EIO;
	cr_assert_eq(KIT(chmod, P("/share"), 0700), -EIO);
	cr_assert(S_ISDIR(vfs_working_directory->mode));
	cr_assert_eq(KIT(write, F(3), P("y"), 1), -EIO);
	cr_assert_eq(KIT(open, P("g"), O_RDONLY, 0), -EIO);
	cr_assert_eq(KIT(mkdir, P("g"), 0755), -EIO);
	cr_assert_eq(KIT(fsync, F(3)), -EIO);
	broken = 0;
	cr_assert_eq(KIT(open, P("g"), O_RDONLY, 0), -EIO, "it stays so");
	cr_assert_eq(KIT(close, F(3)), 0);
}

static void start_read_only(void)
{
	start_share(FS_CACHE_AUTO, true);
}

Test(read_only, nothing_can_be_changed, .init = start_read_only, .fini = stop_share)
{
	struct statfs fs;

	host_write("f", "x");
	cr_assert_eq(mkdir(host("d"), 0755), 0);
	cr_assert_eq(KIT(open, P("f"), O_RDWR, 0), -EROFS);
	cr_assert_eq(KIT(open, P("f"), O_RDONLY | O_TRUNC, 0), -EROFS);
	cr_assert_eq(KIT(open, P("g"), O_RDWR | O_CREAT, 0644), -EROFS);
	cr_assert_eq(KIT(open, P("f"), O_RDONLY, 0), (int64_t)F(3));
	cr_assert_eq(KIT(read, F(3), P(buffer), 10), 1);
	cr_assert_eq(KIT(mkdir, P("g"), 0755), -EROFS);
	cr_assert_eq(KIT(unlink, P("f")), -EROFS);
	cr_assert_eq(KIT(rmdir, P("d")), -EROFS);
	cr_assert_eq(KIT(rename, P("f"), P("g")), -EROFS);
	cr_assert_eq(KIT(link, P("f"), P("g")), -EROFS);
	cr_assert_eq(KIT(symlink, P("f"), P("g")), -EROFS);
	cr_assert_eq(KIT(chmod, P("f"), 0600), -EROFS);
	cr_assert_eq(KIT(truncate, P("f"), 0), -EROFS);
	cr_assert_eq(KIT(access, P("f"), W_OK), -EROFS);
	cr_assert_eq(KIT(statfs, P("."), P(&fs)), 0);
	cr_assert_eq((uint64_t)fs.f_type, 0x65735546u);
	cr_assert(fs.f_flags & 1);
	expect_host("f", "x");
}

static void start_uncached(void)
{
	start_share(FS_CACHE_NONE, false);
}

Test(uncached, every_look_sees_the_host, .init = start_uncached, .fini = stop_share)
{
	struct stat status;

	host_write("f", "old");
	cr_assert_eq(KIT(open, P("f"), O_RDWR, 0), (int64_t)F(3));
	cr_assert_eq(KIT(read, F(3), P(buffer), 10), 3);
	host_write("f", "newer");
	cr_assert_eq(KIT(pread64, F(3), P(buffer), 10, 0), 5);
	cr_assert_arr_eq(buffer, "newer", 5);
	cr_assert_eq(KIT(pwrite64, F(3), P("N"), 1, 0), 1);
	expect_host("f", "Newer");
	host_write("f", "much newer");
	cr_assert_eq(KIT(fstat, F(3), P(&status)), 0);
	cr_assert_eq(status.st_size, 10);
	cr_assert_eq(KIT(access, P("g"), F_OK), -ENOENT);
	host_write("g", "");
	cr_assert_eq(KIT(access, P("g"), F_OK), 0);
	cr_assert_eq(unlink(host("g")), 0);
	cr_assert_eq(KIT(access, P("g"), F_OK), -ENOENT);
}

/* Memory is given back when it is asked for, and what was cached is there again. */
Test(share, pages_go_when_memory_is_short)
{
	memset(buffer, 'x', sizeof(buffer));
	SAME(open, P("f"), O_CREAT | O_RDWR, 0644);
	SAME(write, F(3), P(buffer), 1 << 20);
	size_t before = page_free_count();

	cr_assert(memory_reclaim_cache());
	cr_assert_geq(page_free_count(), before + 256);
	cr_assert(!memory_reclaim_cache());
	memset(buffer, 0, sizeof(buffer));
	SAME(pread64, F(3), P(buffer), 1 << 20, 0);
	cr_assert_eq(buffer[1000000], 'x');
	SAME(close, F(3));
}
