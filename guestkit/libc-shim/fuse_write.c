/* SPDX-License-Identifier: Apache-2.0 */
/* Regular files of the FUSE client: writing, size, space and storage. */
#include <linux/errno.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>

#include "guestkit/libc-shim/fuse.h"
#include "guestkit/string.h"
#include "guestkit/user.h"

/*
 * Writes go to the host at once, with a question for the attributes before, which shows whether
 * somebody else has written, and one behind. What was written stays in the cache.
 */

/* Where bytes come from: the application's memory, its pieces, or the kit's. */
struct source {
	uint64_t user;
	struct vector *vector;
	const unsigned char *kit;
};

static size_t take_bytes(void *to, struct source *from, size_t length)
{
	size_t copied = length;

	if (from->vector)
		return vector_read(from->vector, to, length);
	if (from->kit)
		memcpy(to, from->kit, length);
	else
		copied = user_read_some(to, from->user, length);
	from->user += copied;
	from->kit += from->kit ? copied : 0;
	return copied;
}

static void begin_sync(struct fuse_request *request, const struct file *file, bool data_only)
{
	fuse_begin(request, FUSE_FSYNC, fuse_inode(file->inode)->node,
	           sizeof(request->argument.fsync), 0);
	request->argument.fsync.fh = fuse_file(file)->handle;
	request->argument.fsync.fsync_flags = data_only ? FUSE_FSYNC_FDATASYNC : 0;
}

/*
 * Have bytes written: in one exit with the attributes before and after, and if the file wants it
 * with their way to the disk. Return: how many were; *at is where they are.
 */
static int64_t write_out(struct file *file, const void *bytes, size_t length, uint64_t *at,
                         uint64_t *old_size)
{
	struct fuse_inode *inode = fuse_inode(file->inode);
	struct fuse_request requests[4], *write = &requests[1];
	bool is_synchronous = file->flags & O_DSYNC;
	size_t count = 2, done;
	int result;

	fuse_begin_attributes(&requests[0], inode);
	fuse_begin(write, FUSE_WRITE, inode->node, sizeof(write->argument.write),
	           sizeof(write->result.write));
	write->argument.write.fh = fuse_file(file)->handle;
	write->argument.write.offset = *at;
	write->argument.write.size = (uint32_t)length;
	write->argument.write.flags = file->flags;
	fuse_add(write, bytes, length);
	if (is_synchronous)
		begin_sync(&requests[count++], file, (file->flags & O_SYNC) != O_SYNC);
	fuse_begin_attributes(&requests[count++], inode);
	fuse_call(inode->share, requests, count);
	fuse_take_attributes(&requests[0], inode, false);
	result = fuse_error(write);
	if (!result && is_synchronous)
		result = fuse_error(&requests[2]) == -ENOSYS ? 0 : fuse_error(&requests[2]);
	*old_size = inode->base.size;
	done = result ? 0 : write->result.write.size;
	done = done < length ? done : length;
	if (done && *at > *old_size)
		fuse_pages_zero_behind(inode);
	fuse_take_attributes(&requests[count - 1], inode, true);
	if (done && (file->flags & O_APPEND) && inode->base.size >= done)
		*at = inode->base.size - done; /* wherever the end was on the host */
	return result ? result : (int64_t)done;
}

