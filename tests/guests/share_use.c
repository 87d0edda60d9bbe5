/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What programs do with files on a share; the host looks at what is left.
 *
 * usage: share_use map                mappings of files, private and shared
 *        share_use objects COUNT      files as git writes them: temporary, then under their name
 *        share_use change FILE       adds up a file through a mapping, and changes a byte in each
 * 64 KiB share_use count FILE TIMES   adds one to the number in a file, under a lock share_use
 * sleep FILE         holds a lock on a file until stdin ends
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECK(condition)                                                                         \
	do {                                                                                     \
		if (!(condition)) {                                                              \
			printf("line %d: not so: %s (errno %d)\n", __LINE__, #condition, errno); \
			exit(1);                                                                 \
		}                                                                                \
	} while (0)

static char *map_shared(const char *name, int flags, int *fd, size_t size)
{
	char *mapped;

	*fd = open(name, O_RDWR | O_CREAT | O_TRUNC | flags, 0644);
	CHECK(*fd >= 0 && ftruncate(*fd, (off_t)size) == 0);
	mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	CHECK(mapped != MAP_FAILED);
	return mapped;
}

static void use_mappings(void)
{
	char buffer[16], *shared, *other, *private;
	int fd;

	/* What is written through a mapping is what read gives, and the other way round. */
	shared = map_shared("map", 0, &fd, 40960);
	strcpy(shared, "first");
	strcpy(shared + 8192, "third");
	CHECK(shared[4096] == 0);
	CHECK(pread(fd, buffer, 5, 0) == 5 && !memcmp(buffer, "first", 5));
	CHECK(msync(shared, 40960, MS_SYNC) == 0);
	/* Again, after it was written back. */
	shared[0] = 'F';
	CHECK(pwrite(fd, "X", 1, 1) == 1 && shared[1] == 'X');
	private = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(private != MAP_FAILED && private[1] == 'X');
	private[0] = 'p';
	CHECK(shared[0] == 'F');
	CHECK(munmap(shared, 40960) == 0);
	CHECK(pread(fd, buffer, 5, 0) == 5 && !memcmp(buffer, "FXrst", 5));

	/* Cut while it is mapped, and made longer: zeros. */
	shared = map_shared("cut", 0, &fd, 8192);
	memset(shared, 'x', 8192);
	CHECK(ftruncate(fd, 100) == 0 && ftruncate(fd, 4096) == 0);
	CHECK(shared[99] == 'x' && shared[100] == 0 && shared[4095] == 0);
	CHECK(madvise(shared, 4096, MADV_DONTNEED) == 0 && shared[99] == 'x');

	/* A file that is only appended to; and mappings that the end of the program writes back. */
	shared = map_shared("end", O_APPEND, &fd, 0 + 10);
	CHECK(write(fd, "abc", 3) == 3 && shared[10] == 'a');
	shared[3] = '#';
	CHECK(fsync(fd) == 0);
	CHECK(write(fd, "def", 3) == 3 && shared[13] == 'd');
	other = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(other != MAP_FAILED && other[3] == '#');
	other[4] = '+';
	CHECK(shared[4] == '+');
	puts("ok");
}

static void write_all(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	CHECK(fsync(fd) == 0 && close(fd) == 0);
}

static void write_objects(int count)
{
	char folder[32], temporary[64], name[64], text[64];

	for (int i = 0; i < count; i++) {
		snprintf(folder, sizeof folder, "objects/%02x", i * 37 % 256);
		snprintf(temporary, sizeof temporary, "%s/tmp_obj_%d", folder, i);
		snprintf(name, sizeof name, "%s/%06d", folder, i);
		snprintf(text, sizeof text, "object %d\n", i);
		CHECK(mkdir("objects", 0777) == 0 || errno == EEXIST);
		CHECK(mkdir(folder, 0777) == 0 || errno == EEXIST);
		write_all(temporary, text);
		CHECK(link(temporary, name) == 0 && unlink(temporary) == 0);
		CHECK(chmod(name, 0444) == 0);
		write_all("index.lock", text);
		CHECK(rename("index.lock", "index") == 0);
		CHECK(access("index.lock", F_OK) == -1 && errno == ENOENT);
	}
	puts("ok");
}

static void change(const char *name)
{
	int fd = open(name, O_RDWR);
	unsigned long sum = 0;
	volatile unsigned char *mapped;
	struct stat status;

	CHECK(fd >= 0 && fstat(fd, &status) == 0);
	mapped = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(mapped != MAP_FAILED);
	for (off_t at = 0; at < status.st_size; at += 512) {
		sum += mapped[at];
		if (at % 65536 == 0)
			mapped[at] ^= 0xff;
	}
	printf("%lu\n", sum);
}

static void count_up(const char *name, int times)
{
	for (int i = 0; i < times; i++) {
		struct flock lock = {.l_type = F_WRLCK};
		char text[32] = "";
		int fd = open(name, O_RDWR);
		ssize_t length;

		CHECK(fd >= 0 && fcntl(fd, F_SETLKW, &lock) == 0);
		CHECK(pread(fd, text, sizeof text - 1, 0) > 0);
		length = snprintf(text, sizeof text, "%08d\n", atoi(text) + 1);
		CHECK(pwrite(fd, text, (size_t)length, 0) == length && close(fd) == 0);
	}
	puts("ok");
}

static void hold(const char *name)
{
	int fd = open(name, O_RDWR);
	char byte;

	CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
	puts("locked");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "map"))
		use_mappings();
	else if (argc == 3 && !strcmp(argv[1], "objects"))
		write_objects(atoi(argv[2]));
	else if (argc == 3 && !strcmp(argv[1], "change"))
		change(argv[2]);
	else if (argc == 4 && !strcmp(argv[1], "count"))
		count_up(argv[2], atoi(argv[3]));
	else if (argc == 3 && !strcmp(argv[1], "sleep"))
		hold(argv[2]);
	else
		return 2;
	return 0;
}
