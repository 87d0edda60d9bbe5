/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes within the program, with a name (FIFOs) and without. */
#include "guestkit/libc-shim/pipe.h"

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

#define PIPE_SIZE     (16 * PAGE_SIZE)
#define PIPE_SIZE_MAX (1u << 31)
#define PIPE_ATOM     4096 /* PIPE_BUF: writes up to this are not split */
#define FIONREAD      0x541b

/* An open file counts as reader, writer or both by its access mode. */
struct pipe {
	unsigned char *ring; /* frames in a row */
	size_t size;         /* of it: a power of two */
	size_t start, used;  /* bytes */
	unsigned readers, writers;
	unsigned reader_opens,
	        writer_opens;    /* so far: who waits for one sees that it came and went */
	struct wait_queue queue; /* for all of it: data, room, an end that was closed */
	struct pipe **slot;      /* of a FIFO: its inode's; the last to close it frees the pipe */
};

/* A pipe without a name. */
struct pipe_inode {
	struct inode base;
	struct pipe pipe;
};

struct pipe *pipe_of(const struct file *file)
{
	return file->ops == &pipe_file_ops ? file->private : NULL;
}

static bool has_room(const struct pipe *pipe)
{
	return pipe->size - pipe->used >= PIPE_ATOM;
}

/* ---- taking and putting bytes ---- */

const void *pipe_peek(const struct pipe *pipe, size_t skip, size_t *length)
{
	size_t start = (pipe->start + skip) & (pipe->size - 1);
	size_t run = pipe->size - start;

	if (run > pipe->used - skip)
		run = pipe->used - skip;
	if (*length > run)
		*length = run;
	return pipe->ring + start;
}

void pipe_consume(struct pipe *pipe, size_t length)
{
	bool had_room = has_room(pipe);

	pipe->start = (pipe->start + length) & (pipe->size - 1);
	pipe->used -= length;
	if (!pipe->used)
		pipe->start = 0; /* a pipe that is drained each time stays in one page */
	if (!had_room)           /* else nobody waits for it */
		wait_queue_wake_for(&pipe->queue, POLLOUT | POLLWRNORM);
}

void *pipe_room(const struct pipe *pipe, size_t *length)
{
	size_t end = (pipe->start + pipe->used) & (pipe->size - 1);
	size_t run = pipe->used == pipe->size ? 0
	             : end < pipe->start      ? pipe->start - end
	                                      : pipe->size - end;

	if (*length > run)
		*length = run;
	return pipe->ring + end;
}

void pipe_produce(struct pipe *pipe, size_t length)
{
	pipe->used += length;
	wait_queue_wake_for(&pipe->queue, POLLIN | POLLRDNORM);
}

static int wait_for_change(struct pipe *pipe, bool waits)
{
	return waits ? shim_wait_on(&pipe->queue, SHIM_FOREVER) : -EAGAIN;
}

int pipe_wait_data(struct pipe *pipe, bool waits)
{
	while (!pipe->used) {
		int result = pipe->writers ? wait_for_change(pipe, waits) : 0;

		if (result || !pipe->writers)
			return pipe->used ? 1 : result;
	}
	return 1;
}

int pipe_wait_room(struct pipe *pipe, size_t needed, bool waits)
{
	for (;;) {
		int result;

		if (!pipe->readers) {
			signal_send_self(SIGPIPE);
			return -EPIPE;
		}
		if (pipe->size - pipe->used >= needed)
			return 1;
		result = wait_for_change(pipe, waits);
		if (result)
			return result;
	}
}

/* ---- operations of open files ---- */

static int64_t pipe_read(struct file *file, uint64_t buffer, size_t length, uint64_t *position)
{
	struct pipe *pipe = file->private;
	size_t done = 0;
	int result;

	(void)position;
	if (!length)
		return 0;
	result = pipe_wait_data(pipe, !(file->flags & O_NONBLOCK));
	if (result <= 0)
		return result;
	while (done < length && done < pipe->used) {
		size_t piece = length - done, copied;
		const void *bytes = pipe_peek(pipe, done, &piece);

		copied = user_write_some(buffer + done, bytes, piece);
		done += copied;
		if (copied < piece)
			break;
	}
	pipe_consume(pipe, done);
	return done ? (int64_t)done : -EFAULT;
}

