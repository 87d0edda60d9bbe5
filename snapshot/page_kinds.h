/* SPDX-License-Identifier: Apache-2.0 */
/* What the pages of a snapshot are, for people: `mote inspect`, `mote diff`. */
#ifndef MOTE_SNAPSHOT_PAGE_KINDS_H
#define MOTE_SNAPSHOT_PAGE_KINDS_H

#include "snapshot/snapshot.h"

/* X(identifier, name, what it is) */
#define PAGE_KINDS(X)                                                                    \
	X(OTHER, "other", "in the direct map alone: the kit's heap, and what was freed") \
	X(TABLES, "page tables", "of the guest")                                         \
	X(KIT_TEXT, "kit text", "code of the guest kit")                                 \
	X(KIT_DATA, "kit data", "its data, stack, and pages shared with mote")           \
	X(TEXT, "text", "what the application may execute, libraries included")          \
	X(DATA, "data", "its program's other segments")                                  \
	X(HEAP, "heap", "heap, mappings, stacks of threads")                             \
	X(STACK, "stack", "of the first thread")

enum page_kind {
#define X(identifier, name, meaning) PAGE_KIND_##identifier,
	PAGE_KINDS(X)
#undef X
	        PAGE_KIND_COUNT
};

struct page_use {
	uint64_t va; /* where the page is mapped, but for the direct map; 0: nowhere */
	enum page_kind kind;
};

/* Guest-virtual addresses of the application's program; end 0: unknown. */
struct page_program {
	uint64_t start, end;
};

const char *page_kind_name(enum page_kind kind);
const char *page_kind_meaning(enum page_kind kind);

/**
 * page_kinds_find() - Tell what each page of RAM is.
 * @uses: one for each page of RAM, zeroed
 *
 * Walks the page tables in the snapshot, of which it believes nothing, and so has an end for any.
 */
int page_kinds_find(const struct snapshot *snapshot, const struct page_program *program,
                    struct page_use *uses, struct mote_error *err);

#endif
