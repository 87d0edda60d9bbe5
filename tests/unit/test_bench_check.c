/* SPDX-License-Identifier: Apache-2.0 */
/* Budgets and regressions: what is broken, what is not, and how it is said in XML and TAP. */
#include <criterion/criterion.h>

#include "../../measure/check.c"
#include "../../measure/measures.c"
#include "../../measure/report.c"
#include "../../measure/statistics.c"
#include "../../measure/xml.c"

static struct spec spec = {.significance = 0.01, .minimum = 0.05};
static struct checks checks;
static struct mote_error err;

/* @count samples around @middle, up to @spread away, by @seed. */
static void fill(struct series *series, size_t count, double middle, double spread, uint64_t seed)
{
	*series = (struct series){0};
	for (size_t i = 0; i < count; i++)
		series_add(series,
		           middle +
		                   spread * ((double)(statistics_random(&seed) % 2001) / 1000 - 1));
}

static void set_budget(enum bench_mode mode, const char *key, double limit)
{
	const struct bench_budget_kind *kind = bench_budget_kinds;

	while (strcmp(kind->key, key) != 0)
		kind++;
	spec.budgets[spec.budget_count++] = (struct spec_budget){mode, kind, limit};
}

Test(bench_check, a_budget_is_broken_above_its_limit_only)
{
	static struct result result;

	fill(&result.series[BENCH_BOOT][BENCH_WALL], 99, 1000, 100, 1);
	fill(&result.series[BENCH_AGAINST][BENCH_WALL], 99, 500, 0, 1);
	fill(&result.series[BENCH_BOOT][BENCH_EXITS], 10, 4, 0, 1);
	set_budget(BENCH_BOOT, "exits", 4);
	set_budget(BENCH_BOOT, "exits", 3.99);
	set_budget(BENCH_BOOT, "p50_us", 1050);
	set_budget(BENCH_BOOT, "p99_us", 1050);
	set_budget(BENCH_BOOT, "ratio", 2.1);
	set_budget(BENCH_BOOT, "ratio", 1.9);
	cr_assert_eq(check_budgets(&checks, &spec, &result, &err), 0);
	cr_assert_eq(checks.count, 6);
	cr_expect(checks.list[0].has_passed);
	cr_expect_not(checks.list[1].has_passed);
	cr_expect(checks.list[2].has_passed);
	cr_expect_not(checks.list[3].has_passed);
	cr_expect(checks.list[4].has_passed);
	cr_expect_not(checks.list[5].has_passed);
	cr_expect_eq(checks.failed, 3);
	cr_expect_str_eq(checks.list[1].name, "boot exits");
	cr_expect_str_eq(checks.list[1].detail, "4 exits, budget 3.99");
}

Test(bench_check, a_budget_of_what_was_not_measured_is_an_error)
{
	static struct result result;

	fill(&result.series[BENCH_BOOT][BENCH_WALL], 10, 1000, 100, 1);
	set_budget(BENCH_BOOT, "pss_kib", 4);
	cr_expect_eq(check_budgets(&checks, &spec, &result, &err), -1);
	cr_expect_str_eq(err.text, "cannot check budget \"pss_kib\" of boot: it was not measured");
	spec.budget_count = 0;
	set_budget(BENCH_BOOT, "ratio", 4);
	cr_expect_eq(check_budgets(&checks, &spec, &result, &err), -1);
	cr_expect_str_eq(err.text,
	                 "cannot check budget \"ratio\" of boot: there is no command to compare "
	                 "with (\"against\", --against)");
}

Test(bench_check, finds_a_regression_that_is_there)
{
	static struct result old, new;

	fill(&old.series[BENCH_BOOT][BENCH_WALL], 40, 1000, 100, 1);
	fill(&new.series[BENCH_BOOT][BENCH_WALL], 40, 1150, 100, 2);
	fill(&old.series[BENCH_BOOT][BENCH_EXITS], 10, 4, 0, 1);
	fill(&new.series[BENCH_BOOT][BENCH_EXITS], 10, 5, 0, 1);
	cr_assert_eq(check_regressions(&checks, &spec, &old, &new, &err), 0, "%s", err.text);
	cr_assert_eq(checks.count, 2);
	cr_expect_eq(checks.failed, 2);
	cr_expect_str_eq(checks.list[0].name, "boot wall_us against baseline");
}

