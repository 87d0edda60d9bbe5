/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files, and the error of a program that ends with one. */
#ifndef MOTE_MEASURE_FILE_H
#define MOTE_MEASURE_FILE_H

#include <stddef.h>

#include "vmm/error.h"

/**
 * file_read() - Read a whole file.
 * @max:  bytes; a larger file is an error
 * @text: set to a copy with a NUL behind it, the caller's to free()
 */
int file_read(const char *path, size_t max, char **text, size_t *size, struct mote_error *err);

/* One line on stderr, in which nothing steers the terminal. */
void file_print_error(struct mote_error *err);

#endif