/* Copy into free space, at most a page at a time: what a bad pointer cuts short is left out. Return
 * bytes copied; fewer than @length where there was no more room or such a pointer. */
static size_t fill(struct pipe *pipe, struct vector *vector, const unsigned char *kit,
                   size_t length)
{
	size_t done = 0;

	while (done < length) {
		size_t piece = length - done < PAGE_SIZE ? length - done : PAGE_SIZE;
		void *room = pipe_room(pipe, &piece);

		if (!piece)
			break;
		if (kit)
			memcpy(room, kit + done, piece);
		else if (vector_read(vector, room, piece) < piece)
			break;
		pipe->used += piece;
		done += piece;
	}
	if (done)
		pipe_produce(pipe, 0);
	return done;
}

/* Write all of a vector, or @length bytes of the kit's. */
static int64_t write_all(struct file *file, struct vector *vector, const unsigned char *kit,
                         size_t length)
{
	struct pipe *pipe = file->private;
	size_t done = 0;

	while (done < length) {
		size_t left = length - done;
		int result = pipe_wait_room(pipe, length <= PIPE_ATOM ? left : 1,
		                            !(file->flags & O_NONBLOCK));

		if (result == 1) {
			size_t room = pipe->size - pipe->used;
			size_t piece = left < room ? left : room;
			size_t copied = fill(pipe, vector, kit ? kit + done : NULL, piece);

			done += copied;
			result = copied < piece ? -EFAULT : 0;
		}
		if (result)
			return done ? (int64_t)done : result;
	}
	return (int64_t)done;
}

static int64_t pipe_write(struct file *file, uint64_t buffer, size_t length, uint64_t *position)
{
	struct vector vector = {.base = buffer, .left = length, .total = length};

	(void)position;
	return write_all(file, &vector, NULL, length);
}

static int64_t pipe_write_vector(struct file *file, struct vector *vector, uint64_t *position)
{
	(void)position;
	return write_all(file, vector, NULL, vector->total);
}

static int64_t pipe_write_kit(struct file *file, const void *buffer, size_t length,
                              uint64_t *position)
{
	(void)position;
	return write_all(file, NULL, buffer, length);
}

static int64_t pipe_ioctl(struct file *file, unsigned request, uint64_t argument)
{
	int used = (int)pipe_of(file)->used;

	return request == FIONREAD ? user_write(argument, &used, sizeof(used)) : -ENOTTY;
}

static struct poll_state pipe_poll(struct file *file)
{
	struct pipe *pipe = file->private;
	struct poll_state state = {.queue = &pipe->queue};

	if (file_is_readable(file)) {
		state.readable = pipe->used > 0;
		state.hung_up = !pipe->writers && pipe->writer_opens;
	}
	if (file_is_writable(file)) {
		state.writable = has_room(pipe);
		state.error = !pipe->readers;
	}
	return state;
}

static void free_ring(const struct pipe *pipe)
{
	page_free(direct_physical(pipe->ring), pipe->size / PAGE_SIZE);
}

static void pipe_close(struct file *file)
{
	struct pipe *pipe = file->private;

	pipe->readers -= file_is_readable(file);
	pipe->writers -= file_is_writable(file);
	wait_queue_wake(&pipe->queue);
	if (!pipe->slot || pipe->readers || pipe->writers)
		return;
	*pipe->slot = NULL;
	free_ring(pipe);
	heap_free(pipe);
}

const struct file_ops pipe_file_ops = {
        .read = pipe_read,
        .write = pipe_write,
        .write_vector = pipe_write_vector,
        .write_kit = pipe_write_kit,
        .ioctl = pipe_ioctl,
        .poll = pipe_poll,
        .close = pipe_close,
        .not_seekable = true,
};

/* ---- size ---- */

int64_t pipe_size(const struct file *file)
{
	const struct pipe *pipe = pipe_of(file);

	return pipe ? (int64_t)pipe->size : -EBADF;
}

