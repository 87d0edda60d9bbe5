/* SPDX-License-Identifier: Apache-2.0 */
/* The FUSE client's page cache. */
#include <linux/errno.h>

#include "guestkit/libc-shim/fuse.h"
#include "guestkit/pages.h"
#include "guestkit/string.h"

/*
 * How it works
 *
 * An inode has the pages of its file that were read or written, also through mappings, in a tree.
 * What the guest writes goes to the host at once, so a page can go at any time, but for those that
 * a shared mapping was written through: the memory manager knows them (guestkit/write_back.c), and
 * they are written back first. Pages of an inode go together, of the inode that was not used for
 * longest first. An inode is pinned while its pages are being copied from or to, since that may
 * fault and need memory.
 *
 * Bytes of a page behind the end of the file are zero, or came from a shared mapping; whoever moves
 * the end over them zeroes them first.
 */

#define FREE_SHARE 16 /* the part of memory that this cache leaves free */

static struct fuse_inode *newest_inode, *oldest_inode;

static bool is_linked(const struct fuse_inode *inode)
{
	return inode->file.newer || newest_inode == inode;
}

static void leave_order(struct fuse_inode *inode)
{
	if (!is_linked(inode))
		return;
	*(inode->file.newer ? &inode->file.newer->file.older : &newest_inode) = inode->file.older;
	*(inode->file.older ? &inode->file.older->file.newer : &oldest_inode) = inode->file.newer;
	inode->file.newer = inode->file.older = NULL;
}

static void make_newest(struct fuse_inode *inode)
{
	if (newest_inode == inode)
		return;
	leave_order(inode);
	inode->file.older = newest_inode;
	*(newest_inode ? &newest_inode->file.newer : &oldest_inode) = inode;
	newest_inode = inode;
}

static void remove_pages(struct fuse_inode *inode, uint64_t first, uint64_t end)
{
	page_tree_remove(&inode->file.pages, first, end);
	if (!inode->file.pages.count)
		leave_order(inode);
}

void fuse_pages_drop(struct fuse_inode *inode, uint64_t first, uint64_t end)
{
	inode->file.is_stale |= inode->file.pinned > 0;
	if (!inode->file.pages.count || inode->file.pinned)
		return;
	inode->file.is_stale = false;
	if (memory_file_is_mapped(&inode->base)) {
		memory_file_write_back(&inode->base);
		memory_file_unmap(&inode->base, first, end, false);
	}
	remove_pages(inode, first, end);
}

void fuse_pages_cut(struct fuse_inode *inode, uint64_t first, uint64_t end, bool with_copies)
{
	memory_file_unmap(&inode->base, first, end, with_copies);
	if (inode->file.pages.count)
		remove_pages(inode, first, end);
}

/* ---- memory ---- */

/* The page allocator has nothing left, and its caller may be anywhere: nothing is unmapped. */
bool memory_reclaim_cache(void)
{
	bool has_freed = false;

	for (struct fuse_inode *inode = oldest_inode, *next; inode; inode = next) {
		next = inode->file.newer;
		if (inode->file.pinned || memory_file_is_mapped(&inode->base))
			continue;
		remove_pages(inode, 0, UINT64_MAX);
		has_freed = true;
	}
	return has_freed;
}

void fuse_pages_make_room(size_t frames)
{
	size_t reserve = page_total_count() / FREE_SHARE;

	for (struct fuse_inode *inode = oldest_inode, *next; inode; inode = next) {
		if (page_free_count() >= reserve + frames)
			return;
		next = inode->file.newer;
		fuse_pages_drop(inode, 0, UINT64_MAX);
	}
}

/* As many frames in a row as there are, up to *count. */
static uint64_t take_frames(uint64_t *count)
{
	uint64_t frames = 0;

	fuse_pages_make_room(*count);
	for (; *count && !frames; *count /= frames ? 1 : 2)
		frames = page_alloc(*count);
	return frames;
}

/* Put frames into the tree; those that cannot be are freed. Return how many were. */
static uint64_t insert(struct fuse_inode *inode, uint64_t index, uint64_t frames, uint64_t count)
{
	uint64_t done = 0;

	while (done < count &&
	       !page_tree_insert(&inode->file.pages, index + done, frames + done * PAGE_SIZE))
		done++;
	if (done < count)
		page_free(frames + done * PAGE_SIZE, count - done);
	if (done)
		make_newest(inode);
	return done;
}

/* ---- reading ---- */

/* How many pages from @index on are to be read: up to the end, or one that is there. */
static uint64_t missing(const struct fuse_inode *inode, uint64_t index, uint64_t most)
{
	uint64_t end = page_round_up(inode->base.size) / PAGE_SIZE;
	uint64_t next = inode->file.pages.count ? page_tree_next(&inode->file.pages, index) : end;
	uint64_t limit = inode->share->data_max / PAGE_SIZE;

	if (index >= end)
		return 0;
	end = next < end ? next : end;
	most = most < limit ? most : limit;
	return end - index < most ? end - index : most;
}

