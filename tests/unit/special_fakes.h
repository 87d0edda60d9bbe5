/* SPDX-License-Identifier: Apache-2.0 */
/* The kit's core and the VFS as far as the special file systems need them, on top of libc. */
#ifndef MOTE_TESTS_SPECIAL_FAKES_H
#define MOTE_TESTS_SPECIAL_FAKES_H

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "guestkit/clock.h"
#include "guestkit/console.h"
#include "guestkit/libc-shim/vfs.h"
#include "guestkit/memory.h"
#include "guestkit/user.h"

/* ---- memory: the direct map is this process's own memory, at a shifted address ---- */

static long fake_frames; /* handed out and not given back */
static long fake_heap;   /* the same, of the heap */
static bool fake_memory_is_short;

uint64_t page_alloc(size_t count)
{
	void *frames = fake_memory_is_short ? NULL : aligned_alloc(PAGE_SIZE, count * PAGE_SIZE);

	if (!frames)
		return 0;
	memset(frames, 0xa5, count * PAGE_SIZE);
	fake_frames += (long)count;
	return direct_physical(frames);
}

uint64_t page_alloc_zeroed(size_t count)
{
	uint64_t physical = page_alloc(count);

	if (physical)
		memset(direct_map(physical), 0, count * PAGE_SIZE);
	return physical;
}

void page_free(uint64_t physical, size_t count)
{
	fake_frames -= (long)count;
	free(direct_map(physical));
}

size_t page_total_count(void)
{
	return 1024;
}

size_t page_free_count(void)
{
	return 768;
}

size_t page_available_count(void)
{
	return 768;
}

void *heap_alloc(size_t size)
{
	void *memory = fake_memory_is_short ? NULL : calloc(1, size ? size : 1);

	fake_heap += memory != NULL;
	return memory;
}

void *heap_resize(void *old, size_t size)
{
	return fake_memory_is_short ? NULL : realloc(old, size);
}

void heap_free(void *memory)
{
	fake_heap -= memory != NULL;
	free(memory);
}

/* ---- the application's memory: this process's, but for what lies at fake_fault_at or above ----
 */

static uint64_t fake_fault_at = UINT64_MAX;

static size_t fake_reachable(uint64_t address, size_t length)
{
	if (address < PAGE_SIZE || address >= fake_fault_at)
		return 0;
	return length < fake_fault_at - address ? length : fake_fault_at - address;
}

size_t user_read_some(void *to, uint64_t from, size_t length)
{
	size_t part = fake_reachable(from, length);

	memcpy(to, (const void *)from, part);
	return part;
}

size_t user_write_some(uint64_t to, const void *from, size_t length)
{
	size_t part = fake_reachable(to, length);

	memcpy((void *)to, from, part);
	return part;
}

int user_read(void *to, uint64_t from, size_t length)
{
	return user_read_some(to, from, length) == length ? 0 : -14;
}

int user_write(uint64_t to, const void *from, size_t length)
{
	return user_write_some(to, from, length) == length ? 0 : -14;
}

int user_zero(uint64_t to, size_t length)
{
	size_t part = fake_reachable(to, length);

	memset((void *)to, 0, part);
	return part == length ? 0 : -14;
}

int64_t user_read_string(char *to, uint64_t from, size_t size)
{
	size_t length;

	if (!fake_reachable(from, 1))
		return -14;
	length = strnlen((const char *)from, size);
	memcpy(to, (const char *)from, length);
	if (length == size)
		return -36;
	to[length] = '\0';
	return (int64_t)length;
}

/* ---- time ---- */

static uint64_t fake_now = 5000000000; /* CLOCK_MONOTONIC, ns */

uint64_t clock_monotonic(void)
{
	return fake_now;
}

uint64_t clock_boottime(void)
{
	return fake_now + 1000000000;
}

uint64_t clock_realtime(void)
{
	return fake_now + 1600000000000000000;
}

/* ---- text ---- */

static char fake_printed[4096];

