/* SPDX-License-Identifier: Apache-2.0 */
/* Directories of the FUSE client: looking names up, and reading them all. */
#include <linux/errno.h>
#include <linux/stat.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/fuse.h"
#include "guestkit/string.h"

/*
 * How it works
 *
 * A directory is read as a whole, with the attributes of all that is in it, when somebody begins to
 * read it and the last time is too long ago: afterwards a lookup of each of its names needs no
 * question. The result stays for those that read on, whatever happens meanwhile. Each name has a
 * number that it keeps (fuse_name.cookie), by which the result is sorted: who goes on reading after
 * the directory was read anew misses nothing and sees nothing twice. When several names turn out to
 * be too old, the whole directory is read again rather than each name asked for.
 */

#define READ_PAGES     64 /* of a buffer for one answer */
#define RECORD_MAX     (FUSE_NAME_OFFSET_DIRENTPLUS + VFS_NAME_MAX + 8)
#define EXPIRED_BEFORE 4 /* names that are asked for one by one before all are read again */

struct record {
	uint64_t number;
	uint64_t cookie;
	uint32_t name; /* offset in the names */
	uint8_t length, type;
};

struct fuse_listing {
	struct record *records; /* by cookie */
	char *names;
	size_t count, room;
	size_t names_length, names_room;
};

static uint64_t until(uint64_t seconds, uint32_t nanoseconds)
{
	uint64_t span = seconds < 3600 ? seconds * FUSE_NS_PER_S + nanoseconds % FUSE_NS_PER_S
	                               : 3600 * FUSE_NS_PER_S;

	return clock_monotonic() + span;
}

static bool is_dots(const char *name, size_t length)
{
	return name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.'));
}

/* ---- names ---- */

int fuse_take_entry(struct fuse_inode *dir, const char *name, size_t length,
                    const struct fuse_entry_out *entry, struct fuse_inode **found)
{
	int result = fuse_inode_of(entry, dir, found);

	if (result)
		return result;
	fuse_name_enter(dir, name, length, *found,
	                until(entry->entry_valid, entry->entry_valid_nsec));
	return 0;
}

static void drop_name(const struct fuse_inode *dir, const char *name, size_t length)
{
	struct fuse_name *entry = fuse_name_find(dir, name, length);

	if (entry)
		fuse_name_drop(entry);
}

/* Ask the server for a name. */
static int ask(struct fuse_inode *dir, const char *name, size_t length, struct fuse_inode **found)
{
	struct fuse_request request;
	const struct fuse_entry_out *entry = &request.result.entry;
	int result;

	fuse_begin(&request, FUSE_LOOKUP, dir->node, 0, sizeof(*entry));
	fuse_add_name(&request, name, length);
	result = fuse_call_one(dir->share, &request);
	if (result == -ENOENT)
		drop_name(dir, name, length);
	if (result)
		return result;
	if (entry->nodeid)
		return fuse_take_entry(dir, name, length, entry, found);
	fuse_name_enter(dir, name, length, NULL,
	                until(entry->entry_valid, entry->entry_valid_nsec));
	return -ENOENT;
}

static int read_all(struct fuse_inode *dir);

/* A cached name is too old: is there reason to ask for all of its directory? */
static bool is_worth_reading(struct fuse_inode *dir)
{
	return dir->directory.listing && dir->directory.listing->count > EXPIRED_BEFORE &&
	       ++dir->directory.expired > EXPIRED_BEFORE;
}

int fuse_lookup(struct inode *base, const char *name, size_t length, struct inode **found)
{
	struct fuse_inode *dir = fuse_inode(base), *inode;
	const struct fuse_name *entry;
	int result;

	if (!S_ISDIR(base->mode))
		return -ENOTDIR;
	if (length == 2 && is_dots(name, length)) {
		inode = dir->directory.parent ? dir->directory.parent : dir;
		*found = inode_get(&inode->base);
		return 0;
	}
	entry = fuse_name_find(dir, name, length);
	if (entry && !fuse_name_is_valid(entry) && is_worth_reading(dir) && !read_all(dir))
		entry = fuse_name_find(dir, name, length);
	if (entry && fuse_name_is_valid(entry)) {
		if (!entry->inode)
			return -ENOENT;
		*found = inode_get(&entry->inode->base);
		return 0;
	}
	result = ask(dir, name, length, &inode);
	if (!result)
		*found = &inode->base;
	return result;
}

