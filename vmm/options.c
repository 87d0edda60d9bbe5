/* SPDX-License-Identifier: Apache-2.0 */
/* The strict parser for the command line of `mote run`. */
#include "vmm/options.h"

#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/typo.h"

#define HOSTNAME_MAX 64u /* as Linux has it */

/*
 * How it works: run_option_table names each option once, with the function that checks its value
 * and stores it. The loop in parse_options() knows only the syntax (a value behind `=` or in the
 * next word, the end of the options). Words are never copied: guest arguments and environment point
 * into the command line, the host's environment, or string literals; one allocation holds both
 * arrays.
 */

#define DEFAULT_ENV_MAX 3 /* PATH, HOME, TERM */
#define NS_PER_S        1000000000ull

/* Values are the caller's text of any length: quote a piece, so that the reason is never cut off.
 */
#define QUOTED "'%.64s'"

__attribute__((format(printf, 2, 3))) static int usage_error(struct mote_error *err,
                                                             const char *fmt, ...)
{
	char text[MOTE_ERROR_TEXT - 64];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	return mote_error_set(err, MOTE_STATUS_FAILED, "%s (see mote help run)", text);
}

/* What the options are applied to, and where they may look. */
struct run_parse {
	struct run_options *options;
	char *const *environment; /* the host's */
	unsigned command;         /* RUN_OPTION_* */
	struct mote_error *err;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Reads decimal digits and moves *@text behind them. Values above @max (at most UINT64_MAX / 10 -
 * 1) are reported as @max + 1, however many digits there are.
 */
static uint64_t read_digits(const char **text, uint64_t max)
{
	uint64_t value = 0;

	for (; is_digit(**text); (*text)++) {
		if (value <= max)
			value = value * 10 + (uint64_t)(**text - '0');
	}
	return value <= max ? value : max + 1;
}

static unsigned size_shift(char letter)
{
	switch (letter) {
	case 'K':
	case 'k': return 10;
	case 'M':
	case 'm': return 20;
	case 'G':
	case 'g': return 30;
	default: return 0;
	}
}

int run_options_size(const char *what, const char *value, uint64_t *bytes, struct mote_error *err)
{
	const char *end = value;
	uint64_t count = read_digits(&end, RUN_MEMORY_MAX);
	bool has_digits = end != value;
	unsigned shift = size_shift(*end);

	if (shift != 0)
		end++;
	if (!has_digits || *end != '\0')
		return usage_error(err,
		                   "%s " QUOTED " is not a size: write a whole number of bytes or "
		                   "one with K, M or G behind it, such as 128M",
		                   what, value);
	if (count > RUN_MEMORY_MAX >> shift)
		return usage_error(err,
		                   "%s " QUOTED " is more than 64G, the most a microVM can have",
		                   what, value);

	*bytes = count << shift;
	return 0;
}

static int apply_mem(struct run_parse *parse, const struct run_option *option, char *value)
{
	uint64_t bytes = 0;

	if (run_options_size("--mem", value, &bytes, parse->err))
		return -1;
	if (bytes < RUN_MEMORY_MIN)
		return usage_error(parse->err,
		                   "--%s " QUOTED
		                   " is less than 4M, the least that holds the kit, its "
		                   "page tables and a program",
		                   option->name, value);
	parse->options->memory_bytes = (bytes + 4095) & ~(uint64_t)4095;
	parse->options->has_memory = true;
	return 0;
}

static int apply_balloon(struct run_parse *parse, const struct run_option *option, char *value)
{
	parse->options->balloon = true;
	(void)option;
	return value ? run_options_size("--balloon", value, &parse->options->balloon_bytes,
	                                parse->err)
	             : 0;
}

static int apply_timeout(struct run_parse *parse, const struct run_option *option, char *value)
{
	const char *end = value;
	uint64_t seconds = read_digits(&end, RUN_TIMEOUT_MAX_S);
	bool has_digits = end != value;
	uint64_t fraction = 0;

	if (*end == '.') {
		uint64_t unit = NS_PER_S / 10;

		has_digits = false;
		for (end++; is_digit(*end) && unit != 0; end++, unit /= 10) {
			fraction += (uint64_t)(*end - '0') * unit;
			has_digits = true;
		}
	}
	if (!has_digits || *end != '\0')
		return usage_error(parse->err,
		                   "--%s " QUOTED
		                   " is not a time: write seconds as a decimal number "
		                   "with at most nine decimal places, such as 1.5",
		                   option->name, value);

	uint64_t ns = seconds * NS_PER_S + fraction;

	if (ns == 0)
		return usage_error(parse->err,
		                   "--%s " QUOTED
		                   ": the time must be above 0; leave the option out "
		                   "for no limit",
		                   option->name, value);
	if (ns > RUN_TIMEOUT_MAX_S * NS_PER_S)
		return usage_error(parse->err, "--%s " QUOTED " is more than 1000000000 seconds",
		                   option->name, value);
	parse->options->timeout_ns = ns;
	return 0;
}

static int apply_cpus(struct run_parse *parse, const struct run_option *option, char *value)
{
	const char *end = value;
	uint64_t count = read_digits(&end, INT_MAX);

	if (end == value || *end != '\0' || count == 0)
		return usage_error(parse->err,
		                   "--%s " QUOTED " is not a number of processors above 0",
		                   option->name, value);
	if (count > 1)
		return usage_error(
		        parse->err,
		        "--%s " QUOTED ": a microVM has one vCPU in this version, and the "
		        "guest's threads share it; run several microVMs to use more processors",
		        option->name, value);
	return 0;
}

static int apply_cpu(struct run_parse *parse, const struct run_option *option, char *value)
{
	if (strcmp(value, "host") == 0)
		parse->options->cpu = CPU_HOST;
	else if (strcmp(value, "baseline") == 0)
		parse->options->cpu = CPU_BASELINE;
	else
		return usage_error(parse->err,
		                   "--%s " QUOTED
		                   " is not a processor model: write host or baseline",
		                   option->name, value);
	return 0;
}

static int apply_stats(struct run_parse *parse, const struct run_option *option, char *value)
{
	if (value == NULL)
		parse->options->stats = STATS_TEXT;
	else if (strcmp(value, "json") == 0)
		parse->options->stats = STATS_JSON;
	else if (strcmp(value, "pages") == 0)
		parse->options->stats = STATS_PAGES;
	else
		return usage_error(
		        parse->err,
		        "--%s=%.64s is not a format: write --stats, --stats=json or --stats=pages",
		        option->name, value);
	return 0;
}

static int apply_strace(struct run_parse *parse, const struct run_option *option, char *value)
{
	if (value != NULL && strcmp(value, "summary") != 0)
		return usage_error(parse->err,
		                   "--%s=%.64s is not a form: write --strace or --strace=summary",
		                   option->name, value);
	parse->options->strace = value == NULL ? STRACE_LINES : STRACE_SUMMARY;
	return 0;
}

/* Sets or replaces an entry; @entry is "K=V" and stays where it is. */
static int env_set(struct run_options *options, char *entry, struct mote_error *err)
{
	size_t key_length = (size_t)(strchr(entry, '=') - entry) + 1;

	for (int i = 0; i < options->env_count; i++) {
		if (strncmp(options->env[i], entry, key_length) == 0) {
			options->env[i] = entry;
			if (i < DEFAULT_ENV_MAX)
				options->default_env &= ~(1u << i);
			return 0;
		}
	}
	if (options->env_count == RUN_STRINGS_MAX)
		return usage_error(err, "more than %d environment entries for the guest",
		                   RUN_STRINGS_MAX);
	options->env[options->env_count++] = entry;
	return 0;
}

/* The entry "NAME=..." of an environment, or NULL. */
static char *env_find(char *const *environment, const char *name)
{
	size_t length = strlen(name);

	for (; *environment != NULL; environment++) {
		if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
			return *environment;
	}
	return NULL;
}

static int apply_env(struct run_parse *parse, const struct run_option *option, char *value)
{
	if (value[0] == '=')
		return usage_error(parse->err,
		                   "--%s " QUOTED " has no name before the =", option->name, value);
	if (strchr(value, '=') != NULL)
		return env_set(parse->options, value, parse->err);

	char *entry = env_find(parse->environment, value);

	if (entry == NULL)
		return usage_error(parse->err,
		                   "--%s " QUOTED " is not set in the environment of mote: write "
		                   "--env %.64s=VALUE",
		                   option->name, value, value);
	return env_set(parse->options, entry, parse->err);
}

static int apply_cwd(struct run_parse *parse, const struct run_option *option, char *value)
{
	if (value[0] != '/')
		return usage_error(parse->err,
		                   "--%s " QUOTED
		                   " is not an absolute path: the directory is one of "
		                   "the guest's and begins with /",
		                   option->name, value);
	if (strlen(value) >= RUN_PATH_MAX)
		return usage_error(parse->err, "--%s " QUOTED "... is longer than %u bytes",
		                   option->name, value, RUN_PATH_MAX - 1);
	parse->options->cwd = value;
	parse->options->has_cwd = true;
	return 0;
}

static int apply_share(struct run_parse *parse, const struct run_option *option, char *value)
{
	(void)option;
	return share_options_parse(&parse->options->shares, value, parse->err);
}

/* A host name as Linux takes it, of characters that do no harm in /etc/hosts. */
static int apply_hostname(struct run_parse *parse, const struct run_option *option, char *value)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                              "0123456789-._";
	size_t length = strlen(value);

