/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the parser for the command line of `mote run`. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/options.h"

#define WORDS_MAX 16

static char *host_environment[] = {"TERM=vt100", "SECRET=1", "EMPTY=", "TERMINAL=x", NULL};

static struct run_options options;
static struct mote_error err;

static void forget(void)
{
	run_options_free(&options);
}

TestSuite(options, .fini = forget);

/* Parses "run" and up to WORDS_MAX words, the list ending with NULL. */
static int parse_list(const char *const *words)
{
	static char storage[WORDS_MAX]
	                   [256]; /* the parser takes writable words, as main() has them */
	char *argv[WORDS_MAX + 2] = {"run"};
	int argc = 1;

	run_options_free(&options);
	err.code = 0;
	err.text[0] = '\0';
	for (; words[argc - 1] != NULL; argc++) {
		cr_assert_leq(argc, WORDS_MAX);
		snprintf(storage[argc - 1], sizeof storage[0], "%s", words[argc - 1]);
		argv[argc] = storage[argc - 1];
	}
	return run_options_parse(&options, argc, argv, host_environment, &err);
}

#define PARSE(...) parse_list((const char *const[]){__VA_ARGS__, NULL})

/* An error is one line with this piece in it, says where the help is, and leaves nothing behind. */
static void assert_refused(int status, const char *piece)
{
	cr_assert_lt(status, 0);
	cr_assert_eq(err.code, MOTE_STATUS_FAILED);
	cr_assert_not_null(strstr(err.text, piece), "no '%s' in: %s", piece, err.text);
	cr_assert_not_null(strstr(err.text, " (see mote help run)"), "%s", err.text);
	cr_assert_null(strchr(err.text, '\n'));
	cr_assert_null(options.env);
}

static void assert_argv(const char *const *words)
{
	int argc = 0;

	for (; words[argc] != NULL; argc++) {
		cr_assert_lt(argc, options.argc);
		cr_assert_str_eq(options.argv[argc], words[argc]);
	}
	cr_assert_eq(options.argc, argc);
	cr_assert_null(options.argv[argc]);
	cr_assert_str_eq(options.app, words[0]);
}

#define ASSERT_ARGV(...) assert_argv((const char *const[]){__VA_ARGS__, NULL})

static const char *guest_env(const char *name)
{
	size_t length = strlen(name);
	const char *value = NULL;

	for (int i = 0; i < options.env_count; i++) {
		if (strncmp(options.env[i], name, length) == 0 && options.env[i][length] == '=') {
			cr_assert_null(value, "%s is there twice", name);
			value = options.env[i] + length + 1;
		}
	}
	return value;
}

Test(options, defaults)
{
	cr_assert_eq(PARSE("app"), 0);
	ASSERT_ARGV("app");
	cr_assert_null(options.root);
	cr_assert_str_eq(options.cwd, "/");
	cr_assert_eq(options.memory_bytes, 128u << 20);
	cr_assert_eq(options.stats, STATS_NONE);
	cr_assert_eq(options.strace, STRACE_NONE);
	cr_assert_eq(options.timeout_ns, 0);
	cr_assert_null(options.core_path);
	cr_assert_null(options.dump_dtb_path);
	cr_assert_eq(options.cpu, CPU_HOST);
	cr_assert_not(options.allow_wx);
	cr_assert_null(options.kit_path);
}

Test(options, every_option_with_a_following_value)
{
	cr_assert_eq(PARSE("--mem", "64M", "--root", "dir", "--env", "A=b", "--cwd", "/x",
	                   "--timeout", "2", "--cpu", "baseline", "--cpus", "1", "app"),
	             0);
	cr_assert_eq(options.memory_bytes, 64u << 20);
	cr_assert_str_eq(options.root, "dir");
	cr_assert_str_eq(guest_env("A"), "b");
	cr_assert_str_eq(options.cwd, "/x");
	cr_assert_eq(options.timeout_ns, 2000000000);
	cr_assert_eq(options.cpu, CPU_BASELINE);
	cr_assert_eq(PARSE("--core", "c", "--dump-dtb", "d", "--kit", "k", "--strace", "--allow-wx",
	                   "--stats", "app"),
	             0);
	cr_assert_str_eq(options.core_path, "c");
	cr_assert_str_eq(options.dump_dtb_path, "d");
	cr_assert_str_eq(options.kit_path, "k");
	cr_assert_eq(options.strace, STRACE_LINES);
	cr_assert(options.allow_wx);
	cr_assert_eq(options.stats, STATS_TEXT);
	ASSERT_ARGV("app");
}

