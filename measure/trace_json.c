/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trace as trace events in JSON, which ui.perfetto.dev and about:tracing read.
 *
 * How it works. Phases, the vCPU, and each thread of the guest have a track. What lasts is a
 * complete event ("X"); a page is an instant ("i") at the first exit after its first use, with what
 * the log has of it; the numbers of pages are counters ("C"). Times are microseconds since the
 * first moment.
 */
#include <inttypes.h>

#include "measure/trace_report.h"
#include "measure/trace_spans.h"

#define PROCESS       1
#define TRACK_PHASES  1
#define TRACK_VCPU    2
#define TRACK_PAGES   3
#define TRACK_THREADS 100 /* plus the thread's id */

/* Names are printable ASCII: nothing but quotes and backslashes has to be escaped. */
static void string(const char *text, FILE *to)
{
	fputc('"', to);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', to);
		fputc(*text, to);
	}
	fputc('"', to);
}

static void track_name(unsigned track, const char *name, FILE *to)
{
	fprintf(to,
	        "{\"ph\":\"M\",\"pid\":%d,\"tid\":%u,\"name\":\"thread_name\",\"args\":{\"name\":",
	        PROCESS, track);
	string(name, to);
	fputs("}},\n", to);
}

static unsigned track_of(const struct trace_span *span)
{
	switch (span->kind) {
	case TRACE_SPAN_PHASE: return TRACK_PHASES;
	case TRACE_SPAN_CALL:
	case TRACE_SPAN_FAULT: return TRACK_THREADS + (uint16_t)span->record->word[4];
	default: return TRACK_VCPU;
	}
}

static void arguments(const struct trace_span *span, const struct trace_symbols *symbols, FILE *to)
{
	const struct trace_record *record = span->record;
	char place[TRACE_PLACE_MAX];

	if (!record || span->kind == TRACE_SPAN_SAMPLE || span->kind == TRACE_SPAN_GUEST)
		return;
	trace_place(symbols, record->word[3], place);
	fputs(",\"args\":{\"at\":", to);
	string(place, to);
	if (span->kind == TRACE_SPAN_EXIT)
		fprintf(to, ",\"argument\":\"0x%" PRIx64 "\"", record->word[4]);
	if (span->kind == TRACE_SPAN_CALL && record->word[1])
		fprintf(to, ",\"result\":%" PRId64, (int64_t)record->word[2]);
	if (span->kind == TRACE_SPAN_FAULT)
		fprintf(to, ",\"address\":\"0x%" PRIx64 "\",\"is_write\":%s", record->word[2],
		        record->code & 2 ? "true" : "false");
	fputc('}', to);
}

static void write_span(const struct trace_span *span, const struct trace_symbols *symbols, FILE *to)
{
	fprintf(to,
	        "{\"ph\":\"X\",\"pid\":%d,\"tid\":%u,\"ts\":%.3f,\"dur\":%.3f,\"cat\":\"%s\","
	        "\"name\":",
	        PROCESS, track_of(span), span->from, span->to - span->from,
	        trace_span_kind_name[span->kind]);
	string(span->name, to);
	arguments(span, symbols, to);
	fputs("},\n", to);
}

/* When the sample with a number was taken. */
static double sample_us(const struct trace_log *log, uint64_t number)
{
	const struct trace_list *samples = &log->list[TRACE_SAMPLE];

	return number && number <= samples->count
	               ? trace_log_us(log, samples->record[number - 1]->word[0])
	               : 0;
}