	if (!length || length > HOSTNAME_MAX || strspn(value, allowed) != length)
		return usage_error(parse->err,
		                   "--%s " QUOTED " is no host name: that is 1 to %u letters, "
		                   "digits, '-', '.' and '_'",
		                   option->name, value, HOSTNAME_MAX);
	parse->options->hostname = value;
	return 0;
}

static int apply_string(struct run_parse *parse, const struct run_option *option, char *value)
{
	*(const char **)((char *)parse->options + option->field) = value;
	return 0;
}

static int apply_flag(struct run_parse *parse, const struct run_option *option, char *value)
{
	(void)value;
	*(bool *)((char *)parse->options + option->field) = true;
	return 0;
}

static int apply_net(struct run_parse *parse, const struct run_option *option, char *value)
{
	(void)option;
	return net_options_parse(&parse->options->net, value, parse->err);
}

static int apply_console(struct run_parse *parse, const struct run_option *option, char *value)
{
	parse->options->virtio_console = !strcmp(value, "virtio");
	if (!parse->options->virtio_console && strcmp(value, "hypercall"))
		return usage_error(parse->err,
		                   "--%s " QUOTED
		                   " is not a way to the console: write hypercall or virtio",
		                   option->name, value);
	return 0;
}

static int apply_disk(struct run_parse *parse, const struct run_option *option, char *value)
{
	(void)option;
	return disk_options_parse(&parse->options->disks, value, parse->err);
}

