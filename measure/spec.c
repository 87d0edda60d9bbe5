/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads specifications of `mote bench startup`.
 *
 * How it works. jansson parses the text and refuses keys that are there twice. A table names the
 * keys of each object with the function that checks a value and stores it; what is in no table is
 * an error that names the key which was probably meant. Numbers have their limits in the table.
 */
#include "measure/spec.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/typo.h"

#define LIMIT_MAX 1e15 /* of a budget */

struct reader {
	struct spec *spec;
	const char *name; /* of the file */
	struct mote_error *err;
	enum bench_mode mode; /* of the budgets that are read */
};

struct key {
	const char *name;
	int (*read)(struct reader *reader, const struct key *key, json_t *value);
	size_t field;     /* offset in struct spec, for what only is stored */
	double low, high; /* of numbers */
};

static int wrong(const struct reader *reader, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
static int wrong(const struct reader *reader, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return mote_error_set(reader->err, MOTE_STATUS_FAILED, "cannot use %.256s: %s",
	                      reader->name, text);
}

static int no_memory(const struct reader *reader)
{
	return wrong(reader, "no memory for it");
}

/* ---- kinds of values ---- */

static void *field_of(const struct reader *reader, const struct key *key)
{
	return (char *)reader->spec + key->field;
}

/* jansson lets no NUL into a string unless it is asked to. */
static int read_string(struct reader *reader, const struct key *key, json_t *value)
{
	char **field = field_of(reader, key);

	if (!json_is_string(value) || json_string_length(value) == 0)
		return wrong(reader, "\"%s\" is to be a string that is not empty", key->name);
	if (strlen(json_string_value(value)) >= PATH_MAX)
		return wrong(reader, "\"%s\" is longer than %d bytes", key->name, PATH_MAX - 1);
	free(*field);
	*field = strdup(json_string_value(value));
	return *field ? 0 : no_memory(reader);
}

static void free_words(char **words)
{
	for (char **word = words; word && *word; word++)
		free(*word);
	free(words);
}

static int read_words(struct reader *reader, const struct key *key, json_t *value)
{
	char ***field = field_of(reader, key);
	size_t count = json_array_size(value);

	if (!json_is_array(value))
		return wrong(reader, "\"%s\" is to be a list of strings", key->name);
	if (count > SPEC_WORDS_MAX)
		return wrong(reader, "\"%s\" has more than %d words", key->name, SPEC_WORDS_MAX);
	free_words(*field);
	*field = calloc(count + 1, sizeof **field);
	if (!*field)
		return no_memory(reader);
	for (size_t i = 0; i < count; i++) {
		json_t *word = json_array_get(value, i);

		if (!json_is_string(word))
			return wrong(reader, "word %zu of \"%s\" is no string", i + 1, key->name);
		(*field)[i] = strdup(json_string_value(word));
		if (!(*field)[i])
			return no_memory(reader);
	}
	return 0;
}

static int check_range(const struct reader *reader, const struct key *key, double number)
{
	if (number >= key->low && number <= key->high)
		return 0;
	return wrong(reader, "\"%s\" is %g, and has to be from %g to %g", key->name, number,
	             key->low, key->high);
}

static int read_count(struct reader *reader, const struct key *key, json_t *value)
{
	if (!json_is_integer(value))
		return wrong(reader, "\"%s\" is to be a whole number", key->name);
	if (check_range(reader, key, (double)json_integer_value(value)))
		return -1;
	*(unsigned *)field_of(reader, key) = (unsigned)json_integer_value(value);
	return 0;
}

static int read_number(struct reader *reader, const struct key *key, json_t *value)
{
	if (!json_is_number(value))
		return wrong(reader, "\"%s\" is to be a number", key->name);
	if (check_range(reader, key, json_number_value(value)))
		return -1;
	*(double *)field_of(reader, key) = json_number_value(value);
	return 0;
}

/* ---- objects ---- */

static const struct key *find_key(const struct key *keys, const char *name, const char **nearest)
{
	unsigned best = UINT_MAX;

	*nearest = NULL;
	for (; keys->name; keys++) {
		if (strcmp(keys->name, name) == 0)
			return keys;
		if (is_likely_typo(name, strlen(name), keys->name, &best))
			*nearest = keys->name;
	}
	return NULL;
}

static int read_object(struct reader *reader, const struct key *keys, const char *what,
                       json_t *object)
{
	const char *name, *nearest;
	json_t *value;

	if (!json_is_object(object))
		return wrong(reader, "%s is to be an object", what);
	json_object_foreach(object, name, value)
	{
		const struct key *key = find_key(keys, name, &nearest);

		if (!key)
			return wrong(reader, "%s has no key \"%.64s\"%s%s%s", what, name,
			             nearest ? ", did you mean \"" : "", nearest ? nearest : "",
			             nearest ? "\"?" : "");
		if (key->read(reader, key, value))
			return -1;
	}
	return 0;
}

static int read_version(struct reader *reader, const struct key *key, json_t *value)
{
	if (json_is_integer(value) && json_integer_value(value) == SPEC_VERSION)
		return 0;
	return wrong(reader, "\"%s\" is to be %d, the version of the format", key->name,
	             SPEC_VERSION);
}

static int read_modes(struct reader *reader, const struct key *key, json_t *value)
{
	json_t *word;
	size_t i;

	if (!json_is_array(value) || json_array_size(value) == 0)
		return wrong(reader, "\"%s\" is to be a list of boot, restore and reset",
		             key->name);
	memset(reader->spec->modes, 0, sizeof reader->spec->modes);
	json_array_foreach(value, i, word)
	{
		int mode = 0;

		while (mode < BENCH_AGAINST &&
		       (!json_is_string(word) ||
		        strcmp(json_string_value(word), bench_mode_name[mode]) != 0))
			mode++;
		if (mode == BENCH_AGAINST)
			return wrong(reader, "mode %zu is not boot, restore or reset", i + 1);
		reader->spec->modes[mode] = true;
	}
	return 0;
}

static int read_limit(struct reader *reader, const char *key, json_t *value)
{
	const struct bench_budget_kind *kind = bench_budget_kinds;
	struct spec *spec = reader->spec;
	double limit = json_number_value(value);

	while (strcmp(kind->key, key) != 0)
		kind++;
	if (!json_is_number(value) || !(limit > 0 && limit <= LIMIT_MAX))
		return wrong(reader, "budget \"%s\" of %s is to be a number above 0", key,
		             bench_mode_name[reader->mode]);
	if (reader->mode == BENCH_RESET && kind->quantity != BENCH_WALL)
		return wrong(reader, "there is no budget \"%s\" of reset", key);
	if (spec->budget_count == SPEC_BUDGETS_MAX)
		return wrong(reader, "more than %d budgets", SPEC_BUDGETS_MAX);
	spec->budgets[spec->budget_count++] =
	        (struct spec_budget){.mode = reader->mode, .kind = kind, .limit = limit};
	return 0;
}

static int read_budget(struct reader *reader, const struct key *key, json_t *value)
{
	return read_limit(reader, key->name, value);
}

static int read_mode_budgets(struct reader *reader, const struct key *key, json_t *value)
{
	static const struct key keys[] = {
#define X(budget, quantity, statistic, unit) {.name = #budget, .read = read_budget},
	        BENCH_BUDGETS(X)
#undef X
	                {.name = NULL},
	};
	char what[40];

	reader->mode = BENCH_BOOT;
	while (strcmp(bench_mode_name[reader->mode], key->name) != 0)
		reader->mode++;
	snprintf(what, sizeof what, "\"budgets\" of %s", key->name);
	return read_object(reader, keys, what, value);
}

static int read_budgets(struct reader *reader, const struct key *key, json_t *value)
{
	static const struct key keys[] = {
	        {.name = "boot", .read = read_mode_budgets},
	        {.name = "restore", .read = read_mode_budgets},
	        {.name = "reset", .read = read_mode_budgets},
	        {.name = NULL},
	};

	(void)key;
	return read_object(reader, keys, "\"budgets\"", value);
}

#define FIELD(member) .field = offsetof(struct spec, member)

static int read_regression(struct reader *reader, const struct key *key, json_t *value)
{
	static const struct key keys[] = {
	        {"significance", read_number, FIELD(significance), 1e-9, 0.5},
	        {"minimum", read_number, FIELD(minimum), 0, 1000},
	        {.name = NULL},
	};

	(void)key;
	return read_object(reader, keys, "\"regression\"", value);
}

static const struct key top_keys[] = {
        {.name = "mote_bench", .read = read_version},
        {"name", read_string, FIELD(name), 0, 0},
        {"app", read_string, FIELD(app), 0, 0},
        {"args", read_words, FIELD(arguments), 0, 0},
        {"options", read_words, FIELD(options), 0, 0},
        {"restore_options", read_words, FIELD(restore_options), 0, 0},
        {"snapshot_at", read_string, FIELD(snapshot_at), 0, 0},
        {"against", read_string, FIELD(against), 0, 0},
        {.name = "modes", .read = read_modes},
        {"runs", read_count, FIELD(runs), 1, SPEC_RUNS_MAX},
        {"warmup", read_count, FIELD(warmup), 0, 1000},
        {"stats_runs", read_count, FIELD(stats_runs), 0, 1000},
        {"reset_rounds", read_count, FIELD(reset_rounds), 1, 1000000},
        {"timeout_s", read_count, FIELD(timeout_s), 1, 86400},
        {"exit_status", read_count, FIELD(exit_status), 0, 255},
        {.name = "budgets", .read = read_budgets},
        {.name = "regression", .read = read_regression},
        {.name = NULL},
};

/* ---- a whole specification ---- */

static int set_defaults(struct spec *spec)
{
	*spec = (struct spec){
	        .runs = SPEC_RUNS_DEFAULT,
	        .warmup = 2,
	        .stats_runs = 10,
	        .reset_rounds = 100,
	        .timeout_s = 60,
	        .significance = 0.01,
	        .minimum = 0.05,
	        .modes = {[BENCH_BOOT] = true},
	        .arguments = calloc(1, sizeof(char *)),
	        .options = calloc(1, sizeof(char *)),
	        .restore_options = calloc(1, sizeof(char *)),
	        .snapshot_at = strdup("main"),
	};
	return spec->arguments && spec->options && spec->restore_options && spec->snapshot_at ? 0
	                                                                                      : -1;
}

/* A name for reports: the program's last part. */
static int name_after_app(struct spec *spec)
{
	const char *slash = strrchr(spec->app, '/');

	spec->name = strdup(slash && slash[1] ? slash + 1 : spec->app);
	return spec->name ? 0 : -1;
}

static int check_whole(const struct reader *reader)
{
	struct spec *spec = reader->spec;

	if (!spec->app)
		return wrong(reader, "it has no \"app\", the program to start");
	for (size_t i = 0; i < spec->budget_count; i++) {
		const struct spec_budget *budget = &spec->budgets[i];

		if (!spec->modes[budget->mode])
			return wrong(reader,
			             "there is a budget for %s, which is not among \"modes\"",
			             bench_mode_name[budget->mode]);
		if (budget->kind->quantity != BENCH_WALL && spec->stats_runs == 0)
			return wrong(reader, "budget \"%s\" needs \"stats_runs\" above 0",
			             budget->kind->key);
	}
	return spec->name || name_after_app(spec) == 0 ? 0 : no_memory(reader);
}

int spec_read(struct spec *spec, const char *name, const char *text, size_t size,
              struct mote_error *err)
{
	struct reader reader = {.spec = spec, .name = name, .err = err};
	json_error_t where;
	json_t *root;
	int status;

	if (set_defaults(spec))
		return no_memory(&reader);
	if (size > SPEC_BYTES_MAX)
		return wrong(&reader, "it is longer than %u bytes", SPEC_BYTES_MAX);
	root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
	if (!root)
		return wrong(&reader, "line %d, column %d: %.200s", where.line, where.column,
		             where.text);
	if (json_is_object(root) && !json_object_get(root, "mote_bench"))
		status = wrong(&reader,
		               "it has no \"mote_bench\": %d, by which a specification is known",
		               SPEC_VERSION);
	else
		status = read_object(&reader, top_keys, "a specification", root);
	json_decref(root);
	return status ? -1 : check_whole(&reader);
}

int spec_of_program(struct spec *spec, const char *app, char *const *arguments,
                    struct mote_error *err)
{
	struct reader reader = {.spec = spec, .name = app, .err = err};
	size_t count = 0;

	if (set_defaults(spec))
		return no_memory(&reader);
	while (arguments[count])
		count++;
	free_words(spec->arguments);
	spec->arguments = calloc(count + 1, sizeof *spec->arguments);
	spec->app = strdup(app);
	if (!spec->arguments || !spec->app || name_after_app(spec))
		return no_memory(&reader);
	for (size_t i = 0; i < count; i++) {
		spec->arguments[i] = strdup(arguments[i]);
		if (!spec->arguments[i])
			return no_memory(&reader);
	}
	return 0;
}

void spec_free(struct spec *spec)
{
	free(spec->name);
	free(spec->app);
	free(spec->against);
	free(spec->snapshot_at);
	free_words(spec->arguments);
	free_words(spec->options);
	free_words(spec->restore_options);
	*spec = (struct spec){0};
}
