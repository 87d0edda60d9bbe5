/* SPDX-License-Identifier: Apache-2.0 */
/* The node table: identities in a hash, places in a tree, names in arrays, and a few pins. */
#include "virtio/fs_nodes.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUCKETS (1u << 16)
#define SLOTS   (FS_NODES_MAX + 1) /* index 0 is none */

static const uint16_t class_size[FS_NAME_CLASSES] = {32, 64, 128, 256};

static char *name_of(const struct fs_nodes *nodes, const struct fs_node *node)
{
	size_t index = (size_t)(node - nodes->table);
	unsigned int class = 0;

	while (node->name_length > class_size[class])
		class ++;
	return nodes->names[class] + index * class_size[class];
}

int fs_nodes_open(struct fs_nodes *nodes, const struct fs_identity *root)
{
	size_t table = SLOTS * sizeof *nodes->table, size = table + BUCKETS * sizeof(uint32_t);
	char *memory;

	for (unsigned int i = 0; i < FS_NAME_CLASSES; i++)
		size += (size_t)SLOTS * class_size[i];
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
	              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -1;
	*nodes = (struct fs_nodes){.memory = memory, .used = FS_NODE_ROOT};
	nodes->table = (struct fs_node *)(void *)memory;
	nodes->buckets = (uint32_t *)(void *)(memory + table);
	memory = (char *)(nodes->buckets + BUCKETS);
	for (unsigned int i = 0; i < FS_NAME_CLASSES; i++) {
		nodes->names[i] = memory;
		memory += (size_t)SLOTS * class_size[i];
	}
	nodes->table[FS_NODE_ROOT] = (struct fs_node){.identity = *root, .is_used = true};
	return 0;
}

static size_t memory_size(const struct fs_nodes *nodes)
{
	const char *last = nodes->names[FS_NAME_CLASSES - 1];

	return (size_t)(last - (const char *)nodes->memory) +
	       (size_t)SLOTS * class_size[FS_NAME_CLASSES - 1];
}

/* ---- pins ---- */

static void unpin(struct fs_nodes *nodes, struct fs_node *node)
{
	struct fs_pin *pin;

	if (!node->pin)
		return;
	pin = &nodes->pins[node->pin - 1];
	close(pin->fd);
	*pin = (struct fs_pin){0};
	node->pin = 0;
}

static struct fs_pin *longest_unused(struct fs_nodes *nodes)
{
	struct fs_pin *oldest = nodes->pins;

	for (struct fs_pin *pin = nodes->pins; pin < nodes->pins + FS_PINS; pin++) {
		if (pin->used < oldest->used)
			oldest = pin;
	}
	return oldest;
}

void fs_nodes_pin(struct fs_nodes *nodes, struct fs_node *node, int fd, bool is_readable)
{
	struct fs_pin *pin;

	unpin(nodes, node);
	pin = longest_unused(nodes);
	if (pin->used)
		unpin(nodes, &nodes->table[pin->node]);
	*pin = (struct fs_pin){
	        .used = ++nodes->clock,
	        .node = (uint32_t)(node - nodes->table),
	        .fd = fd,
	        .is_readable = is_readable,
	};
	node->pin = (uint16_t)(pin - nodes->pins + 1);
}

int fs_nodes_pinned(struct fs_nodes *nodes, const struct fs_node *node, bool readable)
{
	struct fs_pin *pin;

	if (!node->pin)
		return -1;
	pin = &nodes->pins[node->pin - 1];
	if (readable && !pin->is_readable)
		return -1;
	pin->used = ++nodes->clock;
	return pin->fd;
}

/* ---- identities ---- */

/* Inode numbers that follow one another go to buckets that do. */
static uint32_t *bucket_of(const struct fs_nodes *nodes, const struct fs_identity *identity)
{
	return &nodes->buckets[(identity->inode ^ identity->inode >> 32 ^ identity->device * 31) %
	                       BUCKETS];
}

static void unhash(struct fs_nodes *nodes, struct fs_node *node)
{
	uint32_t *link = bucket_of(nodes, &node->identity);

	if (!node->is_hashed)
		return;
	while (&nodes->table[*link] != node)
		link = &nodes->table[*link].next;
	*link = node->next;
	node->is_hashed = false;
}

static void hash(struct fs_nodes *nodes, struct fs_node *node)
{
	uint32_t *bucket = bucket_of(nodes, &node->identity);

	node->next = *bucket;
	*bucket = (uint32_t)(node - nodes->table);
	node->is_hashed = true;
}

