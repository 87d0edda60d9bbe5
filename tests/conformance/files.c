/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors and what is read and written through them: regular files and devices. */
#include "harness.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>

static char buffer[8192];

/* ---- open and close ---- */

CASE(open_flags)
{
	CALL(open, "new", O_RDWR | O_CREAT | O_EXCL, 0644);
	CALL(open, "new", O_RDWR | O_CREAT | O_EXCL, 0644);
	CALL(open, "new", O_RDONLY);
	CALL(open, "missing", O_RDONLY);
	CALL(open, "new/below", O_RDONLY);
	CALL(open, "new", O_RDONLY | O_DIRECTORY);
	CALL(open, "new/", O_RDONLY);
	CALL(open, "missing/", O_RDWR | O_CREAT, 0644);
	CALL(open, "missing/new", O_RDWR | O_CREAT, 0644);
	CALL(open, ".", O_RDWR);
	CALL(open, ".", O_WRONLY);
	CALL(open, ".", O_RDONLY | O_CREAT, 0644);
	CALL(open, ".", O_RDONLY);
	CALL(open, "", O_RDONLY);
}

CASE(open_bad_pointers)
{
	CALL(open, NULL, O_RDONLY);
	CALL(open, LOW, O_RDONLY);
	CALL(open, NONCANONICAL, O_RDONLY);
	CALL(open, KERNEL, O_RDONLY);
	CALL(open, KIT, O_RDONLY);
	CALL(open, TOP, O_RDONLY);
	CALL(open, unmapped(), O_RDONLY);
	CALL(open, LAST_USER, O_RDONLY);
}

CASE(open_name_at_the_end_of_memory)
{
	char *name = edge(4);

	make_file("abc", 0);
	memcpy(name, "abc", 4);
	CALL(open, name, O_RDONLY);
	memcpy(name, "abcd", 4);
	CALL(open, name, O_RDONLY);
}

CASE(open_long_names)
{
	char *name = pages(2);

	memset(name, 'n', NAME_MAX);
	CALL(open, name, O_RDONLY);
	CALL(open, name, O_RDWR | O_CREAT, 0644);
	name[NAME_MAX] = 'n';
	CALL(open, name, O_RDONLY);
	memset(name, '/', PATH_MAX);
	CALL(open, name, O_RDONLY);
	name[PATH_MAX - 1] = '\0';
	CALL(open, name, O_RDONLY | O_DIRECTORY);
}

CASE(open_invalid_modes)
{
	make_file("file", 4);
	CALL(open, "file", 3);
	CALL(open, "file", O_RDONLY | O_TRUNC);
	CALL(open, "file", O_RDWR | O_TMPFILE);
	CALL(open, "file", 0x7f000000);
}

CASE(open_truncates)
{
	struct stat status;

	make_file("file", 100);
	CALL(open, "file", O_WRONLY | O_TRUNC);
	stat("file", &status);
	VALUE(status.st_size);
}

CASE(open_takes_the_lowest_descriptor)
{
	for (int i = 0; i < 4; i++)
		CALL(open, "/dev/null", O_RDWR);
	CALL(close, 4);
	CALL(close, 3);
	CALL(dup, 0);
	CALL(open, "/dev/null", O_RDWR);
	CALL(open, "/dev/null", O_RDWR);
}

CASE(open_mode_and_umask)
{
	struct stat status;

	umask(0);
	close(open("a", O_CREAT | O_WRONLY, 07777));
	stat("a", &status);
	say("%o", status.st_mode);
	umask(027);
	close(open("b", O_CREAT | O_WRONLY, 0666));
	stat("b", &status);
	say("%o", status.st_mode);
	close(open("c", O_CREAT | O_WRONLY, 0));
	stat("c", &status);
	say("%o", status.st_mode);
	CALL(creat, "d", 0400);
	CALL(write, 3, "x", 1);
}

CASE(open_nofollow)
{
	make_file("file", 1);
	symlink("file", "link");
	symlink("missing", "dangling");
	CALL(open, "link", O_RDONLY);
	CALL(open, "link", O_RDONLY | O_NOFOLLOW);
	CALL(open, "dangling", O_RDONLY);
	CALL(open, "dangling", O_RDWR | O_CREAT | O_EXCL, 0644);
	CALL(open, "dangling", O_RDWR | O_CREAT, 0644);
	CALL(access, "missing", F_OK);
}

