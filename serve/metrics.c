/* SPDX-License-Identifier: Apache-2.0 */
/* What an application's requests cost, in the format that Prometheus reads. */
#include "serve/metrics.h"

#define FIRST_NS 8000u

static void add(uint64_t *to, uint64_t value)
{
	__atomic_fetch_add(to, value, __ATOMIC_RELAXED);
}

static uint64_t get(const uint64_t *from)
{
	return __atomic_load_n(from, __ATOMIC_RELAXED);
}

void metrics_time(struct metrics *metrics, enum metrics_phase phase, uint64_t ns)
{
	struct metrics_times *times = &metrics->phases[phase];
	unsigned bucket = 0;

	while (bucket < METRICS_BUCKETS && ns > (uint64_t)FIRST_NS << bucket)
		bucket++;
	add(&times->buckets[bucket], 1);
	add(&times->count, 1);
	add(&times->sum_ns, ns);
}

void metrics_answer(struct metrics *metrics, unsigned status, unsigned exits)
{
	add(&metrics->by_status[status / 100 < 6 ? status / 100 : 5], 1);
	add(&metrics->exits, exits);
}

void metrics_cut(struct metrics *metrics)
{
	add(&metrics->cut, 1);
}

void metrics_run(struct metrics *metrics, const struct worker_message *end)
{
	metrics_time(metrics, METRICS_RUN, end->ns);
	if (!end->reset_ns)
		return;
	metrics_time(metrics, METRICS_RESET, end->reset_ns);
	add(&metrics->pages, end->pages);
	add(&metrics->resets, 1);
}

static void print_times(const struct metrics_times *times, const char *app, const char *phase,
                        FILE *out)
{
	uint64_t below = 0;

	for (unsigned i = 0; i <= METRICS_BUCKETS; i++) {
		below += get(&times->buckets[i]);
		fprintf(out, "mote_request_seconds_bucket{app=\"%s\",phase=\"%s\",le=\"", app,
		        phase);
		if (i == METRICS_BUCKETS)
			fprintf(out, "+Inf");
		else
			fprintf(out, "%.6f", (double)((uint64_t)FIRST_NS << i) / 1e9);
		fprintf(out, "\"} %llu\n", (unsigned long long)below);
	}
	fprintf(out, "mote_request_seconds_sum{app=\"%s\",phase=\"%s\"} %.9f\n", app, phase,
	        (double)get(&times->sum_ns) / 1e9);
	/* The sum of the buckets, so that the two agree whatever happens meanwhile. */
	fprintf(out, "mote_request_seconds_count{app=\"%s\",phase=\"%s\"} %llu\n", app, phase,
	        (unsigned long long)below);
}

void metrics_print(const struct metrics *metrics, const char *app, FILE *out)
{
	static const char *const names[METRICS_PHASES] = {"queue", "run", "reset", "total"};

	for (unsigned i = 0; i < METRICS_PHASES; i++)
		print_times(&metrics->phases[i], app, names[i], out);
	for (unsigned i = 2; i < 6; i++)
		fprintf(out, "mote_responses_total{app=\"%s\",code=\"%uxx\"} %llu\n", app, i,
		        (unsigned long long)get(&metrics->by_status[i]));
	fprintf(out, "mote_answers_cut_total{app=\"%s\"} %llu\n", app,
	        (unsigned long long)get(&metrics->cut));
	fprintf(out, "mote_resets_total{app=\"%s\"} %llu\n", app,
	        (unsigned long long)get(&metrics->resets));
	fprintf(out, "mote_reset_pages_total{app=\"%s\"} %llu\n", app,
	        (unsigned long long)get(&metrics->pages));
	fprintf(out, "mote_exits_total{app=\"%s\"} %llu\n", app,
	        (unsigned long long)get(&metrics->exits));
}
