/* SPDX-License-Identifier: Apache-2.0 */
/* Radix tree of page frames. */
#include <linux/errno.h>
#include <stddef.h>

#include "guestkit/libc-shim/page_tree.h"
#include "guestkit/memory.h"

#define NODE_BITS  9
#define NODE_SLOTS (1u << NODE_BITS)

uint64_t page_tree_total;

/* Pages below a slot at @height. */
static uint64_t span(unsigned height)
{
	return 1ull << (NODE_BITS * height);
}

uint64_t page_tree_find(const struct page_tree *tree, uint64_t index)
{
	uint64_t slot = tree->root;

	if (index >= span(tree->height))
		return 0;
	for (unsigned height = tree->height; height && slot; height--) {
		const uint64_t *node = direct_map(slot);

		slot = node[(index / span(height - 1)) % NODE_SLOTS];
	}
	return slot;
}

uint64_t page_tree_next(const struct page_tree *tree, uint64_t index)
{
	while (index < span(tree->height)) {
		uint64_t slot = tree->root;
		unsigned height = tree->height;

		for (; height && slot; height--) {
			const uint64_t *node = direct_map(slot);

			slot = node[(index / span(height - 1)) % NODE_SLOTS];
		}
		if (slot)
			return index;
		index = (index & ~(span(height) - 1)) + span(height); /* nothing below that slot */
	}
	return UINT64_MAX;
}

int page_tree_insert(struct page_tree *tree, uint64_t index, uint64_t frame)
{
	while (index >= span(tree->height)) {
		if (tree->root) {
			uint64_t node = page_alloc_zeroed(1);

			if (!node)
				return -ENOSPC;
			*(uint64_t *)direct_map(node) = tree->root;
			tree->root = node;
		}
		tree->height++;
	}

	uint64_t *slot = &tree->root;

	for (unsigned height = tree->height; height; height--) {
		if (!*slot)
			*slot = page_alloc_zeroed(1);
		if (!*slot)
			return -ENOSPC;
		slot = (uint64_t *)direct_map(*slot) + (index / span(height - 1)) % NODE_SLOTS;
	}
	*slot = frame;
	tree->count++;
	page_tree_total++;
	return 0;
}

/* Free pages [first, end), counted from the first page below @slot. */
static void prune(struct page_tree *tree, uint64_t *slot, unsigned height, uint64_t first,
                  uint64_t end)
{
	if (!*slot)
		return;
	if (height) {
		uint64_t *node = direct_map(*slot);
		uint64_t below = span(height - 1);

		for (uint64_t i = first / below; i < NODE_SLOTS && i * below < end; i++) {
			uint64_t start = i * below;
			uint64_t stop = end - start < below ? end - start : below;

			prune(tree, &node[i], height - 1, first > start ? first - start : 0, stop);
		}
		if (first || end < span(height))
			return;
	} else {
		tree->count--;
		page_tree_total--;
	}
	page_free(*slot, 1);
	*slot = 0;
}

void page_tree_remove(struct page_tree *tree, uint64_t first, uint64_t end)
{
	uint64_t capacity = span(tree->height);

	if (end > capacity)
		end = capacity;
	if (first >= end)
		return;
	prune(tree, &tree->root, tree->height, first, end);
	if (!tree->root)
		tree->height = 0;
}
