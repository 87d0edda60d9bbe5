/* SPDX-License-Identifier: Apache-2.0 */
/* Times commands against each other: interleaved rounds, every output checked, ratios printed. */

/*
 * How it works. On a shared machine two commands timed one after the other differ by more than what
 * is to be measured, because the machine changes between them. So each round runs every command
 * once, in the order given, and the figures that count are ratios: of the medians, and the median
 * over all rounds of the ratio within the round. Wall time is taken around posix_spawn() and
 * waitpid(), which is the whole process: program loading, work, and the kernel's teardown.
 *
 * A run counts only if it ends with status 0 and has written exactly the expected bytes to stdout.
 * A command that fails once is taken out and reported as "not run" with the reason, so that nothing
 * is ever compared with a program that did not do its work.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SEPARATOR    ":::"
#define MAX_COMMANDS 16
#define MAX_ROUNDS   100000
/* Below the capacity of a pipe (64 KiB), so that no command waits for its reader. */
#define MAX_OUTPUT 32768

struct command {
	const char *name;
	char **argv;
	char expect[MAX_OUTPUT]; /* what stdout has to hold, to the byte */
	size_t expect_len;
	double *us;       /* wall time of each round, microseconds */
	char reason[128]; /* why it was taken out; empty while it takes part */
};

struct options {
	long rounds;
	long warmup;
	unsigned int timeout_s;
	const char *reference;
};

extern char **environ;

/* The child being timed, for the alarm handler; 0 when there is none. */
static volatile sig_atomic_t running;

static void on_alarm(int sig)
{
	(void)sig;
	if (running > 0)
		kill((pid_t)running, SIGKILL);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void usage(void)
{
	fprintf(stderr,
	        "usage: pairs [-n ROUNDS] [-w WARMUP] [-t SECONDS] [-r NAME] " SEPARATOR
	        " NAME EXPECTED COMMAND [ARG...] [" SEPARATOR " ...]\n"
	        "EXPECTED is a file that holds what the command has to write to stdout.\n"
	        "-r names the command that the ratios refer to (the first one unless given).\n");
	exit(2);
}

/* Reads a whole file of at most MAX_OUTPUT bytes into cmd->expect; false with a message if it
 * cannot. */
static bool read_expected(struct command *cmd, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (fd < 0) {
		fprintf(stderr, "pairs: %s: %s\n", path, strerror(errno));
		return false;
	}
	while (cmd->expect_len < sizeof cmd->expect) {
		n = read(fd, cmd->expect + cmd->expect_len, sizeof cmd->expect - cmd->expect_len);
		if (n <= 0)
			break;
		cmd->expect_len += (size_t)n;
	}
	close(fd);
	if (n < 0 || cmd->expect_len == sizeof cmd->expect) {
		fprintf(stderr, "pairs: %s: unreadable or over %d bytes\n", path, MAX_OUTPUT - 1);
		return false;
	}
	return true;
}

/* Empties the pipe without waiting; at most size bytes are kept, the length kept is returned. */
static size_t drain(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size && (n = read(fd, buf + len, size - len)) > 0)
		len += (size_t)n;
	return len;
}

/*
 * Runs the command once with stdout in a pipe and stdin and stderr at /dev/null.
 * Returns the wall time in microseconds, or a negative number with cmd->reason set.
 */
