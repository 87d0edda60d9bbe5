/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks as files: /dev/vda and its like.
 *
 * What is long, and what is opened with O_DIRECT, moves between the disk and the application's own
 * pages; the rest is read through windows (block_cache.c). Writes are with the device when they
 * return, and on stable storage after fsync(). Parts of blocks are read, changed and written. The
 * size is not that of the inode: as on Linux, stat() shows 0 and lseek() the end.
 */
#include "guestkit/libc-shim/block_file.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>

#include "guestkit/libc-shim/block_cache.h"
#include "guestkit/libc-shim/file.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "guestkit/user.h"
#include "guestkit/user_frames.h"

#define BOUNCE_MAX  0x10000u  /* of what cannot go straight */
#define REQUEST_MAX 0x400000u /* bytes of one request */

/* Memory that is read or written: the application's, or the kit's. */
struct place {
	uint64_t user;
	unsigned char *kit; /* NULL: it is the application's */
};

static struct block_disk *disk_of(const struct file *file)
{
	return file->private;
}

static uint64_t size_of(const struct block_disk *disk)
{
	return disk->sectors * BLOCK_SECTOR;
}

/* Copies to and from a place: bytes before a bad pointer. */
static size_t give(const struct place *to, size_t done, const void *from, size_t length)
{
	if (!to->kit)
		return user_write_some(to->user + done, from, length);
	memcpy(to->kit + done, from, length);
	return length;
}

static size_t take(const struct place *from, size_t done, void *to, size_t length)
{
	if (!from->kit)
		return user_read_some(to, from->user + done, length);
	memcpy(to, from->kit + done, length);
	return length;
}

/* ---- straight ---- */

/* Shorten a description to @length bytes: how many buffers that leaves. */
static unsigned trim(struct virtio_buffer *buffers, unsigned count, size_t covered, size_t length)
{
	while (covered > length) {
		size_t excess = covered - length;

		if (buffers[count - 1].length > excess) {
			buffers[count - 1].length -= (uint32_t)excess;
			break;
		}
		covered -= buffers[--count].length;
	}
	return count;
}

/* Add one request for as much as it can carry: its bytes, 0 where none can be described, or a
 * negative errno. */
static int64_t add_straight(struct block_disk *disk, bool is_write, uint64_t user, size_t length,
                            uint64_t offset)
{
	unsigned most, count;
	struct virtio_buffer *buffers = block_buffers(disk, &most);
	size_t covered, whole;
	int status;

	if (!buffers)
		return disk->channel ? -EIO : -ENOMEM;
	count = user_frames(user, length < REQUEST_MAX ? length : REQUEST_MAX, !is_write, buffers,
	                    most, &covered);
	whole = covered - covered % disk->logical_size;
	count = trim(buffers, count, covered, whole);
	if (!count)
		return 0;
	status = block_add(disk, is_write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN,
	                   offset / BLOCK_SECTOR, count, whole);
	return status ? status : (int64_t)whole;
}

/* Whole blocks between the disk and the application's pages, as many as go with one exit: how many
 * bytes, 0 before memory that no device reaches, or a negative errno. */
static int64_t move_straight(struct block_disk *disk, bool is_write, uint64_t user, size_t length,
                             uint64_t offset)
{
	int64_t added = 0, part = 1;
	int status;

	for (unsigned i = 0; i < BLOCK_TOGETHER && part > 0 && (size_t)added < length; i++) {
		part = add_straight(disk, is_write, user + (uint64_t)added, length - (size_t)added,
		                    offset + (uint64_t)added);
		if (part > 0)
			added += part;
	}
	status = block_run(disk);
	if (is_write && added)
		block_cache_forget(disk, offset, offset + (uint64_t)added);
	if (status)
		return status;
	return added ? added : part;
}

/* ---- by copies ---- */

/* Read into @to, or as far as it can be read: a negative errno, or 0. */
static int read_cached(struct block_disk *disk, unsigned char *to, size_t length, uint64_t offset)
{
	const unsigned char *bytes;
	int64_t got = 0;

	for (size_t done = 0; done < length; done += (size_t)got) {
		got = block_cache_get(disk, offset + done, length - done, &bytes);
		if (got < 0)
			return (int)got;
		if ((size_t)got > length - done)
			got = (int64_t)(length - done);
		memcpy(to + done, bytes, (size_t)got);
	}
	return 0;
}

/* Blocks that are whole in the kit's memory. */
static int store(struct block_disk *disk, uint64_t offset, unsigned char *bytes, size_t length)
{
	int status = block_transfer(disk, true, offset / BLOCK_SECTOR, bytes, length);

	if (!status)
		block_cache_store(disk, offset, bytes, length);
	return status;
}

