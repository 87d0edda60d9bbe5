/* SPDX-License-Identifier: Apache-2.0 */
/* Inodes, mounts and what can be said of a directory in the whole tree. */
#include <asm/signal.h>
#include <linux/errno.h>
#include <linux/stat.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/name_files.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/signal.h"
#include "guestkit/libc-shim/vfs.h"
#include "guestkit/libc-shim/walk.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"

#define VFS_MOUNT_MAX 24
#define NS_PER_DAY    (86400 * 1000000000ull)

#define TYPE_DIRECTORY (S_IFDIR >> 12) /* DT_DIR */

/* A name in a directory that leads into another file system. */
struct mount {
	struct inode *parent; /* referenced */
	struct inode *root;   /* referenced; NULL: nobody has looked there yet */
	struct inode *(*make)(void);
	uint8_t length;   /* of the name */
	const char *name; /* lives as long as the mount */
	const char *path; /* of vfs_mount_made(); NULL: it is one that every guest has */
};

static struct mount mounts[VFS_MOUNT_MAX];
static unsigned mount_count;

struct inode *vfs_root;
struct inode *vfs_working_directory;

struct inode *inode_get(struct inode *inode)
{
	inode->references++;
	return inode;
}

void inode_put(struct inode *inode)
{
	if (inode && !--inode->references && inode->ops->release)
		inode->ops->release(inode);
}

uint64_t vfs_new_fs_id(void)
{
	static uint64_t last = 0x1f; /* Linux numbers file systems without a device from 1 */

	return ++last;
}

void inode_accessed(struct inode *inode)
{
	if (!inode->ops->set_attributes || inode->has_no_atime)
		return;
	uint64_t now = clock_realtime();

	if (inode->atime > inode->mtime && inode->atime > inode->ctime &&
	    now - inode->atime < NS_PER_DAY)
		return;
	inode->atime = now;
	inode->ops->set_attributes(inode);
}

int inode_truncate(struct inode *inode, uint64_t size)
{
	if (S_ISDIR(inode->mode))
		return -EISDIR;
	if (!S_ISREG(inode->mode))
		return -EINVAL;
	if (size > inode->size && size > process_limit(RESOURCE_FSIZE)->soft) {
		signal_send_self(SIGXFSZ);
		return -EFBIG;
	}
	return inode->ops->truncate ? inode->ops->truncate(inode, size) : -EROFS;
}

/* ---- mounts ---- */

static struct mount *mount_by_name(const struct inode *dir, const char *name, size_t length)
{
	/* Of two in one place the last one counts. */
	for (struct mount *mount = mounts + mount_count; mount-- > mounts;)
		if (mount->length == length && !memcmp(mount->name, name, length) &&
		    inode_is_same(mount->parent, dir))
			return mount;
	return NULL;
}

static const struct mount *mount_by_root(const struct inode *root)
{
	for (const struct mount *mount = mounts; mount < mounts + mount_count; mount++)
		if (mount->root && inode_is_same(mount->root, root))
			return mount;
	return NULL;
}

/* The root of what is mounted, made when it is first asked for; NULL when memory is short. */
static struct inode *mount_root(struct mount *mount)
{
	if (!mount->root)
		mount->root = mount->make();
	return mount->root;
}

bool vfs_is_mount(const struct inode *dir, const char *name, size_t length)
{
	return mount_by_name(dir, name, length) != NULL;
}

/* Mount @root as @name in @parent; takes over both references. */
static int mount_at(struct inode *parent, const char *name, struct inode *root)
{
	struct mount *mount;

	if (!root || mount_count == VFS_MOUNT_MAX) {
		inode_put(parent);
		inode_put(root);
		return root ? -ENOSPC : -ENOMEM;
	}
	mount = &mounts[mount_count++];
	mount->parent = parent;
	mount->root = root;
	mount->length = (uint8_t)strlen(name);
	mount->name = name;
	return 0;
}

/* Mount what @make gives in the root, once somebody looks there. */
static void mount_later(const char *name, struct inode *(*make)(void))
{
	struct mount *mount = &mounts[mount_count++];

	mount->parent = inode_get(vfs_root);
	mount->make = make;
	mount->length = (uint8_t)strlen(name);
	mount->name = name;
}

