/* SPDX-License-Identifier: Apache-2.0 */
/* Regular files of tmpfs: frames in a page tree. */
#include <linux/errno.h>
#include <linux/falloc.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/tmpfs.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "guestkit/user.h"

/*
 * Invariant: bytes of a frame past the end of the file are zero, or came from a shared mapping;
 * whoever moves the end over them into a hole zeroes them first (zero_behind_end()).
 */

#define PAGE_OFFSET(position) ((position) & (PAGE_SIZE - 1))
#define FILE_SIZE_MAX         ((uint64_t)INT64_MAX)

/* The other side of a copy: the application's memory, or the kit's where `kit` is set. */
struct side {
	uint64_t user;
	unsigned char *kit;
};

/* The new size of a file with bytes in it lies behind its end: what is between reads as zeros. */
static void zero_behind_end(struct tmpfs_inode *node)
{
	uint64_t offset = PAGE_OFFSET(node->base.size);
	uint64_t frame = offset ? page_tree_find(&node->pages, node->base.size / PAGE_SIZE) : 0;

	if (frame)
		memset((unsigned char *)direct_map(frame) + offset, 0, PAGE_SIZE - offset);
}

static void file_changed(struct inode *inode)
{
	inode->mtime = inode->ctime = clock_realtime();
}

/*
 * The frame of a page, made when there is none. It goes into the tree before its content is there
 * (@zeroed false: undefined), as filling it may fault and come back here.
 */
static uint64_t make_frame(struct tmpfs_inode *node, uint64_t index, bool zeroed)
{
	uint64_t frame;

	if (tmpfs_is_full())
		return 0;
	frame = zeroed ? page_alloc_zeroed(1) : page_alloc(1);
	if (frame && page_tree_insert(&node->pages, index, frame)) {
		page_free(frame, 1);
		frame = 0;
	}
	return frame;
}

/* ---- reading and writing ---- */

static size_t copy_out(struct side *to, uint64_t frame, uint64_t offset, size_t length)
{
	const unsigned char *from =
	        frame ? (const unsigned char *)direct_map(frame) + offset : NULL;

	if (to->kit) {
		if (from)
			memcpy(to->kit, from, length);
		else
			memset(to->kit, 0, length);
		to->kit += length;
		return length;
	}
	uint64_t user = to->user;

	to->user += length;
	if (from)
		return user_write_some(user, from, length);
	return user_zero(user, length) ? 0 : length;
}

static int64_t read_pages(struct tmpfs_inode *node, struct side to, size_t length,
                          uint64_t *position)
{
	uint64_t size = node->base.size, at = *position;
	size_t done = 0;

	if (at >= size)
		return 0;
	if (length > size - at)
		length = (size_t)(size - at);
	while (done < length) {
		uint64_t offset = PAGE_OFFSET(at);
		size_t piece =
		        length - done < PAGE_SIZE - offset ? length - done : PAGE_SIZE - offset;
		size_t copied =
		        copy_out(&to, page_tree_find(&node->pages, at / PAGE_SIZE), offset, piece);

		done += copied;
		at += copied;
		if (copied < piece)
			break;
	}
	if (length && !done)
		return -EFAULT;
	*position = at;
	inode_accessed(&node->base);
	return (int64_t)done;
}

/* Fill a piece of the page at @at. Return: bytes copied, or -ENOSPC. */
static int64_t copy_in(struct tmpfs_inode *node, uint64_t at, struct side *from, size_t length)
{
	uint64_t frame = page_tree_find(&node->pages, at / PAGE_SIZE);
	bool is_new_whole = !frame && length == PAGE_SIZE;

	if (!frame)
		frame = make_frame(node, at / PAGE_SIZE, !is_new_whole);
	if (!frame)
		return -ENOSPC;

	unsigned char *to = (unsigned char *)direct_map(frame) + PAGE_OFFSET(at);
	size_t copied = length;

	if (from->kit) {
		memcpy(to, from->kit, length);
		from->kit += length;
	} else {
		copied = user_read_some(to, from->user, length);
		from->user += length;
		if (is_new_whole && copied < length)
			memset(to + copied, 0, length - copied);
	}
	return (int64_t)copied;
}

static int64_t write_pages(struct tmpfs_inode *node, struct side from, size_t length,
                           uint64_t *position)
{
	uint64_t at = *position;
	size_t done = 0;
	int64_t result = -EFAULT;

	if (!length)
		return 0;
	if (at >= FILE_SIZE_MAX)
		return -EFBIG;
	if (length > FILE_SIZE_MAX - at)
		length = (size_t)(FILE_SIZE_MAX - at);
	if (at > node->base.size)
		zero_behind_end(node);
	while (done < length) {
		uint64_t room = PAGE_SIZE - PAGE_OFFSET(at);
		size_t piece = length - done < room ? length - done : (size_t)room;

		result = copy_in(node, at, &from, piece);
		if (result <= 0)
			break;
		done += (size_t)result;
		at += (uint64_t)result;
		if ((size_t)result < piece)
			break;
	}
	if (!done)
		return result ? result : -EFAULT;
	if (at > node->base.size)
		node->base.size = at;
	*position = at;
	file_changed(&node->base);
	return (int64_t)done;
}

