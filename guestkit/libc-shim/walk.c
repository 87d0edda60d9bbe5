/* SPDX-License-Identifier: Apache-2.0 */
/* Path walking: components, symbolic links, "..", mounts. */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>

#include "guestkit/libc-shim/walk.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"

/*
 * How it works
 *
 * The text to walk lies at the end of walk_text. A symbolic link's target is put before what is
 * left of it, so links nest without recursion. Beside it, walk_track holds the absolute path of
 * walk->dir with all links resolved, which is what /proc/self/fd shows.
 */
static KIT_LARGE char walk_text[2 * VFS_PATH_MAX];
static KIT_LARGE char walk_track[VFS_PATH_MAX];
static size_t walk_track_length; /* 0 is "/" */

static void track_set(struct walk *walk, const char *path)
{
	size_t length = path ? strlen(path) : 0;

	walk->is_tracked = path && path[0] == '/' && length < sizeof(walk_track);
	if (!walk->is_tracked)
		return;
	walk_track_length = length == 1 ? 0 : length;
	memcpy(walk_track, path, walk_track_length);
}

/* Go on from walk->dir to its child walk->last. */
static void track_step(struct walk *walk)
{
	if (!walk->is_tracked || (walk->length == 1 && walk->last[0] == '.'))
		return;
	if (walk_is_dots(walk)) {
		while (walk_track_length && walk_track[--walk_track_length] != '/')
			;
		return;
	}
	if (walk_track_length + 1 + walk->length >= sizeof(walk_track)) {
		walk->is_tracked = false;
		return;
	}
	walk_track[walk_track_length] = '/';
	memcpy(walk_track + walk_track_length + 1, walk->last, walk->length);
	walk_track_length += 1u + walk->length;
}

bool walk_is_dots(const struct walk *walk)
{
	return walk->last[0] == '.' &&
	       (walk->length == 1 || (walk->length == 2 && walk->last[1] == '.'));
}

/* Let the walk go on in another directory; takes over the reference. */
static void walk_enter(struct walk *walk, struct inode *dir)
{
	inode_put(walk->dir);
	walk->dir = dir;
}

/* The walk starts again at "/". */
static int walk_from_root(struct walk *walk)
{
	if (walk->resolve & RESOLVE_BENEATH)
		return -EXDEV;
	if ((walk->resolve & RESOLVE_NO_XDEV) && walk->dir && walk->dir->fs_id != vfs_root->fs_id)
		return -EXDEV;
	if (walk->resolve & RESOLVE_IN_ROOT) {
		walk_enter(walk, inode_get(walk->base));
		walk->is_tracked = false;
		return 0;
	}
	walk_enter(walk, inode_get(vfs_root));
	if (walk->is_tracked)
		walk_track_length = 0;
	return 0;
}

/* Put a symbolic link's target before the rest of the path; the link's reference is taken over. */
static int walk_link(struct walk *walk, struct inode *link)
{
	size_t room = (size_t)(walk->rest - walk_text);
	int64_t length = -ELOOP;

	if (walk->links++ < VFS_SYMLINK_MAX && !(walk->resolve & RESOLVE_NO_SYMLINKS))
		length = link->ops->readlink ? link->ops->readlink(link, walk_text, room) : -EINVAL;
	inode_put(link);
	if (length < 0)
		return (int)length;
	if (!length)
		return -ENOENT;
	if ((size_t)length > room)
		return -ENAMETOOLONG;

	char *start = walk_text + (room - (size_t)length);

	memmove(start, walk_text, (size_t)length);
	walk->rest = start;
	return *start == '/' ? walk_from_root(walk) : 0;
}

/* Look up walk->last; behind magic links if they are to be followed. */
static int walk_step(struct walk *walk, bool follow, struct inode **found)
{
	int result;

	walk->has_jumped = false;
	if (walk->base && walk->length == 2 && walk_is_dots(walk) &&
	    inode_is_same(walk->dir, walk->base)) {
		if (walk->resolve & RESOLVE_BENEATH)
			return -EXDEV;
		*found = inode_get(walk->base);
		return 0;
	}
	result = vfs_lookup(walk->dir, walk->last, walk->length, found);
	if (!result && (walk->resolve & RESOLVE_NO_XDEV) && (*found)->fs_id != walk->dir->fs_id) {
		inode_put(*found);
		return -EXDEV;
	}
	while (!result && follow && S_ISLNK((*found)->mode) && (*found)->ops->follow) {
		struct inode *link = *found;

		if (walk->is_tracked) {
			size_t room = (size_t)(walk->rest - walk_text);
			int64_t length = link->ops->readlink(link, walk_text, room);

			walk_text[length > 0 && (size_t)length < room ? length : 0] = '\0';
			track_set(walk, walk_text);
		}
		walk->has_jumped = true;
		if (walk->resolve & (RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS))
			result = -ELOOP;
		else if (walk->resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_NO_XDEV))
			result = -EXDEV; /* it may lead anywhere */
		else
			result = walk->links++ < VFS_SYMLINK_MAX ? link->ops->follow(link, found)
			                                         : -ELOOP;
		inode_put(link);
	}
	return result;
}

/* Cut the next component off the text: true when it is the last. */
static int walk_component(struct walk *walk, bool *is_last)
{
	const char *name = walk->rest;

	while (*name == '/')
		name++;

	const char *end = name;

	while (*end && *end != '/')
		end++;

	size_t length = (size_t)(end - name);
	const char *next = end;

	while (*next == '/')
		next++;
	if (length > VFS_NAME_MAX)
		return -ENAMETOOLONG;
	walk->has_slash = *end == '/';
	walk->rest = end;
	*is_last = !*next;
	if (!length) {
		name = ".";
		length = 1;
	}
	memcpy(walk->last, name, length);
	walk->last[length] = '\0';
	walk->length = (uint8_t)length;
	return 0;
}

