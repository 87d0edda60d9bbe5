/* SPDX-License-Identifier: Apache-2.0 */
/* Open files that have no name in any file system: event counters, timers, sets of files. */
#ifndef MOTE_LIBC_SHIM_ANON_FILE_H
#define MOTE_LIBC_SHIM_ANON_FILE_H

#include "guestkit/libc-shim/vfs.h"

/**
 * anon_file_install() - Open such a file and give it a descriptor.
 * @label:   what /proc/self/fd shows, "anon_inode:[eventfd]"
 * @ops:     with a close(), which frees @object
 * @object:  file->private; taken over, also on failure
 * @flags:   O_ACCMODE, O_NONBLOCK, O_CLOEXEC
 *
 * Return: the descriptor, -EMFILE or -ENOMEM.
 */
int anon_file_install(const char *label, const struct file_ops *ops, void *object, uint32_t flags);

/* file_ops.seek: as on Linux, they have no position and do not say so. */
int64_t anon_file_seek(struct file *file, int64_t offset, int whence);

#endif
