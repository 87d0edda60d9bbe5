/* SPDX-License-Identifier: Apache-2.0 */
/* Inodes of the FUSE client: the table of those that are known, and their attributes. */
#include <linux/errno.h>
#include <linux/magic.h>
#include <linux/stat.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/fuse.h"
#include "guestkit/libc-shim/pipe.h"
#include "guestkit/string.h"
#include "mote/abi.h"

/*
 * How it works
 *
 * For each node that the server has told of and somebody refers to (an open file, a cached name, a
 * subdirectory) there is one inode. Its attributes are good for as long as the server said, and
 * within the system call that got them; fuse_refresh() asks again. Each answer to a change brings
 * the attributes as they are then, so what the guest itself does never makes them old.
 */

#define INODE_BUCKETS 4096 /* a power of two */
#define SPAN_MAX      (3600 * 1000000000ull)
#define PERMISSION    07777u

static KIT_LARGE struct fuse_inode *inode_buckets[INODE_BUCKETS];

static struct fuse_inode **bucket_of(const struct fuse_share *share, uint64_t node)
{
	return &inode_buckets[(node * 0x9e3779b97f4a7c15ull + share->fs_id) >> 40 &
	                      (INODE_BUCKETS - 1)];
}

#ifdef MOTE_HOSTED /* unit tests bring their own */
uint64_t fuse_system_call(void);
#else
/* Number of the system call that is being served. */
static uint64_t fuse_system_call(void)
{
	return ((const volatile struct mote_run *)MOTE_RUN_VA)->syscalls;
}
#endif

/* ---- attributes ---- */

bool fuse_is_valid(const struct fuse_inode *inode)
{
	return inode->checked_call == fuse_system_call() || clock_monotonic() < inode->valid_until;
}

static uint64_t time_of(uint64_t seconds, uint32_t nanoseconds)
{
	const int64_t limit = INT64_MAX / (int64_t)FUSE_NS_PER_S - 1;
	int64_t value = (int64_t)seconds;

	value = value > limit ? limit : value < -limit ? -limit : value;
	return (uint64_t)(value * (int64_t)FUSE_NS_PER_S) +
	       (nanoseconds < FUSE_NS_PER_S ? nanoseconds : FUSE_NS_PER_S - 1);
}

/* How long something is good for, as the server says it. */
static uint64_t span_of(uint64_t seconds, uint32_t nanoseconds)
{
	if (seconds >= SPAN_MAX / FUSE_NS_PER_S)
		return SPAN_MAX;
	return seconds * FUSE_NS_PER_S +
	       (nanoseconds < FUSE_NS_PER_S ? nanoseconds : FUSE_NS_PER_S - 1);
}

static uint32_t mode_of(const struct fuse_inode *inode, const struct fuse_attr *attributes)
{
	return (inode->base.mode & S_IFMT) | (attributes->mode & PERMISSION);
}

static void forget_target(struct fuse_inode *inode)
{
	heap_free(inode->target);
	inode->target = NULL;
}

/* The content is not what it was. */
static bool is_changed(const struct fuse_inode *inode, const struct fuse_attr *attributes)
{
	return inode->base.size != attributes->size ||
	       inode->known.mtime != time_of(attributes->mtime, attributes->mtimensec);
}

void fuse_set_attributes(struct fuse_inode *inode, const struct fuse_attr *attributes,
                         uint64_t seconds, uint32_t nanoseconds, bool is_own)
{
	struct inode *base = &inode->base;
	uint64_t now = clock_monotonic();

	if (S_ISREG(base->mode) && !is_own && is_changed(inode, attributes))
		fuse_pages_drop(inode, 0, UINT64_MAX);
	if (S_ISREG(base->mode) &&
	    (base->ctime != time_of(attributes->ctime, attributes->ctimensec)))
		inode->file.may_read = false;
	if (S_ISLNK(base->mode) && is_changed(inode, attributes))
		forget_target(inode);
	base->number = attributes->ino;
	base->mode = inode->known.mode = mode_of(inode, attributes);
	base->uid = inode->known.uid = attributes->uid;
	base->gid = inode->known.gid = attributes->gid;
	base->links = attributes->nlink;
	base->device = attributes->rdev;
	base->size = (int64_t)attributes->size < 0 ? INT64_MAX : attributes->size;
	base->atime = inode->known.atime = time_of(attributes->atime, attributes->atimensec);
	base->mtime = inode->known.mtime = time_of(attributes->mtime, attributes->mtimensec);
	base->ctime = time_of(attributes->ctime, attributes->ctimensec);
	inode->block_count = attributes->blocks;
	inode->valid_span = span_of(seconds, nanoseconds);
	inode->valid_until = now + inode->valid_span;
	inode->checked_call = fuse_system_call();
	inode->checked_at = clock_realtime();
}

