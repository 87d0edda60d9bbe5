/* SPDX-License-Identifier: Apache-2.0 */
/* The FUSE server: takes requests apart, checks them, and has them served. */

/*
 * How it works. A request lies in guest memory, where it may change while it is read. So header and
 * arguments are copied out once, and only the copy is looked at; the answer is put together in the
 * server's own memory and copied in at the end. The data of READ and WRITE, of which nothing
 * depends, move straight between file and guest. A table says for each operation what it needs
 * (arguments, a node, room for the answer) and whether it changes anything, so that one place
 * refuses what is short, stale, or forbidden on a read-only share; the operations are in fs_*.c by
 * family.
 *
 * What a guest cannot do: leave the directory (fs_host.c has the way it is kept in), open devices,
 * FIFOs or sockets, or make them; set set-user-id or set-group-id bits, change owners, use extended
 * attributes but user.*; follow symbolic links on the host (it is given their text, and follows
 * them itself); reach other file systems that are mounted below the directory; write to a share
 * that is read-only. What a program of the host may do to itself by following a symbolic link that
 * the guest has made in a writable share is not in the server's hands.
 */
#include "virtio/fs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "vmm/console.h"

/* ---- buffers ---- */

static size_t left_in_first(const struct fs_cursor *cursor)
{
	return cursor->vector->iov_len - cursor->skip;
}

bool fs_cursor_advance(struct fs_cursor *cursor, size_t bytes)
{
	while (cursor->count && bytes >= left_in_first(cursor)) {
		bytes -= left_in_first(cursor);
		cursor->vector++;
		cursor->count--;
		cursor->skip = 0;
	}
	cursor->skip += bytes;
	return cursor->count || bytes == 0;
}

size_t fs_cursor_read(struct fs_cursor cursor, void *to, size_t size)
{
	size_t done = 0;

	while (cursor.count && done < size) {
		size_t piece = left_in_first(&cursor);

		if (piece > size - done)
			piece = size - done;
		memcpy((char *)to + done, (const char *)cursor.vector->iov_base + cursor.skip,
		       piece);
		done += piece;
		fs_cursor_advance(&cursor, piece);
	}
	return done;
}

size_t fs_cursor_write(struct fs_cursor cursor, const void *from, size_t size)
{
	size_t done = 0;

	while (cursor.count && done < size) {
		size_t piece = left_in_first(&cursor);

		if (piece > size - done)
			piece = size - done;
		memcpy((char *)cursor.vector->iov_base + cursor.skip, (const char *)from + done,
		       piece);
		done += piece;
		fs_cursor_advance(&cursor, piece);
	}
	return done;
}

static size_t total_size(const struct iovec *vector, size_t count)
{
	size_t total = 0;

	for (size_t i = 0; i < count; i++) {
		if (__builtin_add_overflow(total, vector[i].iov_len, &total))
			return SIZE_MAX;
	}
	return total;
}

/* ---- names ---- */

int fs_take_string(struct fs_request *request, const char **string, size_t *length)
{
	size_t left = (size_t)(request->end - request->rest);

	*string = request->rest;
	*length = strnlen(request->rest, left);
	if (*length == left || *length == 0)
		return -EINVAL;
	request->rest += *length + 1;
	return 0;
}

int fs_take_name(struct fs_request *request, const char **name, size_t *length)
{
	int result = fs_take_string(request, name, length);

	if (result)
		return result;
	if (strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0 || strchr(*name, '/'))
		return -EINVAL;
	return *length > FS_NAME_MAX ? -ENAMETOOLONG : 0;
}

/* ---- the session ---- */

static ssize_t begin_session(struct fs_server *server, struct fs_request *request)
{
	const uint32_t flags = FUSE_ASYNC_READ | FUSE_POSIX_LOCKS | FUSE_ATOMIC_O_TRUNC |
	                       FUSE_BIG_WRITES | FUSE_FLOCK_LOCKS | FUSE_AUTO_INVAL_DATA |
	                       FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_PARALLEL_DIROPS |
	                       FUSE_HANDLE_KILLPRIV | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS;
	const struct fuse_init_in *in = request->args;
	struct fuse_init_out *out = request->body;

	if (in->major < 7 || (in->major == 7 && in->minor < 31))
		return -EPROTO;
	fs_server_reset(server);
	*out = (struct fuse_init_out){
	        .major = 7,
	        .minor = FUSE_KERNEL_MINOR_VERSION,
	        .max_readahead = in->max_readahead,
	        .flags = in->flags & flags,
	        .max_background = 64,
	        .congestion_threshold = 48,
	        .max_write = FS_TRANSFER_MAX,
	        .time_gran = 1,
	        .max_pages = FS_TRANSFER_MAX / 4096,
	};
	return sizeof *out;
}

