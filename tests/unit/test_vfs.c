/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, paths, names and descriptors: the kit against Linux. */
#include "tests/unit/vfs_harness.h"

/* ---- opening ---- */

Test(vfs, open_flags_and_errors)
{
	SAME(open, P("a"), O_RDONLY, 0);
	SAME(open, P(""), O_RDONLY, 0);
	SAME(open, P(NULL), O_RDONLY, 0);
	SAME(open, P("a/"), O_CREAT | O_RDWR, 0644);
	SAME(open, P("a"), O_CREAT | O_RDWR, 0666);
	SAME_STAT("a");
	SAME(open, P("a"), O_CREAT | O_EXCL | O_RDWR, 0666);
	SAME(open, P("a/"), O_RDONLY, 0);
	SAME(open, P("a/b"), O_RDONLY, 0);
	SAME(open, P("a"), O_RDONLY | O_DIRECTORY, 0);
	SAME(open, P("."), O_RDONLY, 0);
	SAME(open, P("."), O_WRONLY, 0);
	SAME(open, P("."), O_RDWR | O_CREAT, 0);
	SAME(open, P("."), O_CREAT | O_EXCL, 0);
	SAME(open, P("."), O_RDONLY | O_TRUNC, 0);
	/* As Linux from 6.4 on has it. */
	cr_assert_eq(KIT(open, P("b"), O_CREAT | O_DIRECTORY, 0644), -EINVAL);
	SAME(open, P("."), __O_TMPFILE | O_RDWR, 0644);
	SAME(open, P("."), O_TMPFILE | O_RDONLY, 0644);
	SAME(openat, 200, P("a"), O_RDONLY, 0);
	SAME(openat, F(3), P("a"), O_RDONLY, 0);
	SAME(openat, F(4), P("a"), O_RDONLY | O_CLOEXEC, 0);
	SAME(fcntl, F(5), F_GETFD, 0);
	SAME(fcntl, F(3), F_GETFL, 0);
	SAME(fcntl, F(4), F_GETFL, 0);
	SAME(fcntl, F(5), F_GETFL, 0);
	SAME(open, P("no/such"), O_CREAT | O_RDWR, 0644);
	SAME(creat, P("c"), 0604);
	SAME_STAT("c");
	SAME(read, F(6), P(native_directory), 1);
	SAME(write, F(5), P("x"), 1);
	SAME(close, F(6));
	SAME(close, F(6));
	SAME(close, (uint64_t)-1);
	SAME(umask, 077);
	SAME(open, P("masked"), O_CREAT | O_WRONLY, 0666);
	SAME_STAT("masked");
	SAME(umask, 022);
}

Test(vfs, o_path_descriptors_do_little)
{
	char byte;

	SAME(open, P("f"), O_CREAT | O_RDWR, 0644);
	SAME(symlink, P("f"), P("link"));
	SAME(open, P("f"), O_PATH | O_RDWR, 0);
	SAME(fcntl, F(4), F_GETFL, 0);
	SAME(read, F(4), P(&byte), 1);
	SAME(write, F(4), P(&byte), 1);
	SAME(lseek, F(4), 0, SEEK_SET);
	SAME(fcntl, F(4), F_SETFL, 0);
	SAME(ftruncate, F(4), 0);
	SAME(fchmod, F(4), 0600);
	SAME(fsync, F(4));
	SAME(ioctl, F(4), FIONREAD, P(&byte));
	SAME(fcntl, F(4), F_DUPFD, F(10));
	SAME(open, P("link"), O_PATH | O_NOFOLLOW, 0);
	SAME(readlinkat, F(5), P(""), P(&byte), 1);
	SAME(readlinkat, F(4), P(""), P(&byte), 1);
	SAME(open, P("link"), O_NOFOLLOW, 0);
	SAME(open, P("link"), O_NOFOLLOW | O_DIRECTORY, 0);
	SAME(open, P("link"), O_PATH | O_DIRECTORY, 0);
}

/* ---- paths ---- */