/* Neither noise, nor what is too small to matter, nor what has become faster. */
Test(bench_check, finds_none_where_there_is_none)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct result old = {0}, new = {0};

		checks = (struct checks){0};
		fill(&old.series[BENCH_BOOT][BENCH_WALL], 30, 1000, 300, seed);
		fill(&new.series[BENCH_BOOT][BENCH_WALL], 30, 1000, 300, 1000 + seed);
		fill(&old.series[BENCH_RESTORE][BENCH_WALL], 30, 1000, 5, seed);
		fill(&new.series[BENCH_RESTORE][BENCH_WALL], 30, 1040, 5, 1000 + seed);
		fill(&old.series[BENCH_RESET][BENCH_WALL], 30, 1000, 5, seed);
		fill(&new.series[BENCH_RESET][BENCH_WALL], 30, 500, 5, 1000 + seed);
		cr_assert_eq(check_regressions(&checks, &spec, &old, &new, &err), 0);
		cr_assert_eq(checks.count, 3);
		/* Of 200 that are alike, 200 times 0.01 / 3 may seem different by chance. */
		cr_expect(checks.list[1].has_passed && checks.list[2].has_passed);
		cr_expect(checks.list[0].has_passed, "seed %lu: %s", seed, checks.list[0].detail);
		for (int mode = 0; mode < BENCH_MODE_COUNT; mode++) {
			series_free(&old.series[mode][BENCH_WALL]);
			series_free(&new.series[mode][BENCH_WALL]);
		}
	}
}

Test(bench_check, compares_only_what_has_samples_enough)
{
	static struct result old, new;

	cr_expect_eq(check_regressions(&checks, &spec, &old, &new, &err), -1);
	cr_expect_str_eq(err.text, "the baseline has nothing of what was measured");
	fill(&old.series[BENCH_BOOT][BENCH_WALL], 9, 1000, 100, 1);
	fill(&new.series[BENCH_BOOT][BENCH_WALL], 10, 1000, 100, 1);
	cr_expect_eq(check_regressions(&checks, &spec, &old, &new, &err), -1);
	cr_expect_str_eq(err.text,
	                 "cannot compare wall_us of boot: a comparison needs 10 samples, and there "
	                 "are 9 in the baseline and 10 now");
}

/* ---- XML, TAP ---- */

static char *written(void (*write)(FILE *to))
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	write(file);
	fclose(file);
	return text;
}

static void write_hostile(FILE *to)
{
	xml_write("<a href=\"&\">\t\x01\x7f\xff\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80 "
	          "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xe2\x82",
	          to);
}

Test(xml, has_no_byte_that_xml_has_not)
{
	cr_expect_str_eq(written(write_hostile),
	                 "&lt;a href=&quot;&amp;&quot;&gt;\t?\x7f????????\x3f? "
	                 "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80??");
}

static void write_tap(FILE *to)
{
	static const struct result result = {.name = "n", .taken = "t"};
	struct checks list = {
	        .count = 2,
	        .failed = 1,
	        .list = {{"a # TODO \\", "say \"x\"", false}, {"b", "fine", true}},
	};

	report_tap(&result, &list, to);
}

Test(report, tap_has_a_plan_and_no_directives_of_others)
{
	cr_expect_str_eq(written(write_tap),
	                 "TAP version 14\n1..2\n# n, t\n"
	                 "not ok 1 - a \\# TODO \\\\\n  ---\n  message: \"say \\\"x\\\"\"\n  ...\n"
	                 "ok 2 - b\n  ---\n  message: \"fine\"\n  ...\n");
}
