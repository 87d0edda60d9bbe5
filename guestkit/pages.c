/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page frame allocator: two bits a frame.
 *
 * `used` says that somebody has the frame; `stale` that it was used before, so that it holds old
 * bytes and host memory. A stale frame costs a memset, one never used costs the host a fault that
 * is a hundred times dearer: allocation goes by lowest address, so frames are used again soon. Free
 * stale frames go back to the host in batches (pages_give_back()), after which they are as new.
 *
 * But for those that were in use when a snapshot was taken: where a guest was started from it, what
 * comes back in their place are the snapshot's bytes. They are remembered, and zeroed whenever
 * zeros are wanted.
 */
#include "guestkit/pages.h"

#include "guestkit/hypercall.h"
#include "guestkit/string.h"

#define WORD_BITS 64
/* Stale free frames that are kept for use again: 32 MiB. More than that goes back at once. */
#define STALE_KEPT 8192
#define HOST_HUGE  512 /* frames of a huge page of the host */
#define STALE_PILE 128 /* worth a look after a while */
/* Usable frames above those in use that a snapshot keeps: who takes more can afford an exit. */
#define TRIM_SPARE 1024

static struct {
	uint64_t *used;
	uint64_t *stale;
	size_t limit;  /* frames in RAM, counted from physical 0 */
	size_t usable; /* of them, those that the VMM has put in place */
	size_t total;  /* free at boot */
	size_t free;
	size_t withdrawn;
	size_t stale_free;
	size_t stale_low; /* the smallest that stale_free was since pages_stale_unused() */
	size_t hint;      /* no frame below this is free */
	size_t top;       /* no frame from this on was ever used */
	bool is_marked;
	const struct pages_host *host; /* NULL: none but the VMM */
	uint64_t *kept;                /* that a snapshot has bytes of; NULL: none was taken */
	size_t kept_end;               /* no frame from this on is kept */
	bool are_all_kept;             /* there was no memory to remember which */
} pages;

static bool test_bit(const uint64_t *map, size_t bit)
{
	return map[bit / WORD_BITS] >> bit % WORD_BITS & 1;
}

static void set_bits(uint64_t *map, size_t first, size_t count, bool value)
{
	for (size_t bit = first; bit < first + count; bit++) {
		uint64_t mask = 1UL << bit % WORD_BITS;

		if (value)
			map[bit / WORD_BITS] |= mask;
		else
			map[bit / WORD_BITS] &= ~mask;
	}
}

void pages_init(uint64_t free_start, uint64_t usable_end, uint64_t ram_end)
{
	uint64_t map_bytes;

	pages.limit = ram_end / PAGE_SIZE;
	pages.usable = usable_end / PAGE_SIZE;
	map_bytes = (pages.limit + WORD_BITS - 1) / WORD_BITS * 8;
	pages.used = direct_map(free_start);
	pages.stale = direct_map(free_start + map_bytes);
	pages.hint = (free_start + 2 * map_bytes + PAGE_SIZE - 1) / PAGE_SIZE;
	pages.total = pages.free = pages.limit - pages.hint;
}

/* The maps begin as zeros: mark what lies below the first free frame. Put off until somebody needs
 * a frame. */
static void mark_boot_frames(void)
{
	size_t first = pages.hint;

	memset(pages.used, 0xff, first / WORD_BITS * 8);
	set_bits(pages.used, first / WORD_BITS * WORD_BITS, first % WORD_BITS, true);
	pages.is_marked = true;
}

/* First of @count free frames in a row at a multiple of @align, at or after @from; or limit. */
static size_t find_run(size_t from, size_t count, size_t align)
{
	size_t run = 0;

	for (size_t frame = from; frame < pages.limit;) {
		if (frame % WORD_BITS == 0 && pages.used[frame / WORD_BITS] == UINT64_MAX) {
			frame += WORD_BITS;
			run = 0;
			continue;
		}
		if (test_bit(pages.used, frame) || (!run && frame % align)) {
			run = 0;
			frame++;
			continue;
		}
		frame++;
		if (++run == count)
			return frame - count;
	}
	return pages.limit;
}

static void count_stale(size_t first, size_t count, bool is_freed)
{
	for (size_t frame = first; frame < first + count; frame++)
		if (test_bit(pages.stale, frame))
			pages.stale_free += is_freed ? 1 : (size_t)-1;
	if (pages.stale_free < pages.stale_low)
		pages.stale_low = pages.stale_free;
}

