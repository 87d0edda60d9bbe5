/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kit's heap: size classes by powers of two and three quarters of them, in pages of their own;
 * larger blocks are whole pages. Each block has a header that says where it came from.
 */
#include "guestkit/memory.h"
#include "guestkit/pages.h"
#include "guestkit/string.h"

#define HEADER    16
#define CLASSES   13
#define LARGE     0xffu
#define CLASS_MAX 2048 /* bytes with the header */

struct header {
	uint32_t class; /* index, or LARGE */
	uint32_t pages; /* of a large block */
	uint64_t size;  /* as asked for */
};
_Static_assert(sizeof(struct header) == HEADER, "blocks stay aligned");

struct free_block {
	struct free_block *next;
};

static const uint16_t class_size[CLASSES] = {32,  48,  64,  96,   128,  192,      256,
                                             384, 512, 768, 1024, 1536, CLASS_MAX};
static struct free_block *free_blocks[CLASSES];
/* The rest of the page that new small blocks are cut from; a start needs no other than the first.
 */
static KIT_FIRST(1) _Alignas(16) unsigned char first_page[PAGE_SIZE];
static unsigned char *fresh = first_page;
static size_t fresh_bytes = sizeof first_page;

static unsigned find_class(size_t size)
{
	unsigned class = 0;

	while (class_size[class] < size)
		class ++;
	return class;
}

static void *alloc_large(size_t size)
{
	size_t count = (size + HEADER + PAGE_SIZE - 1) / PAGE_SIZE;
	uint64_t physical = page_alloc_zeroed(count);
	struct header *header;

	if (!physical)
		return NULL;
	header = direct_map(physical);
	*header = (struct header){.class = LARGE, .pages = (uint32_t)count, .size = size};
	return header + 1;
}

static void *take_small(unsigned class)
{
	struct free_block *block = free_blocks[class];

	if (block) {
		free_blocks[class] = block->next;
		return block;
	}
	if (fresh_bytes < class_size[class]) {
		uint64_t physical = page_alloc(1);

		if (!physical)
			return NULL;
		fresh = direct_map(physical);
		fresh_bytes = PAGE_SIZE;
	}
	block = (void *)fresh;
	fresh += class_size[class];
	fresh_bytes -= class_size[class];
	return block;
}

void *heap_alloc(size_t size)
{
	struct header *header;
	unsigned class;

	if (size > (1UL << 32))
		return NULL;
	if (size + HEADER > CLASS_MAX)
		return alloc_large(size);
	class = find_class(size + HEADER);
	header = take_small(class);
	if (!header)
		return NULL;
	memset(header, 0, class_size[class]);
	*header = (struct header){.class = class, .size = size};
	return header + 1;
}

void heap_free(void *memory)
{
	struct header *header = memory;
	struct free_block *block;
	unsigned class;

	if (!memory)
		return;
	header--;
	class = header->class;
	if (class == LARGE) {
		page_free(direct_physical(header), header->pages);
		return;
	}
	block = (void *)header;
	block->next = free_blocks[class];
	free_blocks[class] = block;
}

void *heap_resize(void *old, size_t size)
{
	struct header *header = old;
	size_t room;
	void *new;

	if (!old)
		return heap_alloc(size);
	if (size > SIZE_MAX - HEADER)
		return NULL;
	header--;
	room = header->class == LARGE ? header->pages * PAGE_SIZE : class_size[header->class];
	if (size + HEADER <= room) {
		if (size < header->size)
			memset((unsigned char *)old + size, 0, header->size - size);
		header->size = size;
		return old;
	}
	new = heap_alloc(size);
	if (!new)
		return NULL;
	memcpy(new, old, header->size < size ? header->size : size);
	heap_free(old);
	return new;
}
