/* SPDX-License-Identifier: Apache-2.0 */
/* Checks the pages of a snapshot against their sums. */
#include "snapshot/checksum.h"
#include "snapshot/index.h"
#include "vmm/lost_page.h"

struct check {
	const struct snapshot_layer *layer;
	uint64_t damaged; /* the first chunk that is; UINT64_MAX: none */
};

static void check_chunks(void *ctx)
{
	struct check *check = ctx;
	const struct snapshot_header *header = check->layer->header;
	const unsigned char *pages = check->layer->bytes + header->pages_offset;
	uint64_t size = header->file_size - header->pages_offset;
	const uint64_t *sums = layer_part(check->layer, SNAPSHOT_PART_SUMS);

	for (uint64_t chunk = 0; chunk * SNAPSHOT_CHUNK_PAGES * SNAPSHOT_PAGE < size; chunk++) {
		uint64_t at = chunk * SNAPSHOT_CHUNK_PAGES * SNAPSHOT_PAGE;
		uint64_t length = SNAPSHOT_CHUNK_PAGES * SNAPSHOT_PAGE;

		if (length > size - at)
			length = size - at;
		if (checksum_64(pages + at, length) != sums[chunk]) {
			check->damaged = chunk;
			return;
		}
	}
}

int snapshot_verify(const struct snapshot *snapshot, struct mote_error *err)
{
	for (unsigned i = 0; i < snapshot->layer_count; i++) {
		struct check check = {.layer = &snapshot->layers[i], .damaged = UINT64_MAX};

		if (lost_page_guard(check_chunks, &check))
			return lost_page_error(err, check.layer->name);
		if (check.damaged != UINT64_MAX)
			return mote_error_set(
			        err, MOTE_STATUS_CANNOT_RUN,
			        "cannot use snapshot %s: its pages from byte %llu on are damaged "
			        "(wrong checksum)",
			        check.layer->name,
			        (unsigned long long)(check.layer->header->pages_offset +
			                             check.damaged * SNAPSHOT_CHUNK_PAGES *
			                                     SNAPSHOT_PAGE));
	}
	return 0;
}