static int walk_to_last(struct walk *walk)
{
	for (;;) {
		struct inode *inode;
		bool is_last;
		int result = walk_component(walk, &is_last);

		if (result || is_last)
			return result;
		result = walk_step(walk, true, &inode);
		if (!result && S_ISLNK(inode->mode)) {
			result = walk_link(walk, inode);
		} else if (!result && S_ISDIR(inode->mode)) {
			if (!walk->has_jumped)
				track_step(walk);
			walk_enter(walk, inode);
		} else if (!result) {
			inode_put(inode);
			result = -ENOTDIR;
		}
		if (result)
			return result;
	}
}

int walk_start(struct walk *walk, int dirfd, const char *path, bool track)
{
	return walk_start_resolving(walk, dirfd, path, track, 0);
}

/* Where a relative path starts. */
static int walk_from(struct walk *walk, int dirfd, bool track)
{
	const struct file *file;

	if (dirfd == AT_FDCWD) {
		walk->dir = inode_get(vfs_working_directory);
		if (track)
			track_set(walk, vfs_working_path());
		return 0;
	}
	file = descriptor_file(dirfd);
	if (!file)
		return -EBADF;
	if (!S_ISDIR(file->inode->mode))
		return -ENOTDIR;
	walk->dir = inode_get(file->inode);
	if (track)
		track_set(walk, file->path);
	return 0;
}

int walk_start_resolving(struct walk *walk, int dirfd, const char *path, bool track,
                         uint32_t resolve)
{
	size_t length = strlen(path);
	char *text = walk_text + sizeof(walk_text) - length - 1;

	int result = 0;

	walk->dir = NULL;
	walk->base = NULL;
	walk->resolve = resolve;
	walk->links = 0;
	walk->is_tracked = false;
	walk->is_for_file = false;
	walk->has_jumped = false;
	if (!length)
		return -ENOENT;
	if (length >= VFS_PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(text, path, length + 1);
	walk->rest = text;
	if (path[0] != '/' || (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)))
		result = walk_from(walk, dirfd, track);
	if (!result && (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)))
		walk->base = inode_get(walk->dir);
	if (!result && path[0] == '/') {
		if (track && !walk->base)
			track_set(walk, "/");
		result = walk_from_root(walk);
	}
	return result ? result : walk_to_last(walk);
}

int walk_last(struct walk *walk, bool follow, struct inode **found)
{
	for (;;) {
		bool follow_now = follow || walk->has_slash;
		int result = walk->has_slash && walk->is_for_file
		                     ? -EISDIR
		                     : walk_step(walk, follow_now, found);

		if (result == -ENOENT && !walk->has_jumped) {
			*found = NULL;
			return 0;
		}
		if (result || !follow_now || !S_ISLNK((*found)->mode))
			return result;
		result = walk_link(walk, *found);
		if (!result)
			result = walk_to_last(walk);
		if (result)
			return result;
	}
}

char *walk_path(struct walk *walk)
{
	if (!walk->has_jumped)
		track_step(walk);
	if (!walk->is_tracked)
		return NULL;

	char *path = heap_alloc(walk_track_length + 2);

	if (path) {
		path[0] = '/';
		memcpy(path, walk_track, walk_track_length);
	}
	return path;
}

/* Does the walk's last component exist? It is not followed. */
static int name_exists(struct walk *walk)
{
	struct inode *inode;
	int result = vfs_lookup(walk->dir, walk->last, walk->length, &inode);

	if (result)
		return result;
	inode_put(inode);
	return -EEXIST;
}

int walk_new_name(struct walk *walk, int dirfd, const char *path, bool directory)
{
	int result = walk_start(walk, dirfd, path, false);

	if (result)
		return result;
	result = name_exists(walk);
	if (result != -ENOENT)
		return result;
	if (walk->has_slash && !directory)
		return -ENOENT;
	return walk->dir->ops->create ? 0 : -EROFS;
}

void walk_end(struct walk *walk)
{
	inode_put(walk->dir);
	inode_put(walk->base);
	walk->dir = walk->base = NULL;
}

static int walk_whole(int dirfd, const char *path, unsigned flags, struct inode **found)
{
	struct walk walk;
	struct inode *inode = NULL;
	int result = walk_start(&walk, dirfd, path, false);

	if (!result)
		result = walk_last(&walk, !(flags & WALK_NOFOLLOW), &inode);
	if (!result && !inode)
		result = -ENOENT;
	if (!result && ((flags & WALK_DIRECTORY) || walk.has_slash) && !S_ISDIR(inode->mode)) {
		inode_put(inode);
		result = -ENOTDIR;
	}
	walk_end(&walk);
	if (!result)
		*found = inode;
	return result;
}

/* -ESTALE: a directory was found where it no longer is. Nothing of the kind is believed the second
 * time. */
int vfs_walk(int dirfd, const char *path, unsigned flags, struct inode **found)
{
	int result = walk_whole(dirfd, path, flags, found);

	return result == -ESTALE ? walk_whole(dirfd, path, flags, found) : result;
}

int vfs_walk_parent(int dirfd, const char *path, struct inode **parent, char *last)
{
	struct walk walk;
	int result = walk_start(&walk, dirfd, path, false);

	if (!result) {
		*parent = inode_get(walk.dir);
		memcpy(last, walk.last, walk.length + 1u);
	}
	walk_end(&walk);
	return result;
}