Test(vfs, paths_and_symbolic_links)
{
	char long_name[300], *long_path = malloc(8192), buffer[64];

	memset(long_name, 'n', sizeof(long_name));
	long_name[256] = '\0';
	SAME(mkdir, P("d"), 0755);
	SAME(mkdir, P("d"), 0755);
	SAME(mkdir, P("d/e/"), 0755);
	SAME(mkdir, P("x/y"), 0755);
	SAME(mkdir, P("."), 0755);
	SAME(mkdir, P(".."), 0755);
	SAME(mkdir, P("/"), 0755);
	SAME(mkdir, P(long_name), 0755);
	long_name[255] = '\0';
	SAME(mkdir, P(long_name), 0755);
	for (int i = 0; i < 4095; i++)
		long_path[i] = i % 2 ? '/' : '.';
	long_path[4095] = '\0';
	SAME(access, P(long_path), 0);
	strcpy(long_path + 4095, "/");
	SAME(access, P(long_path), 0);

	SAME(symlink, P("d"), P("to_d"));
	SAME(symlink, P("to_d/"), P("to_to_d"));
	SAME(symlink, P("nowhere"), P("dangling"));
	SAME(symlink, P("loop"), P("loop"));
	SAME(symlink, P(""), P("empty"));
	SAME(symlink, P("d"), P("d"));
	SAME(symlink, P("d"), P("new/"));
	SAME(symlink, P("a"), P("to_d/"));
	SAME_STAT("to_to_d/e");
	SAME_STAT("to_to_d/");
	SAME_STAT("to_to_d");
	SAME_STAT("to_to_d/../d/./e//");
	SAME_STAT("to_to_d/e/../../to_d/e/..");
	SAME_STAT("dangling");
	SAME_STAT("dangling/");
	SAME_STAT("loop/x");
	same_stat("loop", 0, __LINE__);
	SAME(open, P("dangling"), O_CREAT | O_EXCL | O_RDWR, 0644);
	SAME(open, P("dangling"), O_CREAT | O_RDWR, 0644);
	SAME_STAT("nowhere");
	SAME(readlink, P("to_to_d"), P(buffer), sizeof(buffer));
	SAME(readlink, P("to_to_d"), P(buffer), 3);
	SAME(readlink, P("to_to_d"), P(buffer), 0);
	SAME(readlink, P("d"), P(buffer), 3);
	SAME(readlink, P(""), P(buffer), 3);
	SAME(readlink, P("to_to_d"), P(8), 3);
	SAME(mkdir, P("dangling"), 0755);
	SAME(mkdir, P("dangling/"), 0755);
	SAME(rmdir, P("to_d"));
	SAME(rmdir, P("to_d/"));
	SAME(unlink, P("to_d/"));
	free(long_path);
}

Test(vfs, forty_links_are_followed_and_no_more)
{
	char from[16], to[16];

	SAME(mkdir, P("end"), 0755);
	strcpy(to, "end");
	for (int i = 1; i <= 41; i++) {
		snprintf(from, sizeof(from), "l%d", i);
		SAME(symlink, P(to), P(from));
		strcpy(to, from);
	}
	same_stat("l40", 0, __LINE__);
	same_stat("l41", 0, __LINE__);
	same_stat("l20/../l20", 0, __LINE__);
	same_stat("l21/../l20", 0, __LINE__);
}

Test(vfs, working_directory)
{
	char buffer[4096];

	cr_assert_eq(KIT(getcwd, P(buffer), sizeof(buffer)), 10);
	cr_assert_str_eq(buffer, "/tmp/work");
	cr_assert_eq(KIT(getcwd, P(buffer), 9), -ERANGE);
	cr_assert_eq(KIT(getcwd, P(buffer), 0), -ERANGE);
	cr_assert_eq(KIT(getcwd, 8, 100), -EFAULT);
	SAME(mkdir, P("a"), 0755);
	SAME(mkdir, P("a/b"), 0755);
	SAME(chdir, P("a/b"));
	SAME(chdir, P("c"));
	SAME(rename, P("../../a"), P("../../z"));
	cr_assert_eq(KIT(getcwd, P(buffer), sizeof(buffer)), 14);
	cr_assert_str_eq(buffer, "/tmp/work/z/b");
	SAME(rmdir, P("../b"));
	SAME(getcwd, P(buffer), sizeof(buffer));
	SAME(open, P("f"), O_CREAT | O_RDWR, 0644);
	SAME(mkdir, P("f"), 0755);
	SAME_STAT(".");
	SAME(open, P("."), O_RDONLY, 0);
	SAME(getdents64, F(3), P(buffer), sizeof(buffer));
	SAME(chdir, P(".."));
	SAME(rmdir, P("../z"));
	SAME(chdir, P(".."));
	SAME_STAT(".");
	SAME(close, F(3));
	cr_assert_eq(KIT(chdir, P("/")), 0);
	cr_assert_eq(KIT(getcwd, P(buffer), sizeof(buffer)), 2);
	cr_assert_str_eq(buffer, "/");
}

