/* SPDX-License-Identifier: Apache-2.0 */
/* Says what was measured and how it was judged: for people, and for continuous integration. */
#include "measure/report.h"

#include <string.h>

#include "measure/check.h"
#include "measure/xml.h"

static const char no_checks[] = "every run succeeded";

/* ---- text ---- */

static int text_row(const char *name, const struct series *series, const char *unit, FILE *to)
{
	struct summary s;

	if (!series->count)
		return 0;
	if (statistics_summary(series, &s))
		return -1;
	fprintf(to, "%-22s %6zu %10.1f %10.1f %10.1f %10.1f  %.1f..%.1f %s\n", name, s.count, s.p50,
	        s.p90, s.p99, s.mean, s.median.low, s.median.high, unit);
	return 0;
}

static int text_ratios(const struct result *result, FILE *to)
{
	for (int mode = 0; mode < BENCH_AGAINST; mode++) {
		struct check_ratio ratio;
		int status = check_ratio_of(result, (enum bench_mode)mode, &ratio);

		if (status < 0)
			return -1;
		if (status == 0)
			fprintf(to, "%s by the command: %.3f (95%%: %.3f to %.3f)\n",
			        bench_mode_name[mode], ratio.ratio, ratio.interval.low,
			        ratio.interval.high);
	}
	return 0;
}

int report_text(const struct result *result, const struct checks *checks, FILE *to)
{
	char name[RESULT_NAME_MAX + 16];

	fprintf(to, "%s on %s, %s\n\n%-22s %6s %10s %10s %10s %10s  %s\n", result->name,
	        *result->backend ? result->backend : "?", result->taken, "", "runs", "p50", "p90",
	        "p99", "mean", "95% interval of p50");
	for (int mode = 0; mode < BENCH_MODE_COUNT; mode++) {
		for (int i = 0; i < BENCH_QUANTITY_COUNT; i++) {
			snprintf(name, sizeof name, "%s %s", bench_mode_name[mode],
			         bench_quantity_key[i]);
			if (text_row(name, &result->series[mode][i], bench_quantity_unit[i], to))
				return -1;
		}
	}
	for (size_t i = 0; i < result->phase_count; i++) {
		snprintf(name, sizeof name, "  %s", result->phases[i].name);
		if (text_row(name, &result->phases[i].us, "us", to))
			return -1;
	}
	if (text_ratios(result, to))
		return -1;
	for (size_t i = 0; i < checks->count; i++)
		fprintf(to, "%s%s %s: %s\n", i ? "" : "\n",
		        checks->list[i].has_passed ? "ok    " : "FAILED", checks->list[i].name,
		        checks->list[i].detail);
	return ferror(to) ? -1 : 0;
}

/* ---- JUnit ---- */

static void junit_case(const struct check *check, FILE *to)
{
	fputs("    <testcase classname=\"mote.startup\" name=\"", to);
	xml_write(check->name, to);
	fputs("\" time=\"0\">", to);
	if (!check->has_passed) {
		fputs("<failure type=\"budget\" message=\"", to);
		xml_write(check->detail, to);
		fputs("\"/>", to);
	} else {
		fputs("<system-out>", to);
		xml_write(check->detail, to);
		fputs("</system-out>", to);
	}
	fputs("</testcase>\n", to);
}

/* Seconds that all timed runs took. */
static double total_seconds(const struct result *result)
{
	double us = 0;

	for (int mode = 0; mode < BENCH_MODE_COUNT; mode++) {
		const struct series *series = &result->series[mode][BENCH_WALL];

		for (size_t i = 0; i < series->count; i++)
			us += series->values[i];
	}
	return us / 1e6;
}

int report_junit(const struct result *result, const struct checks *checks, FILE *to)
{
	struct check runs = {.has_passed = true};
	size_t count = checks->count ? checks->count : 1;
	double seconds = total_seconds(result);

	memcpy(runs.name, no_checks, sizeof no_checks);
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", to);
	fprintf(to,
	        "<testsuites tests=\"%zu\" failures=\"%zu\" errors=\"0\" time=\"%.6f\">\n"
	        "  <testsuite name=\"",
	        count, checks->failed, seconds);
	xml_write(result->name, to);
	fprintf(to,
	        "\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"0\" time=\"%.6f\" "
	        "timestamp=\"",
	        count, checks->failed, seconds);
	xml_write(result->taken, to);
	fputs("\">\n    <properties><property name=\"backend\" value=\"", to);
	xml_write(result->backend, to);
	fputs("\"/></properties>\n", to);
	for (size_t i = 0; i < checks->count; i++)
		junit_case(&checks->list[i], to);
	if (!checks->count)
		junit_case(&runs, to);
	fputs("  </testsuite>\n</testsuites>\n", to);
	return ferror(to) ? -1 : 0;
}

/* ---- TAP ---- */

/* A description has no '#', which would begin a directive, and no backslash. */
static void tap_text(const char *text, FILE *to)
{
	for (; *text; text++) {
		if (*text == '#' || *text == '\\')
			fputc('\\', to);
		fputc(*text, to);
	}
}

/* A YAML string in double quotes; details are printable ASCII but for names of files. */
static void yaml_text(const char *text, FILE *to)
{
	fputc('"', to);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', to);
		fputc((unsigned char)*text < ' ' ? '?' : *text, to);
	}
	fputc('"', to);
}

int report_tap(const struct result *result, const struct checks *checks, FILE *to)
{
	fprintf(to, "TAP version 14\n1..%zu\n", checks->count ? checks->count : 1);
	fprintf(to, "# %s, %s\n", result->name, result->taken);
	if (!checks->count)
		fprintf(to, "ok 1 - %s\n", no_checks);
	for (size_t i = 0; i < checks->count; i++) {
		const struct check *check = &checks->list[i];

		fprintf(to, "%sok %zu - ", check->has_passed ? "" : "not ", i + 1);
		tap_text(check->name, to);
		fputs("\n  ---\n  message: ", to);
		yaml_text(check->detail, to);
		fputs("\n  ...\n", to);
	}
	return ferror(to) ? -1 : 0;
}
