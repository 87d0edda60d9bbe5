/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kit's file system calls in an ordinary process, beside the real Linux's: SAME() makes a call
 * to both and compares. To be included once, first.
 */
#ifndef MOTE_TESTS_VFS_HARNESS_H
#define MOTE_TESTS_VFS_HARNESS_H

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
#include "tests/unit/thread_fakes.h"

/* The kit is written to <asm/stat.h> and its like, whose structures have the names of glibc's. */
#undef st_atime
#undef st_mtime
#undef st_ctime
#define stat              uapi_stat
#define statfs            uapi_statfs
#define statfs64          uapi_statfs64
#define flock             uapi_flock
#define flock64           uapi_flock64
#define f_owner_ex        uapi_f_owner_ex
#define iovec             uapi_iovec
#define pollfd            uapi_pollfd
#define _ASM_X86_SIGNAL_H /* glibc's SIGPIPE is the same */
#undef FD_CLOEXEC
#undef __O_TMPFILE /* glibc has O_DIRECTORY in it */
#undef O_LARGEFILE /* 0 in glibc */

#include "guestkit/libc-shim/anon_file.c"
#include "guestkit/libc-shim/descriptors.c"
#include "guestkit/libc-shim/epoll.c"
#include "guestkit/libc-shim/file_lock.c"
#include "guestkit/libc-shim/page_tree.c"
#include "guestkit/libc-shim/path.c"
#include "guestkit/libc-shim/pipe.c"
#include "guestkit/libc-shim/sys_directory.c"
#include "guestkit/libc-shim/sys_file.c"
#include "guestkit/libc-shim/sys_io.c"
#include "guestkit/libc-shim/sys_open.c"
#include "guestkit/libc-shim/sys_path.c"
#include "guestkit/libc-shim/sys_poll.c"
#include "guestkit/libc-shim/sys_stat.c"
#include "guestkit/libc-shim/sys_sync.c"
#include "guestkit/libc-shim/time_value.c"
#include "guestkit/libc-shim/tmpfs.c"
#include "guestkit/libc-shim/tmpfs_directory.c"
#include "guestkit/libc-shim/tmpfs_file.c"
#include "guestkit/libc-shim/tmpfs_lower.c"
#include "guestkit/libc-shim/tmpfs_rename.c"
#include "guestkit/libc-shim/vfs.c"
#include "guestkit/libc-shim/walk.c"
#include "guestkit/wait_queue.c"

void name_files_look(struct inode *dir, const char *name, size_t length)
{
	(void)dir;
	(void)name;
	(void)length;
}

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

const struct process_limit *process_limit(unsigned resource)
{
	static const struct process_limit unlimited = {PROCESS_UNLIMITED, PROCESS_UNLIMITED};

	(void)resource;
	return &unlimited;
}

int64_t memfd_get_seals(const struct file *file)
{
	(void)file;
	return -EINVAL;
}

int64_t memfd_add_seals(const struct file *file, uint32_t seals)
{
	(void)file;
	(void)seals;
	return -EINVAL;
}

/* The only thread there is sleeps until a deadline, or is interrupted. */
int shim_wait(uint64_t deadline)
{
	waits++;
	if (deadline == SHIM_FOREVER)
		return -EINTR;
	while (clock_monotonic() < deadline)
		;
	return -ETIMEDOUT;
}

int shim_wait_on(struct wait_queue *queue, uint64_t deadline)
{
	(void)queue;
	return shim_wait(deadline);
}

int shim_wait_forever(void)
{
	return shim_wait(SHIM_FOREVER);
}

struct wait_queue shim_console_input;
uint64_t shim_console_reads;
static unsigned looks_at_console;

bool shim_glance(void)
{
	return false;
}

void shim_look_at_host(void)
{
	looks_at_console++;
}

void timeouts_serve(void)
{
}

