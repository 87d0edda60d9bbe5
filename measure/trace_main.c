/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mote-trace: runs a program and says what its start was spent on, as `mote trace`.
 *
 * How it works. `mote run --trace` writes a log of numbers, this reads it: it finds names, and says
 * it in the forms that were asked for. Standard streams are the program's, as with mote run; what
 * is said goes to standard error or to files.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure/file.h"
#include "measure/mote_path.h"
#include "measure/trace_report.h"
#include "vmm/command.h"

#define NAME_MAX_BYTES (PATH_MAX + 64)

extern char **environ;

/* kit_blob.S: the kit that belongs to this mote, for its names. */
extern const unsigned char mote_kit_start[], mote_kit_end[];

/* The command line; strings are its own. */
struct trace_command {
	const char *json, *svg, *log, *output, *from;
	bool no_pages, is_restore;
	char **words; /* what mote run gets: its options, the program, arguments */
};

static int usage_error(struct mote_error *err, const char *what, const char *why)
{
	return mote_error_set(err, MOTE_STATUS_FAILED, "%.64s%s (see mote help trace)", what, why);
}

/* ---- the command line ---- */

/* An option with a value: 1 if @words begins with it. */
static int take_value(char ***words, const char *name, const char **value, struct mote_error *err)
{
	size_t length = strlen(name);

	if (strncmp(**words, name, length) != 0 || ((**words)[length] && (**words)[length] != '='))
		return 0;
	*value = (**words)[length] ? **words + length + 1 : (*words)[1];
	if (!*value || !**value)
		return usage_error(err, name, " needs a value");
	*words += (**words)[length] ? 1 : 2;
	return 1;
}

/* Options of ours come first: what is none of them is for mote run. Returns 1 for help. */
static int parse_command_line(struct trace_command *command, char **words, struct mote_error *err)
{
	int status = 1;

	while (*words && status > 0) {
		if (strcmp(*words, "--help") == 0 || strcmp(*words, "-h") == 0)
			return 1;
		if (strcmp(*words, "--no-pages") == 0) {
			command->no_pages = true;
			words++;
			continue;
		}
		if (strcmp(*words, "--restore") == 0) {
			command->is_restore = true;
			words++;
			continue;
		}
		status = take_value(&words, "--json", &command->json, err);
		if (status == 0)
			status = take_value(&words, "--svg", &command->svg, err);
		if (status == 0)
			status = take_value(&words, "--log", &command->log, err);
		if (status == 0)
			status = take_value(&words, "--output", &command->output, err);
		if (status == 0)
			status = take_value(&words, "--from", &command->from, err);
	}
	command->words = words;
	if (status < 0)
		return -1;
	if (!*words && !command->from)
		return usage_error(err, "no program given", ": name an APP");
	if (*words && command->from)
		return usage_error(err, "--from", " is of a run that was; there is no APP to run");
	return 0;
}

/* ---- the run ---- */

static volatile sig_atomic_t child;

static void pass_on(int number)
{
	if (child)
		kill(child, number);
}

/* The program's terminal is the child's: what the user types there reaches it directly. */
static void catch_signals(void)
{
	struct sigaction forward = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	sigaction(SIGTERM, &forward, NULL);
	sigaction(SIGHUP, &forward, NULL);
	sigaction(SIGINT, &ignore, NULL);
	sigaction(SIGQUIT, &ignore, NULL);
}

/* Runs the program with a trace into @log. Returns its exit status, or -1. */
static int run(const struct trace_command *command, const char *log, struct mote_error *err)
{
	static char run_word[] = "run", restore_word[] = "restore";
	static char trace_word[] = "--trace", no_pages[] = "--trace-no-pages";
	char mote[PATH_MAX], **words, **at;
	posix_spawnattr_t attributes;
	sigset_t defaults;
	size_t count = 0;
	int status;
	pid_t pid;

	if (mote_path_find(mote, err))
		return -1;
	while (command->words[count])
		count++;
	at = words = calloc(count + 6, sizeof *words);
	if (!words)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "the command line");
	*at++ = mote;
	*at++ = command->is_restore ? restore_word : run_word;
	*at++ = trace_word;
	*at++ = (char *)(uintptr_t)log;
	if (command->no_pages)
		*at++ = no_pages;
	memcpy(at, command->words, count * sizeof *at);
	sigfillset(&defaults);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	catch_signals();
	errno = posix_spawn(&pid, mote, NULL, &attributes, words, environ);
	posix_spawnattr_destroy(&attributes);
	free(words);
	if (errno)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot run %s", mote);
	child = pid;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	child = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : MOTE_STATUS_SIGNAL_BASE + WTERMSIG(status);
}

/* ---- saying it ---- */