CASE(open_path)
{
	int file;
	struct stat status;

	make_file("file", 10);
	file = (int)CALL(open, "file", O_PATH);
	CALL(read, file, buffer, 1);
	CALL(write, file, buffer, 1);
	CALL(lseek, file, 0, SEEK_SET);
	CALL(ftruncate, file, 0);
	CALL(fchmod, file, 0600);
	CALL(ioctl, file, FIONREAD, buffer);
	CALL(fstat, file, &status);
	CALL(fcntl, file, F_GETFD);
	say("%s", fcntl(file, F_GETFL) & O_PATH ? "O_PATH" : "not O_PATH");
	CALL(dup, file);
	CALL(close, file);
}

CASE(openat_relative)
{
	int folder;

	mkdir("folder", 0755);
	folder = (int)CALL(open, "folder", O_RDONLY | O_DIRECTORY);
	CALL(openat, folder, "file", O_RDWR | O_CREAT, 0644);
	CALL(access, "folder/file", F_OK);
	CALL(openat, 77, "file", O_RDONLY);
	CALL(openat, -1, "file", O_RDONLY);
	CALL(openat, 4, "file", O_RDONLY);
	CALL(openat, 77, "/dev/null", O_RDONLY);
	CALL(openat, folder, "", O_RDONLY);
	CALL(openat, AT_FDCWD, "folder/file", O_RDONLY);
}

CASE(openat_tmpfile)
{
	int file = (int)CALL(openat, AT_FDCWD, ".", O_RDWR | O_TMPFILE, 0600);
	struct stat status;

	CALL(write, file, "text", 4);
	fstat(file, &status);
	VALUE(status.st_nlink);
	VALUE(status.st_size);
	CALL(openat, AT_FDCWD, ".", O_RDONLY | O_TMPFILE, 0600);
}

CASE(close_errors)
{
	CALL(close, -1);
	CALL(close, 3);
	CALL(close, 1023);
	CALL(close, 1024);
	CALL(close, INT_MAX);
	CALL(close, INT_MIN);
	open("/dev/null", O_RDONLY);
	CALL(close, 3);
	CALL(close, 3);
	CALL(close, 0x100000003);
}

CASE(every_descriptor_taken)
{
	int last = -1, file;

	while ((file = open("/dev/null", O_RDONLY)) >= 0)
		last = file;
	say("the last is %d, then %s", last, error_name(errno));
	CALL(dup, 0);
	CALL(fcntl, 0, F_DUPFD, 0);
	CALL(dup2, 0, 500);
	CALL(pipe, buffer);
	CALL(close, 700);
	CALL(open, "missing", O_RDONLY);
	CALL(pipe, buffer);
	CALL(open, "/dev/null", O_RDONLY);
	for (file = 3; file <= last; file++)
		close(file);
}

/* ---- dup ---- */

CASE(dup_shares_the_position)
{
	int file = make_file("file", 100), copy = dup(file);

	CALL(lseek, file, 10, SEEK_SET);
	CALL(lseek, copy, 0, SEEK_CUR);
	CALL(read, copy, buffer, 5);
	CALL(lseek, file, 0, SEEK_CUR);
	CALL(close, file);
	CALL(read, copy, buffer, 1);
	say("%c", buffer[0]);
}

CASE(dup_errors)
{
	CALL(dup, -1);
	CALL(dup, 3);
	CALL(dup, 5000);
	CALL(dup2, 3, 4);
	CALL(dup2, 0, -1);
	CALL(dup2, 0, 1024);
	CALL(dup2, 0, 1000000);
	CALL(dup2, 0, 0);
	CALL(dup2, 3, 3);
	CALL(dup2, 0, 3);
	CALL(dup2, 0, 3);
}