void fuse_begin_attributes(struct fuse_request *request, const struct fuse_inode *inode)
{
	fuse_begin(request, FUSE_GETATTR, inode->node, sizeof(request->argument.getattr),
	           sizeof(request->result.attributes));
	if (!S_ISREG(inode->base.mode))
		return;
	/* By a handle the file is found even if the host has taken its name away. */
	for (const struct fuse_file *file = inode->file.files; file; file = file->next) {
		if (file->has_handle) {
			request->argument.getattr.getattr_flags = FUSE_GETATTR_FH;
			request->argument.getattr.fh = file->handle;
			return;
		}
	}
}

void fuse_take_attributes(const struct fuse_request *request, struct fuse_inode *inode, bool is_own)
{
	const struct fuse_attr_out *out = &request->result.attributes;

	if (fuse_error(request) || (out->attr.mode & S_IFMT) != (inode->base.mode & S_IFMT))
		inode->valid_until = inode->checked_call = 0; /* to be asked for again */
	else
		fuse_set_attributes(inode, &out->attr, out->attr_valid, out->attr_valid_nsec,
		                    is_own);
}

int fuse_refresh(struct inode *base)
{
	struct fuse_inode *inode = fuse_inode(base);
	struct fuse_request request;
	int result;

	if (S_ISREG(base->mode) && inode->file.is_stale)
		fuse_pages_drop(inode, 0, UINT64_MAX);
	if (fuse_is_valid(inode))
		return 0;
	fuse_begin_attributes(&request, inode);
	result = fuse_call_one(inode->share, &request);
	if (result == -ESTALE && S_ISREG(base->mode) && inode->file.files) {
		/* The host has put another file in its place: this one stays what it was. */
		inode->valid_until = clock_monotonic() + FUSE_NS_PER_S;
		return 0;
	}
	if (!result && (request.result.attributes.attr.mode & S_IFMT) != (base->mode & S_IFMT))
		result = -EIO; /* a node does not become something else */
	fuse_take_attributes(&request, inode, false);
	return result;
}

/* ---- what there is ---- */

static const struct inode_ops *ops_of(const struct fuse_share *share, uint32_t mode)
{
	bool is_fixed = share->is_read_only;

	if (S_ISREG(mode) || S_ISDIR(mode))
		return is_fixed ? &fuse_ops_read_only : &fuse_ops;
	if (S_ISFIFO(mode))
		return is_fixed ? &fuse_fifo_ops_read_only : &fuse_fifo_ops;
	return is_fixed ? &fuse_special_ops_read_only : &fuse_special_ops;
}

static struct fuse_inode *new_inode(struct fuse_share *share, uint64_t node, uint32_t mode)
{
	struct fuse_inode *inode = heap_alloc(sizeof(*inode));
	struct fuse_inode **bucket = bucket_of(share, node);

	if (!inode)
		return NULL;
	inode->base = (struct inode){
	        .ops = ops_of(share, mode),
	        .references = 1,
	        .mode = mode,
	        .number = node,
	        .fs_id = share->fs_id,
	        .links = 1,
	        .has_no_atime = true, /* the host keeps it */
	};
	inode->known.mode = mode;
	inode->share = share;
	inode->node = node;
	if (S_ISDIR(mode))
		inode->directory.next_cookie = 2;
	inode->next = *bucket;
	*bucket = inode;
	return inode;
}

static struct fuse_inode *find_inode(const struct fuse_share *share, uint64_t node)
{
	struct fuse_inode *inode = *bucket_of(share, node);

	while (inode && (inode->node != node || inode->share != share))
		inode = inode->next;
	return inode;
}

static void leave_table(struct fuse_inode *inode)
{
	struct fuse_inode **link = bucket_of(inode->share, inode->node);

	while (*link != inode)
		link = &(*link)->next;
	*link = inode->next;
}

bool fuse_set_parent(struct fuse_inode *inode, struct fuse_inode *dir)
{
	struct fuse_inode *old = inode->directory.parent;

	if (old == dir)
		return true;
	for (const struct fuse_inode *above = dir; above; above = above->directory.parent)
		if (above == inode)
			return false;
	inode->directory.parent = fuse_inode(inode_get(&dir->base));
	if (old)
		inode_put(&old->base);
	return true;
}

int fuse_inode_of(const struct fuse_entry_out *entry, struct fuse_inode *dir,
                  struct fuse_inode **found)
{
	struct fuse_share *share = dir->share;
	uint32_t type = entry->attr.mode & S_IFMT;
	struct fuse_inode *inode = find_inode(share, entry->nodeid);

