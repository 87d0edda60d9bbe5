/* SPDX-License-Identifier: Apache-2.0 */
/* The FUSE server: finding, reading and listing files. */
#include "fs_harness.h"

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

TestSuite(fs_lookup, .init = setup, .fini = teardown);

Test(fs_lookup, init_offers_what_the_server_can_do)
{
	struct fuse_init_in in = {.major = 7, .minor = 38, .flags = ~0u, .max_readahead = 65536};
	const struct fuse_init_out *out = (const void *)answer;

	cr_assert_eq(request(FUSE_INIT, 0, &in, sizeof in, NULL), 0);
	cr_assert(out->major == 7 && out->minor >= 31 && out->max_write == FS_TRANSFER_MAX);
	cr_assert(out->flags & FUSE_DO_READDIRPLUS && !(out->flags & FUSE_WRITEBACK_CACHE));
	in.minor = 30;
	cr_assert_eq(request(FUSE_INIT, 0, &in, sizeof in, NULL), -EPROTO);
	in = (struct fuse_init_in){.major = 6, .minor = 99};
	cr_assert_eq(request(FUSE_INIT, 0, &in, sizeof in, NULL), -EPROTO);
}

Test(fs_lookup, a_file_has_its_attributes)
{
	struct fuse_entry_out entry;
	struct fuse_attr attributes;
	struct stat status;

	cr_assert_eq(stat(host_path("file"), &status), 0);
	cr_assert_eq(lookup(FUSE_ROOT_ID, "file", &entry), 0);
	cr_assert_eq(get_attributes(entry.nodeid, &attributes), 0);
	cr_assert_eq(memcmp(&attributes, &entry.attr, sizeof attributes), 0);
	cr_assert_eq(attributes.ino, status.st_ino);
	cr_assert_eq(attributes.size, 15);
	cr_assert_eq(attributes.mode, S_IFREG | 0644);
	cr_assert_eq(attributes.mtime, (uint64_t)status.st_mtim.tv_sec);
	cr_assert_eq(attributes.mtimensec, (uint32_t)status.st_mtim.tv_nsec);
	cr_assert(entry.entry_valid == 0 && entry.attr_valid == 0);
}

Test(fs_lookup, names_that_are_no_component_are_refused)
{
	static const char *const names[] = {"",    ".",         "..",     "/",
	                                    "a/b", "../secret", "dir/..", "/etc"};
	char longest[258];
	struct fuse_entry_out entry;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		cr_assert_eq(lookup(FUSE_ROOT_ID, names[i], &entry), -EINVAL, "%s", names[i]);
	memset(longest, 'x', sizeof longest);
	longest[257] = '\0';
	cr_assert_eq(lookup(FUSE_ROOT_ID, longest, &entry), -ENAMETOOLONG);
	longest[255] = '\0';
	cr_assert_eq(lookup(FUSE_ROOT_ID, longest, &entry), -ENOENT);
	/* Without its NUL. */
	cr_assert_eq(request_with_room(FUSE_LOOKUP, 1, NULL, 0, "file", 4, 4096), -EINVAL);
	/* A NUL in the middle ends the name. */
	cr_assert_eq(request_with_room(FUSE_LOOKUP, 1, NULL, 0, "file\0/x", 8, 4096), 0);
}

Test(fs_lookup, what_is_not_there_is_remembered_only_with_a_cache)
{
	struct fuse_entry_out entry;

	cr_assert_eq(lookup(FUSE_ROOT_ID, "nothing", &entry), -ENOENT);
	fs_server_close(&server);
	open_server(false, FS_CACHE_AUTO);
	cr_assert_eq(lookup(FUSE_ROOT_ID, "nothing", &entry), 0);
	cr_assert(entry.nodeid == 0 && entry.entry_valid == 1);
	cr_assert_eq(lookup(FUSE_ROOT_ID, "file", &entry), 0);
	cr_assert(entry.nodeid != 0 && entry.entry_valid == 1 && entry.attr_valid == 1);
}

Test(fs_lookup, below_a_file_there_is_nothing)
{
	struct fuse_entry_out entry;

	cr_assert_eq(lookup(node_at("file"), "x", &entry), -ENOTDIR);
	cr_assert_eq(lookup(12345, "x", &entry), -ESTALE);
	cr_assert_eq(lookup(0, "x", &entry), -ESTALE);
	cr_assert_eq(lookup(UINT64_MAX, "x", &entry), -ESTALE);
}

