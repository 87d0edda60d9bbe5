/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that move data of open files: read, write and their relatives. */
#include <asm/signal.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <linux/uio.h>

#include "guestkit/libc-shim/file.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/signal.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/memory.h"
#include "guestkit/user.h"

#define IOV_COUNT_MAX 1024 /* UIO_MAXIOV */
#define COPY_PAGES    64   /* at a time, from file to file: each may cost an exit */

/* Can a buffer be the application's at all? Linux refuses others before it moves anything. */
static bool is_user_buffer(uint64_t buffer, uint64_t length)
{
	return buffer <= MOTE_USER_END && length <= MOTE_USER_END - buffer;
}

/* ---- vectors ---- */

static int piece_load(struct vector *vector)
{
	struct iovec piece;
	int result = user_read(&piece, vector->pieces, sizeof(piece));

	if (result)
		return result;
	vector->pieces += sizeof(piece);
	vector->count--;
	vector->base = (uint64_t)piece.iov_base;
	vector->left = piece.iov_len < vector->total ? piece.iov_len : vector->total;
	return 0;
}

/* Make the current piece one with bytes left; false at the end or before a bad pointer. */
static bool vector_advance(struct vector *vector)
{
	while (!vector->left)
		if (!vector->total || !vector->count || piece_load(vector))
			return false;
	return true;
}

static void vector_take(struct vector *vector, size_t length)
{
	vector->base += length;
	vector->left -= length;
	vector->total -= length;
}

size_t vector_read(struct vector *vector, void *to, size_t length)
{
	size_t done = 0;

	while (done < length && vector_advance(vector)) {
		size_t piece = vector->left < length - done ? vector->left : length - done;
		size_t copied = user_read_some((char *)to + done, vector->base, piece);

		vector_take(vector, copied);
		done += copied;
		if (copied < piece)
			break;
	}
	return done;
}

size_t vector_write(struct vector *vector, const void *from, size_t length)
{
	size_t done = 0;

	while (done < length && vector_advance(vector)) {
		size_t piece = vector->left < length - done ? vector->left : length - done;
		size_t copied = user_write_some(vector->base, (const char *)from + done, piece);

		vector_take(vector, copied);
		done += copied;
		if (copied < piece)
			break;
	}
	return done;
}

int vector_open(struct vector *vector, uint64_t pieces, uint64_t count)
{
	uint64_t total = 0;

	if (count > IOV_COUNT_MAX)
		return -EINVAL;
	for (uint64_t i = 0; i < count; i++) {
		struct iovec piece;
		int result = user_read(&piece, pieces + i * sizeof(piece), sizeof(piece));

		if (result)
			return result;
		if ((int64_t)piece.iov_len < 0)
			return -EINVAL;
		if (!is_user_buffer((uint64_t)piece.iov_base, piece.iov_len))
			return -EFAULT;
		total += piece.iov_len < VFS_IO_MAX - total ? piece.iov_len : VFS_IO_MAX - total;
	}
	*vector = (struct vector){.pieces = pieces, .count = count, .total = total};
	return 0;
}

/* ---- one read, one write ---- */

static int check_read(const struct file *file)
{
	if (!file || !file_is_readable(file))
		return -EBADF;
	if (S_ISDIR(file->inode->mode))
		return -EISDIR;
	return file->ops->read ? 0 : -EINVAL;
}

static int check_write(const struct file *file)
{
	if (!file || !file_is_writable(file))
		return -EBADF;
	return file->ops->write ? 0 : -EINVAL;
}

/* RLIMIT_FSIZE: as much of a write as may be, or -EFBIG and a signal. */
static int limit_write(const struct file *file, uint64_t position, uint64_t *length)
{
	uint64_t limit = process_limit(RESOURCE_FSIZE)->soft;

	if (limit == PROCESS_UNLIMITED || !S_ISREG(file->inode->mode) || !*length)
		return 0;
	if (position >= limit) {
		signal_send_self(SIGXFSZ);
		return -EFBIG;
	}
	*length = *length < limit - position ? *length : limit - position;
	return 0;
}

static void seek_append(const struct file *file, uint64_t *position)
{
	if (!(file->flags & O_APPEND))
		return;
	(void)inode_refresh(file->inode); /* the write says what is wrong */
	*position = file->inode->size;
}

static int64_t write_once(struct file *file, uint64_t buffer, uint64_t length, uint64_t *position)
{
	seek_append(file, position);

	int result = limit_write(file, *position, &length);

	return result ? result : file->ops->write(file, buffer, length, position);
}

/* Piece by piece until one ends short. */
static int64_t move_vector(struct file *file, struct vector *vector, uint64_t *position, bool write)
{
	int64_t done = 0;

	while (vector_advance(vector)) {
		size_t piece = vector->left;
		int64_t moved = write ? write_once(file, vector->base, piece, position)
		                      : file->ops->read(file, vector->base, piece, position);

		if (moved < 0)
			return done ? done : moved;
		done += moved;
		vector_take(vector, (size_t)moved);
		if ((size_t)moved < piece)
			return done;
	}
	return done || !vector->total ? done : -EFAULT;
}

