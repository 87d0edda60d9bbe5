/* SPDX-License-Identifier: Apache-2.0 */
/* Build-time tool: turns the #syscalls comments of the VMM's sources into seccomp filters. */

/*
 * How it works. Each source is searched for comments that start with "#syscalls" (the grammar is in
 * vmm/confine.h). Every call found becomes a struct rule in the list of each phase or group it
 * names. A filter once installed stays, so whatever a later phase may do the earlier ones must
 * allow too: the rules of `run` are added to `load`, those of groups to both. libseccomp compiles
 * the rules of each phase with those of each set of groups; the result is written as one array of
 * struct sock_filter for each, and a table of them per phase, for vmm/confine.c to include.
 *
 * Each filter begins with an instruction that has no effect but to keep the kernel from building a
 * cache of the calls that it always allows (see write_filter()): mote makes a handful of calls in a
 * run, so that building the cache costs more than it saves (docs/decisions/003-confinement.md has
 * the figures).
 */
#include <errno.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "seccomp-names.h"

/* Phases, then groups, in the order of the bits of enum confine_group (vmm/confine.h). */
enum list {
	LIST_LOAD,
	LIST_RUN,
	PHASE_COUNT,
	LIST_DISK = PHASE_COUNT,
	LIST_SHARE,
	LIST_NET,
	LIST_VSOCK,
	LIST_SNAPSHOT,
	LIST_COUNT,
	FIRST_GROUP = PHASE_COUNT,
};

static const char *const list_names[LIST_COUNT] = {"load", "run",   "disk",    "share",
                                                   "net",  "vsock", "snapshot"};

#define GROUP_SETS (1u << (LIST_COUNT - FIRST_GROUP))

enum match {
	MATCH_ALWAYS, /* whatever the arguments */
	MATCH_EQUAL,  /* the low 32 bits of the selector argument are `value` */
	MATCH_LACKS,  /* the selector argument has none of the bits of `value` */
};

struct rule {
	int number; /* of the system call */
	unsigned int argument;
	enum match match;
	uint32_t value;
};

struct rule_list {
	struct rule rules[512];
	size_t count;
};

/* Where in which file the parser stands; text is the rest of the comment, NUL-terminated. */
struct cursor {
	const char *file;
	unsigned int line;
	const char *text;
};

static void __attribute__((noreturn, format(printf, 2, 3)))
die_at(const struct cursor *at, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "%s:%u: ", at->file, at->line);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void __attribute__((noreturn)) die(const char *what, const char *on, int error)
{
	fprintf(stderr, "seccomp-gen: %s %s: %s\n", what, on, strerror(error));
	exit(1);
}

/* Blanks, line ends, and the asterisk that a comment's further lines begin with. */
static void skip_blanks(struct cursor *at)
{
	for (; *at->text && strchr(" \t\r\n*", *at->text); at->text++)
		at->line += *at->text == '\n';
}

static bool accept(struct cursor *at, char c)
{
	skip_blanks(at);
	if (*at->text != c)
		return false;
	at->text++;
	return true;
}

static void expect_word(struct cursor *at, char *word, size_t size, const char *what)
{
	size_t length;

	skip_blanks(at);
	length =
	        strspn(at->text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
	if (length == 0 || length >= size)
		die_at(at, "expected %s at \"%.20s\"", what, at->text);
	memcpy(word, at->text, length);
	word[length] = '\0';
	at->text += length;
}

/* Constants joined by "|". */
static uint32_t parse_value(struct cursor *at)
{
	uint32_t value = 0;
	char word[64];

	do {
		size_t i = 0;

		expect_word(at, word, sizeof word, "a constant");
		while (i < CONSTANT_COUNT && strcmp(constants[i].name, word) != 0)
			i++;
		if (i == CONSTANT_COUNT)
			die_at(at, "unknown constant %s: add it to tools/seccomp-names.h", word);
		value |= constants[i].value;
	} while (accept(at, '|'));
	return value;
}

static void add_rule(const struct cursor *at, struct rule_list *list, struct rule rule)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct rule *old = &list->rules[i];

		if (old->number == rule.number && old->match == rule.match &&
		    old->value == rule.value)
			return;
	}
	if (list->count == sizeof list->rules / sizeof *list->rules)
		die_at(at, "too many rules in one phase");
	list->rules[list->count++] = rule;
}