static int apply_snapshot(struct run_parse *parse, const struct run_option *option, char *value)
{
	(void)option;
	parse->options->snapshot_path = value;
	if (!parse->options->has_point)
		parse->options->points = 1u << MOTE_SNAPSHOT_MARK;
	return 0;
}

static int apply_snapshot_at(struct run_parse *parse, const struct run_option *option, char *value)
{
	struct run_options *options = parse->options;

	options->has_point = true;
	options->snapshot_mark = NULL;
	if (!strcmp(value, "main")) {
		options->points = 1u << MOTE_SNAPSHOT_MAIN;
	} else if (!strcmp(value, "listen")) {
		options->points = 1u << MOTE_SNAPSHOT_LISTEN;
	} else if (!strcmp(value, "serve")) {
		options->points = 1u << MOTE_SNAPSHOT_LISTEN | 1u << MOTE_SNAPSHOT_MARK;
	} else if (strlen(value) < RUN_MARK_MAX) {
		options->points = 1u << MOTE_SNAPSHOT_MARK;
		options->snapshot_mark = value;
	} else {
		return usage_error(parse->err,
		                   "--%s " QUOTED " is longer than %u bytes, the most that the "
		                   "name of a mark can have",
		                   option->name, value, RUN_MARK_MAX - 1);
	}
	return 0;
}

