/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual file system: inodes, open files, the descriptor table and path walking.
 *
 * How it works
 *
 * A file system (tmpfs, the EROFS root image, the built-in root, /dev, /proc) gives inodes. An
 * inode is counted: whoever stores a pointer holds a reference, and the last inode_put() calls
 * ops->release. A mount is a name in a directory that leads to the root of another file system; the
 * name need not exist there, so a read-only root image needs no /dev. Two inode structures with
 * equal fs_id and number are the same file. An open file (struct file) is counted too: descriptors
 * and memory mappings share it. Its ops come from the inode (ops->open). Data moves straight
 * between the file system and the application's memory (guestkit/user.h); functions return a
 * negative errno on failure, as system calls do. One thread of the kit runs at a time, so nothing
 * here is locked.
 */
#ifndef MOTE_LIBC_SHIM_VFS_H
#define MOTE_LIBC_SHIM_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VFS_NAME_MAX     255
#define VFS_PATH_MAX     4096 /* with the NUL, as PATH_MAX */
#define VFS_SYMLINK_MAX  40
#define VFS_COOKIE_LIMIT (1ull << 62)
#define VFS_OPEN_MAX     1024 /* descriptors; the soft RLIMIT_NOFILE may lower it */

struct inode;
struct file;
struct wait_queue;
struct epoll_item;

struct dir_entry {
	uint64_t number;
	unsigned char type; /* DT_* */
	uint8_t length;     /* of the name */
	char name[VFS_NAME_MAX + 1];
};

/* For statfs; counts are of blocks of PAGE_SIZE and of inodes. */
struct vfs_statistics {
	uint64_t magic; /* <linux/magic.h> */
	uint64_t blocks, blocks_free;
	uint64_t inodes, inodes_free;
};

/* Operations of an inode; a missing one means the errno in brackets. */
struct inode_ops {
	/* Find a name in a directory; *found is referenced. Gets ".." too (never of the file
	 * system's root, and never "."), and must find the parent then [-ENOTDIR] */
	int (*lookup)(struct inode *dir, const char *name, size_t length, struct inode **found);
	/* Make a regular file, directory, FIFO, socket or device node; *made is referenced. With
	 * @length 0 a regular file without a name, which link() may give one if @device is 0
	 * [-EROFS] */
	int (*create)(struct inode *dir, const char *name, size_t length, uint32_t mode,
	              uint64_t device, struct inode **made);
	int (*symlink)(struct inode *dir, const char *name, size_t length, const char *target);
	int (*link)(struct inode *dir, const char *name, size_t length, struct inode *target);
	/* Remove a name: a directory only if @directory, and then only an empty one [-EROFS] */
	int (*unlink)(struct inode *dir, const char *name, size_t length, bool directory);
	int (*rename)(struct inode *from, const char *from_name, size_t from_length,
	              struct inode *to, const char *to_name, size_t to_length, unsigned flags);
	/* One entry ("." and ".." included): 1 and *cookie advanced, 0 at the end. Cookies start at
	 * 0 and stay below VFS_COOKIE_LIMIT [-ENOTDIR] */
	int (*readdir)(struct inode *dir, uint64_t *cookie, struct dir_entry *entry);
	/* Target without NUL into @buffer, cut at @size; its full length is returned [-EINVAL] */
	int64_t (*readlink)(struct inode *inode, char *buffer, size_t size);
	/* Bring the attributes up to date where others can change them, too; optional. lookup() has
	 * done so for what it found */
	int (*refresh)(struct inode *inode);
	/* Have what was written to a regular file, a directory or a disk on stable storage, @file
	 * being open on it [there is none] */
	int (*sync)(struct inode *inode, struct file *file, bool data_only);
	/* The same for its whole file system [there is no disk] */
	int (*sync_all)(struct inode *inode);
	/* Change the size of a regular file [-EROFS] */
	int (*truncate)(struct inode *inode, uint64_t size);
	/* Store inode->mode, uid, gid and times, which the caller has already changed [-EROFS] */
	int (*set_attributes)(struct inode *inode);
	/* A magic link (/proc/self/fd/0): the inode it leads to, referenced; optional */
	int (*follow)(struct inode *link, struct inode **target);
	/* st_blocks: units of 512 bytes in use [what st_size needs] */
	uint64_t (*blocks)(struct inode *inode);
	/* What statfs tells of the file system [all zero, read-only if there is no create] */
	void (*statistics)(struct inode *inode, struct vfs_statistics *out);
	/* Prepare @file (ops set from file_ops before the call); optional */
	int (*open)(struct inode *inode, struct file *file);
	/* The last reference is gone: free the inode. */
	void (*release)(struct inode *inode);
	const struct file_ops *file_ops;
};

