/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes within the program. */
#include <asm/poll.h>
#include <asm/signal.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/file.h"
#include "guestkit/libc-shim/signal.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/vfs.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "guestkit/user.h"

#define PIPE_PAGES 16
#define PIPE_SIZE  (PIPE_PAGES * PAGE_SIZE)
#define PIPE_ATOM  4096 /* PIPE_BUF: writes up to this are not split */
#define FIONREAD   0x541b

/* Both ends share one inode; an open file counts as reader, writer or both by its access mode. */
struct pipe {
	struct inode base;
	unsigned char *ring; /* PIPE_PAGES frames */
	size_t start, used;  /* bytes */
	unsigned readers, writers;
	struct wait_queue queue; /* for all of it: data, room, an end that was closed */
};

static struct pipe *file_pipe(const struct file *file)
{
	return (struct pipe *)file->inode;
}

/* Sleep until the other end did something: 0, -EINTR or -EAGAIN. */
static int pipe_wait(struct file *file)
{
	return file->flags & O_NONBLOCK ? -EAGAIN
	                                : shim_wait_on(&file_pipe(file)->queue, SHIM_FOREVER);
}

static bool has_room(const struct pipe *pipe)
{
	return PIPE_SIZE - pipe->used >= PIPE_ATOM;
}

static int64_t pipe_read(struct file *file, uint64_t buffer, size_t length, uint64_t *position)
{
	struct pipe *pipe = file_pipe(file);
	size_t done = 0;
	bool had_room;

	(void)position;
	if (!length)
		return 0;
	while (!pipe->used) {
		int result;

		if (!pipe->writers)
			return 0;
		/* Looked at again behind it: the last writer may have left data and gone. */
		result = pipe_wait(file);
		if (result)
			return result;
	}
	had_room = has_room(pipe);
	while (done < length && pipe->used) {
		size_t piece = PIPE_SIZE - pipe->start;

		if (piece > pipe->used)
			piece = pipe->used;
		if (piece > length - done)
			piece = length - done;
		size_t copied = user_write_some(buffer + done, pipe->ring + pipe->start, piece);

		pipe->start = (pipe->start + copied) % PIPE_SIZE;
		pipe->used -= copied;
		done += copied;
		if (copied < piece)
			break;
	}
	if (!pipe->used)
		pipe->start = 0; /* a pipe that is drained each time stays in one page */
	if (!had_room)           /* else nobody waits for it */
		wait_queue_wake_for(&pipe->queue, POLLOUT | POLLWRNORM);
	return done ? (int64_t)done : -EFAULT;
}

/* Copy into free space; @kit instead of @user where it is set. Returns bytes copied. */
static size_t fill(struct pipe *pipe, uint64_t user, const unsigned char *kit, size_t length)
{
	size_t done = 0;

	while (done < length && pipe->used < PIPE_SIZE) {
		size_t end = (pipe->start + pipe->used) % PIPE_SIZE;
		size_t piece = end < pipe->start ? pipe->start - end : PIPE_SIZE - end;
		size_t copied;

		if (piece > length - done)
			piece = length - done;
		copied = piece;
		if (kit)
			memcpy(pipe->ring + end, kit + done, piece);
		else
			copied = user_read_some(pipe->ring + end, user + done, piece);
		pipe->used += copied;
		done += copied;
		if (copied < piece)
			break;
	}
	if (done)
		wait_queue_wake_for(&pipe->queue, POLLIN | POLLRDNORM);
	return done;
}

static int64_t write_all(struct file *file, uint64_t user, const unsigned char *kit, size_t length)
{
	struct pipe *pipe = file_pipe(file);
	size_t needed = length <= PIPE_ATOM ? length : 1;
	size_t done = 0;

	while (done < length) {
		size_t room = PIPE_SIZE - pipe->used;
		int result = 0;

		if (!pipe->readers) {
			signal_send_self(SIGPIPE);
			return done ? (int64_t)done : -EPIPE;
		}
		if (room < needed) {
			result = pipe_wait(file);
		} else {
			size_t piece = length - done < room ? length - done : room;
			size_t copied = fill(pipe, user + done, kit ? kit + done : NULL, piece);

			done += copied;
			if (copied < piece)
				result = -EFAULT;
		}
		if (result)
			return done ? (int64_t)done : result;
	}
	return (int64_t)done;
}

static int64_t pipe_write(struct file *file, uint64_t buffer, size_t length, uint64_t *position)
{
	(void)position;
	return write_all(file, buffer, NULL, length);
}

