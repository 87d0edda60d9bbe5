/* SPDX-License-Identifier: Apache-2.0 */
/* The FUSE server in a confined process: all that it does is allowed, and nothing beside its
 * directory can be opened. */
#include "confined_child.h"
#include "fs_harness.h"

#include <linux/fs.h>
#include <sys/syscall.h>

static bool read_only;

/* Share and confine this process as a VM does. The server is of the process that opens it. */
static void share_and_confine(void)
{
	struct mote_error err;
	struct confine_needs needs = {
	        .groups = CONFINE_SHARE,
	        .files = FS_DESCRIPTORS_MAX,
	        .directories = {{.is_read_only = read_only}},
	        .directory_count = 1,
	};

	EXPECT(fs_server_open(&server, share, read_only, FS_CACHE_AUTO, &err) == 0);
	needs.directories[0].fd = server.root;
	EXPECT(confine_enter(CONFINE_LOAD, &needs, &err) == 0);
	EXPECT(confine_enter(CONFINE_RUN, &needs, &err) == 0);
}

/* Criterion's asserts do not work in here; a call that is not allowed ends the child. */
static int ask(uint32_t opcode, uint64_t node, const void *args, size_t args_size, const char *name)
{
	struct fuse_in_header in = {.opcode = opcode, .nodeid = node};
	struct fuse_out_header out = {0};
	size_t length = name ? strlen(name) + 1 : 0;
	/* Names that come in two are written with a slash between. */
	char names[64];
	struct iovec question[3] = {
	        {&in, sizeof in}, {(void *)(uintptr_t)args, args_size}, {names, length}};
	struct iovec reply[2] = {{&out, sizeof out}, {answer, sizeof answer}};

	if (name)
		memcpy(names, name, length);
	for (size_t i = 0; name && i < length; i++)
		names[i] = names[i] == '/' ? '\0' : names[i];
	in.len = (uint32_t)(sizeof in + args_size + length);
	fs_serve(&server, question, 3, reply, 2);
	return out.error;
}

#define ASK(opcode, node, args, name) ask(opcode, node, &(args), sizeof(args), name)

static uint64_t answered_node(void)
{
	return ((const struct fuse_entry_out *)(const void *)answer)->nodeid;
}

static uint64_t answered_handle(size_t offset)
{
	return ((const struct fuse_open_out *)(const void *)(answer + offset))->fh;
}

static void body_changes(void)
{
	struct fuse_create_in create_in = {.flags = O_RDWR, .mode = 0600};
	struct fuse_mkdir_in mkdir_in = {.mode = 0700};
	struct fuse_mknod_in mknod_in = {.mode = 0600};
	struct fuse_write_in write_in = {.size = 2};
	struct fuse_setattr_in setattr_in = {
	        .valid = FATTR_SIZE | FATTR_MODE | FATTR_MTIME | FATTR_ATIME_NOW, .mode = 0640};
	struct fuse_rename2_in rename_in = {0};
	struct fuse_link_in link_in = {0};
	struct fuse_fallocate_in space = {.length = 4096};
	struct fuse_copy_file_range_in copy = {.len = 1, .off_out = 5000};
	struct fuse_lk_in lock = {.owner = 1, .lk = {.type = F_WRLCK, .end = INT64_MAX}};
	struct fuse_open_in open_in = {.flags = O_RDWR | O_TRUNC | O_SYNC};
	const uint32_t xattr[2] = {1, 0};
	uint64_t file, dir, fh;
	int result;

	share_and_confine();
	EXPECT(ASK(FUSE_MKDIR, 1, mkdir_in, "d") == 0);
	dir = answered_node();
	EXPECT(ASK(FUSE_CREATE, 1, create_in, "f") == 0);
	file = answered_node();
	fh = answered_handle(sizeof(struct fuse_entry_out));
	write_in.fh = space.fh = copy.fh_in = copy.fh_out = lock.fh = fh;
	EXPECT(ASK(FUSE_WRITE, file, write_in, "x") == 0);
	EXPECT(ASK(FUSE_FALLOCATE, file, space, NULL) == 0);
	copy.nodeid_out = file;
	EXPECT(ASK(FUSE_COPY_FILE_RANGE, file, copy, NULL) == 0);
	EXPECT(ASK(FUSE_SETLK, file, lock, NULL) == 0);
	EXPECT(ASK(FUSE_GETLK, file, lock, NULL) == 0);
	lock.lk_flags = FUSE_LK_FLOCK;
	EXPECT(ASK(FUSE_SETLK, file, lock, NULL) == 0);
	EXPECT(ASK(FUSE_SETATTR, file, setattr_in, NULL) == 0);
	setattr_in.valid |= FATTR_FH;
	setattr_in.fh = fh;
	EXPECT(ASK(FUSE_SETATTR, file, setattr_in, NULL) == 0);
	result = ask(FUSE_SETXATTR, file, xattr, sizeof xattr, "user.x/y");
	EXPECT(result == 0 || result == -EOPNOTSUPP);
	result = ask(FUSE_REMOVEXATTR, file, NULL, 0, "user.x");
	EXPECT(result == 0 || result == -EOPNOTSUPP);
	EXPECT(ASK(FUSE_MKNOD, dir, mknod_in, "n") == 0);
	EXPECT(ask(FUSE_SYMLINK, 1, NULL, 0, "l/target") == 0);
	/* Across directories, where Landlock wants to be asked. */
	link_in.oldnodeid = file;
	EXPECT(ASK(FUSE_LINK, dir, link_in, "linked") == 0);
	rename_in.newdir = dir;
	EXPECT(ASK(FUSE_RENAME2, 1, rename_in, "f/moved") == 0);
	rename_in.flags = RENAME_EXCHANGE;
	EXPECT(ASK(FUSE_RENAME2, 1, rename_in, "l/moved") == 0);
	EXPECT(ASK(FUSE_OPEN, file, open_in, NULL) == 0);
	/* What is removed goes on working: Landlock looks at where it was. */
	EXPECT(ask(FUSE_UNLINK, dir, NULL, 0, "linked") == 0);
	EXPECT(ask(FUSE_UNLINK, 1, NULL, 0, "l") == 0);
	EXPECT(ASK(FUSE_OPEN, file, open_in, NULL) == 0);
	EXPECT(ask(FUSE_UNLINK, dir, NULL, 0, "moved") == 0);
	EXPECT(ask(FUSE_UNLINK, dir, NULL, 0, "n") == 0);
	EXPECT(ask(FUSE_RMDIR, 1, NULL, 0, "d") == 0);
}

