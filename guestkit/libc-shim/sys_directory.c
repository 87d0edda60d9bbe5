/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that read directories and links, and on the working directory. */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#include "guestkit/libc-shim/file.h"
#include "guestkit/libc-shim/path.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/string.h"
#include "guestkit/user.h"

/* ---- working directory ---- */

int64_t sys_getcwd(const uint64_t *arg)
{
	const char *path = vfs_working_path();

	if (!path)
		return -ENOENT; /* it was removed */
	size_t size = strlen(path) + 1;

	if (arg[1] < size)
		return -ERANGE;
	return user_write(arg[0], path, size) ? -EFAULT : (int64_t)size;
}

/* Takes over the reference. */
static int64_t change_directory(struct inode *dir)
{
	if (!S_ISDIR(dir->mode)) {
		inode_put(dir);
		return -ENOTDIR;
	}
	inode_put(vfs_working_directory);
	vfs_working_directory = dir;
	vfs_working_path_changed();
	return 0;
}

int64_t sys_chdir(const uint64_t *arg)
{
	struct inode *dir;
	int result = path_find((uint64_t)AT_FDCWD, arg[0], 0, &dir);

	return result ? result : change_directory(dir);
}

int64_t sys_fchdir(const uint64_t *arg)
{
	struct inode *dir;
	int result = descriptor_inode(arg[0], true, &dir);

	return result ? result : change_directory(inode_get(dir));
}

/* Paths start there from now on; as on Linux, the working directory may be outside. */
int64_t sys_chroot(const uint64_t *arg)
{
	struct inode *dir;
	int result = path_find((uint64_t)AT_FDCWD, arg[0], 0, &dir);

	if (!result && !S_ISDIR(dir->mode)) {
		inode_put(dir);
		result = -ENOTDIR;
	}
	if (result)
		return result;
	inode_put(vfs_root);
	vfs_root = dir;
	vfs_working_path_changed();
	return 0;
}

/* ---- symbolic links ---- */

static int64_t readlink_at(uint64_t dirfd, const uint64_t *arg, uint32_t flags)
{
	struct inode *inode;
	char *path, buffer[1];
	int size = (int)arg[2];
	int64_t length;
	int result;

	if (size <= 0)
		return -EINVAL;
	result = path_find(dirfd, arg[0], flags | AT_SYMLINK_NOFOLLOW, &inode);
	if (result)
		return result;
	if (!S_ISLNK(inode->mode)) {
		/* An empty path may only stand for a descriptor of a link. */
		length = !user_read(buffer, arg[0], 1) && !buffer[0] ? -ENOENT : -EINVAL;
	} else if (!inode->ops->readlink) {
		length = -EINVAL;
	} else {
		path = path_scratch();
		length = inode->ops->readlink(inode, path, VFS_PATH_MAX);
		if (length > VFS_PATH_MAX)
			length = VFS_PATH_MAX;
		if (length > size)
			length = size;
		if (length > 0 && user_write(arg[1], path, (size_t)length))
			length = -EFAULT;
	}
	inode_put(inode);
	return length;
}

int64_t sys_readlink(const uint64_t *arg)
{
	return readlink_at((uint64_t)AT_FDCWD, arg, 0);
}

int64_t sys_readlinkat(const uint64_t *arg)
{
	return readlink_at(arg[0], arg + 1, AT_EMPTY_PATH);
}

/* ---- getdents64 ---- */

/* struct linux_dirent64 of getdents(2). */
struct directory_record {
	uint64_t number;
	int64_t next;
	uint16_t length; /* of the record: a multiple of eight */
	uint8_t type;
	char name[VFS_NAME_MAX + 1 + 8];
} __attribute__((packed));

/* Build a record; returns its length. */
static uint16_t make_record(struct directory_record *record, const struct dir_entry *entry,
                            uint64_t cookie)
{
	size_t length = offsetof(struct directory_record, name) + entry->length + 1u;
	uint16_t whole = (uint16_t)((length + 7) & ~(size_t)7);

	record->number = entry->number;
	record->next = (int64_t)cookie;
	record->length = whole;
	record->type = entry->type;
	memcpy(record->name, entry->name, entry->length);
	memset(record->name + entry->length, 0, whole - length + 1);
	return whole;
}

int64_t sys_getdents64(const uint64_t *arg)
{
	struct file *file = file_of(arg[0]);
	uint32_t size = (uint32_t)arg[2], done = 0;
	struct directory_record record;
	struct dir_entry entry;
	int result;

	if (!file)
		return -EBADF;
	if (!S_ISDIR(file->inode->mode))
		return -ENOTDIR;
	if (!file->inode->links)
		return -ENOENT; /* removed */
	for (;;) {
		uint64_t cookie = file->position;

		result = vfs_readdir(file->inode, &cookie, &entry);
		if (result <= 0)
			break;
		uint16_t length = make_record(&record, &entry, cookie);

		result = length > size - done ? -EINVAL : 0;
		if (!result)
			result = user_write(arg[1] + done, &record, length);
		if (result)
			break;
		file->position = cookie;
		done += length;
	}
	if (!done)
		return result;
	inode_accessed(file->inode);
	return done;
}
