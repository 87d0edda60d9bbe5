/* SPDX-License-Identifier: Apache-2.0 */
/* The values of --disk: files and block devices of the host for the guest. */
#ifndef MOTE_VMM_OPTIONS_DISK_H
#define MOTE_VMM_OPTIONS_DISK_H

#include <stdbool.h>

#include "vmm/error.h"

#define DISKS_MAX   8
#define DISK_ID_MAX 20 /* bytes, without a NUL */

struct disk_option {
	const char *path; /* never empty */
	const char *id;   /* NULL: none */
	bool is_read_only;
	bool is_direct; /* past the host's page cache */
};

struct disk_options {
	struct disk_option list[DISKS_MAX];
	unsigned count;
};

/**
 * disk_options_parse() - Read one --disk, FILE[,ro][,direct][,id=NAME], and add it.
 * @value: is cut into pieces; the list keeps pointers into it. Two commas are one of the file's
 * name
 *
 * Return: 0, or -1 with @err set.
 */
int disk_options_parse(struct disk_options *disks, char *value, struct mote_error *err);

/** disk_is_id() - Whether a text can be the NAME of id=NAME. */
bool disk_is_id(const char *id);

/** disk_options_has() - Whether there is a disk with that name. */
bool disk_options_has(const struct disk_options *disks, const char *id);

#endif
