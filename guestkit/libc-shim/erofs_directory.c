/* SPDX-License-Identifier: Apache-2.0 */
/* Reader of EROFS images: directories, on top of the file data that erofs.c finds. */
#include "erofs.h"
#include "erofs_format.h"

#if __STDC_HOSTED__
#include <errno.h>
#include <string.h>
#else
#include "guestkit/string.h"
#include <linux/errno.h>
#endif

/* A block of a directory. */
struct block {
	const unsigned char *bytes;
	uint32_t length; /* of the bytes that belong to the directory */
	uint32_t count;  /* entries, at least 1 */
};

/* Finds block @number of a directory and checks how many entries it claims. */
static int block_load(const struct erofs *fs, const struct erofs_inode *dir, uint64_t number,
                      struct block *block)
{
	uint64_t offset = number << fs->block_bits;
	uint64_t left = dir->size - offset;
	uint64_t length;
	struct erofs_disk_dirent first;

	block->length = left < fs->block_size ? (uint32_t)left : fs->block_size;
	block->bytes = erofs_span(fs, dir, offset, block->length, &length);
	if (!block->bytes || length < block->length || length < sizeof(first))
		return -EUCLEAN;
	memcpy(&first, block->bytes, sizeof(first));
	if (first.name_offset < sizeof(first) || first.name_offset % sizeof(first) ||
	    first.name_offset >= block->length)
		return -EUCLEAN;
	block->count = first.name_offset / sizeof(first);
	return 0;
}

/* Reads entry @index of a block: its name lies behind the entries and before the next name. */
static int block_entry(const struct block *block, uint32_t index, struct erofs_dirent *out)
{
	static const uint8_t types[] = {
	        [EROFS_TYPE_UNKNOWN] = 0,   /* DT_UNKNOWN */
	        [EROFS_TYPE_REGULAR] = 8,   /* DT_REG */
	        [EROFS_TYPE_DIRECTORY] = 4, /* DT_DIR */
	        [EROFS_TYPE_CHARACTER] = 2, /* DT_CHR */
	        [EROFS_TYPE_BLOCK] = 6,     /* DT_BLK */
	        [EROFS_TYPE_FIFO] = 1,      /* DT_FIFO */
	        [EROFS_TYPE_SOCKET] = 12,   /* DT_SOCK */
	        [EROFS_TYPE_SYMLINK] = 10,  /* DT_LNK */
	};
	struct erofs_disk_dirent entry, next;
	const unsigned char *at = block->bytes + index * sizeof(entry);
	uint32_t length, end = block->length;

	memcpy(&entry, at, sizeof(entry));
	if (index + 1 < block->count) {
		memcpy(&next, at + sizeof(next), sizeof(next));
		end = next.name_offset;
	}
	if (entry.name_offset < block->count * sizeof(entry) || entry.name_offset >= end ||
	    end > block->length)
		return -EUCLEAN;
	length = end - entry.name_offset;
	if (index + 1 == block->count) {
		length = 0;
		while (entry.name_offset + length < end && block->bytes[entry.name_offset + length])
			length++;
	}
	if (length == 0 || length > EROFS_NAME_MAX)
		return -EUCLEAN;
	out->nid = entry.nid;
	out->name = (const char *)block->bytes + entry.name_offset;
	out->name_length = (uint16_t)length;
	out->type = entry.type < sizeof(types) ? types[entry.type] : types[EROFS_TYPE_UNKNOWN];
	return 0;
}

/* Orders as the format does: by bytes, and a prefix before what it begins. */
static int name_compare(const char *name, size_t length, const struct erofs_dirent *entry)
{
	size_t common = length < entry->name_length ? length : entry->name_length;
	int order = memcmp(name, entry->name, common);

	if (order)
		return order;
	return length < entry->name_length ? -1 : length > entry->name_length;
}

static uint64_t block_total(const struct erofs *fs, const struct erofs_inode *dir)
{
	return (dir->size >> fs->block_bits) + ((dir->size & (fs->block_size - 1)) != 0);
}

static int is_directory(const struct erofs_inode *inode)
{
	return (inode->mode & EROFS_MODE_TYPE) == EROFS_MODE_DIRECTORY;
}

/* Finds the block to look in: the last whose first name is not above the one wanted. */
static int find_block(const struct erofs *fs, const struct erofs_inode *dir, const char *name,
                      size_t length, struct block *block)
{
	uint64_t low = 0, high = block_total(fs, dir);
	struct erofs_dirent first;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		int error = block_load(fs, dir, middle, block);

		if (!error)
			error = block_entry(block, 0, &first);
		if (error)
			return error;
		if (name_compare(name, length, &first) < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low == 0 ? -ENOENT : block_load(fs, dir, low - 1, block);
}

int erofs_lookup(const struct erofs *fs, const struct erofs_inode *dir, const char *name,
                 size_t length, uint64_t *nid, uint8_t *type)
{
	struct block block;
	uint32_t low = 0, high;
	int error;

	if (!is_directory(dir))
		return -ENOTDIR;
	if (length > EROFS_NAME_MAX)
		return -ENAMETOOLONG;
	error = find_block(fs, dir, name, length, &block);
	if (error)
		return error;
	high = block.count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		struct erofs_dirent entry;
		int order;

		error = block_entry(&block, middle, &entry);
		if (error)
			return error;
		order = name_compare(name, length, &entry);
		if (order == 0) {
			*nid = entry.nid;
			if (type)
				*type = entry.type;
			return 0;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -ENOENT;
}

/* A name with a slash would lead a program that walks the tree out of it. */
static int is_safe_name(const struct erofs_dirent *entry)
{
	for (uint32_t i = 0; i < entry->name_length; i++) {
		if (entry->name[i] == '\0' || entry->name[i] == '/')
			return 0;
	}
	return 1;
}

int erofs_readdir(const struct erofs *fs, const struct erofs_inode *dir, uint64_t *cookie,
                  struct erofs_dirent *out)
{
	const uint32_t step = sizeof(struct erofs_disk_dirent);
	uint64_t number = *cookie >> fs->block_bits;
	uint32_t index = ((uint32_t)(*cookie & (fs->block_size - 1)) + step - 1) / step;

	if (!is_directory(dir))
		return -ENOTDIR;
	/* The cookie is the entry's offset in the directory; past a block's last one, the next. */
	for (; number < block_total(fs, dir); number++, index = 0) {
		struct block block;
		int error = block_load(fs, dir, number, &block);

		if (error)
			return error;
		if (index >= block.count)
			continue;
		error = block_entry(&block, index, out);
		if (error)
			return error;
		if (!is_safe_name(out))
			return -EUCLEAN;
		*cookie = (number << fs->block_bits) + (index + 1) * step;
		return 1;
	}
	return 0;
}
