/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that wait for files to be ready: poll and select. */
#include <linux/errno.h>
#include <linux/time_types.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/file.h"
#include "guestkit/libc-shim/poll.h"
#include "guestkit/libc-shim/socket.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/time_value.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/memory.h"
#include "guestkit/snapshot.h"
#include "guestkit/string.h"
#include "guestkit/user.h"

#define NS_PER_SECOND 1000000000ull
#define POLL_CHUNK    32
#define WAITERS_FEW   4
#define SELECT_WORDS  (VFS_OPEN_MAX / 64)
#define SIGSET_BYTES  8

/* What select's three sets stand for. */
#define SELECT_READ   (POLL_READ_BITS | POLLRDBAND | POLLHUP | POLLERR)
#define SELECT_WRITE  (POLL_WRITE_BITS | POLLWRBAND | POLLERR)
#define SELECT_EXCEPT POLLPRI

/* ---- one file ---- */

/* The files that a call waits for: a waiter in the queue of each. */
struct poll_waiter {
	struct thread_waiter waiter;
	struct file *file; /* referenced, as others may close it meanwhile */
};

struct poll_waits {
	size_t count;
	size_t limit;
	struct poll_waiter *all; /* few, or heap */
	struct poll_waiter few[WAITERS_FEW];
};

static int waits_init(struct poll_waits *waits, size_t limit)
{
	waits->count = 0;
	waits->limit = limit;
	waits->all = limit <= WAITERS_FEW ? waits->few : heap_alloc(limit * sizeof(*waits->all));
	return waits->all ? 0 : -ENOMEM;
}

static void waits_end(struct poll_waits *waits)
{
	for (size_t i = 0; i < waits->count; i++) {
		wait_queue_remove(&waits->all[i].waiter.waiter);
		file_put(waits->all[i].file);
	}
	if (waits->all != waits->few)
		heap_free(waits->all);
}

static void waits_add(struct poll_waits *waits, struct file *file, struct wait_queue *queue)
{
	struct poll_waiter *waiter = &waits->all[waits->count];

	if (!queue || waits->count == waits->limit)
		return;
	waits->count++;
	thread_waiter_init(&waiter->waiter);
	waiter->file = file_get(file);
	wait_queue_add(queue, &waiter->waiter.waiter);
}

/*
 * The POLL* bits of a file now.
 * @waits: wait for it, too; NULL: only look
 */
static uint32_t file_events(struct file *file, struct poll_waits *waits)
{
	struct poll_state state = {.readable = true, .writable = true};

	if (file->ops->poll)
		state = file->ops->poll(file);
	if (waits)
		waits_add(waits, file, state.queue);
	return poll_state_bits(&state);
}

/* --snapshot-at=listen: the call is about to sleep. Return: whether to look again. */
static bool snapshot_where_one_listens(const struct poll_waits *waits)
{
	for (size_t i = 0; i < waits->count; i++)
		if (file_is_idle_listener(waits->all[i].file))
			return snapshot_take(MOTE_SNAPSHOT_LISTEN) > MOTE_SNAPSHOT_NONE;
	return false;
}

/* ---- deadlines ---- */

static int deadline_of(int64_t seconds, int64_t nanoseconds, uint64_t *deadline)
{
	uint64_t duration;
	int result = time_span(seconds, nanoseconds, &duration);

	if (!result)
		*deadline = !duration ? 0 : time_deadline_after(duration);
	return result;
}

static int deadline_from_timespec(uint64_t user, uint64_t *deadline)
{
	struct __kernel_timespec time;

	*deadline = SHIM_FOREVER;
	if (!user)
		return 0;
	if (user_read(&time, user, sizeof(time)))
		return -EFAULT;
	return deadline_of(time.tv_sec, time.tv_nsec, deadline);
}

/* Tell how much of the time is left, where Linux does; a bad pointer is not an error. */
static void give_remaining(uint64_t user, uint64_t deadline, uint64_t unit)
{
	uint64_t now = clock_monotonic();
	uint64_t left = deadline > now ? deadline - now : 0;
	int64_t value[2] = {(int64_t)(left / NS_PER_SECOND),
	                    (int64_t)(left % NS_PER_SECOND / unit)};

	if (user && deadline != SHIM_FOREVER)
		(void)user_write(user, value, sizeof(value));
}

