/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mote-bench: measures how programs start, and judges it, as `mote bench`.
 *
 * How it works. A specification, or a program without one, says what is run; the runner takes
 * samples, or they come from the file of an earlier run. Checks compare them with budgets and with
 * a baseline. Then everything is said in one of four forms, and drawn. Nothing is printed before
 * all is known, but the progress bar.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "measure/check.h"
#include "measure/file.h"
#include "measure/mote_path.h"
#include "measure/report.h"
#include "measure/runner.h"
#include "vmm/command.h"

/* A budget is broken, or a regression was found. */
#define STATUS_CHECK_FAILED 1

enum form { FORM_TEXT, FORM_JSON, FORM_JUNIT, FORM_TAP };

/* The command line; strings are its own. */
struct bench {
	enum form form;
	const char *runs, *compare, *plot, *against, *from, *save, *mote;
	char *const *words; /* the specification or the program, and its arguments */
};

static int usage_error(struct mote_error *err, const char *what, const char *why)
{
	return mote_error_set(err, MOTE_STATUS_FAILED, "%.64s%s (see mote help bench)", what, why);
}

/* Returns 1 for help. */
static int parse_command_line(struct bench *bench, int argc, char **argv, struct mote_error *err)
{
	static const struct option options[] = {
	        {"runs", required_argument, NULL, 'n'}, {"compare", required_argument, NULL, 'c'},
	        {"plot", required_argument, NULL, 'p'}, {"against", required_argument, NULL, 'a'},
	        {"from", required_argument, NULL, 'f'}, {"save", required_argument, NULL, 's'},
	        {"mote", required_argument, NULL, 'm'}, {"json", no_argument, NULL, 'j'},
	        {"junit", no_argument, NULL, 'u'},      {"tap", no_argument, NULL, 't'},
	        {"help", no_argument, NULL, 'h'},       {NULL, 0, NULL, 0},
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "+:n:h", options, NULL)) != -1) {
		switch (option) {
		case 'n': bench->runs = optarg; break;
		case 'c': bench->compare = optarg; break;
		case 'p': bench->plot = optarg; break;
		case 'a': bench->against = optarg; break;
		case 'f': bench->from = optarg; break;
		case 's': bench->save = optarg; break;
		case 'm': bench->mote = optarg; break;
		case 'j': bench->form = FORM_JSON; break;
		case 'u': bench->form = FORM_JUNIT; break;
		case 't': bench->form = FORM_TAP; break;
		case 'h': return 1;
		case ':': return usage_error(err, argv[optind - 1], " needs a value");
		default: return usage_error(err, argv[optind - 1], " is no option of mote bench");
		}
	}
	bench->words = argv + optind;
	return 0;
}

static bool has_end(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);

	return length > end_length && strcmp(text + length - end_length, end) == 0;
}

static int read_specification(const struct bench *bench, struct spec *spec, struct mote_error *err)
{
	const char *word = bench->words[0];
	char *text;
	size_t size;
	int status;

	if (!word && bench->from)
		return spec_of_program(spec, "-", bench->words, err);
	if (!word)
		return usage_error(err, "no program given", ": name an APP, or a specification");
	if (!has_end(word, ".json"))
		return spec_of_program(spec, word, bench->words + 1, err);
	if (bench->words[1])
		return usage_error(err, bench->words[1],
		                   ": a specification has the arguments of its program");
	if (file_read(word, SPEC_BYTES_MAX, &text, &size, err))
		return -1;
	status = spec_read(spec, word, text, size, err);
	free(text);
	return status;
}

/* What options say has precedence. */
static int apply_options(const struct bench *bench, struct spec *spec, struct mote_error *err)
{
	char *end;
	long runs;

	if (bench->runs) {
		errno = 0;
		runs = strtol(bench->runs, &end, 10);
		if (errno || *end || end == bench->runs || runs < 1 || runs > SPEC_RUNS_MAX)
			return usage_error(err, bench->runs,
			                   " is no number of runs from 1 to 100000");
		spec->runs = (unsigned)runs;
	}
	if (bench->against) {
		free(spec->against);
		spec->against = strdup(bench->against);
		if (!spec->against)
			return mote_error_errno(err, MOTE_STATUS_FAILED, "the command line");
	}
	if (bench->plot && !has_end(bench->plot, ".svg"))
		return usage_error(err, bench->plot, ": a plot is an SVG image, FILE.svg");
	return 0;
}

static int read_result(const char *path, struct result *result, struct mote_error *err)
{
	char *text;
	size_t size;
	int status;

	if (file_read(path, RESULT_BYTES_MAX, &text, &size, err))
		return -1;
	status = result_read(result, path, text, size, err);
	free(text);
	return status;
}

