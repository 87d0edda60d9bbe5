/* SPDX-License-Identifier: Apache-2.0 */
/* Judges a result: by the budgets of its specification, and by an earlier result. */
#ifndef MOTE_MEASURE_CHECK_H
#define MOTE_MEASURE_CHECK_H

#include "measure/result.h"
#include "measure/spec.h"

/* A comparison of fewer samples has nothing to say. */
#define CHECK_SAMPLES_MIN 10

/* Times of @mode by those of the command to compare with. */
struct check_ratio {
	double ratio;
	struct interval interval;
};

/**
 * check_ratio_of() - Compare a mode with the command that ran beside it.
 *
 * Return: 0; 1 when one of them was not run; -1 when memory is short.
 */
int check_ratio_of(const struct result *result, enum bench_mode mode, struct check_ratio *ratio);

/**
 * check_budgets() - A check for each budget: broken when the value is above it.
 *
 * What has a budget and was not measured is an error.
 */
int check_budgets(struct checks *checks, const struct spec *spec, const struct result *result,
                  struct mote_error *err);

/**
 * check_regressions() - A check for each quantity that both results have.
 *
 * One fails when the new median is larger by more than spec->minimum of the old one, and the rank
 * test gives a p below spec->significance by the number of comparisons (Bonferroni).
 */
int check_regressions(struct checks *checks, const struct spec *spec, const struct result *old,
                      const struct result *new, struct mote_error *err);

#endif
