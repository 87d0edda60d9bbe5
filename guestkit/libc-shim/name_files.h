/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /etc/resolv.conf, /etc/hosts and /etc/hostname: files that say how this guest and others are
 * called.
 */
#ifndef MOTE_LIBC_SHIM_NAME_FILES_H
#define MOTE_LIBC_SHIM_NAME_FILES_H

#include <stdbool.h>
#include <stddef.h>

struct inode;

/**
 * name_files_look() - A name is about to be looked up in a directory.
 *
 * The first time that it is one of these files it is written, if the guest has a network device, or
 * the root lacks it; from then on it is a file as any other. May sleep.
 */
void name_files_look(struct inode *dir, const char *name, size_t length);

/* A start from a snapshot has another network, or (@is_other_name) another name: files that say so
 * are written again, as at first. */
void name_files_renew(bool is_other_name);

#endif