static int64_t file_read(struct file *file, uint64_t buffer, size_t length, uint64_t *position)
{
	return read_pages(tmpfs_inode(file->inode), (struct side){.user = buffer}, length,
	                  position);
}

static int64_t file_write(struct file *file, uint64_t buffer, size_t length, uint64_t *position)
{
	return write_pages(tmpfs_inode(file->inode), (struct side){.user = buffer}, length,
	                   position);
}

static int64_t file_read_kit(struct file *file, void *buffer, size_t length, uint64_t *position)
{
	return read_pages(tmpfs_inode(file->inode), (struct side){.kit = buffer}, length, position);
}

static int64_t file_write_kit(struct file *file, const void *buffer, size_t length,
                              uint64_t *position)
{
	/* A side is written to by copy_out() only, which no write comes to. */
	return write_pages(tmpfs_inode(file->inode),
	                   (struct side){.kit = (unsigned char *)(uintptr_t)buffer}, length,
	                   position);
}

/* ---- size and space ---- */

/* Make bytes [start, end) a hole, as far as whole pages go, and zero the rest of them. */
static void punch(struct tmpfs_inode *node, uint64_t start, uint64_t end)
{
	uint64_t first = page_round_up(start) / PAGE_SIZE, last = end / PAGE_SIZE;

	while (start < end && (PAGE_OFFSET(start) || end - start < PAGE_SIZE)) {
		uint64_t room = PAGE_SIZE - PAGE_OFFSET(start);
		uint64_t piece = end - start < room ? end - start : room;
		uint64_t frame = page_tree_find(&node->pages, start / PAGE_SIZE);

		if (frame)
			memset((unsigned char *)direct_map(frame) + PAGE_OFFSET(start), 0, piece);
		start += piece;
	}
	if (first < last && node->pages.count) {
		memory_file_unmap(&node->base, first, last, false);
		page_tree_remove(&node->pages, first, last);
	}
	if (start < end && PAGE_OFFSET(end))
		punch(node, end & PAGE_MASK, end);
}

int tmpfs_truncate(struct inode *inode, uint64_t size)
{
	struct tmpfs_inode *node = tmpfs_inode(inode);

	if (size > FILE_SIZE_MAX)
		return -EFBIG;
	if (size <= inode->size) { /* equal: gives back what fallocate put behind the end */
		uint64_t keep = page_round_up(size) / PAGE_SIZE;
		bool is_less = size < inode->size;

		inode->size = size;
		zero_behind_end(node);
		if (is_less) /* holes, too, may have private copies */
			memory_file_unmap(inode, keep, UINT64_MAX, true);
		if (node->pages.count)
			page_tree_remove(&node->pages, keep, UINT64_MAX);
	} else if (size > inode->size) {
		zero_behind_end(node);
		inode->size = size;
	}
	file_changed(inode);
	return 0;
}

static int file_allocate(struct file *file, unsigned mode, uint64_t offset, uint64_t length)
{
	struct tmpfs_inode *node = tmpfs_inode(file->inode);
	uint64_t end = offset + length; /* the caller has checked this against overflow */

	if (mode & FALLOC_FL_PUNCH_HOLE) {
		if (mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
			return -EOPNOTSUPP;
		punch(node, offset, end);
		file_changed(file->inode);
		return 0;
	}
	if (mode & ~(unsigned)FALLOC_FL_KEEP_SIZE)
		return -EOPNOTSUPP;

	uint64_t first = offset / PAGE_SIZE, last = (end - 1) / PAGE_SIZE;

	if (last - first >= page_free_count() + node->pages.count)
		return -ENOSPC;
	for (uint64_t index = first; index <= last; index++)
		if (!page_tree_find(&node->pages, index) && !make_frame(node, index, true))
			return -ENOSPC;
	if (end > file->inode->size && !(mode & FALLOC_FL_KEEP_SIZE)) {
		zero_behind_end(node);
		file->inode->size = end;
	}
	file->inode->ctime = clock_realtime();
	return 0;
}

static int file_page(struct file *file, uint64_t index, bool make, uint64_t *physical)
{
	struct tmpfs_inode *node = tmpfs_inode(file->inode);

	if (index >= page_round_up(node->base.size) / PAGE_SIZE)
		return -EFAULT;
	*physical = page_tree_find(&node->pages, index);
	if (!*physical && make)
		*physical = make_frame(node, index, true);
	return !*physical && make ? -ENOSPC : 0;
}

const struct file_ops tmpfs_file_ops = {
        .read = file_read,
        .write = file_write,
        .read_kit = file_read_kit,
        .write_kit = file_write_kit,
        .allocate = file_allocate,
        .page = file_page,
};
