/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configurations of libmote: words of a command line, kept until a VM is made of them.
 *
 * Each word is read once when it is set, alone, so that what is wrong with it is told there; all
 * together are read for each VM, into options of its own.
 */
#include "libmote/config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libmote/boundary.h"
#include "vmm/typo.h"

/* What only the mote program has: each with what the library has for it. */
static const struct {
	const char *name, *instead;
} of_program[] = {
        {"snapshot", "call mote_snapshot() at MOTE_EVENT_POINT"},
        {"snapshot-continue", "call mote_run() again after mote_snapshot()"},
        {"count", "call mote_reset() and mote_run() as often"},
        {"timeout", "give mote_run() a time limit"},
        {"stats", "call mote_statistics()"},
        {"serve-on", "call mote_call()"},
        {"name", "the program that holds the VM controls it"},
        {"label", "the program that holds the VM controls it"},
};

struct mote_config *mote_config_new(void)
{
	struct mote_config *config = calloc(1, sizeof *config);
	const char *term = getenv("TERM");

	if (!config)
		return NULL;
	for (int i = 0; i < 3; i++)
		config->streams[i] = -1;
	if (term) {
		size_t size = sizeof "TERM=" + strlen(term);

		config->term[0] = malloc(size);
		if (!config->term[0]) {
			free(config);
			return NULL;
		}
		memcpy(config->term[0], "TERM=", 5);
		memcpy(config->term[0] + 5, term, size - 5);
	}
	return config;
}

static void free_strings(char **strings, size_t count)
{
	for (size_t i = 0; strings && i < count; i++)
		free(strings[i]);
	free(strings);
}

static void close_streams(int streams[3])
{
	for (int i = 0; i < 3; i++)
		if (streams[i] >= 0)
			close(streams[i]);
}

void mote_config_free(struct mote_config *config)
{
	if (!config)
		return;
	free_strings(config->words, config->word_count);
	free_strings(config->argv, (size_t)config->argc);
	close_streams(config->streams);
	free(config->term[0]);
	free(config);
}

static int no_memory(struct mote_error *err)
{
	return mote_error_set(err, MOTE_STATUS_FAILED, "no memory for a configuration");
}

/* ---- options ---- */

static const struct run_option *find_option(const char *name)
{
	const struct run_option *option = run_option_table;

	while (option->name && strcmp(option->name, name))
		option++;
	return option->name ? option : NULL;
}

static int unknown_option(const char *name, struct mote_error *err)
{
	const char *nearest = NULL;
	unsigned best = UINT_MAX;

	for (const struct run_option *option = run_option_table; option->name; option++)
		if (is_likely_typo(name, strlen(name), option->name, &best))
			nearest = option->name;
	mote_error_set(err, MOTE_STATUS_FAILED, "there is no option '%.64s'", name);
	return nearest ? mote_error_hint(err, "Is it '%s'?", nearest) : -1;
}

/* "--name", or "--name=value"; NULL without memory. */
static char *make_word(const char *name, const char *value)
{
	size_t name_length = strlen(name), value_length = value ? strlen(value) + 1 : 0;
	char *word = malloc(2 + name_length + value_length + 1);

	if (!word)
		return NULL;
	memcpy(word, "--", 2);
	memcpy(word + 2, name, name_length + 1);
	if (value) {
		word[2 + name_length] = '=';
		memcpy(word + 2 + name_length + 1, value, value_length);
	}
	return word;
}

/* Whether the parser of a command that has the option takes it. What it reads may be changed. */
static int check_word(const struct mote_config *config, const struct run_option *option,
                      const char *word, struct mote_error *err)
{
	char command[] = "mote", separator[] = "--", program[] = "program";
	char *copy = strdup(word), *argv[] = {command, copy, separator, program, NULL};
	struct run_options options;
	int status;

	if (!copy)
		return no_memory(err);
	status = option->commands & RUN_OPTION_RUN
	                 ? run_options_parse(&options, 4, argv, config->term, err)
	                 : restore_options_parse(&options, 4, argv, config->term, err);
	if (!status)
		run_options_free(&options);
	free(copy);
	return status;
}