struct inode {
	const struct inode_ops *ops;
	uint32_t references;
	uint32_t mode; /* type and permissions, as st_mode */
	uint32_t uid, gid, links;
	uint64_t number; /* st_ino */
	uint64_t fs_id;  /* st_dev */
	uint64_t device; /* st_rdev, as makedev() packs it */
	uint64_t size;
	uint64_t atime, mtime, ctime; /* ns since 1970 */
	struct inode *upper;          /* the writable side of it (tmpfs_lower.c), or NULL */
	bool has_no_atime;            /* reading leaves atime alone */
};

struct poll_state {
	bool readable, writable, hung_up, error;
	bool priority;            /* POLLPRI */
	bool read_closed;         /* POLLRDHUP */
	bool has_bands;           /* POLLWRBAND where it is writable: sockets */
	struct wait_queue *queue; /* woken when any of it may have changed; NULL: it never does */
};

/* The pieces of a readv or writev that are still to be filled or taken. One whose `pieces` and
 * `count` are 0 is a single buffer. */
struct vector {
	uint64_t pieces; /* address of the application's struct iovec array */
	size_t count;    /* pieces left there */
	uint64_t base;   /* of the piece being taken */
	size_t left;     /* bytes of it */
	size_t total;    /* bytes left in all, at most VFS_IO_MAX */
};

/* Most that one read or write moves (MAX_RW_COUNT of Linux). */
#define VFS_IO_MAX 0x7ffff000u

/* Copy the next up to @length bytes of a vector; fewer (0) at its end or before a bad pointer. */
size_t vector_read(struct vector *vector, void *to, size_t length);
/* The same in the other direction. */
size_t vector_write(struct vector *vector, const void *from, size_t length);

/* Take an array of struct iovec, checked as Linux does before it moves anything: 0, -EINVAL,
 * -EFAULT. */
int vector_open(struct vector *vector, uint64_t pieces, uint64_t count);

/* A lock outside of the guest, of those that file_lock.c keeps inside. */
struct file_lock_request {
	uint64_t start, last; /* bytes; last inclusive */
	short type;           /* F_RDLCK, F_WRLCK, F_UNLCK */
	bool is_flock;
	bool is_of_process; /* else of the open file */
	bool is_question;   /* what is in the way? F_UNLCK: nothing; else its type and range */
	int owner;          /* answer: its process on the host, or 0 */
};

/* Operations of an open file; a missing one means the errno in brackets. */
struct file_ops {
	/* Read or write at *position and advance it; short results are allowed [-EINVAL].
	 * A write with O_APPEND has had *position set to the end by the caller. */
	int64_t (*read)(struct file *file, uint64_t user_buffer, size_t length, uint64_t *position);
	int64_t (*write)(struct file *file, uint64_t user_buffer, size_t length,
	                 uint64_t *position);
	/* Write a vector at once: for files where each write costs an exit [one write for each
	 * piece]. -EFAULT if vector_read() gives nothing though vector->total is not 0. */
	int64_t (*write_vector)(struct file *file, struct vector *vector, uint64_t *position);
	/* Read into a vector at once: where what is read has boundaries [one read for each piece]
	 */
	int64_t (*read_vector)(struct file *file, struct vector *vector, uint64_t *position);
	/* read and write with a buffer of the kit's, for sendfile and copy_file_range [-EINVAL] */
	int64_t (*read_kit)(struct file *file, void *buffer, size_t length, uint64_t *position);
	int64_t (*write_kit)(struct file *file, const void *buffer, size_t length,
	                     uint64_t *position);
	/* fallocate with the FALLOC_FL_* in @mode, for a regular file [-EOPNOTSUPP] */
	int (*allocate)(struct file *file, unsigned mode, uint64_t offset, uint64_t length);
	/* Offset of the first byte at or behind @offset, which is less than inode->size, that is
	 * data (@data) or in a hole: inode->size if there is none [all is data] */
	uint64_t (*extent)(struct file *file, uint64_t offset, bool data);
	/* [default: seek within inode->size; -ESPIPE where not_seekable] */
	int64_t (*seek)(struct file *file, int64_t offset, int whence);
	/* ioctl with a raw argument [-ENOTTY] */
	int64_t (*ioctl)(struct file *file, unsigned request, uint64_t argument);
	/* [always readable and writable] */
	struct poll_state (*poll)(struct file *file);
	/* Frame that holds page @index of the file, for mmap: *physical is 0 for a hole. With
	 * @make, a hole is filled with a zeroed frame owned by the file; -EFAULT past its end
	 * [-ENODEV]. */
	int (*page)(struct file *file, uint64_t index, bool make, uint64_t *physical);
	/* Shared mappings are copies: bytes that were written through one, in pages that page() has
	 * given, are to be stored; optional */
	int (*write_back)(struct file *file, uint64_t first, uint64_t count);
	/* Take, give back or look for a lock that others than this guest see, too; it does not wait
	 * [nobody else can open the file] */
	int (*lock)(struct file *file, struct file_lock_request *request);
	/* The last reference is gone: free what open() made. */
	void (*close)(struct file *file);
	bool not_seekable; /* pipes and terminals: pread gives -ESPIPE, lseek without seek() too */
};

