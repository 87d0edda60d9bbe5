/* SPDX-License-Identifier: Apache-2.0 */
/* The FUSE server: no request leaves the shared directory, whatever happens to it meanwhile. */
#include "fs_harness.h"

#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/syscall.h>

TestSuite(fs_escape, .init = setup, .fini = teardown);

/* outside/ lies beside share/ and looks like dir/: who gets there reads "secret" from inner. */
static void make_outside(void)
{
	cr_assert_eq(mkdir(host_path("../outside"), 0755), 0);
	host_write("../outside/inner", "secret");
}

static void assert_outside_is_as_it_was(void)
{
	cr_assert_str_eq(host_read("../outside/inner"), "secret");
	cr_assert_neq(access(host_path("../outside/new"), F_OK), 0);
}

static int exchange(const char *a, const char *b)
{
	return (int)syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
}

/* Every request that has a name, with this name; errors by opcode. */
static void assert_no_name(const char *name)
{
	char args[64] = {0}, two[64];
	size_t length = strlen(name) + 1;
	static const struct {
		uint32_t opcode;
		size_t args;
	} requests[] = {{FUSE_LOOKUP, 0},
	                {FUSE_MKNOD, sizeof(struct fuse_mknod_in)},
	                {FUSE_MKDIR, sizeof(struct fuse_mkdir_in)},
	                {FUSE_UNLINK, 0},
	                {FUSE_RMDIR, 0},
	                {FUSE_CREATE, sizeof(struct fuse_create_in)}};

	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
		cr_assert_eq(request(requests[i].opcode, 1, args, requests[i].args, name), -EINVAL,
		             "%u %s", requests[i].opcode, name);
	for (int i = 0; i < 2; i++) {
		struct fuse_rename2_in rename_in = {.newdir = FUSE_ROOT_ID};
		struct fuse_link_in link_in = {.oldnodeid = node_at("file")};

		/* As the first name, and as the second. */
		memcpy(two, i ? "file" : name, i ? 5 : length);
		memcpy(two + (i ? 5 : length), i ? name : "x", i ? length : 2);
		cr_assert_eq(request_with_room(FUSE_RENAME2, 1, &rename_in, sizeof rename_in, two,
		                               length + (i ? 5 : 2), 0),
		             -EINVAL);
		cr_assert_eq(request(FUSE_LINK, 1, &link_in, sizeof link_in, name), -EINVAL);
	}
	memcpy(two, name, length);
	memcpy(two + length, "target", 7);
	cr_assert_eq(request_with_room(FUSE_SYMLINK, 1, NULL, 0, two, length + 7, 4096), -EINVAL);
}

