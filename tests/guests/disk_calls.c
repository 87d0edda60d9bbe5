/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls on a disk of 1 MiB, right and wrong ones, and what Linux answers.
 *
 * usage: disk_calls DISK [ro]
 *        disk_calls DISK FILE        map that file, and write from there, too
 *        disk_calls DISK into FILE   read from the disk into a shared mapping of that file, no more
 *
 * Prints what is not as it should be. Exit status: 0 if nothing.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#define SIZE (1 << 20)

static int failures;
static const char *path;
static unsigned char *buffer;

#define EXPECT(condition)                                                           \
	do {                                                                        \
		errno = 0;                                                          \
		if (!(condition)) {                                                 \
			printf("line %d: not met: %s (%s)\n", __LINE__, #condition, \
			       strerror(errno));                                    \
			failures++;                                                 \
		}                                                                   \
	} while (0)

#define EXPECT_ERROR(call, error) EXPECT((call) == -1 && errno == (error))

static int disk_open(int flags)
{
	int file = open(path, flags);

	EXPECT(file >= 0);
	return file;
}

static void test_size(void)
{
	int file = disk_open(O_RDONLY), sector = 0;
	unsigned physical = 0;
	uint64_t bytes = 0;
	unsigned long sectors = 0;
	struct stat status;

	EXPECT(!fstat(file, &status) && S_ISBLK(status.st_mode) && status.st_size == 0);
	EXPECT(status.st_rdev == makedev(254, 0));
	EXPECT(lseek(file, 0, SEEK_END) == SIZE);
	EXPECT(lseek(file, -512, SEEK_CUR) == SIZE - 512);
	EXPECT_ERROR(lseek(file, 1, SEEK_END), EINVAL);
	EXPECT_ERROR(lseek(file, -1, SEEK_SET), EINVAL);
	EXPECT(!ioctl(file, BLKGETSIZE64, &bytes) && bytes == SIZE);
	EXPECT(!ioctl(file, BLKGETSIZE, &sectors) && sectors == SIZE / 512);
	EXPECT(!ioctl(file, BLKSSZGET, &sector) && sector == 512);
	EXPECT(!ioctl(file, BLKPBSZGET, &physical) && physical >= 512);
	EXPECT(!ioctl(file, BLKBSZGET, &sector) && sector == 4096);
	EXPECT_ERROR(ioctl(file, BLKGETSIZE64, (void *)16), EFAULT);
	EXPECT_ERROR(ioctl(file, 0x1234), ENOTTY);
	EXPECT_ERROR(ftruncate(file, 0), EINVAL);
	EXPECT(mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0) == MAP_FAILED && errno == ENODEV);
	close(file);
}

static void test_end(void)
{
	int file = disk_open(O_RDWR), appending = disk_open(O_RDWR | O_APPEND);
	struct pollfd poll_both = {.fd = file, .events = POLLIN | POLLOUT};

	EXPECT(pread(file, buffer, 512, SIZE) == 0);
	EXPECT(pread(file, buffer, 512, SIZE + 4096) == 0);
	EXPECT(pread(file, buffer, 1000, SIZE - 100) == 100);
	EXPECT(pwrite(file, buffer, 1000, SIZE - 100) == 100);
	EXPECT_ERROR(pwrite(file, buffer, 1, SIZE), ENOSPC);
	EXPECT_ERROR(pwrite(file, buffer, 1, (off_t)1 << 60), ENOSPC);
	EXPECT(pwrite(file, buffer, 0, SIZE) == 0);
	EXPECT_ERROR(write(appending, buffer, 1), ENOSPC);
	EXPECT(poll(&poll_both, 1, 0) == 1 && poll_both.revents == (POLLIN | POLLOUT));
	EXPECT(!fsync(file) && !fdatasync(file) && !ioctl(file, BLKFLSBUF));
	close(appending);
	close(file);
}

static void test_pointers(void)
{
	int file = disk_open(O_RDWR), direct = disk_open(O_RDWR | O_DIRECT);
	unsigned char *pages =
	        mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *constant;

	munmap(pages + 4096, 4096);
	memset(pages, 7, 4096);
	EXPECT_ERROR(pread(file, (void *)16, 4096, 0), EFAULT);
	EXPECT_ERROR(pread(direct, (void *)4096, 4096, 0), EFAULT);
	EXPECT_ERROR(pwrite(direct, (void *)4096, 4096, 0), EFAULT);
	EXPECT(pwrite(direct, pages, 8192, 0) == 4096);
	EXPECT(pread(direct, pages, 8192, 0) == 4096 && pages[4095] == 7);
	EXPECT(pread(file, pages + 4000, 1000, 0) == 96);
	EXPECT(pwrite(file, pages + 4000, 1000, 0) == 96);
	constant = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT_ERROR(pread(direct, constant, 4096, 0), EFAULT);
	EXPECT(pwrite(direct, constant, 4096, 4096) == 4096);
	EXPECT(pread(file, buffer, 4096, 4096) == 4096 && !buffer[0] && !buffer[4095]);
	close(direct);
	close(file);
}