static void body_reads(void)
{
	struct fuse_init_in init_in = {.major = 7, .minor = 38};
	struct fuse_open_in open_in = {.flags = O_RDONLY};
	struct fuse_read_in read_in = {.size = 4096};
	struct fuse_getattr_in getattr_in = {0};
	struct fuse_access_in access_in = {.mask = R_OK};
	struct fuse_getxattr_in xattr_in = {.size = 100};
	struct fuse_fsync_in sync_in = {0};
	struct fuse_lseek_in seek_in = {.whence = SEEK_HOLE};
	struct fuse_release_in release_in = {0};
	uint64_t file, fh, zero = 0;
	int result;

	share_and_confine();
	EXPECT(ASK(FUSE_INIT, 0, init_in, NULL) == 0);
	EXPECT(ask(FUSE_LOOKUP, 1, NULL, 0, "link") == 0);
	EXPECT(ask(FUSE_READLINK, answered_node(), NULL, 0, NULL) == 0);
	EXPECT(ask(FUSE_LOOKUP, 1, NULL, 0, "file") == 0);
	file = answered_node();
	EXPECT(ASK(FUSE_OPEN, file, open_in, NULL) == 0);
	fh = answered_handle(0);
	read_in.fh = fh;
	EXPECT(ASK(FUSE_READ, file, read_in, NULL) == 0);
	read_in.fh = 0;
	EXPECT(ASK(FUSE_READ, file, read_in, NULL) == 0);
	EXPECT(ASK(FUSE_READDIR, 1, read_in, NULL) == 0);
	EXPECT(ASK(FUSE_READDIRPLUS, 1, read_in, NULL) == 0);
	EXPECT(ASK(FUSE_OPENDIR, 1, open_in, NULL) == 0);
	EXPECT(ASK(FUSE_GETATTR, file, getattr_in, NULL) == 0);
	EXPECT(ASK(FUSE_ACCESS, file, access_in, NULL) == 0);
	result = ASK(FUSE_GETXATTR, file, xattr_in, "user.x");
	EXPECT(result == -ENODATA || result == -EOPNOTSUPP);
	EXPECT(ASK(FUSE_LISTXATTR, file, xattr_in, NULL) == 0);
	EXPECT(ask(FUSE_STATFS, 1, NULL, 0, NULL) == 0);
	EXPECT(ASK(FUSE_FSYNC, file, sync_in, NULL) == 0);
	sync_in.fsync_flags = FUSE_FSYNC_FDATASYNC;
	EXPECT(ASK(FUSE_FSYNC, file, sync_in, NULL) == 0);
	EXPECT(ASK(FUSE_LSEEK, file, seek_in, NULL) == 0);
	release_in.fh = fh;
	EXPECT(ASK(FUSE_RELEASE, file, release_in, NULL) == 0);
	ASK(FUSE_FORGET, file, zero, NULL);
	EXPECT(ask(FUSE_DESTROY, 0, NULL, 0, NULL) == 0);
}

static void body_others(void)
{
	const char *secret = host_path("../secret");

	share_and_confine();
	EXPECT(syscall(SYS_openat, AT_FDCWD, secret, O_RDONLY) == -1 && errno == EACCES);
	EXPECT(syscall(SYS_openat, server.root, "../secret", O_RDONLY) == -1 && errno == EACCES);
	EXPECT(syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR) == -1 && errno == EACCES);
	EXPECT(syscall(SYS_openat, AT_FDCWD, host_path("file"), O_RDONLY) >= 0);
	if (read_only) {
		EXPECT(syscall(SYS_openat, AT_FDCWD, host_path("file"), O_WRONLY) == -1 &&
		       errno == EACCES);
		EXPECT(syscall(SYS_mkdirat, server.root, "new", 0700) == -1 && errno == EACCES);
		EXPECT(syscall(SYS_unlinkat, server.root, "file", 0) == -1 && errno == EACCES);
	}
}

static void make(bool is_read_only)
{
	read_only = is_read_only;
	make_share();
	cr_assert_eq(symlink("file", host_path("link")), 0);
}

static void make_writable(void)
{
	make(false);
}

static void make_read_only(void)
{
	make(true);
}

TestSuite(fs_confined, .init = make_writable, .fini = teardown);

Test(fs_confined, all_requests_are_allowed)
{
	assert_works(FREE, body_reads);
	assert_works(FREE, body_changes);
}

Test(fs_confined, nothing_beside_the_share_is_reached)
{
	require_landlock(1);
	assert_works(FREE, body_others);
}

TestSuite(fs_confined_read_only, .init = make_read_only, .fini = teardown);

Test(fs_confined_read_only, reading_is_allowed)
{
	assert_works(FREE, body_reads);
}

Test(fs_confined_read_only, nothing_is_written)
{
	require_landlock(1);
	assert_works(FREE, body_others);
}
