/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of how commands are found, and of documents that list commands and options. */
#include <criterion/criterion.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "vmm/command.h"
#include "vmm/options.h"
#include "vmm/typo.h"

static struct mote_error err;

Test(typo, distances)
{
	unsigned int best = UINT_MAX;

	cr_assert(is_likely_typo("doctro", 6, "doctor", &best));
	cr_assert_eq(best, 1);
	cr_assert_not(is_likely_typo("doctrr", 6, "doctor", &best), "no closer than the best");
	best = UINT_MAX;
	cr_assert(is_likely_typo("dctro", 5, "doctor", &best));
	cr_assert_eq(best, 2);
	cr_assert(is_likely_typo("do=ctor", 2, "doctor", &best), "only the length given counts");
	cr_assert_eq(best, 1);
	best = UINT_MAX;
	cr_assert_not(is_likely_typo("", 0, "run", &best));
	cr_assert_not(is_likely_typo("x", 1, "run", &best));
	cr_assert_not(is_likely_typo("ran away", 8, "run", &best));
	cr_assert_not(is_likely_typo("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 32, "run", &best));
	cr_assert_eq(best, UINT_MAX);
}

Test(command, found_or_suggested)
{
	cr_assert_str_eq(command_find("run", &err)->name, "run");
	cr_assert_str_eq(command_find("help", &err)->name, "help");
	cr_assert_null(command_find("rnu", &err));
	cr_assert_eq(err.code, MOTE_STATUS_FAILED);
	cr_assert_not_null(strstr(err.text, "unknown command 'rnu', did you mean run?"));
	cr_assert_null(command_find("./hello", &err));
	cr_assert_not_null(strstr(err.text, "unknown command './hello'"));
	cr_assert_null(strstr(err.text, "did you mean"));
	cr_assert_null(command_find("", &err));
}

/* The path of a file of the repository, which this source file is two folders below. */
static void find_document(char *path, size_t size, const char *name)
{
	const char *tests = strstr(__FILE__, "tests/unit/");

	cr_assert_not_null(tests);
	snprintf(path, size, "%.*s%s", (int)(tests - __FILE__), __FILE__, name);
}

static bool is_option_name(const char *text, const char *name)
{
	for (; *name != '\0'; name++, text++) {
		text += *text == '\\'; /* troff has \- for a dash */
		if (*text != *name)
			return false;
	}
	return *text == ' ' || *text == '\n';
}

Test(documents, the_manual_page_explains_every_option)
{
	static char page[65536];
	const char *const start = ".It Fl \\-";
	char path[4096];

	find_document(path, sizeof path, "docs/man/mote-run.1");

	FILE *file = fopen(path, "r");

	cr_assert_not_null(file, "%s cannot be opened", path);
	page[fread(page, 1, sizeof page - 1, file)] = '\0';
	fclose(file);
	for (const struct run_option *option = run_option_table; option->name != NULL; option++) {
		const char *item = strstr(page, start);

		if (!(option->commands & RUN_OPTION_RUN))
			continue;
		while (item != NULL && !is_option_name(item + strlen(start), option->name))
			item = strstr(item + 1, start);
		cr_assert_not_null(item, "--%s is not in %s", option->name, path);
	}
}

/*
 * What bash offers when Tab is pressed behind these words, of which the last is unfinished: one
 * candidate a line. Words are split at = as bash does it.
 */
static const char *complete(const char *words)
{
	static char offered[4096];
	char path[4096];
	char command[8192];

	find_document(path, sizeof path, "docs/completion/mote.bash");
	snprintf(command, sizeof command,
	         "exec bash -c '. \"$0\" && COMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1)) && _mote;"
	         " printf \"%%s\\n\" \"${COMPREPLY[@]}\"' '%s' mote %s",
	         path, words);

	FILE *output = popen(command, "r");

	cr_assert_not_null(output);
	offered[0] = '\n'; /* so that each line is between two newlines */
	offered[1 + fread(offered + 1, 1, sizeof offered - 2, output)] = '\0';
	cr_assert_eq(pclose(output), 0, "%s", command);
	return offered;
}

static void assert_offered(const char *words, const char *candidate)
{
	const char *offered = complete(words);
	char line[128];

	snprintf(line, sizeof line, "\n%s\n", candidate);
	cr_assert_not_null(strstr(offered, line), "mote %s: no '%s' in:%s", words, candidate,
	                   offered);
}

static void assert_not_offered(const char *words, const char *candidate)
{
	const char *offered = complete(words);
	char line[128];

	snprintf(line, sizeof line, "\n%s\n", candidate);
	cr_assert_null(strstr(offered, line), "mote %s: '%s' in:%s", words, candidate, offered);
}

Test(documents, the_completion_offers_every_command)
{
#define ASSERT_COMMAND(name, summary) \
	assert_offered("''", #name);  \
	assert_offered("help ''", #name);
	MOTE_COMMANDS(ASSERT_COMMAND)
#undef ASSERT_COMMAND
	assert_offered("r", "run");
	assert_not_offered("r", "help");
	assert_offered("doctor -", "--help");
}

Test(documents, the_completion_offers_every_option)
{
	for (const struct run_option *option = run_option_table; option->name != NULL; option++) {
		char word[64];

		snprintf(word, sizeof word, "--%s", option->name);
		if (option->commands & RUN_OPTION_RUN)
			assert_offered("run --", word);
		if (option->commands & RUN_OPTION_RESTORE)
			assert_offered("restore --", word);
	}
	assert_offered("run --strace --me", "--mem");
	assert_not_offered("run --strace --me", "--env");
	assert_offered("run --mem 64M --cpu = host --env A = b --ro", "--root");
	assert_offered("run --mem = 64M --stats --ro", "--root");
}

Test(documents, the_completion_offers_values)
{
	assert_offered("run --cpu ''", "baseline");
	assert_offered("run --cpu =", "baseline");
	assert_offered("run --cpu = h", "host");
	assert_not_offered("run --cpu = h", "baseline");
	assert_offered("run --stats =", "json");
	assert_offered("run --strace =", "summary");
	assert_offered("run --strace = summary --ro", "--root");
	assert_offered("run --strace --cwd /et", "/etc");
	assert_offered("run --root = /et", "/etc");
	assert_offered("run --env PAT", "PATH");
	assert_not_offered("run --timeout -", "--mem");
}

Test(documents, the_completion_knows_how_images_are_built)
{
	assert_offered("build --", "--entry");
	assert_not_offered("build --", "--timeout");
	assert_offered("build -o /et", "/etc");
	assert_offered("build -o x --output = /et", "/etc");
	assert_offered("build -o x --ro", "--root");
	assert_offered("build --entry /bin/sh --ro", "--root");
	assert_offered("build app /et", "/etc");
	assert_not_offered("build app --", "--mem");
	assert_offered("inspect --", "--json");
	assert_offered("inspect /et", "/etc");
}

Test(documents, the_completion_leaves_the_guests_words_alone)
{
	assert_offered("run --strace /et", "/etc");
	assert_not_offered("run app --", "--mem");
	assert_not_offered("run --mem 64M app --strace --", "--mem");
	assert_not_offered("run -- --", "--mem");
	assert_offered("run -- /et", "/etc");
	assert_offered("run app /et", "/etc");
}