CASE(dup3_flags)
{
	CALL(dup3, 0, 0, 0);
	CALL(dup3, 0, 3, O_CLOEXEC);
	CALL(fcntl, 3, F_GETFD);
	CALL(dup3, 0, 4, 0);
	CALL(fcntl, 4, F_GETFD);
	CALL(dup3, 0, 5, O_NONBLOCK);
	CALL(dup3, 77, 5, 0);
	CALL(dup3, 0, -1, 0);
	CALL(dup3, 77, 77, 0);
	CALL(dup2, 3, 5);
	CALL(fcntl, 5, F_GETFD);
}

/* ---- fcntl ---- */

CASE(fcntl_dupfd)
{
	CALL(fcntl, 0, F_DUPFD, 10);
	CALL(fcntl, 0, F_DUPFD, 10);
	CALL(fcntl, 0, F_DUPFD_CLOEXEC, 10);
	CALL(fcntl, 12, F_GETFD);
	CALL(fcntl, 11, F_GETFD);
	CALL(fcntl, 0, F_DUPFD, -1);
	CALL(fcntl, 0, F_DUPFD, 1024);
	CALL(fcntl, 77, F_DUPFD, 0);
	CALL(fcntl, 0, F_DUPFD, 1023);
	CALL(fcntl, 0, F_DUPFD, 1023);
	CALL(close, 1023);
}

CASE(fcntl_flags)
{
	int file = open("file", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	say("%#x", (unsigned)fcntl(file, F_GETFL) & ~0100000U); /* O_LARGEFILE */
	CALL(fcntl, file, F_GETFD);
	CALL(fcntl, file, F_SETFD, 0);
	CALL(fcntl, file, F_GETFD);
	CALL(fcntl, file, F_SETFD, 0xff);
	CALL(fcntl, file, F_GETFD);
	CALL(fcntl, file, F_SETFL, O_NONBLOCK);
	say("%#x", (unsigned)fcntl(file, F_GETFL) & ~0100000U);
	CALL(fcntl, file, F_SETFL, O_RDONLY | O_TRUNC | O_CREAT);
	say("%#x", (unsigned)fcntl(file, F_GETFL) & ~0100000U);
	CALL(fcntl, 77, F_GETFL);
	CALL(fcntl, 77, F_SETFD, 1);
	CALL(fcntl, file, 12345);
	CALL(fcntl, file, -1);
}

CASE(fcntl_locks)
{
	int file = make_file("file", 100), reader = open("file", O_RDONLY);
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10};

	CALL(fcntl, file, F_SETLK, &lock);
	CALL(fcntl, file, F_SETLKW, &lock);
	CALL(fcntl, file, F_GETLK, &lock);
	VALUE(lock.l_type == F_UNLCK);
	lock.l_type = F_WRLCK;
	CALL(fcntl, reader, F_SETLK, &lock);
	lock.l_type = F_RDLCK;
	CALL(fcntl, reader, F_SETLK, &lock);
	lock.l_type = 9;
	CALL(fcntl, file, F_SETLK, &lock);
	CALL(fcntl, file, F_GETLK, &lock);
	lock.l_type = F_RDLCK;
	lock.l_whence = 9;
	CALL(fcntl, file, F_SETLK, &lock);
	lock.l_whence = SEEK_SET;
	lock.l_start = -1;
	CALL(fcntl, file, F_SETLK, &lock);
	CALL(fcntl, file, F_SETLK, LOW);
	CALL(fcntl, file, F_GETLK, KIT);
	CALL(fcntl, 77, F_SETLK, &lock);
}

CASE(flock)
{
	int one = make_file("file", 1), other = open("file", O_RDONLY);

	CALL(flock, one, 2);       /* LOCK_EX */
	CALL(flock, one, 1);       /* LOCK_SH */
	CALL(flock, other, 1 | 4); /* with LOCK_NB */
	CALL(flock, one, 8);       /* LOCK_UN */
	CALL(flock, one, 0);
	CALL(flock, 77, 2);
}

CASE(flock_of_another_description)
{
	int one = make_file("file", 1), other = open("file", O_RDONLY);

	CALL(flock, one, 2);
	CALL(flock, other, 1 | 4);
	CALL(flock, other, 2 | 4);
	CALL(close, one);
	CALL(flock, other, 2 | 4);
}

/* ---- read and write ---- */

