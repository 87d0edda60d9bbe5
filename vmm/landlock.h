/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock: no file but those named can be opened any more, as far as the kernel can enforce it. */
#ifndef MOTE_VMM_LANDLOCK_H
#define MOTE_VMM_LANDLOCK_H

#include "vmm/confine.h"
#include "vmm/error.h"

/**
 * landlock_abi() - Ask the kernel for its Landlock ABI version.
 *
 * Return: the version, from 1; 0 if the kernel has no Landlock, it is off, or it is out of reach.
 */
int landlock_abi(void);

/**
 * landlock_restrict() - Deny the calling thread everything Landlock can deny.
 * @directories: below which files may be read and directories listed; and if not @is_read_only,
 *		 files, directories and symbolic links made, written, removed and renamed
 * @err: filled on failure
 *
 * Denied: opening, executing, creating, removing and renaming files, mounting, tracing processes
 * outside, and by ABI version also truncating (3), TCP bind and connect (4), ioctl on devices (5),
 * signals to processes outside and abstract UNIX sockets (6). Descriptors that are open already
 * stay as they are. no_new_privs must be set before. The restriction is inherited and cannot be
 * undone.
 *
 * Return: the ABI version enforced; 0 if nothing is, because the kernel has no Landlock or the
 * process is inside as many Landlock domains as the kernel can stack; -1 on failure.
 */
int landlock_restrict(const struct confine_directory *directories, unsigned count,
                      struct mote_error *err);

#endif