static void write_page(const struct trace_log *log, const struct trace_symbols *symbols,
                       const struct trace_record *page, FILE *to)
{
	uint64_t sample = page->word[2] ? page->word[2] : page->word[3];
	char place[TRACE_PLACE_MAX] = "";

	if (page->word[1])
		trace_place(symbols, page->word[1], place);
	fprintf(to,
	        "{\"ph\":\"i\",\"s\":\"t\",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,\"cat\":\"page\","
	        "\"name\":\"page\",\"args\":{\"physical\":\"0x%" PRIx64
	        "\",\"virtual\":\"0x%" PRIx64 "\",\"holds\":\"%s\",\"at\":",
	        PROCESS, TRACK_PAGES, sample_us(log, sample), page->word[0], page->word[1],
	        trace_image_name(trace_image_at(log, page->word[0])));
	string(place, to);
	fprintf(to,
	        ",\"is_huge\":%s,\"used\":%s,\"backed\":%s,\"backed_before_start\":%s,\"after_us\":"
	        "%.3f}},\n",
	        page->word[4] == TRACE_HUGE_PAGES ? "true" : "false",
	        page->code & TRACE_PAGE_USED ? "true" : "false",
	        page->code & TRACE_PAGE_BACKED ? "true" : "false",
	        page->code & TRACE_PAGE_BEFORE ? "true" : "false", sample_us(log, sample - 1));
}

/* How many pages there were at each sample. */
static void write_counters(const struct trace_log *log, FILE *to)
{
	const struct trace_list *pages = &log->list[TRACE_PAGE];
	const struct trace_list *samples = &log->list[TRACE_SAMPLE];
	uint64_t used = 0, backed = 0;

	/* Few samples see many pages: those of a sample are counted in one pass each. */
	for (size_t i = 0; i < samples->count && i < 256; i++) {
		for (size_t j = 0; j < pages->count; j++) {
			used += pages->record[j]->word[2] == i + 1;
			backed += pages->record[j]->word[3] == i + 1;
		}
		fprintf(to,
		        "{\"ph\":\"C\",\"pid\":%d,\"ts\":%.3f,\"name\":\"pages\",\"args\":{"
		        "\"backed\":"
		        "%" PRIu64 ",\"used\":%" PRIu64 "}},\n",
		        PROCESS, trace_log_us(log, samples->record[i]->word[0]), backed, used);
	}
}

static void write_thread_names(const struct trace_log *log, FILE *to)
{
	static const enum trace_kind kinds[] = {TRACE_CALL, TRACE_FAULT};
	static bool is_named[UINT16_MAX + 1];
	char name[40];

	for (size_t i = 0; i < 2; i++) {
		for (size_t j = 0; j < log->list[kinds[i]].count; j++) {
			uint16_t thread = (uint16_t)log->list[kinds[i]].record[j]->word[4];

			if (is_named[thread])
				continue;
			is_named[thread] = true;
			snprintf(name, sizeof name, "thread %u of the program", thread);
			track_name(TRACK_THREADS + thread, name, to);
		}
	}
}

int trace_json(const struct trace_log *log, const struct trace_symbols *symbols, FILE *to)
{
	struct trace_spans spans;

	if (trace_spans_find(&spans, log))
		return -1;
	fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", to);
	track_name(TRACK_PHASES, "phases", to);
	track_name(TRACK_VCPU, "vCPU and mote", to);
	track_name(TRACK_PAGES, "pages, at the exit after their first use", to);
	write_thread_names(log, to);
	for (size_t i = 0; i < spans.count; i++)
		write_span(&spans.span[i], symbols, to);
	for (size_t i = 0; i < log->list[TRACE_PAGE].count; i++)
		write_page(log, symbols, log->list[TRACE_PAGE].record[i], to);
	write_counters(log, to);
	fprintf(to,
	        "{\"ph\":\"M\",\"pid\":%d,\"name\":\"process_name\",\"args\":{\"name\":", PROCESS);
	string(log->application, to);
	fprintf(to,
	        "}}],\n\"otherData\":{\"backend\":\"%s\",\"total_us\":%.3f,\"exits\":%" PRIu64
	        ",\"system_calls\":%" PRIu64 ",\"unfinished_calls\":%" PRIu64
	        ",\"lost_events\":%" PRIu64 ",\"exit_status\":%u}}\n",
	        log->backend, log->total_us, log->end->word[0], log->end->word[3],
	        trace_log_unfinished(log), log->end->word[1], log->end->code);
	trace_spans_free(&spans);
	return ferror(to) ? -1 : 0;
}
