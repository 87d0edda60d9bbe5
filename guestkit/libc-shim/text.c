/* SPDX-License-Identifier: Apache-2.0 */
/* A text that grows on the kit's heap. */
#include "guestkit/libc-shim/text.h"

#include "guestkit/memory.h"
#include "guestkit/string.h"

#define NUMBER_SIZE 20 /* digits of UINT64_MAX */

/* Makes room for @more bytes behind the text. */
static bool text_reserve(struct text *text, size_t more)
{
	size_t capacity = text->capacity ? text->capacity : 2 * TEXT_PRINT_SIZE;
	char *data;

	if (text->has_failed)
		return false;
	while (capacity - text->length < more)
		capacity *= 2;
	if (capacity == text->capacity)
		return true;
	data = text->data ? heap_resize(text->data, capacity) : heap_alloc(capacity);
	if (!data) {
		text->has_failed = true;
		return false;
	}
	text->data = data;
	text->capacity = capacity;
	return true;
}

void text_bytes(struct text *text, const void *bytes, size_t length)
{
	if (length == 0 || !text_reserve(text, length))
		return;
	memcpy(text->data + text->length, bytes, length);
	text->length += length;
}

void text_string(struct text *text, const char *string)
{
	text_bytes(text, string, strlen(string));
}

static void append_number(struct text *text, uint64_t value, unsigned base, unsigned digits)
{
	char buffer[NUMBER_SIZE];
	size_t at = sizeof(buffer);

	while (at > 0 && (value > 0 || sizeof(buffer) - at < digits)) {
		buffer[--at] = "0123456789abcdef"[value % base];
		value /= base;
	}
	text_bytes(text, buffer + at, sizeof(buffer) - at);
}

void text_hex(struct text *text, uint64_t value, unsigned digits)
{
	append_number(text, value, 16, digits);
}

void text_decimal(struct text *text, uint64_t value, unsigned digits)
{
	append_number(text, value, 10, digits);
}

void text_pad(struct text *text, size_t line, size_t width)
{
	while (!text->has_failed && text->length - line < width)
		text_bytes(text, " ", 1);
}

void text_free(struct text *text)
{
	heap_free(text->data);
	*text = (struct text){0};
}

char *text_room(struct text *text)
{
	static char nowhere[TEXT_PRINT_SIZE];

	return text_reserve(text, TEXT_PRINT_SIZE) ? text->data + text->length : nowhere;
}

void text_advance(struct text *text, size_t length)
{
	if (text->has_failed)
		return;
	text->length += length < TEXT_PRINT_SIZE ? length : TEXT_PRINT_SIZE - 1;
}
