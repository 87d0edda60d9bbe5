/* SPDX-License-Identifier: Apache-2.0 */
/* File systems that are a constant table: /dev, /proc and the built-in root. */
#include "guestkit/libc-shim/pseudo_fs.h"

#include <linux/errno.h>
#include <linux/stat.h>

#include "guestkit/clock.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"
#include "guestkit/user.h"

/*
 * How it works. A table has one line for each file, with its whole path; a directory's children
 * are the lines that have its path, a slash and one more name. Tables are short, so that they are
 * searched from the start. A table may grow once, when somebody looks for what is not in it, or at
 * all of it: what most starts do not look at is not made. Inodes are made on demand and kept for
 * good. Generated files are made when they are opened and read from that copy, so that a reader
 * sees one moment.
 */

struct pseudo_fs;

struct pseudo_inode {
	struct inode inode; /* first: the two are converted into each other */
	struct pseudo_fs *fs;
	const struct pseudo_node *node;
	uint64_t frame; /* copy of a constant file for mmap, or 0 */
};

struct pseudo_fs {
	const struct pseudo_node *nodes;
	size_t count;
	uint64_t id;
	uint64_t magic;
	uint64_t created;  /* ns since 1970: all times of all files */
	pseudo_grow *grow; /* NULL: it has grown, or does not */
	struct pseudo_inode *inodes[];
};

static struct pseudo_inode *pseudo_of(struct inode *inode)
{
	return (struct pseudo_inode *)inode;
}

/* The name that @path has in the directory @parent, or NULL where it is not right in there. */
static const char *name_in(const char *parent, const char *path)
{
	size_t length = strlen(parent);

	if (length > 0) {
		if (strncmp(path, parent, length) != 0 || path[length] != '/')
			return NULL;
		path += length + 1;
	}
	return *path && !strchr(path, '/') ? path : NULL;
}

static uint32_t count_links(const struct pseudo_fs *fs, const struct pseudo_node *node)
{
	uint32_t links = 1;

	if ((node->mode & S_IFMT) != S_IFDIR)
		return links;
	links++;
	for (size_t i = 0; i < fs->count; i++) {
		if ((fs->nodes[i].mode & S_IFMT) == S_IFDIR &&
		    name_in(node->path, fs->nodes[i].path))
			links++;
	}
	return links;
}

/* Whether there are nodes now that were not there. */
static bool grow(struct pseudo_fs *fs)
{
	size_t count = fs->count;
	const struct pseudo_node *nodes;

	if (!fs->grow)
		return false;
	nodes = fs->grow(fs->nodes, &count);
	if (count == fs->count)
		return false;
	fs->grow = NULL;
	fs->nodes = nodes;
	fs->count = count;
	for (size_t i = 0; i < count; i++) {
		if (!fs->inodes[i])
			continue;
		fs->inodes[i]->node = &nodes[i];
		fs->inodes[i]->inode.links = count_links(fs, &nodes[i]);
	}
	return true;
}

/* ---- regular files ---- */

static int pseudo_open(struct inode *inode, struct file *file)
{
	const struct pseudo_node *node = pseudo_of(inode)->node;
	struct text *text;

	if (node->file_ops)
		file->ops = node->file_ops;
	if (node->open)
		return node->open(inode, file);
	if (!node->generate)
		return 0;
	text = heap_alloc(sizeof(*text));
	if (!text)
		return -ENOMEM;
	node->generate(text);
	if (text->has_failed) {
		text_free(text);
		heap_free(text);
		return -ENOMEM;
	}
	file->private = text;
	return 0;
}

static void pseudo_close(struct file *file)
{
	struct text *text = file->private;

	if (!text)
		return;
	text_free(text);
	heap_free(text);
	file->private = NULL;
}

/* What a read at @position gives: a part of the content, cut at @length. */
static size_t content_at(const struct file *file, uint64_t position, size_t length,
                         const char **start)
{
	const struct text *text = file->private;
	const char *content = text ? text->data : pseudo_of(file->inode)->node->content;
	size_t size = text ? text->length : content ? strlen(content) : 0;

	if (position >= size)
		return 0;
	*start = content + position;
	return length < size - position ? length : size - position;
}

static int64_t pseudo_read(struct file *file, uint64_t user_buffer, size_t length,
                           uint64_t *position)
{
	const char *start;
	size_t part = content_at(file, *position, length, &start);
	size_t done;

	if (part == 0)
		return 0;
	done = user_write_some(user_buffer, start, part);
	*position += done;
	return done > 0 ? (int64_t)done : -EFAULT;
}

