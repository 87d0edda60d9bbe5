/* SPDX-License-Identifier: Apache-2.0 */
/* What was measured: samples of every quantity, as a file that can be compared with later. */
#include "measure/result.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

static int wrong(struct mote_error *err, const char *name, const char *what)
{
	return mote_error_set(err, MOTE_STATUS_FAILED, "cannot use %.256s: %.256s", name, what);
}

/* A text that fits, without what could steer a terminal; else what is in @to stays. */
static void copy_text(char to[RESULT_NAME_MAX], json_t *from)
{
	const char *text = json_string_value(from);

	if (!text || strlen(text) >= RESULT_NAME_MAX)
		return;
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return;
	memcpy(to, text, strlen(text) + 1);
}

static struct series *phase_series(struct result *result, const char *name)
{
	struct result_phase *phase = result->phases;

	for (; phase < result->phases + result->phase_count; phase++)
		if (strcmp(phase->name, name) == 0)
			return &phase->us;
	if (result->phase_count == RESULT_PHASES_MAX || strlen(name) >= RESULT_NAME_MAX)
		return NULL;
	memcpy(phase->name, name, strlen(name) + 1);
	result->phase_count++;
	return &phase->us;
}

static int read_samples(struct series *series, json_t *object)
{
	json_t *samples = json_object_get(object, "samples"), *sample;
	size_t i;

	if (!json_is_array(samples) || json_array_size(samples) == 0 ||
	    json_array_size(samples) > RESULT_SAMPLES_MAX)
		return -1;
	json_array_foreach(samples, i, sample)
	{
		double value = json_number_value(sample);

		if (!json_is_number(sample) || !(value >= 0 && value < 1e18) ||
		    series_add(series, value))
			return -1;
	}
	return 0;
}

static int read_phases(struct result *result, json_t *phases)
{
	const char *name;
	json_t *phase;

	json_object_foreach(phases, name, phase)
	{
		struct series *series = phase_series(result, name);

		if (!series || read_samples(series, phase))
			return -1;
	}
	return 0;
}

static int read_mode(struct result *result, int mode, json_t *object)
{
	for (int i = 0; i < BENCH_QUANTITY_COUNT; i++) {
		json_t *quantity = json_object_get(object, bench_quantity_key[i]);

		if (quantity && read_samples(&result->series[mode][i], quantity))
			return -1;
	}
	return read_phases(result, json_object_get(object, "phases_us"));
}

int result_read(struct result *result, const char *name, const char *text, size_t size,
                struct mote_error *err)
{
	json_error_t where;
	json_t *root;
	char line[256];

	*result = (struct result){0};
	if (size > RESULT_BYTES_MAX)
		return wrong(err, name, "it is longer than 256 MiB");
	root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
	if (!root) {
		snprintf(line, sizeof line, "line %d, column %d: %.200s", where.line, where.column,
		         where.text);
		return wrong(err, name, line);
	}
	if (json_integer_value(json_object_get(root, "mote_bench_result")) != RESULT_VERSION) {
		json_decref(root);
		return wrong(err, name, "it is no result of mote bench startup --json");
	}
	copy_text(result->name, json_object_get(root, "name"));
	copy_text(result->backend, json_object_get(root, "backend"));
	copy_text(result->taken, json_object_get(root, "taken"));
	for (int mode = 0; mode < BENCH_MODE_COUNT; mode++)
		if (read_mode(result, mode, json_object_get(root, bench_mode_name[mode]))) {
			json_decref(root);
			snprintf(line, sizeof line,
			         "what it says of %s is not as mote bench writes it",
			         bench_mode_name[mode]);
			return wrong(err, name, line);
		}
	json_decref(root);
	return 0;
}

/* ---- --stats=json ---- */

static int add_number(struct series *series, json_t *value)
{
	return json_is_number(value) ? series_add(series, json_number_value(value)) : 0;
}