struct file {
	const struct file_ops *ops;
	struct inode *inode; /* referenced */
	uint32_t references;
	uint32_t flags; /* O_ACCMODE, O_APPEND, O_NONBLOCK, O_DIRECTORY, O_PATH... */
	uint64_t position;
	void *private;              /* of the ops */
	struct epoll_item *watched; /* its registrations in epoll sets (epoll.c) */
	bool has_locks;             /* or had: of flock, or OFD locks (file_lock.c) */
	char *path; /* absolute path it was opened by, for /proc/self/fd; heap; may be NULL */
};

/* ---- inodes (vfs.c) ---- */

struct inode *inode_get(struct inode *inode);
void inode_put(struct inode *inode); /* NULL is allowed */

/* Are these the same file? */
static inline bool inode_is_same(const struct inode *a, const struct inode *b)
{
	return a == b || (a->fs_id == b->fs_id && a->number == b->number);
}

/* A fresh st_dev for a file system. */
uint64_t vfs_new_fs_id(void);

/* After a read: bring atime up to date as "relatime" mounts do. */
void inode_accessed(struct inode *inode);

/* Bring the attributes up to date, if others than the guest can change them. */
static inline int inode_refresh(struct inode *inode)
{
	return inode->ops->refresh ? inode->ops->refresh(inode) : 0;
}

/* Change the size of a file: -EROFS, -EISDIR, -EINVAL (no regular file), or what the file system
 * says. */
int inode_truncate(struct inode *inode, uint64_t size);

/**
 * vfs_mount_made() - Put a file system's root where a path points.
 * @path: absolute; copied. Directories that are missing above its last component are made, symbolic
 *        links are not followed
 * @root: one reference is taken over, also on failure
 */
int vfs_mount_made(const char *path, struct inode *root);

/* The file systems that vfs_mount_made() has mounted: path and root of the one at @index, or NULL.
 */
const char *vfs_mounted(unsigned index, struct inode **root);

/* Have all that was written on the disks. */
int vfs_sync(void);

/* Find one name in a directory, mounts, "." and ".." included; *found is referenced. */
int vfs_lookup(struct inode *dir, const char *name, size_t length, struct inode **found);

/* Does a name in a directory lead to a mounted file system? */
bool vfs_is_mount(const struct inode *dir, const char *name, size_t length);

/* ops->readdir, with the mounted names that the directory itself lacks after its own entries. */
int vfs_readdir(struct inode *dir, uint64_t *cookie, struct dir_entry *entry);

/*
 * Provided by the memory manager: forget every page-table entry that maps a frame of pages [first,
 * end) of this file, and with @with_copies those of private copies, too; the frames are freed next.
 * Touching them is SIGBUS or faults in what the file then has.
 */
void memory_file_unmap(struct inode *inode, uint64_t first, uint64_t end, bool with_copies);

/* Provided by the memory manager (write_back.c): is any of the file mapped? */
bool memory_file_is_mapped(const struct inode *inode);
/* Hand what was written through shared mappings, of this file or of all, to ops->write_back: 0 or
 * the first error. */
int memory_file_write_back(struct inode *inode);
int memory_write_back_all(void);

