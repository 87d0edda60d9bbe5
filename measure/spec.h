/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be measured, and what it may cost: the specification of `mote bench startup`. */
#ifndef MOTE_MEASURE_SPEC_H
#define MOTE_MEASURE_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "measure/measures.h"
#include "vmm/error.h"

#define SPEC_VERSION      1
#define SPEC_BYTES_MAX    (1u << 20)
#define SPEC_WORDS_MAX    256
#define SPEC_BUDGETS_MAX  64
#define SPEC_RUNS_MAX     100000
#define SPEC_RUNS_DEFAULT 50

struct spec_budget {
	enum bench_mode mode;
	const struct bench_budget_kind *kind;
	double limit; /* in kind->unit; above 0 */
};

/* All strings belong to the object. A list of words ends with NULL. */
struct spec {
	char *name;             /* for reports */
	char *app;              /* of mote run; relative to the specification's folder */
	char **arguments;       /* of the program */
	char **options;         /* of mote run, before APP */
	char **restore_options; /* of mote restore */
	char *against;          /* a command to compare with; NULL: none */
	char *snapshot_at;      /* where the snapshot for restore and reset is taken */
	bool modes[BENCH_MODE_COUNT];
	unsigned runs;         /* of each mode; 1 to SPEC_RUNS_MAX */
	unsigned warmup;       /* runs before them that do not count */
	unsigned stats_runs;   /* with --stats, for what is not time */
	unsigned reset_rounds; /* that one sample of a reset is the mean of */
	unsigned timeout_s;    /* of one run */
	int exit_status;       /* that every run is to have */
	double significance;   /* p below which a regression is one */
	double minimum;        /* share of the baseline below which a difference does not matter */
	struct spec_budget budgets[SPEC_BUDGETS_MAX];
	size_t budget_count;
};

/**
 * spec_read() - Read a specification: docs/startup-testing.md has its keys.
 * @spec: filled; to be given to spec_free() whatever the result is
 * @name: of the file, for messages
 * @text: @size bytes, of any kind
 *
 * Everything is checked: unknown keys, types, ranges, and budgets for what is not measured.
 *
 * Return: 0, or -1 with @err saying what is wrong, and where.
 */
int spec_read(struct spec *spec, const char *name, const char *text, size_t size,
              struct mote_error *err);

/**
 * spec_of_program() - The specification of a program without one: boot it, no budgets.
 * @arguments: of the program; ends with NULL
 */
int spec_of_program(struct spec *spec, const char *app, char *const *arguments,
                    struct mote_error *err);

void spec_free(struct spec *spec);

#endif
