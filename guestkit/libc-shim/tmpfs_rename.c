/* SPDX-License-Identifier: Apache-2.0 */
/* Renaming in tmpfs. */
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/stat.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/tmpfs.h"

/* A directory's entry moved from one directory to another. */
static void reparent(struct tmpfs_inode *node, struct inode *from, struct inode *to)
{
	if (!S_ISDIR(node->base.mode) || from == to)
		return;
	tmpfs_set_parent(node, to);
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
	tmpfs_keep(source->inode);
	source->inode->base.ctime = clock_realtime();
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
		if (!tmpfs_is_empty(old))
			return -ENOTEMPTY;
	} else if (S_ISDIR(node->base.mode)) {
		return -ENOTDIR;
	}
	target->inode = node;
	reparent(node, from, to);
	tmpfs_drop_entry(from, source);
	tmpfs_drop_inode(to, old);
	return 0;
}

/* Give what @source leads to a name that there is not. */
static int move_entry(struct inode *from, struct tmpfs_entry *source, struct inode *to,
                      const char *name, size_t length)
{
	struct tmpfs_inode *node = source->inode;
	int result = tmpfs_enter(to, name, length, node);

	if (result)
		return result;
	reparent(node, from, to);
	tmpfs_drop_entry(from, source);
	return 0;
}

int tmpfs_rename(struct inode *from, const char *from_name, size_t from_length, struct inode *to,
                 const char *to_name, size_t to_length, unsigned flags)
{
	struct tmpfs_entry *source, *target;
	int result = tmpfs_own_entry(from, from_name, from_length, &source);
	int found = to->links ? tmpfs_own_entry(to, to_name, to_length, &target) : -ENOENT;

	if (result || (found && (found != -ENOENT || !to->links || (flags & RENAME_EXCHANGE))))
		return result ? result : found;
	if (!found && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	struct tmpfs_inode *node = source->inode;

	if (!found && target->inode == node)
		return 0; /* two links to one file: both stay */
	if (flags & RENAME_EXCHANGE)
		result = exchange(from, source, to, target);
	else if (!found)
		result = replace(from, source, to, target);
	else
		result = move_entry(from, source, to, to_name, to_length);
	if (result)
		return result;
	tmpfs_keep(node);
	node->base.ctime = clock_realtime();
	tmpfs_directory_changed(from);
	tmpfs_directory_changed(to);
	return 0;
}
