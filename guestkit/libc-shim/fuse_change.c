/* SPDX-License-Identifier: Apache-2.0 */
/* What the FUSE client does to names: making, removing, renaming, linking. */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/fuse.h"
#include "guestkit/string.h"

/*
 * Each change is sent with questions for the attributes of all that it changes: they are answered
 * afterwards, in the same exit. An inode that only its cached name refers to is not asked about.
 */

/* Send a change and the questions behind it; those are about @inodes, in order. */
static int change(struct fuse_share *share, struct fuse_request *requests,
                  struct fuse_inode *const *inodes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		fuse_begin_attributes(&requests[1 + i], inodes[i]);
	fuse_call(share, requests, 1 + count);
	for (size_t i = 0; i < count; i++)
		fuse_take_attributes(&requests[1 + i], inodes[i], true);
	return fuse_error(&requests[0]);
}

/* The name exists after all, or does not: what is cached of it is wrong. */
static int mistaken(struct fuse_inode *dir, const char *name, size_t length, int result)
{
	struct fuse_name *entry = fuse_name_find(dir, name, length);

	if (entry && (result == -EEXIST || result == -ENOENT || result == -ESTALE))
		fuse_name_drop(entry);
	return result;
}

/* ---- making ---- */

/* Take the entry that a request which makes a name has brought. */
static int take_made_entry(struct fuse_inode *dir, const char *name, size_t length,
                           const struct fuse_request *request, struct fuse_inode **made)
{
	int result = fuse_error(request);

	if (result)
		return mistaken(dir, name, length, result);
	fuse_directory_changed(dir);
	if (!request->result.entry.nodeid)
		return -EIO;
	return fuse_take_entry(dir, name, length, &request->result.entry, made);
}

int fuse_make(struct inode *base, const char *name, size_t length, uint32_t mode, uint64_t device,
              struct inode **made)
{
	struct fuse_inode *dir = fuse_inode(base), *inode;
	struct fuse_request requests[2], *request = &requests[0];
	int result;

	if (!length)
		return -EOPNOTSUPP; /* O_TMPFILE, as on Linux's virtiofs */
	if (!base->links)
		return -ENOENT;
	if (S_ISREG(mode)) {
		fuse_begin(request, FUSE_CREATE, dir->node, sizeof(request->argument.create),
		           sizeof(request->result.created));
		request->argument.create.flags = O_CREAT | O_EXCL | O_RDWR;
		request->argument.create.mode = mode;
	} else if (S_ISDIR(mode)) {
		fuse_begin(request, FUSE_MKDIR, dir->node, sizeof(request->argument.mkdir),
		           sizeof(request->result.entry));
		request->argument.mkdir.mode = mode & ~(uint32_t)S_IFMT;
	} else {
		fuse_begin(request, FUSE_MKNOD, dir->node, sizeof(request->argument.mknod),
		           sizeof(request->result.entry));
		request->argument.mknod.mode = mode;
		request->argument.mknod.rdev = (uint32_t)device;
	}
	fuse_add_name(request, name, length);
	change(dir->share, requests, &dir, 1);
	result = take_made_entry(dir, name, length, request, &inode);
	if (result)
		return result;
	if (S_ISREG(mode) && S_ISREG(inode->base.mode))
		fuse_file_made(inode, &request->result.created.open);
	*made = &inode->base;
	return 0;
}

int fuse_symlink(struct inode *base, const char *name, size_t length, const char *target)
{
	struct fuse_inode *dir = fuse_inode(base), *inode;
	struct fuse_request requests[2];
	int result;

	fuse_begin(&requests[0], FUSE_SYMLINK, dir->node, 0, sizeof(requests[0].result.entry));
	fuse_add_name(&requests[0], name, length);
	fuse_add(&requests[0], target, strlen(target) + 1);
	change(dir->share, requests, &dir, 1);
	result = take_made_entry(dir, name, length, &requests[0], &inode);
	if (!result)
		inode_put(&inode->base);
	return result;
}

int fuse_link(struct inode *base, const char *name, size_t length, struct inode *target)
{
	struct fuse_inode *dir = fuse_inode(base), *inode;
	struct fuse_request requests[2];
	int result;

	fuse_begin(&requests[0], FUSE_LINK, dir->node, sizeof(requests[0].argument.link),
	           sizeof(requests[0].result.entry));
	requests[0].argument.link.oldnodeid = fuse_inode(target)->node;
	fuse_add_name(&requests[0], name, length);
	change(dir->share, requests, &dir, 1);
	result = take_made_entry(dir, name, length, &requests[0], &inode);
	if (!result)
		inode_put(&inode->base);
	return result;
}

