/* SPDX-License-Identifier: Apache-2.0 */
/* Checks the pages of a snapshot against their sums, and against their digests. */
#include "snapshot/verify.h"

#include <string.h>

#include "snapshot/auth.h"
#include "snapshot/checksum.h"
#include "snapshot/index.h"
#include "vmm/lost_page.h"

#define CHUNK (SNAPSHOT_CHUNK_PAGES * SNAPSHOT_PAGE)

struct check {
	const struct snapshot_layer *layer;
	/* Whether a chunk is what it was. */
	bool (*is_right)(const struct snapshot_layer *layer, uint64_t chunk, const void *bytes,
	                 size_t size);
	uint64_t damaged; /* the first chunk that is; UINT64_MAX: none */
};

static bool has_sum(const struct snapshot_layer *layer, uint64_t chunk, const void *bytes,
                    size_t size)
{
	const uint64_t *sums = layer_part(layer, SNAPSHOT_PART_SUMS);

	return checksum_64(bytes, size) == sums[chunk];
}

static bool has_digest(const struct snapshot_layer *layer, uint64_t chunk, const void *bytes,
                       size_t size)
{
	const uint8_t *digests = layer_part(layer, SNAPSHOT_PART_DIGESTS);
	struct digest digest;
	uint8_t is[32];

	digest_start(&digest);
	digest_add(&digest, bytes, size);
	digest_end(&digest, is);
	return auth_is_equal(is, digests + chunk * 32);
}

static void check_chunks(void *ctx)
{
	struct check *check = ctx;
	const struct snapshot_header *header = check->layer->header;
	uint64_t size = header->file_size - header->pages_offset;

	for (uint64_t at = 0; at < size; at += CHUNK) {
		uint64_t length = size - at < CHUNK ? size - at : CHUNK;

		if (!check->is_right(check->layer, at / CHUNK,
		                     check->layer->bytes + header->pages_offset + at, length)) {
			check->damaged = at / CHUNK;
			return;
		}
	}
}

static int run(struct check *check, struct mote_error *err)
{
	const struct snapshot_layer *layer = check->layer;
	unsigned long long from;

	check->damaged = UINT64_MAX;
	if (lost_page_guard(check_chunks, check))
		return lost_page_error(err, layer->name);
	if (check->damaged == UINT64_MAX)
		return 0;
	from = layer->header->pages_offset + check->damaged * CHUNK;
	return mote_error_set(
	        err, MOTE_STATUS_CANNOT_RUN,
	        "cannot use snapshot %s: its pages from byte %llu on are damaged (wrong %s)",
	        layer->name, from, check->is_right == has_sum ? "checksum" : "digest");
}

int snapshot_verify(const struct snapshot *snapshot, struct mote_error *err)
{
	for (unsigned i = 0; i < snapshot->layer_count; i++) {
		struct check check = {.layer = &snapshot->layers[i], .is_right = has_sum};

		if (run(&check, err))
			return -1;
	}
	return 0;
}

int verify_digests(const struct snapshot_layer *layer, struct mote_error *err)
{
	struct check check = {.layer = layer, .is_right = has_digest};

	return run(&check, err);
}
