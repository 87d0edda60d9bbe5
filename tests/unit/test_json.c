/* SPDX-License-Identifier: Apache-2.0 */
/* JSON of the control socket: what is read, what is refused, and that both sides fit together. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/json.h"

static struct json json;
static const char *reason;

/* Without room behind it, so that reading on shows. */
static int parse(const char *text, size_t length)
{
	static char *copy;

	free(copy);
	copy = malloc(length ? length : 1);
	memcpy(copy, text, length);
	return json_parse(&json, copy, length, &reason);
}

static void assert_refused(const char *text, const char *why)
{
	cr_assert_eq(parse(text, strlen(text)), -1, "%s", text);
	cr_assert_str_eq(reason, why, "%s: %s", text, reason);
	cr_assert_eq(json.count, 0);
}

static void assert_string(const char *text, const char *value)
{
	cr_assert_eq(parse(text, strlen(text)), 0, "%s: %s", text, reason);
	cr_assert_str_eq(json_string(&json, "a"), value);
}

static void assert_number(const char *text, uint64_t value)
{
	cr_assert_eq(parse(text, strlen(text)), 0, "%s: %s", text, reason);
	cr_assert_eq(json_find(&json, "a", JSON_NUMBER)->number, value);
}

Test(json, reads_an_object)
{
	static const char text[] = " {\"a\": 1 ,\t\"b\":\"x\", \"c\" : true,\"d\":false,\"e\":null,"
	                           "\"f\":{\"a\":\"in\",\"z\":2},\"g\":{}} \r\n";

	cr_assert_eq(parse(text, sizeof text - 1), 0, "%s", reason);
	cr_assert_eq(json.count, 9);
	cr_assert_eq(json_find(&json, "a", JSON_NUMBER)->number, 1);
	cr_assert_str_eq(json_string(&json, "b"), "x");
	cr_assert_eq(json_find(&json, "c", JSON_BOOL)->number, 1);
	cr_assert_eq(json_find(&json, "d", JSON_BOOL)->number, 0);
	cr_assert_not_null(json_find(&json, "e", JSON_NULL));
	cr_assert_not_null(json_find(&json, "g", JSON_OBJECT));
	cr_assert_null(json_find(&json, "b", JSON_NUMBER));
	cr_assert_null(json_find(&json, "z", JSON_NUMBER), "a field of an object inside");
	cr_assert_str_eq(json.fields[6].object, "f");
	cr_assert_str_eq(json.fields[6].key, "a");
	cr_assert_str_eq(json.fields[6].string, "in");
	cr_assert_eq(parse("{}", 2), 0);
	cr_assert_eq(json.count, 0);
}

