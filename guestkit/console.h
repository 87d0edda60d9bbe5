/* SPDX-License-Identifier: Apache-2.0 */
/* The console: the VMM's stdin, stdout and stderr, through a bounce buffer of the kit. */
#ifndef MOTE_GUESTKIT_CONSOLE_H
#define MOTE_GUESTKIT_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

/* Copied and written to the host in one exit; larger transfers take several. */
#define CONSOLE_BUFFER 0x10000

/*
 * Bounce buffer of the console, in kit memory. console_write_buffer() and console_read_buffer()
 * move its first bytes; the caller fills or empties it. One owner at a time: a system call.
 */
extern unsigned char console_buffer[CONSOLE_BUFFER];

/**
 * console_write_buffer() - Write console_buffer[0..length) to a stream (1 or 2).
 *
 * Return: bytes written (may be short), or a negative errno (-EPIPE, -EIO, -EAGAIN).
 */
int64_t console_write_buffer(int stream, size_t length);

/**
 * console_read_buffer() - Read from stdin into console_buffer.
 * @length: at most CONSOLE_BUFFER
 * @flags:  MOTE_CONSOLE_BLOCK, or 0 for -EAGAIN when there is nothing
 *
 * Return: bytes read, 0 at end of file, or a negative errno.
 */
int64_t console_read_buffer(size_t length, unsigned flags);

/**
 * console_control() - MOTE_CONSOLE_* operation on a stream.
 * @block: in and out, laid out as the operation has it; NULL where it has none
 * @size:  of @block, at most 64
 *
 * Return: >= 0, or a negative errno (-ENOTTY when the stream is no terminal).
 */
int64_t console_control(int stream, unsigned operation, void *block, size_t size);

/* Write a message of the kit itself to stderr: printf subset %s %d %u %x %lx %ld %lu %p %c %%. */
void kit_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* snprintf with the same subset; always terminates; returns the untruncated length. */
size_t kit_format(char *buffer, size_t size, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

#endif
