/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files, and the error of a program that ends with one. */
#include "measure/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FIRST_ROOM 65536u

/* A pipe has no size beforehand: it is read as a file is. */
static int read_all(FILE *file, size_t max, char **text, size_t *size)
{
	size_t room = FIRST_ROOM, length = 0, got;
	char *bytes = malloc(room + 1), *more;

	while (bytes && length <= max) {
		got = fread(bytes + length, 1, room - length, file);
		length += got;
		if (got == 0)
			break;
		if (length < room)
			continue;
		more = realloc(bytes, 2 * room + 1);
		if (!more)
			break;
		bytes = more;
		room *= 2;
	}
	if (!bytes || !feof(file)) {
		free(bytes);
		return -1;
	}
	bytes[length] = '\0';
	*text = bytes;
	*size = length;
	return 0;
}

int file_read(const char *path, size_t max, char **text, size_t *size, struct mote_error *err)
{
	FILE *file = fopen(path, "re");
	struct stat status;
	int result;

	if (!file)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot open %.256s", path);
	if (fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode) &&
	    status.st_size > (off_t)max) {
		fclose(file);
		return mote_error_set(err, MOTE_STATUS_FAILED,
		                      "cannot use %.256s: it is longer than %zu bytes", path, max);
	}
	result = read_all(file, max, text, size);
	if (result)
		mote_error_errno(err, MOTE_STATUS_FAILED, "cannot read %.256s", path);
	fclose(file);
	return result;
}

void file_print_error(struct mote_error *err)
{
	for (char *c = err->text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = *c == '\t' ? ' ' : '?';
	fprintf(stderr, "mote: %s\n", err->text);
}