Test(fs_escape, dots_and_slashes_are_no_names)
{
	static const char *const names[] = {"..",        ".",         "../secret", "/etc/passwd",
	                                    "dir/../..", "dir/inner", "/",         "",
	                                    "./file",    "file/"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_no_name(names[i]);
}

Test(fs_escape, a_link_in_the_middle_is_not_followed)
{
	uint64_t dir = node_at("dir"), inner = node_at("dir/inner"), fh;
	struct fuse_entry_out entry;
	struct fuse_create_in create_in = {.flags = O_RDWR, .mode = 0600};
	struct fuse_attr attributes;

	make_outside();
	cr_assert_eq(rename(host_path("dir"), host_path("away")), 0);
	cr_assert_eq(symlink("../outside", host_path("dir")), 0);
	cr_assert_eq(lookup(dir, "inner", &entry), -ESTALE);
	cr_assert_eq(get_attributes(inner, &attributes), -ESTALE);
	cr_assert_eq(open_file(inner, O_RDWR, &fh), -ESTALE);
	cr_assert_eq(read_file(inner, 0, 0, 100), -ESTALE);
	cr_assert_eq(request(FUSE_UNLINK, dir, NULL, 0, "inner"), -ESTALE);
	cr_assert_eq(request(FUSE_CREATE, dir, &create_in, sizeof create_in, "new"), -ESTALE);
	assert_outside_is_as_it_was();
	/* Found again where it is now, it is the same. */
	cr_assert_eq(node_at("away"), dir);
	cr_assert_eq(get_attributes(inner, &attributes), 0);
}

Test(fs_escape, a_directory_that_the_host_moves_out_is_gone)
{
	uint64_t dir = node_at("dir"), inner = node_at("dir/inner"), fh;
	struct fuse_read_in in = {.size = 4096};
	struct fuse_entry_out entry;

	cr_assert_eq(rename(host_path("dir"), host_path("../dir")), 0);
	cr_assert_eq(lookup(dir, "inner", &entry), -ESTALE);
	cr_assert_eq(open_file(inner, O_RDONLY, &fh), -ESTALE);
	cr_assert_eq(request(FUSE_READDIRPLUS, dir, &in, sizeof in, NULL), -ESTALE);
	cr_assert_eq(request(FUSE_UNLINK, dir, NULL, 0, "inner"), -ESTALE);
	cr_assert_str_eq(host_read("../dir/inner"), "inner");
}

Test(fs_escape, a_file_that_the_host_moves_out_is_not_opened_again)
{
	uint64_t node = node_at("file"), fh;

	cr_assert_eq(read_file(node, 0, 0, 100), 15);
	cr_assert_eq(rename(host_path("file"), host_path("../file")), 0);
	cr_assert_eq(open_file(node, O_RDWR, &fh), -ESTALE);
	cr_assert_eq(open_file(node, O_RDONLY, &fh), -ESTALE);
}

Test(fs_escape, what_is_swapped_in_after_the_lookup_is_not_opened)
{
	static const char *const others[] = {"link", "fifo", "other", "dir"};
	struct fuse_setattr_in in = {.valid = FATTR_SIZE};
	uint64_t fh;

	cr_assert_eq(symlink("../secret", host_path("link")), 0);
	cr_assert_eq(mkfifo(host_path("fifo"), 0600), 0);
	host_write("other", "other");
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		uint64_t node = node_at("file");

		cr_assert_eq(exchange(host_path("file"), host_path(others[i])), 0);
		cr_assert_eq(open_file(node, O_RDWR, &fh), -ESTALE);
		cr_assert_eq(open_file(node, O_RDONLY | O_TRUNC, &fh), -ESTALE);
		cr_assert_eq(read_file(node, 0, 0, 100), -ESTALE);
		cr_assert_eq(request(FUSE_SETATTR, node, &in, sizeof in, NULL), -ESTALE);
		cr_assert_eq(exchange(host_path("file"), host_path(others[i])), 0);
		cr_assert_eq(open_file(node, O_RDWR, &fh), 0);
		cr_assert_eq(release_file(node, fh), 0);
	}
}

/* ---- races ---- */

static atomic_bool stop;
static char swapped[2][256];

static void *swap_all_the_time(void *unused)
{
	while (!stop)
		exchange(swapped[0], swapped[1]);
	return unused;
}

static pthread_t start_swapping(const char *a, const char *b)
{
	pthread_t thread;

	strcpy(swapped[0], host_path(a));
	strcpy(swapped[1], host_path(b));
	cr_assert_eq(pthread_create(&thread, NULL, swap_all_the_time, NULL), 0);
	return thread;
}

static void stop_swapping(pthread_t thread)
{
	stop = true;
	cr_assert_eq(pthread_join(thread, NULL), 0);
}

static bool read_is_secret(uint64_t node, uint64_t fh)
{
	int length = read_file(node, fh, 0, 100);

	return length >= 6 && memcmp(answer, "secret", 6) == 0;
}

/* Make, link, rename and remove through a directory that is now one, now a link to outside. */
static int change_through(uint64_t dir)
{
	struct fuse_create_in create_in = {.flags = O_RDWR | O_TRUNC, .mode = 0600};
	int done = 0;

	done += request(FUSE_CREATE, dir, &create_in, sizeof create_in, "new") == 0;
	create_in.flags = O_WRONLY | O_TRUNC;
	done += request(FUSE_CREATE, dir, &create_in, sizeof create_in, "inner") == 0;
	done += request(FUSE_UNLINK, dir, NULL, 0, "new") == 0;
	return done;
}

Test(fs_escape, a_directory_exchanged_with_a_link_in_flight_leads_nowhere, .timeout = 60)
{
	uint64_t dir = node_at("dir");
	int found = 0, changed = 0;
	pthread_t thread;

	make_outside();
	cr_assert_eq(symlink("../outside", host_path("link")), 0);
	thread = start_swapping("dir", "link");
	for (int i = 0; i < 20000; i++) {
		struct fuse_entry_out entry;
		uint64_t fh;

		/* So that the place of the node is always "dir". */
		if (i % 16 == 0 && lookup(FUSE_ROOT_ID, "dir", &entry) == 0 &&
		    S_ISDIR(entry.attr.mode))
			dir = entry.nodeid;
		if (lookup(dir, "inner", &entry) == 0) {
			found++;
			cr_assert(!read_is_secret(entry.nodeid, 0));
			if (open_file(entry.nodeid, O_RDWR, &fh) == 0) {
				cr_assert(!read_is_secret(entry.nodeid, fh));
				release_file(entry.nodeid, fh);
			}
			forget(entry.nodeid, 1);
		}
		changed += change_through(dir);
	}
	stop_swapping(thread);
	cr_assert(found > 100 && changed > 100, "%d %d", found, changed);
	assert_outside_is_as_it_was();
}

