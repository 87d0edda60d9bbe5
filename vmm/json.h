/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON (RFC 8259), as much as the control socket needs: an object of strings, whole numbers, true,
 * false and null, and of such objects. No arrays, nothing deeper.
 */
#ifndef MOTE_VMM_JSON_H
#define MOTE_VMM_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_FIELDS_MAX 48

enum json_kind { JSON_STRING, JSON_NUMBER, JSON_BOOL, JSON_NULL, JSON_OBJECT };

struct json_field {
	const char *object; /* key of the object that it is in; NULL: of the outermost */
	const char *key;
	enum json_kind kind;
	const char *string; /* JSON_STRING */
	uint64_t number;    /* JSON_NUMBER; 1 for a true JSON_BOOL */
};

struct json {
	struct json_field fields[JSON_FIELDS_MAX]; /* those of an object follow on it */
	unsigned count;
};

/**
 * json_parse() - Read one object.
 * @text:   changed: keys and strings are made of it, and last as long
 * @length: bytes of it; it need not end with NUL
 * @reason: on failure, what is wrong, in a few words
 *
 * Strict: UTF-8 without NUL, no key twice in an object, numbers from 0 to UINT64_MAX and without
 * fraction or exponent, nothing behind the object but blanks.
 *
 * Return: 0 or -1.
 */
int json_parse(struct json *json, char *text, size_t length, const char **reason);

/* The field of this key of the outermost object, if it is of that kind; or NULL. */
const struct json_field *json_find(const struct json *json, const char *key, enum json_kind kind);

/* Its string, or NULL. */
const char *json_string(const struct json *json, const char *key);

/* ---- writing ---- */

/**
 * json_escape() - Take the first character off a text, as it stands in a JSON string.
 * @text:  not at its end; moved on. A byte that is no UTF-8 becomes U+FFFD, which stands for such
 * @piece: filled, NUL-terminated
 */
void json_escape(const char **text, char piece[static 8]);

struct json_writer {
	char *text; /* NUL-terminated */
	size_t size, used;
	bool is_cut; /* something did not fit */
};

/* An object is put between these; @key: of an object inside another, else NULL. */
void json_begin(struct json_writer *writer, const char *key);
void json_end(struct json_writer *writer);

/* Fields. @string may be NULL, for null. */
void json_put_string(struct json_writer *writer, const char *key, const char *string);
void json_put_number(struct json_writer *writer, const char *key, uint64_t number);
void json_put_bool(struct json_writer *writer, const char *key, bool is_true);

/**
 * json_put_field() - Write a field as it was read; of several, in their order.
 * @object: of the field before, NULL at the beginning; an object that is over is ended. At the end
 *          that of the last one is the caller's to end, where it is not NULL
 */
void json_put_field(struct json_writer *writer, const struct json_field *field,
                    const char **object);

#endif
