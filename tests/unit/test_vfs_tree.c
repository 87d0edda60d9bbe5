/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes, directories, mounts, and random calls: the kit against Linux. */
#include "tests/unit/vfs_harness.h"

/* ---- attributes ---- */

Test(vfs, mode_owner_times)
{
	struct timespec times[2] = {{1000, 5}, {2000, UTIME_OMIT}};
	struct timeval old[2] = {{-5, 250000}, {6, 999999}};
	struct stat a, b;

	SAME(open, P("f"), O_CREAT | O_RDWR, 0644);
	SAME(symlink, P("f"), P("s"));
	SAME(chmod, P("s"), 04755);
	SAME_STAT("f");
	SAME(chown, P("f"), 5, (uint64_t)-1);
	SAME_STAT("f");
	SAME(lchown, P("s"), 6, 7);
	SAME_STAT("s");
	SAME(fchmod, F(3), 0170600);
	SAME_STAT("f");
	SAME(fchown, F(3), 0, 0);
	SAME(fchmodat, CWD, P("none"), 0);
	SAME(fchownat, CWD, P("f"), 1, 1, 0x8000);
	SAME(fchownat, F(3), P(""), 1, 1, AT_EMPTY_PATH);
	SAME_STAT("f");
	SAME(utimensat, CWD, P("f"), P(times), 0);
	SAME(stat, P("f"), P(&a));
	cr_assert_eq(LINUX(stat, "f", &b), 0);
	cr_assert_eq(KIT(stat, P("f"), P(&a)), 0);
	cr_assert_eq(a.st_atim.tv_sec, 1000);
	cr_assert_eq(a.st_atim.tv_nsec, 5);
	cr_assert_gt(a.st_mtim.tv_sec, 2000);
	times[0].tv_nsec = 1000000000;
	SAME(utimensat, CWD, P("f"), P(times), 0);
	times[0].tv_nsec = UTIME_OMIT;
	SAME(utimensat, CWD, P("none"), P(times), 0);
	SAME(utimensat, F(3), 0, 0, 0);
	SAME(utimensat, CWD, 0, 0, 0);
	SAME(utimensat, F(3), 0, 0, AT_SYMLINK_NOFOLLOW);
	SAME(utimensat, 99, 0, 0, 0);
	SAME(utimes, P("f"), P(old));
	cr_assert_eq(KIT(stat, P("f"), P(&a)), 0);
	cr_assert_eq(a.st_atim.tv_sec, -5);
	cr_assert_eq(a.st_atim.tv_nsec, 250000000);
	cr_assert_eq(a.st_mtim.tv_nsec, 999999000);
	old[0].tv_usec = 1000000;
	SAME(utimes, P("f"), P(old));
	SAME(utime, P("f"), 8);
	SAME(utime, P("f"), 0);
	SAME(access, P("f"), 7);
	SAME(chmod, P("f"), 0600);
	SAME(access, P("f"), 1);
	SAME(access, P("f"), 6);
	SAME(access, P("f"), 8);
	SAME(faccessat2, CWD, P("f"), 0, 0x8000);
	SAME(faccessat2, F(3), P(""), 2, AT_EMPTY_PATH);
	SAME(mkdir, P("g"), 0755);
	SAME(chmod, P("g"), 02775);
	SAME(chown, P("g"), 0, 12);
	SAME(mkdir, P("g/sub"), 0755);
	SAME(open, P("g/file"), O_CREAT | O_RDWR, 0644);
	SAME_STAT("g/sub");
	SAME_STAT("g/file");
}