Test(vfs, path_of_an_open_file_has_links_resolved)
{
	cr_assert_eq(KIT(mkdir, P("d"), 0755), 0);
	cr_assert_eq(KIT(symlink, P("/tmp/work/d"), P("l")), 0);
	int64_t fd = KIT(open, P("./l//../l/f"), O_CREAT | O_RDWR, 0644);

	cr_assert_geq(fd, 3);
	cr_assert_str_eq(descriptor_file((int)fd)->path, "/tmp/work/d/f");
	int64_t dir = KIT(open, P("l"), O_RDONLY, 0);
	int64_t again = KIT(openat, (uint64_t)dir, P("../d/../d/f"), O_RDONLY, 0);

	cr_assert_str_eq(descriptor_file((int)again)->path, "/tmp/work/d/f");
	int64_t root = KIT(open, P("/"), O_RDONLY, 0);

	cr_assert_str_eq(descriptor_file((int)root)->path, "/");
}

/* ---- removing, renaming, linking ---- */

Test(vfs, unlink_and_rmdir)
{
	SAME(mkdir, P("d"), 0755);
	SAME(open, P("d/f"), O_CREAT | O_RDWR, 0644);
	SAME_STAT("d");
	SAME(rmdir, P("d"));
	SAME(unlink, P("d"));
	SAME(unlink, P("d/"));
	SAME(unlink, P("d/f/"));
	SAME(unlink, P("d/g"));
	SAME(unlink, P("."));
	SAME(unlink, P(".."));
	SAME(rmdir, P("d/."));
	SAME(rmdir, P("d/.."));
	SAME(rmdir, P("/"));
	SAME(rmdir, P("d/f"));
	SAME(rmdir, P("d/f/"));
	SAME(unlinkat, CWD, P("d/f"), 1);
	SAME(unlinkat, CWD, P("d/f"), 0);
	SAME(write, F(3), P("still there"), 11);
	SAME(unlinkat, CWD, P("d/"), AT_REMOVEDIR);
	SAME_STAT(".");
	SAME(linkat, F(3), P(""), CWD, P("again"), AT_EMPTY_PATH);
}

Test(vfs, hard_links)
{
	SAME(open, P("a"), O_CREAT | O_RDWR, 0644);
	SAME(mkdir, P("d"), 0755);
	SAME(link, P("a"), P("b"));
	SAME(link, P("a"), P("b"));
	SAME(link, P("a"), P("c/"));
	SAME(link, P("d"), P("e"));
	SAME(link, P("no"), P("e"));
	SAME(linkat, CWD, P("a"), CWD, P("e"), 0x8000);
	SAME_STAT("a");
	SAME(write, F(3), P("12345"), 5);
	SAME_STAT("b");
	SAME(rename, P("a"), P("b"));
	SAME_STAT("a");
	SAME(unlink, P("a"));
	SAME_STAT("b");
	SAME(symlink, P("b"), P("s"));
	SAME(linkat, CWD, P("s"), CWD, P("s1"), 0);
	SAME(linkat, CWD, P("s"), CWD, P("s2"), AT_SYMLINK_FOLLOW);
	SAME_STAT("s1");
	SAME_STAT("s2");
}

Test(vfs, rename_rules)
{
	for (const char *const *name =
	             (const char *const[]){"d", "d/s", "empty", "full", "full/x", NULL};
	     *name; name++)
		SAME(mkdir, P(*name), 0755);
	SAME(open, P("f"), O_CREAT | O_RDWR, 0644);
	SAME(open, P("g"), O_CREAT | O_RDWR, 0644);
	SAME(rename, P("d"), P("d/s/t"));
	SAME(rename, P("d"), P("d/s"));
	SAME(rename, P("d/s"), P("d"));
	SAME(rename, P("d"), P("full"));
	SAME(rename, P("d"), P("f"));
	SAME(rename, P("f"), P("d"));
	SAME(rename, P("f"), P("new/"));
	SAME(rename, P("f/"), P("new"));
	SAME(rename, P("no"), P("new"));
	SAME(rename, P("."), P("new"));
	SAME(rename, P("f"), P("."));
	SAME(rename, P("f"), P(".."));
	SAME(rename, P("d"), P("d"));
	SAME(renameat2, CWD, P("f"), CWD, P("g"), RENAME_NOREPLACE);
	SAME(renameat2, CWD, P("f"), CWD, P("d/.."), RENAME_NOREPLACE);
	SAME(renameat2, CWD, P("f"), CWD, P("g"), RENAME_NOREPLACE | RENAME_EXCHANGE);
	SAME(renameat2, CWD, P("f"), CWD, P("nix"), RENAME_EXCHANGE);
	SAME(renameat2, CWD, P("f"), CWD, P("g"), 64);
	SAME(renameat2, CWD, P("d"), CWD, P("d/s"), RENAME_EXCHANGE);
	SAME(renameat2, CWD, P("d/s"), CWD, P("d"), RENAME_EXCHANGE);
	SAME(renameat2, CWD, P("d/s"), CWD, P("f"), RENAME_EXCHANGE);
	SAME_STAT("d");
	SAME_STAT("d/s");
	SAME_STAT("f");
	SAME_STAT(".");
	SAME(rename, P("d/"), P("empty/"));
	SAME_STAT("d");
	SAME_STAT("empty");
	SAME_STAT("empty/s");
	SAME(rename, P("empty/s"), P("g"));
	SAME_STAT("g");
	SAME_STAT("empty");
	SAME(renameat2, CWD, P("full/x"), CWD, P("moved"), RENAME_NOREPLACE);
	SAME_STAT("full");
	SAME_STAT("moved/..");
	SAME_STAT(".");
}

