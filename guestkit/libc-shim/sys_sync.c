/* SPDX-License-Identifier: Apache-2.0 */
/* Hints, and waiting for storage: only some file systems have any. */
#include <linux/errno.h>
#include <linux/fadvise.h>
#include <linux/fs.h>
#include <linux/stat.h>

#include "guestkit/libc-shim/file.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/virtio_block.h"

#define SYNC_FLAGS \
	(SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER)

static int64_t sync_file(struct file *file, bool data_only)
{
	struct inode *inode;

	if (!file)
		return -EBADF;
	inode = file->inode;
	if (!S_ISREG(inode->mode) && !S_ISDIR(inode->mode) && !S_ISBLK(inode->mode))
		return -EINVAL;
	return inode->ops->sync ? inode->ops->sync(inode, file, data_only) : 0;
}

int64_t sys_fsync(const uint64_t *arg)
{
	return sync_file(file_of(arg[0]), false);
}

int64_t sys_fdatasync(const uint64_t *arg)
{
	return sync_file(file_of(arg[0]), true);
}

/* Errors are for those who ask about one file. */
int64_t sys_sync(const uint64_t *arg)
{
	(void)arg;
	vfs_sync();
	block_flush_all();
	return 0;
}

int64_t sys_syncfs(const uint64_t *arg)
{
	struct file *file = file_of(arg[0]);

	if (!file)
		return -EBADF;
	return file->inode->ops->sync_all ? file->inode->ops->sync_all(file->inode) : 0;
}

int64_t sys_readahead(const uint64_t *arg)
{
	const struct file *file = descriptor_file((int)arg[0]);

	if (!file || !file_is_readable(file))
		return -EBADF;
	return S_ISREG(file->inode->mode) ? 0 : -EINVAL;
}

int64_t sys_fadvise64(const uint64_t *arg)
{
	const struct file *file = file_of(arg[0]);

	if (!file)
		return -EBADF;
	if (S_ISFIFO(file->inode->mode))
		return -ESPIPE;
	if ((int64_t)arg[2] < 0 || (uint32_t)arg[3] > POSIX_FADV_NOREUSE)
		return -EINVAL;
	return 0;
}

int64_t sys_sync_file_range(const uint64_t *arg)
{
	struct file *file = file_of(arg[0]);
	int64_t offset = (int64_t)arg[1], length = (int64_t)arg[2], end;

	if (!file)
		return -EBADF;
	if ((uint32_t)arg[3] & ~(uint32_t)SYNC_FLAGS || offset < 0 || length < 0 ||
	    __builtin_add_overflow(offset, length, &end))
		return -EINVAL;
	if (S_ISREG(file->inode->mode) && arg[3])
		return sync_file(file, true);
	return S_ISREG(file->inode->mode) || S_ISDIR(file->inode->mode) ||
	                       S_ISLNK(file->inode->mode) || S_ISBLK(file->inode->mode)
	               ? 0
	               : -ESPIPE;
}