static int apply_snapshot_clock(struct run_parse *parse, const struct run_option *option,
                                char *value)
{
	if (strcmp(value, "freeze") && strcmp(value, "advance"))
		return usage_error(parse->err, "--%s " QUOTED " is neither freeze nor advance",
		                   option->name, value);
	parse->options->clock_advances = !strcmp(value, "advance");
	return 0;
}

static int apply_count(struct run_parse *parse, const struct run_option *option, char *value)
{
	const char *end = value;
	uint64_t count = read_digits(&end, RUN_COUNT_MAX);

	if (end == value || *end || !count || count > RUN_COUNT_MAX)
		return usage_error(parse->err, "--%s " QUOTED " is not a number of starts above 0",
		                   option->name, value);
	parse->options->count = count;
	return 0;
}

static int apply_verify_reset(struct run_parse *parse, const struct run_option *option, char *value)
{
	const char *end = value;
	uint64_t every = value ? read_digits(&end, RUN_COUNT_MAX) : 1;

	if ((value && (end == value || *end)) || !every || every > RUN_COUNT_MAX)
		return usage_error(parse->err, "--%s " QUOTED " is not a number above 0",
		                   option->name, value);
	parse->options->verify_every = every;
	return 0;
}

static int apply_serve_on(struct run_parse *parse, const struct run_option *option, char *value)
{
	const char *end = value;
	uint64_t descriptor = read_digits(&end, INT_MAX);

	if (end == value || *end || descriptor < 3 || descriptor > INT_MAX)
		return usage_error(parse->err, "--%s " QUOTED " is not a descriptor from 3 on",
		                   option->name, value);
	parse->options->serve_socket = (unsigned)descriptor;
	return 0;
}

#define RUN_ONLY        RUN_OPTION_RUN
#define RESTORE_ONLY    RUN_OPTION_RESTORE
#define RUN_AND_RESTORE (RUN_OPTION_RUN | RUN_OPTION_RESTORE)

static int apply_name(struct run_parse *parse, const struct run_option *option, char *value)
{
	(void)option;
	return control_options_name(&parse->options->control, value, parse->err);
}

static int apply_label(struct run_parse *parse, const struct run_option *option, char *value)
{
	(void)option;
	return control_options_label(&parse->options->control, value, parse->err);
}

#define FIELD(member) offsetof(struct run_options, member)

