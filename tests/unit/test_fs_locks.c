/* SPDX-License-Identifier: Apache-2.0 */
/* The FUSE server: locks, among owners and with processes of the host. */
#include "fs_harness.h"

#include <sys/file.h>
#include <sys/wait.h>

static uint64_t file, fh;

static void open_it(void)
{
	setup();
	file = node_at("file");
	cr_assert_eq(open_file(file, O_RDWR, &fh), 0);
}

TestSuite(fs_locks, .init = open_it, .fini = teardown);

static int lock(uint32_t opcode, uint64_t owner, uint32_t type, uint64_t start, uint64_t end)
{
	struct fuse_lk_in in = {
	        .fh = fh, .owner = owner, .lk = {.start = start, .end = end, .type = type}};

	return request(opcode, file, &in, sizeof in, NULL);
}

static int flush(uint64_t owner)
{
	struct fuse_flush_in in = {.fh = fh, .lock_owner = owner};

	return request(FUSE_FLUSH, file, &in, sizeof in, NULL);
}

/* Whether another process could lock this byte for writing. */
static bool host_can_lock(off_t at)
{
	struct flock flock = {.l_type = F_WRLCK, .l_start = at, .l_len = 1};
	int status;
	pid_t child = fork();

	if (child == 0) {
		int fd = open(host_path("file"), O_RDWR);

		_exit(fcntl(fd, F_SETLK, &flock) != 0);
	}
	cr_assert(child > 0 && waitpid(child, &status, 0) == child);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Test(fs_locks, owners_exclude_one_another_and_the_host)
{
	const struct fuse_lk_out *out = (const void *)answer;

	cr_assert_eq(lock(FUSE_SETLK, 1, F_WRLCK, 10, 19), 0);
	cr_assert_eq(lock(FUSE_SETLK, 2, F_RDLCK, 15, 15), -EAGAIN);
	cr_assert_eq(lock(FUSE_SETLKW, 2, F_WRLCK, 0, INT64_MAX), -EAGAIN);
	cr_assert_eq(lock(FUSE_SETLK, 1, F_RDLCK, 10, 14), 0);
	cr_assert_eq(lock(FUSE_SETLK, 2, F_RDLCK, 12, 12), 0);
	cr_assert(!host_can_lock(12) && !host_can_lock(19) && host_can_lock(20));
	cr_assert_eq(lock(FUSE_GETLK, 2, F_WRLCK, 13, INT64_MAX), 0);
	cr_assert(out->lk.type == F_RDLCK || out->lk.type == F_WRLCK);
	cr_assert_eq(lock(FUSE_GETLK, 3, F_WRLCK, 30, 40), 0);
	cr_assert_eq(out->lk.type, F_UNLCK);
	cr_assert_eq(flush(1), 0);
	cr_assert(!host_can_lock(12) && host_can_lock(19));
	cr_assert_eq(lock(FUSE_SETLK, 2, F_UNLCK, 0, INT64_MAX), 0);
	cr_assert(host_can_lock(12));
}

/* SQLite opens a file several times; POSIX says that all are one owner's. */
Test(fs_locks, an_owner_has_one_set_of_locks_whatever_the_handle)
{
	uint64_t first = fh;

	cr_assert_eq(lock(FUSE_SETLK, 1, F_RDLCK, 100, 200), 0);
	cr_assert_eq(open_file(file, O_RDWR, &fh), 0);
	cr_assert_eq(lock(FUSE_SETLK, 1, F_WRLCK, 100, 200), 0);
	cr_assert_eq(release_file(file, first), 0);
	cr_assert(!host_can_lock(150));
	cr_assert_eq(flush(1), 0);
	cr_assert(host_can_lock(150));
}

Test(fs_locks, locks_of_the_host_are_seen)
{
	struct flock flock = {.l_type = F_WRLCK, .l_start = 5, .l_len = 5};
	const struct fuse_lk_out *out = (const void *)answer;
	int ready[2], status;
	pid_t child;
	char byte;

	cr_assert_eq(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		int fd = open(host_path("file"), O_RDWR);

		_exit(fcntl(fd, F_SETLK, &flock) || write(ready[1], "x", 1) != 1 || pause());
	}
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	cr_assert_eq(lock(FUSE_GETLK, 1, F_RDLCK, 0, INT64_MAX), 0);
	cr_assert(out->lk.type == F_WRLCK && out->lk.start == 5 && out->lk.end == 9);
	cr_assert_eq(lock(FUSE_SETLK, 1, F_RDLCK, 9, 9), -EAGAIN);
	cr_assert_eq(lock(FUSE_SETLK, 1, F_WRLCK, 10, INT64_MAX), 0);
	kill(child, SIGKILL);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(lock(FUSE_SETLK, 1, F_RDLCK, 9, 9), 0);
}

Test(fs_locks, forgetting_the_file_takes_its_locks_back)
{
	cr_assert_eq(lock(FUSE_SETLK, 1, F_WRLCK, 0, 0), 0);
	cr_assert(!host_can_lock(0));
	forget(file, 1);
	cr_assert(host_can_lock(0));
}

Test(fs_locks, a_removed_file_can_be_locked)
{
	cr_assert_eq(request(FUSE_UNLINK, FUSE_ROOT_ID, NULL, 0, "file"), 0);
	cr_assert_eq(lock(FUSE_SETLK, 1, F_WRLCK, 0, 0), 0);
	cr_assert_eq(lock(FUSE_SETLK, 2, F_WRLCK, 0, 0), -EAGAIN);
}

Test(fs_locks, bad_locks_are_refused)
{
	cr_assert_eq(lock(FUSE_SETLK, 1, F_WRLCK, 2, 1), -EINVAL);
	cr_assert_eq(lock(FUSE_SETLK, 1, F_WRLCK, 0, UINT64_MAX), -EINVAL);
	cr_assert_eq(lock(FUSE_SETLK, 1, 17, 0, 1), -EINVAL);
	cr_assert_eq(lock(FUSE_SETLK, 1, F_UNLCK, 0, 1), 0);
	fh = 4711;
	cr_assert_eq(lock(FUSE_SETLK, 1, F_WRLCK, 0, 1), -EBADF);
	cr_assert_eq(lock(FUSE_GETLK, 1, F_WRLCK, 0, 1), -EBADF);
}

Test(fs_locks, owners_run_out_cleanly)
{
	for (uint64_t i = 0; i < FS_LOCKS_MAX; i++)
		cr_assert_eq(lock(FUSE_SETLK, i, F_RDLCK, i, i), 0);
	cr_assert_eq(lock(FUSE_SETLK, FS_LOCKS_MAX, F_RDLCK, 0, 0), -ENOLCK);
	cr_assert_eq(flush(5), 0);
	cr_assert_eq(lock(FUSE_SETLK, FS_LOCKS_MAX, F_RDLCK, 0, 0), 0);
}

Test(fs_locks, flock_is_the_handles)
{
	struct fuse_lk_in in = {
	        .fh = fh, .lk = {.type = F_WRLCK, .end = INT64_MAX}, .lk_flags = FUSE_LK_FLOCK};
	int fd = open(host_path("file"), O_RDONLY);

	cr_assert_eq(flock(fd, LOCK_SH | LOCK_NB), 0);
	cr_assert_eq(request(FUSE_SETLK, file, &in, sizeof in, NULL), -EAGAIN);
	cr_assert_eq(flock(fd, LOCK_UN), 0);
	cr_assert_eq(request(FUSE_SETLK, file, &in, sizeof in, NULL), 0);
	cr_assert(flock(fd, LOCK_SH | LOCK_NB) != 0);
	cr_assert_eq(release_file(file, fh), 0);
	cr_assert_eq(flock(fd, LOCK_SH | LOCK_NB), 0);
	cr_assert_eq(request(FUSE_SETLK, file, &in, sizeof in, NULL), -EBADF);
	close(fd);
}