CASE(read_errors)
{
	int file = make_file("file", 100);

	CALL(read, -1, buffer, 1);
	CALL(read, 77, buffer, 1);
	CALL(read, 77, NULL, 0);
	CALL(read, file, NULL, 1);
	CALL(read, file, NULL, 0);
	CALL(read, file, KIT, 1);
	CALL(read, file, KIT, 0);
	CALL(read, file, KERNEL, 100);
	CALL(read, file, read_only(0), 10);
	CALL(read, open("file", O_WRONLY), buffer, 1);
	CALL(read, open(".", O_RDONLY), buffer, 1);
	CALL(lseek, file, 0, SEEK_CUR);
}

CASE(read_sizes)
{
	int file = make_file("file", 100);

	CALL(read, file, buffer, 0);
	CALL(read, file, buffer, 60);
	CALL(read, file, buffer, 60);
	CALL(read, file, buffer, 60);
	lseek(file, 0, SEEK_SET);
	CALL(read, file, buffer, SSIZE_MAX);
	lseek(file, 0, SEEK_SET);
	CALL(read, file, buffer, SIZE_MAX);
	CALL(read, file, buffer, (size_t)SSIZE_MAX + 1);
	CALL(read, file, buffer, UINT_MAX);
}

CASE(read_into_half_a_page)
{
	int file = make_file("file", 100);
	char *end = edge(10);

	CALL(read, file, end, 20);
	say("%.10s", end);
	CALL(lseek, file, 0, SEEK_CUR);
	CALL(read, file, end + 10, 20);
}

CASE(read_behind_the_end)
{
	int file = make_file("file", 10);

	CALL(lseek, file, 1000, SEEK_SET);
	CALL(read, file, buffer, 10);
	CALL(pread64, file, buffer, 10, LLONG_MAX);
	CALL(pread64, file, buffer, 10, LLONG_MAX - 20);
}

CASE(write_errors)
{
	int file = open("file", O_RDWR | O_CREAT, 0644);

	CALL(write, -1, buffer, 1);
	CALL(write, 77, buffer, 1);
	CALL(write, file, NULL, 1);
	CALL(write, file, NULL, 0);
	CALL(write, file, KIT, 8);
	CALL(write, file, TOP, 8);
	CALL(write, open("file", O_RDONLY), buffer, 1);
	CALL(write, open(".", O_RDONLY), buffer, 1);
	CALL(write, file, buffer, SIZE_MAX);
	CALL(lseek, file, 0, SEEK_END);
}

CASE(write_from_half_a_page)
{
	int file = open("file", O_RDWR | O_CREAT, 0644);
	char *end = edge(10);

	memcpy(end, "0123456789", 10);
	CALL(write, file, end, 20);
	CALL(lseek, file, 0, SEEK_CUR);
	CALL(pread64, file, buffer, 20, 0);
	CALL(write, file, read_only('r'), 5);
}

CASE(write_append)
{
	int file = make_file("file", 10), end = open("file", O_WRONLY | O_APPEND);

	CALL(write, end, "end", 3);
	CALL(lseek, end, 0, SEEK_CUR);
	CALL(lseek, end, 0, SEEK_SET);
	CALL(write, end, "more", 4);
	CALL(pwrite64, end, "at 0", 4, 0);
	CALL(read, file, buffer, 100);
	buffer[21] = 0;
	say("%s", buffer);
}

CASE(write_leaves_a_hole)
{
	int file = make_file("file", 3);

	CALL(pwrite64, file, "x", 1, 10000);
	CALL(lseek, file, 0, SEEK_END);
	CALL(pread64, file, buffer, 8, 0);
	say("%.3s %d %d", buffer, buffer[3], buffer[7]);
	CALL(pread64, file, buffer, 8, 9999);
	say("%d %c", buffer[0], buffer[1]);
}

CASE(pread_and_pwrite_errors)
{
	int file = make_file("file", 10);

	CALL(pread64, file, buffer, 1, -1);
	CALL(pwrite64, file, buffer, 1, -1);
	CALL(pread64, 77, buffer, 1, 0);
	CALL(pwrite64, 77, buffer, 1, -1);
	CALL(pread64, file, KIT, 1, 0);
	CALL(pwrite64, file, KIT, 1, 0);
	CALL(pread64, file, KIT, 0, 0);
	CALL(pwrite64, file, "x", 1, LLONG_MAX);
	CALL(pwrite64, file, "x", 0, LLONG_MAX);
	CALL(lseek, file, 0, SEEK_CUR);
}