Test(options, every_option_with_an_equals_sign)
{
	cr_assert_eq(PARSE("--mem=64M", "--root=a=b", "--env=A=b=c", "--cwd=/x", "--timeout=2",
	                   "--cpu=host", "--cpus=1", "--core=--c", "--dump-dtb=d", "--kit=k",
	                   "--stats=json", "app"),
	             0);
	cr_assert_eq(options.memory_bytes, 64u << 20);
	cr_assert_str_eq(options.root, "a=b");
	cr_assert_str_eq(guest_env("A"), "b=c");
	cr_assert_str_eq(options.core_path, "--c");
	cr_assert_str_eq(options.dump_dtb_path, "d");
	cr_assert_str_eq(options.kit_path, "k");
	cr_assert_eq(options.cpu, CPU_HOST);
	cr_assert_eq(options.stats, STATS_JSON);
}

Test(options, the_last_of_two_counts)
{
	cr_assert_eq(PARSE("--mem=64M", "--mem=32M", "--cpu=baseline", "--cpu=host", "app"), 0);
	cr_assert_eq(options.memory_bytes, 32u << 20);
	cr_assert_eq(options.cpu, CPU_HOST);
}

Test(options, what_follows_the_program_is_the_guests)
{
	cr_assert_eq(PARSE("--strace", "app", "--mem", "1", "-x", "--help"), 0);
	ASSERT_ARGV("app", "--mem", "1", "-x", "--help");
	cr_assert_eq(options.memory_bytes, 128u << 20);
	cr_assert_eq(PARSE("app", "", "b", ""), 0);
	ASSERT_ARGV("app", "", "b", "");
}

Test(options, one_separator_is_dropped)
{
	cr_assert_eq(PARSE("app", "--", "-l"), 0);
	ASSERT_ARGV("app", "-l");
	cr_assert_eq(PARSE("app", "--"), 0);
	ASSERT_ARGV("app");
	cr_assert_eq(PARSE("app", "--", "--", "-l"), 0);
	ASSERT_ARGV("app", "--", "-l");
	cr_assert_eq(PARSE("app", "a", "--", "b"), 0);
	ASSERT_ARGV("app", "a", "--", "b");
	cr_assert_eq(PARSE("--", "app", "--", "-l"), 0);
	ASSERT_ARGV("app", "--", "-l");
	cr_assert_eq(PARSE("--strace", "--", "--app"), 0);
	ASSERT_ARGV("--app");
	cr_assert_eq(options.strace, STRACE_LINES);
}

Test(options, a_single_dash_is_a_program)
{
	cr_assert_eq(PARSE("-", "x"), 0);
	ASSERT_ARGV("-", "x");
}

Test(options, help_before_the_program)
{
	cr_assert_eq(PARSE("--help"), RUN_OPTIONS_HELP);
	cr_assert_eq(PARSE("--mem=64M", "-h", "app"), RUN_OPTIONS_HELP);
	cr_assert_null(options.env);
}

Test(options, no_program)
{
	char *argv[] = {"run", NULL};

	assert_refused(run_options_parse(&options, 1, argv, host_environment, &err), "no program");
	assert_refused(PARSE("--"), "no program");
	assert_refused(PARSE("--mem=64M"), "no program");
	assert_refused(PARSE(""), "empty");
	assert_refused(PARSE("--", "", "x"), "empty");
}

struct number_case {
	char text[32];
	uint64_t value; /* 0: refused */
	char piece[32]; /* of the error */
};