static ssize_t end_session(struct fs_server *server, struct fs_request *request)
{
	(void)request;
	fs_server_reset(server);
	return 0;
}

/* ---- operations ---- */

enum {
	NEEDS_NODE = 1 << 0, /* the header's must be one that the guest knows */
	CHANGES = 1 << 1,    /* refused on a read-only share */
	NO_ANSWER = 1 << 2,
	HAS_DATA = 1 << 3, /* behind the arguments; is not copied */
};

struct operation {
	fs_operation *serve;
	uint16_t args;   /* bytes that the request must have behind its header */
	uint16_t answer; /* bytes that the answer must have room for behind its header */
	unsigned int is;
};

#define ENTRY     sizeof(struct fuse_entry_out)
#define IN(name)  sizeof(struct fuse_##name##_in)
#define OUT(name) sizeof(struct fuse_##name##_out)

static const struct operation operations[] = {
        [FUSE_LOOKUP] = {fs_op_lookup, 0, ENTRY, NEEDS_NODE},
        [FUSE_FORGET] = {fs_op_forget, IN(forget), 0, NO_ANSWER},
        [FUSE_GETATTR] = {fs_op_getattr, IN(getattr), OUT(attr), 0},
        [FUSE_SETATTR] = {fs_op_setattr, IN(setattr), OUT(attr), CHANGES},
        [FUSE_READLINK] = {fs_op_readlink, 0, 0, NEEDS_NODE},
        [FUSE_SYMLINK] = {fs_op_symlink, 0, ENTRY, NEEDS_NODE | CHANGES},
        [FUSE_MKNOD] = {fs_op_mknod, IN(mknod), ENTRY, NEEDS_NODE | CHANGES},
        [FUSE_MKDIR] = {fs_op_mkdir, IN(mkdir), ENTRY, NEEDS_NODE | CHANGES},
        [FUSE_UNLINK] = {fs_op_unlink, 0, 0, NEEDS_NODE | CHANGES},
        [FUSE_RMDIR] = {fs_op_rmdir, 0, 0, NEEDS_NODE | CHANGES},
        [FUSE_RENAME] = {fs_op_rename, IN(rename), 0, NEEDS_NODE | CHANGES},
        [FUSE_LINK] = {fs_op_link, IN(link), ENTRY, NEEDS_NODE | CHANGES},
        [FUSE_OPEN] = {fs_op_open, IN(open), OUT(open), NEEDS_NODE},
        [FUSE_READ] = {fs_op_read, IN(read), 0, 0},
        [FUSE_WRITE] = {fs_op_write, IN(write), OUT(write), CHANGES | HAS_DATA},
        [FUSE_STATFS] = {fs_op_statfs, 0, OUT(statfs), 0},
        [FUSE_RELEASE] = {fs_op_release, IN(release), 0, 0},
        [FUSE_FSYNC] = {fs_op_fsync, IN(fsync), 0, 0},
        [FUSE_SETXATTR] = {fs_op_setxattr, FUSE_COMPAT_SETXATTR_IN_SIZE, 0, NEEDS_NODE | CHANGES},
        [FUSE_GETXATTR] = {fs_op_getxattr, IN(getxattr), 0, NEEDS_NODE},
        [FUSE_LISTXATTR] = {fs_op_listxattr, IN(getxattr), 0, NEEDS_NODE},
        [FUSE_REMOVEXATTR] = {fs_op_removexattr, 0, 0, NEEDS_NODE | CHANGES},
        [FUSE_FLUSH] = {fs_op_flush, IN(flush), 0, 0},
        [FUSE_INIT] = {begin_session, IN(init), OUT(init), 0},
        [FUSE_OPENDIR] = {fs_op_opendir, IN(open), OUT(open), NEEDS_NODE},
        [FUSE_READDIR] = {fs_op_readdir, IN(read), 0, 0},
        [FUSE_RELEASEDIR] = {fs_op_release, IN(release), 0, 0},
        [FUSE_FSYNCDIR] = {fs_op_fsync, IN(fsync), 0, 0},
        [FUSE_GETLK] = {fs_op_getlk, IN(lk), OUT(lk), 0},
        [FUSE_SETLK] = {fs_op_setlk, IN(lk), 0, 0},
        [FUSE_SETLKW] = {fs_op_setlk, IN(lk), 0, 0},
        [FUSE_ACCESS] = {fs_op_access, IN(access), 0, NEEDS_NODE},
        [FUSE_CREATE] = {fs_op_create, IN(create), ENTRY + OUT(open), NEEDS_NODE | CHANGES},
        [FUSE_DESTROY] = {end_session, 0, 0, 0},
        [FUSE_BATCH_FORGET] = {fs_op_batch_forget, IN(batch_forget), 0, NO_ANSWER},
        [FUSE_FALLOCATE] = {fs_op_fallocate, IN(fallocate), 0, CHANGES},
        [FUSE_READDIRPLUS] = {fs_op_readdirplus, IN(read), 0, NEEDS_NODE},
        [FUSE_RENAME2] = {fs_op_rename2, IN(rename2), 0, NEEDS_NODE | CHANGES},
        [FUSE_LSEEK] = {fs_op_lseek, IN(lseek), OUT(lseek), 0},
        [FUSE_COPY_FILE_RANGE] = {fs_op_copy_file_range, IN(copy_file_range), OUT(write), CHANGES},
};