static int64_t move(struct file *file, struct vector *vector, uint64_t *position, bool write)
{
	int64_t result;

	file_get(file); /* it may be closed while this sleeps */
	if (write && file->ops->write_vector && vector->count > 1) {
		seek_append(file, position);
		result = file->ops->write_vector(file, vector, position);
	} else if (!write && file->ops->read_vector) {
		result = file->ops->read_vector(file, vector, position);
	} else {
		result = move_vector(file, vector, position, write);
	}
	file_put(file);
	return result;
}

/* read and write: @position NULL for the file's own. */
static int64_t move_buffer(uint64_t fd, uint64_t buffer, uint64_t length, uint64_t *position,
                           bool write)
{
	struct file *file = descriptor_file_held((int)fd);
	int64_t result;

	if (file && position && file->ops->not_seekable)
		return -ESPIPE;
	result = write ? check_write(file) : check_read(file);
	if (result)
		return result;
	if (!position)
		position = &file->position;
	if (!is_user_buffer(buffer, length))
		return -EFAULT;
	if (!file->ops->not_seekable && (int64_t)(*position + length) < 0)
		return -EINVAL;
	if (length > VFS_IO_MAX)
		length = VFS_IO_MAX;
	file_get(file);
	result = write ? write_once(file, buffer, length, position)
	               : file->ops->read(file, buffer, length, position);
	file_put(file);
	return result;
}

int64_t sys_read(const uint64_t *arg)
{
	return move_buffer(arg[0], arg[1], arg[2], NULL, false);
}

int64_t sys_write(const uint64_t *arg)
{
	return move_buffer(arg[0], arg[1], arg[2], NULL, true);
}

static int64_t move_at(const uint64_t *arg, bool write)
{
	uint64_t position = arg[3];

	if ((int64_t)position < 0)
		return -EINVAL;
	return move_buffer(arg[0], arg[1], arg[2], &position, write);
}

int64_t sys_pread64(const uint64_t *arg)
{
	return move_at(arg, false);
}

int64_t sys_pwrite64(const uint64_t *arg)
{
	return move_at(arg, true);
}

/* arg: as readv has them */
static int64_t move_pieces(const uint64_t *arg, uint64_t *position, bool write)
{
	struct file *file = descriptor_file_held((int)arg[0]);
	struct vector vector;
	int result;

	if (!file || (file->flags & O_PATH))
		return -EBADF;
	if (position && file->ops->not_seekable)
		return -ESPIPE;
	result = write ? check_write(file) : check_read(file);
	if (!result)
		result = vector_open(&vector, arg[1], arg[2]);
	if (result)
		return result;
	return move(file, &vector, position ? position : &file->position, write);
}

int64_t sys_readv(const uint64_t *arg)
{
	return move_pieces(arg, NULL, false);
}

int64_t sys_writev(const uint64_t *arg)
{
	return move_pieces(arg, NULL, true);
}

static int64_t move_pieces_at(const uint64_t *arg, bool write)
{
	uint64_t position = arg[3]; /* all of it: the high half in arg[4] is for 32-bit callers */

	return (int64_t)position < 0 ? -EINVAL : move_pieces(arg, &position, write);
}

int64_t sys_preadv(const uint64_t *arg)
{
	return move_pieces_at(arg, false);
}

int64_t sys_pwritev(const uint64_t *arg)
{
	return move_pieces_at(arg, true);
}

/* preadv2, pwritev2: hints change nothing here, and what is to be on the disk is made so. */
static int64_t move_pieces_flagged(const uint64_t *arg, bool write)
{
	const uint32_t hints = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT;
	struct file *file = descriptor_file((int)arg[0]);
	uint32_t flags = (uint32_t)arg[5];
	uint64_t end;
	int64_t result;

	if (arg[3] != UINT64_MAX && (int64_t)arg[3] < 0)
		return -EINVAL;
	if (flags & ~hints && file && !(file->flags & O_PATH)) {
		if (!write || flags & ~(hints | RWF_APPEND))
			return -EOPNOTSUPP;
		if (!file->ops->not_seekable) {
			(void)inode_refresh(file->inode);
			end = file->inode->size;
			if (arg[3] != UINT64_MAX)
				return move_pieces(arg, &end, write);
			file->position = end;
		}
	}
	result = arg[3] == UINT64_MAX ? move_pieces(arg, NULL, write) : move_pieces_at(arg, write);
	if (result > 0 && write && file && flags & (RWF_DSYNC | RWF_SYNC) &&
	    file->inode->ops->sync) {
		int status = file->inode->ops->sync(file->inode, file, !(flags & RWF_SYNC));

		result = status ? status : result;
	}
	return result;
}

