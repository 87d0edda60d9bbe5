/* SPDX-License-Identifier: Apache-2.0 */
/* tmpfs inside: what its three files share. */
#ifndef MOTE_LIBC_SHIM_TMPFS_H
#define MOTE_LIBC_SHIM_TMPFS_H

#include "guestkit/libc-shim/page_tree.h"
#include "guestkit/libc-shim/vfs.h"

struct tmpfs_inode;

/* A name in a directory. */
struct tmpfs_entry {
	struct tmpfs_entry *next;  /* of the same hash bucket */
	struct tmpfs_inode *inode; /* referenced */
	uint64_t cookie;
	uint32_t hash;
	uint8_t length;
	char name[];
};

/*
 * A directory's names: by name in a hash table, and for reading in order of their cookies. Cookies
 * only grow and are never used again, so a reader loses its place neither when names before it are
 * removed nor when `order` is compacted.
 */
struct tmpfs_directory {
	struct tmpfs_inode *parent; /* referenced only once the directory was removed */
	struct tmpfs_entry **buckets;
	struct tmpfs_slot {
		uint64_t cookie;
		struct tmpfs_entry *entry; /* NULL: removed */
	} * order;
	uint64_t next_cookie;
	uint32_t bucket_count; /* a power of two, or 0 */
	uint32_t count;        /* entries */
	uint32_t order_used, order_size;
};

struct tmpfs_inode {
	struct inode base;
	union {
		struct tmpfs_directory directory;
		struct page_tree pages; /* regular file */
		char *target;           /* symbolic link: heap, base.size bytes */
	};
};

static inline struct tmpfs_inode *tmpfs_inode(struct inode *inode)
{
	return (struct tmpfs_inode *)inode;
}

/* Is so little memory free that tmpfs must leave it to the program? */
bool tmpfs_is_full(void);

/* ---- tmpfs_directory.c: no reference is counted here ---- */

struct tmpfs_entry *tmpfs_entry_find(const struct tmpfs_directory *dir, const char *name,
                                     size_t length);
/* Add a name that is not there. Return: 0 or -ENOSPC. */
int tmpfs_entry_add(struct tmpfs_directory *dir, const char *name, size_t length,
                    struct tmpfs_inode *inode);
void tmpfs_entry_remove(struct tmpfs_directory *dir, struct tmpfs_entry *entry);
/* First entry whose cookie is at least @cookie, or NULL. */
struct tmpfs_entry *tmpfs_entry_from(const struct tmpfs_directory *dir, uint64_t cookie);
/* Free the tables of an empty directory. */
void tmpfs_directory_free(struct tmpfs_directory *dir);

/* ---- tmpfs_file.c ---- */

extern const struct file_ops tmpfs_file_ops;

int tmpfs_truncate(struct inode *inode, uint64_t size);

#endif
