/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target of mote-trace: a log, and the same with a sound beginning and end. */
#include <stdlib.h>

#include "../../measure/trace_flame.c"
#include "../../measure/trace_log.c"
#define add     add_symbol
#define compare compare_symbols
#include "../../measure/trace_symbols.c"
#undef add
#undef compare
#include "../../measure/trace_json.c"
#include "../../measure/trace_spans.c"
#include "../../measure/trace_text.c"
#include "../../measure/xml.c"
#include "../../vmm/elf_symbols.c"
#include "../../vmm/error.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* What lasts lies in the run, in order, and the phases follow one another. */
static void check(const struct trace_log *log)
{
	struct trace_spans spans;

	require(trace_spans_find(&spans, log) == 0);
	for (size_t i = 0; i < spans.count; i++) {
		const struct trace_span *span = &spans.span[i];

		require(span->from >= 0 && span->from <= span->to && span->to <= log->total_us);
		require(i == 0 || spans.span[i - 1].from <= span->from);
		require(span->name && *span->name);
	}
	trace_spans_free(&spans);
	for (int i = 1; i < TRACE_PHASES; i++)
		require(log->phases[i].from >= log->phases[i - 1].to);
}

static void read_log(const struct trace_record *records, size_t size)
{
	/* The input is the application's file, too. */
	struct trace_symbols symbols = {
	        .application = {.elf = (const unsigned char *)records, .size = size, .name = "a"}};
	struct mote_error err = {0};
	struct trace_log log;
	char *text = NULL;
	size_t length;
	FILE *file;

	if (trace_log_read(&log, "fuzz", records, size, &err)) {
		require(err.code == MOTE_STATUS_FAILED && err.text[0]);
		trace_log_free(&log);
		return;
	}
	check(&log);
	file = open_memstream(&text, &length);
	require(file && trace_symbols_find(&symbols, &log) == 0);
	require(trace_text(&log, &symbols, file) == 0);
	require(trace_json(&log, &symbols, file) == 0);
	require(trace_flame(&log, file) == 0);
	fclose(file);
	free(text);
	trace_symbols_free(&symbols);
	trace_log_free(&log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of the exact size: a read behind it is seen. */
	struct trace_record *copy = malloc(size + !size);
	size_t count = size / sizeof *copy;

	require(copy != NULL);
	memcpy(copy, data, size);
	read_log(copy, size);
	for (size_t i = 0; i < count; i++)
		copy[i].kind %= TRACE_KIND_COUNT;
	if (count >= 2) {
		copy[0].kind = TRACE_HEAD;
		copy[0].code = TRACE_VERSION;
		copy[0].word[0] = TRACE_MAGIC;
		copy[count - 1].kind = TRACE_END;
		copy[count - 1].word[4] = count - 1;
		read_log(copy, count * sizeof *copy);
	}
	free(copy);
	return 0;
}