CASE(readv_and_writev)
{
	int file = open("file", O_RDWR | O_CREAT, 0644);
	char one[4] = "", two[8] = "";
	struct iovec out[3] = {{(void *)"abc", 3}, {NULL, 0}, {(void *)"defgh", 5}};
	struct iovec in[2] = {{one, 3}, {two, 7}};

	CALL(writev, file, out, 3);
	CALL(lseek, file, 0, SEEK_SET);
	CALL(readv, file, in, 2);
	say("%s %s", one, two);
	CALL(preadv, file, in, 2, 4, 0);
	say("%.3s %.1s", one, two);
	CALL(pwritev, file, out, 1, 100, 0);
	CALL(lseek, file, 0, SEEK_END);
}

CASE(readv_and_writev_errors)
{
	int file = make_file("file", 100);
	struct iovec bad = {KIT, 10}, huge[2] = {{buffer, SSIZE_MAX}, {buffer, SSIZE_MAX}},
	             half[2] = {{buffer, 10}, {KIT, 10}}, negative = {buffer, SIZE_MAX};

	CALL(readv, file, NULL, 0);
	CALL(readv, file, NULL, 1);
	CALL(readv, file, KIT, 1);
	CALL(readv, file, half, -1);
	CALL(readv, file, half, 1025);
	CALL(readv, 77, half, 1);
	CALL(readv, file, &bad, 1);
	CALL(readv, file, &negative, 1);
	CALL(readv, file, huge, 2);
	CALL(readv, file, half, 2);
	CALL(lseek, file, 0, SEEK_CUR);
	CALL(writev, file, &bad, 1);
	CALL(writev, file, half, 2);
	CALL(writev, file, &negative, 1);
	CALL(writev, 77, NULL, 0);
	CALL(preadv, file, half, 2, -1, -1);
	CALL(pwritev, file, half, 1, -5, -1);
}

CASE(preadv2_and_pwritev2)
{
	int file = make_file("file", 100);
	struct iovec vector = {buffer, 10};

	CALL(preadv2, file, &vector, 1, 5, 0, 0);
	say("%.10s", buffer);
	CALL(preadv2, file, &vector, 1, -1, -1, 0);
	CALL(lseek, file, 0, SEEK_CUR);
	CALL(pwritev2, file, &vector, 1, 0, 0, 0x10); /* RWF_APPEND */
	CALL(lseek, file, 0, SEEK_END);
	CALL(preadv2, file, &vector, 1, 0, 0, 0x40000000);
}

/* ---- lseek ---- */

CASE(lseek_whence)
{
	int file = make_file("file", 100);

	CALL(lseek, file, 10, SEEK_SET);
	CALL(lseek, file, 5, SEEK_CUR);
	CALL(lseek, file, -5, SEEK_END);
	CALL(lseek, file, 1000, SEEK_END);
	CALL(lseek, file, -1, SEEK_SET);
	CALL(lseek, file, -2000, SEEK_CUR);
	CALL(lseek, file, LLONG_MAX, SEEK_SET);
	CALL(lseek, file, 1, SEEK_CUR);
	CALL(lseek, file, LLONG_MIN, SEEK_CUR);
	CALL(lseek, file, LLONG_MAX, SEEK_END);
	CALL(lseek, file, 0, 5);
	CALL(lseek, file, 0, -1);
	CALL(lseek, 77, 0, SEEK_SET);
	CALL(lseek, 77, 0, 9);
}

CASE(lseek_holes_of_a_folder)
{
	char name[8] = "0";
	int folder;

	for (; name[0] < '0' + 40; name[0]++)
		close(open(name, O_RDWR | O_CREAT, 0644));
	folder = open(".", O_RDONLY);
	CALL(lseek, folder, 300, SEEK_HOLE);
	CALL(lseek, folder, 0, SEEK_DATA);
}

