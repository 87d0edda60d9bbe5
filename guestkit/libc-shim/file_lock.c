/* SPDX-License-Identifier: Apache-2.0 */
/* Locks on files: flock, and record locks by fcntl. */
#include "guestkit/libc-shim/file_lock.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/fs.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/file.h"
#include "guestkit/libc-shim/process.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/memory.h"
#include "guestkit/user.h"

/*
 * How it works. One list holds all locks; there are few. An owner's locks do not overlap: a new one
 * cuts what it covers out of the old ones first. The owner of flock's and of OFD locks is the open
 * file, of POSIX locks the process; these do not conflict with themselves, but with OFD locks.
 * flock's know nothing of the others. Whoever waits looks again whenever any lock was changed.
 *
 * Of a file that others than this guest can open, a lock is taken outside, too, after it is known
 * that nobody inside is in the way. There is no word from there when a lock has been given back:
 * whoever waits for one asks again, less and less often.
 */

#define ASK_AGAIN_FIRST 1000000ull   /* ns */
#define ASK_AGAIN_LAST  100000000ull /* the longest wait between two questions */

struct lock {
	struct lock *next;
	const struct inode *inode; /* not referenced: a file that is open has it */
	const struct file *owner;  /* not referenced; NULL: the process */
	uint64_t start, last;      /* bytes; last inclusive */
	bool is_flock;
	bool is_exclusive;
};

static struct lock *locks;
static unsigned process_locks; /* of them POSIX locks */
static struct wait_queue changed;

static bool is_same_kind(const struct lock *a, const struct lock *b)
{
	return a->is_flock == b->is_flock && inode_is_same(a->inode, b->inode);
}

static bool overlaps(const struct lock *a, const struct lock *b)
{
	return a->start <= b->last && b->start <= a->last;
}

/* The first lock in the file of another owner that is in the way. */
static const struct lock *find_conflict(const struct lock *wanted)
{
	const struct lock *first = NULL;

	for (const struct lock *lock = locks; lock; lock = lock->next)
		if (is_same_kind(lock, wanted) && lock->owner != wanted->owner &&
		    overlaps(lock, wanted) && (lock->is_exclusive || wanted->is_exclusive) &&
		    (!first || lock->start < first->start))
			first = lock;
	return first;
}

static void add_lock(struct lock *memory, const struct lock *content)
{
	*memory = *content;
	memory->next = locks;
	locks = memory;
	process_locks += !memory->owner;
}

static void drop_lock(struct lock **link)
{
	struct lock *lock = *link;

	*link = lock->next;
	process_locks -= !lock->owner;
	heap_free(lock);
	wait_queue_wake(&changed);
}

/* Take a range out of what its owner has; @spare holds the second half of one that is cut in two,
 * and is set to NULL where it was needed. */
static void cut_range(const struct lock *range, struct lock **spare)
{
	struct lock **link = &locks;

	while (*link) {
		struct lock *lock = *link, behind = *lock;

		if (!is_same_kind(lock, range) || lock->owner != range->owner ||
		    !overlaps(lock, range)) {
			link = &lock->next;
			continue;
		}
		wait_queue_wake(&changed);
		behind.start = range->last + 1;
		if (lock->start < range->start && lock->last > range->last) {
			lock->last = range->start - 1;
			add_lock(*spare, &behind);
			*spare = NULL;
			return;
		}
		if (lock->start < range->start)
			lock->last = range->start - 1;
		else if (lock->last > range->last)
			lock->start = behind.start;
		else
			drop_lock(link);
	}
}

/* Set a lock, or only clear the range (@wanted false). */
static int set_lock(const struct lock *lock, bool wanted)
{
	struct lock *memory = heap_alloc(sizeof(*memory)), *spare = heap_alloc(sizeof(*spare));

	if (!memory || !spare) {
		heap_free(memory);
		heap_free(spare);
		return -ENOLCK;
	}
	cut_range(lock, &spare);
	if (wanted)
		add_lock(memory, lock);
	else
		heap_free(memory);
	heap_free(spare);
	return 0;
}

/* ---- locks outside ---- */

static struct file_lock_request request_of(const struct lock *lock, bool wanted)
{
	return (struct file_lock_request){
	        .start = lock->start,
	        .last = lock->last,
	        .type = (short)(!wanted              ? F_UNLCK
	                        : lock->is_exclusive ? F_WRLCK
	                                             : F_RDLCK),
	        .is_flock = lock->is_flock,
	        .is_of_process = !lock->owner,
	};
}

/* Take a lock outside, or give it back. */
static int set_outside(struct file *file, const struct lock *lock, bool wanted)
{
	struct file_lock_request request = request_of(lock, wanted);

	return file->ops->lock ? file->ops->lock(file, &request) : 0;
}

/* ---- setting ---- */

/* Wait until nobody else's is in the way, inside or outside, and take it outside. */
static int acquire(struct file *file, const struct lock *lock, bool waits)
{
	uint64_t pause = ASK_AGAIN_FIRST;
	int result = 0;

	for (;;) {
		while (!result && find_conflict(lock))
			result = waits ? shim_wait_on(&changed, SHIM_FOREVER) : -EAGAIN;
		if (result)
			return result;
		result = set_outside(file, lock, true);
		if (result != -EAGAIN || !waits)
			return result;
		result = shim_wait_on(&changed, clock_monotonic() + pause);
		result = result == -ETIMEDOUT ? 0 : result;
		pause = 2 * pause < ASK_AGAIN_LAST ? 2 * pause : ASK_AGAIN_LAST;
	}
}

