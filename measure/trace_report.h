/* SPDX-License-Identifier: Apache-2.0 */
/* Says what is in a trace: as text, as a timeline, as a flame graph. */
#ifndef MOTE_MEASURE_TRACE_REPORT_H
#define MOTE_MEASURE_TRACE_REPORT_H

#include <stdio.h>

#include "measure/trace_log.h"
#include "measure/trace_symbols.h"

/* All return 0, or -1 when memory is short or the file cannot be written. */

/* trace_text.c: where the time went, and the pages. */
int trace_text(const struct trace_log *log, const struct trace_symbols *symbols, FILE *to);

/* trace_json.c: trace events in the JSON form that Perfetto and Chrome's about:tracing read. */
int trace_json(const struct trace_log *log, const struct trace_symbols *symbols, FILE *to);

/* trace_flame.c: an SVG image of the time, each thing below what it is part of. */
int trace_flame(const struct trace_log *log, FILE *to);

#endif
