/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts what is measured, again and again, and takes the time.
 *
 * How it works. Every command line is made beforehand. A run is posix_spawn, and the wait for its
 * end through a pidfd, so that a run that hangs can be given up; its time is from before the one to
 * after the other. Standard input and output are /dev/null, standard error is a file in memory: of
 * a run with --stats=json its last line is the statistics, of one that failed it says why.
 *
 * A reset has no process of its own: a sample of it is what a `mote restore -n` of many rounds
 * takes longer than one of one round, by the number of rounds more.
 */
#include "measure/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wordexp.h>

#define PROGRESS_WIDTH 40
#define LINE_MAX_BYTES 8192 /* of the end of stderr that is looked at */
#define SHUFFLE_SEED   1u

extern char **environ;

/* What is run: the modes, and what only some need. */
enum command {
	COMMAND_BOOT,
	COMMAND_RESTORE,
	COMMAND_ROUNDS, /* restore, and as many rounds more as a sample has */
	COMMAND_AGAINST,
	COMMAND_SNAPSHOT,
	COMMAND_BOOT_STATS,
	COMMAND_RESTORE_STATS,
	COMMANDS
};

struct runner {
	const struct spec *spec;
	const char *mote, *folder;
	char **words[COMMANDS]; /* NULL: is not run */
	wordexp_t against;
	char work[PATH_MAX], snapshot[PATH_MAX + 16]; /* work: empty: no folder was made */
	char rounds[24];
	int messages; /* stderr of the runs */
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	struct result *result;
	struct mote_error *err;
	size_t done, total;
	bool show_progress;
};

/* ---- signals ---- */

static volatile sig_atomic_t stop_signal;

