/* SPDX-License-Identifier: Apache-2.0 */
/* What samples say: quantiles, how sure they are, and whether two sets of samples differ. */
#include "measure/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CONFIDENCE      0.95
#define BOOTSTRAP_DRAWS 2000
#define BOOTSTRAP_SEED  0x6d6f7465u

int series_add(struct series *series, double value)
{
	if (series->count == series->room) {
		size_t room = series->room ? 2 * series->room : 64;
		double *values = realloc(series->values, room * sizeof *values);

		if (!values)
			return -1;
		series->values = values;
		series->room = room;
	}
	series->values[series->count++] = value;
	return 0;
}

void series_free(struct series *series)
{
	free(series->values);
	*series = (struct series){0};
}

uint64_t statistics_random(uint64_t *state)
{
	uint64_t value = *state += 0x9e3779b97f4a7c15u;

	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
	value = (value ^ value >> 27) * 0x94d049bb133111ebu;
	return value ^ value >> 31;
}

static int compare_values(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

void statistics_sort(double *values, size_t count)
{
	qsort(values, count, sizeof *values, compare_values);
}

static double *sorted_copy(const struct series *series)
{
	double *copy = malloc(series->count * sizeof *copy);

	if (copy) {
		memcpy(copy, series->values, series->count * sizeof *copy);
		statistics_sort(copy, series->count);
	}
	return copy;
}

/* ---- one series ---- */

double statistics_quantile(const double *sorted, size_t count, double share)
{
	double position = share * (double)(count - 1);
	size_t below = (size_t)position;

	if (below + 1 >= count)
		return sorted[count - 1];
	return sorted[below] + (position - (double)below) * (sorted[below + 1] - sorted[below]);
}

/*
 * The number of samples below the true median is binomial (count, 1/2). The interval leaves out the
 * k smallest and the k largest samples, with the largest k for which less than 5 % is lost.
 */
struct interval statistics_median_interval(const double *sorted, size_t count)
{
	double n = (double)count, lost = 0;
	size_t k = 0;

	for (; k < count / 2; k++) {
		double i = (double)k;

		lost += 2 * exp(lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) - n * log(2));
		if (lost > 1 - CONFIDENCE)
			break;
	}
	k -= k > 0;
	return (struct interval){sorted[k], sorted[count - 1 - k]};
}

int statistics_summary(const struct series *series, struct summary *summary)
{
	double *sorted = sorted_copy(series), sum = 0;
	size_t count = series->count;

	if (!sorted)
		return -1;
	for (size_t i = 0; i < count; i++)
		sum += sorted[i];
	*summary = (struct summary){
	        .count = count,
	        .mean = sum / (double)count,
	        .min = sorted[0],
	        .p50 = statistics_quantile(sorted, count, 0.5),
	        .p90 = statistics_quantile(sorted, count, 0.9),
	        .p99 = statistics_quantile(sorted, count, 0.99),
	        .max = sorted[count - 1],
	        .median = statistics_median_interval(sorted, count),
	};
	free(sorted);
	return 0;
}

/* ---- two series ---- */

/* Pairs (x of @first, y of @second) with y > x, and half of those with y == x; both ascending. */
static double count_larger(const double *first, size_t first_count, const double *second,
                           size_t second_count)
{
	size_t below = 0, not_above = 0;
	double u = 0;

	for (size_t i = 0; i < second_count; i++) {
		while (below < first_count && first[below] < second[i])
			below++;
		while (not_above < first_count && first[not_above] <= second[i])
			not_above++;
		u += (double)below + (double)(not_above - below) / 2;
	}
	return u;
}

/* Sum of t^3 - t over the groups of t equal values in both. */
static double tie_term(const double *first, size_t first_count, const double *second,
                       size_t second_count)
{
	double term = 0;
	size_t i = 0, j = 0;

	while (i < first_count || j < second_count) {
		bool is_first = j == second_count || (i < first_count && first[i] <= second[j]);
		double value = is_first ? first[i] : second[j], group = 0;

		for (; i < first_count && first[i] == value; i++)
			group++;
		for (; j < second_count && second[j] == value; j++)
			group++;
		term += group * group * group - group;
	}
	return term;
}

static double rank_test_p(double u, double n, double m, double ties)
{
	double all = n + m;
	double variance = all > 1 ? n * m / 12 * (all + 1 - ties / (all * (all - 1))) : 0;

	if (variance <= 0)
		return 1;
	return erfc((u - n * m / 2 - 0.5) / sqrt(variance) / sqrt(2)) / 2;
}

int statistics_rank_test(const struct series *first, const struct series *second,
                         struct rank_test *test)
{
	double *x = sorted_copy(first), *y = sorted_copy(second);
	double n = (double)first->count, m = (double)second->count;
	int status = -1;

	if (x && y) {
		test->u = count_larger(x, first->count, y, second->count);
		test->effect = test->u / (n * m);
		test->p = rank_test_p(test->u, n, m, tie_term(x, first->count, y, second->count));
		status = 0;
	}
	free(x);
	free(y);
	return status;
}

static double ratio_of(double over, double under)
{
	return under != 0 ? over / under : over == 0 ? 1 : INFINITY;
}

/* The ratio of the medians of as many values, drawn with replacement into @x and @y. */
static double draw_ratio(const struct series *first, const struct series *second, bool is_paired,
                         uint64_t *random, double *x, double *y)
{
	for (size_t i = 0; i < first->count; i++) {
		size_t drawn = statistics_random(random) % first->count;

		x[i] = first->values[drawn];
		if (is_paired)
			y[i] = second->values[drawn];
	}
	for (size_t i = 0; !is_paired && i < second->count; i++)
		y[i] = second->values[statistics_random(random) % second->count];
	statistics_sort(x, first->count);
	statistics_sort(y, second->count);
	return ratio_of(statistics_quantile(y, second->count, 0.5),
	                statistics_quantile(x, first->count, 0.5));
}

int statistics_ratio(const struct series *first, const struct series *second, bool is_paired,
                     double *ratio, struct interval *interval)
{
	double *x = sorted_copy(first), *y = sorted_copy(second);
	double *ratios = malloc(BOOTSTRAP_DRAWS * sizeof *ratios);
	uint64_t random = BOOTSTRAP_SEED;
	int status = -1;

	if (x && y && ratios) {
		*ratio = ratio_of(statistics_quantile(y, second->count, 0.5),
		                  statistics_quantile(x, first->count, 0.5));
		is_paired &= first->count == second->count;
		for (int i = 0; i < BOOTSTRAP_DRAWS; i++)
			ratios[i] = draw_ratio(first, second, is_paired, &random, x, y);
		statistics_sort(ratios, BOOTSTRAP_DRAWS);
		interval->low = ratios[(int)(BOOTSTRAP_DRAWS * (1 - CONFIDENCE) / 2)];
		interval->high = ratios[(int)(BOOTSTRAP_DRAWS * (1 + CONFIDENCE) / 2) - 1];
		status = 0;
	}
	free(x);
	free(y);
	free(ratios);
	return status;
}
