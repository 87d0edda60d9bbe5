/* SPDX-License-Identifier: Apache-2.0 */
/* The files of /proc/1: one function makes each; entries of the table in procfs.c. */
#ifndef MOTE_LIBC_SHIM_PROC_SELF_H
#define MOTE_LIBC_SHIM_PROC_SELF_H

#include "guestkit/libc-shim/text.h"
#include "guestkit/libc-shim/vfs.h"

void proc_auxv(struct text *text);
void proc_cmdline(struct text *text);
void proc_comm(struct text *text);
void proc_cwd(struct text *text);
void proc_environ(struct text *text);
void proc_exe(struct text *text);
void proc_limits(struct text *text);
void proc_maps(struct text *text);
void proc_mountinfo(struct text *text);
void proc_mounts(struct text *text);
void proc_stat(struct text *text);
void proc_statm(struct text *text);
void proc_status(struct text *text);

/* Inode of /proc/1/fd. */
extern const struct inode_ops proc_fd_ops;

#endif
