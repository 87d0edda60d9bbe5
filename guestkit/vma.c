/* SPDX-License-Identifier: Apache-2.0 */
/* The list of the application's mappings: a sorted array without overlaps. */
#include "guestkit/vma.h"

#include <linux/errno.h>

#include "guestkit/libc-shim/vfs.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"

#define VMA_MAX 65530 /* as Linux's vm.max_map_count */

static struct {
	struct vma *list;
	size_t count;
	size_t room;
} vmas;

const struct vma *vma_at(size_t index)
{
	return &vmas.list[index];
}

size_t vma_count(void)
{
	return vmas.count;
}

size_t vma_index(uint64_t address)
{
	size_t low = 0, high = vmas.count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (vmas.list[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct vma *vma_find(uint64_t address)
{
	size_t index = vma_index(address);

	return index < vmas.count && vmas.list[index].start <= address ? &vmas.list[index] : NULL;
}

bool vma_overlaps(uint64_t start, uint64_t end)
{
	size_t index = vma_index(start);

	return index < vmas.count && vmas.list[index].start < end;
}

bool vma_covers(uint64_t start, uint64_t end)
{
	for (size_t i = vma_index(start); start < end; i++) {
		if (i >= vmas.count || vmas.list[i].start > start)
			return false;
		start = vmas.list[i].end;
	}
	return true;
}

int vma_reserve(size_t count)
{
	struct vma *list;
	size_t room = vmas.room ? vmas.room : 16;

	if (vmas.count + count > VMA_MAX)
		return -ENOMEM;
	while (room < vmas.count + count)
		room *= 2;
	if (room == vmas.room)
		return 0;
	list = heap_resize(vmas.list, room * sizeof *list);
	if (!list)
		return -ENOMEM;
	vmas.list = list;
	vmas.room = room;
	return 0;
}

static bool can_join(const struct vma *left, const struct vma *right)
{
	return left->end == right->start && left->prot == right->prot &&
	       left->flags == right->flags && left->file == right->file &&
	       (!left->file || left->offset + (left->end - left->start) == right->offset);
}

static void delete_at(size_t index, size_t count)
{
	memmove(&vmas.list[index], &vmas.list[index + count],
	        (vmas.count - index - count) * sizeof vmas.list[0]);
	vmas.count -= count;
}

/* Join the mapping at @index with the one after it, if they are alike. */
static void join_at(size_t index)
{
	if (index + 1 >= vmas.count || !can_join(&vmas.list[index], &vmas.list[index + 1]))
		return;
	vmas.list[index].end = vmas.list[index + 1].end;
	if (vmas.list[index + 1].file)
		file_put(vmas.list[index + 1].file);
	delete_at(index + 1, 1);
}

static void insert_at(size_t index, const struct vma *vma)
{
	memmove(&vmas.list[index + 1], &vmas.list[index],
	        (vmas.count - index) * sizeof vmas.list[0]);
	vmas.list[index] = *vma;
	vmas.count++;
}

int vma_insert(const struct vma *vma)
{
	size_t index = vma_index(vma->start);
	int status = vma_reserve(1);

	if (status)
		return status;
	insert_at(index, vma);
	join_at(index);
	if (index)
		join_at(index - 1);
	return 0;
}

void vma_split(uint64_t address)
{
	size_t index = vma_index(address);
	struct vma upper;

	if (index == vmas.count || vmas.list[index].start >= address)
		return;
	upper = vmas.list[index];
	upper.offset += upper.file ? address - upper.start : 0;
	upper.start = address;
	vmas.list[index].end = address;
	if (upper.file)
		file_get(upper.file);
	insert_at(index + 1, &upper);
}

void vma_remove(uint64_t start, uint64_t end)
{
	size_t first = vma_index(start);
	size_t last = first;

	while (last < vmas.count && vmas.list[last].start < end) {
		if (vmas.list[last].file)
			file_put(vmas.list[last].file);
		last++;
	}
	delete_at(first, last - first);
}

void vma_set_prot(uint64_t start, uint64_t end, uint32_t prot)
{
	size_t first = vma_index(start);
	size_t index = first;

	while (index < vmas.count && vmas.list[index].start < end)
		vmas.list[index++].prot = prot;
	/* From the right, so that indices to the left stay valid. */
	for (; index > first; index--)
		join_at(index - 1);
	if (first)
		join_at(first - 1);
}

uint64_t vma_find_free(uint64_t length, uint64_t limit, uint64_t align)
{
	size_t index = vma_index(limit - 1);
	uint64_t top = limit;

	/* Walk down over the gaps: gap [end of the mapping below, top). */
	for (;;) {
		uint64_t bottom;

		if (index < vmas.count && vmas.list[index].start < top)
			top = vmas.list[index].start;
		bottom = index ? vmas.list[index - 1].end : PAGE_SIZE * 16;
		if (top > bottom && top - bottom >= length) {
			uint64_t at = (top - length) & ~(align - 1);

			if (at >= bottom)
				return at;
		}
		if (!index)
			return 0;
		index--;
	}
}

uint64_t vma_total(void)
{
	uint64_t total = 0;

	for (size_t i = 0; i < vmas.count; i++)
		total += vmas.list[i].end - vmas.list[i].start;
	return total;
}
