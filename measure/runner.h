/* SPDX-License-Identifier: Apache-2.0 */
/* Starts what is measured, again and again, and takes the time. */
#ifndef MOTE_MEASURE_RUNNER_H
#define MOTE_MEASURE_RUNNER_H

#include "measure/result.h"
#include "measure/spec.h"

/**
 * runner_measure() - Do all runs of a specification.
 * @mote:   path of the mote to measure
 * @folder: where the runs start; NULL: here
 * @result: filled; samples are appended
 * @show_progress: draw a bar on stderr
 *
 * In each round every mode has its turn, in an order drawn anew, so that what else the machine does
 * meets all alike. Runs with --stats come after those that are timed. A run that does not end as
 * the specification says ends it all.
 *
 * Return: 0, or -1 with @err; after a signal that asks for the end its code is 128 plus its number.
 */
int runner_measure(const struct spec *spec, const char *mote, const char *folder,
                   struct result *result, bool show_progress, struct mote_error *err);

#endif