static void note_signal(int number)
{
	stop_signal = number;
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = note_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

/* ---- command lines ---- */

static size_t count_words(char *const *words)
{
	size_t count = 0;

	while (words[count])
		count++;
	return count;
}

/* Puts words behind one another; each list ends with NULL, the lists with a NULL. */
static char **join(char **const lists[])
{
	size_t count = 0;
	char **all;

	for (size_t i = 0; lists[i]; i++)
		count += count_words(lists[i]);
	all = calloc(count + 1, sizeof *all);
	count = 0;
	for (size_t i = 0; all && lists[i]; i++)
		for (size_t j = 0; lists[i][j]; j++)
			all[count++] = lists[i][j];
	return all;
}

static char *word(const char *text)
{
	return (char *)(uintptr_t)text;
}

/* mote drops one "--", the one before the program: the program's own words stay as they are. */
static int make_boot(struct runner *runner, enum command command, const char *extra)
{
	const struct spec *spec = runner->spec;
	char *head[] = {word(runner->mote), word("run"), NULL};
	char *more[] = {word(extra), NULL}, *tail[] = {word("--"), spec->app, NULL};
	char **const lists[] = {head, spec->options, more, tail, spec->arguments, NULL};

	runner->words[command] = join(lists);
	return runner->words[command] ? 0 : -1;
}

static int make_restore(struct runner *runner, enum command command, const char *first,
                        const char *second)
{
	char *head[] = {word(runner->mote), word("restore"), NULL};
	char *more[] = {word(first), word(second), NULL}, *tail[] = {runner->snapshot, NULL};
	char **const lists[] = {head, runner->spec->restore_options, more, tail, NULL};

	runner->words[command] = join(lists);
	return runner->words[command] ? 0 : -1;
}

static int make_snapshot_command(struct runner *runner)
{
	const struct spec *spec = runner->spec;
	char *head[] = {word(runner->mote), word("run"), NULL};
	char *more[] = {word("--snapshot"), runner->snapshot, word("--snapshot-at"),
	                spec->snapshot_at, NULL};
	char *tail[] = {word("--"), spec->app, NULL};
	char **const lists[] = {head, spec->options, more, tail, spec->arguments, NULL};

	runner->words[COMMAND_SNAPSHOT] = join(lists);
	return runner->words[COMMAND_SNAPSHOT] ? 0 : -1;
}

static bool needs_snapshot(const struct spec *spec)
{
	return spec->modes[BENCH_RESTORE] || spec->modes[BENCH_RESET];
}

static int make_work(struct runner *runner)
{
	const char *temporary = getenv("TMPDIR");

	if (!temporary || temporary[0] != '/' || strlen(temporary) > PATH_MAX - 64)
		temporary = "/tmp";
	snprintf(runner->work, sizeof runner->work, "%s/mote-bench-XXXXXX", temporary);
	if (!mkdtemp(runner->work)) {
		runner->work[0] = '\0';
		return mote_error_errno(runner->err, MOTE_STATUS_FAILED,
		                        "cannot make a folder in %.256s (TMPDIR names another "
		                        "place)",
		                        temporary);
	}
	snprintf(runner->snapshot, sizeof runner->snapshot, "%s/snapshot", runner->work);
	return 0;
}

/* Words as a shell has them, without running anything. */
static int make_against(struct runner *runner)
{
	int status = wordexp(runner->spec->against, &runner->against, WRDE_NOCMD);

	if (status == 0 && runner->against.we_wordc > 0) {
		runner->words[COMMAND_AGAINST] = runner->against.we_wordv;
		return 0;
	}
	if (status == WRDE_NOSPACE || status == 0)
		wordfree(&runner->against);
	return mote_error_set(runner->err, MOTE_STATUS_FAILED,
	                      "cannot run '%.64s': it is no simple command (sh -c '...' is one)",
	                      runner->spec->against);
}

static int make_commands(struct runner *runner)
{
	const struct spec *spec = runner->spec;
	int status = 0;

	if (needs_snapshot(spec)) {
		if (make_work(runner))
			return -1;
		snprintf(runner->rounds, sizeof runner->rounds, "--count=%u",
		         spec->reset_rounds + 1);
		status = make_snapshot_command(runner) ||
		         make_restore(runner, COMMAND_RESTORE, NULL, NULL);
	}
	if (!status && spec->modes[BENCH_RESET])
		status = make_restore(runner, COMMAND_ROUNDS, runner->rounds, NULL);
	if (!status && spec->modes[BENCH_RESTORE] && spec->stats_runs)
		status = make_restore(runner, COMMAND_RESTORE_STATS, "--stats=json", NULL);
	if (!status && spec->modes[BENCH_BOOT])
		status = make_boot(runner, COMMAND_BOOT, NULL);
	if (!status && spec->modes[BENCH_BOOT] && spec->stats_runs)
		status = make_boot(runner, COMMAND_BOOT_STATS, "--stats=json");
	if (status)
		return mote_error_errno(runner->err, MOTE_STATUS_FAILED, "the command lines");
	return spec->against ? make_against(runner) : 0;
}

/* ---- one run ---- */

/* The end of what the last run wrote to stderr, cut into lines; the last one, or "". */
static const char *last_line(const struct runner *runner, char text[LINE_MAX_BYTES])
{
	off_t size = lseek(runner->messages, 0, SEEK_END);
	off_t from = size > LINE_MAX_BYTES - 1 ? size - (LINE_MAX_BYTES - 1) : 0;
	ssize_t length = pread(runner->messages, text, LINE_MAX_BYTES - 1, from);
	char *newline;

	text[length > 0 ? length : 0] = '\0';
	while (length > 0 && text[length - 1] == '\n')
		text[--length] = '\0';
	newline = strrchr(text, '\n');
	return newline ? newline + 1 : text;
}

static void quote_command(char *text, size_t size, char *const *words)
{
	size_t length = 0;

	text[0] = '\0';
	for (; *words && length < size; words++)
		length += (size_t)snprintf(text + length, size - length, "%s%s", length ? " " : "",
		                           *words);
}

static int run_failed(struct runner *runner, char *const *words, const char *how)
{
	char text[LINE_MAX_BYTES], command[256];

	quote_command(command, sizeof command, words);
	mote_error_set(runner->err, MOTE_STATUS_FAILED, "'%s' %s", command, how);
	if (*last_line(runner, text))
		mote_error_hint(runner->err, "It said: %.300s", last_line(runner, text));
	return -1;
}

static int check_end(struct runner *runner, char *const *words, int status, int expected)
{
	char how[96];

	if (WIFEXITED(status) && WEXITSTATUS(status) == expected)
		return 0;
	if (WIFEXITED(status))
		snprintf(how, sizeof how, "ended with status %d, and not %d", WEXITSTATUS(status),
		         expected);
	else
		snprintf(how, sizeof how, "was killed by signal %d", WTERMSIG(status));
	return run_failed(runner, words, how);
}

static double now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* Waits for the end of @child; kills it and all it has started when it takes too long or the user
 * wants an end. Returns its wait status; *why says what was done to it. */
static int wait_for(const struct runner *runner, pid_t child, const char **why)
{
	struct pollfd end = {.fd = pidfd_open(child, 0), .events = POLLIN};
	int ready, status = 0;

	*why = NULL;
	ready = poll(&end, 1, (int)runner->spec->timeout_s * 1000);
	if (ready <= 0) {
		*why = ready == 0 ? "took longer than \"timeout_s\"" : "was stopped";
		kill(-child, SIGKILL);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	close(end.fd);
	return status;
}

/* Runs @command once. Adds its time to @us, where that is not NULL. */
static int run_once(struct runner *runner, enum command command, int expected, double *us)
{
	char *const *words = runner->words[command];
	double start;
	const char *why;
	pid_t child;
	int status;

	if (ftruncate(runner->messages, 0) || lseek(runner->messages, 0, SEEK_SET))
		return mote_error_errno(runner->err, MOTE_STATUS_FAILED, "a file in memory");
	start = now_us();
	errno = posix_spawnp(&child, words[0], &runner->actions, &runner->attributes, words,
	                     environ);
	if (errno)
		return mote_error_errno(runner->err, MOTE_STATUS_FAILED, "cannot run %.256s",
		                        words[0]);
	status = wait_for(runner, child, &why);
	if (us)
		*us = now_us() - start;
	if (stop_signal)
		return mote_error_set(runner->err, MOTE_STATUS_SIGNAL_BASE + stop_signal,
		                      "stopped by signal %d", stop_signal);
	return why ? run_failed(runner, words, why) : check_end(runner, words, status, expected);
}

/* ---- progress ---- */

static void show_progress(const struct runner *runner, const char *what)
{
	static const char full[] = "########################################";
	int done = (int)(runner->done * PROGRESS_WIDTH / runner->total);

	if (runner->show_progress)
		fprintf(stderr, "\r[%-*.*s] %zu/%zu %-8s", PROGRESS_WIDTH, done, full, runner->done,
		        runner->total, what);
}

static void clear_progress(const struct runner *runner)
{
	if (runner->show_progress)
		fprintf(stderr, "\r%*s\r", PROGRESS_WIDTH + 32, "");
}

/* ---- all runs ---- */

/* One sample of a mode. */
static int take_sample(struct runner *runner, enum bench_mode mode, bool counts)
{
	static const enum command commands[] = {
	        [BENCH_BOOT] = COMMAND_BOOT,
	        [BENCH_RESTORE] = COMMAND_RESTORE,
	        [BENCH_RESET] = COMMAND_ROUNDS,
	        [BENCH_AGAINST] = COMMAND_AGAINST,
	};
	int expected = runner->spec->exit_status;
	double us, one;

	if (run_once(runner, commands[mode], expected, &us))
		return -1;
	if (mode == BENCH_RESET) {
		if (run_once(runner, COMMAND_RESTORE, expected, &one))
			return -1;
		us = us > one ? (us - one) / runner->spec->reset_rounds : 0;
	}
	if (counts && series_add(&runner->result->series[mode][BENCH_WALL], us))
		return mote_error_errno(runner->err, MOTE_STATUS_FAILED, "samples");
	return 0;
}

static int run_round(struct runner *runner, uint64_t *random, bool counts)
{
	enum bench_mode order[BENCH_MODE_COUNT];
	unsigned count = 0;

	for (unsigned mode = 0; mode < BENCH_MODE_COUNT; mode++)
		if (mode == BENCH_AGAINST ? !!runner->spec->against : runner->spec->modes[mode])
			order[count++] = mode;
	for (unsigned left = count; left > 0; left--) {
		unsigned drawn = (unsigned)(statistics_random(random) % left);
		enum bench_mode mode = order[drawn];

		order[drawn] = order[left - 1];
		show_progress(runner, bench_mode_name[mode]);
		if (take_sample(runner, mode, counts))
			return -1;
	}
	runner->done++;
	return 0;
}

static int run_stats(struct runner *runner, enum command command, enum bench_mode mode)
{
	char text[LINE_MAX_BYTES];

	if (!runner->words[command])
		return 0;
	show_progress(runner, "stats");
	if (run_once(runner, command, runner->spec->exit_status, NULL))
		return -1;
	return result_add_stats(runner->result, mode, last_line(runner, text), runner->err);
}

static int run_all(struct runner *runner)
{
	const struct spec *spec = runner->spec;
	uint64_t random = SHUFFLE_SEED;

	runner->total = spec->warmup + spec->runs + spec->stats_runs;
	if (runner->words[COMMAND_SNAPSHOT] && run_once(runner, COMMAND_SNAPSHOT, 0, NULL))
		return -1;
	for (unsigned i = 0; i < spec->warmup + spec->runs; i++)
		if (run_round(runner, &random, i >= spec->warmup))
			return -1;
	for (unsigned i = 0; i < spec->stats_runs; i++) {
		if (run_stats(runner, COMMAND_BOOT_STATS, BENCH_BOOT) ||
		    run_stats(runner, COMMAND_RESTORE_STATS, BENCH_RESTORE))
			return -1;
		runner->done++;
	}
	return 0;
}

/* A process group of its own, with default signals, so that all of a run can be ended. */
static int prepare_spawn(struct runner *runner)
{
	sigset_t none, defaults;

	sigemptyset(&none);
	sigfillset(&defaults);
	runner->messages = memfd_create("stderr", MFD_CLOEXEC);
	if (runner->messages < 0)
		return mote_error_errno(runner->err, MOTE_STATUS_FAILED, "a file in memory");
	errno = posix_spawn_file_actions_addopen(&runner->actions, 0, "/dev/null", O_RDONLY, 0);
	errno |= posix_spawn_file_actions_addopen(&runner->actions, 1, "/dev/null", O_WRONLY, 0);
	errno |= posix_spawn_file_actions_adddup2(&runner->actions, runner->messages, 2);
	if (runner->folder)
		errno |= posix_spawn_file_actions_addchdir_np(&runner->actions, runner->folder);
	errno |= posix_spawnattr_setflags(&runner->attributes, POSIX_SPAWN_SETPGROUP |
	                                                               POSIX_SPAWN_SETSIGDEF |
	                                                               POSIX_SPAWN_SETSIGMASK);
	errno |= posix_spawnattr_setsigmask(&runner->attributes, &none);
	errno |= posix_spawnattr_setsigdefault(&runner->attributes, &defaults);
	return errno ? mote_error_errno(runner->err, MOTE_STATUS_FAILED, "starting processes") : 0;
}

static void clean_up(struct runner *runner)
{
	for (int i = 0; i < COMMANDS; i++)
		if (i != COMMAND_AGAINST)
			free(runner->words[i]);
	if (runner->words[COMMAND_AGAINST])
		wordfree(&runner->against);
	if (runner->work[0]) {
		unlink(runner->snapshot);
		rmdir(runner->work);
	}
	if (runner->messages >= 0)
		close(runner->messages);
	posix_spawn_file_actions_destroy(&runner->actions);
	posix_spawnattr_destroy(&runner->attributes);
}

int runner_measure(const struct spec *spec, const char *mote, const char *folder,
                   struct result *result, bool show, struct mote_error *err)
{
	struct runner runner = {.spec = spec,
	                        .mote = mote,
	                        .folder = folder,
	                        .messages = -1,
	                        .result = result,
	                        .err = err,
	                        .show_progress = show};
	int status;

	catch_signals();
	posix_spawn_file_actions_init(&runner.actions);
	posix_spawnattr_init(&runner.attributes);
	status = prepare_spawn(&runner) || make_commands(&runner) || run_all(&runner) ? -1 : 0;
	clear_progress(&runner);
	clean_up(&runner);
	return status;
}
