/* SPDX-License-Identifier: Apache-2.0 */
/* A line of --strace under construction, and what its parts are made of. */
#ifndef MOTE_LIBC_SHIM_STRACE_LINE_H
#define MOTE_LIBC_SHIM_STRACE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guestkit/console.h"

struct strace_line {
	char *text;
	size_t size, length; /* what does not fit is dropped */
};

#define strace_append(line, ...)                                       \
	strace_advance(line, kit_format((line)->text + (line)->length, \
	                                (line)->size - (line)->length, __VA_ARGS__))

static inline void strace_advance(struct strace_line *line, size_t added)
{
	size_t left = line->size - line->length;

	line->length += added < left ? added : left - 1;
}

/* ---- strace_values.c: arguments that are numbers ---- */

/* Besides the letters of syscall_table.h: what is found in structures. */
enum {
	STRACE_EVENTS_OF_POLL = 1,
	STRACE_EVENTS_OF_EPOLL,
	STRACE_FLAGS_OF_ACTION,
	STRACE_TYPE_OF_FILE,
	STRACE_FLAGS_OF_STACK,
	STRACE_OPTION_OF_SOCKET, /* of SOL_SOCKET */
};

/**
 * strace_append_value() - A number by its names.
 * @letter: as in syscall_table.h, or one of the above
 *
 * Return: false when the letter stands for no set of names; then nothing is appended.
 */
bool strace_append_value(struct strace_line *line, char letter, uint64_t value);

/* SIGINT; a set of signals in sigset_t's layout as [INT CHLD]. */
void strace_append_signal(struct strace_line *line, uint64_t number, bool has_prefix);
void strace_append_signals(struct strace_line *line, uint64_t set);

/* `ENOENT (No such file or directory)` for a positive error number. */
void strace_append_error(struct strace_line *line, uint64_t number);

/* ---- strace_memory.c: arguments that point to something ---- */

/**
 * strace_append_pointee() - What an argument points to; the address alone where that cannot be
 * read.
 * @letter:  as in syscall_table.h
 * @arg:     this argument and those behind it; the one before is at arg[-1] if there is one
 * @has_out: whether the call has been made and has succeeded
 * @result:  its result, for buffers that it filled
 *
 * Return: false when the letter stands for no pointer; then nothing is appended.
 */
bool strace_append_pointee(struct strace_line *line, char letter, const uint64_t *arg, bool has_out,
                           int64_t result);

/* Whether what the letter stands for is the call's to fill in. */
bool strace_is_out(char letter);

/* An address, NULL for 0; bytes escaped, without quotes. */
void strace_append_pointer(struct strace_line *line, uint64_t address);
void strace_append_bytes(struct strace_line *line, const unsigned char *bytes, size_t length);

/* A string of at most @max bytes; the address where it runs into what cannot be read. */
void strace_append_string(struct strace_line *line, uint64_t address, size_t max);

/* An array of iovecs; @filled: bytes that their buffers hold. */
void strace_append_vector(struct strace_line *line, uint64_t address, uint64_t count,
                          uint64_t filled);

/* What poll() found, as strace shows it behind the result. */
void strace_append_polled(struct strace_line *line, uint64_t fds, uint64_t count);

/* ---- strace_structures.c: the same of structures ---- */

/* Return: false, and nothing appended, where the structure cannot be read. */
typedef bool strace_append_structure(struct strace_line *line, uint64_t address);

struct strace_structure {
	char letter;
	bool is_out;
	strace_append_structure *append;
};

/* The structure that a letter stands for, or NULL. */
const struct strace_structure *strace_find_structure(char letter);

/* @element: a struct epoll_event in the kit */
void strace_append_epoll_event(struct strace_line *line, const void *element);

/* ---- strace_sockets.c: the same of sockets ---- */

void strace_append_socket_address(struct strace_line *line, uint64_t address, uint64_t length);

/* A struct msghdr. @filled: bytes that its buffers hold */
void strace_append_message(struct strace_line *line, uint64_t address, uint64_t filled);

#endif
