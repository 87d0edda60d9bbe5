/* SPDX-License-Identifier: Apache-2.0 */
/* FUSE requests on open files: OPEN, READ, WRITE, FSYNC, LSEEK, FALLOCATE and so on. */
#include "virtio/fs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* syscalls:share preadv pwritev */

/* What a guest may ask of open(2) and creat; the rest is the client's own business. */
#define OPEN_FLAGS (O_ACCMODE | O_APPEND | O_TRUNC | O_SYNC | O_DSYNC)

#define BATCH 64 /* buffers that go into one call */

static uint32_t open_answer_flags(const struct fs_server *server)
{
	return server->cache == FS_CACHE_AUTO ? FOPEN_KEEP_CACHE : FOPEN_DIRECT_IO;
}

static ssize_t answer_handle(struct fs_server *server, uint64_t node, int fd,
                             struct fuse_open_out *out)
{
	uint64_t fh;
	int result = fs_handle_new(server, node, fd, &fh);

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
	return answer_handle(server, request->header.nodeid, fd, request->body);
}

ssize_t fs_op_release(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_release_in *in = request->args;
	struct fs_handle *handle = fs_handle_get(server, request, in->fh);

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
