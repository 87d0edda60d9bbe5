/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's console: its stdin, stdout and stderr on the host. */
#include "vmm/console.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mote/abi.h"
#include "vmm/stop.h"

/* Where nothing else would end a write it is made of pieces that do not block (pipe(7)). */
#define PIECE 4096u

/* Of the VM that this thread runs; NULL: none. */
static _Thread_local struct console_streams *current;

void console_enter(struct console_streams *streams)
{
	streams->outer = current;
	current = streams;
}

void console_leave(struct console_streams *streams)
{
	current = streams->outer;
}

int console_fd(int stream)
{
	return current ? current->fd[stream] : stream;
}

static bool is_stopped(void)
{
	int signal_number;

	return stop_requested(&signal_number) != STOP_NONE || stop_is_due();
}

/* -1: the guest has to stop, or to stand still, before there is. */
static int wait_for_room(int fd)
{
	struct pollfd out = {.fd = fd, .events = POLLOUT};

	return stop_poll(&out, 1, UINT64_MAX, false) < 0 && is_stopped() ? -1 : 0;
}

/* #syscalls:run write */
int64_t console_write(int stream, const void *buffer, size_t length)
{
	size_t piece = stop_is_shared() && length > PIECE ? PIECE : length;

	if (stream != STDOUT_FILENO && stream != STDERR_FILENO)
		return -EBADF;
	if (stop_is_shared() && wait_for_room(console_fd(stream)))
		return -EINTR;
	for (;;) {
		ssize_t written = write(console_fd(stream), buffer, piece);

		if (written >= 0) {
			if (current)
				output_log_add(&current->log, buffer, (size_t)written);
			return written;
		}
		if (errno == EINTR && !is_stopped()) {
			stop_serve_while_blocked();
			continue;
		}
		if (errno != EAGAIN)
			return -errno;
		/* Somebody else made our output non-blocking; the guest did not ask for that. */
		if (wait_for_room(console_fd(stream)))
			return -EINTR;
	}
}

/* #syscalls:run ppoll */
bool console_has_room(int stream)
{
	const struct timespec at_once = {0, 0};
	struct pollfd out = {.events = POLLOUT};

	if (stream != STDOUT_FILENO && stream != STDERR_FILENO)
		return true;
	out.fd = console_fd(stream);
	return ppoll(&out, 1, &at_once, NULL) != 0;
}

void console_report(const char *text, size_t length)
{
	int signal_number;

	while (length) {
		int64_t written = console_write(STDERR_FILENO, text, length);

		/* The signal of --timeout comes again, and then finds no progress. */
		if (written <= 0 || stop_requested(&signal_number) == STOP_SIGNAL)
			return;
		text += written;
		length -= (size_t)written;
	}
}

/* #syscalls:run read */
int64_t console_read(void *buffer, size_t length, uint32_t flags)
{
	struct pollfd in = {.fd = console_fd(STDIN_FILENO), .events = POLLIN};
	bool blocks = flags & MOTE_CONSOLE_BLOCK;
	int ready = stop_poll(&in, 1, blocks ? UINT64_MAX : 0, blocks);
	ssize_t got;

	if (ready < 0)
		return -errno;
	if (ready == 0)
		return -EAGAIN;
	got = read(in.fd, buffer, length);
	return got < 0 ? -errno : got;
}

/* #syscalls:load fstat ioctl(TCGETS) */
uint32_t console_kind(int stream)
{
	int fd = console_fd(stream);
	unsigned char termios[64];
	struct stat status;

	if (fstat(fd, &status))
		return 0;
	return status.st_mode >> 12 | (S_ISCHR(status.st_mode) && ioctl(fd, TCGETS, termios) == 0
	                                       ? MOTE_CONSOLE_IS_TERMINAL
	                                       : 0);
}

/* #syscalls:load ioctl(TCGETS) */
void console_remember_terminals(void)
{
	for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
		current->terminal[stream].is_changed = false;
		current->terminal[stream].is_remembered =
		        ioctl(console_fd(stream), TCGETS, current->terminal[stream].termios) == 0;
	}
}

/* What was written is shown in the mode it was written in, unless a signal finds that it never is.
 */
/* #syscalls:run ioctl(TCSETSW) ioctl(TCSETS) */
void console_restore_terminals(void)
{
	for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
		const unsigned char *termios = current->terminal[stream].termios;

		if (current->terminal[stream].is_changed &&
		    current->terminal[stream].is_remembered &&
		    ioctl(console_fd(stream), TCSETSW, termios) && errno == EINTR)
			ioctl(console_fd(stream), TCSETS, termios);
		current->terminal[stream].is_changed = false;
	}
}

/* #syscalls:run ioctl(TCGETS) ioctl(TCSETS) ioctl(TCSETSW) ioctl(TCSETSF) */
/* #syscalls:run ioctl(TIOCGWINSZ) ioctl(FIONREAD) */
int64_t console_control(int stream, uint32_t operation, void *block)
{
	static const unsigned requests[] = {
	        [MOTE_CONSOLE_GET_TERMIOS] = TCGETS,
	        [MOTE_CONSOLE_SET_TERMIOS] = TCSETS,
	        [MOTE_CONSOLE_SET_TERMIOS_DRAIN] = TCSETSW,
	        [MOTE_CONSOLE_SET_TERMIOS_FLUSH] = TCSETSF,
	        [MOTE_CONSOLE_GET_WINDOW_SIZE] = TIOCGWINSZ,
	};
	int readable = 0;

	if (stream < STDIN_FILENO || stream > STDERR_FILENO)
		return -EBADF;
	switch (operation) {
	case MOTE_CONSOLE_SET_TERMIOS:
	case MOTE_CONSOLE_SET_TERMIOS_DRAIN:
	case MOTE_CONSOLE_SET_TERMIOS_FLUSH:
		if (current)
			current->terminal[stream].is_changed = true;
		__attribute__((fallthrough));
	case MOTE_CONSOLE_GET_TERMIOS:
	case MOTE_CONSOLE_GET_WINDOW_SIZE:
		return ioctl(console_fd(stream), requests[operation], block) ? -errno : 0;
	case MOTE_CONSOLE_GET_READABLE:
		return ioctl(console_fd(stream), FIONREAD, &readable) ? -errno : readable;
	default: return -EINVAL;
	}
}