/* One call, with its alternatives, into the lists of the bit set @into. */
static void parse_call(struct cursor *at, struct rule_list *lists, unsigned int into)
{
	const struct selector *selector = NULL;
	struct rule rule = {.match = MATCH_ALWAYS};
	char name[64];

	expect_word(at, name, sizeof name, "a system call");
	rule.number = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, name);
	if (rule.number < 0)
		die_at(at, "unknown system call %s", name);
	for (size_t i = 0; i < NEVER_COUNT; i++)
		if (strcmp(never[i], name) == 0)
			die_at(at, "%s is not allowed in any phase (tools/seccomp-names.h)", name);
	for (size_t i = 0; i < SHARE_ONLY_COUNT; i++)
		if (into != 1u << LIST_SHARE && strcmp(share_only[i], name) == 0)
			die_at(at, "%s is for the group share alone (tools/seccomp-names.h)", name);
	for (size_t i = 0; i < SELECTOR_COUNT; i++)
		if (strcmp(selectors[i].call, name) == 0)
			selector = &selectors[i];

	bool has_conditions = accept(at, '(');

	if (has_conditions && !selector)
		die_at(at, "%s has no selector argument in tools/seccomp-names.h", name);
	if (!has_conditions && selector) {
		if (!selector->default_lacks)
			die_at(at, "%s needs its permitted arguments in parentheses", name);
		rule.match = MATCH_LACKS;
		rule.argument = selector->argument;
		rule.value = selector->default_lacks;
	}
	do {
		if (has_conditions) {
			rule.argument = selector->argument;
			rule.match = accept(at, '!') ? MATCH_LACKS : MATCH_EQUAL;
			rule.value = parse_value(at);
		}
		for (int list = 0; list < LIST_COUNT; list++)
			if (into & 1u << list)
				add_rule(at, &lists[list], rule);
	} while (has_conditions && accept(at, ','));
	if (has_conditions && !accept(at, ')'))
		die_at(at, "expected \",\" or \")\" after the arguments of %s", name);
}

/* The lists named after "#syscalls:"; a phase brings in the ones before it (see the top). */
static unsigned int parse_lists(struct cursor *at)
{
	unsigned int into = 0;
	char word[16];

	do {
		int list = 0;

		expect_word(at, word, sizeof word, "a phase or group");
		while (list < LIST_COUNT && strcmp(list_names[list], word) != 0)
			list++;
		if (list == LIST_COUNT)
			die_at(at, "unknown phase or group %s (vmm/confine.h)", word);
		into |= list < PHASE_COUNT ? (2u << list) - 1 : 1u << list;
	} while (accept(at, ','));
	return into;
}

static void parse_annotation(struct cursor *at, struct rule_list *lists)
{
	unsigned int into = (1u << PHASE_COUNT) - 1;

	if (*at->text == ':') {
		at->text++;
		into = parse_lists(at);
	}
	skip_blanks(at);
	if (!*at->text)
		die_at(at, "#syscalls without a system call");
	for (; *at->text; skip_blanks(at))
		parse_call(at, lists, into);
}

/* The whole file as a string, to be freed by the caller. */
static char *read_file(const char *path)
{
	size_t used = 0, size = 1 << 16;
	char *text = malloc(size);
	FILE *file = fopen(path, "r");

	if (!file)
		die("cannot open", path, errno);
	while (text && (used += fread(text + used, 1, size - used - 1, file)) == size - 1)
		text = realloc(text, size *= 2);
	if (!text || ferror(file))
		die("cannot read", path, errno);
	fclose(file);
	text[used] = '\0';
	return text;
}

/* Whether a comment begins before @marker, with nothing but blanks and asterisks between. */
static bool starts_comment(const char *text, const char *marker)
{
	const char *before = marker;

	while (before > text && strchr(" \t\n*", before[-1]))
		before--;
	return before > text && before[-1] == '/' && *before == '*';
}

/* Return: the number of annotations in the file. */
static unsigned int parse_file(const char *path, struct rule_list *lists)
{
	static const char marker[] = "#syscalls";
	char *text = read_file(path);
	const char *counted = text;
	unsigned int found = 0, line = 1;

	for (char *start = strstr(text, marker); start; start = strstr(start + 1, marker)) {
		struct cursor at = {.file = path, .text = start + sizeof marker - 1};
		char *end = strstr(start, "*/");

		if (!starts_comment(text, start))
			continue;
		for (; counted < start; counted++)
			line += *counted == '\n';
		at.line = line;
		if (!end)
			die_at(&at, "comment without an end");
		*end = '\0';
		parse_annotation(&at, lists);
		*end = '*';
		found++;
	}
	free(text);
	return found;
}