struct fs_node *fs_nodes_find(struct fs_nodes *nodes, const struct fs_identity *identity)
{
	struct fs_node *root = &nodes->table[FS_NODE_ROOT];
	uint32_t index = *bucket_of(nodes, identity);

	if (root->identity.inode == identity->inode && root->identity.device == identity->device)
		return root;
	for (; index; index = nodes->table[index].next) {
		struct fs_node *node = &nodes->table[index];

		if (fs_identity_is_same(&node->identity, identity))
			return node;
		if (node->identity.inode != identity->inode ||
		    node->identity.device != identity->device)
			continue;
		/* Its file is gone, and a new one has the number. */
		unhash(nodes, node);
		fs_nodes_orphan(nodes, node);
		return NULL;
	}
	return NULL;
}

/* ---- places ---- */

static struct fs_node *parent_of(const struct fs_nodes *nodes, const struct fs_node *node)
{
	return node->parent ? &nodes->table[node->parent] : NULL;
}

/* Free a node that neither the guest nor a child needs, and then perhaps its parent. */
static void release(struct fs_nodes *nodes, struct fs_node *node)
{
	while (node && node != &nodes->table[FS_NODE_ROOT] && !node->lookups && !node->children) {
		struct fs_node *parent = parent_of(nodes, node);
		uint32_t generation = node->generation + 1;

		unhash(nodes, node);
		unpin(nodes, node);
		if (parent)
			parent->children--;
		*node = (struct fs_node){.generation = generation, .next = nodes->free};
		nodes->free = (uint32_t)(node - nodes->table);
		node = parent;
	}
}

void fs_nodes_orphan(struct fs_nodes *nodes, struct fs_node *node)
{
	struct fs_node *parent = parent_of(nodes, node);

	if (!parent)
		return;
	node->parent = 0;
	parent->children--;
	release(nodes, parent);
}

bool fs_nodes_is_at(const struct fs_nodes *nodes, const struct fs_node *node,
                    const struct fs_node *parent, const char *name, size_t length)
{
	return parent_of(nodes, node) == parent && node->name_length == length &&
	       memcmp(name_of(nodes, node), name, length) == 0;
}

/* Only if the host moves directories while the guest looks: places are from different times. */
static bool is_below(const struct fs_nodes *nodes, const struct fs_node *node,
                     const struct fs_node *ancestor)
{
	if (!ancestor->children)
		return false;
	for (; node; node = parent_of(nodes, node)) {
		if (node == ancestor)
			return true;
	}
	return false;
}

int fs_nodes_move(struct fs_nodes *nodes, struct fs_node *node, struct fs_node *parent,
                  const char *name, size_t length)
{
	bool was_orphan = !node->parent;

	if (node == &nodes->table[FS_NODE_ROOT] || node == parent || is_below(nodes, parent, node))
		return -ESTALE;
	parent->children++;
	fs_nodes_orphan(nodes, node);
	if (was_orphan)
		unpin(nodes, node);
	node->parent = (uint32_t)(parent - nodes->table);
	node->name_length = (uint8_t)length;
	memcpy(name_of(nodes, node), name, length);
	return 0;
}

static struct fs_node *take_slot(struct fs_nodes *nodes)
{
	struct fs_node *node;

	if (nodes->free) {
		node = &nodes->table[nodes->free];
		nodes->free = node->next;
		return node;
	}
	return nodes->used < FS_NODES_MAX ? &nodes->table[++nodes->used] : NULL;
}

int fs_nodes_enter(struct fs_nodes *nodes, struct fs_node *parent, const char *name, size_t length,
                   const struct fs_identity *identity, struct fs_node **entered)
{
	struct fs_node *node = fs_nodes_find(nodes, identity);
	int result;

	if (!node) {
		node = take_slot(nodes);
		if (!node)
			return -ENFILE;
		*node = (struct fs_node){
		        .identity = *identity, .generation = node->generation, .is_used = true};
		hash(nodes, node);
	}
	if (!fs_nodes_is_at(nodes, node, parent, name, length)) {
		result = fs_nodes_move(nodes, node, parent, name, length);
		if (result)
			return result;
	}
	node->lookups++;
	*entered = node;
	return 0;
}

int fs_nodes_path(const struct fs_nodes *nodes, const struct fs_node *node, char *path, size_t size)
{
	const struct fs_node *root = &nodes->table[FS_NODE_ROOT];
	size_t at = size;

	if (node == root) {
		memcpy(path, ".", 2);
		return 0;
	}
	/* From the end: the root is met last. */
	for (; node != root; node = parent_of(nodes, node)) {
		if (!node->parent)
			return -ESTALE;
		if (at < (size_t)node->name_length + 1)
			return -ENAMETOOLONG;
		path[at - 1] = at == size ? '\0' : '/';
		at -= node->name_length + 1u;
		memcpy(path + at, name_of(nodes, node), node->name_length);
	}
	memmove(path, path + at, size - at);
	return 0;
}

