/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the FUSE server share: requests, handles, and the way to the host's files. */
#ifndef MOTE_VIRTIO_FS_INTERNAL_H
#define MOTE_VIRTIO_FS_INTERNAL_H

#include <limits.h>
#include <linux/fuse.h>
#include <linux/stat.h> /* struct statx, where the C library has none */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "virtio/fs_nodes.h"
#include "virtio/fs_server.h"

/* ---- requests ---- */

/* A place in a vector of buffers: `skip` bytes into the first. */
struct fs_cursor {
	const struct iovec *vector;
	size_t count, skip;
};

/*
 * One request: header and arguments are copies, which the guest cannot change any more. Only the
 * data of READ and WRITE stay where they are.
 */
struct fs_request {
	struct fuse_in_header header;
	struct fs_node *node; /* of the header; NULL where the operation has none */
	const void *args;     /* all that the operation's table entry asks for is there */
	const char *rest;     /* what follows, up to `end` */
	const char *end;
	struct fs_cursor data; /* of WRITE */
	size_t data_size;
	void *body; /* the answer's, to be filled; at least what the table entry says */
	size_t room;
	struct fs_cursor direct; /* READ answers here instead */
};

/*
 * An operation.
 *
 * Return: bytes of the answer's body, or a negative errno.
 */
typedef ssize_t fs_operation(struct fs_server *server, struct fs_request *request);

fs_operation fs_op_lookup, fs_op_forget, fs_op_batch_forget, fs_op_getattr, fs_op_setattr,
        fs_op_readlink, fs_op_statfs, fs_op_access;
fs_operation fs_op_symlink, fs_op_mknod, fs_op_mkdir, fs_op_unlink, fs_op_rmdir, fs_op_rename,
        fs_op_rename2, fs_op_link;
fs_operation fs_op_open, fs_op_create, fs_op_read, fs_op_write, fs_op_release, fs_op_flush,
        fs_op_fsync, fs_op_lseek, fs_op_fallocate, fs_op_copy_file_range;
fs_operation fs_op_opendir, fs_op_readdir, fs_op_readdirplus;
fs_operation fs_op_getxattr, fs_op_setxattr, fs_op_listxattr, fs_op_removexattr;
fs_operation fs_op_getlk, fs_op_setlk;

/**
 * fs_take_name() - The next of the strings behind the arguments, which must be a file name.
 * @name:   NUL-terminated
 * @length: without NUL
 *
 * Return: 0, -EINVAL if it is empty, `.`, `..`, has a `/` or no end, -ENAMETOOLONG.
 */
int fs_take_name(struct fs_request *request, const char **name, size_t *length);

/** fs_take_string() - The same for any string that is not empty. */
int fs_take_string(struct fs_request *request, const char **string, size_t *length);

/**
 * fs_cursor_advance() - Skip bytes.
 *
 * Return: whether there were as many.
 */
bool fs_cursor_advance(struct fs_cursor *cursor, size_t bytes);

/** fs_cursor_copy() - Copy from or to the buffers, as far as they go. Return: bytes. */
size_t fs_cursor_read(struct fs_cursor cursor, void *to, size_t size);
size_t fs_cursor_write(struct fs_cursor cursor, const void *from, size_t size);

/* ---- state ---- */

/* The longest request but for a WRITE's data, and the longest answer but for a READ's. */
#define FS_ARGS_MAX   (80u << 10)
#define FS_ANSWER_MAX (256u << 10)

struct fs_handle {
	uint64_t node;  /* number */
	int fd;         /* -1: stale, it could not be opened again after a restore */
	uint32_t flags; /* of open(2): to open it again */
	bool is_locked; /* by flock(2) */
	uint32_t generation;
	uint32_t next_free; /* from 1 */
	bool is_used;
};

/* POSIX locks of one owner on one file: a description of its own, since OFD locks go by that. */
struct fs_lock_holder {
	uint64_t node; /* number; 0: free */
	uint64_t owner;
	int fd;
};

struct fs_state {
	struct fs_nodes nodes;
	bool met_stale_handle; /* of the request that is being served */
	bool has_birth_times;  /* of files, which stay the same for a file's life */
	uint32_t handles_used, handles_free;
	struct fs_handle handles[FS_HANDLES_MAX];
	struct fs_lock_holder locks[FS_LOCKS_MAX];
	uint32_t locks_used;
	char path[PATH_MAX];
	_Alignas(8) char args[FS_ARGS_MAX];
	_Alignas(8) unsigned char answer[FS_ANSWER_MAX];
	_Alignas(8) char entries[32768]; /* of a directory, from the kernel */
};

/**
 * fs_handle_new() - Give a descriptor a handle. On failure it is closed.
 * @node:  number of the node that may use it
 * @flags: of open(2), with which the node is to be opened again after a restore
 * @fh:    the handle, never 0
 *
 * Return: 0 or -ENFILE.
 */