static int add_to_filter(scmp_filter_ctx filter, const struct rule *rule)
{
	/*
	 * The arguments selected on are ints for the kernel, which ignores the upper half of the
	 * register; a C library may sign-extend (musl's ioctl) or not (glibc's): compare 32 bits.
	 */
	uint64_t mask = rule->match == MATCH_LACKS ? rule->value : UINT32_MAX;
	uint64_t value = rule->match == MATCH_LACKS ? 0 : rule->value;

	if (rule->match == MATCH_ALWAYS)
		return seccomp_rule_add_exact(filter, SCMP_ACT_ALLOW, rule->number, 0);
	return seccomp_rule_add_exact(filter, SCMP_ACT_ALLOW, rule->number, 1,
	                              SCMP_CMP(rule->argument, SCMP_CMP_MASKED_EQ, mask, value));
}

/* The rules of a phase and of a set of groups. */
static void join(struct rule_list *all, const struct rule_list *lists, int phase,
                 unsigned int groups)
{
	static const struct cursor nowhere = {.file = "groups"};

	all->count = 0;
	for (int list = 0; list < LIST_COUNT; list++) {
		if (list != phase && (list < FIRST_GROUP || !(groups & 1u << (list - FIRST_GROUP))))
			continue;
		for (size_t i = 0; i < lists[list].count; i++)
			add_rule(&nowhere, all, lists[list].rules[i]);
	}
}

/* Compile one list; the caller owns the stream, which stands at the start of the instructions. */
static FILE *compile(const struct rule_list *list, const char *phase)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	FILE *program = tmpfile();
	int error;

	if (!filter || !program)
		die("cannot prepare the filter of phase", phase, ENOMEM);
	/* Whatever machine builds this, the filter is for x86-64; other ABIs are killed. */
	if (seccomp_arch_native() != SCMP_ARCH_X86_64 &&
	    ((error = seccomp_arch_add(filter, SCMP_ARCH_X86_64)) ||
	     (error = seccomp_arch_remove(filter, SCMP_ARCH_NATIVE))))
		die("cannot choose x86-64 for phase", phase, -error);
	if ((error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS)))
		die("cannot set up the filter of phase", phase, -error);
	/* KVM_RUN is the call that is made over and over: compared first. */
	if ((error = seccomp_syscall_priority(filter, SCMP_SYS(ioctl), UINT8_MAX)))
		die("cannot order the filter of phase", phase, -error);
	for (size_t i = 0; i < list->count; i++)
		if ((error = add_to_filter(filter, &list->rules[i])))
			die("cannot add a rule to phase", phase, -error);
	if ((error = seccomp_export_bpf(filter, fileno(program))))
		die("cannot compile phase", phase, -error);
	seccomp_release(filter);
	rewind(program);
	return program;
}

static void write_instruction(FILE *out, const struct sock_filter *insn)
{
	fprintf(out, "\t{0x%02x, %u, %u, 0x%08x},\n", (unsigned)insn->code, (unsigned)insn->jt,
	        (unsigned)insn->jf, (unsigned)insn->k);
}

#define PROGRAM_MAX 1024

static size_t read_program(FILE *from, struct sock_filter *program, const char *phase)
{
	size_t count = fread(program, sizeof program[0], PROGRAM_MAX, from);

	if (count == PROGRAM_MAX)
		die("too long a filter for phase", phase, E2BIG);
	return count;
}

/* "Load; and with 0; equal to 0?": where an argument's upper half does not matter. Always true. */
static bool is_idle(const struct sock_filter *at)
{
	return at[0].code == (BPF_LD | BPF_W | BPF_ABS) &&
	       at[1].code == (BPF_ALU | BPF_AND | BPF_K) && at[1].k == 0 &&
	       at[2].code == (BPF_JMP | BPF_JEQ | BPF_K) && at[2].k == 0 && at[2].jt == 0 &&
	       at[3].code == (BPF_LD | BPF_W | BPF_ABS);
}

/*
 * Leave out what libseccomp compares for nothing: each instruction costs about half a microsecond
 * when the filter is installed. What follows such a comparison loads anew, so nothing depends on
 * it. Nobody jumps to its second or third instruction, since libseccomp makes the three as one; a
 * jump to its first goes to what follows.
 */