/* Write what one request can have; *is_last: no more can be written, or come from there. */
static int64_t write_piece(struct file *file, struct source *from, size_t length,
                           uint64_t *position, bool *is_last)
{
	struct fuse_inode *inode = fuse_inode(file->inode);
	uint64_t at = *position, offset = at % PAGE_SIZE, old_size, frames, pages;
	uint64_t most = inode->share->data_max - offset;
	size_t wanted;
	int64_t result;

	length = length < most ? length : most;
	pages = page_round_up(offset + length) / PAGE_SIZE;
	fuse_pages_make_room(pages);
	frames = page_alloc(pages);
	if (!frames)
		frames = page_alloc(pages = 1);
	if (!frames)
		return -ENOMEM;
	length = length < pages * PAGE_SIZE - offset ? length : pages * PAGE_SIZE - offset;
	wanted = length;
	length = take_bytes((unsigned char *)direct_map(frames) + offset, from, wanted);
	result = length ? write_out(file, (unsigned char *)direct_map(frames) + offset, length, &at,
	                            &old_size)
	                : -EFAULT;
	*is_last = result < (int64_t)wanted;
	if (result > 0)
		*position = at + (uint64_t)result;
	if (result > 0 && at % PAGE_SIZE == offset && !fuse_file(file)->is_direct) {
		uint64_t used = page_round_up(offset + (uint64_t)result) / PAGE_SIZE;

		fuse_pages_written(inode, at, (size_t)result, old_size, frames);
		if (used < pages)
			page_free(frames + used * PAGE_SIZE, pages - used);
		return result;
	}
	page_free(frames, pages);
	if (result > 0) /* it is not where its pages would be, or not to be kept */
		fuse_pages_drop(inode, at / PAGE_SIZE, (at + (uint64_t)result) / PAGE_SIZE + 1);
	return result;
}

static int64_t write_file(struct file *file, struct source from, size_t length, uint64_t *position)
{
	int64_t result = fuse_file_ready(file);
	bool is_last = false;
	size_t done = 0;

	while (result >= 0 && !is_last && done < length) {
		result = write_piece(file, &from, length - done, position, &is_last);
		done += result > 0 ? (size_t)result : 0;
	}
	return done ? (int64_t)done : result;
}

int64_t fuse_write(struct file *file, uint64_t buffer, size_t length, uint64_t *position)
{
	return write_file(file, (struct source){.user = buffer}, length, position);
}

int64_t fuse_write_vector(struct file *file, struct vector *vector, uint64_t *position)
{
	return write_file(file, (struct source){.vector = vector}, vector->total, position);
}

int64_t fuse_write_kit(struct file *file, const void *buffer, size_t length, uint64_t *position)
{
	return write_file(file, (struct source){.kit = buffer}, length, position);
}

/* Copy pages to where they are in a row. Return: bytes of them that the file has. */
static size_t gather(const struct fuse_inode *inode, uint64_t first, uint64_t count,
                     unsigned char *to)
{
	uint64_t left = inode->base.size - first * PAGE_SIZE;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t frame = page_tree_find(&inode->file.pages, first + i);

		if (frame)
			memcpy(to + i * PAGE_SIZE, direct_map(frame), PAGE_SIZE);
		else
			memset(to + i * PAGE_SIZE, 0, PAGE_SIZE);
	}
	return left < count * PAGE_SIZE ? left : count * PAGE_SIZE;
}

/* Pages that were written to through a shared mapping; they are in the cache. */
int fuse_write_back(struct file *file, uint64_t first, uint64_t count)
{
	struct fuse_inode *inode = fuse_inode(file->inode);
	uint64_t most = inode->share->data_max / PAGE_SIZE, frames, old_size;
	uint32_t flags = file->flags;
	int64_t result;

	file->flags &= ~(uint32_t)O_APPEND; /* pages go where they are */
	result = fuse_file_ready(file);
	most = count < most ? count : most;
	frames = result ? 0 : page_alloc(most);
	if (!result && !frames)
		frames = page_alloc(most = 1);
	if (!frames) {
		file->flags = flags;
		return result ? (int)result : -ENOMEM;
	}
	inode->file.pinned++;
	while (result >= 0 && count && first * PAGE_SIZE < inode->base.size) {
		uint64_t pages = count < most ? count : most, at = first * PAGE_SIZE;
		size_t length = gather(inode, first, pages, direct_map(frames));

		result = write_out(file, direct_map(frames), length, &at, &old_size);
		if (result >= 0 && (size_t)result < length)
			result = -EIO;
		first += pages;
		count -= pages;
	}
	inode->file.pinned--;
	file->flags = flags;
	page_free(frames, most);
	return result < 0 ? (int)result : 0;
}

/* ---- size and space ---- */