int64_t pipe_resize(const struct file *file, uint32_t wanted)
{
	struct pipe *pipe = pipe_of(file);
	size_t size = PAGE_SIZE, length, done = 0;
	uint64_t frames;

	if (!pipe)
		return -EBADF;
	if (wanted > PIPE_SIZE_MAX)
		return -EINVAL;
	while (size < wanted)
		size *= 2;
	if (size < pipe->used)
		return -EBUSY;
	frames = page_alloc(size / PAGE_SIZE);
	if (!frames)
		return -ENOMEM;
	for (; done < pipe->used; done += length) {
		length = pipe->used - done;

		const void *bytes = pipe_peek(pipe, done, &length);

		memcpy((unsigned char *)direct_map(frames) + done, bytes, length);
	}
	free_ring(pipe);
	pipe->ring = direct_map(frames);
	pipe->size = size;
	pipe->start = 0;
	wait_queue_wake(&pipe->queue);
	return (int64_t)size;
}

/* ---- opening ---- */

static bool make_ring(struct pipe *pipe)
{
	uint64_t frames = page_alloc(PIPE_SIZE / PAGE_SIZE);

	if (!frames)
		return false;
	pipe->ring = direct_map(frames);
	pipe->size = PIPE_SIZE;
	return true;
}

static void add_end(struct pipe *pipe, struct file *file)
{
	bool reads = file_is_readable(file), writes = file_is_writable(file);

	file->private = pipe;
	pipe->readers += reads;
	pipe->reader_opens += reads;
	pipe->writers += writes;
	pipe->writer_opens += writes;
	wait_queue_wake(&pipe->queue);
}

int pipe_open_named(struct pipe **slot, struct file *file)
{
	bool reads = file_is_readable(file), writes = file_is_writable(file);
	struct pipe *pipe = *slot;
	unsigned *opens, seen;
	int result = 0;

	if (!reads && !writes)
		return -EINVAL;
	if (!reads && file->flags & O_NONBLOCK && (!pipe || !pipe->readers))
		return -ENXIO;
	if (!pipe) {
		pipe = heap_alloc(sizeof(*pipe));
		if (!pipe || !make_ring(pipe)) {
			heap_free(pipe);
			return -ENOMEM;
		}
		pipe->slot = slot;
		*slot = pipe;
	}
	add_end(pipe, file);
	opens = reads ? &pipe->writer_opens : &pipe->reader_opens;
	seen = *opens;
	while (!result && !(file->flags & O_NONBLOCK) && *opens == seen &&
	       !(reads ? pipe->writers : pipe->readers))
		result = shim_wait_on(&pipe->queue, SHIM_FOREVER);
	if (result)
		pipe_close(file);
	return result;
}

static int pipe_open(struct inode *inode, struct file *file)
{
	add_end(&((struct pipe_inode *)inode)->pipe, file);
	return 0;
}

static void pipe_release(struct inode *inode)
{
	free_ring(&((struct pipe_inode *)inode)->pipe);
	heap_free(inode);
}

static int pipe_set_attributes(struct inode *inode)
{
	(void)inode; /* they live in the structure alone */
	return 0;
}

static const struct inode_ops pipe_ops = {
        .open = pipe_open,
        .set_attributes = pipe_set_attributes,
        .release = pipe_release,
        .file_ops = &pipe_file_ops,
};

static struct inode *pipe_make(void)
{
	static uint64_t fs_id, last_number;
	struct pipe_inode *made = heap_alloc(sizeof(*made));

	if (!made || !make_ring(&made->pipe)) {
		heap_free(made);
		return NULL;
	}
	if (!fs_id)
		fs_id = vfs_new_fs_id();
	made->base.ops = &pipe_ops;
	made->base.references = 1;
	made->base.mode = S_IFIFO | 0600;
	made->base.links = 1;
	made->base.number = ++last_number;
	made->base.fs_id = fs_id;
	made->base.atime = made->base.mtime = made->base.ctime = clock_realtime();
	return &made->base;
}

/* Open an end and give it a descriptor. */
static int pipe_end(struct inode *pipe, uint32_t access, uint32_t flags)
{
	struct file *file;
	int fd = file_open_inode(inode_get(pipe), access | (flags & (O_NONBLOCK | O_DIRECT)), NULL,
	                         &file);

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
	struct inode *pipe = pipe_make();

	if (!pipe)
		return -ENFILE;
	fds[0] = pipe_end(pipe, O_RDONLY, flags);
	fds[1] = fds[0] < 0 ? fds[0] : pipe_end(pipe, O_WRONLY, flags);
	inode_put(pipe);
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