/* Read pages that are not there. @handle: 0: by the node (virtio/fs_server.h) */
static int fetch_pages(struct fuse_inode *inode, uint64_t handle, uint64_t index, uint64_t count)
{
	uint64_t frames, got;
	struct fuse_request request;
	size_t length;
	int result;

	frames = take_frames(&count);
	if (!frames)
		return -ENOMEM;
	fuse_begin(&request, FUSE_READ, inode->node, sizeof(request.argument.read), 0);
	request.argument.read.fh = handle;
	request.argument.read.offset = index * PAGE_SIZE;
	request.argument.read.size = (uint32_t)(count * PAGE_SIZE);
	fuse_receive(&request, direct_map(frames), count * PAGE_SIZE);
	result = fuse_call_one(inode->share, &request);
	if (result) {
		page_free(frames, count);
		return result;
	}
	length = fuse_received(&request);
	got = page_round_up(length) / PAGE_SIZE;
	memset((unsigned char *)direct_map(frames) + length, 0, got * PAGE_SIZE - length);
	if (got < count)
		page_free(frames + got * PAGE_SIZE, count - got);
	/* Less than its attributes say: they are old. */
	if (index * PAGE_SIZE + length < inode->base.size && length < count * PAGE_SIZE)
		inode->valid_until = inode->checked_call = 0;
	return got && !insert(inode, index, frames, got) ? -ENOMEM : 0;
}

int fuse_page_get(struct fuse_inode *inode, struct file *file, uint64_t index, uint64_t ahead,
                  uint64_t *frame)
{
	int result;

	*frame = inode->file.pages.count ? page_tree_find(&inode->file.pages, index) : 0;
	if (*frame) {
		make_newest(inode);
		return 0;
	}
	if (index >= page_round_up(inode->base.size) / PAGE_SIZE)
		return 0;
	result = fuse_file_ready(file);
	if (result)
		return result;
	ahead = missing(inode, index, ahead);
	if (!ahead)
		return 0;            /* the size has changed */
	fuse_pages_make_room(ahead); /* which may be at the expense of the same file */
	inode->file.pinned++;
	result = fetch_pages(inode, fuse_file(file)->handle, index, ahead);
	inode->file.pinned--;
	if (!result)
		*frame = page_tree_find(&inode->file.pages, index);
	return result;
}

int fuse_pages_fetch(struct fuse_inode *inode)
{
	uint64_t pages = page_round_up(inode->base.size) / PAGE_SIZE;
	int result;

	if (inode->file.pages.count == pages)
		return 0;
	fuse_pages_drop(inode, 0, UINT64_MAX);
	inode->file.pinned++;
	result = fetch_pages(inode, 0, 0, pages);
	inode->file.pinned--;
	return result;
}

/* ---- writing ---- */

void fuse_pages_zero_behind(struct fuse_inode *inode)
{
	uint64_t offset = inode->base.size % PAGE_SIZE, frame = 0;

	if (offset && inode->file.pages.count)
		frame = page_tree_find(&inode->file.pages, inode->base.size / PAGE_SIZE);
	if (frame)
		memset((unsigned char *)direct_map(frame) + offset, 0, PAGE_SIZE - offset);
}

/*
 * Bytes [from, to) of a page were written, and lie there in a frame of their own. Return: whether
 * the frame is the page's from now on, as there is none and nothing of it is missing.
 */
static bool take_page(struct fuse_inode *inode, uint64_t index, size_t from, size_t to,
                      uint64_t old_size, uint64_t written)
{
	uint64_t start = index * PAGE_SIZE, frame = page_tree_find(&inode->file.pages, index);
	unsigned char *bytes = direct_map(written);

	if (frame) {
		memcpy((unsigned char *)direct_map(frame) + from, bytes + from, to - from);
		return false;
	}
	if ((from && start < old_size) || (to < PAGE_SIZE && start + to < old_size))
		return false;
	memset(bytes, 0, from);
	memset(bytes + to, 0, PAGE_SIZE - to);
	if (page_tree_insert(&inode->file.pages, index, written))
		return false;
	make_newest(inode);
	return true;
}

void fuse_pages_written(struct fuse_inode *inode, uint64_t at, size_t length, uint64_t old_size,
                        uint64_t frames)
{
	uint64_t first = at / PAGE_SIZE, end = (at + length - 1) / PAGE_SIZE + 1;

	inode->file.pinned++;
	for (uint64_t index = first; index < end; index++) {
		uint64_t frame = frames + (index - first) * PAGE_SIZE;
		size_t from = index == first ? at % PAGE_SIZE : 0;
		size_t to = index + 1 == end ? (at + length - 1) % PAGE_SIZE + 1 : PAGE_SIZE;

		if (!take_page(inode, index, from, to, old_size, frame))
			page_free(frame, 1);
	}
	inode->file.pinned--;
}