/* Looks at all files once. Return: how many are ready, or a negative errno. */
typedef int64_t poll_scan(void *files, struct poll_waits *waits);

/* Scan until something is ready, the time is over (0), or a signal comes. A deadline of 0 is over
 * at once. */
static int64_t scan_until(poll_scan *scan, void *files, size_t limit, uint64_t deadline)
{
	struct poll_waits waits;
	int64_t result = scan(files, NULL);
	int woken;

	if (!result && !deadline && shim_glance())
		result = scan(files, NULL);
	if (result || !deadline)
		return result;
	woken = waits_init(&waits, limit);
	if (woken < 0)
		return woken;
	result = scan(files, &waits);
	if (!result && snapshot_is_wanted(MOTE_SNAPSHOT_LISTEN) &&
	    snapshot_where_one_listens(&waits))
		result = scan(files, NULL);
	while (!result && !woken) {
		woken = shim_wait(deadline);
		result = woken == -EINTR ? 0 : scan(files, NULL);
	}
	waits_end(&waits);
	return result ? result : woken == -ETIMEDOUT ? 0 : woken;
}

static int mask_for_wait(uint64_t user, uint64_t size)
{
	uint64_t mask;

	if (!user)
		return 0;
	if (size != SIGSET_BYTES)
		return -EINVAL;
	if (user_read(&mask, user, sizeof(mask)))
		return -EFAULT;
	shim_wait_mask(mask);
	return 0;
}

/* ---- poll ---- */

struct poll_files {
	uint64_t user; /* address of the struct pollfd array */
	uint32_t count;
};

static bool poll_one(struct pollfd *entry, struct poll_waits *waits)
{
	struct file *file = entry->fd < 0 ? NULL : file_of_unheld((uint64_t)entry->fd);
	uint32_t wanted = (uint16_t)entry->events | POLLERR | POLLHUP;

	entry->revents = 0;
	if (file)
		entry->revents = (short)(file_events(file, waits) & wanted);
	else if (entry->fd >= 0)
		entry->revents = POLLNVAL;
	return entry->revents != 0;
}

static int64_t poll_all(void *files, struct poll_waits *waits)
{
	const struct poll_files *poll = files;
	struct pollfd chunk[POLL_CHUNK];
	int64_t ready = 0;

	for (uint32_t i = 0; i < poll->count; i += POLL_CHUNK) {
		uint32_t here = poll->count - i < POLL_CHUNK ? poll->count - i : POLL_CHUNK;
		uint64_t at = poll->user + (uint64_t)i * sizeof(*chunk);

		if (user_read(chunk, at, here * sizeof(*chunk)))
			return -EFAULT;
		for (uint32_t j = 0; j < here; j++)
			ready += poll_one(&chunk[j], waits);
		if (user_write(at, chunk, here * sizeof(*chunk)))
			return -EFAULT;
	}
	return ready;
}

static int64_t poll_until(uint64_t user, uint32_t count, uint64_t deadline)
{
	struct poll_files files = {user, count};

	if (count > descriptor_limit)
		return -EINVAL;
	return scan_until(poll_all, &files, count, deadline);
}

int64_t sys_poll(const uint64_t *arg)
{
	int timeout = (int)arg[2];
	uint64_t deadline = SHIM_FOREVER;

	if (timeout >= 0)
		deadline = timeout ? time_deadline_after((uint64_t)timeout * 1000000) : 0;
	return poll_until(arg[0], (uint32_t)arg[1], deadline);
}

int64_t sys_ppoll(const uint64_t *arg)
{
	uint64_t deadline;
	int64_t result = deadline_from_timespec(arg[2], &deadline);

	if (!result)
		result = mask_for_wait(arg[3], arg[4]);
	if (result)
		return result;
	result = poll_until(arg[0], (uint32_t)arg[1], deadline);
	give_remaining(arg[2], deadline, 1);
	return result;
}

