/* SPDX-License-Identifier: Apache-2.0 */
/* Judges a result: by the budgets of its specification, and by an earlier result. */
#include "measure/check.h"

#include <stdio.h>

static struct check *add_check(struct checks *checks, struct mote_error *err)
{
	if (checks->count == RESULT_CHECKS_MAX) {
		mote_error_set(err, MOTE_STATUS_FAILED, "more than %d checks", RESULT_CHECKS_MAX);
		return NULL;
	}
	return &checks->list[checks->count++];
}

static void set_outcome(struct checks *checks, struct check *check, bool has_passed)
{
	check->has_passed = has_passed;
	checks->failed += !has_passed;
}

/* ---- budgets ---- */

int check_ratio_of(const struct result *result, enum bench_mode mode, struct check_ratio *ratio)
{
	const struct series *against = &result->series[BENCH_AGAINST][BENCH_WALL];
	const struct series *series = &result->series[mode][BENCH_WALL];

	if (!against->count || !series->count)
		return 1;
	return statistics_ratio(against, series, true, &ratio->ratio, &ratio->interval);
}

/* The value that a budget is for. Returns 0; 1 when it was not measured; -1. */
static int find_value(const struct result *result, const struct spec_budget *budget, double *value)
{
	const struct series *series = &result->series[budget->mode][budget->kind->quantity];
	struct check_ratio ratio;
	struct summary summary;
	int status;

	if (budget->kind->statistic == BENCH_RATIO) {
		status = check_ratio_of(result, budget->mode, &ratio);
		*value = status ? 0 : ratio.ratio;
		return status;
	}
	if (!series->count)
		return 1;
	if (statistics_summary(series, &summary))
		return -1;
	switch (budget->kind->statistic) {
	case BENCH_P90: *value = summary.p90; break;
	case BENCH_P99: *value = summary.p99; break;
	case BENCH_MEAN: *value = summary.mean; break;
	default: *value = summary.p50; break;
	}
	return 0;
}

int check_budgets(struct checks *checks, const struct spec *spec, const struct result *result,
                  struct mote_error *err)
{
	for (size_t i = 0; i < spec->budget_count; i++) {
		const struct spec_budget *budget = &spec->budgets[i];
		const char *mode = bench_mode_name[budget->mode];
		struct check *check = add_check(checks, err);
		double value;
		int status = find_value(result, budget, &value);

		if (!check)
			return -1;
		if (status)
			return mote_error_set(err, MOTE_STATUS_FAILED,
			                      "cannot check budget \"%s\" of %s: %s",
			                      budget->kind->key, mode,
			                      status < 0 ? "no memory"
			                      : budget->kind->statistic == BENCH_RATIO
			                              ? "there is no command to compare with "
			                                "(\"against\", --against)"
			                              : "it was not measured");
		snprintf(check->name, sizeof check->name, "%s %s", mode, budget->kind->key);
		snprintf(check->detail, sizeof check->detail, "%.9g %s, budget %.9g", value,
		         budget->kind->unit, budget->limit);
		set_outcome(checks, check, value <= budget->limit);
	}
	return 0;
}

/* ---- regressions ---- */

struct comparison {
	enum bench_mode mode;
	enum bench_quantity quantity;
	const struct series *old, *new;
};

/* All that both have; the command of --against is none of them. */
static size_t find_comparisons(const struct result *old, const struct result *new,
                               struct comparison *list)
{
	size_t count = 0;

	for (int mode = 0; mode < BENCH_AGAINST; mode++)
		for (int i = 0; i < BENCH_QUANTITY_COUNT; i++)
			if (old->series[mode][i].count && new->series[mode][i].count)
				list[count++] = (struct comparison){
				        (enum bench_mode)mode, (enum bench_quantity)i,
				        &old->series[mode][i], &new->series[mode][i]};
	return count;
}

static int too_few(const struct comparison *comparison, struct mote_error *err)
{
	return mote_error_set(err, MOTE_STATUS_FAILED,
	                      "cannot compare %s of %s: a comparison needs %d samples, and there "
	                      "are %zu in the baseline and %zu now",
	                      bench_quantity_key[comparison->quantity],
	                      bench_mode_name[comparison->mode], CHECK_SAMPLES_MIN,
	                      comparison->old->count, comparison->new->count);
}

static int compare(struct checks *checks, const struct comparison *comparison, double significance,
                   double minimum, struct mote_error *err)
{
	struct check *check = add_check(checks, err);
	struct interval interval;
	struct summary before, after;
	struct rank_test test;
	double ratio;

	if (!check)
		return -1;
	if (statistics_summary(comparison->old, &before) ||
	    statistics_summary(comparison->new, &after) ||
	    statistics_rank_test(comparison->old, comparison->new, &test) ||
	    statistics_ratio(comparison->old, comparison->new, false, &ratio, &interval))
		return mote_error_errno(err, MOTE_STATUS_FAILED, "a comparison");
	snprintf(check->name, sizeof check->name, "%s %s against baseline",
	         bench_mode_name[comparison->mode], bench_quantity_key[comparison->quantity]);
	snprintf(check->detail, sizeof check->detail,
	         "%.9g %s, was %.9g: ratio %.3g (95%%: %.3g to %.3g), larger in %.0f%% of pairs, "
	         "p %.2g",
	         after.p50, bench_quantity_unit[comparison->quantity], before.p50, ratio,
	         interval.low, interval.high, 100 * test.effect, test.p);
	set_outcome(checks, check, !(test.p < significance && ratio > 1 + minimum));
	return 0;
}

int check_regressions(struct checks *checks, const struct spec *spec, const struct result *old,
                      const struct result *new, struct mote_error *err)
{
	struct comparison list[BENCH_MODE_COUNT * BENCH_QUANTITY_COUNT];
	size_t count = find_comparisons(old, new, list);

	if (count == 0)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "the baseline has nothing of what was measured");
	for (size_t i = 0; i < count; i++) {
		if (list[i].old->count < CHECK_SAMPLES_MIN ||
		    list[i].new->count < CHECK_SAMPLES_MIN)
			return too_few(&list[i], err);
		if (compare(checks, &list[i], spec->significance / (double)count, spec->minimum,
		            err))
			return -1;
	}
	return 0;
}