static int64_t pseudo_read_kit(struct file *file, void *buffer, size_t length, uint64_t *position)
{
	const char *start;
	size_t part = content_at(file, *position, length, &start);

	if (part > 0)
		memcpy(buffer, start, part);
	*position += part;
	return (int64_t)part;
}

/* A write is one value, wherever in the file it goes. */
static int64_t pseudo_write(struct file *file, uint64_t user_buffer, size_t length,
                            uint64_t *position)
{
	char bytes[PSEUDO_STORE_MAX];
	size_t part = length < sizeof(bytes) - 1 ? length : sizeof(bytes) - 1;
	int result;

	if (user_read(bytes, user_buffer, part))
		return -EFAULT;
	bytes[part] = '\0';
	result = pseudo_of(file->inode)->node->store(bytes, part);
	if (result)
		return result;
	*position += length;
	return (int64_t)length;
}

/* Constant files are shorter than a page. */
static int pseudo_page(struct file *file, uint64_t index, bool make, uint64_t *physical)
{
	struct pseudo_inode *pseudo = pseudo_of(file->inode);
	const char *content = pseudo->node->content;

	(void)make;
	if (!content)
		return -ENODEV;
	if (index > 0)
		return -EFAULT;
	if (!pseudo->frame) {
		pseudo->frame = page_alloc_zeroed(1);
		if (!pseudo->frame)
			return -ENOMEM;
		memcpy(direct_map(pseudo->frame), content, strlen(content));
	}
	*physical = pseudo->frame;
	return 0;
}

/* ---- symbolic links ---- */

static int64_t pseudo_readlink(struct inode *inode, char *buffer, size_t size)
{
	const struct pseudo_node *node = pseudo_of(inode)->node;
	struct text text = {0};
	int64_t result;

	if (node->generate)
		node->generate(&text);
	else
		text_string(&text, node->content);
	result = text.has_failed ? -ENOMEM : (int64_t)text.length;
	if (result > 0)
		memcpy(buffer, text.data, text.length < size ? text.length : size);
	text_free(&text);
	return result;
}

/* ---- directories ---- */

static int make_inode(struct pseudo_fs *fs, size_t index, struct inode **found);

/* Index of the directory that holds a node; the root holds itself. */
static size_t parent_of(const struct pseudo_fs *fs, const struct pseudo_node *node)
{
	for (size_t i = 0; i < fs->count; i++) {
		if (name_in(fs->nodes[i].path, node->path))
			return i;
	}
	return 0;
}

int pseudo_fs_parent(struct inode *dir, struct inode **found)
{
	struct pseudo_fs *fs = pseudo_of(dir)->fs;

	return make_inode(fs, parent_of(fs, pseudo_of(dir)->node), found);
}

static int pseudo_lookup(struct inode *dir, const char *name, size_t length, struct inode **found)
{
	struct pseudo_fs *fs = pseudo_of(dir)->fs;
	const struct pseudo_node *node = pseudo_of(dir)->node;

	if (length == 2 && memcmp(name, "..", 2) == 0)
		return pseudo_fs_parent(dir, found);
	do {
		for (size_t i = 0; i < fs->count; i++) {
			const char *candidate = name_in(node->path, fs->nodes[i].path);

			if (candidate && strlen(candidate) == length &&
			    memcmp(candidate, name, length) == 0)
				return make_inode(fs, i, found);
		}
	} while (grow(fs));
	return -ENOENT;
}

/* The number of directories in one is known when all are there. */
static int pseudo_refresh(struct inode *dir)
{
	grow(pseudo_of(dir)->fs);
	return 0;
}

static int give_entry(struct dir_entry *entry, const struct pseudo_fs *fs, size_t index,
                      const char *name)
{
	size_t length = strlen(name);

	entry->number = index + 1;
	entry->type = (fs->nodes[index].mode & S_IFMT) >> 12;
	entry->length = (uint8_t)length;
	memcpy(entry->name, name, length + 1);
	return 1;
}

int pseudo_fs_dots(struct inode *dir, uint64_t *cookie, struct dir_entry *entry)
{
	const struct pseudo_fs *fs = pseudo_of(dir)->fs;
	const struct pseudo_node *node = pseudo_of(dir)->node;
	bool is_parent = (*cookie)++ == 1;

	return give_entry(entry, fs, is_parent ? parent_of(fs, node) : (size_t)(node - fs->nodes),
	                  is_parent ? ".." : ".");
}

