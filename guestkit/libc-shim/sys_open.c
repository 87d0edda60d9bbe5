/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that open, duplicate and close descriptors. */
#include <linux/close_range.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>

#include "guestkit/libc-shim/file.h"
#include "guestkit/libc-shim/path.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/memory.h"
#include "guestkit/user.h"

#define OPEN_FLAGS                                                                              \
	((uint32_t)(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | \
	            O_SYNC | FASYNC | O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW |       \
	            O_NOATIME | O_CLOEXEC | O_PATH | __O_TMPFILE))
#define RESOLVE_FLAGS                                                                      \
	(RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | \
	 RESOLVE_IN_ROOT | RESOLVE_CACHED)

/* ---- open ---- */

static int64_t open_resolving(uint64_t dirfd, uint64_t user_path, uint32_t flags, uint32_t mode,
                              uint32_t resolve)
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
	int result = file_open_resolving((int)dirfd, path, flags, mode, resolve, &file);

	if (result)
		return result;
	fd = descriptor_install(file, 0, flags & O_CLOEXEC);
	if (fd < 0)
		file_put(file);
	return fd;
}

static int64_t open_at(uint64_t dirfd, uint64_t user_path, uint32_t flags, uint32_t mode)
{
	return open_resolving(dirfd, user_path, flags, mode, 0);
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

/* A structure that later versions may have made longer: what is not known must be zero. */
static int read_how(struct open_how *how, uint64_t user, uint64_t size)
{
	unsigned char byte;

	if (size < sizeof(*how))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (user_read(how, user, sizeof(*how)))
		return -EFAULT;
	for (uint64_t at = sizeof(*how); at < size; at++) {
		if (user_read(&byte, user + at, 1))
			return -EFAULT;
		if (byte)
			return -E2BIG;
	}
	return 0;
}

static int check_how(const struct open_how *how)
{
	const uint64_t path_flags = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
	bool makes = how->flags & (O_CREAT | __O_TMPFILE);

	if (how->flags & ~(uint64_t)OPEN_FLAGS || how->resolve & ~(uint64_t)RESOLVE_FLAGS ||
	    how->mode & ~(uint64_t)(makes ? 07777 : 0))
		return -EINVAL;
	if ((how->resolve & RESOLVE_BENEATH) && (how->resolve & RESOLVE_IN_ROOT))
		return -EINVAL;
	if ((how->flags & O_PATH) && (how->flags & ~path_flags))
		return -EINVAL;
	if ((how->resolve & RESOLVE_CACHED) && (makes || how->flags & O_TRUNC))
		return -EAGAIN;
	return 0;
}

int64_t sys_openat2(const uint64_t *arg)
{
	struct open_how how;
	int result = read_how(&how, arg[2], arg[3]);

	if (!result)
		result = check_how(&how);
	if (result)
		return result;
	return open_resolving(arg[0], arg[1], (uint32_t)how.flags, (uint32_t)how.mode,
	                      (uint32_t)how.resolve);
}

/* ---- close ---- */

int64_t sys_close(const uint64_t *arg)
{
	return descriptor_close((int)arg[0]);
}

int64_t sys_close_range(const uint64_t *arg)
{
	uint32_t first = (uint32_t)arg[0], last = (uint32_t)arg[1], flags = (uint32_t)arg[2];

	if (flags & ~(uint32_t)(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE) || first > last)
		return -EINVAL;
	for (uint32_t fd = first; fd <= last && fd < VFS_OPEN_MAX; fd++)
		if (!descriptor_file((int)fd))
			continue;
		else if (flags & CLOSE_RANGE_CLOEXEC)
			descriptor_set_close_on_exec((int)fd, true);
		else
			descriptor_close((int)fd);
	return 0;
}

/* ---- dup ---- */

int64_t descriptor_duplicate(uint64_t fd, uint64_t minimum, bool close_on_exec)
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
	return descriptor_duplicate(arg[0], 0, false);
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
