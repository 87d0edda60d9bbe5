/* SPDX-License-Identifier: Apache-2.0 */
/* The FUSE server: making, writing and changing files; extended attributes. */
#include "fs_harness.h"

#include <linux/falloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/xattr.h>

TestSuite(fs_files, .init = setup, .fini = teardown);

static int create(uint64_t parent, const char *name, uint32_t flags, uint32_t mode, uint64_t *node,
                  uint64_t *fh)
{
	struct fuse_create_in in = {.flags = flags, .mode = mode};
	int result = request(FUSE_CREATE, parent, &in, sizeof in, name);

	*node = *fh = 0;
	if (result == 0) {
		const struct fuse_entry_out *entry = (const void *)answer;
		const struct fuse_open_out *open = (const void *)(entry + 1);

		cr_assert_eq(answer_size, sizeof *entry + sizeof *open);
		*node = entry->nodeid;
		*fh = open->fh;
	}
	return result;
}

static int write_file(uint64_t node, uint64_t fh, uint64_t offset, const char *data, size_t size)
{
	struct fuse_write_in in = {.fh = fh, .offset = offset, .size = (uint32_t)size};
	int result = request_with_room(FUSE_WRITE, node, &in, sizeof in, data, size, 64);

	return result ? result : (int)((struct fuse_write_out *)(void *)answer)->size;
}

static int set_attributes(uint64_t node, struct fuse_setattr_in in, struct fuse_attr *attributes)
{
	int result = request(FUSE_SETATTR, node, &in, sizeof in, NULL);

	if (result == 0)
		*attributes = ((struct fuse_attr_out *)(void *)answer)->attr;
	return result;
}

Test(fs_files, a_file_is_made_written_and_read)
{
	uint64_t node, fh;

	cr_assert_eq(create(1, "new", O_RDWR | O_EXCL, 0600, &node, &fh), 0);
	cr_assert_eq(write_file(node, fh, 0, "hello world", 11), 11);
	cr_assert_eq(write_file(node, fh, 6, "there", 5), 5);
	cr_assert_str_eq(host_read("new"), "hello there");
	cr_assert_eq(read_file(node, fh, 0, 100), 11);
	cr_assert_eq(memcmp(answer, "hello there", 11), 0);
	cr_assert_eq(create(1, "new", O_RDWR | O_EXCL, 0600, &node, &fh), -EEXIST);
	cr_assert_eq(create(1, "new", O_RDWR | O_TRUNC, 0600, &node, &fh), 0);
	cr_assert_str_eq(host_read("new"), "");
	cr_assert_eq(create(1, "dir", O_RDWR, 0600, &node, &fh), -EISDIR);
	cr_assert_eq(create(1, "dir", O_RDONLY, 0600, &node, &fh), -EISDIR);
	cr_assert_eq(create(1, "a/b", O_RDWR, 0600, &node, &fh), -EINVAL);
	cr_assert_eq(create(1, "suid", O_RDWR, 04755, &node, &fh), -EPERM);
}

Test(fs_files, what_is_there_is_not_opened_unless_it_is_a_file)
{
	uint64_t node, fh;

	cr_assert_eq(mkfifo(host_path("fifo"), 0600), 0);
	cr_assert_eq(symlink("../secret", host_path("link")), 0);
	cr_assert_eq(symlink("nothing", host_path("dangling")), 0);
	cr_assert_eq(create(1, "fifo", O_RDWR, 0600, &node, &fh), -ENXIO);
	cr_assert_eq(create(1, "link", O_RDWR, 0600, &node, &fh), -ELOOP);
	cr_assert_eq(create(1, "dangling", O_RDWR, 0600, &node, &fh), -ELOOP);
	cr_assert_neq(access(host_path("nothing"), F_OK), 0);
}

