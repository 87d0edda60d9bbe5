/* SPDX-License-Identifier: Apache-2.0 */
/* Files in memory without a name: memfd_create, and seals. */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/memfd.h>
#include <linux/mman.h>

#include "guestkit/console.h"
#include "guestkit/libc-shim/file.h"
#include "guestkit/libc-shim/memfd.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/tmpfs.h"
#include "guestkit/user.h"
#include "guestkit/vma.h"

#define NAME_PREFIX "/memfd:"
#define MEMFD_NAME  (VFS_NAME_MAX - 6) /* that Linux puts "memfd:" before */
#define KNOWN_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

int64_t sys_memfd_create(const uint64_t *arg)
{
	uint32_t flags = (uint32_t)arg[1];
	char name[VFS_NAME_MAX + 1], path[VFS_NAME_MAX + 32];
	struct tmpfs_inode *node;
	struct file *file;
	int64_t length;
	int fd;

	if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING))
		return -EINVAL;
	length = user_read_string(name, arg[0], MEMFD_NAME + 1);
	if (length < 0)
		return length == -ENAMETOOLONG ? -EINVAL : length;
	fd = descriptor_available(0);
	if (fd < 0)
		return fd;
	node = tmpfs_create_memfd(0777);
	if (!node)
		return -ENOMEM;
	if (flags & MFD_ALLOW_SEALING)
		node->seals = 0;
	kit_format(path, sizeof(path), NAME_PREFIX "%s", name);
	fd = file_open_inode(&node->base, O_RDWR | O_LARGEFILE, path, &file);
	return fd ? fd : descriptor_install(file, 0, flags & MFD_CLOEXEC);
}

/* Does a shared mapping write to the file, or can it be made to? */
static bool is_mapped_writable(const struct inode *inode)
{
	for (size_t i = 0; i < vma_count(); i++) {
		const struct vma *vma = vma_at(i);

		if (vma->file && vma->file->inode == inode && vma->flags & MAP_SHARED &&
		    file_is_writable(vma->file))
			return true;
	}
	return false;
}

int64_t memfd_get_seals(const struct file *file)
{
	return file->ops == &tmpfs_file_ops ? tmpfs_inode(file->inode)->seals : -EINVAL;
}

int64_t memfd_add_seals(const struct file *file, uint32_t seals)
{
	struct tmpfs_inode *node = tmpfs_inode(file->inode);

	if (!file_is_writable(file))
		return -EPERM;
	if (seals & ~(uint32_t)KNOWN_SEALS || file->ops != &tmpfs_file_ops)
		return -EINVAL;
	if (node->seals & F_SEAL_SEAL)
		return -EPERM;
	if (seals & F_SEAL_WRITE && !(node->seals & F_SEAL_WRITE) &&
	    is_mapped_writable(file->inode))
		return -EBUSY;
	node->seals |= (uint8_t)seals;
	return 0;
}

int memfd_check_mapping(const struct file *file, bool is_shared, bool is_writable)
{
	bool is_sealed = file->ops == &tmpfs_file_ops &&
	                 tmpfs_inode(file->inode)->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);

	return is_sealed && is_shared && is_writable ? -EPERM : 0;
}
