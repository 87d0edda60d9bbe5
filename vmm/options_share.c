/* SPDX-License-Identifier: Apache-2.0 */
/* The strict parser for the values of --share. */
#include "vmm/options_share.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static int share_error(struct mote_error *err,
                                                             const char *fmt, ...)
{
	char text[MOTE_ERROR_TEXT - 64];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	return mote_error_set(err, MOTE_STATUS_FAILED, "--share: %s (see mote help run)", text);
}

/* Cuts the text at its first comma and returns what is behind it; NULL where there is none. */
static char *cut(char *text)
{
	char *comma = strchr(text, ',');

	if (comma)
		*comma++ = '\0';
	return comma;
}

static int read_words(struct fs_share *share, char *word, struct mote_error *err)
{
	for (char *next; word; word = next) {
		next = cut(word);
		if (strcmp(word, "ro") == 0)
			share->is_read_only = true;
		else if (strcmp(word, "cache=none") == 0)
			share->cache = FS_CACHE_NONE;
		else if (strcmp(word, "cache=auto") == 0)
			share->cache = FS_CACHE_AUTO;
		else
			return share_error(err, "'%.64s' is not ro, cache=none or cache=auto",
			                   word);
	}
	return 0;
}

bool share_is_place(const char *guest)
{
	return *guest == '/' && strlen(guest) < FS_MOUNT_POINT_MAX && !strchr(guest, ',');
}

const struct fs_share *share_options_find(const struct share_options *shares, const char *guest)
{
	for (unsigned int i = 0; i < shares->count; i++) {
		if (strcmp(shares->list[i].mount_point, guest) == 0)
			return &shares->list[i];
	}
	return NULL;
}

/* Two shares in one place would hide one another. */
static int check_place(const struct share_options *shares, const char *guest,
                       struct mote_error *err)
{
	if (!share_is_place(guest))
		return share_error(err, "'%.64s'... is longer than %d bytes", guest,
		                   FS_MOUNT_POINT_MAX - 1);
	if (share_options_find(shares, guest))
		return share_error(err, "%s is given twice", guest);
	return 0;
}

int share_options_parse(struct share_options *shares, char *value, struct mote_error *err)
{
	struct fs_share share = {.host_directory = value, .cache = FS_CACHE_AUTO};
	char *guest = NULL, *words;

	if (shares->count == SHARES_MAX)
		return share_error(err, "a microVM has at most %d shared directories", SHARES_MAX);
	for (char *colon = strstr(value, ":/"); colon; colon = strstr(colon + 1, ":/"))
		guest = colon + 1;
	if (!guest || guest == value + 1)
		return share_error(err,
		                   "'%.64s' is not HOSTDIR:GUESTDIR with an absolute path in the "
		                   "guest, such as ./data:/data",
		                   value);
	guest[-1] = '\0';
	words = cut(guest);
	share.mount_point = guest;
	if (check_place(shares, guest, err) || read_words(&share, words, err))
		return -1;
	shares->list[shares->count++] = share;
	return 0;
}