/* Have the VMM put frames below @end in place. It gives much more than that, so this is rare. */
static bool make_usable(size_t end)
{
	int64_t usable;

	if (end <= pages.usable)
		return true;
	usable = hypercall(MOTE_HC_memory, end * PAGE_SIZE, 0, 0);
	if (usable < (int64_t)end)
		return false;
	pages.usable = (size_t)usable;
	return true;
}

/* Memory is short by @count frames, or in pieces: false when nothing could be done about it. */
static bool reclaim(size_t count)
{
	return memory_reclaim() || memory_reclaim_cache() ||
	       (pages.host && pages.host->relieve(count));
}

uint64_t page_alloc_aligned(size_t count, size_t align)
{
	size_t first;

	while (count > pages.free)
		if (!reclaim(count - pages.free))
			return 0;
	if (!count)
		return 0;
	if (!pages.is_marked)
		mark_boot_frames();
	first = find_run(pages.hint, count, align);
	while (first >= pages.limit && reclaim(count))
		first = find_run(pages.hint, count, align);
	if (first >= pages.limit || !make_usable(first + count))
		return 0;
	if (first == pages.hint)
		pages.hint = first + count;
	if (pages.top < first + count)
		pages.top = first + count;
	set_bits(pages.used, first, count, true);
	count_stale(first, count, false);
	pages.free -= count;
	return first * PAGE_SIZE;
}

uint64_t page_alloc(size_t count)
{
	return page_alloc_aligned(count, 1);
}

static bool is_kept(size_t frame)
{
	return pages.are_all_kept || (frame < pages.kept_end && test_bit(pages.kept, frame));
}

void page_clear(uint64_t physical, size_t count)
{
	for (size_t frame = physical / PAGE_SIZE; count--; frame++)
		if (test_bit(pages.stale, frame) || is_kept(frame))
			memset(direct_map(frame * PAGE_SIZE), 0, PAGE_SIZE);
}

uint64_t page_alloc_zeroed(size_t count)
{
	uint64_t physical = page_alloc(count);

	if (physical)
		page_clear(physical, count);
	return physical;
}

void page_free(uint64_t physical, size_t count)
{
	size_t first = physical / PAGE_SIZE;

	set_bits(pages.used, first, count, false);
	set_bits(pages.stale, first, count, true);
	pages.free += count;
	pages.stale_free += count;
	if (first < pages.hint)
		pages.hint = first;
	if (pages.stale_free > STALE_KEPT) {
		pages_give_back(SIZE_MAX);
		pages_collect(true); /* it is a large part of memory */
	} else if (pages.stale_free > STALE_PILE) {
		pages_piled_up();
	}
}

size_t pages_stale(void)
{
	return pages.stale_free;
}

size_t pages_stale_unused(void)
{
	size_t low = pages.stale_low;

	pages.stale_low = pages.stale_free;
	return low;
}

size_t page_free_count(void)
{
	return pages.free;
}

size_t page_available_count(void)
{
	return pages.free + pages.withdrawn;
}

size_t page_total_count(void)
{
	return pages.total;
}

/* ---- to the host and back ---- */

void pages_set_host(const struct pages_host *host)
{
	pages.host = host;
}

void pages_collect(bool now)
{
	if (pages.host)
		pages.host->collect(now);
}

void pages_withdraw(uint64_t physical, size_t count)
{
	if (!pages.is_marked)
		mark_boot_frames();
	set_bits(pages.used, physical / PAGE_SIZE, count, true);
	count_stale(physical / PAGE_SIZE, count, false);
	pages.free -= count;
	pages.withdrawn += count;
}

void pages_restore(uint64_t physical, size_t count, bool is_new)
{
	size_t first = physical / PAGE_SIZE;

	set_bits(pages.used, first, count, false);
	set_bits(pages.stale, first, count, !is_new);
	pages.stale_free += is_new ? 0 : count;
	pages.free += count;
	pages.withdrawn -= count;
	if (first < pages.hint)
		pages.hint = first;
	if (!is_new && pages.top < first + count)
		pages.top = first + count;
}