#define OPERATION_COUNT (sizeof operations / sizeof *operations)

/* Copy out what is to be looked at. */
static int take_arguments(struct fs_server *server, struct fs_request *request,
                          const struct operation *operation, struct fs_cursor in, size_t size)
{
	char *args = server->state->args;
	size_t length = request->header.len;
	size_t copied =
	        operation->is & HAS_DATA ? operation->args : length - sizeof request->header;

	if (length > size || length < sizeof request->header + operation->args)
		return -EINVAL;
	if (copied > FS_ARGS_MAX)
		return -E2BIG;
	fs_cursor_advance(&in, sizeof request->header);
	fs_cursor_read(in, args, copied);
	request->args = args;
	request->rest = args + operation->args;
	request->end = args + copied;
	fs_cursor_advance(&in, copied);
	request->data = in;
	request->data_size = length - sizeof request->header - copied;
	return 0;
}

static ssize_t perform(struct fs_server *server, struct fs_request *request,
                       const struct operation *operation)
{
	ssize_t result;

	if (request->room < operation->answer)
		return -EINVAL;
	request->node = fs_nodes_get(&server->state->nodes, request->header.nodeid);
	if ((operation->is & NEEDS_NODE) && !request->node)
		return -ESTALE;
	if ((operation->is & CHANGES) && server->is_read_only)
		return -EROFS;
	server->state->met_stale_handle = false;
	result = operation->serve(server, request);
	return result == -EBADF && server->state->met_stale_handle ? -ESTALE : result;
}

/* Removed by the host: nothing is found in it any more. */
static bool is_root_gone(struct fs_server *server)
{
	struct statx status;

	return fs_status(server->root, &status) == 0 && status.stx_nlink == 0;
}

/* What is not the guest's fault the host should know of, once. */
static void complain(struct fs_server *server, const struct fs_request *request, int error)
{
	const char *reason = NULL;
	char text[256];
	int length;

	if (error == ENOSPC || error == EDQUOT || error == EIO ||
	    (error == EROFS && !server->is_read_only))
		reason = strerror(error);
	else if (error == ENOENT && request->header.nodeid == FUSE_ROOT_ID && is_root_gone(server))
		reason = "the directory was removed";
	if (!reason)
		return;
	server->has_complained = true;
	length = snprintf(text, sizeof text, "mote: share %.128s: %s. The guest gets an error\n",
	                  server->name, reason);
	console_report(text, length < (int)sizeof text ? (size_t)length : sizeof text - 1);
}

static size_t answer(const struct fs_request *request, struct fs_cursor out, ssize_t result)
{
	struct fuse_out_header header = {
	        .len = (uint32_t)(sizeof header + (result > 0 ? (size_t)result : 0)),
	        .error = result < 0 ? (int32_t)result : 0,
	        .unique = request->header.unique,
	};

	fs_cursor_write(out, &header, sizeof header);
	if (result > 0 && request->body) {
		fs_cursor_advance(&out, sizeof header);
		fs_cursor_write(out, request->body, (size_t)result);
	}
	return header.len;
}

