/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mixed random load on a disk, checked against a copy in memory.
 *
 * usage: disk_load DISK SEED MIB    change DISK until MIB were moved; prints a checksum of what it
 *                                   should then hold
 *        disk_load sum FILE         prints the checksum of a file
 *
 * Exit status: 0; 1 where the disk is not what the copy is, or a call fails.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SECTOR   512u
#define LONGEST  (1u << 20)
#define ALIGN_TO 4096u

static int cached, direct;
static unsigned char *copy, *buffer;
static uint64_t size, state;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint64_t below(uint64_t limit)
{
	return next_random() % limit;
}

static void fail(const char *what, uint64_t offset, uint64_t length)
{
	printf("%s of %llu bytes at %llu: %s\n", what, (unsigned long long)length,
	       (unsigned long long)offset, strerror(errno));
	exit(1);
}

static uint64_t checksum(const unsigned char *bytes, uint64_t length)
{
	uint64_t sum = 14695981039346656037u, word;

	for (uint64_t at = 0; at + sizeof word <= length; at += sizeof word) {
		memcpy(&word, bytes + at, sizeof word);
		sum = (sum ^ word) * 1099511628211u;
		sum ^= sum >> 29;
	}
	return sum;
}

/* Mostly short pieces, at times long ones; of whole sectors if @is_whole. */
static void choose(uint64_t *offset, uint64_t *length, int is_whole)
{
	uint64_t most = below(8) ? 64 << 10 : LONGEST;

	*length = 1 + below(most);
	*offset = below(size);
	if (is_whole) {
		*length = (*length + SECTOR - 1) / SECTOR * SECTOR;
		*offset -= *offset % SECTOR;
	}
	if (*length > size - *offset)
		*length = size - *offset;
}

static void check(const char *what, uint64_t offset, uint64_t length)
{
	errno = EILSEQ;
	if (memcmp(buffer, copy + offset, length))
		fail(what, offset, length);
}

static void do_read(int file, int is_whole)
{
	uint64_t offset, length;

	choose(&offset, &length, is_whole);
	if (pread(file, buffer, length, (off_t)offset) != (ssize_t)length)
		fail("pread", offset, length);
	check(is_whole ? "direct read" : "read", offset, length);
}

static void do_write(int file, int is_whole)
{
	uint64_t offset, length;

	choose(&offset, &length, is_whole);
	for (uint64_t at = 0; at < length; at += 8) {
		uint64_t word = next_random();

		memcpy(buffer + at, &word, sizeof word);
	}
	if (pwrite(file, buffer, length, (off_t)offset) != (ssize_t)length)
		fail("pwrite", offset, length);
	memcpy(copy + offset, buffer, length);
}

/* What was discarded is what it was, or zeros; from then on it stays that. */
static void do_discard(void)
{
	uint64_t range[2];
	static const unsigned char zeros[SECTOR];

	choose(&range[0], &range[1], 1);
	if (ioctl(cached, BLKDISCARD, range))
		fail("BLKDISCARD", range[0], range[1]);
	if (pread(cached, buffer, range[1], (off_t)range[0]) != (ssize_t)range[1])
		fail("pread", range[0], range[1]);
	for (uint64_t at = 0; at < range[1]; at += SECTOR)
		if (!memcmp(buffer + at, zeros, SECTOR))
			memset(copy + range[0] + at, 0, SECTOR);
	check("discard", range[0], range[1]);
}

static void do_zero(void)
{
	uint64_t range[2];

	choose(&range[0], &range[1], 1);
	if (ioctl(cached, BLKZEROOUT, range))
		fail("BLKZEROOUT", range[0], range[1]);
	memset(copy + range[0], 0, range[1]);
}

static void do_sync(void)
{
	if (fsync(cached))
		fail("fsync", 0, 0);
}

/* Return: about how many bytes that was. */
static uint64_t do_something(void)
{
	switch (below(32)) {
	case 0: do_discard(); break;
	case 1: do_zero(); break;
	case 2: do_sync(); return 0;
	case 3 ... 10: do_read(cached, 0); break;
	case 11 ... 18: do_write(cached, 0); break;
	case 19 ... 25: do_read(direct, 1); break;
	default: do_write(direct, 1); break;
	}
	return 96 << 10;
}

/* The whole disk, once sequentially. */
static void check_all(void)
{
	if (lseek(cached, 0, SEEK_SET))
		fail("lseek", 0, 0);
	for (uint64_t at = 0; at < size;) {
		ssize_t got = read(cached, buffer, 10000);

		if (got <= 0)
			fail("read", at, 10000);
		check("last read", at, (uint64_t)got);
		at += (uint64_t)got;
	}
}

static int sum_file(const char *name)
{
	int file = open(name, O_RDONLY);
	off_t length = file < 0 ? -1 : lseek(file, 0, SEEK_END);
	unsigned char *bytes = length > 0 ? malloc((size_t)length) : NULL;

	for (off_t at = 0; bytes && at < length;) {
		ssize_t got = pread(file, bytes + at, (size_t)(length - at), at);

		if (got <= 0)
			return 1;
		at += got;
	}
	if (!bytes)
		return 1;
	printf("%016llx\n", (unsigned long long)checksum(bytes, (uint64_t)length));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3)
		return sum_file(argv[2]);
	if (argc != 4)
		return 2;
	cached = open(argv[1], O_RDWR);
	direct = open(argv[1], O_RDWR | O_DIRECT);
	if (cached < 0 || direct < 0 || ioctl(cached, BLKGETSIZE64, &size))
		fail("open", 0, 0);
	copy = malloc(size);
	buffer = aligned_alloc(ALIGN_TO, LONGEST + SECTOR);
	state = strtoull(argv[2], NULL, 0) * 2 + 1;
	if (!copy || !buffer || pread(cached, copy, size, 0) != (ssize_t)size)
		fail("first read", 0, size);
	for (uint64_t left = strtoull(argv[3], NULL, 0) << 20; left;) {
		uint64_t moved = do_something();

		left = moved < left ? left - moved : 0;
	}
	check_all();
	do_sync();
	printf("%016llx\n", (unsigned long long)checksum(copy, size));
	return 0;
}
