/* SPDX-License-Identifier: Apache-2.0 */
/* What a share's server knows, saved and taken up by another one. */
#include "fs_harness.h"

#include "virtio/fs_snapshot.h"

static unsigned char *saved;
static size_t saved_size;
static char reported[1024];

static void save(void)
{
	saved = aligned_alloc(16, (fs_server_save_bound(&server) + 15) & ~15ul);
	saved_size = fs_server_save(&server, saved);
	cr_assert_leq(saved_size, fs_server_save_bound(&server));
}

static int load(void)
{
	fs_server_reset(&server);
	return fs_server_load(&server, saved, saved_size);
}

/* Another server takes over, as in another process. */
static void restart(bool read_only)
{
	fs_server_close(&server);
	open_server(read_only, FS_CACHE_NONE);
	cr_assert_eq(load(), 0);
}

TestSuite(fs_snapshot, .init = setup, .fini = teardown, .timeout = 20);

Test(fs_snapshot, nothing_known)
{
	save();
	restart(false);
	cr_assert_not(server.is_other);
	cr_assert_neq(node_at("file"), 0);
}

Test(fs_snapshot, nodes_and_handles_go_on)
{
	uint64_t file = node_at("file"), inner = node_at("dir/inner"), read_handle, write_handle;

	cr_assert_eq(open_file(file, O_RDONLY, &read_handle), 0);
	cr_assert_eq(open_file(inner, O_RDWR | O_APPEND, &write_handle), 0);
	save();
	restart(false);
	cr_assert_not(server.is_other);
	cr_assert_eq(read_file(file, read_handle, 3, 4), 4);
	cr_assert_arr_eq(answer, "tent", 4);
	cr_assert_eq(read_file(inner, write_handle, 0, 5), 5);
	cr_assert_eq(release_file(inner, write_handle), 0);
	cr_assert_eq(release_file(inner, write_handle), -EBADF);
	/* One file has one node, as before; numbers that are given anew are others. */
	cr_assert_eq(node_at("file"), file);
	cr_assert_eq(node_at("dir/inner"), inner);
	cr_assert_eq(open_file(file, O_RDONLY, &write_handle), 0);
	cr_assert_neq(write_handle, read_handle);
}

Test(fs_snapshot, saved_again_it_is_the_same)
{
	uint64_t file = node_at("file"), inner = node_at("dir/inner"), handle;
	unsigned char *first;
	size_t first_size;

	cr_assert_eq(open_file(file, O_RDONLY, &handle), 0);
	cr_assert_eq(open_file(inner, O_RDWR | O_APPEND, &handle), 0);
	save();
	first = saved;
	first_size = saved_size;
	cr_assert_eq(load(), 0);
	save();
	cr_assert_eq(saved_size, first_size);
	cr_assert_arr_eq(saved, first, first_size);
}

Test(fs_snapshot, another_file_of_that_name)
{
	uint64_t file = node_at("file"), handle;

	cr_assert_eq(open_file(file, O_RDONLY, &handle), 0);
	save();
	cr_assert_eq(unlink(host_path("file")), 0);
	host_write("dir/keeps-the-inode", "");
	host_write("file", "another one");
	restart(false);
	cr_assert(server.is_other);
	cr_assert_eq(read_file(file, handle, 0, 7), 7);
	cr_assert_arr_eq(answer, "another", 7);
}

Test(fs_snapshot, what_is_gone_is_stale)
{
	uint64_t file = node_at("file"), inner = node_at("dir/inner"), handle;
	struct fuse_getattr_in getattr = {0};

	cr_assert_eq(open_file(file, O_RDONLY, &handle), 0);
	save();
	cr_assert_eq(unlink(host_path("file")), 0);
	restart(false);
	cr_assert(server.is_other);
	cr_assert_eq(read_file(file, handle, 0, 7), -ESTALE);
	cr_assert_eq(request(FUSE_GETATTR, file, &getattr, sizeof getattr, NULL), -ESTALE);
	cr_assert_eq(request(FUSE_GETATTR, inner, &getattr, sizeof getattr, NULL), 0);
	cr_assert_eq(release_file(file, handle), 0);
	cr_assert_eq(release_file(file, handle), -EBADF);
	/* A new file of that name is another node. */
	host_write("file", "new");
	cr_assert_eq(request(FUSE_GETATTR, file, &getattr, sizeof getattr, NULL), -ESTALE);
	cr_assert_neq(node_at("file"), file);
}

