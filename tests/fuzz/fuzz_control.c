/* SPDX-License-Identifier: Apache-2.0 */
/* A line to the control socket: read, and if it is good, written and read again. */
#include <stdlib.h>

#include "vmm/json.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static char *copy_of(const void *text, size_t size)
{
	char *copy = malloc(size ? size : 1);

	memcpy(copy, text, size);
	return copy;
}

static void write_again(const struct json *json, struct json_writer *writer)
{
	const char *object = NULL;

	json_begin(writer, NULL);
	for (unsigned i = 0; i < json->count; i++)
		json_put_field(writer, &json->fields[i], &object);
	if (object)
		json_end(writer);
	json_end(writer);
}

static void assert_same(const struct json_field *a, const struct json_field *b)
{
	require(a->kind == b->kind && !strcmp(a->key, b->key) && !a->object == !b->object);
	require(!a->object || !strcmp(a->object, b->object));
	require(a->kind != JSON_STRING || !strcmp(a->string, b->string));
	require((a->kind != JSON_NUMBER && a->kind != JSON_BOOL) || a->number == b->number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = copy_of(data, size), *again;
	static struct json first, second;
	const char *reason = NULL;
	struct json_writer writer = {.size = 8 * size + 64};

	if (json_parse(&first, text, size, &reason)) {
		require(reason && !first.count);
		free(text);
		return 0;
	}
	writer.text = malloc(writer.size);
	write_again(&first, &writer);
	require(!writer.is_cut);
	again = copy_of(writer.text, writer.used);
	require(json_parse(&second, again, writer.used, &reason) == 0);
	require(first.count == second.count);
	for (unsigned i = 0; i < first.count; i++)
		assert_same(&first.fields[i], &second.fields[i]);
	free(again);
	free(writer.text);
	free(text);
	return 0;
}
