/* SPDX-License-Identifier: Apache-2.0 */
/* The values of --share: directories of the host for the guest. */
#ifndef MOTE_VMM_OPTIONS_SHARE_H
#define MOTE_VMM_OPTIONS_SHARE_H

#include "virtio/fs.h"

#define SHARES_MAX 8

struct share_options {
	struct fs_share list[SHARES_MAX];
	unsigned int count;
};

/**
 * share_options_parse() - Read one --share, HOSTDIR:GUESTDIR[,ro][,cache=none|auto], and add it.
 * @value: is cut into pieces; the list keeps pointers into it
 *
 * HOSTDIR may have colons and commas: GUESTDIR begins at the last colon with a slash behind it.
 *
 * Return: 0, or -1 with @err set.
 */
int share_options_parse(struct share_options *shares, char *value, struct mote_error *err);

/** share_is_place() - Whether a text can be a GUESTDIR. */
bool share_is_place(const char *guest);

/** share_options_find() - The share at a place of the guest, or NULL. */
const struct fs_share *share_options_find(const struct share_options *shares, const char *guest);

#endif
