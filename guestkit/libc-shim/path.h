/* SPDX-License-Identifier: Apache-2.0 */
/* What the system calls on paths share. */
#ifndef MOTE_LIBC_SHIM_PATH_H
#define MOTE_LIBC_SHIM_PATH_H

#include "guestkit/libc-shim/vfs.h"

/* As umask(2) set it. */
extern uint32_t file_creation_mask;

/**
 * path_read() - Copy a path from the application.
 * @slot: 0 or 1: which of two static buffers; it holds until the next system call
 * @path: set to the copy
 *
 * Return: 0, -EFAULT, -ENAMETOOLONG.
 */
int path_read(unsigned slot, uint64_t user_path, char **path);

/**
 * path_find() - Find what the dirfd and path of an *at() call name.
 * @user_path: address of the path; with AT_EMPTY_PATH in @flags it may be empty or NULL
 * @flags:     AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH; others are not looked at
 * @found:     set to a referenced inode
 */
int path_find(uint64_t dirfd, uint64_t user_path, uint32_t flags, struct inode **found);

/* A third static buffer, of VFS_PATH_MAX bytes, for a path to give to the application. */
char *path_scratch(void);

/* The inode of a descriptor, not referenced. Return: 0, -EBADF (also O_PATH unless @allow_path). */
int descriptor_inode(uint64_t fd, bool allow_path, struct inode **inode);

#endif