/* ---- reading ---- */

static void free_listing(struct fuse_listing *listing)
{
	if (!listing)
		return;
	heap_free(listing->records);
	heap_free(listing->names);
	heap_free(listing);
}

/* Make room for one more: false when memory is short. */
static bool grow(struct fuse_listing *listing)
{
	if (listing->count == listing->room) {
		size_t room = listing->room ? 2 * listing->room : 64;
		struct record *records =
		        heap_resize(listing->records, room * sizeof(*listing->records));

		if (!records)
			return false;
		listing->records = records;
		listing->room = room;
	}
	if (listing->names_length + VFS_NAME_MAX > listing->names_room) {
		size_t room = 2 * listing->names_room + 4 * VFS_NAME_MAX;
		char *names = heap_resize(listing->names, room);

		if (!names)
			return false;
		listing->names = names;
		listing->names_room = room;
	}
	return true;
}

static bool add_record(struct fuse_listing *listing, const struct fuse_dirent *entry,
                       uint64_t cookie)
{
	if (!grow(listing))
		return false;
	listing->records[listing->count++] = (struct record){
	        .number = entry->ino,
	        .cookie = cookie,
	        .name = (uint32_t)listing->names_length,
	        .length = (uint8_t)entry->namelen,
	        .type = (uint8_t)(entry->type & 15),
	};
	memcpy(listing->names + listing->names_length, entry->name, entry->namelen);
	listing->names_length += entry->namelen;
	return true;
}

/* A name that the server tells of, with what it leads to: its cookie. */
static uint64_t enter(struct fuse_inode *dir, const struct fuse_direntplus *record)
{
	const struct fuse_entry_out *out = &record->entry_out;
	struct fuse_inode *inode = NULL;
	struct fuse_name *entry;

	if (out->nodeid &&
	    fuse_take_entry(dir, record->dirent.name, record->dirent.namelen, out, &inode))
		inode = NULL;
	entry = fuse_name_find(dir, record->dirent.name, record->dirent.namelen);
	if (inode)
		inode_put(&inode->base);
	if (!entry)
		return dir->directory.next_cookie++;
	if (!entry->cookie)
		entry->cookie = dir->directory.next_cookie++;
	return entry->cookie;
}

static bool is_sane(const char *name, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (name[i] == '/' || !name[i])
			return false;
	return length > 0 && length <= VFS_NAME_MAX;
}

/*
 * Take one answer to READDIRPLUS. Return: records in it; *offset is where to go on; a negative
 * errno.
 */
static int take_records(struct fuse_inode *dir, struct fuse_listing *listing,
                        const unsigned char *data, size_t length, uint64_t *offset)
{
	size_t at = 0;
	int count = 0;

	while (length - at > FUSE_NAME_OFFSET_DIRENTPLUS) {
		const struct fuse_direntplus *record = (const void *)(data + at);
		size_t size = FUSE_NAME_OFFSET_DIRENTPLUS + (size_t)record->dirent.namelen;

		if (size > length - at)
			break;
		*offset = record->dirent.off;
		count++;
		at += FUSE_REC_ALIGN(size);
		if (is_sane(record->dirent.name, record->dirent.namelen) &&
		    !is_dots(record->dirent.name, record->dirent.namelen) &&
		    !add_record(listing, &record->dirent, enter(dir, record)))
			return -ENOMEM;
		if (at >= length)
			break;
	}
	return count;
}

/* Let the record at @root sink in a heap of @count. */
static void sift(struct record *records, size_t root, size_t count)
{
	for (size_t child; (child = 2 * root + 1) < count; root = child) {
		struct record moved = records[root];

		if (child + 1 < count && records[child + 1].cookie > records[child].cookie)
			child++;
		if (moved.cookie >= records[child].cookie)
			return;
		records[root] = records[child];
		records[child] = moved;
	}
}