CASE(lseek_holes)
{
	int file = make_file("file", 4096);

	pwrite(file, "x", 1, 65536);
	CALL(lseek, file, 0, SEEK_DATA);
	CALL(lseek, file, 0, SEEK_HOLE);
	CALL(lseek, file, 4096, SEEK_DATA);
	CALL(lseek, file, 70000, SEEK_DATA);
	CALL(lseek, file, 70000, SEEK_HOLE);
	CALL(lseek, file, 65536, SEEK_HOLE);
	CALL(lseek, file, -1, SEEK_DATA);
}

/* ---- truncate, fallocate, sync ---- */

CASE(truncate)
{
	int file = make_file("file", 100);

	CALL(truncate, "file", 50);
	CALL(lseek, file, 0, SEEK_END);
	CALL(truncate, "file", 5000);
	CALL(pread64, file, buffer, 10, 45);
	say("%c %d", buffer[4], buffer[5]);
	CALL(truncate, "file", -1);
	CALL(truncate, "missing", 0);
	CALL(truncate, ".", 0);
	CALL(truncate, "", 0);
	CALL(truncate, KIT, 0);
	CALL(truncate, "file/x", 0);
}

CASE(ftruncate)
{
	int file = make_file("file", 100);

	CALL(ftruncate, file, 10);
	CALL(lseek, file, 0, SEEK_END);
	CALL(ftruncate, file, -1);
	CALL(ftruncate, 77, 0);
	CALL(ftruncate, open("file", O_RDONLY), 0);
	CALL(ftruncate, open(".", O_RDONLY), 0);
	CALL(ftruncate, open("/dev/null", O_RDWR), 0);
	CALL(ftruncate, file, 1L << 40);
	CALL(lseek, file, 0, SEEK_END);
	CALL(ftruncate, file, 0);
}

CASE(ftruncate_clears_the_tail)
{
	int file = make_file("file", 5000);

	CALL(ftruncate, file, 4100);
	CALL(ftruncate, file, 5000);
	CALL(pread64, file, buffer, 4, 4098);
	say("%d %d %d %d", buffer[0] != 0, buffer[1] != 0, buffer[2], buffer[3]);
}

CASE(fallocate)
{
	int file = make_file("file", 100);

	CALL(fallocate, file, 0, 0, 10000);
	CALL(lseek, file, 0, SEEK_END);
	CALL(fallocate, file, 1, 0, 20000); /* FALLOC_FL_KEEP_SIZE */
	CALL(lseek, file, 0, SEEK_END);
	CALL(fallocate, file, 3, 10, 20); /* and FALLOC_FL_PUNCH_HOLE */
	CALL(pread64, file, buffer, 40, 0);
	say("%c %d %d %c", buffer[9], buffer[10], buffer[29], buffer[30]);
	CALL(fallocate, file, 2, 0, 10);
	CALL(fallocate, file, 0, -1, 10);
	CALL(fallocate, file, 0, 0, 0);
	CALL(fallocate, file, 0, 0, -1);
	CALL(fallocate, file, 0, LLONG_MAX, 10);
	CALL(fallocate, 77, 0, 0, 10);
	CALL(fallocate, open("file", O_RDONLY), 0, 0, 10);
	CALL(fallocate, open("/dev/null", O_RDWR), 0, 0, 10);
	CALL(fallocate, open(".", O_RDONLY), 0, 0, 10);
}

CASE(sync_calls)
{
	int file = make_file("file", 100), ends[2];

	pipe(ends);
	CALL(fsync, file);
	CALL(fdatasync, file);
	CALL(fsync, 77);
	CALL(fdatasync, -1);
	CALL(fsync, ends[0]);
	CALL(fdatasync, ends[1]);
	CALL(syncfs, file);
	CALL(syncfs, 77);
	CALL(sync);
}

CASE(fadvise_and_readahead)
{
	int file = make_file("file", 100), ends[2];

	pipe(ends);
	CALL(fadvise64, file, 0, 0, 0);
	CALL(fadvise64, file, 0, 0, 4);
	CALL(fadvise64, file, 0, 0, 6);
	CALL(fadvise64, file, 0, -1, 0);
	CALL(fadvise64, 77, 0, 0, 0);
	CALL(fadvise64, ends[0], 0, 0, 0);
	CALL(readahead, file, 0, 10);
	CALL(readahead, 77, 0, 10);
	CALL(readahead, ends[0], 0, 10);
	CALL(readahead, open("file", O_WRONLY), 0, 10);
}

