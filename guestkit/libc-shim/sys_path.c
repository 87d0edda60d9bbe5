/* SPDX-License-Identifier: Apache-2.0 */
/* System calls on names: making, removing, renaming, linking. */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>

#include "guestkit/libc-shim/path.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/walk.h"
#include "guestkit/user.h"

uint32_t file_creation_mask = 022;

static const uint64_t at_cwd = (uint64_t)AT_FDCWD;

int64_t sys_umask(const uint64_t *arg)
{
	uint32_t old = file_creation_mask;

	file_creation_mask = (uint32_t)arg[0] & 0777;
	return old;
}

/* ---- making names ---- */

static int64_t mkdir_at(uint64_t dirfd, uint64_t user_path, uint64_t mode)
{
	struct inode *made;
	struct walk walk;
	char *path;
	int result = path_read(0, user_path, &path);

	if (result)
		return result;
	result = walk_new_name(&walk, (int)dirfd, path, true);
	if (!result)
		result = walk.dir->ops->create(
		        walk.dir, walk.last, walk.length,
		        S_IFDIR | ((uint32_t)mode & ~file_creation_mask & 01777), 0, &made);
	if (!result)
		inode_put(made);
	walk_end(&walk);
	return result;
}

int64_t sys_mkdir(const uint64_t *arg)
{
	return mkdir_at(at_cwd, arg[0], arg[1]);
}

int64_t sys_mkdirat(const uint64_t *arg)
{
	return mkdir_at(arg[0], arg[1], arg[2]);
}

/* A type that mknod makes: 0, or an errno. */
static int check_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case 0:
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK: return 0;
	case S_IFDIR: return -EPERM;
	default: return -EINVAL;
	}
}

static int64_t mknod_at(uint64_t dirfd, uint64_t user_path, uint64_t wanted, uint64_t device)
{
	uint32_t mode =
	        ((uint32_t)wanted & S_IFMT) | ((uint32_t)wanted & 07777 & ~file_creation_mask);
	struct inode *made;
	struct walk walk;
	char *path;
	int result = check_type(mode);

	if (!result)
		result = path_read(0, user_path, &path);
	if (result)
		return result;
	if (!(mode & S_IFMT))
		mode |= S_IFREG;
	result = walk_new_name(&walk, (int)dirfd, path, false);
	if (!result)
		result = walk.dir->ops->create(
		        walk.dir, walk.last, walk.length, mode,
		        S_ISCHR(mode) || S_ISBLK(mode) ? (uint32_t)device : 0, &made);
	if (!result)
		inode_put(made);
	walk_end(&walk);
	return result;
}

int64_t sys_mknod(const uint64_t *arg)
{
	return mknod_at(at_cwd, arg[0], arg[1], arg[2]);
}

int64_t sys_mknodat(const uint64_t *arg)
{
	return mknod_at(arg[0], arg[1], arg[2], arg[3]);
}

static int64_t symlink_at(uint64_t user_target, uint64_t dirfd, uint64_t user_path)
{
	struct walk walk;
	char *target, *path;
	int result = path_read(1, user_target, &target);

	if (!result && !target[0])
		result = -ENOENT;
	if (!result)
		result = path_read(0, user_path, &path);
	if (result)
		return result;
	result = walk_new_name(&walk, (int)dirfd, path, false);
	if (!result)
		result = walk.dir->ops->symlink
		                 ? walk.dir->ops->symlink(walk.dir, walk.last, walk.length, target)
		                 : -EPERM;
	walk_end(&walk);
	return result;
}

int64_t sys_symlink(const uint64_t *arg)
{
	return symlink_at(arg[0], at_cwd, arg[1]);
}

int64_t sys_symlinkat(const uint64_t *arg)
{
	return symlink_at(arg[0], arg[1], arg[2]);
}

