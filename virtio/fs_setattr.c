/* SPDX-License-Identifier: Apache-2.0 */
/* SETATTR: size, mode and times of a file; its owner stays what it is. */
#include "virtio/fs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* #syscalls:share ftruncate fchmodat utimensat */

#define NS_PER_S 1000000000u

/* A guest may say again who the owner is, and no more. */
static int check_owner(const struct fs_server *server, const struct fuse_setattr_in *in,
                       const struct statx *status)
{
	struct fuse_attr attributes;

	fs_fill_attributes(server, status, &attributes);
	if ((in->valid & FATTR_UID) && in->uid != attributes.uid)
		return -EPERM;
	if ((in->valid & FATTR_GID) && in->gid != attributes.gid)
		return -EPERM;
	return 0;
}

static int set_size(struct fs_server *server, const struct fs_reached *reached, bool is_open,
                    uint64_t size)
{
	int result = 0, fd;

	if (size > INT64_MAX)
		return -EINVAL;
	fd = is_open ? reached->fd : fs_open_file(server, reached, O_WRONLY);
	if (fd < 0)
		return fd;
	if (ftruncate(fd, (off_t)size))
		result = fs_errno();
	if (!is_open)
		close(fd);
	return result;
}

/* Set-user-id and set-group-id may be kept or dropped: with them the file would act for its owner,
 * on the host. */
static int set_mode(struct fs_server *server, const struct fs_reached *reached, uint32_t mode)
{
	char name[12];

	if (S_ISLNK(reached->status.stx_mode))
		return -EOPNOTSUPP;
	if (mode & ~reached->status.stx_mode & (S_ISUID | S_ISGID))
		return -EPERM;
	if (fchmodat(server->proc, fs_proc_name(reached->fd, name), mode & 07777, 0))
		return fs_errno();
	return 0;
}

static struct timespec new_time(bool is_set, bool is_now, uint64_t seconds, uint32_t nanoseconds)
{
	if (is_now)
		return (struct timespec){.tv_nsec = UTIME_NOW};
	if (!is_set)
		return (struct timespec){.tv_nsec = UTIME_OMIT};
	return (struct timespec){.tv_sec = (time_t)seconds, .tv_nsec = (long)nanoseconds};
}

static int set_times(struct fs_server *server, const struct fs_reached *reached,
                     const struct fuse_setattr_in *in)
{
	const struct timespec times[2] = {
	        new_time(in->valid & FATTR_ATIME, in->valid & FATTR_ATIME_NOW, in->atime,
	                 in->atimensec),
	        new_time(in->valid & FATTR_MTIME, in->valid & FATTR_MTIME_NOW, in->mtime,
	                 in->mtimensec),
	};
	char name[12];

	if (in->atimensec >= NS_PER_S || in->mtimensec >= NS_PER_S)
		return -EINVAL;
	if (utimensat(server->proc, fs_proc_name(reached->fd, name), times, 0))
		return fs_errno();
	return 0;
}

static int change(struct fs_server *server, struct fs_reached *reached,
                  const struct fuse_setattr_in *in, bool is_open)
{
	int result = check_owner(server, in, &reached->status);

	if (!result && (in->valid & FATTR_SIZE))
		result = set_size(server, reached, is_open, in->size);
	if (!result && (in->valid & FATTR_MODE))
		result = set_mode(server, reached, in->mode);
	if (!result &&
	    (in->valid & (FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW)))
		result = set_times(server, reached, in);
	return result ? result : fs_status(reached->fd, &reached->status);
}

ssize_t fs_op_setattr(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_setattr_in *in = request->args;
	struct fuse_attr_out *out = request->body;
	uint64_t fh = (in->valid & FATTR_FH) ? in->fh : 0;
	struct fs_reached reached;
	int result = fs_reach_by(server, request, fh, &reached);

	if (!result)
		result = change(server, &reached, in, fh != 0);
	if (!result) {
		*out = (struct fuse_attr_out){.attr_valid = fs_lifetime(server)};
		fs_fill_attributes(server, &reached.status, &out->attr);
	}
	fs_let_go(&reached);
	return result ? result : (ssize_t)sizeof *out;
}
