/* SPDX-License-Identifier: Apache-2.0 */
/* What samples say: quantiles, how sure they are, and whether two sets of samples differ. */
#ifndef MOTE_MEASURE_STATISTICS_H
#define MOTE_MEASURE_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Samples in the order in which they were taken. */
struct series {
	double *values;
	size_t count, room;
};

/* A range that holds the true value with the confidence that was asked for. */
struct interval {
	double low, high;
};

struct summary {
	size_t count;
	double mean, min, p50, p90, p99, max;
	struct interval median; /* 95 % */
};

/* Of a comparison of two series by ranks. */
struct rank_test {
	double u;      /* pairs in which the second is larger; half for each pair of equals */
	double p;      /* of such a u or a larger one, if both were of one kind */
	double effect; /* u by the number of pairs: 0.5 is no difference, 1 is always larger */
};

/* Append a value. Returns 0, or -1 when memory is short. */
int series_add(struct series *series, double value);
void series_free(struct series *series);

/**
 * statistics_quantile() - Value below which a share of the samples lies.
 * @sorted: ascending, at least one
 * @share:  0 to 1
 *
 * Between two samples by linear interpolation (type 7 of Hyndman and Fan, 1996).
 */
double statistics_quantile(const double *sorted, size_t count, double share);

/**
 * statistics_median_interval() - Where the true median lies, with at least 95 % confidence.
 * @sorted: ascending, at least one
 *
 * By order statistics: the binomial distribution alone decides, whatever the samples' own is. Fewer
 * than six samples cannot give that confidence; then it is their whole range.
 */
struct interval statistics_median_interval(const double *sorted, size_t count);

/* Sum up @series, which has at least one sample. Returns 0, or -1 when memory is short. */
int statistics_summary(const struct series *series, struct summary *summary);

/**
 * statistics_rank_test() - Are the samples of @second larger than those of @first?
 *
 * One-sided test of Mann and Whitney (1947): by the normal approximation, with corrections for ties
 * and for continuity. Good from about eight samples each. Both have at least one.
 *
 * Return: 0, or -1 when memory is short.
 */
int statistics_rank_test(const struct series *first, const struct series *second,
                         struct rank_test *test);

/**
 * statistics_ratio() - Median of @second by that of @first, with 95 % confidence.
 * @is_paired: sample i of one was taken beside sample i of the other: draw both together
 *
 * By the bootstrap's percentiles, of a fixed seed: equal samples give equal intervals. A median of
 * 0 below gives an infinite ratio.
 *
 * Return: 0, or -1 when memory is short.
 */
int statistics_ratio(const struct series *first, const struct series *second, bool is_paired,
                     double *ratio, struct interval *interval);

/* The next number of a generator whose state is @state (splitmix64). */
uint64_t statistics_random(uint64_t *state);

/* Ascending. */
void statistics_sort(double *values, size_t count);

#endif