Test(fs_files, large_data_in_many_buffers_arrives)
{
	enum { SIZE = 300000, PIECE = 1000 };
	static char data[SIZE], back[SIZE];
	struct iovec question[SIZE / PIECE + 2], reply[SIZE / PIECE + 1];
	struct fuse_in_header header = {.opcode = FUSE_WRITE};
	struct fuse_write_in in = {.size = SIZE};
	struct fuse_read_in read_in = {.size = SIZE};
	struct fuse_out_header out;
	uint64_t node, fh;

	for (int i = 0; i < SIZE; i++)
		data[i] = (char)(i * 7 + i / 256);
	cr_assert_eq(create(1, "new", O_RDWR, 0600, &node, &fh), 0);
	header.len = sizeof header + sizeof in + SIZE;
	header.nodeid = node;
	in.fh = read_in.fh = fh;
	question[0] = (struct iovec){&header, sizeof header};
	question[1] = (struct iovec){&in, sizeof in};
	reply[0] = (struct iovec){&out, sizeof out};
	for (int i = 0; i < SIZE / PIECE; i++) {
		question[i + 2] = (struct iovec){data + i * PIECE, PIECE};
		reply[i + 1] = (struct iovec){back + i * PIECE, PIECE};
	}
	cr_assert_eq(fs_serve(&server, question, SIZE / PIECE + 2, reply, 2), sizeof out + 8);
	cr_assert_eq(out.error, 0);
	cr_assert_eq(((struct fuse_write_out *)(void *)back)->size, SIZE);
	header.opcode = FUSE_READ;
	header.len = sizeof header + sizeof read_in;
	question[1] = (struct iovec){&read_in, sizeof read_in};
	cr_assert_eq(fs_serve(&server, question, 2, reply, SIZE / PIECE + 1), sizeof out + SIZE);
	cr_assert_eq(memcmp(data, back, SIZE), 0);
}

Test(fs_files, writing_needs_a_handle_for_it_and_the_data)
{
	struct fuse_write_in in = {.size = 100};
	uint64_t node = node_at("file"), fh;

	cr_assert_eq(write_file(node, 0, 0, "x", 1), -EBADF);
	cr_assert_eq(open_file(node, O_RDONLY, &fh), 0);
	cr_assert_eq(write_file(node, fh, 0, "x", 1), -EBADF);
	cr_assert_eq(open_file(node, O_WRONLY, &fh), 0);
	cr_assert_eq(read_file(node, fh, 0, 1), -EBADF);
	in.fh = fh;
	cr_assert_eq(request_with_room(FUSE_WRITE, node, &in, sizeof in, "short", 5, 64), -EINVAL);
	cr_assert_eq(write_file(node, fh, INT64_MAX, "x", 1), -EINVAL);
	cr_assert_eq(write_file(node, fh, UINT64_MAX, "x", 1), -EINVAL);
	cr_assert_str_eq(host_read("file"), "content of file");
}

Test(fs_files, appending_ignores_the_offset)
{
	uint64_t node = node_at("file"), fh;

	cr_assert_eq(open_file(node, O_WRONLY | O_APPEND, &fh), 0);
	host_write("file", "12345678");
	cr_assert_eq(write_file(node, fh, 0, "9", 1), 1);
	cr_assert_str_eq(host_read("file"), "123456789");
}

Test(fs_files, a_full_disk_or_a_limit_is_an_error)
{
	struct rlimit limit = {1000, 1000};
	uint64_t node, fh;

	cr_assert_eq(create(1, "new", O_RDWR, 0600, &node, &fh), 0);
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_assert_eq(write_file(node, fh, 999, "xy", 2), 1);
	cr_assert_eq(write_file(node, fh, 1000, "xy", 2), -EFBIG);
}

