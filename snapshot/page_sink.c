/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the pages of a snapshot, straight from where they are, a chunk at a time. */
#include "snapshot/page_sink.h"

#include <errno.h>

void page_sink_start(struct page_sink *sink, int fd, uint64_t offset, uint64_t *sums,
                     uint8_t (*digests)[32])
{
	sink->fd = fd;
	sink->offset = offset;
	sink->sums = sums;
	sink->digests = digests;
	sink->pages = 0;
	sink->piece_count = 0;
	checksum_start(&sink->sum);
	digest_start(&sink->digest);
}

/* #syscalls:snapshot pwritev */
static int flush(struct page_sink *sink)
{
	struct iovec *piece = sink->pieces;
	int count = sink->piece_count;

	sink->piece_count = 0;
	while (count) {
		ssize_t done = pwritev(sink->fd, piece, count, (off_t)sink->offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			errno = done ? errno : ENOSPC;
			return -1;
		}
		sink->offset += (uint64_t)done;
		for (; count && (size_t)done >= piece->iov_len; piece++, count--)
			done -= (ssize_t)piece->iov_len;
		if (count) {
			piece->iov_base = (char *)piece->iov_base + done;
			piece->iov_len -= (size_t)done;
		}
	}
	return 0;
}

static void end_chunk(struct page_sink *sink)
{
	uint64_t chunk = (sink->pages - 1) / SNAPSHOT_CHUNK_PAGES;

	sink->sums[chunk] = checksum_end(&sink->sum);
	checksum_start(&sink->sum);
	if (sink->digests) {
		digest_end(&sink->digest, sink->digests[chunk]);
		digest_start(&sink->digest);
	}
}

int page_sink_add(struct page_sink *sink, const void *bytes, uint64_t pages)
{
	const unsigned char *from = bytes;

	while (pages) {
		uint64_t room = SNAPSHOT_CHUNK_PAGES - sink->pages % SNAPSHOT_CHUNK_PAGES;
		uint64_t now = pages < room ? pages : room;

		if (sink->piece_count == PAGE_SINK_PIECES && flush(sink))
			return -1;
		checksum_add(&sink->sum, from, now * SNAPSHOT_PAGE);
		if (sink->digests)
			digest_add(&sink->digest, from, now * SNAPSHOT_PAGE);
		sink->pieces[sink->piece_count++] = (struct iovec){
		        .iov_base = (void *)(uintptr_t)from, .iov_len = now * SNAPSHOT_PAGE};
		sink->pages += now;
		from += now * SNAPSHOT_PAGE;
		pages -= now;
		if (now == room) {
			end_chunk(sink);
			if (flush(sink))
				return -1;
		}
	}
	return 0;
}

int page_sink_finish(struct page_sink *sink)
{
	if (sink->pages % SNAPSHOT_CHUNK_PAGES)
		end_chunk(sink);
	return flush(sink);
}
