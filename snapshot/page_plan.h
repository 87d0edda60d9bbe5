/* SPDX-License-Identifier: Apache-2.0 */
/* Which pages a new snapshot stores, and in which extents. */
#ifndef MOTE_SNAPSHOT_PAGE_PLAN_H
#define MOTE_SNAPSHOT_PAGE_PLAN_H

#include "snapshot/format.h"
#include "snapshot/snapshot_write.h"

#define PAGE_PLAN_GAP_MAX 255

struct page_plan {
	uint64_t frames;  /* of RAM */
	uint64_t *stored; /* a bit for each frame; the caller provides both, zeroed */
	uint64_t *hidden; /* zeros, where the base has something; NULL without a base */
	uint64_t pages;   /* stored */
	uint64_t runs;    /* that they make */
	/* Pages between two runs, by their number; longer ones are not counted. */
	uint64_t gaps[PAGE_PLAN_GAP_MAX + 1];
	uint64_t gap_max; /* gaps that are stored, too */
};

/* 64-bit words for a bit for each frame. */
static inline size_t page_plan_words(uint64_t frames)
{
	return (frames + 63) / 64;
}

/**
 * page_plan_scan() - Look at the candidates, and decide which are stored.
 *
 * To be called under lost_page_guard().
 */
void page_plan_scan(struct page_plan *plan, const struct snapshot_content *content);

/**
 * page_plan_extents() - Make the extents: by frame, without offsets.
 * @extents: room for as many as the call returns; NULL: only count
 * @pages:   that they store, gaps included
 */
size_t page_plan_extents(const struct page_plan *plan, struct snapshot_file_extent *extents,
                         uint64_t *pages);

#endif
