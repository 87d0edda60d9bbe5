/* SPDX-License-Identifier: Apache-2.0 */
/* Shared mappings of files whose frames are copies: what was written through them goes back. */
#ifndef MOTE_GUESTKIT_WRITE_BACK_H
#define MOTE_GUESTKIT_WRITE_BACK_H

#include <linux/mman.h>
#include <stdbool.h>
#include <stdint.h>

#include "guestkit/libc-shim/vfs.h"
#include "guestkit/vma.h"

/* There was such a mapping: there may be something to do. */
extern bool write_back_is_needed;

/* Is this a mapping whose entries have to begin without PTE_DIRTY? */
static inline bool write_back_is_for(const struct vma *vma)
{
	return vma->file && vma->flags & MAP_SHARED && vma->file->ops->write_back;
}

/* A mapping was made. */
static inline void write_back_mapped(const struct vma *vma)
{
	write_back_is_needed |= write_back_is_for(vma);
}

/* Entries of [start, end) may be taken away afterwards: 0, or the first error of a file system. */
int write_back_range(uint64_t start, uint64_t end);

#endif
