/* SPDX-License-Identifier: Apache-2.0 */
/* What may stand in a field of HTTP (RFC 9110, 5). */
#ifndef MOTE_SERVE_HTTP_FIELD_H
#define MOTE_SERVE_HTTP_FIELD_H

#include <stdbool.h>
#include <string.h>

/* RFC 9110, 5.6.2: token. */
static inline bool http_is_token(const char *text)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	if (!*text)
		return false;
	for (; *text; text++)
		if (!(*text >= '0' && *text <= '9') && !(*text >= 'a' && *text <= 'z') &&
		    !(*text >= 'A' && *text <= 'Z') && !strchr(marks, *text))
			return false;
	return true;
}

/* RFC 9110, 5.5: no controls but the tab. */
static inline bool http_is_value(const char *text)
{
	for (; *text; text++)
		if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f)
			return false;
	return true;
}

#endif
