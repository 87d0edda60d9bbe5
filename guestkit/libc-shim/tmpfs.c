/* SPDX-License-Identifier: Apache-2.0 */
/* tmpfs: a file system in memory. */
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/stat.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/tmpfs.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"

/*
 * How it works
 *
 * A directory's entries hold references to their inodes; `links` counts entries (of a directory:
 * two and its subdirectories), so an unlinked file lives on while it is open. A directory knows its
 * parent without a reference while it is in it, and by a reference once it was removed.
 */

#define ENTRY_BYTES \
	20 /* what an entry ("." and ".." too) adds to a directory's st_size, as on Linux */

static const struct inode_ops tmpfs_ops, tmpfs_special_ops;

bool tmpfs_is_full(void)
{
	return page_free_count() <= page_total_count() / 16;
}

static struct tmpfs_inode *make_inode(uint64_t fs_id, uint32_t mode)
{
	static uint64_t last_number;
	struct tmpfs_inode *node = tmpfs_is_full() ? NULL : heap_alloc(sizeof(*node));

	if (!node)
		return NULL;
	node->base.ops = S_ISREG(mode) || S_ISDIR(mode) ? &tmpfs_ops : &tmpfs_special_ops;
	node->base.references = 1;
	node->base.mode = mode;
	node->base.links = S_ISDIR(mode) ? 2 : 1;
	node->base.size = S_ISDIR(mode) ? 2 * ENTRY_BYTES : 0;
	node->base.number = ++last_number;
	node->base.fs_id = fs_id;
	node->base.atime = node->base.mtime = node->base.ctime = clock_realtime();
	return node;
}

static void directory_changed(struct inode *dir)
{
	dir->size = ENTRY_BYTES * (2ull + tmpfs_inode(dir)->directory.count);
	dir->mtime = dir->ctime = clock_realtime();
}

/* Enter a new inode; its reference goes to the entry, or is dropped on failure. */
static int add_inode(struct inode *dir, const char *name, size_t length, struct tmpfs_inode *node)
{
	int result = tmpfs_entry_add(&tmpfs_inode(dir)->directory, name, length, node);

	if (result) {
		inode_put(&node->base);
		return result;
	}
	if (S_ISDIR(node->base.mode)) {
		node->directory.parent = tmpfs_inode(dir);
		dir->links++;
	}
	directory_changed(dir);
	return 0;
}

static int check_new(struct inode *dir, const char *name, size_t length)
{
	if (!dir->links)
		return -ENOENT;
	return tmpfs_entry_find(&tmpfs_inode(dir)->directory, name, length) ? -EEXIST : 0;
}

static struct tmpfs_inode *make_child(const struct inode *dir, uint32_t mode)
{
	if ((dir->mode & S_ISGID) && S_ISDIR(mode))
		mode |= S_ISGID;

	struct tmpfs_inode *node = make_inode(dir->fs_id, mode);

	if (node && (dir->mode & S_ISGID))
		node->base.gid = dir->gid;
	return node;
}

/* ---- operations on names ---- */

static int tmpfs_lookup(struct inode *dir, const char *name, size_t length, struct inode **found)
{
	const struct tmpfs_directory *directory = &tmpfs_inode(dir)->directory;

	if (length == 2 && name[0] == '.' && name[1] == '.') {
		*found = inode_get(&directory->parent->base);
		return 0;
	}
	const struct tmpfs_entry *entry = tmpfs_entry_find(directory, name, length);

	if (!entry)
		return -ENOENT;
	*found = inode_get(&entry->inode->base);
	return 0;
}

static int tmpfs_create_file(struct inode *dir, const char *name, size_t length, uint32_t mode,
                             uint64_t device, struct inode **made)
{
	int result = check_new(dir, name, length);

	if (result)
		return result;
	struct tmpfs_inode *node = make_child(dir, mode);

	if (!node)
		return -ENOSPC;
	node->base.device = device;
	result = add_inode(dir, name, length, node);
	if (!result)
		*made = inode_get(&node->base);
	return result;
}

