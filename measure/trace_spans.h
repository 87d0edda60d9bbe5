/* SPDX-License-Identifier: Apache-2.0 */
/* What lasts in a trace: phases, exits, system calls, page faults. */
#ifndef MOTE_MEASURE_TRACE_SPANS_H
#define MOTE_MEASURE_TRACE_SPANS_H

#include "measure/trace_log.h"

enum trace_span_kind {
	TRACE_SPAN_PHASE,
	TRACE_SPAN_GUEST, /* the vCPU runs */
	TRACE_SPAN_EXIT,  /* mote does what the guest wanted */
	TRACE_SPAN_CALL,
	TRACE_SPAN_FAULT,
	TRACE_SPAN_SAMPLE, /* looking at pages: no part of the start */
	TRACE_SPAN_KINDS
};

struct trace_span {
	enum trace_span_kind kind;
	double from, to;  /* us; to is at least from */
	double us;        /* between them, without looking at pages */
	const char *name; /* points into text, or elsewhere */
	char text[32];
	const struct trace_record *record; /* NULL: a phase */
};

struct trace_spans {
	struct trace_span *span;
	size_t count;
};

/**
 * trace_spans_find() - All that lasts, by its beginning, and what is longer first.
 *
 * What had not ended when the guest was over ends with it.
 *
 * Return: 0, or -1 when memory is short.
 */
int trace_spans_find(struct trace_spans *spans, const struct trace_log *log);
void trace_spans_free(struct trace_spans *spans);

extern const char *const trace_span_kind_name[TRACE_SPAN_KINDS];

#endif
