/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that move data between pipes and files: splice, tee, vmsplice. They copy. */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#include "guestkit/libc-shim/file.h"
#include "guestkit/libc-shim/pipe.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "guestkit/user.h"

#define SPLICE_F_MOVE     1u
#define SPLICE_F_NONBLOCK 2u
#define SPLICE_F_MORE     4u
#define SPLICE_F_GIFT     8u
#define SPLICE_F_ALL      15u

static bool is_waiting(const struct file *pipe, uint32_t flags)
{
	return !(flags & SPLICE_F_NONBLOCK) && !(pipe->flags & O_NONBLOCK);
}

/* Copy what one pipe has into another's room; @skip: bytes that were copied before. */
static size_t copy_pipe(const struct pipe *from, size_t skip, struct pipe *to, size_t length)
{
	size_t piece = length;
	const void *bytes = pipe_peek(from, skip, &piece);
	void *room = pipe_room(to, &piece);

	memcpy(room, bytes, piece);
	pipe_produce(to, piece);
	return piece;
}

/* Pipe to pipe; @consume false: the data stays in the first one, too (tee). */
static int64_t move_pipe(const struct file *in, const struct file *out, size_t length,
                         uint32_t flags, bool consume)
{
	struct pipe *from = pipe_of(in), *to = pipe_of(out);
	size_t done = 0, piece;
	int result;

	if (from == to)
		return -EINVAL;
	result = pipe_wait_data(from, is_waiting(in, flags));
	if (result > 0)
		result = pipe_wait_room(to, 1, is_waiting(out, flags));
	if (result <= 0)
		return result;
	result = pipe_wait_data(from, false); /* another reader may have come first */
	if (result <= 0)
		return result;
	do {
		piece = copy_pipe(from, consume ? 0 : done, to, length - done);
		if (consume)
			pipe_consume(from, piece);
		done += piece;
	} while (piece && done < length);
	return (int64_t)done;
}

/* The other end may sleep, and the pipe may change meanwhile: data goes through a frame. */
static int64_t pipe_to_file(const struct file *in, struct file *out, uint64_t *position,
                            size_t length, uint32_t flags)
{
	struct pipe *pipe = pipe_of(in);
	uint64_t frame;
	size_t done = 0;
	int64_t result;

	if (!out->ops->write_kit || out->flags & O_APPEND)
		return -EINVAL;
	result = pipe_wait_data(pipe, is_waiting(in, flags));
	if (result <= 0)
		return result;
	frame = page_alloc(1);
	if (!frame)
		return -ENOMEM;
	while (result > 0 && done < length) {
		size_t piece = length - done < PAGE_SIZE ? length - done : PAGE_SIZE;
		const void *bytes = pipe_peek(pipe, 0, &piece);

		if (!piece)
			break;
		memcpy(direct_map(frame), bytes, piece);
		result = out->ops->write_kit(out, direct_map(frame), piece, position);
		if (result <= 0)
			break;
		done += (size_t)result;
		piece = (size_t)result;
		pipe_peek(pipe, 0, &piece);
		pipe_consume(pipe, piece);
	}
	page_free(frame, 1);
	return done ? (int64_t)done : result;
}

static int64_t file_to_pipe(struct file *in, uint64_t *position, struct file *out, size_t length,
                            uint32_t flags)
{
	struct pipe *pipe = pipe_of(out);
	uint64_t frame;
	size_t done = 0;
	int64_t result;

	if (!in->ops->read_kit)
		return -EINVAL;
	result = pipe_wait_room(pipe, 1, is_waiting(out, flags));
	if (result <= 0)
		return result;
	frame = page_alloc(1);
	if (!frame)
		return -ENOMEM;
	while (result > 0 && done < length) {
		size_t piece = length - done < PAGE_SIZE ? length - done : PAGE_SIZE;

		pipe_room(pipe, &piece);
		if (!piece)
			break;
		result = in->ops->read_kit(in, direct_map(frame), piece, position);
		if (result > 0)
			result = out->ops->write_kit(out, direct_map(frame), (size_t)result, NULL);
		if (result > 0)
			done += (size_t)result;
	}
	page_free(frame, 1);
	return done ? (int64_t)done : result;
}

/* An end of splice: its offset, or the file's own position. */
static int load_offset(struct file *file, uint64_t user, uint64_t *local, uint64_t **position)
{
	*position = &file->position;
	if (!user)
		return 0;
	if (pipe_of(file))
		return -ESPIPE;
	if (file->ops->not_seekable)
		return -EINVAL;
	if (user_read(local, user, sizeof(*local)))
		return -EFAULT;
	*position = local;
	return (int64_t)*local < 0 ? -EINVAL : 0;
}

int64_t sys_splice(const uint64_t *arg)
{
	struct file *in = file_of(arg[0]), *out = file_of(arg[2]);
	uint32_t flags = (uint32_t)arg[5];
	uint64_t local[2], *from, *to;
	size_t length = arg[4] < VFS_IO_MAX ? arg[4] : VFS_IO_MAX;
	int64_t result = 0;

	if (!arg[4])
		return 0;
	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	if (!in || !out || !file_is_readable(in) || !file_is_writable(out))
		return -EBADF;
	result = load_offset(in, arg[1], &local[0], &from);
	if (!result)
		result = load_offset(out, arg[3], &local[1], &to);
	if (result)
		return result;
	file_get(in); /* it may be closed while this sleeps */
	file_get(out);
	if (pipe_of(in) && pipe_of(out))
		result = move_pipe(in, out, length, flags, true);
	else if (pipe_of(in))
		result = pipe_to_file(in, out, to, length, flags);
	else if (pipe_of(out))
		result = file_to_pipe(in, from, out, length, flags);
	else
		result = -EINVAL;
	file_put(in);
	file_put(out);
	if (result > 0 && ((arg[1] && user_write(arg[1], from, sizeof(*from))) ||
	                   (arg[3] && user_write(arg[3], to, sizeof(*to)))))
		return -EFAULT;
	return result;
}

int64_t sys_tee(const uint64_t *arg)
{
	struct file *in = file_of(arg[0]), *out = file_of(arg[1]);
	uint32_t flags = (uint32_t)arg[3];
	int64_t result;

	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	if (!arg[2])
		return 0;
	if (!in || !out || !file_is_readable(in) || !file_is_writable(out))
		return -EBADF;
	if (!pipe_of(in) || !pipe_of(out))
		return -EINVAL;
	file_get(in);
	file_get(out);
	result = move_pipe(in, out, arg[2] < VFS_IO_MAX ? arg[2] : VFS_IO_MAX, flags, false);
	file_put(in);
	file_put(out);
	return result;
}

/* The application's memory into a pipe, or what a pipe has into it. */
int64_t sys_vmsplice(const uint64_t *arg)
{
	struct file *file = file_of(arg[0]);
	uint32_t flags = (uint32_t)arg[3];

	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	if (!file)
		return -EBADF;
	if (!arg[2])
		return 0;
	if (!pipe_of(file))
		return -EBADF;
	/* SPLICE_F_NONBLOCK is a hint here: only O_NONBLOCK is heeded. */
	return file_is_writable(file) ? sys_writev(arg) : sys_readv(arg);
}
