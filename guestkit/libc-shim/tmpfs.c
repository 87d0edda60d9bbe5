/* SPDX-License-Identifier: Apache-2.0 */
/* tmpfs: a file system in memory. */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/stat.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/pipe.h"
#include "guestkit/libc-shim/tmpfs.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"

/*
 * How it works
 *
 * A directory's entries hold references to their inodes; `links` counts entries (of a directory:
 * two and its subdirectories), so an unlinked file lives on while it is open. A directory holds a
 * reference to its parent. What it has below it (tmpfs_lower.c) is looked up there until an entry
 * hides it; the operations on names give a name an entry before they change anything.
 */

#define ENTRY_BYTES \
	20 /* what an entry ("." and ".." too) adds to a directory's st_size, as on Linux */
#define LOWER_COOKIES (1ull << 61) /* readdir's for what is below */
#define NEW_NUMBERS   (1ull << 32) /* st_ino of new files beside those of files below */

static const struct inode_ops tmpfs_ops, tmpfs_fifo_ops, tmpfs_special_ops;

bool tmpfs_is_full(void)
{
	return page_available_count() <= page_total_count() / 16;
}

const struct inode_ops *tmpfs_ops_of(uint32_t mode)
{
	if (S_ISREG(mode) || S_ISDIR(mode))
		return &tmpfs_ops;
	return S_ISFIFO(mode) ? &tmpfs_fifo_ops : &tmpfs_special_ops;
}

static struct tmpfs_inode *make_inode(uint64_t fs_id, uint32_t mode)
{
	static uint64_t last_number;
	struct tmpfs_inode *node = tmpfs_is_full() ? NULL : heap_alloc(sizeof(*node));

	if (!node)
		return NULL;
	node->base.ops = tmpfs_ops_of(mode);
	node->base.references = 1;
	node->base.mode = mode;
	node->base.links = S_ISDIR(mode) ? 2 : 1;
	node->base.size = S_ISDIR(mode) ? 2 * ENTRY_BYTES : 0;
	node->seals = F_SEAL_SEAL;
	node->base.number = ++last_number + (tmpfs_has_lower(fs_id) ? NEW_NUMBERS : 0);
	node->base.fs_id = fs_id;
	node->base.atime = node->base.mtime = node->base.ctime = clock_realtime();
	return node;
}

void tmpfs_directory_changed(struct inode *dir)
{
	const struct tmpfs_inode *node = tmpfs_inode(dir);

	tmpfs_keep(tmpfs_inode(dir));
	if (!node->lower)
		dir->size = ENTRY_BYTES * (2ull + node->directory.count);
	dir->mtime = dir->ctime = clock_realtime();
}

void tmpfs_set_parent(struct tmpfs_inode *node, struct inode *dir)
{
	struct tmpfs_inode *old = node->directory.parent;

	node->directory.parent = tmpfs_inode(inode_get(dir));
	if (old)
		inode_put(&old->base);
}

int tmpfs_enter(struct inode *dir, const char *name, size_t length, struct tmpfs_inode *node)
{
	struct tmpfs_directory *names = &tmpfs_inode(dir)->directory;
	struct tmpfs_entry *entry = tmpfs_entry_find(names, name, length);

	if (entry)
		entry->inode = node;
	else if (tmpfs_is_full() || !tmpfs_entry_add(names, name, length, node))
		return -ENOSPC;
	return 0;
}

/* Enter a new inode; its reference goes to the entry, or is dropped on failure. */
static int add_inode(struct inode *dir, const char *name, size_t length, struct tmpfs_inode *node)
{
	int result = tmpfs_enter(dir, name, length, node);

	if (result) {
		inode_put(&node->base);
		return result;
	}
	if (S_ISDIR(node->base.mode)) {
		tmpfs_set_parent(node, dir);
		dir->links++;
	}
	tmpfs_directory_changed(dir);
	return 0;
}

/* What a name leads to, referenced: in the directory's entries or below. */
static int find(struct inode *dir, const char *name, size_t length, struct tmpfs_inode **found)
{
	const struct tmpfs_entry *entry =
	        tmpfs_entry_find(&tmpfs_inode(dir)->directory, name, length);

	if (!entry)
		return tmpfs_lower_lookup(tmpfs_inode(dir), name, length, found);
	if (!entry->inode)
		return -ENOENT;
	*found = tmpfs_inode(inode_get(&entry->inode->base));
	return 0;
}

