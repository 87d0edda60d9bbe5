/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what a function answers: hostile bytes. */
#include "serve/answer.h"

#include <string.h>
#include <strings.h>

#include "mote/function_wire.h"

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

/* RFC 9110, 5.6.2: token. */
static bool is_token(const char *text)
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
static bool is_value(const char *text)
{
	for (; *text; text++)
		if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f)
			return false;
	return true;
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
		if (!is_token(name) || !is_value(value))
			return "a header of it is none";
		if (is_servers(name))
			continue;
		answer->headers[answer->header_count].name = name;
		answer->headers[answer->header_count++].value = value;
	}
	return strings.left ? "there is something behind its headers" : NULL;
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
