/* SPDX-License-Identifier: Apache-2.0 */
/* A trace as `mote run --trace` has written it, read and checked. */
#include "measure/trace_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/trace_format.h"

static int wrong(struct mote_error *err, const char *name, const char *why)
{
	return mote_error_set(err, MOTE_STATUS_FAILED, "cannot use the trace %.256s: %s", name,
	                      why);
}

/* ---- names ---- */

const char *trace_cause_name(uint32_t cause, char text[32])
{
	static const char *const hypercalls[MOTE_HC_LIMIT] = {[0] = "unknown_hypercall",
#define X(number, name, arguments, purpose) [number] = #name,
	                                                      MOTE_HYPERCALLS(X)
#undef X
	};
	/* enum vm_exit_cause */
	static const char *const others[] = {"mmio", "port", "interrupted", "other"};

	if (cause < MOTE_HC_LIMIT && hypercalls[cause])
		return hypercalls[cause];
	if (cause >= TRACE_CAUSE_OTHER &&
	    cause - TRACE_CAUSE_OTHER < sizeof others / sizeof *others)
		return others[cause - TRACE_CAUSE_OTHER];
	snprintf(text, 32, "exit_%u", cause);
	return text;
}

const char *trace_call_name(uint32_t number, char text[32])
{
	static const struct {
		uint32_t number;
		const char *name;
	} calls[] = {
#define SYSCALL(number, name, arguments) {number, #name},
#include "guestkit/libc-shim/syscall_table.h"
#undef SYSCALL
	};

	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (calls[i].number == number)
			return calls[i].name;
	snprintf(text, 32, "syscall_%u", number);
	return text;
}

const char *trace_image_name(unsigned image)
{
	static const char *const names[] = {
	        [TRACE_IMAGE_KIT] = "kit",
	        [TRACE_IMAGE_APPLICATION] = "application",
	        [TRACE_IMAGE_TABLES] = "page tables",
	        [TRACE_IMAGE_STACK] = "first stack",
	        [TRACE_IMAGE_RINGS] = "device rings",
	        [TRACE_IMAGE_TRACE] = "ring of the trace",
	        [TRACE_IMAGE_FREE] = "memory of the kit and program",
	        [TRACE_IMAGE_SNAPSHOT] = "memory of the snapshot",
	        [TRACE_IMAGES] = "page tables, device tree",
	};

	return names[image <= TRACE_IMAGES ? image : TRACE_IMAGES];
}

unsigned trace_image_at(const struct trace_log *log, uint64_t gpa)
{
	const struct trace_list *images = &log->list[TRACE_IMAGE];

	for (size_t i = 0; i < images->count; i++)
		if (gpa >= images->record[i]->word[2] && gpa < images->record[i]->word[3])
			return images->record[i]->code < TRACE_IMAGES ? images->record[i]->code
			                                              : TRACE_IMAGES;
	return TRACE_IMAGES;
}

/* ---- times ---- */

double trace_log_us(const struct trace_log *log, uint64_t tsc)
{
	uint64_t first = log->moment[TRACE_MOMENT_MAIN];
	double us = tsc > first ? (double)(tsc - first) * log->us_per_tick : 0;

	return us < log->total_us ? us : log->total_us;
}

uint64_t trace_log_unfinished(const struct trace_log *log)
{
	uint64_t told = log->list[TRACE_CALL].count + log->end->word[1];

	return log->end->word[3] > told ? log->end->word[3] - told : 0;
}

/* Samples are in the order of time, in a log that mote has written; only sums depend on it. */
double trace_log_sampling(const struct trace_log *log, double from, double to)
{
	const struct trace_list *samples = &log->list[TRACE_SAMPLE];
	size_t low = 0, high = samples->count;
	double us = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (trace_log_us(log, samples->record[middle]->word[1]) <= from)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < samples->count; low++) {
		double start = trace_log_us(log, samples->record[low]->word[0]);
		double end = trace_log_us(log, samples->record[low]->word[1]);

		if (start >= to)
			break;
		start = start > from ? start : from;
		end = end < to ? end : to;
		us += end > start ? end - start : 0;
	}
	return us;
}

