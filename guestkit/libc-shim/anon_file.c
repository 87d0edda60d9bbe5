/* SPDX-License-Identifier: Apache-2.0 */
/* Open files that have no name in any file system: event counters, timers, sets of files. */
#include "guestkit/libc-shim/anon_file.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/magic.h>

#include "guestkit/memory.h"
#include "guestkit/string.h"

static void anon_statistics(struct inode *inode, struct vfs_statistics *out)
{
	(void)inode;
	out->magic = ANON_INODE_FS_MAGIC;
}

/* Without file_ops: it cannot be opened through /proc/self/fd. */
static const struct inode_ops anon_ops = {.statistics = anon_statistics};

/* One for all of them, as on Linux; of no type. */
static struct inode anon_inode = {
        .ops = &anon_ops,
        .references = 1,
        .mode = 0600,
        .links = 1,
        .number = 1,
};

int64_t anon_file_seek(struct file *file, int64_t offset, int whence)
{
	(void)offset;
	(void)whence;
	return (int64_t)file->position;
}

int anon_file_install(const char *label, const struct file_ops *ops, void *object, uint32_t flags)
{
	size_t size = strlen(label) + 1;
	struct file *file = heap_alloc(sizeof(*file));
	char *path = heap_alloc(size);
	int fd;

	if (!anon_inode.fs_id)
		anon_inode.fs_id = vfs_new_fs_id();
	if (!file || !path) {
		/* close() wants a file, though not one that has been open. */
		ops->close(&(struct file){.ops = ops, .private = object});
		heap_free(file);
		heap_free(path);
		return -ENOMEM;
	}
	memcpy(path, label, size);
	file->ops = ops;
	file->inode = inode_get(&anon_inode);
	file->references = 1;
	file->flags = flags & ~(uint32_t)O_CLOEXEC;
	file->private = object;
	file->path = path;
	fd = descriptor_install(file, 0, flags & O_CLOEXEC);
	if (fd < 0)
		file_put(file);
	return fd;
}
