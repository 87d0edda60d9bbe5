/* SPDX-License-Identifier: Apache-2.0 */
/* Locks on files, beyond the system calls that set them. */
#ifndef MOTE_LIBC_SHIM_FILE_LOCK_H
#define MOTE_LIBC_SHIM_FILE_LOCK_H

#include <stdint.h>

struct file;

/* fcntl's F_GETLK, F_SETLK, F_SETLKW and their F_OFD_ forms. Return: 0 or a negative errno. */
int64_t file_lock_fcntl(struct file *file, uint32_t command, uint64_t argument);

/* An open file that has_locks is gone: so are its locks. */
void file_lock_file_gone(struct file *file);

/* A descriptor of an open file was closed: so are all of the process's record locks on it, as POSIX
 * has it. */
void file_lock_descriptor_closed(struct file *file);

#endif