Test(vfs, statx_and_statfs)
{
	struct statx a, b;
	struct statfs fs;

	SAME(open, P("f"), O_CREAT | O_RDWR, 0640);
	SAME(write, F(3), P("123"), 3);
	cr_assert_eq(LINUX(statx, AT_FDCWD, "f", 0, STATX_BASIC_STATS, &a), 0);
	cr_assert_eq(KIT(statx, CWD, P("f"), 0, STATX_BASIC_STATS, P(&b)), 0);
	cr_assert_eq(a.stx_mode, b.stx_mode);
	cr_assert_eq(a.stx_size, b.stx_size);
	cr_assert_eq(a.stx_nlink, b.stx_nlink);
	cr_assert_eq(b.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
	SAME(statx, F(3), P(""), AT_EMPTY_PATH, STATX_BASIC_STATS, P(&b));
	SAME(statx, F(3), P(""), 0, STATX_BASIC_STATS, P(&b));
	SAME(statx, F(3), P(""), 0x8000, STATX_BASIC_STATS, P(&b));
	SAME(statx, CWD, P("f"), AT_STATX_SYNC_TYPE, STATX_BASIC_STATS, P(&b));
	SAME(statx, CWD, P("f"), 0, 0x80000000u, P(&b));
	SAME(newfstatat, F(3), P("f"), P(&a), 0x8000);
	SAME(newfstatat, F(3), P("f"), P(&a), 0);
	SAME(fstat, 99, P(&a));
	cr_assert_eq(KIT(fstatfs, F(3), P(&fs)), 0);
	cr_assert_eq(fs.f_type, TMPFS_MAGIC);
	cr_assert_eq(fs.f_namelen, 255);
	cr_assert_eq(fs.f_bsize, 4096);
	cr_assert_leq(fs.f_bavail, fs.f_blocks);
}

/* ---- directories ---- */

struct record {
	uint64_t number;
	int64_t next;
	uint16_t length;
	uint8_t type;
	char name[];
};

Test(vfs, ten_thousand_names_removed_while_they_are_read)
{
	char name[32], buffer[1024];
	unsigned removed = 0;
	int64_t n;

	cr_assert_eq(KIT(mkdir, P("many"), 0755), 0);
	cr_assert_eq(KIT(chdir, P("many")), 0);
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		int64_t fd = KIT(open, P(name), O_CREAT | O_RDWR, 0644);

		cr_assert_geq(fd, 3);
		cr_assert_eq(KIT(close, (uint64_t)fd), 0);
	}
	int64_t fd = KIT(open, P("."), O_RDONLY | O_DIRECTORY, 0);

	while ((n = KIT(getdents64, (uint64_t)fd, P(buffer), sizeof(buffer))) > 0) {
		cr_assert_gt(n, 1024 - 40, "the buffer is filled");
		for (int64_t at = 0; at < n;) {
			struct record *record = (struct record *)(buffer + at);

			at += record->length;
			cr_assert_eq(record->length % 8, 0);
			if (record->name[0] == '.')
				continue;
			cr_assert_eq(record->type, DT_REG);
			cr_assert_eq(KIT(unlink, P(record->name)), 0, "%s", record->name);
			removed++;
		}
		if (removed >= 9900)
			break;
	}
	while ((n = KIT(getdents64, (uint64_t)fd, P(buffer), sizeof(buffer))) > 0)
		for (int64_t at = 0; at < n; removed++)
			at += ((struct record *)(buffer + at))->length;
	cr_assert_eq(n, 0);
	cr_assert_eq(removed, 10000);
	/* From the start again: what is left, "." and "..". */
	cr_assert_eq(KIT(lseek, (uint64_t)fd, 0, SEEK_SET), 0);
	cr_assert_gt(KIT(getdents64, (uint64_t)fd, P(buffer), sizeof(buffer)), 48);
}

Test(vfs, mounts_show_in_a_root_that_lacks_them)
{
	char buffer[1024], names[64] = "";
	struct stat st;
	int64_t fd = KIT(open, P("/"), O_RDONLY, 0), n;

	cr_assert_geq(fd, 3);
	n = KIT(getdents64, (uint64_t)fd, P(buffer), 1024);
	for (int64_t at = 0; at < n;) {
		struct record *record = (struct record *)(buffer + at);

		strcat(names, record->name);
		strcat(names, " ");
		at += record->length;
	}
	cr_assert_str_eq(names, ". .. motd tmp dev proc sys ");
	cr_assert_eq(KIT(getdents64, (uint64_t)fd, P(buffer), 1024), 0);
	cr_assert_eq(KIT(stat, P("/tmp/"), P(&st)), 0);
	cr_assert_eq(st.st_mode, S_IFDIR | 01777);
	cr_assert_eq(KIT(stat, P("/tmp/.."), P(&st)), 0);
	cr_assert_eq(st.st_ino, 1);
	cr_assert_eq(KIT(stat, P("/../../tmp/../motd"), P(&st)), 0);
	cr_assert_eq(st.st_size, 6);
	cr_assert_eq(KIT(rmdir, P("/tmp")), -EBUSY);
	cr_assert_eq(KIT(rename, P("/tmp"), P("/t")), -EBUSY);
	cr_assert_eq(KIT(mkdir, P("/tmp"), 0755), -EEXIST);
	cr_assert_eq(KIT(access, P("/motd"), 4), 0);
	cr_assert_eq(KIT(symlink, P("a"), P("/motd")), -EEXIST);
	cr_assert_eq(KIT(link, P("/motd"), P("/tmp/motd")), -EXDEV);
	cr_assert_eq(KIT(rename, P("/motd"), P("/tmp/motd")), -EXDEV);
	cr_assert_geq(KIT(open, P("/motd"), O_RDONLY, 0), 3);
}

/* ---- random walks over both ---- */

static const char *const walk_names[] = {"a",   "b",      "c",      "a/x", "b/x",
                                         "b/y", "c/x/y",  "a/../b", ".",   "c/",
                                         "b/.", "a/x/..", "s",      "s/x", "c/x"};
#define PICK(seed) walk_names[rand_r(seed) % (sizeof(walk_names) / sizeof(*walk_names))]

