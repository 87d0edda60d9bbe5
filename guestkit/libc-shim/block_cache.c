/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was read of a disk, and what is likely to be read next.
 *
 * How it works. An exit costs as much as copying a quarter of a megabyte, and the host has a page
 * cache, so this one holds little: a few windows, each a contiguous piece of the disk. A read
 * behind the end of a window continues it, twice as long each time; any other takes the window that
 * was used least recently, and reads what was asked for. Writes go to the disk at once, so that
 * windows never have anything that it lacks.
 */
#include "guestkit/libc-shim/block_cache.h"

#include <linux/errno.h>
#include <stdbool.h>

#include "guestkit/memory.h"
#include "guestkit/string.h"

#define WINDOWS 4

struct window {
	uint64_t start, end; /* bytes of the disk; equal: nothing */
	uint64_t used;       /* the cache's clock at its last use */
	size_t capacity;
	unsigned char *data;
};

struct block_cache {
	uint64_t clock;
	struct window windows[WINDOWS];
};

static struct block_cache *cache_of(struct block_disk *disk)
{
	if (!disk->cache)
		disk->cache = heap_alloc(sizeof *disk->cache);
	return disk->cache;
}

static struct window *find(struct block_cache *cache, uint64_t offset)
{
	for (unsigned i = 0; i < WINDOWS; i++)
		if (cache->windows[i].start <= offset && offset < cache->windows[i].end)
			return &cache->windows[i];
	return NULL;
}

/* The window to read into: the one that @offset continues, or the oldest. */
static struct window *choose(struct block_cache *cache, uint64_t offset, bool *continues)
{
	struct window *oldest = &cache->windows[0];

	*continues = true;
	for (unsigned i = 0; i < WINDOWS; i++) {
		struct window *window = &cache->windows[i];

		if (window->end == offset && window->end > window->start)
			return window;
		if (window->used < oldest->used)
			oldest = window;
	}
	*continues = false;
	return oldest;
}

/* Frames that nobody touches cost nothing: all windows are as long as the longest may be. */
static bool has_memory(struct window *window, uint32_t block)
{
	size_t size = BLOCK_WINDOW_MAX;

	while (!window->data && size >= block && size >= PAGE_SIZE) {
		window->data = heap_alloc(size);
		window->capacity = size;
		size /= 2;
	}
	return window->data;
}

static int fill(struct block_disk *disk, struct window *window, uint64_t start, uint64_t size)
{
	int status;

	window->start = window->end = 0;
	status = block_transfer(disk, false, start / BLOCK_SECTOR, window->data, size);
	if (status)
		return status;
	window->start = start;
	window->end = start + size;
	return 0;
}

int64_t block_cache_get(struct block_disk *disk, uint64_t offset, size_t wanted,
                        const unsigned char **bytes)
{
	struct block_cache *cache = cache_of(disk);
	struct window *window = cache ? find(cache, offset) : NULL;
	uint64_t block = disk->logical_size > PAGE_SIZE ? disk->logical_size : PAGE_SIZE;
	uint64_t start, size, left;
	bool continues;
	int status;

	if (!cache)
		return -ENOMEM;
	if (!window) {
		window = choose(cache, offset, &continues);
		if (!has_memory(window, disk->logical_size))
			return -ENOMEM;
		start = offset - offset % block;
		left = disk->sectors * BLOCK_SECTOR - start;
		size = continues ? 2 * (window->end - window->start) : 0;
		if (wanted > BLOCK_WINDOW_MAX)
			wanted = BLOCK_WINDOW_MAX;
		if (size < wanted + (offset - start))
			size = (wanted + (offset - start) + block - 1) / block * block;
		size = size < window->capacity ? size : window->capacity;
		size = size < left ? size : left;
		status = fill(disk, window, start, size);
		/* Was it what nobody asked for that cannot be read? */
		if (status == -EIO && size > disk->logical_size)
			status = fill(disk, window, offset - offset % disk->logical_size,
			              disk->logical_size);
		if (status)
			return status;
	}
	window->used = ++cache->clock;
	*bytes = window->data + (offset - window->start);
	return (int64_t)(window->end - offset);
}

void block_cache_store(struct block_disk *disk, uint64_t offset, const unsigned char *bytes,
                       size_t length)
{
	for (unsigned i = 0; disk->cache && i < WINDOWS; i++) {
		struct window *window = &disk->cache->windows[i];
		uint64_t start = offset > window->start ? offset : window->start;
		uint64_t end = offset + length < window->end ? offset + length : window->end;

		if (start < end)
			memcpy(window->data + (start - window->start), bytes + (start - offset),
			       end - start);
	}
}

/* What a window has behind the piece stays, if the piece is its beginning; else what is before. */
void block_cache_forget(struct block_disk *disk, uint64_t start, uint64_t end)
{
	for (unsigned i = 0; disk->cache && i < WINDOWS; i++) {
		struct window *window = &disk->cache->windows[i];

		if (start >= window->end || end <= window->start)
			continue;
		if (start > window->start) {
			window->end = start;
		} else if (end < window->end) {
			memmove(window->data, window->data + (end - window->start),
			        window->end - end);
			window->start = end;
		} else {
			window->start = window->end = 0;
		}
	}
}

void block_cache_drop(struct block_disk *disk)
{
	if (!disk->cache)
		return;
	for (unsigned i = 0; i < WINDOWS; i++)
		heap_free(disk->cache->windows[i].data);
	heap_free(disk->cache);
	disk->cache = NULL;
}