const struct run_option run_option_table[] = {
        {"mem", OPTION_VALUE, "SIZE", "memory of the guest, 4M to 64G (default 128M)", apply_mem, 0,
         RUN_ONLY},
        {"root", OPTION_VALUE, "DIR|IMAGE", "root file system, read-only (default: a built-in one)",
         apply_string, FIELD(root), RUN_AND_RESTORE},
        {"env", OPTION_VALUE, "K=V", "set a variable; --env K copies it from the host; repeatable",
         apply_env, 0, RUN_AND_RESTORE},
        {"cwd", OPTION_VALUE, "DIR", "directory of the guest to start in (default /)", apply_cwd, 0,
         RUN_ONLY},
        {"stats", OPTION_OPTIONAL_VALUE, "json|pages", "say on stderr what the run cost",
         apply_stats, 0, RUN_AND_RESTORE},
        {"strace", OPTION_OPTIONAL_VALUE, "summary", "list the guest's system calls on stderr",
         apply_strace, 0, RUN_ONLY},
        {"timeout", OPTION_VALUE, "S", "end the guest after S seconds, status 124", apply_timeout,
         0, RUN_AND_RESTORE},
        {"core", OPTION_VALUE, "FILE", "write an ELF core for gdb when the guest crashes",
         apply_string, FIELD(core_path), RUN_AND_RESTORE},
        {"dump-dtb", OPTION_VALUE, "FILE", "write the guest's device tree", apply_string,
         FIELD(dump_dtb_path), RUN_ONLY},
        {"trace", OPTION_VALUE, "FILE", "write down what happened when (see mote trace)",
         apply_string, FIELD(trace_path), RUN_AND_RESTORE},
        {"trace-no-pages", OPTION_FLAG, NULL, "but not which pages were used: disturbs less",
         apply_flag, FIELD(trace_no_pages), RUN_AND_RESTORE},
        {"cpu", OPTION_VALUE, "host|baseline", "processor shown to the guest (default host)",
         apply_cpu, 0, RUN_ONLY},
        {"cpus", OPTION_VALUE, "N", "number of vCPUs; this version has one", apply_cpus, 0,
         RUN_ONLY},
        {"share", OPTION_VALUE, "DIR:GUESTDIR",
         "a directory of the host; ,ro read-only; repeatable", apply_share, 0, RUN_AND_RESTORE},
        {"vsock", OPTION_VALUE, "PATH", "virtio sockets of the guest through a Unix socket",
         apply_string, FIELD(vsock_path), RUN_AND_RESTORE},
        {"net", OPTION_VALUE, "NETWORK", "user[,publish=PORT:PORT]..., tap=NAME or none (default)",
         apply_net, 0, RUN_AND_RESTORE},
        {"hostname", OPTION_VALUE, "NAME", "host name of the guest", apply_hostname, 0,
         RUN_AND_RESTORE},
        {"disk", OPTION_VALUE, "FILE[,OPT]...",
         "a disk, /dev/vda and so on; ro, direct, id=NAME; repeatable", apply_disk, 0,
         RUN_AND_RESTORE},
        {"console", OPTION_VALUE, "hypercall|virtio",
         "how stdin and stdout reach the guest (default hypercall)", apply_console, 0,
         RUN_AND_RESTORE},
        {"entropy", OPTION_FLAG, NULL, "give the guest a virtio entropy device", apply_flag,
         FIELD(entropy), RUN_AND_RESTORE},
        {"balloon", OPTION_OPTIONAL_VALUE, "SIZE",
         "a memory balloon; SIZE is given up at the start", apply_balloon, 0, RUN_AND_RESTORE},
        {"name", OPTION_VALUE, "NAME", "name for mote ps, pause, snapshot and so on", apply_name, 0,
         RUN_AND_RESTORE},
        {"label", OPTION_VALUE, "K=V", "text beside the name, shown by mote ps; repeatable",
         apply_label, 0, RUN_AND_RESTORE},
        {"snapshot", OPTION_VALUE, "FILE", "run up to a point, and write a snapshot of it",
         apply_snapshot, 0, RUN_ONLY},
        {"snapshot-at", OPTION_VALUE, "POINT", "main, listen, serve, or a mark (default: point)",
         apply_snapshot_at, 0, RUN_ONLY},
        {"snapshot-clock", OPTION_VALUE, "POLICY",
         "freeze CLOCK_MONOTONIC until a restore, or let it advance (default: freeze)",
         apply_snapshot_clock, 0, RUN_ONLY},
        {"snapshot-continue", OPTION_FLAG, NULL, "let the guest go on after its snapshot",
         apply_flag, FIELD(goes_on), RUN_ONLY},
        {"key-file", OPTION_VALUE, "FILE", "key that snapshots are written and read with",
         apply_string, FIELD(key_path), RUN_AND_RESTORE},
        {"force", OPTION_FLAG, NULL, "cut connections that a snapshot cannot carry", apply_flag,
         FIELD(force), RUN_ONLY},
        {"allow-wx", OPTION_FLAG, NULL, "allow memory that is writable and executable", apply_flag,
         FIELD(allow_wx), RUN_ONLY},
        {"verify", OPTION_FLAG, NULL,
         "check all of an application image or a snapshot before its start", apply_flag,
         FIELD(verify), RUN_AND_RESTORE},
        {"kit", OPTION_VALUE, "FILE", "another guest kit than the one that came with mote",
         apply_string, FIELD(kit_path), RUN_ONLY},
        {"symbols", OPTION_VALUE, "FILE", "program to take names in backtraces from", apply_string,
         FIELD(symbols_path), RESTORE_ONLY},
        {"serve-on", OPTION_VALUE, "FD", "take requests of mote serve from a socket",
         apply_serve_on, 0, RESTORE_ONLY},
        {"count", OPTION_VALUE, "N", "start N times in this microVM, one after the other",
         apply_count, 0, RESTORE_ONLY},
        {"verify-reset", OPTION_OPTIONAL_VALUE, "N",
         "compare each Nth of these with the snapshot before it starts", apply_verify_reset, 0,
         RESTORE_ONLY},
        {NULL, OPTION_FLAG, NULL, NULL, NULL, 0, 0},
};

