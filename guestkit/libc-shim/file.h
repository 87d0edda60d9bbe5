/* SPDX-License-Identifier: Apache-2.0 */
/* What the system calls on open files share. */
#ifndef MOTE_LIBC_SHIM_FILE_H
#define MOTE_LIBC_SHIM_FILE_H

#include <linux/fcntl.h>

#include "guestkit/libc-shim/vfs.h"

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

/* The open file of a descriptor if it is no O_PATH one, else NULL (-EBADF). */
static inline struct file *file_of(uint64_t fd)
{
	struct file *file = descriptor_file((int)fd);

	return file && !(file->flags & O_PATH) ? file : NULL;
}

#endif