/* ---- removing ---- */

/* An inode that somebody other than its cached name refers to: worth a question. */
static bool is_in_use(const struct fuse_inode *inode)
{
	return inode && inode->base.references > 1;
}

/* A name is gone, and with it a directory, or one of the links of what it led to. */
static void name_is_gone(struct fuse_inode *dir, const char *name, size_t length, bool directory)
{
	struct fuse_name *entry = fuse_name_find(dir, name, length);

	if (!entry)
		return;
	if (entry->inode && directory)
		entry->inode->base.links = 0;
	fuse_name_drop(entry);
}

int fuse_unlink(struct inode *base, const char *name, size_t length, bool directory)
{
	struct fuse_inode *dir = fuse_inode(base), *affected[2] = {dir};
	const struct fuse_name *entry = fuse_name_find(dir, name, length);
	struct fuse_request requests[3];
	size_t count = 1;
	int result;

	if (entry && !directory && is_in_use(entry->inode))
		affected[count++] = entry->inode;
	fuse_begin(&requests[0], directory ? FUSE_RMDIR : FUSE_UNLINK, dir->node, 0, 0);
	fuse_add_name(&requests[0], name, length);
	result = change(dir->share, requests, affected, count);
	if (result)
		return mistaken(dir, name, length, result);
	name_is_gone(dir, name, length, directory);
	fuse_directory_changed(dir);
	return 0;
}

/* ---- renaming ---- */

struct place {
	struct fuse_inode *dir;
	const char *name;
	size_t length;
};

static struct fuse_inode *cached(const struct place *side)
{
	const struct fuse_name *entry = fuse_name_find(side->dir, side->name, side->length);

	return entry ? entry->inode : NULL;
}

/* A name leads to an inode from now on, which may be a directory from elsewhere. */
static void lead_to(const struct place *side, struct fuse_inode *inode, uint64_t valid_until)
{
	if (!S_ISDIR(inode->base.mode) || fuse_set_parent(inode, side->dir))
		fuse_name_enter(side->dir, side->name, side->length, inode, valid_until);
}

/* What is cached of both names is what the rename made of them. */
static void move_names(const struct place *from, const struct place *to, unsigned flags)
{
	const struct fuse_name *entry = fuse_name_find(from->dir, from->name, from->length);
	uint64_t valid_until = entry ? entry->valid_until : 0;
	struct fuse_inode *source = cached(from), *target = cached(to);

	if (source)
		inode_get(&source->base);
	if (target)
		inode_get(&target->base);
	name_is_gone(from->dir, from->name, from->length, false);
	name_is_gone(to->dir, to->name, to->length, false);
	if (source)
		lead_to(to, source, valid_until);
	if (target && (flags & RENAME_EXCHANGE))
		lead_to(from, target, 0);
	else if (target && S_ISDIR(target->base.mode))
		target->base.links = 0;
	if (source)
		inode_put(&source->base);
	if (target)
		inode_put(&target->base);
}

int fuse_rename(struct inode *from_dir, const char *from_name, size_t from_length,
                struct inode *to_dir, const char *to_name, size_t to_length, unsigned flags)
{
	const struct place from = {fuse_inode(from_dir), from_name, from_length};
	const struct place to = {fuse_inode(to_dir), to_name, to_length};
	struct fuse_inode *affected[4] = {from.dir}, *source = cached(&from), *target = cached(&to);
	struct fuse_request requests[FUSE_TOGETHER];
	size_t count = 1;
	int result;

	if (to.dir != from.dir)
		affected[count++] = to.dir;
	if (source)
		affected[count++] = source;
	if (is_in_use(target) && target != source && !S_ISDIR(target->base.mode))
		affected[count++] = target;
	fuse_begin(&requests[0], FUSE_RENAME2, from.dir->node, sizeof(requests[0].argument.rename),
	           0);
	requests[0].argument.rename.newdir = to.dir->node;
	requests[0].argument.rename.flags = flags;
	fuse_add_name(&requests[0], from_name, from_length);
	fuse_add_name(&requests[0], to_name, to_length);
	result = change(from.dir->share, requests, affected, count);
	if (result) {
		mistaken(from.dir, from_name, from_length, result);
		return mistaken(to.dir, to_name, to_length, result);
	}
	move_names(&from, &to, flags);
	fuse_directory_changed(from.dir);
	fuse_directory_changed(to.dir);
	return 0;
}
