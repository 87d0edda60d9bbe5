/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of files to wait for: what open files know of the sets that they are in. */
#ifndef MOTE_LIBC_SHIM_EPOLL_H
#define MOTE_LIBC_SHIM_EPOLL_H

struct file;

/* The last reference to a file is gone: take it out of every set (file->watched). */
void epoll_forget(struct file *file);

#endif
