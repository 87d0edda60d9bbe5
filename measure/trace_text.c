/* SPDX-License-Identifier: Apache-2.0 */
/* A trace as text: where the time of a start went, and its pages. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "measure/trace_report.h"
#include "measure/trace_spans.h"

#define LONGEST    10 /* of what lasts, to be listed */
#define PLACES_MAX 12 /* pages of one interval, to be listed */
#define TOTALS_MAX 600

/* Sums over all of one name. */
struct total {
	enum trace_span_kind kind;
	const char *name;
	size_t times;
	double us, longest;
};

struct totals {
	struct total list[TOTALS_MAX];
	size_t count;
};

/* ---- phases ---- */

static size_t count_between(const struct trace_spans *spans, enum trace_span_kind kind,
                            const struct trace_phase *phase, double *us)
{
	size_t count = 0;

	*us = 0;
	for (size_t i = 0; i < spans->count; i++) {
		const struct trace_span *span = &spans->span[i];

		if (span->kind != kind || span->from < phase->from || span->from >= phase->to)
			continue;
		count++;
		*us += span->us;
	}
	return count;
}

static void write_phases(const struct trace_log *log, const struct trace_spans *spans, FILE *to)
{
	double sampling = trace_log_sampling(log, 0, log->total_us);

	fprintf(to, "%s on %s: %.1f us from main to the end of the guest\n", log->application,
	        log->backend, log->total_us - sampling);
	if (sampling > 0)
		fprintf(to, "(and %.1f us to look at its pages, left out below)\n", sampling);
	if (trace_image_at(log, 0) == TRACE_IMAGE_SNAPSHOT)
		fputs("(of a restored guest exits are known, and not its calls and faults)\n", to);
	else if (sampling > 0)
		fputs("(that the processor notes the use of pages slows it, too: --no-pages gives "
		      "times without that)\n",
		      to);
	fprintf(to, "\n%-18s %10s %8s %8s %8s %10s\n", "phase", "us", "exits", "calls", "faults",
	        "us of mote");
	for (int i = 0; i < TRACE_PHASES; i++) {
		const struct trace_phase *phase = &log->phases[i];
		double exit_us, us;
		size_t exits = count_between(spans, TRACE_SPAN_EXIT, phase, &exit_us);
		size_t calls = count_between(spans, TRACE_SPAN_CALL, phase, &us);
		size_t faults = count_between(spans, TRACE_SPAN_FAULT, phase, &us);

		fprintf(to, "%-18s %10.1f %8zu %8zu %8zu %10.1f\n", phase->name,
		        phase->to - phase->from - trace_log_sampling(log, phase->from, phase->to),
		        exits, calls, faults, exit_us);
	}
}

/* ---- exits, system calls, page faults ---- */

static void add_to_totals(struct totals *totals, const struct trace_span *span)
{
	struct total *total = totals->list;
	double us = span->us;

	while (total < totals->list + totals->count &&
	       (total->kind != span->kind || strcmp(total->name, span->name) != 0))
		total++;
	if (total == totals->list + totals->count) {
		if (totals->count == TOTALS_MAX)
			return;
		*total = (struct total){.kind = span->kind, .name = span->name};
		totals->count++;
	}
	total->times++;
	total->us += us;
	total->longest = us > total->longest ? us : total->longest;
}

static int by_time(const void *a, const void *b)
{
	const struct total *left = a, *right = b;

	if (left->kind != right->kind)
		return left->kind < right->kind ? -1 : 1;
	return (left->us < right->us) - (left->us > right->us);
}

static void write_totals(const struct trace_spans *spans, struct totals *totals, FILE *to)
{
	totals->count = 0;
	for (size_t i = 0; i < spans->count; i++)
		if (spans->span[i].kind >= TRACE_SPAN_EXIT &&
		    spans->span[i].kind <= TRACE_SPAN_FAULT)
			add_to_totals(totals, &spans->span[i]);
	qsort(totals->list, totals->count, sizeof *totals->list, by_time);
	fprintf(to, "\n%-12s %-24s %8s %10s %10s\n", "", "", "times", "us", "longest");
	for (size_t i = 0; i < totals->count; i++) {
		const struct total *total = &totals->list[i];

		fprintf(to, "%-12s %-24s %8zu %10.1f %10.1f\n", trace_span_kind_name[total->kind],
		        total->name, total->times, total->us, total->longest);
	}
}

