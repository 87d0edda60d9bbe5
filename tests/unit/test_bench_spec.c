/* SPDX-License-Identifier: Apache-2.0 */
/* Specifications and results of mote bench startup: good ones, and what is said of bad ones. */
#include <criterion/criterion.h>

#include "../../measure/measures.c"
#include "../../measure/result.c"
#include "../../measure/statistics.c"
#define wrong spec_wrong
#include "../../measure/spec.c"
#undef wrong

static struct spec spec;
static struct mote_error err;

static int read_text(const char *text)
{
	err = (struct mote_error){0};
	spec_free(&spec);
	return spec_read(&spec, "s.json", text, strlen(text), &err);
}

static void expect_refused(const char *text, const char *why)
{
	char whole[600];

	cr_expect_eq(read_text(text), -1, "accepted: %s", text);
	snprintf(whole, sizeof whole, "cannot use s.json: %s", why);
	cr_expect_str_eq(err.text, whole);
	cr_expect_eq(err.code, MOTE_STATUS_FAILED);
	spec_free(&spec);
}

#define WITH(more) "{\"mote_bench\": 1, \"app\": \"a\", " more "}"

Test(bench_spec, takes_all_keys)
{
	cr_assert_eq(
	        read_text("{\"mote_bench\": 1, \"name\": \"n\", \"app\": \"dir/a\", \"args\": "
	                  "[\"x\", \"\"], \"options\": [\"--mem\", \"64M\"], "
	                  "\"restore_options\": [\"--env\", \"A=1\"], \"snapshot_at\": "
	                  "\"listen\", \"against\": \"true x\", \"modes\": [\"boot\", \"reset\"], "
	                  "\"runs\": 7, \"warmup\": 0, \"stats_runs\": 3, \"reset_rounds\": 5, "
	                  "\"timeout_s\": 9, \"exit_status\": 3, \"regression\": "
	                  "{\"significance\": 0.02, \"minimum\": 0.1}, \"budgets\": {\"boot\": "
	                  "{\"p50_us\": 4000, \"exits\": 4.5, \"ratio\": 2}, \"reset\": "
	                  "{\"p99_us\": 70}}}"),
	        0, "%s", err.text);
	cr_expect_str_eq(spec.name, "n");
	cr_expect_str_eq(spec.app, "dir/a");
	cr_expect_str_eq(spec.arguments[0], "x");
	cr_expect_str_eq(spec.arguments[1], "");
	cr_expect_null(spec.arguments[2]);
	cr_expect_str_eq(spec.options[1], "64M");
	cr_expect_str_eq(spec.restore_options[1], "A=1");
	cr_expect_str_eq(spec.snapshot_at, "listen");
	cr_expect_str_eq(spec.against, "true x");
	cr_expect(spec.modes[BENCH_BOOT] && !spec.modes[BENCH_RESTORE] && spec.modes[BENCH_RESET]);
	cr_expect_eq(spec.runs, 7);
	cr_expect_eq(spec.warmup, 0);
	cr_expect_eq(spec.stats_runs, 3);
	cr_expect_eq(spec.reset_rounds, 5);
	cr_expect_eq(spec.timeout_s, 9);
	cr_expect_eq(spec.exit_status, 3);
	cr_expect_eq(spec.significance, 0.02);
	cr_expect_eq(spec.minimum, 0.1);
	cr_assert_eq(spec.budget_count, 4);
	cr_expect_str_eq(spec.budgets[1].kind->key, "exits");
	cr_expect_eq(spec.budgets[1].limit, 4.5);
	cr_expect_eq(spec.budgets[3].mode, BENCH_RESET);
	cr_expect_eq(spec.budgets[3].kind->statistic, BENCH_P99);
	spec_free(&spec);
}

Test(bench_spec, has_defaults_for_all_but_the_program)
{
	cr_assert_eq(read_text("{\"mote_bench\": 1, \"app\": \"dir/a\"}"), 0);
	cr_expect_str_eq(spec.name, "a");
	cr_expect_eq(spec.runs, SPEC_RUNS_DEFAULT);
	cr_expect(spec.modes[BENCH_BOOT] && !spec.modes[BENCH_RESTORE] && !spec.modes[BENCH_RESET]);
	cr_expect_null(spec.arguments[0]);
	cr_expect_null(spec.against);
	spec_free(&spec);
}