Test(fs_escape, a_file_exchanged_with_a_link_in_flight_is_not_followed, .timeout = 60)
{
	struct fuse_create_in create_in = {.flags = O_RDWR | O_TRUNC, .mode = 0600};
	struct fuse_setattr_in setattr_in = {.valid = FATTR_SIZE | FATTR_MODE, .mode = 0666};
	int opened = 0;
	pthread_t thread;

	cr_assert_eq(symlink("../secret", host_path("link")), 0);
	cr_assert_eq(chmod(host_path("../secret"), 0600), 0);
	thread = start_swapping("file", "link");
	for (int i = 0; i < 20000; i++) {
		struct fuse_entry_out entry;
		uint64_t fh;

		if (lookup(FUSE_ROOT_ID, "file", &entry) == 0) {
			cr_assert(!read_is_secret(entry.nodeid, 0));
			if (open_file(entry.nodeid, O_RDWR, &fh) == 0) {
				opened++;
				cr_assert(!read_is_secret(entry.nodeid, fh));
				release_file(entry.nodeid, fh);
			}
			request(FUSE_SETATTR, entry.nodeid, &setattr_in, sizeof setattr_in, NULL);
			forget(entry.nodeid, 1);
		}
		if (request(FUSE_CREATE, 1, &create_in, sizeof create_in, "file") == 0) {
			const struct fuse_entry_out *made = (const void *)answer;
			uint64_t node = made->nodeid;

			release_file(node, ((const struct fuse_open_out *)(made + 1))->fh);
			forget(node, 1);
		}
	}
	stop_swapping(thread);
	cr_assert(opened > 100, "%d", opened);
}

static void *move_out_and_in(void *unused)
{
	while (!stop) {
		rename(swapped[0], swapped[1]);
		rename(swapped[1], swapped[0]);
	}
	return unused;
}

/* A directory deep inside is moved out while paths go through it. */
Test(fs_escape, a_directory_moved_out_in_flight_is_stale_or_found, .timeout = 60)
{
	uint64_t inner;
	pthread_t thread;
	int good = 0;

	cr_assert_eq(mkdir(host_path("dir/deep"), 0755), 0);
	cr_assert_eq(mkdir(host_path("dir/deep/er"), 0755), 0);
	host_write("dir/deep/er/file", "x");
	inner = node_at("dir/deep/er/file");
	strcpy(swapped[0], host_path("dir/deep"));
	strcpy(swapped[1], host_path("../deep"));
	cr_assert_eq(pthread_create(&thread, NULL, move_out_and_in, NULL), 0);
	for (int i = 0; i < 20000; i++) {
		struct fuse_attr attributes;
		int result = get_attributes(inner, &attributes);

		cr_assert(result == 0 || result == -ESTALE, "%d", result);
		good += result == 0;
	}
	stop_swapping(thread);
	cr_assert(good > 0);
}

/* ---- other mounts, and what looks like a way out of them ---- */

Test(fs_escape, other_mounts_are_out_of_reach)
{
	struct fuse_entry_out entry;
	struct fuse_attr attributes;
	uint64_t dir;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		cr_skip("only root can mount");
	/* Descriptors from before see the mounts from before. */
	fs_server_close(&server);
	open_server(false, FS_CACHE_NONE);
	dir = node_at("dir");
	cr_assert_eq(mount("none", host_path("dir"), "tmpfs", 0, NULL), 0);
	host_write("dir/below", "x");
	cr_assert_eq(lookup(FUSE_ROOT_ID, "dir", &entry), -EXDEV);
	cr_assert_eq(get_attributes(dir, &attributes), -ESTALE);
	cr_assert_eq(lookup(dir, "below", &entry), -ESTALE);
	cr_assert_eq(umount(host_path("dir")), 0);
	cr_assert_eq(mount(host_path("../secret"), host_path("file"), NULL, MS_BIND, NULL), 0);
	cr_assert_eq(lookup(FUSE_ROOT_ID, "file", &entry), -EXDEV);
	cr_assert_eq(request(FUSE_CREATE, 1, &(struct fuse_create_in){.flags = O_RDONLY},
	                     sizeof(struct fuse_create_in), "file"),
	             -EXDEV);
	cr_assert_eq(umount(host_path("file")), 0);
	cr_assert_eq(get_attributes(dir, &attributes), 0);
}