static void write_longest(const struct trace_spans *spans, const struct trace_symbols *symbols,
                          FILE *to)
{
	const struct trace_span *longest[LONGEST];
	size_t count = 0;

	for (size_t i = 0; i < spans->count; i++) {
		const struct trace_span *span = &spans->span[i];
		size_t at = count < LONGEST ? count : LONGEST - 1;

		if (span->kind < TRACE_SPAN_EXIT || span->kind > TRACE_SPAN_FAULT)
			continue;
		if (count == LONGEST && longest[at]->us >= span->us)
			continue;
		count += count < LONGEST;
		for (; at && longest[at - 1]->us < span->us; at--)
			longest[at] = longest[at - 1];
		longest[at] = span;
	}
	fprintf(to, "\n%10s %10s  the longest\n", "at us", "us");
	for (size_t i = 0; i < count; i++) {
		char place[TRACE_PLACE_MAX];

		trace_place(symbols, longest[i]->record->word[3], place);
		fprintf(to, "%10.1f %10.1f  %s %s, at %s\n", longest[i]->from, longest[i]->us,
		        trace_span_kind_name[longest[i]->kind], longest[i]->name, place);
	}
}

/* ---- pages ---- */

/* How many a record of use stands for. */
static size_t pages_of(const struct trace_record *page)
{
	return page->word[4] == TRACE_HUGE_PAGES ? TRACE_HUGE_PAGES : 1;
}

static void write_holders(const struct trace_log *log, FILE *to)
{
	const struct trace_list *pages = &log->list[TRACE_PAGE];

	fprintf(to, "\n%-32s %8s %8s %8s\n", "pages that hold", "backed", "before", "used");
	for (unsigned image = 0; image <= TRACE_IMAGES; image++) {
		size_t backed = 0, before = 0, used = 0;

		for (size_t i = 0; i < pages->count; i++) {
			const struct trace_record *page = pages->record[i];

			if (trace_image_at(log, page->word[0]) != image)
				continue;
			backed += !!(page->code & TRACE_PAGE_BACKED);
			before += !!(page->code & TRACE_PAGE_BEFORE);
			used += page->code & TRACE_PAGE_USED ? pages_of(page) : 0;
		}
		if (backed || used)
			fprintf(to, "%-32s %8zu %8zu %8zu\n", trace_image_name(image), backed,
			        before, used);
	}
}

/* What the exit was at which a sample was taken; the last one is at the end. */
static const char *exit_before(const struct trace_log *log, uint64_t tsc, char text[32])
{
	const struct trace_list *exits = &log->list[TRACE_EXIT];
	const struct trace_record *last = NULL;

	for (size_t i = 0; i < exits->count && exits->record[i]->word[2] <= tsc; i++)
		last = exits->record[i];
	return last ? trace_cause_name(last->code, text) : "the first instruction";
}

static void write_first_uses(const struct trace_log *log, const struct trace_symbols *symbols,
                             FILE *to)
{
	const struct trace_list *pages = &log->list[TRACE_PAGE];
	const struct trace_list *samples = &log->list[TRACE_SAMPLE];

	for (size_t sample = 2; sample <= samples->count && sample <= 20; sample++) {
		const struct trace_record *record = samples->record[sample - 1];
		size_t used = 0, backed = 0;
		char text[32], place[TRACE_PLACE_MAX];

		for (size_t i = 0; i < pages->count; i++) {
			used += pages->record[i]->word[2] == sample ? pages_of(pages->record[i])
			                                            : 0;
			backed += pages->record[i]->word[3] == sample;
		}
		if (!used && !backed)
			continue;
		fprintf(to, "\nuntil exit %s, %.1f us: %zu pages used first, %zu backed\n",
		        exit_before(log, record->word[0], text), trace_log_us(log, record->word[0]),
		        used, backed);
		for (size_t i = 0, listed = 0; i < pages->count && listed <= PLACES_MAX; i++) {
			const struct trace_record *page = pages->record[i];

			if (page->word[2] != sample)
				continue;
			if (listed++ == PLACES_MAX) {
				fputs("  ... (all: --json)\n", to);
				break;
			}
			trace_place(symbols, page->word[1], place);
			fprintf(to, "  %-28s %s\n",
			        trace_image_name(trace_image_at(log, page->word[0])), place);
		}
	}
}

int trace_text(const struct trace_log *log, const struct trace_symbols *symbols, FILE *to)
{
	struct totals *totals = malloc(sizeof *totals);
	struct trace_spans spans;

	if (!totals || trace_spans_find(&spans, log)) {
		free(totals);
		return -1;
	}
	write_phases(log, &spans, to);
	write_totals(&spans, totals, to);
	write_longest(&spans, symbols, to);
	if (trace_log_unfinished(log))
		fprintf(to, "\n%" PRIu64 " system calls of other threads had not ended\n",
		        trace_log_unfinished(log));
	if (log->end->word[1])
		fprintf(to, "\n%" PRIu64 " events of the guest were lost\n", log->end->word[1]);
	if (log->list[TRACE_PAGE].count) {
		write_holders(log, to);
		write_first_uses(log, symbols, to);
	}
	free(totals);
	trace_spans_free(&spans);
	return ferror(to) ? -1 : 0;
}
