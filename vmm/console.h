/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's console: its stdin, stdout and stderr on the host. */
#ifndef MOTE_VMM_CONSOLE_H
#define MOTE_VMM_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/output_log.h"

#define CONSOLE_TERMIOS_SIZE 36 /* struct termios of the kernel, which TCGETS speaks */

/* Of one VM. */
struct console_streams {
	int fd[3]; /* of the guest's stdin, stdout and stderr */
	struct {
		unsigned char termios[CONSOLE_TERMIOS_SIZE];
		bool is_remembered;
		bool is_changed;       /* by the guest, since it was remembered */
	} terminal[3];                 /* each stream may be one of its own */
	struct output_log log;         /* of what is written */
	struct console_streams *outer; /* that the thread had before */
};

/* From now on, in this thread, all functions below are of these streams; until console_leave(). */
void console_enter(struct console_streams *streams);
void console_leave(struct console_streams *streams);

/* The descriptor of a stream, 0 to 2. */
int console_fd(int stream);

/*
 * All return >= 0 or a negative errno, as hypercalls do; @buffer is guest memory, and only the host
 * kernel touches it. -EINTR: stop_requested() or stop_take_window_change() has news.
 */
int64_t console_write(int stream, const void *buffer, size_t length);
/* Write a report of mote's own to the guest's stderr, all of it unless stderr is gone or a stop was
 * requested.
 */
void console_report(const char *text, size_t length);

/* Whether a write would not wait; of a stream that is none, too. */
bool console_has_room(int stream);

int64_t console_read(void *buffer, size_t length, uint32_t flags);
/* @block: 64 bytes of the VMM's own, in and out */
int64_t console_control(int stream, uint32_t operation, void *block);

/* What a stream is, as the device tree tells it: MOTE_CONSOLE_TYPE and MOTE_CONSOLE_IS_TERMINAL. */
uint32_t console_kind(int stream);

/*
 * Put back the terminals that the streams are, where the guest changed them, to what they were when
 * console_remember_terminals() was called; safe at any time.
 */
void console_remember_terminals(void);
void console_restore_terminals(void);

#endif
