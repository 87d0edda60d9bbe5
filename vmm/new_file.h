/* SPDX-License-Identifier: Apache-2.0 */
/* A file that gets its name only when it is whole: the old one, or none, stays until then. */
#ifndef MOTE_VMM_NEW_FILE_H
#define MOTE_VMM_NEW_FILE_H

#include <limits.h>
#include <stdbool.h>

#include "vmm/error.h"

struct new_file {
	int fd;           /* empty, for reading and writing, mode 0600; -1: none */
	int directory;    /* that it gets its name in */
	const char *path; /* as given; the caller's */
	char name[NAME_MAX + 1], temporary[NAME_MAX + 1]; /* in the directory */
	bool is_named; /* it has the name @temporary: the file system has no files without */
};

/**
 * new_file_create() - Make a file beside the one that it is to replace.
 * @path: that it gets in the end; kept, and nothing is there, or a regular file
 *
 * The file has no name: whoever holds it open may die at any moment, and nothing of it stays. On
 * file systems without such files it has a name of its own, which the next one for the same @path
 * takes over once nobody holds the first open.
 *
 * Return: 0, or -1 with @err: MOTE_STATUS_FAILED.
 */
int new_file_create(struct new_file *file, const char *path, struct mote_error *err);

/**
 * new_file_keep() - Give the file its name, in the place of one that has it.
 *
 * The caller has synced the contents; the name is, when this returns. The descriptors are closed,
 * whatever the result. Killed meanwhile, it leaves the old file or the new one.
 *
 * Return: 0, or -1 with @err, and the old file is as it was.
 */
int new_file_keep(struct new_file *file, struct mote_error *err);

/* Throw the file away, unless it was kept. */
void new_file_discard(struct new_file *file);

#endif
