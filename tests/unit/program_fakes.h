/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kit's program loader needs: a file that is the test's bytes, and an address space that
 * records and checks mappings. To be included once, before program.c.
 */
#ifndef MOTE_TESTS_PROGRAM_FAKES_H
#define MOTE_TESTS_PROGRAM_FAKES_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "guestkit/address_space.h"
#include "guestkit/libc-shim/vfs.h"
#include "guestkit/memory.h"
#include "guestkit/user.h"

#define FAKE_MAPPINGS_MAX 256
#define FAKE_LOW          0x20000000ul /* where what may lie anywhere comes to lie */

struct fake_mapping {
	uint64_t start, end, offset;
	uint32_t prot;
	bool is_of_file;
};

static const unsigned char *fake_bytes;
static size_t fake_size;
static struct fake_mapping fake_mappings[FAKE_MAPPINGS_MAX]; /* the first takes the whole range */
static size_t fake_mapping_count;
static uint64_t fake_zeroed; /* where user_zero() began last */
static bool fake_allows_wx;
static long fake_open_files, fake_blocks;

static int64_t fake_read_kit(struct file *file, void *buffer, size_t length, uint64_t *position)
{
	size_t part = *position < fake_size ? fake_size - *position : 0;

	(void)file;
	part = part < length ? part : length;
	if (part)
		memcpy(buffer, fake_bytes + *position, part);
	*position += part;
	return (int64_t)part;
}

static const struct file_ops fake_file_ops = {.read_kit = fake_read_kit};
static struct inode fake_inode = {.mode = S_IFREG | 0755};
static struct file fake_file = {.ops = &fake_file_ops, .inode = &fake_inode};

static inline struct file *fake_open(const void *bytes, size_t size)
{
	fake_bytes = bytes;
	fake_size = size;
	fake_mapping_count = 0;
	fake_zeroed = 0;
	fake_open_files++;
	return &fake_file;
}

int file_open(int dirfd, const char *path, uint32_t flags, uint32_t mode, struct file **opened)
{
	(void)dirfd, (void)path, (void)flags, (void)mode;
	*opened = fake_open(fake_bytes, fake_size);
	return 0;
}

void file_put(struct file *file)
{
	(void)file;
	fake_open_files--;
}

void *heap_alloc(size_t size)
{
	fake_blocks++;
	return calloc(1, size);
}

void heap_free(void *memory)
{
	fake_blocks -= memory != NULL;
	free(memory);
}

bool address_space_allows_wx(void)
{
	return fake_allows_wx;
}

/* Aborts where the loader asks for what the real one would refuse, or outside of what it took. */
int64_t address_space_map(uint64_t hint, uint64_t length, uint32_t prot, uint32_t flags,
                          struct file *file, uint64_t offset)
{
	bool is_fixed = flags & MAP_FIXED;
	uint64_t start = is_fixed || hint ? hint : FAKE_LOW;
	const struct fake_mapping *whole = &fake_mappings[0];

	if (!length || length % PAGE_SIZE || start % PAGE_SIZE || offset % PAGE_SIZE ||
	    length > MOTE_USER_END || offset + length < offset ||
	    fake_mapping_count == FAKE_MAPPINGS_MAX)
		abort();
	if (!fake_allows_wx && (prot & (PROT_WRITE | PROT_EXEC)) == (PROT_WRITE | PROT_EXEC))
		abort();
	if (fake_mapping_count && (start < whole->start || start + length > whole->end))
		abort();
	if (start < PAGE_SIZE || start > MOTE_USER_END - length)
		return -1; /* EPERM, ENOMEM */
	fake_mappings[fake_mapping_count++] =
	        (struct fake_mapping){start, start + length, offset, prot, file != NULL};
	return (int64_t)start;
}

int user_zero(uint64_t to, size_t length)
{
	fake_zeroed = to;
	if (length >= PAGE_SIZE || !fake_mapping_count)
		abort();
	return 0;
}

#endif