static size_t drop_idle(struct sock_filter *program, size_t count, const char *phase)
{
	size_t place[PROGRAM_MAX + 1], kept = 0;
	bool dropped[PROGRAM_MAX] = {false};

	for (size_t i = 0; i + 3 < count; i++)
		if (is_idle(&program[i]))
			dropped[i] = dropped[i + 1] = dropped[i + 2] = true;
	for (size_t i = 0; i < count; i++) {
		place[i] = kept;
		kept += !dropped[i];
	}
	for (size_t i = 0; i < count; i++) {
		struct sock_filter insn = program[i];

		if (dropped[i])
			continue;
		if (insn.code == (BPF_JMP | BPF_JA))
			die("an unforeseen jump in the filter of phase", phase, EINVAL);
		if (BPF_CLASS(insn.code) == BPF_JMP) {
			insn.jt = (unsigned char)(place[i + 1 + insn.jt] - place[i] - 1);
			insn.jf = (unsigned char)(place[i + 1 + insn.jf] - place[i] - 1);
		}
		program[place[i]] = insn;
	}
	return kept;
}

/*
 * When a filter is installed, the kernel emulates it for every call number of both ABIs to find
 * those that it allows whatever the arguments (seccomp_cache_prepare() in kernel/seccomp.c): about
 * 940 runs, most of the cost of installing. The emulator knows the number and the architecture
 * only, and gives up at the first load of anything else. So the first instruction is such a load,
 * of the instruction pointer, which the next one overwrites: the cache stays empty, every call is
 * decided by the filter, and what the filter decides is the same. Jumps are relative, so nothing
 * else moves.
 */
static void write_filter(FILE *out, const struct rule_list *list, const char *phase,
                         unsigned int groups)
{
	static const struct sock_filter dead_load = BPF_STMT(
	        BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer));
	struct sock_filter program[PROGRAM_MAX];
	FILE *compiled = compile(list, phase);
	size_t count = read_program(compiled, program, phase);

	fclose(compiled);
	count = drop_idle(program, count, phase);
	/* The load is dead only in front of another load. */
	if (!count || program[0].code != (BPF_LD | BPF_W | BPF_ABS))
		die("no load at the start of the filter of phase", phase, EINVAL);
	fprintf(out, "\nstatic const struct sock_filter seccomp_%s_%u[] = {\n", phase, groups);
	write_instruction(out, &dead_load);
	for (size_t i = 0; i < count; i++)
		write_instruction(out, &program[i]);
	fprintf(out, "};\n");
}

/* The filters of one phase by set of groups. */
static void write_phase(FILE *out, const struct rule_list *lists, int phase)
{
	static struct rule_list all;
	const char *name = list_names[phase];

	for (unsigned int groups = 0; groups < GROUP_SETS; groups++) {
		join(&all, lists, phase, groups);
		write_filter(out, &all, name, groups);
	}
	fprintf(out, "\nstatic const struct seccomp_filter seccomp_%s[] = {\n", name);
	for (unsigned int groups = 0; groups < GROUP_SETS; groups++)
		fprintf(out, "\tSECCOMP_FILTER(seccomp_%s_%u),\n", name, groups);
	fprintf(out, "};\n");
}

static void write_header(const char *path, const struct rule_list *lists)
{
	char temporary[4096];
	FILE *out;

	if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary)
		die("cannot write", path, ENAMETOOLONG);
	out = fopen(temporary, "w");
	if (!out)
		die("cannot create", temporary, errno);
	fprintf(out,
	        "/* Generated by tools/seccomp-gen from the #syscalls comments; do not edit. */\n"
	        "#include <linux/filter.h>\n"
	        "\n"
	        "struct seccomp_filter {\n"
	        "\tconst struct sock_filter *instructions;\n"
	        "\tunsigned short count;\n"
	        "};\n"
	        "#define SECCOMP_FILTER(array) {(array), sizeof (array) / sizeof (array)[0]}\n");
	for (int phase = 0; phase < PHASE_COUNT; phase++)
		write_phase(out, lists, phase);
	if (ferror(out) | fclose(out) || rename(temporary, path))
		die("cannot write", path, errno);
}

int main(int argc, char **argv)
{
	static struct rule_list lists[LIST_COUNT];
	unsigned int found = 0;

	if (argc < 4 || strcmp(argv[1], "-o") != 0) {
		fprintf(stderr, "usage: seccomp-gen -o HEADER SOURCE...\n");
		return 2;
	}
	for (int i = 3; i < argc; i++)
		found += parse_file(argv[i], lists);
	if (!found) {
		fprintf(stderr, "seccomp-gen: no #syscalls comment in any source\n");
		return 1;
	}
	write_header(argv[2], lists);
	return 0;
}