Test(fs_escape, magic_links_are_text)
{
	struct mote_error err;
	struct fuse_entry_out entry;
	uint64_t self, fh;
	char pid[16];

	fs_server_close(&server);
	cr_assert_eq(fs_server_open(&server, "/proc", true, FS_CACHE_NONE, &err), 0);
	snprintf(pid, sizeof pid, "%d", getpid());
	self = node_at(pid);
	cr_assert_eq(lookup(self, "root", &entry), 0);
	cr_assert_eq(entry.attr.mode & S_IFMT, S_IFLNK);
	cr_assert_eq(lookup(entry.nodeid, "etc", &entry), -ENOTDIR);
	cr_assert_eq(lookup(self, "exe", &entry), 0);
	cr_assert_eq(open_file(entry.nodeid, O_RDONLY, &fh), -ELOOP);
	cr_assert_eq(read_file(entry.nodeid, 0, 0, 1), -ELOOP);
}

Test(fs_escape, a_share_that_the_host_removes_is_empty_and_stale)
{
	struct fuse_create_in create_in = {.flags = O_RDWR, .mode = 0600};
	uint64_t node = node_at("file"), fh;
	struct fuse_read_in in = {.size = 4096};
	struct fuse_entry_out entry;
	struct fuse_attr attributes;
	char command[200];

	cr_assert_eq(open_file(node, O_RDWR, &fh), 0);
	snprintf(command, sizeof command, "rm -rf '%s'", share);
	cr_assert_eq(system(command), 0);
	cr_assert_eq(lookup(FUSE_ROOT_ID, "file", &entry), -ENOENT);
	cr_assert_eq(request(FUSE_CREATE, 1, &create_in, sizeof create_in, "new"), -ENOENT);
	cr_assert_eq(request(FUSE_READDIR, FUSE_ROOT_ID, &in, sizeof in, NULL), -ENOENT);
	cr_assert_eq(get_attributes(node, &attributes), -ESTALE);
	cr_assert_eq(read_file(node, fh, 0, 100), 15);
	cr_assert_eq(mkdir(share, 0755), 0);
}

/* ---- a read-only share ---- */

TestSuite(fs_read_only, .init = setup_read_only, .fini = teardown);

static char *tree_state(void)
{
	static char states[2][4096];
	static unsigned int next;
	char command[256], *state = states[next++ % 2];
	FILE *pipe;
	size_t length;

	snprintf(command, sizeof command,
	         "cd '%s' && find . -printf '%%p %%m %%s %%T@ %%n %%l\\n' | sort && cat file "
	         "dir/inner",
	         share);
	pipe = popen(command, "r");
	cr_assert(pipe != NULL);
	length = fread(state, 1, sizeof states[0] - 1, pipe);
	state[length] = '\0';
	cr_assert_eq(pclose(pipe), 0);
	return state;
}

Test(fs_read_only, every_request_that_changes_something_is_refused)
{
	static const struct {
		uint32_t opcode;
		size_t args;
		const char *name;
		size_t name_size;
	} requests[] = {
	        {FUSE_SYMLINK, 0, "new\0target", 11},
	        {FUSE_MKNOD, sizeof(struct fuse_mknod_in), "new", 4},
	        {FUSE_MKDIR, sizeof(struct fuse_mkdir_in), "new", 4},
	        {FUSE_UNLINK, 0, "file", 5},
	        {FUSE_RMDIR, 0, "dir", 4},
	        {FUSE_RENAME, sizeof(struct fuse_rename_in), "file\0new", 9},
	        {FUSE_RENAME2, sizeof(struct fuse_rename2_in), "file\0new", 9},
	        {FUSE_LINK, sizeof(struct fuse_link_in), "new", 4},
	        {FUSE_CREATE, sizeof(struct fuse_create_in), "file", 5},
	        {FUSE_CREATE, sizeof(struct fuse_create_in), "new", 4},
	        {FUSE_SETXATTR, 8, "user.x\0v", 8},
	        {FUSE_REMOVEXATTR, 0, "user.x", 7},
	};
	uint64_t node = node_at("file");
	const char *before = tree_state();
	/* Arguments that would be right: the first word of RENAME and LINK is a node. */
	uint64_t args[8] = {FUSE_ROOT_ID};

	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		if (requests[i].opcode == FUSE_LINK)
			args[0] = node;
		cr_assert_eq(request_with_room(requests[i].opcode, FUSE_ROOT_ID, args,
		                               requests[i].args, requests[i].name,
		                               requests[i].name_size, 4096),
		             -EROFS, "%u", requests[i].opcode);
	}
	cr_assert_str_eq(tree_state(), before);
}

