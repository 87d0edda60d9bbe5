/* SPDX-License-Identifier: Apache-2.0 */
/* Path walking in steps, for system calls that need more than the inode at the end. */
#ifndef MOTE_LIBC_SHIM_WALK_H
#define MOTE_LIBC_SHIM_WALK_H

#include "guestkit/libc-shim/vfs.h"

/*
 * A walk that stands before the last component of its path. The text that is still to be walked
 * lies in a static buffer: after walk_last() or walk_end(), or once only `dir` and `last` are used,
 * the next walk may start. walk_end() must follow walk_start() however that ended.
 */
struct walk {
	struct inode *dir;  /* referenced: where `last` is looked up; NULL when the walk failed */
	const char *rest;   /* what follows `last` */
	unsigned links;     /* symbolic links followed so far */
	bool has_slash;     /* slashes follow `last`: it must be a directory */
	bool is_tracked;    /* the absolute path of `dir` is being kept; see walk_path() */
	bool is_for_file;   /* set by the caller to make a file: slashes behind its name are -EISDIR
	                     */
	bool has_jumped;    /* `last` led through a magic link */
	uint32_t resolve;   /* RESOLVE_* of openat2 */
	struct inode *base; /* referenced where `resolve` asks for it: the walk's start */
	uint8_t length;     /* of `last` */
	char last[VFS_NAME_MAX + 1]; /* "." for "/" */
};

/**
 * walk_start() - Walk up to the last component of a path.
 * @dirfd: descriptor or AT_FDCWD; not looked at for an absolute path
 * @path:  kit memory
 * @track: keep the text of the path for walk_path()
 */
int walk_start(struct walk *walk, int dirfd, const char *path, bool track);

/* The same under rules: @resolve is RESOLVE_* of openat2(2). */
int walk_start_resolving(struct walk *walk, int dirfd, const char *path, bool track,
                         uint32_t resolve);

/**
 * walk_last() - Find the last component.
 * @follow: follow it if it is a symbolic link (it is followed anyway where has_slash is set)
 * @found:  set to the referenced inode, or to NULL when the directory has no such name
 *
 * `dir` and `last` are then the place behind all links that were followed.
 */
int walk_last(struct walk *walk, bool follow, struct inode **found);

/**
 * walk_new_name() - Walk to where a name is to be made, instead of walk_start().
 * @directory: slashes may follow the name
 *
 * Return: 0 if it can be made in `dir` as `last`; -EEXIST, -EROFS...
 */
int walk_new_name(struct walk *walk, int dirfd, const char *path, bool directory);

/* Absolute path of what walk_last() found, on the heap, or NULL when it cannot be told. */
char *walk_path(struct walk *walk);

/* Is the last component "." or ".."? */
bool walk_is_dots(const struct walk *walk);

void walk_end(struct walk *walk);

#endif
