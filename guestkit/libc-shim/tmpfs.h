/* SPDX-License-Identifier: Apache-2.0 */
/* tmpfs inside: what its files share. */
#ifndef MOTE_LIBC_SHIM_TMPFS_H
#define MOTE_LIBC_SHIM_TMPFS_H

#include "guestkit/libc-shim/page_tree.h"
#include "guestkit/libc-shim/vfs.h"

struct tmpfs_inode;

/* A name in a directory. */
struct tmpfs_entry {
	struct tmpfs_entry *next;  /* of the same hash bucket */
	struct tmpfs_inode *inode; /* referenced; NULL: the name below was removed */
	uint64_t cookie;
	uint32_t hash;
	uint8_t length;
	bool hides; /* a name that the directory below has */
	char name[];
};

/*
 * A directory's names: by name in a hash table, and for reading in order of their cookies. Cookies
 * only grow and are never used again, so a reader loses its place neither when names before it are
 * removed nor when `order` is compacted.
 */
struct tmpfs_directory {
	struct tmpfs_inode *parent; /* referenced, but for the root's own */
	struct tmpfs_entry **buckets;
	struct tmpfs_slot {
		uint64_t cookie;
		struct tmpfs_entry *entry; /* NULL: removed */
	} * order;
	uint64_t next_cookie;
	uint32_t bucket_count; /* a power of two, or 0 */
	uint32_t count;        /* entries, removed names below included */
	uint32_t order_used, order_size;
};

struct tmpfs_inode {
	struct inode base;
	union {
		struct tmpfs_directory directory;
		struct page_tree pages; /* regular file */
		struct pipe *pipe;      /* FIFO: while it is open */
		char *target;           /* symbolic link: heap, base.size bytes */
	};
	/* Where this is the writable side of a file of a read-only file system: */
	struct inode *lower; /* referenced; NULL: it is not */
	uint64_t lower_end;  /* bytes of a regular file that are read there where there is no frame:
	                      * whole pages, or all that it has */
	bool is_kept;        /* it differs: one more reference keeps it while it has a name */
	bool is_lower_mapped; /* frames from there may be in page tables */
	bool is_linkable;     /* made without a name: link(2) may give it one */
	uint8_t seals;        /* F_SEAL_* of a regular file */
};

static inline struct tmpfs_inode *tmpfs_inode(struct inode *inode)
{
	return (struct tmpfs_inode *)inode;
}

/* "." or ".."? */
static inline bool tmpfs_is_dots(const char *name, size_t length)
{
	return name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.'));
}

/* Is so little memory free that tmpfs must leave it to the program? */
bool tmpfs_is_full(void);

/* The operations of an inode of a type. */
const struct inode_ops *tmpfs_ops_of(uint32_t mode);

/* ---- tmpfs.c, for those who change what names lead to ---- */

/* Let a name that there is not lead to an inode, whose reference is taken over on success. Return:
 * 0 or -ENOSPC. */
int tmpfs_enter(struct inode *dir, const char *name, size_t length, struct tmpfs_inode *node);
/* The entry of a name, made where there only is one below. Return: 0; -ENOENT, then *entry may be
 * NULL; -ENOSPC or what the file system below says. */
int tmpfs_own_entry(struct inode *dir, const char *name, size_t length, struct tmpfs_entry **entry);
/* The name is gone; its reference stays with the caller. */
void tmpfs_drop_entry(struct inode *dir, struct tmpfs_entry *entry);
/* An inode has lost the entry in @dir that led to it, whose reference is dropped here. */
void tmpfs_drop_inode(struct inode *dir, struct tmpfs_inode *node);
/* A directory is in @dir from now on. */
void tmpfs_set_parent(struct tmpfs_inode *node, struct inode *dir);
void tmpfs_directory_changed(struct inode *dir);
bool tmpfs_is_empty(struct tmpfs_inode *dir);

/* ---- tmpfs_rename.c: inode_ops.rename ---- */

int tmpfs_rename(struct inode *from, const char *from_name, size_t from_length, struct inode *to,
                 const char *to_name, size_t to_length, unsigned flags);

/* ---- tmpfs_directory.c: no reference is counted here ---- */

struct tmpfs_entry *tmpfs_entry_find(const struct tmpfs_directory *dir, const char *name,
                                     size_t length);
/* Add a name that is not there: the entry, or NULL when memory is short. */
struct tmpfs_entry *tmpfs_entry_add(struct tmpfs_directory *dir, const char *name, size_t length,
                                    struct tmpfs_inode *inode);
void tmpfs_entry_remove(struct tmpfs_directory *dir, struct tmpfs_entry *entry);
/* First entry with an inode whose cookie is at least @cookie, or NULL. */
struct tmpfs_entry *tmpfs_entry_from(const struct tmpfs_directory *dir, uint64_t cookie);
/* Free the tables of a directory that is empty but for removed names. */
void tmpfs_directory_free(struct tmpfs_directory *dir);

/* ---- tmpfs_file.c ---- */

extern const struct file_ops tmpfs_file_ops;

int tmpfs_truncate(struct inode *inode, uint64_t size);

/* A regular file without a name in a file system of its own, for memfd_create: NULL when memory is
 * short. */
struct tmpfs_inode *tmpfs_create_memfd(uint32_t mode);

/* ---- tmpfs_lower.c: the read-only file system below ---- */

/* The other side of a copy: the application's memory, or the kit's where `kit` is set. */
struct tmpfs_side {
	uint64_t user;
	unsigned char *kit;
};

/* The name that a directory has below, whatever its entries say: referenced. Return: 0, -ENOENT or
 * what the file system below says. */
int tmpfs_lower_lookup(struct tmpfs_inode *dir, const char *name, size_t length,
                       struct tmpfs_inode **found);

/* As inode_ops.readdir, the names below that no entry hides; *cookie counts from 0. */
int tmpfs_lower_readdir(struct tmpfs_inode *dir, uint64_t *cookie, struct dir_entry *out);

/* Something of it is about to differ from what is below, and is not to be forgotten. */
void tmpfs_keep(struct tmpfs_inode *node);
/* It has lost its last name. */
void tmpfs_forget(struct tmpfs_inode *node);

/* Copy from below, to bytes before lower_end. Return: bytes copied (fewer before a bad pointer or
 * damage), or a negative errno. */
int64_t tmpfs_lower_read(const struct tmpfs_inode *node, uint64_t at, const struct tmpfs_side *to,
                         size_t length);

/* Frame of a page below, for reading: as file_ops.page. */
int tmpfs_lower_page(struct tmpfs_inode *node, uint64_t index, uint64_t *physical);

/* The frames from below are no longer what the file has. */
void tmpfs_lower_unmap(struct tmpfs_inode *node);

/* Is this the number of the file system that has another below it? */
bool tmpfs_has_lower(uint64_t fs_id);

#endif
