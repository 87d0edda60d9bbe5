/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests of the host's side of the console, on pipes, files and a pseudo-terminal. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "mote/abi.h"
#include "vmm/console.h"
#include "vmm/stop.h"

static struct kvm_run run;
static struct stop stop;
static struct console_streams streams = {.fd = {0, 1, 2}};
static struct mote_error err;

static void start(void)
{
	console_enter(&streams);
	cr_assert_eq(stop_init(&stop, &run, 0, &err), 0);
}

TestSuite(console, .init = start, .timeout = 20);

/* A pipe whose read end is stdin; returns the write end. */
static int feed_stdin(void)
{
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	close(ends[0]);
	return ends[1];
}

static int drain_stdout(void)
{
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
	close(ends[1]);
	return ends[0];
}

/* A pseudo-terminal as a stream; returns the controlling side. */
static int terminal_as(int stream)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;

	cr_assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	cr_assert_eq(dup2(slave, stream), stream);
	close(slave);
	return master;
}

static int terminal_stdin(void)
{
	return terminal_as(STDIN_FILENO);
}

static double cpu_seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

Test(console, write_reaches_the_stream)
{
	int end = drain_stdout();
	char text[8] = "";

	cr_assert_eq(console_write(1, "hello", 5), 5);
	cr_assert_eq(read(end, text, sizeof text), 5);
	cr_assert_str_eq(text, "hello");
	cr_assert_eq(console_write(1, "", 0), 0);
}

Test(console, only_stdout_and_stderr_can_be_written)
{
	cr_assert_eq(console_write(0, "x", 1), -EBADF);
	cr_assert_eq(console_write(3, "x", 1), -EBADF);
	cr_assert_eq(console_write(-1, "x", 1), -EBADF);
	close(STDERR_FILENO);
	cr_assert_eq(console_write(2, "x", 1), -EBADF);
}

Test(console, reader_that_went_away_is_epipe)
{
	close(drain_stdout());
	cr_assert_eq(console_write(1, "x", 1), -EPIPE);
}

Test(console, bad_guest_memory_is_efault)
{
	int out = drain_stdout(), in = feed_stdin();

	cr_assert_eq(console_write(1, (const void *)8, 5), -EFAULT);
	cr_assert_eq(write(in, "x", 1), 1);
	cr_assert_eq(console_read((void *)8, 5, MOTE_CONSOLE_BLOCK), -EFAULT);
	close(out);
}

/* Somebody else's O_NONBLOCK is not the guest's business: it waits until there is room. */
Test(console, full_output_that_does_not_block_is_waited_for)
{
	static char block[1 << 16];
	int end = drain_stdout();
	pid_t reader;
	int64_t written = 0;

	cr_assert_eq(fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK), 0);
	reader = fork();
	if (reader == 0) {
		close(STDOUT_FILENO);
		usleep(50000);
		while (read(end, block, sizeof block) > 0)
			;
		_exit(0);
	}
	close(end);
	for (int i = 0; i < 4; i++) {
		int64_t part = console_write(1, block, sizeof block);

		cr_assert_gt(part, 0);
		written += part;
	}
	cr_assert_gt(written, 1 << 16, "more than a pipe holds");
	kill(reader, SIGKILL);
}

Test(console, read_takes_what_is_there)
{
	int end = feed_stdin();
	char text[8] = "";

	cr_assert_eq(write(end, "abc", 3), 3);
	cr_assert_eq(console_read(text, sizeof text, 0), 3);
	cr_assert_str_eq(text, "abc");
	cr_assert_eq(console_read(text, sizeof text, 0), -EAGAIN);
	close(end);
	cr_assert_eq(console_read(text, sizeof text, 0), 0, "end of file");
	cr_assert_eq(console_read(text, sizeof text, MOTE_CONSOLE_BLOCK), 0);
}

Test(console, blocking_read_waits)
{
	int end = feed_stdin();
	char byte = 0;

	if (fork() == 0) {
		usleep(50000);
		_exit(write(end, "x", 1) != 1);
	}
	cr_assert_eq(console_read(&byte, 1, MOTE_CONSOLE_BLOCK), 1);
	cr_assert_eq(byte, 'x');
}

