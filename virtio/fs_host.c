/* SPDX-License-Identifier: Apache-2.0 */
/* From nodes to files of the host, without a step outside the shared directory. */

/*
 * How it works. A node's place is opened as a path from the root of the share, by openat2(2) with
 * RESOLVE_BENEATH, NO_SYMLINKS and NO_XDEV, so that the kernel itself refuses `..`, symbolic links
 * and other mounts, whatever happens to the tree meanwhile. It is opened with O_PATH, which touches
 * neither devices nor FIFOs, and is the node's file only if the identity is the same. What has to
 * be opened in earnest is then opened by its descriptor's name in /proc/self/fd, of which the
 * server has kept a descriptor: no second look at the path, in which something else could be by
 * now. Names that requests carry are one component, looked at in a directory reached like that.
 *
 * Owners. mote does not act for several users: all files of the guest are those of the user who
 * runs mote. The guest sees them as its root's, and those of others as nobody's, as in a user
 * namespace with one user; if mote is run by root, it sees owners as they are.
 */
#include "virtio/fs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* #syscalls:share openat openat2 statx close fchmod */

#define NOBODY 65534

int fs_errno(void)
{
	return errno == EMFILE ? -ENFILE : -errno;
}

/* ---- status ---- */

static int get_status(int fd, const char *name, int flags, struct statx *status)
{
	if (syscall(SYS_statx, fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | flags,
	            STATX_BASIC_STATS | STATX_BTIME, status))
		return fs_errno();
	return 0;
}

int fs_status(int fd, struct statx *status)
{
	return get_status(fd, "", AT_EMPTY_PATH, status);
}

