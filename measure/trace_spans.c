/* SPDX-License-Identifier: Apache-2.0 */
/* What lasts in a trace: phases, exits, system calls, page faults. */
#include "measure/trace_spans.h"

#include <stdlib.h>

/* Page-fault error code bits (SDM vol. 3, 4.7). */
#define ERROR_WRITE 2u
#define ERROR_FETCH 16u

const char *const trace_span_kind_name[] = {
        [TRACE_SPAN_PHASE] = "phase",      [TRACE_SPAN_GUEST] = "guest",
        [TRACE_SPAN_EXIT] = "exit",        [TRACE_SPAN_CALL] = "system call",
        [TRACE_SPAN_FAULT] = "page fault", [TRACE_SPAN_SAMPLE] = "trace",
};

static struct trace_span *add(struct trace_spans *spans, const struct trace_log *log,
                              enum trace_span_kind kind, const struct trace_record *record,
                              unsigned first)
{
	struct trace_span *span = &spans->span[spans->count++];

	span->kind = kind;
	span->record = record;
	span->from = trace_log_us(log, record->word[first]);
	span->to = record->word[first + 1] ? trace_log_us(log, record->word[first + 1])
	                                   : log->total_us;
	if (span->to < span->from)
		span->to = span->from;
	return span;
}

static void add_record(struct trace_spans *spans, const struct trace_log *log,
                       const struct trace_record *record)
{
	struct trace_span *span;

	switch (record->kind) {
	case TRACE_EXIT:
		add(spans, log, TRACE_SPAN_GUEST, record, 0)->name = "guest runs";
		span = add(spans, log, TRACE_SPAN_EXIT, record, 1);
		span->name = trace_cause_name(record->code, span->text);
		break;
	case TRACE_CALL:
		span = add(spans, log, TRACE_SPAN_CALL, record, 0);
		span->name = trace_call_name(record->code, span->text);
		break;
	case TRACE_FAULT:
		add(spans, log, TRACE_SPAN_FAULT, record, 0)->name =
		        record->code & ERROR_WRITE   ? "fault to write"
		        : record->code & ERROR_FETCH ? "fault to execute"
		                                     : "fault to read";
		break;
	case TRACE_SAMPLE: add(spans, log, TRACE_SPAN_SAMPLE, record, 0)->name = "tracing"; break;
	default: break;
	}
}

static int compare(const void *a, const void *b)
{
	const struct trace_span *left = a, *right = b;

	if (left->from != right->from)
		return left->from < right->from ? -1 : 1;
	if (left->to != right->to)
		return left->to > right->to ? -1 : 1;
	return (left->kind > right->kind) - (left->kind < right->kind);
}

int trace_spans_find(struct trace_spans *spans, const struct trace_log *log)
{
	spans->count = 0;
	spans->span = calloc(2 * log->count + TRACE_PHASES, sizeof *spans->span);
	if (!spans->span)
		return -1;
	for (int i = 0; i < TRACE_PHASES; i++)
		if (log->phases[i].to > log->phases[i].from)
			spans->span[spans->count++] =
			        (struct trace_span){.kind = TRACE_SPAN_PHASE,
			                            .from = log->phases[i].from,
			                            .to = log->phases[i].to,
			                            .name = log->phases[i].name};
	for (size_t i = 0; i < log->count; i++)
		add_record(spans, log, &log->records[i]);
	/* A name of a record that has none lies in its own span, which moves when sorted. */
	for (size_t i = 0; i < spans->count; i++)
		if (spans->span[i].name == spans->span[i].text)
			spans->span[i].name = NULL;
	qsort(spans->span, spans->count, sizeof *spans->span, compare);
	for (size_t i = 0; i < spans->count; i++) {
		struct trace_span *span = &spans->span[i];

		if (!span->name)
			span->name = span->text;
		span->us = span->to - span->from;
		if (span->kind != TRACE_SPAN_SAMPLE)
			span->us -= trace_log_sampling(log, span->from, span->to);
	}
	return 0;
}

void trace_spans_free(struct trace_spans *spans)
{
	free(spans->span);
	*spans = (struct trace_spans){0};
}
