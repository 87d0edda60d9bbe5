/* SPDX-License-Identifier: Apache-2.0 */
/* Where each page lies, over all layers: what snapshot_read() makes. */
#ifndef MOTE_SNAPSHOT_INDEX_H
#define MOTE_SNAPSHOT_INDEX_H

#include "snapshot/format.h"

/**
 * index_add_layer() - Put the extents of the next lower layer under those that are there.
 * @file_extents: checked (snapshot_read()); those of zeros hide what lies lower
 *
 * Return: 0, or -1 when there is no memory.
 */
int index_add_layer(struct snapshot *snapshot, unsigned layer,
                    const struct snapshot_file_extent *file_extents, size_t count);

/* When all layers are in: forget the extents of zeros, which hide nothing any more. */
void index_drop_zeros(struct snapshot *snapshot);

/* The first extent that ends behind @gpa: its index, or extent_count. */
size_t index_first(const struct snapshot *snapshot, uint64_t gpa);

/* A part of a layer whose parts have been read; NULL: it is not there. */
static inline const void *layer_part(const struct snapshot_layer *layer, unsigned kind)
{
	const struct snapshot_part *part = &layer->header->parts[kind];

	return part->size ? layer->parts + (part->offset - SNAPSHOT_PARTS_OFFSET) : NULL;
}

#endif
