/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The FUSE client: files of the host in the guest. What its parts share (fuse.c has the channel).
 *
 * Requests are answered by a server that the kit believes as far as the form of what it says goes:
 * odd values give errors or are cut, and never lead out of a buffer.
 */
#ifndef MOTE_LIBC_SHIM_FUSE_H
#define MOTE_LIBC_SHIM_FUSE_H

#include <linux/fuse.h>

#include "guestkit/libc-shim/page_tree.h"
#include "guestkit/libc-shim/vfs.h"
#include "guestkit/memory.h"

#define FUSE_IN_PARTS  5
#define FUSE_OUT_PARTS 2
#define FUSE_TOGETHER  5   /* requests that one operation sends at once, at most */
#define FUSE_QUEUED    64  /* of each kind that waits for a ride, at most */
#define FUSE_DATA_MAX  256 /* pages that one read or write moves */
#define FUSE_NS_PER_S  1000000000ull

struct fuse_in_part {
	const void *address;
	size_t length;
};

struct fuse_out_part {
	void *address;
	size_t length;
};

/*
 * One request and its answer. The first in-part is `in` and the argument behind it, the first
 * out-part `out` and the result behind it.
 */
struct fuse_request {
	struct fuse_in_header in;
	union {
		struct fuse_init_in init;
		struct fuse_getattr_in getattr;
		struct fuse_setattr_in setattr;
		struct fuse_open_in open;
		struct fuse_create_in create;
		struct fuse_mknod_in mknod;
		struct fuse_mkdir_in mkdir;
		struct fuse_rename2_in rename;
		struct fuse_link_in link;
		struct fuse_read_in read;
		struct fuse_write_in write;
		struct fuse_release_in release;
		struct fuse_fsync_in fsync;
		struct fuse_syncfs_in syncfs;
		struct fuse_fallocate_in fallocate;
		struct fuse_lseek_in lseek;
		struct fuse_lk_in lock;
		struct fuse_batch_forget_in forget;
	} argument;
	struct fuse_out_header out;
	union {
		struct fuse_init_out init;
		struct fuse_entry_out entry;
		struct {
			struct fuse_entry_out entry;
			struct fuse_open_out open;
		} created;
		struct fuse_attr_out attributes;
		struct fuse_open_out open;
		struct fuse_write_out write;
		struct fuse_statfs_out statistics;
		struct fuse_lseek_out lseek;
		struct fuse_lk_out lock;
	} result;
	struct fuse_in_part in_parts[FUSE_IN_PARTS];
	struct fuse_out_part out_parts[FUSE_OUT_PARTS];
	uint8_t in_count, out_count; /* out_count 0: it has no answer */
};

/* What carries requests to a server. */
struct fuse_transport {
	/**
	 * exchange() - Have requests served, in order, by one exit as far as they fit.
	 *
	 * All that the parts point to is the kit's memory, in the direct map or in its image.
	 *
	 * Return: 0; or a negative errno: the server is out of reach, and nothing can be said of
	 * any of them.
	 */
	int (*exchange)(struct fuse_transport *transport, struct fuse_request *const *requests,
	                size_t count);
};

enum fuse_state { FUSE_NEW, FUSE_READY, FUSE_DEAD };

struct fuse_release;

/* A file system: one server. */
struct fuse_share {
	struct fuse_transport *transport;
	uint64_t fs_id;
	bool is_read_only;
	enum fuse_state state;
	bool has_record_locks, has_flock; /* the server keeps such locks */
	uint32_t data_max;                /* bytes that one read or write may move */
	uint64_t last_unique;
	/* what waits for a ride with the next request */
	struct fuse_release *releases;
	unsigned release_count;
	unsigned forget_count;
	struct fuse_forget_one *forgets; /* room for FUSE_QUEUED, from the first on */
};

/* ---- the channel (fuse.c) ---- */

/* Begin a request with a fixed argument and a fixed result of so many bytes. */
void fuse_begin(struct fuse_request *request, uint32_t opcode, uint64_t node, size_t argument,
                size_t result);
/* Append to what is sent: bytes; a name and its NUL. They must stay until it is answered. */
void fuse_add(struct fuse_request *request, const void *data, size_t length);
void fuse_add_name(struct fuse_request *request, const char *name, size_t length);
/* Where the part of the answer that has no fixed length goes. */
void fuse_receive(struct fuse_request *request, void *data, size_t length);

/**
 * fuse_call() - Send requests together, and what has been queued before them.
 * @requests: at most FUSE_TOGETHER
 *
 * Return: 0, or a negative errno that all of them then have, too (fuse_error()).
 */
int fuse_call(struct fuse_share *share, struct fuse_request *requests, size_t count);

/* What became of a request that was sent: 0 or a negative errno. */
int fuse_error(const struct fuse_request *request);
/* How much of fuse_receive()'s bytes a request without an error has got. */
size_t fuse_received(const struct fuse_request *request);

/* Send one and return what became of it. */
int fuse_call_one(struct fuse_share *share, struct fuse_request *request);

