/* SPDX-License-Identifier: Apache-2.0 */
/* FUSE requests that make, remove and rename names in directories. */

/*
 * Names are changed first and places of nodes after that, so a request that fails has changed
 * neither. A host process that changes the same names in between can make a node's place wrong,
 * which is noticed when it is next gone to.
 */
#include "virtio/fs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* #syscalls:share symlinkat mkdirat unlinkat renameat2 linkat */

/* A name in a directory that was reached. */
struct place {
	struct fs_node *node; /* of the directory */
	struct fs_reached directory;
	const char *name;
	size_t length;
};

#define NO_PLACE ((struct place){.directory = {.fd = -1}})

/* Take the next name of a request as one in a directory. */
static int take_place(struct fs_server *server, struct fs_request *request,
                      struct fs_node *directory, struct place *place)
{
	int result = fs_take_name(request, &place->name, &place->length);

	if (!result && !directory)
		result = -ESTALE;
	if (!result)
		result = fs_reach_directory(server, directory, &place->directory);
	place->node = directory;
	return result;
}

/* The answer of whatever has made a name. */
static ssize_t answer_made(struct fs_server *server, struct fs_request *request,
                           const struct place *place, int failed)
{
	struct statx status;
	int result = failed ? fs_errno() : fs_status_at(place->directory.fd, place->name, &status);

	if (result)
		return result;
	return fs_answer_entry(server, place->node, place->name, place->length, &status,
	                       request->body);
}

ssize_t fs_op_symlink(struct fs_server *server, struct fs_request *request)
{
	struct place place = NO_PLACE;
	const char *target;
	size_t length;
	ssize_t result = take_place(server, request, request->node, &place);

	if (!result)
		result = fs_take_string(request, &target, &length);
	if (!result)
		result = answer_made(server, request, &place,
		                     symlinkat(target, place.directory.fd, place.name));
	fs_let_go(&place.directory);
	return result;
}

/* Only regular files: what else has a name in a directory is between processes of one machine. */
ssize_t fs_op_mknod(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_mknod_in *in = request->args;
	struct place place = NO_PLACE;
	ssize_t result;
	int fd;

	if (((in->mode & S_IFMT) && !S_ISREG(in->mode)) || (in->mode & (S_ISUID | S_ISGID)))
		return -EPERM;
	result = take_place(server, request, request->node, &place);
	if (!result) {
		fd = fs_open_at(place.directory.fd, place.name, O_WRONLY | O_CREAT | O_EXCL,
		                in->mode & (S_ISVTX | 0777));
		if (fd >= 0)
			close(fd);
		result = fd < 0 ? fd : answer_made(server, request, &place, 0);
	}
	fs_let_go(&place.directory);
	return result;
}

ssize_t fs_op_mkdir(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_mkdir_in *in = request->args;
	struct place place = NO_PLACE;
	ssize_t result = take_place(server, request, request->node, &place);

	if (!result)
		result = answer_made(
		        server, request, &place,
		        mkdirat(place.directory.fd, place.name, in->mode & (S_ISVTX | 0777)));
	fs_let_go(&place.directory);
	return result;
}

ssize_t fs_op_link(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_link_in *in = request->args;
	struct fs_node *node = fs_nodes_get(&server->state->nodes, in->oldnodeid);
	struct fs_reached old = FS_NOT_REACHED;
	struct place place = NO_PLACE;
	char name[12];
	ssize_t result;

	if (!node)
		return -ESTALE;
	result = fs_reach(server, node, &old);
	if (!result)
		result = take_place(server, request, request->node, &place);
	if (!result && S_ISDIR(old.status.stx_mode))
		result = -EPERM;
	if (!result)
		result = answer_made(server, request, &place,
		                     linkat(server->proc, fs_proc_name(old.fd, name),
		                            place.directory.fd, place.name, AT_SYMLINK_FOLLOW));
	fs_let_go(&place.directory);
	fs_let_go(&old);
	return result;
}

/* ---- removing and renaming ---- */

/*
 * The node of a name, if there is one and this is its place. It stays one until put_node(), even
 * if another's look at the table lets go of it.
 */
static struct fs_node *node_at(struct fs_server *server, const struct place *place)
{
	struct fs_nodes *nodes = &server->state->nodes;
	struct fs_identity identity;
	struct fs_node *node;
	struct statx status;

