/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and writes small JSON objects, strictly and without memory of its own. */
#include "vmm/json.h"

#include <stdio.h>
#include <string.h>

/* ---- characters ---- */

/* Length of the UTF-8 sequence at @text (RFC 3629), 0 where there is none. @text ends with NUL. */
static size_t utf8_length(const unsigned char *text)
{
	static const struct {
		uint32_t least;
		unsigned char mask, lead, length;
	} forms[] = {{0, 0x80, 0, 1},
	             {0x80, 0xe0, 0xc0, 2},
	             {0x800, 0xf0, 0xe0, 3},
	             {0x10000, 0xf8, 0xf0, 4}};

	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		uint32_t value = text[0] & (unsigned char)~forms[i].mask;

		if ((text[0] & forms[i].mask) != forms[i].lead)
			continue;
		for (size_t k = 1; k < forms[i].length; k++) {
			if ((text[k] & 0xc0) != 0x80)
				return 0;
			value = value << 6 | (text[k] & 0x3f);
		}
		return value >= forms[i].least && value <= 0x10ffff && value >> 11 != 0x1b
		               ? forms[i].length
		               : 0;
	}
	return 0;
}

/* A code point below 0x110000 that is no surrogate. */
static size_t utf8_put(char *to, uint32_t value)
{
	if (value < 0x80) {
		to[0] = (char)value;
		return 1;
	}
	if (value < 0x800) {
		to[0] = (char)(0xc0 | value >> 6);
		to[1] = (char)(0x80 | (value & 0x3f));
		return 2;
	}
	if (value < 0x10000) {
		to[0] = (char)(0xe0 | value >> 12);
		to[1] = (char)(0x80 | (value >> 6 & 0x3f));
		to[2] = (char)(0x80 | (value & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | value >> 18);
	to[1] = (char)(0x80 | (value >> 12 & 0x3f));
	to[2] = (char)(0x80 | (value >> 6 & 0x3f));
	to[3] = (char)(0x80 | (value & 0x3f));
	return 4;
}

/* ---- reading ---- */

struct reader {
	char *at, *end;
	struct json *json;
	const char *reason;
};

static int fail(struct reader *reader, const char *reason)
{
	if (!reader->reason)
		reader->reason = reason;
	return -1;
}

static void skip_blanks(struct reader *reader)
{
	while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) && *reader->at)
		reader->at++;
}

/* Whether the next character that is no blank is this one; it is taken. */
static bool take(struct reader *reader, char c)
{
	skip_blanks(reader);
	if (reader->at == reader->end || *reader->at != c)
		return false;
	reader->at++;
	return true;
}

static bool take_word(struct reader *reader, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0)
		return false;
	reader->at += length;
	return true;
}

