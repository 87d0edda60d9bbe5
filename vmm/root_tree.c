/* SPDX-License-Identifier: Apache-2.0 */
/* What a directory tree looks like, in one number: images are found by it. */
#include "vmm/root_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vmm/siphash.h"

/*
 * How it works. Each path of a tree gives one record: its name, what stat(2) says of it, and the
 * hash of the directory it lies in, so that a path's place counts as well. The records' hashes are
 * added up: a sum does not depend on the order in which a directory is read, which a file system
 * may change at any time, and needs no sorting. The sum names the image in the cache.
 *
 * A hash of 64 bits is too weak for a name that stands for content without a second look. SipHash
 * with 128 bits is strong, short, and quick for records of a hundred bytes. The key is fixed, since
 * the name has to be the same in every run; the cache is the user's own, as are the trees, and
 * nobody gains by two trees of his that collide.
 *
 * Directories wait on a stack as names beside their parent's descriptor, which is closed when the
 * last of them is opened: one descriptor a level, and no path to be put together or followed.
 */

/* Changes with the options that images are made with, so that older ones are not found. */
static const uint64_t hash_key[2] = {0x6d6f74652d726f6f, 0x742d696d61676531};

#define DENTS_BUFFER 32768
#define NAME_BYTES   256
#define FRESH_NS     20000000 /* more than the 10 ms of the slowest clock tick for file times */
#define NS_PER_S     1000000000LL

/* Nanoseconds since 1970; a file may have a time that does not fit, and then has the nearest. */
static int64_t nanoseconds(const struct timespec *time)
{
	int64_t result;

	if (__builtin_mul_overflow((int64_t)time->tv_sec, NS_PER_S, &result) ||
	    __builtin_add_overflow(result, (int64_t)time->tv_nsec, &result))
		return time->tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return result;
}

/* ---- the walk ---- */

/* A directory of which subdirectories wait. */
struct directory {
	int fd;
	size_t waiting;
	uint64_t hash[2]; /* of its own record */
};

/* A subdirectory that waits. */
struct waiting {
	struct waiting *next;
	struct directory *parent;
	uint64_t hash[2];
	char name[];
};

struct walk {
	struct waiting *stack;
	struct root_fingerprint *out;
	const char *path;
	uint64_t count;
	int64_t started; /* ns since 1970 */
	bool leaves_out; /* the directory that has this status */
	struct stat left_out;
	_Alignas(uint64_t) char buffer[DENTS_BUFFER];
};

static int fail(const struct walk *walk, const char *name, struct mote_error *err)
{
	return mote_error_errno(err, MOTE_STATUS_FAILED,
	                        "cannot build the root image from %s: cannot read %s", walk->path,
	                        name);
}

/* What is hashed of a path, without its name; no padding. */
struct record {
	uint64_t parent[2];
	uint64_t mode, uid, gid, mtime_s, mtime_ns, size, inode, device, special;
};

