/* SPDX-License-Identifier: Apache-2.0 */
/* The kit's file system calls against the real Linux's, and what Linux cannot be asked. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define MOTE_HOSTED

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "tests/unit/kit_fakes.h"

/* The kit is written to <asm/stat.h> and its like, whose structures have the names of glibc's. */
#undef st_atime
#undef st_mtime
#undef st_ctime
#define stat     uapi_stat
#define statfs   uapi_statfs
#define statfs64 uapi_statfs64
#define flock    uapi_flock
#define flock64  uapi_flock64
#define f_owner_ex uapi_f_owner_ex
#define iovec    uapi_iovec
#define pollfd   uapi_pollfd
#define _ASM_X86_SIGNAL_H /* glibc's SIGPIPE is the same */
#undef FD_CLOEXEC
#undef __O_TMPFILE /* glibc has O_DIRECTORY in it */
#undef O_LARGEFILE /* 0 in glibc */

#include "guestkit/libc-shim/descriptors.c"
#include "guestkit/libc-shim/page_tree.c"
#include "guestkit/libc-shim/path.c"
#include "guestkit/libc-shim/pipe.c"
#include "guestkit/libc-shim/sys_directory.c"
#include "guestkit/libc-shim/sys_file.c"
#include "guestkit/libc-shim/sys_io.c"
#include "guestkit/libc-shim/sys_path.c"
#include "guestkit/libc-shim/sys_poll.c"
#include "guestkit/libc-shim/sys_stat.c"
#include "guestkit/libc-shim/tmpfs.c"
#include "guestkit/libc-shim/tmpfs_directory.c"
#include "guestkit/libc-shim/tmpfs_file.c"
#include "guestkit/libc-shim/vfs.c"
#include "guestkit/libc-shim/walk.c"

#undef stat
#undef statfs
#undef flock
#undef iovec
#undef pollfd

/* ---- what the rest of the kit provides ---- */

static int signals_sent, waits;
static uint64_t unmapped_from;
static struct inode *fake_root;

void signal_send_self(int signal)
{
	cr_assert_eq(signal, SIGPIPE);
	signals_sent++;
}

int shim_wait_forever(void)
{
	waits++;
	return -EINTR;
}

int64_t shim_wait(uint64_t deadline, uint32_t events)
{
	(void)deadline;
	(void)events;
	waits++;
	if (deadline == UINT64_MAX)
		return -EINTR;
	while (clock_monotonic() < deadline)
		;
	return 0;
}

void shim_wait_mask(uint64_t mask)
{
	(void)mask;
}

void memory_file_unmap(struct inode *inode, uint64_t first, uint64_t end)
{
	(void)inode;
	(void)end;
	unmapped_from = first;
}

void console_file_refresh(struct inode *inode)
{
	(void)inode;
}

/* A read-only root with one file and no directory for any mount. */
static const struct inode_ops root_ops, motd_ops;
static struct inode motd = {.ops = &motd_ops, .references = 1, .mode = S_IFREG | 0644, .links = 1,
			    .number = 2, .fs_id = 5, .size = 6};

static int64_t motd_read(struct file *file, uint64_t buffer, size_t length, uint64_t *position)
{
	(void)file;
	if (*position >= 6)
		return 0;
	size_t n = length < 6 - *position ? length : 6 - *position;

	if (user_write(buffer, "hello\n" + *position, n))
		return -EFAULT;
	*position += n;
	return (int64_t)n;
}

static const struct file_ops motd_file_ops = {.read = motd_read};
static const struct inode_ops motd_ops = {.file_ops = &motd_file_ops};

static int root_lookup(struct inode *dir, const char *name, size_t length, struct inode **found)
{
	(void)dir;
	if (length != 4 || memcmp(name, "motd", 4))
		return -ENOENT;
	*found = inode_get(&motd);
	return 0;
}

static int root_readdir(struct inode *dir, uint64_t *cookie, struct dir_entry *entry)
{
	static const char *const names[] = {".", "..", "motd"};

	(void)dir;
	if (*cookie >= 3)
		return 0;
	entry->number = *cookie < 2 ? 1 : 2;
	entry->type = *cookie < 2 ? DT_DIR : DT_REG;
	strcpy(entry->name, names[*cookie]);
	entry->length = (uint8_t)strlen(entry->name);
	++*cookie;
	return 1;
}