static void sort(struct record *records, size_t count)
{
	bool is_sorted = true;

	for (size_t i = 1; i < count; i++)
		is_sorted &= records[i - 1].cookie < records[i].cookie;
	if (is_sorted)
		return;
	for (size_t i = count / 2; i > 0; i--)
		sift(records, i - 1, count);
	while (count > 1) {
		struct record last = records[--count];

		records[count] = records[0];
		records[0] = last;
		sift(records, 0, count);
	}
}

/* Read all of a directory into a listing. */
static int read_from_server(struct fuse_inode *dir, struct fuse_listing *listing)
{
	size_t pages = READ_PAGES;
	uint64_t offset = 0, buffer = page_alloc(pages);
	struct fuse_request request;
	int result = 0;

	if (!buffer)
		buffer = page_alloc(pages = 1);
	if (!buffer)
		return -ENOMEM;
	for (;;) {
		size_t length;

		/* By the node: no handle is needed for that (virtio/fs_server.h). */
		fuse_begin(&request, FUSE_READDIRPLUS, dir->node, sizeof(request.argument.read), 0);
		request.argument.read.offset = offset;
		request.argument.read.size = (uint32_t)(pages * PAGE_SIZE);
		fuse_receive(&request, direct_map(buffer), pages * PAGE_SIZE);
		result = fuse_call_one(dir->share, &request);
		if (result)
			break;
		length = fuse_received(&request);
		result = take_records(dir, listing, direct_map(buffer), length, &offset);
		/* An answer with room for one more was the last. */
		if (result <= 0 || length + RECORD_MAX <= pages * PAGE_SIZE)
			break;
	}
	page_free(buffer, pages);
	return result < 0 ? result : 0;
}

static int read_all(struct fuse_inode *dir)
{
	struct fuse_listing *listing = heap_alloc(sizeof(*listing));
	uint64_t start = clock_monotonic();
	int result = listing ? read_from_server(dir, listing) : -ENOMEM;

	if (result) {
		free_listing(listing);
		return result;
	}
	sort(listing->records, listing->count);
	free_listing(dir->directory.listing);
	dir->directory.listing = listing;
	dir->directory.listing_until = start + dir->valid_span;
	dir->directory.expired = 0;
	return 0;
}

void fuse_directory_changed(struct fuse_inode *dir)
{
	dir->directory.listing_until = 0;
}

static const struct record *record_from(const struct fuse_listing *listing, uint64_t cookie)
{
	size_t low = 0, high = listing->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (listing->records[middle].cookie < cookie)
			low = middle + 1;
		else
			high = middle;
	}
	return low < listing->count ? &listing->records[low] : NULL;
}

static void give(struct dir_entry *out, uint64_t number, unsigned type, const char *name,
                 size_t length)
{
	out->number = number;
	out->type = (unsigned char)type;
	out->length = (uint8_t)length;
	memcpy(out->name, name, length);
	out->name[length] = '\0';
}

/* Cookies: 0 and 1 for "." and "..", then those of the names. */
int fuse_readdir(struct inode *base, uint64_t *cookie, struct dir_entry *entry)
{
	struct fuse_inode *dir = fuse_inode(base);
	bool is_old = clock_monotonic() >= dir->directory.listing_until;
	const struct record *record;
	int result;

	if (!S_ISDIR(base->mode))
		return -ENOTDIR;
	if (!dir->directory.listing || (!*cookie && is_old)) {
		result = read_all(dir);
		if (result)
			return result;
	}
	if (*cookie < 2) {
		const struct fuse_inode *of =
		        *cookie && dir->directory.parent ? dir->directory.parent : dir;

		give(entry, of->base.number, S_IFDIR >> 12, "..", ++*cookie);
		return 1;
	}
	record = record_from(dir->directory.listing, *cookie);
	if (!record)
		return 0;
	give(entry, record->number, record->type, dir->directory.listing->names + record->name,
	     record->length);
	*cookie = record->cookie + 1;
	return 1;
}

void fuse_directory_free(struct fuse_inode *dir)
{
	fuse_name_drop_all(dir);
	free_listing(dir->directory.listing);
}
