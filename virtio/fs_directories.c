/* SPDX-License-Identifier: Apache-2.0 */
/* FUSE requests that list directories: OPENDIR, READDIR, READDIRPLUS. */
#include "virtio/fs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* #syscalls:share getdents64 lseek */

/* As getdents64(2) has it. */
struct record {
	uint64_t inode;
	int64_t offset; /* of the next */
	uint16_t length;
	uint8_t type;
	char name[];
};

/* Where in the answer the next entry goes. */
struct listing {
	unsigned char *at;
	size_t room;
	struct fs_node *directory; /* NULL for names alone */
	int fd;
};

ssize_t fs_op_opendir(struct fs_server *server, struct fs_request *request)
{
	struct fuse_open_out *out = request->body;
	uint64_t fh;
	int result;

	if (request->node->identity.type != S_IFDIR)
		return -ENOTDIR;
	result = fs_open_node(server, request->node, O_RDONLY | O_DIRECTORY);
	if (result < 0)
		return result;
	result = fs_handle_new(server, request->header.nodeid, result, O_RDONLY, &fh);
	if (result)
		return result;
	*out = (struct fuse_open_out){.fh = fh};
	return sizeof *out;
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* What cannot be looked up is listed without attributes. */
static void fill_entry(struct fs_server *server, const struct listing *listing,
                       const struct record *record, size_t length, struct fuse_entry_out *entry)
{
	struct statx status;

	if (!is_dot(record->name) && fs_status_at(listing->fd, record->name, &status) == 0 &&
	    fs_answer_entry(server, listing->directory, record->name, length, &status, entry) > 0)
		return;
	*entry = (struct fuse_entry_out){
	        .attr = {.ino = record->inode, .mode = (uint32_t)record->type << 12}};
}

static bool add_entry(struct fs_server *server, struct listing *listing,
                      const struct record *record)
{
	size_t length = strlen(record->name);
	size_t head = listing->directory ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;
	size_t size = FUSE_REC_ALIGN(head + length);
	struct fuse_dirent *entry;

	if (length > FS_NAME_MAX)
		return true;
	if (size > listing->room)
		return false;
	memset(listing->at, 0, size);
	if (listing->directory)
		fill_entry(server, listing, record, length,
		           (struct fuse_entry_out *)(void *)listing->at);
	entry = (struct fuse_dirent *)(void *)(listing->at + head - FUSE_NAME_OFFSET);
	*entry = (struct fuse_dirent){
	        .ino = record->inode,
	        .off = (uint64_t)record->offset,
	        .namelen = (uint32_t)length,
	        .type = record->type,
	};
	memcpy(entry->name, record->name, length);
	listing->at += size;
	listing->room -= size;
	return true;
}

/*
 * Entries from the kernel, until the answer is full. The guest comes back with the offset of the
 * last entry that it got, so those that were read in vain are read again: hence not more of them
 * than are likely to fit.
 */
static int add_entries(struct fs_server *server, struct listing *listing)
{
	char *buffer = server->state->entries;
	size_t size = listing->room / (listing->directory ? 4 : 1);

	if (size > sizeof server->state->entries)
		size = sizeof server->state->entries;
	if (size < sizeof(struct record) + FS_NAME_MAX + 8)
		size = sizeof(struct record) + FS_NAME_MAX + 8;
	for (;;) {
		long length = syscall(SYS_getdents64, listing->fd, buffer, size);

		if (length <= 0)
			return length ? fs_errno() : 0;
		for (long at = 0; at < length;) {
			const struct record *record = (const void *)(buffer + at);

			if (!add_entry(server, listing, record))
				return 0;
			at += record->length;
		}
	}
}

static ssize_t list(struct fs_server *server, struct fs_request *request, bool has_attributes)
{
	const struct fuse_read_in *in = request->args;
	struct fs_handle *handle =
	        in->fh ? fs_handle_get(server, request->header.nodeid, in->fh) : NULL;
	unsigned char *start = request->body;
	struct listing listing = {.at = start, .room = request->room};
	int result;

	if (listing.room > in->size)
		listing.room = in->size;
	if (listing.room > FS_ANSWER_MAX)
		listing.room = FS_ANSWER_MAX;
	if (has_attributes)
		listing.directory = request->node;
	if (in->fh)
		listing.fd = handle ? handle->fd : -EBADF;
	else
		listing.fd = request->node
		                     ? fs_open_node(server, request->node, O_RDONLY | O_DIRECTORY)
		                     : -ESTALE;
	if (listing.fd < 0)
		return listing.fd;
	if (lseek(listing.fd, (off_t)in->offset, SEEK_SET) < 0)
		result = fs_errno();
	else
		result = add_entries(server, &listing);
	if (!in->fh)
		close(listing.fd);
	/* An error after some entries comes up again when the guest asks for the next. */
	return listing.at > start ? listing.at - start : result;
}

ssize_t fs_op_readdir(struct fs_server *server, struct fs_request *request)
{
	return list(server, request, false);
}

ssize_t fs_op_readdirplus(struct fs_server *server, struct fs_request *request)
{
	return list(server, request, true);
}
