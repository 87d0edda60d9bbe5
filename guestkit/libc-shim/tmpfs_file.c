/* SPDX-License-Identifier: Apache-2.0 */
/* Regular files of tmpfs: frames in a page tree, over what a file system below has. */
#include <linux/errno.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>

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
	tmpfs_keep(tmpfs_inode(inode));
	inode->mtime = inode->ctime = clock_realtime();
}

/* Is a page's content below, as far as the frames have none? */
static bool is_below(const struct tmpfs_inode *node, uint64_t index)
{
	return index < page_round_up(node->lower_end) / PAGE_SIZE;
}

/* Give a new frame what the file below has in that page. */
static int fill_from_below(const struct tmpfs_inode *node, uint64_t index, uint64_t frame)
{
	struct tmpfs_side side = {.kit = direct_map(frame)};
	uint64_t left = node->lower_end - index * PAGE_SIZE;
	uint64_t want = left < PAGE_SIZE ? left : PAGE_SIZE;
	int64_t result = tmpfs_lower_read(node, index * PAGE_SIZE, &side, want);

	if (result < 0)
		return (int)result;
	return (uint64_t)result == want ? 0 : -EIO;
}

/*
 * The frame of a page that has none, with what is below, or with zeros (@zeroed false: undefined).
 * It goes into the tree before the caller fills it, as that may fault and come back here. Return:
 * 0, -ENOSPC, or an error of the file below.
 */
static int make_frame(struct tmpfs_inode *node, uint64_t index, bool zeroed, uint64_t *frame)
{
	bool below = is_below(node, index);
	int result = 0;

	*frame = tmpfs_is_full() ? 0 : zeroed || below ? page_alloc_zeroed(1) : page_alloc(1);
	if (!*frame)
		return -ENOSPC;
	if (below)
		result = fill_from_below(node, index, *frame);
	if (!result)
		result = page_tree_insert(&node->pages, index, *frame);
	if (result) {
		page_free(*frame, 1);
		*frame = 0;
		return result;
	}
	tmpfs_keep(node);
	tmpfs_lower_unmap(node);
	return 0;
}

/* The frame of a page, for writing. */
static int own_frame(struct tmpfs_inode *node, uint64_t index, uint64_t *frame)
{
	*frame = page_tree_find(&node->pages, index);
	return *frame ? 0 : make_frame(node, index, true, frame);
}

/* ---- reading and writing ---- */

/*
 * Where the bytes from @at on are: in a frame; below; else nowhere, they are zeros. Return: how
 * many of the next @most are in the same place.
 */
static size_t find_place(const struct tmpfs_inode *node, uint64_t at, size_t most, uint64_t *frame,
                         bool *below)
{
	uint64_t run = PAGE_SIZE - PAGE_OFFSET(at);

	*frame = node->pages.count ? page_tree_find(&node->pages, at / PAGE_SIZE) : 0;
	*below = !*frame && at < node->lower_end;
	if (*below && (!node->pages.count || run > node->lower_end - at))
		run = node->lower_end - at;
	else if (!*frame && !node->pages.count)
		run = most;
	return most < run ? most : (size_t)run;
}

static size_t copy_out(const struct tmpfs_side *to, uint64_t frame, uint64_t offset, size_t length)
{
	const unsigned char *from =
	        frame ? (const unsigned char *)direct_map(frame) + offset : NULL;

	if (to->kit && from)
		memcpy(to->kit, from, length);
	else if (to->kit)
		memset(to->kit, 0, length);
	else if (from)
		return user_write_some(to->user, from, length);
	else
		return user_zero(to->user, length) ? 0 : length;
	return length;
}