/* The names of docs/stats.md. A moment that was not reached makes its phase empty. */
static void find_phases(struct trace_log *log)
{
	static const struct {
		const char *name;
		enum trace_moment to;
	} ends[TRACE_PHASES] = {
	        {"open", TRACE_MOMENT_OPENED},     {"create_vm", TRACE_MOMENT_CREATED},
	        {"load", TRACE_MOMENT_LOADED},     {"setup_vcpu", TRACE_MOMENT_SET_UP},
	        {"confine", TRACE_MOMENT_RUN},     {"first_instruction", TRACE_MOMENT_KIT},
	        {"kit", TRACE_MOMENT_APPLICATION}, {"application", TRACE_MOMENT_EXIT},
	        {"exit", TRACE_MOMENT_ENDED},
	};
	double at = 0;

	for (int i = 0; i < TRACE_PHASES; i++) {
		double to =
		        log->moment[ends[i].to] ? trace_log_us(log, log->moment[ends[i].to]) : at;

		log->phases[i] = (struct trace_phase){ends[i].name, at, to > at ? to : at};
		at = log->phases[i].to;
	}
}

/* ---- reading ---- */

static void append_text(char *text, size_t size, const struct trace_record *record)
{
	size_t length = strlen(text), room = size - 1 - length;
	size_t some = room < sizeof record->word ? room : sizeof record->word;

	memcpy(text + length, record->word, some);
	text[length + some] = '\0';
	for (char *c = text + length; *c; c++)
		if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
			*c = '?';
}

static bool is_record(const struct trace_record *record)
{
	switch (record->kind) {
	case TRACE_MOMENT: return record->code < TRACE_MOMENTS;
	case TRACE_TEXT: return record->code <= TRACE_TEXT_BACKEND;
	default: return record->kind < TRACE_KIND_COUNT;
	}
}

static void take_record(struct trace_log *log, const struct trace_record *record)
{
	struct trace_list *list = &log->list[record->kind];

	list->record[list->count++] = record;
	if (record->kind == TRACE_MOMENT)
		log->moment[record->code] = record->word[0];
	else if (record->kind == TRACE_TEXT && record->code == TRACE_TEXT_APPLICATION)
		append_text(log->application, sizeof log->application, record);
	else if (record->kind == TRACE_TEXT)
		append_text(log->backend, sizeof log->backend, record);
}

static int make_lists(struct trace_log *log)
{
	size_t counts[TRACE_KIND_COUNT] = {0};

	for (size_t i = 0; i < log->count; i++) {
		if (!is_record(&log->records[i]))
			return 1;
		counts[log->records[i].kind]++;
	}
	for (int kind = 0; kind < TRACE_KIND_COUNT; kind++) {
		log->list[kind].record = calloc(counts[kind] + 1, sizeof(void *));
		if (!log->list[kind].record)
			return -1;
	}
	for (size_t i = 0; i < log->count; i++)
		take_record(log, &log->records[i]);
	return 0;
}

int trace_log_read(struct trace_log *log, const char *name, const void *bytes, size_t size,
                   struct mote_error *err)
{
	int status;

	*log = (struct trace_log){.records = bytes, .count = size / sizeof *log->records};
	log->head = log->records;
	if (!log->count || log->head->kind != TRACE_HEAD || log->head->word[0] != TRACE_MAGIC)
		return wrong(err, name, "it is no trace of mote run --trace");
	if (log->head->code != TRACE_VERSION)
		return wrong(err, name, "it is of another version of mote");
	log->end = &log->records[log->count - 1];
	if (size % sizeof *log->records || log->end->kind != TRACE_END ||
	    log->end->word[4] != log->count - 1)
		return wrong(err, name, "it is not whole: the run was ended from outside");
	if (log->head->word[1] == 0 || log->head->word[1] > 1000000000)
		return wrong(err, name, "it has no sound clock");
	status = make_lists(log);
	if (status)
		return wrong(err, name, status < 0 ? "no memory for it" : "it is damaged");
	log->us_per_tick = 1000.0 / (double)log->head->word[1];
	log->total_us = 1e15;
	log->total_us = trace_log_us(log, log->moment[TRACE_MOMENT_ENDED]);
	find_phases(log);
	return 0;
}

void trace_log_free(struct trace_log *log)
{
	for (int kind = 0; kind < TRACE_KIND_COUNT; kind++)
		free(log->list[kind].record);
	*log = (struct trace_log){0};
}
