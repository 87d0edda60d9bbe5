/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacks an archive into a directory of its own, and removes it again. */
#ifndef MOTE_PACKER_UNPACK_H
#define MOTE_PACKER_UNPACK_H

#include <stdint.h>

#include "vmm/error.h"

/* What an archive may hold; more is refused. */
struct unpack_limits {
	uint64_t entries;
	uint64_t bytes; /* of all files together */
};

extern const struct unpack_limits unpack_default_limits;

/**
 * unpack_archive() - Unpack a tar archive.
 * @path:      the archive, plain or compressed; hostile
 * @directory: descriptor of an empty directory that nobody else can reach
 * @limits:    on its contents
 *
 * Nothing outside of @directory is created, changed or linked to, whatever the archive says. Names
 * that are absolute or have "..", paths and hard links that leave the directory, also by a symbolic
 * link, device nodes, and archives that are damaged or too large are refused; there may be a part
 * in the directory then. Permissions are kept; owners and times are not.
 */
int unpack_archive(const char *path, int directory, const struct unpack_limits *limits,
                   struct mote_error *err);

/* Remove a directory with all that is in it, as far as that works. */
void unpack_remove(const char *path);

#endif