Test(console, blocking_read_ends_with_a_stop_request)
{
	struct itimerval soon = {.it_value = {.tv_usec = 50000}};
	int number;
	char byte;

	feed_stdin();
	setitimer(ITIMER_REAL, &soon, NULL);
	cr_assert_eq(console_read(&byte, 1, MOTE_CONSOLE_BLOCK), -EINTR);
	cr_assert_eq(stop_requested(&number), STOP_TIMEOUT);
}

Test(console, blocked_write_ends_with_a_stop_request)
{
	static char block[1 << 16];
	struct itimerval soon = {.it_value = {.tv_usec = 50000}};

	drain_stdout();
	setitimer(ITIMER_REAL, &soon, NULL);
	cr_assert_gt(console_write(1, block, sizeof block), 0);
	cr_assert_eq(console_write(1, block, sizeof block), -EINTR);
}

/* What the writer has no use for must not keep it from sleeping. */
Test(console, blocked_write_sleeps_through_a_resize)
{
	static char block[1 << 16];
	struct itimerval soon = {.it_value = {.tv_usec = 300000}};
	double before;

	drain_stdout();
	cr_assert_eq(fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK), 0);
	cr_assert_gt(console_write(1, block, sizeof block), 0);
	raise(SIGWINCH);
	setitimer(ITIMER_REAL, &soon, NULL);
	before = cpu_seconds();
	cr_assert_eq(console_write(1, block, sizeof block), -EINTR);
	cr_assert_lt(cpu_seconds() - before, 0.1);
	cr_assert(stop_take_window_change(), "it is still there to be told");
}

Test(console, read_that_does_not_block_is_not_interrupted_by_a_resize)
{
	int end = feed_stdin();
	char byte;

	raise(SIGWINCH);
	cr_assert_eq(console_read(&byte, 1, 0), -EAGAIN);
	cr_assert_eq(write(end, "x", 1), 1);
	cr_assert_eq(console_read(&byte, 1, 0), 1);
	cr_assert_eq(console_read(&byte, 1, MOTE_CONSOLE_BLOCK), -EINTR);
}

/* Whoever reads it is slow, the pipe does not block, and signals come meanwhile. */
Test(console, report_is_written_whole)
{
	static char block[300000];
	char bytes[4096];
	ssize_t got, total = 0;
	int ends[2], status;
	pid_t reader;

	cr_assert_eq(pipe(ends), 0);
	reader = fork();
	if (reader == 0) {
		close(ends[1]);
		usleep(50000);
		while ((got = read(ends[0], bytes, sizeof bytes)) > 0) {
			total += got;
			usleep(100);
		}
		_exit(total != 2 * sizeof block);
	}
	cr_assert_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	close(ends[0]);
	if (fork() == 0) {
		for (int i = 0; i < 100; i++) {
			usleep(1000);
			kill(getppid(), SIGWINCH);
		}
		_exit(0);
	}
	console_report(block, sizeof block);
	cr_assert_eq(fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK), 0);
	console_report(block, sizeof block);
	close(STDERR_FILENO);
	while (waitpid(reader, &status, 0) != reader)
		cr_assert_eq(errno, EINTR);
	cr_assert_eq(status, 0);
}

Test(console, report_is_given_up_when_a_stop_was_requested)
{
	static char block[300000];
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	if (fork() == 0) {
		usleep(50000);
		_exit(kill(getppid(), SIGTERM));
	}
	console_report(block, sizeof block);
	close(STDERR_FILENO);
	console_report(block, sizeof block);
}

Test(console, kinds_of_streams)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

	feed_stdin();
	cr_assert_eq(console_kind(0), S_IFIFO >> 12);
	cr_assert_eq(dup2(open("/dev/null", O_RDONLY), 0), 0);
	cr_assert_eq(console_kind(0), S_IFCHR >> 12);
	cr_assert_eq(dup2(fd, 0), 0);
	cr_assert_eq(console_kind(0), S_IFREG >> 12);
	terminal_stdin();
	cr_assert_eq(console_kind(0), S_IFCHR >> 12 | MOTE_CONSOLE_IS_TERMINAL);
	close(0);
	cr_assert_eq(console_kind(0), 0);
}