/* The directory that a path leads to, made with all above it where it is missing. */
static int make_path(const char *path, struct inode **found)
{
	struct inode *dir = inode_get(vfs_root), *next;
	int result = 0;

	while (!result && *path) {
		size_t length = 0;

		while (path[length] && path[length] != '/')
			length++;
		if (length)
			result = vfs_lookup(dir, path, length, &next);
		if (result == -ENOENT && dir->ops->create)
			result = dir->ops->create(dir, path, length, S_IFDIR | 0755, 0, &next);
		if (length && !result) {
			inode_put(dir);
			dir = next;
			result = S_ISDIR(dir->mode) ? 0 : -ENOTDIR;
		}
		path += length + (path[length] == '/');
	}
	if (result)
		inode_put(dir);
	else
		*found = dir;
	return result;
}

int vfs_mount_made(const char *path, struct inode *root)
{
	size_t length = strlen(path);
	char *copy = heap_alloc(length + 1), *name = NULL;
	struct inode *parent = NULL;
	int result = copy ? 0 : -ENOMEM;

	while (length > 1 && path[length - 1] == '/')
		length--;
	if (!result && (path[0] != '/' || length < 2))
		result = -EINVAL;
	if (!result) {
		memcpy(copy, path, length);
		name = strrchr(copy, '/') + 1;
		name[-1] = '\0';
		result = *name && strlen(name) <= VFS_NAME_MAX ? make_path(copy, &parent) : -EINVAL;
		name[-1] = '/';
	}
	if (result) {
		heap_free(copy);
		inode_put(root);
		return result;
	}
	result = mount_at(parent, name, root);
	if (!result)
		mounts[mount_count - 1].path = copy;
	return result;
}

const char *vfs_mounted(unsigned index, struct inode **root)
{
	for (const struct mount *mount = mounts; mount < mounts + mount_count; mount++) {
		if (!mount->path || index--)
			continue;
		*root = mount->root;
		return mount->path;
	}
	return NULL;
}

int vfs_sync(void)
{
	int result = 0;

	for (const struct mount *mount = mounts; mount < mounts + mount_count; mount++) {
		int status = mount->root && mount->root->ops->sync_all
		                     ? mount->root->ops->sync_all(mount->root)
		                     : 0;

		result = result ? result : status;
	}
	return result;
}

static bool is_name(const char *name, size_t length, const char *wanted)
{
	return length == strlen(wanted) && !memcmp(name, wanted, length);
}

static int lookup_parent(struct inode *dir, struct inode **found)
{
	const struct mount *mount;

	if (inode_is_same(dir, vfs_root))
		*found = inode_get(vfs_root);
	else if ((mount = mount_by_root(dir)) != NULL)
		*found = inode_get(mount->parent);
	else
		return dir->ops->lookup ? dir->ops->lookup(dir, "..", 2, found) : -ENOTDIR;
	return 0;
}

int vfs_lookup(struct inode *dir, const char *name, size_t length, struct inode **found)
{
	if (!S_ISDIR(dir->mode))
		return -ENOTDIR;
	if (is_name(name, length, ".")) {
		*found = inode_get(dir);
		return 0;
	}
	if (is_name(name, length, ".."))
		return lookup_parent(dir, found);

	struct mount *mount = mount_by_name(dir, name, length);

	name_files_look(dir, name, length);
	if (mount) {
		if (!mount_root(mount))
			return -ENOMEM;
		*found = inode_get(mount->root);
		return 0;
	}
	return dir->ops->lookup ? dir->ops->lookup(dir, name, length, found) : -ENOTDIR;
}

/* The mounts on this directory from *cookie on whose names it does not have itself. */
static int readdir_mounts(struct inode *dir, uint64_t *cookie, struct dir_entry *entry)
{
	for (uint64_t i = *cookie - VFS_COOKIE_LIMIT; i < mount_count; i++) {
		struct mount *mount = &mounts[i];
		struct inode *own;

		if (mount != mount_by_name(dir, mount->name, mount->length))
			continue;
		if (dir->ops->lookup && !dir->ops->lookup(dir, mount->name, mount->length, &own)) {
			inode_put(own);
			continue;
		}
		if (!mount_root(mount))
			return -ENOMEM;
		entry->number = mount->root->number;
		entry->type = TYPE_DIRECTORY;
		entry->length = mount->length;
		memcpy(entry->name, mount->name, mount->length + 1u);
		*cookie = VFS_COOKIE_LIMIT + i + 1;
		return 1;
	}
	return 0;
}