static int read_hex(struct reader *reader, uint32_t *value)
{
	*value = 0;
	if (reader->end - reader->at < 4)
		return fail(reader, "a string does not end");
	for (int i = 0; i < 4; i++) {
		char c = *reader->at++;

		if (c >= '0' && c <= '9')
			*value = *value << 4 | (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			*value = *value << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
		else
			return fail(reader, "\\u wants four hexadecimal digits");
	}
	return 0;
}

/* Behind "\u". Characters beyond 16 bits are a pair of surrogates (RFC 8259, section 7). */
static int read_code_point(struct reader *reader, char **to)
{
	uint32_t value, low;

	if (read_hex(reader, &value))
		return -1;
	if (value >= 0xd800 && value < 0xdc00) {
		if (!take_word(reader, "\\u"))
			return fail(reader, "half of a pair of \\u");
		if (read_hex(reader, &low))
			return -1;
		if (low < 0xdc00 || low > 0xdfff)
			return fail(reader, "half of a pair of \\u");
		value = 0x10000 + ((value - 0xd800) << 10 | (low - 0xdc00));
	} else if (value >= 0xdc00 && value < 0xe000) {
		return fail(reader, "half of a pair of \\u");
	}
	if (!value)
		return fail(reader, "a string has a NUL");
	*to += utf8_put(*to, value);
	return 0;
}

static int read_escape(struct reader *reader, char **to)
{
	static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	const char *name;

	if (reader->at == reader->end)
		return fail(reader, "a string does not end");
	if (*reader->at == 'u') {
		reader->at++;
		return read_code_point(reader, to);
	}
	name = *reader->at ? strchr(names, *reader->at) : NULL;
	if (!name)
		return fail(reader, "an unknown escape in a string");
	reader->at++;
	*(*to)++ = meanings[name - names];
	return 0;
}

/* A sequence of bytes that stands for itself; the text's end need not be NUL. */
static int read_plain(struct reader *reader, char **to)
{
	unsigned char sequence[5] = {0};
	size_t left = (size_t)(reader->end - reader->at), length;

	memcpy(sequence, reader->at, left < 4 ? left : 4);
	length = utf8_length(sequence);
	if (sequence[0] < ' ')
		return fail(reader, "a control character in a string");
	if (!length)
		return fail(reader, "a string is not UTF-8");
	memmove(*to, reader->at, length);
	reader->at += length;
	*to += length;
	return 0;
}

/* Unescaped in its own place: no escape is shorter than what it stands for. */
static int read_string(struct reader *reader, const char **string)
{
	char *to;

	if (!take(reader, '"'))
		return fail(reader, "a string is missing");
	*string = to = reader->at;
	while (reader->at < reader->end && *reader->at != '"') {
		if (*reader->at == '\\') {
			reader->at++;
			if (read_escape(reader, &to))
				return -1;
		} else if (read_plain(reader, &to)) {
			return -1;
		}
	}
	if (reader->at == reader->end)
		return fail(reader, "a string does not end");
	reader->at++;
	*to = '\0';
	return 0;
}

static int read_number(struct reader *reader, uint64_t *number)
{
	const char *start = reader->at;

	*number = 0;
	for (; reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9'; reader->at++) {
		uint64_t digit = (uint64_t)(*reader->at - '0');

		if (*number > (UINT64_MAX - digit) / 10)
			return fail(reader, "a number is too large");
		*number = *number * 10 + digit;
	}
	if (reader->at == start)
		return fail(reader, "a value is missing");
	if (*start == '0' && reader->at - start > 1)
		return fail(reader, "a number begins with 0");
	if (reader->at < reader->end && *reader->at && strchr(".eE", *reader->at))
		return fail(reader, "a number is not whole");
	return 0;
}

static bool is_known(const struct json *json, const char *object, const char *key)
{
	for (unsigned i = 0; i < json->count; i++)
		if (json->fields[i].object == object && !strcmp(json->fields[i].key, key))
			return true;
	return false;
}

static int read_object(struct reader *reader, const char *name);

static int read_value(struct reader *reader, struct json_field *field)
{
	skip_blanks(reader);
	if (reader->at == reader->end)
		return fail(reader, "a value is missing");
	switch (*reader->at) {
	case '"': field->kind = JSON_STRING; return read_string(reader, &field->string);
	case '[': return fail(reader, "there are no arrays here");
	case '-': return fail(reader, "a number is negative");
	case '{':
		field->kind = JSON_OBJECT;
		if (field->object)
			return fail(reader, "objects lie too deep");
		return read_object(reader, field->key);
	default: break;
	}
	field->kind = JSON_BOOL;
	field->number = take_word(reader, "true");
	if (field->number || take_word(reader, "false"))
		return 0;
	field->kind = JSON_NULL;
	if (take_word(reader, "null"))
		return 0;
	field->kind = JSON_NUMBER;
	return read_number(reader, &field->number);
}

static int read_field(struct reader *reader, const char *object)
{
	struct json *json = reader->json;
	struct json_field *field = &json->fields[json->count];
	const char *key;

	if (json->count == JSON_FIELDS_MAX)
		return fail(reader, "too many fields");
	if (read_string(reader, &key))
		return -1;
	if (is_known(json, object, key))
		return fail(reader, "a key stands there twice");
	if (!take(reader, ':'))
		return fail(reader, "a colon is missing");
	*field = (struct json_field){.object = object, .key = key};
	json->count++;
	return read_value(reader, field);
}

static int read_object(struct reader *reader, const char *name)
{
	if (!take(reader, '{'))
		return fail(reader, "no object");
	if (take(reader, '}'))
		return 0;
	do {
		if (read_field(reader, name))
			return -1;
	} while (take(reader, ','));
	return take(reader, '}') ? 0 : fail(reader, "an object does not end");
}

int json_parse(struct json *json, char *text, size_t length, const char **reason)
{
	struct reader reader = {.at = text, .end = text + length, .json = json};

	json->count = 0;
	if (read_object(&reader, NULL) == 0) {
		skip_blanks(&reader);
		if (reader.at == reader.end)
			return 0;
		fail(&reader, "something stands behind the object");
	}
	json->count = 0;
	*reason = reader.reason;
	return -1;
}

const struct json_field *json_find(const struct json *json, const char *key, enum json_kind kind)
{
	for (unsigned i = 0; i < json->count; i++) {
		const struct json_field *field = &json->fields[i];

		if (!field->object && field->kind == kind && !strcmp(field->key, key))
			return field;
	}
	return NULL;
}

const char *json_string(const struct json *json, const char *key)
{
	const struct json_field *field = json_find(json, key, JSON_STRING);

	return field ? field->string : NULL;
}

/* ---- writing ---- */

void json_escape(const char **text, char piece[static 8])
{
	const unsigned char *at = (const unsigned char *)*text;
	size_t length = utf8_length(at);

	if (!length)
		memcpy(piece, "\\ufffd", sizeof "\\ufffd");
	else if (*at < ' ' || *at == 0x7f)
		snprintf(piece, 8, "\\u%04x", *at);
	else if (*at == '"' || *at == '\\')
		snprintf(piece, 8, "\\%c", *at);
	else
		snprintf(piece, 8, "%.*s", (int)length, *text);
	*text += length ? length : 1;
}

static void put(struct json_writer *writer, const char *text)
{
	size_t length = strlen(text);

	if (writer->is_cut || length >= writer->size - writer->used) {
		writer->is_cut = true;
		return;
	}
	memcpy(writer->text + writer->used, text, length + 1);
	writer->used += length;
}

static void put_quoted(struct json_writer *writer, const char *text)
{
	char piece[8];

	put(writer, "\"");
	while (*text) {
		json_escape(&text, piece);
		put(writer, piece);
	}
	put(writer, "\"");
}

static void put_key(struct json_writer *writer, const char *key)
{
	if (writer->used && writer->text[writer->used - 1] != '{')
		put(writer, ", ");
	if (!key)
		return;
	put_quoted(writer, key);
	put(writer, ": ");
}

void json_begin(struct json_writer *writer, const char *key)
{
	if (key)
		put_key(writer, key);
	put(writer, "{");
}

void json_end(struct json_writer *writer)
{
	put(writer, "}");
}

void json_put_string(struct json_writer *writer, const char *key, const char *string)
{
	put_key(writer, key);
	if (string)
		put_quoted(writer, string);
	else
		put(writer, "null");
}

void json_put_number(struct json_writer *writer, const char *key, uint64_t number)
{
	char digits[24];

	snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
	put_key(writer, key);
	put(writer, digits);
}

void json_put_bool(struct json_writer *writer, const char *key, bool is_true)
{
	put_key(writer, key);
	put(writer, is_true ? "true" : "false");
}

void json_put_field(struct json_writer *writer, const struct json_field *field, const char **object)
{
	if (*object && field->object != *object)
		json_end(writer);
	*object = field->object;
	switch (field->kind) {
	case JSON_STRING: json_put_string(writer, field->key, field->string); break;
	case JSON_NUMBER: json_put_number(writer, field->key, field->number); break;
	case JSON_BOOL: json_put_bool(writer, field->key, field->number); break;
	case JSON_NULL: json_put_string(writer, field->key, NULL); break;
	case JSON_OBJECT:
		json_begin(writer, field->key);
		*object = field->key;
		break;
	}
}
