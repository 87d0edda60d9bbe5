/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of the host for a guest: the server of the FUSE protocol, one request at a time. */
#ifndef MOTE_VIRTIO_FS_SERVER_H
#define MOTE_VIRTIO_FS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/error.h"

/*
 * The protocol is that of <linux/fuse.h>, version 7.31 or later, as a virtio-fs device carries it
 * (virtio 1.2, section 5.11.6): a request is a struct fuse_in_header and its arguments in `in`; the
 * answer is a struct fuse_out_header and its body in `out`, the error a negative errno. FORGET and
 * BATCH_FORGET have no answer. fs_server.c says how the server works and what a guest cannot do.
 *
 * What a client may rely on beyond the protocol:
 *
 * - Handle 0 is none. READ, LSEEK, FSYNC, GETXATTR, READDIR, READDIRPLUS and FSYNCDIR with it use
 *   the node, which the server opens for reading itself: a file that is only read, or a directory
 *   that is listed, need no OPEN, RELEASE, OPENDIR or RELEASEDIR. Its errors are then those of
 * open, EACCES above all. Handles that OPEN, CREATE and OPENDIR give are never 0.
 * - A node outlives the removal or replacement of its file by the guest until it is forgotten (the
 *   last FS_PINS of them); by the host, while a handle is open. ESTALE: the node's name has another
 *   file now, or none; look the path up again from the root.
 * - One file has one node, however many names.
 * - With FS_CACHE_AUTO a LOOKUP of what is not there succeeds with node 0 and a lifetime; with
 *   FS_CACHE_NONE it is ENOENT. In READDIRPLUS node 0 is an entry without attributes: `.`, `..`, or
 *   one that was removed meanwhile, is the root of another mount, or did not fit the node table.
 * - Opened with O_APPEND, WRITE appends wherever its offset points: ask for the size afterwards.
 * - SETLKW never waits: like SETLK it is EAGAIN while somebody else has the lock. Locks of an owner
 *   on a file are his whichever handle asks (POSIX), and go with FLUSH of that owner; FUSE_LK_FLOCK
 *   locks are the handle's. Both are seen by processes of the host, as OFD locks and flock(2).
 * - INIT is not required; one that comes again, or DESTROY, forgets all nodes and handles.
 * - Names are one component of 1 to 255 bytes; `.` and `..` are EINVAL. Paths inside the share have
 *   up to 4,095 bytes (ENAMETOOLONG).
 */

enum fs_cache {
	FS_CACHE_NONE, /* entries and attributes live 0 s: every look asks the host */
	FS_CACHE_AUTO, /* 1 s */
};

#define FS_NODES_MAX   (1u << 18) /* that a guest may know at a time; one more is ENFILE */
#define FS_HANDLES_MAX 1024       /* open files and directories; one more is ENFILE */
#define FS_LOCKS_MAX   128        /* files on which one owner has POSIX locks; one more is ENOLCK */
#define FS_PINS        128        /* files without a handle of which the server has a descriptor */

/* The longest READ and WRITE that INIT offers. */
#define FS_TRANSFER_MAX (1u << 20)

/* Descriptors that one share may have open: what RLIMIT_NOFILE has to leave room for. */
#define FS_DESCRIPTORS_MAX (FS_HANDLES_MAX + FS_LOCKS_MAX + FS_PINS + 16)

struct fs_server {
	int root; /* O_PATH */
	int proc; /* /proc/self/fd, O_PATH: descriptors that are O_PATH are opened through it */
	bool is_read_only;
	enum fs_cache cache;
	uint32_t user, group; /* of this process; the guest sees them as 0, see fs_host.c */
	const char *name;     /* the caller's, for messages */
	bool has_complained;
	bool has_told_stale; /* that files are not there after a restore */
	bool is_other; /* after a restore: some file is not the one that it was (fs_snapshot.h) */
	struct fs_state *state;
};

/**
 * fs_server_open() - Make the server of a directory.
 * @server:         filled
 * @host_directory: path, which must stay; symbolic links in it are followed now and never again
 * @read_only:      every request that would change something is EROFS
 * @cache:          how long the guest may believe what it was told
 * @err:            filled on failure
 *
 * Call it before the process is confined. All memory is reserved here; serving allocates none.
 * The confined process needs the calls that syscalls:share comments name, and from Landlock, for
 * this directory and nothing else: READ_FILE and READ_DIR; if not @read_only also WRITE_FILE,
 * TRUNCATE, REMOVE_FILE, REMOVE_DIR, MAKE_REG, MAKE_DIR, MAKE_SYM and REFER.
 *
 * Return: 0, or -1: not there, not a directory, not to be listed; no /proc; no memory.
 */
int fs_server_open(struct fs_server *server, const char *host_directory, bool read_only,
                   enum fs_cache cache, struct mote_error *err);

/**
 * fs_serve() - Serve one request.
 * @server:    an open server
 * @in:        the request, in guest memory, which the guest may change at any time
 * @in_count:  how many
 * @out:       room for the answer, in guest memory
 * @out_count: how many
 *
 * Whatever the bytes are, the answer is one of the protocol. Blocks as long as the host's file
 * system does. What the host's file system cannot do any more (no space, an I/O error, the shared
 * directory was removed) is an error for the guest and, the first time, a line on stderr.
 *
 * Return: bytes of answer in @out; 0 when there is none, because the request has none, @in is
 * shorter than a header, or @out is.
 */
size_t fs_serve(struct fs_server *server, const struct iovec *in, size_t in_count,
                const struct iovec *out, size_t out_count);

/**
 * fs_server_reset() - Forget all nodes, handles and locks: the guest's driver starts anew.
 */
void fs_server_reset(struct fs_server *server);

/**
 * fs_server_close() - Give back descriptors and memory.
 */
void fs_server_close(struct fs_server *server);

#endif
