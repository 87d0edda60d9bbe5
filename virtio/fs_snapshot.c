/* SPDX-License-Identifier: Apache-2.0 */
/* What the server of a share knows, in a snapshot. */
#include "virtio/fs_snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "virtio/fs_internal.h"
#include "vmm/console.h"

#define NODES_MAX 16384u /* nodes beyond these are stale after a restore */

/* A header, nodes, handles, and names one behind the other. */
struct saved_server {
	uint32_t nodes, handles;
	uint64_t names_size;
	uint64_t root_device, root_inode;
};

struct saved_node {
	uint32_t index, generation, parent, type;
	uint64_t lookups;
	uint64_t device, inode; /* of its file: see struct fs_identity */
	int64_t born_seconds;
	uint32_t born_nanoseconds;
	uint32_t name_length;
};

struct saved_handle {
	uint64_t fh, node;
	uint32_t flags, reserved;
};

_Static_assert(sizeof(struct saved_server) == 32 && sizeof(struct saved_node) == 56 &&
                       sizeof(struct saved_handle) == 24,
               "part of the file format");

/* ---- saving ---- */

size_t fs_server_save_bound(const struct fs_server *server)
{
	(void)server;
	return sizeof(struct saved_server) + NODES_MAX * (sizeof(struct saved_node) + FS_NAME_MAX) +
	       FS_HANDLES_MAX * sizeof(struct saved_handle);
}

/* The next node behind an index that is to be saved; 0: there is none. */
static uint32_t next_node(const struct fs_nodes *nodes, uint32_t index)
{
	while (++index <= nodes->used)
		if (nodes->table[index].is_used)
			return index;
	return 0;
}

static uint32_t save_nodes(const struct fs_nodes *nodes, struct saved_node *to)
{
	uint32_t count = 0;

	for (uint32_t i = FS_NODE_ROOT; count < NODES_MAX && (i = next_node(nodes, i)); count++) {
		const struct fs_node *node = &nodes->table[i];

		to[count] = (struct saved_node){.index = i,
		                                .generation = node->generation,
		                                .parent = node->parent,
		                                .type = node->identity.type,
		                                .lookups = node->lookups,
		                                .device = node->identity.device,
		                                .inode = node->identity.inode,
		                                .born_seconds = node->identity.born_seconds,
		                                .born_nanoseconds = node->identity.born_nanoseconds,
		                                .name_length = node->name_length};
	}
	return count;
}

static uint32_t save_handles(const struct fs_state *state, struct saved_handle *to)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < state->handles_used; i++) {
		const struct fs_handle *handle = &state->handles[i];

		if (handle->is_used)
			to[count++] = (struct saved_handle){
			        .fh = (uint64_t)handle->generation << 32 | (i + 1),
			        .node = handle->node,
			        .flags = handle->flags};
	}
	return count;
}

size_t fs_server_save(const struct fs_server *server, void *to)
{
	const struct fs_nodes *nodes = &server->state->nodes;
	const struct fs_identity *root = &nodes->table[FS_NODE_ROOT].identity;
	struct saved_server *header = to;
	struct saved_node *saved = (struct saved_node *)(header + 1);
	struct saved_handle *handles;
	char *names;

	*header = (struct saved_server){.nodes = save_nodes(nodes, saved),
	                                .root_device = root->device,
	                                .root_inode = root->inode};
	handles = (struct saved_handle *)(saved + header->nodes);
	header->handles = save_handles(server->state, handles);
	names = (char *)(handles + header->handles);
	for (uint32_t i = 0; i < header->nodes; i++) {
		const struct fs_node *node = &nodes->table[saved[i].index];

		memcpy(names + header->names_size, fs_nodes_name(nodes, node), node->name_length);
		header->names_size += node->name_length;
	}
	return (size_t)(names - (char *)to) + header->names_size;
}

/* ---- loading ---- */

/* What the header says, in its place; all of it lies in the section. */
struct loaded {
	const struct saved_node *nodes;
	const struct saved_handle *handles;
	const char *names;
	uint32_t node_count, handle_count;
	size_t names_size;
	uint64_t root_device, root_inode;
};

static int find_parts(const void *from, size_t size, struct loaded *loaded)
{
	const struct saved_server *header = from;
	size_t fixed = sizeof *header;

	if (size < fixed || header->nodes > NODES_MAX || header->handles > FS_HANDLES_MAX)
		return -1;
	fixed += header->nodes * sizeof *loaded->nodes + header->handles * sizeof *loaded->handles;
	if (size < fixed || size - fixed < header->names_size ||
	    size - fixed - header->names_size > 7)
		return -1;
	loaded->nodes = (const struct saved_node *)(header + 1);
	loaded->handles = (const struct saved_handle *)(loaded->nodes + header->nodes);
	loaded->names = (const char *)(loaded->handles + header->handles);
	loaded->node_count = header->nodes;
	loaded->handle_count = header->handles;
	loaded->names_size = header->names_size;
	loaded->root_device = header->root_device;
	loaded->root_inode = header->root_inode;
	return 0;
}

/* As fs_take_name() has it. */
static bool is_name(const char *name, size_t length)
{
	return length && length <= FS_NAME_MAX && !memchr(name, '/', length) &&
	       !memchr(name, 0, length) && !(length == 1 && name[0] == '.') &&
	       !(length == 2 && name[0] == '.' && name[1] == '.');
}