Test(fs_files, size_mode_and_times_are_set)
{
	uint64_t node = node_at("file"), fh;
	struct fuse_attr attributes;
	struct fuse_setattr_in in = {.valid = FATTR_SIZE, .size = 7};

	cr_assert_eq(set_attributes(node, in, &attributes), 0);
	cr_assert_eq(attributes.size, 7);
	cr_assert_str_eq(host_read("file"), "content");
	in = (struct fuse_setattr_in){.valid = FATTR_MODE, .mode = 0604};
	cr_assert_eq(set_attributes(node, in, &attributes), 0);
	cr_assert_eq(attributes.mode, S_IFREG | 0604);
	in = (struct fuse_setattr_in){.valid = FATTR_ATIME | FATTR_MTIME,
	                              .atime = 1000,
	                              .atimensec = 5,
	                              .mtime = (uint64_t)-2000,
	                              .mtimensec = 6};
	cr_assert_eq(set_attributes(node, in, &attributes), 0);
	cr_assert(attributes.atime == 1000 && attributes.atimensec == 5);
	cr_assert(attributes.mtime == (uint64_t)-2000 && attributes.mtimensec == 6);
	in = (struct fuse_setattr_in){.valid = FATTR_MTIME | FATTR_MTIME_NOW};
	cr_assert_eq(set_attributes(node, in, &attributes), 0);
	cr_assert(attributes.atime == 1000 && attributes.mtime > 1000000000);
	in = (struct fuse_setattr_in){.valid = FATTR_MTIME, .mtimensec = 1000000000};
	cr_assert_eq(set_attributes(node, in, &attributes), -EINVAL);
	in = (struct fuse_setattr_in){.valid = FATTR_SIZE, .size = UINT64_MAX};
	cr_assert_eq(set_attributes(node, in, &attributes), -EINVAL);
	cr_assert_eq(open_file(node, O_RDWR, &fh), 0);
	in = (struct fuse_setattr_in){.valid = FATTR_SIZE | FATTR_FH, .fh = fh, .size = 3};
	cr_assert_eq(set_attributes(node, in, &attributes), 0);
	cr_assert_eq(attributes.size, 3);
	in.fh = 4711;
	cr_assert_eq(set_attributes(node, in, &attributes), -EBADF);
	in.valid = FATTR_SIZE;
	cr_assert_neq(set_attributes(node_at("dir"), in, &attributes), 0);
}

Test(fs_files, a_symbolic_link_has_times_and_no_mode)
{
	struct fuse_setattr_in in = {.valid = FATTR_MTIME, .mtime = 1234};
	struct stat status, secret;
	struct fuse_attr attributes;
	uint64_t node;

	cr_assert_eq(stat(host_path("../secret"), &secret), 0);
	cr_assert_eq(symlink("../secret", host_path("link")), 0);
	node = node_at("link");
	cr_assert_eq(set_attributes(node, in, &attributes), 0);
	cr_assert_eq(lstat(host_path("link"), &status), 0);
	cr_assert_eq(status.st_mtim.tv_sec, 1234);
	in = (struct fuse_setattr_in){.valid = FATTR_MODE, .mode = 0777};
	cr_assert_eq(set_attributes(node, in, &attributes), -EOPNOTSUPP);
	in = (struct fuse_setattr_in){.valid = FATTR_SIZE};
	cr_assert_eq(set_attributes(node, in, &attributes), -ELOOP);
	cr_assert_eq(stat(host_path("../secret"), &status), 0);
	cr_assert_eq(memcmp(&status.st_mtim, &secret.st_mtim, sizeof status.st_mtim), 0);
	cr_assert_eq(status.st_mode, secret.st_mode);
}

Test(fs_files, owners_stay_and_foreign_rights_are_not_given)
{
	uint64_t node = node_at("file"), fh;
	struct fuse_attr attributes;
	struct fuse_setattr_in in = {.valid = FATTR_UID | FATTR_GID};
	struct stat status;

	cr_assert_eq(get_attributes(node, &attributes), 0);
	in.uid = attributes.uid;
	in.gid = attributes.gid;
	cr_assert_eq(set_attributes(node, in, &attributes), 0);
	in.uid = 12345;
	cr_assert_eq(set_attributes(node, in, &attributes), -EPERM);
	in = (struct fuse_setattr_in){.valid = FATTR_MODE, .mode = 04755};
	cr_assert_eq(set_attributes(node, in, &attributes), -EPERM);
	in.mode = 02755;
	cr_assert_eq(set_attributes(node, in, &attributes), -EPERM);
	/* What the host has made so may stay, until the guest writes to it. */
	cr_assert_eq(chmod(host_path("file"), 04755), 0);
	in.mode = 04711;
	cr_assert_eq(set_attributes(node, in, &attributes), 0);
	cr_assert_eq(open_file(node, O_RDONLY, &fh), 0);
	cr_assert(stat(host_path("file"), &status) == 0 && (status.st_mode & S_ISUID));
	cr_assert_eq(open_file(node, O_WRONLY, &fh), 0);
	cr_assert_eq(stat(host_path("file"), &status), 0);
	cr_assert_eq(status.st_mode, S_IFREG | 0711);
}