Test(fs_lookup, a_forgotten_node_is_stale_and_its_slot_another_node)
{
	struct fuse_attr attributes;
	uint64_t node = node_at("file"), other;

	cr_assert_eq(node_at("file"), node);
	forget(node, 1);
	cr_assert_eq(get_attributes(node, &attributes), 0);
	forget(node, 1);
	cr_assert_eq(get_attributes(node, &attributes), -ESTALE);
	forget(node, 1);
	other = node_at("dir");
	cr_assert_eq((uint32_t)other, (uint32_t)node);
	cr_assert_neq(other, node);
	cr_assert_eq(get_attributes(node, &attributes), -ESTALE);
	forget(FUSE_ROOT_ID, 1000);
	cr_assert_eq(get_attributes(FUSE_ROOT_ID, &attributes), 0);
}

Test(fs_lookup, many_are_forgotten_at_once)
{
	struct {
		struct fuse_batch_forget_in in;
		struct fuse_forget_one one[3];
	} batch = {.in = {.count = 1000000}};
	struct fuse_attr attributes;
	uint64_t file = node_at("file"), inner = node_at("dir/inner");

	batch.one[0] = (struct fuse_forget_one){inner, 5};
	batch.one[1] = (struct fuse_forget_one){99999, 1};
	batch.one[2] = (struct fuse_forget_one){file, 1};
	request(FUSE_BATCH_FORGET, 0, &batch, sizeof batch, NULL);
	cr_assert_eq(get_attributes(file, &attributes), -ESTALE);
	cr_assert_eq(get_attributes(inner, &attributes), -ESTALE);
}

Test(fs_lookup, a_file_below_a_forgotten_directory_is_still_found)
{
	uint64_t dir = node_at("dir"), inner = node_at("dir/inner");
	struct fuse_attr attributes;

	forget(dir, 2);
	cr_assert_eq(get_attributes(dir, &attributes), -ESTALE);
	cr_assert_eq(get_attributes(inner, &attributes), 0);
	forget(inner, 1);
	cr_assert_eq(get_attributes(inner, &attributes), -ESTALE);
}

Test(fs_lookup, two_names_of_a_file_are_one_node)
{
	cr_assert_eq(link(host_path("file"), host_path("second")), 0);
	cr_assert_eq(node_at("file"), node_at("second"));
	cr_assert_eq(node_at("second"), node_at("file"));
}

Test(fs_lookup, a_file_is_read_with_a_handle_and_without)
{
	uint64_t node = node_at("file"), fh;

	cr_assert_eq(open_file(node, O_RDONLY, &fh), 0);
	cr_assert_eq(read_file(node, fh, 0, 100), 15);
	cr_assert_eq(memcmp(answer, "content of file", 15), 0);
	cr_assert_eq(read_file(node, fh, 8, 4), 4);
	cr_assert_eq(memcmp(answer, "of f", 4), 0);
	cr_assert_eq(read_file(node, fh, 15, 4), 0);
	cr_assert_eq(read_file(node, fh, INT64_MAX, 4), -EINVAL);
	cr_assert_eq(read_file(node, fh, UINT64_MAX, 4), -EINVAL);
	cr_assert_eq(release_file(node, fh), 0);
	cr_assert_eq(read_file(node, fh, 0, 100), -EBADF);
	cr_assert_eq(release_file(node, fh), -EBADF);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(read_file(node, 0, 0, 100), 15);
		cr_assert_eq(memcmp(answer, "content of file", 15), 0);
	}
	cr_assert_eq(read_file(node_at("dir"), 0, 0, 100), -EISDIR);
	cr_assert_eq(read_file(4711, 0, 0, 100), -ESTALE);
}

Test(fs_lookup, a_handle_belongs_to_its_node)
{
	uint64_t node = node_at("file"), inner = node_at("dir/inner"), fh;

	cr_assert_eq(open_file(node, O_RDONLY, &fh), 0);
	cr_assert_eq(read_file(inner, fh, 0, 100), -EBADF);
	cr_assert_eq(read_file(node, fh + 1, 0, 100), -EBADF);
	cr_assert_eq(read_file(node, fh | 1ull << 32, 0, 100), -EBADF);
	cr_assert_eq(read_file(node, UINT64_MAX, 0, 100), -EBADF);
}

Test(fs_lookup, handles_run_out_cleanly)
{
	uint64_t node = node_at("file"), fh[FS_HANDLES_MAX], one_more;

	for (size_t i = 0; i < FS_HANDLES_MAX; i++) {
		int result = open_file(node, O_RDONLY, &fh[i]);

		/* The test's own limit of descriptors may come first. */
		if (result) {
			cr_assert_eq(result, -ENFILE);
			cr_assert(i > 100);
			one_more = fh[0];
			cr_assert_eq(release_file(node, one_more), 0);
			cr_assert_eq(open_file(node, O_RDONLY, &one_more), 0);
			return;
		}
	}
	cr_assert_eq(open_file(node, O_RDONLY, &one_more), -ENFILE);
	cr_assert_eq(release_file(node, fh[7]), 0);
	cr_assert_eq(open_file(node, O_RDONLY, &one_more), 0);
	cr_assert_neq(one_more, fh[7]);
}