/* Write to a part of one block, whose rest is kept: how many bytes, or a negative errno. */
static int64_t write_part(struct block_disk *disk, const struct place *from, size_t done,
                          size_t length, uint64_t offset)
{
	size_t block = disk->logical_size, head = offset % block, copied = 0;
	unsigned char *bounce = heap_alloc(block);
	int status = bounce ? read_cached(disk, bounce, block, offset - head) : -ENOMEM;

	if (!status) {
		copied = take(from, done, bounce + head,
		              length < block - head ? length : block - head);
		status = copied ? store(disk, offset - head, bounce, block) : -EFAULT;
	}
	heap_free(bounce);
	return status ? status : (int64_t)copied;
}

/* Write whole blocks, at most what fits a bounce buffer; before a bad pointer, what there is. */
static int64_t write_blocks(struct block_disk *disk, const struct place *from, size_t done,
                            size_t length, uint64_t offset)
{
	size_t block = disk->logical_size, most = BOUNCE_MAX > block ? BOUNCE_MAX : block, copied;
	unsigned char *bounce;
	int64_t result;

	length = length < most ? length : most;
	length -= length % block;
	bounce = heap_alloc(length);
	if (!bounce)
		return -ENOMEM;
	copied = take(from, done, bounce, length);
	if (copied < block) {
		result = copied ? write_part(disk, from, done, copied, offset) : -EFAULT;
	} else {
		copied -= copied % block;
		result = store(disk, offset, bounce, copied);
		result = result ? result : (int64_t)copied;
	}
	heap_free(bounce);
	return result;
}

/* ---- read and write ---- */

static int64_t read_some(struct block_disk *disk, const struct place *to, size_t length,
                         uint64_t offset)
{
	const unsigned char *bytes;
	size_t done = 0, copied;
	int64_t got = 0;

	while (done < length) {
		size_t left = length - done;

		got = 0;
		if (!to->kit && left >= BLOCK_WINDOW_MAX &&
		    (offset + done) % disk->logical_size == 0)
			got = move_straight(disk, false, to->user + done, left, offset + done);
		if (got > 0) {
			done += (size_t)got;
			continue;
		}
		if (got == 0)
			got = block_cache_get(disk, offset + done, left, &bytes);
		if (got < 0)
			break;
		if ((size_t)got > left)
			got = (int64_t)left;
		copied = give(to, done, bytes, (size_t)got);
		done += copied;
		if (copied < (size_t)got) {
			got = -EFAULT;
			break;
		}
	}
	return done ? (int64_t)done : got;
}

static int64_t write_some(struct block_disk *disk, const struct place *from, size_t length,
                          uint64_t offset)
{
	size_t done = 0;
	int64_t moved = 0;

	while (done < length) {
		size_t left = length - done;
		uint64_t at = offset + done;

		if (at % disk->logical_size || left < disk->logical_size) {
			moved = write_part(disk, from, done, left, at);
		} else {
			moved = from->kit ? 0
			                  : move_straight(disk, true, from->user + done, left, at);
			if (moved == 0)
				moved = write_blocks(disk, from, done, left, at);
		}
		if (moved < 0)
			break;
		done += (size_t)moved;
	}
	return done ? (int64_t)done : moved;
}

/* O_DIRECT: addresses, offsets and lengths are whole blocks. */
static bool is_aligned(const struct file *file, uint64_t user, size_t length, uint64_t offset)
{
	return !(file->flags & O_DIRECT) ||
	       !((user | length | offset) & (disk_of(file)->logical_size - 1));
}

/* Nothing is read through windows then. */
static int64_t read_direct(struct block_disk *disk, uint64_t user, size_t length, uint64_t offset)
{
	int64_t moved = 0;
	size_t done = 0;

	while (done < length) {
		moved = move_straight(disk, false, user + done, length - done, offset + done);
		if (moved <= 0)
			break;
		done += (size_t)moved;
	}
	if (done || !length)
		return (int64_t)done;
	return moved ? moved : -EFAULT;
}

static int64_t block_read(struct file *file, uint64_t user_buffer, size_t length,
                          uint64_t *position)
{
	struct block_disk *disk = disk_of(file);
	const struct place to = {user_buffer, NULL};
	uint64_t left = *position < size_of(disk) ? size_of(disk) - *position : 0;
	int64_t result;

	if (length > left)
		length = left;
	if (!length)
		return 0;
	if (!is_aligned(file, user_buffer, length, *position))
		return -EINVAL;
	result = file->flags & O_DIRECT ? read_direct(disk, user_buffer, length, *position)
	                                : read_some(disk, &to, length, *position);
	if (result > 0)
		*position += (uint64_t)result;
	return result;
}

static int64_t block_read_kit(struct file *file, void *buffer, size_t length, uint64_t *position)
{
	struct block_disk *disk = disk_of(file);
	const struct place to = {0, buffer};
	uint64_t left = *position < size_of(disk) ? size_of(disk) - *position : 0;
	int64_t result = read_some(disk, &to, length < left ? length : left, *position);

	if (result > 0)
		*position += (uint64_t)result;
	return result;
}

