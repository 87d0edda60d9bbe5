/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what a function answers: hostile bytes. */
#include "serve/answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mote/function_wire.h"
#include "serve/http_field.h"

/* Strings one after the other, each with its NUL. */
struct strings {
	const char *at;
	size_t left;
};

static const char *next(struct strings *strings)
{
	const char *text = strings->at;
	size_t length = strnlen(text, strings->left);

	if (length == strings->left)
		return NULL;
	strings->at += length + 1;
	strings->left -= length + 1;
	return text;
}

static bool is_servers(const char *name)
{
	static const char *const own[] = {"Connection", "Content-Length", "Transfer-Encoding",
	                                  "Date",       "Keep-Alive",     "Upgrade"};

	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		if (!strcasecmp(name, own[i]))
			return true;
	return false;
}

static const char *read_headers(struct answer *answer, struct strings strings, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const char *name = next(&strings), *value = name ? next(&strings) : NULL;

		if (!value)
			return "its headers end early";
		if (!http_is_token(name) || !http_is_value(value))
			return "a header of it is none";
		if (is_servers(name))
			continue;
		answer->headers[answer->header_count].name = name;
		answer->headers[answer->header_count++].value = value;
	}
	return strings.left ? "there is something behind its headers" : NULL;
}

void answer_settle(unsigned char *bytes, size_t size, bool is_all)
{
	struct mote_function_answer head;
	size_t body;

	if (size < sizeof head)
		return;
	memcpy(&head, bytes, sizeof head);
	if (size - sizeof head < head.strings)
		return;
	body = size - sizeof head - head.strings;
	if (is_all && head.body_size == MOTE_FUNCTION_STREAM)
		head.body_size = body;
	head.body = (uint32_t)body;
	memcpy(bytes, &head, sizeof head);
}

const char *answer_read(struct answer *answer, const unsigned char *bytes, size_t size, bool is_all)
{
	struct mote_function_answer head;
	const char *wrong;

	*answer = (struct answer){.status = 0};
	if (size < sizeof head)
		return "it has no head";
	memcpy(&head, bytes, sizeof head);
	size -= sizeof head;
	if (head.strings > size || head.body != size - head.strings)
		return "its lengths do not add up";
	if (head.status < 200 || head.status > 599)
		return "its status is none of HTTP's";
	if (head.header_count > ANSWER_HEADERS_MAX)
		return "it has more than 64 headers";
	if (head.body_size != MOTE_FUNCTION_STREAM &&
	    (is_all ? head.body_size != head.body : head.body_size < head.body))
		return "its body is not as long as it says";
	answer->status = head.status;
	answer->body_size = is_all ? head.body : head.body_size;
	answer->body = bytes + sizeof head + head.strings;
	answer->body_here = head.body;
	wrong = read_headers(answer,
	                     (struct strings){(const char *)bytes + sizeof head, head.strings},
	                     head.header_count);
	return wrong;
}

/* ---- text ---- */

/* The line at *@at, with a NUL in place of its end; NULL: there is no whole line. */
static char *take_line(char **at, char *end)
{
	char *line = *at, *stop = memchr(line, '\n', (size_t)(end - line));

	if (!stop || memchr(line, 0, (size_t)(stop - line)))
		return NULL;
	*at = stop + 1;
	*stop = '\0';
	if (stop > line && stop[-1] == '\r')
		stop[-1] = '\0';
	return line;
}

/* "HTTP/1.1 200 OK" (RFC 9112, 4) */
static unsigned read_status(const char *line)
{
	if (strncmp(line, "HTTP/1.", 7) || strlen(line) < 12 || line[8] != ' ' ||
	    strspn(line + 9, "0123456789") != 3)
		return 0;
	return (unsigned)((line[9] - '0') * 100 + (line[10] - '0') * 10 + line[11] - '0');
}

static const char *read_text_header(struct answer *answer, char *line, uint64_t *length)
{
	char *colon = strchr(line, ':');
	const char *value;

	if (!colon)
		return "a header of it is none";
	*colon = '\0';
	value = colon + 1 + strspn(colon + 1, " \t");
	if (!http_is_token(line) || !http_is_value(value))
		return "a header of it is none";
	if (!strcasecmp(line, "Transfer-Encoding"))
		return "its body is encoded for a connection that goes on";
	if (!strcasecmp(line, "Content-Length") && *value && strlen(value) < 19 &&
	    strspn(value, "0123456789") == strlen(value))
		*length = strtoull(value, NULL, 10);
	if (is_servers(line))
		return NULL;
	if (answer->header_count == ANSWER_HEADERS_MAX)
		return "it has more than 64 headers";
	answer->headers[answer->header_count].name = line;
	answer->headers[answer->header_count++].value = value;
	return NULL;
}

bool answer_has_text_head(const unsigned char *bytes, size_t size)
{
	return memmem(bytes, size, "\n\r\n", 3) || memmem(bytes, size, "\n\n", 2);
}

const char *answer_read_text(struct answer *answer, unsigned char *bytes, size_t size, bool is_all,
                             bool has_body)
{
	char *at = (char *)bytes, *end = at + size, *line = size ? take_line(&at, end) : NULL;
	uint64_t length = MOTE_FUNCTION_STREAM;

	*answer = (struct answer){.status = line ? read_status(line) : 0};
	if (answer->status < 200 || answer->status > 599)
		return size ? "it is no answer of HTTP"
		            : "the connection was closed without an answer";
	for (;;) {
		const char *wrong;

		line = take_line(&at, end);
		if (!line)
			return "its headers end early";
		if (!*line)
			break;
		wrong = read_text_header(answer, line, &length);
		if (wrong)
			return wrong;
	}
	answer->body = (const unsigned char *)at;
	answer->body_here = (size_t)(end - at);
	if (length < answer->body_here)
		answer->body_here = (size_t)length;
	answer->body_size = length;
	if (!is_all)
		return NULL;
	if (length == MOTE_FUNCTION_STREAM)
		answer->body_size = answer->body_here;
	return answer->body_size > answer->body_here &&
	                       (answer->body_here || (has_body && answer->status != 304))
	               ? "its body is not as long as it says"
	               : NULL;
}
