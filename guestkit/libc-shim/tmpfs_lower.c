/* SPDX-License-Identifier: Apache-2.0 */
/* The read-only file system below a tmpfs: what makes the root writable. */
#include <linux/errno.h>
#include <linux/stat.h>

#include "guestkit/libc-shim/tmpfs.h"
#include "guestkit/memory.h"

/*
 * How it works
 *
 * Each inode of the file system below that is in use has a tmpfs inode above it, which is the file
 * as the program knows it, written to or not: nothing is ever copied up and replaced, so open
 * files, mappings and st_ino stay what they are. `lower` and `upper` connect the two. As long as
 * they do not differ, the one above is freed with its last reference and made anew at the next
 * lookup; from the first change on it is kept until its last name is gone.
 *
 * A directory's entries hide what has the same name below; one without an inode says that the name
 * is gone. Frames of a file hide its pages below. Whoever puts the first frame over a page that may
 * be mapped takes all of the file's frames from below out of the page tables.
 */

static uint64_t fs_id_over;

bool tmpfs_has_lower(uint64_t fs_id)
{
	return fs_id && fs_id == fs_id_over;
}

/* The inode above one of the file system below, whose reference is taken over, in file system
 * @fs_id; NULL when memory is short. */
static struct tmpfs_inode *inode_over(struct inode *lower, uint64_t fs_id)
{
	struct tmpfs_inode *node;

	if (lower->upper) {
		node = tmpfs_inode(inode_get(lower->upper));
		inode_put(lower);
		return node;
	}
	node = heap_alloc(sizeof(*node));
	if (!node) {
		inode_put(lower);
		return NULL;
	}
	node->base = *lower;
	node->base.ops = tmpfs_ops_of(lower->mode);
	node->base.references = 1;
	node->base.fs_id = fs_id;
	node->base.has_no_atime = true;
	node->lower = lower;
	node->lower_end = S_ISREG(lower->mode) ? lower->size : 0;
	lower->upper = &node->base;
	return node;
}

int tmpfs_lower_lookup(struct tmpfs_inode *dir, const char *name, size_t length,
                       struct tmpfs_inode **found)
{
	struct inode *lower;
	int result = -ENOENT;

	if (dir->lower)
		result = dir->lower->ops->lookup(dir->lower, name, length, &lower);
	if (result)
		return result;
	*found = inode_over(lower, dir->base.fs_id);
	if (!*found)
		return -ENOMEM;
	if (S_ISDIR((*found)->base.mode) && !(*found)->directory.parent)
		(*found)->directory.parent = tmpfs_inode(inode_get(&dir->base));
	return 0;
}

int tmpfs_lower_readdir(struct tmpfs_inode *dir, uint64_t *cookie, struct dir_entry *out)
{
	int result;

	if (!dir->lower)
		return 0;
	do
		result = dir->lower->ops->readdir(dir->lower, cookie, out);
	while (result > 0 && (tmpfs_is_dots(out->name, out->length) ||
	                      tmpfs_entry_find(&dir->directory, out->name, out->length)));
	return result;
}

void tmpfs_keep(struct tmpfs_inode *node)
{
	node->base.has_no_atime = false;
	if (!node->lower || node->is_kept || !node->base.links)
		return;
	node->is_kept = true;
	inode_get(&node->base);
}

void tmpfs_forget(struct tmpfs_inode *node)
{
	if (!node->is_kept)
		return;
	node->is_kept = false;
	inode_put(&node->base);
}

/* ---- regular files ---- */

/* An open file below. Those there have no state of their own. */
static struct file open_lower(const struct tmpfs_inode *node)
{
	return (struct file){.ops = node->lower->ops->file_ops, .inode = node->lower};
}

int64_t tmpfs_lower_read(const struct tmpfs_inode *node, uint64_t at, const struct tmpfs_side *to,
                         size_t length)
{
	struct file file = open_lower(node);

	if (to->kit)
		return file.ops->read_kit(&file, to->kit, length, &at);
	return file.ops->read(&file, to->user, length, &at);
}

int tmpfs_lower_page(struct tmpfs_inode *node, uint64_t index, uint64_t *physical)
{
	struct file file = open_lower(node);

	node->is_lower_mapped = true;
	return file.ops->page(&file, index, false, physical);
}

void tmpfs_lower_unmap(struct tmpfs_inode *node)
{
	if (node->is_lower_mapped)
		memory_file_unmap(&node->base, 0, UINT64_MAX, false);
	node->is_lower_mapped = false;
}

struct inode *tmpfs_create_over(struct inode *root)
{
	struct tmpfs_inode *node;

	fs_id_over = vfs_new_fs_id();
	node = root ? inode_over(root, fs_id_over) : NULL;
	if (!node)
		return NULL;
	node->directory.parent = node;
	return &node->base;
}