/* As getdents64(2) has it; musl and glibc disagree on a name for it. */
struct dirent_record {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

static void add_record(struct walk *walk, const uint64_t parent[2], const char *name,
                       const struct stat *status, uint64_t hash[2])
{
	struct {
		struct record fixed;
		char name[NAME_BYTES];
	} record;
	size_t length = strnlen(name, sizeof record.name);
	int64_t mtime = nanoseconds(&status->st_mtim);

	record.fixed = (struct record){
	        .parent = {parent[0], parent[1]},
	        .mode = status->st_mode,
	        .uid = status->st_uid,
	        .gid = status->st_gid,
	        .mtime_s = (uint64_t)status->st_mtim.tv_sec,
	        .mtime_ns = (uint64_t)status->st_mtim.tv_nsec,
	        .size = (uint64_t)status->st_size,
	        .inode = status->st_ino,
	        .device = status->st_dev,
	        .special = status->st_rdev,
	};
	memcpy(record.name, name, length);
	siphash_128(hash_key, &record, sizeof record.fixed + length, hash);
	walk->out->half[0] += hash[0];
	walk->out->half[1] += hash[1];
	walk->count++;
	/* Times in the future are not the clock's: a change would put them back. */
	if (mtime > walk->started - FRESH_NS && mtime < walk->started + NS_PER_S)
		walk->out->is_fresh = true;
}

static int push(struct walk *walk, struct directory *parent, const char *name,
                const uint64_t hash[2], struct mote_error *err)
{
	size_t length = strlen(name) + 1;
	struct waiting *waiting = malloc(sizeof *waiting + length);

	if (!waiting)
		return fail(walk, name, err);
	*waiting = (struct waiting){walk->stack, parent, {hash[0], hash[1]}};
	memcpy(waiting->name, name, length);
	walk->stack = waiting;
	parent->waiting++;
	return 0;
}

static int visit(struct walk *walk, struct directory *parent, const char *name,
                 struct mote_error *err)
{
	struct stat status;
	uint64_t hash[2];

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	if (fstatat(parent->fd, name, &status, AT_SYMLINK_NOFOLLOW)) {
		if (errno == ENOENT) /* removed in the meantime */
			return 0;
		return fail(walk, name, err);
	}
	if (walk->leaves_out && status.st_ino == walk->left_out.st_ino &&
	    status.st_dev == walk->left_out.st_dev)
		return 0;
	add_record(walk, parent->hash, name, &status, hash);
	return S_ISDIR(status.st_mode) ? push(walk, parent, name, hash, err) : 0;
}

static int read_directory(struct walk *walk, struct directory *directory, const char *name,
                          struct mote_error *err)
{
	for (;;) {
		long got =
		        syscall(SYS_getdents64, directory->fd, walk->buffer, sizeof walk->buffer);

		if (got < 0)
			return fail(walk, name, err);
		if (got == 0)
			return 0;
		for (long at = 0; at < got;) {
			const struct dirent_record *entry = (const void *)(walk->buffer + at);

			if (visit(walk, directory, entry->name, err))
				return -1;
			at += entry->length;
		}
	}
}

static void release(struct directory *directory)
{
	if (directory->waiting > 0)
		return;
	close(directory->fd);
	free(directory);
}

/* Reads the directory behind @fd, which this owns from here on. */
static int enter(struct walk *walk, int fd, const uint64_t hash[2], const char *name,
                 struct mote_error *err)
{
	struct directory *directory = malloc(sizeof *directory);
	int result;

	if (!directory) {
		close(fd);
		return fail(walk, name, err);
	}
	*directory = (struct directory){fd, 0, {hash[0], hash[1]}};
	result = read_directory(walk, directory, name, err);
	release(directory);
	return result;
}

/* Takes one directory from the stack; after a failure only to free it. */
static int pop(struct walk *walk, bool has_failed, struct mote_error *err)
{
	struct waiting *waiting = walk->stack;
	int result = 0, fd = -1;

	walk->stack = waiting->next;
	if (!has_failed)
		fd = openat(waiting->parent->fd, waiting->name,
		            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Removed or replaced in the meantime: then its parent has changed, too. */
	if (fd < 0 && !has_failed && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
		result = fail(walk, waiting->name, err);
	waiting->parent->waiting--;
	release(waiting->parent);
	if (fd >= 0)
		result = enter(walk, fd, waiting->hash, waiting->name, err);
	free(waiting);
	return result;
}

static int walk_tree(struct walk *walk, struct mote_error *err)
{
	static const uint64_t nowhere[2];
	struct stat status;
	uint64_t hash[2];
	int result, fd = open(walk->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &status)) {
		fail(walk, "it", err);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	add_record(walk, nowhere, "", &status, hash);
	result = enter(walk, fd, hash, "it", err);
	while (walk->stack) {
		if (pop(walk, result < 0, err))
			result = -1;
	}
	return result;
}

int root_fingerprint(const char *path, int left_out, struct root_fingerprint *out,
                     struct mote_error *err)
{
	struct walk *walk = malloc(sizeof *walk);
	struct timespec now;
	uint64_t sum[3];
	int result;

	if (!walk)
		return mote_error_errno(err, MOTE_STATUS_FAILED,
		                        "cannot build the root image from %s", path);
	*out = (struct root_fingerprint){.is_fresh = false};
	clock_gettime(CLOCK_REALTIME, &now);
	walk->stack = NULL;
	walk->path = path;
	walk->out = out;
	walk->count = 0;
	walk->started = nanoseconds(&now);
	walk->leaves_out = left_out >= 0 && fstat(left_out, &walk->left_out) == 0;
	result = walk_tree(walk, err);
	sum[0] = out->half[0];
	sum[1] = out->half[1];
	sum[2] = walk->count;
	siphash_128(hash_key, sum, sizeof sum, out->half);
	free(walk);
	return result;
}

bool root_fingerprint_equal(const struct root_fingerprint *a, const struct root_fingerprint *b)
{
	return a->half[0] == b->half[0] && a->half[1] == b->half[1];
}