size_t fs_serve(struct fs_server *server, const struct iovec *in, size_t in_count,
                const struct iovec *out, size_t out_count)
{
	struct fs_cursor question = {in, in_count, 0}, reply = {out, out_count, 0};
	size_t room = total_size(out, out_count);
	struct fs_request request = {.body = server->state->answer};
	const struct operation *operation = NULL;
	ssize_t result = -ENOSYS;
	bool has_answer;

	if (fs_cursor_read(question, &request.header, sizeof request.header) !=
	    sizeof request.header)
		return 0;
	if (request.header.opcode < OPERATION_COUNT && operations[request.header.opcode].serve)
		operation = &operations[request.header.opcode];
	has_answer = !operation || !(operation->is & NO_ANSWER);
	if (has_answer && room < sizeof(struct fuse_out_header))
		return 0;
	if (has_answer) {
		request.room = room - sizeof(struct fuse_out_header);
		request.direct = reply;
		fs_cursor_advance(&request.direct, sizeof(struct fuse_out_header));
	}
	if (operation) {
		result = take_arguments(server, &request, operation, question,
		                        total_size(in, in_count));
		if (!result)
			result = perform(server, &request, operation);
		if (result < 0 && !server->has_complained)
			complain(server, &request, (int)-result);
	}
	return has_answer ? answer(&request, reply, result) : 0;
}

/* ---- making and ending ---- */

static int open_root(struct fs_server *server, const char *host_directory, struct mote_error *err)
{
	/* Reading is tried now, so that the user learns of it instead of the guest. */
	int fd = open(host_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs statfs;
	int result;

	if (fd < 0)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot share %s", host_directory);
	server->root = open(host_directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	result = fstatfs(fd, &statfs);
	close(fd);
	if (server->root < 0 || result)
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot share %s", host_directory);
	fd = fs_open_at(server->root, ".", O_PATH, 0);
	if (fd < 0) {
		errno = -fd;
		mote_error_errno(err, MOTE_STATUS_FAILED, "cannot share %s: openat2",
		                 host_directory);
		return mote_error_hint(err, "--share needs Linux 5.6 or later");
	}
	close(fd);
	/* A file of overlayfs is born anew when it is first written to. */
	server->state->has_birth_times = statfs.f_type != OVERLAYFS_SUPER_MAGIC;
	return 0;
}

static int open_tables(struct fs_server *server, const char *host_directory, struct mote_error *err)
{
	struct fs_identity identity;
	struct statx status;
	int result = fs_status(server->root, &status);

	if (result) {
		errno = -result;
		return mote_error_errno(err, MOTE_STATUS_FAILED, "cannot share %s", host_directory);
	}
	identity = fs_identity_of(server, &status);
	if (fs_nodes_open(&server->state->nodes, &identity))
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "cannot reserve memory for the files of %s",
		                        host_directory);
	return 0;
}

int fs_server_open(struct fs_server *server, const char *host_directory, bool read_only,
                   enum fs_cache cache, struct mote_error *err)
{
	void *memory = mmap(NULL, sizeof *server->state, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	*server = (struct fs_server){
	        .root = -1,
	        .proc = -1,
	        .is_read_only = read_only,
	        .cache = cache,
	        .name = host_directory,
	        .user = geteuid(),
	        .group = getegid(),
	};
	if (memory == MAP_FAILED)
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "cannot reserve memory to share %s", host_directory);
	server->state = memory;
	server->proc = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (server->proc < 0) {
		mote_error_errno(err, MOTE_STATUS_FAILED, "cannot share %s: /proc/self/fd",
		                 host_directory);
		mote_error_hint(err, "--share needs /proc to be mounted");
		goto fail;
	}
	if (open_root(server, host_directory, err) || open_tables(server, host_directory, err))
		goto fail;
	/* A write past RLIMIT_FSIZE is the guest's EFBIG, not the end of the process. */
	return 0;
fail:
	fs_server_close(server);
	return -1;
}

void fs_server_reset(struct fs_server *server)
{
	fs_handles_reset(server);
	fs_locks_reset(server);
	fs_nodes_reset(&server->state->nodes);
}

void fs_server_close(struct fs_server *server)
{
	if (!server->state)
		return;
	if (server->state->nodes.memory) {
		fs_server_reset(server);
		fs_nodes_close(&server->state->nodes);
	}
	if (server->root >= 0)
		close(server->root);
	if (server->proc >= 0)
		close(server->proc);
	munmap(server->state, sizeof *server->state);
	*server = (struct fs_server){.root = -1, .proc = -1};
}
