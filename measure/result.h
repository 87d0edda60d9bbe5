/* SPDX-License-Identifier: Apache-2.0 */
/* What was measured: samples of every quantity, as a file that can be compared with later. */
#ifndef MOTE_MEASURE_RESULT_H
#define MOTE_MEASURE_RESULT_H

#include <stdbool.h>
#include <stdio.h>

#include "measure/measures.h"
#include "measure/statistics.h"
#include "vmm/error.h"

#define RESULT_VERSION     1
#define RESULT_BYTES_MAX   (256u << 20)
#define RESULT_SAMPLES_MAX 1000000u
#define RESULT_PHASES_MAX  32
#define RESULT_NAME_MAX    64

/* One phase of a start, as --stats names them. */
struct result_phase {
	char name[RESULT_NAME_MAX];
	struct series us;
};

struct result {
	char name[RESULT_NAME_MAX];    /* of the specification */
	char backend[RESULT_NAME_MAX]; /* of KVM; empty: not known */
	char taken[RESULT_NAME_MAX];   /* date and time, UTC */
	struct series series[BENCH_MODE_COUNT][BENCH_QUANTITY_COUNT];
	struct result_phase phases[RESULT_PHASES_MAX]; /* of boot, in order */
	size_t phase_count;
};

/* The outcome of one budget or comparison. */
struct check {
	char name[RESULT_NAME_MAX]; /* "boot p50_us" */
	char detail[256];           /* one line that says what was found */
	bool has_passed;
};

#define RESULT_CHECKS_MAX 128

struct checks {
	struct check list[RESULT_CHECKS_MAX];
	size_t count, failed;
};

/**
 * result_add_stats() - Take over what one line of --stats=json says of a run.
 */
int result_add_stats(struct result *result, enum bench_mode mode, const char *line,
                     struct mote_error *err);

/**
 * result_read() - Read what result_write() has written.
 * @result: filled; to be given to result_free() whatever the result is
 * @text: of any kind
 */
int result_read(struct result *result, const char *name, const char *text, size_t size,
                struct mote_error *err);

/* Write all samples, what they sum up to, and the checks, as one JSON object. Returns 0 or -1. */
int result_write(const struct result *result, const struct checks *checks, FILE *to);

void result_free(struct result *result);

#endif
