/* SPDX-License-Identifier: Apache-2.0 */
/* File systems that are a constant table: /dev, /proc and the built-in root. */
#ifndef MOTE_LIBC_SHIM_PSEUDO_FS_H
#define MOTE_LIBC_SHIM_PSEUDO_FS_H

#include "guestkit/libc-shim/text.h"
#include "guestkit/libc-shim/vfs.h"

#define PSEUDO_STORE_MAX 128

/* One file. What is not named is not there. */
struct pseudo_node {
	const char *path; /* from the file system's root, which is ""; parents before children */
	uint32_t mode;    /* type and permissions */
	uint64_t device;  /* of a device node */
	/* Bytes of a regular file, or target of a symbolic link: constant, or made when asked for.
	 */
	const char *content;
	void (*generate)(struct text *text);
	/* Take what is written to the file, less than PSEUDO_STORE_MAX bytes and a NUL behind them:
	 * 0 or a negative errno. NULL: it cannot be written to */
	int (*store)(const char *text, size_t length);
	const struct inode_ops *ops;     /* in place of this file system's own */
	const struct file_ops *file_ops; /* of a device */
	int (*open)(struct inode *inode, struct file *file);
};

/**
 * pseudo_fs_create() - Make a read-only file system of a table.
 * @nodes: constant; the first is the root; st_ino is the index plus one
 * @count: of nodes
 * @magic: f_type of statfs(2)
 *
 * Inodes are made when they are first looked up, and then stay.
 *
 * Return: the root, referenced, or NULL when memory is short.
 */
struct inode *pseudo_fs_create(const struct pseudo_node *nodes, size_t count, uint64_t magic);

/* The table with more behind it, in memory of its own, or as it is; @count is updated. */
typedef const struct pseudo_node *pseudo_grow(const struct pseudo_node *nodes, size_t *count);

/**
 * pseudo_fs_create_growing() - The same of a table that is completed when that is looked at.
 * @more: called when a name is not in @nodes, or all names are asked for, until it has added some
 * @room: how many it may add
 */
struct inode *pseudo_fs_create_growing(const struct pseudo_node *nodes, size_t count,
                                       uint64_t magic, pseudo_grow *more, size_t room);

/* Find a path of the first table from the root in such a file system: referenced; NULL when memory
 * is short. */
struct inode *pseudo_fs_inode(struct inode *root, const char *path);

/* Content of an open file whose inode is not of a table: its open() gives the text to
 * file->private, in heap memory. */
extern const struct file_ops pseudo_text_ops;

/* For directories with ops of their own: find "..", and give "." and ".." at cookies 0 and 1. */
int pseudo_fs_parent(struct inode *dir, struct inode **found);
int pseudo_fs_dots(struct inode *dir, uint64_t *cookie, struct dir_entry *entry);

/* st_rdev of a device number, as makedev() packs small ones. */
#define PSEUDO_DEVICE(major, minor) ((uint64_t)(major) << 8 | (minor))

#endif