/* What all writes share; errors in the order of Linux (blkdev_write_iter). */
static int64_t write_place(struct file *file, const struct place *from, size_t length,
                           uint64_t *position)
{
	struct block_disk *disk = disk_of(file);
	uint64_t size = size_of(disk);
	int64_t result;
	int status;

	if (file->flags & O_APPEND)
		*position = size;
	if (disk->is_read_only)
		return -EPERM;
	if (!length)
		return 0;
	if (*position >= size)
		return -ENOSPC;
	if (length > size - *position)
		length = size - *position;
	if (!from->kit && !is_aligned(file, from->user, length, *position))
		return -EINVAL;
	result = write_some(disk, from, length, *position);
	if (result <= 0)
		return result;
	*position += (uint64_t)result;
	status = file->flags & O_DSYNC ? block_flush(disk) : 0;
	return status ? status : result;
}

static int64_t block_write(struct file *file, uint64_t user_buffer, size_t length,
                           uint64_t *position)
{
	const struct place from = {user_buffer, NULL};

	return write_place(file, &from, length, position);
}

static int64_t block_write_kit(struct file *file, const void *buffer, size_t length,
                               uint64_t *position)
{
	const struct place from = {0, (unsigned char *)(uintptr_t)buffer};

	return write_place(file, &from, length, position);
}

static int64_t block_seek(struct file *file, int64_t offset, int whence)
{
	int64_t size = (int64_t)size_of(disk_of(file)), base = 0;

	switch (whence) {
	case SEEK_SET: break;
	case SEEK_CUR: base = (int64_t)file->position; break;
	case SEEK_END: base = size; break;
	default: return -EINVAL;
	}
	if (__builtin_add_overflow(base, offset, &offset) || offset < 0 || offset > size)
		return -EINVAL;
	file->position = (uint64_t)offset;
	return offset;
}

static int block_sync(struct inode *inode, struct file *file, bool data_only)
{
	(void)inode;
	(void)data_only;
	return block_flush(disk_of(file));
}

/* ---- ioctl ---- */

/* BLKDISCARD, BLKZEROOUT: a start and a length in bytes. */
static int64_t change_range(struct file *file, bool is_discard, uint64_t argument)
{
	struct block_disk *disk = disk_of(file);
	uint64_t range[2], end;
	int status;

	if (!file_is_writable(file))
		return -EBADF;
	if (disk->is_read_only)
		return -EPERM;
	if (user_read(range, argument, sizeof range))
		return -EFAULT;
	if ((range[0] | range[1]) % disk->logical_size || !range[1] ||
	    __builtin_add_overflow(range[0], range[1], &end) || end > size_of(disk))
		return -EINVAL;
	status = is_discard
	                 ? block_discard(disk, range[0] / BLOCK_SECTOR, range[1] / BLOCK_SECTOR)
	                 : block_zero(disk, range[0] / BLOCK_SECTOR, range[1] / BLOCK_SECTOR, true);
	block_cache_forget(disk, range[0], end);
	return status;
}

static int64_t put_int(uint64_t argument, uint32_t value)
{
	return user_write(argument, &value, sizeof value);
}

static int64_t put_long(uint64_t argument, uint64_t value)
{
	return user_write(argument, &value, sizeof value);
}

static int64_t block_ioctl(struct file *file, unsigned request, uint64_t argument)
{
	struct block_disk *disk = disk_of(file);
	const uint16_t not_rotational = 0;

	switch (request) {
	case BLKGETSIZE64: return put_long(argument, size_of(disk));
	case BLKGETSIZE: return put_long(argument, disk->sectors);
	case BLKSSZGET: return put_int(argument, disk->logical_size);
	case BLKPBSZGET:
	case BLKIOMIN: return put_int(argument, disk->physical_size);
	case BLKIOOPT:
	case BLKALIGNOFF: return put_int(argument, 0);
	case BLKBSZGET:
		return put_int(argument, disk->logical_size > PAGE_SIZE ? disk->logical_size
		                                                        : (uint32_t)PAGE_SIZE);
	case BLKROTATIONAL: return user_write(argument, &not_rotational, sizeof not_rotational);
	case BLKROGET: return put_int(argument, disk->is_read_only);
	case BLKFLSBUF: block_cache_forget(disk, 0, UINT64_MAX); return block_flush(disk);
	case BLKDISCARD: return change_range(file, true, argument);
	case BLKZEROOUT: return change_range(file, false, argument);
	default: return -ENOTTY;
	}
}

/* ---- inodes ---- */

static const struct file_ops block_file_ops = {
        .read = block_read,
        .write = block_write,
        .read_kit = block_read_kit,
        .write_kit = block_write_kit,
        .seek = block_seek,
        .ioctl = block_ioctl,
};

static int block_open(struct inode *inode, struct file *file)
{
	file->private = block_disk((unsigned)(inode->device & 0xff) / BLOCK_MINORS);
	return file->private ? 0 : -ENXIO;
}

static void block_statistics(struct inode *inode, struct vfs_statistics *out)
{
	(void)inode;
	out->magic = TMPFS_MAGIC;
}

const struct inode_ops block_inode_ops = {
        .open = block_open,
        .sync = block_sync,
        .statistics = block_statistics,
        .file_ops = &block_file_ops,
};
