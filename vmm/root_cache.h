/* SPDX-License-Identifier: Apache-2.0 */
/* Where root images made from directories are kept between runs. */
#ifndef MOTE_VMM_ROOT_CACHE_H
#define MOTE_VMM_ROOT_CACHE_H

#include <stddef.h>

#include "vmm/root_tree.h"

/* Images kept; the least recently used go first. */
#define ROOT_CACHE_IMAGES 16

/* Bytes of an image's file name, with the final zero. */
#define ROOT_CACHE_NAME 40

/* The directory of cached images. */
struct root_cache {
	int directory; /* descriptor, or -1: there is none that can be trusted */
	char path[4096];
};

/**
 * root_cache_open() - Find the cache directory, making it where it is missing.
 * @cache: filled; ->directory is -1 where there is no home, no permission, or where someone else
 *         could write to it; closed by root_cache_close()
 */
void root_cache_open(struct root_cache *cache);

/* Close the directory's descriptor; images that were opened stay open. */
void root_cache_close(struct root_cache *cache);

/* The file name of a tree's image. */
void root_cache_name(const struct root_fingerprint *fingerprint, char name[ROOT_CACHE_NAME]);

/**
 * root_cache_find() - Open a tree's image and count it as used now.
 *
 * The file is a regular one, the caller's own and writable by no one else; its content is
 * unchecked. Return: a descriptor, or -1.
 */
int root_cache_find(const struct root_cache *cache, const struct root_fingerprint *fingerprint);

/**
 * root_cache_create() - Create a temporary file, which root_cache_keep() gives its name later.
 * @directory: path of the directory, the cache or another
 * @path:      set to the path of the file, which has mode 0600 and is empty
 *
 * Removes such files first that an interrupted build left an hour ago or more.
 *
 * Return: a descriptor for reading and writing, or -1 with errno set.
 */
int root_cache_create(const char *directory, char *path, size_t size);

/**
 * root_cache_keep() - Put a finished temporary file into its place, and trim the cache.
 * @temporary: path from root_cache_create(); gone afterwards in any case
 *
 * Removes all but the ROOT_CACHE_IMAGES most recently used images. What cannot be done is left: the
 * next run builds anew.
 */
void root_cache_keep(const struct root_cache *cache, const struct root_fingerprint *fingerprint,
                     const char *temporary);

#endif
