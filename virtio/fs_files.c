/* SPDX-License-Identifier: Apache-2.0 */
/* FUSE requests on open files: OPEN, READ, WRITE, FSYNC, LSEEK, FALLOCATE and so on. */
#include "virtio/fs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

/* #syscalls:share preadv pwritev fsync fdatasync fallocate copy_file_range */

/* What a guest may ask of open(2) and creat; the rest is the client's own business. */
#define OPEN_FLAGS (O_ACCMODE | O_APPEND | O_TRUNC | O_SYNC | O_DSYNC)

/* Copied at one request: the guest stands still meanwhile. */
#define COPY_MAX (16u << 20)

#define BATCH 64 /* buffers that go into one call */

static uint32_t open_answer_flags(const struct fs_server *server)
{
	return server->cache == FS_CACHE_AUTO ? FOPEN_KEEP_CACHE : FOPEN_DIRECT_IO;
}

static ssize_t answer_handle(struct fs_server *server, uint64_t node, int fd, uint32_t flags,
                             struct fuse_open_out *out)
{
	uint64_t fh;
	int result = fs_handle_new(server, node, fd, (int)(flags & OPEN_FLAGS & ~(uint32_t)O_TRUNC),
	                           &fh);

	if (result)
		return result;
	*out = (struct fuse_open_out){.fh = fh, .open_flags = open_answer_flags(server)};
	return sizeof *out;
}

ssize_t fs_op_open(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_open_in *in = request->args;
	int fd;

	if (request->node->identity.type == S_IFDIR)
		return -EISDIR;
	fd = fs_open_node(server, request->node, (int)(in->flags & OPEN_FLAGS));
	if (fd < 0)
		return fd;
	return answer_handle(server, request->header.nodeid, fd, in->flags, request->body);
}

/*
 * Make a file, or open what is there. What is there is looked at first, and O_EXCL keeps the making
 * from opening it: it may be a device. Somebody who removes and makes it again all the time is not
 * waited for.
 */
static int open_or_make(struct fs_server *server, int directory, const char *name,
                        const struct fuse_create_in *in)
{
	uint64_t flags = in->flags & OPEN_FLAGS;

	for (int attempt = 0; attempt < 3; attempt++) {
		struct fs_reached there = FS_NOT_REACHED;
		int result = fs_open_at(directory, name, flags | O_CREAT | O_EXCL,
		                        in->mode & (S_ISVTX | 0777));

		if (result != -EEXIST || (in->flags & O_EXCL))
			return result;
		there.fd = fs_open_at(directory, name, O_PATH, 0);
		if (there.fd == -ENOENT)
			continue;
		if (there.fd < 0)
			return there.fd;
		result = fs_status(there.fd, &there.status);
		if (!result && S_ISDIR(there.status.stx_mode))
			result = -EISDIR;
		if (!result)
			result = fs_open_file(server, &there, (int)flags);
		fs_let_go(&there);
		return result;
	}
	return -EAGAIN;
}

ssize_t fs_op_create(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_create_in *in = request->args;
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} *out = request->body;
	struct fs_reached directory;
	struct statx status;
	const char *name;
	size_t length;
	ssize_t result = fs_take_name(request, &name, &length);
	int fd;

	if (!result && (in->mode & (S_ISUID | S_ISGID)))
		result = -EPERM;
	if (!result)
		result = fs_reach_directory(server, request->node, &directory);
	if (result)
		return result;
	fd = open_or_make(server, directory.fd, name, in);
	fs_let_go(&directory);
	if (fd < 0)
		return fd;
	result = fs_status(fd, &status);
	if (!result)
		result = fs_answer_entry(server, request->node, name, length, &status, &out->entry);
	if (result < 0) {
		close(fd);
		return result;
	}
	result = answer_handle(server, out->entry.nodeid, fd, in->flags, &out->open);
	if (result < 0) {
		struct fs_nodes *nodes = &server->state->nodes;

		fs_nodes_forget(nodes, fs_nodes_get(nodes, out->entry.nodeid), 1);
		return result;
	}
	return sizeof *out;
}

ssize_t fs_op_release(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_release_in *in = request->args;
	struct fs_handle *handle = fs_handle_find(server, request->header.nodeid, in->fh);

	if (!handle)
		return in->fh ? -EBADF : 0;
	if (in->release_flags & FUSE_RELEASE_FLUSH)
		fs_locks_drop(server, request->header.nodeid, in->lock_owner, false);
	fs_handle_free(server, handle);
	return 0;
}

/* The next buffers from a place on, with at most so many bytes. */
static size_t take_batch(struct fs_cursor cursor, size_t length, struct iovec *batch, int *count)
{
	size_t taken = 0;

	for (*count = 0; *count < BATCH && cursor.count && taken < length; cursor.vector++) {
		size_t piece = cursor.vector->iov_len - cursor.skip;

		if (piece > length - taken)
			piece = length - taken;
		batch[(*count)++] =
		        (struct iovec){(char *)cursor.vector->iov_base + cursor.skip, piece};
		taken += piece;
		cursor.count--;
		cursor.skip = 0;
	}
	return taken;
}