Test(fs_files, owners_are_shown_as_roots_and_nobodys)
{
	struct fuse_attr attributes;

	server.user = getuid() + 1000;
	server.group = getgid();
	cr_assert_eq(get_attributes(node_at("file"), &attributes), 0);
	cr_assert_eq(attributes.uid, 65534);
	server.user = getuid() ? getuid() : 1000;
	cr_assert_eq(get_attributes(node_at("file"), &attributes), 0);
	cr_assert_eq(attributes.uid, getuid() ? 0 : 65534);
}

Test(fs_files, syncing_seeking_and_allocating_reach_the_file)
{
	uint64_t node, fh, file = node_at("file");
	struct fuse_fsync_in sync = {0};
	struct fuse_fallocate_in space = {.length = 100000};
	struct fuse_lseek_in seek = {.offset = 0, .whence = SEEK_DATA};
	const struct fuse_lseek_out *found = (const void *)answer;
	struct stat status;

	cr_assert_eq(create(1, "new", O_RDWR, 0600, &node, &fh), 0);
	sync.fh = fh;
	cr_assert_eq(request(FUSE_FSYNC, node, &sync, sizeof sync, NULL), 0);
	sync.fsync_flags = FUSE_FSYNC_FDATASYNC;
	cr_assert_eq(request(FUSE_FSYNC, node, &sync, sizeof sync, NULL), 0);
	cr_assert_eq(request(FUSE_FSYNC, file, &sync, sizeof sync, NULL), -EBADF);
	sync = (struct fuse_fsync_in){0};
	cr_assert_eq(request(FUSE_FSYNC, file, &sync, sizeof sync, NULL), 0);
	cr_assert_eq(request(FUSE_FSYNCDIR, FUSE_ROOT_ID, &sync, sizeof sync, NULL), 0);
	cr_assert_eq(truncate(host_path("new"), 1 << 20), 0);
	cr_assert_eq(write_file(node, fh, 524288, "x", 1), 1);
	seek.fh = fh;
	cr_assert_eq(request(FUSE_LSEEK, node, &seek, sizeof seek, NULL), 0);
	cr_assert(found->offset > 0 && found->offset <= 524288);
	seek = (struct fuse_lseek_in){.whence = SEEK_HOLE};
	cr_assert_eq(request(FUSE_LSEEK, node, &seek, sizeof seek, NULL), 0);
	cr_assert_eq(found->offset, 0);
	seek.offset = 2 << 20;
	cr_assert_eq(request(FUSE_LSEEK, node, &seek, sizeof seek, NULL), -ENXIO);
	seek.whence = SEEK_SET;
	cr_assert_eq(request(FUSE_LSEEK, node, &seek, sizeof seek, NULL), -EINVAL);
	cr_assert_eq(request(FUSE_FALLOCATE, file, &space, sizeof space, NULL), -EBADF);
	cr_assert_eq(open_file(file, O_RDWR, &space.fh), 0);
	cr_assert_eq(request(FUSE_FALLOCATE, file, &space, sizeof space, NULL), 0);
	cr_assert(stat(host_path("file"), &status) == 0 && status.st_size == 100000);
	space.mode = 0x8000;
	cr_assert_eq(request(FUSE_FALLOCATE, file, &space, sizeof space, NULL), -EOPNOTSUPP);
	space = (struct fuse_fallocate_in){.fh = space.fh, .offset = UINT64_MAX, .length = 1};
	cr_assert_eq(request(FUSE_FALLOCATE, file, &space, sizeof space, NULL), -EINVAL);
}

