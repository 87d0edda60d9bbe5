/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a share that its guest knows: a number for each, and where it was last seen. */
#ifndef MOTE_VIRTIO_FS_NODES_H
#define MOTE_VIRTIO_FS_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/fs_server.h"

/*
 * How it works. A node is a file (or directory, or whatever has a name) that the guest was told of
 * and has not forgotten. It has no descriptor: it has the identity of the file and one place, a
 * parent and a name, where the file was when it was last looked up. A place is a hint. Whoever
 * wants the file opens the place and compares identities (fs_host.c); if it is another's by now,
 * the node is stale until it is looked up elsewhere. So the number of nodes has nothing to do with
 * that of descriptors, and what a host process does to the tree can make a node stale, but never
 * stand for another file.
 *
 * A node whose place is gone, because the guest removed it, is an orphan. As on any Unix it must go
 * on working, so the server keeps ("pins") a descriptor of it; other files are pinned while they
 * are read without a handle. There are FS_PINS pins; the one that was used longest ago makes room.
 *
 * A node's number in the protocol is its index below the generation of its slot, so that one that
 * was forgotten is not taken for the slot's next. Names lie in arrays by size class, with a slot
 * for each node in each: nothing to allocate, and pages that are not used are not there.
 */

struct fs_identity {
	uint64_t device, inode;
	int64_t born_seconds; /* tells files apart that had the same inode one after the other */
	uint32_t born_nanoseconds;
	uint32_t type; /* S_IFMT bits of the mode */
};

/** fs_identity_is_same() - Whether two identities are of one file. */
static inline bool fs_identity_is_same(const struct fs_identity *a, const struct fs_identity *b)
{
	return a->device == b->device && a->inode == b->inode && a->type == b->type &&
	       a->born_seconds == b->born_seconds && a->born_nanoseconds == b->born_nanoseconds;
}

struct fs_node {
	struct fs_identity identity;
	uint64_t lookups;  /* that the guest has to forget */
	uint32_t parent;   /* index; 0: the root, or an orphan */
	uint32_t children; /* nodes that have this one as parent, which stays as long as they do */
	uint32_t next;     /* index: in the chain of the hash, or of free slots */
	uint32_t generation;
	uint16_t pin; /* from 1; 0: not pinned */
	uint8_t name_length;
	bool is_used, is_hashed;
};

#define FS_NODE_ROOT    1u
#define FS_NAME_MAX     255u
#define FS_NAME_CLASSES 4

struct fs_pin {
	uint64_t used; /* when, by the clock of the nodes; 0: free */
	uint32_t node;
	int fd;
	bool is_readable; /* else O_PATH */
};

struct fs_nodes {
	struct fs_node *table;
	uint32_t *buckets;
	char *names[FS_NAME_CLASSES];
	uint32_t used; /* slots from 1 that were ever in use */
	uint32_t free;
	uint64_t clock;
	struct fs_pin pins[FS_PINS];
	void *memory;
};

/**
 * fs_nodes_open() - Reserve the memory of a table, which has the root in it.
 * @root: identity of the root
 *
 * Return: 0, or -1 and errno.
 */
int fs_nodes_open(struct fs_nodes *nodes, const struct fs_identity *root);
void fs_nodes_close(struct fs_nodes *nodes);

/* A node as a snapshot has it. */
struct fs_node_place {
	uint32_t index, generation, parent; /* parent 0: none */
	uint32_t type;                      /* S_IFMT bits */
	uint64_t lookups;
	const char *name;
	size_t length;
};

/** fs_nodes_name() - The last name of a node, of node->name_length bytes. */
const char *fs_nodes_name(const struct fs_nodes *nodes, const struct fs_node *node);

/**
 * fs_nodes_load() - Make a node that a snapshot had, in a table that has been reset.
 *
 * It is stale until fs_nodes_identify() says which file it is. Return: 0, or -1 where it is none.
 */
int fs_nodes_load(struct fs_nodes *nodes, const struct fs_node_place *place);

/** fs_nodes_loaded() - All are made: tie them together. Return: 0, or -1: they are no tree. */
int fs_nodes_loaded(struct fs_nodes *nodes);

/** fs_nodes_identify() - A node is that file, unless another one is already. */
void fs_nodes_identify(struct fs_nodes *nodes, struct fs_node *node,
                       const struct fs_identity *identity);

/** fs_nodes_reset() - Forget all nodes but the root. Their numbers are not used again. */
void fs_nodes_reset(struct fs_nodes *nodes);

/**
 * fs_nodes_get() - Find a node by its number in the protocol.
 *
 * Return: the node, or NULL: there is none, or the guest has forgotten it.
 */
struct fs_node *fs_nodes_get(struct fs_nodes *nodes, uint64_t number);

/** fs_nodes_number() - The number by which the guest knows a node. */
uint64_t fs_nodes_number(const struct fs_nodes *nodes, const struct fs_node *node);

/**
 * fs_nodes_find() - Find the node of a file.
 *
 * A node that was another file with the same inode number is made an orphan on the way.
 *
 * Return: the node, or NULL.
 */
struct fs_node *fs_nodes_find(struct fs_nodes *nodes, const struct fs_identity *identity);

/**
 * fs_nodes_enter() - Count a lookup of a file, and make its node if there is none.
 * @parent: where it was found
 * @name:   1 to FS_NAME_MAX bytes; need not end with NUL
 *
 * Return: 0 and @entered, -ENFILE if the table is full, -ESTALE if @parent is below the file.
 */
int fs_nodes_enter(struct fs_nodes *nodes, struct fs_node *parent, const char *name, size_t length,
                   const struct fs_identity *identity, struct fs_node **entered);

/** fs_nodes_is_at() - Whether this is the place of a node. */
bool fs_nodes_is_at(const struct fs_nodes *nodes, const struct fs_node *node,
                    const struct fs_node *parent, const char *name, size_t length);

/**
 * fs_nodes_move() - Change the place of a node. A pin is no longer needed then.
 *
 * Return: 0, or -ESTALE if @parent is below the node.
 */
int fs_nodes_move(struct fs_nodes *nodes, struct fs_node *node, struct fs_node *parent,
                  const char *name, size_t length);

/** fs_nodes_orphan() - A node's place is gone. */
void fs_nodes_orphan(struct fs_nodes *nodes, struct fs_node *node);

/** fs_nodes_forget() - Take back lookups; the last one frees the node. More than were given are
 * that many. */
void fs_nodes_forget(struct fs_nodes *nodes, struct fs_node *node, uint64_t lookups);

/**
 * fs_nodes_path() - Put together the path of a node's place.
 * @path: filled, ends with NUL; "." for the root
 *
 * Return: 0, -ESTALE for an orphan or what is below one, -ENAMETOOLONG.
 */
int fs_nodes_path(const struct fs_nodes *nodes, const struct fs_node *node, char *path,
                  size_t size);

/**
 * fs_nodes_pin() - Keep a descriptor for a node until it is forgotten or others need the room.
 * @fd: belongs to the nodes now; replaces one that the node had
 */
void fs_nodes_pin(struct fs_nodes *nodes, struct fs_node *node, int fd, bool is_readable);

/**
 * fs_nodes_pinned() - The descriptor kept for a node.
 * @readable: only one that was opened for reading
 *
 * Return: a descriptor that stays the nodes', or -1.
 */
int fs_nodes_pinned(struct fs_nodes *nodes, const struct fs_node *node, bool readable);

#endif