static int add_quantities(struct series *series, json_t *stats)
{
	json_t *guest = json_object_get(stats, "guest_rss_kib");
	json_t *vmm = json_object_get(stats, "vmm_rss_kib");

	return (guest && vmm &&
	        series_add(&series[BENCH_RSS],
	                   json_number_value(guest) + json_number_value(vmm))) ||
	                       add_number(&series[BENCH_PSS], json_object_get(stats, "pss_kib")) ||
	                       add_number(&series[BENCH_PAGES],
	                                  json_object_get(stats, "pages_touched")) ||
	                       add_number(
	                               &series[BENCH_EXITS],
	                               json_object_get(json_object_get(stats, "exits"), "total")) ||
	                       add_number(&series[BENCH_CALLS],
	                                  json_object_get(stats, "system_calls"))
	               ? -1
	               : 0;
}

int result_add_stats(struct result *result, enum bench_mode mode, const char *line,
                     struct mote_error *err)
{
	json_t *stats = json_loads(line, JSON_REJECT_DUPLICATES, NULL), *phase;
	const char *name;
	int status;

	if (!json_is_object(stats)) {
		json_decref(stats);
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "mote has said nothing of a run with --stats=json");
	}
	copy_text(result->backend, json_object_get(stats, "backend"));
	status = add_quantities(result->series[mode], stats);
	if (mode == BENCH_BOOT) {
		json_object_foreach(json_object_get(stats, "phases_us"), name, phase)
		{
			struct series *series = phase_series(result, name);

			if (series && add_number(series, phase))
				status = -1;
		}
	}
	json_decref(stats);
	return status ? mote_error_errno(err, MOTE_STATUS_FAILED, "a run's statistics") : 0;
}

/* ---- writing ---- */

static json_t *series_object(const struct series *series)
{
	struct summary summary;
	json_t *object, *samples;

	if (statistics_summary(series, &summary))
		return NULL;
	object = json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:[f,f]}", "count",
	                   (json_int_t)summary.count, "mean", summary.mean, "min", summary.min,
	                   "p50", summary.p50, "p90", summary.p90, "p99", summary.p99, "max",
	                   summary.max, "p50_interval_95", summary.median.low, summary.median.high);
	samples = json_array();
	for (size_t i = 0; i < series->count; i++)
		json_array_append_new(samples, json_real(series->values[i]));
	json_object_set_new(object, "samples", samples);
	return object;
}

static json_t *mode_object(const struct result *result, int mode)
{
	json_t *object = json_object(), *phases = json_object();

	for (int i = 0; i < BENCH_QUANTITY_COUNT; i++)
		if (result->series[mode][i].count)
			json_object_set_new(object, bench_quantity_key[i],
			                    series_object(&result->series[mode][i]));
	for (size_t i = 0; mode == BENCH_BOOT && i < result->phase_count; i++)
		json_object_set_new(phases, result->phases[i].name,
		                    series_object(&result->phases[i].us));
	if (json_object_size(phases))
		json_object_set(object, "phases_us", phases);
	json_decref(phases);
	return object;
}

static json_t *checks_array(const struct checks *checks)
{
	json_t *array = json_array();

	for (size_t i = 0; i < checks->count; i++)
		json_array_append_new(array,
		                      json_pack("{s:s, s:b, s:s}", "name", checks->list[i].name,
		                                "passed", checks->list[i].has_passed, "detail",
		                                checks->list[i].detail));
	return array;
}

int result_write(const struct result *result, const struct checks *checks, FILE *to)
{
	json_t *root = json_pack("{s:i, s:s, s:s, s:s, s:s}", "mote_bench_result", RESULT_VERSION,
	                         "name", result->name, "mote", MOTE_VERSION, "backend",
	                         result->backend, "taken", result->taken);
	int status;

	for (int mode = 0; mode < BENCH_MODE_COUNT; mode++) {
		json_t *object = mode_object(result, mode);

		if (json_object_size(object))
			json_object_set(root, bench_mode_name[mode], object);
		json_decref(object);
	}
	json_object_set_new(root, "passed", json_boolean(checks->failed == 0));
	json_object_set_new(root, "checks", checks_array(checks));
	status = root ? json_dumpf(root, to, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : -1;
	json_decref(root);
	return status == 0 && fputc('\n', to) != EOF ? 0 : -1;
}

void result_free(struct result *result)
{
	for (int mode = 0; mode < BENCH_MODE_COUNT; mode++)
		for (int i = 0; i < BENCH_QUANTITY_COUNT; i++)
			series_free(&result->series[mode][i]);
	for (size_t i = 0; i < result->phase_count; i++)
		series_free(&result->phases[i].us);
	*result = (struct result){0};
}