static int64_t read_pages(struct tmpfs_inode *node, struct tmpfs_side to, size_t length,
                          uint64_t *position)
{
	uint64_t size = node->base.size, at = *position;
	size_t done = 0;
	int64_t copied = 0;

	if (at >= size)
		return 0;
	if (length > size - at)
		length = (size_t)(size - at);
	while (done < length) {
		uint64_t frame;
		bool below;
		size_t piece = find_place(node, at, length - done, &frame, &below);

		copied = below ? tmpfs_lower_read(node, at, &to, piece)
		               : (int64_t)copy_out(&to, frame, PAGE_OFFSET(at), piece);
		if (copied <= 0)
			break;
		done += (size_t)copied;
		at += (uint64_t)copied;
		if ((size_t)copied < piece)
			break;
		to.user += piece;
		to.kit += to.kit ? piece : 0;
	}
	if (length && !done)
		return copied ? copied : -EFAULT;
	*position = at;
	inode_accessed(&node->base);
	return (int64_t)done;
}

/* Fill a piece of the page at @at. Return: bytes copied, or a negative errno. */
static int64_t copy_in(struct tmpfs_inode *node, uint64_t at, struct tmpfs_side *from,
                       size_t length)
{
	uint64_t index = at / PAGE_SIZE, frame = page_tree_find(&node->pages, index);
	bool is_new_whole = !frame && length == PAGE_SIZE && !is_below(node, index);
	int result = frame ? 0 : make_frame(node, index, !is_new_whole, &frame);

	if (result)
		return result;

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

/* May content be written so that the file then ends at @end, or where it does? */
static int check_seals(const struct tmpfs_inode *node, uint64_t end)
{
	if (node->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return -EPERM;
	return node->seals & F_SEAL_GROW && end > node->base.size ? -EPERM : 0;
}

static int64_t write_pages(struct tmpfs_inode *node, struct tmpfs_side from, size_t length,
                           uint64_t *position)
{
	uint64_t at = *position;
	size_t done = 0;
	int64_t result;

	if (!length)
		return 0;
	if (at >= FILE_SIZE_MAX)
		return -EFBIG;
	if (length > FILE_SIZE_MAX - at)
		length = (size_t)(FILE_SIZE_MAX - at);
	result = check_seals(node, at + length);
	if (result)
		return result;
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
	return read_pages(tmpfs_inode(file->inode), (struct tmpfs_side){.user = buffer}, length,
	                  position);
}

static int64_t file_write(struct file *file, uint64_t buffer, size_t length, uint64_t *position)
{
	return write_pages(tmpfs_inode(file->inode), (struct tmpfs_side){.user = buffer}, length,
	                   position);
}

static int64_t file_read_kit(struct file *file, void *buffer, size_t length, uint64_t *position)
{
	return read_pages(tmpfs_inode(file->inode), (struct tmpfs_side){.kit = buffer}, length,
	                  position);
}

static int64_t file_write_kit(struct file *file, const void *buffer, size_t length,
                              uint64_t *position)
{
	/* A side is written to by copy_out() only, which no write comes to. */
	return write_pages(tmpfs_inode(file->inode),
	                   (struct tmpfs_side){.kit = (unsigned char *)(uintptr_t)buffer}, length,
	                   position);
}

/* ---- size and space ---- */

/* Zero a piece of one page. */
static int zero_piece(struct tmpfs_inode *node, uint64_t start, uint64_t length)
{
	uint64_t frame = page_tree_find(&node->pages, start / PAGE_SIZE);
	int result = 0;

	if (!frame && start < node->lower_end)
		result = own_frame(node, start / PAGE_SIZE, &frame);
	if (frame && !result)
		memset((unsigned char *)direct_map(frame) + PAGE_OFFSET(start), 0, length);
	return result;
}

/* Let the bytes of the file below from @size on be forgotten; they must be less than a page, or
 * whole pages. */
static void cut_below(struct tmpfs_inode *node, uint64_t size)
{
	if (size < node->lower_end)
		node->lower_end = size & PAGE_MASK;
}

/* Make bytes [start, end) a hole, as far as whole pages go, and zero the rest of them. */
static int punch(struct tmpfs_inode *node, uint64_t start, uint64_t end)
{
	uint64_t first = page_round_up(start) / PAGE_SIZE, last = end / PAGE_SIZE;
	int result = 0;

	if (first > last) /* within one page */
		return zero_piece(node, start, end - start);
	if (PAGE_OFFSET(start))
		result = zero_piece(node, start, first * PAGE_SIZE - start);
	if (!result && PAGE_OFFSET(end))
		result = zero_piece(node, end & PAGE_MASK, PAGE_OFFSET(end));
	if (end >= node->lower_end)
		cut_below(node, first * PAGE_SIZE);
	for (; !result && first < last && is_below(node, first); first++)
		result = zero_piece(node, first * PAGE_SIZE, PAGE_SIZE);
	if (!result && first < last) {
		memory_file_unmap(&node->base, first, last, false);
		page_tree_remove(&node->pages, first, last);
	}
	return result;
}

int tmpfs_truncate(struct inode *inode, uint64_t size)
{
	struct tmpfs_inode *node = tmpfs_inode(inode);

	if (size > FILE_SIZE_MAX)
		return -EFBIG;
	if ((size < inode->size && node->seals & F_SEAL_SHRINK) ||
	    (size > inode->size && node->seals & F_SEAL_GROW))
		return -EPERM;
	if (size <= inode->size) { /* equal: gives back what fallocate put behind the end */
		uint64_t keep = page_round_up(size) / PAGE_SIZE, frame;
		bool is_less = size < inode->size;
		int result = 0;

		if (PAGE_OFFSET(size) && size < node->lower_end)
			result = own_frame(node, size / PAGE_SIZE, &frame);
		if (result)
			return result;
		cut_below(node, size);
		inode->size = size;
		zero_behind_end(node);
		if (is_less) /* holes, too, may have private copies */
			memory_file_unmap(inode, keep, UINT64_MAX, true);
		if (node->pages.count)
			page_tree_remove(&node->pages, keep, UINT64_MAX);
	} else {
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
	uint64_t first = offset / PAGE_SIZE, last = (end - 1) / PAGE_SIZE, frame;
	int result = 0;

	if (mode & FALLOC_FL_PUNCH_HOLE) {
		if (mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
			return -EOPNOTSUPP;
		if (node->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
			return -EPERM;
		result = punch(node, offset, end);
		file_changed(file->inode);
		return result;
	}
	if (mode & ~(unsigned)FALLOC_FL_KEEP_SIZE)
		return -EOPNOTSUPP;
	if (node->seals & F_SEAL_GROW && end > file->inode->size)
		return -EPERM;
	if (last - first >= page_available_count() + node->pages.count)
		return -ENOSPC;
	for (uint64_t index = first; !result && index <= last; index++)
		result = own_frame(node, index, &frame);
	if (result)
		return result;
	tmpfs_keep(node);
	if (end > file->inode->size && !(mode & FALLOC_FL_KEEP_SIZE)) {
		zero_behind_end(node);
		file->inode->size = end;
	}
	file->inode->ctime = clock_realtime();
	return 0;
}

static uint64_t file_extent(struct file *file, uint64_t offset, bool data)
{
	struct tmpfs_inode *node = tmpfs_inode(file->inode);
	uint64_t index = offset / PAGE_SIZE;

	if (data && !is_below(node, index)) {
		uint64_t next = page_tree_next(&node->pages, index);

		index = next < FILE_SIZE_MAX / PAGE_SIZE ? next : FILE_SIZE_MAX / PAGE_SIZE;
	}
	while (!data && (is_below(node, index) || page_tree_find(&node->pages, index)))
		index++;
	if (index != offset / PAGE_SIZE)
		offset = index * PAGE_SIZE;
	return offset < node->base.size ? offset : node->base.size;
}

static int file_page(struct file *file, uint64_t index, bool make, uint64_t *physical)
{
	struct tmpfs_inode *node = tmpfs_inode(file->inode);

	if (index >= page_round_up(node->base.size) / PAGE_SIZE)
		return -EFAULT;
	if (make)
		return own_frame(node, index, physical);
	*physical = page_tree_find(&node->pages, index);
	if (!*physical && is_below(node, index))
		return tmpfs_lower_page(node, index, physical);
	return 0;
}

const struct file_ops tmpfs_file_ops = {
        .read = file_read,
        .write = file_write,
        .read_kit = file_read_kit,
        .write_kit = file_write_kit,
        .allocate = file_allocate,
        .page = file_page,
        .extent = file_extent,
};
