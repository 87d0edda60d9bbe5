/* SPDX-License-Identifier: Apache-2.0 */
/* Files on the VMM's stdin, stdout and stderr, and on the terminal behind them. */
#ifndef MOTE_LIBC_SHIM_CONSOLE_FILE_H
#define MOTE_LIBC_SHIM_CONSOLE_FILE_H

#include "guestkit/libc-shim/vfs.h"

/* pseudo_node.open of /dev/tty and /dev/console: -ENXIO when no stream is a terminal. */
int console_terminal_open(struct inode *inode, struct file *file);

/* Streams that are a terminal show number, file system and device of this inode: /dev/console. */
void console_terminal_identity(const struct inode *inode);

/* What the streams are now, as struct machine has it: in a start from a snapshot something else. */
void console_files_renew(const uint32_t *kinds);

/* Is this a console stream that is a terminal? Its path is /dev/console then. */
bool console_file_is_terminal(const struct inode *inode);

#endif
