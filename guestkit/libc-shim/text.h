/* SPDX-License-Identifier: Apache-2.0 */
/* A text that grows on the kit's heap: what the files of /proc are made of. */
#ifndef MOTE_LIBC_SHIM_TEXT_H
#define MOTE_LIBC_SHIM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guestkit/console.h"

/* All zeros is an empty text. Once memory is short it stays as it is, and has_failed is set. */
struct text {
	char *data; /* not terminated; heap */
	size_t length;
	size_t capacity;
	bool has_failed;
};

/* Longest output of one text_print(), with a NUL; more is cut. */
#define TEXT_PRINT_SIZE 256

/**
 * text_print() - Append formatted text, of less than TEXT_PRINT_SIZE bytes; format as kit_format().
 */
#define text_print(text, ...) \
	text_advance((text), kit_format(text_room(text), TEXT_PRINT_SIZE, __VA_ARGS__))

/* Append bytes; a string; a number in hexadecimal (lower case) or decimal with at least @digits
 * digits. */
void text_bytes(struct text *text, const void *bytes, size_t length);
void text_string(struct text *text, const char *string);
void text_hex(struct text *text, uint64_t value, unsigned digits);
void text_decimal(struct text *text, uint64_t value, unsigned digits);

/* Append spaces until the line that starts at offset @line of the text is @width long. */
void text_pad(struct text *text, size_t line, size_t width);

/* Free what the text holds and make it empty. */
void text_free(struct text *text);

/* For text_print() alone: TEXT_PRINT_SIZE bytes to write to, and how many were to be written. */
char *text_room(struct text *text);
void text_advance(struct text *text, size_t length);

#endif
