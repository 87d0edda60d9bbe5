/* SPDX-License-Identifier: Apache-2.0 */
/* The root file system from an EROFS image: inodes for the VFS over the image's reader. */
#include <linux/errno.h>
#include <linux/magic.h>
#include <linux/stat.h>

#include "guestkit/console.h"
#include "guestkit/libc-shim/erofs.h"
#include "guestkit/libc-shim/page_tree.h"
#include "guestkit/libc-shim/vfs.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "guestkit/user.h"

/*
 * How it works. An inode is made when it is looked up and freed with its last reference; a hash
 * table of those alive sees to it that one inode of the image is one struct inode. File data is
 * copied to the application straight from the image. For a mapping, a page that lies whole and
 * aligned in the image is used where it is; of any other (a file's tail, small blocks, holes) a
 * copy is made that stays with the inode, and mappings keep the inode.
 */

#define BUCKETS      64 /* power of two */
#define NANOSECONDS  1000000000ll
#define SECONDS_MAX  (INT64_MAX / NANOSECONDS)
#define SUPER_MAGIC  EROFS_SUPER_MAGIC_V1
#define COPY_MAXIMUM 0x100000 /* bytes looked at in one step of a read: bounds a hostile map */

struct erofs_fs;

struct node {
	struct inode inode; /* first: the two are converted into each other */
	struct erofs_fs *fs;
	struct node *next; /* in its bucket */
	struct erofs_inode disk;
	struct page_tree copies;
};

struct erofs_fs {
	struct erofs reader;
	uint64_t physical; /* of the image's first byte */
	uint64_t id;
	struct node *buckets[BUCKETS];
};

static struct node *node_of(struct inode *inode)
{
	return (struct node *)inode;
}

/* ---- regular files ---- */

static int64_t erofs_file_read(struct file *file, uint64_t user_buffer, size_t length,
                               uint64_t *position)
{
	struct node *node = node_of(file->inode);
	size_t done = 0;

	while (done < length && *position < node->disk.size) {
		uint64_t run;
		size_t copied;
		uint64_t want = length - done < COPY_MAXIMUM ? length - done : COPY_MAXIMUM;
		const void *data =
		        erofs_span(&node->fs->reader, &node->disk, *position, want, &run);

		if (run == 0)
			return done > 0 ? (int64_t)done : -EUCLEAN;
		if (data)
			copied = user_write_some(user_buffer + done, data, run);
		else
			copied = user_zero(user_buffer + done, run) < 0 ? 0 : run;
		done += copied;
		*position += copied;
		if (copied < run)
			return done > 0 ? (int64_t)done : -EFAULT;
	}
	return (int64_t)done;
}

static int64_t erofs_file_read_kit(struct file *file, void *buffer, size_t length,
                                   uint64_t *position)
{
	struct node *node = node_of(file->inode);
	int64_t result = erofs_read(&node->fs->reader, &node->disk, *position, buffer, length);

	if (result > 0)
		*position += (uint64_t)result;
	return result;
}

/* A copy of a page, with zeros behind the end of the file. */
static int copy_page(struct node *node, uint64_t index, uint64_t *physical)
{
	uint64_t offset = index * PAGE_SIZE;
	uint64_t left = node->disk.size - offset;
	uint64_t want = left < PAGE_SIZE ? left : PAGE_SIZE;
	uint64_t frame = page_alloc_zeroed(1);
	int64_t result;

	if (!frame)
		return -ENOMEM;
	result = erofs_read(&node->fs->reader, &node->disk, offset, direct_map(frame), want);
	if (result != (int64_t)want) {
		page_free(frame, 1);
		return result < 0 ? (int)result : -EUCLEAN;
	}
	if (page_tree_insert(&node->copies, index, frame) < 0) {
		page_free(frame, 1);
		return -ENOMEM;
	}
	*physical = frame;
	return 0;
}

static int erofs_file_page(struct file *file, uint64_t index, bool make, uint64_t *physical)
{
	struct node *node = node_of(file->inode);
	const struct erofs *reader = &node->fs->reader;
	const unsigned char *data;
	uint64_t run, place;

	if (index >= (node->disk.size + PAGE_SIZE - 1) / PAGE_SIZE)
		return -EFAULT;
	*physical = page_tree_find(&node->copies, index);
	if (*physical)
		return 0;
	data = erofs_span(reader, &node->disk, index * PAGE_SIZE, PAGE_SIZE, &run);
	if (run == PAGE_SIZE && !data && !make)
		return 0; /* a hole */
	if (run == PAGE_SIZE && data) {
		place = node->fs->physical + (uint64_t)(data - reader->image);
		if (place % PAGE_SIZE == 0) {
			*physical = place;
			return 0;
		}
	}
	return copy_page(node, index, physical);
}

/* ---- directories and links ---- */

static int get_node(struct erofs_fs *fs, uint64_t nid, struct inode **found);

static int erofs_dir_lookup(struct inode *dir, const char *name, size_t length,
                            struct inode **found)
{
	struct node *node = node_of(dir);
	uint64_t nid;
	int result = erofs_lookup(&node->fs->reader, &node->disk, name, length, &nid, NULL);

