/* SPDX-License-Identifier: Apache-2.0 */
/* Reader and writer of manifests. */
#include "vmm/app_manifest.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/options.h"

/*
 * How it works. A manifest is lines of a key, a space and a value, with the keys in the order of
 * the list below. In a value, control characters and the backslash stand as \xHH. The reader copies
 * the text once and decodes the values in place: they only become shorter.
 */

#define HEX "0123456789abcdef"

enum key {
	KEY_APP,
	KEY_ENTRY,
	KEY_ARGUMENT,
	KEY_ENV,
	KEY_DIRECTORY,
	KEY_MEMORY,
	KEY_SHARE,
	KEY_DISK,
	KEY_NETWORK,
	KEY_VSOCK,
	KEY_COUNT
};

/* Value of a key that says no more than itself. */
#define WANTED "wanted"

static const char *const key_names[KEY_COUNT] = {
        [KEY_APP] = "app",       [KEY_ENTRY] = "entry", [KEY_ARGUMENT] = "arg", [KEY_ENV] = "env",
        [KEY_DIRECTORY] = "cwd", [KEY_MEMORY] = "mem",  [KEY_SHARE] = "share",  [KEY_DISK] = "disk",
        [KEY_NETWORK] = "net",   [KEY_VSOCK] = "vsock",
};

static bool is_escaped(unsigned char c)
{
	return c < ' ' || c == 0x7f || c == '\\';
}

/* ---- reading ---- */

/* Value of "\xHH" at @at, which a zero ends; -1 where it is something else. */
static int unescape(const char *at)
{
	const char *high, *low;

	if (at[0] != '\\' || at[1] != 'x' || !at[2] || !at[3])
		return -1;
	high = strchr(HEX, at[2]);
	low = strchr(HEX, at[3]);
	return high && low ? (int)((high - HEX) << 4 | (low - HEX)) : -1;
}

/* Decodes a value in place. Escapes are for what needs them, and never for the end of a string. */
static int decode(char *value)
{
	char *to = value;

	for (const char *from = value; *from; from++) {
		int c = (unsigned char)*from;

		if (is_escaped((unsigned char)c)) {
			c = unescape(from);
			if (c <= 0 || !is_escaped((unsigned char)c))
				return -1;
			from += 3;
		}
		*to++ = (char)c;
	}
	*to = '\0';
	return 0;
}

/* A decimal number as printed by app_manifest_write(); 0 where it is something else. */
static uint64_t read_memory(const char *value)
{
	uint64_t bytes = 0;

	if (*value == '0')
		return 0;
	for (; *value >= '0' && *value <= '9' && bytes <= RUN_MEMORY_MAX; value++)
		bytes = bytes * 10 + (uint64_t)(*value - '0');
	return *value == '\0' && bytes >= RUN_MEMORY_MIN && bytes <= RUN_MEMORY_MAX &&
	                       bytes % 4096 == 0
	               ? bytes
	               : 0;
}

static const char *apply_wanted(bool *wanted, const char *value)
{
	*wanted = strcmp(value, WANTED) == 0;
	return *wanted ? NULL : "net or vsock says something else than " WANTED;
}

/* Stores a value. Returns NULL, or what is wrong with it. */
static const char *apply(struct app_manifest *manifest, enum key key, char *value)
{
	switch (key) {
	case KEY_APP:
		if (!*value || strchr(value, '/'))
			return "the app is not a name";
		break;
	case KEY_ENTRY:
		if (*value != '/' || strlen(value) >= RUN_PATH_MAX)
			return "the entry is not an absolute path";
		manifest->is_in_root = true;
		break;
	case KEY_ARGUMENT: manifest->arguments[manifest->argument_count++] = value; return NULL;
	case KEY_ENV:
		if (*value == '=' || !strchr(value, '='))
			return "a line of the environment is not K=V";
		manifest->env[manifest->env_count++] = value;
		return NULL;
	case KEY_DIRECTORY:
		if (*value != '/' || strlen(value) >= RUN_PATH_MAX)
			return "cwd is not an absolute path";
		manifest->cwd = value;
		return NULL;
	case KEY_MEMORY:
		manifest->memory_bytes = read_memory(value);
		return manifest->memory_bytes ? NULL : "mem is not a size in bytes that can be had";
	case KEY_SHARE:
		if (!share_is_place(value))
			return "a share is not an absolute path without a comma";
		if (manifest->share_count == SHARES_MAX)
			return "it has more shares than a microVM can have";
		manifest->shares[manifest->share_count++] = value;
		return NULL;
	case KEY_DISK:
		if (!disk_is_id(value))
			return "the name of a disk is none";
		if (manifest->disk_count == DISKS_MAX)
			return "it has more disks than a microVM can have";
		manifest->disks[manifest->disk_count++] = value;
		return NULL;
	case KEY_NETWORK: return apply_wanted(&manifest->wants_network, value);
	case KEY_VSOCK: return apply_wanted(&manifest->wants_vsock, value);
	case KEY_COUNT: break;
	}
	manifest->program = value;
	return NULL;
}

/* Finds the key of a line and cuts the line behind it; KEY_COUNT where there is none. */
static enum key find_key(char *line, char **value)
{
	char *space = strchr(line, ' ');
	enum key key = KEY_APP;