Test(fs_lookup, answers_that_do_not_fit_are_refused_before_anything_is_done)
{
	struct fuse_open_in in = {.flags = O_RDONLY};
	uint64_t node = node_at("file");
	struct fuse_attr attributes;

	forget(node, 1);
	cr_assert_eq(request_with_room(FUSE_LOOKUP, 1, NULL, 0, "file", 5, 127), -EINVAL);
	cr_assert_eq(get_attributes(node, &attributes), -ESTALE);
	node = node_at("file");
	cr_assert_eq(request_with_room(FUSE_OPEN, node, &in, sizeof in, NULL, 0, 15), -EINVAL);
	cr_assert_eq(request_with_room(FUSE_OPEN, node, &in, 7, NULL, 0, 16), -EINVAL);
	cr_assert_eq(request_with_room(FUSE_OPEN, node, &in, sizeof in, NULL, 0, 16), 0);
}

Test(fs_lookup, requests_that_are_cut_or_unknown_are_answered)
{
	struct fuse_in_header in = {.len = sizeof in, .opcode = FUSE_LOOKUP, .nodeid = 1};
	struct fuse_out_header out = {0};
	struct iovec question = {&in, sizeof in}, reply = {&out, sizeof out};

	for (size_t i = 0; i < sizeof in; i++) {
		question.iov_len = i;
		cr_assert_eq(fs_serve(&server, &question, 1, &reply, 1), 0);
	}
	cr_assert_eq(fs_serve(&server, NULL, 0, NULL, 0), 0);
	question.iov_len = sizeof in;
	for (size_t i = 0; i < sizeof out; i++) {
		reply.iov_len = i;
		cr_assert_eq(fs_serve(&server, &question, 1, &reply, 1), 0);
	}
	reply.iov_len = sizeof out;
	for (uint32_t length = 0; length < 2 * sizeof in; length++) {
		in.len = length;
		cr_assert_eq(fs_serve(&server, &question, 1, &reply, 1), sizeof out);
		cr_assert_eq(out.error, -EINVAL, "%u", length);
	}
	for (uint32_t opcode = 48; opcode < 5000; opcode++)
		cr_assert_eq(request(opcode, 1, NULL, 0, "file"), -ENOSYS);
	cr_assert_eq(request(UINT32_MAX, 1, NULL, 0, "file"), -ENOSYS);
}

/* ---- listing ---- */

static int list_names(uint32_t opcode, uint64_t node, uint64_t fh, uint32_t size, char *names)
{
	struct fuse_read_in in = {.fh = fh, .size = size};
	size_t head = opcode == FUSE_READDIRPLUS ? sizeof(struct fuse_entry_out) : 0;
	int result, count = 0;

	*names = '\0';
	while ((result = request(opcode, node, &in, sizeof in, NULL)) == 0 && answer_size) {
		cr_assert(answer_size <= size);
		for (size_t at = 0; at < answer_size;) {
			const struct fuse_dirent *entry = (const void *)(answer + at + head);

			sprintf(names + strlen(names), "%.*s ", (int)entry->namelen, entry->name);
			in.offset = entry->off;
			at += FUSE_REC_ALIGN(head + FUSE_NAME_OFFSET + entry->namelen);
			count++;
		}
	}
	return result ? result : count;
}

Test(fs_lookup, directories_are_listed_in_pieces_of_any_size)
{
	static const uint32_t sizes[] = {300, 400, 1000, 65536};
	static char names[65536];
	uint64_t dir = node_at("dir"), fh;
	struct fuse_open_in in = {0};

	for (int i = 0; i < 200; i++) {
		char name[32];

		snprintf(name, sizeof name, "dir/file-%03d", i);
		host_write(name, "x");
	}
	cr_assert_eq(request(FUSE_OPENDIR, dir, &in, sizeof in, NULL), 0);
	fh = ((struct fuse_open_out *)(void *)answer)->fh;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		cr_assert_eq(list_names(FUSE_READDIR, dir, 0, sizes[i], names), 203);
		cr_assert_eq(list_names(FUSE_READDIRPLUS, dir, 0, sizes[i], names), 203);
		cr_assert_eq(list_names(FUSE_READDIR, dir, fh, sizes[i], names), 203);
		cr_assert_eq(list_names(FUSE_READDIRPLUS, dir, fh, sizes[i], names), 203);
		cr_assert(strstr(names, "file-000 ") && strstr(names, "file-199 "));
		cr_assert(strstr(names, "inner ") && strstr(names, " .. "));
	}
	cr_assert_eq(request(FUSE_OPENDIR, node_at("file"), &in, sizeof in, NULL), -ENOTDIR);
	cr_assert_eq(list_names(FUSE_READDIR, node_at("file"), 0, 4096, names), -ENOTDIR);
	cr_assert_eq(list_names(FUSE_READDIR, dir, 77, 4096, names), -EBADF);
}