/* ---- between files ---- */

CASE(sendfile)
{
	int from = make_file("from", 100), to = open("to", O_RDWR | O_CREAT, 0644);
	off_t place = 90;

	CALL(sendfile, to, from, NULL, 10);
	CALL(lseek, from, 0, SEEK_CUR);
	CALL(sendfile, to, from, &place, 100);
	VALUE(place);
	CALL(lseek, from, 0, SEEK_CUR);
	CALL(lseek, to, 0, SEEK_END);
	CALL(sendfile, to, from, &place, 100);
	CALL(sendfile, to, from, NULL, 0);
	CALL(sendfile, 77, from, NULL, 1);
	CALL(sendfile, to, 77, NULL, 1);
	CALL(sendfile, to, from, KIT, 1);
	place = -1;
	CALL(sendfile, to, from, &place, 1);
	CALL(sendfile, open("to", O_RDONLY), from, NULL, 1);
	CALL(sendfile, to, open("from", O_WRONLY), NULL, 1);
	CALL(sendfile, open("to", O_WRONLY | O_APPEND), from, NULL, 1);
	CALL(sendfile, to, open(".", O_RDONLY), NULL, 1);
}

CASE(sendfile_to_a_pipe)
{
	int from = make_file("from", 100), ends[2];

	pipe(ends);
	CALL(sendfile, ends[1], from, NULL, 50);
	CALL(read, ends[0], buffer, 100);
	CALL(sendfile, ends[1], ends[0], NULL, 1);
}

CASE(copy_file_range)
{
	int from = make_file("from", 100), to = open("to", O_RDWR | O_CREAT, 0644);
	long in = 50, out = 5;

	CALL(copy_file_range, from, NULL, to, NULL, 10, 0);
	CALL(lseek, from, 0, SEEK_CUR);
	CALL(lseek, to, 0, SEEK_CUR);
	CALL(copy_file_range, from, &in, to, &out, 1000, 0);
	VALUE(in);
	VALUE(out);
	CALL(copy_file_range, from, &in, to, &out, 1000, 0);
	CALL(copy_file_range, from, &in, to, &out, 10, 1);
	CALL(copy_file_range, 77, NULL, to, NULL, 10, 0);
	CALL(copy_file_range, from, NULL, 77, NULL, 10, 0);
	CALL(copy_file_range, from, KIT, to, NULL, 10, 0);
	CALL(copy_file_range, open("from", O_WRONLY), NULL, to, NULL, 10, 0);
	CALL(copy_file_range, from, NULL, open("to", O_RDONLY), NULL, 10, 0);
	CALL(copy_file_range, from, NULL, open("to", O_WRONLY | O_APPEND), NULL, 10, 0);
	CALL(copy_file_range, open(".", O_RDONLY), NULL, to, NULL, 10, 0);
	in = 0;
	out = 10;
	CALL(copy_file_range, from, &in, from, &out, 50, 0);
}

/* ---- devices ---- */

CASE(device_null_and_zero)
{
	int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR);

	buffer[0] = buffer[99] = 'x';
	CALL(read, null, buffer, 100);
	CALL(write, null, buffer, 100);
	CALL(read, zero, buffer, 100);
	say("%d %d", buffer[0], buffer[99]);
	CALL(write, zero, buffer, 100);
	CALL(read, zero, KIT, 100);
	CALL(write, null, KIT, 100);
	CALL(lseek, null, 10, SEEK_SET);
	CALL(lseek, zero, 10, SEEK_CUR);
	CALL(pread64, zero, buffer, 10, 5);
}

CASE(device_full)
{
	int full = open("/dev/full", O_RDWR);

	CALL(write, full, buffer, 1);
	CALL(write, full, buffer, 0);
	CALL(read, full, buffer, 10);
	CALL(lseek, full, 0, SEEK_END);
}

CASE(device_random)
{
	int random = open("/dev/urandom", O_RDONLY), blocking = open("/dev/random", O_RDONLY);

	CALL(read, random, buffer, 100);
	CALL(read, random, KIT, 100);
	CALL(read, random, buffer, 0);
	CALL(read, blocking, buffer, 16);
	CALL(read, open("/dev/urandom", O_WRONLY), buffer, 1);
}