	if (!space)
		return KEY_COUNT;
	*space = '\0';
	*value = space + 1;
	while (key < KEY_COUNT && strcmp(key_names[key], line) != 0)
		key++;
	return key;
}

/* Whether a line with @key may follow one with @last, KEY_COUNT being none. */
static bool may_follow(enum key key, enum key last)
{
	if (last == KEY_COUNT)
		return key <= KEY_ENTRY;
	if (key == last)
		return key == KEY_ARGUMENT || key == KEY_ENV || key == KEY_SHARE || key == KEY_DISK;
	return key > KEY_ENTRY && key > last;
}

static const char *read_lines(struct app_manifest *manifest, char *text)
{
	enum key last = KEY_COUNT;

	for (char *line; *text;) {
		char *value;
		enum key key;
		const char *wrong;

		line = text;
		text += strcspn(text, "\n");
		*text++ = '\0'; /* every line has its end: see app_manifest_read() */
		key = find_key(line, &value);
		if (key == KEY_COUNT)
			return "a line has no key that is known";
		if (!may_follow(key, last))
			return "its lines are not in order";
		if (decode(value))
			return "a value has characters that cannot be there";
		wrong = apply(manifest, key, value);
		if (wrong)
			return wrong;
		last = key;
	}
	return last == KEY_COUNT ? "it is empty" : NULL;
}

/* #syscalls:load brk mmap munmap */
int app_manifest_read(struct app_manifest *manifest, const void *text, size_t size,
                      const char **reason)
{
	size_t lines = 0, arrays;
	char *copy;

	memset(manifest, 0, sizeof *manifest);
	*reason = "it is too long";
	if (size > APP_MANIFEST_MAX)
		return -1;
	*reason = "there is no memory for it";
	/* Each line is at most one entry of either array, and each array has a last NULL. The text
	 * may change while it is read, so it is copied first and then looked at. */
	manifest->storage = copy = malloc(size + 1);
	if (!copy)
		return -1;
	memcpy(copy, text, size);
	copy[size] = '\0';
	for (size_t i = 0; i < size; i++)
		lines += copy[i] == '\n';
	arrays = (lines + 2) * sizeof *manifest->arguments;
	*reason = "it is no text of whole lines";
	if (size == 0 || copy[size - 1] != '\n' || memchr(copy, '\0', size)) {
		app_manifest_free(manifest);
		return -1;
	}
	manifest->arguments = calloc(1, arrays);
	manifest->env = calloc(1, arrays);
	*reason = "there is no memory for it";
	if (manifest->arguments && manifest->env)
		*reason = read_lines(manifest, copy);
	if (!*reason)
		return 0;
	app_manifest_free(manifest);
	return -1;
}

void app_manifest_free(struct app_manifest *manifest)
{
	if (!manifest->storage)
		return;
	free(manifest->arguments);
	free(manifest->env);
	free(manifest->storage);
	memset(manifest, 0, sizeof *manifest);
}

/* ---- writing ---- */

struct writer {
	char *text;
	size_t length;
	bool is_full;
};

static void put(struct writer *writer, char c)
{
	if (writer->length < APP_MANIFEST_MAX)
		writer->text[writer->length++] = c;
	else
		writer->is_full = true;
}

static void put_line(struct writer *writer, enum key key, const char *value)
{
	for (const char *c = key_names[key]; *c; c++)
		put(writer, *c);
	put(writer, ' ');
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if (!is_escaped(c)) {
			put(writer, *value);
			continue;
		}
		put(writer, '\\');
		put(writer, 'x');
		put(writer, HEX[c >> 4]);
		put(writer, HEX[c & 15]);
	}
	put(writer, '\n');
}

size_t app_manifest_write(const struct app_manifest *manifest, char *text)
{
	struct writer writer = {.text = text};
	char number[24], *digit = number + sizeof number - 1;

	put_line(&writer, manifest->is_in_root ? KEY_ENTRY : KEY_APP, manifest->program);
	for (int i = 0; i < manifest->argument_count; i++)
		put_line(&writer, KEY_ARGUMENT, manifest->arguments[i]);
	for (int i = 0; i < manifest->env_count; i++)
		put_line(&writer, KEY_ENV, manifest->env[i]);
	if (manifest->cwd)
		put_line(&writer, KEY_DIRECTORY, manifest->cwd);
	if (manifest->memory_bytes) {
		*digit = '\0';
		for (uint64_t left = manifest->memory_bytes; left; left /= 10)
			*--digit = (char)('0' + left % 10);
		put_line(&writer, KEY_MEMORY, digit);
	}
	for (unsigned int i = 0; i < manifest->share_count; i++)
		put_line(&writer, KEY_SHARE, manifest->shares[i]);
	for (unsigned int i = 0; i < manifest->disk_count; i++)
		put_line(&writer, KEY_DISK, manifest->disks[i]);
	if (manifest->wants_network)
		put_line(&writer, KEY_NETWORK, WANTED);
	if (manifest->wants_vsock)
		put_line(&writer, KEY_VSOCK, WANTED);
	return writer.is_full ? 0 : writer.length;
}
