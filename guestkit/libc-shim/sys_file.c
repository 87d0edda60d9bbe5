/* SPDX-License-Identifier: Apache-2.0 */
/* System calls on open files: seek, fcntl, ioctl, size. */
#include <asm/ioctls.h>
#include <asm/signal.h>
#include <linux/errno.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>

#include "guestkit/libc-shim/file.h"
#include "guestkit/libc-shim/file_lock.h"
#include "guestkit/libc-shim/memfd.h"
#include "guestkit/libc-shim/path.h"
#include "guestkit/libc-shim/pipe.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/signal.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/user.h"

/* ---- seek ---- */

static int64_t seek_plain(struct file *file, int64_t offset, int whence)
{
	int64_t size, base = 0;
	int result = whence == SEEK_SET || whence == SEEK_CUR ? 0 : inode_refresh(file->inode);

	if (result)
		return result;
	size = (int64_t)file->inode->size;
	switch (whence) {
	case SEEK_CUR: base = (int64_t)file->position; break;
	case SEEK_END: base = size; break;
	case SEEK_DATA:
	case SEEK_HOLE: /* behind the end there is one */
		if (S_ISDIR(file->inode->mode))
			return -EINVAL;
		if (offset < 0 || offset >= size)
			return -ENXIO;
		if (file->ops->extent)
			offset = (int64_t)file->ops->extent(file, (uint64_t)offset,
			                                    whence == SEEK_DATA);
		else
			offset = whence == SEEK_DATA ? offset : size;
		if (whence == SEEK_DATA && offset == size)
			return -ENXIO;
		break;
	}
	if (__builtin_add_overflow(base, offset, &offset) || offset < 0)
		return -EINVAL;
	file->position = (uint64_t)offset;
	return offset;
}

int64_t sys_lseek(const uint64_t *arg)
{
	struct file *file = file_of(arg[0]);
	uint32_t whence = (uint32_t)arg[2];

	if (!file)
		return -EBADF;
	if (whence > SEEK_MAX)
		return -EINVAL;
	if (file->ops->seek)
		return file->ops->seek(file, (int64_t)arg[1], (int)whence);
	if (file->ops->not_seekable)
		return -ESPIPE;
	return seek_plain(file, (int64_t)arg[1], (int)whence);
}

/* ---- fcntl ---- */

static int64_t fcntl_set_flags(struct file *file, uint32_t flags)
{
	const uint32_t settable = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME;

	file->flags = (file->flags & ~settable) | (flags & settable);
	return 0;
}

/* Commands that an O_PATH descriptor takes too; -ENOSYS for the others. */
static int64_t fcntl_descriptor(uint64_t fd, const struct file *file, uint32_t command,
                                uint64_t argument)
{
	switch (command) {
	case F_DUPFD: return descriptor_duplicate(fd, (uint32_t)argument, false);
	case F_DUPFD_CLOEXEC: return descriptor_duplicate(fd, (uint32_t)argument, true);
	case F_GETFD: return descriptor_close_on_exec((int)fd) ? FD_CLOEXEC : 0;
	case F_SETFD: descriptor_set_close_on_exec((int)fd, argument & FD_CLOEXEC); return 0;
	case F_GETFL: return file->flags;
	default: return -ENOSYS;
	}
}

int64_t sys_fcntl(const uint64_t *arg)
{
	struct file *file = descriptor_file((int)arg[0]);
	uint32_t command = (uint32_t)arg[1];
	int64_t result = file ? fcntl_descriptor(arg[0], file, command, arg[2]) : -EBADF;

	if (result != -ENOSYS)
		return result;
	if (file->flags & O_PATH)
		return -EBADF;
	switch (command) {
	case F_SETFL: return fcntl_set_flags(file, (uint32_t)arg[2]);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW: return file_lock_fcntl(file, command, arg[2]);
	case F_GET_SEALS: return memfd_get_seals(file);
	case F_ADD_SEALS: return memfd_add_seals(file, (uint32_t)arg[2]);
	case F_GETOWN:
	case F_SETOWN:
	case F_GETSIG: return 0; /* there is no signal-driven I/O: nobody owns it */
	case F_GETPIPE_SZ: return pipe_size(file);
	case F_SETPIPE_SZ: return pipe_resize(file, (uint32_t)arg[2]);
	default: return -EINVAL;
	}
}

