/* SPDX-License-Identifier: Apache-2.0 */
/* The frames of a file in memory, by page index: a radix tree, so that holes cost nothing. */
#ifndef MOTE_LIBC_SHIM_PAGE_TREE_H
#define MOTE_LIBC_SHIM_PAGE_TREE_H

#include <stdint.h>

/* Zeroed: empty. */
struct page_tree {
	uint64_t root;  /* height 0: the frame of page 0; else a node: 512 roots of height - 1 */
	uint64_t count; /* frames held, nodes not counted */
	unsigned height;
};

/* Frames that all trees hold. */
extern uint64_t page_tree_total;

/* Frame of a page, or 0. */
uint64_t page_tree_find(const struct page_tree *tree, uint64_t index);

/* First page from @index on that has a frame, or UINT64_MAX. */
uint64_t page_tree_next(const struct page_tree *tree, uint64_t index);

/* Put a frame, owned by the tree from then on, where there is none. Return: 0 or -ENOSPC. */
int page_tree_insert(struct page_tree *tree, uint64_t index, uint64_t frame);

/* Free the frames of pages [first, end). */
void page_tree_remove(struct page_tree *tree, uint64_t first, uint64_t end);

#endif