int fs_handle_new(struct fs_server *server, uint64_t node, int fd, int flags, uint64_t *fh);

/**
 * fs_handle_load() - Make a handle that a snapshot had, in a server that has been reset.
 * @fd: -1: stale
 *
 * Return: 0, or -1 where it is none; then @fd is closed.
 */
int fs_handle_load(struct fs_server *server, uint64_t fh, const struct fs_handle *handle);
/** fs_handles_loaded() - All are made. */
void fs_handles_loaded(struct fs_server *server);

/** fs_handle_find() - The handle of that number, if it is of that node, or NULL. */
struct fs_handle *fs_handle_find(struct fs_server *server, uint64_t node, uint64_t fh);
/** fs_handle_get() - The same, if it is not stale; else the request's -EBADF will be -ESTALE. */
struct fs_handle *fs_handle_get(struct fs_server *server, uint64_t node, uint64_t fh);
void fs_handle_free(struct fs_server *server, struct fs_handle *handle);
void fs_handles_reset(struct fs_server *server);

/** fs_locks_drop() - Take back the POSIX locks of an owner on a file; of all owners with @all. */
void fs_locks_drop(struct fs_server *server, uint64_t node, uint64_t owner, bool all);
void fs_locks_reset(struct fs_server *server);

/* ---- the way to files ---- */

/* A file for the time of a request; let go with fs_let_go(). */
struct fs_reached {
	int fd; /* O_PATH, or a handle's */
	bool is_borrowed;
	struct statx status;
};

#define FS_NOT_REACHED ((struct fs_reached){.fd = -1})

/**
 * fs_reach() - Open the file of a node, without opening what it may be the name of.
 *
 * Return: 0; -ESTALE if its place has another file or none; another negative errno.
 */
int fs_reach(struct fs_server *server, struct fs_node *node, struct fs_reached *reached);
/** fs_reach_by() - The same by a handle, which may also be an open descriptor; without (0) by node.
 */
int fs_reach_by(struct fs_server *server, struct fs_request *request, uint64_t fh,
                struct fs_reached *reached);
/** fs_reach_directory() - fs_reach(), -ENOTDIR for what is none. */
int fs_reach_directory(struct fs_server *server, struct fs_node *node, struct fs_reached *reached);
void fs_let_go(struct fs_reached *reached);

/**
 * fs_open_file() - Open a regular file or a directory that was reached, and nothing else.
 * @flags: of open(2)
 *
 * A file that is opened for writing loses its set-user-id and set-group-id bits.
 *
 * Return: a descriptor or a negative errno: -ENXIO for what is neither.
 */
int fs_open_file(struct fs_server *server, const struct fs_reached *reached, int flags);

/** fs_open_node() - fs_reach() and fs_open_file(). */
int fs_open_node(struct fs_server *server, struct fs_node *node, int flags);

/**
 * fs_borrow() - A descriptor for a request that may come with or without a handle.
 * @fh: handle, or 0: the node, opened for reading
 *
 * Return: a descriptor that is not the caller's to close, or a negative errno.
 */
int fs_borrow(struct fs_server *server, struct fs_request *request, uint64_t fh);

/**
 * fs_open_at() - openat2(2) of one component, which stays in the directory and on its mount.
 *
 * Return: a descriptor or a negative errno.
 */
int fs_open_at(int directory, const char *name, uint64_t flags, uint32_t mode);

/** fs_status() - statx(2) of an open file, or of a name in a directory: not of what a link points
 * to. Return: 0 or a negative errno; -EXDEV for the root of a mount. */
int fs_status(int fd, struct statx *status);
int fs_status_at(int directory, const char *name, struct statx *status);

struct fs_identity fs_identity_of(const struct fs_server *server, const struct statx *status);

/** fs_fill_attributes() - Tell the guest of a file. */
void fs_fill_attributes(const struct fs_server *server, const struct statx *status,
                        struct fuse_attr *attributes);

/** fs_lifetime() - Seconds that the guest may keep what it was told. */
uint64_t fs_lifetime(const struct fs_server *server);

/**
 * fs_answer_entry() - Enter a file into the node table and answer with it.
 * @parent: node of its directory
 *
 * Return: size of the answer, or a negative errno.
 */
ssize_t fs_answer_entry(struct fs_server *server, struct fs_node *parent, const char *name,
                        size_t length, const struct statx *status, struct fuse_entry_out *entry);

/** fs_errno() - -errno for the guest: its server's limits are not the guest's. */
int fs_errno(void);

/** fs_proc_name() - The name of a descriptor in /proc/self/fd. */
const char *fs_proc_name(int fd, char name[static 12]);

#endif
