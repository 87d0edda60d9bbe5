/* SPDX-License-Identifier: Apache-2.0 */
/* The page frame allocator, beyond what memory.h offers everyone. */
#ifndef MOTE_GUESTKIT_PAGES_H
#define MOTE_GUESTKIT_PAGES_H

#include "guestkit/memory.h"

/* Another way to the host for free frames than the hypercall `discard` (virtio_balloon.c). */
struct pages_host {
	/* Begin to give ranges of withdrawn frames to the host: how many of them, from the first
	 * on. They are restored by it once that is done. */
	size_t (*report)(const struct mote_range *ranges, size_t count);
	/* Restore what the host is done with; @now: have it be done with all, by an exit. */
	void (*collect)(bool now);
	/* Memory is short by @count frames: restore some: whether there were any. */
	bool (*relieve)(size_t count);
};
void pages_set_host(const struct pages_host *host);

/* Frames that the host is done with are free again; @now: all that it has been told of: one exit.
 */
void pages_collect(bool now);

/*
 * Free frames are withdrawn from use for the host, and restored later: as new ones where @is_new
 * says that the host has discarded them, so that they read as zeros.
 */
void pages_withdraw(uint64_t physical, size_t count);
void pages_restore(uint64_t physical, size_t count, bool is_new);

/* The highest free frames that lie in a row, at most @most: the first of them; *@count: 0 where
 * none is free. */
uint64_t pages_highest(size_t most, size_t *count);

/*
 * Start: frames in [free_start, ram_end) are free and read as zeros; those from @usable_end on have
 * to be asked for before they are touched (hypercall `memory`).
 */
void pages_init(uint64_t free_start, uint64_t usable_end, uint64_t ram_end);

/* page_alloc() at a multiple of @align frames. */
uint64_t page_alloc_aligned(size_t count, size_t align);

/* Make frames read as zeros; costs nothing for those never used. */
void page_clear(uint64_t physical, size_t count);

/* Free frames that hold host memory: now; and the fewest at any moment since this was asked last.
 */
size_t pages_stale(void);
size_t pages_stale_unused(void);

/* Give free frames that hold host memory back to the host: up to @most, the highest ones. */
void pages_give_back(size_t most);

/*
 * A snapshot is about to be taken: frames that are in use now, or hold old bytes, are never taken
 * for zeros again, whatever the host has been told to discard.
 */
void pages_keep(void);

/*
 * And after that: frames far above all that are in use have to be asked for again, so that no start
 * from the snapshot pays for what this guest needed once. Returns the number of usable frames.
 */
size_t pages_trim(void);

/* Provided by the memory manager: free frames that are kept for convenience; whether there were
 * any. */
bool memory_reclaim(void);

/* Provided by the file systems: free frames that hold copies of what is elsewhere; whether there
 * were any. It may be called wherever memory is asked for, and unmaps nothing. */
bool memory_reclaim_cache(void);

/* The guest is about to sleep: give back what is worth an exit (give_back.c). */
void pages_idle(void);

/* More than a handful of frames is free and holds host memory: see to it after a while. Cheap. */
void pages_piled_up(void);

#endif