/* The server may forget about a node, or close a file: said with the next request. */
void fuse_forget(struct fuse_share *share, uint64_t node, uint64_t lookups);
void fuse_release_later(struct fuse_share *share, uint64_t node, uint64_t handle);

/* Something was asked of a server. */
extern bool fuse_is_used;

/* Before a snapshot: tell the servers all that has been queued, and that the guest has forgotten
 * every name that nobody has open; they need not know then what these led to. */
void fuse_prepare(void);
/* After a start from one: nothing that is known of a file holds before it was asked for again; with
 * @is_other also not what was read of it, as the shares are others. (fuse_inode.c) */
void fuse_restart(bool is_other);

/* Root of a file system whose server nothing is sent to before somebody looks into it; NULL when
 * memory is short. */
struct inode *fuse_create(struct fuse_transport *transport, bool is_read_only);

/* ---- inodes (fuse_inode.c) ---- */

struct fuse_listing;
struct fuse_file;
struct fuse_name;

struct fuse_inode {
	struct inode base;
	struct fuse_share *share;
	struct fuse_inode *next; /* of the same hash bucket */
	uint64_t node;           /* its number in requests */
	uint64_t lookups;        /* how often the server has told of it */
	uint64_t valid_until;    /* attributes: CLOCK_MONOTONIC ns */
	uint64_t valid_span;     /* for how long the server said they were good: ns */
	uint64_t checked_call;   /* the system call in which they were got */
	uint64_t checked_at;     /* when they were got: CLOCK_REALTIME ns */
	uint64_t block_count;    /* of 512 bytes */
	struct {
		uint32_t mode, uid, gid;
		uint64_t atime, mtime;
	} known; /* of the attributes those that set_attributes may find changed */

	union {
		struct {
			struct fuse_inode *parent; /* referenced; NULL: the root */
			struct fuse_name *names;   /* cached, of this directory */
			struct fuse_listing *listing;
			uint64_t listing_until;
			uint64_t next_cookie;
			unsigned expired; /* names found too old since all were read */
		} directory;
		struct {
			struct page_tree pages;
			struct fuse_file *files; /* open */
			struct fuse_file *made;  /* that open() takes: see fuse_file_made() */
			struct fuse_inode *newer, *older; /* of those that have pages */
			unsigned pinned; /* pages are being used: they must not go ... */
			bool is_stale;   /* ... though they are known to be old */
			bool may_read;   /* has been opened for reading as it is */
		} file;
		char *target;      /* symbolic link: heap, base.size bytes; NULL: not read */
		struct pipe *pipe; /* FIFO: while it is open */
	};
};

static inline struct fuse_inode *fuse_inode(struct inode *inode)
{
	return (struct fuse_inode *)inode;
}

/* The operations of inodes, on shares that may be written to and others. */
extern const struct inode_ops fuse_ops, fuse_ops_read_only;
extern const struct inode_ops fuse_fifo_ops, fuse_fifo_ops_read_only;
extern const struct inode_ops fuse_special_ops, fuse_special_ops_read_only;

/* Are the attributes still what the server vouches for? */
bool fuse_is_valid(const struct fuse_inode *inode);
/* Ask for them if not: 0 or a negative errno. */
int fuse_refresh(struct inode *inode);

/* Prepare the request for attributes, and take its answer, if it has come: what changed was the
 * guest's own doing (@is_own), or pages that are older than it are dropped. */
void fuse_begin_attributes(struct fuse_request *request, const struct fuse_inode *inode);
void fuse_take_attributes(const struct fuse_request *request, struct fuse_inode *inode,
                          bool is_own);
/* The same for attributes from elsewhere. */
void fuse_set_attributes(struct fuse_inode *inode, const struct fuse_attr *attributes,
                         uint64_t seconds, uint32_t nanoseconds, bool is_own);

/* The inode that an entry of a directory tells of, referenced: 0; -ENOMEM; -EIO: it cannot be that.
 */
int fuse_inode_of(const struct fuse_entry_out *entry, struct fuse_inode *dir,
                  struct fuse_inode **found);

/* A directory is in another from now on: false if that one is below it. */
bool fuse_set_parent(struct fuse_inode *inode, struct fuse_inode *dir);

/* ---- names (fuse_name.c) ---- */

struct fuse_name {
	struct fuse_name *next;            /* of the same hash bucket */
	struct fuse_name *newer, *older;   /* by use */
	struct fuse_name *sibling, **link; /* of the same directory */
	struct fuse_inode *dir;
	struct fuse_inode *inode; /* referenced; NULL: the server said that there is none */
	uint64_t valid_until;
	uint64_t cookie; /* for reading the directory; 0: none yet */
	uint32_t hash;
	uint8_t length;
	char name[];
};

/* The cached entry of a name, good or not; valid until the next one is entered. */
struct fuse_name *fuse_name_find(const struct fuse_inode *dir, const char *name, size_t length);
/* Is it one that needs no question? */
bool fuse_name_is_valid(const struct fuse_name *name);
/* Let a name lead to an inode (or, NULL, to none) until then. NULL when memory is short, which is
 * no error. */
