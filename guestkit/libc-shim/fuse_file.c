/* SPDX-License-Identifier: Apache-2.0 */
/* Regular files of the FUSE client: opening, reading, mapping. */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#include "guestkit/libc-shim/fuse.h"
#include "guestkit/string.h"
#include "guestkit/user.h"

/*
 * How it works
 *
 * Reads are served from the page cache, which reads ahead of a reader that goes on where it ended.
 *
 * A small file is read when it is first opened for reading, which shows as well as an OPEN whether
 * that is allowed, and is one exit less. From then on, as long as the file does not change, it is
 * opened for reading without the host, which hears of that only when a page is missing.
 */

#define WINDOW_FIRST 32 /* pages to read ahead of who reads all */
#define WINDOW_OTHER 4  /* of who reads here and there */
#define FETCH_MOST   32 /* pages of a file that is read as a whole when it is opened */
#define SENT_FLAGS   ((uint32_t)(O_ACCMODE | O_APPEND))

/* Where bytes go: the application's memory, or the kit's. */
struct side {
	uint64_t user;
	unsigned char *kit;
};

/* ---- opening ---- */

static void free_file(struct fuse_inode *inode, struct fuse_file *file)
{
	struct fuse_file **link = &inode->file.files;

	while (*link && *link != file)
		link = &(*link)->next;
	if (*link)
		*link = file->next;
	if (file->has_handle)
		fuse_release_later(inode->share, inode->node, file->handle);
	heap_free(file);
}

void fuse_file_made(struct fuse_inode *inode, const struct fuse_open_out *open)
{
	struct fuse_file *made = heap_alloc(sizeof(*made));

	if (inode->file.made)
		free_file(inode, inode->file.made);
	inode->file.made = made;
	if (!made) {
		fuse_release_later(inode->share, inode->node, open->fh);
		return;
	}
	made->handle = open->fh;
	made->has_handle = true;
	made->is_direct = open->open_flags & FOPEN_DIRECT_IO;
	made->made_call = inode->checked_call;
}

/* The file that this system call has made, if that is what is opened. */
static struct fuse_file *take_made_file(struct fuse_inode *inode, uint32_t flags)
{
	struct fuse_file *made = inode->file.made;

	inode->file.made = NULL;
	if (!made)
		return NULL;
	if (made->made_call == inode->checked_call && fuse_is_valid(inode) && !(flags & O_APPEND))
		return made;
	free_file(inode, made);
	return NULL;
}

/* Open on the host, and ask for the attributes if they are old. */
static int open_on_host(struct fuse_inode *inode, uint32_t flags, struct fuse_open_out *open)
{
	struct fuse_request requests[2];
	size_t count = 1;
	int result;

	fuse_begin(&requests[0], FUSE_OPEN, inode->node, sizeof(requests[0].argument.open),
	           sizeof(requests[0].result.open));
	requests[0].argument.open.flags = flags & SENT_FLAGS;
	if (!fuse_is_valid(inode))
		fuse_begin_attributes(&requests[count++], inode);
	fuse_call(inode->share, requests, count);
	if (count > 1)
		fuse_take_attributes(&requests[1], inode, false);
	result = fuse_error(&requests[0]);
	if (!result)
		*open = requests[0].result.open;
	return result;
}

/* Give an open file a handle of its own. */
static int get_handle(struct fuse_inode *inode, struct fuse_file *own, uint32_t flags)
{
	struct fuse_open_out open;
	int result = open_on_host(inode, flags, &open);

	if (result)
		return result;
	own->handle = open.fh;
	own->has_handle = true;
	own->is_appending = flags & O_APPEND;
	own->is_direct = open.open_flags & FOPEN_DIRECT_IO;
	return 0;
}

/* May the file be read, as far as can be told without opening it on the host: 1; 0: cannot tell; a
 * negative errno. */
static int try_reading(struct fuse_inode *inode)
{
	int result = fuse_refresh(&inode->base);

	if (result || !inode->valid_span || !inode->base.size)
		return result;
	if (inode->file.may_read)
		return 1;
	if (inode->base.size > FETCH_MOST * PAGE_SIZE)
		return 0;
	result = fuse_pages_fetch(inode);
	return result ? result : 1;
}

