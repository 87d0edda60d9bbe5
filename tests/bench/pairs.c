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
 *
 * With -l the time is that to the end of the first line on stdout, as its reader sees it. A server
 * never ends: it is timed to its first answer to a Redis client (PING, PONG), and ended by SIGTERM.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SEPARATOR    ":::"
#define MAX_COMMANDS 16
#define MAX_ROUNDS   100000
/* Below the capacity of a pipe (64 KiB), so that no command waits for its reader. */
#define MAX_OUTPUT  32768
#define CONNECTIONS 32     /* to a server, begun one after the other until one is made */
#define CONNECT_NS  250000 /* between two of them */

struct command {
	const char *name;
	char **argv;
	struct sockaddr_in server; /* to ask for a PONG; sin_family is 0 where it is no server */
	char expect[MAX_OUTPUT];   /* what stdout has to hold, to the byte */
	size_t expect_len;
	double *us;       /* wall time of each round, microseconds */
	char reason[128]; /* why it was taken out; empty while it takes part */
};

struct options {
	long rounds;
	long warmup;
	unsigned int timeout_s;
	const char *reference;
	bool to_first_line;
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
	        "usage: pairs [-l] [-n ROUNDS] [-w WARMUP] [-t SECONDS] [-r NAME] " SEPARATOR
	        " NAME EXPECTED COMMAND [ARG...] [" SEPARATOR " ...]\n"
	        "EXPECTED is a file that holds what the command has to write to stdout, or\n"
	        "redis:ADDRESS:PORT, where it is to answer.\n"
	        "-l times the first line on stdout instead of the whole process.\n"
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

/* Waits for the end of a line, or of the output, and keeps what came; the length kept. */
static size_t read_line(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < size && !memchr(buf, '\n', len)) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};

		if (poll(&wait, 1, -1) < 0)
			break;
		n = read(fd, buf + len, size - len);
		len += n > 0 ? (size_t)n : 0;
	}
	return len;
}

static int start_connection(const struct sockaddr_in *server)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)server, sizeof *server) &&
	    errno != EINPROGRESS) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool is_connected(const struct pollfd *connection)
{
	int error = 0;
	socklen_t size = sizeof error;

	return connection->revents & POLLOUT &&
	       !getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size) && !error;
}

/* Asks over a connection that is there, and waits for the answer. */
static bool ask(int fd)
{
	static const char question[] = "PING\r\n", answer[] = "+PONG\r\n";
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	char got[sizeof answer];

	return send(fd, question, sizeof question - 1, MSG_NOSIGNAL) > 0 &&
	       poll(&wait, 1, 1000) == 1 && recv(fd, got, sizeof got, 0) == sizeof answer - 1 &&
	       !memcmp(got, answer, sizeof answer - 1);
}

static bool has_ended(pid_t pid)
{
	siginfo_t ended = {0};

	return waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) || ended.si_pid;
}

/*
 * The moment of the first answer, after which the server is asked to end; 0 if it ended before.
 * What is sent before the server is there is lost, and sent again only much later: so a new
 * connection is begun every now and then, until one of them is made.
 */
static double await_answer(const struct command *cmd, pid_t pid)
{
	const struct timespec interval = {.tv_nsec = CONNECT_NS};
	struct pollfd connections[CONNECTIONS];
	bool is_answered = false;
	double end;

	for (unsigned i = 0; i < CONNECTIONS; i++)
		connections[i] = (struct pollfd){.fd = -1, .events = POLLOUT};
	for (unsigned next = 0; !is_answered && !has_ended(pid); next = (next + 1) % CONNECTIONS) {
		if (connections[next].fd >= 0)
			close(connections[next].fd);
		connections[next].fd = start_connection(&cmd->server);
		if (ppoll(connections, CONNECTIONS, &interval, NULL) <= 0)
			continue;
		for (unsigned i = 0; i < CONNECTIONS && !is_answered; i++)
			is_answered = is_connected(&connections[i]) && ask(connections[i].fd);
	}
	end = is_answered ? now_us() : 0;
	for (unsigned i = 0; i < CONNECTIONS; i++)
		if (connections[i].fd >= 0)
			close(connections[i].fd);
	kill(pid, SIGTERM);
	return end;
}

/*
 * Runs the command once with stdout in a pipe and stdin and stderr at /dev/null.
 * Returns the wall time in microseconds, or a negative number with cmd->reason set.
 */
static double run_once(struct command *cmd, const struct options *opt)
{
	static char got[MAX_OUTPUT];
	posix_spawn_file_actions_t actions;
	bool is_server = cmd->server.sin_family != 0;
	double early = 0;
	int fds[2];
	int status = 0;
	pid_t pid = 0;
	size_t len = 0;

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
	alarm(opt->timeout_s);

	double start = now_us();
	int rc = posix_spawnp(&pid, cmd->argv[0], &actions, NULL, cmd->argv, environ);

	close(fds[1]);
	if (rc == 0) {
		running = pid;
		if (is_server)
			early = await_answer(cmd, pid);
		else if (opt->to_first_line)
			len = read_line(fds[0], got, sizeof got);
		if (opt->to_first_line && !is_server)
			early = now_us();
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		running = 0;
	}
	double end = now_us();

	alarm(0);
	posix_spawn_file_actions_destroy(&actions);
	len += drain(fds[0], got + len, sizeof got - len);
	close(fds[0]);

	if (rc != 0)
		snprintf(cmd->reason, sizeof cmd->reason, "%.80s: %s", cmd->argv[0], strerror(rc));
	else if (is_server && !early)
		snprintf(cmd->reason, sizeof cmd->reason, "the server ended without an answer");
	else if (is_server)
		return early - start;
	else if (WIFSIGNALED(status))
		snprintf(cmd->reason, sizeof cmd->reason, "%s",
		         end - start >= opt->timeout_s * 1e6 ? "ran into the time limit"
		                                             : strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0)
		snprintf(cmd->reason, sizeof cmd->reason, "exit status %d", WEXITSTATUS(status));
	else if (len != cmd->expect_len || memcmp(got, cmd->expect, len) != 0)
		snprintf(cmd->reason, sizeof cmd->reason,
		         "stdout differs from what was expected (%zu bytes, expected %zu)", len,
		         cmd->expect_len);
	return cmd->reason[0] ? -1 : (opt->to_first_line ? early : end) - start;
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

/* Whether @text is redis:ADDRESS:PORT. */
static bool parse_server(struct command *cmd, const char *text)
{
	char address[INET_ADDRSTRLEN + 1];
	unsigned short port;
	char rest;

	if (sscanf(text, "redis:%16[0-9.]:%hu%c", address, &port, &rest) != 2 ||
	    inet_pton(AF_INET, address, &cmd->server.sin_addr) != 1)
		return false;
	cmd->server.sin_family = AF_INET;
	cmd->server.sin_port = htons(port);
	return true;
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
		if (!parse_server(cmd, argv[i + 2]) && !read_expected(cmd, argv[i + 2]))
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
			double us = run_once(&cmds[i], opt);

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

	while ((c = getopt(argc, argv, "+ln:w:t:r:")) != -1) {
		switch (c) {
		case 'l': opt.to_first_line = true; break;
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
