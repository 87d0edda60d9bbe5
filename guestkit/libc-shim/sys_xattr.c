/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes: no file has any, and none can be set, as on a file system without them. */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/xattr.h>

#include "guestkit/libc-shim/path.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/user.h"

/* A name as the calls take it: 0, -EFAULT, or -ERANGE for an empty or too long one. */
static int check_name(uint64_t user)
{
	char name[XATTR_NAME_MAX + 1];
	int64_t length = user_read_string(name, user, sizeof(name));

	if (length == -EFAULT)
		return -EFAULT;
	return length <= 0 ? -ERANGE : 0;
}

/* The arguments but the file: 0 if all that is left to say is that there is no such attribute. */
static int check_set(const uint64_t *arg)
{
	unsigned char byte;
	int result;

	if ((uint32_t)arg[4] & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	result = check_name(arg[1]);
	if (!result && arg[3] > XATTR_SIZE_MAX)
		result = -E2BIG;
	if (!result && arg[3] &&
	    (user_read(&byte, arg[2], 1) || user_read(&byte, arg[2] + arg[3] - 1, 1)))
		result = -EFAULT;
	return result;
}

/* The file of a path or (@flags UINT32_MAX) of a descriptor is there: 0 or a negative errno. */
#define BY_DESCRIPTOR UINT32_MAX

static int check_file(uint64_t file, uint32_t flags)
{
	struct inode *inode;
	int result;

	if (flags == BY_DESCRIPTOR)
		return descriptor_inode(file, false, &inode);
	result = path_find((uint64_t)AT_FDCWD, file, flags, &inode);
	if (!result)
		inode_put(inode);
	return result;
}

static int64_t set(const uint64_t *arg, uint32_t flags)
{
	int result = flags == BY_DESCRIPTOR ? check_file(arg[0], flags) : 0;

	if (!result)
		result = check_set(arg);
	if (!result && flags != BY_DESCRIPTOR)
		result = check_file(arg[0], flags);
	return result ? result : -EOPNOTSUPP;
}

static int64_t find(const uint64_t *arg, uint32_t flags)
{
	int result = check_file(arg[0], flags);

	if (!result)
		result = check_name(arg[1]);
	return result ? result : -EOPNOTSUPP;
}

int64_t sys_setxattr(const uint64_t *arg)
{
	return set(arg, 0);
}

int64_t sys_lsetxattr(const uint64_t *arg)
{
	return set(arg, AT_SYMLINK_NOFOLLOW);
}

int64_t sys_fsetxattr(const uint64_t *arg)
{
	return set(arg, BY_DESCRIPTOR);
}

int64_t sys_getxattr(const uint64_t *arg)
{
	return find(arg, 0);
}

int64_t sys_lgetxattr(const uint64_t *arg)
{
	return find(arg, AT_SYMLINK_NOFOLLOW);
}

int64_t sys_fgetxattr(const uint64_t *arg)
{
	return find(arg, BY_DESCRIPTOR);
}

int64_t sys_removexattr(const uint64_t *arg)
{
	return find(arg, 0);
}

int64_t sys_lremovexattr(const uint64_t *arg)
{
	return find(arg, AT_SYMLINK_NOFOLLOW);
}

int64_t sys_fremovexattr(const uint64_t *arg)
{
	return find(arg, BY_DESCRIPTOR);
}

/* Empty lists. */
int64_t sys_listxattr(const uint64_t *arg)
{
	return check_file(arg[0], 0);
}

int64_t sys_llistxattr(const uint64_t *arg)
{
	return check_file(arg[0], AT_SYMLINK_NOFOLLOW);
}

int64_t sys_flistxattr(const uint64_t *arg)
{
	return check_file(arg[0], BY_DESCRIPTOR);
}