static int open_regular(struct fuse_inode *inode, struct file *file)
{
	uint32_t access = file->flags & O_ACCMODE;
	struct fuse_file *own = take_made_file(inode, file->flags);
	int result = own ? 1 : 0;

	if (!own)
		own = heap_alloc(sizeof(*own));
	if (!own)
		return -ENOMEM;
	if (!result && access == O_RDONLY)
		result = try_reading(inode);
	if (!result)
		result = get_handle(inode, own, file->flags);
	if (result < 0) {
		heap_free(own);
		return result;
	}
	inode->file.may_read |= access != O_WRONLY;
	own->file = file;
	own->next = inode->file.files;
	inode->file.files = own;
	file->private = own;
	return 0;
}

int fuse_open(struct inode *inode, struct file *file)
{
	return S_ISREG(inode->mode) ? open_regular(fuse_inode(inode), file) : fuse_refresh(inode);
}

int fuse_file_ready(struct file *file)
{
	struct fuse_inode *inode = fuse_inode(file->inode);
	struct fuse_file *own = fuse_file(file);

	if (own->has_handle && own->is_appending && !(file->flags & O_APPEND)) {
		fuse_release_later(inode->share, inode->node, own->handle);
		own->has_handle = false;
	}
	return own->has_handle ? 0 : get_handle(inode, own, file->flags);
}

static void close_file(struct file *file)
{
	if (file->private)
		free_file(fuse_inode(file->inode), fuse_file(file));
}

void fuse_file_free(struct fuse_inode *inode)
{
	if (inode->file.made)
		free_file(inode, inode->file.made);
	fuse_pages_drop(inode, 0, UINT64_MAX);
	page_tree_remove(&inode->file.pages, 0, UINT64_MAX); /* nodes without pages, too */
}

bool fuse_writable_handle(const struct fuse_inode *inode, uint64_t *handle)
{
	for (const struct fuse_file *file = inode->file.files; file; file = file->next) {
		uint32_t access = file->file->flags & O_ACCMODE;

		if (!file->has_handle || (access != O_WRONLY && access != O_RDWR))
			continue;
		*handle = file->handle;
		return true;
	}
	return false;
}

/* ---- reading ---- */

static size_t give_bytes(struct side *to, const void *from, size_t length)
{
	size_t copied = length;

	if (to->kit)
		memcpy(to->kit, from, length);
	else
		copied = user_write_some(to->user, from, length);
	to->user += copied;
	to->kit += to->kit ? copied : 0;
	return copied;
}

/* A page is missing: how many to read for who wants @length bytes at @at. */
static uint64_t pages_ahead(struct fuse_file *file, uint64_t at, uint64_t length)
{
	uint64_t needed = (at + length - 1) / PAGE_SIZE - at / PAGE_SIZE + 1;

	if (at != file->expected)
		file->window = WINDOW_OTHER;
	else if (file->window < WINDOW_FIRST)
		file->window = WINDOW_FIRST;
	else if (file->window < FUSE_DATA_MAX)
		file->window *= 2;
	return needed > file->window ? needed : file->window;
}

static int64_t read_cached(struct file *file, struct side to, size_t length, uint64_t *position)
{
	struct fuse_inode *inode = fuse_inode(file->inode);
	struct fuse_file *own = fuse_file(file);
	uint64_t at = *position, frame;
	size_t done = 0;
	int result = 0;

	while (done < length) {
		size_t room = PAGE_SIZE - at % PAGE_SIZE, copied;
		size_t piece = length - done < room ? length - done : room;
		uint64_t ahead = 0;

		if (!inode->file.pages.count || !page_tree_find(&inode->file.pages, at / PAGE_SIZE))
			ahead = pages_ahead(own, at, length - done);
		result = fuse_page_get(inode, file, at / PAGE_SIZE, ahead, &frame);
		if (result || !frame)
			break;
		inode->file.pinned++;
		copied =
		        give_bytes(&to, (unsigned char *)direct_map(frame) + at % PAGE_SIZE, piece);
		inode->file.pinned--;
		done += copied;
		at += copied;
		own->expected = at;
		if (copied < piece) {
			result = -EFAULT;
			break;
		}
	}
	*position = at;
	return done ? (int64_t)done : result;
}