/* ---- the guest's view ---- */

uint64_t fs_nodes_number(const struct fs_nodes *nodes, const struct fs_node *node)
{
	return (uint64_t)node->generation << 32 | (uint64_t)(node - nodes->table);
}

struct fs_node *fs_nodes_get(struct fs_nodes *nodes, uint64_t number)
{
	uint32_t index = (uint32_t)number;
	struct fs_node *node;

	if (index == 0 || index > nodes->used)
		return NULL;
	node = &nodes->table[index];
	if (!node->is_used || node->generation != number >> 32)
		return NULL;
	return node->lookups || index == FS_NODE_ROOT ? node : NULL;
}

void fs_nodes_forget(struct fs_nodes *nodes, struct fs_node *node, uint64_t lookups)
{
	node->lookups -= lookups < node->lookups ? lookups : node->lookups;
	release(nodes, node);
}

void fs_nodes_reset(struct fs_nodes *nodes)
{
	for (uint32_t i = FS_NODE_ROOT + 1; i <= nodes->used; i++) {
		struct fs_node *node = &nodes->table[i];
		uint32_t generation = node->generation + node->is_used;

		if (node->is_used)
			unpin(nodes, node);
		*node = (struct fs_node){.generation = generation,
		                         .next = i < nodes->used ? i + 1 : 0};
	}
	nodes->free = nodes->used > FS_NODE_ROOT ? FS_NODE_ROOT + 1 : 0;
	unpin(nodes, &nodes->table[FS_NODE_ROOT]);
	nodes->table[FS_NODE_ROOT].children = 0;
	nodes->table[FS_NODE_ROOT].lookups = 0;
	/* Pages of a table that was never used are not there yet. */
	if (nodes->used > FS_NODE_ROOT)
		memset(nodes->buckets, 0, BUCKETS * sizeof *nodes->buckets);
}

/* ---- snapshots ---- */

const char *fs_nodes_name(const struct fs_nodes *nodes, const struct fs_node *node)
{
	return name_of(nodes, node);
}

int fs_nodes_load(struct fs_nodes *nodes, const struct fs_node_place *place)
{
	struct fs_node *node;

	if (place->index <= FS_NODE_ROOT || place->index > FS_NODES_MAX ||
	    nodes->table[place->index].is_used || !place->length || place->length > FS_NAME_MAX)
		return -1;
	node = &nodes->table[place->index];
	*node = (struct fs_node){.lookups = place->lookups,
	                         .parent = place->parent,
	                         .generation = place->generation,
	                         .identity.type = place->type,
	                         .name_length = (uint8_t)place->length,
	                         .is_used = true};
	memcpy(name_of(nodes, node), place->name, place->length);
	if (place->index > nodes->used)
		nodes->used = place->index;
	return 0;
}

/* Whether the way up from a node ends. */
static bool has_way_up(const struct fs_nodes *nodes, const struct fs_node *node)
{
	for (uint32_t steps = 0; node->parent; steps++) {
		node = &nodes->table[node->parent];
		if (steps > nodes->used)
			return false;
	}
	return true;
}

int fs_nodes_loaded(struct fs_nodes *nodes)
{
	nodes->free = 0;
	for (uint32_t i = nodes->used; i > FS_NODE_ROOT; i--) {
		struct fs_node *node = &nodes->table[i];

		if (!node->is_used) {
			node->next = nodes->free;
			nodes->free = i;
			continue;
		}
		if (node->parent > nodes->used || !nodes->table[node->parent].is_used)
			node->parent = 0;
		if (node->parent)
			nodes->table[node->parent].children++;
	}
	for (uint32_t i = FS_NODE_ROOT + 1; i <= nodes->used; i++)
		if (nodes->table[i].is_used && !has_way_up(nodes, &nodes->table[i]))
			return -1;
	return 0;
}

void fs_nodes_identify(struct fs_nodes *nodes, struct fs_node *node,
                       const struct fs_identity *identity)
{
	if (fs_nodes_find(nodes, identity))
		return;
	node->identity = *identity;
	hash(nodes, node);
}

void fs_nodes_close(struct fs_nodes *nodes)
{
	fs_nodes_reset(nodes);
	munmap(nodes->memory, memory_size(nodes));
	*nodes = (struct fs_nodes){0};
}
