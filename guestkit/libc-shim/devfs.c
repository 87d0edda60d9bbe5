/* SPDX-License-Identifier: Apache-2.0 */
/* /dev: the character devices that programs take for granted. */
#include <linux/errno.h>
#include <linux/magic.h>
#include <linux/random.h>
#include <linux/stat.h>
#include <linux/virtio_ids.h>

#include "guestkit/libc-shim/block_file.h"
#include "guestkit/libc-shim/console_file.h"
#include "guestkit/libc-shim/pseudo_fs.h"
#include "guestkit/memory.h"
#include "guestkit/random.h"
#include "guestkit/string.h"
#include "guestkit/user.h"
#include "guestkit/virtio.h"
#include "guestkit/virtio_entropy.h"

#define RANDOM_CHUNK 256 /* bytes made or taken in one step; on the stack */
#define HWRNG_MAX    4096
#define ENTROPY_BITS 256 /* what the generator's key holds */

/* All of these stay at position 0, whatever they are told (as null_lseek of Linux). */
static int64_t seek_nowhere(struct file *file, int64_t offset, int whence)
{
	(void)offset;
	(void)whence;
	file->position = 0;
	return 0;
}

/* ---- null, zero, full ---- */

static int64_t read_nothing(struct file *file, uint64_t user_buffer, size_t length,
                            uint64_t *position)
{
	(void)file;
	(void)user_buffer;
	(void)length;
	(void)position;
	return 0;
}

static int64_t read_nothing_kit(struct file *file, void *buffer, size_t length, uint64_t *position)
{
	(void)buffer;
	return read_nothing(file, 0, length, position);
}

static int64_t write_away(struct file *file, uint64_t user_buffer, size_t length,
                          uint64_t *position)
{
	(void)file;
	(void)user_buffer;
	(void)position;
	return (int64_t)length;
}

static int64_t write_away_kit(struct file *file, const void *buffer, size_t length,
                              uint64_t *position)
{
	(void)buffer;
	return write_away(file, 0, length, position);
}

static int64_t read_zeros(struct file *file, uint64_t user_buffer, size_t length,
                          uint64_t *position)
{
	(void)file;
	(void)position;
	return user_zero(user_buffer, length) < 0 ? -EFAULT : (int64_t)length;
}

static int64_t read_zeros_kit(struct file *file, void *buffer, size_t length, uint64_t *position)
{
	(void)file;
	(void)position;
	memset(buffer, 0, length);
	return (int64_t)length;
}

/* Private mappings only: a frame of a shared one would belong to the mapping, not to the file. */
static int zero_page(struct file *file, uint64_t index, bool make, uint64_t *physical)
{
	(void)file;
	(void)index;
	if (make)
		return -ENODEV;
	*physical = 0;
	return 0;
}

static int64_t write_full(struct file *file, uint64_t user_buffer, size_t length,
                          uint64_t *position)
{
	(void)file;
	(void)user_buffer;
	(void)position;
	(void)length;
	return -ENOSPC; /* as Linux's: even for nothing */
}

static const struct file_ops null_ops = {
        .read = read_nothing,
        .write = write_away,
        .read_kit = read_nothing_kit,
        .write_kit = write_away_kit,
        .seek = seek_nowhere,
};

static const struct file_ops zero_ops = {
        .read = read_zeros,
        .write = write_away,
        .read_kit = read_zeros_kit,
        .write_kit = write_away_kit,
        .seek = seek_nowhere,
        .page = zero_page,
};

static const struct file_ops full_ops = {
        .read = read_zeros,
        .write = write_full,
        .read_kit = read_zeros_kit,
        .seek = seek_nowhere,
};

/* ---- random, urandom ---- */

static int64_t read_random(struct file *file, uint64_t user_buffer, size_t length,
                           uint64_t *position)
{
	unsigned char chunk[RANDOM_CHUNK];
	size_t done = 0;

	(void)file;
	(void)position;
	while (done < length) {
		size_t part = length - done < sizeof(chunk) ? length - done : sizeof(chunk);
		size_t copied;

		random_fill(chunk, part);
		copied = user_write_some(user_buffer + done, chunk, part);
		done += copied;
		if (copied < part)
			break;
	}
	memset(chunk, 0, sizeof(chunk));
	__asm__ volatile("" : : "r"(chunk) : "memory"); /* keeps the line above */
	return done > 0 || length == 0 ? (int64_t)done : -EFAULT;
}

