/* SPDX-License-Identifier: Apache-2.0 */
/* Open files, opening by path, and the descriptor table. */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#include "guestkit/libc-shim/epoll.h"
#include "guestkit/libc-shim/file_lock.h"
#include "guestkit/libc-shim/path.h"
#include "guestkit/libc-shim/vfs.h"
#include "guestkit/libc-shim/walk.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "guestkit/thread.h"

/* What a file keeps of the flags it was opened with. */
#define FLAGS_OF_OPEN (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC)
#define FLAGS_OF_PATH (O_DIRECTORY | O_NOFOLLOW | O_PATH)

/* Few programs have more than the first: those lie with what every start touches. */
#define FIRST_DESCRIPTORS 64
static struct file *first_table[FIRST_DESCRIPTORS];
static KIT_LARGE struct file *more_table[VFS_OPEN_MAX - FIRST_DESCRIPTORS];
static uint64_t close_on_exec_bits[VFS_OPEN_MAX / 64];
static int lowest_free; /* no descriptor below it is free */
unsigned descriptor_limit = VFS_OPEN_MAX;

/* @fd: 0 to VFS_OPEN_MAX - 1 */
static struct file **slot(int fd)
{
	return fd < FIRST_DESCRIPTORS ? &first_table[fd] : &more_table[fd - FIRST_DESCRIPTORS];
}

/* Of directories and O_PATH files: nothing is possible. */
static const struct file_ops no_file_ops;

/* ---- open files ---- */

static char *copy_string(const char *string)
{
	size_t size = strlen(string) + 1;
	char *copy = heap_alloc(size);

	if (copy)
		memcpy(copy, string, size);
	return copy;
}

/* As file_open_inode(), with a heap path that is taken over (also on failure). */
static int open_inode(struct inode *inode, uint32_t flags, char *path, struct file **opened)
{
	const struct file_ops *ops = inode->ops->file_ops;
	struct file *file;
	int result = 0;

	if ((flags & O_PATH) || S_ISDIR(inode->mode))
		ops = &no_file_ops;
	file = ops ? heap_alloc(sizeof(*file)) : NULL;
	if (!file) {
		heap_free(path);
		inode_put(inode);
		return ops ? -ENOMEM : -ENXIO;
	}
	file->ops = ops;
	file->inode = inode;
	file->references = 1;
	file->flags = flags & ~(uint32_t)FLAGS_OF_OPEN;
	file->path = path;
	if (inode->ops->open && !(flags & O_PATH))
		result = inode->ops->open(inode, file);
	if (result) {
		file->ops = &no_file_ops;
		file_put(file);
		return result;
	}
	*opened = file;
	return 0;
}

int file_open_inode(struct inode *inode, uint32_t flags, const char *path, struct file **opened)
{
	return open_inode(inode, flags, path ? copy_string(path) : NULL, opened);
}

struct file *file_get(struct file *file)
{
	file->references++;
	return file;
}

void file_put(struct file *file)
{
	if (!file || --file->references)
		return;
	if (file->watched)
		epoll_forget(file);
	if (file->has_locks)
		file_lock_file_gone(file);
	if (file->ops->close)
		file->ops->close(file);
	inode_put(file->inode);
	heap_free(file->path);
	heap_free(file);
}

void file_hold(struct file *file)
{
	struct thread *thread = thread_current;

	/* No call works on more files at once than there is room for. */
	if (thread->held_count < THREAD_HELD_MAX)
		thread->held[thread->held_count++] = file_get(file);
}

void file_release_held(void)
{
	struct thread *thread = thread_current;

	while (thread->held_count)
		file_put(thread->held[--thread->held_count]);
}

/* ---- opening by path ---- */

static int check_flags(uint32_t flags)
{
	if (flags & O_PATH)
		return 0;
	if (flags & __O_TMPFILE)
		return (flags & O_TMPFILE) == O_TMPFILE && !(flags & O_CREAT) &&
		                       (flags & O_ACCMODE) != O_RDONLY
		               ? 0
		               : -EINVAL;
	return (flags & O_CREAT) && (flags & O_DIRECTORY) ? -EINVAL : 0;
}