Test(console, terminal_attributes_and_restoring_them)
{
	unsigned char block[64], before[64];
	struct termios now;

	terminal_stdin();
	console_remember_terminals();
	memset(before, 0, sizeof before);
	cr_assert_eq(console_control(0, MOTE_CONSOLE_GET_TERMIOS, before), 0);
	memcpy(block, before, sizeof block);
	block[12] &= (unsigned char)~(ECHO | ICANON); /* c_lflag */
	cr_assert_eq(console_control(0, MOTE_CONSOLE_SET_TERMIOS, block), 0);
	cr_assert_eq(tcgetattr(0, &now), 0);
	cr_assert_eq(now.c_lflag & (ECHO | ICANON), 0);
	console_restore_terminals();
	cr_assert_eq(tcgetattr(0, &now), 0);
	cr_assert_eq(now.c_lflag & (ECHO | ICANON), ECHO | ICANON);
	memset(block, 0, sizeof block);
	cr_assert_eq(console_control(0, MOTE_CONSOLE_GET_TERMIOS, block), 0);
	cr_assert_eq(memcmp(block, before, sizeof block), 0);
}

/* stdin, stdout and stderr may be three terminals. */
Test(console, every_terminal_is_restored)
{
	unsigned char block[64];
	struct termios now;

	for (int stream = 0; stream < 3; stream++)
		terminal_as(stream);
	console_remember_terminals();
	for (int stream = 0; stream < 3; stream++) {
		cr_assert_eq(console_control(stream, MOTE_CONSOLE_GET_TERMIOS, block), 0);
		block[12] &= (unsigned char)~ECHO;
		cr_assert_eq(console_control(stream, MOTE_CONSOLE_SET_TERMIOS, block), 0);
	}
	console_restore_terminals();
	for (int stream = 0; stream < 3; stream++) {
		cr_assert_eq(tcgetattr(stream, &now), 0);
		cr_assert(now.c_lflag & ECHO, "stream %d", stream);
	}
}

Test(console, stream_that_became_a_terminal_later_is_not_touched)
{
	unsigned char block[64];
	struct termios now;

	drain_stdout();
	console_remember_terminals();
	terminal_as(1);
	cr_assert_eq(console_control(1, MOTE_CONSOLE_GET_TERMIOS, block), 0);
	cr_assert_eq(console_control(1, MOTE_CONSOLE_SET_TERMIOS, block), 0);
	console_restore_terminals();
	cr_assert_eq(tcgetattr(1, &now), 0);
	cr_assert(now.c_lflag & ECHO);
}

Test(console, terminal_that_the_guest_left_alone_is_not_touched)
{
	struct termios changed, now;

	terminal_stdin();
	console_remember_terminals();
	cr_assert_eq(tcgetattr(0, &changed), 0);
	changed.c_lflag &= ~(tcflag_t)ECHO; /* by another program that shares the terminal */
	cr_assert_eq(tcsetattr(0, TCSANOW, &changed), 0);
	console_restore_terminals();
	cr_assert_eq(tcgetattr(0, &now), 0);
	cr_assert_eq(now.c_lflag & ECHO, 0);
}

Test(console, window_size)
{
	struct winsize set = {.ws_row = 25, .ws_col = 81};
	int master = terminal_stdin();
	unsigned char block[64];
	struct winsize got;

	cr_assert_eq(ioctl(master, TIOCSWINSZ, &set), 0);
	cr_assert_eq(console_control(0, MOTE_CONSOLE_GET_WINDOW_SIZE, block), 0);
	memcpy(&got, block, sizeof got);
	cr_assert_eq(got.ws_row, 25);
	cr_assert_eq(got.ws_col, 81);
}

Test(console, readable_bytes)
{
	int end = feed_stdin();

	cr_assert_eq(console_control(0, MOTE_CONSOLE_GET_READABLE, NULL), 0);
	cr_assert_eq(write(end, "abc", 3), 3);
	cr_assert_eq(console_control(0, MOTE_CONSOLE_GET_READABLE, NULL), 3);
}

Test(console, bad_controls)
{
	unsigned char block[64];

	feed_stdin();
	cr_assert_eq(console_control(0, MOTE_CONSOLE_GET_TERMIOS, block), -ENOTTY);
	cr_assert_eq(console_control(0, MOTE_CONSOLE_GET_WINDOW_SIZE, block), -ENOTTY);
	cr_assert_eq(console_control(3, MOTE_CONSOLE_GET_TERMIOS, block), -EBADF);
	cr_assert_eq(console_control(-1, MOTE_CONSOLE_GET_TERMIOS, block), -EBADF);
	cr_assert_eq(console_control(0, 0, block), -EINVAL);
	cr_assert_eq(console_control(0, 7, block), -EINVAL);
	cr_assert_eq(console_control(0, UINT32_MAX, block), -EINVAL);
}
