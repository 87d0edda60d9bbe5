/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock: which files the process may still open, as far as the kernel can enforce it. */
#ifndef MOTE_VMM_LANDLOCK_H
#define MOTE_VMM_LANDLOCK_H

#include "vmm/error.h"

#include <stddef.h>

enum landlock_access {
	LANDLOCK_READ,       /* read a file, or list and read a directory and all below it */
	LANDLOCK_READ_WRITE, /* the same, and write, create, truncate and remove files */
	LANDLOCK_DEVICE,     /* a device file: read, write and ioctl */
};

struct landlock_path {
	const char *path; /* symbolic links are followed now: the rule is for what they lead to */
	enum landlock_access access;
};

/**
 * landlock_abi() - Ask the kernel for its Landlock ABI version.
 *
 * Return: the version, from 1; 0 if the kernel has no Landlock, it is off, or it is out of reach.
 */
int landlock_abi(void);

/**
 * landlock_restrict() - Deny the calling thread everything Landlock can deny, but @paths.
 * @paths: files and directories that may still be opened; one that cannot be opened now gets no
 *         rule, which leaves it out of reach
 * @count: of @paths
 * @err:   filled on failure
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
int landlock_restrict(const struct landlock_path *paths, size_t count, struct mote_error *err);

#endif
