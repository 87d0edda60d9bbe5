/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot to be looked at by people: its pages with their kinds and names. */
#ifndef MOTE_VMM_PAGE_VIEW_H
#define MOTE_VMM_PAGE_VIEW_H

#include "vmm/page_names.h"

struct page_view {
	struct snapshot snapshot;
	uint64_t frames;       /* of RAM */
	struct page_use *uses; /* one for each */
	struct page_names names;
};

/* Whether a file begins as a snapshot does. */
bool page_view_is_snapshot(const char *path);

/**
 * page_view_open() - Open, read and verify a snapshot, and find out what its pages are.
 *
 * The pages are the caller's to read under lost_page_guard(). The end of the process closes it.
 */
int page_view_open(struct page_view *view, const char *path, struct mote_error *err);

/* Whether the file or one that it builds on has bytes for a page, and which one: its layer. */
bool page_view_find(const struct page_view *view, uint64_t frame, unsigned *layer);

/* Print text of a file, without anything that a terminal obeys. */
void page_view_print_text(const char *text, size_t length);

/* Print "NAME" or "NAME+0xOFFSET" for a page, "NAME.." where that begins in it; or nothing. */
void page_view_print_name(const struct page_view *view, uint64_t frame);

#endif