extern struct inode *vfs_root; /* referenced; set at start and by chroot */

/* Flags of vfs_walk(). */
#define WALK_NOFOLLOW  1u /* do not follow a symbolic link in the last component */
#define WALK_DIRECTORY 2u /* the result must be a directory */

/**
 * vfs_walk() - Find what a path names.
 * @dirfd: where a relative path starts: descriptor or AT_FDCWD
 * @path:  kit memory; an empty path is -ENOENT
 * @found: set to a referenced inode
 */
int vfs_walk(int dirfd, const char *path, unsigned flags, struct inode **found);

/**
 * vfs_walk_parent() - Find the directory that holds the last component of a path.
 * @parent: set to a referenced inode
 * @last:   VFS_NAME_MAX + 1 bytes: the last component ("." where the path is "/")
 */
int vfs_walk_parent(int dirfd, const char *path, struct inode **parent, char *last);

/* The absolute path a relative one starts from, or NULL when it cannot be told; static. */
const char *vfs_working_path(void);
/* Some directory was renamed, removed or made the working directory: forget that path. */
void vfs_working_path_changed(void);

/* Absolute path of a directory by walking up; returns length with NUL or a negative errno. */
int64_t vfs_directory_path(struct inode *dir, char *buffer, size_t size);

extern struct inode *vfs_working_directory; /* referenced */

/* ---- open files and descriptors (descriptors.c) ---- */

/* Make an open file for an inode (its reference is taken over, also on failure). */
int file_open_inode(struct inode *inode, uint32_t flags, const char *path, struct file **opened);
struct file *file_get(struct file *file);
void file_put(struct file *file);

/* Take a reference that file_release_held() gives back at the end of the running thread's system
 * call. */
void file_hold(struct file *file);
void file_release_held(void);

/* Open by path as open(2) does, O_CREAT, O_EXCL, O_TRUNC and the rest included. */
int file_open(int dirfd, const char *path, uint32_t flags, uint32_t mode, struct file **opened);
/* The same under RESOLVE_* rules of openat2(2). */
int file_open_resolving(int dirfd, const char *path, uint32_t flags, uint32_t mode,
                        uint32_t resolve, struct file **opened);

/* The file behind a descriptor, not referenced, or NULL (-EBADF). */
struct file *descriptor_file(int fd);

/* Descriptors are below this: the soft RLIMIT_NOFILE, at most VFS_OPEN_MAX. */
extern unsigned descriptor_limit;

/* Lowest free descriptor >= @minimum, or -EMFILE. */
int descriptor_available(int minimum);

bool descriptor_close_on_exec(int fd);
void descriptor_set_close_on_exec(int fd, bool close_on_exec);

/* Close all of them. */
void descriptors_close_all(void);

/* Close what is to be closed when another program runs. */
void descriptors_close_on_exec(void);

/* Make @fd, which is below descriptor_limit, refer to @file (reference taken over). */
void descriptor_replace(int fd, struct file *file, bool close_on_exec);

/* Lowest free descriptor >= @minimum for @file (reference taken over); -EMFILE, reference kept. */
int descriptor_install(struct file *file, int minimum, bool close_on_exec);
int descriptor_close(int fd);

/* ---- file systems: each returns its referenced root or NULL when memory is short ---- */

struct inode *tmpfs_create(uint32_t root_mode);
/* A tmpfs that shows, and hides by what is written, a read-only file system. @root: of that; the
 * reference is taken over; NULL is allowed. */
struct inode *tmpfs_create_over(struct inode *root);
struct inode *devfs_create(void);
struct inode *procfs_create(void);
struct inode *sysfs_create(void);
struct inode *builtin_root_create(void);
/* @image: mapped read-only in the kit's window at MOTE_ROOT_VA; @physical: its guest-physical
 * address. Prints why to stderr and returns NULL when the image is damaged. */
struct inode *erofs_root_create(const void *image, uint64_t size, uint64_t physical);

/* Mounts what every guest has and opens descriptors 0, 1, 2 on the console; 0 or a negative errno.
 */
int vfs_init(const void *root_image, uint64_t root_size, uint64_t root_physical);

/* Make a path the first working directory; NULL: it is the root. */
int vfs_start_in(const char *path);

/* An open file on the console stream 0, 1 or 2 (console_file.c). */
int console_file_open(int stream, struct file **opened);

#endif
