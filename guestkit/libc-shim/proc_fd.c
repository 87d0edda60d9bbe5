/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/1/fd and fdinfo: a magic link and a description of each open descriptor. */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/magic.h>
#include <linux/stat.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/console_file.h"
#include "guestkit/libc-shim/proc_self.h"
#include "guestkit/libc-shim/pseudo_fs.h"
#include "guestkit/memory.h"
#include "guestkit/string.h"

#define FIRST_LINK_NUMBER 0x10000 /* st_ino of descriptor 0's link, above those of the table */
#define NAME_SIZE         8       /* of a descriptor in decimal, with NUL */

struct fd_link {
	struct inode inode; /* first: the two are converted into each other */
	int fd;
};

static struct file *file_of(const struct inode *link)
{
	return descriptor_file(((const struct fd_link *)(const void *)link)->fd);
}

/* Write text at @at into the buffer as far as it fits. Return: where it would end. */
static size_t append_at(char *buffer, size_t size, size_t at, const char *text)
{
	size_t length = strlen(text);

	if (at < size)
		memcpy(buffer + at, text, length < size - at ? length : size - at);
	return at + length;
}

/* What readlink() gives: a path where there is one, else the kind and number of what is open. */
static int64_t fd_readlink(struct inode *link, char *buffer, size_t size)
{
	const struct file *file = file_of(link);
	const char *target, *suffix = "";
	char label[48];

	if (!file)
		return -ENOENT;
	target = file->path;
	if (target && !file->inode->links)
		suffix = " (deleted)";
	if (!target && console_file_is_terminal(file->inode))
		target = "/dev/console";
	if (!target) {
		uint32_t type = file->inode->mode & S_IFMT;

		kit_format(label, sizeof(label), "%s:[%lu]",
		           type == S_IFIFO    ? "pipe"
		           : type == S_IFSOCK ? "socket"
		                              : "anon_inode",
		           file->inode->number);
		target = label;
	}
	return (int64_t)append_at(buffer, size, append_at(buffer, size, 0, target), suffix);
}

static int fd_follow(struct inode *link, struct inode **target)
{
	const struct file *file = file_of(link);

	if (!file)
		return -ENOENT;
	*target = inode_get(file->inode);
	return 0;
}

static void fd_statistics(struct inode *inode, struct vfs_statistics *out)
{
	(void)inode;
	out->magic = PROC_SUPER_MAGIC;
}

static void fd_release(struct inode *link)
{
	heap_free(link);
}

static const struct inode_ops fd_link_ops = {
        .readlink = fd_readlink,
        .follow = fd_follow,
        .statistics = fd_statistics,
        .release = fd_release,
};

/* The number that a name is, or -1: decimal, no leading zero. */
static int parse_descriptor(const char *name, size_t length)
{
	int fd = 0;

	if (length == 0 || length >= NAME_SIZE - 1 || (name[0] == '0' && length > 1))
		return -1;
	for (size_t i = 0; i < length; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		fd = fd * 10 + (name[i] - '0');
	}
	return fd;
}

static int fd_lookup(struct inode *dir, const char *name, size_t length, struct inode **found)
{
	static const uint32_t permissions[] = {0500, 0300, 0700, 0700}; /* by O_ACCMODE */
	struct fd_link *link;
	const struct file *file;
	int fd;

	if (length == 2 && memcmp(name, "..", 2) == 0)
		return pseudo_fs_parent(dir, found);
	fd = parse_descriptor(name, length);
	file = fd < 0 ? NULL : descriptor_file(fd);
	if (!file)
		return -ENOENT;
	link = heap_alloc(sizeof(*link));
	if (!link)
		return -ENOMEM;
	link->fd = fd;
	link->inode = (struct inode){
	        .ops = &fd_link_ops,
	        .references = 1,
	        .mode = S_IFLNK | permissions[file->flags & O_ACCMODE],
	        .links = 1,
	        .number = FIRST_LINK_NUMBER + (unsigned)fd,
	        .fs_id = dir->fs_id,
	        .size = 64, /* as Linux shows it */
	        .mtime = clock_realtime(),
	};
	link->inode.atime = link->inode.ctime = link->inode.mtime;
	*found = &link->inode;
	return 0;
}

/* Cookies: 0 and 1 for "." and "..", then the descriptor plus 2. */
static int fd_readdir(struct inode *dir, uint64_t *cookie, struct dir_entry *entry)
{
	if (*cookie < 2)
		return pseudo_fs_dots(dir, cookie, entry);
	while (*cookie - 2 < VFS_OPEN_MAX) {
		int fd = (int)((*cookie)++ - 2);
		const struct file *file = descriptor_file(fd);

		/* Not the descriptor this very folder is listed through: gone before anyone looks.
		 */
		if (!file || file->inode == dir)
			continue;
		entry->number = FIRST_LINK_NUMBER + (unsigned)fd;
		entry->type = S_IFLNK >> 12;
		entry->length = (uint8_t)kit_format(entry->name, NAME_SIZE, "%d", fd);
		return 1;
	}
	return 0;
}

const struct inode_ops proc_fd_ops = {
        .lookup = fd_lookup,
        .readdir = fd_readdir,
        .statistics = fd_statistics,
};

/* ---- fdinfo ---- */

#define FIRST_INFO_NUMBER (FIRST_LINK_NUMBER + VFS_OPEN_MAX)

static int info_open(struct inode *inode, struct file *opened)
{
	const struct file *file = file_of(inode);
	struct text *text = file ? heap_alloc(sizeof(*text)) : NULL;
	int fd = ((const struct fd_link *)(const void *)inode)->fd;
	uint32_t flags;

	if (!text)
		return file ? -ENOMEM : -ENOENT;
	flags = file->flags | (descriptor_close_on_exec(fd) ? O_CLOEXEC : 0);
	text_print(text, "pos:\t%lu\nflags:\t0", file->position);
	for (int shift = 30; shift >= 0; shift -= 3) /* octal, without leading zeros but one */
		if (flags >> shift)
			text_print(text, "%u", flags >> shift & 7);
	text_print(text, "\nmnt_id:\t1\nino:\t%lu\n", file->inode->number);
	opened->private = text;
	return 0;
}

static const struct inode_ops info_ops = {
        .open = info_open,
        .statistics = fd_statistics,
        .release = fd_release,
        .file_ops = &pseudo_text_ops,
};

static int info_lookup(struct inode *dir, const char *name, size_t length, struct inode **found)
{
	int result = fd_lookup(dir, name, length, found);

	if (result || (*found)->ops != &fd_link_ops)
		return result;
	(*found)->ops = &info_ops;
	(*found)->mode = S_IFREG | 0444;
	(*found)->number += FIRST_INFO_NUMBER - FIRST_LINK_NUMBER;
	(*found)->size = 0;
	return 0;
}

static int info_readdir(struct inode *dir, uint64_t *cookie, struct dir_entry *entry)
{
	int result = fd_readdir(dir, cookie, entry);

	if (result > 0 && entry->type == S_IFLNK >> 12) {
		entry->type = S_IFREG >> 12;
		entry->number += FIRST_INFO_NUMBER - FIRST_LINK_NUMBER;
	}
	return result;
}

const struct inode_ops proc_fdinfo_ops = {
        .lookup = info_lookup,
        .readdir = info_readdir,
        .statistics = fd_statistics,
};