/* ---- select ---- */

enum { SET_READ, SET_WRITE, SET_EXCEPT, SETS };

static const uint32_t set_bits[SETS] = {SELECT_READ, SELECT_WRITE, SELECT_EXCEPT};

/* The three sets of descriptors, and what of them is ready. */
struct select {
	uint64_t user[SETS]; /* addresses, 0 for none */
	unsigned count;      /* of descriptors */
	unsigned words;      /* of 64 descriptors, in each set */
	uint64_t in[SETS][SELECT_WORDS], out[SETS][SELECT_WORDS];
};

static int64_t select_one(struct select *select, unsigned fd, struct poll_waits *waits)
{
	uint64_t bit = 1ull << (fd % 64);
	uint32_t wanted = 0, bits;
	struct file *file;
	int64_t ready = 0;

	for (unsigned set = 0; set < SETS; set++)
		if (select->in[set][fd / 64] & bit)
			wanted |= set_bits[set];
	if (!wanted)
		return 0;
	file = file_of_unheld(fd);
	if (!file)
		return -EBADF;
	bits = file_events(file, waits);
	for (unsigned set = 0; set < SETS; set++) {
		if ((select->in[set][fd / 64] & bit) && (bits & set_bits[set])) {
			select->out[set][fd / 64] |= bit;
			ready++;
		}
	}
	return ready;
}

static int64_t select_all(void *files, struct poll_waits *waits)
{
	struct select *select = files;
	int64_t ready = 0;

	for (unsigned fd = 0; fd < select->count; fd++) {
		int64_t result = select_one(select, fd, waits);

		if (result < 0)
			return result;
		ready += result;
	}
	return ready;
}

static int select_load(struct select *select, const uint64_t *users, unsigned count)
{
	memset(select, 0, sizeof(*select));
	select->count = count;
	select->words = (count + 63) / 64;
	for (unsigned set = 0; set < SETS; set++) {
		select->user[set] = users[set];
		if (users[set] && user_read(select->in[set], users[set], 8ul * select->words))
			return -EFAULT;
	}
	return 0;
}

static int64_t select_until(const uint64_t *arg, uint64_t deadline)
{
	struct select select;
	unsigned count = (unsigned)arg[0];
	int64_t result;

	if ((int)count < 0)
		return -EINVAL;
	if (count > VFS_OPEN_MAX)
		count = VFS_OPEN_MAX;
	result = select_load(&select, arg + 1, count);
	if (!result)
		result = scan_until(select_all, &select, count, deadline);
	if (result < 0)
		return result;
	for (unsigned set = 0; set < SETS; set++)
		if (select.user[set] &&
		    user_write(select.user[set], select.out[set], 8ul * select.words))
			return -EFAULT;
	return result;
}

int64_t sys_select(const uint64_t *arg)
{
	uint64_t deadline = SHIM_FOREVER;
	int64_t time[2], result = 0; /* struct timeval */

	if (arg[4]) {
		if (user_read(time, arg[4], sizeof(time)))
			return -EFAULT;
		/* Whole seconds among the microseconds are carried over, as Linux does it. */
		result = time[1] < 0 ? -EINVAL
		                     : deadline_of((int64_t)((uint64_t)time[0] +
		                                             (uint64_t)time[1] / 1000000),
		                                   time[1] % 1000000 * 1000, &deadline);
	}
	if (result)
		return result;
	result = select_until(arg, deadline);
	give_remaining(arg[4], deadline, 1000);
	return result;
}

int64_t sys_pselect6(const uint64_t *arg)
{
	uint64_t deadline, mask[2] = {0, 0}; /* address and size */
	int64_t result = deadline_from_timespec(arg[4], &deadline);

	if (!result && arg[5] && user_read(mask, arg[5], sizeof(mask)))
		result = -EFAULT;
	if (!result)
		result = mask_for_wait(mask[0], mask[1]);
	if (result)
		return result;
	result = select_until(arg, deadline);
	give_remaining(arg[4], deadline, 1);
	return result;
}
