/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that wait for files to be ready: poll and select. */
#include <asm/poll.h>
#include <linux/errno.h>
#include <linux/time_types.h>

#include "guestkit/clock.h"
#include "guestkit/libc-shim/file.h"
#include "guestkit/libc-shim/syscall.h"
#include "guestkit/libc-shim/wait.h"
#include "guestkit/string.h"
#include "guestkit/user.h"
#include "mote/abi.h"

#define NS_PER_SECOND 1000000000ull
#define NO_DEADLINE   UINT64_MAX
#define POLL_CHUNK    32
#define SELECT_WORDS  (VFS_OPEN_MAX / 64)
#define SIGSET_BYTES  8

#define READ_BITS  (POLLIN | POLLRDNORM)
#define WRITE_BITS (POLLOUT | POLLWRNORM)
/* What select's three sets stand for. */
#define SELECT_READ   (READ_BITS | POLLRDBAND | POLLHUP | POLLERR)
#define SELECT_WRITE  (WRITE_BITS | POLLWRBAND | POLLERR)
#define SELECT_EXCEPT POLLPRI

/*
 * The POLL* bits of a file now.
 * @wanted: bits whose absence the caller would wait for
 * @events: MOTE_EVENT_* that may bring them is added
 */
static uint32_t file_events(struct file *file, uint32_t wanted, uint32_t *events)
{
	struct poll_state state = {.readable = true, .writable = true};
	uint32_t bits = 0;

	if (file->ops->poll)
		state = file->ops->poll(file);
	if (state.readable)
		bits |= READ_BITS;
	if (state.writable)
		bits |= WRITE_BITS;
	if (state.hung_up)
		bits |= POLLHUP;
	if (state.error)
		bits |= POLLERR;
	if ((wanted & READ_BITS) && !state.readable && !state.internal)
		*events |= MOTE_EVENT_INPUT;
	return bits;
}

/* ---- deadlines ---- */

/* The moment @duration from now. */
static uint64_t deadline_after(uint64_t duration)
{
	uint64_t deadline;

	if (__builtin_add_overflow(clock_monotonic(), duration, &deadline))
		return NO_DEADLINE;
	return deadline;
}

static int deadline_of(int64_t seconds, int64_t nanoseconds, uint64_t *deadline)
{
	uint64_t duration;

	if (seconds < 0 || nanoseconds < 0 || nanoseconds >= (int64_t)NS_PER_SECOND)
		return -EINVAL;
	if (__builtin_mul_overflow((uint64_t)seconds, NS_PER_SECOND, &duration) ||
	    __builtin_add_overflow(duration, (uint64_t)nanoseconds, &duration))
		duration = NO_DEADLINE;
	*deadline = !duration ? 0 : deadline_after(duration);
	return 0;
}

static int deadline_from_timespec(uint64_t user, uint64_t *deadline)
{
	struct __kernel_timespec time;

	*deadline = NO_DEADLINE;
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

	if (user && deadline != NO_DEADLINE)
		(void)user_write(user, value, sizeof(value));
}

/*
 * Nothing was ready: sleep. Return: 1: look again; 0: the time is over; -EINTR.
 * A deadline of 0 is over at once.
 */
static int64_t sleep_until(uint64_t deadline, uint32_t events)
{
	int64_t result;

	if (!deadline || clock_monotonic() >= deadline)
		return 0;
	result = shim_wait(deadline, events);
	return result < 0 ? result : 1;
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

static bool poll_one(struct pollfd *entry, uint32_t *events)
{
	struct file *file = entry->fd < 0 ? NULL : file_of((uint64_t)entry->fd);
	uint32_t wanted = (uint16_t)entry->events | POLLERR | POLLHUP;

	entry->revents = 0;
	if (file)
		entry->revents = (short)(file_events(file, wanted, events) & wanted);
	else if (entry->fd >= 0)
		entry->revents = POLLNVAL;
	return entry->revents != 0;
}

/* Look at all once. Return: how many are ready, or -EFAULT. */
static int64_t poll_scan(uint64_t user, uint32_t count, uint32_t *events)
{
	struct pollfd chunk[POLL_CHUNK];
	int64_t ready = 0;

	for (uint32_t i = 0; i < count; i += POLL_CHUNK) {
		uint32_t here = count - i < POLL_CHUNK ? count - i : POLL_CHUNK;
		uint64_t at = user + (uint64_t)i * sizeof(*chunk);

		if (user_read(chunk, at, here * sizeof(*chunk)))
			return -EFAULT;
		for (uint32_t j = 0; j < here; j++)
			ready += poll_one(&chunk[j], events);
		if (user_write(at, chunk, here * sizeof(*chunk)))
			return -EFAULT;
	}
	return ready;
}

static int64_t poll_until(uint64_t user, uint32_t count, uint64_t deadline)
{
	if (count > descriptor_limit)
		return -EINVAL;
	for (;;) {
		uint32_t events = 0;
		int64_t result = poll_scan(user, count, &events);

		if (result)
			return result;
		result = sleep_until(deadline, events);
		if (result <= 0)
			return result;
	}
}

int64_t sys_poll(const uint64_t *arg)
{
	int timeout = (int)arg[2];
	uint64_t deadline = NO_DEADLINE;

	if (timeout >= 0)
		deadline = timeout ? deadline_after((uint64_t)timeout * 1000000) : 0;
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
	unsigned words;      /* of 64 descriptors, in each set */
	uint64_t in[SETS][SELECT_WORDS], out[SETS][SELECT_WORDS];
};

static int64_t select_one(struct select *select, unsigned fd, uint32_t *events)
{
	uint64_t bit = 1ull << (fd % 64);
	uint32_t wanted = 0;
	int64_t ready = 0;

	for (unsigned set = 0; set < SETS; set++)
		if (select->in[set][fd / 64] & bit)
			wanted |= set_bits[set];
	if (!wanted)
		return 0;
	struct file *file = file_of(fd);

	if (!file)
		return -EBADF;
	uint32_t bits = file_events(file, wanted, events);

	for (unsigned set = 0; set < SETS; set++) {
		if ((select->in[set][fd / 64] & bit) && (bits & set_bits[set])) {
			select->out[set][fd / 64] |= bit;
			ready++;
		}
	}
	return ready;
}

static int64_t select_scan(struct select *select, unsigned count, uint32_t *events)
{
	int64_t ready = 0;

	for (unsigned fd = 0; fd < count; fd++) {
		int64_t result = select_one(select, fd, events);

		if (result < 0)
			return result;
		ready += result;
	}
	return ready;
}

static int select_load(struct select *select, const uint64_t *users, unsigned count)
{
	memset(select, 0, sizeof(*select));
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
	while (!result) {
		uint32_t events = 0;

		result = select_scan(&select, count, &events);
		if (result)
			break;
		result = sleep_until(deadline, events);
		if (result <= 0)
			break;
		result = 0;
	}
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
	uint64_t deadline = NO_DEADLINE;
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
