/* SPDX-License-Identifier: Apache-2.0 */
/* FUSE requests for extended attributes of files and directories: user.* only. */
#include "virtio/fs_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

/* #syscalls:share fgetxattr fsetxattr flistxattr fremovexattr */

/* The others mean something to the host: capabilities, labels, access control lists. */
static bool is_user_attribute(const char *name)
{
	return strncmp(name, "user.", 5) == 0;
}

static int open_with_attributes(struct fs_server *server, struct fs_request *request)
{
	uint32_t type = request->node->identity.type;

	return type == S_IFREG || type == S_IFDIR ? fs_borrow(server, request, 0) : -EOPNOTSUPP;
}

/* Take the name of an attribute, and open the file that has it. */
static int take_attribute(struct fs_server *server, struct fs_request *request, const char **name)
{
	size_t length;
	int result = fs_take_string(request, name, &length);

	if (result)
		return result;
	if (!is_user_attribute(*name))
		return -EOPNOTSUPP;
	return length > FS_NAME_MAX ? -ERANGE : open_with_attributes(server, request);
}

/* The value or list is in the body; the guest may have asked how long it is only. */
static ssize_t answer_value(struct fs_request *request, ssize_t size)
{
	const struct fuse_getxattr_in *in = request->args;
	struct fuse_getxattr_out *out = request->body;

	if (size < 0)
		return fs_errno();
	if (in->size)
		return (size_t)size <= in->size && (size_t)size <= request->room ? size : -ERANGE;
	if (request->room < sizeof *out)
		return -EINVAL;
	*out = (struct fuse_getxattr_out){.size = (uint32_t)size};
	return sizeof *out;
}

ssize_t fs_op_getxattr(struct fs_server *server, struct fs_request *request)
{
	const char *name;
	int fd = take_attribute(server, request, &name);

	if (fd < 0)
		return fd;
	return answer_value(request, fgetxattr(fd, name, request->body, FS_ANSWER_MAX));
}

ssize_t fs_op_listxattr(struct fs_server *server, struct fs_request *request)
{
	char *list = request->body, *end = list;
	int fd = open_with_attributes(server, request);
	ssize_t size;

	if (fd < 0)
		return fd;
	size = flistxattr(fd, list, FS_ANSWER_MAX);
	for (char *name = list; size > 0 && name < list + size;) {
		size_t length = strlen(name) + 1;

		if (is_user_attribute(name)) {
			memmove(end, name, length);
			end += length;
		}
		name += length;
	}
	return answer_value(request, size < 0 ? size : end - list);
}

ssize_t fs_op_setxattr(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_setxattr_in *in = request->args; /* its first 8 bytes: no SETXATTR_EXT */
	const char *name;
	int fd = take_attribute(server, request, &name);

	if (fd < 0)
		return fd;
	if (in->size > (size_t)(request->end - request->rest) ||
	    (in->flags & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE)))
		return -EINVAL;
	return fsetxattr(fd, name, request->rest, in->size, (int)in->flags) ? fs_errno() : 0;
}

ssize_t fs_op_removexattr(struct fs_server *server, struct fs_request *request)
{
	const char *name;
	int fd = take_attribute(server, request, &name);

	if (fd < 0)
		return fd;
	return fremovexattr(fd, name) ? fs_errno() : 0;
}