static int tmpfs_symlink(struct inode *dir, const char *name, size_t length, const char *target)
{
	int result = check_new(dir, name, length);

	if (result)
		return result;
	struct tmpfs_inode *node = make_child(dir, S_IFLNK | 0777);

	if (!node)
		return -ENOSPC;
	node->base.size = strlen(target);
	node->target = heap_alloc(node->base.size + 1);
	if (!node->target) {
		inode_put(&node->base);
		return -ENOSPC;
	}
	memcpy(node->target, target, node->base.size);
	return add_inode(dir, name, length, node);
}

static int tmpfs_link(struct inode *dir, const char *name, size_t length, struct inode *target)
{
	int result = check_new(dir, name, length);

	if (!result && !target->links)
		result = -ENOENT;
	if (!result)
		result = add_inode(dir, name, length, tmpfs_inode(inode_get(target)));
	if (result)
		return result;
	target->links++;
	target->ctime = clock_realtime();
	return 0;
}

/* An inode has lost the entry in @dir that led to it, whose reference is dropped here. */
static void drop_inode(struct inode *dir, struct tmpfs_inode *node)
{
	node->base.ctime = clock_realtime();
	if (S_ISDIR(node->base.mode)) {
		inode_get(dir);
		node->base.links = 0;
		dir->links--;
	} else {
		node->base.links--;
	}
	inode_put(&node->base);
}

static int tmpfs_unlink(struct inode *dir, const char *name, size_t length, bool directory)
{
	struct tmpfs_directory *names = &tmpfs_inode(dir)->directory;
	struct tmpfs_entry *entry = tmpfs_entry_find(names, name, length);

	if (!entry)
		return -ENOENT;
	struct tmpfs_inode *node = entry->inode;

	if (S_ISDIR(node->base.mode) != directory)
		return directory ? -ENOTDIR : -EISDIR;
	if (directory && node->directory.count)
		return -ENOTEMPTY;
	tmpfs_entry_remove(names, entry);
	directory_changed(dir);
	drop_inode(dir, node);
	return 0;
}

/* A directory's entry moved from one directory to another. */
static void reparent(struct tmpfs_inode *node, struct inode *from, struct inode *to)
{
	if (!S_ISDIR(node->base.mode) || from == to)
		return;
	node->directory.parent = tmpfs_inode(to);
	from->links--;
	to->links++;
}

static int exchange(struct inode *from, struct tmpfs_entry *source, struct inode *to,
                    struct tmpfs_entry *target)
{
	struct tmpfs_inode *node = source->inode;

	reparent(node, from, to);
	reparent(target->inode, to, from);
	source->inode = target->inode;
	target->inode = node;
	source->inode->base.ctime = node->base.ctime = clock_realtime();
	return 0;
}

/* Let the existing entry @target lead to what @source leads to. */
static int replace(struct inode *from, struct tmpfs_entry *source, struct inode *to,
                   struct tmpfs_entry *target)
{
	struct tmpfs_inode *old = target->inode, *node = source->inode;

	if (S_ISDIR(old->base.mode)) {
		if (!S_ISDIR(node->base.mode))
			return -EISDIR;
		if (old->directory.count)
			return -ENOTEMPTY;
	} else if (S_ISDIR(node->base.mode)) {
		return -ENOTDIR;
	}
	target->inode = node;
	reparent(node, from, to);
	tmpfs_entry_remove(&tmpfs_inode(from)->directory, source);
	drop_inode(to, old);
	return 0;
}

static int tmpfs_rename(struct inode *from, const char *from_name, size_t from_length,
                        struct inode *to, const char *to_name, size_t to_length, unsigned flags)
{
	struct tmpfs_directory *from_names = &tmpfs_inode(from)->directory;
	struct tmpfs_directory *to_names = &tmpfs_inode(to)->directory;
	struct tmpfs_entry *source = tmpfs_entry_find(from_names, from_name, from_length);
	struct tmpfs_entry *target = tmpfs_entry_find(to_names, to_name, to_length);
	int result;