uint64_t pages_highest(size_t most, size_t *count)
{
	size_t frame = pages.limit, end;

	if (!pages.is_marked)
		mark_boot_frames();
	while (frame > pages.hint && test_bit(pages.used, frame - 1))
		frame -= frame % WORD_BITS == 0 && pages.used[frame / WORD_BITS - 1] == UINT64_MAX
		                 ? WORD_BITS
		                 : 1;
	end = frame;
	while (frame > pages.hint && end - frame < most && !test_bit(pages.used, frame - 1))
		frame--;
	*count = frame < end ? end - frame : 0;
	return frame * PAGE_SIZE;
}

/* What no other way takes goes by the hypercall. */
static void discard(struct mote_range *ranges, size_t *count)
{
	size_t reported = pages.host ? pages.host->report(ranges, *count) : 0;

	if (reported < *count)
		hypercall(MOTE_HC_discard, kit_physical(ranges + reported), *count - reported, 0);
	for (size_t i = reported; pages.host && i < *count; i++)
		pages_restore(ranges[i].start, (ranges[i].end - ranges[i].start) / PAGE_SIZE, true);
	*count = 0;
}

/* Free and never used. */
static bool is_new(size_t frame)
{
	return !test_bit(pages.used, frame) && !test_bit(pages.stale, frame);
}

/*
 * The range to discard for frames [first, end): with new ones beside them in the same 2 MiB, since
 * the host may have backed these at one fault.
 */
static struct mote_range widen(size_t first, size_t end)
{
	while (first > pages.hint && first % HOST_HUGE && is_new(first - 1))
		first--;
	while (end < pages.usable && end % HOST_HUGE && is_new(end))
		end++;
	return (struct mote_range){first * PAGE_SIZE, end * PAGE_SIZE};
}

/* From the top: what stays is what is taken first. */
void pages_give_back(size_t most)
{
	static KIT_LARGE struct mote_range ranges[MOTE_DISCARD_MAX];
	size_t count = 0;

	pages_collect(false);
	for (size_t frame = pages.top; frame > pages.hint && pages.stale_free && most;) {
		size_t end = frame;

		if (frame % WORD_BITS == 0 && !pages.stale[frame / WORD_BITS - 1]) {
			frame -= WORD_BITS;
			continue;
		}
		while (frame > pages.hint && end - frame < most &&
		       test_bit(pages.stale, frame - 1) && !test_bit(pages.used, frame - 1))
			frame--;
		if (frame == end) {
			frame--;
			continue;
		}
		ranges[count] = widen(frame, end);
		set_bits(pages.stale, frame, end - frame, false);
		pages.stale_free -= end - frame;
		most -= end - frame;
		if (pages.host)
			pages_withdraw(ranges[count].start,
			               (ranges[count].end - ranges[count].start) / PAGE_SIZE);
		count++;
		if (count == MOTE_DISCARD_MAX)
			discard(ranges, &count);
	}
	discard(ranges, &count);
	if (pages.stale_free < pages.stale_low)
		pages.stale_low = pages.stale_free;
}

/* ---- snapshots ---- */

static size_t kept_map_pages(size_t frames)
{
	return (frames + PAGE_SIZE * 8 - 1) / (PAGE_SIZE * 8);
}

void pages_keep(void)
{
	uint64_t *old = pages.kept, *kept, physical;
	size_t old_end = pages.kept_end, frames;

	if (pages.are_all_kept)
		return;
	/* The map itself may lie above all that was used so far. */
	frames = pages.top + 2 * kept_map_pages(pages.top) + 2;
	if (frames > pages.limit)
		frames = pages.limit;
	physical = page_alloc_zeroed(kept_map_pages(frames));
	if (!physical) {
		pages.are_all_kept = true;
		return;
	}
	kept = direct_map(physical);
	for (size_t i = 0; i * WORD_BITS < frames; i++)
		kept[i] = pages.used[i] | pages.stale[i] | (i * WORD_BITS < old_end ? old[i] : 0);
	pages.kept = kept;
	pages.kept_end = frames;
	if (old)
		page_free(direct_physical(old), kept_map_pages(old_end));
}

size_t pages_trim(void)
{
	size_t end = pages.top;

	while (end > pages.hint && !test_bit(pages.used, end - 1))
		end--;
	if (end < pages.hint)
		end = pages.hint;
	end = (end + TRIM_SPARE + HOST_HUGE - 1) / HOST_HUGE * HOST_HUGE;
	if (end < pages.usable)
		pages.usable = end;
	return pages.usable;
}