Test(fs_lookup, readdirplus_counts_a_lookup_of_each_entry)
{
	struct fuse_read_in in = {.size = 4096};
	uint64_t dir = node_at("dir"), inner = 0;
	struct fuse_attr attributes;
	size_t at = 0;

	cr_assert_eq(request(FUSE_READDIRPLUS, dir, &in, sizeof in, NULL), 0);
	for (; at < answer_size;) {
		const struct fuse_direntplus *entry = (const void *)(answer + at);

		if (entry->dirent.name[0] == '.') {
			cr_assert_eq(entry->entry_out.nodeid, 0);
		} else {
			inner = entry->entry_out.nodeid;
			cr_assert_eq(entry->entry_out.attr.size, 5);
		}
		at += FUSE_DIRENTPLUS_SIZE(entry);
	}
	cr_assert(inner != 0);
	cr_assert_eq(get_attributes(inner, &attributes), 0);
	forget(inner, 1);
	cr_assert_eq(get_attributes(inner, &attributes), -ESTALE);
}

/* ---- links and special files ---- */

Test(fs_lookup, a_symbolic_link_is_text)
{
	struct fuse_entry_out entry;

	cr_assert_eq(symlink("../secret", host_path("link")), 0);
	cr_assert_eq(lookup(FUSE_ROOT_ID, "link", &entry), 0);
	cr_assert_eq(entry.attr.mode & S_IFMT, S_IFLNK);
	cr_assert_eq(request(FUSE_READLINK, entry.nodeid, NULL, 0, NULL), 0);
	cr_assert(answer_size == 9 && memcmp(answer, "../secret", 9) == 0);
	cr_assert_eq(request_with_room(FUSE_READLINK, entry.nodeid, NULL, 0, NULL, 0, 3), 0);
	cr_assert(answer_size == 3 && memcmp(answer, "../", 3) == 0);
	cr_assert_eq(request_with_room(FUSE_READLINK, entry.nodeid, NULL, 0, NULL, 0, 0), -EINVAL);
	cr_assert_eq(request(FUSE_READLINK, node_at("file"), NULL, 0, NULL), -EINVAL);
	cr_assert_eq(read_file(entry.nodeid, 0, 0, 100), -ELOOP);
	cr_assert_eq(lookup(entry.nodeid, "x", &entry), -ENOTDIR);
}

Test(fs_lookup, devices_pipes_and_sockets_are_never_opened)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	uint64_t fh, fifo, sock;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	cr_assert_eq(mkfifo(host_path("fifo"), 0644), 0);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", host_path("socket"));
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	fifo = node_at("fifo");
	sock = node_at("socket");
	cr_assert_eq(open_file(fifo, O_RDONLY, &fh), -ENXIO);
	cr_assert_eq(open_file(fifo, O_RDWR, &fh), -ENXIO);
	cr_assert_eq(read_file(fifo, 0, 0, 1), -ENXIO);
	cr_assert_eq(open_file(sock, O_RDWR, &fh), -ENXIO);
	if (mknod(host_path("null"), S_IFCHR | 0666, makedev(1, 3)) == 0)
		cr_assert_eq(open_file(node_at("null"), O_RDWR, &fh), -ENXIO);
	close(fd);
}

Test(fs_lookup, access_and_statfs_are_the_hosts)
{
	struct fuse_access_in in = {.mask = R_OK | W_OK};
	const struct fuse_statfs_out *out = (const void *)answer;

	cr_assert_eq(request(FUSE_ACCESS, node_at("file"), &in, sizeof in, NULL), 0);
	in.mask = X_OK;
	cr_assert_eq(request(FUSE_ACCESS, node_at("file"), &in, sizeof in, NULL), -EACCES);
	cr_assert_eq(request(FUSE_ACCESS, node_at("dir"), &in, sizeof in, NULL), 0);
	in.mask = 8;
	cr_assert_eq(request(FUSE_ACCESS, node_at("dir"), &in, sizeof in, NULL), -EINVAL);
	cr_assert_eq(request(FUSE_STATFS, FUSE_ROOT_ID, NULL, 0, NULL), 0);
	cr_assert(out->st.blocks > 0 && out->st.namelen == 255);
}

Test(fs_lookup, a_directory_that_is_not_one_cannot_be_shared)
{
	struct fs_server other;
	struct mote_error err;

	cr_assert_eq(fs_server_open(&other, "/nowhere/at-all", false, FS_CACHE_NONE, &err), -1);
	cr_assert_str_eq(err.text, "cannot share /nowhere/at-all: No such file or directory");
	cr_assert_eq(fs_server_open(&other, host_path("file"), false, FS_CACHE_NONE, &err), -1);
	fs_server_close(&other);
}
