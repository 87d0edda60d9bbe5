/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's console: the stdin, stdout and stderr of mote. */
#include "vmm/console.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mote/abi.h"
#include "vmm/stop.h"

#define KERNEL_TERMIOS_SIZE 36 /* struct termios of the kernel, which TCGETS speaks */

/* By stream: each may be a terminal of its own. */
static struct terminal {
	unsigned char termios[KERNEL_TERMIOS_SIZE];
	bool is_remembered;
	bool is_changed; /* by the guest, since it was remembered */
} terminals[STDERR_FILENO + 1];

static bool is_stopped(void)
{
	int signal_number;

	return stop_requested(&signal_number) != STOP_NONE;
}

/* #syscalls:run write */
int64_t console_write(int stream, const void *buffer, size_t length)
{
	struct pollfd out = {.fd = stream, .events = POLLOUT};

	if (stream != STDOUT_FILENO && stream != STDERR_FILENO)
		return -EBADF;
	for (;;) {
		ssize_t written = write(stream, buffer, length);

		if (written >= 0)
			return written;
		if (errno == EINTR && !is_stopped()) {
			stop_serve_while_blocked();
			continue;
		}
		if (errno != EAGAIN)
			return -errno;
		/* Somebody else made our output non-blocking; the guest did not ask for that. */
		if (stop_poll(&out, 1, UINT64_MAX, false) < 0 && is_stopped())
			return -EINTR;
	}
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
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	bool blocks = flags & MOTE_CONSOLE_BLOCK;
	int ready = stop_poll(&in, 1, blocks ? UINT64_MAX : 0, blocks);
	ssize_t got;

	if (ready < 0)
		return -errno;
	if (ready == 0)
		return -EAGAIN;
	got = read(STDIN_FILENO, buffer, length);
	return got < 0 ? -errno : got;
}

/* #syscalls:load fstat ioctl(TCGETS) */
uint32_t console_kind(int stream)
{
	unsigned char termios[64];
	struct stat status;

	if (fstat(stream, &status))
		return 0;
	return status.st_mode >> 12 |
	       (S_ISCHR(status.st_mode) && ioctl(stream, TCGETS, termios) == 0
	                ? MOTE_CONSOLE_IS_TERMINAL
	                : 0);
}

/* #syscalls:load ioctl(TCGETS) */
void console_remember_terminals(void)
{
	for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
		struct terminal *terminal = &terminals[stream];

		terminal->is_changed = false;
		terminal->is_remembered = ioctl(stream, TCGETS, terminal->termios) == 0;
	}
}

/* What was written is shown in the mode it was written in, unless a signal finds that it never is.
 */
/* #syscalls:run ioctl(TCSETSW) ioctl(TCSETS) */
void console_restore_terminals(void)
{
	for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
		struct terminal *terminal = &terminals[stream];

		if (terminal->is_changed && terminal->is_remembered &&
		    ioctl(stream, TCSETSW, terminal->termios) && errno == EINTR)
			ioctl(stream, TCSETS, terminal->termios);
		terminal->is_changed = false;
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
		terminals[stream].is_changed = true;
		__attribute__((fallthrough));
	case MOTE_CONSOLE_GET_TERMIOS:
	case MOTE_CONSOLE_GET_WINDOW_SIZE:
		return ioctl(stream, requests[operation], block) ? -errno : 0;
	case MOTE_CONSOLE_GET_READABLE:
		return ioctl(stream, FIONREAD, &readable) ? -errno : readable;
	default: return -EINVAL;
	}
}