static int unknown_option(const struct run_parse *parse, const char *word)
{
	const char *name = word + strspn(word, "-");
	const char *nearest = NULL;
	unsigned int best = UINT_MAX;

	for (const struct run_option *option = run_option_table; option->name != NULL; option++) {
		if (option->commands & parse->command &&
		    is_likely_typo(name, strcspn(name, "="), option->name, &best))
			nearest = option->name;
	}
	if (nearest == NULL)
		return usage_error(parse->err, "unknown option " QUOTED, word);
	return usage_error(parse->err, "unknown option " QUOTED ", did you mean --%s?", word,
	                   nearest);
}

static const struct run_option *find_option(unsigned command, const char *name, size_t length)
{
	for (const struct run_option *option = run_option_table; option->name != NULL; option++) {
		if (option->commands & command && strncmp(option->name, name, length) == 0 &&
		    option->name[length] == '\0')
			return option;
	}
	return NULL;
}

/*
 * Finds the value of an option that argv[*index] names, and moves *@index to the last word used. A
 * following word with two dashes is more likely the next option than a value.
 */
static int take_value(const struct run_option *option, int argc, char **argv, int *index,
                      char **value, struct mote_error *err)
{
	char *equals = strchr(argv[*index], '=');

	*value = equals != NULL ? equals + 1 : NULL;
	if (option->kind == OPTION_FLAG && equals != NULL)
		return usage_error(err, "--%s takes no value", option->name);
	if (option->kind != OPTION_VALUE)
		return 0;
	if (equals == NULL) {
		if (*index + 1 >= argc)
			return usage_error(err, "--%s needs a value: --%s %s", option->name,
			                   option->name, option->placeholder);
		*value = argv[++*index];
		if (strncmp(*value, "--", 2) == 0)
			return usage_error(err,
			                   "--%s needs a value, and " QUOTED
			                   " looks like an option; "
			                   "write --%s=%.64s if it is meant",
			                   option->name, *value, option->name, *value);
	}
	if (**value == '\0')
		return usage_error(err, "--%s has an empty value: --%s %s", option->name,
		                   option->name, option->placeholder);
	return 0;
}

/* Applies the options from argv[1] on and stores the index of the first word behind them. */
static int parse_options(struct run_parse *parse, int argc, char **argv, int *end)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
		const char *word = argv[i];
		char *value;

		if (strcmp(word, "--") == 0)
			break;
		if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
			return RUN_OPTIONS_HELP;

		const struct run_option *option = NULL;

		if (word[1] == '-')
			option = find_option(parse->command, word + 2, strcspn(word + 2, "="));
		else if (strcmp(word, "-n") == 0)
			option = find_option(parse->command, "count", 5);
		if (option == NULL)
			return unknown_option(parse, word);
		if (take_value(option, argc, argv, &i, &value, parse->err) < 0 ||
		    option->apply(parse, option, value) < 0)
			return -1;
	}
	*end = i;
	return 0;
}

/* Takes the program and its arguments from argv[@first] on, all that mote's options have left. */
static int take_program(struct run_options *options, int argc, char **argv, int first,
                        struct mote_error *err)
{
	bool has_separator = first < argc && strcmp(argv[first], "--") == 0;

	if (has_separator)
		first++;
	if (first >= argc)
		return usage_error(err, "no program given: mote run [OPTION]... APP [ARG]...");
	if (argv[first][0] == '\0')
		return usage_error(err, "the program's name is empty");

	options->app = argv[first];
	options->argv[options->argc++] = argv[first++];
	if (!has_separator && first < argc && strcmp(argv[first], "--") == 0)
		first++;
	if (argc - first >= RUN_STRINGS_MAX)
		return usage_error(err, "%d arguments for the guest, and at most %d are possible",
		                   argc - first + 1, RUN_STRINGS_MAX);
	while (first < argc)
		options->argv[options->argc++] = argv[first++];
	return 0;
}