struct fuse_name *fuse_name_enter(struct fuse_inode *dir, const char *name, size_t length,
                                  struct fuse_inode *inode, uint64_t valid_until);
void fuse_name_drop(struct fuse_name *name);
void fuse_name_drop_all(struct fuse_inode *dir);
/* Forget all names. */
void fuse_name_forget_all(void);
/* No name is to be believed any more. */
void fuse_name_expire_all(void);

/* ---- directories (fuse_directory.c) ---- */

int fuse_lookup(struct inode *dir, const char *name, size_t length, struct inode **found);
int fuse_readdir(struct inode *dir, uint64_t *cookie, struct dir_entry *entry);
/* Names were added or removed by the guest. */
void fuse_directory_changed(struct fuse_inode *dir);
void fuse_directory_free(struct fuse_inode *dir);
/* An entry has come for a name: cache it; *found is referenced. */
int fuse_take_entry(struct fuse_inode *dir, const char *name, size_t length,
                    const struct fuse_entry_out *entry, struct fuse_inode **found);

/* ---- changes of names (fuse_change.c): operations of inodes ---- */

int fuse_make(struct inode *dir, const char *name, size_t length, uint32_t mode, uint64_t device,
              struct inode **made);
int fuse_symlink(struct inode *dir, const char *name, size_t length, const char *target);
int fuse_link(struct inode *dir, const char *name, size_t length, struct inode *target);
int fuse_unlink(struct inode *dir, const char *name, size_t length, bool directory);
int fuse_rename(struct inode *from, const char *from_name, size_t from_length, struct inode *to,
                const char *to_name, size_t to_length, unsigned flags);

/* ---- regular files (fuse_file.c) ---- */

struct fuse_file {
	struct fuse_file *next; /* of the same inode */
	struct file *file;      /* NULL: waits to be opened */
	uint64_t handle;
	uint64_t made_call; /* the system call that made the file */
	uint64_t expected;  /* offset where a reader goes on that reads all */
	uint32_t window;    /* pages to read ahead */
	uint32_t owner;     /* of locks */
	bool has_handle;    /* else it is opened on the host when it is needed */
	bool is_appending;  /* the handle, wherever one writes */
	bool is_direct;     /* FOPEN_DIRECT_IO: no pages are kept */
};

extern const struct file_ops fuse_file_ops, fuse_file_ops_read_only;

static inline struct fuse_file *fuse_file(const struct file *file)
{
	return file->private;
}

int fuse_open(struct inode *inode, struct file *file);
/* A file was made and opened by one request; the open() that follows in this system call gets it.
 */
void fuse_file_made(struct fuse_inode *inode, const struct fuse_open_out *open);
/* Open on the host what has been open in the guest only: 0 or a negative errno. */
int fuse_file_ready(struct file *file);
/* A handle to write by, for an operation on the inode. */
bool fuse_writable_handle(const struct fuse_inode *inode, uint64_t *handle);
/* The inode goes: what is left of its files. */
void fuse_file_free(struct fuse_inode *inode);

/* ---- operations of inodes and files (fuse_write.c) ---- */

int64_t fuse_write(struct file *file, uint64_t buffer, size_t length, uint64_t *position);
int64_t fuse_write_vector(struct file *file, struct vector *vector, uint64_t *position);
int64_t fuse_write_kit(struct file *file, const void *buffer, size_t length, uint64_t *position);
int fuse_write_back(struct file *file, uint64_t first, uint64_t count);
int fuse_allocate(struct file *file, unsigned mode, uint64_t offset, uint64_t length);
uint64_t fuse_extent(struct file *file, uint64_t offset, bool data);
int fuse_truncate(struct inode *inode, uint64_t size);
int fuse_sync(struct inode *inode, struct file *file, bool data_only);
int fuse_sync_all(struct inode *inode);

/* ---- the page cache (fuse_pages.c) ---- */

/* Frame of a page, read with those that follow it, up to @ahead pages, if it is not there; 0: the
 * file ends before it. */
int fuse_page_get(struct fuse_inode *inode, struct file *file, uint64_t index, uint64_t ahead,
                  uint64_t *frame);
/* Read all of a file, of few pages, without opening it on the host. */
int fuse_pages_fetch(struct fuse_inode *inode);
/* Pages of a write, in frames that are taken over: what is kept of them. */
void fuse_pages_written(struct fuse_inode *inode, uint64_t at, size_t length, uint64_t old_size,
                        uint64_t frames);
/* Bytes behind the end read as zeros, now that the end moves. */
void fuse_pages_zero_behind(struct fuse_inode *inode);
/* Forget pages [first, end); those that were written to by mappings are written back before. */
void fuse_pages_drop(struct fuse_inode *inode, uint64_t first, uint64_t end);
/* Forget them without that: there is no such part of the file any more. */
void fuse_pages_cut(struct fuse_inode *inode, uint64_t first, uint64_t end, bool with_copies);
/* Make room for frames. */
void fuse_pages_make_room(size_t frames);

/* ---- locks (fuse_lock.c) ---- */

/* file_ops.lock */
int fuse_lock(struct file *file, struct file_lock_request *request);

#endif