static void test_direct(void)
{
	int file = disk_open(O_RDWR | O_DIRECT | O_SYNC);
	struct iovec pieces[3] = {{buffer, 512}, {buffer + 8192, 1024}, {buffer + 512, 512}};
	static unsigned char shared[4096] __attribute__((aligned(4096)));

	memset(buffer, 1, 512);
	memset(buffer + 8192, 2, 1024);
	memset(buffer + 512, 3, 512);
	EXPECT(pwritev(file, pieces, 3, 1536) == 2048);
	memset(buffer, 0, 16384);
	EXPECT(pread(file, buffer, 2048, 1536) == 2048);
	EXPECT(buffer[0] == 1 && buffer[512] == 2 && buffer[1535] == 2 && buffer[1536] == 3);
	EXPECT_ERROR(pread(file, buffer, 100, 0), EINVAL);
	EXPECT_ERROR(pread(file, buffer + 1, 512, 0), EINVAL);
	EXPECT_ERROR(pread(file, buffer, 512, 100), EINVAL);
	EXPECT_ERROR(pwrite(file, buffer, 100, 0), EINVAL);
	EXPECT(pread(file, buffer, 100, SIZE) == 0);
	/* Pages that show a frame of zeros until they are written. */
	EXPECT(pread(file, shared, 4096, 1536) == 4096 && shared[0] == 1);
	close(file);
}

/* What one way writes the others read. */
static void test_coherence(void)
{
	int file = disk_open(O_RDWR), direct = disk_open(O_RDWR | O_DIRECT);

	memset(buffer, 5, 4096);
	EXPECT(pread(file, buffer + 8192, 8192, 64 << 10) == 8192);
	EXPECT(pwrite(direct, buffer, 4096, 64 << 10) == 4096);
	EXPECT(pread(file, buffer + 8192, 4096, 64 << 10) == 4096 && buffer[8192] == 5 &&
	       buffer[12287] == 5);
	memset(buffer, 6, 100);
	EXPECT(pwrite(file, buffer, 100, (64 << 10) + 10) == 100);
	EXPECT(pread(direct, buffer + 4096, 512, 64 << 10) == 512 && buffer[4096 + 9] == 5 &&
	       buffer[4096 + 10] == 6 && buffer[4096 + 109] == 6 && buffer[4096 + 110] == 5);
	close(direct);
	close(file);
}

static void test_ranges(void)
{
	int file = disk_open(O_RDWR), reader = disk_open(O_RDONLY);
	uint64_t range[2] = {4096, 8192};

	memset(buffer, 9, 16384);
	EXPECT(pwrite(file, buffer, 16384, 0) == 16384);
	EXPECT(!ioctl(file, BLKZEROOUT, range));
	EXPECT(pread(file, buffer, 16384, 0) == 16384);
	EXPECT(buffer[4095] == 9 && !buffer[4096] && !buffer[12287] && buffer[12288] == 9);
	EXPECT(!ioctl(file, BLKDISCARD, range));
	EXPECT_ERROR(ioctl(reader, BLKDISCARD, range), EBADF);
	EXPECT_ERROR(ioctl(file, BLKDISCARD, (void *)16), EFAULT);
	range[0] = 100;
	EXPECT_ERROR(ioctl(file, BLKZEROOUT, range), EINVAL);
	range[0] = SIZE - 4096;
	EXPECT_ERROR(ioctl(file, BLKDISCARD, range), EINVAL);
	range[0] = UINT64_MAX - 511;
	EXPECT_ERROR(ioctl(file, BLKDISCARD, range), EINVAL);
	close(reader);
	close(file);
}

static void test_read_only(void)
{
	int file = disk_open(O_RDWR), value = 0;
	uint64_t range[2] = {0, 4096};

	EXPECT(!ioctl(file, BLKROGET, &value) && value == 1);
	EXPECT(pread(file, buffer, 4096, 0) == 4096);
	EXPECT_ERROR(pwrite(file, buffer, 4096, 0), EPERM);
	EXPECT_ERROR(ioctl(file, BLKDISCARD, range), EPERM);
	EXPECT_ERROR(ioctl(file, BLKZEROOUT, range), EPERM);
	EXPECT(!fsync(file));
	close(file);
}

/* Memory that is no RAM of the guest: a file of the root image. */
static void test_mapped(const char *name)
{
	int file = open(name, O_RDONLY), disk = disk_open(O_RDWR), direct;
	struct stat status;
	unsigned char *bytes;
	size_t length;

	direct = disk_open(O_RDWR | O_DIRECT);
	EXPECT(file >= 0 && !fstat(file, &status));
	length = (size_t)status.st_size < 200000 ? (size_t)status.st_size : 200000;
	bytes = mmap(NULL, length, PROT_READ, MAP_PRIVATE, file, 0);
	EXPECT(bytes != MAP_FAILED);
	EXPECT(pwrite(disk, bytes, length, 100) == (ssize_t)length);
	EXPECT(pread(disk, buffer, length, 100) == (ssize_t)length);
	EXPECT(!memcmp(buffer, bytes, length));
	EXPECT(pwrite(direct, bytes, 8192, 512) == 8192);
	EXPECT(pread(direct, buffer, 8192, 512) == 8192 && !memcmp(buffer, bytes, 8192));
	close(direct);
	close(disk);
	close(file);
}

/* The file is to have the disk's beginning then, though no instruction has stored it there. */
static void read_into(const char *name)
{
	int file = open(name, O_RDWR), direct = disk_open(O_RDONLY | O_DIRECT);
	volatile char *bytes = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

	EXPECT(bytes != MAP_FAILED && !bytes[0] && !bytes[4096]);
	EXPECT(pread(direct, (void *)bytes, 8192, 0) == 8192);
	EXPECT(!munmap((void *)bytes, 8192));
	close(direct);
	close(file);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	path = argv[1];
	buffer = aligned_alloc(4096, 1 << 20);
	if (argc == 4) {
		read_into(argv[3]);
		return failures > 0;
	}
	test_size();
	if (argc > 2 && !strcmp(argv[2], "ro")) {
		test_read_only();
	} else {
		test_end();
		test_pointers();
		test_direct();
		test_coherence();
		test_ranges();
		if (argc > 2)
			test_mapped(argv[2]);
	}
	return failures > 0;
}