#define M (1ull << 20)
#define G (1ull << 30)

ParameterizedTestParameters(options, sizes)
{
	static struct number_case cases[] = {
	        {"4M", 4 * M, ""},
	        {"4194304", 4 * M, ""},
	        {"4194303", 0, "less than 4M"},
	        {"4194305", 4 * M + 4096, ""},
	        {"4198400", 4 * M + 4096, ""},
	        {"4096K", 4 * M, ""},
	        {"4095K", 0, "less than 4M"},
	        {"4097k", 4 * M + 4096, ""},
	        {"64m", 64 * M, ""},
	        {"0064M", 64 * M, ""},
	        {"1g", G, ""},
	        {"64G", 64 * G, ""},
	        {"65536M", 64 * G, ""},
	        {"68719476736", 64 * G, ""},
	        {"68719476735", 64 * G, ""},
	        {"68719476737", 0, "more than 64G"},
	        {"65537M", 0, "more than 64G"},
	        {"65G", 0, "more than 64G"},
	        {"17179869184G", 0, "more than 64G"}, /* 2^64 bytes */
	        {"17179869185G", 0, "more than 64G"}, /* wraps to 1G */
	        {"18446744073709551615", 0, "more than 64G"},
	        {"18446744073709551616", 0, "more than 64G"},
	        {"18446744073717940224", 0, "more than 64G"}, /* wraps to 8M */
	        {"9999999999999999999999999999", 0, "more than 64G"},
	        {"0", 0, "less than 4M"},
	        {"0G", 0, "less than 4M"},
	        {"1", 0, "less than 4M"},
	        {"1e3", 0, "not a size"},
	        {"1.5G", 0, "not a size"},
	        {"M", 0, "not a size"},
	        {"64MB", 0, "not a size"},
	        {"64MM", 0, "not a size"},
	        {"64 M", 0, "not a size"},
	        {" 64M", 0, "not a size"},
	        {"64M ", 0, "not a size"},
	        {"+64M", 0, "not a size"},
	        {"-64M", 0, "not a size"},
	        {"0x4000000", 0, "not a size"},
	        {"64T", 0, "not a size"},
	        {"", 0, "empty value"},
	};

	return cr_make_param_array(struct number_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct number_case *param, options, sizes, .fini = forget)
{
	char word[64];

	snprintf(word, sizeof word, "--mem=%s", param->text);
	if (param->value == 0) {
		assert_refused(PARSE(word, "app"), param->piece);
		assert_refused(PARSE("--mem", param->text, "app"), param->piece);
		return;
	}
	cr_assert_eq(PARSE(word, "app"), 0, "%s: %s", param->text, err.text);
	cr_assert_eq(options.memory_bytes, param->value, "%s", param->text);
	cr_assert_eq(PARSE("--mem", param->text, "app"), 0);
	cr_assert_eq(options.memory_bytes, param->value);
}

ParameterizedTestParameters(options, times)
{
	static struct number_case cases[] = {
	        {"1", 1000000000, ""},
	        {"0.5", 500000000, ""},
	        {".5", 500000000, ""},
	        {"1.25", 1250000000, ""},
	        {"0.000000001", 1, ""},
	        {"1.000000000", 1000000000, ""},
	        {"007", 7000000000, ""},
	        {"1000000000", 1000000000000000000, ""},
	        {"1000000000.000000000", 1000000000000000000, ""},
	        {"999999999.999999999", 999999999999999999, ""},
	        {"1000000000.000000001", 0, "more than 1000000000"},
	        {"1000000001", 0, "more than 1000000000"},
	        {"18446744073709551617", 0, "more than 1000000000"},
	        {"18446744074", 0, "more than 1000000000"}, /* nanoseconds wrap */
	        {"0", 0, "above 0"},
	        {"0.0", 0, "above 0"},
	        {"0.000000000", 0, "above 0"},
	        {"0.0000000001", 0, "not a time"},
	        {"1.", 0, "not a time"},
	        {".", 0, "not a time"},
	        {"1..5", 0, "not a time"},
	        {"1.5.5", 0, "not a time"},
	        {"1,5", 0, "not a time"},
	        {"1s", 0, "not a time"},
	        {"1e3", 0, "not a time"},
	        {"-1", 0, "not a time"},
	        {"+1", 0, "not a time"},
	        {" 1", 0, "not a time"},
	        {"inf", 0, "not a time"},
	        {"nan", 0, "not a time"},
	        {"", 0, "empty value"},
	};

	return cr_make_param_array(struct number_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct number_case *param, options, times, .fini = forget)
{
	char word[64];

	snprintf(word, sizeof word, "--timeout=%s", param->text);
	if (param->value == 0) {
		assert_refused(PARSE(word, "app"), param->piece);
		return;
	}
	cr_assert_eq(PARSE(word, "app"), 0, "%s: %s", param->text, err.text);
	cr_assert_eq(options.timeout_ns, param->value, "%s", param->text);
}

Test(options, one_processor_and_the_reason)
{
	cr_assert_eq(PARSE("--cpus=1", "app"), 0);
	cr_assert_eq(PARSE("--cpus", "01", "app"), 0);
	assert_refused(PARSE("--cpus=2", "app"), "one vCPU in this version");
	assert_refused(PARSE("--cpus=4294967297", "app"), "one vCPU in this version");
	assert_refused(PARSE("--cpus=18446744073709551617", "app"), "one vCPU in this version");
	assert_refused(PARSE("--cpus=0", "app"), "above 0");
	assert_refused(PARSE("--cpus=-1", "app"), "above 0");
	assert_refused(PARSE("--cpus=1.0", "app"), "above 0");
	assert_refused(PARSE("--cpus=one", "app"), "above 0");
}

Test(options, words_that_are_no_choice)
{
	assert_refused(PARSE("--cpu=max", "app"), "host or baseline");
	assert_refused(PARSE("--cpu=HOST", "app"), "host or baseline");
	assert_refused(PARSE("--cpu=hostx", "app"), "host or baseline");
	assert_refused(PARSE("--stats=xml", "app"), "--stats=json");
	assert_refused(PARSE("--stats=", "app"), "--stats=json");
	assert_refused(PARSE("--stats=JSON", "app"), "--stats=json");
}

Test(options, stats_takes_no_following_word)
{
	cr_assert_eq(PARSE("--stats", "json"), 0);
	cr_assert_eq(options.stats, STATS_TEXT);
	ASSERT_ARGV("json");
}

Test(options, strace_forms)
{
	cr_assert_eq(PARSE("--strace", "summary"), 0);
	cr_assert_eq(options.strace, STRACE_LINES);
	ASSERT_ARGV("summary");
	cr_assert_eq(PARSE("--strace=summary", "app"), 0);
	cr_assert_eq(options.strace, STRACE_SUMMARY);
	assert_refused(PARSE("--strace=yes", "app"), "--strace=summary");
	assert_refused(PARSE("--strace=", "app"), "--strace=summary");
}

Test(options, flags_take_no_value)
{
	assert_refused(PARSE("--allow-wx=1", "app"), "--allow-wx takes no value");
}

Test(options, values_that_are_missing_or_empty)
{
	for (const struct run_option *option = run_option_table; option->name != NULL; option++) {
		char word[64];
		char piece[64];

		if (option->kind != OPTION_VALUE || !(option->commands & RUN_OPTION_RUN))
			continue;
		snprintf(word, sizeof word, "--%s", option->name);
		snprintf(piece, sizeof piece, "--%s needs a value", option->name);
		assert_refused(PARSE(word), piece);
		assert_refused(PARSE(word, "--strace", "app"), piece);
		snprintf(piece, sizeof piece, "--%s has an empty value", option->name);
		assert_refused(PARSE(word, "", "app"), piece);
		strcat(word, "=");
		assert_refused(PARSE(word, "app"), piece);
	}
}

Test(options, the_working_directory_is_absolute)
{
	char word[5000] = "--cwd=/";
	char *argv[] = {"run", word, "app", NULL};
	size_t used = strlen("--cwd=");

	assert_refused(PARSE("--cwd=tmp", "app"), "not an absolute path");
	assert_refused(PARSE("--cwd=./tmp", "app"), "not an absolute path");
	memset(word + used, '/', 4095);
	cr_assert_eq(run_options_parse(&options, 3, argv, host_environment, &err), 0);
	run_options_free(&options);
	word[used + 4095] = '/';
	assert_refused(run_options_parse(&options, 3, argv, host_environment, &err), "4095 bytes");
}

Test(options, the_environment_is_the_default_one)
{
	cr_assert_eq(PARSE("app"), 0);
	cr_assert_eq(options.env_count, 3);
	cr_assert_null(options.env[3]);
	cr_assert_str_eq(guest_env("PATH"),
	                 "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	cr_assert_str_eq(guest_env("HOME"), "/root");
	cr_assert_str_eq(guest_env("TERM"), "vt100");
}

Test(options, without_a_terminal_there_is_no_term)
{
	char *argv[] = {"run", "app", NULL};
	char *environment[] = {"TERMINAL=x", "TERM", NULL};

	cr_assert_eq(run_options_parse(&options, 2, argv, environment, &err), 0);
	cr_assert_eq(options.env_count, 2);
	cr_assert_null(guest_env("TERM"));
	cr_assert_null(guest_env("TERMINAL"));
}

Test(options, environment_entries_override_and_are_unique)
{
	cr_assert_eq(PARSE("--env", "HOME=/home", "--env=A=1", "--env=A=2", "--env=AB=3",
	                   "--env=B=", "app"),
	             0);
	cr_assert_eq(options.env_count, 6);
	cr_assert_null(options.env[6]);
	cr_assert_str_eq(guest_env("HOME"), "/home");
	cr_assert_str_eq(guest_env("A"), "2");
	cr_assert_str_eq(guest_env("AB"), "3");
	cr_assert_str_eq(guest_env("B"), "");
	cr_assert_null(guest_env("SECRET"));
	cr_assert_eq(PARSE("--env=AB=3", "--env=A=4", "--env=ABC=5", "app"), 0);
	cr_assert_str_eq(guest_env("AB"), "3");
	cr_assert_str_eq(guest_env("A"), "4");
	cr_assert_str_eq(guest_env("ABC"), "5");
}

Test(options, environment_entries_copied_from_the_host)
{
	cr_assert_eq(PARSE("--env=SECRET", "--env", "EMPTY", "app"), 0);
	cr_assert_str_eq(guest_env("SECRET"), "1");
	cr_assert_str_eq(guest_env("EMPTY"), "");
	assert_refused(PARSE("--env=SECRE", "app"), "not set");
	assert_refused(PARSE("--env=MISSING", "app"), "--env MISSING=VALUE");
	assert_refused(PARSE("--env==x", "app"), "no name");
	assert_refused(PARSE("--env", "=", "app"), "no name");
}

Test(options, unknown_options_name_the_nearest)
{
	assert_refused(PARSE("--mme=64M", "app"), "'--mme=64M', did you mean --mem?");
	assert_refused(PARSE("--memory", "app"), "did you mean --mem?");
	assert_refused(PARSE("-mem", "app"), "did you mean --mem?");
	assert_refused(PARSE("--sttas", "app"), "did you mean --stats?");
	assert_refused(PARSE("--stat", "app"), "did you mean --stats?");
	assert_refused(PARSE("--dump", "app"), "did you mean --dump-dtb?");
	assert_refused(PARSE("--timeuot", "app"), "did you mean --timeout?");
	assert_refused(PARSE("--cpuz", "app"), "did you mean --cpu?");
	assert_refused(PARSE("--allowwx", "app"), "did you mean --allow-wx?");
	assert_refused(PARSE("---strace", "app"), "did you mean --strace?");
	assert_refused(PARSE("--MEM=64M", "app"), "unknown option '--MEM=64M'");
}

Test(options, unknown_options_like_none_get_no_suggestion)
{
	const char *const words[] = {"--zebra", "-x", "--=", "--=64M", "---", "--x=mem"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		assert_refused(PARSE(words[i], "app"), "unknown option");
		cr_assert_null(strstr(err.text, "did you mean"), "%s", err.text);
	}
}

Test(options, long_values_do_not_push_the_reason_out)
{
	static char word[20000] = "--mem=";
	char *argv[] = {"run", word, "app", NULL};

	memset(word + 6, 'x', sizeof word - 7);
	assert_refused(run_options_parse(&options, 3, argv, host_environment, &err), "not a size");
	memcpy(word, "--yyy=", 6);
	assert_refused(run_options_parse(&options, 3, argv, host_environment, &err),
	               "unknown option");
	memset(word, '-', 2);
	memset(word + 2, 'z', 10);
	assert_refused(run_options_parse(&options, 3, argv, host_environment, &err),
	               "unknown option");
}

/* "run", as many times the option, then as many times the word. */
static int parse_many(int option_count, char *option, int word_count, char *word)
{
	char **argv = calloc((size_t)(option_count + word_count) + 2, sizeof *argv);
	int argc = 0;

	cr_assert_not_null(argv);
	argv[argc++] = "run";
	while (option_count-- > 0)
		argv[argc++] = option;
	while (word_count-- > 0)
		argv[argc++] = word;

	int status = run_options_parse(&options, argc, argv, host_environment, &err);

	free(argv);
	return status;
}

Test(options, at_most_4096_arguments)
{
	cr_assert_eq(parse_many(0, NULL, 4096, "a"), 0);
	cr_assert_eq(options.argc, 4096);
	cr_assert_null(options.argv[4096]);
	run_options_free(&options);
	assert_refused(parse_many(0, NULL, 4097, "a"), "at most 4096");
	/* What mote takes itself does not count. */
	cr_assert_eq(parse_many(10000, "--strace", 1, "a"), 0);
	run_options_free(&options);
	cr_assert_eq(parse_many(10000, "--env=A=b", 1, "a"), 0);
	cr_assert_eq(options.env_count, 4);
}

Test(options, at_most_4096_environment_entries)
{
	static char words[4094][16];
	static char *argv[4094 + 3] = {"run"};

	for (int i = 0; i < 4094; i++) {
		snprintf(words[i], sizeof words[i], "--env=E%d=", i);
		argv[i + 1] = words[i];
	}
	/* PATH, HOME and TERM are three of the 4096. */
	argv[4094] = "app";
	cr_assert_eq(run_options_parse(&options, 4095, argv, host_environment, &err), 0, "%s",
	             err.text);
	cr_assert_eq(options.env_count, 4096);
	cr_assert_null(options.env[4096]);
	run_options_free(&options);
	argv[4094] = words[4093];
	argv[4095] = "app";
	assert_refused(run_options_parse(&options, 4096, argv, host_environment, &err),
	               "more than 4096 environment entries");
}

Test(options, at_most_128_kib_of_strings)
{
	static char word[RUN_STRINGS_BYTES_MAX + 1];
	char *argv[] = {"run", "app", word, NULL};
	char *environment[] = {NULL};
	size_t others = strlen("app") + 1;

	cr_assert_eq(run_options_parse(&options, 3, argv, environment, &err), 0);
	for (int i = 0; i < options.env_count; i++)
		others += strlen(options.env[i]) + 1;
	run_options_free(&options);

	memset(word, 'x', RUN_STRINGS_BYTES_MAX - others - 1);
	cr_assert_eq(run_options_parse(&options, 3, argv, environment, &err), 0, "%s", err.text);
	run_options_free(&options);
	word[RUN_STRINGS_BYTES_MAX - others - 1] = 'x';
	assert_refused(run_options_parse(&options, 3, argv, environment, &err), "131073 bytes");
}

Test(options, free_may_be_called_twice)
{
	cr_assert_eq(PARSE("app"), 0);
	run_options_free(&options);
	run_options_free(&options);
	cr_assert_null(options.argv);
}