int tmpfs_own_entry(struct inode *dir, const char *name, size_t length, struct tmpfs_entry **entry)
{
	struct tmpfs_directory *names = &tmpfs_inode(dir)->directory;
	struct tmpfs_inode *node;
	int result;

	*entry = tmpfs_entry_find(names, name, length);
	if (*entry)
		return (*entry)->inode ? 0 : -ENOENT;
	result = tmpfs_lower_lookup(tmpfs_inode(dir), name, length, &node);
	if (result)
		return result;
	/* Full or not: names can be removed. */
	*entry = tmpfs_entry_add(names, name, length, node);
	if (!*entry) {
		inode_put(&node->base);
		return -ENOSPC;
	}
	(*entry)->hides = true;
	tmpfs_keep(tmpfs_inode(dir));
	return 0;
}

void tmpfs_drop_entry(struct inode *dir, struct tmpfs_entry *entry)
{
	if (entry->hides)
		entry->inode = NULL;
	else
		tmpfs_entry_remove(&tmpfs_inode(dir)->directory, entry);
}

static int check_new(struct inode *dir, const char *name, size_t length)
{
	struct tmpfs_inode *node;
	int result;

	if (!dir->links)
		return -ENOENT;
	result = find(dir, name, length, &node);
	if (result)
		return result == -ENOENT ? 0 : result;
	inode_put(&node->base);
	return -EEXIST;
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
	struct tmpfs_inode *node = tmpfs_inode(dir)->directory.parent;
	int result = 0;

	if (length == 2 && tmpfs_is_dots(name, length))
		inode_get(&node->base);
	else
		result = find(dir, name, length, &node);
	if (!result)
		*found = &node->base;
	return result;
}

static int tmpfs_create_file(struct inode *dir, const char *name, size_t length, uint32_t mode,
                             uint64_t device, struct inode **made)
{
	int result = !length ? 0 : check_new(dir, name, length);

	if (!dir->links)
		result = -ENOENT;
	if (result)
		return result;
	struct tmpfs_inode *node = make_child(dir, mode);

	if (!node)
		return -ENOSPC;
	if (!length) {
		node->base.links = 0;
		node->is_linkable = !device;
		*made = &node->base;
		return 0;
	}
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

	if (!result && !target->links && !tmpfs_inode(target)->is_linkable)
		result = -ENOENT;
	if (!result)
		result = add_inode(dir, name, length, tmpfs_inode(inode_get(target)));
	if (result)
		return result;
	tmpfs_keep(tmpfs_inode(target));
	tmpfs_inode(target)->is_linkable = false;
	target->links++;
	target->ctime = clock_realtime();
	return 0;
}

void tmpfs_drop_inode(struct inode *dir, struct tmpfs_inode *node)
{
	tmpfs_keep(node);
	node->base.ctime = clock_realtime();
	if (S_ISDIR(node->base.mode)) {
		node->base.links = 0;
		dir->links--;
	} else if (node->base.links) {
		node->base.links--;
	}
	if (!node->base.links)
		tmpfs_forget(node);
	inode_put(&node->base);
}

bool tmpfs_is_empty(struct tmpfs_inode *dir)
{
	struct dir_entry entry;
	uint64_t cookie = 0;

	return !tmpfs_entry_from(&dir->directory, 0) && !tmpfs_lower_readdir(dir, &cookie, &entry);
}

static int tmpfs_unlink(struct inode *dir, const char *name, size_t length, bool directory)
{
	struct tmpfs_entry *entry;
	int result = tmpfs_own_entry(dir, name, length, &entry);

	if (result)
		return result;
	struct tmpfs_inode *node = entry->inode;

	if (S_ISDIR(node->base.mode) != directory)
		return directory ? -ENOTDIR : -EISDIR;
	if (directory && !tmpfs_is_empty(node))
		return -ENOTEMPTY;
	tmpfs_drop_entry(dir, entry);
	tmpfs_directory_changed(dir);
	tmpfs_drop_inode(dir, node);
	return 0;
}

static void give_entry(struct dir_entry *out, const struct inode *inode, const char *name,
                       size_t length)
{
	out->number = inode->number;
	out->type = (unsigned char)((inode->mode & S_IFMT) >> 12);
	out->length = (uint8_t)length;
	memcpy(out->name, name, length);
	out->name[length] = '\0';
}