	return result < 0 ? result : get_node(node->fs, nid, found);
}

static int erofs_dir_readdir(struct inode *dir, uint64_t *cookie, struct dir_entry *entry)
{
	struct node *node = node_of(dir);
	struct erofs_dirent found;
	int result = erofs_readdir(&node->fs->reader, &node->disk, cookie, &found);

	if (result <= 0)
		return result;
	entry->number = found.nid;
	entry->type = found.type;
	entry->length = (uint8_t)found.name_length;
	memcpy(entry->name, found.name, found.name_length);
	entry->name[found.name_length] = '\0';
	return 1;
}

static int64_t erofs_link_read(struct inode *inode, char *buffer, size_t size)
{
	struct node *node = node_of(inode);
	int64_t result = erofs_read(&node->fs->reader, &node->disk, 0, buffer, size);

	if (result < 0)
		return result;
	return (uint64_t)result < size ? result : (int64_t)node->disk.size;
}

/* ---- inodes ---- */

static void erofs_statistics(struct inode *inode, struct vfs_statistics *out)
{
	const struct erofs *reader = &node_of(inode)->fs->reader;

	out->magic = SUPER_MAGIC;
	out->blocks = (reader->size + PAGE_SIZE - 1) / PAGE_SIZE;
	out->inodes = reader->inodes;
}

static void erofs_release(struct inode *inode)
{
	struct node *node = node_of(inode);
	struct node **link = &node->fs->buckets[node->disk.nid % BUCKETS];

	while (*link != node)
		link = &(*link)->next;
	*link = node->next;
	page_tree_remove(&node->copies, 0, UINT64_MAX);
	heap_free(node);
}

static const struct file_ops regular_file_ops = {
        .read = erofs_file_read,
        .read_kit = erofs_file_read_kit,
        .page = erofs_file_page,
};

static const struct inode_ops regular_ops = {
        .statistics = erofs_statistics,
        .release = erofs_release,
        .file_ops = &regular_file_ops,
};

static const struct inode_ops directory_ops = {
        .lookup = erofs_dir_lookup,
        .readdir = erofs_dir_readdir,
        .statistics = erofs_statistics,
        .release = erofs_release,
};

static const struct inode_ops symlink_ops = {
        .readlink = erofs_link_read,
        .statistics = erofs_statistics,
        .release = erofs_release,
};

/* Devices, FIFOs and sockets of an image: there to be seen, with nothing behind them. */
static const struct inode_ops special_ops = {
        .statistics = erofs_statistics,
        .release = erofs_release,
};

static const struct inode_ops *ops_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return &regular_ops;
	case S_IFDIR: return &directory_ops;
	case S_IFLNK: return &symlink_ops;
	}
	return &special_ops;
}

/* ns since 1970, negative before; what lies more than 292 years away is cut. */
static uint64_t time_of(const struct erofs_inode *disk)
{
	if (disk->mtime >= SECONDS_MAX)
		return (uint64_t)(SECONDS_MAX * NANOSECONDS);
	if (disk->mtime <= -SECONDS_MAX)
		return (uint64_t)(-SECONDS_MAX * NANOSECONDS);
	return (uint64_t)(disk->mtime * NANOSECONDS + disk->mtime_nsec);
}

static int get_node(struct erofs_fs *fs, uint64_t nid, struct inode **found)
{
	struct node **bucket = &fs->buckets[nid % BUCKETS];
	struct node *node;
	int result;

	for (node = *bucket; node; node = node->next) {
		if (node->disk.nid == nid) {
			*found = inode_get(&node->inode);
			return 0;
		}
	}
	node = heap_alloc(sizeof(*node));
	if (!node)
		return -ENOMEM;
	result = erofs_inode_read(&fs->reader, nid, &node->disk);
	if (result < 0) {
		heap_free(node);
		return result;
	}
	node->fs = fs;
	node->next = *bucket;
	node->inode = (struct inode){
	        .ops = ops_of(node->disk.mode),
	        .references = 1,
	        .mode = node->disk.mode,
	        .uid = node->disk.uid,
	        .gid = node->disk.gid,
	        .links = node->disk.nlink,
	        .number = nid,
	        .fs_id = fs->id,
	        .device = node->disk.rdev,
	        .size = node->disk.size,
	        .atime = time_of(&node->disk),
	        .mtime = time_of(&node->disk),
	        .ctime = time_of(&node->disk),
	};
	*bucket = node;
	*found = &node->inode;
	return 0;
}

struct inode *erofs_root_create(const void *image, uint64_t size, uint64_t physical)
{
	struct erofs_fs *fs = heap_alloc(sizeof(*fs));
	const char *reason;
	struct inode *root;

	if (!fs)
		return NULL;
	if (erofs_open(&fs->reader, image, size, &reason) < 0) {
		kit_print("mote: guest: the root image cannot be used: %s\n", reason);
		heap_free(fs);
		return NULL;
	}
	fs->physical = physical;
	fs->id = vfs_new_fs_id();
	if (get_node(fs, fs->reader.root_nid, &root) < 0) {
		kit_print("mote: guest: the root directory of the root image cannot be read\n");
		heap_free(fs);
		return NULL;
	}
	return root;
}