Test(bench_spec, says_what_is_wrong_with_a_bad_one)
{
	expect_refused("", "line 1, column 0: '[' or '{' expected near end of file");
	expect_refused("[]", "a specification is to be an object");
	expect_refused("{}", "it has no \"mote_bench\": 1, by which a specification is known");
	expect_refused("{\"mote_bench\": 2}",
	               "\"mote_bench\" is to be 1, the version of the format");
	expect_refused("{\"mote_bench\": 1}", "it has no \"app\", the program to start");
	expect_refused("{\"mote_bench\": 1, \"app\": \"\"}",
	               "\"app\" is to be a string that is not empty");
	expect_refused(WITH("\"app\": \"b\""),
	               "line 1, column 35: duplicate object key near '\"app\"'");
	expect_refused(WITH("\"rnus\": 3"),
	               "a specification has no key \"rnus\", did you mean \"runs\"?");
	expect_refused(WITH("\"xyzzy\": 3"), "a specification has no key \"xyzzy\"");
	expect_refused(WITH("\"runs\": 0"), "\"runs\" is 0, and has to be from 1 to 100000");
	expect_refused(WITH("\"runs\": 1.5"), "\"runs\" is to be a whole number");
	expect_refused(WITH("\"runs\": 9223372036854775807"),
	               "\"runs\" is 9.22337e+18, and has to be from 1 to 100000");
	expect_refused(WITH("\"exit_status\": 256"),
	               "\"exit_status\" is 256, and has to be from 0 to 255");
	expect_refused(WITH("\"args\": \"x\""), "\"args\" is to be a list of strings");
	expect_refused(WITH("\"args\": [\"x\", 1]"), "word 2 of \"args\" is no string");
	expect_refused(WITH("\"modes\": []"),
	               "\"modes\" is to be a list of boot, restore and reset");
	expect_refused(WITH("\"modes\": [\"boot\", \"against\"]"),
	               "mode 2 is not boot, restore or reset");
	expect_refused(WITH("\"budgets\": {\"bot\": {}}"),
	               "\"budgets\" has no key \"bot\", did you mean \"boot\"?");
	expect_refused(WITH("\"budgets\": {\"boot\": {\"p50_ms\": 3}}"),
	               "\"budgets\" of boot has no key \"p50_ms\", did you mean \"p50_us\"?");
	expect_refused(WITH("\"budgets\": {\"boot\": {\"exits\": 0}}"),
	               "budget \"exits\" of boot is to be a number above 0");
	expect_refused(WITH("\"budgets\": {\"boot\": {\"exits\": \"3\"}}"),
	               "budget \"exits\" of boot is to be a number above 0");
	expect_refused(WITH("\"budgets\": {\"restore\": {\"exits\": 3}}"),
	               "there is a budget for restore, which is not among \"modes\"");
	expect_refused(WITH("\"modes\": [\"reset\"], \"budgets\": {\"reset\": {\"exits\": 3}}"),
	               "there is no budget \"exits\" of reset");
	expect_refused(WITH("\"stats_runs\": 0, \"budgets\": {\"boot\": {\"exits\": 3}}"),
	               "budget \"exits\" needs \"stats_runs\" above 0");
	expect_refused(WITH("\"regression\": {\"minimum\": -1}"),
	               "\"minimum\" is -1, and has to be from 0 to 1000");
}

Test(bench_spec, survives_a_specification_cut_or_changed_anywhere)
{
	static const char good[] = WITH("\"args\": [\"x\"], \"modes\": [\"boot\"], \"budgets\": "
	                                "{\"boot\": {\"p50_us\": 4000}}");
	char bad[sizeof good];

	for (size_t i = 0; i + 1 < sizeof good; i++) {
		memcpy(bad, good, sizeof good);
		bad[i] = '\0';
		cr_expect_eq(read_text(bad), -1, "cut at %zu", i);
		for (int c = 1; c < 256; c++) {
			memcpy(bad, good, sizeof good);
			bad[i] = (char)c;
			if (read_text(bad) == 0)
				cr_assert_not_null(spec.app);
			else
				cr_assert_eq(err.code, MOTE_STATUS_FAILED);
		}
	}
	spec_free(&spec);
}