int64_t sys_preadv2(const uint64_t *arg)
{
	return move_pieces_flagged(arg, false);
}

int64_t sys_pwritev2(const uint64_t *arg)
{
	return move_pieces_flagged(arg, true);
}

/* ---- from file to file ---- */

/* Copy through frames. Positions advance by what was written. */
static int64_t copy_between(struct file *in, uint64_t *in_position, struct file *out,
                            uint64_t *out_position, uint64_t length)
{
	uint64_t frame, done = 0;
	size_t pages = length < COPY_PAGES * PAGE_SIZE ? 1 : COPY_PAGES;
	int64_t result = 0;

	if (!in->ops->read_kit || !out->ops->write_kit)
		return -EINVAL;
	frame = page_alloc(pages);
	if (!frame)
		frame = page_alloc(pages = 1);
	if (!frame)
		return -ENOMEM;
	file_get(in);
	file_get(out);
	while (done < length) {
		uint64_t at = *in_position;
		size_t piece =
		        length - done < pages * PAGE_SIZE ? length - done : pages * PAGE_SIZE;

		result = in->ops->read_kit(in, direct_map(frame), piece, &at);
		if (result <= 0)
			break;
		piece = (size_t)result;

		uint64_t allowed = piece;

		result = limit_write(out, *out_position, &allowed);
		if (result)
			break;
		piece = allowed;
		result = out->ops->write_kit(out, direct_map(frame), piece, out_position);
		if (result < 0)
			break;
		*in_position += (uint64_t)result;
		done += (uint64_t)result;
		if ((size_t)result < piece)
			break;
	}
	file_put(out);
	file_put(in);
	page_free(frame, pages);
	return done ? (int64_t)done : result;
}

/* Read an optional offset argument; *position is the file's own where there is none. */
static int offset_load(uint64_t user, struct file *file, uint64_t *local, uint64_t **position)
{
	*position = &file->position;
	if (!user)
		return 0;
	if (file->ops->not_seekable)
		return -ESPIPE;
	int result = user_read(local, user, sizeof(*local));

	*position = local;
	return !result && (int64_t)*local < 0 ? -EINVAL : result;
}

int64_t sys_sendfile(const uint64_t *arg)
{
	struct file *out = descriptor_file_held((int)arg[0]),
	            *in = descriptor_file_held((int)arg[1]);
	uint64_t local = 0, *position;
	int64_t result;

	if (!in || !file_is_readable(in) || !out || !file_is_writable(out))
		return -EBADF;
	result = offset_load(arg[2], in, &local, &position);
	if (!result &&
	    ((out->flags & O_APPEND) || in->ops->not_seekable || S_ISDIR(in->inode->mode)))
		result = -EINVAL;
	if (result)
		return result;
	result = copy_between(in, position, out, &out->position,
	                      arg[3] < VFS_IO_MAX ? arg[3] : VFS_IO_MAX);
	if (arg[2] && user_write(arg[2], position, sizeof(*position)))
		return -EFAULT;
	return result;
}

static int check_copy(const struct file *in, const struct file *out)
{
	if (!in || !file_is_readable(in) || !out || !file_is_writable(out) ||
	    (out->flags & O_APPEND))
		return -EBADF;
	if (S_ISDIR(in->inode->mode))
		return -EISDIR;
	if (!S_ISREG(in->inode->mode) || !S_ISREG(out->inode->mode))
		return -EINVAL;
	return in->ops->read_kit && out->ops->write_kit ? 0 : -EXDEV;
}

int64_t sys_copy_file_range(const uint64_t *arg)
{
	struct file *in = descriptor_file_held((int)arg[0]),
	            *out = descriptor_file_held((int)arg[2]);
	uint64_t local[2] = {0, 0}, *from, *to;
	uint64_t length = arg[4] < VFS_IO_MAX ? arg[4] : VFS_IO_MAX;
	int64_t result = in && out ? 0 : -EBADF;

	if (!result)
		result = offset_load(arg[1], in, &local[0], &from);
	if (!result)
		result = offset_load(arg[3], out, &local[1], &to);
	if (!result && arg[5])
		result = -EINVAL;
	if (!result)
		result = check_copy(in, out);
	if (result)
		return result;
	result = inode_refresh(in->inode);
	if (result)
		return result;
	if (*from >= in->inode->size)
		return 0;
	if (length > in->inode->size - *from)
		length = in->inode->size - *from;
	if (in->inode == out->inode && *from < *to + length && *to < *from + length)
		return -EINVAL;
	result = copy_between(in, from, out, to, length);
	if (result > 0 && ((arg[1] && user_write(arg[1], from, sizeof(*from))) ||
	                   (arg[3] && user_write(arg[3], to, sizeof(*to)))))
		return -EFAULT;
	return result;
}