Test(json, undoes_escapes)
{
	assert_string("{\"a\":\"\"}", "");
	assert_string("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "\"\\/\b\f\n\r\t");
	assert_string("{\"\\u0061\":\"\\u00e9\\u20AC\\ud83d\\uDE00\"}",
	              "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	assert_string("{\"a\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}",
	              "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

Test(json, reads_whole_numbers)
{
	assert_number("{\"a\":0}", 0);
	assert_number("{\"a\":18446744073709551615}", UINT64_MAX);
	assert_refused("{\"a\":18446744073709551616}", "a number is too large");
	assert_refused("{\"a\":99999999999999999999999}", "a number is too large");
	assert_refused("{\"a\":01}", "a number begins with 0");
	assert_refused("{\"a\":-1}", "a number is negative");
	assert_refused("{\"a\":1.0}", "a number is not whole");
	assert_refused("{\"a\":1e3}", "a number is not whole");
	assert_refused("{\"a\":+1}", "a value is missing");
}

Test(json, refuses_what_is_none)
{
	assert_refused("", "no object");
	assert_refused("[]", "no object");
	assert_refused("1", "no object");
	assert_refused("{", "a string is missing");
	assert_refused("{a:1}", "a string is missing");
	assert_refused("{'a':1}", "a string is missing");
	assert_refused("{\"a\" 1}", "a colon is missing");
	assert_refused("{\"a\":}", "a value is missing");
	assert_refused("{\"a\":", "a value is missing");
	assert_refused("{\"a\":True}", "a value is missing");
	assert_refused("{\"a\":nul}", "a value is missing");
	assert_refused("{\"a\":1,}", "a string is missing");
	assert_refused("{\"a\":1", "an object does not end");
	assert_refused("{\"a\":1 \"b\":2}", "an object does not end");
	assert_refused("{\"a\":truex}", "an object does not end");
	assert_refused("{} {}", "something stands behind the object");
	assert_refused("{}x", "something stands behind the object");
	assert_refused("{\"a\":1,\"a\":2}", "a key stands there twice");
	assert_refused("{\"a\":1,\"\\u0061\":2}", "a key stands there twice");
	assert_refused("{\"a\":[1]}", "there are no arrays here");
	assert_refused("{\"a\":{\"b\":{}}}", "objects lie too deep");
}

Test(json, refuses_bad_strings)
{
	assert_refused("{\"a\":\"", "a string does not end");
	assert_refused("{\"a\":\"\\", "a string does not end");
	assert_refused("{\"a\":\"\\u12", "a string does not end");
	assert_refused("{\"a\":\"\\u12g4\"}", "\\u wants four hexadecimal digits");
	assert_refused("{\"a\":\"\\x\"}", "an unknown escape in a string");
	assert_refused("{\"a\":\"\\u0000\"}", "a string has a NUL");
	assert_refused("{\"a\":\"\n\"}", "a control character in a string");
	assert_refused("{\"a\":\"\\ud83d\"}", "half of a pair of \\u");
	assert_refused("{\"a\":\"\\ud83d\\u0041\"}", "half of a pair of \\u");
	assert_refused("{\"a\":\"\\ude00\"}", "half of a pair of \\u");
	assert_refused("{\"a\":\"\xff\"}", "a string is not UTF-8");
	assert_refused("{\"a\":\"\xc0\x80\"}", "a string is not UTF-8");
	assert_refused("{\"a\":\"\xed\xa0\x80\"}", "a string is not UTF-8");
	assert_refused("{\"a\":\"\xc3", "a string is not UTF-8");
	cr_assert_eq(parse("{\"a\":\"\0\"}", 9), -1);
	cr_assert_str_eq(reason, "a control character in a string");
	cr_assert_eq(parse("{\"a\":\"\\\0\"}", 10), -1);
	cr_assert_str_eq(reason, "an unknown escape in a string");
}

Test(json, refuses_more_fields_than_it_holds)
{
	char text[JSON_FIELDS_MAX * 16] = "{\"k0\":0";
	size_t used = strlen(text);

	for (int i = 1; i < JSON_FIELDS_MAX; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, ",\"k%d\":%d", i, i);
	strcpy(text + used, "}");
	cr_assert_eq(parse(text, used + 1), 0, "%s", reason);
	cr_assert_eq(json.count, JSON_FIELDS_MAX);
	strcpy(text + used, ",\"one more\":0}");
	assert_refused(text, "too many fields");
}

/* Cut anywhere it is no object any more; with any byte changed it is read or refused. */
Test(json, survives_any_damage)
{
	static const char text[] =
	        "{\"a\":\"\\ud83d\\ude00x\xe2\x82\xac\",\"b\":{\"c\":12,\"d\":true},\"e\":null}";

	for (size_t length = 0; length < sizeof text - 1; length++)
		cr_assert_eq(parse(text, length), -1);
	for (size_t at = 0; at < sizeof text - 1; at++) {
		for (int byte = 0; byte < 256; byte++) {
			char changed[sizeof text];

			memcpy(changed, text, sizeof text);
			changed[at] = (char)byte;
			if (parse(changed, sizeof text - 1))
				cr_assert_not_null(reason);
		}
	}
}

Test(json, writes_what_it_reads)
{
	char text[256];
	struct json_writer writer = {.text = text, .size = sizeof text};

	json_begin(&writer, NULL);
	json_put_bool(&writer, "ok", true);
	json_put_string(&writer, "a", "x\"\\\n\x7f\xc3\xa9");
	json_put_string(&writer, "n", NULL);
	json_begin(&writer, "in");
	json_put_number(&writer, "big", UINT64_MAX);
	json_end(&writer);
	json_begin(&writer, "none");
	json_end(&writer);
	json_put_bool(&writer, "no", false);
	json_end(&writer);
	cr_assert_not(writer.is_cut);
	cr_assert_str_eq(text,
	                 "{\"ok\": true, \"a\": \"x\\\"\\\\\\u000a\\u007f\xc3\xa9\", \"n\": null, "
	                 "\"in\": {\"big\": 18446744073709551615}, \"none\": {}, \"no\": false}");
	cr_assert_eq(parse(text, writer.used), 0, "%s", reason);
	cr_assert_str_eq(json_string(&json, "a"), "x\"\\\n\x7f\xc3\xa9");
	cr_assert_eq(json.fields[4].number, UINT64_MAX);
}

Test(json, writes_bytes_that_are_no_text_as_such)
{
	char text[64];
	struct json_writer writer = {.text = text, .size = sizeof text};

	json_begin(&writer, NULL);
	json_put_string(&writer, "a",
	                "\xff"
	                "b\xe2\x82");
	json_end(&writer);
	cr_assert_str_eq(text, "{\"a\": \"\\ufffdb\\ufffd\\ufffd\"}");
}

Test(json, says_when_something_did_not_fit)
{
	char text[12];

	for (size_t size = 1; size <= sizeof text; size++) {
		struct json_writer writer = {.text = text, .size = size};

		json_begin(&writer, NULL);
		json_put_number(&writer, "a", 123);
		json_end(&writer);
		cr_assert_eq(writer.is_cut, size < sizeof "{\"a\": 123}");
		cr_assert_lt(writer.used, size);
	}
}