void thread_waiter_init(struct thread_waiter *waiter)
{
	*waiter = (struct thread_waiter){.thread = thread_current};
}

void shim_wait_mask(uint64_t mask)
{
	(void)mask;
}

void memory_file_unmap(struct inode *inode, uint64_t first, uint64_t end, bool with_copies)
{
	(void)inode;
	(void)with_copies;
	(void)end;
	unmapped_from = first;
}

/* A read-only root with one file and no directory for any mount. */
static const struct inode_ops root_ops, motd_ops;
static struct inode motd = {.ops = &motd_ops,
                            .references = 1,
                            .mode = S_IFREG | 0644,
                            .links = 1,
                            .number = 2,
                            .fs_id = 5,
                            .size = 6};

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
	static struct inode root = {.ops = &root_ops,
	                            .references = 1,
	                            .mode = S_IFDIR | 0755,
	                            .links = 2,
	                            .number = 1,
	                            .fs_id = 5};

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

int block_flush_all(void)
{
	return 0;
}

struct inode *sysfs_create(void)
{
	return tmpfs_create(0555);
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
#define SAME(name, ...)                                                                           \
	do {                                                                                      \
		int64_t linux_says = LINUX(name, __VA_ARGS__);                                    \
		int64_t kit_says = KIT(name, __VA_ARGS__);                                        \
		cr_assert_eq(kit_says, linux_says, "%s(%s): kit %ld, linux %ld (line %d)", #name, \
		             #__VA_ARGS__, (long)kit_says, (long)linux_says, __LINE__);           \
	} while (0)

static char native_directory[] = "/dev/shm/mote-vfs-XXXXXX";

/* Descriptors of the tests: F(3) is the first that is free in both. */
static uint64_t first_fd;
#define F(number) (first_fd + (number)-3)

/* Both stand in an empty directory of a tmpfs; descriptors 0 to 2 are open in both. */
static void start(void)
{
	cr_assert_eq(vfs_init(NULL, 0, 0), 0);
	umask(022);
	cr_assert_eq(KIT(mkdir, P("/tmp/work"), 0755), 0);
	cr_assert_eq(KIT(chdir, P("/tmp/work")), 0);
	if (!mkdtemp(native_directory))
		strcpy(native_directory, "/tmp/mote-vfs-XXXXXX");
	cr_assert(!access(native_directory, F_OK) || mkdtemp(native_directory));
	/* One level down, as the kit's: random paths climb out of it by links to ".". */
	cr_assert_eq(chmod(native_directory, 01777), 0);
	cr_assert(!chdir(native_directory) && !mkdir("work", 0755) && !chdir("work"));
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

/* Sizes of directories and blocks in use are the file system's own. */
static bool is_native_tmpfs(void)
{
	struct statfs fs;

	return !statfs(".", &fs) && fs.f_type == TMPFS_MAGIC;
}

/* The working directory has a read-only file system below it. */
static bool is_over;

/* What both say of a path: type, mode, links, size, blocks. */
__attribute__((unused)) static void same_stat(const char *path, uint32_t flags, int line)
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
	if (S_ISDIR(theirs.st_mode) && (is_over || !is_native_tmpfs()))
		return;
	cr_assert_eq(ours.st_size, theirs.st_size, "%s size %ld %ld (line %d)", path,
	             (long)ours.st_size, (long)theirs.st_size, line);
	cr_assert_eq(ours.st_uid, theirs.st_uid);
	cr_assert_eq(ours.st_gid, theirs.st_gid);
	cr_assert_eq(ours.st_blksize, theirs.st_blksize);
	if (is_native_tmpfs() && !is_over)
		cr_assert_eq(ours.st_blocks, theirs.st_blocks, "%s blocks %ld %ld", path,
		             (long)ours.st_blocks, (long)theirs.st_blocks);
}
#define SAME_STAT(path) same_stat(path, AT_SYMLINK_NOFOLLOW, __LINE__)

#endif
