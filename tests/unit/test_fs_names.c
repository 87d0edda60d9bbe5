/* SPDX-License-Identifier: Apache-2.0 */
/* The FUSE server: making, removing and renaming names. */
#include "fs_harness.h"

#include <linux/fs.h>

TestSuite(fs_names, .init = setup, .fini = teardown);

static bool host_has(const char *name)
{
	struct stat status;

	return lstat(host_path(name), &status) == 0;
}

static int remove_name(uint32_t opcode, uint64_t parent, const char *name)
{
	return request(opcode, parent, NULL, 0, name);
}

static int rename_to(uint64_t from, const char *old, uint64_t to, const char *new, uint32_t flags)
{
	struct fuse_rename2_in in = {.newdir = to, .flags = flags};
	char names[600];
	int length = sprintf(names, "%s%c%s", old, '\0', new) + 1;

	return request_with_room(FUSE_RENAME2, from, &in, sizeof in, names, (size_t)length, 0);
}

static int make_link(uint64_t node, uint64_t parent, const char *name)
{
	struct fuse_link_in in = {node};

	return request(FUSE_LINK, parent, &in, sizeof in, name);
}

static uint64_t answered_node(void)
{
	return ((struct fuse_entry_out *)(void *)answer)->nodeid;
}

Test(fs_names, directories_and_files_are_made_with_their_modes)
{
	struct fuse_mkdir_in mkdir_in = {.mode = 0700};
	struct fuse_mknod_in mknod_in = {.mode = S_IFREG | 0640};
	struct fuse_attr attributes;
	struct stat status;
	uint64_t dir;

	cr_assert_eq(request(FUSE_MKDIR, FUSE_ROOT_ID, &mkdir_in, sizeof mkdir_in, "new"), 0);
	dir = answered_node();
	cr_assert_eq(get_attributes(dir, &attributes), 0);
	cr_assert_eq(attributes.mode, S_IFDIR | 0700);
	cr_assert_eq(request(FUSE_MKDIR, FUSE_ROOT_ID, &mkdir_in, sizeof mkdir_in, "new"), -EEXIST);
	cr_assert_eq(request(FUSE_MKNOD, dir, &mknod_in, sizeof mknod_in, "node"), 0);
	cr_assert_eq(answered_node(), node_at("new/node"));
	cr_assert_eq(stat(host_path("new/node"), &status), 0);
	cr_assert_eq(status.st_mode, S_IFREG | 0640);
	cr_assert_eq(request(FUSE_MKNOD, dir, &mknod_in, sizeof mknod_in, "node"), -EEXIST);
	cr_assert_eq(request(FUSE_MKDIR, node_at("file"), &mkdir_in, sizeof mkdir_in, "x"),
	             -ENOTDIR);
	cr_assert_eq(request(FUSE_MKDIR, 9999, &mkdir_in, sizeof mkdir_in, "x"), -ESTALE);
}

Test(fs_names, special_files_and_foreign_rights_are_not_made)
{
	static const uint32_t modes[] = {
	        S_IFIFO | 0600, S_IFSOCK | 0600, S_IFCHR | 0600,        S_IFBLK | 0600,
	        S_IFDIR | 0700, S_IFLNK | 0777,  S_IFREG | S_ISUID | 1, S_IFREG | S_ISGID | 1};
	struct fuse_mkdir_in mkdir_in = {.mode = 07777};
	struct stat status;

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		struct fuse_mknod_in in = {.mode = modes[i], .rdev = 0x103};

		cr_assert_eq(request(FUSE_MKNOD, FUSE_ROOT_ID, &in, sizeof in, "special"), -EPERM);
		cr_assert(!host_has("special"));
	}
	cr_assert_eq(request(FUSE_MKDIR, FUSE_ROOT_ID, &mkdir_in, sizeof mkdir_in, "new"), 0);
	cr_assert_eq(stat(host_path("new"), &status), 0);
	cr_assert_eq(status.st_mode & (S_ISUID | S_ISGID), 0);
}