/* Takes @word over. */
static int add_word(struct mote_config *config, char *word, struct mote_error *err)
{
	if (config->word_count == config->word_room) {
		size_t room = config->word_room ? 2 * config->word_room : 8;
		char **words = realloc(config->words, room * sizeof *words);

		if (!words) {
			free(word);
			return no_memory(err);
		}
		config->words = words;
		config->word_room = room;
	}
	config->words[config->word_count++] = word;
	return 0;
}

/* A variable that is copied from the environment: now, while the caller knows what is in it. */
static int set_variable(struct mote_config *config, const char *name, struct mote_error *err)
{
	const char *value = getenv(name);
	char *entry, *word;
	size_t length = strlen(name);

	if (!value)
		return mote_error_set(
		        err, MOTE_STATUS_FAILED,
		        "env: '%.64s' is not set in the environment: write %.64s=VALUE", name,
		        name);
	entry = malloc(length + 1 + strlen(value) + 1);
	if (!entry)
		return no_memory(err);
	memcpy(entry, name, length);
	entry[length] = '=';
	memcpy(entry + length + 1, value, strlen(value) + 1);
	word = make_word("env", entry);
	free(entry);
	return word ? add_word(config, word, err) : no_memory(err);
}

static int set_option(struct mote_config *config, const char *name, const char *value,
                      struct mote_error *err)
{
	const struct run_option *option = find_option(name);
	char *word;

	if (!option)
		return unknown_option(name, err);
	for (size_t i = 0; i < sizeof of_program / sizeof of_program[0]; i++)
		if (!strcmp(name, of_program[i].name))
			return mote_error_set(err, MOTE_STATUS_FAILED,
			                      "the option '%s' is the mote program's alone: %s",
			                      name, of_program[i].instead);
	if (option->kind == OPTION_VALUE && !value)
		return mote_error_set(err, MOTE_STATUS_FAILED, "the option '%s' needs a value: %s",
		                      name, option->placeholder);
	if (!strcmp(name, "env") && *value && !strchr(value, '='))
		return set_variable(config, value, err);
	word = make_word(name, value);
	if (!word)
		return no_memory(err);
	if (check_word(config, option, word, err)) {
		free(word);
		return -1;
	}
	return add_word(config, word, err);
}

static int set_flag(bool *flag, const char *name, const char *value, struct mote_error *err)
{
	if (value)
		return mote_error_set(err, MOTE_STATUS_FAILED, "the option '%s' takes no value",
		                      name);
	*flag = true;
	return 0;
}

int mote_config_set(struct mote_config *config, const char *option, const char *value,
                    struct mote_error *err)
{
	struct mote_error unwanted = {0};

	err = err ? err : &unwanted;
	if (!config || !option)
		return boundary_null(err, "mote_config_set", config ? "option" : "config");
	if (!strcmp(option, "confine"))
		return set_flag(&config->is_confined, option, value, err);
	if (!strcmp(option, "no-reset"))
		return set_flag(&config->is_used_once, option, value, err);
	return set_option(config, option, value, err);
}

/* ---- arguments and streams ---- */

int mote_config_arguments(struct mote_config *config, int argc, const char *const *argv,
                          struct mote_error *err)
{
	struct mote_error unwanted = {0};
	char **copy;

	err = err ? err : &unwanted;
	if (!config || !argv)
		return boundary_null(err, "mote_config_arguments", config ? "argv" : "config");
	if (argc < 1 || argc > RUN_STRINGS_MAX)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "%d arguments: there have to be from 1, the program, to %d",
		                      argc, RUN_STRINGS_MAX);
	for (int i = 0; i < argc; i++)
		if (!argv[i])
			return boundary_null(err, "mote_config_arguments", "a string of argv");
	if (!argv[0][0])
		return mote_error_set(err, MOTE_STATUS_FAILED, "the program's name is empty");
	copy = calloc((size_t)argc + 1, sizeof *copy);
	if (!copy)
		return no_memory(err);
	for (int i = 0; i < argc; i++) {
		copy[i] = strdup(argv[i]);
		if (!copy[i]) {
			free_strings(copy, (size_t)i);
			return no_memory(err);
		}
	}
	free_strings(config->argv, (size_t)config->argc);
	config->argv = copy;
	config->argc = argc;
	return 0;
}