	if (!source || !to->links || ((flags & RENAME_EXCHANGE) && !target))
		return -ENOENT;
	if (target && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	struct tmpfs_inode *node = source->inode;

	if (target && target->inode == node)
		return 0; /* two links to one file: both stay */
	if (flags & RENAME_EXCHANGE) {
		result = exchange(from, source, to, target);
	} else if (target) {
		result = replace(from, source, to, target);
	} else {
		result = tmpfs_entry_add(to_names, to_name, to_length, node);
		if (!result) {
			reparent(node, from, to);
			tmpfs_entry_remove(from_names, source);
		}
	}
	if (result)
		return result;
	node->base.ctime = clock_realtime();
	directory_changed(from);
	directory_changed(to);
	return 0;
}

static int tmpfs_readdir(struct inode *dir, uint64_t *cookie, struct dir_entry *out)
{
	const struct tmpfs_directory *names = &tmpfs_inode(dir)->directory;
	const struct tmpfs_entry *entry;

	if (*cookie < 2) {
		const struct inode *inode = *cookie ? &names->parent->base : dir;

		out->number = inode->number;
		out->type = S_IFDIR >> 12;
		out->length = (uint8_t)++ * cookie;
		memcpy(out->name, "..", out->length);
	} else {
		entry = tmpfs_entry_from(names, *cookie);
		if (!entry)
			return 0;
		out->number = entry->inode->base.number;
		out->type = (unsigned char)((entry->inode->base.mode & S_IFMT) >> 12);
		out->length = entry->length;
		memcpy(out->name, entry->name, entry->length);
		*cookie = entry->cookie + 1;
	}
	out->name[out->length] = '\0';
	return 1;
}

/* ---- the rest ---- */

static int64_t tmpfs_readlink(struct inode *inode, char *buffer, size_t size)
{
	if (!S_ISLNK(inode->mode))
		return -EINVAL;
	memcpy(buffer, tmpfs_inode(inode)->target, size < inode->size ? size : inode->size);
	return (int64_t)inode->size;
}

static int tmpfs_set_attributes(struct inode *inode)
{
	(void)inode; /* the structure is the inode: there is nowhere else to store them */
	return 0;
}

static uint64_t tmpfs_blocks(struct inode *inode)
{
	return S_ISREG(inode->mode) ? tmpfs_inode(inode)->pages.count * (PAGE_SIZE / 512) : 0;
}

static void tmpfs_statistics(struct inode *inode, struct vfs_statistics *out)
{
	size_t total = page_total_count(), unused = page_free_count();

	(void)inode;
	out->magic = TMPFS_MAGIC;
	out->blocks = total;
	out->blocks_free = unused > total / 16 ? unused - total / 16 : 0;
	out->inodes = total;
	out->inodes_free = out->blocks_free;
}

static void tmpfs_release(struct inode *inode)
{
	struct tmpfs_inode *node = tmpfs_inode(inode);

	if (S_ISREG(inode->mode)) {
		page_tree_remove(&node->pages, 0, UINT64_MAX);
	} else if (S_ISLNK(inode->mode)) {
		heap_free(node->target);
	} else if (S_ISDIR(inode->mode)) {
		struct tmpfs_inode *parent = node->directory.parent;

		tmpfs_directory_free(&node->directory);
		/* A directory that never got an entry has no parent: nothing to drop. */
		if (parent)
			inode_put(&parent->base);
	}
	heap_free(node);
}

/* Symbolic links, FIFOs and device nodes: opening them is ENXIO. */
static const struct inode_ops tmpfs_special_ops = {
        .set_attributes = tmpfs_set_attributes,
        .statistics = tmpfs_statistics,
        .readlink = tmpfs_readlink,
        .blocks = tmpfs_blocks,
        .release = tmpfs_release,
};

static const struct inode_ops tmpfs_ops = {
        .lookup = tmpfs_lookup,
        .create = tmpfs_create_file,
        .symlink = tmpfs_symlink,
        .link = tmpfs_link,
        .unlink = tmpfs_unlink,
        .rename = tmpfs_rename,
        .readdir = tmpfs_readdir,
        .readlink = tmpfs_readlink,
        .truncate = tmpfs_truncate,
        .set_attributes = tmpfs_set_attributes,
        .blocks = tmpfs_blocks,
        .statistics = tmpfs_statistics,
        .release = tmpfs_release,
        .file_ops = &tmpfs_file_ops,
};

struct inode *tmpfs_create(uint32_t root_mode)
{
	struct tmpfs_inode *root = make_inode(vfs_new_fs_id(), S_IFDIR | root_mode);

	if (!root)
		return NULL;
	root->directory.parent = root;
	return &root->base;
}