static int64_t pipe_write_kit(struct file *file, const void *buffer, size_t length,
                              uint64_t *position)
{
	(void)position;
	return write_all(file, 0, buffer, length);
}

static int64_t pipe_ioctl(struct file *file, unsigned request, uint64_t argument)
{
	int used = (int)file_pipe(file)->used;

	return request == FIONREAD ? user_write(argument, &used, sizeof(used)) : -ENOTTY;
}

static struct poll_state pipe_poll(struct file *file)
{
	struct pipe *pipe = file_pipe(file);
	struct poll_state state = {.queue = &pipe->queue};

	if (file_is_readable(file)) {
		state.readable = pipe->used > 0;
		state.hung_up = !pipe->writers;
	}
	if (file_is_writable(file)) {
		state.writable = has_room(pipe);
		state.error = !pipe->readers;
	}
	return state;
}

static int pipe_open(struct inode *inode, struct file *file)
{
	struct pipe *pipe = (struct pipe *)inode;

	pipe->readers += file_is_readable(file);
	pipe->writers += file_is_writable(file);
	wait_queue_wake(&pipe->queue);
	return 0;
}

static void pipe_close(struct file *file)
{
	struct pipe *pipe = file_pipe(file);

	pipe->readers -= file_is_readable(file);
	pipe->writers -= file_is_writable(file);
	wait_queue_wake(&pipe->queue);
}

static void pipe_release(struct inode *inode)
{
	struct pipe *pipe = (struct pipe *)inode;

	page_free(direct_physical(pipe->ring), PIPE_PAGES);
	heap_free(pipe);
}

static int pipe_set_attributes(struct inode *inode)
{
	(void)inode; /* they live in the structure alone */
	return 0;
}

static const struct file_ops pipe_file_ops = {
        .read = pipe_read,
        .write = pipe_write,
        .write_kit = pipe_write_kit,
        .ioctl = pipe_ioctl,
        .poll = pipe_poll,
        .close = pipe_close,
        .not_seekable = true,
};

static const struct inode_ops pipe_ops = {
        .open = pipe_open,
        .set_attributes = pipe_set_attributes,
        .release = pipe_release,
        .file_ops = &pipe_file_ops,
};

static struct pipe *pipe_make(void)
{
	static uint64_t fs_id, last_number;
	struct pipe *pipe = heap_alloc(sizeof(*pipe));
	uint64_t frames = pipe ? page_alloc(PIPE_PAGES) : 0;

	if (!frames) {
		heap_free(pipe);
		return NULL;
	}
	if (!fs_id)
		fs_id = vfs_new_fs_id();
	pipe->ring = direct_map(frames);
	pipe->base.ops = &pipe_ops;
	pipe->base.references = 1;
	pipe->base.mode = S_IFIFO | 0600;
	pipe->base.links = 1;
	pipe->base.number = ++last_number;
	pipe->base.fs_id = fs_id;
	pipe->base.atime = pipe->base.mtime = pipe->base.ctime = clock_realtime();
	return pipe;
}

/* Open an end and give it a descriptor. */
static int pipe_end(struct pipe *pipe, uint32_t access, uint32_t flags)
{
	struct file *file;
	int fd = file_open_inode(inode_get(&pipe->base), access | (flags & (O_NONBLOCK | O_DIRECT)),
	                         NULL, &file);

	if (fd)
		return fd;
	fd = descriptor_install(file, 0, flags & O_CLOEXEC);
	if (fd < 0)
		file_put(file);
	return fd;
}

int64_t sys_pipe2(const uint64_t *arg)
{
	uint32_t flags = (uint32_t)arg[1];
	int fds[2];
	int result = 0;

	if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	struct pipe *pipe = pipe_make();

	if (!pipe)
		return -ENFILE;
	fds[0] = pipe_end(pipe, O_RDONLY, flags);
	fds[1] = fds[0] < 0 ? fds[0] : pipe_end(pipe, O_WRONLY, flags);
	inode_put(&pipe->base);
	if (fds[1] < 0)
		result = fds[1];
	else
		result = user_write(arg[0], fds, sizeof(fds));
	if (result) {
		descriptor_close(fds[0]);
		descriptor_close(fds[1]);
	}
	return result;
}

int64_t sys_pipe(const uint64_t *arg)
{
	uint64_t with_flags[2] = {arg[0], 0};

	return sys_pipe2(with_flags);
}