int vfs_readdir(struct inode *dir, uint64_t *cookie, struct dir_entry *entry)
{
	if (!S_ISDIR(dir->mode))
		return -ENOTDIR;
	if (*cookie < VFS_COOKIE_LIMIT) {
		int result = dir->ops->readdir ? dir->ops->readdir(dir, cookie, entry) : -ENOTDIR;

		if (result)
			return result;
		*cookie = VFS_COOKIE_LIMIT;
	}
	return readdir_mounts(dir, cookie, entry);
}

/* ---- paths of directories ---- */

/* The name that leads from @parent to @dir, into entry->name. */
static int name_in_parent(struct inode *parent, const struct inode *dir, struct dir_entry *entry)
{
	const struct mount *mount = mount_by_root(dir);
	uint64_t cookie = 0;
	int result;

	if (mount) {
		entry->length = mount->length;
		memcpy(entry->name, mount->name, mount->length);
		return 0;
	}
	while ((result = vfs_readdir(parent, &cookie, entry)) > 0)
		if (entry->number == dir->number && entry->type == TYPE_DIRECTORY &&
		    !is_name(entry->name, entry->length, ".") &&
		    !is_name(entry->name, entry->length, "..") &&
		    !mount_by_name(parent, entry->name, entry->length))
			return 0;
	return result ? result : -ENOENT;
}

int64_t vfs_directory_path(struct inode *dir, char *buffer, size_t size)
{
	struct dir_entry entry;
	size_t at = size; /* the path grows from the end of the buffer to its start */
	int result = 0;

	if (size < 2)
		return -ERANGE;
	buffer[--at] = '\0';
	inode_get(dir);
	while (!inode_is_same(dir, vfs_root)) {
		struct inode *parent;

		result = lookup_parent(dir, &parent);
		if (!result && parent == dir) { /* outside of what chroot left */
			inode_put(parent);
			result = -ENOENT;
		}
		if (result)
			break;
		result = name_in_parent(parent, dir, &entry);
		inode_put(dir);
		dir = parent;
		if (!result && at < entry.length + 1u)
			result = -ERANGE;
		if (result)
			break;
		at -= entry.length;
		memcpy(buffer + at, entry.name, entry.length);
		buffer[--at] = '/';
	}
	inode_put(dir);
	if (result)
		return result;
	if (at == size - 1)
		buffer[--at] = '/';
	memmove(buffer, buffer + at, size - at);
	return (int64_t)(size - at);
}

static KIT_LARGE char working_path[VFS_PATH_MAX];
static bool has_working_path;

void vfs_working_path_changed(void)
{
	has_working_path = false;
}

const char *vfs_working_path(void)
{
	if (!has_working_path)
		has_working_path = vfs_directory_path(vfs_working_directory, working_path,
		                                      sizeof(working_path)) > 0;
	return has_working_path ? working_path : NULL;
}

/* ---- start ---- */

int vfs_init(const void *root_image, uint64_t root_size, uint64_t root_physical)
{
	struct inode *dev;
	int result;

	vfs_root = tmpfs_create_over(
	        root_image ? erofs_root_create(root_image, root_size, root_physical)
	                   : builtin_root_create());
	if (!vfs_root)
		return root_image ? -EUCLEAN : -ENOMEM;
	vfs_working_directory = inode_get(vfs_root);
	/* By name, not by path: a start touches as little memory as it can. */
	if ((result = mount_at(inode_get(vfs_root), "tmp", tmpfs_create(01777))) != 0 ||
	    (result = mount_at(inode_get(vfs_root), "dev", dev = devfs_create())) != 0 ||
	    (result = mount_at(inode_get(dev), "shm", tmpfs_create(01777))) != 0)
		return result;
	mount_later("proc", procfs_create);
	mount_later("sys", sysfs_create);

	for (int stream = 0; stream < 3; stream++) {
		struct file *file;

		result = console_file_open(stream, &file);
		if (result)
			return result;
		descriptor_install(file, stream, false);
	}
	return 0;
}

int vfs_start_in(const char *path)
{
	struct inode *dir;
	int result;

	if (!path || !strcmp(path, "/"))
		return 0;
	result = vfs_walk(-1, path, WALK_DIRECTORY, &dir);
	if (result)
		return result;
	inode_put(vfs_working_directory);
	vfs_working_directory = dir;
	return 0;
}