Test(fs_files, ranges_are_copied_between_handles)
{
	struct fuse_copy_file_range_in in = {.off_in = 8, .off_out = 2, .len = UINT64_MAX};
	uint64_t from = node_at("file"), to;

	cr_assert_eq(create(1, "new", O_RDWR, 0600, &to, &in.fh_out), 0);
	cr_assert_eq(open_file(from, O_RDONLY, &in.fh_in), 0);
	in.nodeid_out = to;
	cr_assert_eq(request(FUSE_COPY_FILE_RANGE, from, &in, sizeof in, NULL), 0);
	cr_assert_eq(((struct fuse_write_out *)(void *)answer)->size, 7);
	cr_assert_eq(read_file(to, in.fh_out, 2, 100), 7);
	cr_assert_eq(memcmp(answer, "of file", 7), 0);
	in.nodeid_out = from;
	cr_assert_eq(request(FUSE_COPY_FILE_RANGE, from, &in, sizeof in, NULL), -EBADF);
	in.nodeid_out = to;
	in.flags = 1;
	cr_assert_eq(request(FUSE_COPY_FILE_RANGE, from, &in, sizeof in, NULL), -EINVAL);
	in.flags = 0;
	in.off_in = UINT64_MAX;
	cr_assert_eq(request(FUSE_COPY_FILE_RANGE, from, &in, sizeof in, NULL), -EINVAL);
}

/* ---- extended attributes ---- */

static int set_xattr(uint64_t node, const char *name, const char *value, uint32_t flags)
{
	char in[600];
	uint32_t head[2] = {(uint32_t)strlen(value), flags};
	size_t length = strlen(name) + 1;

	memcpy(in, name, length);
	memcpy(in + length, value, strlen(value));
	return request_with_room(FUSE_SETXATTR, node, head, sizeof head, in, length + head[0], 0);
}

static int get_xattr(uint32_t opcode, uint64_t node, const char *name, uint32_t size)
{
	struct fuse_getxattr_in in = {.size = size};
	int result = request(opcode, node, &in, sizeof in, name);

	return result ? result : (int)answer_size;
}

Test(fs_files, user_attributes_are_set_listed_and_removed)
{
	uint64_t node = node_at("file");

	if (setxattr(host_path("file"), "user.host", "1", 1, 0))
		cr_skip("the file system of /tmp has no extended attributes");
	cr_assert_eq(set_xattr(node, "user.guest", "value", 0), 0);
	cr_assert_eq(get_xattr(FUSE_GETXATTR, node, "user.guest", 100), 5);
	cr_assert_eq(memcmp(answer, "value", 5), 0);
	cr_assert_eq(get_xattr(FUSE_GETXATTR, node, "user.guest", 4), -ERANGE);
	cr_assert_eq(get_xattr(FUSE_GETXATTR, node, "user.guest", 0), 8);
	cr_assert_eq(((struct fuse_getxattr_out *)(void *)answer)->size, 5);
	cr_assert_eq(get_xattr(FUSE_LISTXATTR, node, NULL, 0), 8);
	cr_assert_eq(((struct fuse_getxattr_out *)(void *)answer)->size, 21);
	cr_assert_eq(get_xattr(FUSE_LISTXATTR, node, NULL, 100), 21);
	cr_assert_eq(get_xattr(FUSE_LISTXATTR, node, NULL, 20), -ERANGE);
	cr_assert_eq(set_xattr(node, "user.guest", "other", XATTR_CREATE), -EEXIST);
	cr_assert_eq(set_xattr(node, "user.guest", "other", 4), -EINVAL);
	cr_assert_eq(request(FUSE_REMOVEXATTR, node, NULL, 0, "user.guest"), 0);
	cr_assert_eq(get_xattr(FUSE_GETXATTR, node, "user.guest", 100), -ENODATA);
	cr_assert_eq(set_xattr(node_at("dir"), "user.guest", "of dir", 0), 0);
	cr_assert_eq(get_xattr(FUSE_GETXATTR, node_at("dir"), "user.guest", 100), 6);
}

Test(fs_files, other_attributes_are_not_the_guests)
{
	static const char *const names[] = {"security.capability", "system.posix_acl_access",
	                                    "trusted.x", "users", ""};
	uint64_t node = node_at("file");

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		int expected = *names[i] ? -EOPNOTSUPP : -EINVAL;

		cr_assert_eq(set_xattr(node, names[i], "x", 0), expected);
		cr_assert_eq(get_xattr(FUSE_GETXATTR, node, names[i], 100), expected);
		cr_assert_eq(request(FUSE_REMOVEXATTR, node, NULL, 0, names[i]), expected);
	}
	cr_assert_eq(symlink("file", host_path("link")), 0);
	cr_assert_eq(get_xattr(FUSE_GETXATTR, node_at("link"), "user.x", 100), -EOPNOTSUPP);
}