	/* A number that something else has: the server's mistake. */
	if (inode && (inode->base.mode & S_IFMT) != type)
		return -EIO;
	if (inode)
		inode_get(&inode->base);
	else
		inode = new_inode(share, entry->nodeid, type);
	if (!inode) {
		fuse_forget(share, entry->nodeid, 1);
		return -ENOMEM;
	}
	inode->lookups++;
	if (S_ISDIR(type) && !fuse_set_parent(inode, dir)) {
		inode_put(&inode->base);
		return -EIO;
	}
	fuse_set_attributes(inode, &entry->attr, entry->attr_valid, entry->attr_valid_nsec, false);
	*found = inode;
	return 0;
}

static void drop_inode(struct fuse_inode *inode)
{
	uint32_t mode = inode->base.mode;

	if (S_ISDIR(mode))
		fuse_directory_free(inode);
	else if (S_ISREG(mode))
		fuse_file_free(inode);
	else if (S_ISLNK(mode))
		forget_target(inode);
	leave_table(inode);
	if (inode->lookups)
		fuse_forget(inode->share, inode->node, inode->lookups);
	heap_free(inode);
}

/* With a directory may go the one that it was in, and so on: a loop, as paths are long. */
static void release_inode(struct inode *base)
{
	struct fuse_inode *inode = fuse_inode(base), *parent;

	do {
		parent = S_ISDIR(inode->base.mode) ? inode->directory.parent : NULL;
		drop_inode(inode);
		inode = parent;
	} while (inode && !--inode->base.references);
}

struct inode *fuse_create(struct fuse_transport *transport, bool is_read_only)
{
	struct fuse_share *share = heap_alloc(sizeof(*share));
	struct fuse_inode *root;

	if (!share)
		return NULL;
	share->transport = transport;
	share->is_read_only = is_read_only;
	share->fs_id = vfs_new_fs_id();
	root = new_inode(share, FUSE_ROOT_ID, S_IFDIR | 0755);
	if (!root) {
		heap_free(share);
		return NULL;
	}
	return &root->base;
}

/* ---- operations that are about attributes ---- */

/* Seconds and nanoseconds of a time in ns, which is negative before 1970. */
static uint64_t seconds_of(uint64_t time, uint32_t *nanoseconds)
{
	int64_t seconds = (int64_t)time / (int64_t)FUSE_NS_PER_S;
	int64_t rest = (int64_t)time % (int64_t)FUSE_NS_PER_S;

	*nanoseconds = (uint32_t)(rest < 0 ? rest + (int64_t)FUSE_NS_PER_S : rest);
	return (uint64_t)(rest < 0 ? seconds - 1 : seconds);
}

/* What the caller has changed is set on the host, or put back. */
static int store_attributes(struct inode *base)
{
	struct fuse_inode *inode = fuse_inode(base);
	struct fuse_request request;
	struct fuse_setattr_in *in = &request.argument.setattr;
	int result;

	fuse_begin(&request, FUSE_SETATTR, inode->node, sizeof(*in),
	           sizeof(request.result.attributes));
	in->valid = (base->uid != inode->known.uid ? FATTR_UID : 0u) |
	            (base->gid != inode->known.gid ? FATTR_GID : 0u) |
	            (base->atime != inode->known.atime ? FATTR_ATIME : 0u) |
	            (base->mtime != inode->known.mtime ? FATTR_MTIME : 0u);
	/* Where nothing differs, the host still has to say whether it may be set. */
	if (!in->valid && S_ISLNK(base->mode))
		in->valid = FATTR_UID | FATTR_GID;
	else if (!in->valid || base->mode != inode->known.mode)
		in->valid |= FATTR_MODE;
	in->mode = base->mode;
	in->uid = base->uid;
	in->gid = base->gid;
	in->atime = seconds_of(base->atime, &in->atimensec);
	in->mtime = seconds_of(base->mtime, &in->mtimensec);
	result = fuse_call_one(inode->share, &request);
	if (result) {
		base->mode = inode->known.mode;
		base->uid = inode->known.uid;
		base->gid = inode->known.gid;
		base->atime = inode->known.atime;
		base->mtime = inode->known.mtime;
		inode->valid_until = inode->checked_call = 0;
		return result;
	}
	fuse_take_attributes(&request, inode, true);
	return 0;
}

static uint64_t blocks(struct inode *inode)
{
	return fuse_inode(inode)->block_count;
}