void kit_print(const char *format, ...)
{
	size_t length = strlen(fake_printed);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(fake_printed + length, sizeof(fake_printed) - length, format, arguments);
	va_end(arguments);
}

size_t kit_format(char *buffer, size_t size, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(buffer, size, format, arguments);
	va_end(arguments);
	return (size_t)length;
}

/* ---- the VFS ---- */

struct inode *vfs_root;
unsigned descriptor_limit = VFS_OPEN_MAX;
static struct file *fake_descriptors[8];

struct inode *inode_get(struct inode *inode)
{
	inode->references++;
	return inode;
}

void inode_put(struct inode *inode)
{
	if (inode && --inode->references == 0 && inode->ops->release)
		inode->ops->release(inode);
}

uint64_t vfs_new_fs_id(void)
{
	static uint64_t last;

	return ++last;
}

struct file *descriptor_file(int fd)
{
	return fd >= 0 && fd < 8 ? fake_descriptors[fd] : NULL;
}

void file_put(struct file *file)
{
	if (file->ops && file->ops->close)
		file->ops->close(file);
	inode_put(file->inode);
	heap_free(file);
}

int file_open_inode(struct inode *inode, uint32_t flags, const char *path, struct file **opened)
{
	struct file *file = heap_alloc(sizeof(*file));
	int result;

	(void)path;
	file->inode = inode;
	file->ops = inode->ops->file_ops;
	file->flags = flags;
	file->references = 1;
	result = inode->ops->open ? inode->ops->open(inode, file) : 0;
	if (result < 0) {
		file->ops = NULL;
		file_put(file);
		return result;
	}
	*opened = file;
	return 0;
}

/* Walk from a file system's root, "a/b/c"; NULL where there is no such file. */
static inline struct inode *fake_find(struct inode *root, const char *path)
{
	struct inode *inode = inode_get(root);

	while (inode && *path) {
		size_t length = strcspn(path, "/");
		struct inode *next = NULL;

		if (!inode->ops->lookup || inode->ops->lookup(inode, path, length, &next) < 0)
			next = NULL;
		inode_put(inode);
		inode = next;
		path += length + (path[length] == '/');
	}
	return inode;
}

static inline struct file *fake_open(struct inode *root, const char *path)
{
	struct inode *inode = fake_find(root, path);
	struct file *file = NULL;

	cr_assert_not_null(inode, "%s is not there", path);
	cr_assert_eq(file_open_inode(inode, 2, NULL, &file), 0, "%s cannot be opened", path);
	return file;
}

static inline int64_t fake_read(struct file *file, void *buffer, size_t length)
{
	return file->ops->read(file, (uint64_t)buffer, length, &file->position);
}

/* A whole file as a string, read seven bytes at a time; static. */
static inline const char *fake_content(struct inode *root, const char *path)
{
	static char content[65536];
	struct file *file = fake_open(root, path);
	size_t length = 0;
	int64_t result;

	while ((result = fake_read(file, content + length, 7)) > 0)
		length += (size_t)result;
	cr_assert_eq(result, 0, "%s: read gives %d", path, (int)result);
	content[length] = '\0';
	file_put(file);
	return content;
}

static inline const char *fake_target(struct inode *root, const char *path)
{
	static char target[4096];
	struct inode *link = fake_find(root, path);
	int64_t length;

	cr_assert_not_null(link, "%s is not there", path);
	cr_assert(S_ISLNK(link->mode), "%s is no link", path);
	length = link->ops->readlink(link, target, sizeof(target) - 1);
	cr_assert_geq(length, 0);
	target[length] = '\0';
	inode_put(link);
	return target;
}

/* Names of a directory with a space behind each; static. */
static inline const char *fake_list(struct inode *dir)
{
	static char names[4096];
	struct dir_entry entry;
	uint64_t cookie = 0;

	names[0] = '\0';
	while (dir->ops->readdir(dir, &cookie, &entry) == 1) {
		cr_assert_eq(strlen(entry.name), entry.length);
		strcat(strcat(names, entry.name), " ");
	}
	return names;
}

#endif
