/* SPDX-License-Identifier: Apache-2.0 */
/* What the system calls on open files share. */
#ifndef MOTE_LIBC_SHIM_FILE_H
#define MOTE_LIBC_SHIM_FILE_H

#include <linux/fcntl.h>

#include "guestkit/libc-shim/vfs.h"
#include "guestkit/thread.h"

/* Was the file opened for it? Access mode 3 of Linux (ioctl only) is neither. */
static inline bool file_is_readable(const struct file *file)
{
	uint32_t mode = file->flags & O_ACCMODE;

	return !(file->flags & O_PATH) && (mode == O_RDONLY || mode == O_RDWR);
}

static inline bool file_is_writable(const struct file *file)
{
	uint32_t mode = file->flags & O_ACCMODE;

	return !(file->flags & O_PATH) && (mode == O_WRONLY || mode == O_RDWR);
}

/* The open file of a descriptor if it is no O_PATH one, else NULL (-EBADF); valid until the caller
 * sleeps. */
static inline struct file *file_of_unheld(uint64_t fd)
{
	struct file *file = descriptor_file((int)fd);

	return file && !(file->flags & O_PATH) ? file : NULL;
}

/* The open file of a descriptor, valid until the system call ends, though another thread may close
 * the descriptor. */
static inline struct file *descriptor_file_held(int fd)
{
	struct file *file = descriptor_file(fd);

	if (file && thread_count > 1)
		file_hold(file);
	return file;
}

/* The same if it is no O_PATH one, else NULL (-EBADF). */
static inline struct file *file_of(uint64_t fd)
{
	struct file *file = descriptor_file_held((int)fd);

	return file && !(file->flags & O_PATH) ? file : NULL;
}

/* dup(2) to a descriptor of at least @minimum (sys_open.c): it, or -EBADF, -EINVAL, -EMFILE. */
int64_t descriptor_duplicate(uint64_t fd, uint64_t minimum, bool close_on_exec);

#endif
