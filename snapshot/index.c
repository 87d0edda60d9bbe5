/* SPDX-License-Identifier: Apache-2.0 */
/* Lays the extents of several layers over each other, and finds pages in them. */
#include "snapshot/index.h"

#include <stdlib.h>

static uint64_t end_of(const struct snapshot_extent *extent)
{
	return extent->gpa + extent->pages * SNAPSHOT_PAGE;
}

/* The part of @extent that is [from, to); guest-physical. */
static struct snapshot_extent cut(const struct snapshot_extent *extent, uint64_t from, uint64_t to)
{
	return (struct snapshot_extent){
	        .gpa = from,
	        .pages = (to - from) / SNAPSHOT_PAGE,
	        .offset = extent->offset ? extent->offset + (from - extent->gpa) : 0,
	        .layer = extent->layer,
	};
}

static struct snapshot_extent from_file(const struct snapshot_file_extent *extent, unsigned layer)
{
	return (struct snapshot_extent){
	        .gpa = (uint64_t)extent->frame * SNAPSHOT_PAGE,
	        .pages = extent->pages,
	        .offset = extent->offset,
	        .layer = layer,
	};
}

int index_add_layer(struct snapshot *snapshot, unsigned layer,
                    const struct snapshot_file_extent *file_extents, size_t count)
{
	const struct snapshot_extent *upper = snapshot->extents;
	const struct snapshot_extent *upper_end = upper ? upper + snapshot->extent_count : NULL;
	/* Each upper one is copied, and cuts at most one lower one into two. */
	struct snapshot_extent *all =
	        malloc((2 * snapshot->extent_count + count + 1) * sizeof *all);
	struct snapshot_extent *next = all;

	if (!all)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct snapshot_extent lower = from_file(&file_extents[i], layer);
		uint64_t from = lower.gpa, end = end_of(&lower);

		while (upper < upper_end && upper->gpa < end) {
			if (from < upper->gpa)
				*next++ = cut(&lower, from, upper->gpa);
			if (from < end_of(upper))
				from = end_of(upper);
			if (from > end)
				break; /* it lies over the next lower one, too */
			*next++ = *upper++;
		}
		if (from < end)
			*next++ = cut(&lower, from, end);
	}
	while (upper < upper_end)
		*next++ = *upper++;
	free(snapshot->extents);
	snapshot->extents = all;
	snapshot->extent_count = (size_t)(next - all);
	return 0;
}

void index_drop_zeros(struct snapshot *snapshot)
{
	size_t kept = 0;

	for (size_t i = 0; i < snapshot->extent_count; i++)
		if (snapshot->extents[i].offset)
			snapshot->extents[kept++] = snapshot->extents[i];
	snapshot->extent_count = kept;
}

size_t index_first(const struct snapshot *snapshot, uint64_t gpa)
{
	size_t low = 0, high = snapshot->extent_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (gpa >= end_of(&snapshot->extents[middle]))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const unsigned char *snapshot_page(const struct snapshot *snapshot, uint64_t frame)
{
	static const unsigned char zeros[SNAPSHOT_PAGE] __attribute__((aligned(SNAPSHOT_PAGE)));
	uint64_t gpa = frame * SNAPSHOT_PAGE;
	size_t first = index_first(snapshot, gpa);
	const struct snapshot_extent *extent = &snapshot->extents[first];

	if (first == snapshot->extent_count || extent->gpa > gpa)
		return zeros;
	return snapshot->layers[extent->layer].bytes + extent->offset + (gpa - extent->gpa);
}