/* ---- measuring ---- */

/* Paths in a specification start at its folder; NULL is the present one. */
static char *folder_of(const struct bench *bench)
{
	const char *slash = bench->words[0] ? strrchr(bench->words[0], '/') : NULL;

	if (!slash || !has_end(bench->words[0], ".json"))
		return NULL;
	return strndup(bench->words[0], (size_t)(slash - bench->words[0]) + 1);
}

static int measure(const struct bench *bench, const struct spec *spec, struct result *result,
                   struct mote_error *err)
{
	char mote[PATH_MAX], *folder = folder_of(bench);
	time_t now = time(NULL);
	struct tm utc;
	int status = 0;

	if (bench->mote) {
		if (!realpath(bench->mote, mote))
			status = mote_error_errno(err, MOTE_STATUS_FAILED, "cannot use %s",
			                          bench->mote);
	} else {
		status = mote_path_find(mote, err);
	}
	*result = (struct result){0};
	snprintf(result->name, sizeof result->name, "%s", spec->name);
	if (gmtime_r(&now, &utc))
		strftime(result->taken, sizeof result->taken, "%Y-%m-%dT%H:%M:%SZ", &utc);
	if (status == 0)
		status = runner_measure(spec, mote, folder, result, isatty(STDERR_FILENO), err);
	free(folder);
	return status;
}

/* ---- saying it ---- */

static int write_file(const char *path, const struct result *result, const struct checks *checks,
                      struct mote_error *err)
{
	FILE *file = fopen(path, "we");
	int status;

	if (!file)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot create %s", path);
	status = checks ? result_write(result, checks, file) : plot_write(result, file);
	if (fclose(file))
		status = -1;
	return status ? mote_error_errno(err, MOTE_STATUS_FAILED, "cannot write %s", path) : 0;
}

static int report(const struct bench *bench, const struct result *result,
                  const struct checks *checks, struct mote_error *err)
{
	int status = -1;

	if ((bench->plot && write_file(bench->plot, result, NULL, err)) ||
	    (bench->save && write_file(bench->save, result, checks, err)))
		return -1;
	switch (bench->form) {
	case FORM_TEXT: status = report_text(result, checks, stdout); break;
	case FORM_JSON: status = result_write(result, checks, stdout); break;
	case FORM_JUNIT: status = report_junit(result, checks, stdout); break;
	case FORM_TAP: status = report_tap(result, checks, stdout); break;
	}
	if (status || fflush(stdout))
		return mote_error_errno(err, MOTE_STATUS_FAILED, "writing to standard output");
	return 0;
}

static int judge_and_report(const struct bench *bench, const struct spec *spec,
                            const struct result *result, const struct result *baseline,
                            struct mote_error *err)
{
	static struct checks checks;

	if (check_budgets(&checks, spec, result, err))
		return -1;
	if (bench->compare && check_regressions(&checks, spec, baseline, result, err))
		return -1;
	if (report(bench, result, &checks, err))
		return -1;
	return checks.failed ? STATUS_CHECK_FAILED : 0;
}

/* Returns the exit status, or -1 with @err set. */
static int work(const struct bench *bench, struct mote_error *err)
{
	static struct result result, baseline;
	struct spec spec = {0};
	int status = read_specification(bench, &spec, err);

	if (status == 0)
		status = apply_options(bench, &spec, err);
	if (status == 0 && bench->compare)
		status = read_result(bench->compare, &baseline, err);
	if (status == 0)
		status = bench->from ? read_result(bench->from, &result, err)
		                     : measure(bench, &spec, &result, err);
	if (status == 0)
		status = judge_and_report(bench, &spec, &result, &baseline, err);
	result_free(&result);
	result_free(&baseline);
	spec_free(&spec);
	return status;
}

int main(int argc, char **argv)
{
	struct bench bench = {.form = FORM_TEXT, .words = argv + argc};
	struct mote_error err = {.code = 0};
	int status;

	if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		status = 1;
	else if (argc < 2 || strcmp(argv[1], "startup") != 0)
		status = usage_error(&err, argc < 2 ? "nothing" : argv[1],
		                     " cannot be measured: write mote bench startup");
	else
		status = parse_command_line(&bench, argc - 1, argv + 1, &err);
	if (status > 0) {
		command_bench_help();
		return fflush(stdout) ? MOTE_STATUS_FAILED : 0;
	}
	if (status == 0)
		status = work(&bench, &err);
	if (status >= 0)
		return status;
	file_print_error(&err);
	return err.code;
}
