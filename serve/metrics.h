/* SPDX-License-Identifier: Apache-2.0 */
/* What an application's requests cost, in the format that Prometheus reads. */
#ifndef MOTE_SERVE_METRICS_H
#define MOTE_SERVE_METRICS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "vmm/worker_wire.h"

#define METRICS_BUCKETS 20

enum metrics_phase { METRICS_QUEUE, METRICS_RUN, METRICS_RESET, METRICS_TOTAL, METRICS_PHASES };

/* Times by powers of two from 8 us on: exact enough for any percentile that is acted upon. */
struct metrics_times {
	uint64_t buckets[METRICS_BUCKETS + 1];
	uint64_t count, sum_ns;
};

struct metrics {
	struct metrics_times phases[METRICS_PHASES];
	uint64_t by_status[6]; /* hundreds */
	uint64_t pages, exits, resets, cut;
};

/* All may be called by any thread. */
void metrics_time(struct metrics *metrics, enum metrics_phase phase, uint64_t ns);
void metrics_answer(struct metrics *metrics, unsigned status, unsigned exits);
/* An answer whose end did not reach the client. */
void metrics_cut(struct metrics *metrics);
/* What a worker says of a run, and of the reset before it. */
void metrics_run(struct metrics *metrics, const struct worker_message *end);

/* Write one application's. @is_first: with the lines that explain them */
void metrics_print(const struct metrics *metrics, const char *app, FILE *out);

#endif