/* preadv or pwritev between a file and buffers. Return: bytes moved, or a negative errno if none.
 */
static ssize_t transfer(ssize_t (*move)(int, const struct iovec *, int, off_t), int fd,
                        struct fs_cursor cursor, size_t length, uint64_t offset)
{
	struct iovec batch[BATCH];
	size_t done = 0;

	if (offset > INT64_MAX - length)
		return -EINVAL;
	while (done < length) {
		int count;
		size_t wanted = take_batch(cursor, length - done, batch, &count);
		ssize_t moved = count ? move(fd, batch, count, (off_t)(offset + done)) : 0;

		if (moved < 0 && errno == EINTR)
			continue;
		if (moved < 0)
			return done ? (ssize_t)done : fs_errno();
		done += (size_t)moved;
		fs_cursor_advance(&cursor, (size_t)moved);
		if ((size_t)moved < wanted || !count)
			break;
	}
	return (ssize_t)done;
}

ssize_t fs_op_read(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_read_in *in = request->args;
	size_t length = in->size < request->room ? in->size : request->room;
	int fd = fs_borrow(server, request, in->fh);

	if (fd < 0)
		return fd;
	if (length > FS_TRANSFER_MAX)
		length = FS_TRANSFER_MAX;
	request->body = NULL;
	return transfer(preadv, fd, request->direct, length, in->offset);
}

ssize_t fs_op_write(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_write_in *in = request->args;
	struct fs_handle *handle = fs_handle_get(server, request->header.nodeid, in->fh);
	struct fuse_write_out *out = request->body;
	size_t length = in->size;
	ssize_t result;

	if (!handle)
		return -EBADF;
	if (length > request->data_size)
		return -EINVAL;
	if (length > FS_TRANSFER_MAX)
		length = FS_TRANSFER_MAX;
	result = transfer(pwritev, handle->fd, request->data, length, in->offset);
	if (result < 0)
		return result;
	*out = (struct fuse_write_out){.size = (uint32_t)result};
	return sizeof *out;
}

ssize_t fs_op_flush(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_flush_in *in = request->args;

	fs_locks_drop(server, request->header.nodeid, in->lock_owner, false);
	return 0;
}

/* Of directories, too. */
ssize_t fs_op_fsync(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_fsync_in *in = request->args;
	int fd = fs_borrow(server, request, in->fh);

	if (fd < 0)
		return fd;
	if ((in->fsync_flags & FUSE_FSYNC_FDATASYNC) ? fdatasync(fd) : fsync(fd))
		return fs_errno();
	return 0;
}

ssize_t fs_op_lseek(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_lseek_in *in = request->args;
	struct fuse_lseek_out *out = request->body;
	int fd = fs_borrow(server, request, in->fh);
	off_t offset;

	if (fd < 0)
		return fd;
	if ((in->whence != SEEK_DATA && in->whence != SEEK_HOLE) || in->offset > INT64_MAX)
		return -EINVAL;
	offset = lseek(fd, (off_t)in->offset, (int)in->whence);
	if (offset < 0)
		return fs_errno();
	*out = (struct fuse_lseek_out){.offset = (uint64_t)offset};
	return sizeof *out;
}

ssize_t fs_op_fallocate(struct fs_server *server, struct fs_request *request)
{
	const uint32_t modes = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
	                       FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_ZERO_RANGE |
	                       FALLOC_FL_INSERT_RANGE;
	const struct fuse_fallocate_in *in = request->args;
	struct fs_handle *handle = fs_handle_get(server, request->header.nodeid, in->fh);

	if (!handle)
		return -EBADF;
	if (in->mode & ~modes)
		return -EOPNOTSUPP;
	if (fallocate(handle->fd, (int)in->mode, (off_t)in->offset, (off_t)in->length))
		return fs_errno();
	return 0;
}

ssize_t fs_op_copy_file_range(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_copy_file_range_in *in = request->args;
	struct fs_handle *from = fs_handle_get(server, request->header.nodeid, in->fh_in);
	struct fs_handle *to = fs_handle_get(server, in->nodeid_out, in->fh_out);
	size_t length = in->len < COPY_MAX ? in->len : COPY_MAX;
	off_t offset_in = (off_t)in->off_in, offset_out = (off_t)in->off_out;
	struct fuse_write_out *out = request->body;
	ssize_t copied;

	if (!from || !to)
		return -EBADF;
	if (in->flags || offset_in < 0 || offset_out < 0)
		return -EINVAL;
	copied = copy_file_range(from->fd, &offset_in, to->fd, &offset_out, length, 0);
	if (copied < 0)
		return fs_errno();
	*out = (struct fuse_write_out){.size = (uint32_t)copied};
	return sizeof *out;
}