/* ---- results ---- */

static const char stats[] =
        "{\"backend\":\"kvm-amd\",\"exit_status\":0,\"phases_us\":{\"open\":1.5,\"total\":9},"
        "\"exits\":{\"total\":3,\"wait\":1},\"system_calls\":5,\"pages_touched\":100,"
        "\"guest_rss_kib\":400,\"vmm_rss_kib\":24,\"pss_kib\":300}";

Test(bench_result, comes_back_as_it_was_written)
{
	struct result result = {.name = "a \"b\"", .taken = "now"}, again;
	struct checks checks = {0};
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	for (int i = 0; i < 3; i++) {
		cr_assert_eq(result_add_stats(&result, BENCH_BOOT, stats, &err), 0);
		series_add(&result.series[BENCH_BOOT][BENCH_WALL], 1000.25 + i);
		series_add(&result.series[BENCH_AGAINST][BENCH_WALL], 500 - i);
	}
	cr_assert_eq(result_write(&result, &checks, file), 0);
	fclose(file);
	cr_assert_eq(result_read(&again, "r", text, size, &err), 0, "%s", err.text);
	cr_expect_str_eq(again.name, "a \"b\"");
	cr_expect_str_eq(again.backend, "kvm-amd");
	cr_expect_eq(again.series[BENCH_BOOT][BENCH_WALL].count, 3);
	cr_expect_eq(again.series[BENCH_BOOT][BENCH_WALL].values[2], 1002.25);
	cr_expect_eq(again.series[BENCH_BOOT][BENCH_RSS].values[0], 424);
	cr_expect_eq(again.series[BENCH_BOOT][BENCH_PSS].values[0], 300);
	cr_expect_eq(again.series[BENCH_BOOT][BENCH_EXITS].values[0], 3);
	cr_expect_eq(again.series[BENCH_AGAINST][BENCH_WALL].values[2], 498);
	cr_expect_eq(again.phase_count, 2);
	cr_expect_str_eq(again.phases[0].name, "open");
	cr_expect_eq(again.phases[0].us.values[1], 1.5);
	result_free(&result);
	result_free(&again);
	free(text);
}

Test(bench_result, refuses_what_is_none)
{
	static const char *const bad[][2] = {
	        {"{}", "it is no result of mote bench startup --json"},
	        {"{\"mote_bench_result\": 2}", "it is no result of mote bench startup --json"},
	        {"{\"mote_bench_result\": 1, \"boot\": {\"wall_us\": {\"samples\": []}}}",
	         "what it says of boot is not as mote bench writes it"},
	        {"{\"mote_bench_result\": 1, \"reset\": {\"wall_us\": {\"samples\": [-1]}}}",
	         "what it says of reset is not as mote bench writes it"},
	        {"{\"mote_bench_result\": 1, \"boot\": {\"phases_us\": {\"x\": 3}}}",
	         "what it says of boot is not as mote bench writes it"},
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct result result;
		char whole[300];

		cr_expect_eq(result_read(&result, "r", bad[i][0], strlen(bad[i][0]), &err), -1);
		snprintf(whole, sizeof whole, "cannot use r: %s", bad[i][1]);
		cr_expect_str_eq(err.text, whole);
		result_free(&result);
	}
}

Test(bench_result, a_run_without_statistics_is_an_error)
{
	struct result result = {0};

	cr_expect_eq(result_add_stats(&result, BENCH_BOOT, "", &err), -1);
	cr_expect_eq(result_add_stats(&result, BENCH_BOOT, "[1]", &err), -1);
	cr_expect_eq(result_add_stats(&result, BENCH_BOOT, "mote: failed", &err), -1);
	result_free(&result);
}