Test(fs_read_only, no_handle_writes)
{
	static const uint32_t flags[] = {O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC, O_WRONLY | O_APPEND,
	                                 3};
	uint64_t node = node_at("file"), fh;
	struct fuse_write_in write_in = {.size = 1};
	struct fuse_fallocate_in space = {.length = 100};
	struct fuse_copy_file_range_in copy = {.len = 1, .off_out = 5};
	struct fuse_setattr_in in = {0};
	const char *before = tree_state();

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		cr_assert_eq(open_file(node, flags[i], &fh), -EROFS, "%x", flags[i]);
	cr_assert_eq(open_file(node, O_RDONLY, &fh), 0);
	cr_assert_eq(read_file(node, fh, 0, 100), 15);
	write_in.fh = space.fh = copy.fh_in = copy.fh_out = in.fh = fh;
	copy.nodeid_out = node;
	cr_assert_eq(request(FUSE_WRITE, node, &write_in, sizeof write_in, ""), -EROFS);
	cr_assert_eq(request(FUSE_FALLOCATE, node, &space, sizeof space, NULL), -EROFS);
	cr_assert_eq(request(FUSE_COPY_FILE_RANGE, node, &copy, sizeof copy, NULL), -EROFS);
	for (uint32_t valid = 0; valid < 1 << 12; valid = valid ? valid << 1 : 1) {
		in.valid = valid;
		cr_assert_eq(request(FUSE_SETATTR, node, &in, sizeof in, NULL), -EROFS);
		in.valid = valid | FATTR_FH;
		cr_assert_eq(request(FUSE_SETATTR, node, &in, sizeof in, NULL), -EROFS);
	}
	cr_assert_str_eq(tree_state(), before);
}

Test(fs_read_only, renames_in_flight_do_not_help, .timeout = 60)
{
	struct fuse_create_in create_in = {.flags = O_RDWR | O_TRUNC, .mode = 0600};
	struct fuse_setattr_in setattr_in = {.valid = FATTR_SIZE};
	pthread_t thread;
	int found = 0;

	make_outside();
	cr_assert_eq(symlink("../outside", host_path("link")), 0);
	thread = start_swapping("dir", "link");
	for (int i = 0; i < 5000; i++) {
		struct fuse_entry_out entry;
		uint64_t dir, fh;

		if (lookup(FUSE_ROOT_ID, "dir", &entry) != 0 || !S_ISDIR(entry.attr.mode))
			continue;
		dir = entry.nodeid;
		cr_assert_eq(request(FUSE_CREATE, dir, &create_in, sizeof create_in, "new"),
		             -EROFS);
		cr_assert_eq(request(FUSE_UNLINK, dir, NULL, 0, "inner"), -EROFS);
		if (lookup(dir, "inner", &entry) != 0)
			continue;
		found++;
		cr_assert(open_file(entry.nodeid, O_RDWR, &fh) < 0);
		cr_assert_eq(
		        request(FUSE_SETATTR, entry.nodeid, &setattr_in, sizeof setattr_in, NULL),
		        -EROFS);
	}
	stop_swapping(thread);
	cr_assert(found > 10, "%d", found);
	assert_outside_is_as_it_was();
}

Test(fs_read_only, locks_do_not_open_for_writing)
{
	struct fuse_lk_in in = {.owner = 1, .lk = {.type = F_WRLCK, .end = INT64_MAX}};
	uint64_t node = node_at("file");

	cr_assert_eq(open_file(node, O_RDONLY, &in.fh), 0);
	cr_assert_eq(request(FUSE_SETLK, node, &in, sizeof in, NULL), -EBADF);
	in.lk.type = F_RDLCK;
	cr_assert_eq(request(FUSE_SETLK, node, &in, sizeof in, NULL), 0);
}

Test(fs_read_only, access_for_writing_is_refused)
{
	struct fuse_access_in in = {.mask = W_OK};

	cr_assert_eq(request(FUSE_ACCESS, node_at("file"), &in, sizeof in, NULL), -EROFS);
	in.mask = R_OK;
	cr_assert_eq(request(FUSE_ACCESS, node_at("file"), &in, sizeof in, NULL), 0);
}