/* A duplicate that no standard stream of the program is mistaken for. */
static int duplicate(int descriptor, bool is_input)
{
	int null, copy;

	if (descriptor >= 0)
		return fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	null = open("/dev/null", (is_input ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
	if (null < 0 || null > STDERR_FILENO)
		return null;
	copy = fcntl(null, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	close(null);
	return copy;
}

int mote_config_streams(struct mote_config *config, int in, int out, int error_fd,
                        struct mote_error *err)
{
	const int wanted[3] = {in, out, error_fd};
	int copies[3] = {-1, -1, -1};
	struct mote_error unwanted = {0};

	err = err ? err : &unwanted;
	if (!config)
		return boundary_null(err, "mote_config_streams", "config");
	for (int i = 0; i < 3; i++) {
		copies[i] = wanted[i] >= -1 ? duplicate(wanted[i], i == STDIN_FILENO)
		                            : (errno = EBADF, -1);
		if (copies[i] < 0) {
			mote_error_errno(err, MOTE_STATUS_FAILED, "cannot use descriptor %d",
			                 wanted[i]);
			close_streams(copies);
			return -1;
		}
	}
	close_streams(config->streams);
	memcpy(config->streams, copies, sizeof copies);
	return 0;
}

/* ---- for a VM ---- */

static char *put(char **at, const char *text)
{
	size_t size = strlen(text) + 1;
	char *here = *at;

	memcpy(here, text, size);
	*at += size;
	return here;
}

struct words {
	void *block; /* that all of them lie in; NULL: there is no memory */
	char **environment, **argv;
	int count;
};

/* The command line, and the one variable that its parser may look for, in one block. */
static struct words copy_words(const struct mote_config *config, const char *program)
{
	size_t count = config->word_count + (size_t)config->argc + 4, size = 0;
	struct words words = {0};
	char **next, *at;

	for (size_t i = 0; i < config->word_count; i++)
		size += strlen(config->words[i]) + 1;
	for (int i = 1; i < config->argc; i++)
		size += strlen(config->argv[i]) + 1;
	size += sizeof "mote" + sizeof "--" + strlen(program) + 1;
	size += config->term[0] ? strlen(config->term[0]) + 1 : 0;
	words.block = calloc(1, (2 + count) * sizeof *next + size);
	if (!words.block)
		return words;
	words.environment = words.block;
	words.argv = next = words.environment + 2;
	at = (char *)(next + count);
	if (config->term[0])
		words.environment[0] = put(&at, config->term[0]);
	*next++ = put(&at, "mote");
	for (size_t i = 0; i < config->word_count; i++)
		*next++ = put(&at, config->words[i]);
	*next++ = put(&at, "--");
	*next++ = put(&at, program);
	for (int i = 1; i < config->argc; i++)
		*next++ = put(&at, config->argv[i]);
	words.count = (int)(next - words.argv);
	return words;
}

int config_parse(const struct mote_config *config, const char *snapshot,
                 struct config_options *options, struct mote_error *err)
{
	static const struct mote_config none = {.streams = {-1, -1, -1}};
	struct words words = {0};
	int status;

	config = config ? config : &none;
	options->block = NULL;
	if (!snapshot && !config->argv)
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "the configuration names no program: call "
		                      "mote_config_arguments()");
	words = copy_words(config, snapshot ? snapshot : config->argv[0]);
	if (!words.block)
		return no_memory(err);
	status = snapshot ? restore_options_parse(&options->options, words.count, words.argv,
	                                          words.environment, err)
	                  : run_options_parse(&options->options, words.count, words.argv,
	                                      words.environment, err);
	if (status) {
		free(words.block);
		return -1;
	}
	options->block = words.block;
	return 0;
}

void config_options_free(struct config_options *options)
{
	if (!options->block)
		return;
	run_options_free(&options->options);
	free(options->block);
	options->block = NULL;
}
