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
void proc_oom_score_adj(struct text *text);
void proc_smaps(struct text *text);
void proc_environ(struct text *text);
void proc_exe(struct text *text);
void proc_limits(struct text *text);
void proc_maps(struct text *text);
void proc_mountinfo(struct text *text);
void proc_mounts(struct text *text);
void proc_stat(struct text *text);
void proc_thread_self(struct text *text);
void proc_statm(struct text *text);
void proc_status(struct text *text);

/* What is written to comm and oom_score_adj: pseudo_node.store. */
int proc_store_comm(const char *text, size_t length);
int proc_store_oom_score_adj(const char *text, size_t length);

/* Inodes of /proc/1/fd, /proc/1/fdinfo, and /proc/1/task. */
extern const struct inode_ops proc_fd_ops, proc_fdinfo_ops, proc_task_ops;

#endif
