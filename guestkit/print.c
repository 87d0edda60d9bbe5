/* SPDX-License-Identifier: Apache-2.0 */
/* Formatted text for the kit's own messages and for generated files. */
#include <stdarg.h>
#include <stdbool.h>

#include "guestkit/console.h"
#include "guestkit/hypercall.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"

struct output {
	char *at;
	size_t size;
	size_t length; /* untruncated */
};

static void put(struct output *out, char byte)
{
	if (out->length + 1 < out->size)
		out->at[out->length] = byte;
	out->length++;
}

static void put_padded(struct output *out, const char *text, size_t length, int width, char pad)
{
	for (int i = (int)length; i < width; i++)
		put(out, pad);
	while (length--)
		put(out, *text++);
}

static void put_number(struct output *out, uint64_t value, unsigned base, bool is_negative,
                       int width, char pad)
{
	char digits[24];
	size_t length = 0;

	do {
		digits[sizeof digits - ++length] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	if (is_negative)
		digits[sizeof digits - ++length] = '-';
	put_padded(out, digits + sizeof digits - length, length, width, pad);
}

/* %[0][width][l][sduxpco%] */
static void format(struct output *out, const char *text, va_list args)
{
	for (; *text; text++) {
		char pad = ' ';
		int width = 0;
		bool is_long = false;
		int64_t number;

		if (*text != '%') {
			put(out, *text);
			continue;
		}
		if (*++text == '0')
			pad = *text++;
		while (*text >= '0' && *text <= '9')
			width = width * 10 + *text++ - '0';
		while (*text == 'l' || *text == 'z') {
			is_long = true;
			text++;
		}
		switch (*text) {
		case 's': {
			const char *string = va_arg(args, const char *);

			put_padded(out, string, strlen(string), width, ' ');
			break;
		}
		case 'c': put(out, (char)va_arg(args, int)); break;
		case 'd':
			number = is_long ? va_arg(args, long) : va_arg(args, int);
			put_number(out, number < 0 ? -(uint64_t)number : (uint64_t)number, 10,
			           number < 0, width, pad);
			break;
		case 'p': put_number(out, va_arg(args, uint64_t), 16, false, width, pad); break;
		case 'o':
		case 'u':
		case 'x':
			put_number(out,
			           is_long ? va_arg(args, unsigned long) : va_arg(args, unsigned),
			           *text == 'x'   ? 16
			           : *text == 'o' ? 8
			                          : 10,
			           false, width, pad);
			break;
		case '\0': return;
		default: put(out, *text); break;
		}
	}
}

size_t kit_format(char *buffer, size_t size, const char *text, ...)
{
	struct output out = {.at = buffer, .size = size};
	va_list args;

	va_start(args, text);
	format(&out, text, args);
	va_end(args);
	if (size)
		buffer[out.length < size ? out.length : size - 1] = '\0';
	return out.length;
}

void kit_print(const char *text, ...)
{
	static KIT_LARGE char line[512];
	struct output out = {.at = line, .size = sizeof line};
	va_list args;

	va_start(args, text);
	format(&out, text, args);
	va_end(args);
	hypercall(MOTE_HC_console_write, 2, kit_physical(line),
	          out.length < sizeof line ? out.length : sizeof line - 1);
}
