/* SPDX-License-Identifier: Apache-2.0 */
/* File data, pipes, waiting and memory: the kit against Linux, and what Linux cannot be asked. */
#include "tests/unit/vfs_harness.h"

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