/* arg: as linkat has them */
static int64_t link_at(const uint64_t *arg)
{
	uint32_t flags = (uint32_t)arg[4];
	struct inode *target;
	struct walk walk;
	char *path;
	int result;

	if (flags & ~(uint32_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	flags = (flags & AT_EMPTY_PATH) | (flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW);
	result = path_find(arg[0], arg[1], flags, &target);
	if (result)
		return result;
	result = path_read(0, arg[3], &path);
	if (result) {
		inode_put(target);
		return result;
	}
	result = walk_new_name(&walk, (int)arg[2], path, false);
	if (!result && walk.dir->fs_id != target->fs_id)
		result = -EXDEV;
	else if (!result && (S_ISDIR(target->mode) || !walk.dir->ops->link))
		result = -EPERM;
	if (!result)
		result = walk.dir->ops->link(walk.dir, walk.last, walk.length, target);
	walk_end(&walk);
	inode_put(target);
	return result;
}

int64_t sys_link(const uint64_t *arg)
{
	return link_at((const uint64_t[]){at_cwd, arg[0], at_cwd, arg[1], 0});
}

int64_t sys_linkat(const uint64_t *arg)
{
	return link_at(arg);
}

/* ---- removing names ---- */

/* "." and "..", and "/" whose last component is given as ".". */
static int remove_dots(const struct walk *walk, const char *path, bool directory)
{
	while (*path == '/')
		path++;
	if (!directory)
		return -EISDIR;
	if (!*path)
		return -EBUSY;
	return walk->length == 1 ? -EINVAL : -ENOTEMPTY;
}

static int remove_name(struct walk *walk, bool directory)
{
	struct inode *dir = walk->dir, *inode;
	int result;

	if (!dir->ops->unlink)
		return -EROFS;
	result = vfs_lookup(dir, walk->last, walk->length, &inode);
	if (result)
		return result;
	if (S_ISDIR(inode->mode) && !directory)
		result = -EISDIR;
	else if (!S_ISDIR(inode->mode) && (directory || walk->has_slash))
		result = -ENOTDIR;
	else if (vfs_is_mount(dir, walk->last, walk->length))
		result = -EBUSY;
	else
		result = dir->ops->unlink(dir, walk->last, walk->length, directory);
	inode_put(inode);
	if (directory && !result)
		vfs_working_path_changed();
	return result;
}

static int64_t unlink_at(uint64_t dirfd, uint64_t user_path, bool directory)
{
	struct walk walk;
	char *path;
	int result = path_read(0, user_path, &path);

	if (result)
		return result;
	result = walk_start(&walk, (int)dirfd, path, false);
	if (!result)
		result = walk_is_dots(&walk) ? remove_dots(&walk, path, directory)
		                             : remove_name(&walk, directory);
	walk_end(&walk);
	return result;
}

int64_t sys_unlink(const uint64_t *arg)
{
	return unlink_at(at_cwd, arg[0], false);
}

int64_t sys_rmdir(const uint64_t *arg)
{
	return unlink_at(at_cwd, arg[0], true);
}

int64_t sys_unlinkat(const uint64_t *arg)
{
	if ((uint32_t)arg[2] & ~(uint32_t)AT_REMOVEDIR)
		return -EINVAL;
	return unlink_at(arg[0], arg[1], (uint32_t)arg[2] & AT_REMOVEDIR);
}

/* ---- rename ---- */

/* A rename whose names have been looked up. */
struct rename {
	struct walk from, to;
	struct inode *source; /* referenced */
	struct inode *target; /* referenced, or NULL: no such name yet */
	uint32_t flags;
};

/* Is @inode the directory @dir or one above it? */
static bool is_above(const struct inode *inode, struct inode *dir)
{
	bool is = false;

	inode_get(dir);
	while (!(is = inode_is_same(inode, dir)) && !inode_is_same(dir, vfs_root)) {
		struct inode *parent;

		if (vfs_lookup(dir, "..", 2, &parent))
			break;
		inode_put(dir);
		if (parent == dir) /* the top, outside of what chroot left */
			return false;
		dir = parent;
	}
	inode_put(dir);
	return is;
}

/* The rules that need no file system, in the order Linux has them. */
static int rename_check(const struct rename *rename)
{
	const struct inode *source = rename->source, *target = rename->target;
	bool is_exchange = rename->flags & RENAME_EXCHANGE;

	if (target && (rename->flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (is_exchange && !target)
		return -ENOENT;
	if (is_exchange && !S_ISDIR(target->mode) && rename->to.has_slash)
		return -ENOTDIR;
	if (!S_ISDIR(source->mode) &&
	    (rename->from.has_slash || (!is_exchange && rename->to.has_slash)))
		return -ENOTDIR;
	if (S_ISDIR(source->mode) && is_above(source, rename->to.dir))
		return -EINVAL;
	if (target && S_ISDIR(target->mode) && is_above(target, rename->from.dir))
		return is_exchange ? -EINVAL : -ENOTEMPTY;
	if (target && inode_is_same(source, target))
		return 0;
	if (target && !is_exchange && S_ISDIR(source->mode) != S_ISDIR(target->mode))
		return S_ISDIR(source->mode) ? -ENOTDIR : -EISDIR;
	if (vfs_is_mount(rename->from.dir, rename->from.last, rename->from.length) ||
	    vfs_is_mount(rename->to.dir, rename->to.last, rename->to.length))
		return -EBUSY;
	return 0;
}

/* Find both ends. Whatever it returns, rename_end() must follow. */
static int rename_find(struct rename *rename, const uint64_t *arg)
{
	char *from, *to;
	int result = path_read(0, arg[1], &from);

	if (!result)
		result = path_read(1, arg[3], &to);
	if (!result)
		result = walk_start(&rename->from, (int)arg[0], from, false);
	if (!result)
		result = walk_start(&rename->to, (int)arg[2], to, false);
	if (result)
		return result;

	struct walk *a = &rename->from, *b = &rename->to;

	if (a->dir->fs_id != b->dir->fs_id)
		return -EXDEV;
	if (walk_is_dots(a))
		return -EBUSY;
	if (walk_is_dots(b))
		return rename->flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	if (!a->dir->ops->rename)
		return -EROFS;
	result = vfs_lookup(a->dir, a->last, a->length, &rename->source);
	if (result)
		return result;
	result = vfs_lookup(b->dir, b->last, b->length, &rename->target);
	return result == -ENOENT ? 0 : result;
}

static void rename_end(struct rename *rename)
{
	inode_put(rename->source);
	inode_put(rename->target);
	walk_end(&rename->from);
	walk_end(&rename->to);
}

/* arg: as renameat2 has them */
static int64_t rename_at(const uint64_t *arg)
{
	struct rename rename = {.flags = (uint32_t)arg[4]};
	int result;

	if ((rename.flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE)) ||
	    rename.flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	result = rename_find(&rename, arg);
	if (!result)
		result = rename_check(&rename);
	if (!result && !(rename.target && inode_is_same(rename.source, rename.target))) {
		struct walk *a = &rename.from, *b = &rename.to;

		result = a->dir->ops->rename(a->dir, a->last, a->length, b->dir, b->last, b->length,
		                             rename.flags);
		vfs_working_path_changed();
	}
	rename_end(&rename);
	return result;
}

int64_t sys_rename(const uint64_t *arg)
{
	return rename_at((const uint64_t[]){at_cwd, arg[0], at_cwd, arg[1], 0});
}

int64_t sys_renameat(const uint64_t *arg)
{
	return rename_at((const uint64_t[]){arg[0], arg[1], arg[2], arg[3], 0});
}

int64_t sys_renameat2(const uint64_t *arg)
{
	return rename_at(arg);
}