/* Cookies: 0 and 1 for "." and "..", then the index of a node plus 2. */
static int pseudo_readdir(struct inode *dir, uint64_t *cookie, struct dir_entry *entry)
{
	struct pseudo_fs *fs = pseudo_of(dir)->fs;
	const struct pseudo_node *node;

	if (*cookie < 2)
		return pseudo_fs_dots(dir, cookie, entry);
	grow(fs);
	node = pseudo_of(dir)->node;
	while (*cookie - 2 < fs->count) {
		size_t index = (size_t)((*cookie)++ - 2);
		const char *name = name_in(node->path, fs->nodes[index].path);

		if (name)
			return give_entry(entry, fs, index, name);
	}
	return 0;
}

/* ---- the file system ---- */

static void pseudo_statistics(struct inode *inode, struct vfs_statistics *out)
{
	out->magic = pseudo_of(inode)->fs->magic;
}

/* The file system keeps a reference of each inode, so that none is ever released. */
static const struct inode_ops directory_ops = {
        .refresh = pseudo_refresh,
        .lookup = pseudo_lookup,
        .readdir = pseudo_readdir,
        .statistics = pseudo_statistics,
};

static const struct inode_ops symlink_ops = {
        .readlink = pseudo_readlink,
        .statistics = pseudo_statistics,
};

static const struct file_ops pseudo_file_ops = {
        .read = pseudo_read,
        .read_kit = pseudo_read_kit,
        .page = pseudo_page,
        .close = pseudo_close,
};

const struct file_ops pseudo_text_ops = {
        .read = pseudo_read,
        .read_kit = pseudo_read_kit,
        .close = pseudo_close,
};

static const struct file_ops stored_file_ops = {
        .read = pseudo_read,
        .write = pseudo_write,
        .read_kit = pseudo_read_kit,
        .close = pseudo_close,
};

static const struct inode_ops stored_ops = {
        .open = pseudo_open,
        .statistics = pseudo_statistics,
        .file_ops = &stored_file_ops,
};

static const struct inode_ops regular_ops = {
        .open = pseudo_open,
        .statistics = pseudo_statistics,
        .file_ops = &pseudo_file_ops,
};

static int make_inode(struct pseudo_fs *fs, size_t index, struct inode **found)
{
	const struct pseudo_node *node = &fs->nodes[index];
	struct pseudo_inode *made = fs->inodes[index];
	uint32_t type = node->mode & S_IFMT;

	if (!made) {
		made = heap_alloc(sizeof(*made));
		if (!made)
			return -ENOMEM;
		*made = (struct pseudo_inode){
		        .inode = {.references = 1,
		                  .mode = node->mode,
		                  .links = count_links(fs, node),
		                  .number = index + 1,
		                  .fs_id = fs->id,
		                  .device = node->device,
		                  .atime = fs->created,
		                  .mtime = fs->created,
		                  .ctime = fs->created},
		        .fs = fs,
		        .node = node,
		};
		made->inode.ops = node->ops         ? node->ops
		                  : type == S_IFDIR ? &directory_ops
		                  : type == S_IFLNK ? &symlink_ops
		                  : node->store     ? &stored_ops
		                                    : &regular_ops;
		if (node->content)
			made->inode.size = strlen(node->content);
		fs->inodes[index] = made;
	}
	*found = inode_get(&made->inode);
	return 0;
}

struct inode *pseudo_fs_create_growing(const struct pseudo_node *nodes, size_t count,
                                       uint64_t magic, pseudo_grow *more, size_t room)
{
	struct pseudo_fs *fs = heap_alloc(sizeof(*fs) + (count + room) * sizeof(fs->inodes[0]));
	struct inode *root;

	if (!fs)
		return NULL;
	fs->nodes = nodes;
	fs->count = count;
	fs->id = vfs_new_fs_id();
	fs->magic = magic;
	fs->created = clock_realtime();
	fs->grow = more;
	if (make_inode(fs, 0, &root) < 0) {
		heap_free(fs);
		return NULL;
	}
	return root;
}

struct inode *pseudo_fs_create(const struct pseudo_node *nodes, size_t count, uint64_t magic)
{
	return pseudo_fs_create_growing(nodes, count, magic, NULL, 0);
}

struct inode *pseudo_fs_inode(struct inode *root, const char *path)
{
	struct pseudo_fs *fs = pseudo_of(root)->fs;
	struct inode *found = NULL;

	for (size_t i = 0; i < fs->count; i++) {
		if (strcmp(fs->nodes[i].path, path) == 0)
			return make_inode(fs, i, &found) < 0 ? NULL : found;
	}
	return NULL;
}