	if (fs_status_at(place->directory.fd, place->name, &status))
		return NULL;
	identity = fs_identity_of(server, &status);
	node = fs_nodes_find(nodes, &identity);
	if (!node || !fs_nodes_is_at(nodes, node, place->node, place->name, place->length))
		return NULL;
	node->lookups++;
	return node;
}

static void put_node(struct fs_server *server, struct fs_node *node)
{
	if (node)
		fs_nodes_forget(&server->state->nodes, node, 1);
}

/*
 * Before a name goes: open what must live on when it is gone. A descriptor too few is not worth an
 * error; the node will be stale.
 */
static int open_orphan(struct fs_server *server, const struct fs_node *node,
                       const struct place *place)
{
	struct fs_identity identity;
	struct statx status;
	int fd;

	if (!node)
		return -1;
	fd = fs_open_at(place->directory.fd, place->name, O_PATH, 0);
	if (fd < 0)
		return -1;
	if (fs_status(fd, &status) == 0) {
		identity = fs_identity_of(server, &status);
		if (fs_identity_is_same(&identity, &node->identity))
			return fd;
	}
	close(fd);
	return -1;
}

static void make_orphan(struct fs_server *server, struct fs_node *node, int fd)
{
	struct fs_nodes *nodes = &server->state->nodes;

	if (fd >= 0)
		fs_nodes_pin(nodes, node, fd, false);
	if (node)
		fs_nodes_orphan(nodes, node);
}

static ssize_t remove_name(struct fs_server *server, struct fs_request *request, int flags)
{
	struct place place = NO_PLACE;
	ssize_t result = take_place(server, request, request->node, &place);
	struct fs_node *node;
	int fd;

	if (result)
		return result;
	node = node_at(server, &place);
	fd = open_orphan(server, node, &place);
	if (unlinkat(place.directory.fd, place.name, flags)) {
		result = fs_errno();
		if (fd >= 0)
			close(fd);
	} else {
		make_orphan(server, node, fd);
	}
	put_node(server, node);
	fs_let_go(&place.directory);
	return result;
}

ssize_t fs_op_unlink(struct fs_server *server, struct fs_request *request)
{
	return remove_name(server, request, 0);
}

ssize_t fs_op_rmdir(struct fs_server *server, struct fs_request *request)
{
	return remove_name(server, request, AT_REMOVEDIR);
}

static int move_name(struct fs_server *server, const struct place *from, const struct place *to,
                     uint32_t flags)
{
	struct fs_nodes *nodes = &server->state->nodes;
	struct fs_node *moved = node_at(server, from), *replaced = node_at(server, to);
	/* A name that is given its own name stays. */
	bool is_one = moved && moved == replaced;
	int result = 0, fd = -1;

	if (!(flags & RENAME_EXCHANGE) && !is_one)
		fd = open_orphan(server, replaced, to);
	if (syscall(SYS_renameat2, from->directory.fd, from->name, to->directory.fd, to->name,
	            flags)) {
		result = fs_errno();
		if (fd >= 0)
			close(fd);
	} else if (!is_one) {
		if (!(flags & RENAME_EXCHANGE))
			make_orphan(server, replaced, fd);
		else if (replaced)
			fs_nodes_move(nodes, replaced, from->node, from->name, from->length);
		if (moved)
			fs_nodes_move(nodes, moved, to->node, to->name, to->length);
	}
	put_node(server, moved);
	put_node(server, replaced);
	return result;
}

static ssize_t rename_by(struct fs_server *server, struct fs_request *request, uint64_t directory,
                         uint32_t flags)
{
	struct place from = NO_PLACE, to = NO_PLACE;
	ssize_t result;

	if (flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	result = take_place(server, request, request->node, &from);
	if (!result)
		result = take_place(server, request, fs_nodes_get(&server->state->nodes, directory),
		                    &to);
	if (!result)
		result = move_name(server, &from, &to, flags);
	fs_let_go(&to.directory);
	fs_let_go(&from.directory);
	return result;
}

ssize_t fs_op_rename(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_rename_in *in = request->args;

	return rename_by(server, request, in->newdir, 0);
}

ssize_t fs_op_rename2(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_rename2_in *in = request->args;

	return rename_by(server, request, in->newdir, in->flags);
}
