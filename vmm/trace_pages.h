/* SPDX-License-Identifier: Apache-2.0 */
/* Which pages of guest memory a traced guest used, and which the host backs, and since when. */
#ifndef MOTE_VMM_TRACE_PAGES_H
#define MOTE_VMM_TRACE_PAGES_H

#include "vmm/guest_memory.h"
#include "vmm/trace_format.h"

struct trace_page {
	uint64_t va; /* it was used through; 0: not known */
	/* numbers of the samples that found it first; 0: none has */
	uint32_t used, backed;
};

struct trace_pages {
	const struct guest_memory *memory;
	struct trace_page *page; /* of each page of RAM */
	const uint64_t *end; /* guest-physical, of RAM that is in place: only that is looked at */
	int pagemap_fd;
	uint32_t sample; /* number of the last one; the first is taken before the guest runs */
	uint64_t root;   /* page table, guest-physical; 0: its accessed bits tell nothing */
};

/**
 * trace_pages_prepare() - Make room, before confinement.
 * @end: where RAM that is in place ends; may grow
 * @pagemap_fd: /proc/self/pagemap
 */
int trace_pages_prepare(struct trace_pages *pages, const struct guest_memory *memory,
                        const uint64_t *end, int pagemap_fd, struct mote_error *err);

/* Give that room back, if there is any. */
void trace_pages_close(struct trace_pages *pages);

/* Look at all of memory. What was found since the last sample belongs to this one. */
void trace_pages_sample(struct trace_pages *pages);

/* A record for each page that was used or is backed. @emit: takes it */
void trace_pages_report(const struct trace_pages *pages,
                        void (*emit)(void *ctx, const struct trace_record *record), void *ctx);

#endif
