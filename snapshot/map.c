/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a snapshot's pages into guest memory; keeps which ones the guest wrote first. */
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "snapshot/checksum.h"
#include "snapshot/format.h"
#include "vmm/lost_page.h"

int snapshot_map(const struct snapshot *snapshot, struct guest_memory *memory,
                 struct mote_error *err)
{
	for (size_t i = 0; i < snapshot->extent_count; i++) {
		const struct snapshot_extent *extent = &snapshot->extents[i];
		const struct snapshot_layer *layer = &snapshot->layers[extent->layer];

		if (guest_memory_map_file(memory, (mote_gpa_t){extent->gpa},
		                          extent->pages * SNAPSHOT_PAGE, layer->fd, extent->offset,
		                          layer->name, err))
			return -1;
	}
	return 0;
}

#define BATCH 64

/* Read the next pages of the run to where they belong. Return: how many; 0 with @err set. */
/* #syscalls:load preadv */
static size_t fill_batch(const struct snapshot *snapshot, const struct guest_memory *memory,
                         size_t first, struct mote_error *err)
{
	const struct snapshot_layer *layer = &snapshot->layers[0];
	struct iovec pieces[BATCH];
	size_t count = 0, pages = 0;

	for (size_t i = first; i < snapshot->working_set_count; i++, pages++) {
		uint64_t frame = snapshot->working_set[i];
		void *at = guest_range(memory, (mote_gpa_t){frame * SNAPSHOT_PAGE}, SNAPSHOT_PAGE);

		if (!at)
			break;
		if (pages && frame == snapshot->working_set[i - 1] + 1u)
			pieces[count - 1].iov_len += SNAPSHOT_PAGE;
		else if (count < BATCH)
			pieces[count++] = (struct iovec){at, SNAPSHOT_PAGE};
		else
			break;
	}
	if (pages && preadv(layer->fd, pieces, (int)count,
	                    (off_t)(snapshot->working_set_offset + first * SNAPSHOT_PAGE)) ==
	                     (ssize_t)(pages * SNAPSHOT_PAGE))
		return pages;
	mote_error_set(err, MOTE_STATUS_FAILED, "cannot read the working set of %s", layer->name);
	return 0;
}

/* Without a run: the pages are mapped, and copied now instead of when they are written. */
static int copy_mapped(const struct snapshot *snapshot, const struct guest_memory *memory,
                       struct mote_error *err)
{
	const uint32_t *frames = snapshot->working_set;
	size_t pages;

	for (size_t i = 0; i < snapshot->working_set_count; i += pages) {
		for (pages = 1; i + pages < snapshot->working_set_count &&
		                frames[i + pages] == frames[i] + pages;
		     pages++)
			;
		if (guest_memory_populate(memory, (mote_gpa_t){(uint64_t)frames[i] * SNAPSHOT_PAGE},
		                          pages * SNAPSHOT_PAGE, err))
			return -1;
	}
	return 0;
}

int snapshot_fill_working_set(const struct snapshot *snapshot, const struct guest_memory *memory,
                              struct mote_error *err)
{
	size_t done = 0;

	if (!snapshot->working_set_offset)
		return copy_mapped(snapshot, memory, err);
	while (done < snapshot->working_set_count) {
		size_t pages = fill_batch(snapshot, memory, done, err);

		if (pages == 0)
			return -1;
		done += pages;
	}
	return 0;
}

struct record {
	struct snapshot_working_set *place;
	const uint32_t *frames;
	uint32_t count;
};

/* The sum comes last; whatever of it reaches the disk first, a part of it is none. */
static void record(void *ctx)
{
	const struct record *what = ctx;
	struct snapshot_working_set *place = what->place;

	memset(place, 0, sizeof *place);
	place->count = what->count;
	memcpy(place->frames, what->frames, what->count * sizeof *what->frames);
	place->sum = checksum_64(&place->count,
	                         sizeof *place - offsetof(struct snapshot_working_set, count));
}

void snapshot_record(const struct snapshot *snapshot, const uint32_t *frames, size_t count)
{
	struct record what = {
	        .place = snapshot->record,
	        .frames = frames,
	        .count = count < SNAPSHOT_WORKING_SET_FRAMES ? (uint32_t)count
	                                                     : SNAPSHOT_WORKING_SET_FRAMES,
	};

	/* A file that was cut meanwhile has no place for it: nothing is lost. */
	if (snapshot->can_record && count)
		lost_page_guard(record, &what);
}
