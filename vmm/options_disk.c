/* SPDX-License-Identifier: Apache-2.0 */
/* The strict parser for the values of --disk. */
#include "vmm/options_disk.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static int disk_error(struct mote_error *err, const char *fmt,
                                                            ...)
{
	char text[MOTE_ERROR_TEXT - 64];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	return mote_error_set(err, MOTE_STATUS_FAILED, "--disk: %s (see mote help run)", text);
}

/*
 * Cut the first word off a list with commas, where two commas are one that belongs to the word,
 * which is changed in place. Return: the rest behind the comma; NULL where there is none.
 */
static char *cut(char *word)
{
	char *to = word, *from = word;

	while (*from && (*from != ',' || from[1] == ',')) {
		from += *from == ',';
		*to++ = *from++;
	}
	from = *from ? from + 1 : NULL;
	*to = '\0';
	return from;
}

/* What becomes the name of a file in the guest. */
bool disk_is_id(const char *id)
{
	size_t length = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                           "0123456789._-");

	return length && length <= DISK_ID_MAX && !id[length] && *id != '.';
}

bool disk_options_has(const struct disk_options *disks, const char *id)
{
	for (unsigned i = 0; i < disks->count; i++)
		if (disks->list[i].id && !strcmp(disks->list[i].id, id))
			return true;
	return false;
}

static int set_id(const struct disk_options *disks, struct disk_option *disk, const char *id,
                  struct mote_error *err)
{
	if (!disk_is_id(id))
		return disk_error(err,
		                  "'%.64s': an id has 1 to %d letters, digits, dots, underscores "
		                  "and dashes, and no dot first",
		                  id, DISK_ID_MAX);
	if (disk_options_has(disks, id))
		return disk_error(err, "two disks have the id %s", id);
	disk->id = id;
	return 0;
}

static int read_words(const struct disk_options *disks, struct disk_option *disk, char *word,
                      struct mote_error *err)
{
	for (char *next; word; word = next) {
		next = cut(word);
		if (!strcmp(word, "ro"))
			disk->is_read_only = true;
		else if (!strcmp(word, "direct"))
			disk->is_direct = true;
		else if (strncmp(word, "id=", 3))
			return disk_error(err,
			                  "'%.64s' is not ro, direct or id=NAME; a comma in the "
			                  "name of a file is written twice",
			                  word);
		else if (set_id(disks, disk, word + 3, err))
			return -1;
	}
	return 0;
}

int disk_options_parse(struct disk_options *disks, char *value, struct mote_error *err)
{
	struct disk_option disk = {.path = value};

	if (disks->count == DISKS_MAX)
		return disk_error(err, "a microVM has at most %d disks", DISKS_MAX);
	if (read_words(disks, &disk, cut(value), err))
		return -1;
	if (!*disk.path)
		return disk_error(err, "the name of the file is empty");
	disks->list[disks->count++] = disk;
	return 0;
}
