/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for lwIP: packets and control blocks. Unlike the kit's heap it is not zeroed, and all of
 * it lies in the direct map, where devices find it. Small blocks are cut from pages by powers of
 * two, larger ones are whole pages; each has a header that says which. The functions are those that
 * lwip/mem.h declares.
 */
#include "guestkit/memory.h"
#include "guestkit/net/net.h"
#include "guestkit/string.h"
#include "lwip/mem.h"

#define HEADER     16
#define CLASSES    6
#define CLASS_MIN  64u /* bytes with the header */
#define CLASS_MAX  (CLASS_MIN << (CLASSES - 1))
#define LARGE      0xffu
#define SIZE_LIMIT (1ul << 20)

struct header {
	uint32_t class; /* index, or LARGE */
	uint32_t pages; /* of a large block */
	uint64_t unused;
};
_Static_assert(sizeof(struct header) == HEADER, "blocks stay aligned");

struct free_block {
	struct free_block *next;
};

static struct free_block *free_blocks[CLASSES];
static size_t pages_taken;

/*
 * What programs have under way must not take the memory that they run in. Large blocks, which are
 * data, get up to a quarter of it; small ones, of which there is no connection without, a little
 * more. Half of that is for blocks of one page, too, which is the least that a connection can have
 * under way.
 */
static size_t page_limit(void)
{
	return page_total_count() / 4;
}

static size_t page_limit_of_small(void)
{
	return page_limit() + page_limit() / 4;
}

static size_t page_limit_of_large(size_t count)
{
	return count == 1 ? page_limit() + page_limit() / 8 : page_limit();
}

bool net_memory_is_short(void)
{
	return pages_taken >= page_limit() / 8 * 7;
}

static uint64_t take_pages(size_t count, size_t limit)
{
	uint64_t physical = pages_taken + count <= limit ? page_alloc(count) : 0;

	if (physical)
		pages_taken += count;
	return physical;
}

static unsigned find_class(size_t size)
{
	unsigned class = 0;

	while (CLASS_MIN << class < size)
		class ++;
	return class;
}

/* Cut a page into blocks of a class. */
static bool refill(unsigned class)
{
	uint64_t physical = take_pages(1, page_limit_of_small());
	unsigned char *page = direct_map(physical);

	if (!physical)
		return false;
	for (size_t at = PAGE_SIZE; at; at -= CLASS_MIN << class) {
		struct free_block *block = (void *)(page + at - (CLASS_MIN << class));

		block->next = free_blocks[class];
		free_blocks[class] = block;
	}
	return true;
}

static void *take_large(size_t size)
{
	size_t count = (size + PAGE_SIZE - 1) / PAGE_SIZE;
	uint64_t physical = take_pages(count, page_limit_of_large(count));
	struct header *header;

	if (!physical)
		return NULL;
	header = direct_map(physical);
	*header = (struct header){.class = LARGE, .pages = (uint32_t)count};
	return header + 1;
}

void *mem_malloc(mem_size_t size)
{
	struct free_block *block;
	struct header *header;
	unsigned class;

	if (size > SIZE_LIMIT)
		return NULL;
	size += HEADER;
	if (size > CLASS_MAX)
		return take_large(size);
	class = find_class(size);
	if (!free_blocks[class] && !refill(class))
		return NULL;
	block = free_blocks[class];
	free_blocks[class] = block->next;
	header = (void *)block;
	*header = (struct header){.class = class};
	return header + 1;
}

void *mem_calloc(mem_size_t count, mem_size_t size)
{
	void *memory = NULL;

	if (!__builtin_mul_overflow(count, size, &size))
		memory = mem_malloc(size);
	if (memory)
		memset(memory, 0, size);
	return memory;
}

void mem_free(void *memory)
{
	struct header *header = memory;
	struct free_block *block;
	unsigned class;

	if (!memory)
		return;
	header--;
	class = header->class;
	if (class == LARGE) {
		pages_taken -= header->pages;
		page_free(direct_physical(header), header->pages);
		return;
	}
	block = (void *)header;
	block->next = free_blocks[class];
	free_blocks[class] = block;
}

/* Blocks keep their size: what is cut off one is little, and soon free. */
void *mem_trim(void *memory, mem_size_t size)
{
	(void)size;
	return memory;
}

void mem_init(void)
{
}
