/* SPDX-License-Identifier: Apache-2.0 */
/* Directories that are the user's own. */
#ifndef MOTE_VMM_PRIVATE_DIRECTORY_H
#define MOTE_VMM_PRIVATE_DIRECTORY_H

/**
 * private_directory_open() - Open a directory that is the caller's and that no one else can write
 * to.
 * @parent: directory that a relative @name is in, or AT_FDCWD
 *
 * Return: a descriptor, or -1: it is not there, or somebody else's.
 */
int private_directory_open(int parent, const char *name);

/**
 * private_directory_make() - The same, of one that is made if need be, with those above it.
 * @path: absolute
 *
 * Return: a descriptor, or -1 with errno.
 */
int private_directory_make(const char *path);

#endif
