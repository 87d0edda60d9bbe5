/* SPDX-License-Identifier: Apache-2.0 */
/* What the system calls on paths share: arguments and their errors. */
#include <linux/errno.h>
#include <linux/fcntl.h>

#include "guestkit/libc-shim/path.h"
#include "guestkit/memory.h"
#include "guestkit/user.h"

static KIT_LARGE char path_buffers[3][VFS_PATH_MAX];

char *path_scratch(void)
{
	return path_buffers[2];
}

int path_read(unsigned slot, uint64_t user_path, char **path)
{
	int64_t length = user_read_string(path_buffers[slot], user_path, VFS_PATH_MAX);

	*path = path_buffers[slot];
	return length < 0 ? (int)length : 0;
}

int descriptor_inode(uint64_t fd, bool allow_path, struct inode **inode)
{
	struct file *file = descriptor_file((int)fd);

	if (!file || ((file->flags & O_PATH) && !allow_path))
		return -EBADF;
	*inode = file->inode;
	return 0;
}

int path_find(uint64_t dirfd, uint64_t user_path, uint32_t flags, struct inode **found)
{
	char *path = path_buffers[0];
	int result = 0;

	path[0] = '\0';
	if (user_path || !(flags & AT_EMPTY_PATH))
		result = path_read(0, user_path, &path);
	if (result)
		return result;
	if (path[0] || !(flags & AT_EMPTY_PATH))
		return vfs_walk((int)dirfd, path, flags & AT_SYMLINK_NOFOLLOW ? WALK_NOFOLLOW : 0,
		                found);

	*found = vfs_working_directory;
	if ((int)dirfd != AT_FDCWD)
		result = descriptor_inode(dirfd, true, found);
	if (!result)
		inode_get(*found);
	return result;
}
