/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target of what mote-bench reads: specifications, results, statistics of a run. */
#include <stdlib.h>

#include "../../measure/check.c"
#include "../../measure/measures.c"
#include "../../measure/plot.c"
#include "../../measure/report.c"
#include "../../measure/result.c"
#include "../../measure/statistics.c"
#include "../../measure/xml.c"
#define wrong spec_wrong
#include "../../measure/spec.c"
#undef wrong
#include "../../vmm/error.c"
#include "../../vmm/typo.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void read_spec(const char *text, size_t size, struct spec *spec)
{
	struct mote_error err = {0};

	if (spec_read(spec, "fuzz", text, size, &err)) {
		require(err.code == MOTE_STATUS_FAILED && err.text[0]);
		return;
	}
	require(spec->app && *spec->app && spec->name && spec->arguments && spec->options);
	require(spec->runs >= 1 && spec->runs <= SPEC_RUNS_MAX);
	require(spec->exit_status >= 0 && spec->exit_status <= 255);
	for (size_t i = 0; i < spec->budget_count; i++)
		require(spec->budgets[i].limit > 0 && spec->modes[spec->budgets[i].mode]);
}

/* Everything that is said of a result that was accepted. */
static void use_result(const struct result *result)
{
	struct spec spec = {.significance = 0.01, .minimum = 0.05};
	struct checks checks = {0};
	struct mote_error err = {0};
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	require(file != NULL);
	check_regressions(&checks, &spec, result, result, &err);
	require(checks.failed == 0);
	require(report_text(result, &checks, file) == 0);
	require(report_junit(result, &checks, file) == 0);
	require(report_tap(result, &checks, file) == 0);
	require(plot_write(result, file) == 0);
	require(result_write(result, &checks, file) == 0);
	fclose(file);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of the exact size, and one with a NUL behind it: a read beyond is seen. */
	char *copy = malloc(size + !size), *line = malloc(size + 1);
	struct spec spec = {0};
	struct result result = {0};
	struct mote_error err = {0};

	require(copy && line);
	memcpy(copy, data, size);
	memcpy(line, data, size);
	line[size] = '\0';
	read_spec(copy, size, &spec);
	spec_free(&spec);
	if (size < 4096 && result_read(&result, "fuzz", copy, size, &err) == 0)
		use_result(&result);
	result_free(&result);
	result_add_stats(&result, BENCH_BOOT, line, &err);
	result_free(&result);
	free(copy);
	free(line);
	return 0;
}
