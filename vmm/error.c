/* SPDX-License-Identifier: Apache-2.0 */
/* The error object: filled where something fails, printed only by main.c. */
#include "vmm/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Text can quote a file or a guest: it stays one line, and nothing in it steers a terminal. */
static void append(struct mote_error *err, const char *fmt, va_list args)
{
	char *text = err->text + strlen(err->text);

	vsnprintf(text, sizeof err->text - (size_t)(text - err->text), fmt, args);
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

int mote_error_set(struct mote_error *err, int code, const char *fmt, ...)
{
	va_list args;

	err->code = code;
	err->text[0] = '\0';
	va_start(args, fmt);
	append(err, fmt, args);
	va_end(args);
	return -1;
}

int mote_error_errno(struct mote_error *err, int code, const char *fmt, ...)
{
	int saved = errno;
	va_list args;

	err->code = code;
	err->text[0] = '\0';
	va_start(args, fmt);
	append(err, fmt, args);
	va_end(args);

	size_t used = strlen(err->text);

	snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(saved));
	errno = saved;
	return -1;
}

int mote_error_hint(struct mote_error *err, const char *fmt, ...)
{
	va_list args;
	size_t used = strlen(err->text);

	snprintf(err->text + used, sizeof err->text - used, ". ");
	va_start(args, fmt);
	append(err, fmt, args);
	va_end(args);
	return -1;
}