/* ---- ioctl ---- */

/* Requests that every file takes; -ENOTTY for the others. */
static int64_t ioctl_any(uint64_t fd, struct file *file, uint32_t request, uint64_t argument)
{
	int value;

	switch (request) {
	case FIOCLEX: descriptor_set_close_on_exec((int)fd, true); return 0;
	case FIONCLEX: descriptor_set_close_on_exec((int)fd, false); return 0;
	case FIONBIO:
		if (user_read(&value, argument, sizeof(value)))
			return -EFAULT;
		file->flags =
		        value ? file->flags | O_NONBLOCK : file->flags & ~(uint32_t)O_NONBLOCK;
		return 0;
	case FIOASYNC: /* cannot be turned on; it is off */
		if (user_read(&value, argument, sizeof(value)))
			return -EFAULT;
		return value ? -ENOTTY : 0;
	default: return -ENOTTY;
	}
}

int64_t sys_ioctl(const uint64_t *arg)
{
	struct file *file = file_of(arg[0]);
	uint32_t request = (uint32_t)arg[1];

	if (!file)
		return -EBADF;
	int64_t result = ioctl_any(arg[0], file, request, arg[2]);

	if (result == -ENOTTY && file->ops->ioctl)
		result = file->ops->ioctl(file, request, arg[2]);
	if (result == -ENOTTY && request == FIONREAD && S_ISREG(file->inode->mode)) {
		int left = (int)(file->inode->size - file->position);

		result = user_write(arg[2], &left, sizeof(left));
	}
	return result;
}

/* ---- size ---- */

int64_t sys_truncate(const uint64_t *arg)
{
	struct inode *inode;
	int result;

	if ((int64_t)arg[1] < 0)
		return -EINVAL;
	result = path_find((uint64_t)AT_FDCWD, arg[0], 0, &inode);
	if (result)
		return result;
	result = inode_truncate(inode, arg[1]);
	inode_put(inode);
	return result;
}

int64_t sys_ftruncate(const uint64_t *arg)
{
	struct file *file = file_of(arg[0]);

	if ((int64_t)arg[1] < 0)
		return -EINVAL;
	if (!file)
		return -EBADF;
	if (!S_ISREG(file->inode->mode) || !file_is_writable(file))
		return -EINVAL;
	return inode_truncate(file->inode, arg[1]);
}

/* Modes that exist; a hole may not reach past the end of the file and move it. */
static bool is_allocate_mode(uint32_t mode)
{
	return !(mode & ~0x7fu) && (!(mode & FALLOC_FL_PUNCH_HOLE) || (mode & FALLOC_FL_KEEP_SIZE));
}

int64_t sys_fallocate(const uint64_t *arg)
{
	struct file *file = file_of(arg[0]);
	int64_t offset = (int64_t)arg[2], length = (int64_t)arg[3], end;

	if (!file)
		return -EBADF;
	if (offset < 0 || length <= 0)
		return -EINVAL;
	if (!is_allocate_mode((uint32_t)arg[1]))
		return -EOPNOTSUPP;
	if (!file_is_writable(file))
		return -EBADF;
	if (S_ISFIFO(file->inode->mode))
		return -ESPIPE;
	if (!S_ISREG(file->inode->mode))
		return -ENODEV;
	if (__builtin_add_overflow(offset, length, &end))
		return -EFBIG;
	if (!file->ops->allocate)
		return -EOPNOTSUPP;
	(void)inode_refresh(file->inode);
	if (!((uint32_t)arg[1] & FALLOC_FL_KEEP_SIZE) && (uint64_t)end > file->inode->size &&
	    (uint64_t)end > process_limit(RESOURCE_FSIZE)->soft) {
		signal_send_self(SIGXFSZ);
		return -EFBIG;
	}
	return file->ops->allocate(file, (uint32_t)arg[1], (uint64_t)offset, (uint64_t)length);
}