static const struct inode_ops root_ops = {.lookup = root_lookup, .readdir = root_readdir};

struct inode *builtin_root_create(void)
{
	static struct inode root = {.ops = &root_ops, .references = 1, .mode = S_IFDIR | 0755,
				    .links = 2, .number = 1, .fs_id = 5};

	fake_root = &root;
	return &root;
}

struct inode *erofs_root_create(const void *image, uint64_t size, uint64_t physical)
{
	(void)image;
	(void)size;
	(void)physical;
	return NULL;
}

struct inode *devfs_create(void)
{
	return tmpfs_create(0755);
}

struct inode *procfs_create(void)
{
	return tmpfs_create(0555);
}

int console_file_open(int stream, struct file **opened)
{
	(void)stream;
	return file_open_inode(inode_get(&motd), O_RDONLY, "/dev/console", opened);
}

/* ---- calling both ---- */

/* A system call of the kit. */
#define KIT(name, ...) sys_##name((const uint64_t[6]){__VA_ARGS__})
#define P(pointer)     ((uint64_t)(uintptr_t)(pointer))
#define CWD            ((uint64_t)AT_FDCWD)

static int64_t linux_result(long result)
{
	return result < 0 ? -errno : result;
}
#define LINUX(name, ...) linux_result(syscall(SYS_##name, __VA_ARGS__))

