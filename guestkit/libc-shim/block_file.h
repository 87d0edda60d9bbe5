/* SPDX-License-Identifier: Apache-2.0 */
/* Disks as files: /dev/vda and what else tells of them. */
#ifndef MOTE_LIBC_SHIM_BLOCK_FILE_H
#define MOTE_LIBC_SHIM_BLOCK_FILE_H

#include "guestkit/libc-shim/pseudo_fs.h"
#include "guestkit/libc-shim/text.h"

/* Numbers of the device nodes, as Linux has them for a disk of virtio: 16 minors each. */
#define BLOCK_MAJOR    254
#define BLOCK_MINORS   16
#define BLOCK_NAME_MAX 4 /* "vda" */

/* For a node of a disk (pseudo_node.ops). */
extern const struct inode_ops block_inode_ops;

void block_name(unsigned index, char name[BLOCK_NAME_MAX]);

/* The tables of /dev and /sys with what belongs to the disks, or as they are where there is none
 * (or no memory). @count: of entries, updated */
const struct pseudo_node *block_dev_nodes(const struct pseudo_node *nodes, size_t *count);
size_t block_dev_room(void); /* how many that may be */
const struct pseudo_node *block_sys_nodes(const struct pseudo_node *nodes, size_t *count);

/* /proc/partitions and /proc/diskstats */
void proc_partitions(struct text *text);
void proc_diskstats(struct text *text);

#endif
