/* SPDX-License-Identifier: Apache-2.0 */
/* FUSE requests that find files and ask of them: LOOKUP, GETATTR, READLINK, ACCESS, STATFS. */
#include "virtio/fs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* #syscalls:share readlinkat faccessat fstatfs */

ssize_t fs_op_lookup(struct fs_server *server, struct fs_request *request)
{
	struct fs_reached directory;
	struct statx status;
	const char *name;
	size_t length;
	int result = fs_take_name(request, &name, &length);

	if (!result)
		result = fs_reach_directory(server, request->node, &directory);
	if (result)
		return result;
	result = fs_status_at(directory.fd, name, &status);
	fs_let_go(&directory);
	if (result == -ENOENT && fs_lifetime(server)) {
		struct fuse_entry_out *entry = request->body;

		*entry = (struct fuse_entry_out){.entry_valid = fs_lifetime(server)};
		return sizeof *entry;
	}
	if (result)
		return result;
	return fs_answer_entry(server, request->node, name, length, &status, request->body);
}

static void forget(struct fs_server *server, uint64_t number, uint64_t lookups)
{
	struct fs_nodes *nodes = &server->state->nodes;
	struct fs_node *node = fs_nodes_get(nodes, number);

	if (!node)
		return;
	fs_nodes_forget(nodes, node, lookups);
	if (server->state->locks_used && !fs_nodes_get(nodes, number))
		fs_locks_drop(server, number, 0, true);
}

ssize_t fs_op_forget(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_forget_in *in = request->args;

	forget(server, request->header.nodeid, in->nlookup);
	return 0;
}

ssize_t fs_op_batch_forget(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_batch_forget_in *in = request->args;
	size_t count = (size_t)(request->end - request->rest) / sizeof(struct fuse_forget_one);

	if (count > in->count)
		count = in->count;
	for (size_t i = 0; i < count; i++, request->rest += sizeof(struct fuse_forget_one)) {
		struct fuse_forget_one one;

		memcpy(&one, request->rest, sizeof one);
		forget(server, one.nodeid, one.nlookup);
	}
	return 0;
}

ssize_t fs_op_getattr(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_getattr_in *in = request->args;
	struct fuse_attr_out *out = request->body;
	uint64_t fh = (in->getattr_flags & FUSE_GETATTR_FH) ? in->fh : 0;
	struct fs_reached reached;
	int result = fs_reach_by(server, request, fh, &reached);

	if (result)
		return result;
	*out = (struct fuse_attr_out){.attr_valid = fs_lifetime(server)};
	fs_fill_attributes(server, &reached.status, &out->attr);
	fs_let_go(&reached);
	return sizeof *out;
}

ssize_t fs_op_readlink(struct fs_server *server, struct fs_request *request)
{
	size_t room = request->room < PATH_MAX ? request->room : PATH_MAX;
	struct fs_reached reached;
	ssize_t length;

	if (request->node->identity.type != S_IFLNK)
		return -EINVAL;
	length = fs_reach(server, request->node, &reached);
	if (length)
		return length;
	length = readlinkat(reached.fd, "", request->body, room);
	if (length < 0)
		length = fs_errno();
	fs_let_go(&reached);
	return length;
}

ssize_t fs_op_access(struct fs_server *server, struct fs_request *request)
{
	const struct fuse_access_in *in = request->args;
	struct fs_reached reached;
	char name[12];
	int result;

	if (in->mask & ~(uint32_t)(R_OK | W_OK | X_OK))
		return -EINVAL;
	result = fs_reach(server, request->node, &reached);
	if (result)
		return result;
	if ((in->mask & W_OK) && server->is_read_only)
		result = -EROFS;
	else if (!S_ISLNK(reached.status.stx_mode) &&
	         syscall(SYS_faccessat, server->proc, fs_proc_name(reached.fd, name), in->mask))
		result = fs_errno();
	fs_let_go(&reached);
	return result;
}

ssize_t fs_op_statfs(struct fs_server *server, struct fs_request *request)
{
	struct fuse_statfs_out *out = request->body;
	struct statfs statfs;

	if (fstatfs(server->root, &statfs))
		return fs_errno();
	*out = (struct fuse_statfs_out){
	        .st =
	                {
	                        .blocks = statfs.f_blocks,
	                        .bfree = statfs.f_bfree,
	                        .bavail = statfs.f_bavail,
	                        .files = statfs.f_files,
	                        .ffree = statfs.f_ffree,
	                        .bsize = (uint32_t)statfs.f_bsize,
	                        .namelen = FS_NAME_MAX,
	                        .frsize = (uint32_t)statfs.f_frsize,
	                },
	};
	return sizeof *out;
}
