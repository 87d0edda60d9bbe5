/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a snapshot's pages into guest memory; keeps which ones the guest wrote first. */
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "snapshot/checksum.h"
#include "snapshot/format.h"
#include "snapshot/index.h"
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

#define HUGE_PAGES (MOTE_HUGE_PAGE_SIZE / SNAPSHOT_PAGE)
/*
 * Of 2 MiB of memory, so many pages in the working set that one page of the host for all of it
 * costs less than these, each by itself: 0.4 ms where a page takes 1.3 us to fill, and 1.1 us of a
 * fault in KVM, which brings in eight.
 */
#define DENSE 180

static int cannot_read(const struct snapshot_layer *layer, struct mote_error *err)
{
	return mote_error_set(err, MOTE_STATUS_FAILED, "cannot read the working set of %s",
	                      layer->name);
}

/* ---- pages by themselves ---- */

/*
 * Read the next pages of the run, up to the one of number @end, to where they belong. Return: how
 * many; 0 with @err set.
 */
/* #syscalls:load preadv */
static size_t fill_batch(const struct snapshot *snapshot, const struct guest_memory *memory,
                         size_t first, size_t end, struct mote_error *err)
{
	const struct snapshot_layer *layer = &snapshot->layers[0];
	struct iovec pieces[BATCH];
	size_t count = 0, pages = 0;

	for (size_t i = first; i < end; i++, pages++) {
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
	cannot_read(layer, err);
	return 0;
}

/* Without a run: the pages are mapped, and copied now instead of when they are written. */
static int copy_mapped(const struct snapshot *snapshot, const struct guest_memory *memory,
                       size_t first, size_t end, struct mote_error *err)
{
	const uint32_t *frames = snapshot->working_set;
	size_t pages;

	for (size_t i = first; i < end; i += pages) {
		for (pages = 1; i + pages < end && frames[i + pages] == frames[i] + pages; pages++)
			;
		if (guest_memory_populate(memory, (mote_gpa_t){(uint64_t)frames[i] * SNAPSHOT_PAGE},
		                          pages * SNAPSHOT_PAGE, err))
			return -1;
	}
	return 0;
}

/* Pages [first, end) of the working set. */
static int fill_pages(const struct snapshot *snapshot, const struct guest_memory *memory,
                      size_t first, size_t end, struct mote_error *err)
{
	if (!snapshot->working_set_offset)
		return copy_mapped(snapshot, memory, first, end, err);
	while (first < end) {
		size_t pages = fill_batch(snapshot, memory, first, end, err);

		if (pages == 0)
			return -1;
		first += pages;
	}
	return 0;
}

/* ---- 2 MiB at once ---- */

/* All that the files have of 2 MiB, as the guest's own, in one page of the host if it has one. */
/* #syscalls:load pread64 */
static int fill_huge(const struct snapshot *snapshot, const struct guest_memory *memory,
                     uint64_t start, struct mote_error *err)
{
	const uint64_t end = start + MOTE_HUGE_PAGE_SIZE;

	if (guest_memory_map_huge(memory, (mote_gpa_t){start}, err))
		return -1;
	for (size_t i = index_first(snapshot, start); i < snapshot->extent_count; i++) {
		const struct snapshot_extent *extent = &snapshot->extents[i];
		const struct snapshot_layer *layer = &snapshot->layers[extent->layer];
		uint64_t from = extent->gpa > start ? extent->gpa : start;
		uint64_t to = extent->gpa + extent->pages * SNAPSHOT_PAGE;

		if (from >= end)
			break;
		to = to < end ? to : end;
		if (pread(layer->fd, memory->host + from, to - from,
		          (off_t)(extent->offset + (from - extent->gpa))) != (ssize_t)(to - from))
			return cannot_read(layer, err);
	}
	return 0;
}

/* Behind the last page of the working set that lies in the same 2 MiB as number @first. */
static size_t huge_end(const struct snapshot *snapshot, size_t first)
{
	const uint32_t *frames = snapshot->working_set;
	size_t end = first + 1;

	while (end < snapshot->working_set_count &&
	       frames[end] / HUGE_PAGES == frames[first] / HUGE_PAGES)
		end++;
	return end;
}

int snapshot_fill_working_set(const struct snapshot *snapshot, const struct guest_memory *memory,
                              bool may_be_huge, struct mote_error *err)
{
	size_t done = 0, end;

	for (size_t i = 0; may_be_huge && i < snapshot->working_set_count; i = end) {
		uint64_t huge = snapshot->working_set[i] / HUGE_PAGES;

		end = huge_end(snapshot, i);
		if (end - i < DENSE || (huge + 1) * MOTE_HUGE_PAGE_SIZE > memory->size)
			continue;
		if (fill_pages(snapshot, memory, done, i, err) ||
		    fill_huge(snapshot, memory, huge * MOTE_HUGE_PAGE_SIZE, err))
			return -1;
		done = end;
	}
	return fill_pages(snapshot, memory, done, snapshot->working_set_count, err);
}

/* ---- recording ---- */

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