/* Past the cache: the server wants it so. */
static int64_t read_direct(struct file *file, struct side to, size_t length, uint64_t *position)
{
	struct fuse_inode *inode = fuse_inode(file->inode);
	uint64_t pages = page_round_up(length) / PAGE_SIZE, frames;
	uint64_t most = inode->share->data_max / PAGE_SIZE;
	struct fuse_request request;
	size_t copied = 0;
	int result;

	pages = pages < most ? pages : most;
	frames = page_alloc(pages);
	if (!frames)
		frames = page_alloc(pages = 1);
	if (!frames)
		return -ENOMEM;
	length = length < pages * PAGE_SIZE ? length : pages * PAGE_SIZE;
	fuse_begin(&request, FUSE_READ, inode->node, sizeof(request.argument.read), 0);
	request.argument.read.fh = fuse_file(file)->handle;
	request.argument.read.offset = *position;
	request.argument.read.size = (uint32_t)length;
	fuse_receive(&request, direct_map(frames), length);
	result = fuse_call_one(inode->share, &request);
	length = result ? 0 : fuse_received(&request);
	if (length)
		copied = give_bytes(&to, direct_map(frames), length);
	page_free(frames, pages);
	*position += copied;
	return length && !copied ? -EFAULT : result ? result : (int64_t)copied;
}

/* A direct read gives as much as one answer has: go on until it is short. */
static int64_t read_directly(struct file *file, struct side to, size_t length, uint64_t *position)
{
	size_t done = 0;
	int64_t result;

	memory_file_write_back(file->inode);
	do {
		result = read_direct(file, to, length - done, position);
		if (result > 0) {
			done += (size_t)result;
			to.user += (uint64_t)result;
			to.kit += to.kit ? result : 0;
		}
	} while (result > 0 && done < length);
	return done ? (int64_t)done : result;
}

static int64_t read_file(struct file *file, struct side to, size_t length, uint64_t *position)
{
	uint64_t size;
	int result;

	if (!length)
		return 0;
	if (fuse_file(file)->is_direct)
		return read_directly(file, to, length, position);
	result = fuse_refresh(file->inode);
	size = file->inode->size;
	if (result || *position >= size)
		return result;
	return read_cached(file, to, length < size - *position ? length : size - *position,
	                   position);
}

static int64_t share_read(struct file *file, uint64_t buffer, size_t length, uint64_t *position)
{
	return read_file(file, (struct side){.user = buffer}, length, position);
}

static int64_t share_read_kit(struct file *file, void *buffer, size_t length, uint64_t *position)
{
	return read_file(file, (struct side){.kit = buffer}, length, position);
}

/* ---- mappings ---- */

static int share_page(struct file *file, uint64_t index, bool make, uint64_t *physical)
{
	struct fuse_file *own = fuse_file(file);
	struct fuse_inode *inode = fuse_inode(file->inode);
	uint64_t ahead = 0;
	int result;

	(void)make; /* a hole is a page of zeros like any other */
	if (!inode->file.pages.count || !page_tree_find(&inode->file.pages, index))
		ahead = pages_ahead(own, index * PAGE_SIZE, PAGE_SIZE);
	result = fuse_page_get(inode, file, index, ahead, physical);
	if (result)
		return result;
	own->expected = (index + 1) * PAGE_SIZE;
	return *physical ? 0 : -EFAULT;
}

#define DATA_OPS                                                                                   \
	.read = share_read, .read_kit = share_read_kit, .page = share_page, .extent = fuse_extent, \
	.lock = fuse_lock, .close = close_file

const struct file_ops fuse_file_ops = {
        DATA_OPS,
        .write = fuse_write,
        .write_vector = fuse_write_vector,
        .write_kit = fuse_write_kit,
        .allocate = fuse_allocate,
        .write_back = fuse_write_back,
};

const struct file_ops fuse_file_ops_read_only = {
        DATA_OPS,
};