int fs_status_at(int directory, const char *name, struct statx *status)
{
	int result = get_status(directory, name, 0, status);

	if (!result && (status->stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return -EXDEV;
	return result;
}

struct fs_identity fs_identity_of(const struct fs_server *server, const struct statx *status)
{
	struct fs_identity identity = {
	        .device = (uint64_t)status->stx_dev_major << 32 | status->stx_dev_minor,
	        .inode = status->stx_ino,
	        .type = status->stx_mode & S_IFMT,
	};

	if (server->state->has_birth_times && (status->stx_mask & STATX_BTIME)) {
		identity.born_seconds = status->stx_btime.tv_sec;
		identity.born_nanoseconds = status->stx_btime.tv_nsec;
	}
	return identity;
}

static uint32_t owner_for_guest(uint32_t owner, uint32_t own)
{
	if (own == 0)
		return owner;
	return owner == own ? 0 : NOBODY;
}

void fs_fill_attributes(const struct fs_server *server, const struct statx *status,
                        struct fuse_attr *attributes)
{
	*attributes = (struct fuse_attr){
	        .ino = status->stx_ino,
	        .size = status->stx_size,
	        .blocks = status->stx_blocks,
	        .atime = (uint64_t)status->stx_atime.tv_sec,
	        .mtime = (uint64_t)status->stx_mtime.tv_sec,
	        .ctime = (uint64_t)status->stx_ctime.tv_sec,
	        .atimensec = status->stx_atime.tv_nsec,
	        .mtimensec = status->stx_mtime.tv_nsec,
	        .ctimensec = status->stx_ctime.tv_nsec,
	        .mode = status->stx_mode,
	        .nlink = status->stx_nlink,
	        .uid = owner_for_guest(status->stx_uid, server->user),
	        .gid = owner_for_guest(status->stx_gid, server->group),
	        /* The kernel's 32-bit device number, as in fuse.h's peers: no device is opened. */
	        .rdev = (status->stx_rdev_minor & 0xff) | status->stx_rdev_major << 8 |
	                (status->stx_rdev_minor & ~0xffu) << 12,
	        .blksize = status->stx_blksize,
	};
}

uint64_t fs_lifetime(const struct fs_server *server)
{
	return server->cache == FS_CACHE_AUTO ? 1 : 0;
}

ssize_t fs_answer_entry(struct fs_server *server, struct fs_node *parent, const char *name,
                        size_t length, const struct statx *status, struct fuse_entry_out *entry)
{
	struct fs_identity identity = fs_identity_of(server, status);
	struct fs_node *node;
	int result = fs_nodes_enter(&server->state->nodes, parent, name, length, &identity, &node);

	if (result)
		return result;
	*entry = (struct fuse_entry_out){
	        .nodeid = fs_nodes_number(&server->state->nodes, node),
	        .entry_valid = fs_lifetime(server),
	        .attr_valid = fs_lifetime(server),
	};
	fs_fill_attributes(server, status, &entry->attr);
	return sizeof *entry;
}

/* ---- reaching ---- */

static int open_how(int directory, const char *path, uint64_t flags, uint32_t mode)
{
	struct open_how how = {
	        .flags = flags | O_CLOEXEC | O_NOFOLLOW,
	        .mode = mode,
	        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
	                   RESOLVE_NO_XDEV,
	};
	long fd = syscall(SYS_openat2, directory, path, &how, sizeof how);

	return fd < 0 ? fs_errno() : (int)fd;
}

int fs_open_at(int directory, const char *name, uint64_t flags, uint32_t mode)
{
	return open_how(directory, name, flags, mode);
}

/* A place that cannot be gone to is no longer the node's. */
static int open_place(struct fs_server *server, const struct fs_node *node)
{
	struct fs_state *state = server->state;
	int result = fs_nodes_path(&state->nodes, node, state->path, sizeof state->path);

	if (result)
		return result;
	result = open_how(server->root, state->path, O_PATH, 0);
	switch (result) {
	case -ENOENT:
	case -ENOTDIR:
	case -ELOOP:
	case -EXDEV: return -ESTALE;
	}
	return result;
}

static bool is_of_node(const struct fs_server *server, const struct statx *status,
                       const struct fs_node *node)
{
	struct fs_identity identity = fs_identity_of(server, status);

	return fs_identity_is_same(&identity, &node->identity);
}

/*
 * Of a node that has a place the pin is not asked: the host may have moved the file out of the
 * share.
 */
int fs_reach(struct fs_server *server, struct fs_node *node, struct fs_reached *reached)
{
	struct fs_nodes *nodes = &server->state->nodes;
	bool is_orphan = !node->parent && node != &nodes->table[FS_NODE_ROOT];
	int result;

	*reached = FS_NOT_REACHED;
	result = is_orphan ? fs_nodes_pinned(nodes, node, false) : open_place(server, node);
	if (result < 0)
		return is_orphan ? -ESTALE : result;
	reached->fd = result;
	reached->is_borrowed = is_orphan;
	result = fs_status(reached->fd, &reached->status);
	if (!result && !is_of_node(server, &reached->status, node))
		result = -ESTALE;
	if (result)
		fs_let_go(reached);
	return result;
}

int fs_reach_by(struct fs_server *server, struct fs_request *request, uint64_t fh,
                struct fs_reached *reached)
{
	struct fs_handle *handle;

	*reached = FS_NOT_REACHED;
	if (!fh)
		return request->node ? fs_reach(server, request->node, reached) : -ESTALE;
	handle = fs_handle_get(server, request->header.nodeid, fh);
	if (!handle)
		return -EBADF;
	reached->fd = handle->fd;
	reached->is_borrowed = true;
	return fs_status(handle->fd, &reached->status);
}

int fs_reach_directory(struct fs_server *server, struct fs_node *node, struct fs_reached *reached)
{
	*reached = FS_NOT_REACHED;
	if (node->identity.type != S_IFDIR)
		return -ENOTDIR;
	return fs_reach(server, node, reached);
}

void fs_let_go(struct fs_reached *reached)
{
	if (reached->fd >= 0 && !reached->is_borrowed)
		close(reached->fd);
	*reached = FS_NOT_REACHED;
}

const char *fs_proc_name(int fd, char name[static 12])
{
	char *at = name + 11;

	*at = '\0';
	do {
		*--at = (char)('0' + fd % 10);
		fd /= 10;
	} while (fd);
	return at;
}

static void drop_privileges_of_file(int fd, const struct statx *status)
{
	unsigned int bits = status->stx_mode & (S_ISUID | S_ISGID);

	/* Whoever is not the owner leaves it to the kernel, which does it at the first write. */
	if (bits && S_ISREG(status->stx_mode))
		fchmod(fd, status->stx_mode & 07777 & ~bits);
}

int fs_open_file(struct fs_server *server, const struct fs_reached *reached, int flags)
{
	bool is_changing = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
	char name[12];
	int fd;

	if (!S_ISREG(reached->status.stx_mode) && !S_ISDIR(reached->status.stx_mode))
		return S_ISLNK(reached->status.stx_mode) ? -ELOOP : -ENXIO;
	if (is_changing && server->is_read_only)
		return -EROFS;
	fd = openat(server->proc, fs_proc_name(reached->fd, name), flags | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return fs_errno();
	if (is_changing)
		drop_privileges_of_file(fd, &reached->status);
	return fd;
}

int fs_open_node(struct fs_server *server, struct fs_node *node, int flags)
{
	struct fs_reached reached;
	int result = fs_reach(server, node, &reached);

	if (result)
		return result;
	result = fs_open_file(server, &reached, flags);
	fs_let_go(&reached);
	return result;
}

int fs_borrow(struct fs_server *server, struct fs_request *request, uint64_t fh)
{
	struct fs_nodes *nodes = &server->state->nodes;
	struct fs_handle *handle;
	int fd;

	if (fh) {
		handle = fs_handle_get(server, request->header.nodeid, fh);
		return handle ? handle->fd : -EBADF;
	}
	if (!request->node)
		return -ESTALE;
	fd = fs_nodes_pinned(nodes, request->node, true);
	if (fd >= 0)
		return fd;
	fd = fs_open_node(server, request->node, O_RDONLY);
	if (fd >= 0)
		fs_nodes_pin(nodes, request->node, fd, true);
	return fd;
}

/* ---- handles ---- */

int fs_handle_new(struct fs_server *server, uint64_t node, int fd, int flags, uint64_t *fh)
{
	struct fs_state *state = server->state;
	uint32_t index = state->handles_free;
	struct fs_handle *handle;

	if (index) {
		state->handles_free = state->handles[index - 1].next_free;
	} else if (state->handles_used < FS_HANDLES_MAX) {
		index = ++state->handles_used;
	} else {
		close(fd);
		return -ENFILE;
	}
	handle = &state->handles[index - 1];
	handle->fd = fd;
	handle->node = node;
	handle->flags = (uint32_t)flags;
	handle->is_locked = false;
	handle->is_used = true;
	*fh = (uint64_t)handle->generation << 32 | index;
	return 0;
}

struct fs_handle *fs_handle_find(struct fs_server *server, uint64_t node, uint64_t fh)
{
	struct fs_state *state = server->state;
	uint32_t index = (uint32_t)fh;
	struct fs_handle *handle;

	if (index == 0 || index > state->handles_used)
		return NULL;
	handle = &state->handles[index - 1];
	if (!handle->is_used || handle->generation != fh >> 32 || handle->node != node)
		return NULL;
	return handle;
}

struct fs_handle *fs_handle_get(struct fs_server *server, uint64_t node, uint64_t fh)
{
	struct fs_handle *handle = fs_handle_find(server, node, fh);

	if (!handle || handle->fd >= 0)
		return handle;
	server->state->met_stale_handle = true;
	return NULL;
}

int fs_handle_load(struct fs_server *server, uint64_t fh, const struct fs_handle *handle)
{
	struct fs_state *state = server->state;
	uint32_t index = (uint32_t)fh;

	if (index == 0 || index > FS_HANDLES_MAX || state->handles[index - 1].is_used) {
		if (handle->fd >= 0)
			close(handle->fd);
		return -1;
	}
	state->handles[index - 1] = *handle;
	state->handles[index - 1].generation = (uint32_t)(fh >> 32);
	state->handles[index - 1].is_used = true;
	if (index > state->handles_used)
		state->handles_used = index;
	return 0;
}

void fs_handles_loaded(struct fs_server *server)
{
	struct fs_state *state = server->state;

	state->handles_free = 0;
	for (uint32_t index = state->handles_used; index; index--) {
		if (state->handles[index - 1].is_used)
			continue;
		state->handles[index - 1].next_free = state->handles_free;
		state->handles_free = index;
	}
}

void fs_handle_free(struct fs_server *server, struct fs_handle *handle)
{
	struct fs_state *state = server->state;

	if (handle->fd >= 0)
		close(handle->fd);
	handle->is_used = false;
	handle->generation++;
	handle->next_free = state->handles_free;
	state->handles_free = (uint32_t)(handle - state->handles) + 1;
}

void fs_handles_reset(struct fs_server *server)
{
	struct fs_state *state = server->state;

	for (uint32_t i = 0; i < state->handles_used; i++) {
		if (state->handles[i].is_used)
			fs_handle_free(server, &state->handles[i]);
	}
}