int run_options_check_strings(const struct run_options *options, struct mote_error *err)
{
	size_t bytes = 0;

	for (int i = 0; i < options->argc; i++)
		bytes += strlen(options->argv[i]) + 1;
	for (int i = 0; i < options->env_count; i++)
		bytes += strlen(options->env[i]) + 1;
	if (bytes > RUN_STRINGS_BYTES_MAX)
		return usage_error(
		        err,
		        "arguments and environment of the guest are %zu bytes together, and "
		        "at most %u are possible; pass long data on standard input",
		        bytes, RUN_STRINGS_BYTES_MAX);
	return 0;
}

static int set_default_env(struct run_options *options, char *const *environment,
                           struct mote_error *err)
{
	char *term = env_find(environment, "TERM");
	int status = env_set(
	        options, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", err);

	if (status == 0)
		status = env_set(options, "HOME=/root", err);
	if (status == 0 && term != NULL)
		status = env_set(options, term, err);
	options->default_env = (1u << options->env_count) - 1;
	return status;
}

/* Room for the entries of one usual command line: the C library's heap costs four calls to set up.
 */
static char *room[128];
static atomic_flag room_is_taken = ATOMIC_FLAG_INIT;

static char **take_room(size_t count)
{
	if (count > sizeof room / sizeof room[0] || atomic_flag_test_and_set(&room_is_taken))
		return calloc(count, sizeof room[0]);
	memset(room, 0, sizeof room);
	return room;
}

static void give_room(char **entries)
{
	if (entries == room)
		atomic_flag_clear(&room_is_taken);
	else
		free(entries);
}

/* A guest with a trace holds a ring that nobody would empty after a restoration. */
static int check_trace(const struct run_options *options, struct mote_error *err)
{
	if (!options->trace_path)
		return 0;
	if (options->strace != STRACE_NONE)
		return usage_error(err, "--trace and --strace cannot be had at the same time");
	if (options->snapshot_path || options->control.name)
		return usage_error(err,
		                   "--trace cannot be had of a microVM that may be "
		                   "snapshotted (%s)",
		                   options->snapshot_path ? "--snapshot" : "--name");
	return 0;
}

static int parse(struct run_options *options, unsigned command, int argc, char **argv,
                 char *const *environment, struct mote_error *err)
{
	/* Each --env needs a word of its own, so argc and the defaults bound the entries. */
	size_t env_slots = (size_t)argc + DEFAULT_ENV_MAX + 1;
	size_t argv_slots = (size_t)argc + 1;
	int first = argc;

	memset(options, 0, sizeof *options);
	options->memory_bytes = RUN_MEMORY_DEFAULT;
	options->count = 1;
	options->cwd = "/";
	options->env_count = 0;

	struct run_parse work = {options, environment, command, err};

	options->env = take_room(env_slots + argv_slots);
	if (options->env == NULL)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "the command line of %d words",
		                        argc);
	options->argv = options->env + env_slots;

	int status = set_default_env(options, environment, err);

	if (status == 0)
		status = parse_options(&work, argc, argv, &first);
	if (status == 0)
		status = take_program(options, argc, argv, first, err);
	if (status == 0)
		status = run_options_check_strings(options, err);
	if (status == 0)
		status = check_trace(options, err);
	if (status != 0)
		run_options_free(options);
	return status;
}

int run_options_parse(struct run_options *options, int argc, char **argv, char *const *environment,
                      struct mote_error *err)
{
	return parse(options, RUN_OPTION_RUN, argc, argv, environment, err);
}

int restore_options_parse(struct run_options *options, int argc, char **argv,
                          char *const *environment, struct mote_error *err)
{
	int status = parse(options, RUN_OPTION_RESTORE, argc, argv, environment, err);

	if (status == 0)
		options->restore_path = options->app;
	return status;
}

void run_options_free(struct run_options *options)
{
	give_room(options->env);
	options->env = NULL;
	options->env_count = 0;
	options->argv = NULL;
	options->argc = 0;
}