static double run_once(struct command *cmd, unsigned int timeout_s)
{
	static char got[MAX_OUTPUT];
	posix_spawn_file_actions_t actions;
	int fds[2];
	int status = 0;
	pid_t pid = 0;
	size_t len;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
		snprintf(cmd->reason, sizeof cmd->reason, "pipe: %s", strerror(errno));
		return -1;
	}
	/* Only the reading end may refuse to wait: the command gets an ordinary pipe. */
	if (fcntl(fds[1], F_SETFL, 0) < 0) {
		snprintf(cmd->reason, sizeof cmd->reason, "fcntl: %s", strerror(errno));
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	alarm(timeout_s);

	double start = now_us();
	int rc = posix_spawnp(&pid, cmd->argv[0], &actions, NULL, cmd->argv, environ);

	if (rc == 0) {
		running = pid;
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		running = 0;
	}
	double end = now_us();

	alarm(0);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	len = drain(fds[0], got, sizeof got);
	close(fds[0]);

	if (rc != 0)
		snprintf(cmd->reason, sizeof cmd->reason, "%.80s: %s", cmd->argv[0], strerror(rc));
	else if (WIFSIGNALED(status))
		snprintf(cmd->reason, sizeof cmd->reason, "%s",
		         end - start >= timeout_s * 1e6 ? "ran into the time limit"
		                                        : strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0)
		snprintf(cmd->reason, sizeof cmd->reason, "exit status %d", WEXITSTATUS(status));
	else if (len != cmd->expect_len || memcmp(got, cmd->expect, len) != 0)
		snprintf(cmd->reason, sizeof cmd->reason,
		         "stdout differs from what was expected (%zu bytes, expected %zu)", len,
		         cmd->expect_len);
	return cmd->reason[0] ? -1 : end - start;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The q-quantile (0..1) of n values, which it sorts in place; interpolates between neighbours. */
static double quantile(double *values, long n, double q)
{
	qsort(values, (size_t)n, sizeof *values, compare);
	double at = q * (double)(n - 1);
	long low = (long)at;
	long high = low + 1 < n ? low + 1 : low;

	return values[low] + (at - (double)low) * (values[high] - values[low]);
}

/* Cuts argv at the separators; returns the number of commands, or -1 after a message. */
static int parse_commands(int argc, char **argv, struct command *cmds)
{
	int count = 0;
	int i = 0;

	while (i < argc) {
		if (strcmp(argv[i], SEPARATOR) != 0 || i + 3 >= argc || count == MAX_COMMANDS)
			return -1;
		struct command *cmd = &cmds[count++];

		cmd->name = argv[i + 1];
		cmd->argv = &argv[i + 3];
		if (!read_expected(cmd, argv[i + 2]))
			exit(2);
		argv[i] = NULL; /* ends the command before */
		i += 3;
		while (i < argc && strcmp(argv[i], SEPARATOR) != 0)
			i++;
	}
	return count > 0 ? count : -1;
}

static void measure(struct command *cmds, int count, const struct options *opt)
{
	for (long round = -opt->warmup; round < opt->rounds; round++) {
		for (int i = 0; i < count; i++) {
			if (cmds[i].reason[0])
				continue;
			double us = run_once(&cmds[i], opt->timeout_s);

			if (round >= 0)
				cmds[i].us[round] = us;
		}
	}
}

/* Prints one line a command; returns false if any of them was taken out. */
static bool report(struct command *cmds, int count, struct command *ref, long rounds)
{
	bool complete = true;
	double *pairwise = calloc((size_t)rounds, sizeof *pairwise);
	double *sorted = calloc((size_t)rounds, sizeof *sorted);

	if (!pairwise || !sorted)
		abort();
	memcpy(sorted, ref->us, (size_t)rounds * sizeof *sorted);
	double ref_median = quantile(sorted, rounds, 0.5);

	printf("%-24s %9s %9s %9s %9s %9s\n", "command", "min ms", "median ms", "p90 ms", "ratio",
	       "pairwise");
	for (int i = 0; i < count; i++) {
		struct command *cmd = &cmds[i];

		if (cmd->reason[0]) {
			printf("%-24s not run: %s\n", cmd->name, cmd->reason);
			complete = false;
			continue;
		}
		for (long r = 0; r < rounds; r++)
			pairwise[r] = ref->reason[0] ? 0 : cmd->us[r] / ref->us[r];
		memcpy(sorted, cmd->us, (size_t)rounds * sizeof *sorted);
		double median = quantile(sorted, rounds, 0.5);

		printf("%-24s %9.3f %9.3f %9.3f", cmd->name, sorted[0] / 1e3, median / 1e3,
		       quantile(sorted, rounds, 0.9) / 1e3);
		if (ref->reason[0])
			printf(" %9s %9s\n", "-", "-");
		else
			printf(" %9.3f %9.3f\n", median / ref_median,
			       quantile(pairwise, rounds, 0.5));
	}
	free(pairwise);
	free(sorted);
	return complete;
}

static long parse_number(const char *text, long min, long max)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < min || value > max)
		usage();
	return value;
}

int main(int argc, char **argv)
{
	static struct command cmds[MAX_COMMANDS];
	struct options opt = {.rounds = 100, .warmup = 3, .timeout_s = 60};
	int c;

	while ((c = getopt(argc, argv, "+n:w:t:r:")) != -1) {
		switch (c) {
		case 'n': opt.rounds = parse_number(optarg, 1, MAX_ROUNDS); break;
		case 'w': opt.warmup = parse_number(optarg, 0, MAX_ROUNDS); break;
		case 't': opt.timeout_s = (unsigned int)parse_number(optarg, 1, 3600); break;
		case 'r': opt.reference = optarg; break;
		default: usage();
		}
	}
	int count = parse_commands(argc - optind, argv + optind, cmds);

	if (count < 0)
		usage();
	struct command *ref = opt.reference ? NULL : &cmds[0];

	for (int i = 0; i < count; i++) {
		cmds[i].us = calloc((size_t)opt.rounds, sizeof *cmds[i].us);
		if (!cmds[i].us)
			abort();
		if (opt.reference && strcmp(cmds[i].name, opt.reference) == 0)
			ref = &cmds[i];
	}
	if (!ref)
		usage();

	struct sigaction alarm_action = {.sa_handler = on_alarm};

	sigaction(SIGALRM, &alarm_action, NULL);
	measure(cmds, count, &opt);
	return report(cmds, count, ref, opt.rounds) ? 0 : 1;
}
