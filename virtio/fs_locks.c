/* SPDX-License-Identifier: Apache-2.0 */
/* FUSE requests for locks: POSIX locks and flock(2), seen by the host's processes, too. */

/*
 * POSIX locks belong to a process and a file, whichever descriptor asks; with those of the host
 * they would all be this process's. OFD locks belong to an open file description: the server opens
 * one for each owner that the guest names and each file, so owners, guests and processes of the
 * host see one another, and closing it takes back all locks at once. flock(2) is of the
 * description that the handle has anyway.
 */
#include "virtio/fs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

/* #syscalls:share flock fcntl(F_OFD_GETLK, F_OFD_SETLK) */

static struct fs_lock_holder *find_holder(struct fs_server *server, uint64_t node, uint64_t owner)
{
	for (size_t i = 0; i < FS_LOCKS_MAX; i++) {
		struct fs_lock_holder *holder = &server->state->locks[i];

		if (holder->node == node && (!node || holder->owner == owner))
			return holder;
	}
	return NULL;
}

static void free_holder(struct fs_server *server, struct fs_lock_holder *holder)
{
	close(holder->fd);
	*holder = (struct fs_lock_holder){0};
	server->state->locks_used--;
}

void fs_locks_drop(struct fs_server *server, uint64_t node, uint64_t owner, bool all)
{
	for (size_t i = 0; server->state->locks_used && i < FS_LOCKS_MAX; i++) {
		struct fs_lock_holder *holder = &server->state->locks[i];

		if (node && holder->node == node && (all || holder->owner == owner))
			free_holder(server, holder);
	}
}

void fs_locks_reset(struct fs_server *server)
{
	for (size_t i = 0; i < FS_LOCKS_MAX; i++) {
		if (server->state->locks[i].node)
			free_holder(server, &server->state->locks[i]);
	}
}

/* A description of one's own of the request's file; for writing as well, where that is allowed. */
static int open_for_locks(struct fs_server *server, struct fs_request *request, uint64_t fh)
{
	struct fs_reached reached;
	int fd = fs_reach_by(server, request, fh, &reached);

	if (fd)
		return fd;
	fd = S_ISREG(reached.status.stx_mode) ? fs_open_file(server, &reached, O_RDWR) : -EBADF;
	if (fd == -EACCES || fd == -EROFS || fd == -ETXTBSY || fd == -EPERM)
		fd = fs_open_file(server, &reached, O_RDONLY);
	fs_let_go(&reached);
	return fd;
}

static int to_flock(const struct fuse_file_lock *lock, struct flock *flock)
{
	if (lock->start > lock->end || lock->end > INT64_MAX)
		return -EINVAL;
	if (lock->type != F_RDLCK && lock->type != F_WRLCK && lock->type != F_UNLCK)
		return -EINVAL;
	*flock = (struct flock){
	        .l_type = (short)lock->type,
	        .l_whence = SEEK_SET,
	        .l_start = (off_t)lock->start,
	        .l_len = lock->end == INT64_MAX ? 0 : (off_t)(lock->end - lock->start + 1),
	};
	return 0;
}

ssize_t fs_op_getlk(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_lk_in *in = request->args;
	struct fuse_lk_out *out = request->body;
	struct fs_lock_holder *holder = NULL;
	struct flock flock;
	int result = to_flock(&in->lk, &flock), fd;

	if (result)
		return result;
	if (request->node)
		holder = find_holder(server, request->header.nodeid, in->owner);
	fd = holder ? holder->fd : open_for_locks(server, request, in->fh);
	if (fd < 0)
		return fd;
	result = fcntl(fd, F_OFD_GETLK, &flock) ? fs_errno() : 0;
	if (!holder)
		close(fd);
	if (result)
		return result;
	*out = (struct fuse_lk_out){.lk = {.type = (uint32_t)flock.l_type}};
	if (flock.l_type != F_UNLCK) {
		out->lk.start = (uint64_t)flock.l_start;
		out->lk.end = flock.l_len ? (uint64_t)(flock.l_start + flock.l_len - 1) : INT64_MAX;
	}
	return sizeof *out;
}

/* The holder of an owner's locks, made if there is none. */
static int make_holder(struct fs_server *server, struct fs_request *request,
                       const struct fuse_lk_in *in, struct fs_lock_holder **made)
{
	struct fs_lock_holder *holder = find_holder(server, 0, 0);
	int fd;

	if (!holder)
		return -ENOLCK;
	fd = open_for_locks(server, request, in->fh);
	if (fd < 0)
		return fd;
	*holder = (struct fs_lock_holder){
	        .node = request->header.nodeid, .owner = in->owner, .fd = fd};
	server->state->locks_used++;
	*made = holder;
	return 0;
}

static ssize_t set_flock(struct fs_server *server, struct fs_request *request,
                         const struct fuse_lk_in *in)
{
	struct fs_handle *handle = fs_handle_get(server, request->header.nodeid, in->fh);
	int operation = in->lk.type == F_RDLCK   ? LOCK_SH
	                : in->lk.type == F_WRLCK ? LOCK_EX
	                                         : LOCK_UN;

	if (!handle)
		return -EBADF;
	if (flock(handle->fd, operation | LOCK_NB))
		return fs_errno();
	handle->is_locked = operation != LOCK_UN;
	return 0;
}

ssize_t fs_op_setlk(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_lk_in *in = request->args;
	struct fs_lock_holder *holder;
	struct flock flock;
	int result = to_flock(&in->lk, &flock);

	if (result)
		return result;
	if (in->lk_flags & FUSE_LK_FLOCK)
		return set_flock(server, request, in);
	if (!request->node)
		return -ESTALE;
	holder = find_holder(server, request->header.nodeid, in->owner);
	if (!holder && flock.l_type == F_UNLCK)
		return 0;
	if (!holder)
		result = make_holder(server, request, in, &holder);
	if (!result && fcntl(holder->fd, F_OFD_SETLK, &flock))
		result = errno == EACCES ? -EAGAIN : fs_errno();
	return result;
}