/* ---- descriptors ---- */

Test(vfs, duplicates_and_fcntl)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int one = 1;

	SAME(open, P("f"), O_CREAT | O_RDWR, 0644);
	SAME(dup, F(3));
	SAME(dup2, F(3), F(9));
	SAME(dup2, F(3), F(3));
	SAME(dup2, 77, 77);
	SAME(dup2, F(3), (uint64_t)-1);
	SAME(dup3, F(3), F(3), 0);
	SAME(dup3, F(3), F(10), 1);
	SAME(dup3, F(3), F(10), O_CLOEXEC);
	SAME(fcntl, F(10), F_GETFD, 0);
	SAME(fcntl, F(10), F_SETFD, 0);
	SAME(fcntl, F(10), F_GETFD, 0);
	SAME(fcntl, F(3), F_DUPFD, F(5));
	SAME(fcntl, F(3), F_DUPFD_CLOEXEC, F(5));
	SAME(fcntl, F(6), F_GETFD, 0);
	SAME(fcntl, F(3), F_DUPFD, (uint64_t)-1);
	SAME(fcntl, F(3), F_SETFL, O_APPEND | O_NONBLOCK | O_CREAT);
	SAME(fcntl, F(3), F_GETFL, 0);
	SAME(fcntl, F(3), F_SETLK, P(&lock));
	cr_assert_eq(KIT(fcntl, F(3), F_GETLK, P(&lock)), 0);
	cr_assert_eq(lock.l_type, F_UNLCK);
	SAME(fcntl, F(3), F_GETLK, P(&lock));
	lock.l_type = 7;
	SAME(fcntl, F(3), F_SETLK, P(&lock));
	lock.l_type = F_RDLCK;
	lock.l_whence = 5;
	SAME(fcntl, F(3), F_SETLK, P(&lock));
	lock.l_whence = SEEK_SET;
	lock.l_pid = 1;
	SAME(fcntl, F(3), F_OFD_SETLK, P(&lock));
	lock.l_start = -1;
	SAME(fcntl, F(3), F_SETLK, P(&lock));
	SAME(fcntl, F(3), F_SETLKW, 8);
	SAME(fcntl, F(3), 9999, 0);
	SAME(open, P("f"), O_RDONLY, 0);
	lock = (struct flock){.l_type = F_WRLCK};
	SAME(fcntl, F(7), F_SETLK, P(&lock));
	SAME(flock, F(3), LOCK_EX);
	SAME(flock, F(3), 64);
	SAME(flock, 99, LOCK_EX);
	SAME(ioctl, F(3), FIOCLEX, 0);
	SAME(fcntl, F(3), F_GETFD, 0);
	SAME(ioctl, F(3), FIONCLEX, 0);
	SAME(ioctl, F(3), FIONBIO, P(&one));
	SAME(ioctl, F(3), FIONREAD, P(&one));
	SAME(ioctl, F(3), 0x5401, P(&one));
	SAME(fadvise64, F(3), 0, 0, 9);
	SAME(fadvise64, F(3), 0, 0, 3);
	SAME(readahead, F(3), 0, 10);
	SAME(fsync, F(3));
	SAME(syncfs, 99);
	/* A descriptor that was closed is the next one given. */
	SAME(close, F(4));
	SAME(dup, F(3));
}

Test(vfs, descriptors_run_out)
{
	int64_t fd, last = 0;

	descriptor_limit = 64;
	while ((fd = KIT(open, P("new"), O_CREAT | O_RDWR, 0644)) >= 0)
		last = fd;
	cr_assert_eq(fd, -EMFILE);
	cr_assert_eq(last, 63);
	cr_assert_eq(KIT(open, P("not made"), O_CREAT | O_RDWR, 0644), -EMFILE);
	cr_assert_eq(KIT(access, P("not made"), 0), -ENOENT);
	cr_assert_eq(KIT(dup, 0), -EMFILE);
	cr_assert_eq(KIT(dup2, 0, 64), -EBADF);
	cr_assert_eq(KIT(fcntl, 0, F_DUPFD, 64), -EINVAL);
	cr_assert_eq(KIT(close, 40), 0);
	cr_assert_eq(KIT(dup, 0), 40);
}
