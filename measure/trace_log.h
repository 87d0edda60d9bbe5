/* SPDX-License-Identifier: Apache-2.0 */
/* A trace as `mote run --trace` has written it, read and checked. */
#ifndef MOTE_MEASURE_TRACE_LOG_H
#define MOTE_MEASURE_TRACE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mote/abi.h"
#include "vmm/error.h"
#include "vmm/trace_format.h"

#define TRACE_BYTES_MAX  (1ull << 30)
#define TRACE_NAME_MAX   4096
#define TRACE_IMAGES_MAX 16

/* A part of the start, from one moment to the next. */
struct trace_phase {
	const char *name;
	double from, to; /* us since the first moment; equal: not reached */
};

#define TRACE_PHASES 9

/* Records of one kind, in the order of the log. */
struct trace_list {
	const struct trace_record **record;
	size_t count;
};

struct trace_log {
	const struct trace_record *records; /* all; the caller's bytes */
	size_t count;
	struct trace_list list[TRACE_KIND_COUNT];
	const struct trace_record *head, *end;
	char application[TRACE_NAME_MAX], backend[64];
	uint64_t moment[TRACE_MOMENTS]; /* host TSC; 0: not reached */
	double us_per_tick, total_us;   /* total: from the first moment to the last */
	struct trace_phase phases[TRACE_PHASES];
};

/**
 * trace_log_read() - Read and check a log.
 * @log:   filled; to be given to trace_log_free() whatever the result is
 * @bytes: aligned to 8; stay as long as the log
 *
 * Errors: not a log, of another version, not whole, or with records that are none. What the records
 * of a guest say is not believed: times may be in any order.
 */
int trace_log_read(struct trace_log *log, const char *name, const void *bytes, size_t size,
                   struct mote_error *err);

void trace_log_free(struct trace_log *log);

/* Microseconds from the first moment to a TSC value, from 0 to total_us. */
double trace_log_us(const struct trace_log *log, uint64_t tsc);

/* System calls that had begun when the guest was over, in threads that it had besides. */
uint64_t trace_log_unfinished(const struct trace_log *log);

/* Time between two moments that sampling pages took: it is no part of the start. */
double trace_log_sampling(const struct trace_log *log, double from, double to);

/* Names of what records are of: never NULL. @text has room for what has no name. */
const char *trace_cause_name(uint32_t cause, char text[32]);
const char *trace_call_name(uint32_t number, char text[32]);

/* What lies at a guest-physical address: enum trace_image, TRACE_IMAGES if nothing was said. */
unsigned trace_image_at(const struct trace_log *log, uint64_t gpa);
const char *trace_image_name(unsigned image);

#endif
