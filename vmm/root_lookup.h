/* SPDX-License-Identifier: Apache-2.0 */
/* Finds files in the root image. */
#ifndef MOTE_VMM_ROOT_LOOKUP_H
#define MOTE_VMM_ROOT_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

struct root_file {
	const unsigned char
	        *bytes; /* all of it, in the image; NULL: it does not lie in one piece */
	uint64_t size;
};

/**
 * root_lookup() - Find a regular file in the root image.
 * @image: hostile; @size bytes
 * @path:  absolute; symbolic links are followed inside the root
 *
 * Return: whether there is one.
 */
bool root_lookup(const void *image, uint64_t size, const char *path, struct root_file *file);

#endif