/* The program of the log, if it is a file here: for names only, so that nothing is missed without.
 */
static void map_application(struct code_image *image, const struct trace_log *log)
{
	const struct trace_list *images = &log->list[TRACE_IMAGE];
	FILE *file = fopen(log->application, "re");
	struct stat status;
	uint64_t offset = 0;
	void *bytes;

	for (size_t i = 0; i < images->count; i++)
		if (images->record[i]->code == TRACE_IMAGE_APPLICATION) {
			image->bias = images->record[i]->word[0];
			offset = images->record[i]->word[1];
		}
	if (file && fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode) &&
	    (uint64_t)status.st_size > offset) {
		bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fileno(file), 0);
		if (bytes != MAP_FAILED) {
			image->elf = (const unsigned char *)bytes + offset;
			image->size = (size_t)((uint64_t)status.st_size - offset);
		}
	}
	image->name = log->application;
	if (file)
		fclose(file);
}

/* The kit of a snapshot may be another one. */
static void use_kit(struct code_image *image, const struct trace_log *log)
{
	if (trace_image_at(log, 0) == TRACE_IMAGE_KIT)
		*image = (struct code_image){.elf = mote_kit_start,
		                             .size = (size_t)(mote_kit_end - mote_kit_start),
		                             .name = "kit.elf"};
}

enum form { FORM_TEXT, FORM_JSON, FORM_SVG };

static int write_form(enum form form, const char *path, const struct trace_log *log,
                      const struct trace_symbols *symbols, struct mote_error *err)
{
	FILE *to = path ? fopen(path, "we") : stderr;
	int status = -1;

	if (!to)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot create %s", path);
	switch (form) {
	case FORM_TEXT: status = trace_text(log, symbols, to); break;
	case FORM_JSON: status = trace_json(log, symbols, to); break;
	case FORM_SVG: status = trace_flame(log, to); break;
	}
	if (path && fclose(to))
		status = -1;
	return status ? mote_error_errno(err, MOTE_STATUS_FAILED, "cannot write %s",
	                                 path ? path : "standard error")
	              : 0;
}

static int report(const struct trace_command *command, const char *path, struct mote_error *err)
{
	struct trace_symbols symbols = {.count = 0};
	struct trace_log log = {0};
	char *bytes = NULL;
	size_t size;
	int status = -1;

	if (file_read(path, TRACE_BYTES_MAX, &bytes, &size, err) ||
	    trace_log_read(&log, path, bytes, size, err))
		goto out;
	use_kit(&symbols.kit, &log);
	map_application(&symbols.application, &log);
	if (trace_symbols_find(&symbols, &log)) {
		mote_error_errno(err, MOTE_STATUS_FAILED, "the trace's names");
		goto out;
	}
	if (((command->output || (!command->json && !command->svg)) &&
	     write_form(FORM_TEXT, command->output, &log, &symbols, err)) ||
	    (command->json && write_form(FORM_JSON, command->json, &log, &symbols, err)) ||
	    (command->svg && write_form(FORM_SVG, command->svg, &log, &symbols, err)))
		goto out;
	status = 0;
out:
	trace_symbols_free(&symbols);
	trace_log_free(&log);
	free(bytes);
	return status;
}

/* Whether mote run came to the guest at all: if not, it has said why. */
static bool has_begun(const char *log)
{
	struct stat status;

	return stat(log, &status) == 0 && status.st_size > 0;
}

static int run_and_report(const struct trace_command *command, struct mote_error *err)
{
	const char *temporary = getenv("TMPDIR"), *log = command->log;
	char name[NAME_MAX_BYTES];
	int status, fd;

	if (!log) {
		if (!temporary || temporary[0] != '/' || strlen(temporary) > PATH_MAX)
			temporary = "/tmp";
		snprintf(name, sizeof name, "%s/mote-trace-XXXXXX", temporary);
		fd = mkostemp(name, O_CLOEXEC);
		if (fd < 0)
			return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot make a file in %s",
			                        temporary);
		close(fd);
		log = name;
	}
	status = run(command, log, err);
	if (status >= 0 && has_begun(log) && report(command, log, err))
		status = -1;
	if (log == name)
		unlink(name);
	return status;
}

int main(int argc, char **argv)
{
	struct trace_command command = {0};
	struct mote_error err = {.code = 0};
	int status = parse_command_line(&command, argv + (argc > 0), &err);

	if (status > 0) {
		command_trace_help();
		return fflush(stdout) ? MOTE_STATUS_FAILED : 0;
	}
	if (status == 0)
		status = command.from ? report(&command, command.from, &err)
		                      : run_and_report(&command, &err);
	if (status >= 0)
		return status;
	file_print_error(&err);
	return err.code;
}
