/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics of measurements, against values that tests/tools/statistics-reference.py computed. */
#include <criterion/criterion.h>

#include "../../measure/statistics.c"
#include "statistics_reference.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static struct series series_of(const double *values, size_t count)
{
	struct series series = {0};

	for (size_t i = 0; i < count; i++)
		cr_assert_eq(series_add(&series, values[i]), 0);
	return series;
}

static void expect_near(double value, double wanted, const char *what, size_t i)
{
	cr_expect(fabs(value - wanted) <= 1e-9 * fmax(1, fabs(wanted)),
	          "%s of %zu: %.17g, not %.17g", what, i, value, wanted);
}

Test(statistics, sums_up_as_the_reference_does)
{
	for (size_t i = 0; i < COUNT(summaries); i++) {
		struct series series = series_of(summaries[i].values, summaries[i].count);
		struct summary summary;

		cr_assert_eq(statistics_summary(&series, &summary), 0);
		expect_near(summary.mean, summaries[i].mean, "mean", i);
		expect_near(summary.p50, summaries[i].p50, "p50", i);
		expect_near(summary.p90, summaries[i].p90, "p90", i);
		expect_near(summary.p99, summaries[i].p99, "p99", i);
		expect_near(summary.median.low, summaries[i].low, "low", i);
		expect_near(summary.median.high, summaries[i].high, "high", i);
		cr_expect_eq(summary.count, summaries[i].count);
		series_free(&series);
	}
}

Test(statistics, tests_ranks_as_the_reference_does)
{
	for (size_t i = 0; i < COUNT(rank_tests); i++) {
		struct series first = series_of(rank_tests[i].first, rank_tests[i].first_count);
		struct series second = series_of(rank_tests[i].second, rank_tests[i].second_count);
		struct rank_test test;

		cr_assert_eq(statistics_rank_test(&first, &second, &test), 0);
		expect_near(test.u, rank_tests[i].u, "u", i);
		expect_near(test.p, rank_tests[i].p, "p", i);
		expect_near(test.effect, rank_tests[i].u / (double)(first.count * second.count),
		            "effect", i);
		/* The approximation, against all arrangements counted. */
		if (rank_tests[i].exact_p >= 0 && first.count >= 5)
			cr_expect(fabs(test.p - rank_tests[i].exact_p) < 0.01,
			          "p of %zu: %g, exact %g", i, test.p, rank_tests[i].exact_p);
		series_free(&first);
		series_free(&second);
	}
}

/* The interval has to hold the true median in 95 of 100 experiments, and not in all. */
Test(statistics, interval_of_the_median_holds_it_as_often_as_it_says)
{
	uint64_t random = 7;
	unsigned held = 0;
	const unsigned experiments = 4000;

	for (unsigned i = 0; i < experiments; i++) {
		double values[51];
		struct interval interval;

		for (size_t j = 0; j < COUNT(values); j++) {
			double share = (double)(statistics_random(&random) >> 11) / 0x1p53;

			values[j] = share * share * share; /* median 1/8, far from symmetric */
		}
		statistics_sort(values, COUNT(values));
		interval = statistics_median_interval(values, COUNT(values));
		held += interval.low <= 0.125 && 0.125 <= interval.high;
	}
	cr_expect_geq(held, experiments * 94 / 100);
	cr_expect_leq(held, experiments * 98 / 100);
}

Test(statistics, ratio_is_that_of_medians_and_its_interval_holds_it)
{
	struct series first = {0}, second = {0};
	uint64_t random = 9;
	struct interval interval, again;
	double ratio;

	for (int i = 0; i < 60; i++) {
		double noise = 1 + (double)(statistics_random(&random) % 1000) / 5000;

		series_add(&first, 100 * noise);
		series_add(&second, 150 * noise);
	}
	cr_assert_eq(statistics_ratio(&first, &second, true, &ratio, &interval), 0);
	cr_expect_float_eq(ratio, 1.5, 1e-9);
	/* Drawn in pairs, the same noise is in both. */
	cr_expect_float_eq(interval.low, 1.5, 1e-9);
	cr_expect_float_eq(interval.high, 1.5, 1e-9);
	cr_assert_eq(statistics_ratio(&first, &second, false, &ratio, &interval), 0);
	cr_expect_lt(interval.low, 1.5);
	cr_expect_gt(interval.high, 1.5);
	cr_expect_gt(interval.low, 1.4);
	cr_expect_lt(interval.high, 1.6);
	cr_assert_eq(statistics_ratio(&first, &second, false, &ratio, &again), 0);
	cr_expect_eq(interval.low, again.low, "the same samples give the same interval");
	series_free(&first);
	series_free(&second);
}

Test(statistics, ratio_by_zero_is_infinite_or_one)
{
	struct series zero = {0}, one = {0};
	struct interval interval;
	double ratio;

	series_add(&zero, 0);
	series_add(&one, 1);
	cr_assert_eq(statistics_ratio(&zero, &one, false, &ratio, &interval), 0);
	cr_expect(isinf(ratio));
	cr_assert_eq(statistics_ratio(&zero, &zero, false, &ratio, &interval), 0);
	cr_expect_eq(ratio, 1);
	series_free(&zero);
	series_free(&one);
}