Test(fs_snapshot, nothing_else_takes_the_place_of_a_file)
{
	uint64_t file = node_at("file"), inner = node_at("dir/inner");
	struct fuse_getattr_in getattr = {0};
	uint64_t handle, inner_handle;

	cr_assert_eq(open_file(file, O_RDONLY, &handle), 0);
	cr_assert_eq(open_file(inner, O_RDONLY, &inner_handle), 0);
	save();
	cr_assert_eq(unlink(host_path("file")), 0);
	cr_assert_eq(symlink("../secret", host_path("file")), 0);
	cr_assert_eq(rename(host_path("dir"), host_path("other")), 0);
	cr_assert_eq(symlink("other", host_path("dir")), 0);
	restart(false);
	cr_assert_eq(read_file(file, handle, 0, 6), -ESTALE);
	cr_assert_eq(read_file(inner, inner_handle, 0, 5), -ESTALE);
	cr_assert_eq(request(FUSE_GETATTR, inner, &getattr, sizeof getattr, NULL), -ESTALE);
}

Test(fs_snapshot, a_share_that_is_read_only_by_now)
{
	uint64_t file = node_at("file"), read_handle, write_handle;

	cr_assert_eq(open_file(file, O_RDONLY, &read_handle), 0);
	cr_assert_eq(open_file(file, O_RDWR, &write_handle), 0);
	save();
	restart(true);
	cr_assert_eq(read_file(file, read_handle, 0, 7), 7);
	cr_assert_eq(read_file(file, write_handle, 0, 7), -ESTALE);
}

Test(fs_snapshot, forgotten_nodes_are_not_carried)
{
	struct fuse_forget_in forget = {.nlookup = 1};
	uint64_t file = node_at("file");
	struct fuse_getattr_in getattr = {0};

	request(FUSE_FORGET, file, &forget, sizeof forget, NULL);
	save();
	restart(false);
	cr_assert_eq(request(FUSE_GETATTR, file, &getattr, sizeof getattr, NULL), -ESTALE);
}

Test(fs_snapshot, ties)
{
	uint64_t file = node_at("file"), handle;
	struct fuse_lk_in lock = {.owner = 7, .lk = {.end = 10, .type = F_WRLCK}};

	cr_assert_eq(open_file(file, O_RDWR, &handle), 0);
	cr_assert_eq(fs_server_report_ties(&server, "/s", reported, sizeof reported), 0);
	lock.fh = handle;
	cr_assert_eq(request(FUSE_SETLK, file, &lock, sizeof lock, NULL), 0);
	cr_assert_eq(request(FUSE_UNLINK, FUSE_ROOT_ID, NULL, 0, "file"), 0);
	reported[fs_server_report_ties(&server, "/s", reported, sizeof reported)] = '\0';
	cr_assert_str_eq(reported, "1 open files of the share at /s were removed\n"
	                           "1 files of the share at /s are locked\n");
	/* No part of a line. */
	for (size_t size = 0; size < sizeof reported; size++) {
		size_t length = fs_server_report_ties(&server, "/s", reported, size);

		cr_assert(length <= size && (!length || reported[length - 1] == '\n'));
	}
}

/* ---- hostile files ---- */

static void know_something(void)
{
	uint64_t handle;

	open_file(node_at("file"), O_RDONLY, &handle);
	open_file(node_at("dir/inner"), O_RDWR, &handle);
	save();
}

Test(fs_snapshot, cut_anywhere)
{
	know_something();
	for (size_t size = 0; size < saved_size; size++) {
		unsigned char *part = malloc(size ? size : 1);

		memcpy(part, saved, size);
		fs_server_reset(&server);
		cr_assert_eq(fs_server_load(&server, part, size), -1);
		free(part);
	}
}

Test(fs_snapshot, changed_anywhere)
{
	static const unsigned char values[] = {0x00, 0x01, 0x02, 0x2e, 0x2f, 0x7f, 0xff};
	struct fuse_entry_out entry;

	know_something();
	for (size_t at = 0; at < saved_size; at++) {
		unsigned char before = saved[at];

		for (size_t i = 0; i < sizeof values; i++) {
			saved[at] = values[i];
			load();
			lookup(FUSE_ROOT_ID, "file", &entry);
		}
		saved[at] = before;
	}
	cr_assert_eq(load(), 0);
}

/* Parents that are each other's: they are no tree. The second node's parent is at byte 8 of it. */
Test(fs_snapshot, a_loop)
{
	uint32_t *first, *second;

	know_something();
	first = (uint32_t *)(void *)(saved + 32 + 56);
	second = (uint32_t *)(void *)(saved + 32 + 2 * 56);
	first[2] = second[0];
	second[2] = first[0];
	cr_assert_eq(load(), -1);
	fs_server_reset(&server);
	cr_assert_neq(node_at("file"), 0);
}
