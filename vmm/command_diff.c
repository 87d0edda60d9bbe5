/* SPDX-License-Identifier: Apache-2.0 */
/* `mote diff`: which pages of two snapshots differ, and what they are. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmm/command.h"
#include "vmm/lost_page.h"
#include "vmm/page_view.h"

#define STATUS_DIFFERENT 1 /* as diff(1) has it */

struct comparison {
	struct page_view *old, *new;
	uint64_t by_kind[PAGE_KIND_COUNT];
	uint64_t pages, runs;
};

static bool differs(const struct comparison *comparison, uint64_t frame)
{
	const unsigned char *a = snapshot_page(&comparison->old->snapshot, frame);
	const unsigned char *b = snapshot_page(&comparison->new->snapshot, frame);

	return a != b && memcmp(a, b, MOTE_PAGE_SIZE) != 0;
}

/* Whether the page after @frame belongs to the same line. */
static bool continues(const struct comparison *comparison, uint64_t frame)
{
	const struct page_use *use = &comparison->new->uses[frame], *next = use + 1;

	return frame + 1 < comparison->new->frames &&differs(comparison, frame + 1) &&
	       next->kind == use->kind &&
	       (use->va ? next->va == use->va + MOTE_PAGE_SIZE : !next->va);
}

static void print_run(const struct comparison *comparison, uint64_t first, uint64_t pages)
{
	const struct page_use *use = &comparison->new->uses[first];

	if (comparison->runs == 0)
		printf("%-12s %-18s %8s  %-12s %s\n", "gpa", "va", "pages", "kind", "begins in");
	printf("%-12" PRIx64 " %-18" PRIx64 " %8" PRIu64 "  %-12s ", first * MOTE_PAGE_SIZE,
	       use->va, pages, page_kind_name(use->kind));
	page_view_print_name(comparison->new, first);
	putchar('\n');
}

static void compare(void *ctx)
{
	struct comparison *comparison = ctx;
	const struct page_view *view = comparison->new;

	for (uint64_t frame = 0; frame < view->frames; frame++) {
		uint64_t first = frame;

		if (!differs(comparison, frame))
			continue;
		while (continues(comparison, frame))
			frame++;
		print_run(comparison, first, frame - first + 1);
		comparison->by_kind[view->uses[first].kind] += frame - first + 1;
		comparison->pages += frame - first + 1;
		comparison->runs++;
	}
	if (!comparison->pages)
		return;
	printf("\n%" PRIu64 " pages differ:", comparison->pages);
	for (unsigned kind = 0, shown = 0; kind < PAGE_KIND_COUNT; kind++)
		if (comparison->by_kind[kind])
			printf("%s %" PRIu64 " %s", shown++ ? "," : "", comparison->by_kind[kind],
			       page_kind_name((enum page_kind)kind));
	putchar('\n');
}

int command_diff(int argc, char **argv, struct mote_error *err)
{
	static struct page_view old, new;
	struct comparison comparison = {.old = &old, .new = &new};

	if (argc != 3 || argv[1][0] == '-' || argv[2][0] == '-')
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "two snapshots are wanted: mote diff A B");
	if (page_view_open(&old, argv[1], err) || page_view_open(&new, argv[2], err))
		return -1;
	if (old.frames != new.frames)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "%s and %s are of machines with other sizes of memory",
		                      argv[1], argv[2]);
	if (lost_page_guard(compare, &comparison))
		return lost_page_error(err, argv[2]);
	return comparison.pages ? STATUS_DIFFERENT : 0;
}

void command_diff_help(void)
{
	printf("Usage: mote diff A B\n\n"
	       "Compares the pages of two snapshots of machines with equal memory, and says what\n"
	       "those that differ are in B: where they lie, of what kind they are (mote inspect\n"
	       "explains the kinds), and in which function or object they begin, if the program "
	       "is\n"
	       "still where the snapshot says.\n\n"
	       "Exit status: 0 if no page differs, 1 if some do; 125 if they cannot be compared, "
	       "126\n"
	       "if one is no snapshot or damaged, 127 if one is not there.\n");
}