/* The same call to both must give the same result. */
#define SAME(name, ...)                                                                            \
	do {                                                                                       \
		int64_t linux_says = LINUX(name, __VA_ARGS__);                                         \
		int64_t kit_says = KIT(name, __VA_ARGS__);                                             \
		cr_assert_eq(kit_says, linux_says, "%s(%s): kit %ld, linux %ld (line %d)", #name,          \
			     #__VA_ARGS__, (long)kit_says, (long)linux_says, __LINE__);                    \
	} while (0)

static char native_directory[] = "/dev/shm/mote-vfs-XXXXXX";

/* Descriptors of the tests: F(3) is the first that is free in both. */
static uint64_t first_fd;
#define F(number) (first_fd + (number) - 3)

/* Both stand in an empty directory of a tmpfs; descriptors 0 to 2 are open in both. */
static void start(void)
{
	cr_assert_eq(vfs_init(NULL, 0, 0, NULL), 0);
	umask(022);
	cr_assert_eq(KIT(mkdir, P("/tmp/work"), 0755), 0);
	cr_assert_eq(KIT(chdir, P("/tmp/work")), 0);
	if (!mkdtemp(native_directory))
		strcpy(native_directory, "/tmp/mote-vfs-XXXXXX");
	cr_assert(!access(native_directory, F_OK) || mkdtemp(native_directory));
	cr_assert_eq(chmod(native_directory, 0755), 0);
	cr_assert_eq(chdir(native_directory), 0);
	/* The test framework has descriptors open: fill up both tables behind the last of them. */
	int last = 2;

	for (int fd = 3; fd < 256; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			last = fd;
	for (int fd = 0; fd < last; fd = dup(0))
		;
	first_fd = (uint64_t)dup(0) + 1;
	while (KIT(dup, 0) < (int64_t)first_fd - 1)
		;
}

static void stop(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", native_directory);
	cr_assert(chdir("/") == 0 && system(command) == 0);
}

TestSuite(vfs, .init = start, .fini = stop);

/* What both say of a path: type, mode, links, size, blocks. */
static void same_stat(const char *path, uint32_t flags, int line)
{
	struct stat theirs;
	struct stat ours;
	int64_t a = LINUX(newfstatat, AT_FDCWD, path, &theirs, flags);
	int64_t b = KIT(newfstatat, CWD, P(path), P(&ours), flags);

	cr_assert_eq(a, b, "stat %s: kit %ld, linux %ld (line %d)", path, (long)b, (long)a, line);
	if (a)
		return;
	cr_assert_eq(ours.st_mode, theirs.st_mode, "%s mode %o %o", path, ours.st_mode,
		     theirs.st_mode);
	cr_assert_eq(ours.st_nlink, theirs.st_nlink, "%s links %lu %lu (line %d)", path,
		     (unsigned long)ours.st_nlink, (unsigned long)theirs.st_nlink, line);
	cr_assert_eq(ours.st_size, theirs.st_size, "%s size %ld %ld (line %d)", path,
		     (long)ours.st_size, (long)theirs.st_size, line);
	cr_assert_eq(ours.st_uid, theirs.st_uid);
	cr_assert_eq(ours.st_gid, theirs.st_gid);
	cr_assert_eq(ours.st_blksize, theirs.st_blksize);
	if (!strncmp(native_directory, "/dev/shm", 8))
		cr_assert_eq(ours.st_blocks, theirs.st_blocks, "%s blocks %ld %ld", path,
			     (long)ours.st_blocks, (long)theirs.st_blocks);
}
#define SAME_STAT(path) same_stat(path, AT_SYMLINK_NOFOLLOW, __LINE__)

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
	SAME(open, P("b"), O_CREAT | O_DIRECTORY, 0644);
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
	for (const char *const *name = (const char *const[]){"d", "d/s", "empty", "full", "full/x",
							      NULL};
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

/* ---- data ---- */

Test(vfs, read_write_seek)
{
	char a[20000], b[20000];

	for (size_t i = 0; i < sizeof(a); i++)
		a[i] = (char)(i * 7 + i / 251);
	SAME(open, P("f"), O_CREAT | O_RDWR, 0644);
	SAME(write, F(3), P(a), 10000);
	SAME(lseek, F(3), 5000, SEEK_CUR);
	SAME(write, F(3), P(a), 100);
	SAME_STAT("f");
	SAME(lseek, F(3), 0, SEEK_SET);
	int64_t n = LINUX(read, F(3), b, sizeof(b));
	char c[20000];

	memset(c, 1, sizeof(c));
	cr_assert_eq(KIT(read, F(3), P(c), sizeof(c)), n);
	cr_assert_eq(n, 15100);
	cr_assert_arr_eq(b, c, 15100);
	SAME(read, F(3), P(b), 10);
	SAME(lseek, F(3), (uint64_t)-1, SEEK_SET);
	SAME(lseek, F(3), (uint64_t)-5, SEEK_END);
	SAME(lseek, F(3), 1, 9);
	SAME(lseek, F(3), INT64_MAX, SEEK_CUR);
	SAME(lseek, F(3), 20000, SEEK_DATA);
	SAME(lseek, F(3), 20000, SEEK_HOLE);
	SAME(lseek, F(3), 15000, SEEK_HOLE);
	SAME(pread64, F(3), P(b), 10, (uint64_t)-1);
	SAME(pread64, F(3), P(b), 10, 15095);
	SAME(pwrite64, F(3), P(a), 10, 40000);
	SAME_STAT("f");
	SAME(ftruncate, F(3), 4097);
	SAME(ftruncate, F(3), 12288);
	SAME_STAT("f");
	cr_assert_eq(KIT(pread64, F(3), P(c), 12288, 0), 12288);
	cr_assert_arr_eq(c, a, 4097);
	for (int i = 4097; i < 12288; i++)
		cr_assert_eq(c[i], 0, "byte %d after truncate", i);
	SAME(ftruncate, F(3), (uint64_t)-1);
	SAME(truncate, P("."), 0);
	SAME(truncate, P("f"), 1ul << 40);
	SAME_STAT("f");
	SAME(pwrite64, F(3), P(a), 5000, (1ul << 40) - 3000);
	SAME_STAT("f");
	SAME(open, P("f"), O_WRONLY | O_APPEND, 0);
	SAME(ftruncate, F(4), 10);
	SAME_STAT("f");
	SAME(write, F(4), P("abc"), 3);
	SAME(lseek, F(4), 0, SEEK_CUR);
	SAME(pwrite64, F(4), P("abc"), 3, 0);
	SAME_STAT("f");
	SAME(fcntl, F(4), F_SETFL, 0);
	SAME(pwrite64, F(4), P("abc"), 3, 0);
	SAME_STAT("f");
	SAME(read, F(4), P(b), 3);
	SAME(open, P("f"), O_RDONLY | O_TRUNC, 0);
	SAME_STAT("f");
	SAME(open, P("f"), O_ACCMODE, 0);
	SAME(read, F(6), P(b), 3);
	SAME(write, F(6), P(b), 3);
	SAME(pwrite64, F(3), P(a), 10, INT64_MAX - 5);
	SAME(pwrite64, F(3), P(a), 10, INT64_MAX);
	SAME(pwrite64, F(3), P(a), 0, INT64_MAX);
	SAME(pread64, F(3), P(a), 10, INT64_MAX);
	SAME(pread64, F(3), P(a), (uint64_t)-1, 0);
	SAME(lseek, F(3), INT64_MAX, SEEK_SET);
	SAME(write, F(3), P(a), 1);
	SAME(read, F(3), P(a), 1);
}

Test(vfs, bad_pointers_give_efault_or_a_part)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(page + 4096, 4096);
	memset(page, 'z', 4096);
	SAME(open, P("f"), O_CREAT | O_RDWR, 0644);
	SAME(write, F(3), 8, 10);
	SAME_STAT("f");
	/* Linux may give up on the whole write; a part is as good: what was counted is there. */
	cr_assert_eq(KIT(write, F(3), P(page + 4000), 1000), 96);
	cr_assert_eq(KIT(pread64, F(3), P(page), 4096, 0), 96);
	cr_assert_eq(KIT(pwrite64, F(3), P(page), 8192, 0), 4096);
	SAME(write, F(3), ~0ul - 5, 10);
	SAME(pwrite64, F(3), P(page), 96, 0);
	cr_assert_eq(KIT(pread64, F(3), P(page + 4090), 50, 0), 6);
	SAME(pread64, F(3), P(page + 4096), 50, 0);
	SAME(stat, P(page + 4095), P(page));
	SAME(stat, P("f"), P(page + 4090));
	SAME(getdents64, F(3), P(page), 100);
	SAME(open, P("."), O_RDONLY, 0);
	SAME(getdents64, F(4), P(page + 4096), 100);
	SAME(getdents64, F(4), P(page), 10);
	SAME(pipe2, P(page + 4096), 0);
	SAME(pipe2, P(page), 1);
	SAME(dup, F(4));
}

Test(vfs, vectors)
{
	char a[16] = "", b[16] = "";
	struct iovec v[3] = {{"hello ", 6}, {NULL, 0}, {"world", 5}};
	struct iovec r[2] = {{a, 3}, {b, 16}};
	struct iovec *many = calloc(1025, sizeof(*many));

	SAME(open, P("f"), O_CREAT | O_RDWR, 0644);
	SAME(writev, F(3), P(v), 3);
	SAME(preadv, F(3), P(r), 2, 1, 0);
	cr_assert_str_eq(a, "ell");
	cr_assert_str_eq(b, "o world");
	SAME(pwritev, F(3), P(v), 3, 100, 0);
	SAME(pwritev, F(3), P(v), 3, (uint64_t)-1, 0);
	SAME_STAT("f");
	SAME(writev, F(3), P(many), 1024);
	SAME(writev, F(3), P(many), 1025);
	SAME(writev, F(3), P(many), 0);
	SAME(writev, F(3), 8, 0);
	SAME(writev, F(3), 8, 1);
	SAME(readv, F(3), P(v), (uint64_t)-1);
	v[2].iov_len = (size_t)-1;
	SAME(writev, F(3), P(v), 3);
	v[0].iov_base = (void *)8;
	v[2].iov_len = 5;
	SAME(writev, F(3), P(v), 3);
	SAME_STAT("f");
	free(many);
}

Test(vfs, allocate_and_holes)
{
	char *data = malloc(5 * 4096), *back = malloc(5 * 4096);

	memset(data, 'd', 5 * 4096);
	SAME(open, P("f"), O_CREAT | O_RDWR, 0644);
	SAME(write, F(3), P(data), 5 * 4096);
	SAME(fallocate, F(3), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 3 * 4096);
	SAME_STAT("f");
	cr_assert_eq(unmapped_from, 1);
	cr_assert_eq(KIT(pread64, F(3), P(back), 5 * 4096, 0), 5 * 4096);
	memset(data + 100, 0, 3 * 4096);
	cr_assert_arr_eq(data, back, 5 * 4096);
	SAME(fallocate, F(3), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10, 20);
	SAME(fallocate, F(3), 0, 0, 30000);
	SAME_STAT("f");
	SAME(fallocate, F(3), FALLOC_FL_KEEP_SIZE, 40000, 10000);
	SAME_STAT("f");
	SAME(fallocate, F(3), FALLOC_FL_PUNCH_HOLE, 0, 10);
	SAME(fallocate, F(3), 0, 0, 0);
	SAME(fallocate, F(3), 0, (uint64_t)-1, 5);
	SAME(fallocate, F(3), 0, INT64_MAX, 5);
	SAME(fallocate, 1000, 0, 0, 5);
	SAME(open, P("f"), O_RDONLY, 0);
	SAME(fallocate, F(4), 0, 0, 5);
	SAME(ftruncate, F(4), 0);
	free(data);
	free(back);
}

Test(vfs, copies_between_files)
{
	char data[10000], back[10000];
	int64_t from = 100, to = 5;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i % 253);
	SAME(open, P("a"), O_CREAT | O_RDWR, 0644);
	SAME(open, P("b"), O_CREAT | O_RDWR, 0644);
	SAME(write, F(3), P(data), sizeof(data));
	cr_assert_eq(KIT(copy_file_range, F(3), P(&from), F(4), P(&to), 20000, 0), 9900);
	cr_assert_eq(from, 10000);
	cr_assert_eq(to, 9905);
	cr_assert_eq(KIT(pread64, F(4), P(back), 9900, 5), 9900);
	cr_assert_arr_eq(back, data + 100, 9900);
	from = 200;
	cr_assert_eq(KIT(sendfile, F(4), F(3), P(&from), 50), 50);
	cr_assert_eq(from, 250);
	cr_assert_eq(KIT(lseek, F(4), 0, SEEK_CUR), 50);
	SAME(sendfile, F(3), 100, 0, 50);
	SAME(copy_file_range, F(3), 0, F(3), 0, 50, 1);
	from = 0;
	to = 10;
	SAME(copy_file_range, F(3), P(&from), F(3), P(&to), 50, 0);
	SAME(open, P("a"), O_WRONLY | O_APPEND, 0);
	SAME(copy_file_range, F(4), 0, F(5), 0, 50, 0);
	SAME(sendfile, F(5), F(4), 0, 50);
	SAME(open, P("."), O_RDONLY, 0);
	SAME(copy_file_range, F(6), 0, F(3), 0, 50, 0);
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
	cr_assert_str_eq(names, ". .. motd tmp dev proc ");
	cr_assert_eq(KIT(getdents64, (uint64_t)fd, P(buffer), 1024), 0);
	cr_assert_eq(KIT(stat, P("/tmp/"), P(&st)), 0);
	cr_assert_eq(st.st_mode, S_IFDIR | 01777);
	cr_assert_eq(KIT(stat, P("/tmp/.."), P(&st)), 0);
	cr_assert_eq(st.st_ino, 1);
	cr_assert_eq(KIT(stat, P("/../../tmp/../motd"), P(&st)), 0);
	cr_assert_eq(st.st_size, 6);
	cr_assert_eq(KIT(rmdir, P("/tmp")), -EROFS);
	cr_assert_eq(KIT(rename, P("/tmp"), P("/t")), -EROFS);
	cr_assert_eq(KIT(mkdir, P("/tmp"), 0755), -EEXIST);
	cr_assert_eq(KIT(mkdir, P("/x"), 0755), -EROFS);
	cr_assert_eq(KIT(open, P("/x"), O_CREAT | O_RDWR, 0644), -EROFS);
	cr_assert_eq(KIT(open, P("/motd"), O_RDWR, 0), -EROFS);
	cr_assert_eq(KIT(open, P("/motd"), O_TRUNC, 0), -EROFS);
	cr_assert_eq(KIT(unlink, P("/motd")), -EROFS);
	cr_assert_eq(KIT(truncate, P("/motd"), 0), -EROFS);
	cr_assert_eq(KIT(chmod, P("/motd"), 0), -EROFS);
	cr_assert_eq(KIT(utimes, P("/motd"), 0), -EROFS);
	cr_assert_eq(KIT(access, P("/motd"), 2), -EROFS);
	cr_assert_eq(KIT(access, P("/motd"), 4), 0);
	cr_assert_eq(KIT(symlink, P("a"), P("/motd")), -EEXIST);
	cr_assert_eq(KIT(link, P("/motd"), P("/tmp/motd")), -EXDEV);
	cr_assert_eq(KIT(rename, P("/motd"), P("/tmp/motd")), -EXDEV);
	cr_assert_geq(KIT(open, P("/motd"), O_RDONLY, 0), 3);
}

/* ---- pipes ---- */

Test(vfs, pipes)
{
	int fds[2], theirs[2];
	char *big = calloc(1, 70000);
	struct stat st;

	SAME(pipe2, P(theirs), O_DIRECT | 4);
	cr_assert_eq(KIT(pipe, P(fds)), 0);
	cr_assert_eq(LINUX(pipe, theirs), 0);
	cr_assert_eq(fds[0], theirs[0]);
	cr_assert_eq(fds[1], theirs[1]);
	uint64_t r = (uint64_t)fds[0], w = (uint64_t)fds[1];

	SAME(fcntl, r, F_GETFL, 0);
	SAME(fcntl, w, F_GETFL, 0);
	SAME(read, w, P(big), 1);
	SAME(write, r, P(big), 1);
	SAME(lseek, r, 0, SEEK_SET);
	SAME(pread64, r, P(big), 1, 0);
	SAME(fcntl, r, F_GETPIPE_SZ, 0);
	SAME(write, w, P("hello"), 5);
	SAME(ioctl, r, FIONREAD, P(big));
	SAME(read, r, P(big), 3);
	SAME(read, r, P(big), 30);
	SAME(fcntl, w, F_SETFL, O_NONBLOCK);
	SAME(fcntl, r, F_SETFL, O_NONBLOCK);
	SAME(read, r, P(big), 30);
	SAME(write, w, P(big), 70000);
	SAME(write, w, P(big), 1);
	SAME(read, r, P(big), 5000);
	SAME(write, w, P(big), 4096);
	SAME(read, r, P(big), 70000);
	SAME(ftruncate, w, 0);
	SAME(fsync, w);
	SAME(fallocate, w, 0, 0, 1);
	SAME(fadvise64, w, 0, 0, 0);
	cr_assert_eq(KIT(fstat, r, P(&st)), 0);
	cr_assert_eq(st.st_mode, S_IFIFO | 0600);
	/* Blocking: the only thread waits for itself until a signal comes. */
	cr_assert_eq(KIT(fcntl, r, F_SETFL, 0), 0);
	cr_assert_eq(KIT(read, r, P(big), 1), -EINTR);
	cr_assert_eq(waits, 1);
	signal(SIGPIPE, SIG_IGN);
	SAME(write, w, P("rest"), 4);
	SAME(close, w);
	SAME(read, r, P(big), 10);
	SAME(read, r, P(big), 10);
	SAME(close, r);
	SAME(pipe2, P(theirs), O_CLOEXEC | O_NONBLOCK);
	SAME(fcntl, r, F_GETFD, 0);
	SAME(close, r);
	SAME(write, w, P("x"), 1);
	cr_assert_eq(signals_sent, 1);
	SAME(close, w);
	free(big);
}

/* ---- poll and select ---- */

Test(vfs, poll_and_select)
{
	int fds[2];
	struct pollfd p[4] = {{.events = POLLIN | POLLOUT}, {.fd = -1, .events = POLLIN}};
	uint64_t in[16] = {0}, out[16] = {0};
	struct timespec soon = {0, 2000000}, bad = {0, -1};
	struct timeval old = {0, 1000};

	SAME(pipe, P(fds));
	SAME(open, P("f"), O_CREAT | O_RDWR, 0644);
	uint64_t r = (uint64_t)fds[0], w = (uint64_t)fds[1], f = w + 1;

	p[0].fd = (int)r;
	SAME(poll, P(p), 2, 0);
	p[1].fd = (int)w;
	p[1].events = POLLOUT;
	p[2] = (struct pollfd){.fd = (int)f, .events = POLLIN | POLLPRI};
	p[3] = (struct pollfd){.fd = 99, .events = POLLIN};
	SAME(poll, P(p), 4, 0);
	cr_assert_eq(p[1].revents, POLLOUT);
	cr_assert_eq(p[2].revents, POLLIN);
	cr_assert_eq(p[3].revents, POLLNVAL);
	SAME(poll, 8, 1, 0);
	SAME(poll, P(p), 1000000000, 0);
	SAME(poll, P(p), 1, 2);
	SAME(ppoll, P(p), 1, P(&soon), 0, 8);
	cr_assert_eq(soon.tv_nsec, 0);
	SAME(ppoll, P(p), 1, P(&bad), 0, 8);
	SAME(ppoll, P(p), 1, P(&soon), P(&soon), 7);
	cr_assert_eq(KIT(poll, P(p), 1, (uint64_t)-1), -EINTR);

	in[0] = 1ul << r | 1ul << f;
	out[0] = 1ul << w;
	cr_assert_eq(KIT(select, f + 1, P(in), P(out), 0, 0), 2);
	cr_assert_eq(in[0], 1ul << f);
	in[0] = 1ul << r;
	SAME(select, f + 1, P(in), 0, 0, P(&old));
	cr_assert_eq(in[0], 0);
	in[0] = 1ul << 60;
	SAME(select, 61, P(in), 0, 0, P(&old));
	SAME(select, (uint64_t)-1, P(in), 0, 0, P(&old));
	SAME(select, 61, 8, 0, 0, P(&old));
	old.tv_usec = -1;
	SAME(select, 0, 0, 0, 0, P(&old));
	SAME(pselect6, 0, 0, 0, 0, P(&soon), 0);
	SAME(pselect6, 0, 0, 0, 0, P(&bad), 0);
	SAME(write, w, P("x"), 1);
	SAME(poll, P(p), 2, (uint64_t)-1);
	SAME(close, w);
	SAME(poll, P(p), 1, 0);
	cr_assert_eq(p[0].revents, POLLIN | POLLHUP);
}

/* ---- memory ---- */

/* Everything that was made is given back; also what was still open when it was removed. */
Test(vfs, nothing_leaks)
{
	size_t frames = fake_free, blocks = fake_heap_blocks;
	char *data = calloc(1, 100000);
	int fds[2];

	for (int round = 0; round < 3; round++) {
		cr_assert_eq(KIT(mkdir, P("d"), 0755), 0);
		cr_assert_eq(KIT(mkdir, P("d/e"), 0755), 0);
		uint64_t fd = (uint64_t)KIT(open, P("d/e/f"), O_CREAT | O_RDWR, 0644);

		cr_assert_eq(KIT(write, fd, P(data), 100000), 100000);
		cr_assert_eq(KIT(pwrite64, fd, P(data), 5, 1ul << 45), 5);
		cr_assert_eq(KIT(symlink, P("x"), P("d/e/s")), 0);
		cr_assert_eq(KIT(link, P("d/e/f"), P("d/e/g")), 0);
		cr_assert_eq(KIT(rename, P("d/e/g"), P("d/e/s")), 0);
		uint64_t dir = (uint64_t)KIT(open, P("d/e"), O_RDONLY, 0);

		cr_assert_eq(KIT(unlink, P("d/e/f")), 0);
		cr_assert_eq(KIT(unlink, P("d/e/s")), 0);
		cr_assert_eq(KIT(rmdir, P("d/e")), 0);
		cr_assert_eq(KIT(rmdir, P("d")), 0);
		cr_assert_eq(KIT(openat, dir, P("../x"), O_CREAT, 0), -ENOENT);
		cr_assert_eq(KIT(pread64, fd, P(data), 10, 0), 10);
		cr_assert_eq(KIT(ftruncate, fd, 50000), 0);
		cr_assert_eq(KIT(close, fd), 0);
		cr_assert_eq(KIT(close, dir), 0);
		cr_assert_eq(KIT(pipe, P(fds)), 0);
		cr_assert_eq(KIT(close, (uint64_t)fds[0]), 0);
		cr_assert_eq(KIT(close, (uint64_t)fds[1]), 0);
		if (round == 0) {
			/* The directory's own tables stay. */
			frames = fake_free;
			blocks = fake_heap_blocks;
		}
	}
	cr_assert_eq(fake_free, frames);
	cr_assert_eq(fake_heap_blocks, blocks);
	free(data);
}

Test(vfs, a_full_tmpfs_says_enospc_and_recovers)
{
	char *data = calloc(1, 1 << 20);
	uint64_t fd = (uint64_t)KIT(open, P("f"), O_CREAT | O_RDWR, 0644);
	int64_t n, total = 0;
	size_t frames = fake_free;

	while ((n = KIT(write, fd, P(data), 1 << 20)) > 0)
		total += n;
	cr_assert_eq(n, -ENOSPC);
	cr_assert_gt(total, 100 << 20);
	cr_assert_eq(KIT(mkdir, P("x"), 0755), -ENOSPC);
	cr_assert_gt(fake_free, FAKE_FRAMES / 32, "the program keeps a reserve");
	cr_assert_eq(KIT(ftruncate, fd, 0), 0);
	cr_assert_eq(fake_free, frames);
	cr_assert_eq(KIT(fallocate, fd, 0, 0, 1ul << 40), -ENOSPC);
	cr_assert_eq(KIT(mkdir, P("x"), 0755), 0);
	free(data);
}

Test(vfs, pages_for_mappings)
{
	uint64_t fd = (uint64_t)KIT(open, P("f"), O_CREAT | O_RDWR, 0644), frame = 1;
	struct file *file = descriptor_file((int)fd);

	cr_assert_eq(KIT(ftruncate, fd, 8193), 0);
	cr_assert_eq(file->ops->page(file, 0, false, &frame), 0);
	cr_assert_eq(frame, 0);
	cr_assert_eq(file->ops->page(file, 2, true, &frame), 0);
	cr_assert_neq(frame, 0);
	memset(direct_map(frame), 'm', 4096); /* bytes behind the end, by a mapping */
	cr_assert_eq(file->ops->page(file, 3, true, &frame), -EFAULT);
	char c[3];

	cr_assert_eq(KIT(pread64, fd, P(c), 3, 8191), 2);
	cr_assert_eq(c[1], 'm');
	cr_assert_eq(KIT(ftruncate, fd, 9000), 0);
	cr_assert_eq(KIT(pread64, fd, P(c), 3, 8192), 3);
	cr_assert_eq(c[0], 'm');
	cr_assert_eq(c[1], 0, "growing a file shows zeros");
}

/* ---- random walks over both ---- */

static const char *const walk_names[] = {"a", "b", "c", "a/x", "b/x", "b/y", "c/x/y", "a/../b", ".",
					 "c/", "b/.", "a/x/..", "s", "s/x", "c/x"};
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
	case 1:
		SAME(open, P(a), (uint64_t)flags[r % 7], 0600 + r % 64);
		break;
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
	case 13:
		SAME(fallocate, fd, r % 4, at, length);
		break;
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

Test(vfs, random_calls_agree_with_linux)
{
	for (unsigned run = 1; run <= 20; run++) {
		unsigned seed = run;

		for (int i = 0; i < 1000; i++) {
			random_step(&seed);
			same_stat(PICK(&seed), AT_SYMLINK_NOFOLLOW, (int)run);
			if (i % 10 == 0)
				same_content(F(3) + (uint64_t)rand_r(&seed) % 8);
		}
	}
}