static void statistics(struct inode *base, struct vfs_statistics *out)
{
	struct fuse_inode *inode = fuse_inode(base);
	struct fuse_request request;
	const struct fuse_kstatfs *known = &request.result.statistics.st;
	uint64_t size;

	out->magic = FUSE_SUPER_MAGIC;
	fuse_begin(&request, FUSE_STATFS, inode->node, 0, sizeof(request.result.statistics));
	if (fuse_call_one(inode->share, &request))
		return;
	size = known->frsize ? known->frsize : known->bsize;
	out->blocks = (uint64_t)((unsigned __int128)known->blocks * size / PAGE_SIZE);
	out->blocks_free = (uint64_t)((unsigned __int128)known->bavail * size / PAGE_SIZE);
	out->inodes = known->files;
	out->inodes_free = known->ffree;
}

static int64_t read_link(struct inode *base, char *buffer, size_t size)
{
	struct fuse_inode *inode = fuse_inode(base);
	struct fuse_request request;
	size_t length;
	int result;

	if (!S_ISLNK(base->mode))
		return -EINVAL;
	if (inode->target && fuse_is_valid(inode)) {
		length = strlen(inode->target);
		memcpy(buffer, inode->target, length < size ? length : size);
		return (int64_t)length;
	}
	fuse_begin(&request, FUSE_READLINK, inode->node, 0, 0);
	fuse_receive(&request, buffer, size);
	result = fuse_call_one(inode->share, &request);
	if (result)
		return result;
	length = fuse_received(&request);
	forget_target(inode);
	/* One that fills the buffer may have been cut. */
	inode->target = length < size ? heap_alloc(length + 1) : NULL;
	if (inode->target)
		memcpy(inode->target, buffer, length);
	return (int64_t)length;
}

static int open_fifo(struct inode *inode, struct file *file)
{
	return pipe_open_named(&fuse_inode(inode)->pipe, file);
}

/* ---- snapshots ---- */

/* Each share has at least its root in the table. */
void fuse_prepare(void)
{
	if (!fuse_is_used)
		return;
	fuse_name_forget_all();
	for (size_t i = 0; i < INODE_BUCKETS; i++)
		for (struct fuse_inode *inode = inode_buckets[i]; inode; inode = inode->next) {
			struct fuse_share *share = inode->share;

			if (share->state == FUSE_READY &&
			    (share->forget_count || share->release_count))
				fuse_call(share, NULL, 0);
		}
}

static void forget(struct fuse_inode *inode, bool is_other)
{
	inode->valid_until = inode->checked_call = 0;
	if (S_ISDIR(inode->base.mode))
		inode->directory.listing_until = 0;
	else if (S_ISREG(inode->base.mode) && is_other)
		fuse_pages_drop(inode, 0, UINT64_MAX);
	else if (S_ISLNK(inode->base.mode) && is_other)
		forget_target(inode);
}

void fuse_restart(bool is_other)
{
	if (!fuse_is_used)
		return;
	fuse_name_expire_all();
	for (size_t i = 0; i < INODE_BUCKETS; i++)
		for (struct fuse_inode *inode = inode_buckets[i]; inode; inode = inode->next)
			forget(inode, is_other);
}

/* ---- the tables ---- */

#define READING_OPS                                                                             \
	.refresh = fuse_refresh, .statistics = statistics, .blocks = blocks, .sync = fuse_sync, \
	.sync_all = fuse_sync_all, .release = release_inode

#define FILE_OPS READING_OPS, .lookup = fuse_lookup, .readdir = fuse_readdir, .open = fuse_open

const struct inode_ops fuse_ops = {
        FILE_OPS,
        .create = fuse_make,
        .symlink = fuse_symlink,
        .link = fuse_link,
        .unlink = fuse_unlink,
        .rename = fuse_rename,
        .truncate = fuse_truncate,
        .set_attributes = store_attributes,
        .file_ops = &fuse_file_ops,
};

const struct inode_ops fuse_ops_read_only = {
        FILE_OPS,
        .file_ops = &fuse_file_ops_read_only,
};

const struct inode_ops fuse_fifo_ops = {
        READING_OPS,
        .set_attributes = store_attributes,
        .open = open_fifo,
        .file_ops = &pipe_file_ops,
};

const struct inode_ops fuse_fifo_ops_read_only = {
        READING_OPS,
        .open = open_fifo,
        .file_ops = &pipe_file_ops,
};

/* Symbolic links, sockets and device nodes: opening them is ENXIO. */
const struct inode_ops fuse_special_ops = {
        READING_OPS,
        .set_attributes = store_attributes,
        .readlink = read_link,
};

const struct inode_ops fuse_special_ops_read_only = {
        READING_OPS,
        .readlink = read_link,
};