/* May an inode that was there before be opened so? */
static int check_existing(const struct walk *walk, const struct inode *inode, uint32_t flags)
{
	bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
	const struct file_ops *ops = inode->ops->file_ops;

	if ((flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	if (((flags & O_DIRECTORY) || walk->has_slash) && !S_ISDIR(inode->mode))
		return -ENOTDIR;
	if (flags & O_PATH)
		return 0;
	if (S_ISLNK(inode->mode))
		return -ELOOP;
	if (S_ISDIR(inode->mode) && ((flags & O_CREAT) || writes))
		return -EISDIR;
	if (S_ISREG(inode->mode) && writes && !inode->ops->truncate && !(ops && ops->write))
		return -EROFS;
	return 0;
}

/* O_TMPFILE: *inode, whose reference is taken over, is the directory, and then the file. */
static int make_unnamed(struct inode **inode, uint32_t flags, uint32_t mode, bool *made)
{
	struct inode *dir = *inode;
	int result = -ENOTDIR;

	if (S_ISDIR(dir->mode))
		result = dir->ops->create
		                 ? dir->ops->create(dir, NULL, 0,
		                                    S_IFREG | (mode & ~file_creation_mask & 07777),
		                                    flags & O_EXCL, inode)
		                 : -EOPNOTSUPP;
	inode_put(dir);
	*made = true;
	return result;
}

/* Find or make what the walk's last component names; *made tells which. */
static int open_last(struct walk *walk, uint32_t flags, uint32_t mode, struct inode **inode,
                     bool *made)
{
	bool creates = flags & O_CREAT;
	bool follow = !(flags & O_NOFOLLOW) && !(creates && (flags & O_EXCL));

	*made = false;
	walk->is_for_file = creates;
	int result = walk_last(walk, follow, inode);

	if (result)
		return result;
	if (*inode && (flags & __O_TMPFILE))
		return make_unnamed(inode, flags, mode, made);
	if (*inode) {
		result = check_existing(walk, *inode, flags);
		if (result)
			inode_put(*inode);
		return result;
	}
	if (!creates)
		return -ENOENT;
	if (!walk->dir->ops->create)
		return -EROFS;
	*made = true;
	result = walk->dir->ops->create(walk->dir, walk->last, walk->length,
	                                S_IFREG | (mode & ~file_creation_mask & 07777), 0, inode);
	if (result != -EEXIST || (flags & O_EXCL))
		return result;
	/* Somebody outside of the guest was faster. */
	*made = false;
	result = vfs_lookup(walk->dir, walk->last, walk->length, inode);
	if (result)
		return result;
	result = check_existing(walk, *inode, flags);
	if (result)
		inode_put(*inode);
	return result;
}

int file_open(int dirfd, const char *path, uint32_t flags, uint32_t mode, struct file **opened)
{
	return file_open_resolving(dirfd, path, flags, mode, 0, opened);
}

static int open_path(int dirfd, const char *path, uint32_t flags, uint32_t mode, uint32_t resolve,
                     struct file **opened)
{
	struct inode *inode;
	struct walk walk;
	char *full = NULL;
	bool made;
	int result = check_flags(flags);

	if (result)
		return result;
	if (flags & O_PATH)
		flags &= FLAGS_OF_PATH;
	result = walk_start_resolving(&walk, dirfd, path, true, resolve);
	if (!result)
		result = open_last(&walk, flags, mode, &inode, &made);
	if (!result)
		full = walk_path(&walk);
	walk_end(&walk);
	if (result)
		return result;

	inode_get(inode);
	result = open_inode(inode, flags, full, opened);
	if (!result && (flags & O_TRUNC) && S_ISREG(inode->mode) && !made && inode->ops->truncate) {
		result = inode_truncate(inode, 0);
		if (result)
			file_put(*opened);
	}
	inode_put(inode);
	return result;
}

/* -ESTALE: as in vfs_walk(). */
int file_open_resolving(int dirfd, const char *path, uint32_t flags, uint32_t mode,
                        uint32_t resolve, struct file **opened)
{
	int result = open_path(dirfd, path, flags, mode, resolve, opened);

	return result == -ESTALE ? open_path(dirfd, path, flags, mode, resolve, opened) : result;
}

/* ---- descriptors ---- */

struct file *descriptor_file(int fd)
{
	return (unsigned)fd < VFS_OPEN_MAX ? *slot(fd) : NULL;
}

bool descriptor_close_on_exec(int fd)
{
	return close_on_exec_bits[fd / 64] >> (fd % 64) & 1;
}

void descriptor_set_close_on_exec(int fd, bool close_on_exec)
{
	uint64_t bit = 1ull << (fd % 64);

	if (close_on_exec)
		close_on_exec_bits[fd / 64] |= bit;
	else
		close_on_exec_bits[fd / 64] &= ~bit;
}

int descriptor_available(int minimum)
{
	int fd = minimum > lowest_free ? minimum : lowest_free;

	while (fd < (int)descriptor_limit && *slot(fd))
		fd++;
	if (minimum <= lowest_free)
		lowest_free = fd;
	return fd < (int)descriptor_limit ? fd : -EMFILE;
}

int descriptor_install(struct file *file, int minimum, bool close_on_exec)
{
	int fd = descriptor_available(minimum);

	if (fd >= 0) {
		*slot(fd) = file;
		descriptor_set_close_on_exec(fd, close_on_exec);
	}
	return fd;
}

void descriptor_replace(int fd, struct file *file, bool close_on_exec)
{
	struct file *old = *slot(fd);

	*slot(fd) = file;
	descriptor_set_close_on_exec(fd, close_on_exec);
	if (old)
		file_lock_descriptor_closed(old);
	file_put(old);
}

int descriptor_close(int fd)
{
	struct file *file = descriptor_file(fd);

	if (!file)
		return -EBADF;
	*slot(fd) = NULL;
	if (fd < lowest_free)
		lowest_free = fd;
	file_lock_descriptor_closed(file);
	file_put(file);
	return 0;
}

void descriptors_close_all(void)
{
	for (int fd = 0; fd < VFS_OPEN_MAX; fd++)
		if (descriptor_file(fd))
			descriptor_close(fd);
}

void descriptors_close_on_exec(void)
{
	for (int fd = 0; fd < VFS_OPEN_MAX; fd++)
		if (close_on_exec_bits[fd / 64] >> fd % 64 & 1 && descriptor_file(fd))
			descriptor_close(fd);
}
