/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the pages of a snapshot one after another, and the sum of each chunk of them. */
#ifndef MOTE_SNAPSHOT_PAGE_SINK_H
#define MOTE_SNAPSHOT_PAGE_SINK_H

#include <sys/uio.h>

#include "snapshot/auth.h"
#include "snapshot/checksum.h"
#include "snapshot/format.h"

#define PAGE_SINK_PIECES 64

struct page_sink {
	struct checksum sum; /* of the chunk that is being taken */
	struct digest digest;
	uint64_t offset;                       /* where the next byte goes that is not written */
	uint64_t pages;                        /* taken so far */
	uint64_t *sums;                        /* of the chunks; room for all */
	uint8_t (*digests)[32];                /* the same; NULL: not wanted */
	struct iovec pieces[PAGE_SINK_PIECES]; /* taken, and not written yet */
	int piece_count;
	int fd;
};

/* Begin at the first chunk. @offset: in the file, of the first page */
void page_sink_start(struct page_sink *sink, int fd, uint64_t offset, uint64_t *sums,
                     uint8_t (*digests)[32]);

/**
 * page_sink_add() - Take pages.
 * @bytes: stay as they are until page_sink_finish()
 *
 * Return: 0, or -1 with errno.
 */
int page_sink_add(struct page_sink *sink, const void *bytes, uint64_t pages);

/* Write what is left. Return: 0, or -1 with errno. */
int page_sink_finish(struct page_sink *sink);

#endif
