/* SPDX-License-Identifier: Apache-2.0 */
/* System calls on descriptors: open, close, dup, seek, fcntl, ioctl, size and sync. */
#include <asm/ioctls.h>
#include <linux/errno.h>
#include <linux/fadvise.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>

#include "guestkit/libc-shim/file.h"
#include "guestkit/libc-shim/path.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/user.h"

#define PIPE_BYTES 65536 /* what F_GETPIPE_SZ tells */

/* ---- open, close, dup ---- */

static int64_t open_at(uint64_t dirfd, uint64_t user_path, uint32_t flags, uint32_t mode)
{
	struct file *file;
	char *path;
	int fd = path_read(0, user_path, &path);

	if (!fd)
		fd = descriptor_available(0); /* before a file is made that cannot be opened */
	if (fd < 0)
		return fd;
	if (!(flags & O_PATH))
		flags |= O_LARGEFILE; /* implied for 64-bit programs */
	int result = file_open((int)dirfd, path, flags, mode, &file);

	if (result)
		return result;
	fd = descriptor_install(file, 0, flags & O_CLOEXEC);
	if (fd < 0)
		file_put(file);
	return fd;
}

int64_t sys_open(const uint64_t *arg)
{
	return open_at((uint64_t)AT_FDCWD, arg[0], (uint32_t)arg[1], (uint32_t)arg[2]);
}

int64_t sys_openat(const uint64_t *arg)
{
	return open_at(arg[0], arg[1], (uint32_t)arg[2], (uint32_t)arg[3]);
}

int64_t sys_creat(const uint64_t *arg)
{
	return open_at((uint64_t)AT_FDCWD, arg[0], O_CREAT | O_WRONLY | O_TRUNC, (uint32_t)arg[1]);
}

int64_t sys_close(const uint64_t *arg)
{
	return descriptor_close((int)arg[0]);
}

static int64_t dup_from(uint64_t fd, uint64_t minimum, bool close_on_exec)
{
	struct file *file = descriptor_file((int)fd);

	if (!file)
		return -EBADF;
	if (minimum >= descriptor_limit)
		return -EINVAL;
	int made = descriptor_install(file, (int)minimum, close_on_exec);

	if (made >= 0)
		file_get(file);
	return made;
}

int64_t sys_dup(const uint64_t *arg)
{
	return dup_from(arg[0], 0, false);
}

static int64_t dup_onto(uint64_t from, uint64_t to, bool close_on_exec)
{
	struct file *file = descriptor_file((int)from);

	if (!file || (unsigned)to >= descriptor_limit)
		return -EBADF;
	descriptor_replace((int)to, file_get(file), close_on_exec);
	return (int)to;
}

int64_t sys_dup2(const uint64_t *arg)
{
	if ((int)arg[0] == (int)arg[1])
		return descriptor_file((int)arg[0]) ? (int)arg[0] : -EBADF;
	return dup_onto(arg[0], arg[1], false);
}

int64_t sys_dup3(const uint64_t *arg)
{
	if (((uint32_t)arg[2] & ~(uint32_t)O_CLOEXEC) || (int)arg[0] == (int)arg[1])
		return -EINVAL;
	return dup_onto(arg[0], arg[1], (uint32_t)arg[2] & O_CLOEXEC);
}

/* ---- seek ---- */

static int64_t seek_plain(struct file *file, int64_t offset, int whence)
{
	int64_t size = (int64_t)file->inode->size, base = 0;

	switch (whence) {
	case SEEK_CUR: base = (int64_t)file->position; break;
	case SEEK_END: base = size; break;
	case SEEK_DATA: /* all is data, and a hole follows it */
	case SEEK_HOLE:
		if (offset < 0 || offset >= size)
			return -ENXIO;
		offset = whence == SEEK_DATA ? offset : size;
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

/* ---- fcntl, flock ---- */

static bool is_lock_request(const struct flock *lock, bool get)
{
	int64_t end;

	if (lock->l_whence < SEEK_SET || lock->l_whence > SEEK_END)
		return false;
	/* From SEEK_CUR and SEEK_END the start is not checked: nothing depends on it. */
	if (lock->l_whence == SEEK_SET &&
	    (lock->l_start < 0 || __builtin_add_overflow(lock->l_start, lock->l_len, &end) ||
	     end < 0))
		return false;
	return lock->l_type == F_RDLCK || lock->l_type == F_WRLCK ||
	       (lock->l_type == F_UNLCK && !get);
}

/* Record locks: the only process there is finds no other's, so all are granted. */
static int64_t fcntl_lock(const struct file *file, uint32_t command, uint64_t argument)
{
	bool is_ofd = command >= F_OFD_GETLK;
	bool get = command == F_GETLK || command == F_OFD_GETLK;
	struct flock lock;

	if (user_read(&lock, argument, sizeof(lock)))
		return -EFAULT;
	if (!is_lock_request(&lock, get) || (is_ofd && lock.l_pid))
		return -EINVAL;
	if (get) {
		lock.l_type = F_UNLCK;
		return user_write(argument, &lock, sizeof(lock));
	}
	if ((lock.l_type == F_RDLCK && !file_is_readable(file)) ||
	    (lock.l_type == F_WRLCK && !file_is_writable(file)))
		return -EBADF;
	return 0;
}

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
	case F_DUPFD: return dup_from(fd, (uint32_t)argument, false);
	case F_DUPFD_CLOEXEC: return dup_from(fd, (uint32_t)argument, true);
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
	case F_OFD_SETLKW: return fcntl_lock(file, command, arg[2]);
	case F_GETOWN:
	case F_SETOWN:
	case F_GETSIG: return 0; /* there is no signal-driven I/O: nobody owns it */
	case F_GETPIPE_SZ: return S_ISFIFO(file->inode->mode) ? PIPE_BYTES : -EBADF;
	case F_SETPIPE_SZ:
		if (!S_ISFIFO(file->inode->mode))
			return -EBADF;
		return (uint32_t)arg[2] <= PIPE_BYTES ? PIPE_BYTES : -EPERM;
	default: return -EINVAL;
	}
}

int64_t sys_flock(const uint64_t *arg)
{
	uint32_t operation = (uint32_t)arg[1] & ~(uint32_t)LOCK_NB;

	if (operation != LOCK_SH && operation != LOCK_EX && operation != LOCK_UN)
		return -EINVAL;
	return file_of(arg[0]) ? 0 : -EBADF;
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
	return file->ops->allocate(file, (uint32_t)arg[1], (uint64_t)offset, (uint64_t)length);
}

/* ---- hints and sync: what is written is where it stays ---- */

int64_t sys_fsync(const uint64_t *arg)
{
	const struct file *file = file_of(arg[0]);

	if (!file)
		return -EBADF;
	return S_ISREG(file->inode->mode) || S_ISDIR(file->inode->mode) ? 0 : -EINVAL;
}

int64_t sys_fdatasync(const uint64_t *arg)
{
	return sys_fsync(arg);
}

int64_t sys_sync(const uint64_t *arg)
{
	(void)arg;
	return 0;
}

int64_t sys_syncfs(const uint64_t *arg)
{
	return file_of(arg[0]) ? 0 : -EBADF;
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