CASE(getrandom)
{
	CALL(getrandom, buffer, 100, 0);
	CALL(getrandom, buffer, 0, 0);
	CALL(getrandom, NULL, 0, 0);
	CALL(getrandom, KIT, 10, 0);
	CALL(getrandom, edge(5), 10, 0);
	CALL(getrandom, buffer, 10, 1);
	CALL(getrandom, buffer, 10, 2);
	CALL(getrandom, buffer, 10, 4);
	CALL(getrandom, buffer, 10, 6);
	CALL(getrandom, buffer, 10, 8);
}

CASE(ioctl_of_files)
{
	int file = make_file("file", 100), null = open("/dev/null", O_RDWR), value = 7;

	lseek(file, 30, SEEK_SET);
	CALL(ioctl, file, FIONREAD, &value);
	VALUE(value);
	CALL(ioctl, file, FIOCLEX);
	CALL(fcntl, file, F_GETFD);
	CALL(ioctl, file, FIONCLEX);
	CALL(fcntl, file, F_GETFD);
	value = 1;
	CALL(ioctl, file, FIONBIO, &value);
	say("%s", fcntl(file, F_GETFL) & O_NONBLOCK ? "O_NONBLOCK" : "blocks");
	CALL(ioctl, file, FIONBIO, KIT);
	CALL(ioctl, file, TCGETS, buffer);
	CALL(ioctl, file, TIOCGWINSZ, buffer);
	CALL(ioctl, null, TCGETS, buffer);
	CALL(ioctl, file, 0x12345678, buffer);
	CALL(ioctl, 77, TCGETS, buffer);
	CALL(ioctl, -1, 0, 0);
}

/* ---- limits and special files ---- */

#define LIMIT 1000000 /* above what this program prints */

CASE_ALONE(file_size_limit)
{
	struct rlimit limit = {LIMIT, LIMIT};
	int file = open("file", O_RDWR | O_CREAT, 0644);

	signal(SIGXFSZ, SIG_IGN);
	SHOW(setrlimit(RLIMIT_FSIZE, &limit));
	CALL(pwrite64, file, buffer, 200, LIMIT - 100);
	CALL(pwrite64, file, buffer, 200, LIMIT);
	CALL(pwrite64, file, buffer, 0, LIMIT);
	CALL(ftruncate, file, LIMIT + 1);
	CALL(ftruncate, file, LIMIT);
	CALL(pwrite64, file, buffer, 2, LIMIT - 1);
	signal(SIGXFSZ, SIG_DFL);
	CALL(pwrite64, file, buffer, 1, LIMIT);
	say("not killed");
}

CASE(memfd)
{
	int file = (int)CALL(memfd_create, "name", 1);
	struct stat status;

	CALL(fcntl, file, F_GETFD);
	CALL(write, file, "text", 4);
	CALL(ftruncate, file, 100);
	fstat(file, &status);
	VALUE(status.st_size);
	VALUE(status.st_nlink);
	say("%o", status.st_mode);
	CALL(pread64, file, buffer, 10, 0);
	CALL(memfd_create, "name", 0x80);
	CALL(memfd_create, KIT, 0);
	CALL(memfd_create, "", 0);
}

CASE(memfd_seals)
{
	int file = (int)CALL(memfd_create, "name", 2), plain = (int)CALL(memfd_create, "name", 0);

	CALL(write, file, "text", 4);
	CALL(fcntl, file, F_GET_SEALS);
	CALL(fcntl, file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
	CALL(ftruncate, file, 2);
	CALL(ftruncate, file, 20);
	CALL(write, file, "more", 4);
	CALL(pwrite64, file, "T", 1, 0);
	CALL(fcntl, file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL);
	CALL(pwrite64, file, "T", 1, 0);
	CALL(fcntl, file, F_ADD_SEALS, F_SEAL_SHRINK);
	CALL(fcntl, file, F_GET_SEALS);
	CALL(fcntl, plain, F_GET_SEALS);
	CALL(fcntl, plain, F_ADD_SEALS, F_SEAL_GROW);
}
