/* SPDX-License-Identifier: Apache-2.0 */
/* Says what was measured and how it was judged: for people, and for continuous integration. */
#ifndef MOTE_MEASURE_REPORT_H
#define MOTE_MEASURE_REPORT_H

#include <stdio.h>

#include "measure/result.h"

/* All return 0, or -1 when memory is short or the file cannot be written. */

/* Tables for people. */
int report_text(const struct result *result, const struct checks *checks, FILE *to);

/* JUnit XML: a test case for each check; where there are no checks, one that the runs succeeded. */
int report_junit(const struct result *result, const struct checks *checks, FILE *to);

/* TAP version 14, likewise. */
int report_tap(const struct result *result, const struct checks *checks, FILE *to);

/* plot.c: an SVG image of the distributions of times, and the phases of a start. */
int plot_write(const struct result *result, FILE *to);

#endif