static void random_step(unsigned *seed)
{
	const char *a = PICK(seed), *b = PICK(seed);
	static const int flags[] = {O_RDONLY,
	                            O_RDWR | O_CREAT,
	                            O_WRONLY | O_CREAT | O_EXCL,
	                            O_RDWR | O_TRUNC,
	                            O_RDWR | O_CREAT | O_TRUNC | O_APPEND,
	                            O_RDONLY | O_DIRECTORY,
	                            O_RDONLY | O_NOFOLLOW};
	uint64_t fd = F(3) + (uint64_t)rand_r(seed) % 8, at = (uint64_t)rand_r(seed) % 20000;
	uint64_t length = 1 + (uint64_t)rand_r(seed) % 10000, r = (uint64_t)rand_r(seed);
	static char data[10000];

	switch (rand_r(seed) % 16) {
	case 0:
	case 1: SAME(open, P(a), (uint64_t)flags[r % 7], 0600 + r % 64); break;
	case 2: SAME(mkdir, P(a), 0755); break;
	case 3: SAME(unlink, P(a)); break;
	case 4: SAME(rmdir, P(a)); break;
	case 5: SAME(rename, P(a), P(b)); break;
	case 6: SAME(renameat2, CWD, P(a), CWD, P(b), r % 4); break;
	case 7: SAME(link, P(a), P(b)); break;
	case 8: SAME(symlink, P(a), P("s")); break;
	case 9: SAME(close, fd); break;
	case 10: SAME(dup2, fd, F(3) + r % 8); break;
	case 11:
		memset(data, (int)r, sizeof(data));
		SAME(pwrite64, fd, P(data), length, at);
		break;
	case 12: SAME(ftruncate, fd, at); break;
	case 13: SAME(fallocate, fd, r % 4, at, length); break;
	case 14: SAME(truncate, P(a), at); break;
	default: SAME(access, P(a), 0); break;
	}
}

static void same_content(uint64_t fd)
{
	static char theirs[32768], ours[32768];
	int64_t n = LINUX(pread64, fd, theirs, sizeof(theirs), 0);

	cr_assert_eq(KIT(pread64, fd, P(ours), sizeof(ours), 0), n);
	if (n > 0)
		cr_assert_arr_eq(theirs, ours, (size_t)n);
}

static void random_runs(unsigned first, unsigned last)
{
	for (unsigned run = first; run <= last; run++) {
		unsigned seed = run;

		for (int i = 0; i < 1000; i++) {
			random_step(&seed);
			same_stat(PICK(&seed), AT_SYMLINK_NOFOLLOW, (int)run);
			if (i % 10 == 0)
				same_content(F(3) + (uint64_t)rand_r(&seed) % 8);
		}
		for (uint64_t fd = first_fd; fd < first_fd + 900; fd++)
			SAME(close, fd);
	}
}

Test(vfs, random_calls_agree_with_linux)
{
	random_runs(1, 20);
}

/* What both find where they start, and the kit below a writable side. */
static void make_tree(void)
{
	static char data[9000];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7);
	for (const char *const *name = (const char *const[]){"a", "b", "c", "c/x", NULL}; *name;
	     name++)
		SAME(mkdir, P(*name), 0755);
	for (const char *const *name = (const char *const[]){"a/x", "b/x", "c/x/y", NULL}; *name;
	     name++) {
		int64_t fd = KIT(open, P(*name), O_RDWR | O_CREAT, 0644);

		cr_assert_eq(LINUX(open, *name, O_RDWR | O_CREAT, 0644), fd);
		SAME(write, (uint64_t)fd, P(data), sizeof(data));
		SAME(close, (uint64_t)fd);
	}
	SAME(symlink, P("a"), P("s"));
	SAME(link, P("b/x"), P("b/y"));
}

static void start_over(unsigned run)
{
	static struct inode *first_root;
	char name[32], work[32];

	/* A file system for each run; it is filled before it gets one above it. */
	snprintf(name, sizeof(name), "/tmp/below%u", run);
	snprintf(work, sizeof(work), "../work%u", run);
	first_root = first_root ? first_root : vfs_root;
	vfs_root = first_root;
	cr_assert_eq(KIT(mkdir, P(name), 0755), 0);
	cr_assert_eq(KIT(chdir, P(name)), 0);
	cr_assert_eq(LINUX(mkdir, work, 0755), 0);
	cr_assert_eq(LINUX(chdir, work), 0);
	make_tree();
	vfs_root = tmpfs_create_over(vfs_working_directory);
	cr_assert_not_null(vfs_root);
	vfs_working_directory = inode_get(vfs_root);
}

Test(vfs, random_calls_over_a_read_only_tree_agree_with_linux)
{
	is_over = true;
	for (unsigned run = 100; run < 130; run++) {
		start_over(run);
		random_runs(run, run);
	}
}
