/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that a program has much of, in 2 MiB pages, before a snapshot.
 *
 * How it works
 *
 * A start from a snapshot touches what the program has, page by page, and each page is a fault in
 * KVM. Of a program that runs, most memory was taken in small pieces, a few hundred KiB at a time,
 * so its frames lie anywhere. A snapshot is the moment to move them: what fills 2 MiB goes to
 * frames in a row, behind one entry. Then the VMM can put 2 MiB into place by one page of the
 * host's, KVM maps it at one fault, and the CPU needs one entry of its TLB for it.
 *
 * Only whole 2 MiB inside one mapping are moved. So a huge page never lies under two of them, nor
 * under memory that is mapped ahead, and a request that begins with a reset unmaps what it has
 * mapped without a huge page to split.
 */
#include "guestkit/gather.h"

#include <linux/mman.h>

#include "guestkit/page_table.h"
#include "guestkit/pages.h"
#include "guestkit/vma.h"

#define GATHER_MOST  16 /* 2 MiB pages: moving one takes a millisecond */
#define GATHER_SHARE 16 /* of free memory, no more than that for one */

void gather_memory(void)
{
	static bool is_done;
	unsigned left = GATHER_MOST;

	/* A second time, bytes would move that a snapshot may have already, as the base of this
	 * one. */
	if (is_done)
		return;
	is_done = true;
	for (size_t i = 0; i < vma_count(); i++) {
		const struct vma *vma = vma_at(i);
		uint64_t va = (vma->start + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1);

		if (vma->file || vma->flags & (MAP_SHARED | VMA_STACK | VMA_IMAGE))
			continue;
		for (; va + HUGE_SIZE <= vma->end; va += HUGE_SIZE) {
			if (!left || page_free_count() / GATHER_SHARE < HUGE_PAGES)
				return;
			left -= page_table_gather(va);
		}
	}
}