/* Cookies: 0 and 1 for "." and "..", then those of the entries, then the names below. */
static int tmpfs_readdir(struct inode *dir, uint64_t *cookie, struct dir_entry *out)
{
	struct tmpfs_inode *node = tmpfs_inode(dir);
	const struct tmpfs_entry *entry;
	uint64_t below;
	int result;

	if (*cookie < 2) {
		give_entry(out, *cookie ? &node->directory.parent->base : dir, "..", *cookie + 1);
		++*cookie;
		return 1;
	}
	entry = *cookie < LOWER_COOKIES ? tmpfs_entry_from(&node->directory, *cookie) : NULL;
	if (entry) {
		give_entry(out, &entry->inode->base, entry->name, entry->length);
		*cookie = entry->cookie + 1;
		return 1;
	}
	below = *cookie < LOWER_COOKIES ? 0 : *cookie - LOWER_COOKIES;
	result = tmpfs_lower_readdir(node, &below, out);
	*cookie = LOWER_COOKIES + below;
	return *cookie < VFS_COOKIE_LIMIT ? result : -EUCLEAN;
}

/* ---- the rest ---- */

static int64_t tmpfs_readlink(struct inode *inode, char *buffer, size_t size)
{
	const struct tmpfs_inode *node = tmpfs_inode(inode);

	if (!S_ISLNK(inode->mode))
		return -EINVAL;
	if (node->lower)
		return node->lower->ops->readlink(node->lower, buffer, size);
	memcpy(buffer, node->target, size < inode->size ? size : inode->size);
	return (int64_t)inode->size;
}

static int tmpfs_set_attributes(struct inode *inode)
{
	tmpfs_keep(tmpfs_inode(inode)); /* they live in the structure alone */
	return 0;
}

static uint64_t tmpfs_blocks(struct inode *inode)
{
	const struct tmpfs_inode *node = tmpfs_inode(inode);
	uint64_t pages = node->lower ? page_round_up(inode->size) / PAGE_SIZE : node->pages.count;

	return S_ISREG(inode->mode) ? pages * (PAGE_SIZE / 512) : 0;
}

static void tmpfs_statistics(struct inode *inode, struct vfs_statistics *out)
{
	size_t total = page_total_count(), unused = page_free_count();

	out->magic = tmpfs_has_lower(inode->fs_id) ? OVERLAYFS_SUPER_MAGIC : TMPFS_MAGIC;
	out->blocks = total;
	out->blocks_free = unused > total / 16 ? unused - total / 16 : 0;
	out->inodes = total;
	out->inodes_free = out->blocks_free;
}

static void free_inode(struct tmpfs_inode *node)
{
	if (S_ISREG(node->base.mode))
		page_tree_remove(&node->pages, 0, UINT64_MAX);
	else if (S_ISDIR(node->base.mode))
		tmpfs_directory_free(&node->directory);
	else if (S_ISLNK(node->base.mode))
		heap_free(node->target);
	if (node->lower) {
		node->lower->upper = NULL;
		inode_put(node->lower);
	}
	heap_free(node);
}

/* With a directory may go the one that it was in, and so on: a loop, as paths are long. */
static void tmpfs_release(struct inode *inode)
{
	struct tmpfs_inode *node = tmpfs_inode(inode), *parent;

	do {
		parent = S_ISDIR(node->base.mode) ? node->directory.parent : NULL;
		parent = parent == node ? NULL : parent;
		free_inode(node);
		node = parent;
	} while (node && !--node->base.references);
}

static int tmpfs_open_fifo(struct inode *inode, struct file *file)
{
	return pipe_open_named(&tmpfs_inode(inode)->pipe, file);
}

static const struct inode_ops tmpfs_fifo_ops = {
        .set_attributes = tmpfs_set_attributes,
        .statistics = tmpfs_statistics,
        .blocks = tmpfs_blocks,
        .open = tmpfs_open_fifo,
        .release = tmpfs_release,
        .file_ops = &pipe_file_ops,
};

/* Symbolic links, sockets and device nodes: opening them is ENXIO. */
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

struct tmpfs_inode *tmpfs_create_memfd(uint32_t mode)
{
	static uint64_t fs_id;
	struct tmpfs_inode *node;

	fs_id = fs_id ? fs_id : vfs_new_fs_id();
	node = make_inode(fs_id, S_IFREG | mode);
	if (node)
		node->base.links = 0;
	return node;
}

struct inode *tmpfs_create(uint32_t root_mode)
{
	struct tmpfs_inode *root = make_inode(vfs_new_fs_id(), S_IFDIR | root_mode);

	if (!root)
		return NULL;
	root->directory.parent = root;
	return &root->base;
}