static int64_t read_random_kit(struct file *file, void *buffer, size_t length, uint64_t *position)
{
	(void)file;
	(void)position;
	random_fill(buffer, length);
	return (int64_t)length;
}

static int64_t write_random(struct file *file, uint64_t user_buffer, size_t length,
                            uint64_t *position)
{
	unsigned char chunk[RANDOM_CHUNK];
	size_t done = 0;

	(void)file;
	(void)position;
	while (done < length) {
		size_t part = length - done < sizeof(chunk) ? length - done : sizeof(chunk);
		size_t copied = user_read_some(chunk, user_buffer + done, part);

		random_seed(chunk, copied);
		done += copied;
		if (copied < part)
			break;
	}
	return done > 0 || length == 0 ? (int64_t)done : -EFAULT;
}

static int64_t random_ioctl(struct file *file, unsigned request, uint64_t argument)
{
	static const int32_t bits = ENTROPY_BITS;

	(void)file;
	if (request != RNDGETENTCNT)
		return -ENOTTY;
	return user_write(argument, &bits, sizeof(bits));
}

static const struct file_ops random_ops = {
        .read = read_random,
        .write = write_random,
        .read_kit = read_random_kit,
        .seek = seek_nowhere,
        .ioctl = random_ioctl,
};

/* ---- hwrng: the entropy device ---- */

static int open_hwrng(struct inode *inode, struct file *file)
{
	(void)inode;
	(void)file;
	return virtio_find(VIRTIO_ID_RNG, 0) ? 0 : -ENODEV;
}

static int64_t read_hwrng(struct file *file, uint64_t user_buffer, size_t length,
                          uint64_t *position)
{
	size_t part = length < HWRNG_MAX ? length : HWRNG_MAX, copied;
	void *bytes = heap_alloc(part);
	int64_t got = bytes ? entropy_read(bytes, part) : -ENOMEM;

	(void)file;
	(void)position;
	if (got > 0) {
		copied = user_write_some(user_buffer, bytes, (size_t)got);
		got = copied ? (int64_t)copied : -EFAULT;
	}
	heap_free(bytes);
	return got;
}

static const struct file_ops hwrng_ops = {
        .read = read_hwrng,
        .seek = seek_nowhere,
};

/* ---- the table ---- */

#define DEVICE(name, permissions, major, minor, operations)                     \
	{                                                                       \
		.path = (name), .mode = S_IFCHR | (permissions),                \
		.device = PSEUDO_DEVICE(major, minor), .file_ops = (operations) \
	}
#define TERMINAL(name, permissions, minor)                                       \
	{                                                                        \
		.path = (name), .mode = S_IFCHR | (permissions),                 \
		.device = PSEUDO_DEVICE(5, minor), .open = console_terminal_open \
	}
#define LINK(name, target)                                                  \
	{                                                                   \
		.path = (name), .mode = S_IFLNK | 0777, .content = (target) \
	}

static const struct pseudo_node dev_nodes[] = {
        {.path = "", .mode = S_IFDIR | 0755},
        TERMINAL("console", 0620, 1),
        LINK("fd", "/proc/self/fd"),
        DEVICE("full", 0666, 1, 7, &full_ops),
        {.path = "hwrng",
         .mode = S_IFCHR | 0600,
         .device = PSEUDO_DEVICE(10, 183),
         .file_ops = &hwrng_ops,
         .open = open_hwrng},
        DEVICE("null", 0666, 1, 3, &null_ops),
        DEVICE("random", 0666, 1, 8, &random_ops),
        {.path = "shm", .mode = S_IFDIR | 01777},
        LINK("stderr", "/proc/self/fd/2"),
        LINK("stdin", "/proc/self/fd/0"),
        LINK("stdout", "/proc/self/fd/1"),
        TERMINAL("tty", 0666, 0),
        DEVICE("urandom", 0666, 1, 9, &random_ops),
        DEVICE("zero", 0666, 1, 5, &zero_ops),
};

struct inode *devfs_create(void)
{
	struct inode *root =
	        pseudo_fs_create_growing(dev_nodes, sizeof(dev_nodes) / sizeof(dev_nodes[0]),
	                                 TMPFS_MAGIC, block_dev_nodes, block_dev_room());
	struct inode *console;

	if (!root)
		return NULL;
	console = pseudo_fs_inode(root, "console");
	if (console)
		console_terminal_identity(console);
	inode_put(console);
	return root;
}