static int load_places(struct fs_nodes *nodes, const struct loaded *loaded)
{
	size_t at = 0;

	for (uint32_t i = 0; i < loaded->node_count; i++) {
		const struct saved_node *saved = &loaded->nodes[i];
		struct fs_node_place place = {.index = saved->index,
		                              .generation = saved->generation,
		                              .parent = saved->parent,
		                              .type = saved->type & S_IFMT,
		                              .lookups = saved->lookups,
		                              .name = loaded->names + at,
		                              .length = saved->name_length};

		if (saved->name_length > loaded->names_size - at ||
		    !is_name(place.name, place.length) || fs_nodes_load(nodes, &place))
			return -1;
		at += saved->name_length;
	}
	return at == loaded->names_size ? fs_nodes_loaded(nodes) : -1;
}

/* Which file is where the node was: what has its type is taken for its file. */
static bool identify(struct fs_server *server, const struct saved_node *saved)
{
	struct fs_node *node = &server->state->nodes.table[saved->index];
	struct fs_state *state = server->state;
	struct fs_identity identity = {.type = 0};
	struct statx status;
	int fd;

	if (fs_nodes_path(&state->nodes, node, state->path, sizeof state->path))
		return false;
	fd = fs_open_at(server->root, state->path, O_PATH, 0);
	if (fd < 0)
		return false;
	if (!fs_status(fd, &status))
		identity = fs_identity_of(server, &status);
	close(fd);
	if (identity.type != node->identity.type)
		return false;
	fs_nodes_identify(&state->nodes, node, &identity);
	server->is_other |= identity.device != saved->device || identity.inode != saved->inode ||
	                    identity.born_seconds != saved->born_seconds ||
	                    identity.born_nanoseconds != saved->born_nanoseconds;
	return true;
}

static unsigned load_handles(struct fs_server *server, const struct loaded *loaded, int *status)
{
	unsigned stale = 0;

	for (uint32_t i = 0; i < loaded->handle_count && !*status; i++) {
		const struct saved_handle *saved = &loaded->handles[i];
		struct fs_node *node = fs_nodes_get(&server->state->nodes, saved->node);
		int flags = (int)saved->flags & (O_ACCMODE | O_APPEND | O_SYNC | O_DSYNC);
		struct fs_handle handle = {.node = saved->node, .fd = -1, .flags = (uint32_t)flags};

		if (node)
			handle.fd = fs_open_node(server, node, flags);
		if (handle.fd < 0) {
			handle.fd = -1;
			stale++;
		}
		*status = fs_handle_load(server, saved->fh, &handle);
	}
	fs_handles_loaded(server);
	return stale;
}

static void complain(struct fs_server *server, unsigned stale_nodes, unsigned stale_handles)
{
	char text[256];
	int length;

	if ((!stale_nodes && !stale_handles) || server->has_told_stale)
		return;
	server->has_told_stale = true;
	length = snprintf(
	        text, sizeof text,
	        "mote: share %.128s: of what the guest knew, %u files are not there and %u "
	        "open ones cannot be opened again: stale for it\n",
	        server->name, stale_nodes, stale_handles);
	console_report(text, length < (int)sizeof text ? (size_t)length : sizeof text - 1);
}

int fs_server_load(struct fs_server *server, const void *from, size_t size)
{
	struct fs_nodes *nodes = &server->state->nodes;
	const struct fs_identity *root = &nodes->table[FS_NODE_ROOT].identity;
	unsigned stale_nodes = 0, stale_handles;
	struct loaded loaded;
	int status = 0;

	if (find_parts(from, size, &loaded) || load_places(nodes, &loaded))
		return -1;
	server->is_other = root->device != loaded.root_device || root->inode != loaded.root_inode;
	for (uint32_t i = 0; i < loaded.node_count; i++)
		stale_nodes += !identify(server, &loaded.nodes[i]);
	stale_handles = load_handles(server, &loaded, &status);
	server->is_other |= stale_nodes || stale_handles;
	complain(server, stale_nodes, stale_handles);
	return status;
}

/* ---- what cannot be carried ---- */

/*
 * Whether the owner of a holder has a lock now: one that has given them all back keeps its holder.
 * A description does not see its own locks, so another one of the file is asked; without one it
 * has.
 */
/* #syscalls:share fcntl(F_OFD_GETLK) */
static bool has_locks(const struct fs_state *state, const struct fs_lock_holder *holder)
{
	for (uint32_t i = 0; i < state->handles_used; i++) {
		const struct fs_handle *handle = &state->handles[i];
		struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

		if (handle->is_used && handle->fd >= 0 && handle->node == holder->node &&
		    !fcntl(handle->fd, F_OFD_GETLK, &lock))
			return lock.l_type != F_UNLCK;
	}
	return true;
}

static unsigned count_locks(const struct fs_state *state)
{
	unsigned count = 0;

	for (size_t i = 0; state->locks_used && i < FS_LOCKS_MAX; i++)
		count += state->locks[i].node && has_locks(state, &state->locks[i]);
	return count;
}

size_t fs_server_report_ties(const struct fs_server *server, const char *place, char *text,
                             size_t size)
{
	const struct fs_state *state = server->state;
	unsigned removed = 0, locked = count_locks(state);
	size_t used = 0;
	int length;

	for (uint32_t i = 0; i < state->handles_used; i++) {
		const struct fs_handle *handle = &state->handles[i];
		const struct fs_node *node = &state->nodes.table[(uint32_t)handle->node];

		if (!handle->is_used)
			continue;
		removed += (uint32_t)handle->node != FS_NODE_ROOT && !node->parent;
		locked += handle->is_locked;
	}
	if (removed && size) {
		length = snprintf(text, size, "%u open files of the share at %s were removed\n",
		                  removed, place);
		used = (size_t)length < size ? (size_t)length : 0;
	}
	if (locked && used < size) {
		length = snprintf(text + used, size - used,
		                  "%u files of the share at %s are locked\n", locked, place);
		used += (size_t)length < size - used ? (size_t)length : 0;
	}
	return used;
}