int fuse_truncate(struct inode *base, uint64_t size)
{
	struct fuse_inode *inode = fuse_inode(base);
	struct fuse_request request;
	struct fuse_setattr_in *in = &request.argument.setattr;
	int result;

	fuse_begin(&request, FUSE_SETATTR, inode->node, sizeof(*in),
	           sizeof(request.result.attributes));
	in->valid = FATTR_SIZE;
	in->size = size;
	if (fuse_writable_handle(inode, &in->fh))
		in->valid |= FATTR_FH;
	result = fuse_call_one(inode->share, &request);
	if (result)
		return result;
	if (size < base->size) {
		fuse_pages_cut(inode, page_round_up(size) / PAGE_SIZE, UINT64_MAX, true);
		base->size = size;
	}
	fuse_pages_zero_behind(inode);
	fuse_take_attributes(&request, inode, true);
	return 0;
}

int fuse_allocate(struct file *file, unsigned mode, uint64_t offset, uint64_t length)
{
	struct fuse_inode *inode = fuse_inode(file->inode);
	struct fuse_request requests[2], *request = &requests[0];
	int result = fuse_file_ready(file);

	if (result)
		return result;
	if (mode & ~(unsigned)FALLOC_FL_KEEP_SIZE) /* content changes, or moves */
		fuse_pages_drop(inode, offset / PAGE_SIZE, UINT64_MAX);
	fuse_begin(request, FUSE_FALLOCATE, inode->node, sizeof(request->argument.fallocate), 0);
	request->argument.fallocate.fh = fuse_file(file)->handle;
	request->argument.fallocate.mode = mode;
	request->argument.fallocate.offset = offset;
	request->argument.fallocate.length = length;
	fuse_begin_attributes(&requests[1], inode);
	fuse_call(inode->share, requests, 2);
	result = fuse_error(request);
	if (!result)
		fuse_pages_zero_behind(inode);
	fuse_take_attributes(&requests[1], inode, true);
	return result == -ENOSYS ? -EOPNOTSUPP : result;
}

uint64_t fuse_extent(struct file *file, uint64_t offset, bool data)
{
	struct fuse_inode *inode = fuse_inode(file->inode);
	struct fuse_request request;
	int result = fuse_file_ready(file);

	if (result)
		return data ? offset : inode->base.size;
	memory_file_write_back(&inode->base);
	fuse_begin(&request, FUSE_LSEEK, inode->node, sizeof(request.argument.lseek),
	           sizeof(request.result.lseek));
	request.argument.lseek.fh = fuse_file(file)->handle;
	request.argument.lseek.offset = offset;
	request.argument.lseek.whence = data ? SEEK_DATA : SEEK_HOLE;
	result = fuse_call_one(inode->share, &request);
	if (result == -ENXIO)
		return inode->base.size;
	if (result || request.result.lseek.offset < offset)
		return data ? offset : inode->base.size; /* it does not know: all is data */
	return request.result.lseek.offset < inode->base.size ? request.result.lseek.offset
	                                                      : inode->base.size;
}

/* ---- storage ---- */

int fuse_sync(struct inode *base, struct file *file, bool data_only)
{
	struct fuse_inode *inode = fuse_inode(base);
	struct fuse_request request;
	uint64_t handle = 0;
	int result;

	if (S_ISREG(base->mode)) {
		result = memory_file_write_back(base);
		if (result)
			return result;
		handle = fuse_file(file)->handle; /* or 0: by the node (virtio/fs_server.h) */
	}
	fuse_begin(&request, S_ISDIR(base->mode) ? FUSE_FSYNCDIR : FUSE_FSYNC, inode->node,
	           sizeof(request.argument.fsync), 0);
	request.argument.fsync.fh = handle;
	request.argument.fsync.fsync_flags = data_only ? FUSE_FSYNC_FDATASYNC : 0;
	result = fuse_call_one(inode->share, &request);
	return result == -ENOSYS ? 0 : result;
}

int fuse_sync_all(struct inode *base)
{
	struct fuse_share *share = fuse_inode(base)->share;
	struct fuse_request request;
	int result;

	if (share->state == FUSE_NEW)
		return 0; /* nothing was ever written */
	memory_write_back_all();
	fuse_begin(&request, FUSE_SYNCFS, FUSE_ROOT_ID, sizeof(request.argument.syncfs), 0);
	result = fuse_call_one(share, &request);
	return result == -ENOSYS ? 0 : result;
}