/* Set a lock once nobody else's is in the way, or clear its range. */
static int set_after(struct file *file, const struct lock *lock, bool wanted, bool waits)
{
	int result;

	file_get(file);
	result = wanted ? acquire(file, lock, waits) : set_outside(file, lock, false);
	if (!result) {
		result = set_lock(lock, wanted);
		if (result && wanted)
			set_outside(file, lock, false);
	}
	if (!result && lock->owner)
		file->has_locks = true;
	file_put(file);
	return result;
}

/* Drop the locks on a file that an open file (NULL: the process) has; @file is open on it. */
static void drop_locks_of(struct file *file, const struct file *owner)
{
	struct lock **link = &locks;

	while (*link) {
		struct lock *lock = *link;

		if (lock->owner == owner && inode_is_same(lock->inode, file->inode)) {
			set_outside(file, lock, false);
			drop_lock(link);
		} else {
			link = &lock->next;
		}
	}
}

void file_lock_file_gone(struct file *file)
{
	drop_locks_of(file, file);
}

void file_lock_descriptor_closed(struct file *file)
{
	if (process_locks)
		drop_locks_of(file, NULL);
}

/* ---- flock ---- */

int64_t sys_flock(const uint64_t *arg)
{
	struct file *file = file_of(arg[0]);
	uint32_t operation = (uint32_t)arg[1] & ~(uint32_t)LOCK_NB;
	bool waits = !((uint32_t)arg[1] & LOCK_NB);
	struct lock lock = {.is_flock = true, .last = UINT64_MAX};

	if (operation != LOCK_SH && operation != LOCK_EX && operation != LOCK_UN)
		return -EINVAL;
	if (!file)
		return -EBADF;
	lock.inode = file->inode;
	lock.owner = file;
	lock.is_exclusive = operation == LOCK_EX;
	/* As on Linux, a lock that is changed is given up first: another may come in between. */
	if (operation != LOCK_UN && file->has_locks) {
		int result = set_after(file, &lock, false, false);

		if (result)
			return result;
	}
	return set_after(file, &lock, operation != LOCK_UN, waits);
}

/* ---- record locks ---- */

/* The bytes that a struct flock names: 0, -EINVAL or -EOVERFLOW. */
static int record_range(const struct file *file, const struct flock *record, struct lock *lock)
{
	int64_t base = 0, start, last;

	switch (record->l_whence) {
	case SEEK_SET: break;
	case SEEK_CUR: base = (int64_t)file->position; break;
	case SEEK_END:
		(void)inode_refresh(file->inode);
		base = (int64_t)file->inode->size;
		break;
	default: return -EINVAL;
	}
	if (__builtin_add_overflow(base, record->l_start, &start))
		return -EOVERFLOW;
	if (start < 0)
		return -EINVAL;
	last = INT64_MAX;
	if (record->l_len > 0 && __builtin_add_overflow(start, record->l_len - 1, &last))
		return -EOVERFLOW;
	if (record->l_len < 0) {
		last = start - 1;
		start += record->l_len;
	}
	if (start < 0)
		return -EINVAL;
	lock->start = (uint64_t)start;
	lock->last = (uint64_t)last;
	return 0;
}

static int64_t get_record(struct file *file, const struct lock *lock, struct flock *record,
                          uint64_t argument)
{
	const struct lock *other = find_conflict(lock);
	struct file_lock_request outside = request_of(lock, true);
	int result = 0;

	outside.is_question = true;
	record->l_type = F_UNLCK;
	if (!other && file->ops->lock)
		result = file->ops->lock(file, &outside);
	if (result)
		return result;
	if (!other && file->ops->lock && outside.type != F_UNLCK) {
		record->l_type = outside.type;
		record->l_whence = SEEK_SET;
		record->l_start = (int64_t)outside.start;
		record->l_len =
		        outside.last >= INT64_MAX ? 0 : (int64_t)(outside.last - outside.start + 1);
		record->l_pid = outside.owner;
	}
	if (other) {
		record->l_type = other->is_exclusive ? F_WRLCK : F_RDLCK;
		record->l_whence = SEEK_SET;
		record->l_start = (int64_t)other->start;
		record->l_len =
		        other->last == INT64_MAX ? 0 : (int64_t)(other->last - other->start + 1);
		record->l_pid = other->owner ? -1 : PROCESS_ID;
	}
	return user_write(argument, record, sizeof(*record));
}

int64_t file_lock_fcntl(struct file *file, uint32_t command, uint64_t argument)
{
	bool is_ofd = command >= F_OFD_GETLK;
	bool get = command == F_GETLK || command == F_OFD_GETLK;
	bool waits = command == F_SETLKW || command == F_OFD_SETLKW;
	struct lock lock = {.inode = file->inode, .owner = is_ofd ? file : NULL};
	struct flock record;
	int result;

	if (user_read(&record, argument, sizeof(record)))
		return -EFAULT;
	if (record.l_type != F_RDLCK && record.l_type != F_WRLCK &&
	    (record.l_type != F_UNLCK || (get && !is_ofd)))
		return -EINVAL;
	if (is_ofd && record.l_pid)
		return -EINVAL;
	result = record_range(file, &record, &lock);
	if (result)
		return result;
	lock.is_exclusive = record.l_type == F_WRLCK;
	if (get)
		return get_record(file, &lock, &record, argument);
	if ((record.l_type == F_RDLCK && !file_is_readable(file)) ||
	    (record.l_type == F_WRLCK && !file_is_writable(file)))
		return -EBADF;
	return set_after(file, &lock, record.l_type != F_UNLCK, waits);
}