Test(fs_names, symbolic_links_are_made_and_read)
{
	static const char names[] = "link\0/etc/passwd";
	char target[64] = {0};

	cr_assert_eq(request_with_room(FUSE_SYMLINK, 1, NULL, 0, names, sizeof names, 4096), 0);
	cr_assert_eq(readlink(host_path("link"), target, sizeof target), 11);
	cr_assert_str_eq(target, "/etc/passwd");
	cr_assert_eq(request(FUSE_READLINK, answered_node(), NULL, 0, NULL), 0);
	cr_assert(answer_size == 11 && memcmp(answer, "/etc/passwd", 11) == 0);
	cr_assert_eq(request_with_room(FUSE_SYMLINK, 1, NULL, 0, names, sizeof names, 4096),
	             -EEXIST);
	cr_assert_eq(request_with_room(FUSE_SYMLINK, 1, NULL, 0, names, 5, 4096), -EINVAL);
	cr_assert_eq(request_with_room(FUSE_SYMLINK, 1, NULL, 0, "l\0", 3, 4096), -EINVAL);
	cr_assert_eq(request_with_room(FUSE_SYMLINK, 1, NULL, 0, "..\0x", 5, 4096), -EINVAL);
}

Test(fs_names, a_hard_link_is_the_same_node)
{
	uint64_t node = node_at("file"), dir = node_at("dir");
	struct fuse_attr attributes;

	cr_assert_eq(make_link(node, dir, "linked"), 0);
	cr_assert_eq(answered_node(), node);
	cr_assert_eq(get_attributes(node, &attributes), 0);
	cr_assert_eq(attributes.nlink, 2);
	cr_assert_eq(make_link(node, dir, "inner"), -EEXIST);
	cr_assert_eq(make_link(dir, dir, "loop"), -EPERM);
	cr_assert_eq(make_link(4711, dir, "x"), -ESTALE);
	cr_assert_eq(make_link(node, dir, "../x"), -EINVAL);
	/* The name by which it was first known goes; the other is left. */
	cr_assert_eq(remove_name(FUSE_UNLINK, FUSE_ROOT_ID, "file"), 0);
	cr_assert_eq(read_file(node, 0, 0, 100), 15);
	cr_assert_eq(remove_name(FUSE_UNLINK, dir, "linked"), 0);
	cr_assert_eq(read_file(node, 0, 0, 100), 15);
	cr_assert_eq(get_attributes(node, &attributes), 0);
	cr_assert_eq(attributes.nlink, 0);
}

Test(fs_names, a_link_to_a_symbolic_link_is_one)
{
	cr_assert_eq(symlink("../secret", host_path("link")), 0);
	cr_assert_eq(make_link(node_at("link"), FUSE_ROOT_ID, "second"), 0);
	cr_assert_eq(((struct fuse_entry_out *)(void *)answer)->attr.mode & S_IFMT, S_IFLNK);
}

Test(fs_names, removing_asks_the_host)
{
	uint64_t dir = node_at("dir");

	cr_assert_eq(remove_name(FUSE_UNLINK, FUSE_ROOT_ID, "dir"), -EISDIR);
	cr_assert_eq(remove_name(FUSE_RMDIR, FUSE_ROOT_ID, "file"), -ENOTDIR);
	cr_assert_eq(remove_name(FUSE_RMDIR, FUSE_ROOT_ID, "dir"), -ENOTEMPTY);
	cr_assert_eq(remove_name(FUSE_UNLINK, dir, "inner"), 0);
	cr_assert_eq(remove_name(FUSE_UNLINK, dir, "inner"), -ENOENT);
	cr_assert_eq(remove_name(FUSE_RMDIR, FUSE_ROOT_ID, "dir"), 0);
	cr_assert(!host_has("dir"));
	cr_assert_eq(remove_name(FUSE_UNLINK, dir, "x"), -ENOENT);
	cr_assert_eq(remove_name(FUSE_RMDIR, FUSE_ROOT_ID, ".."), -EINVAL);
	cr_assert_eq(remove_name(FUSE_UNLINK, FUSE_ROOT_ID, "../secret"), -EINVAL);
}

Test(fs_names, a_removed_file_works_until_it_is_forgotten)
{
	uint64_t node = node_at("file"), fh;
	struct fuse_attr attributes;

	cr_assert_eq(remove_name(FUSE_UNLINK, FUSE_ROOT_ID, "file"), 0);
	cr_assert_eq(get_attributes(node, &attributes), 0);
	cr_assert_eq(attributes.nlink, 0);
	cr_assert_eq(read_file(node, 0, 8, 2), 2);
	cr_assert_eq(open_file(node, O_RDWR, &fh), 0);
	cr_assert_eq(read_file(node, fh, 0, 100), 15);
	/* Another file by its name, perhaps with its inode, is another node. */
	host_write("file", "new");
	cr_assert_neq(node_at("file"), node);
	cr_assert_eq(read_file(node, fh, 0, 100), 15);
	forget(node, 1);
	cr_assert_eq(get_attributes(node, &attributes), -ESTALE);
}

Test(fs_names, the_files_removed_last_are_kept)
{
	enum { COUNT = FS_PINS + 10 };
	uint64_t nodes[COUNT];
	struct fuse_attr attributes;
	char name[16];

	for (int i = 0; i < COUNT; i++) {
		sprintf(name, "f%d", i);
		host_write(name, "x");
		nodes[i] = node_at(name);
		cr_assert_eq(remove_name(FUSE_UNLINK, FUSE_ROOT_ID, name), 0);
	}
	for (int i = 0; i < COUNT; i++)
		cr_assert_eq(get_attributes(nodes[i], &attributes), i < 10 ? -ESTALE : 0, "%d", i);
}

Test(fs_names, renaming_takes_the_node_along)
{
	uint64_t node = node_at("file"), dir = node_at("dir"), inner = node_at("dir/inner");
	struct fuse_attr attributes;

	cr_assert_eq(rename_to(FUSE_ROOT_ID, "file", dir, "renamed", 0), 0);
	cr_assert(host_has("dir/renamed") && !host_has("file"));
	cr_assert_eq(get_attributes(node, &attributes), 0);
	cr_assert_eq(node_at("dir/renamed"), node);
	/* All below a directory goes with it. */
	cr_assert_eq(rename_to(FUSE_ROOT_ID, "dir", FUSE_ROOT_ID, "moved", 0), 0);
	cr_assert_eq(get_attributes(inner, &attributes), 0);
	cr_assert_eq(get_attributes(node, &attributes), 0);
	/* Onto itself, onto another, into itself. */
	cr_assert_eq(rename_to(dir, "inner", dir, "inner", 0), 0);
	cr_assert_eq(get_attributes(inner, &attributes), 0);
	cr_assert_eq(attributes.nlink, 1);
	cr_assert_eq(rename_to(dir, "renamed", dir, "inner", 0), 0);
	cr_assert_eq(node_at("moved/inner"), node);
	cr_assert_eq(get_attributes(inner, &attributes), 0);
	cr_assert_eq(attributes.nlink, 0);
	cr_assert_eq(rename_to(FUSE_ROOT_ID, "moved", dir, "x", 0), -EINVAL);
	cr_assert_eq(rename_to(dir, "nothing", dir, "x", 0), -ENOENT);
	cr_assert_eq(rename_to(dir, "inner", 4711, "x", 0), -ESTALE);
	cr_assert_eq(rename_to(dir, "inner", node, "x", 0), -ENOTDIR);
	cr_assert_eq(rename_to(dir, "inner", dir, "../../x", 0), -EINVAL);
	cr_assert_eq(rename_to(dir, "..", dir, "x", 0), -EINVAL);
}

Test(fs_names, names_are_exchanged_or_not_replaced)
{
	uint64_t file = node_at("file"), inner = node_at("dir/inner"), dir = node_at("dir");

	cr_assert_eq(rename_to(1, "file", dir, "inner", RENAME_NOREPLACE), -EEXIST);
	cr_assert_eq(rename_to(1, "file", dir, "inner", RENAME_EXCHANGE), 0);
	cr_assert_str_eq(host_read("file"), "inner");
	cr_assert_eq(node_at("file"), inner);
	cr_assert_eq(node_at("dir/inner"), file);
	cr_assert_eq(read_file(inner, 0, 0, 100), 5);
	cr_assert_eq(rename_to(1, "file", dir, "none", RENAME_EXCHANGE), -ENOENT);
	cr_assert_eq(rename_to(1, "file", dir, "none", RENAME_WHITEOUT), -EINVAL);
	cr_assert_eq(rename_to(1, "file", dir, "none", ~0u), -EINVAL);
	cr_assert_eq(rename_to(1, "file", dir, "none", RENAME_NOREPLACE), 0);
	cr_assert_eq(node_at("dir/none"), inner);
}

Test(fs_names, a_forgotten_directory_that_moves_takes_its_files_along)
{
	uint64_t dir = node_at("dir"), inner = node_at("dir/inner");
	struct fuse_attr attributes;

	forget(dir, 2);
	cr_assert_eq(rename_to(FUSE_ROOT_ID, "dir", FUSE_ROOT_ID, "moved", 0), 0);
	cr_assert_eq(get_attributes(inner, &attributes), 0);
	forget(inner, 1);
	cr_assert_eq(rename_to(FUSE_ROOT_ID, "moved", FUSE_ROOT_ID, "dir", 0), 0);
	cr_assert(node_at("dir/inner") != 0);
}
